"""How valid trust scores are: measures that hold scores against what is known of trust, and against what followed.

Belongs here: pure measures on arrays and frames, each a figure with an interval.
Must not be here: companies, fitting of trust, events (``event_study``), surveys (``survey_validity``), words and pages.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl
from scipy.stats import binomtest
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import KFold, StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from trust_models.as_of import AsOf, EventLog
from trust_models.streams import STREAMS

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

LEVEL = 0.95
"""Coverage of the intervals of figures."""
RESAMPLES = 200
LEAST_OF_CLASS = 20
"""Customers of either outcome without whom no prediction is judged."""


class Figure(NamedTuple):
    """A measured value, its 95% interval, and how many cases it speaks of; None where there is no answer."""

    value: float | None
    low: float | None = None
    high: float | None = None
    n: int | None = None


def figure(value: float, low: float = math.nan, high: float = math.nan, n: int | None = None) -> Figure:
    """A figure of plain numbers, where nan means that there is no answer."""
    value_, low_, high_ = (None if math.isnan(number) else float(number) for number in (value, low, high))
    return Figure(value_, low_, high_, n)


def bootstrapped(
    statistic: Callable[[Ints], Mapping[str, float]],
    groups: npt.ArrayLike,
    *,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> dict[str, Figure]:
    """Several statistics of the same rows, with percentile intervals over resampled groups of rows.

    All statistics see the same resamples, so that the interval of a difference is that of a paired comparison.

    Parameters
    ----------
    statistic : callable
        Row numbers → named values; nan where a value does not exist.
    groups : array of shape (rows,)
        Who a row belongs to: rows of one customer are drawn together.
    seed : int
        Of the resamples.
    resamples : int
        How many.

    Returns
    -------
    dict
        Name → figure; n is the number of rows.

    References
    ----------
    Efron, B., Tibshirani, R. J. (1993). An Introduction to the Bootstrap. Chapman & Hall, section 13.3.
    """
    names, codes, sizes = np.unique(np.asarray(groups), return_inverse=True, return_counts=True)
    order, starts = np.argsort(codes, kind="stable"), sizes.cumsum() - sizes
    values = statistic(np.arange(len(codes)))
    generator = np.random.default_rng(seed)
    draws: dict[str, list[float]] = {name: [] for name in values}
    for _ in range(resamples if len(codes) else 0):
        drawn = generator.integers(0, len(names), len(names))
        for name, value in statistic(order[_runs(starts[drawn], sizes[drawn])]).items():
            draws[name].append(value)
    return {name: figure(value, *_limits(draws[name]), n=len(codes)) for name, value in values.items()}


def _runs(starts: Ints, sizes: Ints) -> Ints:
    """The numbers of several runs, one after the other: starts 5 and 0 of sizes 2 and 1 give 5, 6, 0."""
    within = np.arange(sizes.sum()) - np.repeat(sizes.cumsum() - sizes, sizes)
    return np.asarray(np.repeat(starts, sizes) + within)


def _limits(draws: list[float]) -> tuple[float, float]:
    """Ends of the percentile interval over the resamples in which the statistic exists."""
    found = np.asarray(draws)[~np.isnan(draws)]
    if not len(found):
        return math.nan, math.nan
    low, high = np.quantile(found, ((1 - LEVEL) / 2, (1 + LEVEL) / 2))
    return float(low), float(high)


def correlation(a: Floats, b: Floats, weights: Floats | None = None) -> float:
    """Pearson's correlation, of weighted rows where weights are given; nan where one side does not vary."""
    w = np.full(len(a), 1.0) if weights is None else weights
    if not w.sum() > 0 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return math.nan
    da, db = a - np.average(a, weights=w), b - np.average(b, weights=w)
    return float((w * da * db).sum() / math.sqrt((w * da * da).sum() * (w * db * db).sum()))


def rank_correlation(a: Floats, b: Floats, weights: Floats | None = None) -> float:
    """Spearman's rank correlation, where a row counts as many rows as its weight says; nan without variation."""
    return correlation(midranks(places(a), weights), midranks(places(b), weights), weights)


def places(values: Floats) -> Ints:
    """The place of each value among the different values, from 0: what ranks of any resample can be made of quickly."""
    return np.unique(values, return_inverse=True)[1]


