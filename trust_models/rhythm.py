"""A customer's own purchase rhythm, and the trials of coming back within it.

Belongs here: purchase days, the shrunken interval between them, the frozen reference it shrinks toward, and the two
loyalty streams.
Must not be here: the streams of experience, or a forecast of purchases (that is the churn model's).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import polars as pl

from trust_models.as_of import EventLog

MAXIMUM_PRIOR_WEIGHT = 100.0
"""Where customers do not differ in rhythm, the population interval counts as much as this many of their own gaps."""

ROUNDING = 1e-9
"""Slack, in days, so that an interval of exactly 30 days is not rounded up to 31."""


@dataclass(frozen=True)
class RhythmReference:
    """Population rhythm that each customer's own interval is shrunk toward; frozen between refits.

    Parameters
    ----------
    interval_days : float
        Mean number of days from one purchase day to the next.
    prior_weight : float
        How many gaps of the customer's own the population interval counts as much as.
    """

    interval_days: float
    prior_weight: float

    def __post_init__(self) -> None:
        """Refuse what is no rhythm."""
        if not (math.isfinite(self.interval_days) and self.interval_days > 0):
            raise ValueError(f"interval_days must be a positive number, not {self.interval_days}")
        if not (math.isfinite(self.prior_weight) and self.prior_weight > 0):
            raise ValueError(f"prior_weight must be a positive number, not {self.prior_weight}")


def purchase_days(log: EventLog) -> pl.LazyFrame:
    """One row a customer and purchase day, in order; several orders of one day are one purchase day.

    Parameters
    ----------
    log : EventLog
        Masked event log.

    Returns
    -------
    LazyFrame
        [customer_id, purchase_date, next_purchase_date, gaps, gap_days]: the purchase day that followed (null for the
        last one), and the number and summed length in days of the gaps *before* this day.
    """
    customer, day, row = pl.col("customer_id"), pl.col("purchase_date"), pl.int_range(pl.len(), dtype=pl.Int64)
    is_first = (customer != customer.shift(1)).fill_null(value=True)
    first_row = pl.when(is_first).then(row).forward_fill()
    first_day = pl.when(is_first).then(day).forward_fill()
    return (
        log.orders.select("customer_id", purchase_date="ordered_date")
        .unique()
        .sort("customer_id", "purchase_date")
        .with_columns(
            next_purchase_date=pl.when(customer == customer.shift(-1)).then(day.shift(-1)),
            gaps=row - first_row,
            gap_days=(day - first_day).dt.total_days(),
        )
    )


def fit_rhythm(log: EventLog) -> RhythmReference | None:
    """Population interval and its weight, by empirical Bayes from the gaps between purchase days.

    Bühlmann and Straub's credibility estimator: with gap variance v within customers and a between them, a customer's
    interval is (k·m + Σ gaps) / (k + number of gaps) with k = v/a and m the credibility-weighted mean.

    Parameters
    ----------
    log : EventLog
        Event log masked as of the training day.

    Returns
    -------
    RhythmReference or None
        None where nobody has come back yet: then nothing tells when somebody should.

    References
    ----------
    Bühlmann, H., Straub, E. (1970). Glaubwürdigkeit für Schadensätze. Mitteilungen der VSVM 70, 111–133.
    """
    n, total = pl.col("n"), pl.col("total")
    gap = (pl.col("next_purchase_date") - pl.col("purchase_date")).dt.total_days()
    customers = (
        purchase_days(log)
        .filter(pl.col("next_purchase_date").is_not_null())
        .group_by("customer_id")
        .agg(n=pl.len().cast(pl.Int64), total=gap.sum(), squares=(gap * gap).sum())
        .sort("n", "total", "squares")
        .collect()
    )
    if customers.is_empty():
        return None
    weight = _prior_weight(customers)
    credibility = n / (n + weight)
    interval = customers.select((credibility * total / n).sum() / credibility.sum()).item()
    return RhythmReference(interval_days=interval, prior_weight=weight)


def _prior_weight(customers: pl.DataFrame) -> float:
    """Variance within over variance between customers (Bühlmann–Straub k); 1 where nobody has two gaps.

    ``customers``: [n, total, squares], the number, sum and sum of squares of each customer's gaps.
    """
    n, total = pl.col("n"), pl.col("total")
    sums = customers.select(n.sum(), total.sum(), pl.col("squares").sum(), (n * n).sum().alias("n_squared"))
    gaps, days, squares, gaps_squared = sums.row(0)
    if gaps == customers.height:
        return 1.0
    own_squares = customers.select((total * total / n).sum()).item()
    within = (squares - own_squares) / (gaps - customers.height)
    spread = own_squares - days * days / gaps - (customers.height - 1) * within
    between = spread / (gaps - gaps_squared / gaps) if customers.height > 1 else 0.0
    if between <= within / MAXIMUM_PRIOR_WEIGHT:
        return MAXIMUM_PRIOR_WEIGHT
    return float(max(within / between, 1.0 / MAXIMUM_PRIOR_WEIGHT))


def came_back(log: EventLog, *, reference: RhythmReference, due_intervals: float) -> pl.LazyFrame:
    """Trials of coming back: one a purchase day, matured once its own due date for the next one is past.

    The due date is the purchase day plus ``due_intervals`` times the customer's own interval, shrunk toward the
    reference and taken from the gaps *before* that purchase day only: later orders never move the due date of an
    older trial. The trial succeeds where the next purchase day comes no later than the due date.

    Returns
    -------
    LazyFrame
        [customer_id, stream, event_date, is_success]; event_date is the due date.
    """
    due = _after(pl.col("purchase_date"), _interval(reference, due_intervals))
    return (
        purchase_days(log)
        .with_columns(event_date=due)
        .select(
            "customer_id",
            "event_date",
            stream=pl.lit("came_back"),
            is_success=_came_by("event_date"),
        )
    )


def came_back_after_failure(
    failures: pl.LazyFrame,
    log: EventLog,
    *,
    reference: RhythmReference,
    due_intervals: float,
) -> pl.LazyFrame:
    """Trials of coming back after a bad experience: one a gap between purchase days in which something failed.

    For a failed trial, take the last purchase day on or before the day of the failure. The customer's own shrunken
    interval known then starts anew on the day of the failure; the trial succeeds where the next purchase day comes
    within it. Of several failures in one gap the first to mature counts: they all wait for the same order. A failure
    before the first purchase is no trial.

    Parameters
    ----------
    failures : LazyFrame
        Matured failed trials [customer_id, event_date, failed_date]: when they were due, and when they failed.
    log : EventLog
        Masked event log.

    Returns
    -------
    LazyFrame
        [customer_id, stream, event_date, is_success]; event_date is the due date, or the day on which the failed trial
        matured where that is later.
    """
    due = _after(pl.col("failed_date"), _interval(reference, due_intervals))
    return (
        failures.sort("failed_date")
        .join_asof(
            purchase_days(log).sort("purchase_date"),
            left_on="failed_date",
            right_on="purchase_date",
            by="customer_id",
            strategy="backward",
            check_sortedness=False,
        )
        .filter(pl.col("gaps").is_not_null())
        .sort("event_date", "failed_date")
        .unique(subset=["customer_id", "gaps"], keep="first", maintain_order=True)
        .with_columns(due_date=due)
        .with_columns(event_date=pl.max_horizontal("event_date", "due_date"))
        .select(
            "customer_id",
            "event_date",
            stream=pl.lit("came_back_after_failure"),
            is_success=_came_by("due_date"),
        )
    )


def _interval(reference: RhythmReference, due_intervals: float) -> pl.Expr:
    """Days within which the next purchase is due, from the gaps known so far."""
    weight = reference.prior_weight
    own = (weight * reference.interval_days + pl.col("gap_days")) / (weight + pl.col("gaps"))
    return (due_intervals * own - ROUNDING).ceil().cast(pl.Int32)


def _after(day: pl.Expr, days: pl.Expr) -> pl.Expr:
    return (day.cast(pl.Int32) + days).cast(pl.Date)


def _came_by(due: str) -> pl.Expr:
    return (pl.col("next_purchase_date") <= pl.col(due)).fill_null(value=False)
