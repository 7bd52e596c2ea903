import dataclasses
from datetime import date

import pytest

from data_contracts import contract
from data_contracts.sql import row_rules
from pipelines.checks.delivery_checks import delivery_findings
from pipelines.checks.findings import keep
from pipelines.ingest.loading import load

D1, D2 = date(2024, 1, 10), date(2024, 1, 11)


@pytest.fixture
def found(warehouse):
    """Load purchases up to a day; what can be said of its deliveries, by name of the check."""

    def run(as_of=D1, source="purchases", **changes):
        agreed = dataclasses.replace(contract(source), **changes)
        report = load(warehouse, agreed, as_of, "run")
        return {found.check_name: found for found in delivery_findings(warehouse, agreed, report, as_of)}

    return run


def failed(findings):
    return [name for name, finding in findings.items() if not finding.is_passed]


def rows(purchase, good, bad=0):
    return [purchase(order_id=f"O{n}", amount="-5" if n < bad else "1") for n in range(good + bad)]


def test_a_good_delivery_keeps_every_promise(found, deliver, purchase):
    deliver("purchases", f"{D1}.csv", rows(purchase, 20))
    findings = found()
    assert failed(findings) == []
    assert list(findings) == ["readable", "present", "account", "quarantine", "freshness"]
    assert findings["account"].observed == "read 20, accepted 20 (table: 20), quarantined 0 (table: 0)"
    assert all(finding.text_en.isascii() and not finding.text_zh.isascii() for finding in findings.values())


def test_files_that_cannot_be_read_are_errors_each_in_both_languages(found, deliver, purchase):
    deliver("purchases", f"{D1}.csv", "")
    deliver("purchases", f"{D2}.csv", "order_id;amount\n")
    deliver("purchases", "2024-01-09.csv", rows(purchase, 1))
    findings = found(D2)
    assert failed(findings) == ["readable_1", "readable_2"]
    assert findings["readable_1"].severity == "error"
    assert findings["readable_2"].text_en == (
        "purchases/2024-01-11.csv line 1: columns are separated by semicolons; export the file with commas"
    )
    assert findings["readable_2"].text_zh == "purchases/2024-01-11.csv 第 1 行：列以分号分隔；请改用逗号导出"
    assert findings["readable_1"].text_zh == (
        "purchases/2024-01-10.csv：文件为空；请重新交付，即使没有数据也要有表头行"
    )


def test_purchases_must_be_there_and_the_others_need_not(found):
    findings = found()
    assert failed(findings) == ["present"]
    assert findings["present"].text_en == (
        "purchases must be there: without it there are no scores; put files into purchases/"
    )
    assert failed(found(source="complaints")) == []


@pytest.mark.parametrize(
    ("limit", "good", "bad"), [(0.05, 19, 1), (0.29, 71, 29), (0.15, 17, 3), (0.07, 93, 7), (0, 5, 0)]
)
def test_exactly_the_agreed_share_in_quarantine_passes(found, deliver, purchase, limit, good, bad):
    deliver("purchases", f"{D1}.csv", rows(purchase, good, bad))
    assert failed(found(max_quarantined_share=limit)) == []


def test_more_than_the_agreed_share_in_quarantine_fails_with_the_day_named(found, deliver, purchase):
    deliver("purchases", f"{D1}.csv", rows(purchase, 18, 1))
    deliver("purchases", f"{D2}.csv", rows(purchase, 100))
    findings = found(D2)
    assert failed(findings) == ["quarantine_2024-01-10"]
    finding = findings["quarantine_2024-01-10"]
    assert finding.text_en == (
        "purchases of 2024-01-10: 1 of 19 rows are in quarantine, more than 5%; mend the file and deliver it again"
        " (rows and reasons: quarantine.purchases)"
    )
    assert "2024-01-10" in finding.text_zh
    assert (finding.severity, finding.checked_rows, finding.failed_rows) == ("error", 19, 1)
    assert finding.observed == "5.26%"


def test_a_share_is_told_as_it_was_agreed(found, deliver, purchase):
    deliver("purchases", f"{D1}.csv", rows(purchase, 18, 1))
    assert "more than 0.5%;" in found(max_quarantined_share=0.005)["quarantine_2024-01-10"].text_en


def test_the_share_is_of_a_delivery_with_all_its_files(found, deliver, purchase):
    deliver("purchases", f"{D1}/a.csv", rows(purchase, 0, 1))
    deliver("purchases", f"{D1}/b.csv", [purchase(order_id=f"B{n}") for n in range(19)])
    assert failed(found()) == []


