"""What each staging table was made of, kept in ``meta.staged``, and which part of it later deliveries make out of date.

Belongs here: when a table has to be made anew as a whole, and of which keys otherwise. Must not be here: making it.

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


@dataclass(frozen=True)
class Part:
    """The part of a staging table that is to be made anew.

    Parameters
    ----------
    key : tuple of str
        Columns that say which rows are of the part.
    touched : str
        Select of the keys, one row each.
    reads : mapping of str to str
        Temporary tables that the SQL of the table reads: name → select, which may read ``touched``.
    instead : mapping of str to str
        In whose place: the table's name in the SQL → what is read.
    """

    key: tuple[str, ...]
    touched: str
    reads: Mapping[str, str] = field(default_factory=dict)
    instead: Mapping[str, str] = field(default_factory=dict)


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
    return _repurchases(warehouse, since, until) if table == "repurchases" else _of_source(table, since, until)


def note_staged(warehouse: Warehouse, table: str, until: date, given: Mapping[str, object]) -> None:
    """Note up to which delivery day a table was made just now, and of what."""
    warehouse.run("create table if not exists meta.staged (table_name varchar, until date, digest varchar)")
    warehouse.run("delete from meta.staged where table_name = ?", (table,))
    warehouse.run("insert into meta.staged values (?, ?, ?)", (table, until, _made_of(warehouse, table, until, given)))


def _of_source(table: str, since: date, until: date) -> Part:
    source, key = _KEYS[table]
    touched = f"select distinct {', '.join(key)} from raw.{source} where {_between(since, until)}"
    part = f"select * from raw.{source} semi join touched using ({', '.join(key)})"
    return Part(key, touched, {"part": part}, {f"raw.{source}": "part"})


def _repurchases(warehouse: Warehouse, since: date, until: date) -> Part:
    """Of the company's own feed the orders that it speaks of; else the customers whose orders were spoken of."""
    if warehouse.value(f"select count(*) > 0 from raw.repurchases where load_date <= date '{until}'"):
        touched = f"select distinct order_id from raw.repurchases where {_between(since, until)}"
        part = "select * from raw.repurchases semi join touched using (order_id)"
        nothing = "select * from staging.orders limit 0"
        reads = {"part": part, "underived": nothing}
        return Part(("order_id",), touched, reads, {"raw.repurchases": "part", "staging.orders": "underived"})
    spoken_of = f"select order_id from raw.purchases where {_between(since, until)}"
    touched = f"select distinct customer_id from raw.purchases where order_id in ({spoken_of})"
    part = "select * from staging.orders semi join touched using (customer_id)"
    return Part(("customer_id",), touched, {"part": part}, {"staging.orders": "part"})


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
