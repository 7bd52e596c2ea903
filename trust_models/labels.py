"""What followed: whether a customer was lost in the days after a snapshot.

Belongs here: the two definitions of lost, when a label window is over, and which days can be snapshots.
Must not be here: features, models, or anything that looks at the as-of day's own night.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import Literal, get_args

import polars as pl

from trust_models.as_of import AsOf, EventLog
from trust_models.customer_status import churned_customers

Definition = Literal["silent", "declared"]


def labels(
    log_at_known: EventLog, *, as_of: AsOf, known_at: AsOf, horizon_days: int, definition: Definition
) -> pl.LazyFrame:
    """Who was lost within (as_of, as_of + horizon_days], in the light of what is known at a later day.

    Parameters
    ----------
    log_at_known : EventLog
        Masked at ``known_at``.
    as_of : AsOf
        Day of the snapshot.
    known_at : AsOf
        Day from which we look back; the window must be over by the end of it.
    horizon_days : int
        Length of the window in days.
    definition : {"silent", "declared"}
        silent: no order in the window. declared: a voluntary churn record in the window.

    Returns
    -------
    pl.LazyFrame
        customer_id, is_lost (bool), sorted; one row per customer with an order by the as-of day and not churned by it.

    Raises
    ------
    ValueError
        If the window is not over by ``known_at``, the horizon is no positive number of days, or the definition unknown.
    """
    if definition not in get_args(Definition):
        raise ValueError(f"churn definition {definition!r} is unknown; it is one of {', '.join(get_args(Definition))}")
    if horizon_days < 1:
        raise ValueError(f"horizon_days must be at least 1, not {horizon_days}")
    until = as_of.minus(-horizon_days)
    if until.day > known_at.day:
        raise ValueError(
            f"the label window of {as_of.day} ends on {until.day}, after {known_at.day}: a snapshot whose window "
            "is not over cannot be trained on"
        )
    lost = _silent if definition == "silent" else _declared
    customers = log_at_known.orders.filter(pl.col("ordered_at") < as_of.end).select("customer_id").unique()
    return (
        customers.join(churned_customers(log_at_known.churn, as_of=as_of), "customer_id", how="anti")
        .pipe(lost, log_at_known, as_of.end, until.end)
        .sort("customer_id")
    )


def _silent(customers: pl.LazyFrame, log: EventLog, start: datetime, end: datetime) -> pl.LazyFrame:
    in_window = pl.col("ordered_at").is_between(start, end, closed="left")
    bought = log.orders.filter(in_window).select("customer_id").unique()
    return customers.join(bought.with_columns(is_lost=False), "customer_id", how="left").with_columns(
        pl.col("is_lost").fill_null(True)
    )


def _declared(customers: pl.LazyFrame, log: EventLog, start: datetime, end: datetime) -> pl.LazyFrame:
    in_window = pl.col("churned_at").is_between(start, end, closed="left") & (pl.col("kind") == "voluntary")
    left = log.churn.filter(in_window).select("customer_id").unique()
    return customers.join(left.with_columns(is_lost=True), "customer_id", how="left").with_columns(
        pl.col("is_lost").fill_null(False)
    )


def resolve_definition(
    log_at_known: EventLog, setting: str, *, snapshots: Sequence[AsOf], horizon_days: int
) -> Definition:
    """The one definition for a whole training: the setting itself, or what ``auto`` comes to.

    ``auto`` is declared where the churn feed covers the windows of all snapshots: between the start of the first and
    the end of the last, no more than a third of the horizon passes without a voluntary record. Else it is silent.

    Raises
    ------
    ValueError
        If the setting is none of auto, silent, declared.
    """
    if setting not in ("auto", *get_args(Definition)):
        raise ValueError(f"churn definition {setting!r} is unknown; it is auto, silent or declared")
    if setting == "declared":
        return "declared"
    if setting == "silent" or not snapshots:
        return "silent"
    start = min(snapshot.day for snapshot in snapshots)
    end = max(snapshot.day for snapshot in snapshots) + timedelta(days=horizon_days)
    records = (
        log_at_known.churn.filter((pl.col("kind") == "voluntary") & pl.col("churned_date").is_between(start, end))
        .select(pl.col("churned_date").unique().sort())
        .collect()["churned_date"]
        .to_list()
    )
    days = [start, *records, end]
    longest = max((after - before).days for before, after in pairwise(days))
    return "declared" if records and longest <= horizon_days / 3 else "silent"


def snapshot_days(*, first_order: date, known_at: date, horizon_days: int, most: int) -> tuple[date, ...]:
    """Ends of months whose label window is over by ``known_at``, oldest first, at most the ``most`` newest.

    The first is the end of the first month that saw four weeks of orders: before, there is hardly a rhythm to see.
    """
    days: list[date] = []
    day = known_at.replace(day=1) - timedelta(days=1)
    while day >= first_order + timedelta(days=27) and len(days) < most:
        if day + timedelta(days=horizon_days) <= known_at:
            days.append(day)
        day = day.replace(day=1) - timedelta(days=1)
    return tuple(reversed(days))
