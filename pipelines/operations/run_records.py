"""Dagster's record of runs, for what is told after them.

Belongs here: opening the record from a command, where it is kept, and how a run of the record ended, in words.
Must not be here: running anything (see ``night``).
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dagster import AssetCheckSeverity, DagsterEventType, DagsterInstance
from dagster._core.instance.ref import InstanceRef

from pipelines.night import ROOT, Follower, Outcome, at_root
from pipelines.settings import Settings


@contextmanager
def open_record() -> Iterator[DagsterInstance]:
    """Open Dagster's record of runs, of DAGSTER_HOME or else of this project."""
    os.environ["DAGSTER_HOME"] = os.environ.get("DAGSTER_HOME", str(ROOT))
    with at_root(), DagsterInstance.get() as instance:
        yield instance


def record_folder() -> Path | None:
    """The folder of the record's SQLite files; None where it is kept in another kind of database."""
    home = os.environ.get("DAGSTER_HOME", str(ROOT))
    stored = InstanceRef.from_dir(home).storage_data
    if stored is None or stored.class_name != "DagsterSqliteStorage":
        return None
    return ROOT / str(stored.config_dict["base_dir"])


def outcome_of(instance: DagsterInstance, run_id: str, settings: Settings) -> Outcome:
    """How a run of the record ended, in the words that a terminal would have shown."""
    follower = Follower(settings, lambda _: None)
    for entry in instance.all_logs(run_id):
        follower(entry)
    run = instance.get_run_by_id(run_id)
    return follower.outcome(run_id, is_success=run is not None and run.is_success)


def is_stopped_by_check(instance: DagsterInstance, run_id: str) -> bool:
    """Whether a check that must hold did not hold in a run."""
    entries = instance.all_logs(run_id, of_type=DagsterEventType.ASSET_CHECK_EVALUATION)
    evaluations = [entry.dagster_event.asset_check_evaluation_data for entry in entries if entry.dagster_event]
    return any(not found.passed and found.severity is AssetCheckSeverity.ERROR for found in evaluations)
