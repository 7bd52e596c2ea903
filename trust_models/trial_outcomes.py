"""How the trials went by product category and channel, of all customers together.

Belongs here: the trials of :mod:`~trust_models.trials`, counted by what the order was and where it was placed.
Must not be here: what a trial or a failure is (``trials``), or counts by customer (``evidence``).
"""

from __future__ import annotations

import dataclasses

import polars as pl

from trust_models.as_of import AsOf, EventLog
from trust_models.evidence import trial_counts
from trust_models.trials import EvidenceSettings, coverage, orders_of_complaints, trials

KEYS = ("category", "channel")


def trial_outcomes(log: EventLog, *, as_of: AsOf, settings: EvidenceSettings) -> pl.DataFrame:
    """Matured trials of the experience streams and their failures, by category and channel of the order.

    The trials are found as they are for the scores: the log is handed over with each pair of category and channel in
    the place of a customer. A complaint counts for the order it speaks of. Loyalty is left out: coming back is the act
    of a customer, not of a category.

    Parameters
    ----------
    log : EventLog
        Masked event log of *all* customers.
    as_of : AsOf
        The day of which the log is masked.
    settings : EvidenceSettings
        Maturities and failures.

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
    found = trials(_by_group(log, groups), as_of=as_of, settings=settings, reference=None, covered=coverage(log))
    return (
        trial_counts(found)
        .join(groups, left_on="customer_id", right_on="group", how="left")
        .with_columns(pl.col("stream").cast(pl.String))
        .group_by("stream", *KEYS)
        .agg(pl.col("trials", "failures").sum())
        .sort("stream", *KEYS)
        .collect()
    )


def _by_group(log: EventLog, groups: pl.LazyFrame) -> EventLog:
    """The log with the group of an order as its customer, and each complaint tied to the order it speaks of."""
    orders = (
        log.orders.join(groups, on=KEYS, how="left", nulls_equal=True).with_columns(customer_id="group").drop("group")
    )
    tied = orders_of_complaints(log).select("complaint_id", "order_id")
    complaints = (
        log.complaints.drop("order_id", "customer_id")
        .join(tied, on="complaint_id", how="left")
        .join(orders.select("order_id", "customer_id"), on="order_id", how="left")
        .with_columns(pl.col("customer_id").fill_null("none"))
    )
    return dataclasses.replace(log, orders=orders, complaints=complaints)
