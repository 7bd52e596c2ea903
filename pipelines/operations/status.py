"""Status: what is published, how old it is, and how the last run ended, for people and for monitoring.

Belongs here: reading that without the warehouse and its lock, so that it can be asked at any time.
Must not be here: telling people of it unasked (see ``alerting``).
"""

import math
import os
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from typing import Any

from dagster import DagsterInstance

from pipelines.bi.published import published, tables
from pipelines.errors import UserError
from pipelines.settings import Settings
from pipelines.warehouse import DuckDBError, Warehouse
from trust_models.as_of import AsOf

MAX_AGE_HOURS = 36.0
"""A night of yesterday that is published at two in the morning is at most 26 hours old when the next one comes."""


@dataclass(frozen=True)
class Status:
    """What is published.

    Parameters
    ----------
    as_of : date or None
        The day that the published scores are of; None: nothing is published, or it cannot be read.
    age_hours : float or None
        Hours since the end of that day: neither a night that fails nor one without deliveries makes scores younger.
    published_at : datetime or None
        When the file was made (UTC).
    max_age_hours : float
        The agreed age.
    rows : dict of str to int
        Rows of each published table.
    models : dict of str to str
        Versions of the trust and the churn model.
    failed_checks, warnings : list of str
        What the published night's checks found.
    problem : str or None
        Why it is stale: one line, None where all is well.
    """

    as_of: date | None
    age_hours: float | None
    published_at: datetime | None
    max_age_hours: float
    rows: dict[str, int]
    models: dict[str, str]
    failed_checks: list[str]
    warnings: list[str]
    problem: str | None

    @property
    def is_stale(self) -> bool:
        """Whether nothing is published, or what is there is too old."""
        return self.problem is not None


def agreed_age(wanted: float | None = None) -> float:
    """The age in hours that was asked for, else that of TRUST_MAX_AGE_HOURS, else 36.

    Raises
    ------
    UserError
        If the variable is no number of hours.
    """
    if wanted is not None:
        return wanted
    text = os.environ.get("TRUST_MAX_AGE_HOURS") or str(MAX_AGE_HOURS)
    try:
        hours = float(text)
    except ValueError:
        hours = math.nan
    if not 0 < hours < math.inf:
        raise UserError(f"TRUST_MAX_AGE_HOURS: {text!r} is no number of hours; use a number such as 36")
    return hours


def status(settings: Settings, max_age_hours: float = MAX_AGE_HOURS, now: datetime | None = None) -> Status:
    """What is published, from the published file alone.

    Parameters
    ----------
    settings : Settings
        Names the warehouse folder.
    max_age_hours : float
        How old the scores may be.
    now : datetime or None
        An instant with a time zone; None: the clock's.
    """
    path = settings.warehouse / "bi.duckdb"
    absent = Status(None, None, None, max_age_hours, {}, {}, [], [], None)
    if not path.is_file():
        return _with_problem(absent, f"{path}: nothing is published; run 'trust run'")
    try:
        with published(settings) as reader:
            return _read(reader, max_age_hours, now or datetime.now(UTC))
    except (DuckDBError, UserError, IndexError):
        return _with_problem(absent, f"{path}: cannot be read as a published database; run the night again")


def last_run(instance: DagsterInstance) -> dict[str, Any] | None:
    """The newest run in Dagster's record: job, day, how it ended, when it began and ended (UTC)."""
    records = instance.get_run_records(limit=1)
    if not records:
        return None
    run = records[0].dagster_run
    began, ended = (
        None if moment is None else datetime.fromtimestamp(moment, UTC).replace(microsecond=0)
        for moment in (records[0].start_time, records[0].end_time)
    )
    day = run.tags.get("dagster/partition")
    return {
        "job": run.job_name,
        "as_of": day,
        "run_id": run.run_id,
        "status": run.status.value.lower(),
        "started_at": began,
        "ended_at": ended,
    }


def as_json_object(told: Status) -> dict[str, Any]:
    """The status as one JSON object."""
    return {"is_stale": told.is_stale, **asdict(told)}


def render(told: Status, run: dict[str, Any] | None) -> str:
    """The status as lines for a terminal."""
    lines = []
    if told.as_of is not None:
        lines += [
            f"published   as of {told.as_of}, {told.age_hours:.1f} hours old, made {told.published_at} UTC",
            f"rows        {', '.join(f'{name} {rows:,}' for name, rows in told.rows.items())}",
            f"models      {', '.join(f'{kind} {name}' for kind, name in told.models.items())}",
            f"checks      {len(told.failed_checks)} failed, {len(told.warnings)} warnings",
            *(f"  failed: {text}" for text in told.failed_checks),
            *(f"  warning: {text}" for text in told.warnings),
        ]
    if run is not None:
        lines.append(f"last run    {run['job']} of {run['as_of']}: {run['status']}, began {run['started_at']}")
    return "\n".join(lines)


def _read(reader: Warehouse, max_age_hours: float, now: datetime) -> Status:
    info = reader.records("select * from published.run_info")[0]
    end = AsOf(info["as_of"], info["time_zone"]).end.replace(tzinfo=UTC)
    age = max(0.0, (now - end).total_seconds() / 3600)
    failed = reader.run(
        "select severity, text_en from published.data_quality where not is_passed order by table_name, check_name"
    )
    found = Status(
        as_of=info["as_of"],
        age_hours=round(age, 2),
        published_at=info["published_at"].replace(microsecond=0),
        max_age_hours=max_age_hours,
        rows={name: int(reader.value(f'select count(*) from published."{name}"')) for name in tables(reader)},
        models={"trust": info["trust_model_version"], "churn": info["churn_model_version"]},
        failed_checks=[text for severity, text in failed if severity == "error"],
        warnings=[text for severity, text in failed if severity != "error"],
        problem=None,
    )
    if age <= max_age_hours:
        return found
    return _with_problem(
        found,
        f"the published scores are of {found.as_of}: {age:,.0f} hours old, and at most {max_age_hours:g} are agreed;"
        " look at the last run",
    )


def _with_problem(told: Status, problem: str) -> Status:
    return Status(**{**vars(told), "problem": problem})
