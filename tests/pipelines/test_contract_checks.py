import dataclasses
from datetime import date, datetime

import duckdb
import pytest

from data_contracts import CrossRule, contract, landing_contracts
from data_contracts.sql import row_rules
from pipelines.checks.contract_checks import verify
from pipelines.checks.findings import keep, kept
from pipelines.ingest.accepting import prepare

GOOD = {
    "order_id": "O1",
    "line_no": 1,
    "customer_id": "C1",
    "ordered_at": datetime(2024, 1, 1, 10),
    "amount": 1.0,
    "currency": "EUR",
    "load_date": date(2024, 1, 10),
    "source_file": "f",
    "source_row": 1,
}
CHURN = {
    "customer_id": "C1",
    "churned_at": datetime(2024, 1, 1),
    "kind": "voluntary",
    "load_date": date(2024, 1, 10),
    "source_file": "f",
    "source_row": 1,
}


def put(warehouse, source, *rows):
    """Put rows into raw behind the loader's back."""
    prepare(warehouse, contract(source))
    for row in rows:
        names, marks = ", ".join(row), ", ".join("?" * len(row))
        warehouse.run(f"insert into raw.{source} ({names}) values ({marks})", list(row.values()))


def broken(findings):
    return [found.check_name for found in findings if not found.is_passed]


def test_good_rows_keep_every_promise_and_each_promise_is_told_once(warehouse):
    put(warehouse, "purchases", GOOD, GOOD | {"order_id": "O2"})
    findings = verify(warehouse, contract("purchases"), "raw")
    assert broken(findings) == []
    names = [found.check_name for found in findings]
    assert names[:5] == ["types", "columns", "rows", "key", "order_id_required"]
    columns = [column.name for column in contract("purchases").loaded]
    rules = [rule.name for rule in row_rules(contract("purchases"), columns)]
    judged = [name for name in rules if not name.endswith(("_type", "_future"))]
    assert names[4:] == judged


def test_every_kind_of_row_promise_fails_alone_in_its_place(warehouse):
    breaks = {
        "amount_range": {"amount": -5.0},
        "amount_finite": {"amount": float("nan")},
        "order_id_length": {"order_id": "x" * 201},
        "customer_id_pattern": {"customer_id": "a\tb"},
        "currency_pattern": {"currency": "euro"},
        "line_no_range": {"line_no": -1},
        "ordered_at_range": {"ordered_at": datetime(1970, 1, 1)},
        "delivered_after_order": {"delivered_at": datetime(2023, 12, 31)},
    }
    rows = [{"order_id": f"T{place}"} | change for place, change in enumerate(breaks.values())]
    put(warehouse, "purchases", GOOD, *[GOOD | change for change in rows])
    findings = {found.check_name: found for found in verify(warehouse, contract("purchases"), "raw")}
    assert [name for name, found in findings.items() if found.failed_rows] == [
        name for name in findings if name in breaks or (name == "amount_range")
    ]
    failed = {name: found.failed_rows for name, found in findings.items() if not found.is_passed}
    assert failed.pop("amount_range") in (1, 2)  # whether NaN is out of range is the matter of its own promise
    assert failed == dict.fromkeys(breaks.keys() - {"amount_range"}, 1)
    assert findings["amount_range"].text_en == "amount must be at least 0 and at most 1000000000"
    assert findings["currency_pattern"].column_name == "currency"


def test_a_value_that_is_not_agreed_on_fails(warehouse):
    put(warehouse, "churn", CHURN, CHURN | {"customer_id": "C2", "kind": "sulking"})
    (found,) = [found for found in verify(warehouse, contract("churn"), "raw") if not found.is_passed]
    assert (found.check_name, found.failed_rows, found.checked_rows) == ("kind_allowed", 1, 2)


