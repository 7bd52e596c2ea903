"""As-of discipline: what could be known at the end of a business day, and nothing else.

Belongs here: the as-of day, the schemas of the event log, and the one function that masks it.
Must not be here: evidence, features, labels, or any other reading of what the events mean.

An event log holds *versions*: a row is known on the days ``known_from <= D < known_until``. A later delivery
under the same key closes the version before it. Inside a known version, facts that lie after the end of D
have not happened yet: they are null, and so is whatever only they could tell.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from types import MappingProxyType
from zoneinfo import ZoneInfo

import polars as pl
from polars._typing import PolarsDataType

TIMESTAMP = pl.Datetime("us")


def _versions(columns: Mapping[str, PolarsDataType]) -> pl.Schema:
    return pl.Schema({**columns, "known_from": pl.Date, "known_until": pl.Date})


SCHEMAS: Mapping[str, pl.Schema] = MappingProxyType(
    {
        "orders": _versions(
            {
                "order_id": pl.String,
                "customer_id": pl.String,
                "ordered_at": TIMESTAMP,
                "ordered_date": pl.Date,
                "amount": pl.Float64,
                "lines": pl.Int64,
                "quantity": pl.Float64,
                "products": pl.Int64,
                "category": pl.String,
                "channel": pl.String,
                "promised_at": TIMESTAMP,
                "delivered_at": TIMESTAMP,
                "returned_at": TIMESTAMP,
                "returned_share": pl.Float64,
                "return_reason": pl.String,
                "fault_at": TIMESTAMP,
                "cancelled_at": TIMESTAMP,
            }
        ),
        "complaints": _versions(
            {
                "complaint_id": pl.String,
                "customer_id": pl.String,
                "order_id": pl.String,
                "opened_at": TIMESTAMP,
                "opened_date": pl.Date,
                "category": pl.String,
                "dimension": pl.String,
                "severity": pl.Int64,
                "channel": pl.String,
                "first_response_at": TIMESTAMP,
                "resolved_at": TIMESTAMP,
                "resolution": pl.String,
                "reopened_at": TIMESTAMP,
            }
        ),
        "churn": _versions(
            {
                "customer_id": pl.String,
                "churned_at": TIMESTAMP,
                "churned_date": pl.Date,
                "kind": pl.String,
                "reason": pl.String,
                "reactivated_at": TIMESTAMP,
            }
        ),
        "customers": _versions(
            {
                "customer_id": pl.String,
                "joined_at": TIMESTAMP,
                "joined_date": pl.Date,
                "segment": pl.String,
                "region": pl.String,
                "customer_class": pl.String,
                "is_channel_partner": pl.Boolean,
            }
        ),
        "surveys": _versions(
            {
                "response_id": pl.String,
                "dimension": pl.String,
                "customer_id": pl.String,
                "answered_at": TIMESTAMP,
                "answered_date": pl.Date,
                "instrument": pl.String,
                "score": pl.Float64,
                "scale_min": pl.Float64,
                "scale_max": pl.Float64,
                "method": pl.String,
                "weight": pl.Float64,
            }
        ),
        "feedback": _versions(
            {
                "feedback_id": pl.String,
                "customer_id": pl.String,
                "given_at": TIMESTAMP,
                "given_date": pl.Date,
                "method": pl.String,
                "rating": pl.Float64,
                "scale_min": pl.Float64,
                "scale_max": pl.Float64,
                "dimension": pl.String,
                "order_id": pl.String,
            }
        ),
    }
)

EVENT_AT: Mapping[str, str | None] = MappingProxyType(
    {
        "orders": "ordered_at",
        "complaints": "opened_at",
        "churn": "churned_at",
        "customers": None,
        "surveys": "answered_at",
        "feedback": "given_at",
    }
)
"""The timestamp that says when a row's event happened; a row without one is an attribute, not an event."""

FACTS: Mapping[str, Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "orders": {
            "delivered_at": (),
            "returned_at": ("returned_share", "return_reason"),
            "fault_at": (),
            "cancelled_at": (),
        },
        "complaints": {"first_response_at": (), "resolved_at": ("resolution",), "reopened_at": ()},
        "churn": {"reactivated_at": ()},
    }
)
"""Later facts of a row (timestamp → the columns that only this fact tells). A promise (``promised_at``) is no fact."""


