"""Retention: what is old enough to go, and letting it go.

Belongs here: ages from the environment, and what each kind of thing may be removed for.
Must not be here: erasing a person (see ``erasing``), or what a killed night left (see ``leftovers``).

Ages are counted back from the newest night, not from the clock: a warehouse that rests for a year loses nothing. Only
Dagster's record of runs follows the clock.
"""

import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from dagster import DagsterInstance, RunsFilter
from dagster._core.storage.dagster_run import FINISHED_STATUSES

from data_contracts import landing_contracts
from pipelines.errors import UserError
from pipelines.warehouse import Warehouse

MODEL_FOLDER = re.compile(r"(trust|experience|churn)-(\d{4}-\d{2}-\d{2})\.[0-9a-f]{8}")
BACKTEST_FOLDER = re.compile(r"backtest-(\d{4}-\d{2}-\d{2})")
REPORT_FOLDER = re.compile(r"(\d{4}-\d{2}-\d{2})")
RUNS_AT_ONCE = 500
"""Runs that one night removes at most, so that a long neglected record does not hold it up."""


@dataclass(frozen=True)
class Retention:
    """How many days each kind of thing is kept; None: for ever.

    Parameters
    ----------
    history : int or None
        Scores of past nights. For ever: they are the record of what was published.
    quarantine : int or None
        Refused rows, which hold what was delivered, faults and all: half a year to mend and deliver again.
    findings : int or None
        Results of checks, and backtest reports: a year to compare with, and a month.
    models : int or None
        Models that no night of the history was scored with: likewise.
    reports : int or None
        Reports of past nights: likewise.
    runs : int or None
        Dagster's record of finished runs, with its logs.
    """

    history: int | None = None
    quarantine: int | None = 180
    findings: int | None = 400
    models: int | None = 400
    runs: int | None = 90
    reports: int | None = 400

    @classmethod
    def from_environment(cls) -> "Retention":
        """Days from TRUST_KEEP_<KIND>_DAYS; a variable that is set to nothing keeps for ever.

        Raises
        ------
        UserError
            If one is no number of days.
        """
        given = {field.name: os.environ.get(f"TRUST_KEEP_{field.name.upper()}_DAYS") for field in fields(cls)}
        return cls(**{name: _days(name, text) for name, text in given.items() if text is not None})


@dataclass(frozen=True)
class Removed:
    """What was removed, or would be, of one kind: how many, in what unit, and how old at least."""

    kind: str
    count: int
    unit: str
    days: int


def clean(warehouse: Warehouse, retention: Retention, *, is_dry_run: bool = False) -> list[Removed]:
    """Remove what is older than it is kept in a warehouse; returns what, kinds without anything to remove left out.

    The newest night, the models it names and the newest promoted ones always stay.
    """
    newest = warehouse.value("select max(as_of) from scores.nights") if warehouse.has_table("scores.nights") else None
    if newest is None:
        return []
    steps = {
        "history": _clean_history,
        "quarantine": _clean_quarantine,
        "findings": _clean_findings,
        "models": _clean_models,
        "reports": _clean_reports,
    }
    removed = [
        (name, days, step(warehouse, newest - timedelta(days=days), is_dry_run))
        for name, step in steps.items()
        if (days := getattr(retention, name)) is not None
    ]
    return [Removed(name, count, unit, days) for name, days, counts in removed for unit, count in counts if count]


def clean_runs(instance: DagsterInstance, days: int | None, *, is_dry_run: bool = False) -> list[Removed]:
    """Remove finished runs, with their events and logs, that are older than so many days by the clock."""
    if days is None:
        return []
    old = RunsFilter(statuses=list(FINISHED_STATUSES), created_before=datetime.now(UTC) - timedelta(days=days))
    if is_dry_run:
        count = instance.get_runs_count(old)
        return [Removed("runs", count, "runs", days)] if count else []
    records = instance.get_run_records(old, limit=RUNS_AT_ONCE, ascending=True)
    for record in records:
        run_id = record.dagster_run.run_id
        instance.delete_run(run_id)
        instance.compute_log_manager.delete_logs(prefix=[run_id])
    return [Removed("runs", len(records), "runs", days)] if records else []


def render(removed: list[Removed], *, is_dry_run: bool) -> str:
    """What was removed, as lines for a terminal."""
    verb = "would remove" if is_dry_run else "removed"
    lines = [f"{verb} {gone.count:,} {gone.unit} of {gone.kind} (older than {gone.days} days)" for gone in removed]
    return "\n".join(lines) or "nothing is old enough to be removed"


Counts = list[tuple[str, int]]


def _clean_history(warehouse: Warehouse, before: date, is_dry_run: bool) -> Counts:
    tables = {"scores.customer_days": "rows", "scores.nights": "nights"}
    with warehouse.transaction():
        return [(unit, _delete(warehouse, table, "as_of < ?", (before,), is_dry_run)) for table, unit in tables.items()]


