"""What moved a customer's trust score from one day to the next: shares that add up to the change.

Belongs here: splitting a change into the refit of the model, the fading of old evidence, the customer's groups and the
trials of each stream; what counts as more than noise; and numbers that agree when they are shown.
Must not be here: which trials are new (``trial_changes``), the words (``change_words``), the log.

References
----------
Jacobson, N. S., Truax, P. (1991). Clinical significance: a statistical approach to defining meaningful change in
psychotherapy research. Journal of Consulting and Clinical Psychology 59, 12–19.
Shapley, L. S. (1953). A value for n-person games. Contributions to the Theory of Games II, 307–317.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl
from joblib import Parallel, delayed

from trust_models.change_words import FADING, GROUPS, REFIT, sentences
from trust_models.day_before import DayBefore
from trust_models.fairness import FACTORS
from trust_models.streams import STREAMS
from trust_models.trust import TrustEstimator
from trust_models.trust_posterior import PERCENTILE, PRIOR, Counts, StreamLikelihoods
from trust_models.trust_reasons import shapley, subset_values

Floats = npt.NDArray[np.float64]

DRIVERS = (*STREAMS, GROUPS, REFIT, FADING)
"""What can move a score: the trials of each stream, the customer's groups, the model, and time."""

DECIMALS, POINTS = 1, 10
"""Scores and contributions are shown in tenths of a point."""

SCHEMA = pl.Schema(
    {
        "customer_id": pl.String,
        "trust_score_before": pl.Float64,
        "trust_score": pl.Float64,
        "trust_change": pl.Float64,
        "trust_status_before": pl.String,
        "trust_status": pl.String,
        "rank": pl.Int64,
        "driver": pl.String,
        "contribution": pl.Float64,
        "text_en": pl.String,
        "text_zh": pl.String,
    }
)


@dataclass(frozen=True)
class ChangeSettings:
    """From where on a change is more than noise.

    Parameters
    ----------
    least_points : float
        Least change, in points of the 0–100 score, that is worth telling.
    noise_quantile : float
        A change must also be larger than that of this share of the customers of whom nothing new became known.
    """

    least_points: float = 2.0
    noise_quantile: float = 0.95


@dataclass(frozen=True)
class TrustChanges:
    """Customers whose score moved by more than the noise.

    Parameters
    ----------
    rows : DataFrame
        One row a customer and driver, sorted by customer and rank: :data:`SCHEMA`. Scores and contributions are in
        whole tenths; the contributions of a customer add up to the change.
    limit : float
        The change from which a customer is told of, in points, in whole tenths.
    up, down : int
        How many customers moved up and down.
    """

    rows: pl.DataFrame
    limit: float
    up: int
    down: int


def trust_changes(
    day_before: DayBefore,
    evidence: pl.DataFrame,
    scores: pl.DataFrame,
    estimator: TrustEstimator,
    *,
    half_life_days: float,
    settings: ChangeSettings,
) -> TrustChanges:
    """Whose score moved by more than the noise since the day before, and what moved it.

    Parameters
    ----------
    day_before : DayBefore
        What was known a day earlier of all customers of whom more is known now, and of some others.
    evidence : DataFrame
        Of everybody, today: customer_id, r_<stream>…, s_<stream>… and groups.
    scores : DataFrame
        [customer_id, trust_score, trust_status, …] of everybody, today.
    estimator, half_life_days
        The trust model of today, and the half-life with which it reads evidence.
    settings : ChangeSettings
        What counts as noise.
    """
    is_touched = pl.col("is_touched")
    both = day_before.evidence.join(scores, on="customer_id", how="inner", validate="1:1")
    others = both.filter(~is_touched)
    limit = noise_limit((others["trust_score"] - others["trust_score_before"]).to_numpy(), settings)
    touched, changed = day_before.evidence.filter(is_touched), day_before.changed
    found = contributions(touched, evidence, changed, estimator, half_life_days=half_life_days)
    return moved(found, both.select("customer_id", "trust_status_before", "trust_status"), changed, limit=limit)


