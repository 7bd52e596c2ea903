"""What one customer's evidence says about their trust, given fitted parameters.

Belongs here: the grid of trust levels, the likelihood of a stream's counts on it, and summaries of the posterior.
Must not be here: fitting (``trust_likelihood``), words (``trust_reasons``), frames.

The posterior lives on an even grid, where sums converge exponentially fast for smooth densities (Trefethen and
Weideman 2014) and quantiles can be read off. Every number of a customer comes from that customer's row alone, by
operations that do not depend on the rows beside it: the same customer scores the same to the last bit in any batch.

References
----------
Trefethen, L. N., Weideman, J. A. C. (2014). The exponentially convergent trapezoidal rule. SIAM Review 56, 385–458.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array
from scipy.special import expit, gammaln, ndtr, ndtri

from trust_models.trust_likelihood import TrustParameters

Floats = npt.NDArray[np.float64]
Places = npt.NDArray[np.intp]

GRID: Floats = np.linspace(-4.5, 4.5, 61)
"""Trust levels η on which posteriors live; 7 in a million customers lie outside."""

PRIOR: Floats = np.exp(-0.5 * GRID**2) / np.exp(-0.5 * GRID**2).sum()

PERCENTILE: Floats = 100.0 * ndtr(GRID)
"""The 0–100 score of each trust level: the share of customers who trust less."""

STEP = float(GRID[1] - GRID[0])

FLOOR_EXPONENT = 30.0
"""No stream rules any trust level out by more than 1e-30: contradictory evidence never leaves a zero posterior."""

SMALLEST_COUNT = 1e-4
"""Counts are told apart down to this: knots are even below it, and geometric above."""

LARGEST_COUNT = 1e7
"""More trials than this count as this many."""

KNOT_STEP = 0.08
KNOTS = int(np.log1p(LARGEST_COUNT / SMALLEST_COUNT) / KNOT_STEP) + 3

CHUNK = 1024
"""Customers whose posteriors are held at once: few, so that they stay in the processor's cache."""


class Counts(NamedTuple):
    """Successes and failures of some customers, and how far the log-odds of success are shifted for their groups.

    Arrays of shape (customers, streams). A shift is what equal trust does not explain: see ``fairness``.
    """

    successes: Floats
    failures: Floats
    shifts: Floats

    @property
    def has_trials(self) -> npt.NDArray[np.bool_]:
        """Whether a customer has trials in a stream (customers, streams)."""
        return (self.successes > 0) | (self.failures > 0)

    def rows(self, rows: slice | Places) -> Counts:
        """The counts of some of the customers."""
        return Counts(self.successes[rows], self.failures[rows], self.shifts[rows])


class StreamLikelihoods:
    """Likelihood of a stream's counts at every trust level of the grid.

    ln L(η) = lnΓ(α+r) − lnΓ(α) + lnΓ(β+s) − lnΓ(β) with α = κπ(η), β = κ(1−π(η)), up to what η does not change. Each of
    r and s enters alone: its part is tabulated at knots and interpolated (cubic; error of ln L below 1e-4).

    Parameters
    ----------
    parameters : TrustParameters
        Fitted parameters of the streams.
    """

    def __init__(self, parameters: TrustParameters) -> None:
        self.parameters = parameters
        self.streams = len(parameters.intercepts)
        self.rates: Floats = expit(self._logits(slice(None), 0.0))
        self._floor = 10.0 ** -min(FLOOR_EXPONENT, 270.0 / self.streams)
        self._tables: dict[tuple[int, float], Floats] = {}

    def of(self, stream: int, successes: Floats, failures: Floats, shifts: Floats) -> Floats:
        """Relative likelihood (rows, grid) of counts (rows,): 1 at its highest, and never 0."""
        interpolation, distinct = _interpolation(successes, failures), np.unique(shifts)
        if len(distinct) == 1:
            log_likelihood = np.asarray(interpolation @ self._table(stream, float(distinct[0])))
        else:
            log_likelihood = np.empty((len(successes), len(GRID)))
            for shift in distinct:
                rows = np.flatnonzero(shifts == shift)
                log_likelihood[rows] = interpolation[rows] @ self._table(stream, float(shift))
        log_likelihood -= log_likelihood.max(axis=1, keepdims=True)
        likelihood: Floats = np.exp(log_likelihood, out=log_likelihood)
        np.maximum(likelihood, self._floor, out=likelihood)
        return likelihood

    def posterior(self, counts: Counts) -> Floats:
        """Posterior weights (rows, grid); rows sum to 1."""
        weights = np.tile(PRIOR, (len(counts.successes), 1))
        has_trials = counts.has_trials
        for stream in range(self.streams):
            rows = np.flatnonzero(has_trials[:, stream])
            if len(rows) == len(weights) > 0:
                weights *= self.of(stream, *(side[:, stream] for side in counts))
            elif len(rows):
                weights[rows] *= self.of(stream, *(side[rows, stream] for side in counts))
        return _normalised(weights)

    def _logits(self, streams: slice, shift: float) -> Floats:
        loadings: Floats = self.parameters.loadings[streams, None]
        return np.asarray(self.parameters.intercepts[streams, None] + shift + loadings * GRID)

    def _table(self, stream: int, shift: float) -> Floats:
        """Table of ln L at the knots of successes, then of failures (2 · knots, grid)."""
        if (stream, shift) not in self._tables:
            logits = self._logits(slice(stream, stream + 1), shift)
            concentration = self.parameters.concentrations[stream]
            sides = (_table(concentration * expit(logits)[0]), _table(concentration * expit(-logits)[0]))
            self._tables[stream, shift] = np.vstack(sides)
        return self._tables[stream, shift]


