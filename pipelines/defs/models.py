"""Models: trained where the night needs them and they are not there yet, or refitted by the training job.

Belongs here: training as a step. Must not be here: what is fitted or promoted, and how (see ``trust_models``).
"""

from datetime import date

import dagster as dg

from pipelines.models import in_use, is_trained, train
from pipelines.partitions import delivery_days
from pipelines.scoring import reconstruct_history
from pipelines.staging import TABLES
from pipelines.warehouse import Warehouse


class TrainingConfig(dg.Config):
    """How the models are brought up to date.

    Parameters
    ----------
    is_refit : bool
        Refit as of the day itself, against the champion; else train only where the night has no models.
    """

    is_refit: bool = False


@dg.asset(
    key=["models", "models"],
    group_name="models",
    deps=[["staging", table] for table in TABLES],
    description=(
        "The trust and churn models, one pair a training day (Sundays): skops files with a card each, and the register"
        " that says which are in use. Past month ends are scored again, for trends."
    ),
    kinds={"scikitlearn"},
    partitions_def=delivery_days,
)
def models(
    context: dg.AssetExecutionContext, warehouse: dg.ResourceParam[Warehouse], config: TrainingConfig
) -> dg.MaterializeResult[None]:
    day = date.fromisoformat(context.partition_key)
    if not config.is_refit and is_trained(warehouse, day):
        return dg.MaterializeResult(metadata={"trained": False})
    told = train(warehouse, day, is_refit=config.is_refit)
    rows = reconstruct_history(warehouse, in_use(warehouse, day))
    notes = "\n".join(f"- {english}" for english, _ in told.pop("notes")) or "nothing missing"
    return dg.MaterializeResult(
        metadata={"trained": True, **told, "notes": dg.MetadataValue.md(notes), "reconstructed_rows": rows}
    )
