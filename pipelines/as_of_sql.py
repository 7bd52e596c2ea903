"""As-of discipline in SQL: what was known at the end of a day, as the models mask it in Polars.

Belongs here: the day that SQL speaks of, and the select of what was known then, generated from ``trust_models.as_of``.
Must not be here: what is made of it (see ``sql/marts`` and ``modelling.customer_parts``).
"""

from pipelines.warehouse import Warehouse
from trust_models.as_of import EVENT_AT, FACTS, SCHEMAS, AsOf


def set_as_of(warehouse: Warehouse, as_of: AsOf) -> None:
    """Set the variables ``as_of`` and ``as_of_end``, which :func:`known` reads."""
    warehouse.run(f"set variable as_of = date '{as_of.day}'")
    warehouse.run(f"set variable as_of_end = timestamp '{as_of.end}'")


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
