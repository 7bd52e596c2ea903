"""Buy-till-you-die models: how likely a customer buys again, from the days on which they bought.

Belongs here: what the models share (rows, fit, probabilities), and the beta-geometric ones with MBG/NBD.
Must not be here: features, labels, calibration, anything but (x, tx, T); BG/NBD (``bg_nbd``), Pareto/NBD
(``pareto_nbd``).
"""

from __future__ import annotations

import warnings
from typing import ClassVar, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize
from scipy.special import betaln, digamma, expit, gammaln
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import check_is_fitted

Floats = NDArray[np.float64]

_LOG_BOUND = 8.0
"""Parameters stay within e^±8 (times in units of the mean time observed): beyond, the likelihood is flat."""


class Histories(NamedTuple):
    """Purchase histories, with the distinct x, so that special functions are asked once for each of them.

    ``x``, ``tx`` and ``observed`` are of shape (n,); ``values`` holds the distinct x, ``at`` where each row's is.
    """

    x: Floats
    tx: Floats
    observed: Floats
    values: Floats
    at: NDArray[np.intp]

    @classmethod
    def of(cls, rows: Floats) -> Histories:
        """From rows (x, tx, T)."""
        x, tx, observed = rows.T
        return cls(x, tx, observed, *np.unique(x, return_inverse=True))


class PurchaseModel(BaseEstimator):
    """What buy-till-you-die models share; a model gives its likelihood and its two log-odds.

    Parameters
    ----------
    max_iter : int
        Most iterations of L-BFGS-B.
    """

    _names: ClassVar[tuple[str, ...]]
    _in_time: ClassVar[tuple[bool, ...]]
    """Which of the parameters are times."""

    def __init__(self, max_iter: int = 500) -> None:
        self.max_iter = max_iter

    def fit(self, X: ArrayLike, y: object = None, sample_weight: ArrayLike | None = None) -> Self:
        """Maximise the likelihood over the distinct rows of X.

        Parameters
        ----------
        X : array of shape (n_customers, 3)
            Since the first purchase: repeat purchases x, time tx of the last of them (0 if none), time observed T.
        y : ignored
        sample_weight : array of shape (n_customers,), optional
            Counts of the rows.

        Raises
        ------
        ValueError
            If there are no rows, a value is not finite, x is not a whole number, not 0 <= tx <= T, tx is not 0 where
            x is, or the weights are not one count a row.
        """
        rows, counts = distinct_rows(checked_rows(X), sample_weight)
        # In units of the mean time observed the four parameters are of like size whatever the unit of X.
        scale = max(float(np.average(rows[:, 2], weights=counts)), 1e-9)
        fitted_on, weights = self._condensed(rows / np.array([1.0, scale, scale]), counts / counts.sum())
        histories = Histories.of(fitted_on)

        def objective(log_parameters: Floats) -> tuple[float, Floats]:
            value, gradient = self._log_likelihood(np.exp(log_parameters), histories)
            return -float(weights @ value), -(weights @ gradient) * np.exp(log_parameters)

        best = minimize(objective, np.zeros(4), jac=True, method="L-BFGS-B", bounds=[(-_LOG_BOUND, _LOG_BOUND)] * 4,
                        options={"maxiter": self.max_iter, "ftol": 1e-11, "gtol": 1e-7})  # fmt: skip
        if best.nit >= self.max_iter:
            text = f"{type(self).__name__} did not converge in {self.max_iter} iterations; raise max_iter"
            warnings.warn(text, ConvergenceWarning, stacklevel=2)
        for name, value, is_time in zip(self._names, np.exp(best.x), self._in_time, strict=True):
            setattr(self, f"{name}_", float(value * scale if is_time else value))
        self.log_likelihood_ = float(counts @ self._log_likelihood(self._parameters(), Histories.of(rows))[0])
        self.n_iter_, self.n_features_in_ = int(best.nit), 3
        return self

    def score(self, X: ArrayLike, y: object = None, sample_weight: ArrayLike | None = None) -> float:
        """Mean log-likelihood of a customer."""
        check_is_fitted(self)
        rows, counts = distinct_rows(checked_rows(X), sample_weight)
        return float(np.average(self._log_likelihood(self._parameters(), Histories.of(rows))[0], weights=counts))

    def probability_active(self, X: ArrayLike, horizon: float) -> Floats:
        """P(at least one purchase within the next ``horizon`` time units | x, tx, T).

        Parameters
        ----------
        X : array of shape (n_customers, 3)
            As in ``fit``.
        horizon : float
            Length of the window, in the unit of X.

        Returns
        -------
        ndarray of shape (n_customers,)

        Raises
        ------
        ValueError
            If the rows are not as in ``fit``, or the horizon is negative or not finite.
        """
        check_is_fitted(self)
        if not 0 <= horizon < np.inf:
            raise ValueError(f"horizon must be finite and not negative; it is {horizon}")
        return self._active(checked_rows(X), float(horizon))

    def probability_alive(self, X: ArrayLike) -> Floats:
        """P(the customer has not left for good by T | x, tx, T), shape (n_customers,).

        Raises
        ------
        ValueError
            If the rows are not as in ``fit``.
        """
        check_is_fitted(self)
        return self._alive(checked_rows(X))

    def _parameters(self) -> Floats:
        return np.array([getattr(self, f"{name}_") for name in self._names])

    def _condensed(self, rows: Floats, counts: Floats) -> tuple[Floats, Floats]:
        """The rows that the parameters are fitted on, times in units of the mean time observed."""
        return rows, counts

    def _log_likelihood(self, parameters: Floats, histories: Histories) -> tuple[Floats, Floats]:
        """Log-likelihood of each history, shape (n,), and its gradient in the parameters, shape (n, 4)."""
        raise NotImplementedError

    def _active(self, rows: Floats, horizon: float) -> Floats:
        raise NotImplementedError

    def _alive(self, rows: Floats) -> Floats:
        raise NotImplementedError