def contributions(
    before: pl.DataFrame,
    now: pl.DataFrame,
    changed: pl.DataFrame,
    estimator: TrustEstimator,
    *,
    half_life_days: float,
) -> pl.DataFrame:
    """By how much each driver moved the scores of some customers over one day.

    The change T(M, e) − T(M′, e′) is walked in steps: the model M′ of the day before gives way to M (``refit``); the
    evidence e′ grows a day older (``fading``); the customer's groups become those of today (``groups``); and the trials
    of each stream become those of today. Streams are shared out by exact Shapley values, so that their order does not
    matter. The steps add up to the change; a step that did not happen is exactly 0.

    Parameters
    ----------
    before : DataFrame
        Evidence of the day before as M reads it, with groups and trust_score_before, the score that M′ gave.
    now : DataFrame
        Evidence of the day as M reads it, with groups, of the same customers at least.
    changed : DataFrame
        [customer_id, stream, …]: the streams in which a customer has other trials than the day before.
    estimator : TrustEstimator
        M.
    half_life_days : float
        Half-life with which M reads evidence.

    Returns
    -------
    DataFrame
        One row a customer of ``before``, sorted: customer_id, trust_score_before, trust_score and one column a driver
        of :data:`DRIVERS` that the estimator knows.
    """
    before = before.sort("customer_id")
    now = before.select("customer_id").join(now, on="customer_id", how="inner", maintain_order="left", validate="1:1")
    if len(now) < len(before):
        raise ValueError(f"{len(before) - len(now)} customers of the day before have no evidence today")
    told = before.select("customer_id", "trust_score_before")
    if told.is_empty():
        names = ("trust_score", REFIT, FADING, GROUPS, *estimator.streams_)
        return told.with_columns(pl.lit(None, pl.Float64).alias(name) for name in names)
    aged = _aged(before, now, changed, estimator, half_life_days)
    grouped = _with_groups(aged, now)
    scores = [before["trust_score_before"].to_numpy()]
    scores += [estimator.scores(frame) for frame in (before, aged, grouped)]
    shares = _stream_shares(estimator, grouped, now)
    steps = dict(zip((REFIT, FADING, GROUPS), np.diff(scores, axis=0), strict=True))
    streams = {name: shares[:, place] for place, name in enumerate(estimator.streams_)}
    return told.with_columns(
        trust_score=pl.Series(scores[-1] + shares.sum(axis=1)),
        **{name: pl.Series(values) for name, values in (steps | streams).items()},
    )


def noise_limit(changes: Floats, settings: ChangeSettings) -> float:
    """The change from which a customer is told of, in points, rounded up to tenths.

    Jacobson and Truax call a change reliable that hardly anybody shows to whom nothing happened. Here the company
    itself holds such a control group, anew every night: the customers of whom nothing new became known. Their scores
    move all the same, by fading and by a refit; a change must exceed what all but a few of them show, and a least size.

    Parameters
    ----------
    changes : ndarray
        Changes of the scores of customers of whom nothing new became known, in points.
    settings : ChangeSettings
        Least size, and how few.
    """
    noise = float(np.quantile(np.abs(changes), settings.noise_quantile)) if len(changes) else 0.0
    return math.ceil(round(max(settings.least_points, noise) * POINTS, 6)) / POINTS


def moved(found: pl.DataFrame, statuses: pl.DataFrame, changed: pl.DataFrame, *, limit: float) -> TrustChanges:
    """The customers whose score moved by more than the noise, with what moved it in words.

    A customer is told of where the change, and the part of it that their own trials and groups made, both reach the
    limit in the same direction: what only a refit did is the model's and not the customer's. Where trust was unknown
    the day before and still is, there is nothing to tell.

    Parameters
    ----------
    found : DataFrame
        As of :func:`contributions`.
    statuses : DataFrame
        [customer_id, trust_status_before, trust_status].
    changed : DataFrame
        As of ``trial_changes.trial_changes``.
    limit : float
        Least change, in points.
    """
    drivers = [name for name in found.columns if name in DRIVERS]
    told = found.with_columns(
        (pl.col("trust_score_before", "trust_score") * POINTS).round().cast(pl.Int64)
    ).with_columns(trust_change=pl.col("trust_score") - pl.col("trust_score_before"))
    rows = (
        _tenths(told.lazy(), drivers)
        .with_columns(own=_own().sum().over("customer_id"))
        .join(statuses.lazy(), on="customer_id", how="left", maintain_order="left")
        .filter(_is_moved(round(limit * POINTS)), pl.col("contribution") != 0)
        .with_columns(rank=pl.int_range(1, pl.len() + 1, dtype=pl.Int64).over("customer_id"))
        .with_columns(
            (pl.col("trust_score_before", "trust_score", "trust_change", "contribution") / POINTS).round(DECIMALS)
        )
        .join(
            changed.lazy().with_columns(driver=_enum("stream")).drop("stream"),
            on=["customer_id", "driver"],
            how="left",
            maintain_order="left",
        )
        .collect()
    )  # fmt: skip
    text_en, text_zh = sentences()
    rows = rows.with_columns(text_en=text_en, text_zh=text_zh).select(SCHEMA.names()).cast(SCHEMA)
    first = rows.filter(pl.col("rank") == 1)["trust_change"]
    return TrustChanges(rows, limit, int((first > 0).sum()), int((first < 0).sum()))


