"""Summaries: whatever is kept from an earlier day is, to the last bit, what would be made anew."""

from datetime import date, timedelta

import polars as pl
import pytest
from evidence_log import event_log
from hypothesis import Phase, assume, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from trust_models.as_of import TIMESTAMP, EventLog
from trust_models.features import features
from trust_models.rhythm import RhythmReference
from trust_models.snapshot import ScoringSettings, take_evidence, take_features, take_status
from trust_models.streams import DIMENSIONS
from trust_models.summaries import (
    Summaries,
    anchors,
    counts_of,
    evidence_on,
    features_on,
    status_on,
    summarise,
)
from trust_models.trial_changes import entangled, touched_customers
from trust_models.trial_outcomes import added_up, trial_outcomes
from trust_models.trials import coverage

START = date(2023, 1, 1)
SETTINGS = ScoringSettings(time_zone="Asia/Shanghai")
RHYTHM = RhythmReference(interval_days=20.0, prior_weight=1.0)
CUSTOMERS = ("ann", "ben", "cat", "dan")

SOME = settings(deadline=None, max_examples=25, phases=(Phase.explicit, Phase.reuse, Phase.generate))
minutes = st.integers(0, 500 * 24 * 60)
later = st.one_of(st.none(), st.integers(0, 120 * 24 * 60))


@st.composite
def logs(draw: st.DrawFn) -> EventLog:
    """Logs of four customers: facts, promises, complaints about each other's orders, versions that come and go."""
    orders = [_order(draw, number) for number in range(draw(st.integers(1, 12)))]
    complaints = [_complaint(draw, number) for number in range(draw(st.integers(0, 6)))]
    churn = [_churn(draw, number) for number in range(draw(st.integers(0, 2)))]
    customers = [
        {"customer_id": name, "segment": draw(st.sampled_from("ab")), "joined_date": START, "known_from": START}
        for name in CUSTOMERS[: draw(st.integers(0, 4))]
    ]
    return event_log(orders, complaints, churn=churn, customers=customers)


def _at(draw: st.DrawFn, since: int = 0, strategy: st.SearchStrategy[int | None] = minutes) -> int | None:
    drawn = draw(strategy)
    return None if drawn is None else since + drawn


def _instant(minute: int | None) -> object:
    if minute is None:
        return None
    return pl.select(pl.datetime(2023, 1, 1) + pl.duration(minutes=minute)).item()


def _day(minute: int) -> date:
    return pl.select(SETTINGS.as_of(START).day_of(pl.lit(_instant(minute), TIMESTAMP))).item()


def _known(draw: st.DrawFn, day: date) -> dict[str, object]:
    known_from = day + timedelta(days=draw(st.integers(0, 40)))
    closes = draw(st.one_of(st.none(), st.integers(1, 60)))
    return {"known_from": known_from, "known_until": closes and known_from + timedelta(days=closes)}


def _order(draw: st.DrawFn, number: int) -> dict[str, object]:
    ordered = _at(draw)
    returned = _at(draw, ordered, later)
    return {
        "order_id": f"o{number}",
        "customer_id": draw(st.sampled_from(CUSTOMERS)),
        "ordered_at": _instant(ordered),
        "ordered_date": _day(ordered),
        "amount": draw(st.one_of(st.none(), st.floats(0, 1e6).map(lambda value: round(value, 2)))),
        "category": draw(st.sampled_from(["x", "y", None])),
        "channel": draw(st.sampled_from(["web", "shop", None])),
        "promised_at": _instant(_at(draw, ordered, later)),
        "delivered_at": _instant(_at(draw, ordered, later)),
        "returned_at": _instant(returned),
        "returned_share": None if returned is None else draw(st.floats(0, 1)),
        "fault_at": _instant(draw(st.sampled_from([returned, None]))),
        "cancelled_at": _instant(_at(draw, ordered, later)) if number % 4 == 3 else None,
        **_known(draw, _day(ordered)),
    }


