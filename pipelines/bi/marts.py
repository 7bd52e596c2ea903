"""Marts: each published table made of the scores and of the facts known as of the newest night.

Belongs here: what the SQL in ``sql/marts`` may read besides tables: known facts, groups of customers, settings.
Must not be here: the SQL itself, or whether a mart may be published (see ``contract_checks``).
"""

from collections.abc import Mapping
from datetime import date

from data_contracts import Contract, contract
from data_contracts.casting import text_literal
from pipelines.bi import history
from pipelines.bi.known_facts import offer_known_facts
from pipelines.sql_files import text
from pipelines.staging import TABLES, stage, staged_until
from pipelines.warehouse import Warehouse

_FACTS = "select count(*), sum(hash(customer_id, ordered_date)) from known_orders"
_CHANNELS = "select count(*), sum(hash(customer_id, channel)) from known_orders"
_NIGHT = (
    "select count(*), sum(hash(night)) from scores.customer_days as night"
    " where as_of = getvariable('as_of') and not is_reconstructed"
)

VIEWS: Mapping[str, tuple[str, ...]] = {
    "customer_groups": (_FACTS, _CHANNELS, _NIGHT),
    "customer_spells": (_FACTS,),
    "departures": (),
    "purchase_days": (_FACTS,),
}
"""Selects in ``sql/views`` that several marts read. Those that are dear are kept for the marts of a night: each with
the queries that tell whether what it was made of is still the same, whoever has changed it."""

_SHARED: Mapping[str, tuple[str, ...]] = {
    "purchases": ("activity_window_days", "half_life_days", "order_maturity_days"),
    "complaints": ("response_hours", "resolution_days", "rejected_resolutions"),
    "customer_scores": ("trust_bands",),
    "segment_summary": ("minimum_customers",),
}
"""Settings that several marts read, under the contract that holds them."""


def make(warehouse: Warehouse, mart: Contract) -> int:
    """Make ``marts.<mart>`` anew, of the history only what has changed; returns its number of rows."""
    if mart.name == history.NAME:
        return history.bring_up(warehouse)
    _bring_staging_up(warehouse)
    offer_known_facts(warehouse)
    file, settings = f"marts/{mart.name}.sql", variables(mart)
    warehouse.set_variables(settings)
    _offer_views(warehouse, file, settings)
    return warehouse.run_file(file, f"marts.{mart.name}", settings)


def _offer_views(warehouse: Warehouse, file: str, settings: Mapping[str, object]) -> None:
    """Offer the views that a file reads, and before them those that they read themselves."""
    for view, facts in VIEWS.items():
        path = f"views/{view}.sql"
        if view in text(file) and path != file:
            _offer_views(warehouse, path, settings)
            if facts:
                read = {name: value for name, value in settings.items() if name in text(path)}
                _keep(warehouse, view, f"{[*(warehouse.run(query) for query in facts), read]}")
            else:
                warehouse.run(f"create or replace temp view {view} as {text(path)}")


def _keep(warehouse: Warehouse, view: str, made_of: str) -> None:
    """Make a view a temporary table, unless it stands there and says that it was made of the same."""
    told = "select comment from duckdb_tables() where temporary and table_name = ?"
    if warehouse.value(told, (view,)) != made_of:
        warehouse.run(f"create or replace temp table {view} as {text(f'views/{view}.sql')}")
        warehouse.run(f"comment on table {view} is {text_literal(made_of)}")


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
