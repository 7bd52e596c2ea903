from datetime import date

import polars as pl
import pytest

from trust_models.event_study import event_study

NIGHTS = [date(2024, month, 1) for month in range(1, 8)]


def scores(**by_customer: list[float]) -> pl.DataFrame:
    rows = [
        (name, night, value)
        for name, values in by_customer.items()
        for night, value in zip(NIGHTS, values, strict=True)
        if value is not None
    ]
    return pl.DataFrame(rows, schema=["customer_id", "as_of", "trust_score"], orient="row")


def complaints(*rows: tuple[str, date, bool]) -> pl.DataFrame:
    schema = {
        "customer_id": pl.String,
        "opened_date": pl.Date,
        "is_resolved": pl.Boolean,
    }
    frame = pl.DataFrame(rows, schema=schema, orient="row")
    return frame.with_columns(due_date=pl.col("opened_date").dt.offset_by("14d"))


def everybody(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.select("customer_id", "as_of")


OPENED = date(2024, 2, 10)  # due on 24 February: 30 days later is 25 March, 60 days later 24 April


def test_the_fall_is_taken_from_the_night_before_to_the_nights_after_beside_those_who_did_not_complain() -> None:
    found = scores(
        upset=[70, 60, 99, 40, 45, 0, 0],
        calm=[60, 61, 99, 63, 64, 0, 0],
        elsewhere=[20, 20, 20, 20, 20, 20, 20],
    )
    figures = event_study(found, complaints(("upset", OPENED, False)), everybody(found))
    told = {name: value.value for name, value in figures.items() if name.startswith("unresolved")}
    assert told == {
        "unresolved/before": 60,
        "unresolved/30/change": -20,
        "unresolved/30/matched": 2,
        "unresolved/30/effect": -22,
        "unresolved/60/change": -15,
        "unresolved/60/matched": 3,
        "unresolved/60/effect": -18,
    }
    assert figures["unresolved/30/effect"].n == 1


def test_recovery_is_what_a_resolved_complaint_costs_less() -> None:
    found = scores(upset=[60, 60, 0, 40, 40, 0, 0], soothed=[60, 60, 0, 55, 58, 0, 0], calm=[60] * 7)
    figures = event_study(
        found, complaints(("upset", OPENED, False), ("soothed", OPENED, True)), everybody(found), seed=1
    )
    assert figures["resolved/30/effect"].value == -5
    assert figures["recovery/30"].value == pytest.approx(15)
    assert figures["recovery/60"].value == pytest.approx(18)


def test_a_score_of_the_day_of_the_complaint_is_not_from_before() -> None:
    found = scores(upset=[70, 50, 0, 50, 50, 0, 0], calm=[70] * 7)
    figures = event_study(found, complaints(("upset", date(2024, 2, 1), False)), everybody(found))
    assert figures["unresolved/before"].value == 70


def test_a_customer_who_complains_again_in_between_is_left_out() -> None:
    found = scores(upset=[60, 60, 0, 40, 40, 0, 0], calm=[60] * 7)
    twice = complaints(("upset", OPENED, False), ("upset", date(2024, 4, 1), False))
    assert event_study(found, twice, everybody(found))["unresolved/30/effect"].n == 0


def test_only_comparable_customers_stand_for_those_without_a_complaint() -> None:
    found = scores(upset=[60, 60, 0, 40, 40, 0, 0], calm=[60] * 7, silent=[60, 60, 60, 50, 50, 50, 50])
    comparable = everybody(found).filter(pl.col("customer_id") != "silent")
    figures = event_study(found, complaints(("upset", OPENED, False)), comparable)
    assert figures["unresolved/30/matched"].value == 0


def test_who_complained_in_between_stands_for_nobody() -> None:
    found = scores(upset=[60, 60, 0, 40, 40, 0, 0], other=[60, 60, 0, 10, 10, 0, 0], calm=[60] * 7)
    both = complaints(("upset", OPENED, False), ("other", date(2024, 3, 20), True))
    assert event_study(found, both, everybody(found))["unresolved/30/matched"].value == 0


def test_a_complaint_with_nobody_alike_or_no_later_night_says_nothing() -> None:
    found = scores(upset=[60, 60, 0, 40, 40, 0, 0], calm=[10] * 7)
    alone = event_study(found, complaints(("upset", OPENED, False)), everybody(found))
    assert alone["unresolved/30/effect"] == (None, None, None, 0)
    late = event_study(found, complaints(("upset", date(2024, 6, 20), False)), everybody(found))
    assert late["recovery/60"].value is None
