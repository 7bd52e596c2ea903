"""Buy-till-you-die models: how likely a customer buys again, from the days on which they bought.

Belongs here: the estimators and their formulas.
Must not be here: features, labels, calibration, anything but (x, tx, T).
"""

from __future__ import annotations

from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize
from scipy.special import betaln, digamma, expit, gammaln
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

Floats = NDArray[np.float64]

Counted = tuple[Floats, NDArray[np.intp]]

_LOG_BOUND = 8.0
"""Parameters stay within e^±8 (times in units of the mean time observed): beyond, the likelihood is flat."""


class MBGNBD(BaseEstimator):
    """MBG/NBD: Poisson purchases; after each of them, the first included, a customer may be gone for good.

    Purchase rates are Gamma(r, alpha), the chances to leave after a purchase Beta(a, b) over customers. Unlike in the
    BG/NBD, customers may leave right after their first purchase, so one-time buyers are not certain to be alive.

    Parameters
    ----------
    max_iter : int
        Most iterations of L-BFGS-B.

    Attributes
    ----------
    r_, alpha_, a_, b_ : float
        Parameters; ``alpha_`` in the time unit of X.
    log_likelihood_ : float
        Sum over customers at the maximum.
    n_features_in_ : int
        3.

    References
    ----------
    Batislam, Denizel, Filiztekin (2007), "Empirical validation and comparison of models for customer base analysis",
    Int. J. of Research in Marketing 24, 201-209: the likelihood is eq. 6.
    Fader, Hardie, Lee (2005), "Counting your customers the easy way", Marketing Science 24, 275-284.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.array([[0, 0.0, 30.0], [2, 20.0, 30.0], [5, 28.0, 30.0], [1, 4.0, 25.0]])
    >>> model = MBGNBD().fit(X)
    >>> bool(np.all((model.probability_active(X, 12.0) > 0) & (model.probability_active(X, 12.0) < 1)))
    True
    """

    def __init__(self, max_iter: int = 500) -> None:
        self.max_iter = max_iter

    def fit(self, X: ArrayLike, y: object = None, sample_weight: ArrayLike | None = None) -> Self:
        """Maximise the likelihood over the distinct rows of X.

        Parameters
        ----------
        X : array of shape (n_customers, 3)
            Since the first purchase: repeat purchase days x, time tx of the last of them (0 if none), time observed T.
        y : ignored
        sample_weight : array of shape (n_customers,), optional
            Counts of the rows.

        Raises
        ------
        ValueError
            If there are no rows, a value is not finite, or not 0 <= tx <= T with x >= 0.
        """
        rows, counts = _distinct(_checked(X), sample_weight)
        # In units of the mean time observed the four parameters are of like size whatever the unit of X.
        scale = max(float(np.average(rows[:, 2], weights=counts)), 1e-9)
        scaled = rows / np.array([1.0, scale, scale])
        weights, counted = counts / counts.sum(), np.unique(rows[:, 0], return_inverse=True)

        def objective(log_parameters: Floats) -> tuple[float, Floats]:
            value, gradient = _log_likelihood(np.exp(log_parameters), scaled, counted)
            return -float(weights @ value), -(weights @ gradient) * np.exp(log_parameters)

        best = minimize(objective, np.zeros(4), jac=True, method="L-BFGS-B", bounds=[(-_LOG_BOUND, _LOG_BOUND)] * 4,
                        options={"maxiter": self.max_iter, "ftol": 1e-11, "gtol": 1e-7})  # fmt: skip
        self.r_, alpha, self.a_, self.b_ = (float(value) for value in np.exp(best.x))
        self.alpha_ = alpha * scale
        self.log_likelihood_ = float(counts @ _log_likelihood(self._parameters(), rows)[0])
        self.n_features_in_ = 3
        return self

    def score(self, X: ArrayLike, y: object = None) -> float:
        """Mean log-likelihood of a customer."""
        check_is_fitted(self)
        return float(_log_likelihood(self._parameters(), _checked(X))[0].mean())

    def probability_active(self, X: ArrayLike, horizon: float) -> Floats:
        """P(at least one purchase within the next ``horizon`` time units | x, tx, T).

        Being alive at T and buying nothing until T + t has the likelihood of the alive term of eq. 6 with T + t for T,
        hence P = (1 - ((alpha + T) / (alpha + T + t))^(r + x)) · P(alive).

        Parameters
        ----------
        X : array of shape (n_customers, 3)
            As in ``fit``.
        horizon : float
            Length of the window, in the unit of X.

        Returns
        -------
        ndarray of shape (n_customers,)
        """
        check_is_fitted(self)
        rows = _checked(X)
        r, alpha, _, _ = self._parameters()
        bought = -np.expm1(-(r + rows[:, 0]) * np.log1p(horizon / (alpha + rows[:, 2])))
        return np.asarray(bought * expit(-_log_odds_gone(self._parameters(), rows)), dtype=np.float64)

    def _parameters(self) -> Floats:
        return np.array([self.r_, self.alpha_, self.a_, self.b_])


