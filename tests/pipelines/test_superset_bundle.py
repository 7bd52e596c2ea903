import json
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
import yaml

from data_contracts import contract
from pipelines.bi.superset_bundle import bundle, uri

Parts = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Parts:
    out = bundle("/srv/warehouse/bi.duckdb", tmp_path_factory.mktemp("superset") / "dashboard.zip")
    with ZipFile(out) as file:
        return {name.partition("/")[2]: yaml.safe_load(file.read(name)) for name in file.namelist()}


def of(parts: Parts, folder: str) -> list[dict[str, Any]]:
    return [part for name, part in parts.items() if name.startswith(f"{folder}/")]


def queries(chart: dict[str, Any]) -> list[dict[str, Any]]:
    return list(json.loads(chart["query_context"])["queries"])


def named(column: str | dict[str, Any]) -> str:
    return column if isinstance(column, str) else str(column["sqlExpression"])


def test_the_database_is_opened_to_read_and_path_names_may_hold_blanks() -> None:
    assert uri("/my data/bi.duckdb") == "duckdb:////my%20data/bi.duckdb?access_mode=READ_ONLY"


def test_the_place_that_is_given_is_where_superset_looks(parts: Parts) -> None:
    (database,) = of(parts, "databases")
    assert database["sqlalchemy_uri"] == uri("/srv/warehouse/bi.duckdb")


def test_every_dataset_has_the_columns_of_its_contract_with_their_meaning(parts: Parts) -> None:
    for dataset in of(parts, "datasets"):
        stored = [column for column in dataset["columns"] if "expression" not in column]
        promised = contract(dataset["table_name"]).columns
        assert [column["column_name"] for column in stored] == [column.name for column in promised]
        assert [column["type"] for column in stored] == [column.type for column in promised]
        assert all(column["description"] for column in stored)


def test_every_label_is_that_of_a_column(parts: Parts) -> None:
    folder = Path(bundle.__code__.co_filename).parents[1] / "docs" / "superset" / "datasets"
    for path in folder.rglob("*.yaml"):
        part = yaml.safe_load(path.read_text(encoding="utf-8"))
        names = {column.name for column in contract(part["table_name"]).columns}
        assert {c["column_name"] for c in part["columns"] if "expression" not in c} <= names, path


def test_charts_ask_for_columns_and_metrics_that_their_dataset_has(parts: Parts) -> None:
    datasets = {dataset["uuid"]: dataset for dataset in of(parts, "datasets")}
    for chart in of(parts, "charts"):
        dataset = datasets[chart["dataset_uuid"]]
        columns = {column["column_name"] for column in dataset["columns"]}
        metrics = {metric["metric_name"] for metric in dataset["metrics"]}
        for query in queries(chart):
            asked = {named(column) for column in query["columns"]} | {part["col"] for part in query["filters"]}
            assert asked <= columns, chart["slice_name"]
            assert set(query.get("metrics", [])) <= metrics, chart["slice_name"]


def test_what_a_chart_shows_is_what_its_query_asks_for(parts: Parts) -> None:
    for chart in of(parts, "charts"):
        params, (query,) = chart["params"], queries(chart)
        shown = params.get("all_columns") or [
            params[key] for key in ("x_axis", "groupby", "column") if isinstance(params.get(key), str)
        ]
        assert [named(column) for column in query["columns"]] == shown, chart["slice_name"]
        metrics = params.get("metrics") or [params[key] for key in ("metric",) if key in params]
        assert query.get("metrics", []) == metrics, chart["slice_name"]
        filters = [(part["subject"], part["operator"], part["comparator"]) for part in params["adhoc_filters"]]
        assert [(part["col"], part["op"], part["val"]) for part in query["filters"]] == filters, chart["slice_name"]


def test_the_dashboard_shows_every_chart_once_and_filters_by_columns_that_are_there(parts: Parts) -> None:
    (dashboard,) = of(parts, "dashboards")
    placed = [node["meta"]["uuid"] for node in dashboard["position"].values() if str(node).startswith("{'id': 'CHART")]
    assert sorted(placed) == sorted(chart["uuid"] for chart in of(parts, "charts"))
    datasets = {dataset["uuid"]: dataset for dataset in of(parts, "datasets")}
    for native in dashboard["metadata"]["native_filter_configuration"]:
        for target in native["targets"]:
            columns = {column["column_name"] for column in datasets[target["datasetUuid"]]["columns"]}
            assert target["column"]["name"] in columns


def test_customers_left_alone_for_comparison_are_on_no_chart_of_the_worklist(parts: Parts) -> None:
    (worklist,) = (part for part in of(parts, "datasets") if part["table_name"] == "retention_worklist")
    charts = [chart for chart in of(parts, "charts") if chart["dataset_uuid"] == worklist["uuid"]]
    assert charts
    for chart in charts:
        (query,) = queries(chart)
        assert {"col": "is_holdout", "op": "==", "val": False} in query["filters"]


def test_titles_are_in_both_languages(parts: Parts) -> None:
    (dashboard,) = of(parts, "dashboards")
    titles = [dashboard["dashboard_title"], *(chart["slice_name"] for chart in of(parts, "charts"))]
    assert [title for title in titles if " / " not in title or title.isascii()] == []
