"""What customers meet with their orders, and what they make of it.

Belongs here: the outcome of orders (late, faulty, complained about, how the complaint was handled), the size and
day of the impressions these leave on trust. Must not be here: who orders when, and the rows of landing files.

An impression is the difference between what happened and what is usual at this company (expectation
disconfirmation: Oliver, Journal of Marketing Research 17, 1980), so that the average customer's trust does not
drift, while one who keeps meeting bad quality loses it. Good recovery restores part of what a failure took
(McCollough, Berry, Yadav, Journal of Service Research 3, 2000).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trust_models.simulation.company_kinds import CompanyKind
from trust_models.simulation.population import (
    PRODUCT,
    REPUTATION,
    SERVICE,
    TRANSPARENCY,
    VALUES,
    Flags,
    Floats,
    Ints,
    Population,
)

COMPLAINT_CATEGORIES = (
    "product_quality",
    "service_quality",
    "reputation",
    "transparency",
    "values",
    "delivery",
    "billing",
    "other",
)
NO_COMPLAINT = len(COMPLAINT_CATEGORIES)
RESOLUTIONS = ("resolved", "compensated", "replaced", "refunded", "rejected", "withdrawn")
_REJECTED = 4
_NEVER = 10_000.0
"""Days after which a thing that never happens is said to happen: beyond every log."""

_VOICE_SHARES = {PRODUCT: 0.08, SERVICE: 0.14, REPUTATION: 0.14, TRANSPARENCY: 0.14, VALUES: 0.1, 6: 0.2, 7: 0.2}
_TRUST_ON_VOICE = 0.7
_LATE, _FAULT, _UNANSWERED, _UNRESOLVED, _RESOLVED = 0.9, 1.2, 0.5, 0.8, 0.5


@dataclass(frozen=True)
class Impressions:
    """Changes of trust in one dimension, to be felt on the day they are due."""

    due: Ints
    customer: Ints
    dimension: int
    size: Floats


@dataclass(frozen=True)
class Outcomes:
    """What becomes of the orders of one day; delays in days after the order (floats: at that time of day)."""

    is_late: Flags
    is_faulty: Flags
    is_cancelled: Flags
    promised_after: Ints
    delivered_after: Ints
    complaint: Ints


@dataclass(frozen=True)
class Handling:
    """How complaints were handled; delays in days after they were opened, ``nan`` for what never happens."""

    answered_after: Floats
    resolved_after: Floats
    resolution: Ints
    reopened_after: Floats


def chance(share: float, spread: float, quality: Floats) -> NDArray[np.float64]:
    """Probability of a failure that happens to ``share`` of all, for customers of this standard normal quality.

    The slope is ``-spread`` log-odds per standard deviation; the intercept is raised so that the mean over the
    customers stays near ``share`` (MacKay, Neural Computation 4, 1992, eq. 10).
    """
    centre = np.log(share / (1 - share)) * np.sqrt(1 + np.pi * spread**2 / 8)
    return np.asarray(1 / (1 + np.exp(spread * quality - centre)), np.float64)


def order_outcomes(
    kind: CompanyKind, people: Population, who: Ints, trust: Floats, rng: np.random.Generator
) -> Outcomes:
    """Draw what becomes of today's orders of customers ``who``, whose trust is ``trust`` (m, 5)."""
    quality, size = people.quality[who], len(who)
    is_cancelled = rng.random(size) < 0.01
    is_late = ~is_cancelled & (rng.random(size) < chance(kind.late_share, kind.quality_spread, quality[:, SERVICE]))
    is_faulty = ~is_cancelled & (rng.random(size) < chance(kind.fault_share, kind.quality_spread, quality[:, PRODUCT]))
    promised_after = rng.integers(2, 6, size)
    in_time = rng.integers(1, promised_after + 1)
    delivered_after = np.where(is_late, promised_after + rng.geometric(0.3, size), in_time)
    complaint = _complaints(kind, np.exp(people.voice[who]), trust, is_late, is_faulty, rng)
    return Outcomes(is_late, is_faulty, is_cancelled, promised_after, delivered_after, complaint)


