"""Calibration of a learner's log-odds on later customers, and what it is honestly worth.

Belongs here: the sigmoid, how far it is followed, and its cross-fitting over customers.
Must not be here: which snapshot is calibrated on, learners, measures.

A sigmoid and never an isotonic fit: two numbers can be had from a few hundred customers, ranks stay as they are, and
reasons stay additive in log-odds.
"""

from __future__ import annotations

from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator

Floats = NDArray[np.float64]

FOLDS = 4


class _Given(ClassifierMixin, BaseEstimator):
    """A classifier whose log-odds are the one column that it is given."""

    classes_ = np.array([0, 1])

    def fit(self, X: Floats, y: NDArray[np.intp]) -> Self:
        """Nothing to fit."""
        return self

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def decision_function(self, X: Floats) -> Floats:
        """The column."""
        return X[:, 0]

    def predict(self, X: Floats) -> NDArray[np.intp]:
        """Lost where the log-odds are above 0."""
        return (X[:, 0] > 0).astype(np.intp)


def calibrated(log_odds: Floats, lost: NDArray[np.bool_], *, weight: float) -> tuple[float, float]:
    """Slope and intercept for a learner's log-odds.

    Parameters
    ----------
    log_odds : array of shape (n_customers,)
        Of a learner that was fitted on other snapshots or customers.
    lost : array of shape (n_customers,)
        At least five of either class.
    weight : float
        1 follows these customers wholly, 0 leaves the log-odds as they are.

    Returns
    -------
    slope, intercept : float
        The slope is never negative: a learner that ranks the wrong way round loses its spread, not its direction.
    """
    if np.ptp(log_odds) == 0:
        share = np.log(lost.sum() + 1) - np.log((~lost).sum() + 1)
        return 1.0, weight * float(share - log_odds[0])
    sigmoid = CalibratedClassifierCV(FrozenEstimator(_Given()), method="sigmoid", ensemble=False)
    sigmoid.fit(log_odds[:, None], lost.astype(np.intp))
    fitted = sigmoid.calibrated_classifiers_[0].calibrators[0]  # risk = 1 / (1 + exp(a_ · log-odds + b_))
    return 1 - weight + weight * max(-float(fitted.a_), 0.0), -weight * float(fitted.b_)


def cross_fitted(log_odds: Floats, lost: NDArray[np.bool_], folds: NDArray[np.intp], *, weight: float) -> Floats:
    """Risks of these customers, each calibrated on the other folds only; shape (n_customers,).

    A fold without enough of either class outside of it stays uncalibrated.
    """
    risk = expit(log_odds)
    for fold in np.unique(folds):
        inside, outside = folds == fold, folds != fold
        if min(lost[outside].sum(), (~lost[outside]).sum()) >= 5:
            slope, intercept = calibrated(log_odds[outside], lost[outside], weight=weight)
            risk[inside] = expit(slope * log_odds[inside] + intercept)
    return risk
