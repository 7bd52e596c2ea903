"""Operations: clearing away what is old after a night is published, and telling people when one fails or none comes.

Belongs here: the last step of the night, and the sensors. Must not be here: what is removed, said or sent (see
``retention``, ``alerting``, ``status``). Nothing here can fail a night.
"""

from collections.abc import Iterator

import dagster as dg

from pipelines.catalogue import OWNER, warned
from pipelines.checks.findings import one_line
from pipelines.operations.alerting import alert, alert_once, run_message, stale_message
from pipelines.operations.retention import Retention, clean, clean_runs
from pipelines.operations.run_records import is_stopped_by_check, outcome_of
from pipelines.operations.status import agreed_age, status
from pipelines.partitions import delivery_days
from pipelines.settings import Settings
from pipelines.warehouse import Warehouse

Results = Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]

RETENTION = dg.AssetKey(["operations", "retention"])
BACKFILL = "dagster/backfill"


@dg.asset(
    key=RETENTION,
    group_name="operations",
    deps=[["published", "bi"], ["published", "report"]],
    check_specs=[dg.AssetCheckSpec("cleared", asset=RETENTION, description="What is old could be removed. It warns.")],
    description="What is older than it is kept is removed, after publishing: TRUST_KEEP_…_DAYS say how long.",
    kinds={"duckdb"},
    owners=[OWNER],
    partitions_def=delivery_days,
)
def retention(context: dg.AssetExecutionContext, warehouse: dg.ResourceParam[Warehouse]) -> Results:
    problem = None
    try:
        kept = Retention.from_environment()
        removed = [*clean(warehouse, kept), *clean_runs(context.instance, kept.runs)]
    except Exception as error:  # the night is published: what could not be cleared away is a warning
        removed, problem = [], one_line(f"old data was not cleared away: {error}")[:300]
    yield dg.MaterializeResult(metadata={f"{gone.kind}_{gone.unit}".replace(" ", "_"): gone.count for gone in removed})
    yield warned(RETENTION, "cleared", problem)


@dg.run_failure_sensor(
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Tells of a run that failed, where TRUST_ALERT_… names somebody. Runs of 'trust run' tell themselves.",
)
def failed_run(context: dg.RunFailureSensorContext) -> dg.SkipReason:
    run = context.dagster_run
    if BACKFILL in run.tags:
        return dg.SkipReason("a backfill is watched by whoever started it")
    settings = Settings.from_environment()
    outcome = outcome_of(context.instance, run.run_id, settings)
    kind = "check" if is_stopped_by_check(context.instance, run.run_id) else "failure"
    day = run.tags.get("dagster/partition", "")
    problems = alert(run_message(kind, run.job_name, day, run.run_id, outcome.errors, settings.warehouse))
    return dg.SkipReason("; ".join(problems) or "told, where somebody wants to know")


@dg.run_status_sensor(
    run_status=dg.DagsterRunStatus.SUCCESS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Tells of a night with warnings, where TRUST_ALERT_ON asks for them.",
)
def warned_run(context: dg.RunStatusSensorContext) -> dg.SkipReason:
    run, settings = context.dagster_run, Settings.from_environment()
    warnings = outcome_of(context.instance, run.run_id, settings).warnings
    if not warnings or BACKFILL in run.tags:
        return dg.SkipReason("nothing to tell")
    day = run.tags.get("dagster/partition", "")
    problems = alert(run_message("warning", run.job_name, day, run.run_id, warnings, settings.warehouse))
    return dg.SkipReason("; ".join(problems) or "told, where somebody wants to know")


@dg.sensor(
    minimum_interval_seconds=600,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Tells once when the published scores are older than TRUST_MAX_AGE_HOURS (36).",
)
def stale_publication() -> dg.SkipReason:
    settings = Settings.from_environment()
    told = status(settings, agreed_age())
    if not told.is_stale:
        return dg.SkipReason("the published scores are fresh")
    message = stale_message(told.as_of, told.age_hours, told.max_age_hours, settings.warehouse)
    return dg.SkipReason("; ".join(alert_once(settings.warehouse, message)) or f"told once: {told.problem}")


@dg.definitions
def defs() -> dg.Definitions:
    return dg.Definitions(assets=[retention], sensors=[failed_run, warned_run, stale_publication])
