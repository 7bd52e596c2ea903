"""The door to the warehouse: the only file that knows DuckDB.

Belongs here: opening the private warehouse, reading and replacing tables, running the project's SQL.
Must not be here: what the tables mean. One process writes; inside it, several cursors may read.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import duckdb
import polars as pl

from pipelines.errors import UserError
from pipelines.settings import Settings

SQL = Path(__file__).resolve().parent.parent / "sql"
SCHEMAS = ("meta", "raw", "quarantine", "staging", "features", "scores", "marts")

DuckDBError = duckdb.Error
__version__ = duckdb.__version__


class Warehouse:
    """An open warehouse. Use it as a context manager: it closes every cursor it made.

    Parameters
    ----------
    settings : Settings
        Names the folder and the business time zone. The folder is made if it does not exist.

    Raises
    ------
    UserError
        If another process holds the warehouse, or the folder cannot be written.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.path = settings.warehouse / "warehouse.duckdb"
        self._connection = _connect(self.path)
        self._cursors: list[duckdb.DuckDBPyConnection] = []
        spill = str(settings.warehouse / "tmp").replace("'", "''")
        self._connection.execute(
            f"set TimeZone = 'UTC'; set temp_directory = '{spill}'; set autoinstall_known_extensions = false;"
            "set autoload_known_extensions = false;"
            + "".join(f"create schema if not exists {schema};" for schema in SCHEMAS)
        )
        self._connection.execute(_macros(settings.time_zone))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the warehouse; what was committed is on disk."""
        for cursor in self._cursors:
            cursor.close()
        self._connection.close()

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """A cursor of its own on the open warehouse, closed with the warehouse."""
        cursor = self._connection.cursor()
        self._cursors.append(cursor)
        return cursor

    def run(self, statement: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Run a statement and return its rows."""
        rows: list[tuple[Any, ...]] = self._connection.execute(statement, list(parameters)).fetchall()
        return rows

    def value(self, statement: str, parameters: Sequence[object] = ()) -> Any:
        """The first column of the first row of a query, or None."""
        rows = self.run(statement, parameters)
        return rows[0][0] if rows else None

    def records(self, statement: str, parameters: Sequence[object] = ()) -> list[dict[str, Any]]:
        """The rows of a query as dictionaries."""
        result = self._connection.execute(statement, list(parameters))
        names = [column[0] for column in result.description or ()]
        return [dict(zip(names, row, strict=True)) for row in result.fetchall()]

    def frame(self, query: str) -> pl.DataFrame:
        """A query's result as a Polars frame."""
        frame: pl.DataFrame = self._connection.sql(query).pl()
        return frame

    def table(self, name: str) -> pl.DataFrame:
        """A table, whole, as a Polars frame."""
        return self.frame(f"select * from {name}")

    def has_table(self, name: str) -> bool:
        """Whether ``schema.table`` exists."""
        schema, table = name.split(".")
        return bool(self.run("select 1 from duckdb_tables() where schema_name = ? and table_name = ?", (schema, table)))

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing: what happens inside is committed together, or not at all."""
        self._connection.execute("begin")
        try:
            yield
        except BaseException:
            self._connection.execute("rollback")
            raise
        self._connection.execute("commit")

    def replace(self, name: str, frame: pl.DataFrame) -> None:
        """Make ``name`` hold just the rows of a frame, with the frame's columns."""
        with self.offered(frame) as view:
            self._connection.execute(f"create or replace table {name} as select * from {view}")

    def replace_part(self, name: str, frame: pl.DataFrame, where: str, parameters: Sequence[object] = ()) -> None:
        """Replace the rows of ``name`` that meet a condition by those of a frame, in one transaction."""
        with self.offered(frame) as view, self.transaction():
            self._connection.execute(f"create table if not exists {name} as select * from {view} limit 0")
            self._connection.execute(f"delete from {name} where {where}", list(parameters))
            self._connection.execute(f"insert into {name} by name select * from {view}")

    @contextmanager
    def offered(self, frame: pl.DataFrame) -> Iterator[str]:
        """Offer a frame to SQL under a name for the time of a ``with`` block."""
        self._connection.register("offered_frame", frame.to_arrow())
        try:
            yield "offered_frame"
        finally:
            self._connection.unregister("offered_frame")

    @contextmanager
    def attached(self, path: Path, name: str, storage_version: str) -> Iterator[None]:
        """Attach a new database file for the time of a ``with`` block; at its end everything is in that one file."""
        file = str(path).replace("'", "''")
        self._connection.execute(f"attach '{file}' as {name} (storage_version '{storage_version}')")
        try:
            yield
            self._connection.execute(f"checkpoint {name}")
        finally:
            self._connection.execute(f"detach {name}")

    def run_file(self, path: str, into: str, variables: Mapping[str, object] | None = None) -> int:
        """Make table ``into`` of the one select in ``sql/<path>``; returns its number of rows."""
        for name, value in (variables or {}).items():
            self._set_variable(name, value)
        self._connection.execute(f"create or replace table {into} as {(SQL / path).read_text(encoding='utf-8')}")
        return int(self.value(f"select count(*) from {into}"))

    def _set_variable(self, name: str, value: object) -> None:
        if isinstance(value, Mapping):
            pairs = {"keys": list(value), "values": list(value.values())}
            self._connection.execute(f"set variable {name} = map($keys, $values)", pairs)
        else:
            self._connection.execute(f"set variable {name} = $value", {"value": value})


def _connect(path: Path) -> duckdb.DuckDBPyConnection:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return duckdb.connect(str(path))
    except OSError as error:
        raise UserError(
            f"{path.parent}: cannot be used as the warehouse ({error.strerror}); choose another folder"
        ) from error
    except duckdb.IOException as error:
        if "lock" in str(error).lower():
            raise UserError(f"{path}: another process is using the warehouse; wait until it has ended") from error
        raise UserError(f"{path}: cannot be opened ({str(error).splitlines()[0]})") from error


def _macros(time_zone: str) -> str:
    """Functions that the project's SQL uses: the business day of an instant, and from when a row counts as known."""
    day = "instant" if time_zone == "UTC" else f"(instant at time zone 'UTC' at time zone '{time_zone}')"
    return f"""
        create or replace temp macro business_date(instant) as cast({day} as date);
        create or replace temp macro known_from(event_date, load_date, first_load_date) as
            case when load_date = first_load_date then least(event_date, load_date) else load_date end;
    """