class BetaGeometric(PurchaseModel):
    """Poisson purchases; after each purchase that gives a chance to leave, a customer may be gone for good.

    Purchase rates are Gamma(r, alpha), the chances to leave Beta(a, b) over customers. With n chances so far,

        L = B(a, b + n) / B(a, b) · Γ(r + x) alpha^r / (Γ(r) (alpha + T)^(r + x)) · (1 + o),
        o = a / (b + n - 1) · ((alpha + T) / (alpha + tx))^(r + x), and 0 where n = 0,

    of which the 1 is the customer who is alive, and o the one who left after the last purchase.
    """

    _names = ("r", "alpha", "a", "b")
    _in_time = (False, True, False, False)
    _chances_at_first: ClassVar[int]
    """1 where a customer may leave right after the first purchase, else 0."""

    r_: float
    alpha_: float
    a_: float
    b_: float

    def _alive(self, rows: Floats) -> Floats:
        return np.asarray(expit(-self._log_odds_gone(self._parameters(), Histories.of(rows))))

    def _active(self, rows: Floats, horizon: float) -> Floats:
        """(1 - ((alpha + T) / (alpha + T + t))^(r + x)) · P(alive).

        Being alive at T and buying nothing until T + t has the likelihood of being alive with T + t for T.
        """
        bought = -np.expm1(-(self.r_ + rows[:, 0]) * np.log1p(horizon / (self.alpha_ + rows[:, 2])))
        return np.asarray(bought * self._alive(rows))

    def _log_odds_gone(self, parameters: Floats, histories: Histories) -> Floats:
        """Log of o; -inf where there was no chance to leave."""
        r, alpha, a, b = parameters
        chances = histories.x + self._chances_at_first
        silence = np.log1p((histories.observed - histories.tx) / (alpha + histories.tx))
        log_odds = np.log(a) - np.log(b + np.maximum(chances, 1) - 1) + (r + histories.x) * silence
        return np.where(chances > 0, log_odds, -np.inf)

    def _log_likelihood(self, parameters: Floats, histories: Histories) -> tuple[Floats, Floats]:
        r, alpha, a, b = parameters
        x, tx, observed, values, at = histories
        chances = values + self._chances_at_first
        of_x = gammaln(r + values) - gammaln(r) + betaln(a, b + chances) - betaln(a, b)
        of_ab = digamma(a + b) - digamma(a + b + chances)
        odds = self._log_odds_gone(parameters, histories)
        log_end, log_last, gone = np.log(alpha + observed), np.log(alpha + tx), expit(odds)
        value = of_x[at] + r * np.log(alpha) - (r + x) * log_end + np.logaddexp(odds, 0.0)
        gradient = np.empty((len(x), 4))
        gradient[:, 0] = (digamma(r + values) - digamma(r))[at] + np.log(alpha) - log_end + gone * (log_end - log_last)
        gradient[:, 1] = r / alpha - (r + x) * ((1 - gone) / (alpha + observed) + gone / (alpha + tx))
        gradient[:, 2] = of_ab[at] + gone / a
        last_chance = b + np.maximum(chances, 1) - 1
        gradient[:, 3] = (digamma(b + chances) - digamma(b) + of_ab)[at] - gone / last_chance[at]
        return value, gradient


