"""The trust estimator: a customer's latent trust from faded counts of good and bad experiences.

Belongs here: the estimator that users fit, store and apply, its parameters and its shapes.
Must not be here: event logs (``evidence``), reasons (``trust_reasons``), dimension profiles (``dimensions``).
"""

from __future__ import annotations

import copy
import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from joblib import Parallel, delayed
from scipy.special import ndtr
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, check_non_negative, validate_data

from trust_models.streams import LOYALTY_STREAMS
from trust_models.trust_likelihood import GROUND, TrustParameters, fit_parameters
from trust_models.trust_posterior import CHUNK, GRID, PERCENTILE, Counts, StreamLikelihoods, expectation, quantiles

Floats = npt.NDArray[np.float64]

OUTPUTS = ("trust_mean", "trust_sd", "trust_score", "trust_low", "trust_high", "trust_reliability")


class TrustPosterior(NamedTuple):
    """Posterior summaries: arrays of shape (customers,), and ``rates`` of shape (customers, streams).

    ``mean`` and ``sd`` are of the latent trust η, ``score``, ``low`` and ``high`` on the 0–100 scale, ``rates`` the
    expected success rate of each stream at the customer's trust (their own trials of that stream come on top).
    """

    mean: Floats
    sd: Floats
    score: Floats
    low: Floats
    high: Floats
    rates: Floats

    @property
    def reliability(self) -> Floats:
        """Share of the variance of trust that the evidence has removed: 1 − sd², between 0 and 1."""
        reliability: Floats = np.clip(1.0 - self.sd**2, 0.0, 1.0)
        return reliability


