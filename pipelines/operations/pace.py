"""Pace: how long the rest of a run took the last time, from Dagster's record.

Belongs here: what a run will make, and the seconds that were left after each table of the last run of the same job and
warehouse that went well. Must not be here: how a terminal shows it (see ``cli_progress``).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from dagster import DagsterEventType, DagsterInstance, DagsterRunStatus, RunsFilter

WAREHOUSE_TAG = "trust/warehouse"


@dataclass(frozen=True)
class Pace:
    """What a run is about to do.

    Parameters
    ----------
    tables : tuple of str
        Every table that it makes, ``schema.name``.
    seconds : float or None
        How long the last such run took; None where there was none: then nobody knows.
    seconds_left : mapping of str to float
        Seconds that the last such run still took after each of its tables.
    """

    tables: tuple[str, ...]
    seconds: float | None
    seconds_left: Mapping[str, float]


def pace(instance: DagsterInstance, job: str, warehouse: str, tables: tuple[str, ...]) -> Pace:
    """The pace of a job on a warehouse, by the last of its runs that went well."""
    wanted = RunsFilter(job_name=job, statuses=[DagsterRunStatus.SUCCESS], tags={WAREHOUSE_TAG: warehouse})
    records = instance.get_run_records(wanted, limit=1)
    if not records or records[0].start_time is None or records[0].end_time is None:
        return Pace(tables, None, {})
    entries = instance.all_logs(records[0].dagster_run.run_id, of_type=DagsterEventType.ASSET_MATERIALIZATION)
    moments = {
        ".".join(entry.dagster_event.asset_key.path): entry.timestamp
        for entry in entries
        if entry.dagster_event and entry.dagster_event.asset_key
    }
    began, ended = _seconds(records[0].start_time), _seconds(records[0].end_time)
    return Pace(tables, ended - began, {name: max(0.0, ended - moment) for name, moment in moments.items()})


def _seconds(moment: float | datetime) -> float:
    return moment.timestamp() if isinstance(moment, datetime) else float(moment)
