"""Marginal maximum likelihood of the trust model's parameters.

Belongs here: the marginal log likelihood with its gradient, the weak priors, the optimiser.
Must not be here: scores of customers (``trust_posterior``), or the estimator that users meet (``trust``).

Customer i has a latent trust η_i ~ N(0, 1). Stream d succeeds with probability π_d(η) = logistic(μ_d + ℓ_d·η),
overdispersed by a beta of concentration κ_d. With r successes and s failures

    log L_i(η) = Σ_d ln B(κ_d π_d + r_id, κ_d (1−π_d) + s_id) − ln B(κ_d π_d, κ_d (1−π_d)),

and the marginal likelihood integrates exp(log L_i) over η by Gauss–Hermite quadrature (Bock and Aitkin 1981; the
beta-binomial: Skellam 1948). Both gamma functions of r and s depend on one count only, so they are tabulated once per
distinct count and spread over the customers by a sparse 0/1 matrix, and the gradient comes back through its transpose.

Streams that are a consequence of trust and not its ground are fitted second, each by itself, with the parameters of the
others held fixed (limited information, as in Burt's interpretational confounding 1976): what trust *means* is decided
by what the company did, and what customers do next is weighed by how far it goes with that. Fitted together, two
consequences that share a cause of their own (a need that ended) would take the trait over.

References
----------
Bock, R. D., Aitkin, M. (1981). Marginal maximum likelihood estimation of item parameters. Psychometrika 46, 443–459.
Burt, R. S. (1976). Interpretational confounding of unobserved variables in structural equation models. Sociological
Methods & Research 5, 3–52.
Skellam, J. G. (1948). A probability distribution derived from the binomial distribution by regarding the probability of
success as variable between the sets of trials. JRSS B 10, 257–261.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.sparse import csr_array
from scipy.special import expit, gammaln, logit, psi

Floats = npt.NDArray[np.float64]

DIGITS = 3
"""Counts are told apart to three digits, for fitting only: alike customers then share one row."""

MOST_CONCENTRATION = 1000.0
"""No stream counts for more than a thousand independent trials."""

START_LOADING = 0.5


class Priors(NamedTuple):
    """Weak normal priors of μ, ℓ and ln κ, and the range of ℓ.

    One standard deviation of trust is expected to change the odds of success by a factor of e^0.5 or so, in all streams
    alike: thousands of trials outweigh that, a handful does not. Where customers have few trials, streams that share an
    occasion (one complaint is answered *and* settled) would else take each other for trust. What differs between
    customers is trust before it is overdispersion: a single stream alone could not tell the two apart.
    """

    means: tuple[float, float, float]
    sds: tuple[float, float, float]
    loadings: tuple[float, float]


GROUND = Priors((1.0, 0.5, math.log(30.0)), (3.0, 0.15, 1.0), (0.0, 5.0))
"""Of what the company did: going well builds trust by definition, never damages it. This also fixes the sign of η."""

CONSEQUENCE = Priors((1.0, 0.0, math.log(30.0)), (3.0, 0.25, 1.0), (-5.0, 5.0))
"""Of what customers did next: in either direction, and not at all unless the data say so."""


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
        Counts; each stream has a trial somewhere.
    nodes : int
        Number of Gauss–Hermite nodes.
    priors : Priors
        Of each of the streams.
    given : ndarray of shape (customers, nodes), optional
        Log likelihood of other streams, whose parameters are held fixed.
    """

    def __init__(
        self, successes: Floats, failures: Floats, nodes: int, *, priors: Priors = GROUND, given: Floats | None = None
    ) -> None:
        self.streams = successes.shape[1]
        self.priors = priors
        counts = rounded(np.hstack([successes, failures]))
        weights = np.ones(len(counts), dtype=np.int64)
        if given is None:
            counts, weights = np.unique(counts, axis=0, return_counts=True)
        self.weights: Floats = weights.astype(np.float64)
        self.size = float(self.weights.sum())
        self.totals = self._distinct_totals(counts[:, : self.streams] + counts[:, self.streams :])
        self.members, self.owners, self.values = self._tabulate(counts)
        self.nodes, log_weights = quadrature(nodes)
        self.log_prior: Floats = log_weights if given is None else log_weights + given

    def _distinct_totals(self, totals: Floats) -> list[tuple[Floats, Floats]]:
        """Per stream, the distinct numbers of trials and how many customers have each."""
        distinct: list[tuple[Floats, Floats]] = []
        for column in totals.T:
            values, inverse = np.unique(column, return_inverse=True)
            distinct.append((values, np.asarray(np.bincount(inverse, weights=self.weights), dtype=np.float64)))
        return distinct

    @staticmethod
    def _tabulate(counts: Floats) -> tuple[csr_array, npt.NDArray[np.intp], Floats]:
        """Distinct positive counts of each column: 0/1 matrix (rows, distinct), their columns, their values."""
        rows, columns = np.nonzero(counts)
        pairs = np.column_stack([columns, counts[rows, columns]])
        distinct, inverse = np.unique(pairs, axis=0, return_inverse=True)
        members = csr_array((np.ones(len(rows)), (rows, inverse)), shape=(len(counts), len(distinct)))
        return members, distinct[:, 0].astype(np.intp), distinct[:, 1]

    def __call__(self, theta: Floats) -> tuple[float, Floats]:
        """Negative log posterior density per customer, and its gradient, at θ = (μ, ℓ, ln κ)."""
        intercepts, loadings, log_concentrations = theta.reshape(3, self.streams)
        concentrations = np.exp(log_concentrations)[:, None]
        logits = intercepts[:, None] + loadings[:, None] * self.nodes
        success, failure = expit(logits), expit(-logits)
        shapes = np.vstack([concentrations * success, concentrations * failure])
        of_level, value = shapes[self.owners], self.values[:, None]

        log_joint = self.members @ (gammaln(of_level + value) - gammaln(of_level)) + self.log_prior
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
        means, sds = (np.repeat(prior, self.streams) for prior in (self.priors.means, self.priors.sds))
        distance = (theta - means) / sds
        return 0.5 * float(distance @ distance), distance / sds

    def maximum(self, start: Floats, max_iter: int) -> TrustParameters:
        """Parameters of the highest posterior density, by L-BFGS-B from a start within bounds."""
        bounds = [
            bound
            for bound in ((-8.0, 8.0), self.priors.loadings, (0.0, math.log(MOST_CONCENTRATION)))
            for _ in range(self.streams)
        ]
        found = minimize(
            self.__call__,
            np.clip(start, *np.transpose(bounds)),
            jac=True,
            method="L-BFGS-B",
            bounds=bounds,
            options={"maxiter": max_iter, "maxcor": 30, "ftol": 1e-10, "gtol": 1e-6},
        )
        theta = np.asarray(found.x, dtype=np.float64)
        intercepts, loadings, log_concentrations = theta.reshape(3, self.streams)
        log_likelihood = self._penalty(theta)[0] - float(found.fun) * self.size
        return TrustParameters(
            intercepts, loadings, np.exp(log_concentrations), log_likelihood, int(found.nit), found.status != 1
        )


