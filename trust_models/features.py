"""Features of every customer as of a day, from a masked event log.

Belongs here: how the stages of the catalogue are prepared, aggregated and joined.
Must not be here: what a feature means (``feature_catalogue``), labels, models, or anything learnt from labels.
"""

from __future__ import annotations

import polars as pl

from trust_models.as_of import AsOf, EventLog
from trust_models.customer_status import is_open
from trust_models.feature_catalogue import EVIDENCE_PREFIXES, FeatureSettings, catalogue, decayed, expressions


def features(
    log: EventLog,
    *,
    as_of: AsOf,
    settings: FeatureSettings | None = None,
    evidence: pl.LazyFrame | pl.DataFrame | None = None,
    population_interval_days: float | None = None,
) -> pl.LazyFrame:
    """One row per customer with an order by the as-of day, sorted by customer_id.

    Parameters
    ----------
    log : EventLog
        Masked: what was known on the as-of day (``log.known(as_of)``).
    as_of : AsOf
        The day the features speak of.
    settings : FeatureSettings, optional
        Windows and half-lives.
    evidence : frame, optional
        Columns customer_id, r_<stream>, s_<stream>; a customer without a row has no evidence (0).
    population_interval_days : float, optional
        Days between purchases to which own intervals are shrunk; give it where the log holds only a part of the
        customers. By default that of this log.

    Returns
    -------
    pl.LazyFrame
        ``customer_id``, the features of :func:`~trust_models.feature_catalogue.catalogue`, and the evidence.
    """
    settings = settings or FeatureSettings()
    made = catalogue(settings, population_interval_days)
    frame = (
        _orders(log.orders, as_of, settings)
        .group_by("customer_id")
        .agg(expressions(made, "orders"))
        .join(_purchase_days(log.orders).group_by("customer_id").agg(expressions(made, "intervals")), "customer_id")
        .join(_complaints(log.complaints, as_of).group_by("customer_id").agg(expressions(made, "complaints")),
              "customer_id", how="left")
        .join(_customers(log.customers, as_of).select("customer_id", *expressions(made, "customers")),
              "customer_id", how="left")
        .with_columns(pl.col(f.name for f in made if f.stage == "complaints").fill_null(0))
        .with_columns(expressions(made, "spans"))
        .with_columns(expressions(made, "own_interval"))
        .with_columns(expressions(made, "derived"))
    )  # fmt: skip
    return _with_evidence(frame, evidence).sort("customer_id")


def _orders(orders: pl.LazyFrame, as_of: AsOf, settings: FeatureSettings) -> pl.LazyFrame:
    """Orders in the order of their days, with age, decay weights and lateness (null while nothing is due)."""
    end = pl.lit(as_of.end, pl.Datetime("us"))
    arrived, promised = pl.col("delivered_at").fill_null(end), pl.col("promised_at")
    days_late = (arrived - promised).dt.total_seconds() / 86_400
    is_due = (promised < end) & (pl.col("cancelled_at").is_null() | pl.col("delivered_at").is_not_null())
    return (
        orders.sort("ordered_at", "order_id")
        .with_columns(age_days=_days_to(pl.col("ordered_date"), as_of))
        .with_columns(
            *(decayed(days).alias(f"decay_{days}d") for days in settings.half_lives_days),
            decay_recent=decayed(90),
            is_late=pl.when(is_due).then(arrived > promised),
            days_late=pl.when(is_due).then(days_late.clip(lower_bound=0)),
        )
    )


def _purchase_days(orders: pl.LazyFrame) -> pl.LazyFrame:
    """One row per customer and day with an order, and the days since the one before (null at the first)."""
    days = orders.select("customer_id", "ordered_date").unique().sort("customer_id", "ordered_date")
    is_same = pl.col("customer_id") == pl.col("customer_id").shift()
    gap = (pl.col("ordered_date") - pl.col("ordered_date").shift()).dt.total_days()
    return days.with_columns(interval_days=pl.when(is_same).then(gap))


def _complaints(complaints: pl.LazyFrame, as_of: AsOf) -> pl.LazyFrame:
    waited = pl.col("first_response_at").fill_null(pl.lit(as_of.end, pl.Datetime("us"))) - pl.col("opened_at")
    return complaints.with_columns(
        age_days=_days_to(pl.col("opened_date"), as_of),
        is_open=is_open(),
        is_unanswered=waited > pl.duration(hours=48),
    )


def _customers(customers: pl.LazyFrame, as_of: AsOf) -> pl.LazyFrame:
    return customers.with_columns(joined_days=_days_to(pl.col("joined_date"), as_of))


def _days_to(date: pl.Expr, as_of: AsOf) -> pl.Expr:
    return (pl.lit(as_of.day) - date).dt.total_days()


def _with_evidence(frame: pl.LazyFrame, evidence: pl.LazyFrame | pl.DataFrame | None) -> pl.LazyFrame:
    if evidence is None:
        return frame
    streams = [name for name in evidence.lazy().collect_schema().names() if name.startswith(EVIDENCE_PREFIXES)]
    counted = evidence.lazy().select("customer_id", *streams)
    return frame.join(counted, "customer_id", how="left").with_columns(pl.col(streams).fill_null(0.0))
