from datetime import date, datetime, timedelta

import polars as pl
import pytest
from evidence_log import complaint, event_log, order
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from trust_models.as_of import AsOf
from trust_models.evidence import EvidenceSettings, RhythmReference, coverage, trials
from trust_models.trial_changes import KINDS, SCHEMA, touched_customers, trial_changes

BEFORE, NOW = AsOf(date(2024, 3, 9)), AsOf(date(2024, 3, 10))
RHYTHM = RhythmReference(interval_days=20.0, prior_weight=1.0)
CUSTOMERS = st.sampled_from(["ann", "ben", "eve"])
MOMENTS = st.datetimes(datetime(2024, 1, 20), datetime(2024, 3, 12)).map(lambda moment: moment.replace(microsecond=0))
DAYS = st.dates(date(2024, 3, 5), date(2024, 3, 12))
TODAY = st.datetimes(datetime(2024, 3, 10), datetime(2024, 3, 10, 23))
MAYBE = st.none() | MOMENTS | TODAY


@st.composite
def versions(draw: st.DrawFn, make, key: str, facts: dict) -> list[dict]:
    """A row, and perhaps a correction of it that was delivered later."""
    customer, moment = draw(CUSTOMERS), draw(MOMENTS)
    row = make(key, moment.isoformat(), customer, **draw(st.fixed_dictionaries(facts)))
    row["known_from"] = max(row["known_from"], draw(st.just(date.min) | DAYS))
    until = draw(st.none() | DAYS.filter(lambda day: day > row["known_from"]))
    if until is None:
        return [row]
    return [row | {"known_until": until}, row | draw(st.fixed_dictionaries(facts)) | {"known_from": until}]


ORDER = {"promised_at": MAYBE, "delivered_at": MAYBE, "fault_at": MAYBE, "cancelled_at": MAYBE}
COMPLAINT = {
    "order_id": st.sampled_from([None, "o0", "o1", "o2"]),
    "dimension": st.sampled_from(["product_quality", "values", None]),
    "first_response_at": MAYBE,
    "resolved_at": MAYBE,
    "reopened_at": MAYBE,
}


@st.composite
def logs(draw: st.DrawFn):
    orders = [draw(versions(order, f"o{place}", ORDER)) for place in range(draw(st.integers(1, 5)))]
    complaints = [draw(versions(complaint, f"k{place}", COMPLAINT)) for place in range(draw(st.integers(0, 3)))]
    return event_log([row for rows in orders for row in rows], [row for rows in complaints for row in rows])


def found(log, as_of):
    known = log.known(as_of)
    return trials(known, as_of=as_of, settings=EvidenceSettings(), reference=RHYTHM).collect()


@given(log=logs())
@settings(deadline=None, max_examples=150)
def test_who_is_not_touched_has_the_same_trials_as_the_day_before(log) -> None:
    covered = [coverage(log.known(day)).collect() for day in (BEFORE, NOW)]
    if not covered[0].equals(covered[1]):
        return  # everybody is touched then
    before, now = found(log, BEFORE), found(log, NOW)
    touched = touched_customers(log, now, before=BEFORE, now=NOW)
    left = [frame.filter(~pl.col("customer_id").is_in(touched.implode())).sort(pl.all()) for frame in (before, now)]
    assert_frame_equal(*left)


def test_somebody_of_whom_nothing_came_is_not_touched() -> None:
    log = event_log([order("o0", "2024-01-02", "ann"), order("o1", "2024-03-10", "ben")])
    now = found(log, NOW)
    assert touched_customers(log, now, before=BEFORE, now=NOW).to_list() == ["ben"]


@pytest.mark.parametrize("fact", ["fault_at", "cancelled_at", "delivered_at"])
def test_a_fact_that_happened_in_between_touches(fact: str) -> None:
    log = event_log([order("o0", "2024-01-02", "ann", **{fact: datetime(2024, 3, 10, 9)})])
    assert touched_customers(log, found(log, NOW), before=BEFORE, now=NOW).to_list() == ["ann"]


def test_a_complaint_touches_the_one_whose_order_it_names() -> None:
    log = event_log([order("o0", "2024-01-02", "ann")], [complaint("k0", "2024-03-10T09:00", "ben", order_id="o0")])
    assert touched_customers(log, found(log, NOW), before=BEFORE, now=NOW).to_list() == ["ann", "ben"]


DAY = date(2024, 3, 1)


def tried(*outcomes: tuple[date, bool]) -> pl.DataFrame:
    rows = [("ann", "promise_kept", day, good) for day, good in outcomes]
    return pl.DataFrame(rows, schema=["customer_id", "stream", "event_date", "is_success"], orient="row").cast(
        {"customer_id": pl.String, "stream": SCHEMA["stream"], "event_date": pl.Date, "is_success": pl.Boolean}
    )


@pytest.mark.parametrize(
    ("before", "now", "expected"),
    [
        ([], [(DAY, True), (DAY, False), (DAY, False)], (3, 2, 0, 0, 0)),
        ([(DAY, True)], [(DAY, True), (DAY + timedelta(days=1), True)], (1, 0, 0, 0, 0)),
        ([(DAY, True), (DAY, True)], [(DAY, True), (DAY, False)], (0, 0, 1, 0, 0)),
        ([(DAY, False)], [(DAY, True), (DAY, True)], (1, 0, 0, 1, 0)),
        ([(DAY, False), (DAY, True)], [(DAY, True)], (0, 0, 0, 0, 1)),
        ([(DAY, False)], [(DAY + timedelta(days=1), False)], (1, 1, 0, 0, 1)),
    ],
)
def test_what_became_of_trials_is_counted(before, now, expected) -> None:
    (row,) = trial_changes(tried(*before), tried(*now)).rows(named=True)
    assert tuple(row[kind] for kind in KINDS) == expected


def test_the_same_trials_are_no_change() -> None:
    assert trial_changes(tried((DAY, True)), tried((DAY, True))).schema == SCHEMA
    assert trial_changes(tried((DAY, True)), tried((DAY, True))).is_empty()