def midranks(places: Ints, weights: Floats | None = None) -> Floats:
    """Ranks of values from their places: the (weight of) rows below, and half of those at the same value."""
    at = np.bincount(places, weights)
    return np.asarray((at.cumsum() - at / 2)[places], dtype=np.float64)


def rank_agreement(
    truth: Floats,
    scores: Mapping[str, Floats],
    *,
    ratios: Mapping[str, tuple[str, str]] | None = None,
    differences: Mapping[str, tuple[str, str]] | None = None,
    seed: int = 0,
) -> dict[str, Figure]:
    """Rank correlation of several scores with the truth, and how they compare in pairs.

    Parameters
    ----------
    truth : array of shape (customers,)
        True trust, or whatever else the scores are held against.
    scores : mapping of str to array of shape (customers,)
        Scores of the same customers.
    ratios, differences : mapping of str to (str, str)
        Name of a comparison → the two scores whose correlations are divided, or subtracted.

    Returns
    -------
    dict
        Name of the score or comparison → figure, with paired bootstrap intervals over customers.

    Raises
    ------
    ValueError
        If a value is missing.
    """
    if missing := [name for name, values in {"truth": truth, **scores}.items() if np.isnan(values).any()]:
        raise ValueError(f"values are missing in {', '.join(missing)}; leave out customers without a score")
    true_places, score_places = places(truth), {name: places(score) for name, score in scores.items()}

    def statistic(rows: Ints) -> dict[str, float]:
        ranks = midranks(true_places[rows])
        found = {name: correlation(midranks(score[rows]), ranks) for name, score in score_places.items()}
        compared = {name: found[a] / found[b] if found[b] else math.nan for name, (a, b) in (ratios or {}).items()}
        return found | compared | {name: found[a] - found[b] for name, (a, b) in (differences or {}).items()}

    return bootstrapped(statistic, np.arange(len(truth)), seed=seed)


def ceiling(evidence: Floats, truth: Floats, *, seeds: tuple[int, ...] = (0, 1, 2)) -> Floats:
    """What could be told of the truth from this evidence by a learner that was shown it.

    Predictions of boosted trees for customers that they were not fitted on (five folds), averaged over shuffles. Small
    trees on large leaves find most here: the evidence is a set of nearly additive counts. With few thousand customers
    even they find less than there is, and a score may then lie above this ceiling.

    Parameters
    ----------
    evidence : array of shape (customers, columns)
        The columns that the score has too.
    truth : array of shape (customers,)
        True trust.

    Returns
    -------
    array of shape (customers,)
    """
    trees = HistGradientBoostingRegressor(
        max_iter=120, learning_rate=0.05, max_leaf_nodes=12, min_samples_leaf=100, early_stopping=False
    )
    folds = (KFold(5, shuffle=True, random_state=seed) for seed in seeds)
    with threadpool_limits(1):  # threads that wait for each other at every node cost more than they give
        predicted = [cross_val_predict(trees, evidence, truth, cv=fold) for fold in folds]
    return np.asarray(np.mean(predicted, axis=0), dtype=np.float64)


def beta_reputation(successes: Floats, failures: Floats, *, weight: float = 2.0, base_rate: float = 0.5) -> Floats:
    """Expected success rate (r + a·W) / (r + s + W) with an assumed base rate and prior weight.

    References
    ----------
    Jøsang, A., Ismail, R. (2002). The beta reputation system. 15th Bled Electronic Commerce Conference, eq. 5.
    """
    return np.asarray((successes + base_rate * weight) / (successes + failures + weight), dtype=np.float64)


def interval_coverage(truth: Floats, low: Floats, high: Floats) -> Figure:
    """Share of customers whose true value lies inside their interval, with Wilson's interval (1927)."""
    if not len(truth):
        return Figure(None, n=0)
    inside = int(((low <= truth) & (truth <= high)).sum())
    limits = binomtest(inside, len(truth)).proportion_ci(LEVEL, method="wilson")
    return figure(inside / len(truth), limits.low, limits.high, len(truth))


def thirds(values: Floats) -> Ints:
    """0, 1 or 2: the lower, middle or upper third that a value lies in; equal values stay together."""
    borders = np.quantile(values, (1 / 3, 2 / 3))
    return np.searchsorted(borders, values, side="left").astype(np.int64)


