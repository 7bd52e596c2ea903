"""Evidence: what the trials of a customer add up to, as of a day.

Belongs here: forward-decay sums of trials, which merge by addition, and the evidence that they leave as of a day.
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

import numpy as np
import numpy.typing as npt
import polars as pl

from trust_models.as_of import AsOf
from trust_models.rhythm import RhythmReference, fit_rhythm
from trust_models.trials import EvidenceSettings, coverage, trials

__all__ = [
    "EvidenceSettings",
    "RhythmReference",
    "coverage",
    "evidence",
    "fit_rhythm",
    "side_by_side",
    "statistics",
    "tally",
    "trial_counts",
    "trials",
    "weighted",
]

UNITS_PER_TRIAL = 2.0**32
"""Evidence is summed in whole units of 2⁻³² trials: integer sums are the same in any order and on any machine."""


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


def statistics(trials: pl.LazyFrame, *, landmark: date, half_life_days: float) -> pl.LazyFrame:
    """Sufficient statistics: forward-decay sums per customer, stream and event day.

    With λ = ln2/half-life, A_y = Σ 1[y]·exp(λ(t−L)) over the trials of day t. They merge by addition, and a late event
    replaces the row of its one day.

    Parameters
    ----------
    trials : LazyFrame
        [customer_id, stream, event_date, is_success].
    landmark : date
        The fixed day L. Any does: it cancels. Keep it within 1,000 half-lives of the events, the reach of a float.
    half_life_days : float
        Age at which a trial counts half.

    Returns
    -------
    LazyFrame
        [customer_id, stream, event_date, a1, a0]: sums of successes and of failures.
    """
    growth = (_rate(half_life_days) * (pl.col("event_date") - landmark).dt.total_days()).exp()
    success = pl.col("is_success")
    return (
        trials.group_by("customer_id", "stream", "event_date")
        .agg(a1=success.sum().cast(pl.Float64), a0=(~success).sum().cast(pl.Float64))
        .with_columns(pl.col("a1", "a0") * growth)
    )


def weighted(trials: pl.LazyFrame, *, landmark: date, half_life_days: float) -> pl.LazyFrame:
    """The statistics of each trial by itself, not yet added up by day: what :func:`evidence` needs and no more.

    Parameters and columns as of :func:`statistics`, one row a trial.
    """
    growth = (_rate(half_life_days) * (pl.col("event_date") - landmark).dt.total_days()).exp()
    success = pl.col("is_success").cast(pl.Float64)
    return trials.select("customer_id", "stream", "event_date", a1=success * growth, a0=(1 - success) * growth)


def evidence(
    statistics: pl.LazyFrame,
    *,
    as_of: AsOf,
    landmark: date,
    half_life_days: float,
    streams: Sequence[str],
    customers: pl.LazyFrame | None = None,
) -> pl.LazyFrame:
    """Evidence as of a day: faded counts of successes and failures, r = exp(−λ(D−L))·A₁ and s = exp(−λ(D−L))·A₀.

    Parameters
    ----------
    statistics : LazyFrame
        [customer_id, stream, event_date, a1, a0], of the same landmark and half-life; rows of the same day add up and
        days after the as-of day are left out.
    as_of : AsOf
        The day D.
    landmark : date
        The landmark L of the statistics.
    half_life_days : float
        The half-life of the statistics.
    streams : sequence of str
        The streams wanted, which give the order of the columns.
    customers : LazyFrame, optional
        [customer_id, …], those who get a row (zeros where they have no trials). Default: everybody with a trial.

    Returns
    -------
    LazyFrame
        One row a customer, sorted: customer_id, r_<stream>…, s_<stream>…, in trials.
    """
    fade = math.exp(-_rate(half_life_days) * (as_of.day - landmark).days) * UNITS_PER_TRIAL
    units = pl.col("a1", "a0") * fade
    sums = (
        statistics.filter(pl.col("event_date") <= as_of.day)
        .with_columns(units.round().cast(pl.Int64))
        .group_by("customer_id", "stream")
        .agg(pl.col("a1", "a0").sum())
        .group_by("customer_id")
        .agg(
            pl.col(total).filter(pl.col("stream") == stream).sum().alias(f"{side}_{stream}")
            for side, total in (("r", "a1"), ("s", "a0"))
            for stream in streams
        )
    )
    columns = [f"{side}_{stream}" for side in ("r", "s") for stream in streams]
    if customers is not None:
        sums = customers.select("customer_id").unique().join(sums, on="customer_id", how="left")
    return sums.with_columns(pl.col(columns).fill_null(0) / UNITS_PER_TRIAL).sort("customer_id")


def tally(trials: pl.LazyFrame, *, as_of: AsOf, landmark: date, half_lives_days: Sequence[float]) -> pl.LazyFrame:
    """Unfaded and faded counts of each customer and stream, all in one pass over the trials.

    Parameters
    ----------
    trials : LazyFrame
        [customer_id, stream, event_date, is_success], matured by the as-of day.
    as_of : AsOf
        The day D.
    landmark : date
        The landmark L; it cancels.
    half_lives_days : sequence of float
        The half-lives to fade with.

    Returns
    -------
    LazyFrame
        [customer_id, stream, trials, failures, r_<half-life>…, s_<half-life>…], one row a customer and stream with
        trials; r and s in whole units (see :data:`UNITS_PER_TRIAL`), as :func:`evidence` sums them.
    """
    success, columns = pl.col("is_success"), dict[str, pl.Expr]()
    for half_life in dict.fromkeys(half_lives_days):
        growth = (_rate(half_life) * (pl.col("event_date") - landmark).dt.total_days()).exp()
        fade = math.exp(-_rate(half_life) * (as_of.day - landmark).days) * UNITS_PER_TRIAL
        units = (growth * fade).round().cast(pl.Int64)
        columns |= {f"r_{half_life}": pl.when(success).then(units), f"s_{half_life}": pl.when(~success).then(units)}
    return (
        trials.select("customer_id", "stream", "is_success", **columns)
        .group_by("customer_id", "stream")
        .agg(
            pl.col(list(columns)).sum(),
            trials=pl.len().cast(pl.Int64),
            failures=(~success).sum().cast(pl.Int64),
        )
        .select("customer_id", "stream", "trials", "failures", *columns)
    )


def side_by_side(
    tallied: pl.DataFrame, customers: pl.Series, *, half_life_days: float, streams: Sequence[str]
) -> pl.DataFrame:
    """The faded counts of a tally as :func:`evidence` has them: one row a customer, one column a side and stream.

    Parameters
    ----------
    tallied : DataFrame
        A :func:`tally`, collected.
    customers : Series
        Those who get a row, in this order.
    half_life_days : float
        One of the half-lives of the tally.
    streams : sequence of str
        The streams wanted, which give the order of the columns.
    """
    places = pl.DataFrame({"customer_id": customers}).with_row_index("place")
    rows = tallied.join(places, on="customer_id", how="inner")
    of_stream = rows["stream"].cast(pl.Enum(streams)).to_physical().to_numpy()
    columns: dict[str, npt.NDArray[np.float64]] = {}
    for side in ("r", "s"):
        wide = np.zeros((len(streams), len(customers)))
        wide[of_stream, rows["place"].to_numpy()] = rows[f"{side}_{half_life_days}"].to_numpy() / UNITS_PER_TRIAL
        columns |= {f"{side}_{stream}": values for stream, values in zip(streams, wide, strict=True)}
    return pl.DataFrame({"customer_id": customers, **columns})


def _rate(half_life_days: float) -> float:
    return math.log(2) / half_life_days
