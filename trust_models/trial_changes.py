"""What became of trials from one day to the next: which customers can have other ones, and which trials are new.

Belongs here: the difference between the trials of two days, found without looking at everybody again.
Must not be here: what a trial is (``trials``), what the difference means for a score (``trust_changes``).
"""

from __future__ import annotations

import polars as pl

from trust_models.as_of import TIMESTAMP, AsOf, EventLog, moments
from trust_models.streams import STREAMS

SOURCES = ("orders", "complaints", "customers")
"""The sources that trials, and the groups of customers, are made of."""

KINDS = ("matured", "matured_failures", "turned_bad", "turned_good", "withdrawn")
"""What can become of trials: they are new (and some of those failed), or an older one ended otherwise or is no more."""

SCHEMA = pl.Schema([("customer_id", pl.String), ("stream", pl.Enum(STREAMS)), *((kind, pl.Int64) for kind in KINDS)])

_KEY = ("customer_id", "stream", "event_date")


def touched_customers(log: EventLog, trials: pl.DataFrame, *, before: AsOf, now: AsOf) -> pl.Series:
    """Customers whose trials or groups may differ between two days; those of all others are the same for certain.

    A trial is there once its event date is past, and what is known of it changes only with a row: one that was
    delivered or replaced in between, or one with a fact that happened in between. Whether the company's data could show
    a failure at all (``trials.coverage``) is for the caller to compare: where it differs, everybody is touched.

    Parameters
    ----------
    log : EventLog
        Unmasked, the same on both days.
    trials : DataFrame
        [customer_id, stream, event_date, is_success] as of the later day.
    before, now : AsOf
        The two days.

    Returns
    -------
    Series
        customer_id, sorted, each once.
    """
    rows = [_changed_rows(getattr(log, source), source, before, now) for source in SOURCES]
    matured = trials.lazy().filter(pl.col("event_date") > before.day).select("customer_id")
    touched = pl.concat([matured, *rows]).unique()
    others = entangled(log).join(touched, on="customer_id", how="semi").select(customer_id="other_id")
    return pl.concat([touched, others]).unique().sort("customer_id").collect()["customer_id"]


def entangled(log: EventLog) -> pl.LazyFrame:
    """Pairs of customers of whom one complained about an order of the other: [customer_id, other_id], either way."""
    pairs = (
        log.complaints.select("order_id", "customer_id")
        .join(log.orders.select("order_id", other_id="customer_id"), on="order_id")
        .filter(pl.col("customer_id") != pl.col("other_id"))
        .select("customer_id", "other_id")
        .unique()
    )
    return pl.concat([pairs, pairs.select(customer_id="other_id", other_id="customer_id")])


def trial_changes(before: pl.DataFrame, now: pl.DataFrame) -> pl.DataFrame:
    """What became of the trials of some customers, stream by stream.

    Parameters
    ----------
    before, now : DataFrame
        [customer_id, stream, event_date, is_success], all trials of these customers as of either day.

    Returns
    -------
    DataFrame
        One row a customer and stream with other trials, sorted: :data:`SCHEMA`. ``matured`` counts trials that were not
        there before, ``matured_failures`` those of them that failed; ``turned_bad`` and ``turned_good`` older ones that
        have another outcome now, ``withdrawn`` older ones that are no more.
    """
    tallies = [_tally(frame.lazy(), sign) for frame, sign in ((before, -1), (now, 1))]
    good, bad = pl.col("good"), pl.col("bad")
    turned_bad = pl.min_horizontal((-good).clip(lower_bound=0), bad.clip(lower_bound=0))
    turned_good = pl.min_horizontal(good.clip(lower_bound=0), (-bad).clip(lower_bound=0))
    return (
        pl.concat(tallies)
        .group_by(_KEY)
        .agg(good.sum(), bad.sum())
        .filter((good != 0) | (bad != 0))
        .with_columns(turned_bad=turned_bad, turned_good=turned_good)
        .with_columns(good=good + pl.col("turned_bad") - pl.col("turned_good"))
        .with_columns(bad=bad - pl.col("turned_bad") + pl.col("turned_good"))
        .group_by("customer_id", pl.col("stream").cast(pl.Enum(STREAMS)))
        .agg(
            matured=good.clip(lower_bound=0).sum() + bad.clip(lower_bound=0).sum(),
            matured_failures=bad.clip(lower_bound=0).sum(),
            turned_bad=pl.col("turned_bad").sum(),
            turned_good=pl.col("turned_good").sum(),
            withdrawn=(-good).clip(lower_bound=0).sum() + (-bad).clip(lower_bound=0).sum(),
        )
        .sort("customer_id", "stream")
        .select(SCHEMA.names())
        .cast(SCHEMA)
        .collect()
    )


def _tally(trials: pl.LazyFrame, sign: int) -> pl.LazyFrame:
    """Trials that went well and that went badly, by customer, stream and day."""
    success = pl.col("is_success")
    return trials.group_by(_KEY).agg(
        good=success.sum().cast(pl.Int64) * sign, bad=(~success).sum().cast(pl.Int64) * sign
    )


def _changed_rows(frame: pl.LazyFrame, source: str, before: AsOf, now: AsOf) -> pl.LazyFrame:
    """Customers of rows that came, went or happened after the one day and by the other."""
    came_or_went = (
        pl.col(name).is_between(before.day, now.day, closed="right") for name in ("known_from", "known_until")
    )
    start, end = (pl.lit(day.end, TIMESTAMP) for day in (before, now))
    happened = (pl.col(name).is_between(start, end, closed="left") for name in moments(source))
    return frame.filter(pl.any_horizontal(*came_or_went, *happened)).select("customer_id")
