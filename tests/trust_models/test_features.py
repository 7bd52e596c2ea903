import random
from datetime import date, datetime, timedelta

import polars as pl
import pytest
from churn_log import features_of, log_of, order, rows_of
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from trust_models.as_of import AsOf, EventLog
from trust_models.feature_catalogue import DRIVERS, STAGES, FeatureSettings, catalogue, driver_of
from trust_models.features import features

DAY = date(2024, 6, 30)


def one(log: EventLog, day: date = DAY) -> dict[str, object]:
    return features_of(log, day).row(0, named=True)


def test_there_is_one_row_per_customer_with_an_order_sorted_by_customer() -> None:
    log = log_of(orders=[order("B", "2024-06-01"), order("A", "2024-06-02"), order("B", "2024-06-03")])
    assert features_of(log, DAY)["customer_id"].to_list() == ["A", "B"]


def test_every_column_is_in_the_catalogue_in_its_order_of_stages() -> None:
    made = catalogue(FeatureSettings())
    frame = features_of(log_of(orders=[order("A", "2024-06-01")]), DAY)
    assert frame.columns == ["customer_id", *(feature.name for feature in made)]
    assert {feature.stage for feature in made} == set(STAGES)
    assert {feature.driver for feature in made} == set(DRIVERS)
    assert all(feature.meaning.endswith(".") for feature in made)


def test_only_features_that_say_what_null_means_are_null() -> None:
    frame = features_of(log_of(orders=[order("A", "2024-06-01", amount=None, lines=None, products=None)]), DAY)
    null = {name for name in frame.columns if frame[name].null_count()}
    explained = {feature.name for feature in catalogue(FeatureSettings()) if feature.null_means}
    assert null <= explained


def test_no_feature_is_ever_nan_or_infinite() -> None:
    orders = [order("A", "2024-06-30"), order("A", "2024-06-30"), order("B", "2024-06-01", amount=0.0)]
    frame = features_of(log_of(orders=orders), DAY)
    floats = [name for name, kind in frame.schema.items() if kind.is_float()]
    assert frame.select(pl.col(floats).is_finite().all()).row(0) == (True,) * len(floats)


def test_recency_tenure_span_and_repeats_are_counted_in_purchase_days() -> None:
    row = one(log_of(orders=[order("A", day) for day in ("2024-06-01", "2024-06-01", "2024-06-11", "2024-06-21")]))
    assert (row["orders"], row["purchase_days"], row["repeat_purchase_days"]) == (4, 3, 2)
    assert (row["recency_days"], row["tenure_days"], row["active_span_days"]) == (9, 29, 20)


def test_a_cancelled_order_counts_as_an_order() -> None:
    row = one(log_of(orders=[order("A", "2024-06-01", cancelled_at=datetime(2024, 6, 2), returned_share=1.0)]))
    assert (row["orders"], row["orders_cancelled"]) == (1, 1)


def test_intervals_lie_between_the_purchase_days_of_one_customer() -> None:
    orders = [order("A", day) for day in ("2024-05-01", "2024-05-11", "2024-05-14")] + [order("B", "2024-06-01")]
    frame = features_of(log_of(orders=orders), DAY)
    assert frame["interval_longest_days"].to_list() == [10, None]
    assert frame["interval_last_days"].to_list() == [3, None]
    assert frame["interval_deviation_days"].to_list() == [pytest.approx(7 / 2**0.5), None]


def test_the_own_interval_is_shrunken_to_the_population_of_the_day() -> None:
    orders = [order("A", day) for day in ("2024-06-01", "2024-06-11", "2024-06-21")] + [order("B", "2024-06-25")]
    frame = features_of(log_of(orders=orders), DAY)
    assert frame["interval_own_days"].to_list() == pytest.approx([10.0, 10.0])
    given_interval = features_of(log_of(orders=orders), DAY, population_interval_days=40.0)
    assert given_interval["interval_own_days"].to_list() == pytest.approx([20.0, 40.0])
    assert given_interval["recency_over_interval"].to_list() == pytest.approx([9 / 20, 5 / 40])


def test_a_decayed_count_halves_with_every_half_life() -> None:
    row = one(log_of(orders=[order("A", DAY - timedelta(days=30), amount=8.0), order("A", DAY)]))
    assert row["orders_decayed_30d"] == pytest.approx(1.5)
    assert row["amount_decayed_30d"] == pytest.approx(14.0)


def test_unknown_amounts_are_left_out_and_null_where_none_is_known() -> None:
    orders = [order("A", "2024-06-01", amount=None), order("A", "2024-06-02", amount=6.0), order("B", "2024-06-01")]
    frame = features_of(log_of(orders=[*orders, order("C", "2024-06-01", amount=None)]), DAY)
    assert frame["order_amount_mean"].to_list() == [6.0, 10.0, None]
    assert frame["amount_decayed_90d"].is_null().to_list() == [False, False, True]


def test_the_trend_sets_the_last_window_against_the_one_before() -> None:
    row = one(log_of(orders=[order("A", DAY - timedelta(days=age)) for age in (0, 89, 90, 91, 179, 180)]))
    assert (row["orders_last_90d"], row["orders_previous_90d"]) == (2, 3)


def test_the_season_a_year_ago_is_null_for_who_was_no_customer_then() -> None:
    orders = [order("A", DAY - timedelta(days=age)) for age in (400, 364, 275, 274)] + [order("B", DAY)]
    assert features_of(log_of(orders=orders), DAY)["orders_same_season"].to_list() == [2, None]


