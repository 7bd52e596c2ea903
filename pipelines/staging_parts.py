"""What each staging table was made of, kept in ``meta.staged``, and which part of it later deliveries make out of date.

Belongs here: when a table has to be made anew as a whole, in how many parts then, and of which keys otherwise.
Must not be here: making it.

A row of staging comes of the delivered rows of one key alone: of one order, complaint, customer. What else it depends
on is in a digest: settings, the SQL, every delivery up to the day it was made for, as it was loaded and what of it was
erased. Where the digest is no longer the same, for whatever reason, the table is made anew as a whole. Where a source
is delivered for the first time, too: this speaks of days before it. A later rate of exchange changes no earlier line.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

from pipelines.sql_files import tables_read, text
from pipelines.storage.migrations import version
from pipelines.warehouse import Warehouse, __version__, macros

_KEYS = {
    "orders": ("purchases", ("order_id",)),
    "complaints": ("complaints", ("complaint_id",)),
    "churn": ("churn", ("customer_id", "churned_at")),
    "customers": ("customers", ("customer_id",)),
    "surveys": ("surveys", ("response_id", "dimension")),
    "feedback": ("feedback", ("feedback_id",)),
}
"""The source that a table's rows come from, and the key that its SQL keeps together."""


ROWS_AT_ONCE = 20_000_000
"""Rows that a table is made of at once: what is summed and sorted of more would fill the disk."""


@dataclass(frozen=True)
class Part:
    """A part of a staging table.

    Parameters
    ----------
    key : tuple of str
        Columns that say which rows are of the part.
    reads : mapping of str to str
        Temporary tables that the SQL of the table reads: name → select, which may read ``touched``.
    instead : mapping of str to str
        In whose place: the table's name in the SQL → what is read.
    touched : str, optional
        Select of the keys of the part, one row each, where it is to be made anew.
    """

    key: tuple[str, ...]
    reads: Mapping[str, str] = field(default_factory=dict)
    instead: Mapping[str, str] = field(default_factory=dict)
    touched: str | None = None


def part_to_stage(warehouse: Warehouse, table: str, until: date, given: Mapping[str, object]) -> Part | None:
    """The part of a table that is out of date by a day; None where it has to be made as a whole.

    Parameters
    ----------
    warehouse : Warehouse
        With everything loaded.
    table : str
        Name of the staging table.
    until : date
        The delivery day up to which it is wanted.
    given : mapping of str to object
        What its SQL reads with ``getvariable``.
    """
    if warehouse.settings.is_full or not (
        warehouse.has_table("meta.staged") and warehouse.has_table(f"staging.{table}")
    ):
        return None
    held = warehouse.run("select until, digest from meta.staged where table_name = ?", (table,))
    if not held or held[0][0] > until or held[0][1] != _made_of(warehouse, table, held[0][0], given):
        return None
    since: date = held[0][0]
    if any(since < first <= until for first in _first_deliveries(table, given)):
        return None
    made = _made_by(warehouse, table, until)
    touched = f"select distinct {made.columns} from {made.table} where {_between(since, until)}"
    if made.table == "staging.orders":
        spoken_of = f"select order_id from raw.purchases where {_between(since, until)}"
        touched = f"select distinct customer_id from raw.purchases where order_id in ({spoken_of})"
    return made.part(f"semi join touched using ({made.columns})", touched)


def parts_of_whole(warehouse: Warehouse, table: str, until: date) -> list[Part]:
    """Parts that together make a table as a whole; none where it is of few rows, and made in one go.

    A key is in one part with all that was delivered of it; in which, its hash says.
    """
    made = _made_by(warehouse, table, until)
    parts = -(-warehouse.value(f"select count(*) from {made.table}") // ROWS_AT_ONCE)
    numbers = range(parts) if parts > 1 else ()
    return [made.part(f"where hash({made.columns}) % {parts} = {number}") for number in numbers]


def note_staged(warehouse: Warehouse, table: str, until: date, given: Mapping[str, object]) -> None:
    """Note up to which delivery day a table was made just now, and of what."""
    warehouse.run("create table if not exists meta.staged (table_name varchar, until date, digest varchar)")
    warehouse.run("delete from meta.staged where table_name = ?", (table,))
    warehouse.run("insert into meta.staged values (?, ?, ?)", (table, until, _made_of(warehouse, table, until, given)))


@dataclass(frozen=True)
class _MadeBy:
    """The key that the SQL of a table keeps together, the table its rows come of, and those then read as if empty."""

    key: tuple[str, ...]
    table: str
    nothing_of: tuple[str, ...] = ()

    @property
    def columns(self) -> str:
        return ", ".join(self.key)

    def part(self, rows: str, touched: str | None = None) -> Part:
        """The part that some of the rows make."""
        nothing = {table: f"nothing_of_{table.partition('.')[2]}" for table in self.nothing_of}
        reads = {"part": f"select * from {self.table} {rows}"}
        reads |= {name: f"select * from {table} limit 0" for table, name in nothing.items()}
        return Part(self.key, reads, {self.table: "part", **nothing}, touched)


def _made_by(warehouse: Warehouse, table: str, until: date) -> _MadeBy:
    """Repurchases come of the company's own feed, where it keeps one, and else of the orders of each customer."""
    if table != "repurchases":
        source, key = _KEYS[table]
        return _MadeBy(key, f"raw.{source}")
    if warehouse.value(f"select count(*) > 0 from raw.repurchases where load_date <= date '{until}'"):
        return _MadeBy(("order_id",), "raw.repurchases", nothing_of=("staging.orders",))
    return _MadeBy(("customer_id",), "staging.orders")


def _between(since: date, until: date) -> str:
    return f"load_date > date '{since}' and load_date <= date '{until}'"


def _sources(table: str) -> list[str]:
    """The sources that a table is made of, also by way of another staging table."""
    read = tables_read(f"staging/{table}.sql")
    through = [source for schema, name in read if schema == "staging" for source in _sources(name)]
    return sorted({*through, *(name for schema, name in read if schema == "raw")})


def _first_deliveries(table: str, given: Mapping[str, object]) -> list[date]:
    first = given["first_delivery"]
    assert isinstance(first, Mapping)
    return [first[source] for source in _sources(table)]


def _made_of(warehouse: Warehouse, table: str, day: date, given: Mapping[str, object]) -> str:
    """Digest of everything that a table depends on when it is made for a day."""
    settings = [(name, value) for name, value in sorted(given.items()) if name != "first_delivery"]
    queries = [text(f"staging/{name}.sql") for name in sorted({table, *_staged(table)})]
    told = (
        settings,
        _first_deliveries(table, given),
        queries,
        macros(warehouse.settings.time_zone),
        version(warehouse),
        __version__,
        [_delivered(warehouse, source, day) for source in _sources(table)],
    )
    return hashlib.sha256(repr(told).encode()).hexdigest()


def _staged(table: str) -> list[str]:
    return [name for schema, name in tables_read(f"staging/{table}.sql") if schema == "staging"]


def _delivered(warehouse: Warehouse, source: str, day: date) -> tuple[object, ...]:
    """Every delivery of a source up to a day, as it was loaded and with what of it was erased; and the rows there."""
    files = warehouse.value(
        "select md5(string_agg("
        "concat_ws('|', load_date, file, sha256, run_id, finished_at, coalesce(rows_erased, 0)), chr(10)"
        " order by load_date, file)) from meta.loads where source = ? and load_date <= ?",
        (source, day),
    )
    return source, files, warehouse.value(f"select count(*) from raw.{source} where load_date <= ?", (day,))
