"""Calibration of a learner's log-odds on later customers, and what it is honestly worth.

Belongs here: the sigmoid, how far it is followed, and its cross-fitting over customers.
Must not be here: which snapshot is calibrated on, learners, measures.

A sigmoid (Platt 2000: a logistic regression on the log-odds) and never an isotonic fit: two numbers can be had from a
few hundred customers, ranks stay as they are, and reasons stay additive in log-odds.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

Floats = NDArray[np.float64]

FOLDS = 4
WEAKLY = 1e3
"""Inverse penalty of the slope: no more than keeps it finite where a learner separates the classes."""


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
    sigmoid = LogisticRegression(C=WEAKLY, tol=1e-8).fit(log_odds[:, None], lost)
    slope, intercept = float(sigmoid.coef_[0, 0]), float(sigmoid.intercept_[0])
    if slope <= 0 or np.ptp(log_odds) == 0:
        slope, intercept = 0.0, float(np.log(lost.sum()) - np.log((~lost).sum()))
    return 1 - weight + weight * slope, weight * intercept


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