def _complaint(draw: st.DrawFn, number: int) -> dict[str, object]:
    opened = _at(draw)
    return {
        "complaint_id": f"k{number}",
        "customer_id": draw(st.sampled_from(CUSTOMERS)),
        "order_id": draw(st.sampled_from([None, "o0", "o1", "o2"])),
        "opened_at": _instant(opened),
        "opened_date": _day(opened),
        "dimension": draw(st.sampled_from(DIMENSIONS)),
        "severity": draw(st.one_of(st.none(), st.integers(1, 5))),
        "first_response_at": _instant(_at(draw, opened, later)),
        "resolved_at": _instant(_at(draw, opened, later)),
        "resolution": draw(st.sampled_from(["refunded", "rejected", None])),
        "reopened_at": _instant(_at(draw, opened, later)),
        **_known(draw, _day(opened)),
    }


def _churn(draw: st.DrawFn, number: int) -> dict[str, object]:
    left = _at(draw)
    return {
        "customer_id": CUSTOMERS[number],
        "churned_at": _instant(left),
        "churned_date": _day(left),
        "kind": "voluntary",
        "reactivated_at": _instant(_at(draw, left, later)),
        **_known(draw, _day(left)),
    }


def covered(log: EventLog, day: date) -> pl.DataFrame:
    return coverage(log.known(SETTINGS.as_of(day))).collect()


def made(log: EventLog, day: date, shown: pl.DataFrame | None = None) -> tuple[Summaries, pl.DataFrame]:
    shown = covered(log, day) if shown is None else shown
    summaries, trials = summarise(log, day, SETTINGS, RHYTHM, covered=shown)
    return Summaries(summaries.customers, summaries.streams.sort("customer_id", "stream")), trials


def of(summaries: Summaries, customers: pl.Series) -> Summaries:
    return Summaries(*(frame.filter(pl.col("customer_id").is_in(customers.implode())) for frame in summaries))


def together(*many: Summaries) -> Summaries:
    customers, streams = (pl.concat(frames) for frames in zip(*many, strict=True))
    return Summaries(customers.sort("customer_id"), streams.sort("customer_id", "stream"))


def changed(log: EventLog, kept: Summaries, since: date, day: date) -> pl.Series:
    """Whose summaries no longer stand, as the night finds them."""
    woken = kept.customers.filter(pl.col("wakes_on") <= day)["customer_id"]
    found = [woken]
    for source in ("orders", "complaints", "churn", "customers"):
        came_or_went = pl.any_horizontal(
            ((pl.col(name) > since) & (pl.col(name) <= day)).fill_null(value=False)
            for name in ("known_from", "known_until")
        )
        found.append(getattr(log, source).filter(came_or_went).collect()["customer_id"])
    direct = pl.concat(found).unique()
    return pl.concat([direct, with_entangled(log, direct)]).unique().sort()


def with_entangled(log: EventLog, customers: pl.Series) -> pl.Series:
    pairs = entangled(log).collect()
    return pairs.filter(pl.col("customer_id").is_in(customers.implode()))["other_id"]


@SOME
@given(logs(), st.integers(0, 500), st.integers(1, 60))
def test_what_is_kept_is_what_would_be_made_anew(log: EventLog, days: int, ahead: int) -> None:
    since, day = START + timedelta(days=days), START + timedelta(days=days + ahead)
    assume(anchors(since, SETTINGS) == anchors(day, SETTINGS))  # else everybody is made anew
    shown = covered(log, day)
    kept, _ = made(log, since, shown)
    anew = changed(log, kept, since, day)
    part = log.of_customers(pl.concat([anew, with_entangled(log, anew)]).unique())
    told = together(
        Summaries(*(frame.filter(~pl.col("customer_id").is_in(anew.implode())) for frame in kept)),
        of(made(part, day, shown)[0], anew),
    )
    whole, _ = made(log, day)
    assert_frame_equal(told.customers, whole.customers, check_exact=True)
    assert_frame_equal(told.streams, whole.streams, check_exact=True)


