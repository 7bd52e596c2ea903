"""What can be set about the churn model; the defaults serve every log.

Belongs here: numbers that a contract may change, each with what it means.
Must not be here: anything that is chosen by a fit.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from trust_models.feature_catalogue import FeatureSettings
from trust_models.labels import Definition


@dataclass(frozen=True)
class ChurnSettings:
    """Settings of training and scoring.

    Parameters
    ----------
    horizon_days : int
        Length of the label window.
    definition : {"silent", "declared"}
        What lost means; one for a whole training.
    minimum_customers : int
        Customers that a matured snapshot must have to be trained on.
    minimum_class : int
        Customers of either class, lost and kept, that it must have.
    maximum_rows : int
        Most rows trained on; beyond, a sample of customers (by a hash of their id) stands for all.
    calibration_weight : float
        How far the calibration follows the newest matured snapshot: 1 wholly, 0 not at all. Base rates move with the
        season, so that the newest month is no better a guide to the next quarter than the mean of the months before.
    hiatus_days : int
        Silence from which the hiatus rule calls a customer lost.
    band_limits : tuple of three floats
        Risks from which the band is medium, high, very_high; below the first it is low.
    features : FeatureSettings
        Windows of the features.
    """

    horizon_days: int = 90
    definition: Definition = "silent"
    minimum_customers: int = 200
    minimum_class: int = 50
    maximum_rows: int = 300_000
    calibration_weight: float = 0.5
    hiatus_days: int = 90
    band_limits: tuple[float, float, float] = (0.25, 0.5, 0.75)
    features: FeatureSettings = field(default_factory=FeatureSettings)

    def __post_init__(self) -> None:
        low, middle, high = self.band_limits
        if not 0 < low < middle < high < 1:
            raise ValueError(f"band_limits must rise between 0 and 1, not {self.band_limits}")
        if self.minimum_class < 10:
            raise ValueError(f"minimum_class must be 10 or more, so that each fold sees it, not {self.minimum_class}")
        if not 0 <= self.calibration_weight <= 1:
            raise ValueError(f"calibration_weight must lie between 0 and 1, not {self.calibration_weight}")
