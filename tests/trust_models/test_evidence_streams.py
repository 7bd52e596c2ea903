from datetime import date

import polars as pl
import pytest
from evidence_log import at, complaint, event_log, found, law, order
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from trust_models.as_of import AsOf
from trust_models.evidence import EvidenceSettings, RhythmReference, coverage, trials

LATE = date(2024, 12, 31)
FAULTY = order("f", "2023-06-01", "eve", fault_at=at("2023-06-05"))
HEARD = complaint("h", "2023-01-01", "eve", dimension="service_quality")


def kept(order_id: str, ordered_at: str, customer_id: str = "bob") -> dict:
    return order(order_id, ordered_at, customer_id, promised_at=at("2023-02-01"), delivered_at=at("2023-01-31"))


KEPT = kept("k", "2023-01-20")
KEPT_TRIAL = ("bob", date(2023, 2, 1), True)


def test_an_order_is_a_trial_of_soundness_on_its_thirtieth_day_and_not_before() -> None:
    orders = [FAULTY, order("o", "2024-01-10 12:00")]
    assert found(orders, day=date(2024, 2, 8), stream="order_sound")[:1] == [("eve", date(2023, 7, 1), False)]
    assert ("ann", date(2024, 2, 9), True) not in found(orders, day=date(2024, 2, 8), stream="order_sound")
    assert ("ann", date(2024, 2, 9), True) in found(orders, day=date(2024, 2, 9), stream="order_sound")


def test_the_maturity_of_an_order_is_a_setting() -> None:
    settings = EvidenceSettings(order_maturity_days=5)
    trial = ("ann", date(2024, 1, 15), True)
    assert trial in found([FAULTY, order("o", "2024-01-10")], day=LATE, stream="order_sound", settings=settings)


def test_an_ordinary_return_is_no_failure() -> None:
    orders = [FAULTY, order("o", "2024-01-10", returned_at=at("2024-01-20"), return_reason="too large")]
    assert ("ann", date(2024, 2, 9), True) in found(orders, day=LATE, stream="order_sound")


def test_a_quality_complaint_fails_the_order_that_it_names() -> None:
    orders = [order("o1", "2024-01-10"), order("o2", "2024-01-12")]
    complaints = [HEARD, complaint("c", "2024-01-20", order_id="o1", dimension="product_quality")]
    assert found(orders, complaints, day=LATE, stream="order_sound") == [
        ("ann", date(2024, 2, 9), False),
        ("ann", date(2024, 2, 11), True),
    ]


@pytest.mark.parametrize("named", [None, "no such order"])
def test_a_complaint_that_names_no_known_order_speaks_of_the_last_one_before_it(named: str | None) -> None:
    orders = [order("o1", "2024-01-10"), order("o2", "2024-01-12"), order("o3", "2024-02-12")]
    orders.append(order("x", "2024-01-19", "bob"))
    complaints = [HEARD, complaint("c", "2024-01-20", order_id=named, dimension="product_quality")]
    failed = [row for row in found(orders, complaints, day=LATE, stream="order_sound") if not row[2]]
    assert failed == [("ann", date(2024, 2, 11), False)]


def test_without_faults_and_complaints_no_order_is_a_trial_of_soundness() -> None:
    orders = [order("o", "2024-01-10", returned_at=at("2024-01-20"))]
    assert found(orders, day=LATE, stream="order_sound") == []


def test_a_return_reason_shows_that_faults_would_have_been_told() -> None:
    orders = [order("o", "2024-01-10", returned_at=at("2024-01-20"), return_reason="too large")]
    assert found(orders, day=LATE, stream="order_sound") == [("ann", date(2024, 2, 9), True)]


def test_orders_before_the_first_complaint_are_no_trials_where_only_complaints_could_fail_them() -> None:
    orders = [order("before", "2024-01-09"), order("same day", "2024-01-10 08:00"), order("after", "2024-01-11")]
    complaints = [complaint("c", "2024-01-10 20:00", "eve", dimension="values")]
    expected = [("ann", date(2024, 2, 9), True), ("ann", date(2024, 2, 10), True)]
    assert found(orders, complaints, day=LATE, stream="order_sound") == expected
    assert found(orders, complaints, day=LATE, stream="order_unquestioned_values") == expected


@pytest.mark.parametrize("dimension", ["reputation", "transparency", "values"])
def test_an_order_is_questioned_by_a_complaint_of_that_dimension_alone(dimension: str) -> None:
    orders = [order("o1", "2024-01-10"), order("o2", "2024-01-12")]
    complaints = [HEARD, complaint("c", "2024-01-20", order_id="o1", dimension=dimension)]
    for name in ("reputation", "transparency", "values"):
        expected = [("ann", date(2024, 2, 9), False), ("ann", date(2024, 2, 11), True)] if name == dimension else []
        assert found(orders, complaints, day=LATE, stream=f"order_unquestioned_{name}") == expected


