import tempfile
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from pipelines.bi.known_facts import SOURCES, offer_known_facts
from trust_models.as_of import EVENT_AT, FACTS, SCHEMAS, AsOf, EventLog

KEYS = {"orders": "order_id", "complaints": "complaint_id", "churn": "customer_id", "customers": "customer_id"}
ZONES = ("UTC", "Asia/Shanghai", "America/New_York")
moments = st.datetimes(datetime(2024, 3, 1), datetime(2024, 3, 20))
days = st.dates(date(2024, 3, 1), date(2024, 3, 20))


@st.composite
def versions(draw: st.DrawFn, source: str) -> list[dict[str, Any]]:
    """Versions of a few rows, as deliveries would leave them, with facts before and after any day."""
    facts = FACTS.get(source, {})
    rows = []
    for index in range(draw(st.integers(0, 3))):
        event_at = draw(moments)
        known_days = sorted(draw(st.sets(days, min_size=1, max_size=3)))
        for start, until in zip(known_days, [*known_days[1:], None], strict=True):
            row: dict[str, Any] = {KEYS[source]: f"k{index}", "known_from": start, "known_until": until}
            if event := EVENT_AT[source]:
                row[event] = event_at
            row |= {fact: draw(st.none() | moments) for fact in facts}
            row |= {"returned_share": 0.5, "return_reason": "broken"} if source == "orders" else {}
            row |= {"resolution": "refund"} if source == "complaints" else {}
            rows.append(row)
    return rows


logs = st.fixed_dictionaries({source: versions(source) for source in SOURCES})


@pytest.fixture(scope="module")
def warehouses() -> "Iterator[dict[str, Any]]":
    from pipelines.settings import Settings
    from pipelines.warehouse import Warehouse

    with tempfile.TemporaryDirectory() as folder:
        opened = {
            zone: Warehouse(Settings(warehouse=Path(folder) / str(place), time_zone=zone))
            for place, zone in enumerate(ZONES)
        }
        yield opened
        for warehouse in opened.values():
            warehouse.close()


@settings(deadline=None, max_examples=40)
@given(logs, days, st.sampled_from(ZONES))
def test_sql_knows_on_any_day_what_the_models_know(warehouses, log, day, zone):
    frames = {source: pl.DataFrame(rows, schema=SCHEMAS[source]) for source, rows in log.items()}
    warehouse = warehouses[zone]
    for source, frame in frames.items():
        warehouse.replace(f"staging.{source}", frame)
    warehouse.replace("scores.nights", pl.DataFrame({"as_of": [date(2024, 1, 1), day]}))
    offer_known_facts(warehouse)
    masked = EventLog.of(**frames).known(AsOf(day, zone))
    for source in SOURCES:
        found = warehouse.table(f"known_{source}").sort(pl.all())
        assert_frame_equal(found, getattr(masked, source).collect().sort(pl.all()))