@dataclass(frozen=True)
class AsOf:
    """The business day that a score speaks of.

    Parameters
    ----------
    day : date
        The last day whose events count.
    time_zone : str
        IANA name of the business time zone, which decides when that day ends.
    """

    day: date
    time_zone: str = "UTC"

    @property
    def end(self) -> datetime:
        """First instant after the day, as a naive UTC timestamp (facts before it have happened)."""
        midnight = datetime.combine(self.day + timedelta(days=1), time(), tzinfo=ZoneInfo(self.time_zone))
        return midnight.astimezone(UTC).replace(tzinfo=None)

    def day_of(self, instant: pl.Expr) -> pl.Expr:
        """The day of the business time zone in which a naive UTC timestamp lies."""
        return instant.dt.replace_time_zone("UTC").dt.convert_time_zone(self.time_zone).dt.date()

    def minus(self, days: int) -> AsOf:
        """The as-of day that lies ``days`` days earlier in the same zone."""
        return dataclasses.replace(self, day=self.day - timedelta(days=days))


@dataclass(frozen=True)
class EventLog:
    """What customers did, as lazy frames with the schemas of :data:`SCHEMAS` (version columns gone once masked)."""

    orders: pl.LazyFrame
    complaints: pl.LazyFrame
    churn: pl.LazyFrame
    customers: pl.LazyFrame
    surveys: pl.LazyFrame
    feedback: pl.LazyFrame

    @classmethod
    def of(cls, **frames: pl.LazyFrame | pl.DataFrame) -> EventLog:
        """An event log of the frames given; a source that is not given is empty.

        Raises
        ------
        ValueError
            If a name is no source of the event log.
        """
        if unknown := sorted(frames.keys() - SCHEMAS.keys()):
            raise ValueError(f"no source of the event log: {', '.join(unknown)}; known: {', '.join(SCHEMAS)}")
        return cls(**{source: frames.get(source, pl.DataFrame(schema=SCHEMAS[source])).lazy() for source in SCHEMAS})

    def known(self, as_of: AsOf) -> EventLog:
        """The log as it could be known at the end of the as-of day: one row per key, later facts null."""
        return EventLog(**{source: _known(getattr(self, source), source, as_of) for source in SCHEMAS})

    def days_to_come(self, as_of: AsOf) -> pl.LazyFrame:
        """Days after the as-of day on which what is known by then will have happened: [customer_id, day].

        For logs that are not masked: an event or a fact of a row that is known by the day lies ahead of it. What will
        become known later is not looked at. In no particular order, days may repeat.
        """
        frames = [frame for source in SCHEMAS for frame in _days_to_come(getattr(self, source), source, as_of)]
        return pl.concat(frames)

    def of_customers(self, customers: pl.Series) -> EventLog:
        """The part of the log that speaks of some customers."""
        chosen = pl.LazyFrame({"customer_id": customers})
        return EventLog(**{name: getattr(self, name).join(chosen, on="customer_id", how="semi") for name in SCHEMAS})

    def collect(self) -> EventLog:
        """The same log with every frame computed once, so that several readers share the work."""
        frames = pl.collect_all([getattr(self, source) for source in SCHEMAS])
        return EventLog(**{source: frame.lazy() for source, frame in zip(SCHEMAS, frames, strict=True)})


def _days_to_come(frame: pl.LazyFrame, source: str, as_of: AsOf) -> list[pl.LazyFrame]:
    known = frame.filter(_is_current(as_of))
    days = [as_of.day_of(pl.col(name)) for name in moments(source)]
    return [known.select("customer_id", day=day).filter(pl.col("day") > as_of.day) for day in days]


def moments(source: str) -> list[str]:
    """The timestamps at which something about a row of a source happens."""
    event_at = EVENT_AT[source]
    facts = [fact for fact in FACTS.get(source, {}) if SCHEMAS[source][fact] == TIMESTAMP]
    return facts if event_at is None else [event_at, *facts]


def _is_current(as_of: AsOf) -> pl.Expr:
    is_open = pl.col("known_until").is_null() | (pl.col("known_until") > as_of.day)
    return (pl.col("known_from") <= as_of.day) & is_open


def _known(frame: pl.LazyFrame, source: str, as_of: AsOf) -> pl.LazyFrame:
    end = pl.lit(as_of.end, TIMESTAMP)
    is_current = _is_current(as_of)
    event_at = EVENT_AT[source]
    happened = is_current if event_at is None else is_current & (pl.col(event_at) < end)
    masks = [
        pl.when(pl.col(fact) < end).then(pl.col(column)).alias(column)
        for fact, tells in FACTS.get(source, {}).items()
        for column in (fact, *tells)
    ]
    return frame.filter(happened).with_columns(masks).drop("known_from", "known_until")
