from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from evidence_log import at, complaint, event_log, law, order
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from trust_models.as_of import EVENT_AT, FACTS, SCHEMAS, AsOf, EventLog

DAY = date(2024, 3, 10)
moments = st.datetimes(at("2024-02-20"), at("2024-03-31"))
zones = st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Asia/Shanghai", "Pacific/Auckland"])
FACT_NAMES = tuple(FACTS["orders"])


@st.composite
def versions(draw: st.DrawFn) -> list[dict]:
    """Versions of a few orders, as deliveries would leave them: each known until the next one."""
    rows = []
    for index in range(draw(st.integers(0, 4))):
        instant = draw(moments)
        known = sorted(draw(st.sets(st.dates(date(2024, 2, 20), date(2024, 3, 31)), min_size=1, max_size=3)))
        for start, until in zip(known, [*known[1:], None], strict=True):
            facts = {name: draw(st.none() | moments) for name in FACT_NAMES}
            facts |= {"returned_share": 0.5, "return_reason": "broken", "known_from": start, "known_until": until}
            rows.append(order(f"o{index}", instant.isoformat(), **facts))
    return rows


def orders_known(rows: list[dict], as_of: AsOf) -> pl.DataFrame:
    return event_log(rows).known(as_of).orders.collect()


@law
@given(versions(), st.dates(date(2024, 2, 25), date(2024, 3, 31)), zones, st.data())
def test_nothing_after_the_day_matters(rows: list[dict], day: date, time_zone: str, data: st.DataObject) -> None:
    as_of = AsOf(day, time_zone)
    end = as_of.end
    changed = []
    for row in rows:
        later = dict(row)
        if row["known_from"] > day:
            later["amount"] = 99.0
        if row["known_until"] is not None and row["known_until"] > day:
            later["known_until"] = data.draw(st.none() | st.dates(day + timedelta(days=1), date(2025, 1, 1)))
        for name in FACT_NAMES:
            if row[name] is None or row[name] >= end:
                later[name] = data.draw(st.none() | st.datetimes(end, at("2025-01-01")))
        changed.append(later)
    changed += [{**row, "order_id": "new", "known_from": day + timedelta(days=1), "known_until": None} for row in rows]
    changed += [{**row, "order_id": "future", "ordered_at": end, "known_from": day} for row in rows]
    assert_frame_equal(orders_known(rows, as_of), orders_known(changed, as_of))


@law
@given(versions(), st.dates(date(2024, 2, 20), date(2024, 4, 1)))
def test_every_order_has_at_most_one_row(rows: list[dict], day: date) -> None:
    assert orders_known(rows, AsOf(day))["order_id"].is_unique().all()


def test_a_correction_holds_from_the_day_it_is_known() -> None:
    first = order("o", "2024-03-01", amount=10.0, known_until=date(2024, 3, 8))
    second = order("o", "2024-03-01", amount=12.0, known_from=date(2024, 3, 8))
    assert orders_known([first, second], AsOf(date(2024, 3, 7)))["amount"].to_list() == [10.0]
    assert orders_known([first, second], AsOf(date(2024, 3, 8)))["amount"].to_list() == [12.0]


def test_an_order_that_a_correction_moves_behind_the_day_has_not_happened_from_the_correction_on() -> None:
    first = order("o", "2024-03-07", known_until=date(2024, 3, 8))
    second = order("o", "2024-03-09", known_from=date(2024, 3, 8))
    assert orders_known([first, second], AsOf(date(2024, 3, 7))).height == 1
    assert orders_known([first, second], AsOf(date(2024, 3, 8))).is_empty()
    assert orders_known([first, second], AsOf(date(2024, 3, 9)))["ordered_date"].to_list() == [date(2024, 3, 9)]


def test_an_order_that_a_correction_gives_to_another_customer_is_on_no_day_that_of_both() -> None:
    first = order("o", "2024-03-01", customer_id="c1", known_until=date(2024, 3, 8))
    second = order("o", "2024-03-01", customer_id="c2", known_from=date(2024, 3, 8))
    owners = [orders_known([first, second], AsOf(date(2024, 3, day)))["customer_id"].to_list() for day in (7, 8)]
    assert owners == [["c1"], ["c2"]]


def test_a_churn_record_is_taken_back_from_the_day_on_which_that_is_known_and_has_happened() -> None:
    row = {"customer_id": "c", "churned_at": at("2024-03-01"), "kind": "voluntary"}
    first = row | {"known_from": date(2024, 3, 1), "known_until": date(2024, 3, 5)}
    second = row | {"reactivated_at": at("2024-03-07"), "known_from": date(2024, 3, 5)}
    log = event_log(churn=[first, second])
    found = [log.known(AsOf(date(2024, 3, day))).churn.collect()["reactivated_at"].to_list() for day in (4, 6, 7)]
    assert found == [[None], [None], [at("2024-03-07")]]


