"""Why a customer's trust score is what it is: the share of each stream in it, and the words for it.

Belongs here: Shapley values over streams, and their sentences in English and Chinese.
Must not be here: the score itself (``trust``), reasons of the churn risk.

References
----------
Shapley, L. S. (1953). A value for n-person games. Contributions to the Theory of Games II, 307–317.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt
import polars as pl
from joblib import Parallel, delayed

from trust_models.evidence import by_stream
from trust_models.streams import STREAMS
from trust_models.trust import TrustEstimator
from trust_models.trust_posterior import GRID, PERCENTILE, PRIOR, Counts, Places, StreamLikelihoods, alike
from trust_models.trust_words import sentences

Floats = npt.NDArray[np.float64]

ROWS_AT_ONCE = 512
"""Customers whose tables of products are held at once: few, so that they stay in the processor's cache."""

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
    likelihoods, counts = estimator.likelihoods(), estimator.counts(X)
    groups = [(streams, rows) for streams, rows in alike(counts, ROWS_AT_ONCE) if len(streams)]
    parts = Parallel(n_jobs=estimator.n_jobs, require="sharedmem")(
        delayed(_shares)(likelihoods, counts, streams, rows, SCALES[of]) for streams, rows in groups
    )
    shares = np.zeros_like(counts.successes)
    for (streams, rows), part in zip(groups, parts, strict=True):
        shares[np.ix_(rows, streams)] = part
    return shares


def reasons(
    evidence: pl.DataFrame,
    counts: pl.DataFrame,
    estimator: TrustEstimator,
    *,
    shares: Floats | None = None,
    most: int | None = None,
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
    shares : ndarray of shape (customers, streams), optional
        Shapley values of the score, where they are known already; the evidence is then sorted by customer.
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
    if shares is None:
        evidence = evidence.sort("customer_id")
        shares = shapley_values(estimator, evidence, of="score")
    streams = [name for name in STREAMS if name in estimator.streams_]  # their order decides between equals
    places = [estimator.streams_.index(name) for name in streams]
    has_trials = estimator.counts(evidence).has_trials & estimator.has_trials_
    size = np.where(has_trials, np.abs(shares), -1.0)[:, places]
    order = np.argsort(-size, axis=1, kind="stable")[:, :most]
    row, rank = np.nonzero(np.take_along_axis(size, order, axis=1) >= 0)
    driver = order[row, rank]
    known = counts.filter(pl.col("stream").cast(pl.String).is_in(streams)).with_columns(
        pl.col("stream").cast(pl.String)
    )
    wide = by_stream(known, evidence["customer_id"], streams, ("trials", "failures"), missing=-1)
    trials, failures = (column[driver, row] for column in wide)
    if uncounted := int((trials < 0).sum()):
        raise ValueError(f"{uncounted} reasons have no trials in the counts; give the counts of the same day")
    text_en, text_zh = sentences()
    return pl.DataFrame(
        {
            "customer_id": evidence["customer_id"].gather(row),
            "rank": rank + 1,
            "driver": pl.Series(streams, dtype=pl.String).gather(driver),
            "contribution": shares[:, places][row, driver],
            "trials": trials,
            "failures": failures,
        }
    ).select("customer_id", "rank", "driver", "contribution", text_en=text_en, text_zh=text_zh)


def _shares(likelihoods: StreamLikelihoods, counts: Counts, streams: Places, rows: Places, scale: Floats) -> Floats:
    """Shapley values (rows, streams) of customers with trials in just these streams."""
    parts = [likelihoods.of(int(stream), *(side[rows, stream] for side in counts)) for stream in streams]
    return shapley(subset_values(parts, scale))


def subset_values(parts: Sequence[Floats], scale: Floats, start: Floats = PRIOR) -> Floats:
    """Posterior expectation of the scale for each subset of streams: (rows, 2^k); bit j of the index is stream j.

    ``parts`` are what each stream multiplies the weights by, (rows, grid); ``start`` are the weights without any of
    them, by default the prior.

    The weights of a subset are a product over its streams. Half of the streams make one table of products, the others
    a second one: a subset is a row of each, and its sums over the grid are one element of a small matrix product, which
    is the customer's own and the same in any batch.
    """
    half = len(parts) // 2
    low, high = (_products(side, len(parts[0])) for side in (parts[:half], parts[half:]))
    low = np.atleast_2d(start)[:, None, :] * low
    mass = high @ low.transpose(0, 2, 1)
    values: Floats = high @ (low * scale).transpose(0, 2, 1) / mass
    return values.reshape(len(parts[0]), -1)


def _products(parts: Sequence[Floats], rows: int) -> Floats:
    """Product of the parts of each subset: (rows, 2^k, grid)."""
    products = np.ones((rows, 1, len(PRIOR)))
    for part in parts:
        products = np.concatenate([products, products * part[:, None, :]], axis=1)
    return products


def shapley(values: Floats) -> Floats:
    """Shapley values (rows, k) of set values (rows, 2^k)."""
    rows, players = len(values), int(math.log2(values.shape[1]))
    others = np.bitwise_count(np.arange(2 ** (players - 1)))
    weights = np.array([1.0 / (players * math.comb(players - 1, int(size))) for size in others])
    shares = np.empty((rows, players))
    for player in range(players):
        pairs = values.reshape(rows, -1, 2, 1 << player)
        gains = (pairs[:, :, 1] - pairs[:, :, 0]).reshape(rows, -1)
        shares[:, player] = np.vecdot(gains, weights)
    return shares