def fit_parameters(
    successes: Floats, failures: Floats, *, consequences: Sequence[int] = (), nodes: int, max_iter: int
) -> TrustParameters:
    """Marginal maximum a posteriori parameters.

    Parameters
    ----------
    successes, failures : ndarray of shape (customers, streams)
        Counts; each stream has a trial somewhere.
    consequences : sequence of int
        Streams that are a consequence of trust: fitted after the others, each by itself. Where there is nothing else,
        they are the ground themselves.
    nodes, max_iter : int
        Gauss–Hermite nodes; iterations of L-BFGS-B.

    Returns
    -------
    TrustParameters
        Its log likelihood is that of the ground streams.
    """
    ground = [stream for stream in range(successes.shape[1]) if stream not in consequences]
    ground = ground or list(range(successes.shape[1]))
    first = MarginalLikelihood(successes[:, ground], failures[:, ground], nodes)
    fitted = first.maximum(_start(successes[:, ground], failures[:, ground], START_LOADING), max_iter)
    parts = dict(zip(ground, _columns(fitted), strict=True))
    iterations, has_converged = [fitted.iterations], [fitted.has_converged]
    rest = [stream for stream in range(successes.shape[1]) if stream not in parts]
    given = log_likelihood(fitted, successes[:, ground], failures[:, ground], quadrature(nodes)[0]) if rest else None
    for stream in rest:
        own_successes, own_failures = successes[:, [stream]], failures[:, [stream]]
        single = MarginalLikelihood(own_successes, own_failures, nodes, priors=CONSEQUENCE, given=given)
        found = single.maximum(_start(own_successes, own_failures, 0.1), max_iter)
        parts[stream] = _columns(found)[0]
        iterations.append(found.iterations)
        has_converged.append(found.has_converged)
    columns = np.array([parts[stream] for stream in sorted(parts)]).T
    return TrustParameters(
        columns[0], columns[1], columns[2], fitted.log_likelihood, max(iterations), all(has_converged)
    )


