"""One night, in this process: a Dagster job run with progress, and what came out of it in words.

Belongs here: running a job for a day, following its steps, and naming what stopped it.
Must not be here: what the steps do (see ``defs/``), or how a terminal shows it (see ``cli``).
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import dagster as dg
from dagster import DagsterEvent, DagsterEventType, DagsterInstance, EventLogEntry
from dagster_shared.error import SerializableErrorInfo

from pipelines.errors import BusyError, UserError
from pipelines.operations.pace import WAREHOUSE_TAG, Pace, pace
from pipelines.settings import Settings
from pipelines.storage.disk_errors import disk_line, quiet_record
from pipelines.storage.record_connections import record_kept_open

_SILENT = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
_FOR_PEOPLE = (UserError.__name__, BusyError.__name__)
ROOT = Path(__file__).resolve().parent.parent


@dataclass
class Outcome:
    """How a run ended.

    Parameters
    ----------
    is_ok : bool
        Whether every step ran and every blocking check passed.
    errors : list of str
        What stopped the run, one line each.
    warnings : list of str
        Checks that warn.
    run_id : str
        Dagster's id of the run.
    is_busy : bool
        Whether it was stopped only because another process is at work; the same run will do later.
    """

    is_ok: bool
    errors: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    run_id: str = ""
    is_busy: bool = False

    @property
    def exit_code(self) -> int:
        """What the command line ends with: 0 published, 1 failed, 3 the warehouse is busy."""
        if self.is_ok:
            return 0
        return BusyError.exit_code if self.is_busy else UserError.exit_code


@dataclass(frozen=True)
class Step:
    """A table that was made: its name, rows and seconds."""

    name: str
    rows: int | None
    seconds: float


def new_run_id() -> str:
    """An id for a run that is about to begin, as Dagster makes them."""
    return str(dg._core.utils.make_new_run_id())


def run_job(
    settings: Settings,
    job: str,
    as_of: date,
    on_step: Callable[[Step], None],
    run_id: str | None = None,
    on_begin: Callable[[Pace], None] = lambda _: None,
) -> Outcome:
    """Run a job of the code location for one day, under an id of its own where none is given.

    ``on_begin`` hears what lies ahead before the first step, ``on_step`` of each table that was made.

    Raises
    ------
    UserError
        If there can be no night of that day.
    """
    _export(settings)
    run_id = run_id or new_run_id()
    follower = Follower(settings, on_step)
    try:
        with at_root(), quiet_record(), record_kept_open(), DagsterInstance.get() as instance:
            instance.add_event_listener(run_id, follower)
            is_success = _execute(instance, settings, job, as_of, run_id, on_begin)
    except Exception as error:
        # Dagster's own record cannot be written or read: there may be no run, and nothing in its events says so
        line = None if isinstance(error, UserError) else disk_line(error, settings)
        if line is None:
            raise
        is_success, follower.disk = False, line
    return follower.outcome(run_id, is_success=is_success)


def _execute(
    instance: DagsterInstance,
    settings: Settings,
    job: str,
    as_of: date,
    run_id: str,
    on_begin: Callable[[Pace], None],
) -> bool:
    from pipelines.definitions import defs
    from pipelines.defs.jobs import REFIT

    definition = defs().resolve_job_def(job)
    _refuse_unknown_day(definition, as_of)
    tables = tuple(".".join(key.path) for key in definition.asset_layer.executable_asset_keys)
    warehouse = str(settings.warehouse)
    on_begin(pace(instance, job, warehouse, tables))
    result = definition.execute_in_process(
        partition_key=as_of.isoformat(),
        instance=instance,
        raise_on_error=False,
        run_id=run_id,
        tags={WAREHOUSE_TAG: warehouse},
        run_config={**(REFIT if job == "training" else {}), **_SILENT},
    )
    return result.success


class Follower:
    """Listens to a run's events: reports tables made, keeps errors and warnings in words.

    A full disk fails one step after the other, each in other words: then its one line stands for all of them.
    """

    def __init__(self, settings: Settings, on_step: Callable[[Step], None]) -> None:
        self.settings = settings
        self.on_step = on_step
        self.disk: str | None = None
        self.is_busy = False
        self.errors: list[str] = []
        self.warnings: list[str] = []
        self._started: dict[str, float] = {}

    def outcome(self, run_id: str, *, is_success: bool) -> Outcome:
        """How the run ended, in words."""
        errors = [self.disk] if self.disk else self.errors
        if not is_success and not errors:
            errors = [f"the run failed before its first step; see run {run_id} on Dagster's pages"]
        return Outcome(is_success and not errors, errors, self.warnings, run_id, self.is_busy)

    def __call__(self, entry: EventLogEntry) -> None:
        """Take up one event of the run."""
        event = entry.dagster_event
        if event is None:
            return
        if event.event_type is DagsterEventType.STEP_START and event.step_key:
            self._started[event.step_key] = entry.timestamp
        elif event.event_type is DagsterEventType.ASSET_MATERIALIZATION:
            self._materialized(event, entry.timestamp)
        elif event.event_type is DagsterEventType.ASSET_CHECK_EVALUATION:
            self._checked(event)
        elif event.event_type is DagsterEventType.STEP_FAILURE:
            self._failed(event.step_failure_data.error, event.step_key)
        elif event.event_type is DagsterEventType.RESOURCE_INIT_FAILURE:
            self._failed(event.engine_event_data.error, None)

    def _materialized(self, event: DagsterEvent, moment: float) -> None:
        materialization = event.step_materialization_data.materialization
        rows = materialization.metadata.get("dagster/row_count")
        name = ".".join(materialization.asset_key.path)
        seconds = moment - self._started.get(event.step_key or "", moment)
        self.on_step(Step(name, None if rows is None else int(str(rows.value)), seconds))

    def _checked(self, event: DagsterEvent) -> None:
        evaluation = event.asset_check_evaluation_data
        if not evaluation.passed:
            is_warning = evaluation.severity is dg.AssetCheckSeverity.WARN
            (self.warnings if is_warning else self.errors).append(evaluation.description or evaluation.check_name)

    def _failed(self, error: SerializableErrorInfo | None, step: str | None) -> None:
        if error is not None and not self.disk:
            self.disk = disk_line(error, self.settings)
        while error is not None and error.cause is not None and error.cls_name not in _FOR_PEOPLE:
            error = error.cause
        if error is None or error.cls_name == "DagsterAssetCheckFailedError":
            return
        words = error.message.strip().removeprefix("pipelines.errors.").removeprefix(f"{error.cls_name}: ")
        line = words.splitlines()[0] if words else str(error.cls_name)
        self.is_busy = self.is_busy or error.cls_name == BusyError.__name__
        self.errors.append(line if error.cls_name in _FOR_PEOPLE or step is None else f"{step}: {line}")


def _export(settings: Settings) -> None:
    """Tell the code location where to work: it reads the environment, like any Dagster process."""
    os.environ["DAGSTER_HOME"] = os.environ.get("DAGSTER_HOME", str(ROOT))
    os.environ["TRUST_LANDING"] = str(settings.landing)
    os.environ["TRUST_WAREHOUSE"] = str(settings.warehouse)
    os.environ["TRUST_WAIT"] = str(settings.wait_minutes)
    os.environ["TRUST_FULL"] = str(int(settings.is_full))
    os.environ["TRUST_ENGINE"] = settings.engine


@contextmanager
def at_root() -> Iterator[None]:
    """Dagster's storage lies relative to the project's root."""
    before = Path.cwd()
    os.chdir(ROOT)
    try:
        yield
    finally:
        os.chdir(before)


def _refuse_unknown_day(job: dg.JobDefinition, as_of: date) -> None:
    days = job.partitions_def
    if days is None or days.has_partition_key(as_of.isoformat()):
        return
    first, last = days.get_first_partition_key(), days.get_last_partition_key()
    raise UserError(
        f"--as-of {as_of}: there can be no night of that day; choose one from {first} (first delivery) to {last}"
    )
