"""How the trials went by product category and channel, of all customers together.

Belongs here: the trials of :mod:`~trust_models.trials`, counted by what the order was and where it was placed.
Must not be here: what a trial or a failure is (``trials``), or counts by customer (``evidence``).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import polars as pl

from trust_models.as_of import AsOf, EventLog
from trust_models.evidence import trial_counts
from trust_models.trials import EvidenceSettings, coverage, orders_of_complaints, trials

KEYS = ("category", "channel")


OUTSIDE, NO_ORDER = "outside", "none"
"""In the place of a group: rows of customers who are not counted, and complaints that speak of no order."""


def trial_outcomes(
    log: EventLog,
    *,
    as_of: AsOf,
    settings: EvidenceSettings,
    covered: pl.LazyFrame | None = None,
    customers: pl.Series | None = None,
) -> pl.DataFrame:
    """Matured trials of the experience streams and their failures, by category and channel of the order.

    The trials are found as they are for the scores: the log is handed over with each pair of category and channel in
    the place of a customer. A complaint counts for the order it speaks of. Loyalty is left out: coming back is the act
    of a customer, not of a category.

    Parameters
    ----------
    log : EventLog
        Masked event log.
    as_of : AsOf
        The day of which the log is masked.
    settings : EvidenceSettings
        Maturities and failures.
    covered : LazyFrame, optional
        Coverage of the whole log; needed where ``log`` holds only some of the customers.
    customers : Series, optional
        Those whose trials count; of others in the log only the orders are looked at. Default: everybody.

    Returns
    -------
    DataFrame
        One row a stream, category and channel, sorted: [stream: String, category, channel, trials, failures]; category
        and channel are null where the order says neither, or a complaint speaks of no order.
    """
    groups = (
        log.orders.select(KEYS)
        .unique()
        .sort(KEYS)
        .with_row_index("group")
        .with_columns(pl.col("group").cast(pl.String))
    )
    covered = coverage(log) if covered is None else covered
    is_counted = pl.lit(value=True) if customers is None else pl.col("customer_id").is_in(customers.implode())
    found = trials(_by_group(log, groups, is_counted), as_of=as_of, settings=settings, reference=None, covered=covered)
    told = (
        trial_counts(found)
        .filter(pl.col("customer_id") != OUTSIDE)
        .join(groups, left_on="customer_id", right_on="group", how="left")
        .with_columns(pl.col("stream").cast(pl.String))
        .collect()
    )
    return added_up([told])


def added_up(parts: Sequence[pl.DataFrame], less: Sequence[pl.DataFrame] = ()) -> pl.DataFrame:
    """Outcomes of several sets of customers together, less those of others; sorted, without rows that count nothing."""
    counts = pl.col("trials", "failures")
    return (
        pl.concat([*parts, *(frame.with_columns(-counts) for frame in less)], how="diagonal")
        .group_by("stream", *KEYS)
        .agg(counts.sum())
        .filter(pl.col("trials") != 0)
        .sort("stream", *KEYS)
    )


def _by_group(log: EventLog, groups: pl.LazyFrame, is_counted: pl.Expr) -> EventLog:
    """The log with the group of an order as its customer, and each complaint tied to the order it speaks of."""
    grouped = log.orders.join(groups, on=KEYS, how="left", nulls_equal=True)
    tied = orders_of_complaints(log).select("complaint_id", "order_id")
    group = pl.when(is_counted).then(pl.col("group").fill_null(NO_ORDER)).otherwise(pl.lit(OUTSIDE))
    complaints = (
        log.complaints.drop("order_id")
        .join(tied, on="complaint_id", how="left")
        .join(grouped.select("order_id", "group"), on="order_id", how="left")
        .with_columns(customer_id=group)
        .drop("group")
    )
    return dataclasses.replace(log, orders=grouped.with_columns(customer_id=group).drop("group"), complaints=complaints)