def _clean_findings(warehouse: Warehouse, before: date, is_dry_run: bool) -> Counts:
    count = _delete(warehouse, "meta.findings", "as_of < ?", (before,), is_dry_run)
    reports = _old_reports(warehouse, BACKTEST_FOLDER, before)
    if not is_dry_run:
        _remove(reports)
    return [("rows", count), ("backtest reports", len(reports))]


def _clean_reports(warehouse: Warehouse, before: date, is_dry_run: bool) -> Counts:
    old = _old_reports(warehouse, REPORT_FOLDER, before)
    if not is_dry_run:
        _remove(old)
    return [("nights", len(old))]


def _old_reports(warehouse: Warehouse, name: re.Pattern[str], before: date) -> list[Path]:
    """Folders of reports whose name says a day that lies before."""
    folders = _folders(warehouse.settings.warehouse / "reports")
    return [path for path in folders if (found := name.fullmatch(path.name)) and date.fromisoformat(found[1]) < before]


def _clean_quarantine(warehouse: Warehouse, before: date, is_dry_run: bool) -> Counts:
    """Rows go, and the ledger keeps count of them: refused = still there + expired."""
    expired = 0
    for source in (contract.name for contract in landing_contracts()):
        if not warehouse.has_table(f"quarantine.{source}"):
            continue
        with warehouse.transaction():
            if not is_dry_run:
                warehouse.run(
                    f"""
                    update meta.loads set rows_expired = coalesce(rows_expired, 0) + gone.rows
                    from (
                        select load_date, source_file, count(*) as rows from quarantine.{source}
                        where load_date < ? group by all
                    ) as gone
                    where loads.source = ? and loads.load_date = gone.load_date and loads.file = gone.source_file
                    """,
                    (before, source),
                )
            expired += _delete(warehouse, f"quarantine.{source}", "load_date < ?", (before,), is_dry_run)
    return [("rows", expired)]


def _clean_models(warehouse: Warehouse, before: date, is_dry_run: bool) -> Counts:
    """Models that serve no kept night: first out of the register, then their folders, then folders of nobody."""
    if not warehouse.has_table("meta.models"):
        return []
    old = _unused_models(warehouse, before)
    registered = {Path(row[0]).parent.name for row in warehouse.run("select file from meta.models")}
    orphans = [path for path in _model_folders(warehouse) if path.name not in registered and _day(path) < before]
    folders = [warehouse.settings.warehouse / Path(file).parent for _, _, file in old]
    if not is_dry_run:
        with warehouse.transaction():
            for kind, version, _ in old:
                warehouse.run("delete from meta.models where kind = ? and version = ?", (kind, version))
        _remove([folder for folder in folders if MODEL_FOLDER.fullmatch(folder.name)] + orphans)
    return [("models", len(old)), ("unregistered model folders", len(orphans))]


def _unused_models(warehouse: Warehouse, before: date) -> list[tuple[str, str, str]]:
    """Models trained before a day that neither a kept score nor the next night needs: kind, version and file.

    A kept score names its trust and churn models; the experience model belongs to the trust model of the same day.
    """
    rows: list[tuple[str, str, str]] = warehouse.run(
        """
        with named as (
            select trust_model_version as version from scores.nights
            union select churn_model_version from scores.nights
            union select trust_model_version from scores.customer_days
            union select churn_model_version from scores.customer_days
        ),

        days as (
            select trained_as_of from meta.models where version in (select version from named where version is not null)
            union select max(trained_as_of) from meta.models where is_promoted group by kind
            union select max(trained_as_of) from meta.models group by kind
        )

        select kind, version, file
        from meta.models
        where trained_as_of < ? and trained_as_of not in (select trained_as_of from days)
        order by all
        """,
        (before,),
    )
    return rows


def _delete(warehouse: Warehouse, table: str, where: str, parameters: tuple[object, ...], is_dry_run: bool) -> int:
    if not warehouse.has_table(table):
        return 0
    count = int(warehouse.value(f"select count(*) from {table} where {where}", parameters))
    if count and not is_dry_run:
        warehouse.run(f"delete from {table} where {where}", parameters)
    return count


def _folders(folder: Path) -> Iterator[Path]:
    return (path for path in (sorted(folder.iterdir()) if folder.is_dir() else ()) if path.is_dir())


def _model_folders(warehouse: Warehouse) -> Iterator[Path]:
    return (path for path in _folders(warehouse.settings.warehouse / "models") if MODEL_FOLDER.fullmatch(path.name))


def _day(folder: Path) -> date:
    found = MODEL_FOLDER.fullmatch(folder.name)
    return date.fromisoformat(found[2]) if found else date.max


def _remove(folders: list[Path]) -> None:
    for folder in folders:
        if folder.is_dir():
            shutil.rmtree(folder)


def _days(name: str, text: str) -> int | None:
    if not text.strip():
        return None
    if not text.strip().isdecimal() or int(text) < 1 or int(text) > 100_000:
        raise UserError(f"TRUST_KEEP_{name.upper()}_DAYS: {text!r} is no number of days; use 1 or more, or nothing")
    return int(text)
