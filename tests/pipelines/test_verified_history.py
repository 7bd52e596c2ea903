import dataclasses
from datetime import date

import polars as pl
import pytest

from data_contracts import CrossRule, contract
from pipelines.bi import history, marts
from pipelines.checks import contract_checks
from pipelines.checks.contract_checks import verify_made

HISTORY = contract(history.NAME)
D1, D2, D3 = (date(2024, 1, day) for day in (10, 11, 12))
OF_TYPES = {"VARCHAR": "x", "DOUBLE": 0.5, "DATE": D1, "BOOLEAN": False}
SCORED = {"trust_status": "scored", "churn_status": "active", "churn_basis": "model"}
VALUES = OF_TYPES | SCORED | {"trust_low": 40.0, "trust_score": 50.0, "trust_high": 60.0}
ROW = {column.name: VALUES.get(column.name, VALUES[column.type]) for column in HISTORY.columns}


@pytest.fixture
def looked_at(monkeypatch):
    """The days that each check looked at; None where it was the whole table."""
    told, verify = [], contract_checks.verify
    monkeypatch.setattr(contract_checks, "verify", lambda *given: (told.append(given[3]), verify(*given))[1])
    return told


def score(warehouse, day, *customers, **more):
    rows = pl.DataFrame([ROW | {"as_of": day, "customer_id": one} | more for one in customers])
    warehouse.replace_part("scores.customer_days", rows, "as_of = ?", (day,))
    marts.make(warehouse, HISTORY)


def broken(findings):
    return [found.check_name for found in findings if not found.is_passed]


def test_a_night_looks_at_its_own_day_and_counts_all(warehouse, looked_at):
    score(warehouse, D1, "A", "B")
    assert broken(verify_made(warehouse, HISTORY, D1)) == []
    score(warehouse, D2, "A", "B", "C")
    findings = verify_made(warehouse, HISTORY, D2)
    assert looked_at == [None, [D2]]
    assert broken(findings) == []
    assert {found.checked_rows for found in findings} == {None, 5}
    assert [found.checked_rows for found in findings if found.check_name == "key"] == [5]


def test_a_night_that_is_run_again_looks_at_the_same_day(warehouse, looked_at):
    score(warehouse, D1, "A")
    verify_made(warehouse, HISTORY, D1)
    score(warehouse, D2, "A")
    for night in (D2, D2, D3):
        verify_made(warehouse, HISTORY, night)
    assert looked_at == [None, [D2], [D2], []]


def test_a_past_day_that_was_scored_again_is_looked_at(warehouse, looked_at):
    score(warehouse, D1, "A")
    score(warehouse, D2, "A")
    verify_made(warehouse, HISTORY, D2)
    score(warehouse, D1, "A", churn_status="perhaps")
    score(warehouse, D3, "A")
    assert broken(verify_made(warehouse, HISTORY, D3)) == ["churn_status_allowed"]
    assert looked_at == [None, [D1, D3]]


def test_a_key_that_comes_twice_on_a_new_day_is_found(warehouse):
    score(warehouse, D1, "A")
    verify_made(warehouse, HISTORY, D1)
    score(warehouse, D2, "A", "B")
    warehouse.run(f"insert into marts.{history.NAME} from marts.{history.NAME} where customer_id = 'B'")
    (found,) = [found for found in verify_made(warehouse, HISTORY, D2) if not found.is_passed]
    assert (found.check_name, found.checked_rows, found.failed_rows) == ("key", 4, 2)


def test_what_is_broken_is_looked_at_until_it_is_mended(warehouse, looked_at):
    score(warehouse, D1, "A")
    verify_made(warehouse, HISTORY, D1)
    score(warehouse, D2, "A", trust_status="perhaps")
    assert broken(verify_made(warehouse, HISTORY, D2)) == broken(verify_made(warehouse, HISTORY, D3)) != []
    score(warehouse, D2, "A")
    assert broken(verify_made(warehouse, HISTORY, D3)) == []
    assert looked_at == [None, [D2], [D2], [D2]]


def test_another_promise_is_held_of_all_days(warehouse, looked_at):
    score(warehouse, D1, "A")
    verify_made(warehouse, HISTORY, D1)
    rule = CrossRule("small", "trust_score < 20", ("trust_score",), "small", "小")
    other = dataclasses.replace(HISTORY, rules=(*HISTORY.rules, rule))
    assert broken(verify_made(warehouse, other, D2)) == ["small"]
    assert looked_at == [None, None]
