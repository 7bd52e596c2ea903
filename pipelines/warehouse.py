"""The door to the warehouse: the only file that knows DuckDB.

Belongs here: opening the private warehouse, reading and replacing tables, running the project's SQL.
Must not be here: what the tables mean, or the words for what DuckDB reports (see ``opening`` and ``redaction``).

One process writes; inside it, several cursors may read. An open warehouse reaches the landing zone and its own folder
and nothing else: no other file, no network, no extension, and no statement can change that. What it raises holds no
value of any row.
"""

import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Self, TypeVar

import duckdb
import polars as pl
import pyarrow as pa

from pipelines.errors import BusyError
from pipelines.ingest.business_days import business_date_sql
from pipelines.settings import Settings
from pipelines.storage import migrations
from pipelines.storage.opening import damage, make_folder, opening_error
from pipelines.storage.private_files import tighten
from pipelines.storage.redaction import without_values

SQL = Path(__file__).resolve().parent.parent / "sql"
SCHEMAS = ("meta", "raw", "quarantine", "staging", "features", "scores", "marts")

FILE = "warehouse.duckdb"
BETWEEN_TRIES = 1.0
"""Seconds after which a warehouse that another process holds is tried again."""

SPILL = "tmp"
"""Folder inside the warehouse's for what does not fit into memory."""

_ENCRYPTED_SPILL = "set force_mbedtls_unsafe = 'true'; set temp_file_encryption = true;"
"""With pseudonyms no id as delivered may reach the disk; this is the only module in the wheel that encrypts."""