def test_a_key_may_come_again_on_another_day_but_not_in_one_delivery(warehouse):
    put(warehouse, "churn", CHURN, CHURN | {"load_date": date(2024, 1, 11)})
    assert broken(verify(warehouse, contract("churn"), "raw")) == []
    put(warehouse, "churn", CHURN)
    (found,) = [found for found in verify(warehouse, contract("churn"), "raw") if not found.is_passed]
    assert found.check_name == "key"
    assert found.text_en == "no two rows have the same customer_id + churned_at + load_date"


def test_a_missing_value_fails_where_the_table_lets_it_in(warehouse):
    put(warehouse, "churn", CHURN)
    warehouse.run("create or replace table raw.churn as select * from raw.churn")
    put(warehouse, "churn", CHURN | {"kind": None, "customer_id": "C2"})
    (found,) = [found for found in verify(warehouse, contract("churn"), "raw") if not found.is_passed]
    assert (found.check_name, found.text_en) == ("kind_required", "kind must be given in every row")


def test_a_column_that_nobody_agreed_on_fails_the_table(warehouse):
    put(warehouse, "churn", CHURN)
    warehouse.run("alter table raw.churn add column loyalty_no varchar")
    assert broken(verify(warehouse, contract("churn"), "raw")) == ["columns"]


@pytest.mark.parametrize(
    ("change", "observed"), [("alter reason type integer", "reason: INTEGER"), ("drop reason", "reason: missing")]
)
def test_a_column_that_is_missing_or_of_another_type_is_the_only_finding(warehouse, change, observed):
    put(warehouse, "churn", CHURN)
    warehouse.run(f"alter table raw.churn {change}")
    (found,) = verify(warehouse, contract("churn"), "raw")
    assert (found.check_name, found.is_passed, found.severity, found.observed) == ("types", False, "error", observed)


def test_a_table_with_too_few_rows_fails(warehouse):
    put(warehouse, "purchases")
    (found,) = [found for found in verify(warehouse, contract("purchases"), "raw") if not found.is_passed]
    assert (found.check_name, found.text_en) == ("rows", "the table has at least 1 row")


def test_a_promise_that_cannot_be_looked_at_is_an_error_and_no_verdict(warehouse):
    put(warehouse, "churn", CHURN)
    rule = CrossRule("odd", "no_such_column > 0", ("kind",), "odd", "odd")
    with pytest.raises(RuntimeError, match=r"raw\.churn: broken_rules_expectation could not be evaluated"):
        verify(warehouse, dataclasses.replace(contract("churn"), rules=(rule,)), "raw")
    assert broken(verify(warehouse, contract("churn"), "raw")) == []


def test_suites_after_each_other_do_not_mix_and_leave_nothing_open(warehouse):
    put(warehouse, "churn", CHURN)
    put(warehouse, "purchases", GOOD | {"amount": -5.0})
    assert broken(verify(warehouse, contract("churn"), "raw")) == []
    assert broken(verify(warehouse, contract("purchases"), "raw")) == ["amount_range"]
    assert broken(verify(warehouse, contract("churn"), "raw")) == []
    for cursor in warehouse._cursors:
        with pytest.raises(duckdb.ConnectionException, match="closed"):
            cursor.execute("select 1")
    warehouse.run("drop table raw.churn")
    put(warehouse, "churn", CHURN | {"kind": "sulking"})
    assert broken(verify(warehouse, contract("churn"), "raw")) == ["kind_allowed"]


def test_findings_can_be_kept_whatever_came_out(warehouse):
    put(warehouse, "churn", CHURN | {"kind": "sulking"}, CHURN | {"reason": "moved"})
    findings = verify(warehouse, contract("churn"), "raw")
    keep(warehouse, date(2024, 1, 10), "contract", "churn", findings)
    assert sorted(map(str, kept(warehouse, date(2024, 1, 10), "contract", "churn"))) == sorted(map(str, findings))


def test_every_promise_has_words_in_both_languages(warehouse):
    for source in landing_contracts():
        if source.name in ("fx_rates", "surveys"):
            prepare(warehouse, source)
            for found in verify(warehouse, source, "raw"):
                assert found.text_en.isascii()
                assert not found.text_zh.isascii()
                assert "\n" not in found.text_en + found.text_zh
