from datetime import date, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from evidence_log import at, complaint, days_after, event_log, found, law, order
from hypothesis import given
from hypothesis import strategies as st

from trust_models.as_of import AsOf
from trust_models.evidence import EvidenceSettings, RhythmReference, fit_rhythm
from trust_models.rhythm import MAXIMUM_PRIOR_WEIGHT

START = date(2024, 1, 1)
LATE = date(2026, 12, 31)


def orders_on(days: list[int], customer_id: str = "ann") -> list[dict]:
    return [
        order(f"{customer_id}{index}", day.isoformat(), customer_id)
        for index, day in enumerate(days_after(START, *days))
    ]


def came_back(orders: list[dict], *, day: date = LATE, reference: RhythmReference, **settings: float) -> list:
    return found(orders, day=day, stream="came_back", reference=reference, settings=EvidenceSettings(**settings))


def test_the_first_order_is_due_after_the_population_interval() -> None:
    reference = RhythmReference(30.0, 2.0)
    due = START + timedelta(days=30)
    assert came_back(orders_on([0]), reference=reference) == [("ann", due, False)]
    assert came_back(orders_on([0]), day=due - timedelta(days=1), reference=reference) == []
    assert came_back(orders_on([0, 30]), day=due, reference=reference) == [("ann", due, True)]
    assert came_back(orders_on([0, 31]), day=due, reference=reference) == [("ann", due, False)]


def test_the_own_interval_is_shrunk_toward_the_population_by_its_prior_weight() -> None:
    trials = came_back(orders_on([0, 10, 20]), reference=RhythmReference(30.0, 2.0))
    # (2·30 + 10)/3 = 23⅓ days after day 10, (2·30 + 20)/4 = 20 days after day 20
    assert [day for _, day, _ in trials] == days_after(START, 30, 34, 40)
    assert [is_success for _, _, is_success in trials] == [True, True, False]


def test_the_due_date_stretches_with_the_setting() -> None:
    trials = came_back(orders_on([0]), reference=RhythmReference(30.0, 2.0), due_intervals=1.5)
    assert [day for _, day, _ in trials] == days_after(START, 45)


def test_an_interval_of_whole_days_is_not_rounded_up_by_a_float() -> None:
    trials = came_back(orders_on([0]), reference=RhythmReference(50.0, 2.0), due_intervals=1.1)
    assert [day for _, day, _ in trials] == days_after(START, 55)


def test_a_second_order_of_the_same_day_is_the_same_purchase_day() -> None:
    reference = RhythmReference(30.0, 2.0)
    assert came_back(orders_on([0, 0, 10, 10]), reference=reference) == came_back(
        orders_on([0, 10]), reference=reference
    )


@law
@given(st.lists(st.integers(0, 300), min_size=1, max_size=8, unique=True), st.lists(st.integers(1, 100), max_size=4))
def test_later_orders_never_change_an_older_trial(days: list[int], gaps: list[int]) -> None:
    reference = RhythmReference(25.0, 1.5)
    day = START + timedelta(days=max(days))
    later = list(np.cumsum([max(days), *gaps])[1:])
    before = came_back(orders_on(days), day=day, reference=reference)
    after = came_back(orders_on(days + [int(value) for value in later]), reference=reference)
    assert set(before) <= set(after)


def failing(day: int) -> dict:
    """An order of bob's that shows that deliveries are recorded, and ann's broken promise."""
    promised = datetime.combine(START + timedelta(days=day), datetime.min.time())
    return {"promised_at": promised, "delivered_at": promised + timedelta(days=200)}


def after_failure(orders: list[dict], *, day: date = LATE, reference: RhythmReference | None = None) -> list:
    return found(
        orders,
        day=day,
        stream="came_back_after_failure",
        reference=reference or RhythmReference(30.0, 2.0),
    )


def broken(order_id: str, ordered: int, promised: int) -> dict:
    return order(order_id, (START + timedelta(days=ordered)).isoformat(), **failing(promised))


def test_coming_back_after_a_failure_is_due_one_interval_after_it() -> None:
    due = START + timedelta(days=35)
    orders = [broken("o", 0, 5)]
    assert after_failure(orders) == [("ann", due, False)]
    assert after_failure([*orders, *orders_on([35])]) == [("ann", due, True)]
    assert after_failure([*orders, *orders_on([36])]) == [("ann", due, False)]
    assert after_failure([*orders, *orders_on([35])], day=due - timedelta(days=1)) == []


def test_an_order_on_the_day_of_the_failure_is_not_yet_coming_back() -> None:
    assert after_failure([broken("o", 0, 5), *orders_on([5])])[0][2] is False


def test_failures_that_wait_for_the_same_order_are_one_trial() -> None:
    orders = [broken("o1", 0, 5), broken("o2", 0, 9)]
    assert after_failure(orders) == [("ann", START + timedelta(days=35), False)]
    apart = [broken("o1", 0, 5), broken("o2", 6, 9)]
    assert sorted(is_success for _, _, is_success in after_failure(apart)) == [False, True]