def test_a_customer_belongs_to_the_groups_that_were_known_on_the_day() -> None:
    old = {"customer_id": "c", "segment": "private", "known_from": date(2024, 1, 1), "known_until": date(2024, 3, 8)}
    new = {"customer_id": "c", "segment": "business", "known_from": date(2024, 3, 8)}
    log = event_log(customers=[old, new])
    found = [log.known(AsOf(date(2024, 3, day))).customers.collect()["segment"].to_list() for day in (7, 8)]
    assert found == [["private"], ["business"]]


def test_a_row_delivered_late_is_unknown_before_it_comes() -> None:
    late = order("o", "2024-03-01", known_from=date(2024, 3, 9))
    assert orders_known([late], AsOf(date(2024, 3, 8))).is_empty()
    assert orders_known([late], AsOf(date(2024, 3, 9))).height == 1


@pytest.mark.parametrize("fact", FACT_NAMES)
def test_a_fact_after_the_day_has_not_happened(fact: str) -> None:
    row = order("o", "2024-03-01", **{fact: at("2024-03-11")})
    assert orders_known([row], AsOf(DAY))[fact].to_list() == [None]
    assert orders_known([row], AsOf(date(2024, 3, 11)))[fact].to_list() == [at("2024-03-11")]


@pytest.mark.parametrize(("source", "fact"), [(source, fact) for source, facts in FACTS.items() for fact in facts])
def test_what_only_a_later_fact_tells_is_hidden_with_it(source: str, fact: str) -> None:
    told = FACTS[source][fact]
    schema = SCHEMAS[source]
    row = {name: 0.5 if kind == pl.Float64 else "told" for name, kind in schema.items() if name in told}
    row |= {fact: at("2024-03-11"), "known_from": DAY, EVENT_AT[source]: at("2024-03-01")}
    known = getattr(event_log(**{source: [row]}).known(AsOf(DAY)), source).collect()
    assert known.height == 1
    assert all(known[name].item() is None for name in (fact, *told))


def test_an_open_complaint_is_not_yet_resolved_but_a_promise_is_no_later_fact() -> None:
    row = complaint("c", "2024-03-07", resolved_at=at("2024-03-12"), resolution="replaced")
    known = event_log(complaints=[row]).known(AsOf(DAY)).complaints.collect()
    assert known.select("resolved_at", "resolution").row(0) == (None, None)
    promised = orders_known([order("o", "2024-03-09", promised_at=at("2024-03-20"))], AsOf(DAY))
    assert promised["promised_at"].item() == at("2024-03-20")


@pytest.mark.parametrize(
    ("day", "end"),
    [
        (date(2024, 3, 30), at("2024-03-30 23:00")),
        (date(2024, 3, 31), at("2024-03-31 22:00")),
        (date(2024, 10, 26), at("2024-10-26 22:00")),
        (date(2024, 10, 27), at("2024-10-27 23:00")),
    ],
    ids=["before spring", "spring forward", "before autumn", "fall back"],
)
def test_a_day_ends_at_local_midnight_on_either_side_of_daylight_saving(day: date, end: datetime) -> None:
    as_of = AsOf(day, "Europe/Berlin")
    assert as_of.end == end
    instants = [end - timedelta(microseconds=1), end]
    rows = [order(str(instant), instant.isoformat(), known_from=date(2024, 1, 1)) for instant in instants]
    assert orders_known(rows, as_of)["ordered_at"].to_list() == instants[:1]


@law
@given(st.dates(date(2000, 1, 1), date(2040, 1, 1)), zones)
def test_the_end_of_a_day_is_the_first_instant_of_the_next(day: date, time_zone: str) -> None:
    end = AsOf(day, time_zone).end.replace(tzinfo=UTC).astimezone(ZoneInfo(time_zone))
    assert (end.date(), end.time()) == (day + timedelta(days=1), time())


@law
@given(st.dates(date(2000, 1, 1), date(2040, 1, 1)), st.integers(-400, 400))
def test_days_earlier_keep_the_zone(day: date, days: int) -> None:
    assert AsOf(day, "Asia/Shanghai").minus(days) == AsOf(day - timedelta(days=days), "Asia/Shanghai")


def test_the_version_columns_are_gone_once_masked() -> None:
    known = event_log().known(AsOf(DAY))
    for source, schema in SCHEMAS.items():
        expected = [name for name in schema if name not in ("known_from", "known_until")]
        assert getattr(known, source).collect_schema().names() == expected


def test_a_source_that_is_not_given_is_empty_and_an_unknown_one_is_refused() -> None:
    assert EventLog.of().surveys.collect().is_empty()
    with pytest.raises(ValueError, match="no source of the event log: visits"):
        EventLog.of(visits=pl.DataFrame())


def test_collecting_keeps_every_frame() -> None:
    log = event_log([order("o", "2024-03-01")], [complaint("c", "2024-03-02")])
    collected = log.collect()
    for source in SCHEMAS:
        assert_frame_equal(getattr(log, source).collect(), getattr(collected, source).collect())
