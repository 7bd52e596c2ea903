"""Who the customers of a simulated company are on the day they join.

Belongs here: everything about a customer that does not change: when they join, how often they need something,
the trust they begin with, the quality they meet, how readily they complain, their attributes. Must not be here:
anything that happens to them later.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trust_models.simulation.company_kinds import CompanyKind

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

DIMENSIONS = ("product_quality", "service_quality", "reputation", "transparency", "values")
PRODUCT, SERVICE, REPUTATION, TRANSPARENCY, VALUES = range(5)
DIMENSION_WEIGHTS = np.array([0.3, 0.3, 0.15, 0.15, 0.1], np.float32)
COMMON_SHARE = 0.6
"""Share of the variance of a dimension that one general trust explains."""
GENERAL_SCALE = float(np.sqrt(COMMON_SHARE + (1 - COMMON_SHARE) * np.square(DIMENSION_WEIGHTS).sum()))
"""Standard deviation of the weighted dimensions on the first day; general trust is divided by it."""

SEGMENTS = ("consumer", "family", "small_business")
REGIONS = ("north", "east", "south", "west")
CHANNELS = ("web", "app", "store", "phone")
CATEGORIES = ("home", "kitchen", "garden", "electronics", "clothing", "toys", "books", "office")

_SEGMENT_SHARES = (0.6, 0.3, 0.1)
_REGION_SHARES = (0.35, 0.3, 0.2, 0.15)
_SEGMENT_RATE = np.array([0.85, 1.0, 1.9])
_SEGMENT_BASKET = np.array([-0.05, 0.1, 0.5])
_SEGMENT_VOICE = np.array([0.0, 0.1, -0.4])
_REGION_VOICE = np.array([0.35, 0.0, -0.35, 0.0])
_CHANNELS_OF_SEGMENT = np.array([[0.45, 0.35, 0.17, 0.03], [0.4, 0.4, 0.18, 0.02], [0.6, 0.1, 0.1, 0.2]])
_CATEGORIES_OF_SEGMENT = np.array(
    [
        [0.18, 0.13, 0.08, 0.16, 0.2, 0.05, 0.15, 0.05],
        [0.15, 0.15, 0.12, 0.08, 0.18, 0.22, 0.08, 0.02],
        [0.1, 0.08, 0.04, 0.22, 0.03, 0.01, 0.07, 0.45],
    ]
)
_CLASS_SHARES = (0.15, 0.5)


@dataclass(frozen=True)
class Population:
    """The customers, as arrays of one length (n); attributes are positions in the tuples of this module.

    ``joined_day`` counts from the first day of the log and is negative for those who were customers before.
    ``rate`` is orders a day, ``trust`` and ``quality`` are standard normal per dimension (n, 5), ``voice`` is
    the log of how many times more readily than the average this customer complains (segment, region and
    temper, never trust), ``basket`` the log of how much more they spend.
    """

    joined_day: Ints
    orders_on_joining: Flags
    rate: Floats
    trust: Floats
    quality: Floats
    voice: Floats
    basket: Floats
    segment: Ints
    region: Ints
    customer_class: Ints
    is_channel_partner: Flags
    channel: Ints
    category: Ints
    pays_foreign: Flags

    def __len__(self) -> int:
        return len(self.rate)


def population(kind: CompanyKind, customers: int, days: int, rng: np.random.Generator) -> Population:
    """Draw the customers: 30% were there before the log begins, the others join evenly until near its end."""
    segment = rng.choice(len(SEGMENTS), customers, p=_SEGMENT_SHARES)
    region = rng.choice(len(REGIONS), customers, p=_REGION_SHARES)
    rate = _rates(kind, segment, rng)
    basket = _SEGMENT_BASKET[segment] + rng.normal(0, 0.3, customers)
    customer_class = _classes(np.log(rate) + basket + rng.normal(0, 0.5, customers))
    trust, quality = _trust_and_quality(kind, customers, rng)
    was_there = rng.random(customers) < 0.3
    joined_day = np.where(was_there, -rng.integers(1, 1000, customers), rng.integers(0, max(1, days), customers))
    return Population(
        joined_day=joined_day,
        orders_on_joining=rng.random(customers) < 0.9,
        rate=rate.astype(np.float32),
        trust=trust,
        quality=quality,
        voice=_voice(segment, region, rng),
        basket=basket.astype(np.float32),
        segment=segment,
        region=region,
        customer_class=customer_class,
        is_channel_partner=(customer_class == 0) & (rng.random(customers) < np.array([0.02, 0.02, 0.4])[segment]),
        channel=_pick(_CHANNELS_OF_SEGMENT[segment], rng),
        category=_pick(_CATEGORIES_OF_SEGMENT[segment], rng),
        pays_foreign=rng.random(customers) < kind.foreign_share,
    )


def _rates(kind: CompanyKind, segment: Ints, rng: np.random.Generator) -> NDArray[np.float64]:
    """Gamma-distributed orders a day, more of them in segments that need more; at least one in 30 years."""
    gamma = rng.gamma(kind.rate_shape, 1 / kind.rate_shape, len(segment))
    mean_factor = float(np.dot(_SEGMENT_SHARES, _SEGMENT_RATE))
    rate: NDArray[np.float64] = kind.orders_per_customer_year / 365 * gamma * _SEGMENT_RATE[segment] / mean_factor
    return np.fmax(rate, 1 / 11_000)


def _classes(value: NDArray[np.float64]) -> Ints:
    """Class A (0) for the most valuable 15%, B (1) down to the upper half, C (2) below."""
    share = (-value).argsort().argsort() / len(value)
    return np.searchsorted(np.array(_CLASS_SHARES), share, side="right").astype(np.int64)


def _trust_and_quality(kind: CompanyKind, customers: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
    general = rng.standard_normal((customers, 1), np.float32)
    own = rng.standard_normal((customers, 5), np.float32)
    trust = np.sqrt(COMMON_SHARE) * general + np.sqrt(1 - COMMON_SHARE) * own
    rho = kind.quality_trust_correlation
    quality = rho * trust + np.sqrt(1 - rho**2) * rng.standard_normal((customers, 5), np.float32)
    return trust.astype(np.float32), quality.astype(np.float32)


def _voice(segment: Ints, region: Ints, rng: np.random.Generator) -> Floats:
    voice: NDArray[np.float64] = _SEGMENT_VOICE[segment] + _REGION_VOICE[region] + rng.normal(-0.08, 0.4, len(segment))
    return voice.astype(np.float32)


def _pick(shares: NDArray[np.float64], rng: np.random.Generator) -> Ints:
    """One position per row, drawn with that row's shares."""
    chosen: Ints = (rng.random((len(shares), 1)) > shares.cumsum(axis=1)).sum(axis=1)
    return chosen.clip(max=shares.shape[1] - 1)