def posterior_of(likelihoods: Iterable[Floats], rows: int) -> Floats:
    """Posterior weights (rows, grid) of customers, given the likelihoods (rows, grid) of all of their streams.

    They are those of :meth:`StreamLikelihoods.posterior` to the last bit, where the streams come in the same order.
    """
    weights = np.tile(PRIOR, (rows, 1))
    for likelihood in likelihoods:
        weights *= likelihood
    return _normalised(weights)


def alike(counts: Counts, rows_at_once: int) -> Iterator[tuple[Places, Places]]:
    """Streams and rows of customers who have trials in just these streams, a bounded number of rows at a time."""
    has_trials = counts.has_trials
    pattern = has_trials @ (1 << np.arange(has_trials.shape[1]))
    order = np.argsort(pattern, kind="stable")
    patterns, starts = np.unique(pattern[order], return_index=True)
    for rows in np.split(order, starts[1:]) if len(patterns) else ():
        for start in range(0, len(rows), rows_at_once):
            yield np.flatnonzero(has_trials[rows[0]]), rows[start : start + rows_at_once]


def _normalised(weights: Floats) -> Floats:
    """The weights themselves, changed so that rows sum to 1."""
    weights *= 1.0 / weights.sum(axis=1, keepdims=True)
    return weights


def _table(shape: Floats) -> Floats:
    """lnΓ(α+r) − lnΓ(α) at each knot r (rows) and trust level (columns), less what no level changes."""
    knots = SMALLEST_COUNT * np.expm1(KNOT_STEP * np.arange(KNOTS))[:, None]
    table: Floats = gammaln(shape + knots) - gammaln(shape) - gammaln(1 + knots)
    return table


def _interpolation(successes: Floats, failures: Floats) -> csr_array:
    """Sparse matrix (rows, 2·knots) of the cubic Lagrange weights of each count among its four nearest knots."""
    counts = np.minimum(np.column_stack([successes, failures]), LARGEST_COUNT)
    position = np.log1p(counts / SMALLEST_COUNT) / KNOT_STEP
    cell = np.maximum(position.astype(np.int32), 1)
    t = position - cell
    lagrange = np.stack(
        [
            -t * (t - 1) * (t - 2) / 6,
            (t + 1) * (t - 1) * (t - 2) / 2,
            -(t + 1) * t * (t - 2) / 2,
            (t + 1) * t * (t - 1) / 6,
        ],
        axis=-1,
    )
    first = cell - 1 + np.array([0, KNOTS], dtype=np.int32)
    columns = first[..., None] + np.arange(4, dtype=np.int32)
    starts = np.arange(len(counts) + 1, dtype=np.int32) * 8
    return csr_array((lagrange.ravel(), columns.ravel(), starts), shape=(len(counts), 2 * KNOTS))


def expectation(weights: Floats, values: Floats) -> Floats:
    """Σ weights·values over the grid (last axis), row by row; not a matrix product, whose sums depend on the batch."""
    expected: Floats = np.vecdot(weights, values)
    return expected


def quantiles(weights: Floats, probabilities: Sequence[float]) -> list[Floats]:
    """Trust levels below which given shares of the posterior lie, for each row of weights (rows, grid).

    The distribution function at the cell edges is the sum of the cells so far, each integrated to fourth order, and is
    interpolated in probits: exactly right for a normal posterior, however coarse the grid.
    """
    below = np.zeros((len(weights), len(GRID) + 1))
    np.cumsum(weights, axis=1, out=below[:, 1:])
    below[:, 1:-1] += (weights[:, 1:] - weights[:, :-1]) / 24.0
    below[:, -1] = 1.0
    return [_quantile(below, probability) for probability in probabilities]


def _quantile(below: Floats, probability: float) -> Floats:
    """Where the distribution function, given at the cell edges, passes a probability."""
    rows, tiny = np.arange(len(below)), 1e-12
    cell = (below[:, 1:-1] < probability).sum(axis=1)
    left, right = (ndtri(np.clip(below[rows, cell + side], tiny, 1 - tiny)) for side in (0, 1))
    share = np.clip((ndtri(probability) - left) / np.maximum(right - left, tiny), 0.0, 1.0)
    quantile: Floats = GRID[cell] + STEP * (share - 0.5)
    return quantile