def _log_odds_gone(parameters: Floats, rows: Floats) -> Floats:
    """Log of the gone term over the alive term of eq. 6: a / (b + x) · ((alpha + T) / (alpha + tx))^(r + x)."""
    r, alpha, a, b = parameters
    x, tx, observed = rows.T
    return np.asarray(np.log(a) - np.log(b + x) + (r + x) * np.log1p((observed - tx) / (alpha + tx)))


def _log_likelihood(parameters: Floats, rows: Floats, counted: Counted | None = None) -> tuple[Floats, Floats]:
    """Log of eq. 6 per row, and its gradient in (r, alpha, a, b) of shape (n, 4).

    ``counted`` holds the distinct x and where each row's is among them: special functions are asked once for each.
    """
    r, alpha, a, b = parameters
    x, tx, observed = rows.T
    values, at = counted if counted is not None else np.unique(x, return_inverse=True)
    of_x = gammaln(r + values) - gammaln(r) + betaln(a, b + values + 1) - betaln(a, b)
    of_ab = digamma(a + b) - digamma(a + b + values + 1)
    odds = _log_odds_gone(parameters, rows)
    log_end, log_last, gone = np.log(alpha + observed), np.log(alpha + tx), expit(odds)
    value = of_x[at] + r * np.log(alpha) - (r + x) * log_end + np.logaddexp(odds, 0.0)
    gradient = np.empty((len(rows), 4))
    gradient[:, 0] = (digamma(r + values) - digamma(r))[at] + np.log(alpha) - log_end + gone * (log_end - log_last)
    gradient[:, 1] = r / alpha - (r + x) * ((1 - gone) / (alpha + observed) + gone / (alpha + tx))
    gradient[:, 2] = of_ab[at] + gone / a
    gradient[:, 3] = (digamma(b + values + 1) - digamma(b) + of_ab)[at] - gone / (b + x)
    return value, gradient


def _checked(X: ArrayLike) -> Floats:
    rows = np.asarray(X, dtype=np.float64)
    if rows.ndim != 2 or rows.shape[1] != 3 or not len(rows):
        raise ValueError(f"X must hold rows of (x, tx, T); its shape is {rows.shape}")
    x, tx, observed = rows.T
    if not np.isfinite(rows).all() or (x < 0).any() or (tx < 0).any() or (tx > observed).any():
        raise ValueError("X must be finite with x >= 0 and 0 <= tx <= T")
    return rows


def _distinct(rows: Floats, sample_weight: ArrayLike | None) -> tuple[Floats, Floats]:
    """The distinct rows, and how often each occurs."""
    weights = np.ones(len(rows)) if sample_weight is None else np.asarray(sample_weight, dtype=np.float64)
    order = np.lexsort(rows.T)
    ordered = rows[order]
    is_first = np.append(True, (ordered[1:] != ordered[:-1]).any(axis=1))
    return ordered[is_first], np.add.reduceat(weights[order], np.flatnonzero(is_first)).astype(np.float64)
