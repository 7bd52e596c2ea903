"""Jobs and schedules: the night at 02:00 in the business time zone, and the weekly training before it.

Belongs here: when what runs, in one process, with the warehouse open once. Must not be here: assets.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import dagster as dg

from pipelines.errors import BusyError
from pipelines.operations.dead_runs import close_dead_runs, dead_runs
from pipelines.settings import Settings
from pipelines.storage.leftovers import clear_leftovers
from pipelines.warehouse import Warehouse

REFIT = {"ops": {"models__models": {"config": {"is_refit": True}}}}
TRAINED = dg.AssetSelection.assets(["models", "models"]).upstream()


@dg.resource(description="The open warehouse: one for all steps of a run, closed at its end.")
def warehouse(context: dg.InitResourceContext) -> Iterator[Warehouse]:
    with Warehouse(Settings.from_environment()) as opened:
        clear_leftovers(opened)
        if context.instance is not None:
            close_dead_runs(context.instance, but=context.run_id)
        yield opened


nightly = dg.define_asset_job(
    "nightly",
    selection=dg.AssetSelection.all(),
    description="Brings the warehouse up to a day, scores every customer as of it, and publishes.",
)
training = dg.define_asset_job(
    "training",
    selection=TRAINED,
    config=REFIT,
    description="Loads what was delivered and refits both models as of a day; promotes only what is better.",
)


@dg.schedule(job=nightly, cron_schedule="0 2 * * *", execution_timezone=Settings.from_environment().time_zone)
def nightly_at_two(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    """The night of yesterday, whose deliveries are complete."""
    return dg.RunRequest(partition_key=_day_before(context))


@dg.schedule(job=training, cron_schedule="0 1 * * 1", execution_timezone=Settings.from_environment().time_zone)
def training_on_monday(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    """Refit as of Sunday, an hour before the night that uses it."""
    return dg.RunRequest(partition_key=_day_before(context))


@dg.sensor(
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Closes nights that were killed: in Dagster's record they run for ever and keep all others waiting.",
)
def killed_nights(context: dg.SensorEvaluationContext) -> dg.SkipReason:
    """Look once a minute; do nothing while a night is at work."""
    if not dead_runs(context.instance):
        return dg.SkipReason("no night was killed")
    settings = replace(Settings.from_environment(), wait_minutes=0)
    try:
        with Warehouse(settings):
            return dg.SkipReason(f"closed {', '.join(close_dead_runs(context.instance))}")
    except BusyError:
        return dg.SkipReason("a night is at work; it closes those that were killed")


def _day_before(context: dg.ScheduleEvaluationContext) -> str:
    return (context.scheduled_execution_time.date() - timedelta(days=1)).isoformat()


@dg.definitions
def defs() -> dg.Definitions:
    return dg.Definitions(
        jobs=[nightly, training],
        schedules=[nightly_at_two, training_on_monday],
        sensors=[killed_nights],
        resources={"warehouse": warehouse},
        executor=dg.in_process_executor,
    )
