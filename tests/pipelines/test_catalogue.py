from pathlib import Path

import dagster as dg
import pytest

from data_contracts import contract
from pipelines.catalogue import asset_metadata, check_result, column_schema, refused_rows
from pipelines.checks.findings import Finding
from pipelines.definitions import defs

ERROR = dg.AssetCheckSeverity.ERROR


def finding(text: str, is_passed: bool = False, checked: int | None = None, failed: int | None = None) -> Finding:
    return Finding("churn", "name", None, "rule", "error", is_passed, checked, failed, None, text, "文字")


def test_a_check_without_failures_passes_and_says_how_much_it_held():
    result = check_result([finding("a", True), finding("b", True)], ERROR)
    assert result.passed
    assert result.description == "2 promises kept"
    assert len(result.metadata["results"].value) == 2
    assert check_result([finding("a", True)], ERROR).description == "1 promise kept"


def test_a_failed_check_names_the_table_and_the_rows_once():
    findings = [
        finding("kind must be given in every row", checked=10, failed=2),
        finding("good", is_passed=True),
        finding("churn/2024-01-10.csv: is empty"),
        finding("churn of 2024-01-10: 2 of 10 rows are in quarantine", checked=10, failed=2),
    ]
    result = check_result(findings, ERROR)
    assert not result.passed
    assert result.description == (
        "churn: kind must be given in every row (2 of 10 rows); churn/2024-01-10.csv: is empty;"
        " churn of 2024-01-10: 2 of 10 rows are in quarantine"
    )
    assert result.metadata["failed"].value == 3


def test_a_check_with_many_failures_tells_the_first_ten():
    result = check_result([finding(f"churn {place}") for place in range(30)], ERROR)
    assert result.description.count(";") == 9


def test_columns_are_shown_with_type_description_and_classification():
    churn = contract("churn")
    columns = {column.name: column for column in column_schema(churn).columns}
    assert list(columns) == [column.name for column in churn.loaded]
    assert columns["customer_id"].tags == {"classification": "personal"}
    assert not columns["kind"].constraints.nullable
    assert columns["reason"].constraints.nullable
    assert asset_metadata(churn)["key"] == "customer_id + churned_at"


def test_files_behind_a_table_are_there_to_be_opened():
    told = asset_metadata(contract("customer_scores"))
    assert Path(told["contract"].path).is_file()
    assert Path(told["sql"].path).is_file()
    page, _, anchor = told["contract_reference"].path.partition("#")
    assert f"### {anchor}" in Path(page).read_text(encoding="utf-8")


def test_a_check_says_where_refused_rows_are_and_nothing_where_there_are_none():
    told = check_result([], ERROR, refused_rows("churn", 1200)).metadata["refused_rows"].value
    assert told == "1,200 in quarantine.churn; see 'trust quarantine show churn'"
    assert "refused_rows" not in check_result([], ERROR, refused_rows("churn", 0)).metadata


@pytest.fixture(scope="module")
def assets():
    graph = defs().resolve_asset_graph()
    return [graph.get(key) for key in graph.get_all_asset_keys()]


def test_people_see_of_every_asset_what_it_is_whose_it_is_and_what_makes_it(assets):
    assert len(assets) > 40
    for asset in assets:
        name = asset.key.to_user_string()
        assert len(asset.description or "") > 20, name
        assert asset.owners, name
        assert asset.kinds, name
        assert asset.group_name == asset.key.path[0], name


def test_every_check_says_what_it_holds(assets):
    graph = defs().resolve_asset_graph()
    checks = [graph.get(key) for key in graph.asset_check_keys]
    assert len(checks) > 30
    assert [check.key for check in checks if not check.description] == []