@SOME
@given(logs(), st.integers(0, 500))
def test_customers_in_parts_are_what_they_are_together(log: EventLog, days: int) -> None:
    day = START + timedelta(days=days)
    whole, trials = made(log, day)
    as_of = SETTINGS.as_of(day)
    parts, touched, outcomes = [], [], []
    for name in CUSTOMERS:
        own = pl.Series("customer_id", [name])
        part = log.of_customers(pl.concat([own, with_entangled(log, own)]).unique())
        found, of_part = made(part, day, covered(log, day))
        parts.append(of(found, own))
        news = touched_customers(part, of_part, before=as_of.minus(1), now=as_of)
        touched.append(news.filter(news == name))
        outcomes.append(
            trial_outcomes(
                part.known(as_of), as_of=as_of, settings=SETTINGS.evidence, covered=covered(log, day).lazy(),
                customers=own,
            )
        )  # fmt: skip
    told = together(*parts)
    assert_frame_equal(told.customers, whole.customers, check_exact=True)
    assert_frame_equal(told.streams, whole.streams, check_exact=True)
    assert pl.concat(touched).sort().equals(touched_customers(log, trials, before=as_of.minus(1), now=as_of))
    everybody = trial_outcomes(log.known(as_of), as_of=as_of, settings=SETTINGS.evidence)
    assert added_up(outcomes).equals(everybody)
    assert added_up([everybody], outcomes).is_empty()


@SOME
@given(logs(), st.integers(0, 500))
def test_summaries_say_what_the_events_say(log: EventLog, days: int) -> None:
    day = START + timedelta(days=days)
    summaries, _ = made(log, day)
    snapshot = take_evidence(log, day, SETTINGS, RHYTHM)
    assert evidence_on(summaries, day, SETTINGS).equals(snapshot.evidence)
    assert status_on(summaries, day, SETTINGS).equals(take_status(snapshot, SETTINGS))
    if snapshot.evidence.height:
        assert features_on(summaries, day, SETTINGS, None).equals(take_features(snapshot, SETTINGS))
    counts = snapshot.counts.with_columns(pl.col("stream").cast(pl.String))
    ours = counts_of(summaries).join(snapshot.evidence, on="customer_id", how="semi").sort("customer_id", "stream")
    theirs = counts.join(snapshot.evidence, on="customer_id", how="semi").sort("customer_id", "stream")
    assert ours.equals(theirs)


def test_a_summary_wakes_when_time_alone_changes_it() -> None:
    """A promise that falls due without a delivery: the morning after it is late, although no row has come."""
    minute = 24 * 60
    order = {
        "order_id": "o0", "customer_id": "ann", "ordered_at": _instant(0), "ordered_date": _day(0),
        "promised_at": _instant(5 * minute), "known_from": _day(0),
    }  # fmt: skip
    log = event_log([order])
    kept, _ = made(log, _day(0))
    due = _day(5 * minute)
    assert kept.customers["wakes_on"].to_list() == [due]
    late = features(log.known(SETTINGS.as_of(due)), as_of=SETTINGS.as_of(due)).collect()
    assert late["orders_late"].to_list() == [1]
    assert features_on(kept, due, SETTINGS, None)["orders_late"].to_list() == [0]  # it had to be made anew


def test_a_summary_wakes_when_a_complaint_has_waited_too_long_although_nobody_records_responses() -> None:
    log = event_log([_first_order("ann")], [_first_complaint("ann")])
    kept, _ = made(log, START)
    due = _day(2 * 24 * 60)
    assert kept.customers["wakes_on"].to_list() == [due]
    assert features_on(kept, due, SETTINGS, None)["complaints_answered_late"].to_list() == [0]  # had to be made anew
    assert features_on(made(log, due)[0], due, SETTINGS, None)["complaints_answered_late"].to_list() == [1]


