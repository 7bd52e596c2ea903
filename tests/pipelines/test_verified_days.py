import dataclasses
from datetime import date

import pytest

from data_contracts import CrossRule, contract
from pipelines.checks.contract_checks import verify_delivered
from pipelines.ingest.loading import load, load_again
from pipelines.settings import Settings
from pipelines.warehouse import Warehouse

PURCHASES = contract("purchases")
D1, D2, D3, D4 = (date(2024, 1, day) for day in (10, 11, 12, 13))


@pytest.fixture
def night(warehouse, deliver, purchase):
    """Deliver orders on a day, load them, and hold what is new to the contract; returns rows looked at."""

    def run(day, *orders, agreed=PURCHASES, is_checked=True):
        if orders:
            deliver("purchases", f"{day}.csv", [purchase(order_id=order) for order in orders])
        load(warehouse, PURCHASES, day, "run")
        return looked_at(verify_delivered(warehouse, agreed, day)) if is_checked else None

    return run


def looked_at(findings):
    (rows,) = {found.checked_rows for found in findings if found.checked_rows is not None}
    return rows


def broken(findings):
    return [found.check_name for found in findings if not found.is_passed]


def test_a_night_looks_at_the_rows_that_it_loaded(night):
    assert night(D1, "A", "B", "C") == 3
    assert night(D2, "A", "D") == 2
    assert night(D3) == 0


def test_a_night_that_is_run_again_looks_at_the_same_rows(night):
    night(D1, "A", "B", "C")
    night(D2, "A", "D")
    assert [night(D2), night(D1), night(D2), night(D3)] == [2, 3, 2, 0]


def test_the_table_as_a_whole_is_looked_at_whatever_was_delivered(warehouse, night):
    night(D1, "A")
    warehouse.run("alter table raw.purchases add column loyalty_no varchar")
    assert broken(verify_delivered(warehouse, PURCHASES, D3)) == ["columns"]
    warehouse.run("alter table raw.purchases drop column loyalty_no; alter table raw.purchases alter amount type float")
    assert broken(verify_delivered(warehouse, PURCHASES, D3)) == ["types"]


def test_rows_that_a_killed_run_loaded_are_looked_at_by_the_next(night):
    night(D1, "A")
    night(D2, "B", "C", is_checked=False)
    assert night(D3, "D") == 3
    assert night(D4) == 0


def test_a_day_that_broke_a_promise_is_looked_at_until_it_keeps_it(warehouse, night):
    night(D1, "A")
    night(D2, "B", "C", is_checked=False)
    warehouse.run("update raw.purchases set amount = -5 where order_id = 'B'")
    for _ in range(2):
        findings = verify_delivered(warehouse, PURCHASES, D3)
        assert (broken(findings), looked_at(findings)) == (["amount_range"], 2)
    warehouse.run("update raw.purchases set amount = 5 where order_id = 'B'")
    assert night(D2) == 2
    assert night(D3) == 0


def test_a_key_that_stands_twice_in_a_new_delivery_is_found(warehouse, night):
    night(D1, "A")
    night(D2, "A", "B", is_checked=False)
    warehouse.run("update raw.purchases set order_id = 'A'")
    assert broken(verify_delivered(warehouse, PURCHASES, D3)) == ["key"]


def test_a_day_that_is_loaded_again_is_looked_at_again(warehouse, night):
    night(D1, "A", "B")
    night(D2, "C")
    load_again(warehouse, PURCHASES, D2, "run")
    assert night(D3) == 1
    load_again(warehouse, PURCHASES, D1, "run")
    assert night(D4) == 2


def test_another_contract_has_every_row_looked_at(night):
    night(D1, "A", "B")
    stricter = dataclasses.replace(PURCHASES, rules=(CrossRule("paid", "amount > 0", ("amount",), "paid", "已付"),))
    assert night(D2, "C", agreed=stricter) == 3
    assert night(D3, agreed=stricter) == 0
    assert night(D3) == 3


def test_what_an_erasure_leaves_of_a_day_is_not_looked_at_again(warehouse, night):
    night(D1, "A", "B")
    warehouse.run(
        "delete from raw.purchases where order_id = 'A'; update meta.loads set rows_accepted = 1, rows_erased = 1"
    )
    assert night(D2, "C") == 1


def test_a_full_night_looks_at_every_row(warehouse, night):
    night(D1, "A", "B")
    settings = dataclasses.replace(warehouse.settings, is_full=True)
    warehouse.close()
    with Warehouse(settings) as again:
        assert looked_at(verify_delivered(again, PURCHASES, D2)) == 2
    with Warehouse(Settings(settings.landing, settings.warehouse)) as again:
        assert looked_at(verify_delivered(again, PURCHASES, D3)) == 0


def test_rows_that_the_ledger_does_not_know_are_always_looked_at(warehouse, night):
    night(D1, "A")
    warehouse.run("insert into raw.purchases select * replace (date '2024-01-11' as load_date) from raw.purchases")
    assert [looked_at(verify_delivered(warehouse, PURCHASES, D3)) for _ in range(2)] == [1, 1]
