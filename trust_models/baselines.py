"""The simple rules that a churn model has to beat, and that stand in for it where history is short.

Belongs here: learners that look at a handful of columns of the churn matrix, and how each is named.
Must not be here: the learners that look at everything (``churn_candidates``), selection, calibration.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import logit
from sklearn.linear_model import LogisticRegression
from sklearn.utils.validation import validate_data

from trust_models.churn_candidates import Floats, LogOdds, symlog

BUYS_AGAIN = "probability_active"
"""Column of the churn matrix: P(a purchase within the horizon) of the MBG/NBD."""


class Constant(LogOdds):
    """The share of lost customers, for everybody; (lost + 1) / (n + 2), so that one class is enough."""

    def fit(self, X: Floats, y: NDArray[Any], sample_weight: Floats | None = None) -> Self:
        """Count; y holds 0 and 1."""
        X, y = validate_data(self, X, y, ensure_all_finite="allow-nan", dtype=np.float64)
        self.classes_ = np.array([0, 1])
        self.base_ = float(logit((np.sum(y) + 1) / (len(y) + 2)))
        return self

    def contributions(self, X: Floats, groups: NDArray[np.intp], n_groups: int) -> Floats:
        """Nothing, shape (n_samples, n_groups)."""
        return np.zeros((len(X), n_groups))


class LogisticOn(LogOdds):
    """Logistic regression on sign(x)·ln(1 + |x|) of a few columns, or on whether they exceed a threshold.

    Parameters
    ----------
    columns : sequence of int
        Columns of X; missing values count as 0.
    threshold : float, optional
        Where given, a column enters as 1 above it and 0 up to it.
    """

    def __init__(self, columns: Sequence[int] = (), threshold: float | None = None) -> None:
        self.columns = columns
        self.threshold = threshold

    def fit(self, X: Floats, y: NDArray[Any], sample_weight: Floats | None = None) -> Self:
        """Fit on X of shape (n_samples, n_features) and a y of two classes."""
        X, y = validate_data(self, X, y, ensure_all_finite="allow-nan", dtype=np.float64)
        codes = self._encode(y)
        design = np.column_stack([self._term(X, column) for column in self.columns])
        self.means_, self.scales_ = design.mean(axis=0), design.std(axis=0)
        self.scales_[self.scales_ == 0] = 1.0
        logistic = LogisticRegression(C=1.0).fit((design - self.means_) / self.scales_, codes, sample_weight)
        self.coefficients_ = logistic.coef_[0] / self.scales_
        self.base_ = float(logistic.intercept_[0])
        return self

    def contributions(self, X: Floats, groups: NDArray[np.intp], n_groups: int) -> Floats:
        """Coefficient × distance from the mean, by group, shape (n_samples, n_groups)."""
        out = np.zeros((len(X), n_groups))
        for column, coefficient, mean in zip(self.columns, self.coefficients_, self.means_, strict=True):
            out[:, groups[column]] += coefficient * (self._term(X, column) - mean)
        return out

    def _term(self, X: Floats, column: int) -> Floats:
        values = np.where(np.isnan(X[:, column]), 0.0, X[:, column])
        return symlog(values) if self.threshold is None else (values > self.threshold).astype(np.float64)


class BuyTillYouDie(LogOdds):
    """1 - P(a purchase within the horizon): needs no labels.

    Parameters
    ----------
    column : int
        Column of X that holds the probability.
    """

    def __init__(self, column: int = 0) -> None:
        self.column = column

    def fit(
        self,
        X: Floats,
        y: NDArray[Any] | None = None,
        sample_weight: Floats | None = None,
    ) -> Self:
        """Remember the mean log-odds of X, from which contributions are counted."""
        X = validate_data(self, X, ensure_all_finite="allow-nan", dtype=np.float64)
        self.classes_ = np.array([0, 1])
        self.base_ = float(self._log_odds(X).mean())
        return self

    def contributions(self, X: Floats, groups: NDArray[np.intp], n_groups: int) -> Floats:
        """All of it to the group of the column, shape (n_samples, n_groups)."""
        out = np.zeros((len(X), n_groups))
        out[:, groups[self.column]] = self._log_odds(X) - self.base_
        return out

    def _log_odds(self, X: Floats) -> Floats:
        return np.asarray(-logit(np.clip(X[:, self.column], 1e-9, 1 - 1e-9)))


def baselines(columns: Sequence[str], *, hiatus_days: int) -> Mapping[str, LogOdds]:
    """The mandatory baselines, unfitted, over a churn matrix with these columns.

    Raises
    ------
    ValueError
        If a column that they need is not there.
    """
    needed = ("recency_days", "purchase_days", "order_amount_mean", BUYS_AGAIN)
    if absent := [name for name in needed if name not in columns]:
        raise ValueError(f"the baselines need the features {', '.join(absent)}")
    recency, frequency, monetary, buys_again = (list(columns).index(name) for name in needed)
    return {
        "constant": Constant(),
        "hiatus": LogisticOn((recency,), threshold=hiatus_days),
        "recency": LogisticOn((recency,)),
        "rfm": LogisticOn((recency, frequency, monetary)),
        "mbg_nbd": BuyTillYouDie(buys_again),
    }
