"""How good predicted risks are, against what followed.

Belongs here: small pure measures and curves of (outcome, predicted probability).
Must not be here: models, splits of time, and any decision made on a measure.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, logit
from scipy.stats import rankdata
from sklearn.metrics import average_precision_score, brier_score_loss, log_loss, roc_auc_score

Floats = NDArray[np.float64]

Z = 1.959963984540054
"""Standard errors on either side of a value that make its 95% interval."""

GAIN_SCHEMA = pl.Schema({"share_of_customers": pl.Float64, "share_of_lost": pl.Float64})


@dataclass(frozen=True)
class Estimate:
    """A measure and its 95% interval; nan where it does not exist.

    Parameters
    ----------
    value : float
        Of the customers seen.
    low, high : float
        Between which the value of all customers of this kind lies.
    """

    value: float
    low: float
    high: float


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


def estimates(lost: ArrayLike, risk: ArrayLike) -> dict[str, Estimate]:
    """The measures of :func:`metrics` that have a 95% interval.

    Brier score and log loss are means over customers, hence mean ± 1.96 standard errors; slope and intercept of the
    calibration likewise with the standard errors of the logistic regression (Wald); AUC as :func:`auc` has it.

    Returns
    -------
    dict
        auc, brier, log_loss, calibration_slope, calibration_intercept.

    Raises
    ------
    ValueError
        As :func:`metrics`.
    """
    y, p = _checked(lost, risk)
    calibrated = calibration(y, p)
    return {
        "auc": auc(y, p),
        "brier": _mean((y - p) ** 2, least=0.0),
        "log_loss": _mean(log_losses(y, p), least=0.0),
        "calibration_slope": _around(calibrated.slope, calibrated.slope_error),
        "calibration_intercept": _around(calibrated.intercept, calibrated.intercept_error),
    }


def auc(lost: ArrayLike, risk: ArrayLike) -> Estimate:
    """Area under the ROC curve with its interval; ``risk`` may be any number that orders customers.

    Variance of DeLong, DeLong, Clarke-Pearson (1988), Biometrics 44, 837-845, from mid-ranks (Sun, Xu 2014, IEEE Signal
    Processing Letters 21, 1389-1393); the interval is one of log-odds, so that it stays between 0 and 1. nan where
    there is one class; no interval where the classes are separated, or one of them has a single customer.
    """
    y, x = np.asarray(lost, dtype=np.bool_), np.asarray(risk, dtype=np.float64)
    m, n = int(y.sum()), int((~y).sum())
    if not m or not n:
        return _around(float("nan"), float("nan"))
    ranks = rankdata(x)
    below = (ranks[y] - rankdata(x[y])) / n  # of each lost customer: the share of kept ones with a lower risk
    above = 1 - (ranks[~y] - rankdata(x[~y])) / m
    area = float(below.mean())
    if min(m, n) < 2 or not 0 < area < 1:
        return Estimate(area, float("nan"), float("nan"))
    error = float(np.sqrt(below.var(ddof=1) / m + above.var(ddof=1) / n)) / (area * (1 - area))
    return Estimate(area, float(expit(logit(area) - Z * error)), float(expit(logit(area) + Z * error)))


def log_losses(lost: ArrayLike, risk: ArrayLike) -> Floats:
    """Log loss of each customer, shape (n_customers,); a risk is at least one rounding error away from 0 and 1."""
    y, p = _checked(lost, risk)
    least = float(np.finfo(np.float64).eps)
    return np.asarray(-np.log(np.clip(np.where(y == 1, p, 1 - p), least, 1 - least)))


def log_loss_difference(lost: ArrayLike, risk: ArrayLike, other: ArrayLike) -> Estimate:
    """Log loss of ``risk`` minus that of ``other`` on the same customers: below 0 where ``risk`` is better.

    Mean of the differences customer by customer ± 1.96 standard errors.
    """
    return _mean(log_losses(lost, risk) - log_losses(lost, other))


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
    return float(np.abs(np.bincount(_bins(p, bins), weights=y - p)).sum() / len(y))


def calibration_curve(lost: ArrayLike, risk: ArrayLike, *, bins: int = 10) -> pl.DataFrame:
    """What was predicted and what followed, over bins of (nearly) equally many customers.

    Returns
    -------
    pl.DataFrame
        customers, mean_risk, lost_share, low, high (Wilson 1927: 95% interval of the share lost), by rising risk;
        customers of the same risk stay in one bin.
    """
    y, p = _checked(lost, risk)
    binned = pl.DataFrame({"bin": _bins(p, bins), "risk": p, "lost": y}).group_by("bin").agg(
        customers=pl.len().cast(pl.Int64), mean_risk=pl.col("risk").mean(), lost_share=pl.col("lost").mean()
    )  # fmt: skip
    share, n = pl.col("lost_share"), pl.col("customers")
    middle = (share + Z**2 / (2 * n)) / (1 + Z**2 / n)
    half = Z / (1 + Z**2 / n) * (share * (1 - share) / n + Z**2 / (4 * n**2)).sqrt()
    return binned.sort("bin").drop("bin").with_columns(low=middle - half, high=middle + half)


def gain_curve(lost: ArrayLike, risk: ArrayLike, *, steps: int = 50) -> pl.DataFrame:
    """Which share of the lost is among the riskiest share of customers.

    Returns
    -------
    pl.DataFrame
        share_of_customers (0, 1/steps, …, 1) and share_of_lost; customers of the same risk count in part. Null where
        nobody is lost.
    """
    y, p = _checked(lost, risk)
    _, at, customers = np.unique(-p, return_inverse=True, return_counts=True)
    seen = np.append(0, np.cumsum(customers)) / len(y)
    found = np.append(0, np.cumsum(np.bincount(at, weights=y)))
    shares = np.linspace(0, 1, steps + 1)
    of_lost = np.interp(shares, seen, found / y.sum()) if y.any() else None
    return pl.DataFrame({"share_of_customers": shares, "share_of_lost": of_lost}, schema=GAIN_SCHEMA)


def missed_share(lost: ArrayLike, flagged: ArrayLike) -> float:
    """Share of the lost who were not flagged; ``flagged`` is 0 or 1, or a part of it. nan where nobody is lost."""
    y, flags = np.asarray(lost, dtype=np.float64), np.asarray(flagged, dtype=np.float64)
    return float(1 - (y * flags).sum() / y.sum()) if y.any() else float("nan")


def among_riskiest(risk: ArrayLike, *, share: float) -> Floats:
    """Whether each customer is among the riskiest ``share``: 1, 0, or in part where tied at the border."""
    p = np.asarray(risk, dtype=np.float64)
    border = np.quantile(p, 1 - share, method="inverted_cdf")
    above, at = p > border, p == border
    return np.asarray(above + at * (share * len(p) - above.sum()) / at.sum())


def lift(lost: ArrayLike, risk: ArrayLike, *, share: float) -> float:
    """Share lost among the riskiest ``share`` of customers over the share lost of all.

    Customers tied at the border count in part, so the order of rows does not matter. nan where nobody is lost.
    """
    y, p = _checked(lost, risk)
    if not y.any():
        return float("nan")
    return float(among_riskiest(p, share=share) @ y / (share * len(y)) / y.mean())


def _bins(p: Floats, bins: int) -> NDArray[np.intp]:
    edges = np.unique(np.quantile(p, np.linspace(0, 1, bins + 1)[1:-1]))
    return np.searchsorted(edges, p, side="left")


def _mean(values: Floats, *, least: float = -np.inf) -> Estimate:
    error = float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else float("nan")
    return _around(float(values.mean()), error, least=least)


def _around(value: float, error: float, *, least: float = -np.inf) -> Estimate:
    return Estimate(value, float(np.maximum(value - Z * error, least)), value + Z * error)


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
