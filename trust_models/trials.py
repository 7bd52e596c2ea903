"""Trials: the moments in the event log at which trust-building went well or badly.

Belongs here: which events are trials of which stream, when they mature, when they fail, and where the data could not
have shown a failure at all.
Must not be here: decay and sums over trials (``evidence``), the rhythm of purchases (``rhythm``), any estimate.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date

import polars as pl

from trust_models.as_of import AsOf, EventLog
from trust_models.rhythm import RhythmReference, came_back, came_back_after_failure
from trust_models.streams import QUESTIONED_DIMENSIONS, STREAMS

Coverage = Callable[[AsOf], pl.DataFrame]
"""What the data of the whole company could have shown by a day: see :func:`coverage`."""

COLUMNS = ("customer_id", "stream", "event_date", "is_success")

NEVER = date(9999, 12, 31)
"""The day on which a trial that went well failed."""

_STREAM = pl.col("stream").cast(pl.Enum(STREAMS))


@dataclass(frozen=True)
class EvidenceSettings:
    """What counts as a matured trial, what as its failure, and how fast it fades.

    Parameters
    ----------
    order_maturity_days : int
        Age in days at which an order is a trial.
    response_hours : float
        Hours within which a complaint must have a first response.
    resolution_days : float
        Days within which a complaint must be resolved.
    due_intervals : float
        The next order is due this many of the customer's own intervals after the last one.
    rejected_resolutions : tuple of str
        Resolutions of a complaint that count as failures.
    half_life_days : float
        Age in days at which a trial counts half; infinity for no fading.

    Raises
    ------
    ValueError
        If a number is out of its range.
    """

    order_maturity_days: int = 30
    response_hours: float = 48.0
    resolution_days: float = 14.0
    due_intervals: float = 1.0
    rejected_resolutions: tuple[str, ...] = field(default=("rejected",))
    half_life_days: float = 365.0

    def __post_init__(self) -> None:
        """Refuse settings that have no meaning."""
        for name in ("order_maturity_days", "response_hours", "resolution_days"):
            if not (math.isfinite(getattr(self, name)) and getattr(self, name) >= 0):
                raise ValueError(f"{name} must be 0 or more, not {getattr(self, name)}")
        if not (math.isfinite(self.due_intervals) and self.due_intervals > 0):
            raise ValueError(f"due_intervals must be more than 0, not {self.due_intervals}")
        if not self.half_life_days >= 7:
            raise ValueError(f"half_life_days must be 7 or more, not {self.half_life_days}")


def coverage(log: EventLog) -> pl.LazyFrame:
    """What the data could have shown at all: one row, a property of the whole company and not of a customer.

    Parameters
    ----------
    log : EventLog
        Masked event log of *all* customers.

    Returns
    -------
    LazyFrame
        One row [has_faults, has_deliveries, complaints_from, has_responses, has_resolutions, has_<dimension>…]:
        whether a fault or return reason, a delivery, a first response, a resolution and a complaint of the dimension
        is known, and the day of the first known complaint (null where there is none).
    """
    orders = log.orders.select(
        has_faults=pl.col("fault_at").is_not_null().any() | pl.col("return_reason").is_not_null().any(),
        has_deliveries=pl.col("delivered_at").is_not_null().any(),
    )
    complaints = log.complaints.select(
        complaints_from=pl.col("opened_date").min(),
        has_responses=pl.col("first_response_at").is_not_null().any(),
        has_resolutions=pl.col("resolved_at").is_not_null().any(),
        **{f"has_{name}": (pl.col("dimension") == name).any() for name in QUESTIONED_DIMENSIONS},
    )
    return orders.join(complaints, how="cross")


def coverage_of(log: EventLog) -> Coverage:
    """The coverage that an unmasked log has by itself."""
    return lambda as_of: coverage(log.known(as_of)).collect()


def trials(
    log: EventLog,
    *,
    as_of: AsOf,
    settings: EvidenceSettings,
    reference: RhythmReference | None,
    covered: pl.LazyFrame | None = None,
    has_those_to_come: bool = False,
) -> pl.LazyFrame:
    """Every matured trial of every stream, with the facts known as of the day.

    A trial's event date is the business day on which its outcome was *due*, whatever the outcome: the order day plus
    its maturity, the promised day, the day on which the response or resolution time ran out, the due date of the next
    order. Success and failure thus enter, and fade, alike. A stream whose failures or successes the data could not
    have shown (see :func:`coverage`) has no trials.

    Parameters
    ----------
    log : EventLog
        Masked event log (``log.known(as_of)``), of all customers or of some.
    as_of : AsOf
        The day of which the log is masked.
    settings : EvidenceSettings
        Maturities and failures.
    reference : RhythmReference or None
        Frozen rhythm of purchases; None leaves out the loyalty streams.
    covered : LazyFrame, optional
        :func:`coverage` of the whole log; needed where ``log`` holds only some of the customers.
    has_those_to_come : bool
        Whether trials that only wait for their day are wanted too. Their event date says when they will mature if
        nothing else becomes known; their outcome means nothing yet.

    Returns
    -------
    LazyFrame
        [customer_id: String, stream: Enum of STREAMS, event_date: Date, is_success: Boolean], in no particular order.
    """
    covered = coverage(log) if covered is None else covered
    experience = pl.concat(
        [
            _order_trials(log, settings=settings, as_of=as_of, covered=covered),
            _promise_trials(log, as_of=as_of, covered=covered),
            _answer_trials(log, settings=settings, as_of=as_of, covered=covered),
            _resolution_trials(log, settings=settings, as_of=as_of, covered=covered),
        ]
    )
    experience = experience.with_columns(_STREAM).cache()
    found = [experience.select(*COLUMNS[:3], is_success=pl.col("failed_date") == NEVER)]
    if reference is not None:
        failures = experience.filter((pl.col("failed_date") != NEVER) & (pl.col("event_date") <= as_of.day))
        again = came_back(log, reference=reference, due_intervals=settings.due_intervals)
        forgiven = came_back_after_failure(failures, log, reference=reference, due_intervals=settings.due_intervals)
        found += [*(frame.with_columns(_STREAM).select(COLUMNS) for frame in (again, forgiven))]
    every = pl.concat(found)
    return every if has_those_to_come else every.filter(pl.col("event_date") <= as_of.day)


def _verdict(is_trial: pl.Expr, failed_date: pl.Expr) -> pl.Expr:
    """The day on which a trial failed, NEVER where it went well, null where there was none."""
    return pl.when(is_trial).then(failed_date.fill_null(NEVER))


def _trial(stream: str, failed_date: pl.Expr) -> list[pl.Expr]:
    """The columns of a trial of experience; ``failed_date`` is null where it went well."""
    return [
        pl.col("customer_id"),
        pl.col("event_date"),
        pl.lit(stream).alias("stream"),
        failed_date.fill_null(NEVER).alias("failed_date"),
    ]


def _order_trials(log: EventLog, *, settings: EvidenceSettings, as_of: AsOf, covered: pl.LazyFrame) -> pl.LazyFrame:
    """order_sound, and order_unquestioned of each dimension: an order once it is old enough."""
    is_heard = pl.col("ordered_date") >= pl.col("complaints_from")
    fault = pl.min_horizontal(as_of.day_of(pl.col("fault_at")), "complained_product_quality")
    streams = {
        "order_sound": _verdict(pl.col("has_faults") | is_heard, fault),
        **{
            f"order_unquestioned_{name}": _verdict(pl.col(f"has_{name}") & is_heard, pl.col(f"complained_{name}"))
            for name in QUESTIONED_DIMENSIONS
        },
    }
    event_date = days_later(pl.col("ordered_date"), settings.order_maturity_days)
    return (
        log.orders.join(_complained_orders(log), on="order_id", how="left")
        .join(covered, how="cross")
        .select("customer_id", event_date=event_date, **streams)
        .unpivot(list(streams), index=["customer_id", "event_date"], variable_name="stream", value_name="failed_date")
        .filter(pl.col("failed_date").is_not_null())
    )


def _complained_orders(log: EventLog) -> pl.LazyFrame:
    """First day of a complaint on each order, by dimension."""
    return (
        orders_of_complaints(log)
        .group_by("order_id")
        .agg(
            pl.col("opened_date").filter(pl.col("dimension") == name).min().alias(f"complained_{name}")
            for name in ("product_quality", *QUESTIONED_DIMENSIONS)
        )
    )


def orders_of_complaints(log: EventLog) -> pl.LazyFrame:
    """The order that each complaint speaks of: [complaint_id, order_id, dimension, opened_date].

    A complaint that names no known order is taken to speak of the customer's last order before it; where there is none,
    it has no row.
    """
    columns = ("complaint_id", "order_id", "dimension", "opened_date")
    complaints = log.complaints.select(*columns, "customer_id", "opened_at")
    named = complaints.join(log.orders.select("order_id"), on="order_id", how="semi")
    unnamed = complaints.join(log.orders.select("order_id"), on="order_id", how="anti").drop("order_id")
    orders = log.orders.select("customer_id", "ordered_at", "order_id").join(unnamed, on="customer_id", how="semi")
    linked = (
        unnamed.sort("opened_at")
        .join_asof(
            orders.sort("ordered_at", "order_id"),
            left_on="opened_at",
            right_on="ordered_at",
            by="customer_id",
            strategy="backward",
            check_sortedness=False,
        )
        .filter(pl.col("order_id").is_not_null())
    )
    return pl.concat([named.select(columns), linked.select(columns)])


def _promise_trials(log: EventLog, *, as_of: AsOf, covered: pl.LazyFrame) -> pl.LazyFrame:
    """promise_kept: an order whose promised date is past.

    An order cancelled before that date is no trial, unless it was cancelled for a fault: that promise was broken.
    """
    promised, delivered, cancelled = pl.col("promised_at"), pl.col("delivered_at"), pl.col("cancelled_at")
    is_withdrawn = (cancelled <= promised) & ~(pl.col("fault_at") <= cancelled).fill_null(value=False)
    is_kept = (delivered <= promised).fill_null(value=False)
    return (
        log.orders.join(covered, how="cross")
        .filter(promised.is_not_null() & pl.col("has_deliveries") & ~is_withdrawn.fill_null(value=False))
        .with_columns(event_date=as_of.day_of(promised))
        .select(_trial("promise_kept", pl.when(~is_kept).then(pl.col("event_date"))))
    )


def _answer_trials(log: EventLog, *, settings: EvidenceSettings, as_of: AsOf, covered: pl.LazyFrame) -> pl.LazyFrame:
    """complaint_answered: a complaint older than the response time."""
    due = pl.col("opened_at") + pl.duration(seconds=round(settings.response_hours * 3600))
    is_answered = (pl.col("first_response_at") <= pl.col("due_at")).fill_null(value=False)
    return (
        log.complaints.join(covered, how="cross")
        .filter(pl.col("has_responses"))
        .with_columns(due_at=due)
        .with_columns(event_date=as_of.day_of(pl.col("due_at")))
        .select(_trial("complaint_answered", pl.when(~is_answered).then(pl.col("event_date"))))
    )


def _resolution_trials(
    log: EventLog, *, settings: EvidenceSettings, as_of: AsOf, covered: pl.LazyFrame
) -> pl.LazyFrame:
    """complaint_resolved: a complaint older than the resolution time; rejected or reopened is not resolved."""
    due = pl.col("opened_at") + pl.duration(seconds=round(settings.resolution_days * 86400))
    is_resolved = (pl.col("resolved_at") <= pl.col("due_at")).fill_null(value=False)
    is_rejected = pl.col("resolution").is_in(list(settings.rejected_resolutions)).fill_null(value=False)
    failed_at = pl.min_horizontal(
        pl.when(~is_resolved).then(pl.col("due_at")),
        pl.when(is_rejected).then(pl.col("resolved_at")),
        pl.col("reopened_at"),
    )
    return (
        log.complaints.join(covered, how="cross")
        .filter(pl.col("has_resolutions"))
        .with_columns(due_at=due)
        .with_columns(event_date=as_of.day_of(pl.col("due_at")))
        .select(_trial("complaint_resolved", as_of.day_of(failed_at)))
    )


def days_later(day: pl.Expr, days: int) -> pl.Expr:
    """So many days after a day; faster than adding a duration."""
    return (day.cast(pl.Int32) + days).cast(pl.Date)
