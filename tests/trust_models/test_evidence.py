import math
from datetime import date, timedelta

import polars as pl
import pytest
from evidence_log import law
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from trust_models.evidence import ANCHOR_HALF_LIVES, anchor, evidence, fading, tally, trial_counts

STREAMS = ("order_sound", "promise_kept")
DAY = date(2024, 6, 30)
CUSTOMERS = pl.Series("customer_id", ["ann", "bob", "cy", "eve"])
SCHEMA = {"customer_id": pl.String, "stream": pl.String, "event_date": pl.Date, "is_success": pl.Boolean}
HALF_LIVES = (30.0, 100.0, 365.0, math.inf)

trial = st.tuples(
    st.sampled_from(["ann", "bob", "eve"]),
    st.sampled_from(STREAMS),
    st.dates(date(2022, 1, 1), DAY),
    st.booleans(),
)
trial_lists = st.lists(trial, max_size=20)
half_lives = st.sampled_from(HALF_LIVES)


def tallied(rows: list[tuple], half_life_days: float = 100.0, day: date = DAY) -> pl.DataFrame:
    trials = pl.LazyFrame(rows, schema=SCHEMA, orient="row")
    return tally(trials, day=day, half_lives_days=(half_life_days,)).sort("customer_id", "stream").collect()


def faded(rows: list[tuple], half_life_days: float = 100.0, day: date = DAY) -> pl.DataFrame:
    sums = tallied(rows, half_life_days, day)
    return evidence(sums, CUSTOMERS, day=day, half_life_days=half_life_days, streams=STREAMS)


def test_a_trial_counts_half_after_a_half_life() -> None:
    rows = [("ann", "order_sound", DAY, True), ("ann", "order_sound", DAY - timedelta(days=100), False)]
    assert faded(rows).row(0, named=True) == {
        "customer_id": "ann",
        "r_order_sound": pytest.approx(1.0),
        "r_promise_kept": 0.0,
        "s_order_sound": pytest.approx(0.5),
        "s_promise_kept": 0.0,
    }


def test_without_fading_evidence_is_the_count() -> None:
    rows = [("ann", "promise_kept", date(2022, 1, 1), True)] * 3
    assert faded(rows, math.inf)["r_promise_kept"].to_list() == [3.0, 0.0, 0.0, 0.0]


@law
@given(trial_lists, half_lives)
def test_every_trial_counts_as_its_age_says(rows: list[tuple], half_life: float) -> None:
    told = faded(rows, half_life).rows(named=True)
    for side, is_success in (("r", True), ("s", False)):
        for stream in STREAMS:
            for row in told:
                ages = [(DAY - day).days for name, of, day, ok in rows
                        if (name, of, ok) == (row["customer_id"], stream, is_success)]  # fmt: skip
                assert row[f"{side}_{stream}"] == pytest.approx(sum(0.5 ** (age / half_life) for age in ages), abs=1e-8)


@law
@given(trial_lists, trial_lists, half_lives)
def test_merging_is_addition_to_the_last_bit(left: list[tuple], right: list[tuple], half_life: float) -> None:
    columns = ["trials", "failures", f"r_{half_life}", f"s_{half_life}"]
    apart = pl.concat([tallied(left, half_life), tallied(right, half_life)])
    merged = apart.group_by("customer_id", "stream").agg(pl.col(columns).sum()).sort("customer_id", "stream")
    assert merged.equals(tallied(left + right, half_life))


@law
@given(trial_lists, st.randoms(use_true_random=False))
def test_order_does_not_matter_to_the_last_bit(rows: list[tuple], random: object) -> None:
    shuffled = list(rows)
    random.shuffle(shuffled)
    assert faded(rows).equals(faded(shuffled))


@law
@given(trial_lists, st.integers(0, 400), half_lives)
def test_sums_of_a_day_serve_all_days_of_its_anchor(rows: list[tuple], days: int, half_life: float) -> None:
    later = DAY + timedelta(days=days)
    assert anchor(later, half_life) >= later
    if anchor(later, half_life) == anchor(DAY, half_life):
        assert tallied(rows, half_life, later).equals(tallied(rows, half_life))
    silent = faded(rows, half_life, later)
    columns = silent.columns[1:]
    aged = faded(rows, half_life).with_columns(pl.col(columns) * 0.5 ** (days / half_life))
    assert_frame_equal(silent, aged, abs_tol=1e-8)


@given(st.dates(date(1990, 1, 1), date(2100, 1, 1)), st.sampled_from([7.0, 30.0, 91.3, 365.0, 1e9]))
def test_what_is_new_never_weighs_next_to_nothing_on_its_anchor(day: date, half_life: float) -> None:
    assert 1.0 <= fading(day, half_life) <= 2.0**ANCHOR_HALF_LIVES * 2.0 ** (1 / half_life)


def test_those_asked_for_get_a_row_even_without_trials_and_nobody_else() -> None:
    sums = tallied([("ann", "order_sound", DAY, True), ("bob", "order_sound", DAY, True)])
    asked = pl.Series("customer_id", ["zoe", "ann"])
    told = evidence(sums, asked, day=DAY, half_life_days=100.0, streams=STREAMS)
    assert told.select("customer_id", "r_order_sound").rows() == [("zoe", 0.0), ("ann", pytest.approx(1.0))]


def test_trial_counts_do_not_fade() -> None:
    rows = [("ann", "order_sound", date(2010, 1, 1), False), ("ann", "order_sound", DAY, True)]
    trials = pl.LazyFrame(rows, schema=SCHEMA, orient="row")
    assert trial_counts(trials).collect().rows() == [("ann", "order_sound", 2, 1)]
    assert tallied(rows).select("trials", "failures").row(0) == (2, 1)


def test_no_trials_leave_zeros_in_all_columns() -> None:
    told = faded([])
    assert told.columns == ["customer_id", *(f"{side}_{stream}" for side in "rs" for stream in STREAMS)]
    assert told.select(pl.sum_horizontal(pl.exclude("customer_id"))).to_series().to_list() == [0.0] * len(CUSTOMERS)
