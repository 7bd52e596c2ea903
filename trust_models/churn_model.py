"""The churn model as it is stored and applied: risk and reasons for a features frame.

Belongs here: scoring, its split over drivers, and which types a stored model may hold.
Must not be here: training, selection, or anything learnt at scoring time.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.special import expit
from sklearn.base import BaseEstimator

from trust_models.churn_candidates import LogOdds
from trust_models.churn_matrix import ChurnMatrix
from trust_models.churn_reasons import sentences
from trust_models.feature_catalogue import DRIVERS

Floats = NDArray[np.float64]

TRUSTED_TYPES = (
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "trust_models.baselines.BuyTillYouDie",
    "trust_models.baselines.Constant",
    "trust_models.baselines.LogisticOn",
    "trust_models.btyd.MBGNBD",
    "trust_models.churn_candidates.AdditiveLogistic",
    "trust_models.churn_candidates.Average",
    "trust_models.churn_candidates.BoostedTrees",
    "trust_models.churn_matrix.ChurnMatrix",
    "trust_models.churn_model.ChurnModel",
)
"""Types beyond those that skops trusts by itself; pass them as ``trusted`` when a stored model is loaded."""

ALL_DRIVERS = (*DRIVERS, "other")
_ROWS_AT_ONCE = 100_000

REASONS_SCHEMA = pl.Schema(
    {
        "customer_id": pl.String,
        "rank": pl.Int64,
        "driver": pl.String,
        "contribution": pl.Float64,
        "text_en": pl.String,
        "text_zh": pl.String,
    }
)


class ChurnModel(BaseEstimator):
    """A fitted learner, the matrix it reads, and its calibration.

    Parameters
    ----------
    matrix : ChurnMatrix
        Fitted.
    learner : LogOdds
        Fitted.
    basis : str
        ``model``, or ``baseline:<name>`` where a baseline gives the number.
    driver_of : mapping
        Feature → driver.
    slope, intercept : float
        Calibration of the learner's log-odds.
    window_days : int
        The window of the trend features, for the words of reasons.
    """

    def __init__(
        self,
        matrix: ChurnMatrix,
        learner: LogOdds,
        basis: str,
        driver_of: Mapping[str, str],
        slope: float = 1.0,
        intercept: float = 0.0,
        window_days: int = 90,
    ) -> None:
        self.matrix = matrix
        self.learner = learner
        self.basis = basis
        self.driver_of = driver_of
        self.slope = slope
        self.intercept = intercept
        self.window_days = window_days

    @property
    def feature_names_(self) -> list[str]:
        """Columns of the features frame that must be there."""
        return self.matrix.feature_names_

    @property
    def base_log_odds_(self) -> float:
        """Log-odds of the typical training row, from which contributions count."""
        return self.slope * self.learner.base_ + self.intercept

    def predict_risk(self, features: pl.DataFrame) -> Floats:
        """Probability of being lost within the horizon, shape (n_customers,); a row's risk depends on that row only.

        Raises
        ------
        ValueError
            If a feature is missing.
        """
        everything = np.zeros(len(self.matrix.columns_), dtype=np.intp)
        parts = [
            self.learner.contributions(self.matrix.transform(part), everything, 1)[:, 0]
            for part in features.iter_slices(_ROWS_AT_ONCE)
        ]
        return np.asarray(expit(self.base_log_odds_ + self.slope * np.concatenate([np.zeros(0), *parts])))

    def contributions(self, features: pl.DataFrame) -> Floats:
        """Log-odds beyond ``base_log_odds_`` by driver, shape (n_customers, len(ALL_DRIVERS)).

        Raises
        ------
        ValueError
            If a feature is missing.
        """
        drivers = self.matrix.drivers(self.driver_of)
        groups = np.array([ALL_DRIVERS.index(driver) for driver in drivers], dtype=np.intp)
        by_driver = self.learner.contributions(self.matrix.transform(features), groups, len(ALL_DRIVERS))
        return np.ascontiguousarray(self.slope * by_driver)

    def reasons(self, features: pl.DataFrame, top: int = 3) -> pl.DataFrame:
        """What sets a customer's risk apart from the typical one's, at most ``top`` drivers a customer.

        Where the risk is above the typical one, what raises it most comes first; else what lowers it most.

        Returns
        -------
        pl.DataFrame
            customer_id, rank (from 1), driver, contribution (log-odds), text_en, text_zh; customers in the order of
            ``features``. A driver that contributes nothing is no reason.

        Raises
        ------
        ValueError
            If a feature is missing.
        """
        return self.explained(features, top)[1]

    def explained(self, features: pl.DataFrame, top: int = 3) -> tuple[Floats, pl.DataFrame]:
        """Risk and reasons in one go: :meth:`predict_risk` but for the last digits, and :meth:`reasons`.

        Raises
        ------
        ValueError
            If a feature is missing.
        """
        risks, reasons = [np.zeros(0)], [REASONS_SCHEMA.to_frame()]
        for part in features.iter_slices(_ROWS_AT_ONCE):
            by_driver = self.contributions(part)
            risks.append(np.asarray(expit(self.base_log_odds_ + by_driver.sum(axis=1))))
            reasons.append(self._reasons(part, by_driver, top))
        return np.concatenate(risks), pl.concat(reasons)

    def _reasons(self, features: pl.DataFrame, by_driver: Floats, top: int) -> pl.DataFrame:
        direction = np.where(by_driver.sum(axis=1) < 0, -1.0, 1.0)
        order = np.argsort(-by_driver * direction[:, None], axis=1, kind="stable")[:, :top]
        ranked = pl.DataFrame(
            {
                "row": np.repeat(np.arange(len(order)), order.shape[1]),
                "rank": np.tile(np.arange(1, order.shape[1] + 1), len(order)),
                "code": order.ravel(),
                "contribution": np.take_along_axis(by_driver, order, axis=1).ravel(),
            }
        ).filter(pl.col("contribution") != 0)
        words = sentences(window_days=self.window_days)
        told = [_told(features, ranked.filter(pl.col("code") == i), d, *words[d]) for i, d in enumerate(ALL_DRIVERS)]
        return pl.concat(told).sort("row", "rank").select(REASONS_SCHEMA.names()).cast(REASONS_SCHEMA)


def _told(features: pl.DataFrame, ranked: pl.DataFrame, driver: str, en: pl.Expr, zh: pl.Expr) -> pl.DataFrame:
    """The rows of one driver with the customer and the words."""
    read = dict.fromkeys(("customer_id", *en.meta.root_names(), *zh.meta.root_names()))  # of many columns a few
    words = features.select(*read)[ranked["row"]].select("customer_id", en.alias("text_en"), zh.alias("text_zh"))
    return ranked.with_columns(words, driver=pl.lit(driver))


def risk_band(risk: pl.Expr, *, limits: tuple[float, float, float]) -> pl.Expr:
    """low, medium, high or very_high: ``limits`` are the risks from which the last three begin."""
    medium, high, very_high = limits
    return (
        pl.when(risk >= very_high)
        .then(pl.lit("very_high"))
        .when(risk >= high)
        .then(pl.lit("high"))
        .when(risk >= medium)
        .then(pl.lit("medium"))
        .when(risk.is_not_null())
        .then(pl.lit("low"))
    )
