"""Simulated customers with a known latent trust, for tests of the trust estimator."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import expit

Floats = npt.NDArray[np.float64]


class Truth(NamedTuple):
    """Parameters of the streams, and the mean number of trials a customer."""

    streams: tuple[str, ...]
    intercepts: tuple[float, ...]
    loadings: tuple[float, ...]
    concentrations: tuple[float, ...]
    trials: tuple[float, ...]


RETAIL = Truth(
    streams=("order_sound", "promise_kept", "complaint_resolved", "came_back"),
    intercepts=(2.5, 1.5, 0.5, 0.4),
    loadings=(0.8, 0.6, 1.2, 0.9),
    concentrations=(30.0, 10.0, 15.0, 8.0),
    trials=(9.0, 9.0, 2.0, 8.0),
)


def customers(truth: Truth, size: int, seed: int = 0) -> tuple[Floats, Floats]:
    """Latent trust (size,) and counts (size, 2 · streams) of simulated customers; some have no trials at all."""
    generator = np.random.default_rng(seed)
    trust = generator.standard_normal(size)
    rates = expit(np.array(truth.intercepts) + np.outer(trust, truth.loadings))
    concentrations = np.array(truth.concentrations)
    own = generator.beta(concentrations * rates, concentrations * (1 - rates))
    trials = generator.poisson(np.array(truth.trials) * generator.gamma(1.0, 1.0, (size, 1)))
    successes = generator.binomial(trials, own)
    return trust, np.hstack([successes, trials - successes]).astype(np.float64)
