"""Tiny event logs for tests: orders and complaints by a few words each."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import polars as pl
from hypothesis import settings as hypothesis_settings

from trust_models.as_of import SCHEMAS, AsOf, EventLog
from trust_models.evidence import EvidenceSettings, RhythmReference, trials

law = hypothesis_settings(deadline=None, max_examples=50)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def local_day(instant: datetime, time_zone: str) -> date:
    return instant.replace(tzinfo=UTC).astimezone(ZoneInfo(time_zone)).date()


def order(order_id: str, ordered_at: str, customer_id: str = "ann", time_zone: str = "UTC", **facts: object) -> dict:
    instant = at(ordered_at)
    day = local_day(instant, time_zone)
    row = {"order_id": order_id, "customer_id": customer_id, "ordered_at": instant, "ordered_date": day}
    return {"known_from": day, **row, **facts}


def complaint(
    complaint_id: str, opened_at: str, customer_id: str = "ann", time_zone: str = "UTC", **facts: object
) -> dict:
    instant = at(opened_at)
    day = local_day(instant, time_zone)
    row = {"complaint_id": complaint_id, "customer_id": customer_id, "opened_at": instant, "opened_date": day}
    return {"known_from": day, **row, **facts}


def event_log(orders: list[dict] = (), complaints: list[dict] = (), **others: list[dict]) -> EventLog:
    sources = {"orders": list(orders), "complaints": list(complaints), **others}
    return EventLog.of(**{name: pl.DataFrame(rows, schema=SCHEMAS[name]) for name, rows in sources.items()})


def found(
    orders: list[dict] = (),
    complaints: list[dict] = (),
    *,
    day: date,
    stream: str,
    time_zone: str = "UTC",
    settings: EvidenceSettings | None = None,
    reference: RhythmReference | None = None,
) -> list[tuple[str, date, bool]]:
    """Trials of one stream: (customer, event date, success), in order."""
    as_of = AsOf(day, time_zone)
    log = event_log(orders, complaints).known(as_of)
    frame = trials(log, as_of=as_of, settings=settings or EvidenceSettings(), reference=reference).collect()
    wanted = frame.filter(pl.col("stream") == stream).select("customer_id", "event_date", "is_success")
    return sorted(wanted.rows())


def days_after(start: date, *days: int) -> list[date]:
    return [start + timedelta(days=count) for count in days]
