"""Staging: the event log in versions, made of what was delivered by the SQL in ``sql/staging``.

Belongs here: the variables that the SQL reads, making staging anew, whole or in part, and handing the event log to the
models.
Must not be here: what a version or a fact is (see ``sql/staging`` and ``trust_models.as_of``), or which part is to be
made anew (see ``staging_parts``).
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date

import polars as pl

from data_contracts import contract, landing_contracts
from data_contracts.casting import text_literal
from pipelines.errors import UserError
from pipelines.ingest.deliveries import refuse_other_settings
from pipelines.sql_files import header, tables_read, text_reading
from pipelines.staging_parts import Part, note_staged, part_to_stage, parts_of_whole
from pipelines.warehouse import Warehouse
from trust_models.as_of import SCHEMAS, EventLog

TABLES = ("orders", "complaints", "churn", "customers", "surveys", "feedback", "repurchases")


def stage(warehouse: Warehouse, table: str, until: date = date.max) -> int:
    """Bring ``staging.<table>`` up to what had been delivered by a day; returns its number of rows.

    Where nothing but later deliveries came since it was made, only what they speak of is made anew. What is there in
    the end is the same.

    Raises
    ------
    UserError
        If the time zone or the currency is not that of the nights that are there.
    """
    refuse_other_settings(warehouse, reporting_currency(warehouse))
    given = variables(warehouse)
    part = part_to_stage(warehouse, table, until, given)
    with warehouse.transaction():
        warehouse.set_variables(given | {"until": until})
        if part is None:
            _make(warehouse, table, parts_of_whole(warehouse, table, until))
        else:
            _replace(warehouse, table, part)
        note_staged(warehouse, table, until, given)
    return int(warehouse.value(f"select count(*) from staging.{table}"))


def _make(warehouse: Warehouse, table: str, parts: Sequence[Part]) -> None:
    """Make a table as a whole: in one go, or of many rows a part at a time."""
    if not parts:
        warehouse.run_file(f"staging/{table}.sql", f"staging.{table}")
    for number, part in enumerate(parts):
        with _query_of(warehouse, table, part) as query:
            into = f"insert into staging.{table} by name" if number else f"create or replace table staging.{table} as"
            warehouse.run(f"{into} {query}")


def _replace(warehouse: Warehouse, table: str, part: Part) -> None:
    """Make the rows of some keys anew, by the same select that makes the table."""
    warehouse.run(f"create or replace temp table touched as {part.touched}")
    if warehouse.value("select count(*) > 0 from touched"):
        key = ", ".join(part.key)
        with _query_of(warehouse, table, part) as query:
            warehouse.run(f"delete from staging.{table} where ({key}) in (select ({key}) from touched)")
            warehouse.run(f"insert into staging.{table} by name {query}")
    warehouse.run("drop table touched")


@contextmanager
def _query_of(warehouse: Warehouse, table: str, part: Part) -> Iterator[str]:
    """The select that makes a part of a table, for the time of a ``with`` block."""
    for name, rows in part.reads.items():
        warehouse.run(f"create or replace temp table {name} as {rows}")
    yield text_reading(f"staging/{table}.sql", part.instead)
    warehouse.run("".join(f"drop table {name};" for name in part.reads))


def staged_until(warehouse: Warehouse) -> date:
    """The delivery day up to which all of staging was made."""
    if not warehouse.has_table("meta.staged"):
        return date.max
    until: date = warehouse.value("select min(until) from meta.staged")
    return until


def restage(warehouse: Warehouse, until: date) -> None:
    """Make staging anew for another day than it was made for; staging that does not say for which is left as it is."""
    if warehouse.has_table("meta.staged") and warehouse.run("select distinct until from meta.staged") != [(until,)]:
        _stage_all(warehouse, until)


@contextmanager
def staged_as_of(warehouse: Warehouse, day: date) -> Iterator[None]:
    """Staging as it was on an earlier day, for the time of a ``with`` block.

    Later rows of a source are known from their delivery day and masked anyway. Only the first delivery of a source
    speaks of days before it: where one came in between, staging is made anew without it.
    """
    until, came_later = staged_until(warehouse), spoke_otherwise(warehouse, day)
    if came_later:
        _stage_all(warehouse, day)
    try:
        yield
    finally:
        if came_later:
            _stage_all(warehouse, until)


def spoke_otherwise(warehouse: Warehouse, day: date) -> bool:
    """Whether staging of an earlier day spoke otherwise of the days until then: a source came in between."""
    until = staged_until(warehouse)
    return any(day < first <= until for first in _first_deliveries(warehouse).values())


def _stage_all(warehouse: Warehouse, until: date) -> None:
    for table in TABLES:
        stage(warehouse, table, until)


def _first_deliveries(warehouse: Warehouse) -> dict[str, date]:
    """The first delivery day of each source that has any rows, or had some of persons who were erased since.

    A source that never had any has the last of all days.
    """
    erased = dict(warehouse.run("select source, min(load_date) from meta.loads where rows_erased > 0 group by source"))
    first = {}
    for source in landing_contracts():
        table = f"raw.{source.name}"
        held = warehouse.value(f"select min(load_date) from {table}") if warehouse.has_table(table) else None
        first[source.name] = min(held or date.max, erased.get(source.name, date.max))
    return first


def description(table: str) -> str:
    """What the table holds, in the words at the head of its SQL file."""
    return header(f"staging/{table}.sql")


def sources(table: str) -> list[tuple[str, str]]:
    """The (schema, table) pairs that the table's SQL reads."""
    return tables_read(f"staging/{table}.sql")


