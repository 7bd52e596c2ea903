"""What is told of a run of the command line, beside its output: log lines for machines, an alert for people.

Belongs here: which line and which alert belong to which ending. Must not be here: their form (see ``logs``) or how they
travel (see ``alerting``). Runs of Dagster's daemon are told by its sensors (see ``defs/operations``): nothing is told
twice.
"""

from datetime import UTC, date, datetime

from dagster import AssetCheckSeverity, DagsterEventType

from pipelines.errors import BusyError, UserError
from pipelines.night import Outcome, Step
from pipelines.operations.alert_channels import Message
from pipelines.operations.alerting import alert, run_message
from pipelines.operations.logs import Log
from pipelines.operations.run_records import is_stopped_by_check, open_record
from pipelines.settings import Settings


def log_step(log: Log, step: Step) -> None:
    """A table was made."""
    log.info("step", step=step.name, rows=step.rows, seconds=round(step.seconds, 3))


def tell_outcome(log: Log, settings: Settings, job: str, day: date, outcome: Outcome, seconds: float) -> list[str]:
    """Log how a run ended and alert whoever wants to know; returns warnings about alerts that could not be sent.

    A run that found the warehouse busy is logged only: it is tried again, and if no try gets through, the published
    scores grow old, which is told.
    """
    _log_checks(log, outcome.run_id)
    for text in outcome.warnings:
        log.warning("warning", run_id=outcome.run_id, text=text)
    for text in outcome.errors:
        log.error("error", run_id=outcome.run_id, text=text)
    log.info("end", run_id=outcome.run_id, is_ok=outcome.is_ok, exit_code=outcome.exit_code, seconds=round(seconds, 3))
    if outcome.is_busy or (outcome.is_ok and not outcome.warnings):
        return []
    kind = "warning" if outcome.is_ok else _kind(outcome)
    lines = outcome.warnings if outcome.is_ok else outcome.errors
    return _told(log, run_message(kind, job, day, outcome.run_id, lines, settings.warehouse))


def tell_refusal(log: Log, job: str, day: date | None, error: Exception) -> list[str]:
    """Log and alert that a run could not even begin, or broke off; returns warnings about alerts."""
    text = str(error) if isinstance(error, UserError) else f"the program broke off ({type(error).__name__})"
    log.error("error", text=text)
    log.info("end", is_ok=False, exit_code=getattr(error, "exit_code", 1))
    if isinstance(error, BusyError):
        return []
    return _told(log, run_message("failure", job, day or datetime.now(UTC).date(), "", [text]))


def _told(log: Log, message: Message) -> list[str]:
    problems = alert(message)
    for text in problems:
        log.warning("warning", text=text)
    return problems


def _kind(outcome: Outcome) -> str:
    """Whether a check or something else stopped a run; where the record cannot say, something else did."""
    try:
        with open_record() as instance:
            return "check" if is_stopped_by_check(instance, outcome.run_id) else "failure"
    except Exception:  # a damaged record has failed the run already, and must not keep people from hearing of it
        return "failure"


def _log_checks(log: Log, run_id: str) -> None:
    """One line a check, with the time at which it was made."""
    if log.is_off:
        return
    try:
        with open_record() as instance:
            entries = instance.all_logs(run_id, of_type=DagsterEventType.ASSET_CHECK_EVALUATION)
    except Exception as error:
        log.warning("warning", text=f"the checks cannot be read from the record of runs ({type(error).__name__})")
        return
    for entry in entries:
        if entry.dagster_event is None:
            continue
        found = entry.dagster_event.asset_check_evaluation_data
        is_error = not found.passed and found.severity is AssetCheckSeverity.ERROR
        (log.error if is_error else log.info if found.passed else log.warning)(
            "check",
            run_id=run_id,
            table=".".join(found.asset_key.path),
            check=found.check_name,
            is_passed=found.passed,
            checked_at=datetime.fromtimestamp(entry.timestamp, UTC).isoformat(),
        )
