"""Great Expectations on an open DuckDB connection.

Belongs here: the SQLAlchemy dialect and the data source that let Great Expectations push its queries down to
the connection that the pipeline already holds. Retire this file when Great Expectations ships an engine for DuckDB.
Must not be here: what is expected of the data (see ``contract_checks``).
"""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any, ClassVar, Literal

import sqlalchemy as sa
from great_expectations.compatibility import pydantic
from great_expectations.datasource.fluent import SQLDatasource
from great_expectations.datasource.fluent.sql_datasource import QueryAsset, TableAsset
from great_expectations.execution_engine import SqlAlchemyExecutionEngine
from great_expectations.expectations import UnexpectedRowsExpectation
from sqlalchemy.dialects import registry
from sqlalchemy.engine.default import DefaultDialect
from sqlalchemy.pool import StaticPool

_TYPES = {
    "VARCHAR": sa.String,
    "DOUBLE": sa.Double,
    "BIGINT": sa.BigInteger,
    "BOOLEAN": sa.Boolean,
    "DATE": sa.Date,
    "TIMESTAMP": sa.DateTime,
}


class _Error(Exception):
    """PEP 249's root of errors; DuckDB's own exceptions pass through unwrapped."""


class _Module:
    """The part of a PEP 249 module that SQLAlchemy asks a dialect for."""

    paramstyle = "qmark"
    Error = _Error


class _Cursor:
    """A DuckDB cursor in the shape of PEP 249 (DuckDB's ``execute`` returns the connection itself)."""

    def __init__(self, cursor: Any) -> None:
        self._cursor = cursor

    def execute(self, statement: str, parameters: Any = None) -> "_Cursor":
        self._cursor.execute(statement, list(parameters or []))
        return self

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cursor, name)


class _Connection:
    """A door to the open DuckDB connection that SQLAlchemy may close without closing the warehouse."""

    def __init__(self, cursor: Any) -> None:
        self._connection = cursor

    def cursor(self) -> _Cursor:
        return _Cursor(self._connection.cursor())

    def commit(self) -> None:
        """Nothing to commit: Great Expectations only reads."""

    def rollback(self) -> None:
        """Nothing to roll back: Great Expectations only reads."""

    def close(self) -> None:
        self._connection.close()


class DuckDBDialect(DefaultDialect):
    """SQL as DuckDB speaks it, as far as expectations need it."""

    name = "duckdb"
    driver = "cursor"
    supports_statement_cache = True
    supports_native_boolean = True
    default_paramstyle = "qmark"

    @classmethod
    def import_dbapi(cls) -> Any:
        return _Module

    def _get_server_version_info(self, connection: Any) -> tuple[int, ...]:
        return ()

    def _get_default_schema_name(self, connection: Any) -> str:
        return "main"

    def do_ping(self, dbapi_connection: Any) -> bool:
        return True

    def get_schema_names(self, connection: Any, **_: Any) -> list[str]:
        rows = connection.execute(sa.text("select distinct schema_name from duckdb_schemas() order by all"))
        return [row[0] for row in rows]

    def has_table(self, connection: Any, table_name: str, schema: str | None = None, **_: Any) -> bool:
        return bool(self.get_columns(connection, table_name, schema))

    def get_columns(self, connection: Any, table_name: str, schema: str | None = None, **_: Any) -> list[Any]:
        rows = connection.execute(
            sa.text(
                "select column_name, data_type, is_nullable from duckdb_columns()"
                " where table_name = :name and schema_name = :schema order by column_index"
            ),
            {"name": table_name, "schema": schema or "main"},
        )
        return [
            {"name": name, "type": _TYPES.get(data_type, sa.types.NullType)(), "nullable": nullable, "default": None}
            for name, data_type, nullable in rows
        ]


registry.register("duckdb", __name__, "DuckDBDialect")


class _ExecutionEngine(SqlAlchemyExecutionEngine):
    """Keeps one connection for all metrics of a suite; the stock engine closes it before it fetches."""

    @contextmanager
    def get_connection(self) -> Generator[sa.Connection, None, None]:
        if self._connection is None:
            self._connection = self.engine.connect()
        yield self._connection

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        self.engine.dispose()


class DuckDBDatasource(SQLDatasource):
    """A Great Expectations data source over a DuckDB connection that is already open."""

    asset_types: ClassVar[list[Any]] = [TableAsset, QueryAsset]
    type: Literal["duckdb"] = "duckdb"  # type: ignore[assignment]  # fluent data sources narrow the tag, as GX's own do
    _cursor: Callable[[], Any] = pydantic.PrivateAttr()

    @property
    def execution_engine_type(self) -> Any:
        return _ExecutionEngine

    def on_cursor(self, cursor: Callable[[], Any]) -> "DuckDBDatasource":
        """Read through cursors made by ``cursor`` (a DuckDB connection's ``cursor`` method)."""
        self._cursor = cursor
        return self

    def test_connection(self, test_assets: bool = True) -> None:
        """Nothing to try: the connection is open before the data source exists."""

    def get_engine(self) -> sa.Engine:
        if self._engine is None:
            self._engine = sa.create_engine(
                "duckdb://", poolclass=StaticPool, creator=lambda: _Connection(self._cursor())
            )
        return self._engine

    def get_execution_engine(self) -> Any:
        if self._execution_engine is None:
            self._execution_engine = _ExecutionEngine(engine=self.get_engine(), create_temp_table=False)
        return self._execution_engine

    def release(self) -> None:
        """Close every cursor that was opened for this data source."""
        if self._execution_engine is not None:
            self._execution_engine.close()
            self._execution_engine = None
        self._engine = None


class BrokenRulesExpectation(UnexpectedRowsExpectation):
    """Expects no row of a query that has a row for each broken rule, and shows them: they hold counts and no data.

    Each row says how many there are (``broken_rules``): the stock expectation would run the query twice to count them.
    """

    metric_dependencies: ClassVar[tuple[str, ...]] = ("unexpected_rows_query.table",)

    def _validate(
        self, metrics: dict[str, Any], runtime_configuration: Any = None, execution_engine: Any = None
    ) -> dict[str, Any]:
        broken = metrics["unexpected_rows_query.table"]
        count = broken[0]["broken_rules"] if broken else 0
        return {"success": count == 0, "result": {"observed_value": count, "details": {"unexpected_rows": broken}}}


class UniqueKeyExpectation(UnexpectedRowsExpectation):
    """Expects the one row of a query to count no row (``failed_rows``) whose key another has too."""

    metric_dependencies: ClassVar[tuple[str, ...]] = ("unexpected_rows_query.table",)

    def _validate(
        self, metrics: dict[str, Any], runtime_configuration: Any = None, execution_engine: Any = None
    ) -> dict[str, Any]:
        (counted,) = metrics["unexpected_rows_query.table"]
        rows, repeated = int(counted["checked_rows"]), int(counted["failed_rows"])
        return {"success": repeated == 0, "result": {"element_count": rows, "unexpected_count": repeated}}