def variables(warehouse: Warehouse) -> dict[str, object]:
    """The settings that staging SQL reads with ``getvariable``."""
    purchases, complaints = contract("purchases").settings, contract("complaints").settings
    return {
        "currency": reporting_currency(warehouse),
        "fault_reasons": purchases["fault_reasons"],
        "unexplained_returns": purchases["unexplained_returns"],
        "dimension_of_category": complaints["dimension_of_category"],
        "first_delivery": _first_deliveries(warehouse),
    }


def reporting_currency(warehouse: Warehouse) -> str:
    """The currency that amounts are told in: the setting, or that of most rows of the first delivery of purchases."""
    return warehouse.settings.currency or str(
        warehouse.value(
            "select currency from raw.purchases where load_date = (select min(load_date) from raw.purchases)"
            " group by currency order by count(*) desc, currency limit 1"
        )
    )


def event_log(warehouse: Warehouse, *, part: str | None = None) -> EventLog:
    """The event log of the warehouse, unmasked: of all customers, or of those in the table ``part``.

    Raises
    ------
    UserError
        If there are no purchases at all.
    """
    require_purchases(warehouse)
    return EventLog.of(**event_frames(warehouse, tuple(SCHEMAS), part=part))


def event_frames(
    warehouse: Warehouse,
    sources: Iterable[str],
    *,
    part: str | None = None,
    prefix: str = "staging.",
    between: tuple[str, str] | None = None,
) -> dict[str, pl.DataFrame]:
    """Event tables of the warehouse, by source.

    Parameters
    ----------
    warehouse : Warehouse
        With staging tables.
    sources : iterable of str
        The sources wanted.
    part : str, optional
        A table with the customers wanted, one row each; by default all.
    prefix : str
        What stands before a source in the name of its table.
    between : tuple of str, optional
        The first and the last of these customers: the database then leaves out what lies before and after.
    """
    only = "" if part is None else f" semi join {part} using (customer_id)"
    if between is not None:
        only += " where customer_id between {} and {}".format(*map(text_literal, between))
    return {source: _typed(warehouse.table(f"{prefix}{source}{only}"), source) for source in sources}


def require_purchases(warehouse: Warehouse) -> None:
    """Refuse to go on without any purchase.

    Raises
    ------
    UserError
        If there are none.
    """
    if not warehouse.value("select count(*) > 0 from staging.orders"):
        raise UserError(
            f"{warehouse.settings.landing / 'purchases'}: no purchase could be loaded; the night needs purchases"
        )


def _typed(frame: pl.DataFrame, source: str) -> pl.DataFrame:
    """Columns in the order and types of the event log; DuckDB sums integers as wider types."""
    return frame.select(pl.col(name).cast(dtype) for name, dtype in SCHEMAS[source].items())
