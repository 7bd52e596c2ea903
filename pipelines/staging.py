"""Staging: the event log in versions, made of what was delivered by the SQL in ``sql/staging``.

Belongs here: the variables that the SQL reads, up to which delivery day it reads, and handing the event log to the
models.
Must not be here: what a version or a fact is (see ``sql/staging`` and ``trust_models.as_of``).
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import date

import polars as pl

from data_contracts import contract, landing_contracts
from pipelines.errors import UserError
from pipelines.ingest.deliveries import refuse_other_settings
from pipelines.sql_files import header, tables_read
from pipelines.warehouse import Warehouse
from trust_models.as_of import SCHEMAS, EventLog

TABLES = ("orders", "complaints", "churn", "customers", "surveys", "feedback", "repurchases")


def stage(warehouse: Warehouse, table: str, until: date = date.max) -> int:
    """Make ``staging.<table>`` anew of what had been delivered up to a day; returns its number of rows.

    Raises
    ------
    UserError
        If the time zone or the currency is not that of the nights that are there.
    """
    refuse_other_settings(warehouse, reporting_currency(warehouse))
    rows = warehouse.run_file(f"staging/{table}.sql", f"staging.{table}", variables(warehouse) | {"until": until})
    warehouse.run("create or replace table meta.staged as select cast(? as date) as until", (until,))
    return rows


def staged_until(warehouse: Warehouse) -> date:
    """The delivery day up to which staging was made."""
    if not warehouse.has_table("meta.staged"):
        return date.max
    until: date = warehouse.value("select until from meta.staged")
    return until


def restage(warehouse: Warehouse, until: date) -> None:
    """Make staging anew for another day than it was made for; staging that does not say for which is left as it is."""
    if warehouse.has_table("meta.staged") and staged_until(warehouse) != until:
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
    return any(day < first <= until for first in _first_deliveries(warehouse))


def _stage_all(warehouse: Warehouse, until: date) -> None:
    for table in TABLES:
        stage(warehouse, table, until)


def _first_deliveries(warehouse: Warehouse) -> list[date]:
    """The first delivery day of each source that has any rows, or had some of persons who were erased since."""
    days = (
        warehouse.value(f"select min(load_date) from raw.{source.name}")
        for source in landing_contracts()
        if warehouse.has_table(f"raw.{source.name}")
    )
    return [day for day in (*days, *_first_erased(warehouse).values()) if day and day < date.max]


def _first_erased(warehouse: Warehouse) -> dict[str, date]:
    """The first day of each source from which rows were erased; a day without other rows stays a delivery."""
    rows = warehouse.run("select source, min(load_date) from meta.loads where rows_erased > 0 group by source")
    never = dict.fromkeys((source.name for source in landing_contracts()), date.max)
    return never | {row[0]: row[1] for row in rows}


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
        "first_erased": _first_erased(warehouse),
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
    warehouse: Warehouse, sources: Iterable[str], *, part: str | None = None, prefix: str = "staging."
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
    """
    only = "" if part is None else f" semi join {part} using (customer_id)"
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