@pytest.mark.parametrize(
    ("facts", "outcome"),
    [
        ({"delivered_at": at("2024-01-14 23:00")}, [True]),
        ({"delivered_at": at("2024-01-15 12:00")}, [True]),
        ({"delivered_at": at("2024-01-15 12:00:01")}, [False]),
        ({}, [False]),
        ({"cancelled_at": at("2024-01-14")}, []),
        ({"cancelled_at": at("2024-01-14"), "fault_at": at("2024-01-14")}, [False]),
        ({"cancelled_at": at("2024-01-16")}, [False]),
    ],
    ids=["early", "in time", "late", "never", "withdrawn", "cancelled for a fault", "cancelled after the promise"],
)
def test_a_promise_is_kept_by_delivery_in_time(facts: dict, outcome: list[bool]) -> None:
    orders = [KEPT, order("o", "2024-01-10", promised_at=at("2024-01-15 12:00"), **facts)]
    expected = [("ann", date(2024, 1, 15), is_kept) for is_kept in outcome]
    assert found(orders, day=LATE, stream="promise_kept") == [*expected, KEPT_TRIAL]


def test_a_promise_is_a_trial_only_once_its_date_is_past() -> None:
    orders = [KEPT, order("o", "2024-01-10", promised_at=at("2024-01-15 12:00"), delivered_at=at("2024-01-12"))]
    assert found(orders, day=date(2024, 1, 14), stream="promise_kept") == [KEPT_TRIAL]
    assert ("ann", date(2024, 1, 15), True) in found(orders, day=date(2024, 1, 15), stream="promise_kept")


def test_a_delivery_after_the_as_of_day_has_not_happened() -> None:
    orders = [KEPT, order("o", "2024-01-10", promised_at=at("2024-01-15"), delivered_at=at("2024-01-16"))]
    assert ("ann", date(2024, 1, 15), False) in found(orders, day=date(2024, 1, 15), stream="promise_kept")


def test_orders_without_a_promise_are_no_trials_of_it() -> None:
    assert found([KEPT, order("o", "2024-01-10")], day=LATE, stream="promise_kept") == [KEPT_TRIAL]


def test_promises_are_no_trials_where_no_delivery_was_ever_recorded() -> None:
    assert found([order("o", "2024-01-10", promised_at=at("2024-01-15"))], day=LATE, stream="promise_kept") == []


ANSWERED = complaint("a", "2023-01-01", "eve", first_response_at=at("2023-01-02"), resolved_at=at("2023-01-02"))


@pytest.mark.parametrize(
    ("answered_at", "is_success"), [("2024-01-12 10:00", True), ("2024-01-12 10:00:01", False), (None, False)]
)
def test_a_complaint_is_answered_within_the_response_time_or_not(answered_at: str | None, is_success: bool) -> None:
    late = complaint("c", "2024-01-10 10:00", first_response_at=answered_at and at(answered_at))
    trial = found([], [ANSWERED, late], day=LATE, stream="complaint_answered")[0]
    assert trial == ("ann", date(2024, 1, 12), is_success)


def test_a_young_complaint_is_no_trial_yet() -> None:
    young = complaint("c", "2024-01-10 10:00", first_response_at=at("2024-01-10 11:00"))
    assert len(found([], [ANSWERED, young], day=date(2024, 1, 11), stream="complaint_answered")) == 1
    assert len(found([], [ANSWERED, young], day=date(2024, 1, 23), stream="complaint_resolved")) == 1
    assert len(found([], [ANSWERED, young], day=date(2024, 1, 24), stream="complaint_resolved")) == 2


@pytest.mark.parametrize(
    ("facts", "is_success"),
    [
        ({"resolved_at": at("2024-01-24 10:00"), "resolution": "replaced"}, True),
        ({"resolved_at": at("2024-01-24 10:01"), "resolution": "replaced"}, False),
        ({}, False),
        ({"resolved_at": at("2024-01-12"), "resolution": "rejected"}, False),
        ({"resolved_at": at("2024-01-12"), "resolution": "replaced", "reopened_at": at("2024-02-12")}, False),
    ],
    ids=["in time", "late", "never", "rejected", "reopened"],
)
def test_a_complaint_is_resolved_in_time_and_for_good_or_not(facts: dict, is_success: bool) -> None:
    trial = found([], [ANSWERED, complaint("c", "2024-01-10 10:00", **facts)], day=LATE, stream="complaint_resolved")[0]
    assert trial == ("ann", date(2024, 1, 24), is_success)


