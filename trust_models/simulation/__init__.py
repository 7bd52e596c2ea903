"""A simulated company whose customers' trust is known, for trying and testing what is inferred from behaviour.

Belongs here: the assembly of a company, landing frames and truth. Must not be here: files, paths, formats
(:mod:`pipelines.ingest.landing_files`), or anything that infers trust. The assumptions are in the module texts of
:mod:`~trust_models.simulation.life`, :mod:`~trust_models.simulation.experience` and
:mod:`~trust_models.simulation.company_kinds`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from types import MappingProxyType

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.special import ndtr

from trust_models.as_of import FACTS
from trust_models.simulation import purchases, records
from trust_models.simulation.company_kinds import KINDS, CompanyKind
from trust_models.simulation.deliveries import Calendar, delivered
from trust_models.simulation.life import EXIT_KINDS, Columns, Lives, live
from trust_models.simulation.population import DIMENSIONS, Floats, Population, population

__all__ = ["KINDS", "Company", "CompanyKind", "simulate"]

_PURCHASE_FACTS: Mapping[str, tuple[str, ...]] = {
    "delivered_at": (),
    "returned_at": ("return_reason",),
    "cancelled_at": (),
}
_MOVED = {"north": "east", "east": "south", "south": "west", "west": "north"}


@dataclass(frozen=True, eq=False)
class Company:
    """What a simulated company would hand over, and what nobody could know.

    Attributes
    ----------
    frames : mapping of str to pl.DataFrame
        One frame per landing source in its landing columns, and ``delivered_on`` (Date): every version of every
        row on the day it is delivered. Timestamps are naive UTC.
    truth : pl.DataFrame
        One row per customer: ``customer_id``; ``latent_trust`` and ``latent_<dimension>`` on the last day,
        standardised over the customers; ``trust_score`` = 100 * Phi(latent_trust); ``complaint_propensity`` (log,
        independent of trust); ``orders_per_year`` (of an average trust); ``joined_date``; ``orders``;
        ``failed_orders`` (late or faulty);
        ``exit_kind`` (trust, need, involuntary, null: still a customer), ``exited_date``, ``is_exit_declared``
        of the exit that holds on the last day.
    kind : CompanyKind
        The parameters.
    calendar : Calendar
        First day, days, and the day of the historical load.
    """

    frames: Mapping[str, pl.DataFrame]
    truth: pl.DataFrame
    kind: CompanyKind
    calendar: Calendar


def simulate(
    *,
    customers: int,
    days: int,
    seed: int,
    start: date = date(2023, 1, 1),
    company: str | CompanyKind = "retail",
) -> Company:
    """Simulate a company; the same arguments give the same frames.

    The first ``days`` - 28 days arrive as one historical load, delivered on the last of them; each later day is a
    delivery of its own.

    Parameters
    ----------
    customers : int
        Customers who join by the last day.
    days : int
        Length of the log.
    seed : int
        Not negative.
    company : str or CompanyKind
        A name in :data:`KINDS` or parameters of one's own.

    Raises
    ------
    ValueError
        If a number is out of range or no such kind of company exists.
    """
    kind = _kind(company)
    if customers < 1 or days < 1 or seed < 0:
        raise ValueError(f"customers and days must be at least 1, seed at least 0: {customers}, {days}, {seed}")
    calendar = Calendar(start, days)
    who, lived, told, sent = np.random.default_rng(seed).spawn(4)
    people = population(kind, customers, days, who)
    lives = live(kind, people, _season(calendar), lived)
    rows = _landing_rows(kind, people, lives, calendar, told)
    frames = MappingProxyType({source: _deliver(source, frame, calendar, sent) for source, frame in rows.items()})
    return Company(frames, _truth(people, lives, calendar), kind, calendar)


def _kind(company: str | CompanyKind) -> CompanyKind:
    if isinstance(company, CompanyKind):
        return company
    if company not in KINDS:
        raise ValueError(f"no kind of company is called {company!r}; known: {', '.join(KINDS)}")
    return KINDS[company]


def _season(calendar: Calendar) -> list[float]:
    """Factor of each day on purchase intensity, mean about 1: a peak before Christmas, weekends busier."""
    first = np.datetime64(calendar.start, "D")
    day = first + np.arange(calendar.days)
    of_year = (day - day.astype("datetime64[Y]")).astype(np.int64)
    weekday = (day.astype(np.int64) + 3) % 7
    peak = 0.7 * np.exp(-0.5 * ((of_year - 335) / 18) ** 2)
    wave = 0.08 * np.cos(2 * np.pi * (of_year - 335) / 365)
    week = np.array([0.95, 0.92, 0.92, 0.95, 1.04, 1.12, 1.1])[weekday]
    return [float(factor) for factor in (0.91 + peak + wave) * week]


def _landing_rows(
    kind: CompanyKind, people: Population, lives: Lives, calendar: Calendar, rng: np.random.Generator
) -> dict[str, pl.DataFrame]:
    ordered = purchases.order_hours(lives.orders, rng)
    arrived = purchases.delivery_moments(lives.orders, rng)
    lines = purchases.purchase_lines(kind, people, lives.orders, ordered, arrived, calendar, rng)
    rows = {
        "purchases": lines,
        "repurchases": purchases.repurchases(lines),
        "complaints": records.complaint_rows(people, lives.complaints, calendar, rng),
        "churn": records.churn_rows(lives.exits, calendar, rng),
        "customers": records.customer_rows(people, calendar, rng),
        "surveys": records.survey_rows(lives.answers, calendar, rng),
        "feedback": records.feedback_rows(lives.orders, arrived, calendar, rng),
    }
    return rows | ({"fx_rates": purchases.exchange_rates(calendar, rng)} if kind.foreign_share else {})


def _deliver(source: str, rows: pl.DataFrame, calendar: Calendar, rng: np.random.Generator) -> pl.DataFrame:
    """The deliveries of a source: what its later facts are, and what a few rows say wrongly at first."""
    match source:
        case "purchases":
            wrong = {"amount": (pl.col("amount") * 1.19).round(2)}
            return delivered(rows, calendar, rng, event_at="ordered_at", facts=_PURCHASE_FACTS, misstated=wrong)
        case "complaints":
            wrong = {"severity": pl.col("severity") % 5 + 1}
            return delivered(rows, calendar, rng, event_at="opened_at", facts=FACTS[source], misstated=wrong)
        case "churn":
            return delivered(rows, calendar, rng, event_at="churned_at", facts=FACTS[source])
        case "customers":
            wrong = {"region": pl.col("region").replace(_MOVED)}
            return delivered(rows, calendar, rng, event_at="joined_at", misstated=wrong)
        case "fx_rates":
            return delivered(rows, calendar, rng, event_at="rate_date", late_share=0.0)
        case _:
            event_at = {"repurchases": "repurchased_at", "surveys": "answered_at", "feedback": "given_at"}[source]
            return delivered(rows, calendar, rng, event_at=event_at)


def _truth(people: Population, lives: Lives, calendar: Calendar) -> pl.DataFrame:
    size, who = len(people), lives.orders["customer"]
    failed = (lives.orders["is_late"] | lives.orders["is_faulty"]).astype(np.float64)
    latent = _standardised(lives.general_trust)
    by_dimension = [pl.Series(f"latent_{name}", _standardised(lives.trust[:, k])) for k, name in enumerate(DIMENSIONS)]
    exit_kind, exit_day, is_declared = _standing_exits(lives.exits, lives.gone_until, calendar.days)
    return pl.select(
        purchases.ids("C", np.arange(size) + 1, 7).alias("customer_id"),
        pl.Series("latent_trust", latent),
        *by_dimension,
        trust_score=pl.Series(100 * ndtr(latent)),
        complaint_propensity=pl.Series(people.voice).cast(pl.Float64),
        orders_per_year=pl.Series(people.rate).cast(pl.Float64) * 365,
        joined_date=calendar.moments(people.joined_day).cast(pl.Date),
        orders=pl.Series(np.bincount(who, minlength=size)),
        failed_orders=pl.Series(np.bincount(who, failed, minlength=size).astype(np.int64)),
        exit_kind=purchases.labels(EXIT_KINDS, exit_kind),
        exited_date=calendar.moments(exit_day).cast(pl.Date),
        is_exit_declared=pl.when(pl.Series(exit_kind >= 0)).then(pl.Series(is_declared)),
    )


def _standardised(values: Floats) -> NDArray[np.float64]:
    spread = float(values.std())
    return np.asarray((values - values.mean()) / (spread if spread > 0 else 1.0), np.float64)


def _standing_exits(
    exits: Columns, gone_until: NDArray[np.int64], days: int
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.bool_]]:
    """Kind (-1: none), day (``nan``) and declaration of each customer's last exit, where they are still gone."""
    kind = np.full(len(gone_until), -1)
    day = np.full(len(gone_until), np.nan)
    is_declared = np.zeros(len(gone_until), np.bool_)
    holds = gone_until[exits["customer"]] >= days
    who = exits["customer"][holds]
    kind[who], day[who], is_declared[who] = exits["kind"][holds], exits["day"][holds], exits["is_declared"][holds]
    return kind, day, is_declared
