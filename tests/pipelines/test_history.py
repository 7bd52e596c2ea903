from datetime import date

import polars as pl
import pytest

from data_contracts import contract
from pipelines.bi import history, marts

HISTORY = contract("customer_scores_history")
ROW = {column.name: None for column in HISTORY.columns} | {"is_reconstructed": False}
TYPES = {"VARCHAR": pl.String, "DOUBLE": pl.Float64, "DATE": pl.Date, "BOOLEAN": pl.Boolean}
SCHEMA = {column.name: TYPES[column.type] for column in HISTORY.columns}
FIRST, SECOND, THIRD = date(2024, 1, 31), date(2024, 2, 1), date(2024, 2, 2)
TOLD = "select customer_id, as_of, trust_score from marts.customer_scores_history"


@pytest.fixture
def scored(warehouse):
    score(warehouse, FIRST, {"C2": 20.04, "C1": 10.0})
    score(warehouse, SECOND, {"C1": 11.0})
    assert marts.make(warehouse, HISTORY) == 3
    return warehouse


@pytest.fixture
def made_again(monkeypatch):
    """The days that are made again."""
    days, replace = [], history._replace_days
    monkeypatch.setattr(history, "_replace_days", lambda *given: (days.extend(given[2]), replace(*given)))
    return days


def score(warehouse, day, scores, **more):
    rows = [ROW | {"as_of": day, "customer_id": one, "trust_score": told} | more for one, told in scores.items()]
    where = "as_of = ? and is_reconstructed = ?"
    frame = pl.DataFrame(rows, schema=SCHEMA)
    warehouse.replace_part("scores.customer_days", frame, where, (day, more.get("is_reconstructed", False)))


def test_each_day_is_told_in_the_order_of_its_customers(scored):
    assert scored.run(TOLD) == [("C1", FIRST, 10.0), ("C2", FIRST, 20.0), ("C1", SECOND, 11.0)]


def test_a_night_makes_its_own_day_and_leaves_the_others(scored, made_again):
    score(scored, THIRD, {"C1": 12.0})
    assert marts.make(scored, HISTORY) == 4
    assert made_again == [THIRD]
    assert scored.run(TOLD)[-1] == ("C1", THIRD, 12.0)
    marts.make(scored, HISTORY)
    assert made_again == [THIRD]


def test_a_day_that_is_scored_again_is_told_anew(scored, made_again):
    score(scored, FIRST, {"C1": 50.0, "C3": 60.0})
    marts.make(scored, HISTORY)
    assert made_again == [FIRST]
    assert sorted(scored.run(TOLD)) == [("C1", FIRST, 50.0), ("C1", SECOND, 11.0), ("C3", FIRST, 60.0)]


def test_what_a_night_said_goes_before_what_is_told_of_its_day_afterwards(scored):
    score(scored, FIRST, {"C2": 70.0, "C9": 90.0}, is_reconstructed=True)
    marts.make(scored, HISTORY)
    day = f"{TOLD} where as_of = date '{FIRST}' order by all"
    assert scored.run(day) == [("C1", FIRST, 10.0), ("C2", FIRST, 20.0), ("C9", FIRST, 90.0)]


def test_rows_that_are_deleted_are_told_no_more(scored):
    scored.run("delete from scores.customer_days where customer_id = 'C2'")
    marts.make(scored, HISTORY)
    assert scored.run(TOLD) == [("C1", SECOND, 11.0), ("C1", FIRST, 10.0)]
    scored.run("delete from scores.customer_days where as_of = ?", (FIRST,))
    marts.make(scored, HISTORY)
    assert scored.run(TOLD) == [("C1", SECOND, 11.0)]


def test_a_day_that_does_not_hold_what_was_made_is_made_again(scored, made_again):
    scored.run("update marts.customer_scores_history set trust_score = 99 where as_of = ?", (SECOND,))
    marts.make(scored, HISTORY)
    assert made_again == [SECOND]
    assert scored.run(TOLD)[-1] == ("C1", SECOND, 11.0)


def test_the_history_of_another_version_is_made_anew(scored, made_again):
    scored.run(
        "create or replace table marts.customer_scores_history as select 'C1' as customer_id, date '2024-1-31' as as_of"
    )
    assert marts.make(scored, HISTORY) == 3
    assert made_again == []
    assert scored.run(TOLD) == [("C1", FIRST, 10.0), ("C2", FIRST, 20.0), ("C1", SECOND, 11.0)]


def test_a_failure_leaves_the_days_as_they_were(scored, monkeypatch):
    score(scored, SECOND, {"C1": 50.0})
    account = history._account

    def fail_at_last(select):
        if scored.value("select count(*) = 0 from meta.history_days where as_of = ?", (SECOND,)):
            raise OSError("disk full")
        return account(select)

    monkeypatch.setattr(history, "_account", fail_at_last)
    with pytest.raises(OSError, match="disk full"):
        marts.make(scored, HISTORY)
    assert scored.run(TOLD)[-1] == ("C1", SECOND, 11.0)
    monkeypatch.undo()
    marts.make(scored, HISTORY)
    assert scored.run(TOLD)[-1] == ("C1", SECOND, 50.0)
