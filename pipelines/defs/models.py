"""Models: trained where the night needs them and they are not there yet, or refitted by the training job.

Belongs here: training as a step. Must not be here: what is fitted or promoted, and how (see ``trust_models``).
"""

from collections.abc import Iterable
from datetime import date
from typing import Any

import dagster as dg

from pipelines.catalogue import OWNER
from pipelines.modelling.model_cards import page
from pipelines.modelling.model_store import Registered, newest
from pipelines.modelling.models import in_use, refit, train_missing
from pipelines.modelling.reconstructing import reconstruct_history
from pipelines.partitions import delivery_days
from pipelines.pictures import calibration
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


def _cards(warehouse: Warehouse, models: Iterable[Registered]) -> dict[str, dg.MetadataValue[Any]]:
    """The card pages of the models in use, to be read on Dagster's pages, and the folders that hold them."""
    cards: dict[str, dg.MetadataValue[Any]] = {}
    for model in models:
        cards[f"{model.kind}_card"] = dg.MetadataValue.md(page(model.card, "en"))
        cards[f"{model.kind}_card_zh"] = dg.MetadataValue.md(page(model.card, "zh"))
        cards[f"{model.kind}_folder"] = dg.MetadataValue.path(warehouse.settings.warehouse / model.folder)
    return cards


@dg.asset(
    key=["models", "models"],
    group_name="models",
    deps=[["staging", table] for table in TABLES],
    description=(
        "The trust and churn models, one pair a training day (Sundays): skops files with a card each, and the register"
        " that says which are in use. Past month ends are scored again, for trends."
    ),
    kinds={"scikitlearn"},
    owners=[OWNER],
    partitions_def=delivery_days,
)
def models(
    context: dg.AssetExecutionContext, warehouse: dg.ResourceParam[Warehouse], config: TrainingConfig
) -> dg.MaterializeResult[None]:
    day = date.fromisoformat(context.partition_key)
    trained = refit(warehouse, day) if config.is_refit else train_missing(warehouse, day)
    used = in_use(warehouse, day)
    rows = reconstruct_history(warehouse, used, is_retrained=bool(trained))
    notes = [f"- {training.trained_as_of}: {english}" for training in trained for english, _ in training.notes]
    return dg.MaterializeResult(
        metadata={
            "trained_as_of": ", ".join(str(training.trained_as_of) for training in trained) or "not needed",
            "chosen": ", ".join(training.chosen for training in trained) or "not needed",
            "promoted": all(training.is_promoted for training in trained),
            "notes": dg.MetadataValue.md("\n".join(notes) or "nothing missing"),
            "reconstructed_rows": rows,
            **calibration(used.churn.card),
            **_cards(warehouse, filter(None, (used.trust, newest(warehouse, "experience", day), used.churn))),
        }
    )
