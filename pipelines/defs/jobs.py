"""Jobs and schedules: the night at 02:00 in the business time zone, and the weekly training before it.

Belongs here: when what runs, in one process, with the warehouse open once. Must not be here: assets.
"""

from collections.abc import Iterator
from datetime import timedelta

import dagster as dg

from pipelines.partitions import delivery_days
from pipelines.settings import Settings
from pipelines.warehouse import Warehouse

REFIT = {"ops": {"models__models": {"config": {"is_refit": True}}}}
TRAINED = dg.AssetSelection.assets(["models", "models"]).upstream()


@dg.resource(description="The open warehouse: one for all steps of a run, closed at its end.")
def warehouse(_: dg.InitResourceContext) -> Iterator[Warehouse]:
    with Warehouse(Settings.from_environment()) as opened:
        yield opened


nightly = dg.define_asset_job(
    "nightly",
    selection=dg.AssetSelection.all(),
    partitions_def=delivery_days,
    description="Brings the warehouse up to a day, scores every customer as of it, and publishes.",
)
training = dg.define_asset_job(
    "training",
    selection=TRAINED,
    partitions_def=delivery_days,
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


def _day_before(context: dg.ScheduleEvaluationContext) -> str:
    return (context.scheduled_execution_time.date() - timedelta(days=1)).isoformat()


@dg.definitions
def defs() -> dg.Definitions:
    return dg.Definitions(
        jobs=[nightly, training],
        schedules=[nightly_at_two, training_on_monday],
        resources={"warehouse": warehouse},
        executor=dg.in_process_executor,
    )
