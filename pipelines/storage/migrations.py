"""Migrations: bringing the tables of an older warehouse to what this version of the program writes.

Belongs here: the versions of the tables, and one step from each to the next. Must not be here: making new tables, which
each part of the program does for itself where it first needs them.

A step does to old tables what the program now makes of new ones; tables that no night has made yet need nothing. Each
step runs in one transaction with the note that it was done: a warehouse is at one version or the next, never between.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from pipelines.errors import UserError

if TYPE_CHECKING:
    from pipelines.warehouse import Warehouse

OLDEST = 1
"""The version of a warehouse that has tables but no ``meta.schema_version``."""


def bring_up(warehouse: Warehouse) -> None:
    """Bring an open warehouse to the newest version, step by step; a new one starts there.

    Raises
    ------
    UserError
        If a newer version of the program made the warehouse.
    """
    newest = max(STEPS, default=OLDEST)
    held = version(warehouse)
    if held is None:
        with warehouse.transaction():
            _note(warehouse, newest)
        return
    if held > newest:
        raise UserError(
            f"{warehouse.path}: has tables of version {held}, and this program knows them up to {newest};"
            " install the newer program, or use another --warehouse"
        )
    for step in range(held + 1, newest + 1):
        with warehouse.transaction():
            STEPS[step](warehouse)
            _note(warehouse, step)


def version(warehouse: Warehouse) -> int | None:
    """The version of a warehouse's tables; None where it has none."""
    if warehouse.has_table("meta.schema_version"):
        return int(warehouse.value("select max(version) from meta.schema_version"))
    is_old = warehouse.value("select count(*) > 0 from duckdb_tables() where schema_name in ('meta', 'raw')")
    return OLDEST if is_old else None


def _note(warehouse: Warehouse, reached: int) -> None:
    warehouse.run("create table if not exists meta.schema_version (version integer not null, reached_at timestamp)")
    warehouse.run("insert into meta.schema_version values (?, current_timestamp::timestamp)", (reached,))


def _erasure_and_deliveries(warehouse: Warehouse) -> None:
    """Version 2: the ledger counts rows erased and expired, a night says from which deliveries it was made."""
    if warehouse.has_table("meta.loads"):
        warehouse.run("alter table meta.loads add column rows_erased bigint default 0")
        warehouse.run("alter table meta.loads add column rows_expired bigint default 0")
    if warehouse.has_table("scores.nights"):
        warehouse.run("alter table scores.nights add column deliveries varchar")
        # filled by the next night; a night of an older day leaves it, and what is published, as they are
        warehouse.run(
            "create table if not exists scores.trial_outcomes"
            " (stream varchar, category varchar, channel varchar, trials bigint, failures bigint)"
        )


def _changes(warehouse: Warehouse) -> None:
    """Version 3: a night says whose trust moved since the day before, and what moved it."""
    if warehouse.has_table("scores.nights"):
        for column in ("customers_moved_up bigint", "customers_moved_down bigint", "trust_change_limit double"):
            warehouse.run(f"alter table scores.nights add column {column}")
        # filled by the next night; a night of an older day leaves it, and what is published, as they are
        warehouse.run(
            "create table if not exists scores.changes"
            " (customer_id varchar, trust_score_before double, trust_score double, trust_change double,"
            " trust_status_before varchar, trust_status varchar, rank bigint, driver varchar, contribution double,"
            " text_en varchar, text_zh varchar, as_of date, compared_with date)"
        )


def _staged_tables(warehouse: Warehouse) -> None:
    """Version 4: each staging table says up to which day it was made and of what; not saying it, it is made anew."""
    if warehouse.has_table("meta.staged"):
        tables = "['orders', 'complaints', 'churn', 'customers', 'surveys', 'feedback', 'repurchases']"
        warehouse.run(
            "create or replace table meta.staged as"
            f" select unnest({tables}) as table_name, until, '' as digest from meta.staged"
        )


def _counts_of_streams(warehouse: Warehouse) -> None:
    """Version 5: trials are counted with the summaries of streams, and in no table of their own."""
    warehouse.run("drop table if exists features.trial_counts")


STEPS: Mapping[int, Callable[[Warehouse], None]] = {
    2: _erasure_and_deliveries,
    3: _changes,
    4: _staged_tables,
    5: _counts_of_streams,
}
"""What makes a warehouse of version N of one of version N - 1."""
