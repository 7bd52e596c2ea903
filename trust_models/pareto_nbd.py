"""The Pareto/NBD model, in which customers may leave at any time rather than after a purchase.

Belongs here: the estimator, and the integral that its formulas are made of.
Must not be here: what buy-till-you-die models share (``btyd``).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.polynomial.legendre import leggauss
from scipy.special import digamma, expit, gammaln

from trust_models.btyd import Floats, Histories, PurchaseModel, grouped

_NODES, _WEIGHTS = leggauss(20)
_NODES, _WEIGHTS = (_NODES + 1) / 2, _WEIGHTS / 2

_NEGLIGIBLE = 45.0
"""An integral ends where its integrand has fallen by e^-45."""

_LARGEST_EXPONENT = 600.0
"""Of a float."""

_CELL = 0.01
"""Width of a cell of times, in units of the mean time observed."""

_ROWS_AT_ONCE = 1024
"""Rows that are integrated together: few enough to stay in the cache of a core."""


class ParetoNBD(PurchaseModel):
    """Pareto/NBD: Poisson purchases at a rate Gamma(r, alpha), for an exponential lifetime of rate Gamma(s, beta).

    A customer is alive at T, or was gone at some τ between tx and T:

        L = Γ(r + x) alpha^r beta^s / Γ(r) · [(alpha + T)^-(r + x) (beta + T)^-s + s · I(r + x, s + 1; tx, T)],
        I(p, q; from, to) = ∫ (alpha + τ)^-p (beta + τ)^-q dτ.

    I is A0 / (r + s + x), the Gauss hypergeometric term of the 2005 note. Here the integral itself is evaluated, by 20
    Gauss-Legendre nodes on a logarithmic time scale and in logs: one formula for alpha above, below and equal to
    beta, a sum of positive terms where the note takes the difference of two hypergeometric functions, and the
    analytic gradient from the same nodes. The relative error is below 1e-9 wherever a fit may look.

    Parameters
    ----------
    max_iter : int
        Most iterations of L-BFGS-B.
    max_rows : int
        Where there are more distinct rows, parameters are fitted on cells: for each x, customers whose tx and T agree
        to 1/100 of the mean time observed are replaced by their mean, so that first-order errors cancel. On simulated
        companies of 100,000 the parameters moved by less than 0.3 %, probabilities to buy by less than 0.001.
        ``log_likelihood_`` is always that of the rows themselves.

    Attributes
    ----------
    r_, alpha_, s_, beta_ : float
        Parameters; ``alpha_`` and ``beta_`` in the time unit of X.
    log_likelihood_ : float
        Sum over customers at the maximum.
    n_iter_ : int
        Iterations used.
    n_features_in_ : int
        3.

    References
    ----------
    Schmittlein, Morrison, Colombo (1987), "Counting your customers: who are they and what will they do next?",
    Management Science 33, 1-24.
    Fader, Hardie (2005), "A note on deriving the Pareto/NBD model and related expressions", brucehardie.com/notes/009.
    Fader, Hardie (2014), "Deriving the conditional PMF of the Pareto/NBD model", brucehardie.com/notes/028: the
    likelihood is eq. 3, the PMF, of which ``probability_active`` is 1 - P(no purchase), eq. 16.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.array([[0, 0.0, 30.0], [2, 20.0, 30.0], [5, 28.0, 30.0], [1, 4.0, 25.0]])
    >>> model = ParetoNBD().fit(X)
    >>> bool(np.all((model.probability_active(X, 12.0) > 0) & (model.probability_active(X, 12.0) < 1)))
    True
    """

    _names = ("r", "alpha", "s", "beta")
    _in_time = (False, True, False, True)

    r_: float
    alpha_: float
    s_: float
    beta_: float

    def __init__(self, max_iter: int = 500, max_rows: int = 50_000) -> None:
        super().__init__(max_iter)
        self.max_rows = max_rows

    def _condensed(self, rows: Floats, counts: Floats) -> tuple[Floats, Floats]:
        return (rows, counts) if len(rows) <= self.max_rows else _in_cells(rows, counts)

    def _alive(self, rows: Floats) -> Floats:
        log_alive, log_gone, _ = _log_terms(self._parameters(), *rows.T)
        return np.asarray(expit(log_alive - log_gone))

    def _active(self, rows: Floats, horizon: float) -> Floats:
        """Likelihood of a first purchase at some τ in (T, T + t] over that plus the likelihood of none.

        None has the likelihood of (x, tx, T + t). A first purchase has (r + x) beta^s I(r + x + 1, s; T, T + t), which
        is L(x, tx, T) - L(x, tx, T + t) without the difference.
        """
        r, alpha, s, beta = self._parameters()
        x, tx, observed = rows.T
        next_one = _integral(r + x + 1, s, alpha, beta, observed, observed + horizon)
        log_bought = np.log(r + x) + s * np.log(beta) + next_one.log_value
        log_alive, log_gone, _ = _log_terms(self._parameters(), x, tx, observed + horizon)
        return np.asarray(expit(log_bought - np.logaddexp(log_alive, log_gone)))

    def _log_likelihood(self, parameters: Floats, histories: Histories) -> tuple[Floats, Floats]:
        r, alpha, s, beta = parameters
        x, tx, observed, values, at = histories
        log_alive, log_gone, over_time = _log_terms(parameters, x, tx, observed)
        of_x = gammaln(r + values) - gammaln(r)
        value = of_x[at] + r * np.log(alpha) + np.logaddexp(log_alive, log_gone)
        gone = expit(log_gone - log_alive)
        end = np.stack(
            [np.log(alpha + observed), 1 / (alpha + observed), np.log(beta + observed), 1 / (beta + observed)]
        )
        at_alpha, over_alpha, at_beta, over_beta = end + gone * (over_time.means - end)
        gradient = np.empty((len(x), 4))
        gradient[:, 0] = (digamma(r + values) - digamma(r))[at] + np.log(alpha) - at_alpha
        gradient[:, 1] = r / alpha - (r + x) * over_alpha
        gradient[:, 2] = np.log(beta) - at_beta + gone / s
        gradient[:, 3] = s / beta - s * over_beta - gone * over_time.means[3]
        return value, gradient


class _Integral(NamedTuple):
    """Log of I, shape (n,), and the means over τ, weighted by the integrand, shape (4, n).

    The means are of log(alpha + τ), 1 / (alpha + τ), log(beta + τ), 1 / (beta + τ).
    """

    log_value: Floats
    means: Floats


def _log_terms(parameters: Floats, x: Floats, tx: Floats, observed: Floats) -> tuple[Floats, Floats, _Integral]:
    """Logs of the alive and of the gone term, without Γ(r + x) alpha^r / Γ(r); the integral of the latter."""
    r, alpha, s, beta = parameters
    log_alive = -(r + x) * np.log(alpha + observed) - s * np.log1p(observed / beta)
    over_time = _integral(r + x, s + 1, alpha, beta, tx, observed)
    return log_alive, np.log(s) + s * np.log(beta) + over_time.log_value, over_time


def _integral(p: Floats, q: float, alpha: float, beta: float, start: Floats, end: Floats) -> _Integral:
    """∫ (alpha + τ)^-p (beta + τ)^-q dτ from start to end; its log is -inf where start is end."""
    log_value, means = np.empty(len(p)), np.empty((4, len(p)))
    for first in range(0, len(p), _ROWS_AT_ONCE):
        rows = slice(first, first + _ROWS_AT_ONCE)
        log_value[rows], means[:, rows] = _quadrature(p[rows], q, alpha + start[rows], beta + start[rows],
                                                      end[rows] - start[rows])  # fmt: skip
    return _Integral(log_value, means)


def _quadrature(p: Floats, q: float, from_alpha: Floats, from_beta: Floats, length: Floats) -> tuple[Floats, Floats]:
    """The integral over h = τ - start from 0 to ``length``, with h = c (e^y - 1).

    With c the shortest of the scales on which the integrand falls, it is smooth in y, and its singularities, at
    τ = -alpha and -beta, are at least π away from the path.
    """
    shortest = np.minimum(np.minimum(from_alpha, from_beta), 1 / (p / from_alpha + q / from_beta))
    far_alpha = from_alpha * np.expm1(np.minimum(_NEGLIGIBLE / p, _LARGEST_EXPONENT))
    far_beta = from_beta * np.expm1(min(_NEGLIGIBLE / q, _LARGEST_EXPONENT))
    width = np.log1p(np.minimum(length, np.minimum(far_alpha, far_beta)) / shortest)
    y = _NODES[:, None] * width
    growth = np.exp(y)
    over_alpha, over_beta = (1 + (growth - 1) * (shortest / start) for start in (from_alpha, from_beta))
    log_alpha, log_beta = np.log(over_alpha), np.log(over_beta)
    density = _WEIGHTS[:, None] * np.exp(y - p * log_alpha - q * log_beta)
    total = density.sum(axis=0)
    density /= total
    with np.errstate(divide="ignore"):  # an empty interval has log -inf, which is meant
        log_value = np.log(shortest * width) + np.log(total) - p * np.log(from_alpha) - q * np.log(from_beta)
    return log_value, np.stack([
        np.log(from_alpha) + np.einsum("ij,ij->j", density, log_alpha),
        (density / over_alpha).sum(axis=0) / from_alpha,
        np.log(from_beta) + np.einsum("ij,ij->j", density, log_beta),
        (density / over_beta).sum(axis=0) / from_beta,
    ])  # fmt: skip


def _in_cells(rows: Floats, counts: Floats) -> tuple[Floats, Floats]:
    """Mean rows of the customers with the same x whose tx and T lie in the same cell, and their counts."""
    order, starts = grouped(np.column_stack([rows[:, 0], np.floor(rows[:, 1:] / _CELL)]))
    weights = np.add.reduceat(counts[order], starts)
    return np.add.reduceat((rows * counts[:, None])[order], starts) / weights[:, None], weights
