from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import dagster as dg
import polars as pl
import pytest
from dagster._utils.schedules import schedule_execution_time_iterator

from data_contracts import contract
from pipelines.ingest.business_days import clock_changes
from pipelines.ingest.loading import load
from pipelines.warehouse import Warehouse
from trust_models.as_of import AsOf

OF_DAGSTER = pytest.mark.filterwarnings("ignore:Parameter `partitions_def`:DeprecationWarning")

ZONES = [
    "America/New_York",
    "America/Santiago",  # the clock changes at midnight
    "America/Vancouver",  # changes no more from 2026 on, which DuckDB's own time zones do not know
    "Asia/Beirut",
    "Asia/Kathmandu",  # a quarter of an hour off
    "Asia/Shanghai",
    "Australia/Lord_Howe",  # half an hour of summer time
    "Europe/Lisbon",
    "Pacific/Apia",  # left out a whole day in 2011
]


def around_changes(zone: str, since: int = 1990, until: int = 2040) -> pl.DataFrame:
    """Every half hour of three days around each change of a zone's clock, with the day that Python gives it."""
    first, last = datetime(since, 1, 1, tzinfo=UTC), datetime(until, 1, 1, tzinfo=UTC)
    changes = [instant for instant, _ in clock_changes(zone) if first < instant < last] or [first]
    steps = [timedelta(minutes=30 * step) for step in range(-72, 72)]
    instants = sorted({change + step for change in changes for step in steps})
    days = [instant.astimezone(ZoneInfo(zone)).date() for instant in instants]
    return pl.DataFrame({"instant": [instant.replace(tzinfo=None) for instant in instants], "day": days})


@pytest.fixture(params=ZONES)
def zoned(request: pytest.FixtureRequest, open_warehouse: Callable[..., Warehouse]) -> tuple[str, Warehouse]:
    return request.param, open_warehouse(time_zone=request.param)


def test_sql_python_and_polars_agree_on_the_day_of_every_half_hour_around_changes_of_the_clock(
    zoned: tuple[str, Warehouse],
) -> None:
    zone, warehouse = zoned
    given = around_changes(zone)
    with warehouse.offered(given) as view:
        found = warehouse.frame(f"select instant, business_date(instant) as day from {view} order by instant")
    assert found.equals(given)
    local = pl.col("instant").dt.replace_time_zone("UTC").dt.convert_time_zone(zone).dt.date()
    assert given.with_columns(day=local).equals(given)


def test_a_day_ends_where_the_next_begins_in_sql_and_in_the_models(zoned: tuple[str, Warehouse]) -> None:
    zone, warehouse = zoned
    days = around_changes(zone)["day"].unique().sort()
    ends = pl.DataFrame({"day": days, "ends": [AsOf(day, zone).end for day in days]})
    with warehouse.offered(ends) as view:
        wrong = warehouse.run(
            f"select * from {view} where business_date(ends) <= day"
            " or business_date(ends - interval 1 microsecond) > day"
            " or (business_date(ends - interval 1 microsecond) < day and day <> date '2011-12-30')"
        )
    assert wrong == []


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("America/New_York", date(2026, 3, 8), 23),
        ("America/New_York", date(2026, 11, 1), 25),
        ("America/Santiago", date(2026, 9, 6), 23),
        ("America/Santiago", date(2026, 4, 4), 25),
        ("Asia/Beirut", date(2026, 3, 29), 23),
        ("Asia/Shanghai", date(2026, 3, 8), 24),
        ("Australia/Lord_Howe", date(2026, 10, 4), 23.5),
    ],
)
def test_days_are_as_long_as_the_clock_makes_them(
    open_warehouse: Callable[..., Warehouse], zone: str, day: date, hours: float
) -> None:
    as_of = AsOf(day, zone)
    assert as_of.end - as_of.minus(1).end == timedelta(hours=hours)
    minutes = [as_of.minus(1).end + timedelta(minutes=step) for step in range(-60, 26 * 60)]
    warehouse = open_warehouse(time_zone=zone)
    with warehouse.offered(pl.DataFrame({"instant": minutes})) as view:
        inside = warehouse.value(f"select count(*) from {view} where business_date(instant) = ?", (day,))
    assert inside == hours * 60


def test_the_clock_changes_are_those_of_the_zone_and_utc_has_none() -> None:
    assert [seconds for _, seconds in clock_changes("UTC")] == [0]
    changes = dict(clock_changes("America/New_York"))
    assert changes[datetime(2026, 3, 8, 7, tzinfo=UTC)] == -4 * 3600
    assert changes[datetime(2026, 11, 1, 6, tzinfo=UTC)] == -5 * 3600


def test_an_offset_in_a_landing_timestamp_says_which_instant_is_meant(
    deliver: Callable[..., Path], purchase: Callable[..., dict[str, object]], open_warehouse: Callable[..., Warehouse]
) -> None:
    told = {
        "in UTC": ("2026-03-08T06:59:59Z", date(2026, 3, 8)),
        "before the hour that is left out": ("2026-03-08T01:59:59-05:00", date(2026, 3, 8)),
        "from Shanghai": ("2026-03-09T11:59:59+08:00", date(2026, 3, 8)),
        "without an offset": ("2026-03-09T03:59:59", date(2026, 3, 8)),
        "the day after": ("2026-03-09T00:00:00-04:00", date(2026, 3, 9)),
    }
    rows = [purchase(order_id=name, ordered_at=instant) for name, (instant, _) in told.items()]
    deliver("purchases", "2026-03-10.csv", rows)
    warehouse = open_warehouse(time_zone="America/New_York")
    load(warehouse, contract("purchases"), date(2026, 3, 10), "run")
    found = dict(warehouse.run("select order_id, business_date(ordered_at) from raw.purchases"))
    assert found == {name: day for name, (_, day) in told.items()}


@OF_DAGSTER
@pytest.mark.parametrize("zone", ["America/New_York", "America/Santiago", "Asia/Beirut", "Asia/Shanghai"])
def test_there_is_one_night_a_day_over_every_change_of_the_clock_and_it_takes_the_day_before(zone: str) -> None:
    from pipelines.defs.jobs import nightly_at_two

    first = date(2026, 1, 1)
    start = datetime(2026, 1, 1, tzinfo=ZoneInfo(zone)).timestamp()
    ticks = schedule_execution_time_iterator(start, nightly_at_two.cron_schedule, zone)
    requests = [
        nightly_at_two(dg.build_schedule_context(scheduled_execution_time=next(ticks))).partition_key
        for _ in range(366)
    ]
    assert requests == [str(first + timedelta(days=day - 1)) for day in range(366)]


@OF_DAGSTER
def test_the_training_of_sunday_is_asked_for_before_the_night_that_uses_it() -> None:
    from pipelines.defs.jobs import nightly_at_two, training_on_monday

    zone = "America/New_York"
    start = datetime(2026, 3, 8, 12, tzinfo=ZoneInfo(zone)).timestamp()
    training, night = (
        next(schedule_execution_time_iterator(start, schedule.cron_schedule, zone))
        for schedule in (training_on_monday, nightly_at_two)
    )
    assert training < night
    request = training_on_monday(dg.build_schedule_context(scheduled_execution_time=training))
    assert request.partition_key == "2026-03-08"
