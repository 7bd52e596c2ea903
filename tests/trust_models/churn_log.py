from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta

import numpy as np
import polars as pl

from trust_models.as_of import EVENT_AT, SCHEMAS, AsOf, EventLog
from trust_models.churn_training import ChurnSnapshot
from trust_models.features import features
from trust_models.labels import labels

Rows = Sequence[Mapping[str, object]]


def log_of(**sources: Rows) -> EventLog:
    return EventLog.of(**{source: rows_of(source, rows) for source, rows in sources.items()})


def rows_of(source: str, rows: Rows) -> pl.DataFrame:
    schema, event_at = SCHEMAS[source], EVENT_AT[source]
    full = []
    for number, row in enumerate(rows):
        key = {"orders": "order_id", "complaints": "complaint_id"}.get(source)
        made = dict.fromkeys(schema.names()) | ({key: f"{source}{number}"} if key else {}) | dict(row)
        if event_at is not None:
            day = made[event_at].date()
            made[event_at.replace("_at", "_date")] = day
            made["known_from"] = made["known_from"] or day
        made["known_from"] = made["known_from"] or date(2000, 1, 1)
        full.append(made)
    return pl.DataFrame(full, schema=schema, orient="row")


def order(customer: str, day: str | date, **facts: object) -> dict[str, object]:
    at = datetime.fromisoformat(f"{day}T12:00:00")
    return {"customer_id": customer, "ordered_at": at, "amount": 10.0, "lines": 1, "products": 1} | facts


def features_of(log: EventLog, day: date, **options: object) -> pl.DataFrame:
    as_of = AsOf(day)
    return features(log.known(as_of), as_of=as_of, **options).collect()


def company(customers: int, *, seed: int = 0, days: int = 300) -> EventLog:
    """Customers with rates and lives of their own; a third buys but once."""
    rng = np.random.default_rng(seed)
    start = date(2023, 1, 1)
    rows = []
    for customer in range(customers):
        day, life = float(rng.integers(0, days // 2)), rng.exponential(150)
        rate, first = rng.gamma(1.0, 30.0) + 3.0, None
        once = rng.random() < 0.3
        while day < days and (first is None or (day - first < life and not once)):
            first = day if first is None else first
            rows.append(order(f"C{customer}", start + timedelta(days=int(day)), amount=float(rng.lognormal(3, 1))))
            day += rng.exponential(rate)
    return log_of(orders=rows)


def snapshots_of(log: EventLog, days: Sequence[date], known_at: date, horizon_days: int = 60) -> list[ChurnSnapshot]:
    known = log.known(AsOf(known_at)).collect()
    return [
        ChurnSnapshot(
            day,
            features_of(log, day),
            labels(
                known, as_of=AsOf(day), known_at=AsOf(known_at), horizon_days=horizon_days, definition="silent"
            ).collect(),
        )
        for day in days
    ]