def test_what_went_well_asks_for_no_forgiveness() -> None:
    promised = at("2024-01-05")
    assert after_failure([order("o", "2024-01-01", promised_at=promised, delivered_at=promised)]) == []


def test_a_failure_enters_no_earlier_than_its_own_trial_matures() -> None:
    faulty = order("o", "2024-01-01", fault_at=at("2024-01-03"))
    expected = [("ann", date(2024, 1, 31), False)]
    assert after_failure([faulty], reference=RhythmReference(5.0, 2.0)) == expected
    too_late = [faulty, *orders_on([20])]
    assert after_failure(too_late, reference=RhythmReference(5.0, 2.0)) == expected


def test_a_rejected_complaint_fails_on_the_day_of_the_rejection() -> None:
    rejected = complaint("c", "2024-01-01", resolved_at=at("2024-01-04"), resolution="rejected")
    trial = found(
        orders_on([0]), [rejected], day=LATE, stream="came_back_after_failure", reference=RhythmReference(30.0, 2.0)
    )
    assert trial == [("ann", date(2024, 2, 3), False)]


def test_a_failure_before_any_purchase_is_no_trial_of_forgiveness() -> None:
    unresolved = [
        complaint("c", "2024-01-01"),
        complaint("d", "2024-01-01", "bob", resolved_at=at("2024-01-02"), resolution="replaced"),
    ]
    arguments = {"day": LATE, "reference": RhythmReference(30.0, 2.0)}
    assert found([], unresolved, stream="came_back_after_failure", **arguments) == []


def test_without_a_rhythm_there_are_no_loyalty_streams() -> None:
    assert found(orders_on([0, 5]), day=LATE, stream="came_back", reference=None) == []


def rhythm_of(customers: dict[str, list[int]]) -> RhythmReference | None:
    orders = [row for name, days in customers.items() for row in orders_on(days, name)]
    as_of = AsOf(LATE)
    return fit_rhythm(event_log(orders).known(as_of))


def test_nobody_coming_back_leaves_no_rhythm() -> None:
    assert rhythm_of({"ann": [0], "bob": [4, 4]}) is None
    assert rhythm_of({}) is None


def test_one_gap_alone_is_the_population_interval() -> None:
    assert rhythm_of({"ann": [0, 12]}) == RhythmReference(12.0, 1.0)


def test_customers_alike_weigh_the_population_fully() -> None:
    reference = rhythm_of({"ann": [0, 10, 20, 30], "bob": [0, 10, 20]})
    assert reference.interval_days == pytest.approx(10.0)
    assert reference.prior_weight == MAXIMUM_PRIOR_WEIGHT


def test_the_reference_is_the_credibility_estimate_worked_out_by_hand() -> None:
    reference = rhythm_of({"ann": [0, 10, 30], "bob": [0, 40, 100, 150]})
    within = (100 / 2 + 200) / 3
    between = (2 * (15 - 36) ** 2 + 3 * (50 - 36) ** 2 - within) / (5 - (4 + 9) / 5)
    weight = within / between
    credibility = [2 / (2 + weight), 3 / (3 + weight)]
    assert reference.prior_weight == pytest.approx(weight)
    assert reference.interval_days == pytest.approx(np.average([15, 50], weights=credibility))


def test_the_prior_weight_is_variance_within_over_variance_between_customers() -> None:
    generator = np.random.default_rng(3)
    own = generator.gamma(9.0, 5.0, 400)  # mean 45, variance between customers 225
    customers = {
        f"c{index}": np.cumsum(np.maximum(generator.normal(mean, 15.0, 12), 1)).astype(int).tolist()
        for index, mean in enumerate(own)
    }
    reference = rhythm_of(customers)
    assert reference.interval_days == pytest.approx(45, rel=0.05)
    assert reference.prior_weight == pytest.approx(1.0, rel=0.25)  # 15² / 225


def test_a_rhythm_without_meaning_is_refused() -> None:
    with pytest.raises(ValueError, match="interval_days"):
        RhythmReference(0.0, 1.0)
    with pytest.raises(ValueError, match="prior_weight"):
        RhythmReference(10.0, float("inf"))


def test_the_rhythm_is_the_same_whatever_the_order_of_rows() -> None:
    rows = [
        row
        for name, days in {"a": [0, 9, 30], "b": [3, 50], "c": [1, 2, 90, 120]}.items()
        for row in orders_on(days, name)
    ]
    shuffled = pl.Series(range(len(rows))).shuffle(seed=1).to_list()
    as_of = AsOf(LATE)
    assert fit_rhythm(event_log(rows).known(as_of)) == fit_rhythm(event_log([rows[i] for i in shuffled]).known(as_of))
