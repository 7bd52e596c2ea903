from datetime import date, datetime, timedelta

import pytest
from churn_log import features_of, log_of, order
from hypothesis import given, settings
from hypothesis import strategies as st

from trust_models.as_of import AsOf, EventLog
from trust_models.labels import labels, resolve_definition, snapshot_days

DAY = date(2024, 3, 31)
KNOWN = date(2024, 12, 31)


def lost(log: EventLog, definition: str = "silent", known: date = KNOWN, horizon: int = 90) -> dict[str, bool]:
    made = labels(
        log.known(AsOf(known)), as_of=AsOf(DAY), known_at=AsOf(known), horizon_days=horizon, definition=definition
    )
    return dict(made.collect().iter_rows())


def record(customer: str, day: str, kind: str = "voluntary", **facts: object) -> dict[str, object]:
    return {"customer_id": customer, "churned_at": datetime.fromisoformat(day), "kind": kind} | facts


def test_silent_is_lost_without_an_order_from_the_day_after_to_the_last_day_of_the_window() -> None:
    last = DAY + timedelta(days=90)
    log = log_of(
        orders=[order(customer, "2024-03-31") for customer in "ABC"]
        + [order("A", DAY + timedelta(days=1)), order("B", last), order("C", last + timedelta(days=1))]
    )
    assert lost(log) == {"A": False, "B": False, "C": True}


def test_the_window_ends_with_its_last_day_to_the_microsecond() -> None:
    midnight = datetime(2024, 6, 30)
    log = log_of(
        orders=[order(customer, "2024-03-31") for customer in "AB"]
        + [order("A", "2024-06-29", ordered_at=midnight - timedelta(microseconds=1))]
        + [order("B", "2024-06-30", ordered_at=midnight)],
        churn=[record("B", str(midnight))],
    )
    assert lost(log) == {"A": False, "B": True}
    assert lost(log, "declared") == {"A": False, "B": False}


def test_an_order_on_the_as_of_day_itself_is_not_in_the_window() -> None:
    assert lost(log_of(orders=[order("A", "2024-03-31")])) == {"A": True}


def test_declared_is_lost_with_a_voluntary_record_in_the_window() -> None:
    log = log_of(
        orders=[order(customer, "2024-03-01") for customer in "ABC"],
        churn=[record("A", "2024-04-01T00:00:00"), record("B", "2024-04-02", "involuntary"), record("C", "2024-08-01")],
    )
    assert lost(log, "declared") == {"A": True, "B": False, "C": False}


def test_who_churned_by_the_day_is_no_row_unless_reactivated_by_the_day() -> None:
    log = log_of(
        orders=[order(customer, "2024-03-01") for customer in "ABCD"],
        churn=[
            record("A", "2024-03-31T23:59:59"),
            record("B", "2024-03-01", reactivated_at=datetime(2024, 3, 5)),
            record("C", "2024-03-01", reactivated_at=datetime(2024, 4, 5)),
            record("D", "2024-03-02", "involuntary"),
        ],
    )
    assert set(lost(log)) == {"B"}


def test_customers_without_an_order_by_the_day_are_no_rows() -> None:
    assert lost(log_of(orders=[order("A", "2024-04-01")])) == {}


def test_an_order_delivered_late_is_no_feature_of_the_night_but_part_of_its_label() -> None:
    late = order("A", "2024-04-10", known_from=date(2024, 9, 1))
    log = log_of(orders=[order("A", "2024-03-01"), late, order("B", "2024-03-01", known_from=date(2024, 9, 1))])
    assert features_of(log, DAY)["customer_id"].to_list() == ["A"]
    assert lost(log)["A"] is False
    assert lost(log, known=date(2024, 8, 31))["A"] is True


def test_a_window_that_is_not_over_is_refused() -> None:
    log = log_of(orders=[order("A", "2024-03-01")])
    over = DAY + timedelta(days=90)
    assert lost(log, known=over) == {"A": True}
    with pytest.raises(ValueError, match=r"window of 2024-03-31 ends on 2024-06-29, after 2024-06-28"):
        lost(log, known=over - timedelta(days=1))


def test_an_unknown_definition_or_horizon_is_refused() -> None:
    log = log_of(orders=[order("A", "2024-03-01")])
    with pytest.raises(ValueError, match="'mixed' is unknown"):
        lost(log, "mixed")
    with pytest.raises(ValueError, match="at least 1, not 0"):
        lost(log, horizon=0)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, 200), max_size=6))
def test_nothing_after_the_window_matters(ahead: list[int]) -> None:
    start, end = order("A", "2024-03-01"), DAY + timedelta(days=90)
    log = log_of(orders=[start, *(order("A", end + timedelta(days=days)) for days in ahead)])
    assert lost(log) == {"A": True}


FEED = [record(f"C{n}", str(DAY + timedelta(days=n))) for n in range(5, 180, 25)]


@pytest.mark.parametrize(
    ("feed", "definition"),
    [
        (FEED, "declared"),
        ([], "silent"),
        (FEED[3:], "silent"),
        (FEED[:4], "silent"),
        ([{**row, "kind": "involuntary"} for row in FEED], "silent"),
    ],
    ids=["covers", "absent", "begins too late", "ends too early", "nobody left by choice"],
)
def test_auto_is_declared_only_where_the_feed_covers_every_window(
    feed: list[dict[str, object]], definition: str
) -> None:
    snapshots = [AsOf(DAY), AsOf(DAY + timedelta(days=90))]
    log = log_of(orders=[order("A", "2024-03-01")], churn=feed).known(AsOf(KNOWN))
    assert resolve_definition(log, "auto", snapshots=snapshots, horizon_days=90) == definition


def test_a_definition_that_is_set_is_kept() -> None:
    log = log_of(churn=FEED).known(AsOf(KNOWN))
    assert resolve_definition(log, "silent", snapshots=[AsOf(DAY)], horizon_days=90) == "silent"
    assert resolve_definition(log_of(), "declared", snapshots=[AsOf(DAY)], horizon_days=90) == "declared"
    with pytest.raises(ValueError, match="it is auto, silent or declared"):
        resolve_definition(log, "both", snapshots=[], horizon_days=90)


def test_snapshot_days_are_matured_ends_of_months_oldest_first() -> None:
    days = snapshot_days(first_order=date(2024, 1, 20), known_at=date(2024, 8, 28), horizon_days=90, most=12)
    assert days == (date(2024, 2, 29), date(2024, 3, 31), date(2024, 4, 30))
    assert snapshot_days(first_order=date(2024, 1, 20), known_at=date(2024, 8, 29), horizon_days=90, most=2) == (
        date(2024, 4, 30),
        date(2024, 5, 31),
    )
    assert snapshot_days(first_order=date(2024, 8, 1), known_at=date(2024, 8, 29), horizon_days=90, most=2) == ()
