"""Marts: each published table made of the scores and of the facts known as of the newest night.

Belongs here: what the SQL in ``sql/marts`` may read besides tables: known facts, groups of customers, settings.
Must not be here: the SQL itself, or whether a mart may be published (see ``contract_checks``).
"""

from collections.abc import Mapping
from datetime import date

from data_contracts import Contract, contract
from pipelines.bi.known_facts import offer_known_facts
from pipelines.sql_files import text
from pipelines.staging import TABLES, stage, staged_until
from pipelines.warehouse import Warehouse

VIEWS = ("customer_groups", "customer_spells", "departures")
"""Selects in ``sql/views`` that several marts read."""

_SHARED: Mapping[str, tuple[str, ...]] = {
    "purchases": ("activity_window_days", "half_life_days", "order_maturity_days"),
    "complaints": ("response_hours", "resolution_days", "rejected_resolutions"),
    "customer_scores": ("trust_bands",),
    "segment_summary": ("minimum_customers",),
}
"""Settings that several marts read, under the contract that holds them."""


def make(warehouse: Warehouse, mart: Contract) -> int:
    """Make ``marts.<mart>`` anew; returns its number of rows."""
    _bring_staging_up(warehouse)
    offer_known_facts(warehouse)
    file = f"marts/{mart.name}.sql"
    for view in VIEWS:
        if view in text(file):
            warehouse.run(f"create or replace temp view {view} as {text(f'views/{view}.sql')}")
    return warehouse.run_file(file, f"marts.{mart.name}", variables(mart))


def _bring_staging_up(warehouse: Warehouse) -> None:
    """Stage up to the newest night again, where an older night has left staging as it was on its own day."""
    newest: date = warehouse.value("select max(as_of) from scores.nights")
    if staged_until(warehouse) < newest:
        for table in TABLES:
            stage(warehouse, table, newest)


def variables(mart: Contract) -> dict[str, object]:
    """The settings that a mart's SQL reads with ``getvariable``: the shared ones, and those of its own contract."""
    shared = {name: contract(holder).settings[name] for holder, names in _SHARED.items() for name in names}
    return {**shared, **mart.settings}
