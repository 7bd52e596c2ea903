from datetime import date

import pytest

from pipelines.checks.findings import Finding, keep, kept, one_line

DAY = date(2024, 1, 10)


def finding(name: str, **changes: object) -> Finding:
    values = {
        "table_name": "churn",
        "check_name": name,
        "column_name": None,
        "rule": "rule",
        "severity": "error",
        "is_passed": True,
        "checked_rows": None,
        "failed_rows": None,
        "observed": None,
        "text_en": "text",
        "text_zh": "文字",
    }
    return Finding(**(values | changes))


def test_what_is_kept_comes_back_as_it_was(warehouse):
    found = [finding("a"), finding("b", is_passed=False, checked_rows=2, failed_rows=1, observed="1", column_name="c")]
    keep(warehouse, DAY, "delivery", "churn", found)
    assert kept(warehouse, DAY, "delivery", "churn") == found


def test_a_stage_replaces_only_what_it_found_for_that_table_and_day(warehouse):
    others = [(DAY, "contract", "churn"), (DAY, "delivery", "surveys"), (date(2024, 1, 9), "delivery", "churn")]
    for other in others:
        keep(warehouse, *other, [finding("kept", table_name=other[2])])
    keep(warehouse, DAY, "delivery", "churn", [finding("old")])
    keep(warehouse, DAY, "delivery", "churn", [finding("new")])
    assert [found.check_name for found in kept(warehouse, DAY, "delivery", "churn")] == ["new"]
    assert [kept(warehouse, *other)[0].check_name for other in others] == ["kept"] * 3


def test_no_findings_clear_the_old_ones(warehouse):
    keep(warehouse, DAY, "delivery", "churn", [])
    keep(warehouse, DAY, "delivery", "churn", [finding("old")])
    keep(warehouse, DAY, "delivery", "churn", [])
    assert kept(warehouse, DAY, "delivery", "churn") == []


@pytest.mark.parametrize(
    ("text", "line"), [("a\nb\x00\x00c\td", "a b c d"), ("茶 – fine", "茶 – fine"), ("x" * 3000, "x" * 2000)]
)
def test_a_finding_speaks_in_one_line(text, line):
    assert one_line(text) == line
