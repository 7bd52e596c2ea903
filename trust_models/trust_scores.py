"""Trust scores of customers: evidence frame in, score frame out.

Belongs here: the two estimators of a night, and the columns that they give.
Must not be here: the model (``trust``), the night, bands and rounding for readers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from trust_models.dimensions import Opinion, opinions
from trust_models.streams import DIMENSIONS, EXPERIENCE_STREAMS, STREAMS
from trust_models.trust import TrustEstimator, TrustPosterior
from trust_models.trust_explained import explained

Floats = npt.NDArray[np.float64]

COLUMNS = (
    "customer_id",
    "trust_score",
    "trust_low",
    "trust_high",
    "trust_reliability",
    "trust_status",
    "trust_experience",
    *(f"trust_{dimension}" for dimension in DIMENSIONS),
)

OPINION_COLUMNS = ("customer_id", "dimension", "belief", "disbelief", "uncertainty", "base_rate", "score")


class TrustEstimators(NamedTuple):
    """The estimator of all streams, and that of experience alone."""

    trust: TrustEstimator
    experience: TrustEstimator

    def adjusted_for(self, shifts: Mapping[str, Mapping[str, Mapping[str, float]]]) -> TrustEstimators:
        """Both with the same group intercepts (see :meth:`TrustEstimator.adjusted_for`)."""
        return TrustEstimators(*(estimator.adjusted_for(shifts) for estimator in self))


def fit_trust_estimators(counts: pl.DataFrame, **parameters: Any) -> TrustEstimators:
    """Fit both trust estimators.

    What trust means is learnt from experience alone; loyalty is weighed afterwards, by how far it goes with that. So
    the experience estimator is the same fit without the loyalty streams, and coming back has shaped none of it: it may
    be held against later churn without circularity.

    Parameters
    ----------
    counts : DataFrame
        customer_id, r_<stream>…, s_<stream>… of all streams, not faded, in any order of rows.
    **parameters
        Parameters of :class:`TrustEstimator` other than ``streams``.
    """
    trust = TrustEstimator(streams=STREAMS, **parameters).fit(counts.sort("customer_id"))
    return TrustEstimators(trust, trust.restricted_to(EXPERIENCE_STREAMS))


class TrustProfile(NamedTuple):
    """Trust of every customer of a day.

    ``scores`` has one row a customer, sorted: :data:`COLUMNS`. Scores are 0–100 and unrounded, the reliability 0–1, the
    status ``scored`` or ``insufficient_evidence``. trust_experience is null where nobody had a trial of experience at
    fitting, a dimension likewise. ``opinions`` has one row a customer and dimension that the data speak of:
    :data:`OPINION_COLUMNS`; its score is 100 · (belief + base_rate · uncertainty). ``shares``, of shape (customers,
    streams), has the Shapley values of trust_score.
    """

    scores: pl.DataFrame
    opinions: pl.DataFrame
    shares: Floats


def trust_profile(
    evidence: pl.DataFrame, estimator: TrustEstimator, experience_estimator: TrustEstimator
) -> TrustProfile:
    """Trust of every customer in the evidence, and on each dimension; a customer does not depend on the others.

    Parameters
    ----------
    evidence : DataFrame
        customer_id, r_<stream>…, s_<stream>…; one row a customer who is to be scored.
    estimator, experience_estimator : TrustEstimator
        Fitted on all streams, and on experience alone.
    """
    rows = evidence.sort("customer_id")
    found = explained(estimator, experience_estimator, rows)
    by_dimension = opinions(estimator, *estimator.counts(rows)[:2], found.posterior.rates)
    experience = found.experience if experience_estimator.has_trials_.any() else None
    scores = _frame(rows["customer_id"], estimator, found.posterior, experience, by_dimension)
    return TrustProfile(scores, _opinion_rows(rows["customer_id"], by_dimension), found.shares)


def trust_scores(
    evidence: pl.DataFrame, estimator: TrustEstimator, experience_estimator: TrustEstimator
) -> pl.DataFrame:
    """The scores of :func:`trust_profile` alone, to the last bit, without what only reasons need."""
    rows = evidence.sort("customer_id")
    found = estimator.posterior(rows)
    by_dimension = opinions(estimator, *estimator.counts(rows)[:2], found.rates)
    experience = experience_estimator.scores(rows) if experience_estimator.has_trials_.any() else None
    return _frame(rows["customer_id"], estimator, found, experience, by_dimension)


def _frame(
    customers: pl.Series,
    estimator: TrustEstimator,
    found: TrustPosterior,
    experience: Floats | None,
    by_dimension: Mapping[str, Opinion | None],
) -> pl.DataFrame:
    scores: dict[str, Floats | None] = {
        "trust_score": found.score,
        "trust_low": found.low,
        "trust_high": found.high,
        "trust_reliability": found.reliability,
        "trust_experience": experience,
    }
    for name, opinion in by_dimension.items():
        scores[f"trust_{name}"] = None if opinion is None else opinion.score
    columns = [
        pl.Series(name, [None] * len(customers) if values is None else values, dtype=pl.Float64)
        for name, values in scores.items()
    ]
    is_scored = pl.Series(estimator.is_scored(found.reliability))
    status = pl.when(is_scored).then(pl.lit("scored")).otherwise(pl.lit("insufficient_evidence"))
    return pl.DataFrame([customers, *columns]).select(*COLUMNS[:5], status.alias("trust_status"), *COLUMNS[6:])


def _opinion_rows(customers: pl.Series, by_dimension: Mapping[str, Opinion | None]) -> pl.DataFrame:
    frames = [
        pl.DataFrame({"customer_id": customers, **opinion._asdict(), "score": opinion.score}).select(
            "customer_id", pl.lit(name).alias("dimension"), *OPINION_COLUMNS[2:]
        )
        for name, opinion in by_dimension.items()
        if opinion is not None
    ]
    schema = pl.Schema(dict.fromkeys(OPINION_COLUMNS, pl.Float64) | {"customer_id": pl.String, "dimension": pl.String})
    return pl.concat([schema.to_frame(), *frames]).sort("customer_id", maintain_order=True)
