"""Where each customer stands on the as-of day: active, lapsed or churned.

Belongs here: the status a reader sees beside the risk, and the facts it is made of.
Must not be here: features, labels (what followed), risk.
"""

from __future__ import annotations

import polars as pl

from trust_models.as_of import AsOf, EventLog


def is_open() -> pl.Expr:
    """Whether a complaint (masked) is unresolved, or was opened again after it had been resolved."""
    reopened = (pl.col("reopened_at") >= pl.col("resolved_at")).fill_null(False)
    return pl.col("resolved_at").is_null() | reopened


def churned_customers(churn: pl.LazyFrame, *, as_of: AsOf) -> pl.LazyFrame:
    """Customers whose latest churn record by the end of the day, of either kind, is not undone by then.

    The log may be masked at a later day: what lies after the as-of day is not looked at.

    Returns
    -------
    pl.LazyFrame
        One column, customer_id.
    """
    end = pl.lit(as_of.end, pl.Datetime("us"))
    reactivated = (pl.col("reactivated_at") < end).fill_null(False)
    return (
        churn.filter(pl.col("churned_at") < end)
        .group_by("customer_id")
        .agg(is_back=reactivated.sort_by("churned_at").last())
        .filter(~pl.col("is_back"))
        .select("customer_id")
    )


def customer_status(log: EventLog, *, as_of: AsOf, activity_window_days: int) -> pl.LazyFrame:
    """Status of every customer with an order by the as-of day, sorted by customer_id.

    Parameters
    ----------
    log : EventLog
        Masked: what was known on the as-of day.
    as_of : AsOf
        The day.
    activity_window_days : int
        Longest silence, in days, of an active customer.

    Returns
    -------
    pl.LazyFrame
        customer_id, churn_status (active, lapsed, churned), orders, last_order_at, open_complaints.
    """
    summary = (
        log.orders.group_by("customer_id")
        .agg(
            orders=pl.len().cast(pl.Int64),
            last_order_at=pl.col("ordered_at").max(),
            last_order_date=pl.col("ordered_date").max(),
        )
        .join(standing(log, as_of=as_of), "customer_id", how="left")
        .with_columns(pl.col("open_complaints").fill_null(0))
    )
    return status_of_summary(summary, as_of=as_of, activity_window_days=activity_window_days).sort("customer_id")


def standing(log: EventLog, *, as_of: AsOf) -> pl.LazyFrame:
    """Who has left, and who has complaints open: [customer_id, is_churned, open_complaints].

    Nulls stand for no and for none; a customer of whom neither can be said has no row.
    """
    churned = churned_customers(log.churn, as_of=as_of).with_columns(is_churned=True)
    open_complaints = log.complaints.filter(is_open()).group_by("customer_id").agg(open_complaints=pl.len())
    return churned.join(
        open_complaints.with_columns(pl.col("open_complaints").cast(pl.Int64)), "customer_id", how="full", coalesce=True
    )


def status_of_summary(summary: pl.LazyFrame, *, as_of: AsOf, activity_window_days: int) -> pl.LazyFrame:
    """Columns of :func:`customer_status`, in the order of a frame of summaries.

    ``summary`` has customer_id, orders, last_order_at, last_order_date, is_churned and open_complaints.
    """
    silence = (pl.lit(as_of.day) - pl.col("last_order_date")).dt.total_days()
    status = (
        pl.when(pl.col("is_churned"))
        .then(pl.lit("churned"))
        .when(silence > activity_window_days)
        .then(pl.lit("lapsed"))
        .otherwise(pl.lit("active"))
    )
    return summary.select("customer_id", status.alias("churn_status"), "orders", "last_order_at", "open_complaints")
