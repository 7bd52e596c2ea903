"""Drift: how far what a model sees and says has moved since it was trained.

Belongs here: the bins of a distribution, the population stability index and what chance alone makes of it, and what
was predicted beside what came true.
Must not be here: which columns a night looks at, limits that a company sets, words for people, or retraining.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Self

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray
from scipy.stats import binomtest, chi2, norm

Floats = NDArray[np.float64]

BINS = 10
MOST_LEVELS = 20
LEVEL = 0.99
"""Share of the cases without any change in which chance alone stays below the limits given here."""

DRIFTS_BY_NATURE: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "tenure_days": (
            "it grows by a day every day, for every customer",
            "该特征对每位客户每天都会增加一天",
        ),
        "membership_days": (
            "it grows by a day every day, for every customer",
            "该特征对每位客户每天都会增加一天",
        ),
        "interval_own_days": (
            "customers who bought once all have the interval of the whole company, which every new order moves",
            "只购买过一次的客户都取全公司的间隔，而每个新订单都会使其变化",
        ),
        "orders_same_season": (
            "it follows the calendar: it counts the orders of this season a year ago",
            "该特征随日历变化：它统计一年前同一季节的订单",
        ),
    }
)
"""Features that move while no customer has changed, and why: measured, never warned of."""


@dataclass(frozen=True)
class Distribution:
    """Customers by bin.

    Parameters
    ----------
    borders : tuple of float
        Of a number: a bin holds what lies above one border, up to and with the next; the outer bins are open.
    levels : tuple of str
        Of a category: its levels, each a bin; after them one bin for all others.
    counts : tuple of int
        Customers in each bin, and at the end those without a value.
    """

    borders: tuple[float, ...]
    levels: tuple[str, ...]
    counts: tuple[int, ...]

    @classmethod
    def of(cls, kept: Mapping[str, Any]) -> Self:
        """A distribution as it was kept: a mapping of the names above to lists."""
        return cls(tuple(kept["borders"]), tuple(kept["levels"]), tuple(kept["counts"]))

    @property
    def customers(self) -> int:
        """Customers in all bins."""
        return sum(self.counts)

    def again(self, values: pl.Series) -> Self:
        """Other values, one a customer, in the same bins."""
        return type(self)(self.borders, self.levels, _counts(values, self.borders, self.levels))


def distribution(values: pl.Series, *, bins: int = BINS) -> Distribution:
    """The distribution of values, one a customer, in bins of (nearly) equally many customers.

    Borders of numbers are quantiles, each once, so that tied values share a bin; where there are no more different
    values than bins, every value is a border, hence a bin. Levels of a category are the most frequent ones.
    Null, nan and infinity are no values.

    Parameters
    ----------
    values : Series
        Numbers, truth values or texts.
    bins : int
        Most bins of numbers, those for customers without a value and for values never seen apart.
    """
    if _is_category(values):
        seen: dict[str, int] = dict(values.drop_nulls().cast(pl.String).value_counts().iter_rows())
        levels = tuple(sorted(sorted(seen, key=lambda level: (-seen[level], level))[:MOST_LEVELS]))
        return Distribution((), levels, _counts(values, (), levels))
    numbers = _numbers(values)
    borders = np.unique(numbers)
    if len(borders) > bins:
        borders = np.unique(np.quantile(numbers, np.arange(1, bins) / bins, method="inverted_cdf"))
    kept = tuple(float(border) for border in borders)
    return Distribution(kept, (), _counts(values, kept, ()))


def contributions(before: Distribution, now: Distribution) -> Floats:
    """What each bin adds to the population stability index: (q − p)·ln(q / p), never negative.

    p and q are the shares before and now. An empty bin counts as half a customer of the smaller group, so that the
    index is finite.

    Raises
    ------
    ValueError
        If a group has no customer, or the bins are not the same.
    """
    if (before.borders, before.levels) != (now.borders, now.levels):
        raise ValueError("distributions can be compared only over the same bins")
    if not before.customers or not now.customers:
        raise ValueError("a distribution without customers cannot be compared")
    least = 0.5 / min(before.customers, now.customers)
    p = np.maximum(np.array(before.counts) / before.customers, least)
    q = np.maximum(np.array(now.counts) / now.customers, least)
    return np.asarray((q - p) * np.log(q / p))


def stability_index(before: Distribution, now: Distribution) -> float:
    """The population stability index Σ (q − p)·ln(q / p): 0 where nothing has moved, the same in both directions.

    By convention below 0.1 little has moved, above 0.25 much.

    References
    ----------
    Siddiqi, N. (2006). Credit Risk Scorecards. Wiley; the system stability report of chapter 9.
    Yurdakul, B. (2018). Statistical Properties of Population Stability Index. PhD thesis, Western Michigan University.
    """
    return float(contributions(before, now).sum())


def chance_limit(before: Distribution, now: Distribution, *, level: float = LEVEL) -> float:
    """The index that chance alone stays below, in a share ``level`` of the cases, where nothing has moved.

    For independent groups of m and n customers in B bins the index is about (1/m + 1/n)·χ²(B − 1) (Yurdakul 2018).
    Bins that are empty in both groups do not count. Groups of the same customers move less, so the limit is high
    rather than low.
    """
    occupied = int(np.count_nonzero(np.array(before.counts) + np.array(now.counts)))
    scale = 1 / before.customers + 1 / now.customers
    return float(chi2.ppf(level, occupied - 1)) * scale if occupied > 1 else 0.0


def chance_limit_of_shares(before: tuple[int, int], now: tuple[int, int], *, level: float = LEVEL) -> float:
    """The difference of shares, each (customers meant, customers), that chance alone stays below (pooled z test)."""
    pooled = (before[0] + now[0]) / (before[1] + now[1])
    return float(norm.ppf((1 + level) / 2) * np.sqrt(pooled * (1 - pooled) * (1 / before[1] + 1 / now[1])))


@dataclass(frozen=True)
class Realised:
    """Predicted risk beside what came true.

    Parameters
    ----------
    customers : int
        Customers whose outcome is known.
    predicted : float
        Mean predicted risk.
    share : float
        Share that was lost.
    low, high : float
        95% interval of the share (Wilson 1927).
    excess : float
        How far the share lies outside of the 99% interval of the prediction: above it positive, below it negative,
        inside it 0.
    """

    customers: int
    predicted: float
    share: float
    low: float
    high: float
    excess: float


def realised(lost: ArrayLike, risk: ArrayLike) -> Realised:
    """What came true of predicted risks.

    If every customer is lost with the predicted risk p, independently, the share lost has the mean Σp / n and the
    variance Σp(1 − p) / n².

    Parameters
    ----------
    lost : array of shape (n_customers,)
        0 or 1.
    risk : array of shape (n_customers,)
        Predicted probabilities.

    Raises
    ------
    ValueError
        If there is no customer, or the shapes differ.

    References
    ----------
    Wilson, E. B. (1927). Probable inference, the law of succession, and statistical inference. JASA 22, 209–212.
    """
    y, p = np.asarray(lost, dtype=np.float64), np.asarray(risk, dtype=np.float64)
    if y.ndim != 1 or y.shape != p.shape or not len(y):
        raise ValueError(f"outcomes and risks must be of one length, at least 1; got {y.shape} and {p.shape}")
    n, share, predicted = len(y), float(y.mean()), float(p.mean())
    half = float(norm.ppf((1 + LEVEL) / 2) * np.sqrt((p * (1 - p)).sum()) / n)
    excess = max(share - predicted - half, 0.0) - max(predicted - half - share, 0.0)
    low, high = binomtest(int(y.sum()), n).proportion_ci(0.95, method="wilson")
    return Realised(n, predicted, share, float(low), float(high), excess)


def _is_category(values: pl.Series) -> bool:
    return not (values.dtype.is_numeric() or values.dtype in (pl.Boolean, pl.Null))


def _numbers(values: pl.Series) -> Floats:
    numbers = values.drop_nulls().cast(pl.Float64).to_numpy()
    return np.asarray(numbers[np.isfinite(numbers)])


def _counts(values: pl.Series, borders: tuple[float, ...], levels: tuple[str, ...]) -> tuple[int, ...]:
    if _is_category(values):
        seen: dict[str, int] = dict(values.drop_nulls().cast(pl.String).value_counts().iter_rows())
        named = [seen.get(level, 0) for level in levels]
        others = sum(seen.values()) - sum(named)
        return (*named, others, values.null_count())
    numbers = _numbers(values)
    bins = np.searchsorted(np.array(borders), numbers, side="left")
    counted = np.bincount(bins, minlength=len(borders) + 1)
    return (*(int(count) for count in counted), len(values) - len(numbers))
