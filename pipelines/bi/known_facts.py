"""Known facts for SQL: the staging tables as they could be known at the end of the newest night's as-of day.

Belongs here: the views through which marts read what customers did, generated from the as-of discipline of the models.
Must not be here: what is made of the facts (see ``sql/marts``), or masking in Polars (see ``trust_models.as_of``).
"""

from datetime import date

from pipelines.warehouse import Warehouse
from trust_models.as_of import EVENT_AT, FACTS, SCHEMAS, AsOf

SOURCES = ("orders", "complaints", "churn", "customers")
"""The staging tables that marts speak of."""


def offer_known_facts(warehouse: Warehouse) -> None:
    """Make the temporary views ``known_orders``, ``known_complaints``, ``known_churn`` and ``known_customers``.

    They hold what :meth:`trust_models.as_of.EventLog.known` holds of the newest night, and read the variables ``as_of``
    and ``as_of_end``, which are set here.
    """
    newest: date = warehouse.value("select max(as_of) from scores.nights")
    as_of = AsOf(newest, warehouse.settings.time_zone)
    warehouse.run(f"set variable as_of = date '{as_of.day}'")
    warehouse.run(f"set variable as_of_end = timestamp '{as_of.end}'")
    for source in SOURCES:
        warehouse.run(f"create or replace temp view known_{source} as {known(source)}")


def known(source: str, prefix: str = "staging.") -> str:
    """The select of a staging table's rows and facts that are known at the end of the day in ``as_of``."""
    facts = {
        column: fact for fact, tells in FACTS.get(source, {}).items() for column in (fact, *tells)
    }  # a column that only a later fact tells is null until then
    columns = [
        f"case when {facts[name]} < getvariable('as_of_end') then {name} end as {name}" if name in facts else name
        for name in SCHEMAS[source]
        if name not in ("known_from", "known_until")
    ]
    conditions = [
        "known_from <= getvariable('as_of')",
        "(known_until is null or known_until > getvariable('as_of'))",
    ]
    if event_at := EVENT_AT[source]:
        conditions.append(f"{event_at} < getvariable('as_of_end')")
    return f"select {', '.join(columns)} from {prefix}{source} where {' and '.join(conditions)}"
