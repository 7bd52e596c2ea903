"""Why a customer's trust score is what it is: the share of each stream in it, and the words for it.

Belongs here: Shapley values over streams, and their sentences in English and Chinese.
Must not be here: the score itself (``trust``), reasons of the churn risk.

References
----------
Shapley, L. S. (1953). A value for n-person games. Contributions to the Theory of Games II, 307–317.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Literal

import numpy as np
import numpy.typing as npt
import polars as pl
from joblib import Parallel, delayed

from trust_models.streams import STREAMS
from trust_models.trust import TrustEstimator
from trust_models.trust_posterior import GRID, PERCENTILE, PRIOR, Counts, StreamLikelihoods, expectation
from trust_models.trust_words import sentences

Floats = npt.NDArray[np.float64]

SCALES = {"mean": GRID, "score": PERCENTILE}


def shapley_values(estimator: TrustEstimator, X: object, *, of: Literal["mean", "score"] = "mean") -> Floats:
    """Exact Shapley values of the streams in a customer's posterior mean η̂, or in the 0–100 score.

    The value of a set of streams is the posterior expectation given the trials of those streams alone; of no stream it
    is the prior's: 0, or a score of 50. The values of a customer sum to η̂, or to the score less 50. A stream without
    trials has exactly 0. All 2^k subsets of a customer's k streams are evaluated.

    Parameters
    ----------
    estimator : TrustEstimator
        Fitted.
    X : array or data frame of shape (customers, 2 · streams)
        Successes, then failures, as for :meth:`TrustEstimator.transform`.
    of : {"mean", "score"}
        What is shared out.

    Returns
    -------
    ndarray of shape (customers, streams)
    """
    likelihoods = estimator.likelihoods()
    parts = Parallel(n_jobs=estimator.n_jobs, require="sharedmem")(
        delayed(_shares)(likelihoods, counts, SCALES[of]) for counts in estimator.chunks(X)
    )
    return np.concatenate(parts)


def reasons(
    evidence: pl.DataFrame, counts: pl.DataFrame, estimator: TrustEstimator, *, most: int | None = None
) -> pl.DataFrame:
    """The streams behind each customer's score, the weightiest first, in plain words.

    Contributions are Shapley values of the 0–100 score itself (rescaling those of η̂ would fail where η̂ is near 0): a
    customer's contributions sum to their score less 50, which is the score of a customer nothing is known about.

    Parameters
    ----------
    evidence : DataFrame
        customer_id, r_<stream>…, s_<stream>…, in faded counts.
    counts : DataFrame
        [customer_id, stream, trials, failures], unfaded, for the words.
    estimator : TrustEstimator
        Fitted, with named streams.
    most : int, optional
        Keep at most so many reasons a customer (they then no longer sum to the score).

    Returns
    -------
    DataFrame
        One row a customer and stream with trials, sorted by customer and rank:
        [customer_id, rank, driver, contribution, text_en, text_zh].

    Raises
    ------
    ValueError
        If a stream counts in a score but its trials are not among the counts.
    """
    shares = _long_shares(evidence.sort("customer_id"), estimator)
    size = pl.col("contribution").abs()
    ranked = (
        shares.sort("customer_id", size, "driver", descending=[False, True, False])
        .with_columns(rank=pl.int_range(1, pl.len() + 1, dtype=pl.Int64).over("customer_id"))
        .filter(pl.lit(most is None) | (pl.col("rank") <= (most or 0)))
        .join(
            counts.lazy().select("customer_id", "trials", "failures", driver=pl.col("stream").cast(pl.Enum(STREAMS))),
            on=["customer_id", "driver"],
            how="left",
            maintain_order="left",
        )
        .collect()
    )
    if uncounted := ranked["trials"].null_count():
        raise ValueError(f"{uncounted} reasons have no trials in the counts; give the counts of the same day")
    text_en, text_zh = sentences()
    return ranked.select(
        "customer_id", "rank", pl.col("driver").cast(pl.String), "contribution", text_en=text_en, text_zh=text_zh
    )


def _long_shares(evidence: pl.DataFrame, estimator: TrustEstimator) -> pl.LazyFrame:
    """One row a customer and stream with trials: [customer_id, driver, contribution]."""
    names = estimator.streams_
    shares = pl.DataFrame(shapley_values(estimator, evidence, of="score"), schema=list(names), orient="row")
    has_trials = [
        pl.when((evidence[f"r_{name}"] + evidence[f"s_{name}"] > 0) & bool(used)).then(pl.col(name)).alias(name)
        for name, used in zip(names, estimator.has_trials_, strict=True)
    ]
    return (
        shares.with_columns(has_trials)
        .with_columns(evidence["customer_id"])
        .lazy()
        .unpivot(names, index="customer_id", variable_name="driver", value_name="contribution")
        .filter(pl.col("contribution").is_not_null())
        .with_columns(pl.col("driver").cast(pl.Enum(STREAMS)))
    )


def _shares(likelihoods: StreamLikelihoods, counts: Counts, scale: Floats) -> Floats:
    """Shapley values (rows, streams) of a chunk: customers with trials in the same streams are computed together."""
    has_trials = (counts.successes > 0) | (counts.failures > 0)
    patterns, pattern = np.unique(has_trials, axis=0, return_inverse=True)
    shares = np.zeros_like(counts.successes)
    for index, active in enumerate(patterns):
        streams = np.flatnonzero(active)
        if not len(streams):
            continue
        rows = np.flatnonzero(pattern == index)
        parts = [likelihoods.of(int(stream), *(side[rows, stream] for side in counts)) for stream in streams]
        shares[np.ix_(rows, streams)] = _shapley(_subset_values(parts, scale))
    return shares


def _subset_values(parts: list[Floats], scale: Floats) -> Floats:
    """Posterior expectation of the scale for each subset of streams: (2^k, rows); bit j of the index is stream j."""

    def visit(stream: int, subset: int, weights: Floats) -> Iterator[tuple[int, Floats]]:
        if stream == len(parts):
            yield subset, expectation(weights, scale) / weights.sum(axis=1)
            return
        yield from visit(stream + 1, subset, weights)
        yield from visit(stream + 1, subset | 1 << stream, weights * parts[stream])

    values = np.empty((2 ** len(parts), len(parts[0])))
    for subset, value in visit(0, 0, np.broadcast_to(PRIOR, parts[0].shape)):
        values[subset] = value
    return values


def _shapley(values: Floats) -> Floats:
    """Shapley values (rows, k) of set values (2^k, rows)."""
    players = int(math.log2(len(values)))
    subsets = np.arange(len(values))
    sizes = np.bitwise_count(subsets)
    shares = np.zeros((values.shape[1], players))
    for player in range(players):
        for subset in subsets[subsets & (1 << player) == 0]:
            weight = 1.0 / (players * math.comb(players - 1, int(sizes[subset])))
            shares[:, player] += weight * (values[subset | 1 << player] - values[subset])
    return shares
