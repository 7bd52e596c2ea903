"""How fast evidence fades: the half-life under which past trials foretell the next ones best.

Belongs here: the one-step-ahead log score of a half-life, and the choice among a few.
Must not be here: fading itself (``evidence``), the fit of the trust model's parameters (``trust_likelihood``).

At several past days, each customer's trials of the following month are predicted from the faded trials before them,
with the parameters of the trust model: the prequential log score (Dawid 1984). A proper score (Gneiting and Raftery
2007): in expectation the fading that is closest to how customers really change wins.

References
----------
Breiman, L., Friedman, J., Olshen, R., Stone, C. (1984). Classification and Regression Trees, section 3.4.3.
Dawid, A. P. (1984). Present position and potential developments: the prequential approach. JRSS A 147, 278–292.
Gneiting, T., Raftery, A. E. (2007). Strictly proper scoring rules, prediction, and estimation. JASA 102, 359–378.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import numpy.typing as npt
import polars as pl
from scipy.special import logsumexp

from trust_models.trust import TrustEstimator
from trust_models.trust_likelihood import log_likelihood, quadrature, rounded

Floats = npt.NDArray[np.float64]

HALF_LIVES_DAYS = (90.0, 180.0, 365.0, 730.0, 1460.0)
STEP_DAYS = 30
ORIGIN_DAYS = (30, 120, 210, 300)
"""Days before the day of training from which the next trials are predicted: one month in each of four quarters."""

NODES = 31

SCORES_SCHEMA = pl.Schema(
    {"half_life_days": pl.Float64, "log_score": pl.Float64, "gain": pl.Float64, "gain_error": pl.Float64}
)


@dataclass(frozen=True)
class HalfLife:
    """The half-life that was chosen.

    Parameters
    ----------
    days : float
        The half-life in days.
    customers : int
        Customers with a trial to predict; 0 where there was none and the start was kept.
    scores : DataFrame
        [half_life_days, log_score, gain, gain_error]: mean log score of a customer's next trials, and by how much that
        is better than the start, with its standard error. Empty where there was nothing to predict.
    """

    days: float
    customers: int
    scores: pl.DataFrame


def choose_half_life(
    trials: pl.DataFrame,
    estimator: TrustEstimator,
    *,
    day: date,
    start_days: float,
    half_lives_days: Sequence[float] = HALF_LIVES_DAYS,
) -> HalfLife:
    """The half-life of the best one-step-ahead log score.

    Of those that are no more than one standard error worse than the best (Breiman et al. 1984), the one nearest to the
    start is taken: scores should not change their meaning for a gain that may be chance.

    Parameters
    ----------
    trials : DataFrame
        [customer_id, stream, event_date, is_success], matured by the day, of the customers to judge by.
    estimator : TrustEstimator
        Fitted with named streams, on whole counts.
    day : date
        The day of training.
    start_days : float
        The half-life to start from.
    half_lives_days : sequence of float
        The others to try.
    """
    tried = sorted({start_days, *half_lives_days})
    per_customer = [
        _log_scores(trials, estimator, day=day - timedelta(days=days), half_lives_days=tried) for days in ORIGIN_DAYS
    ]
    totals = pl.concat(per_customer).group_by("customer_id").sum().sort("customer_id").drop("customer_id").to_numpy()
    if not len(totals):
        return HalfLife(start_days, 0, SCORES_SCHEMA.to_frame())
    gains = totals - totals[:, [tried.index(start_days)]]
    error = gains.std(axis=0) / np.sqrt(len(gains))
    means = gains.mean(axis=0)
    scores = pl.DataFrame(
        {"half_life_days": tried, "log_score": totals.mean(axis=0), "gain": means, "gain_error": error},
        schema=SCORES_SCHEMA,
    )
    return HalfLife(tried[_chosen(totals, tried.index(start_days))], len(totals), scores)


def _chosen(totals: Floats, start: int) -> int:
    """The place nearest to the start among those that are no more than one standard error worse than the best."""
    behind = totals[:, [int(np.argmax(totals.mean(axis=0)))]] - totals
    is_as_good = behind.mean(axis=0) <= behind.std(axis=0) / np.sqrt(len(totals))
    return min(np.flatnonzero(is_as_good).tolist(), key=lambda place: (abs(place - start), place))


def _log_scores(
    trials: pl.DataFrame, estimator: TrustEstimator, *, day: date, half_lives_days: Sequence[float]
) -> pl.DataFrame:
    """Log score of the trials of the month after a day: [customer_id, one column a half-life]."""
    until = day + timedelta(days=STEP_DAYS)
    following = trials.filter(pl.col("event_date").is_between(day, until, closed="right"))
    customers = following["customer_id"].unique().sort()
    past = trials.filter(pl.col("event_date") <= day)
    ahead = _counts(following, customers, estimator.streams_, until, math.inf)
    scores = {}
    for half_life_days in half_lives_days:
        before = _counts(past, customers, estimator.streams_, day, half_life_days)
        scores[str(half_life_days)] = _log_marginal(estimator, before + ahead) - _log_marginal(estimator, before)
    return pl.DataFrame({"customer_id": customers, **scores})


def _counts(
    trials: pl.DataFrame, customers: pl.Series, streams: Sequence[str], day: date, half_life_days: float
) -> Floats:
    """Faded successes and failures (customers, 2 · streams) of some customers on a day."""
    places = pl.DataFrame({"customer_id": customers}).with_row_index("row")
    rows = trials.join(places, on="customer_id", how="inner").select(
        cell=pl.col("row").cast(pl.Int64) * 2 * len(streams)
        + (~pl.col("is_success")).cast(pl.Int64) * len(streams)
        + pl.col("stream").cast(pl.Enum(streams)).to_physical(),
        weight=0.5 ** ((pl.lit(day) - pl.col("event_date")).dt.total_days() / half_life_days),
    )
    size = len(customers) * 2 * len(streams)
    sums = np.bincount(rows["cell"].to_numpy(), weights=rows["weight"].to_numpy(), minlength=size)
    return np.asarray(sums, dtype=np.float64).reshape(len(customers), 2 * len(streams))


def _log_marginal(estimator: TrustEstimator, counts: Floats) -> Floats:
    """Log of the probability of each row's counts (rows, 2 · streams), over all trust levels."""
    nodes, log_weights = quadrature(NODES)
    size = len(estimator.streams_)
    counts = rounded(counts)
    value: Floats = logsumexp(
        log_likelihood(estimator.parameters(), counts[:, :size], counts[:, size:], nodes) + log_weights, axis=1
    )
    return value