def _complaints(
    kind: CompanyKind, voice: Floats, trust: Floats, is_late: Flags, is_faulty: Flags, rng: np.random.Generator
) -> Ints:
    """The category of the complaint on each order, or NO_COMPLAINT; failures speak up most, distrust the rest."""
    shares = np.zeros((len(voice), len(COMPLAINT_CATEGORIES)))
    distrust = np.exp(-_TRUST_ON_VOICE * trust - _TRUST_ON_VOICE**2 / 2)
    for category, share in _VOICE_SHARES.items():
        is_about_trust = category in (SERVICE, REPUTATION, TRANSPARENCY, VALUES)
        shares[:, category] = kind.voice_share * share * (distrust[:, category] if is_about_trust else 1.0)
    shares[:, PRODUCT] += 0.35 * is_faulty
    shares[:, COMPLAINT_CATEGORIES.index("delivery")] += 0.22 * is_late
    limits = (shares * voice[:, None]).cumsum(axis=1)
    return np.asarray((rng.random((len(voice), 1)) >= limits).sum(axis=1), np.int64)


def complaint_delays(category: Ints, outcomes: Outcomes, rng: np.random.Generator) -> Ints:
    """Whole days from order to complaint: after the broken promise, after the faulty delivery, or some day."""
    some = rng.integers(1, 12, len(category))
    soon = rng.geometric(0.4, len(category))
    is_delivery = (category == COMPLAINT_CATEGORIES.index("delivery")) & outcomes.is_late
    is_product = (category == PRODUCT) & outcomes.is_faulty
    after = np.where(is_product, outcomes.delivered_after + soon, some)
    return np.where(is_delivery, outcomes.promised_after + soon, after).astype(np.int64)


def complaint_handling(kind: CompanyKind, people: Population, who: Ints, rng: np.random.Generator) -> Handling:
    """Draw how the complaints of customers ``who`` are handled; class A is served with priority."""
    size, quality = len(who), people.quality[who] + 0.4 * (people.customer_class[who] == 0)[:, None]
    is_slow = rng.random(size) < chance(0.15, kind.quality_spread, quality[:, TRANSPARENCY])
    is_badly_resolved = rng.random(size) < chance(0.25, kind.quality_spread, quality[:, SERVICE])
    is_rejected = is_badly_resolved & (rng.random(size) < 0.4)
    is_never = is_badly_resolved & ~is_rejected & (rng.random(size) < 0.35)
    answered = np.where(is_slow, rng.uniform(2.1, 10, size), rng.uniform(0.05, 1.9, size))
    resolved = answered + rng.uniform(0.1, 9, size)
    resolved = np.where(is_badly_resolved & ~is_rejected, rng.uniform(15, 45, size), resolved)
    resolved = np.where(is_never, np.nan, resolved)
    reopened = np.where(rng.random(size) < 0.05, resolved + rng.uniform(1, 10, size), np.nan)
    good = rng.choice((0, 1, 2, 3, 5), size, p=(0.45, 0.15, 0.15, 0.2, 0.05))
    is_unanswered = (is_slow & (rng.random(size) < 0.3)) | is_never & is_slow
    return Handling(
        answered_after=np.where(is_unanswered & np.isnan(resolved), np.nan, answered).astype(np.float32),
        resolved_after=resolved.astype(np.float32),
        resolution=np.where(is_rejected, _REJECTED, good),
        reopened_after=reopened.astype(np.float32),
    )


def order_impressions(kind: CompanyKind, day: int, who: Ints, outcomes: Outcomes) -> tuple[Impressions, Impressions]:
    """What deliveries do to service trust (when kept or broken) and goods to product trust (two days later)."""
    is_sent = ~outcomes.is_cancelled
    known_after = np.where(outcomes.is_late, outcomes.promised_after + 1, outcomes.delivered_after)
    promise = _LATE * (kind.late_share - outcomes.is_late)
    goods = _FAULT * (kind.fault_share - outcomes.is_faulty)
    return (
        Impressions(day + known_after[is_sent], who[is_sent], SERVICE, promise[is_sent].astype(np.float32)),
        Impressions(
            day + outcomes.delivered_after[is_sent] + 2, who[is_sent], PRODUCT, goods[is_sent].astype(np.float32)
        ),
    )


def complaint_impressions(opened_day: Ints, who: Ints, handling: Handling) -> tuple[Impressions, Impressions]:
    """What the answer does to transparency (after two days) and the resolution to service trust (within two weeks)."""
    is_answered = np.nan_to_num(handling.answered_after, nan=_NEVER) < 2
    days = np.nan_to_num(handling.resolved_after, nan=_NEVER)
    is_good = (days < 14) & (handling.resolution != _REJECTED)
    answer = np.where(is_answered, 0.1, -_UNANSWERED).astype(np.float32)
    recovery = np.where(is_good, _RESOLVED, -_UNRESOLVED).astype(np.float32)
    resolved_day = opened_day + np.minimum(np.ceil(days), 14).astype(np.int64)
    return (
        Impressions(opened_day + 2, who, TRANSPARENCY, answer),
        Impressions(resolved_day, who, SERVICE, recovery),
    )
