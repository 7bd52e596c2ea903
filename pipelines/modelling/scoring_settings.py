"""The settings of scoring, from the contracts that a company edits.

Belongs here: contract settings in the shape that the models take. Must not be here: defaults or meanings.
"""

from typing import Any

from data_contracts import contract
from pipelines.settings import Settings
from trust_models.snapshot import ScoringSettings
from trust_models.trials import EvidenceSettings
from trust_models.trust_changes import ChangeSettings


def scoring_settings(settings: Settings) -> ScoringSettings:
    """Read what the contracts of purchases, complaints and churn say about evidence and labels."""
    purchases: dict[str, Any] = dict(contract("purchases").settings)
    complaints: dict[str, Any] = dict(contract("complaints").settings)
    churn: dict[str, Any] = dict(contract("churn").settings)
    return ScoringSettings(
        time_zone=settings.time_zone,
        evidence=EvidenceSettings(
            order_maturity_days=purchases["order_maturity_days"],
            response_hours=complaints["response_hours"],
            resolution_days=complaints["resolution_days"],
            due_intervals=purchases["due_intervals"],
            rejected_resolutions=tuple(complaints["rejected_resolutions"]),
            half_life_days=float(purchases["half_life_days"]),
        ),
        horizon_days=purchases["horizon_days"],
        activity_window_days=purchases["activity_window_days"],
        label=churn["label"],
        chooses_half_life=purchases["chooses_half_life"],
    )


def band_limits() -> tuple[float, float, float]:
    """Risks from which the churn band is medium, high and very high."""
    bands: Any = contract("customer_scores").settings["churn_bands"]
    return bands["medium"], bands["high"], bands["very_high"]


def change_settings() -> ChangeSettings:
    """From where on a change of trust is more than noise."""
    changes: dict[str, Any] = dict(contract("trust_changes").settings)
    return ChangeSettings(float(changes["least_change"]), float(changes["noise_quantile"]))
