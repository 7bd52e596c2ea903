"""Known facts for SQL: the staging tables as they could be known at the end of the newest night's as-of day.

Belongs here: the views through which marts read what customers did.
Must not be here: what is made of the facts (see ``sql/marts``), or how they are masked (see ``as_of_sql``).
"""

from datetime import date

from pipelines.as_of_sql import known, set_as_of
from pipelines.warehouse import Warehouse
from trust_models.as_of import AsOf

SOURCES = ("orders", "complaints", "churn", "customers")
"""The staging tables that marts speak of."""


def offer_known_facts(warehouse: Warehouse) -> None:
    """Make the temporary views ``known_orders``, ``known_complaints``, ``known_churn`` and ``known_customers``.

    They hold what :meth:`trust_models.as_of.EventLog.known` holds of the newest night, and read the variables ``as_of``
    and ``as_of_end``, which are set here.
    """
    newest: date = warehouse.value("select max(as_of) from scores.nights")
    as_of = AsOf(newest, warehouse.settings.time_zone)
    set_as_of(warehouse, as_of)
    for source in SOURCES:
        warehouse.run(f"create or replace temp view known_{source} as {known(source)}")