Result = TypeVar("Result")
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
    BusyError
        If another process holds the warehouse for longer than the settings let wait.
    UserError
        If the folder or the file cannot be used, or a newer version of the program made it.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.path = settings.warehouse / FILE
        make_folder(settings)
        self._connection = _wait_and_connect(self.path, settings.wait_minutes)
        self._cursors: list[Cursor] = []
        self._is_in_transaction = False
        try:
            tighten(settings)
            _lock_down(self._connection, settings)
            self._execute("".join(f"create schema if not exists {schema};" for schema in SCHEMAS))
            self._execute(macros(settings.time_zone))
            migrations.bring_up(self)
        except BaseException:
            self._connection.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the warehouse; what was committed is on disk.

        It lets go of its connections too: Dagster keeps this object until the process ends, and DuckDB complains of
        connections that are still held then.
        """
        for cursor in self._cursors:
            cursor.close()
        self._cursors.clear()
        if connection := self.__dict__.pop("_connection", None):
            connection.close()

    def cursor(self) -> "Cursor":
        """A cursor of its own on the open warehouse, closed with the warehouse."""
        cursor = Cursor(self._connection.cursor(), self.settings)
        self._cursors.append(cursor)
        return cursor

    def run(self, statement: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Run a statement and return its rows."""
        return self._guarded(lambda: self._connection.execute(statement, list(parameters)).fetchall(), statement)

    def value(self, statement: str, parameters: Sequence[object] = ()) -> Any:
        """The first column of the first row of a query, or None."""
        rows = self.run(statement, parameters)
        return rows[0][0] if rows else None

    def records(self, statement: str, parameters: Sequence[object] = ()) -> list[dict[str, Any]]:
        """The rows of a query as dictionaries."""
        rows = self.run(statement, parameters)
        names = [column[0] for column in self._connection.description or ()]
        return [dict(zip(names, row, strict=True)) for row in rows]

    def frame(self, query: str) -> pl.DataFrame:
        """A query's result as a Polars frame."""
        frame: pl.DataFrame = self._guarded(lambda: self._connection.sql(query).pl(), query)
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
        """All or nothing: what happens inside is committed together, or not at all; one inside another joins it."""
        if self._is_in_transaction:
            yield
            return
        self._execute("begin")
        self._is_in_transaction = True
        try:
            yield
        except BaseException:
            with suppress(duckdb.Error):  # after a full disk nothing can be rolled back: the error itself must be seen
                self._execute("rollback")
            raise
        else:
            self._execute("commit")
        finally:
            self._is_in_transaction = False

    def replace(self, name: str, frame: pl.DataFrame) -> None:
        """Make ``name`` hold just the rows of a frame, with the frame's columns."""
        with self.offered(frame) as view:
            self._execute(f"create or replace table {name} as select * from {view}")

    def replace_part(self, name: str, frame: pl.DataFrame, where: str, parameters: Sequence[object] = ()) -> None:
        """Replace the rows of ``name`` that meet a condition by those of a frame, in one transaction."""
        with self.transaction():
            if self.has_table(name):
                self._execute(f"delete from {name} where {where}", list(parameters))
            self.append(name, frame)

    def append(self, name: str, frame: pl.DataFrame) -> None:
        """Add the rows of a frame to a table, which is made where it is not there.

        It is made with the rows: one that is made empty by a select and filled in the same transaction looks empty from
        122,880 rows on, until the file is opened again (DuckDB 2.0.0).
        """
        with self.offered(frame) as view:
            if self.has_table(name):
                self._execute(f"insert into {name} by name select * from {view}")
            else:
                self._execute(f"create table {name} as select * from {view}")

    @contextmanager
    def offered(self, frame: pl.DataFrame) -> Iterator[str]:
        """Offer a frame to SQL under a name for the time of a ``with`` block, to be read once.

        It is offered as a stream, which holds nothing any more when it was read: DuckDB 2.0.0 holds on to what was
        offered in a transaction until its end. A second reading is an error.
        """
        table = frame.to_arrow()
        stream = pa.RecordBatchReader.from_batches(table.schema, iter(table.to_batches()))
        self._connection.register("offered_frame", stream)
        try:
            yield "offered_frame"
        finally:
            self._connection.unregister("offered_frame")

    @contextmanager
    def attached(self, path: Path, name: str, storage_version: str) -> Iterator[None]:
        """Attach a new database file for the time of a ``with`` block; at its end everything is in that one file."""
        file = str(path).replace("'", "''")
        self._execute(f"attach '{file}' as {name} (storage_version '{storage_version}')")
        try:
            yield
            self._execute(f"checkpoint {name}")
        finally:
            self._execute(f"detach {name}")

    def run_file(self, path: str, into: str, variables: Mapping[str, object] | None = None) -> int:
        """Make table ``into`` of the one select in ``sql/<path>``; returns its number of rows."""
        self.set_variables(variables or {})
        self._execute(f"create or replace table {into} as {(SQL / path).read_text(encoding='utf-8')}")
        return int(self.value(f"select count(*) from {into}"))

    def set_variables(self, variables: Mapping[str, object]) -> None:
        """Let SQL read these with ``getvariable``."""
        for name, value in variables.items():
            self._set_variable(name, value)

    def _set_variable(self, name: str, value: object) -> None:
        if isinstance(value, Mapping):
            pairs = {"keys": list(value), "values": list(value.values())}
            self._execute(f"set variable {name} = map($keys, $values)", pairs)
        else:
            self._execute(f"set variable {name} = $value", {"value": value})

    def _execute(self, statement: str, parameters: object = ()) -> None:
        self._guarded(lambda: self._connection.execute(statement, parameters), statement)

    def _guarded(self, call: Callable[[], Result], statement: str) -> Result:
        return _guarded(call, statement, self.settings)


@contextmanager
def looking_at(file: Path, name: str) -> Iterator[Warehouse]:
    """A database file, read only, as the database ``name`` of a warehouse of no contents.

    An open warehouse reaches nothing but its landing zone; here that is the folder of the file.

    Raises
    ------
    DuckDBError
        If the file cannot be read as a database, or another process writes it.
    """
    quoted = str(file).replace("'", "''")
    with (
        tempfile.TemporaryDirectory() as folder,
        Warehouse(Settings(landing=file.parent, warehouse=Path(folder) / "reader")) as reader,
    ):
        reader.run(f"attach '{quoted}' as {name} (read_only)")
        yield reader