def test_a_delivery_that_was_mended_is_no_longer_held_against_its_source(found, deliver, purchase):
    deliver("purchases", f"{D1}.csv", rows(purchase, 1, 1))
    assert failed(found())
    deliver("purchases", f"{D1}.csv", rows(purchase, 2))
    assert failed(found()) == []


@pytest.mark.parametrize(
    "harm",
    [
        "delete from raw.purchases where order_id = 'O3'",
        "insert into raw.purchases select * from raw.purchases limit 1",
        "delete from quarantine.purchases",
        "update meta.loads set rows_read = rows_read + 1",
    ],
)
def test_rows_that_are_missing_from_the_account_fail_it(warehouse, found, deliver, purchase, harm):
    deliver("purchases", f"{D1}.csv", rows(purchase, 30, 1))
    assert failed(found()) == []
    warehouse.run(harm)
    assert failed(found()) == ["account"]


def test_the_account_of_a_night_does_not_look_at_later_days(warehouse, found, deliver, purchase):
    deliver("purchases", f"{D1}.csv", rows(purchase, 1))
    deliver("purchases", f"{D2}.csv", rows(purchase, 1))
    found(D2)
    warehouse.run("delete from raw.purchases where load_date = ?", (D2,))
    assert failed(found(D1)) == []


def test_unknown_columns_and_stray_files_are_warnings_each(found, deliver, purchase):
    deliver("purchases", f"{D1}.csv", [purchase(loyalty_no="7", age="30")])
    deliver("purchases", "notes.txt", "x")
    findings = found()
    assert failed(findings) == ["unknown_column_1", "unknown_column_2", "stray_1"]
    assert {findings[name].severity for name in failed(findings)} == {"warning"}
    assert findings["unknown_column_2"].text_en == (
        "purchases/2024-01-10.csv: column 'loyalty_no' is not in the contract and was not loaded;"
        " add it there if it is needed"
    )
    assert findings["unknown_column_2"].column_name == "loyalty_no"
    assert findings["stray_1"].text_zh == "purchases/notes.txt：未加载；文件名必须是交付日期，例如 2026-01-31.csv"


def test_findings_about_odd_names_keep_the_contract_of_their_own_table(warehouse, found, deliver, purchase):
    odd = ["tab\there", "nul\x00", "long" * 100, "line\nbreak", "it's"]
    deliver("purchases", f"{D1}.parquet", [purchase(**dict.fromkeys(odd, "1"))])
    findings = [finding for finding in found().values() if finding.rule == "unknown_column"]
    assert len(findings) == 5
    columns = ["check_name", "column_name", "rule", "text_en", "text_zh"]
    rules = [
        rule for rule in row_rules(contract("data_quality"), columns) if not rule.name.endswith(("_type", "_required"))
    ]
    broken = " or ".join(f"not ({rule.condition})" for rule in rules if rule.column)
    for finding in findings:
        values = ", ".join(f'? as "{name}"' for name in columns)
        assert (
            warehouse.run(f"select 1 from (select {values}) where {broken}", [getattr(finding, n) for n in columns])
            == []
        )


def test_a_late_delivery_is_a_warning_that_says_how_late(found, deliver, purchase):
    deliver("purchases", f"{D1}.csv", rows(purchase, 1))
    assert failed(found(date(2024, 1, 12))) == []
    findings = found(date(2024, 1, 13))
    assert failed(findings) == ["freshness"]
    assert findings["freshness"].severity == "warning"
    assert findings["freshness"].text_en == (
        "purchases: the newest delivery is of 2024-01-10, 3 days before 2024-01-13, and at most 2 are agreed;"
        " ask order-management for the missing days"
    )


def test_a_source_that_never_delivered_is_not_late(found):
    assert "freshness" not in found(source="complaints")


def test_a_night_run_again_with_nothing_to_load_keeps_its_drift_warnings(warehouse, deliver, purchase):
    deliver("purchases", f"{D1}.csv", [purchase(loyalty_no="7")])
    said = []
    for run in ("first", "again"):
        report = load(warehouse, contract("purchases"), D1, run)
        findings = delivery_findings(warehouse, contract("purchases"), report, D1)
        keep(warehouse, D1, "delivery", "purchases", findings)
        said.append([finding for finding in findings if finding.rule == "unknown_column"])
    assert len(said[0]) == 1
    assert said[0] == said[1]
