"""Staging: the event log in versions, made of what was delivered by the SQL in ``sql/staging``.

Belongs here: the variables that the SQL reads, and handing the event log to the models.
Must not be here: what a version or a fact is (see ``sql/staging`` and ``trust_models.as_of``).
"""

import polars as pl

from data_contracts import contract
from pipelines.errors import UserError
from pipelines.sql_files import header, tables_read
from pipelines.warehouse import Warehouse
from trust_models.as_of import SCHEMAS, EventLog

TABLES = ("orders", "complaints", "churn", "customers", "surveys", "feedback", "repurchases")


def stage(warehouse: Warehouse, table: str) -> int:
    """Make ``staging.<table>`` anew; returns its number of rows."""
    return warehouse.run_file(f"staging/{table}.sql", f"staging.{table}", variables(warehouse))


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
    }


def reporting_currency(warehouse: Warehouse) -> str:
    """The currency that amounts are told in: the setting, or that of most rows of the first delivery of purchases."""
    return warehouse.settings.currency or str(
        warehouse.value(
            "select currency from raw.purchases where load_date = (select min(load_date) from raw.purchases)"
            " group by currency order by count(*) desc, currency limit 1"
        )
    )


def event_log(warehouse: Warehouse) -> EventLog:
    """The event log of the warehouse, unmasked.

    Raises
    ------
    UserError
        If there are no purchases at all.
    """
    frames = {source: _typed(warehouse.table(f"staging.{source}"), source) for source in SCHEMAS}
    if frames["orders"].is_empty():
        raise UserError(
            f"{warehouse.settings.landing / 'purchases'}: no purchase could be loaded; the night needs purchases"
        )
    return EventLog.of(**frames)


def _typed(frame: pl.DataFrame, source: str) -> pl.DataFrame:
    """Columns in the order and types of the event log; DuckDB sums integers as wider types."""
    return frame.select(pl.col(name).cast(dtype) for name, dtype in SCHEMAS[source].items())