class Cursor:
    """A cursor whose errors hold no value of any row; for the rest it is DuckDB's own."""

    def __init__(self, cursor: duckdb.DuckDBPyConnection, settings: Settings) -> None:
        self._cursor = cursor
        self._settings = settings

    def cursor(self) -> "Cursor":
        """Another cursor beside this one."""
        return Cursor(self._cursor.cursor(), self._settings)

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._cursor, name)
        if not callable(found):
            return found
        return lambda *arguments, **named: _guarded(lambda: found(*arguments, **named), "", self._settings)


class Trial:
    """A database of its own, in memory, that looks at delivered files before the warehouse does.

    A damaged file can end DuckDB with an internal error, after which that database answers nothing more. Here it ends
    this one only: the next query opens another. Use it as a context manager.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._connection: duckdb.DuckDBPyConnection | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def run(self, query: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Run a query and return its rows."""
        if self._connection is None:
            self._connection = duckdb.connect(":memory:")
            _lock_down(self._connection, self._settings)
        try:
            rows: list[tuple[Any, ...]] = self._connection.execute(query, list(parameters)).fetchall()
            return rows
        except duckdb.Error as error:
            told = type(error)(without_values(type(error).__name__, str(error), query, (self._settings.landing,)))
            if isinstance(error, duckdb.InternalException | duckdb.FatalException):
                self._close()
        raise told

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _guarded(call: Callable[[], Result], statement: str, settings: Settings) -> Result:
    """The result of a call; an error of DuckDB is told again without values, and with no error behind it."""
    told: Exception
    try:
        return call()
    except duckdb.Error as error:
        folders = (settings.landing, settings.warehouse)
        told = type(error)(without_values(type(error).__name__, str(error), statement, folders))
    raise damage(settings.warehouse / FILE, str(told)) or told


def _wait_and_connect(path: Path, minutes: float) -> duckdb.DuckDBPyConnection:
    """Open a warehouse file; where another process holds it, try again until the minutes are over."""
    until = time.monotonic() + 60 * minutes
    while True:
        try:
            return _connect(path)
        except BusyError:
            left = until - time.monotonic()
            if left <= 0:
                raise
            time.sleep(min(left, BETWEEN_TRIES))


def _connect(path: Path) -> duckdb.DuckDBPyConnection:
    try:
        return duckdb.connect(str(path))
    except duckdb.Error as error:
        told = opening_error(path, str(error), __version__)
    raise told


def _lock_down(connection: duckdb.DuckDBPyConnection, settings: Settings) -> None:
    """Close every way out of an open database, and then the settings themselves."""
    if connection.execute("select current_setting('lock_configuration')").fetchall()[0][0]:
        return  # it is open in this process already
    folders = (settings.landing.absolute(), settings.warehouse.absolute())
    connection.execute(
        "set global TimeZone = 'UTC';"
        f"set memory_limit = '{settings.memory_limit}';"
        f"set temp_directory = {_quoted(settings.warehouse.absolute() / SPILL)};"
        f"{_ENCRYPTED_SPILL if settings.pseudonym_key else ''}"
        "set allow_community_extensions = false;"
        "set autoinstall_known_extensions = false;"
        "set autoload_known_extensions = false;"
        "set allow_persistent_secrets = false;"
        f"set allowed_directories = [{', '.join(map(_quoted, folders))}];"
        "set enable_external_access = false;"
        "set lock_configuration = true;"
    )


def _quoted(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"


def macros(time_zone: str) -> str:
    """Functions that the project's SQL uses: business days, from when a row counts as known, groups of a customer."""
    return f"""
        create or replace temp macro business_date(instant) as {business_date_sql(time_zone)};
        create or replace temp macro known_from(event_date, load_date, first_load_date) as
            case when load_date = first_load_date then least(event_date, load_date) else load_date end;
        create or replace temp macro groups_of(segment, region, customer_class, channel, cohort) as [
            {{ 'segment_by': 'all', 'segment_value': 'all' }},
            {{ 'segment_by': 'segment', 'segment_value': segment }},
            {{ 'segment_by': 'region', 'segment_value': region }},
            {{ 'segment_by': 'customer_class', 'segment_value': customer_class }},
            {{ 'segment_by': 'channel', 'segment_value': channel }},
            {{ 'segment_by': 'cohort', 'segment_value': cohort }}
        ];
    """
