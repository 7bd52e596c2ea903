"""Customers in parts: their events a part at a time, so that memory does not grow with the history.

Belongs here: which customers make a part, whose events belong to it, and the few facts of all that each must be told.
Must not be here: what is made of the events (``summarising``, ``snapshots``, ``reconstructing``).
"""

from collections.abc import Iterator

import polars as pl

from data_contracts.casting import text_literal
from pipelines.as_of_sql import known, set_as_of
from pipelines.staging import event_frames, event_log
from pipelines.warehouse import Warehouse
from trust_models.as_of import AsOf, EventLog
from trust_models.part_work import BEFORE, OWN
from trust_models.trials import Coverage, coverage

SOURCES = ("orders", "complaints", "churn", "customers")
"""What summaries and scores are made of."""

EVENTS_AT_ONCE, CUSTOMERS_AT_ONCE = 500_000, 125_000
TRAINING_CUSTOMERS = 200_000
PART, OTHERS, SAMPLE = "part_of_customers", "entangled_with_part", "trained_on"
STAGING = "staging."

EVERYBODY = "select customer_id from staging.orders union select customer_id from staging.complaints"


def offer_parts(warehouse: Warehouse, customers: str = EVERYBODY) -> int:
    """Put the customers of a query who have any events into parts of some ``EVENTS_AT_ONCE``; returns their number.

    Customers are entangled where one complained about an order of the other: what is known of the one depends on rows
    of the other (``trial_changes.entangled``).
    """
    warehouse.run(
        """create or replace temp table entangled as
        with pair as (
            select distinct complaint.customer_id, other.customer_id as other_id
            from staging.complaints as complaint
            inner join staging.orders as other on complaint.order_id = other.order_id
            where complaint.customer_id <> other.customer_id
        )
        select customer_id, other_id from pair
        union select other_id, customer_id from pair"""
    )
    warehouse.run(
        f"""create or replace temp table wanted as
        with chosen as ({customers}),
        closed as (
            select customer_id from chosen
            union select other_id from entangled semi join chosen on entangled.customer_id = chosen.customer_id
        ),
        event as (select customer_id from staging.orders union all select customer_id from staging.complaints),
        counted as (select customer_id, count(*) as events from event semi join closed using (customer_id) group by all)
        select customer_id, (sum(events) over (order by customer_id) - events) // {EVENTS_AT_ONCE} as part
        from counted"""
    )
    return int(warehouse.value("select count(*) from wanted"))


def parts(warehouse: Warehouse, prefix_before: str | None = None) -> Iterator[dict[str, pl.DataFrame]]:
    """The events of each part and of those entangled with it, by source, and its customers, sorted (``part_work.OWN``).

    Where ``prefix_before`` is given, also the events of tables whose names begin so (``part_work.BEFORE``). The
    customers of a part follow one another, and so do their events: only those are read. Of the few who are entangled
    with anybody the events are set aside once.
    """
    logs = {"": STAGING} if prefix_before is None else {"": STAGING, BEFORE: prefix_before}
    for name, prefix in logs.items():
        for source in SOURCES:
            warehouse.run(
                f"""create or replace temp table aside_{name}{source} as from {prefix}{source}
                semi join (select other_id as customer_id from entangled semi join wanted using (customer_id))
                using (customer_id)"""
            )
    for (number,) in warehouse.run("select distinct part from wanted order by part"):
        own = warehouse.frame(f"select customer_id from wanted where part = {number} order by customer_id")
        warehouse.run(f"create or replace temp table {PART} as select customer_id from wanted where part = {number}")
        warehouse.run(
            f"""create or replace temp table {OTHERS} as
            select distinct other_id as customer_id
            from entangled semi join {PART} on entangled.customer_id = {PART}.customer_id
            anti join {PART} on entangled.other_id = {PART}.customer_id"""
        )
        between = (own["customer_id"][0], own["customer_id"][-1])
        frames = {OWN: own}
        for name, prefix in logs.items():
            theirs = event_frames(warehouse, SOURCES, part=PART, prefix=prefix, between=between)
            others = event_frames(warehouse, SOURCES, part=OTHERS, prefix=f"aside_{name}")
            frames |= {f"{name}{source}": pl.concat([theirs[source], others[source]]) for source in SOURCES}
        yield frames


def customer_ranges(warehouse: Warehouse, table: str) -> list[str]:
    """Conditions on customer_id that each hold for ``CUSTOMERS_AT_ONCE`` customers of a table, in their order."""
    firsts = warehouse.run(
        f"""select min(customer_id) from (
            select customer_id, (row_number() over (order by customer_id) - 1) // {CUSTOMERS_AT_ONCE} as part
            from {table}
        ) group by part order by part"""
    )
    borders = [text_literal(first) for (first,) in firsts]
    return [
        f"customer_id >= {first}" + (f" and customer_id < {after}" if after else "")
        for first, after in zip(borders, [*borders[1:], ""], strict=True)
    ]


def training_log(warehouse: Warehouse) -> tuple[EventLog, Coverage]:
    """The event log of ``TRAINING_CUSTOMERS`` customers, or of all where they are fewer; and the coverage of all.

    Which customers is decided by their ids alone: the same on every machine, and for ever.
    """
    customers = warehouse.value("select count(distinct customer_id) from staging.orders")
    part = None
    if customers > TRAINING_CUSTOMERS:
        part = SAMPLE
        warehouse.run(
            f"""create or replace temp table {SAMPLE} as
            select customer_id from (select distinct customer_id from staging.orders)
            order by md5(customer_id) limit {TRAINING_CUSTOMERS}"""
        )
    return event_log(warehouse, part=part), lambda as_of: coverage_of(warehouse, as_of)


def coverage_of(warehouse: Warehouse, as_of: AsOf, prefix: str = STAGING) -> pl.DataFrame:
    """What the data of the whole company could have shown by a day: ``trials.coverage`` of all that is known.

    The database leaves out what cannot matter: it gives one row of each kind, in the columns that count.
    """
    set_as_of(warehouse, as_of)
    wanted = {
        "orders": ("fault_at", "return_reason", "delivered_at"),
        "complaints": ("opened_date", "first_response_at", "resolved_at", "dimension"),
    }
    kinds = {
        "orders": "fault_at is null, return_reason is null, delivered_at is null",
        "complaints": "dimension, first_response_at is null, resolved_at is null",
    }
    frames = {
        source: warehouse.frame(
            f"select {', '.join(f'min({name}) as {name}' for name in columns)}"
            f" from ({known(source, prefix)}) as known group by {kinds[source]}"
        ).lazy()
        for source, columns in wanted.items()
    }
    return coverage(EventLog.of(**frames)).collect()