def halves(trials: pl.DataFrame, *, seed: int = 0) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The trials of each customer dealt at random into two hands, stream by stream.

    Parameters
    ----------
    trials : DataFrame
        [customer_id, stream, …]; a customer's hands differ by at most one trial, also within each stream.
    """
    shuffled = trials.sort(trials.columns).sample(fraction=1.0, shuffle=True, seed=seed)
    dealt = shuffled.sort("customer_id", "stream", maintain_order=True).with_columns(
        hand=pl.int_range(pl.len()).over("customer_id") % 2
    )
    first, second = (dealt.filter(pl.col("hand") == hand).drop("hand") for hand in (0, 1))
    return first, second


def spearman_brown(half: float) -> float:
    """Reliability of the whole from the correlation of its halves, 2r / (1 + r).

    References
    ----------
    Spearman, C. (1910). Correlation calculated from faulty data. British Journal of Psychology 3, 271–295.
    Brown, W. (1910). Some experimental results in the correlation of mental abilities. Ibid., 296–322.
    """
    return 2.0 * half / (1.0 + half)


def split_half(first: Floats, second: Floats, *, seed: int = 0) -> Figure:
    """Split-half reliability of a score from its two halves of the evidence, stepped up to the whole."""

    def statistic(rows: Ints) -> dict[str, float]:
        return {"reliability": spearman_brown(correlation(first[rows], second[rows]))}

    return bootstrapped(statistic, np.arange(len(first)), seed=seed)["reliability"]


def quiet_changes(
    before: tuple[pl.DataFrame, pl.DataFrame], after: tuple[pl.DataFrame, pl.DataFrame], *, score: str
) -> dict[str, Figure]:
    """How far a score moves from one night to the next where nothing happened.

    Parameters
    ----------
    before, after : (DataFrame, DataFrame)
        Scores [customer_id, <score>] and counts of trials [customer_id, stream, trials, failures] of the two nights.
    score : str
        The column of the score.

    Returns
    -------
    dict
        share (of customers without a new or corrected trial), mean and largest absolute change of theirs.
    """
    (scores_before, counts_before), (scores_after, counts_after) = before, after
    key = ["customer_id", "stream", "trials", "failures"]
    moved = pl.concat(
        [
            counts_after.join(counts_before, on=key, how="anti").select("customer_id"),
            counts_before.join(counts_after, on=key, how="anti").select("customer_id"),
        ]
    )
    both = scores_before.select("customer_id", earlier=score).join(
        scores_after.select("customer_id", later=score), on="customer_id"
    )
    change = both.join(moved, on="customer_id", how="anti").select((pl.col("later") - pl.col("earlier")).abs())
    moves = change.to_series().to_numpy()
    n = len(moves)
    if not n:
        return {"share": figure(0.0, n=len(both)), "mean": Figure(None, n=0), "largest": Figure(None, n=0)}
    return {
        "share": figure(n / len(both), n=len(both)),
        "mean": figure(moves.mean(), n=n),
        "largest": figure(moves.max(), n=n),
    }


def stratified_difference(values: Floats, is_case: Flags, strata: Ints, *, seed: int = 0) -> Figure:
    """Mean of the cases less that of the others in the same stratum, averaged over the cases.

    Strata without anybody to compare with drop out; n counts the cases.

    Parameters
    ----------
    values : array of shape (customers,)
    is_case : bool array of shape (customers,)
    strata : int array of shape (customers,)
        Not negative.
    """
    size = int(strata.max(initial=0)) + 1

    def statistic(rows: Ints) -> dict[str, float]:
        case, stratum, value = is_case[rows], strata[rows], values[rows]
        number = [np.bincount(stratum[side], minlength=size) for side in (case, ~case)]
        total = [np.bincount(stratum[side], value[side], minlength=size) for side in (case, ~case)]
        shared = (number[0] > 0) & (number[1] > 0)
        if not shared.any():
            return {"difference": math.nan}
        gaps = total[0][shared] / number[0][shared] - total[1][shared] / number[1][shared]
        return {"difference": float(np.average(gaps, weights=number[0][shared]))}

    return bootstrapped(statistic, np.arange(len(values)), seed=seed)["difference"]._replace(n=int(is_case.sum()))


def equal_strata(values: Floats, count: int) -> Ints:
    """Strata of (nearly) equally many customers by their value; equal values stay together."""
    borders = np.quantile(values, np.arange(1, count) / count)
    return np.searchsorted(borders, values, side="right").astype(np.int64)


def predictive_gain(base: Floats, added: Floats, outcome: Flags, *, seed: int = 0) -> dict[str, Figure]:
    """What a column adds to a logistic model of a later outcome, judged on customers it was not fitted on.

    Parameters
    ----------
    base : array of shape (customers, columns)
        What the model knows without it.
    added : array of shape (customers,)
        The column.
    outcome : bool array of shape (customers,)
        What followed.

    Returns
    -------
    dict
        auc_base, auc_gain (over chance where the base is below it), log_loss_base, log_loss_gain (base less extended:
        more is better), slope (log-odds by one standard deviation of the column, the base held fixed); without a value
        where either outcome is too rare.
    """
    n = len(outcome)
    if min(int(outcome.sum()), int(n - outcome.sum())) < LEAST_OF_CLASS:
        return {name: Figure(None, n=n) for name in ("auc_base", "auc_gain", "log_loss_base", "log_loss_gain", "slope")}
    extended = np.column_stack([base, added])
    model = make_pipeline(StandardScaler(), LogisticRegression(C=1.0))
    folds = StratifiedKFold(5, shuffle=True, random_state=seed)
    with threadpool_limits(1):
        before, after = (
            cross_val_predict(model, columns, outcome, cv=folds, method="predict_proba") for columns in (base, extended)
        )
        slope = model.fit(extended, outcome)[-1].coef_[0, -1]
    losses = [-np.log(risk[np.arange(n), outcome.astype(np.int64)]) for risk in (before, after)]
    risks = [places(risk[:, 1]) for risk in (before, after)]

    def statistic(rows: Ints) -> dict[str, float]:
        auc, loss = area_under_curve(risks[0][rows], outcome[rows]), float(losses[0][rows].mean())
        auc_gain = area_under_curve(risks[1][rows], outcome[rows]) - max(auc, 0.5)
        loss_gain = loss - float(losses[1][rows].mean())
        return {"auc_base": auc, "auc_gain": auc_gain, "log_loss_base": loss, "log_loss_gain": loss_gain}

    return bootstrapped(statistic, np.arange(n), seed=seed) | {"slope": figure(slope, n=n)}


def area_under_curve(risk: Ints, outcome: Flags) -> float:
    """AUC of predictions of which only the places are known; nan where there is one outcome only.

    References
    ----------
    Hanley, J. A., McNeil, B. J. (1982). The meaning and use of the area under a ROC curve. Radiology 143, 29–36.
    """
    positives, negatives = int(outcome.sum()), int((~outcome).sum())
    if not positives or not negatives:
        return math.nan
    return float((midranks(risk)[outcome].sum() / positives - positives / 2) / negatives)


def rfm(known: EventLog, *, as_of: AsOf, window_days: int = 365) -> pl.DataFrame:
    """Recency, frequency and monetary value of every customer with an order by the day.

    Parameters
    ----------
    known : EventLog
        Masked as of the day.

    Returns
    -------
    DataFrame
        [customer_id, recency_days, orders, amount], sorted; orders and amount (reporting currency, orders without a
        known amount left out) within the window.
    """
    recent = pl.col("ordered_date") > as_of.minus(window_days).day
    return (
        known.orders.group_by("customer_id")
        .agg(
            recency_days=(as_of.day - pl.col("ordered_date").max()).dt.total_days(),
            orders=recent.sum().cast(pl.Int64),
            amount=pl.col("amount").filter(recent).sum(),
        )
        .sort("customer_id")
        .collect()
    )


def complaint_free_rate(known: EventLog) -> pl.DataFrame:
    """[customer_id, complaint_free]: 1 less complaints by orders, of every customer with an order, sorted."""
    complaints = known.complaints.group_by("customer_id").agg(complaints=pl.len())
    return (
        known.orders.group_by("customer_id")
        .agg(orders=pl.len())
        .join(complaints, on="customer_id", how="left")
        .select("customer_id", complaint_free=1.0 - pl.col("complaints").fill_null(0) / pl.col("orders"))
        .sort("customer_id")
        .collect()
    )


def summed_counts(evidence: pl.DataFrame, streams: tuple[str, ...] = STREAMS) -> tuple[Floats, Floats]:
    """Faded successes and failures of each customer over some streams."""
    sides = (evidence.select(pl.sum_horizontal(f"{side}_{name}" for name in streams)) for side in ("r", "s"))
    successes, failures = (side.to_series().to_numpy() for side in sides)
    return successes, failures
