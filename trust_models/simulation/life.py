"""The days of the customers: trust fades or grows, people order, fall silent, leave, are asked.

Belongs here: the day loop over vectors of customers, and the state it carries. Must not be here: what an order
turns into (:mod:`trust_models.simulation.experience`) and the rows of landing files.

Trust of customer i in dimension k on day t is theta_ik(t) = a_ik + f_ik(t): the trust they began with, and what
impressions have left, which fades with a half-life of 240 days. An impression of size e changes it by
e * (1 - sign(e) * f/1.5): the fiftieth parcel in time says less than the first (diminishing returns as in Rescorla
and Wagner's rule, 1972). General trust is the weighted mean over dimensions, divided by its standard deviation on the
first day. It acts on the purchase intensity (exp(beta * eta)), on silence after a bad impression, and on the hazard of
a trust-driven exit (exp(-gamma * eta)).
Need-driven and involuntary exits have constant hazards.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trust_models.simulation import experience
from trust_models.simulation.company_kinds import CompanyKind
from trust_models.simulation.population import (
    DIMENSION_WEIGHTS,
    GENERAL_SCALE,
    Flags,
    Floats,
    Ints,
    Population,
)

EXIT_KINDS = ("trust", "need", "involuntary")
FOREVER = 1_000_000_000
_FADING = np.float32(0.5 ** (1 / 240))
_SATURATION = np.float32(1.5)
_TRUST_ON_EXIT = 0.8
_SURVEY_EVERY_DAYS = 91
_SURVEY_SHARE = 0.02

Columns = dict[str, NDArray[Any]]
"""Equally long arrays of different types by name."""


@dataclass(frozen=True)
class Lives:
    """What happened: one dictionary of equally long arrays per kind of event, and the trust at the end.

    ``trust`` is (n, 5) by dimension and ``general_trust`` (n,), both on the scale of the first day's standard
    normal; ``exits`` in order of time.
    """

    orders: Columns
    complaints: Columns
    exits: Columns
    answers: Columns
    trust: Floats
    general_trust: Floats
    gone_until: Ints


def live(kind: CompanyKind, people: Population, season: Sequence[float], rng: np.random.Generator) -> Lives:
    """Let the customers live through one day per entry of ``season`` (the day's factor on purchase intensity)."""
    life = _Life(kind, people, season, rng)
    for day in range(len(season)):
        life.spend(day)
    trust = life.trust()
    return Lives(
        orders=_joined(life.orders),
        complaints=_joined(life.complaints),
        exits=_joined(life.exits),
        answers=_joined(life.answers),
        trust=trust,
        general_trust=general_trust(trust),
        gone_until=life.gone_until,
    )


def general_trust(trust: Floats) -> Floats:
    """General trust (n,) of trust by dimension (n, 5)."""
    weights = DIMENSION_WEIGHTS / np.float32(GENERAL_SCALE)
    return np.asarray(np.einsum("ij,j->i", trust, weights), np.float32)  # no BLAS: same sums on every machine


def _joined(days: list[Columns]) -> Columns:
    return {name: np.concatenate([day[name] for day in days]) for name in days[0]}


@dataclass
class _Life:
    kind: CompanyKind
    people: Population
    season: Sequence[float]
    rng: np.random.Generator
    orders: list[Columns] = field(default_factory=list)
    complaints: list[Columns] = field(default_factory=list)
    exits: list[Columns] = field(default_factory=list)
    answers: list[Columns] = field(default_factory=list)

    def __post_init__(self) -> None:
        size = len(self.people)
        self.felt: Floats = np.zeros((size, 5), np.float32)
        self.stage = self.rng.integers(0, self.kind.regularity, size).astype(np.int16)
        self.silent_until: Ints = np.zeros(size, np.int64)
        self.gone_until: Ints = np.zeros(size, np.int64)
        self.agenda: list[list[experience.Impressions]] = [[] for _ in self.season]
        self.orders_before = 0

    def trust(self, who: Ints | slice = slice(None)) -> Floats:
        return self.people.trust[who] + self.felt[who]

    def spend(self, day: int) -> None:
        self._feel(day)
        trust = self.trust()
        general = general_trust(trust)
        is_here = (self.people.joined_day <= day) & (self.gone_until <= day)
        self._leave(day, general, is_here)
        is_here &= self.gone_until <= day
        self._order(day, trust, general, is_here)
        self._answer(day, trust, general, is_here)

    def _feel(self, day: int) -> None:
        """Let impressions fade, feel those due today, and fall silent after bad ones, the less trust the longer."""
        self.felt *= _FADING
        if day % 30 == 0:
            self.felt += self.rng.standard_normal(self.felt.shape, np.float32) * np.float32(0.08)
        if not (due := self.agenda[day]):
            return
        customer = np.concatenate([impressions.customer for impressions in due])
        dimension = np.repeat([impressions.dimension for impressions in due], [len(each.size) for each in due])
        size = np.concatenate([impressions.size for impressions in due])
        felt, place = self.felt.reshape(-1), customer * self.felt.shape[1] + dimension
        np.add.at(felt, place, size * (1 - np.sign(size) * felt[place] / _SATURATION))
        hurt = customer[size < -0.4]
        falls_silent = hurt[self.rng.random(len(hurt)) < 0.5 / (1 + np.exp(0.5 + general_trust(self.trust(hurt))))]
        self.silent_until[falls_silent] = day + self.rng.exponential(45, len(falls_silent)).astype(np.int64)
        due.clear()

    def _leave(self, day: int, general: Floats, is_here: Flags) -> None:
        kind = self.kind
        distrust = np.exp(-_TRUST_ON_EXIT * general - _TRUST_ON_EXIT**2 / 2) * np.float32(kind.trust_exit_year / 365)
        draw = self.rng.random(len(general), np.float32) - distrust
        constant = (kind.need_exit_year + kind.involuntary_exit_year) / 365
        who = np.flatnonzero(is_here & (draw < constant))
        reason = np.where(draw[who] < 0, 0, np.where(draw[who] < kind.need_exit_year / 365, 1, 2))
        comes_back = (reason < 2) & (self.rng.random(len(who)) < kind.comeback_share)
        self.gone_until[who] = np.where(comes_back, day + self.rng.integers(90, 400, len(who)), FOREVER)
        is_declared = (reason == 2) | (self.rng.random(len(who)) < kind.declared_share)
        until = self.gone_until[who]
        self.exits.append(
            {"day": np.full(len(who), day), "customer": who, "kind": reason, "is_declared": is_declared, "until": until}
        )

    def _order(self, day: int, trust: Floats, general: Floats, is_here: Flags) -> None:
        kind, people, beta = self.kind, self.people, self.kind.trust_on_intensity
        intensity = people.rate * np.exp(beta * general - beta**2 / 2) * np.float32(kind.regularity * self.season[day])
        moves = is_here & (self.silent_until <= day) & (self.rng.random(len(general), np.float32) < intensity)
        self.stage[moves] += 1
        is_due = (self.stage >= kind.regularity) & is_here
        self.stage[is_due] = 0
        who = np.flatnonzero(is_due | (is_here & people.orders_on_joining & (people.joined_day == day)))
        outcomes = experience.order_outcomes(kind, people, who, trust[who], self.rng)
        self.orders.append(
            {
                "day": np.full(len(who), day),
                "customer": who,
                "general_trust": general[who],
                "trust": trust[who],
                **vars(outcomes),
            }
        )
        self._plan(experience.order_impressions(kind, day, who, outcomes))
        self._complain(day, who, outcomes)
        self.orders_before += len(who)

    def _complain(self, day: int, who: Ints, outcomes: experience.Outcomes) -> None:
        delays = experience.complaint_delays(outcomes.complaint, outcomes, self.rng)
        rows = np.flatnonzero(outcomes.complaint != experience.NO_COMPLAINT)
        handling = experience.complaint_handling(self.kind, self.people, who[rows], self.rng)
        opened_day = day + delays[rows]
        self.complaints.append(
            {
                "day": opened_day,
                "customer": who[rows],
                "order": self.orders_before + rows,
                "category": outcomes.complaint[rows],
                **vars(handling),
            }
        )
        self._plan(experience.complaint_impressions(opened_day, who[rows], handling))

    def _plan(self, impressions: Sequence[experience.Impressions]) -> None:
        for planned in impressions:
            for due in np.unique(planned.due[planned.due < len(self.season)]):
                rows = planned.due == due
                self.agenda[due].append(
                    experience.Impressions(
                        planned.due[rows], planned.customer[rows], planned.dimension, planned.size[rows]
                    )
                )

    def _answer(self, day: int, trust: Floats, general: Floats, is_here: Flags) -> None:
        """Every quarter a survey goes to a sample in which class A is twice as likely; the content answer more."""
        if day % _SURVEY_EVERY_DAYS:
            return
        weight = np.where(self.people.customer_class == 0, 0.5, 1.0)
        who = np.flatnonzero(is_here & (self.rng.random(len(general)) < _SURVEY_SHARE / weight))
        who = who[self.rng.random(len(who)) < 1 / (1 + np.exp(0.5 - 0.4 * general[who]))]
        self.answers.append(
            {"day": np.full(len(who), day), "customer": who, "trust": trust[who], "weight": weight[who]}
        )