def test_complaints_are_no_trials_of_what_the_feed_never_records() -> None:
    silent = [complaint("c", "2024-01-10")]
    assert found([], silent, day=LATE, stream="complaint_answered") == []
    assert found([], silent, day=LATE, stream="complaint_resolved") == []


def test_due_days_are_days_of_the_business_zone() -> None:
    orders = [KEPT, order("o", "2024-01-10", promised_at=at("2024-01-15 23:30"), delivered_at=at("2024-01-12"))]
    assert found(orders, day=LATE, stream="promise_kept", time_zone="Europe/Berlin")[0][1] == date(2024, 1, 16)


def test_coverage_of_all_customers_serves_a_bucket_of_them() -> None:
    orders = [FAULTY, KEPT, order("o", "2024-01-10", promised_at=at("2024-01-15"), delivered_at=at("2024-01-12"))]
    complaints = [ANSWERED, complaint("c", "2024-01-11", order_id="o", dimension="reputation")]
    as_of, settings = AsOf(LATE), EvidenceSettings()
    whole = event_log(orders, complaints).known(as_of)
    part = event_log(orders[2:], complaints[1:]).known(as_of)
    arguments = {"as_of": as_of, "settings": settings, "reference": RhythmReference(30.0, 2.0)}
    expected = trials(whole, **arguments).filter(pl.col("customer_id") == "ann").collect()
    bucket = trials(part, covered=coverage(whole), **arguments).collect()
    assert_frame_equal(bucket, expected, check_row_order=False)


def test_an_empty_log_has_no_trials() -> None:
    as_of = AsOf(LATE)
    reference = RhythmReference(30.0, 1.0)
    frame = trials(event_log().known(as_of), as_of=as_of, settings=EvidenceSettings(), reference=reference).collect()
    assert frame.is_empty()
    assert frame.columns == ["customer_id", "stream", "event_date", "is_success"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"order_maturity_days": -1},
        {"response_hours": float("nan")},
        {"resolution_days": -0.5},
        {"due_intervals": 0.0},
        {"half_life_days": 1.0},
        {"half_life_days": float("nan")},
    ],
)
def test_settings_without_meaning_are_refused(wrong: dict) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        EvidenceSettings(**wrong)


moments = st.datetimes(at("2024-01-01"), at("2024-06-30"))
maybe = st.none() | moments


@st.composite
def companies(draw: st.DrawFn) -> tuple[list[dict], list[dict]]:
    customers = st.sampled_from(["ann", "bob"])
    orders = [
        order(
            f"o{index}",
            draw(moments).isoformat(),
            draw(customers),
            promised_at=draw(maybe),
            delivered_at=draw(maybe),
            fault_at=draw(maybe),
            cancelled_at=draw(maybe),
        )
        for index in range(draw(st.integers(0, 6)))
    ]
    complaints = [
        complaint(
            f"c{index}",
            draw(moments).isoformat(),
            draw(customers),
            order_id=draw(st.sampled_from([None, "o0", "o1"])),
            dimension=draw(st.sampled_from(["product_quality", "values", None])),
            first_response_at=draw(maybe),
            resolved_at=draw(maybe),
            reopened_at=draw(maybe),
        )
        for index in range(draw(st.integers(0, 4)))
    ]
    return orders, complaints


@law
@given(companies(), companies(), st.dates(date(2024, 2, 1), date(2024, 5, 31)))
def test_nothing_known_after_the_day_changes_its_trials(
    company: tuple[list[dict], list[dict]], later: tuple[list[dict], list[dict]], day: date
) -> None:
    as_of = AsOf(day, "Asia/Shanghai")
    tomorrow = as_of.minus(-1).day
    arrived_later = [
        [{**row, key: f"later {row[key]}", "known_from": max(row["known_from"], tomorrow)} for row in rows]
        for rows, key in zip(later, ("order_id", "complaint_id"), strict=True)
    ]
    arguments = {"as_of": as_of, "settings": EvidenceSettings(), "reference": RhythmReference(20.0, 2.0)}
    before = trials(event_log(*company).known(as_of), **arguments).collect()
    more = event_log(company[0] + arrived_later[0], company[1] + arrived_later[1])
    assert_frame_equal(trials(more.known(as_of), **arguments).collect(), before, check_row_order=False)
    assert before.filter(pl.col("event_date") > day).is_empty()
