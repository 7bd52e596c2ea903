"""How good predicted risks are, against what followed.

Belongs here: small pure measures of (outcome, predicted probability).
Must not be here: models, splits of time, and any decision made on a measure.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, logit
from sklearn.metrics import average_precision_score, brier_score_loss, log_loss, roc_auc_score

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Calibration:
    """Logistic recalibration of the predicted log-odds.

    Parameters
    ----------
    slope : float
        1 where risks are spread as they should be, below 1 where they are too extreme.
    slope_error : float
        Standard error of the slope.
    intercept : float
        Log-odds to add to every risk (slope 1) so that the mean is right; 0 where it is.
    intercept_error : float
        Standard error of the intercept.
    """

    slope: float
    slope_error: float
    intercept: float
    intercept_error: float


def metrics(lost: ArrayLike, risk: ArrayLike) -> dict[str, float]:
    """Every measure at once.

    Parameters
    ----------
    lost : array of shape (n_customers,)
        0 or 1.
    risk : array of shape (n_customers,)
        Predicted probability of 1.

    Returns
    -------
    dict
        auc, average_precision, brier, log_loss, calibration_slope, calibration_intercept, ece, lift_top_decile,
        mean_risk, lost_share, customers. nan where a measure does not exist, as the AUC of one class.

    Raises
    ------
    ValueError
        If the shapes differ, there is no customer, an outcome is neither 0 nor 1, or a risk is no probability.
    """
    y, p = _checked(lost, risk)
    both = 0 < y.sum() < len(y)
    calibrated = calibration(y, p)
    return {
        "auc": float(roc_auc_score(y, p)) if both else float("nan"),
        "average_precision": float(average_precision_score(y, p)) if y.any() else float("nan"),
        "brier": float(brier_score_loss(y, p)),
        "log_loss": float(log_loss(y, p, labels=[0, 1])),
        "calibration_slope": calibrated.slope,
        "calibration_intercept": calibrated.intercept,
        "ece": expected_calibration_error(y, p),
        "lift_top_decile": lift(y, p, share=0.1),
        "mean_risk": float(p.mean()),
        "lost_share": float(y.mean()),
        "customers": float(len(y)),
    }


def calibration(lost: ArrayLike, risk: ArrayLike) -> Calibration:
    """Slope and intercept of the calibration (Cox 1958; Van Calster et al. 2016), with standard errors.

    The slope comes from a logistic regression of the outcome on the predicted log-odds; the intercept from one with
    the log-odds as an offset ("calibration in the large"). nan where there is one class, or one risk (slope).
    """
    y, p = _checked(lost, risk)
    z = logit(np.clip(p, 1e-9, 1 - 1e-9))
    if not 0 < y.sum() < len(y):
        return Calibration(*[float("nan")] * 4)
    intercept, intercept_error = _newton(np.ones((len(y), 1)), y, offset=z)
    if np.ptp(z) == 0:
        return Calibration(float("nan"), float("nan"), intercept[0], intercept_error[0])
    slope, slope_error = _newton(np.column_stack([np.ones(len(z)), z]), y, offset=np.zeros(len(z)))
    return Calibration(slope[1], slope_error[1], intercept[0], intercept_error[0])


def expected_calibration_error(lost: ArrayLike, risk: ArrayLike, *, bins: int = 10) -> float:
    """Mean distance between the share lost and the mean risk over bins of (nearly) equally many customers.

    Customers of the same risk stay in one bin, so the order of rows does not matter.
    """
    y, p = _checked(lost, risk)
    edges = np.unique(np.quantile(p, np.linspace(0, 1, bins + 1)[1:-1]))
    bin_of = np.searchsorted(edges, p, side="left")
    gaps = np.bincount(bin_of, weights=y - p, minlength=len(edges) + 1)
    return float(np.abs(gaps).sum() / len(y))


def lift(lost: ArrayLike, risk: ArrayLike, *, share: float) -> float:
    """Share lost among the riskiest ``share`` of customers over the share lost of all.

    Customers tied at the border count in part, so the order of rows does not matter. nan where nobody is lost.
    """
    y, p = _checked(lost, risk)
    if not y.any():
        return float("nan")
    border = np.quantile(p, 1 - share, method="inverted_cdf")
    above, at = p > border, p == border
    wanted = share * len(y) - above.sum()
    return float((y[above].sum() + wanted * y[at].mean()) / (share * len(y)) / y.mean())


def _newton(design: Floats, y: Floats, *, offset: Floats) -> tuple[list[float], list[float]]:
    """Maximum-likelihood logistic coefficients and their standard errors."""
    beta = np.zeros(design.shape[1])
    for _ in range(50):
        p = expit(design @ beta + offset)
        information = (design * (p * (1 - p))[:, None]).T @ design + 1e-9 * np.eye(len(beta))
        step = np.clip(np.linalg.solve(information, design.T @ (y - p)), -2.0, 2.0)
        beta = beta + step
        if np.abs(step).max() < 1e-10:
            break
    return [float(value) for value in beta], [float(v) for v in np.sqrt(np.diag(np.linalg.inv(information)))]


def _checked(lost: ArrayLike, risk: ArrayLike) -> tuple[Floats, Floats]:
    y, p = np.asarray(lost, dtype=np.float64), np.asarray(risk, dtype=np.float64)
    if y.ndim != 1 or y.shape != p.shape or not len(y):
        raise ValueError(f"outcomes and risks must be of one length, at least 1; got {y.shape} and {p.shape}")
    if not np.isin(y, (0.0, 1.0)).all():
        raise ValueError("outcomes must be 0 or 1")
    if not ((p >= 0) & (p <= 1)).all():
        raise ValueError("risks must be probabilities between 0 and 1")
    return y, p