class TrustEstimator(TransformerMixin, BaseEstimator):
    r"""Latent trust from counts of successes and failures in several streams.

    Every customer has one latent trust :math:`\eta_i \sim N(0, 1)`. Stream d succeeds with probability
    :math:`\pi_d(\eta) = \mathrm{logistic}(\mu_d + \ell_d \eta)`, overdispersed by a beta of concentration
    :math:`\kappa_d`:

    .. math:: \log L_i(\eta) = \sum_d \ln B(\kappa_d\pi_d + r_{id}, \kappa_d(1-\pi_d) + s_{id})
              - \ln B(\kappa_d\pi_d, \kappa_d(1-\pi_d))

    Parameters are fitted by marginal maximum likelihood with weak priors (``trust_likelihood``). The score is
    :math:`T = 100\,E[\Phi(\eta)]`, the expected percentile among all customers: 50 where nothing is known. A stream in
    which a customer has no trials drops out of that customer's score exactly; a stream in which nobody had trials at
    fitting has loading 0 and never counts until the next fit.

    Parameters
    ----------
    streams : sequence of str, optional
        Names of the streams. A data frame is then read by the columns ``r_<stream>`` (successes) and ``s_<stream>``
        (failures), wherever they stand; other columns are ignored. Default: columns are read by position and named
        after the frame's ``r_…`` columns, or ``stream0``, ``stream1``, ….
    consequences : sequence of str
        Streams that follow from trust and do not make it (coming back). Their loading may have either sign, and they
        are fitted after the others, each by itself, so that they are weighed by how far they go with trust but cannot
        redefine it. All other streams build trust by going well: their loading is never negative.
    level : float
        Coverage of the credible interval, between 0 and 1.
    minimum_reliability : float
        Least reliability, 1 − sd², at which a customer counts as scored (see :meth:`is_scored`).
    n_nodes : int
        Gauss–Hermite nodes of the marginal likelihood.
    max_samples : int
        Fit on at most this many customers with trials, drawn at random.
    max_iter : int
        Iterations of the optimiser.
    random_state : int, RandomState or None
        For drawing ``max_samples``.
    n_jobs : int or None
        Threads that score chunks of customers; None is one, −1 all. The scores are the same in any case.

    Attributes
    ----------
    streams_ : tuple of str
        Names of the streams.
    intercepts_, loadings_, concentrations_ : ndarray of shape (streams,)
        μ, ℓ and κ.
    has_trials_ : ndarray of shape (streams,), bool
        Streams in which somebody had a trial at fitting.
    shifts_ : dict
        Group intercepts: stream → factor → group → shift of the log-odds. Empty unless :meth:`adjusted_for` any.
    log_likelihood_ : float
        Marginal log likelihood of all streams but the consequences, at the solution, of the customers fitted on.
    n_iter_ : int
        Iterations used.
    n_features_in_ : int
        2 · streams.
    feature_names_in_ : ndarray of str
        Column names, where X was a data frame read by position.

    Notes
    -----
    X holds the successes of all streams, then the failures of all streams: ``[r_1 … r_d, s_1 … s_d]``, non-negative,
    whole or faded.

    References
    ----------
    Bock, R. D., Aitkin, M. (1981). Marginal maximum likelihood estimation of item parameters: application of an EM
    algorithm. Psychometrika 46, 443–459.
    Jøsang, A., Ismail, R. (2002). The beta reputation system. 15th Bled Electronic Commerce Conference.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.array([[9.0, 4.0, 1.0, 0.0], [2.0, 0.0, 8.0, 3.0], [0.0, 0.0, 0.0, 0.0]])
    >>> scores = TrustEstimator(streams=("order_sound", "complaint_resolved")).fit_transform(X)
    >>> scores.shape
    (3, 6)
    >>> bool(scores[0, 2] > scores[2, 2] > scores[1, 2])
    True
    >>> round(float(scores[2, 2]), 6)
    50.0
    """

    def __init__(
        self,
        streams: Sequence[str] | None = None,
        *,
        consequences: Sequence[str] = LOYALTY_STREAMS,
        level: float = 0.9,
        minimum_reliability: float = 0.1,
        n_nodes: int = 31,
        max_samples: int = 30_000,
        max_iter: int = 300,
        random_state: int | np.random.RandomState | None = 0,
        n_jobs: int | None = None,
    ) -> None:
        self.streams = streams
        self.consequences = consequences
        self.level = level
        self.minimum_reliability = minimum_reliability
        self.n_nodes = n_nodes
        self.max_samples = max_samples
        self.max_iter = max_iter
        self.random_state = random_state
        self.n_jobs = n_jobs

    def fit(self, X: Any, y: object = None) -> TrustEstimator:
        """Fit μ, ℓ and κ of every stream.

        Parameters
        ----------
        X : array or data frame of shape (customers, 2 · streams)
            Successes, then failures. Give whole counts: fading makes them more alike than trials are, which hides how
            far customers differ. What is scored may be faded.
        y : ignored

        Raises
        ------
        ValueError
            For parameters out of range, negative or missing counts, or columns that do not fit the streams.
        """
        self._check_parameters()
        successes, failures = self._counts(X, reset=True)
        self.streams_ = self._stream_names(successes.shape[1])
        trials = successes + failures
        self.has_trials_ = trials.sum(axis=0) > 0
        size = len(self.streams_)
        self.intercepts_, self.loadings_ = np.zeros(size), np.zeros(size)
        self.concentrations_ = np.full(size, math.exp(GROUND.means[2]))
        self.log_likelihood_, self.n_iter_ = 0.0, 0
        self.shifts_: dict[str, dict[str, dict[str, float]]] = {}
        if self.has_trials_.any():
            rows = self._sample(np.flatnonzero(trials.sum(axis=1) > 0))
            self._fit_streams(successes[rows], failures[rows])
        return self

    def _fit_streams(self, successes: Floats, failures: Floats) -> None:
        self.has_trials_ = (successes + failures).sum(axis=0) > 0
        used = np.flatnonzero(self.has_trials_)
        consequences = [index for index, stream in enumerate(used) if self.streams_[stream] in self.consequences]
        fitted = fit_parameters(
            successes[:, used], failures[:, used], consequences=consequences, nodes=self.n_nodes, max_iter=self.max_iter
        )
        self.intercepts_[used] = fitted.intercepts
        self.loadings_[used] = fitted.loadings
        self.concentrations_[used] = fitted.concentrations
        self.log_likelihood_, self.n_iter_ = fitted.log_likelihood, max(fitted.iterations, 1)
        if not fitted.has_converged:
            warnings.warn(
                f"the trust model did not converge in {self.max_iter} iterations; raise max_iter",
                ConvergenceWarning,
                stacklevel=3,
            )

    def transform(self, X: Any) -> Floats:
        """Scores of each customer, with the parameters as fitted.

        Returns
        -------
        ndarray of shape (customers, 6)
            Posterior mean and sd of η; score, low and high end of the interval (0–100); reliability 1 − sd² (0–1).
        """
        found = self.posterior(X)
        return np.column_stack([found.mean, found.sd, found.score, found.low, found.high, found.reliability])

    def posterior(self, X: Any) -> TrustPosterior:
        """Posterior summaries of each customer, and the success rates that they imply."""
        likelihoods, tail = self.likelihoods(), (1.0 - self.level) / 2.0
        parts = Parallel(n_jobs=self.n_jobs, require="sharedmem")(
            delayed(summary)(likelihoods.posterior(counts), likelihoods.rates, tail) for counts in self.chunks(X)
        )
        return TrustPosterior(*map(np.concatenate, zip(*parts, strict=True)))

    def scores(self, X: Any) -> Floats:
        """The 0–100 score of each customer alone, to the last bit that of :meth:`posterior`."""
        likelihoods = self.likelihoods()
        parts = Parallel(n_jobs=self.n_jobs, require="sharedmem")(
            delayed(_score)(likelihoods, counts) for counts in self.chunks(X)
        )
        return np.concatenate(parts)

    def is_scored(self, reliability: Floats) -> npt.NDArray[np.bool_]:
        """Whether there is evidence enough to speak of a score, by ``minimum_reliability``."""
        return np.asarray(reliability) >= self.minimum_reliability

    def likelihoods(self) -> StreamLikelihoods:
        """Likelihoods of the fitted streams, on the grid of trust levels."""
        return StreamLikelihoods(self.parameters())

    def parameters(self) -> TrustParameters:
        """The fitted parameters of the streams."""
        check_is_fitted(self)
        return TrustParameters(
            self.intercepts_, self.loadings_, self.concentrations_, self.log_likelihood_, self.n_iter_, True
        )

    def adjusted_for(self, shifts: Mapping[str, Mapping[str, Mapping[str, float]]]) -> TrustEstimator:
        """The same fit with group intercepts: scores no longer count against trust what is a habit of the group.

        Parameters
        ----------
        shifts : mapping
            Stream → factor → group → shift of the log-odds of success at equal trust (see ``fairness``). Data frames to
            be scored must then have the factors as columns.
        """
        adjusted = copy.copy(self)
        adjusted.shifts_ = {
            stream: {name: dict(groups) for name, groups in of.items()} for stream, of in shifts.items()
        }
        return adjusted

    def restricted_to(self, streams: Sequence[str]) -> TrustEstimator:
        """The same fit with fewer streams: what it says of trust where only these are looked at.

        Parameters
        ----------
        streams : sequence of str
            Some of ``streams_``, in the order wanted.
        """
        check_is_fitted(self)
        places = [self.streams_.index(stream) for stream in streams]
        restricted: TrustEstimator = clone(self).set_params(streams=tuple(streams))
        restricted.streams_, restricted.n_features_in_ = tuple(streams), 2 * len(places)
        for name in ("has_trials_", "intercepts_", "loadings_", "concentrations_"):
            setattr(restricted, name, getattr(self, name)[places])
        restricted.shifts_ = {stream: shifts for stream, shifts in self.shifts_.items() if stream in streams}
        restricted.log_likelihood_, restricted.n_iter_ = self.log_likelihood_, self.n_iter_
        return restricted

    def counts(self, X: Any) -> Counts:
        """Successes, failures and shifts of shape (customers, streams), checked."""
        check_is_fitted(self)
        successes, failures = self._counts(X, reset=False)
        return Counts(successes, failures, self._shifts(X, successes.shape))

    def chunks(self, X: Any) -> Iterator[Counts]:
        """The counts of a bounded number of customers at a time; of none at all, one empty chunk."""
        counts = self.counts(X)
        for start in range(0, max(len(counts.successes), 1), CHUNK):
            yield counts.rows(slice(start, start + CHUNK))

    def get_feature_names_out(self, input_features: object = None) -> npt.NDArray[np.object_]:
        """Names of the columns that ``transform`` returns."""
        check_is_fitted(self)
        return np.asarray(OUTPUTS, dtype=object)

    def _counts(self, X: Any, *, reset: bool) -> tuple[Floats, Floats]:
        """Successes and failures of shape (customers, streams), checked."""
        if self.streams is not None and hasattr(X, "columns"):
            wanted = [f"{side}_{stream}" for side in ("r", "s") for stream in self.streams]
            if missing := [name for name in wanted if name not in X.columns]:
                raise ValueError(f"the evidence lacks the columns {', '.join(missing)}")
            X = X[wanted].to_numpy()
        least = {"ensure_min_features": 2, "ensure_min_samples": 1} if reset else {"ensure_min_samples": 0}
        counts = validate_data(self, X, dtype=np.float64, order="C", reset=reset, **least)
        if len(counts):
            check_non_negative(counts, "TrustEstimator")
        return self._sides(counts)

    def _shifts(self, X: Any, shape: tuple[int, ...]) -> Floats:
        """Shifts of the log-odds (customers, streams) for the groups of each customer; 0 where a group is not known."""
        shifts = np.zeros(shape)
        for stream, factors in self.shifts_.items():
            for factor, groups in factors.items():
                if factor not in getattr(X, "columns", ()):
                    raise ValueError(f"the evidence lacks the column {factor}, for which {stream} is adjusted")
                of_group = np.array([groups.get(group, 0.0) for group in X[factor].to_list()])
                shifts[:, self.streams_.index(stream)] += of_group
        return shifts

    def _sides(self, counts: Floats) -> tuple[Floats, Floats]:
        streams, odd = divmod(counts.shape[1], 2)
        if odd or (self.streams is not None and streams != len(self.streams)):
            needed = "an even number of" if self.streams is None else str(2 * len(self.streams))
            raise ValueError(
                f"X has {counts.shape[1]} columns, but the successes and failures of each stream need {needed} columns"
            )
        return counts[:, :streams], counts[:, streams:]

    def _stream_names(self, size: int) -> tuple[str, ...]:
        if self.streams is not None:
            return tuple(self.streams)
        names = getattr(self, "feature_names_in_", None)
        if names is not None and all(str(name).startswith("r_") for name in names[:size]):
            return tuple(str(name).removeprefix("r_") for name in names[:size])
        return tuple(f"stream{index}" for index in range(size))

    def _sample(self, rows: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
        if len(rows) <= self.max_samples:
            return rows
        drawn = check_random_state(self.random_state).choice(len(rows), self.max_samples, replace=False)
        return np.asarray(rows[np.sort(drawn)])

    def _check_parameters(self) -> None:
        for name, low, high in (("level", 0.0, 1.0), ("minimum_reliability", -1.0, 1.0)):
            value = getattr(self, name)
            if not low < value < high:
                raise ValueError(f"{name} must lie between {max(low, 0)} and {high}, not {value}")
        for name, least in (("n_nodes", 5), ("max_samples", 1), ("max_iter", 1)):
            value = getattr(self, name)
            if value < least:
                raise ValueError(f"{name} must be {least} or more, not {value}")

    def __sklearn_tags__(self) -> Any:
        """Counts are never negative."""
        tags = super().__sklearn_tags__()
        tags.input_tags.positive_only = True
        return tags


def _score(likelihoods: StreamLikelihoods, counts: Counts) -> Floats:
    """Scores of one chunk of customers."""
    return expectation(likelihoods.posterior(counts), PERCENTILE)


def summary(weights: Floats, rates: Floats, tail: float) -> TrustPosterior:
    """What is told of posterior weights (rows, grid): ``rates`` are those of the streams (streams, grid)."""
    mean = expectation(weights, GRID)
    variance = np.maximum(expectation(weights, GRID**2) - mean**2, 0.0)
    score = expectation(weights, PERCENTILE)
    low, high = (100.0 * ndtr(quantile) for quantile in quantiles(weights, (tail, 1.0 - tail)))
    low, high = np.minimum(low, score), np.maximum(high, score)  # a posterior on the edge of the grid is one point
    expected = np.column_stack([expectation(weights, rate) for rate in rates])
    return TrustPosterior(mean, np.sqrt(variance), score, low, high, expected)
