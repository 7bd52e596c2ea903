"""A customer's trust and the share of each stream in it, each likelihood looked at once.

Belongs here: what a night wants to know of the posterior, all in one pass. Must not be here: the posterior and the
Shapley values themselves (``trust_posterior``, ``trust_reasons``), frames, words.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from joblib import Parallel, delayed

from trust_models.trust import TrustEstimator, TrustPosterior, summary
from trust_models.trust_posterior import (
    PERCENTILE,
    Counts,
    Floats,
    Places,
    StreamLikelihoods,
    alike,
    expectation,
    posterior_of,
)
from trust_models.trust_reasons import ROWS_AT_ONCE, shapley, subset_values


class ExplainedTrust(NamedTuple):
    """Trust of some customers.

    ``posterior`` is that of :meth:`TrustEstimator.posterior` and ``experience`` (customers,) the score of the inner
    estimator, both to the last bit; ``shares`` (customers, streams) are the Shapley values of the score.
    """

    posterior: TrustPosterior
    experience: Floats
    shares: Floats


def explained(estimator: TrustEstimator, inner: TrustEstimator, X: Any) -> ExplainedTrust:
    """The posterior of each customer, the score by some of the streams alone, and the share of each stream.

    Parameters
    ----------
    estimator : TrustEstimator
        Fitted.
    inner : TrustEstimator
        The same fit restricted to some of the streams (:meth:`TrustEstimator.restricted_to`). Another fit is asked by
        itself, which takes longer.
    X : array or data frame of shape (customers, 2 · streams)
        Successes, then failures, as for :meth:`TrustEstimator.transform`.
    """
    likelihoods, counts, tail = estimator.likelihoods(), estimator.counts(X), (1.0 - estimator.level) / 2.0
    is_part = is_part_of(inner, estimator)
    places = [estimator.streams_.index(name) for name in inner.streams_] if is_part else []
    groups = list(alike(counts, ROWS_AT_ONCE))
    parts = Parallel(n_jobs=estimator.n_jobs, require="sharedmem")(
        delayed(_explained)(likelihoods, counts, streams, rows, places, tail) for streams, rows in groups
    )
    shares, experience = np.zeros_like(counts.successes), np.empty(len(counts.successes))
    mean, sd, score, low, high = (np.empty_like(experience) for _ in TrustPosterior._fields[:-1])
    posterior = TrustPosterior(mean, sd, score, low, high, rates=np.empty_like(shares))
    for (streams, rows), (found, inner_score, values) in zip(groups, parts, strict=True):
        for whole, part in zip(posterior, found, strict=True):
            whole[rows] = part
        experience[rows] = inner_score
        shares[np.ix_(rows, streams)] = values
    return ExplainedTrust(posterior, experience if is_part else inner.scores(X), shares)


def is_part_of(inner: TrustEstimator, estimator: TrustEstimator) -> bool:
    """Whether an estimator is another, restricted to some of its streams."""
    if not set(inner.streams_) <= set(estimator.streams_):
        return False
    restricted = estimator.restricted_to(inner.streams_)
    names = ("has_trials_", "intercepts_", "loadings_", "concentrations_")
    same = all(np.array_equal(getattr(inner, name), getattr(restricted, name)) for name in names)
    return same and inner.shifts_ == restricted.shifts_


def _explained(
    likelihoods: StreamLikelihoods, counts: Counts, streams: Places, rows: Places, inner: list[int], tail: float
) -> tuple[TrustPosterior, Floats, Floats]:
    """The same of customers with trials in just these streams."""
    parts = {int(stream): likelihoods.of(int(stream), *(side[rows, stream] for side in counts)) for stream in streams}
    weights = posterior_of(parts.values(), len(rows))
    inner_weights = posterior_of((parts[stream] for stream in inner if stream in parts), len(rows))
    shares = shapley(subset_values(list(parts.values()), PERCENTILE)) if parts else np.empty((len(rows), 0))
    return summary(weights, likelihoods.rates, tail), expectation(inner_weights, PERCENTILE), shares