def test_a_promise_is_late_once_it_is_due_and_unknown_before() -> None:
    promised = datetime(2024, 6, 20)
    orders = [
        order("A", "2024-06-01", promised_at=promised, delivered_at=datetime(2024, 6, 21, 12)),
        order("A", "2024-06-02", promised_at=promised),
        order("A", "2024-06-03", promised_at=promised, delivered_at=datetime(2024, 6, 19)),
        order("A", "2024-06-04", promised_at=datetime(2024, 7, 9)),
        order("B", "2024-06-04", promised_at=datetime(2024, 7, 9)),
        order("C", "2024-06-04", promised_at=promised, cancelled_at=datetime(2024, 6, 5)),
    ]
    frame = features_of(log_of(orders=orders), DAY)
    assert frame["promises_due"].to_list() == [3, 0, 0]
    assert frame["orders_late"].to_list() == [2, 0, 0]
    assert frame["late_share"].to_list() == [pytest.approx(2 / 3), None, None]
    assert frame["days_late_mean"][0] == pytest.approx((1.5 + 11 + 0) / 3)


def test_complaint_voice_fades_and_is_split_into_recovered_and_open() -> None:
    def complaint(age: int, **facts: object) -> dict[str, object]:
        opened = datetime.combine(DAY - timedelta(days=age), datetime.min.time())
        return {"customer_id": "A", "opened_at": opened, "category": "other", "severity": 4} | facts

    made = [
        complaint(90, resolved_at=datetime(2024, 5, 1), resolution="refunded"),
        complaint(0),
        complaint(90, resolved_at=datetime(2024, 5, 1), resolution="rejected"),
        complaint(90, resolved_at=datetime(2024, 5, 1), resolution="resolved", reopened_at=datetime(2024, 6, 1)),
    ]
    row = one(log_of(orders=[order("A", "2024-06-01")], complaints=made))
    assert (row["complaints"], row["complaints_open"]) == (4, 2)
    assert row["complaint_voice_90d"] == pytest.approx(10.0)
    assert row["complaint_recovery_90d"] == pytest.approx(2.0)
    assert row["complaint_unresolved_90d"] == pytest.approx(6.0)


def test_a_customer_without_complaints_has_none_rather_than_null() -> None:
    assert one(log_of(orders=[order("A", "2024-06-01")]))["complaint_voice_90d"] == 0


def test_evidence_is_joined_by_customer_and_absent_evidence_is_none() -> None:
    log = log_of(orders=[order("A", "2024-06-01"), order("B", "2024-06-01")])
    evidence = pl.DataFrame({"customer_id": ["B"], "r_promise_kept": [2.0], "s_promise_kept": [0.5], "other": [1]})
    frame = features_of(log, DAY, evidence=evidence)
    assert frame["r_promise_kept"].to_list() == [0.0, 2.0]
    assert "other" not in frame.columns
    assert driver_of(["s_promise_kept", "r_came_back_after_failure", "x"], FeatureSettings()) == {
        "s_promise_kept": "delivery",
        "r_came_back_after_failure": "frequency",
        "x": "other",
    }


def test_days_are_days_of_the_business_zone() -> None:
    rows = [order("A", "2024-06-30", ordered_at=datetime(2024, 6, 30, 17))]
    frame = rows_of("orders", rows).with_columns(ordered_date=date(2024, 7, 1), known_from=date(2024, 7, 1))
    as_of = AsOf(date(2024, 7, 1), "Asia/Shanghai")
    made = features(EventLog.of(orders=frame).known(as_of), as_of=as_of).collect()
    assert made["recency_days"].to_list() == [0]


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("AB"), st.integers(0, 200), st.integers(1, 300)), min_size=1, max_size=12))
def test_nothing_after_the_as_of_day_matters(events: list[tuple[str, int, int]]) -> None:
    past = [
        order(customer, DAY - timedelta(days=age), returned_at=datetime(2024, 6, 15) + timedelta(days=age % 9))
        for customer, age, _ in events
    ]
    later = [order(customer, DAY + timedelta(days=ahead), amount=1e6) for customer, _, ahead in events]
    changed = [{**row, "delivered_at": datetime(2024, 7, 2)} for row in past]
    complaints = [
        {"customer_id": customer, "opened_at": datetime(2024, 7, 1) + timedelta(days=ahead), "severity": 5}
        for customer, _, ahead in events
    ]
    assert_frame_equal(
        features_of(log_of(orders=past), DAY), features_of(log_of(orders=changed + later, complaints=complaints), DAY)
    )


@settings(max_examples=15, deadline=None)
@given(st.permutations(range(6)))
def test_the_order_of_rows_does_not_matter(permutation: list[int]) -> None:
    rows = [order("AB"[i % 2], f"2024-0{1 + i // 2}-01", amount=float(i), order_id=f"O{i}") for i in range(6)]
    shuffled = [rows[i] for i in permutation]
    assert_frame_equal(features_of(log_of(orders=rows), DAY), features_of(log_of(orders=shuffled), DAY))


@settings(max_examples=25, deadline=None)
@given(st.randoms(use_true_random=False))
def test_the_order_of_rows_changes_no_digit(chance: random.Random) -> None:
    days = [date(2024, 1, 1) + timedelta(days=chance.randrange(180)) for _ in range(40)]
    orders = [order("A", day, order_id=f"O{at}", amount=chance.random() * 100) for at, day in enumerate(days)]
    complaints = [
        {
            "customer_id": "A",
            "complaint_id": f"K{at}",
            "opened_at": datetime(day.year, day.month, day.day, 9),
            "severity": chance.randint(1, 5),
            "resolution": chance.choice(["resolved", None]),
        }
        for at, day in enumerate(days)
    ]
    straight = features_of(log_of(orders=orders, complaints=complaints), DAY)
    chance.shuffle(orders)
    chance.shuffle(complaints)
    assert_frame_equal(features_of(log_of(orders=orders, complaints=complaints), DAY), straight, check_exact=True)
