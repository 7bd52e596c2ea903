"""The snapshot of a night: what is known of every customer as of a day, in tables.

Belongs here: which tables a snapshot has, and what they are made of, a part of the customers at a time.
Must not be here: what is known of a customer (``trust_models``), scores of it (``scoring``).
"""

from collections.abc import Iterator
from datetime import date, timedelta
from functools import partial

import polars as pl

from pipelines.ingest.deliveries import view_day
from pipelines.modelling.customer_parts import SOURCES, STAGING, coverage_of, customer_ranges, offer_parts, parts
from pipelines.modelling.engines import engine_of
from pipelines.modelling.models import ModelsInUse, trust_before
from pipelines.modelling.scoring_settings import scoring_settings
from pipelines.modelling.summarising import (
    BEFORE,
    NOW,
    TOUCHED,
    Brought,
    bring_up,
    kept_summaries,
    population_interval_days,
)
from pipelines.staging import spoke_otherwise, staged_as_of
from pipelines.warehouse import Warehouse
from trust_models.customer_scores import KnownCustomers
from trust_models.day_before import controls_of
from trust_models.part_work import BEFORE as BEFORE_NAME
from trust_models.part_work import OWN, day_before_of, known_of

KNOWN = {
    "evidence": "features.evidence",
    "evidence_before": "features.evidence_before",
    "features": "features.customer_features",
    "status": "features.customer_status",
}
"""The frames of ``KnownCustomers``, and their tables; counts are kept with the summaries."""

COUNTS = f"(select customer_id, stream, trials, failures from {NOW.streams})"
"""The counts of ``KnownCustomers``, which no other table holds."""

CHOSEN = "features.chosen"
DAY_BEFORE, TRIAL_CHANGES = "features.day_before", "features.trial_changes"


def take_snapshot(warehouse: Warehouse, as_of: date, models: ModelsInUse) -> Brought:
    """Write what is known of every customer as of a day; returns how many had to be looked at anew for it."""
    bring_up(warehouse, as_of, models, BEFORE)
    brought = bring_up(warehouse, as_of, models, NOW)
    with warehouse.transaction():
        for table in (*KNOWN.values(), DAY_BEFORE, TRIAL_CHANGES):
            warehouse.run(f"drop table if exists {table}")
        for known in _known(warehouse, as_of, models):
            for name, frame in known.items():
                warehouse.append(KNOWN[name], frame)
        for found in _days_before(warehouse, as_of, models):
            warehouse.append(DAY_BEFORE, found["evidence"])
            warehouse.append(TRIAL_CHANGES, found["changed"])
    return brought


def kept_snapshot(warehouse: Warehouse, customers: str) -> KnownCustomers:
    """What the snapshot knows of the customers who meet a condition."""
    frames = {
        name: warehouse.frame(f"select * from {table} where {customers} order by customer_id")
        for name, table in KNOWN.items()
    }
    return KnownCustomers(**frames, counts=warehouse.frame(f"from {COUNTS} where {customers}"))


def _known(warehouse: Warehouse, as_of: date, models: ModelsInUse) -> Iterator[dict[str, pl.DataFrame]]:
    """What the summaries say of all customers, a part at a time: the frames of :data:`KNOWN`."""
    work = partial(
        known_of,
        day=as_of,
        day_before=BEFORE.day(as_of),
        settings=models.settings(scoring_settings(warehouse.settings)),
        population_interval_days=population_interval_days(warehouse),
    )
    kept = (
        kept_summaries(warehouse, NOW, some)._asdict()
        | {BEFORE_NAME + name: frame for name, frame in kept_summaries(warehouse, BEFORE, some)._asdict().items()}
        for some in customer_ranges(warehouse, NOW.customers)
    )
    return engine_of(warehouse.settings).map(work, kept)


def _days_before(warehouse: Warehouse, as_of: date, models: ModelsInUse) -> Iterator[dict[str, pl.DataFrame]]:
    """What was known the day before of those of whom more is known now, as the models of either night read it."""
    now, then = models.trust_model(scoring_settings(warehouse.settings)), trust_before(warehouse, as_of, models)
    today = now.settings.as_of(as_of)
    prefix = _offer_log_before(warehouse, today.day)
    covered, covered_before = coverage_of(warehouse, today), coverage_of(warehouse, today.minus(1), prefix)
    is_same_log = prefix == STAGING and covered.equals(covered_before)
    everybody = _ids(warehouse, NOW.customers)
    touched = _ids(warehouse, f"{TOUCHED} semi join {NOW.customers} using (customer_id)") if is_same_log else everybody
    controls = controls_of(everybody.filter(~everybody.is_in(touched.implode())))
    warehouse.replace(CHOSEN, pl.concat([touched, controls]).to_frame("customer_id"))
    offer_parts(warehouse, f"select customer_id from {CHOSEN}")
    warehouse.run(f"drop table {CHOSEN}")
    work = partial(day_before_of, as_of=today, now=now, then=then, covered=covered, covered_before=covered_before)
    chosen = {"touched": touched.to_frame("customer_id"), "controls": controls.to_frame("customer_id")}
    with_chosen = (
        part | {name: frame.join(part[OWN], on="customer_id", how="semi") for name, frame in chosen.items()}
        for part in parts(warehouse, None if prefix == STAGING else prefix)
    )
    some = (part for part in with_chosen if any(len(part[name]) for name in chosen))
    return engine_of(warehouse.settings).map(work, some)


def _offer_log_before(warehouse: Warehouse, night: date) -> str:
    """What stands before the names of the tables of the day before: staging, or copies where it spoke otherwise."""
    day = view_day(warehouse, night - timedelta(days=1))
    if not spoke_otherwise(warehouse, day):
        return STAGING
    with staged_as_of(warehouse, day):
        for source in SOURCES:
            warehouse.run(f"create or replace temp table {BEFORE_NAME}{source} as from staging.{source}")
    return BEFORE_NAME


def _ids(warehouse: Warehouse, table: str) -> pl.Series:
    return warehouse.frame(f"select customer_id from {table} order by customer_id")["customer_id"]
