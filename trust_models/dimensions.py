"""The profile of a customer's trust over the five dimensions.

Belongs here: the chance that the next trial of a dimension goes well, and the opinion behind it.
Must not be here: the latent trust itself (``trust``), reasons, which event speaks of which dimension (``streams``).

References
----------
Jøsang, A. (2016). Subjective Logic. Springer, section 3.3 (the beta distribution as a binomial opinion).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from trust_models.streams import DIMENSION_STREAMS
from trust_models.trust import TrustEstimator

Floats = npt.NDArray[np.float64]


class Opinion(NamedTuple):
    """Jøsang's opinion on a dimension: arrays of shape (customers,), with belief + disbelief + uncertainty = 1.

    ``base_rate`` is what the customer's trust leads to expect where their own trials are silent.
    """

    belief: Floats
    disbelief: Floats
    uncertainty: Floats
    base_rate: Floats

    @property
    def score(self) -> Floats:
        """Chance, in percent, that the next trial goes well: 100 · (belief + base rate · uncertainty)."""
        return self.projected * 100.0

    @property
    def projected(self) -> Floats:
        """Projected probability b + a·u."""
        return self.belief + self.base_rate * self.uncertainty


def opinions(
    estimator: TrustEstimator, successes: Floats, failures: Floats, rates: Floats
) -> dict[str, Opinion | None]:
    r"""Opinion on every dimension.

    In stream d, a customer of trust η succeeds next with probability
    :math:`(\kappa_d \pi_d(\eta) + r_d)/(\kappa_d + r_d + s_d)`; its expectation over the posterior is b + a·u with
    belief :math:`b = r/(\kappa+r+s)`, disbelief :math:`s/(\kappa+r+s)`, uncertainty :math:`u = \kappa/(\kappa+r+s)` and
    base rate :math:`a = E[\pi_d(\eta)]`: Jøsang's opinion, its prior weight and base rate estimated and not assumed.
    A dimension of several streams is their plain mean: the chance that the next delivery *or* the next complaint, each
    as likely, goes well.

    Parameters
    ----------
    estimator : TrustEstimator
        Fitted.
    successes, failures : ndarray of shape (customers, streams)
        Faded counts.
    rates : ndarray of shape (customers, streams)
        E[π_d(η)], the ``rates`` of :meth:`TrustEstimator.posterior`.

    Returns
    -------
    dict
        Dimension → opinion; None where no stream of the dimension had trials at fitting.
    """
    found: dict[str, Opinion | None] = {}
    for dimension, names in DIMENSION_STREAMS.items():
        used = [
            index for index, name in enumerate(estimator.streams_) if name in names and estimator.has_trials_[index]
        ]
        parts = [
            _stream_opinion(estimator.concentrations_[index], successes[:, index], failures[:, index], rates[:, index])
            for index in used
        ]
        found[dimension] = _mean_opinion(parts) if parts else None
    return found


def _stream_opinion(concentration: float, successes: Floats, failures: Floats, rates: Floats) -> Opinion:
    total = concentration + successes + failures
    return Opinion(successes / total, failures / total, concentration / total, rates)


def _mean_opinion(parts: list[Opinion]) -> Opinion:
    """Mean of opinions; the base rate is the one that keeps the mean of the projected probabilities."""
    size = len(parts)
    belief, disbelief, uncertainty = (
        np.asarray(sum(getattr(part, name) for part in parts) / size) for name in Opinion._fields[:3]
    )
    expected = np.asarray(sum(part.base_rate * part.uncertainty for part in parts) / size)
    return Opinion(belief, disbelief, uncertainty, expected / uncertainty)
