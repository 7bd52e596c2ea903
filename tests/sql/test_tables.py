from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from data_contracts import contract, landing_contracts, published_contracts
from pipelines.bi import marts
from pipelines.ingest.accepting import prepare
from pipelines.staging import TABLES, stage
from trust_models.as_of import SCHEMAS

HERE = Path(__file__).parent
CASES = sorted(path.parent for path in HERE.rglob("given.yaml"))
"""A case is a folder ``<schema>/<table>/<case>``: rows given by table, with defaults; rows expected, in order, each
with the columns that the case is about. Settings of the warehouse stand under ``settings``, those of contracts that a
mart shall read instead under ``variables``."""


def rows(given: dict[str, Any], table: str) -> list[dict[str, Any]]:
    default = given.get("defaults", {}).get(table, {})
    return [default | row for row in given[table]]


def put(warehouse, table: str, content: list[dict[str, Any]]) -> None:
    schema, name = table.split(".")
    if schema != "raw":
        known = SCHEMAS.get(name) if schema == "staging" else None
        warehouse.replace(table, pl.DataFrame(content, schema=known, infer_schema_length=None))
        return
    for place, row in enumerate(content, start=1):
        row = {"load_date": date(2024, 1, 10), "source_file": "file", "source_row": place} | row
        names, marks = ", ".join(row), ", ".join("?" * len(row))
        warehouse.run(f"insert into raw.{name} ({names}) values ({marks})", list(row.values()))


def run(warehouse, schema: str, table: str) -> list[dict[str, Any]]:
    if schema == "staging":
        stage(warehouse, table)
    else:
        marts.make(warehouse, contract(table))
    order = " order by order_id, known_from" if table == "orders" else ""
    return warehouse.records(f"from {schema}.{table}{order}")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.relative_to(HERE).as_posix())
def test_rows_given_become_rows_expected(case, open_warehouse, monkeypatch):
    given = yaml.safe_load((case / "given.yaml").read_text("utf-8"))
    expected = yaml.safe_load((case / "expect.yaml").read_text("utf-8"))
    warehouse = open_warehouse(**{"currency": "EUR", **given.get("settings", {})})
    for source in landing_contracts():
        prepare(warehouse, source)
    if case.parents[1].name == "marts":
        for table in TABLES:
            stage(warehouse, table)
    variables = marts.variables
    monkeypatch.setattr(marts, "variables", lambda mart: variables(mart) | given.get("variables", {}))
    for table in given.keys() - {"settings", "defaults", "variables"}:
        put(warehouse, table, rows(given, table))
    if case.parent.name == "repurchases":
        stage(warehouse, "orders")
    found = run(warehouse, case.parent.parent.name, case.parent.name)
    shown = [{name: row[name] for name in wanted} for row, wanted in zip(found, expected, strict=False)]
    assert shown == expected
    assert len(found) == len(expected)


@pytest.mark.parametrize("table", TABLES)
def test_every_staging_table_is_empty_where_nothing_was_delivered(table, warehouse):
    for source in landing_contracts():
        prepare(warehouse, source)
    stage(warehouse, "orders")
    assert stage(warehouse, table) == 0


def test_every_query_has_cases_or_is_held_by_whole_nights():
    queries = {path.stem for path in (HERE.parents[1] / "sql" / "staging").glob("*.sql")}
    assert queries == set(TABLES) == {case.parent.name for case in CASES if case.parents[1].name == "staging"}
    marts = {path.stem for path in (HERE.parents[1] / "sql" / "marts").glob("*.sql")}
    assert marts == {agreed.name for agreed in published_contracts()}