class MBGNBD(BetaGeometric):
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
    n_iter_ : int
        Iterations used.
    n_features_in_ : int
        3.

    References
    ----------
    Batislam, Denizel, Filiztekin (2007), "Empirical validation and comparison of models for customer base analysis",
    Int. J. of Research in Marketing 24, 201-209: the likelihood is eq. 6, with n = x + 1 chances to leave.
    Fader, Hardie, Lee (2005), "Counting your customers the easy way", Marketing Science 24, 275-284.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.array([[0, 0.0, 30.0], [2, 20.0, 30.0], [5, 28.0, 30.0], [1, 4.0, 25.0]])
    >>> model = MBGNBD().fit(X)
    >>> bool(np.all((model.probability_active(X, 12.0) > 0) & (model.probability_active(X, 12.0) < 1)))
    True
    """

    _chances_at_first = 1


def checked_rows(X: ArrayLike) -> Floats:
    """X as rows (x, tx, T).

    Raises
    ------
    ValueError
        If they are no possible histories.
    """
    rows = np.asarray(X, dtype=np.float64)
    if rows.ndim != 2 or rows.shape[1] != 3 or not len(rows):
        raise ValueError(f"X must hold rows of (x, tx, T); its shape is {rows.shape}")
    x, tx, observed = rows.T
    if not np.isfinite(rows).all() or (x < 0).any() or (tx < 0).any() or (tx > observed).any():
        raise ValueError("X must be finite with x >= 0 and 0 <= tx <= T")
    if (x != np.floor(x)).any() or (tx[x == 0] > 0).any():
        raise ValueError("x must count purchases in whole numbers, and tx must be 0 where there are none")
    return rows


def distinct_rows(rows: Floats, sample_weight: ArrayLike | None = None) -> tuple[Floats, Floats]:
    """The distinct rows that count, and how often each occurs.

    Raises
    ------
    ValueError
        If the weights are not one finite count a row, or all of them are 0.
    """
    weights = np.ones(len(rows)) if sample_weight is None else np.asarray(sample_weight, dtype=np.float64)
    if weights.shape != (len(rows),):
        raise ValueError(f"sample_weight must hold one count a row; its shape is {weights.shape}")
    if not np.isfinite(weights).all() or (weights < 0).any() or not weights.any():
        raise ValueError("sample_weight must be finite and not negative, and not 0 for every row")
    rows, weights = rows[weights > 0], weights[weights > 0]
    order, starts = grouped(rows)
    return rows[order[starts]], np.add.reduceat(weights[order], starts)


def grouped(keys: Floats) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """An order in which equal rows stand together, and where in it each group begins."""
    order = np.lexsort(keys.T)
    ordered = keys[order]
    is_first = np.append(True, (ordered[1:] != ordered[:-1]).any(axis=1))
    return order, np.flatnonzero(is_first)
