"""Evidence: what the trials of a customer add up to, as of a day.

Belongs here: forward-decay sums of trials, which merge by addition, and the evidence that they leave on any later day.
Must not be here: which events are trials (``trials``, offered here too for convenience), or what evidence means for
trust (``trust``).

References
----------
Cormode, G., Shkapenyuk, V., Srivastava, D., Xu, B. (2009). Forward decay: a practical time decay model for streaming
systems. ICDE 2009, 138–149.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from trust_models.rhythm import RhythmReference, fit_rhythm
from trust_models.trials import EvidenceSettings, coverage, trials

__all__ = [
    "EvidenceSettings",
    "RhythmReference",
    "anchor",
    "by_stream",
    "coverage",
    "evidence",
    "fading",
    "fit_rhythm",
    "tally",
    "trial_counts",
    "trials",
]

UNITS = 2.0**36
"""Weights are summed in whole units of 2⁻³⁶: integer sums are the same in any order, in parts, and on any machine."""

ANCHOR_HALF_LIVES = 4
"""An anchor stands for so many half-lives: what happened lately never weighs less than 1/16 of a trial there."""


def anchor(day: date, half_life_days: float) -> date:
    """The day that sums of a half-life are kept for: the same for all days of some half-lives, never before the day.

    It is the landmark L of forward decay (Cormode et al. 2009, section 3). What fades is kept as it will weigh on the
    anchor, so that sums stay true while days go by.
    """
    if math.isinf(half_life_days):
        return day
    period = ANCHOR_HALF_LIVES * half_life_days
    ordinal = math.ceil(math.ceil(day.toordinal() / period) * period)
    return date.fromordinal(min(ordinal, date.max.toordinal()))


def weight(event_date: pl.Expr, *, day: date, half_life_days: float) -> pl.Expr:
    """What an event weighs on the anchor of a day, at most 1: 0.5^((anchor − event date) / half-life).

    Polars divides a column by a number in other last digits than a single row: so it is multiplied.
    """
    age = (pl.lit(anchor(day, half_life_days)) - event_date).dt.total_days()
    return pl.lit(0.5).pow(age * (1.0 / half_life_days))


def fading(day: date, half_life_days: float) -> float:
    """What a weight of 1 on the anchor of a day is on the day itself, at least 1."""
    return float(2.0 ** ((anchor(day, half_life_days) - day).days / half_life_days))


def trial_counts(trials: pl.LazyFrame) -> pl.LazyFrame:
    """How many trials a customer had in each stream and how many failed, neither faded: for words, not for scores.

    Returns
    -------
    LazyFrame
        [customer_id, stream, trials: Int64, failures: Int64].
    """
    return trials.group_by("customer_id", "stream").agg(
        trials=pl.len().cast(pl.Int64), failures=(~pl.col("is_success")).sum().cast(pl.Int64)
    )


def tally(trials: pl.LazyFrame, *, day: date, half_lives_days: Sequence[float]) -> pl.LazyFrame:
    """Sufficient statistics of each customer and stream: unfaded counts, and sums as they weigh on the anchor.

    Sums of parts of the trials add up to those of all, to the last bit; they serve every later day with the same
    anchors (:func:`anchor`).

    Parameters
    ----------
    trials : LazyFrame
        [customer_id, stream, event_date, is_success], matured by the day.
    day : date
        The day, or any other with the same anchors.
    half_lives_days : sequence of float
        The half-lives to fade with.

    Returns
    -------
    LazyFrame
        [customer_id, stream, trials, failures, r_<half-life>…, s_<half-life>…], one row a customer and stream with
        trials; r and s are sums of the weights of successes and of failures, in trials.
    """
    success, columns = pl.col("is_success"), dict[str, pl.Expr]()
    for half_life in dict.fromkeys(half_lives_days):
        faded = weight(pl.col("event_date"), day=day, half_life_days=half_life)
        units = (faded * UNITS).round().cast(pl.Int64)
        columns |= {f"r_{half_life}": pl.when(success).then(units), f"s_{half_life}": pl.when(~success).then(units)}
    return (
        trials.select("customer_id", "stream", "is_success", **columns)
        .group_by("customer_id", "stream")
        .agg(
            pl.col(list(columns)).sum() / UNITS,
            trials=pl.len().cast(pl.Int64),
            failures=(~success).sum().cast(pl.Int64),
        )
        .select("customer_id", "stream", "trials", "failures", *columns)
    )


def evidence(
    tallied: pl.DataFrame, customers: pl.Series, *, day: date, half_life_days: float, streams: Sequence[str]
) -> pl.DataFrame:
    """Evidence on a day: faded counts of successes r and failures s, one column a side and stream.

    Parameters
    ----------
    tallied : DataFrame
        A :func:`tally` of a day with the same anchor.
    customers : Series
        Those who get a row, in this order (zeros where they have no trials).
    day : date
        The day.
    half_life_days : float
        One of the half-lives of the tally.
    streams : sequence of str
        The streams wanted, which give the order of the columns.

    Returns
    -------
    DataFrame
        One row a customer: customer_id, r_<stream>…, s_<stream>…, in trials.
    """
    sides = by_stream(tallied, customers, streams, [f"{side}_{half_life_days}" for side in ("r", "s")])
    fade, columns = fading(day, half_life_days), dict[str, npt.NDArray[np.float64]]()
    for side, wide in zip(("r", "s"), sides, strict=True):
        columns |= {f"{side}_{stream}": values * fade for stream, values in zip(streams, wide, strict=True)}
    return pl.DataFrame({"customer_id": customers, **columns})


def by_stream(
    rows: pl.DataFrame, customers: pl.Series, streams: Sequence[str], columns: Sequence[str], *, missing: int = 0
) -> list[npt.NDArray[Any]]:
    """Columns of rows of customers and streams as arrays.

    Parameters
    ----------
    rows : DataFrame
        [customer_id, stream, <columns>…], one row a customer and stream; those of other customers do not count.
    customers : Series
        The customers wanted, in this order.
    streams : sequence of str
        All streams that there are rows of.
    columns : sequence of str
        The columns wanted.
    missing : int
        What stands where there is no row.

    Returns
    -------
    list of ndarray of shape (streams, customers)
        One a column, of its type.
    """
    places = pl.DataFrame({"customer_id": customers}).with_row_index("place")
    found = rows.join(places, on="customer_id", how="inner")
    of_stream = found["stream"].cast(pl.Enum(streams)).to_physical().to_numpy()
    arrays = list[npt.NDArray[Any]]()
    for name in columns:
        values = found[name].to_numpy()
        wide = np.full((len(streams), len(customers)), missing, dtype=values.dtype)
        wide[of_stream, found["place"].to_numpy()] = values
        arrays.append(wide)
    return arrays
