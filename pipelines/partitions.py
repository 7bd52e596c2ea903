"""The days that nights can be run for.

Belongs here: the daily partitions, from the first delivery on. Must not be here: what a night does.
"""

import dagster as dg

from data_contracts import landing_contracts
from pipelines.ingest.landing import first_day
from pipelines.settings import Settings

SOURCES = tuple(contract.name for contract in landing_contracts())


def _delivery_days() -> dg.DailyPartitionsDefinition:
    settings = Settings.from_environment()
    first = first_day(settings.landing, SOURCES)
    start = first.isoformat() if first else "2020-01-01"
    return dg.DailyPartitionsDefinition(start_date=start, timezone=settings.time_zone, end_offset=1)


delivery_days = _delivery_days()
