import math
from datetime import date, timedelta

import polars as pl
import pytest
from evidence_log import law
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from trust_models.as_of import AsOf
from trust_models.evidence import evidence, side_by_side, statistics, tally, trial_counts, weighted

STREAMS = ("order_sound", "promise_kept")
LANDMARK = date(2023, 1, 1)
DAY = AsOf(date(2024, 6, 30))
SCHEMA = {"customer_id": pl.String, "stream": pl.String, "event_date": pl.Date, "is_success": pl.Boolean}

trial = st.tuples(
    st.sampled_from(["ann", "bob", "eve"]),
    st.sampled_from(STREAMS),
    st.dates(date(2022, 1, 1), date(2024, 6, 30)),
    st.booleans(),
)
trial_lists = st.lists(trial, max_size=20)


def frame(rows: list[tuple]) -> pl.LazyFrame:
    return pl.LazyFrame(rows, schema=SCHEMA, orient="row")


def summed(rows: list[tuple], landmark: date = LANDMARK, half_life_days: float = 100.0) -> pl.LazyFrame:
    return statistics(frame(rows), landmark=landmark, half_life_days=half_life_days)


def faded(
    sums: pl.LazyFrame, as_of: AsOf = DAY, landmark: date = LANDMARK, half_life_days: float = 100.0, **more: object
) -> pl.DataFrame:
    return evidence(
        sums, as_of=as_of, landmark=landmark, half_life_days=half_life_days, streams=STREAMS, **more
    ).collect()


def test_a_trial_counts_half_after_a_half_life() -> None:
    rows = [("ann", "order_sound", DAY.day, True), ("ann", "order_sound", DAY.day - timedelta(days=100), False)]
    assert faded(summed(rows)).row(0, named=True) == {
        "customer_id": "ann",
        "r_order_sound": pytest.approx(1.0),
        "r_promise_kept": 0.0,
        "s_order_sound": pytest.approx(0.5),
        "s_promise_kept": 0.0,
    }


def test_without_fading_evidence_is_the_count() -> None:
    rows = [("ann", "promise_kept", date(2022, 1, 1), True)] * 3
    assert faded(summed(rows, half_life_days=math.inf), half_life_days=math.inf)["r_promise_kept"].item() == 3.0


def test_statistics_have_one_row_a_customer_stream_and_day() -> None:
    rows = [("ann", "order_sound", DAY.day, True), ("ann", "order_sound", DAY.day, False)]
    result = statistics(frame(rows), landmark=DAY.day, half_life_days=50.0).collect()
    assert result.rows() == [("ann", "order_sound", DAY.day, 1.0, 1.0)]


def test_days_after_the_as_of_day_are_left_out() -> None:
    rows = [("ann", "order_sound", DAY.day, True), ("bob", "order_sound", DAY.day + timedelta(days=1), True)]
    assert faded(summed(rows))["customer_id"].to_list() == ["ann"]


@law
@given(trial_lists, trial_lists)
def test_merging_is_addition(left: list[tuple], right: list[tuple]) -> None:
    together = faded(summed(left + right))
    apart = faded(pl.concat([summed(left), summed(right)]))
    assert_frame_equal(together, apart, abs_tol=1e-8)


@law
@given(trial_lists, st.randoms(use_true_random=False))
def test_order_does_not_matter_to_the_last_bit(rows: list[tuple], random: object) -> None:
    shuffled = list(rows)
    random.shuffle(shuffled)
    assert faded(summed(rows)).equals(faded(summed(shuffled)))


@law
@given(trial_lists, st.dates(date(2015, 1, 1), date(2030, 1, 1)))
def test_the_landmark_does_not_matter(rows: list[tuple], landmark: date) -> None:
    assert_frame_equal(faded(summed(rows)), faded(summed(rows, landmark), landmark=landmark), abs_tol=1e-8)


@law
@given(trial_lists, st.integers(0, 400))
def test_silence_fades_everything_alike(rows: list[tuple], days: int) -> None:
    now, later = faded(summed(rows)), faded(summed(rows), DAY.minus(-days))
    columns = [name for name in now.columns if name != "customer_id"]
    assert_frame_equal(later, now.with_columns(pl.col(columns) * 0.5 ** (days / 100.0)), abs_tol=1e-8)


def test_customers_asked_for_get_a_row_even_without_trials() -> None:
    customers = pl.LazyFrame({"customer_id": ["zoe", "ann", "zoe"]})
    result = faded(
        summed([("ann", "order_sound", DAY.day, True), ("bob", "order_sound", DAY.day, True)]), customers=customers
    )
    assert result.select("customer_id", "r_order_sound").rows() == [("ann", 1.0), ("zoe", 0.0)]


def test_trial_counts_do_not_fade() -> None:
    rows = [("ann", "order_sound", date(2010, 1, 1), False), ("ann", "order_sound", DAY.day, True)]
    assert trial_counts(frame(rows)).collect().rows() == [("ann", "order_sound", 2, 1)]


def test_no_trials_leave_an_empty_frame_with_all_columns() -> None:
    result = faded(summed([]))
    assert result.is_empty()
    assert result.columns == ["customer_id", *(f"{side}_{stream}" for side in "rs" for stream in STREAMS)]


@given(rows=trial_lists, half_life=st.sampled_from([30.0, 365.0, math.inf]))
def test_a_tally_in_one_pass_holds_what_evidence_and_counts_say(rows: list[tuple], half_life: float) -> None:
    customers = pl.Series("customer_id", ["ann", "bob", "cy", "eve"])
    tallied = tally(frame(rows), as_of=DAY, landmark=LANDMARK, half_lives_days=(half_life, 90.0)).collect()
    sums = weighted(frame(rows), landmark=LANDMARK, half_life_days=half_life)
    told = faded(sums, half_life_days=half_life, customers=pl.LazyFrame({"customer_id": customers}))
    assert side_by_side(tallied, customers, half_life_days=half_life, streams=STREAMS).equals(told)
    counted = tallied.select("customer_id", "stream", "trials", "failures")
    assert sorted(counted.rows()) == sorted(trial_counts(frame(rows)).collect().rows())
