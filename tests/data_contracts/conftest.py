# timestamps without a zone are UTC here
import json
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from data_contracts import Contract
from data_contracts.sql import row_rules, typed_columns

if TYPE_CHECKING:
    import duckdb

DELIVERED_END = datetime(2024, 7, 1)

Source = Mapping[str, object]
"""Source values by column; a text starting with ``sql:`` is a SQL expression, anything else is passed as it is."""


@pytest.fixture(scope="session")
def good_rows() -> dict[str, dict[str, str]]:
    """A row of each table that keeps every promise, as CSV would deliver it: all columns, all text."""
    rows: dict[str, dict[str, str]] = json.loads(Path(__file__).with_name("good_rows.json").read_text("utf-8"))
    return rows


@pytest.fixture(scope="session")
def delivered_end() -> datetime:
    return DELIVERED_END


@pytest.fixture(scope="session")
def connection() -> "Iterator[duckdb.DuckDBPyConnection]":
    import duckdb  # at the top of a conftest, beside hypothesis, it is reported as leaked at exit

    with duckdb.connect() as con:
        con.execute("SET TimeZone = 'UTC'")
        con.execute("SET threads = 1")
        yield con


def _select(contract: Contract, source: Source) -> tuple[str, list[object]]:
    sources, values = [], []
    for name, value in source.items():
        is_sql = isinstance(value, str) and value.startswith("sql:")
        sources.append(f'{value[4:] if is_sql else "?"} AS "src_{name}"')
        values += [] if is_sql else [value]
    typed = ", ".join(f'{sql} AS "{name}"' for name, sql in typed_columns(contract, source.keys()).items())
    rows = f"SELECT {', '.join(sources)}, TIMESTAMP '{DELIVERED_END}' AS delivered_end"
    return f"SELECT *, {typed} FROM ({rows})", values


@pytest.fixture
def typed(connection: "duckdb.DuckDBPyConnection") -> Callable[[Contract, Source], dict[str, object]]:
    def run(contract: Contract, source: Source) -> dict[str, object]:
        select, values = _select(contract, source)
        names = ", ".join(f'"{column.name}"' for column in contract.loaded)
        row = connection.execute(f"SELECT {names} FROM ({select})", values).fetchall()[0]
        return dict(zip([column.name for column in contract.loaded], row, strict=True))

    return run


@pytest.fixture
def broken(connection: "duckdb.DuckDBPyConnection") -> Callable[[Contract, Source], list[str]]:
    def run(contract: Contract, source: Source) -> list[str]:
        select, values = _select(contract, source)
        rules = row_rules(contract, source.keys())
        verdicts = ", ".join(f"({rule.condition}) IS NOT DISTINCT FROM false" for rule in rules)
        row = connection.execute(f"SELECT {verdicts} FROM ({select})", values).fetchall()[0]
        return [rule.name for rule, is_broken in zip(rules, row, strict=True) if is_broken]

    return run
