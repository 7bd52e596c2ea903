"""Features of every customer: a summary of what happened, and what it says on a day.

Belongs here: how the stages of the catalogue are prepared, aggregated and joined, and when a summary ceases to be true.
Must not be here: what a feature means (``feature_catalogue``), labels, models, or anything learnt from labels.
"""

from __future__ import annotations

import polars as pl

from trust_models.as_of import AsOf, EventLog
from trust_models.customer_status import is_open
from trust_models.evidence import fading, weight
from trust_models.feature_catalogue import (
    EVIDENCE_PREFIXES,
    Feature,
    FeatureSettings,
    Statistic,
    catalogue,
    expressions,
    statistics,
)
from trust_models.trials import days_later

ANSWER_HOURS = 48


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
    summary = feature_summary(log, as_of=as_of, settings=settings)
    return features_of_summary(
        summary,
        as_of=as_of,
        settings=settings,
        evidence=evidence,
        population_interval_days=population_interval_days,
    ).sort("customer_id")


def feature_summary(log: EventLog, *, as_of: AsOf, settings: FeatureSettings) -> pl.LazyFrame:
    """What features are made of, one row per customer with an order: true until something happens to the customer.

    Parameters
    ----------
    log : EventLog
        Masked: what was known on the as-of day.
    as_of : AsOf
        The day.
    settings : FeatureSettings
        Windows and half-lives.

    Returns
    -------
    pl.LazyFrame
        ``customer_id`` and the columns of the summary stages; :func:`turning_days` says until when it serves.
    """
    made: tuple[Feature | Statistic, ...] = (*catalogue(settings), *statistics(settings))
    counted = [column.name for column in made if column.stage == "complaints"]
    return (
        _orders(log.orders, as_of, settings)
        .group_by("customer_id")
        .agg(expressions(made, "orders"))
        .join(_purchase_days(log.orders).group_by("customer_id").agg(expressions(made, "intervals")), "customer_id")
        .join(_complaints(log.complaints, as_of, settings).group_by("customer_id").agg(expressions(made, "complaints")),
              "customer_id", how="left")
        .join(log.customers.select("customer_id", *expressions(made, "customers")), "customer_id", how="left")
        .with_columns(pl.col(counted).fill_null(0))
    )  # fmt: skip


def features_of_summary(
    summary: pl.LazyFrame,
    *,
    as_of: AsOf,
    settings: FeatureSettings,
    evidence: pl.LazyFrame | pl.DataFrame | None = None,
    population_interval_days: float | None = None,
) -> pl.LazyFrame:
    """The features of a day from summaries that are still true on it, in the order of the summaries.

    Parameters and columns as of :func:`features`.
    """
    made = catalogue(settings, population_interval_days)
    end = pl.lit(as_of.end, pl.Datetime("us"))
    fades = {f"fade_{days}d": pl.lit(fading(as_of.day, days)) for days in settings.all_half_lives_days}
    frame = (
        summary.with_columns(today=pl.lit(as_of.day), now_seconds=end.dt.epoch("s"), **fades)
        .with_columns(expressions(made, "day"))
        .with_columns(expressions(made, "own_interval"))
        .with_columns(expressions(made, "derived"))
        .select("customer_id", *(feature.name for feature in made))
    )
    return _with_evidence(frame, evidence)


def turning_days(log: EventLog, *, as_of: AsOf, settings: FeatureSettings) -> pl.LazyFrame:
    """The days to come on which time alone changes a summary: [customer_id, day], in no particular order.

    An order leaves a window of the trends, a promise falls due, a complaint has waited too long for a response.

    Parameters
    ----------
    log : EventLog
        Masked.
    as_of : AsOf
        The day.
    settings : FeatureSettings
        Windows.
    """
    window, customer = settings.window_days, pl.col("customer_id")
    ages = sorted({window, 2 * window, 365 - window, 365})
    of_orders = [days_later(pl.col("ordered_date"), days) for days in ages]
    answer = pl.col("opened_at") + pl.duration(hours=ANSWER_HOURS)
    days = [
        *(log.orders.select(customer, day=day) for day in of_orders),
        log.orders.select(customer, day=as_of.day_of(pl.col("promised_at"))),
        log.complaints.select(customer, day=as_of.day_of(answer)),
    ]
    return pl.concat(frame.filter(pl.col("day") > as_of.day) for frame in days)


def _orders(orders: pl.LazyFrame, as_of: AsOf, settings: FeatureSettings) -> pl.LazyFrame:
    """Orders in the order of their days, with age, weights on the anchors and lateness (null while nothing is due)."""
    end = pl.lit(as_of.end, pl.Datetime("us"))
    arrived, promised = pl.col("delivered_at"), pl.col("promised_at")
    is_due = (promised < end) & (pl.col("cancelled_at").is_null() | arrived.is_not_null())
    return (
        orders.sort("ordered_at", "order_id")
        .with_columns(age_days=(pl.lit(as_of.day) - pl.col("ordered_date")).dt.total_days())
        .with_columns(
            *_weights("ordered_date", as_of, settings),
            is_late=pl.when(is_due).then(arrived.fill_null(end) > promised),
            late_seconds=pl.when(is_due).then((arrived - promised).dt.total_seconds().clip(lower_bound=0)),
            overdue_since=pl.when(is_due & arrived.is_null()).then(promised.dt.epoch("s")),
        )
    )


def _weights(event_date: str, as_of: AsOf, settings: FeatureSettings) -> list[pl.Expr]:
    return [
        weight(pl.col(event_date), day=as_of.day, half_life_days=days).alias(f"weight_{days}d")
        for days in settings.all_half_lives_days
    ]


def _purchase_days(orders: pl.LazyFrame) -> pl.LazyFrame:
    """One row per customer and day with an order, and the days since the one before (null at the first)."""
    days = orders.select("customer_id", "ordered_date").unique().sort("customer_id", "ordered_date")
    is_same = pl.col("customer_id") == pl.col("customer_id").shift()
    gap = (pl.col("ordered_date") - pl.col("ordered_date").shift()).dt.total_days()
    return days.with_columns(interval_days=pl.when(is_same).then(gap))


def _complaints(complaints: pl.LazyFrame, as_of: AsOf, settings: FeatureSettings) -> pl.LazyFrame:
    waited = pl.col("first_response_at").fill_null(pl.lit(as_of.end, pl.Datetime("us"))) - pl.col("opened_at")
    return complaints.with_columns(
        *_weights("opened_date", as_of, settings),
        is_open=is_open(),
        is_unanswered=waited > pl.duration(hours=ANSWER_HOURS),
    )


def _with_evidence(frame: pl.LazyFrame, evidence: pl.LazyFrame | pl.DataFrame | None) -> pl.LazyFrame:
    if evidence is None:
        return frame
    streams = [name for name in evidence.lazy().collect_schema().names() if name.startswith(EVIDENCE_PREFIXES)]
    counted = evidence.lazy().select("customer_id", *streams)
    return frame.join(counted, "customer_id", how="left").with_columns(pl.col(streams).fill_null(0.0))