def _tenths(told: pl.LazyFrame, drivers: list[str]) -> pl.LazyFrame:
    """One row a customer and driver that moved anything, the weightiest first, in whole tenths that add up.

    Each contribution is rounded by itself; the tenths that are then missing or too many fall on the weightiest, one
    each.
    """
    tenths, size = pl.col("contribution") * POINTS, pl.col("contribution").abs()
    rounded = tenths.round().cast(pl.Int64)
    missing = (pl.col("trust_change") - pl.col("rounded").sum()).over("customer_id")
    place = pl.int_range(pl.len(), dtype=pl.Int64).over("customer_id")
    return (
        told.unpivot(drivers, index=["customer_id", "trust_score_before", "trust_score", "trust_change"],
                     variable_name="driver", value_name="contribution")
        .filter(pl.col("contribution") != 0)
        .with_columns(_enum("driver"), rounded=rounded)
        .sort("customer_id", size, "driver", descending=[False, True, False])
        .with_columns(contribution=pl.col("rounded") + pl.when(place < missing.abs()).then(missing.sign()).otherwise(0))
        .sort("customer_id", size, "driver", descending=[False, True, False])
        .drop("rounded")
    )  # fmt: skip


def _own() -> pl.Expr:
    """The contribution of a driver that is the customer's own, and neither the model's nor time's."""
    return pl.when(~pl.col("driver").cast(pl.String).is_in([REFIT, FADING])).then("contribution").otherwise(0)


def _is_moved(limit: int) -> pl.Expr:
    change, own = pl.col("trust_change"), pl.col("own")
    was_or_is_known = pl.any_horizontal(pl.col("trust_status_before", "trust_status") == "scored")
    return (change.abs() >= limit) & (own.abs() >= limit) & (change.sign() == own.sign()) & was_or_is_known


def _enum(column: str) -> pl.Expr:
    return pl.col(column).cast(pl.String).cast(pl.Enum(DRIVERS))


def _aged(
    before: pl.DataFrame, now: pl.DataFrame, changed: pl.DataFrame, estimator: TrustEstimator, half_life_days: float
) -> pl.DataFrame:
    """The evidence of the day before, a day older; where nothing changed it is that of today to the last bit."""
    fade = math.exp(-math.log(2) / half_life_days)
    streams = changed.with_columns(pl.col("stream").cast(pl.String)).group_by("stream").agg("customer_id")
    customers = {stream: set(ids) for stream, ids in streams.iter_rows()}
    is_changed = {
        stream: before["customer_id"].is_in(sorted(customers.get(stream, ()))) for stream in estimator.streams_
    }
    return before.with_columns(
        (before[name] * fade).zip_with(is_changed[stream], now[name]).alias(name)
        for stream in estimator.streams_
        for name in (f"r_{stream}", f"s_{stream}")
    )


def _with_groups(evidence: pl.DataFrame, groups: pl.DataFrame) -> pl.DataFrame:
    """The evidence, with the groups of another frame of the same customers in the same order."""
    return evidence.with_columns(groups[name] for name in FACTORS if name in groups.columns)


def _stream_shares(estimator: TrustEstimator, before: pl.DataFrame, now: pl.DataFrame) -> Floats:
    """Shapley values (customers, streams) of the streams in the way from one score to the other."""
    likelihoods = estimator.likelihoods()
    parts = Parallel(n_jobs=estimator.n_jobs, require="sharedmem")(
        delayed(_shares)(likelihoods, *sides)
        for sides in zip(estimator.chunks(before), estimator.chunks(now), strict=True)
    )
    return np.concatenate(parts)


def _shares(likelihoods: StreamLikelihoods, before: Counts, now: Counts) -> Floats:
    """The shares of a chunk: customers in whom the same streams changed are computed together."""
    is_changed = (before.successes != now.successes) | (before.failures != now.failures)
    patterns, pattern = np.unique(is_changed, axis=0, return_inverse=True)
    shares = np.zeros_like(now.successes)
    for index, changed in enumerate(patterns):
        streams = np.flatnonzero(changed)
        if not len(streams):
            continue
        rows = np.flatnonzero(pattern == index)
        start = np.tile(PRIOR, (len(rows), 1))
        for stream in range(is_changed.shape[1]):
            start *= _likelihood(likelihoods, before, rows, stream)
        parts = [
            _likelihood(likelihoods, now, rows, int(stream)) / _likelihood(likelihoods, before, rows, int(stream))
            for stream in streams
        ]
        shares[np.ix_(rows, streams)] = shapley(subset_values(parts, PERCENTILE, start))
    return shares


def _likelihood(likelihoods: StreamLikelihoods, counts: Counts, rows: npt.NDArray[np.intp], stream: int) -> Floats:
    return likelihoods.of(stream, *(side[rows, stream] for side in counts))
