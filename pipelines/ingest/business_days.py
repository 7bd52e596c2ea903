"""Business days in SQL: the day of the business time zone in which an instant lies, by the rules that Python knows.

Belongs here: the changes of a zone's clock, and the SQL expression made of them. Must not be here: when a day ends for
the models (see ``trust_models.as_of``), which follows the same rules.

DuckDB carries a database of time zones of its own, which lags behind that of the system where a country changes its
clock. Two answers to the question when a day ends would count events twice or not at all, so only one is asked.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

FIRST, LAST = datetime(1900, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
"""Instants between which changes of the clock are looked for; before and after, it stays as it was."""

Change = tuple[datetime, int]


@lru_cache
def business_date_sql(time_zone: str) -> str:
    """SQL for the business day of ``instant``, a naive UTC timestamp."""
    ahead = _offset(clock_changes(time_zone))
    return "cast(instant as date)" if ahead == "0" else f"cast(instant + to_seconds({ahead}) as date)"


def clock_changes(time_zone: str) -> tuple[Change, ...]:
    """What a zone's clock is ahead of UTC: (from this second on, in UTC; seconds ahead), the first from ever."""
    zone = ZoneInfo(time_zone)
    return (FIRST, _ahead(FIRST, zone)), *_changes(zone)


def _changes(zone: ZoneInfo) -> Iterator[Change]:
    day, ahead = FIRST, _ahead(FIRST, zone)
    while day < LAST:
        following = day + timedelta(days=1)
        now = _ahead(following, zone)
        if now != ahead:
            yield _instant(day, following, zone), now
        day, ahead = following, now


def _instant(before: datetime, after: datetime, zone: ZoneInfo) -> datetime:
    """The second at which the clock changed between two instants."""
    old = _ahead(before, zone)
    while after - before > timedelta(seconds=1):
        middle = (before + (after - before) / 2).replace(microsecond=0)
        before, after = (middle, after) if _ahead(middle, zone) == old else (before, middle)
    return after


def _ahead(instant: datetime, zone: ZoneInfo) -> int:
    offset = instant.astimezone(zone).utcoffset()
    return round(offset.total_seconds()) if offset else 0


def _offset(changes: Sequence[Change]) -> str:
    """SQL for the seconds by which the clock is ahead: a search by halves."""
    if len(changes) == 1:
        return str(changes[0][1])
    half = len(changes) // 2
    earlier, later = _offset(changes[:half]), _offset(changes[half:])
    return f"case when instant < timestamp '{changes[half][0]:%Y-%m-%d %H:%M:%S}' then {earlier} else {later} end"