def log_likelihood(parameters: TrustParameters, successes: Floats, failures: Floats, trust: Floats) -> Floats:
    """Log likelihood of all streams' counts at given trust levels: (customers, streams) → (customers, levels).

    Complete but for the binomial coefficients, which no parameter changes.
    """
    total: Floats = np.zeros((len(successes), len(trust)))
    for stream, (intercept, loading, concentration) in enumerate(_columns(parameters)):
        r, of_r = np.unique(successes[:, stream], return_inverse=True)
        s, of_s = np.unique(failures[:, stream], return_inverse=True)
        pairs, inverse = np.unique(of_r * len(s) + of_s, return_inverse=True)
        distinct = np.column_stack([r[pairs // len(s)], s[pairs % len(s)]])
        total += stream_log_likelihood(intercept + loading * trust, concentration, distinct)[inverse]
    return total


def stream_log_likelihood(logits: Floats, concentration: float, counts: Floats) -> Floats:
    """Log likelihood of rows of (successes, failures) where success has these log-odds: (rows, levels)."""
    r, s = counts[:, [0]], counts[:, [1]]
    alpha, beta = concentration * expit(logits), concentration * expit(-logits)
    value: Floats = gammaln(alpha + r) - gammaln(alpha) + gammaln(beta + s) - gammaln(beta)
    value -= gammaln(concentration + r + s) - math.lgamma(concentration)
    return value


@cache
def quadrature(nodes: int) -> tuple[Floats, Floats]:
    """Gauss–Hermite nodes of a standard normal and the logs of their weights."""
    places, weights = np.polynomial.hermite_e.hermegauss(nodes)
    return places, np.log(weights) - 0.5 * math.log(2 * math.pi)


def rounded(counts: Floats) -> Floats:
    """Counts to three digits; whole numbers below 1,000 stay as they are."""
    scale = 10.0 ** (np.floor(np.log10(np.where(counts > 0, counts, 1.0))) - (DIGITS - 1))
    value: Floats = np.rint(counts / scale) * scale
    return value


def _start(successes: Floats, failures: Floats, loading: float) -> Floats:
    trials, streams = (successes + failures).sum(axis=0), successes.shape[1]
    rates = (successes.sum(axis=0) + 1.0) / (trials + 2.0)
    return np.concatenate([logit(rates), np.full(streams, loading), np.full(streams, GROUND.means[2])])


def _columns(parameters: TrustParameters) -> list[tuple[float, float, float]]:
    """(μ, ℓ, κ) of each stream."""
    arrays = (parameters.intercepts, parameters.loadings, parameters.concentrations)
    return list(zip(*(values.tolist() for values in arrays), strict=True))