def test_no_summary_changes_before_the_day_on_which_it_is_to_be_made_anew() -> None:
    """Day by day, for customers with one kind of matter each, so that no other wakes them."""
    days = 24 * 60
    again = {"order_id": "o-again", "ordered_at": _instant(100 * days), "ordered_date": _day(100 * days)}
    log = event_log(
        [
            _first_order("plain"),
            _first_order("late", promised_at=_instant(9 * days), delivered_at=_instant(50 * days)),
            _first_order("returned", returned_at=_instant(60 * days), returned_share=1.0, fault_at=_instant(60 * days)),
            _first_order("cancelled", cancelled_at=_instant(70 * days), returned_at=_instant(70 * days)),
            _first_order("cross"),
            _first_order("gone"),
            _first_order("twice"),
            _first_order("twice") | again | {"known_from": _day(100 * days)},
        ],
        [_first_complaint("cross", first_response_at=_instant(40 * days), resolved_at=_instant(75 * days))],
        churn=[{"customer_id": "gone", "churned_at": _instant(55 * days), "churned_date": _day(55 * days),
                "kind": "voluntary", "reactivated_at": _instant(101 * days), "known_from": _day(0)}],
    )  # fmt: skip
    shown, moved = covered(log, START + timedelta(days=400)), set[tuple[str, int]]()
    for number in (*range(1, 110), *range(178, 183), *range(274, 278), *range(364, 378)):
        since, day = START + timedelta(days=number - 1), START + timedelta(days=number)
        kept, now = (made(log, at, shown)[0] for at in (since, day))
        if anchors(day, SETTINGS) == anchors(since, SETTINGS):
            anew = set(changed(log, kept, since, day))
            told = {name for name in now.customers["customer_id"] if _said(kept, name) != _said(now, name)}
            assert told <= anew, f"day {number}: {sorted(told - anew)} changed and would have been kept"
            moved |= {(name, number) for name in told}
    of_plain = {number for name, number in moved if name == "plain"}
    assert {20, 30, 90, 180, 365} <= of_plain  # due, matured, and out of the windows
    assert {("late", 9), ("late", 50), ("returned", 60), ("cross", 75), ("gone", 55), ("gone", 101)} <= moved
    assert ("twice", 375) in moved  # its second order enters the season of a year ago


def _first_order(customer: str, **facts: object) -> dict[str, object]:
    row = {"order_id": f"o-{customer}", "customer_id": customer, "ordered_at": _instant(0), "ordered_date": _day(0)}
    return row | {"amount": 10.0, "known_from": _day(0)} | facts


def _first_complaint(customer: str, **facts: object) -> dict[str, object]:
    row = {"complaint_id": f"k-{customer}", "customer_id": customer, "order_id": f"o-{customer}", "severity": 3}
    row |= {"opened_at": _instant(0), "opened_date": _day(0), "dimension": "product_quality", "known_from": _day(0)}
    return row | facts


def _said(summaries: Summaries, customer: str) -> tuple[object, ...]:
    of_customer = (frame.filter(pl.col("customer_id") == customer) for frame in summaries)
    return tuple(frame.drop("wakes_on", strict=False).rows() for frame in of_customer)


@pytest.mark.parametrize("days", [0, 29, 400])
def test_summaries_without_features_hold_the_same_evidence(days: int) -> None:
    day = START + timedelta(days=days)
    log = event_log([{"order_id": "o", "customer_id": "ann", "ordered_at": _instant(0), "ordered_date": _day(0),
                      "known_from": _day(0), "channel": "web"}])  # fmt: skip
    less, _ = summarise(log, day, SETTINGS, RHYTHM, covered=covered(log, day), has_features=False)
    assert evidence_on(less, day, SETTINGS).equals(evidence_on(made(log, day)[0], day, SETTINGS))
