"""Schedules of deliveries and nights: what arrives when, which nights run, and what a warehouse holds in the end."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
from hypothesis import strategies as st

from data_contracts import contract, landing_contracts
from trust_models.simulation import simulate

SUNDAY = date(2024, 2, 4)
"""The day of the historical delivery and of the training; the nights of the schedules follow it."""

NIGHTS = [SUNDAY + timedelta(days=days) for days in range(1, 5)]
SOURCES = ("purchases", "complaints", "churn", "customers", "fx_rates")
HISTORY = ("purchases", "customers", "churn")
"""Sources that the historical delivery holds; the others appear later, or never."""

FROM, UNTIL = datetime(2024, 1, 15), datetime(2024, 2, 9)

Rows = Sequence[Mapping[str, Any]]
File = tuple[date, str]

orders = st.integers(0, 8).map(lambda number: f"N{number}") | st.integers(1, 9).map(lambda number: f"O0000000{number}")
customers = st.integers(1, 6).map(lambda number: f"C00000{number}") | st.just("newcomer")
moments = st.datetimes(FROM, UNTIL).map(lambda moment: moment.replace(microsecond=0))
maybe = st.none() | moments

ROWS: Mapping[str, st.SearchStrategy[dict[str, Any]]] = {
    "purchases": st.fixed_dictionaries(
        {
            "order_id": orders,
            "line_no": st.integers(1, 2),
            "customer_id": customers,
            "ordered_at": moments,
            "amount": st.sampled_from([0.0, 5.0, 12.5, -1.0]),
            "currency": st.sampled_from(["EUR", "EUR", "USD"]),
            "promised_at": maybe,
            "delivered_at": maybe,
            "returned_at": maybe,
            "return_reason": st.sampled_from([None, "damaged", "did not fit"]),
            "cancelled_at": maybe,
        }
    ),
    "complaints": st.fixed_dictionaries(
        {
            "complaint_id": st.sampled_from(["K1", "K2", "K3"]),
            "customer_id": customers,
            "order_id": st.none() | orders,
            "opened_at": moments,
            "category": st.sampled_from(["product_quality", "delivery", "transparency", "nonsense"]),
            "severity": st.integers(1, 5),
            "first_response_at": maybe,
            "resolved_at": maybe,
            "resolution": st.sampled_from([None, "rejected", "replaced"]),
            "reopened_at": maybe,
        }
    ),
    "churn": st.fixed_dictionaries(
        {
            "customer_id": customers,
            "churned_at": st.sampled_from([FROM, FROM + timedelta(days=9, hours=12)]),
            "kind": st.sampled_from(["voluntary", "involuntary"]),
            "reactivated_at": maybe,
        }
    ),
    "customers": st.fixed_dictionaries(
        {
            "customer_id": customers,
            "joined_at": maybe,
            "segment": st.sampled_from([None, "private", "business"]),
            "region": st.sampled_from([None, "north", "south"]),
            "customer_class": st.sampled_from([None, "A", "B"]),
        }
    ),
    "fx_rates": st.fixed_dictionaries(
        {
            "rate_date": st.dates(FROM.date(), SUNDAY),
            "currency": st.just("USD"),
            "rate": st.sampled_from([0.5, 0.8, 1.25]),
        }
    ),
}


@dataclass(frozen=True)
class Schedule:
    """What is in the landing zone in the end, and how it got there.

    Parameters
    ----------
    final : mapping of (date, str) to rows
        Delivery day and source → the rows of the file as it is in the end.
    first : mapping of (date, str) to rows
        Files that were delivered with other rows before.
    steps : sequence of (date, str, bool) or date
        In this order: a file arrives (as it was first, or as it is in the end), or a night runs.
    """

    final: Mapping[File, Rows]
    first: Mapping[File, Rows] = field(default_factory=dict)
    steps: Sequence[Any] = ()


@st.composite
def schedules(draw: st.DrawFn) -> Schedule:
    """Deliveries of some days and sources; some come late, some are corrected under their name, some come twice."""
    places = [(day, source) for day in NIGHTS for source in SOURCES]
    chosen = draw(st.lists(st.sampled_from(places), unique=True, min_size=1, max_size=6))
    final = {place: draw(rows_of(place[1])) for place in chosen}
    for day, source in chosen:
        again = (draw(st.sampled_from(NIGHTS)), source)
        if draw(st.integers(0, 4)) == 0 and again not in final:
            final[again] = final[day, source]
    corrected = draw(st.lists(st.sampled_from(sorted(final)), unique=True, max_size=3))
    first = {place: draw(rows_of(place[1])) for place in corrected}
    arrivals = [(*place, True) for place in final]
    nights = draw(st.lists(st.sampled_from(NIGHTS), max_size=4))
    steps = draw(st.permutations([*arrivals, *nights]))
    for place in first:
        before = draw(st.integers(0, steps.index((*place, True))))
        steps = [*steps[:before], (*place, False), *steps[before:]]
    return Schedule(final, first, steps)


def rows_of(source: str) -> st.SearchStrategy[list[dict[str, Any]]]:
    """Rows of one file; now and then none at all, or a row that is refused or stands there twice."""
    return st.lists(ROWS[source], max_size=3)


def deliver(landing: Path, day: date, source: str, rows: Rows) -> None:
    """Write a file, in place of one of the same name."""
    path = landing / source / f"{day}.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    columns = list(contract(source).columns)
    names = [column.name for column in columns if column.is_required or (rows and column.name in rows[0])]
    texts = [{name: None if row.get(name) is None else str(row[name]) for name in names} for row in rows]
    pl.DataFrame(texts, schema=dict.fromkeys(names, pl.String)).write_csv(path)


def history(landing: Path, customers: int = 40) -> None:
    """Deliver the history of a small company on one day."""
    company = simulate(customers=customers, days=400, seed=5)
    for source in HISTORY:
        frame = company.frames[source].filter(pl.col("delivered_on") <= SUNDAY).drop("delivered_on")
        path = landing / source / f"{SUNDAY}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        frame.write_parquet(path)


def night(warehouse: Any, day: date) -> None:
    """What a night does, without the checks and the published file."""
    from pipelines.ingest.accepting import prepare
    from pipelines.ingest.loading import load
    from pipelines.modelling.models import in_use, train_missing
    from pipelines.modelling.reconstructing import reconstruct_history
    from pipelines.modelling.scoring import score
    from pipelines.modelling.snapshots import take_snapshot
    from pipelines.staging import TABLES, stage

    for agreed in landing_contracts():
        prepare(warehouse, agreed)
        if agreed.name in SOURCES:
            load(warehouse, agreed, day, "run")
    for table in TABLES:
        stage(warehouse, table, day)
    trained = train_missing(warehouse, day)
    models = in_use(warehouse, day)
    reconstruct_history(warehouse, models, is_retrained=bool(trained))
    take_snapshot(warehouse, day, models)
    score(warehouse, day, models, "run")


def play(schedule: Schedule, warehouse: Any) -> int:
    """Let the schedule happen, then run what is said to be out of date and what is missing; returns the nights run."""
    from pipelines.ingest.deliveries import outdated_nights

    landing, ran = warehouse.settings.landing, 0
    for step in schedule.steps:
        if isinstance(step, date):
            night(warehouse, step)
            ran += 1
        else:
            day, source, is_final = step
            deliver(landing, day, source, (schedule.final if is_final else schedule.first)[day, source])
    night(warehouse, NIGHTS[-1])
    held = {row[0] for row in warehouse.run("select as_of from scores.nights")}
    due = sorted({*outdated_nights(warehouse), *NIGHTS} - (held - {*outdated_nights(warehouse)}))
    for day in due:
        night(warehouse, day)
    assert outdated_nights(warehouse) == []
    return ran + 1 + len(due)


def undisturbed(schedule: Schedule, warehouse: Any) -> None:
    """The same files, each on its day, and a night after each day."""
    for day in NIGHTS:
        for (delivered, source), rows in schedule.final.items():
            if delivered == day:
                deliver(warehouse.settings.landing, day, source, rows)
        night(warehouse, day)


TABLES = {
    "scores.customer_days": "*",
    "scores.nights": "* exclude (run_id, scored_at)",
    "scores.reasons": "*",
    "scores.dimensions": "*",
    "scores.changes": "*",
    "scores.trial_counts": "*",
    "meta.models": "kind, version, trained_as_of, is_promoted",
    "meta.model_evaluations": "*",
    "meta.loads": "* exclude (run_id, started_at, finished_at, modified_at)",
    **{f"{schema}.{source}": "*" for schema in ("raw", "quarantine") for source in SOURCES},
}


def state(warehouse: Any) -> dict[str, pl.DataFrame]:
    """What a warehouse holds, but for run ids and clock times, in an order of its own."""
    return {name: warehouse.frame(f"select {columns} from {name} order by all") for name, columns in TABLES.items()}


def copied(base: Path, to: Path) -> Path:
    """A copy of a company's folder (landing and warehouse)."""
    shutil.rmtree(to, ignore_errors=True)
    shutil.copytree(base, to)
    return to
