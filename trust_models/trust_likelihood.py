"""Marginal maximum likelihood of the trust model's parameters.

Belongs here: the marginal log likelihood with its gradient, the weak priors, the optimiser, the sign of the trait.
Must not be here: scores of customers (``trust_posterior``), or the estimator that users meet (``trust``).

Customer i has a latent trust η_i ~ N(0, 1). Stream d succeeds with probability π_d(η) = logistic(μ_d + ℓ_d·η),
overdispersed by a beta of concentration κ_d. With faded counts r of successes and s of failures

    log L_i(η) = Σ_d ln B(κ_d π_d + r_id, κ_d (1−π_d) + s_id) − ln B(κ_d π_d, κ_d (1−π_d)),

and the marginal likelihood integrates exp(log L_i) over η by Gauss–Hermite quadrature (Bock and Aitkin 1981; the
beta-binomial: Skellam 1948). Both gamma functions of r and s depend on one count only, so they are tabulated once per
distinct count and spread over the customers by a sparse 0/1 matrix, and the gradient comes back through its transpose.

References
----------
Bock, R. D., Aitkin, M. (1981). Marginal maximum likelihood estimation of item parameters. Psychometrika 46, 443–459.
Skellam, J. G. (1948). A probability distribution derived from the binomial distribution by regarding the probability of
success as variable between the sets of trials. JRSS B 10, 257–261.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.sparse import csr_array
from scipy.special import expit, gammaln, logit, psi

Floats = npt.NDArray[np.float64]

LEVEL_STEP = 0.02
"""Counts are rounded to steps of 2% of one plus the count, for fitting only: alike customers then share one row."""

PRIOR_MEANS = (1.0, 0.5, math.log(30.0))
PRIOR_SDS = (3.0, 1.0, 1.0)
"""Weak normal priors of μ, ℓ and ln κ. A success builds trust unless the data say otherwise, and what differs between
customers is trust before it is overdispersion: a single stream alone could not tell the two apart."""

BOUNDS = ((-8.0, 8.0), (-5.0, 5.0), (0.0, math.log(1000.0)))
"""Ranges of μ, ℓ and ln κ: no stream counts for more than a thousand independent trials."""

START_LOADING = 0.7


@dataclass(frozen=True)
class TrustParameters:
    """Fitted parameters of each stream: μ, ℓ and κ, arrays of shape (streams,), and how the fit went."""

    intercepts: Floats
    loadings: Floats
    concentrations: Floats
    log_likelihood: float
    iterations: int
    has_converged: bool


class MarginalLikelihood:
    """Log posterior density of the parameters given counts, per customer, with its gradient.

    Parameters
    ----------
    successes, failures : ndarray of shape (customers, streams)
        Faded counts; each stream has a trial somewhere.
    nodes : int
        Number of Gauss–Hermite nodes.
    """

    def __init__(self, successes: Floats, failures: Floats, nodes: int) -> None:
        self.streams = successes.shape[1]
        levels = np.rint(np.log1p(np.hstack([successes, failures])) / LEVEL_STEP).astype(np.int32)
        levels, weights = np.unique(levels, axis=0, return_counts=True)
        self.weights: Floats = weights.astype(np.float64)
        self.size = float(self.weights.sum())
        counts = _count(levels)
        self.totals = self._distinct_totals(counts[:, : self.streams] + counts[:, self.streams :])
        self.members, self.owners, self.values = self._tabulate(levels)
        hermite, hermite_weights = np.polynomial.hermite_e.hermegauss(nodes)
        self.nodes: Floats = hermite
        self.log_weights: Floats = np.log(hermite_weights) - 0.5 * math.log(2 * math.pi)

    def _distinct_totals(self, totals: Floats) -> list[tuple[Floats, Floats]]:
        """Per stream, the distinct numbers of trials and how many customers have each."""
        distinct: list[tuple[Floats, Floats]] = []
        for column in totals.T:
            values, inverse = np.unique(column, return_inverse=True)
            distinct.append((values, np.asarray(np.bincount(inverse, weights=self.weights), dtype=np.float64)))
        return distinct

    @staticmethod
    def _tabulate(levels: npt.NDArray[np.int32]) -> tuple[csr_array, npt.NDArray[np.intp], Floats]:
        """Distinct positive counts of each column: 0/1 matrix (rows, distinct), their columns, their values."""
        rows, columns = np.nonzero(levels)
        span = int(levels.max()) + 1
        distinct, inverse = np.unique(columns * span + levels[rows, columns], return_inverse=True)
        members = csr_array((np.ones(len(rows)), (rows, inverse)), shape=(len(levels), len(distinct)))
        return members, distinct // span, _count(distinct % span)

    def __call__(self, theta: Floats) -> tuple[float, Floats]:
        """Negative log posterior density per customer, and its gradient, at θ = (μ, ℓ, ln κ)."""
        intercepts, loadings, log_concentrations = theta.reshape(3, self.streams)
        concentrations = np.exp(log_concentrations)[:, None]
        logits = intercepts[:, None] + loadings[:, None] * self.nodes
        success, failure = expit(logits), expit(-logits)
        shapes = np.vstack([concentrations * success, concentrations * failure])
        of_level, value = shapes[self.owners], self.values[:, None]

        log_joint = self.members @ (gammaln(of_level + value) - gammaln(of_level)) + self.log_weights
        peak = log_joint.max(axis=1, keepdims=True)
        joint = np.exp(log_joint - peak)
        total = joint.sum(axis=1, keepdims=True)
        log_likelihood = float(self.weights @ (np.log(total) + peak)[:, 0])

        expected = self.members.T @ (joint * (self.weights[:, None] / total))
        slopes = np.zeros_like(shapes)
        np.add.at(slopes, self.owners, expected * (psi(of_level + value) - psi(of_level)))
        by_logit = (slopes[: self.streams] - slopes[self.streams :]) * concentrations * success * failure
        by_concentration = (slopes * shapes).reshape(2, self.streams, -1).sum(axis=(0, 2))
        normaliser, by_normaliser = self._normaliser(np.exp(log_concentrations))
        gradient = np.concatenate(
            [by_logit.sum(axis=1), (by_logit * self.nodes).sum(axis=1), by_concentration - by_normaliser]
        )
        penalty, by_penalty = self._penalty(theta)
        return (penalty - log_likelihood + normaliser) / self.size, (by_penalty - gradient) / self.size

    def _normaliser(self, concentrations: Floats) -> tuple[float, Floats]:
        """Σ lnΓ(κ+n) − lnΓ(κ), which no node changes, and its derivative by ln κ."""
        value, slope = 0.0, np.zeros(self.streams)
        for stream, (totals, weights) in enumerate(self.totals):
            kappa = concentrations[stream]
            value += float(weights @ (gammaln(kappa + totals) - gammaln(kappa)))
            slope[stream] = kappa * (weights @ (psi(kappa + totals) - psi(kappa)))
        return value, slope

    def _penalty(self, theta: Floats) -> tuple[float, Floats]:
        means, sds = (np.repeat(prior, self.streams) for prior in (PRIOR_MEANS, PRIOR_SDS))
        distance = (theta - means) / sds
        return 0.5 * float(distance @ distance), distance / sds


def _count(levels: npt.NDArray[np.signedinteger[Any]]) -> Floats:
    """The count that a level stands for."""
    count: Floats = np.expm1(LEVEL_STEP * levels)
    return count


def fit_parameters(
    successes: Floats, failures: Floats, *, anchors: Sequence[int], nodes: int, max_iter: int
) -> TrustParameters:
    """Marginal maximum a posteriori parameters.

    Parameters
    ----------
    successes, failures : ndarray of shape (customers, streams)
        Faded counts; each stream has a trial somewhere.
    anchors : sequence of int
        Streams whose successes go with trust: they fix the sign of the latent trait.
    nodes, max_iter : int
        Gauss–Hermite nodes; iterations of L-BFGS-B.
    """
    objective = MarginalLikelihood(successes, failures, nodes)
    streams = objective.streams
    trials = (successes + failures).sum(axis=0)
    rates = (successes.sum(axis=0) + 1.0) / (trials + 2.0)
    start = np.concatenate([logit(rates), np.full(streams, START_LOADING), np.full(streams, PRIOR_MEANS[2])])
    bounds = [bound for bound in BOUNDS for _ in range(streams)]

    def solve(theta: Floats) -> tuple[Floats, int, bool]:
        clipped = np.clip(theta, *np.transpose(bounds))
        found = minimize(
            objective.__call__,
            clipped,
            jac=True,
            method="L-BFGS-B",
            bounds=bounds,
            options={"maxiter": max_iter, "maxcor": 30, "ftol": 1e-10, "gtol": 1e-6},
        )
        return np.asarray(found.x, dtype=np.float64), int(found.nit), found.status != 1

    theta, iterations, has_converged = solve(start)
    loadings = slice(streams, 2 * streams)
    information = trials * rates * (1.0 - rates)
    if sum(information[anchor] * theta[loadings][anchor] for anchor in anchors) < 0:
        theta[loadings] *= -1
        theta, iterations, has_converged = solve(theta)
    intercepts, fitted, log_concentrations = theta.reshape(3, streams)
    penalty, _ = objective._penalty(theta)
    log_likelihood = penalty - objective(theta)[0] * objective.size
    return TrustParameters(intercepts, fitted, np.exp(log_concentrations), log_likelihood, iterations, has_converged)
