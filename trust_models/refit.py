"""What a refit did to the scores: how far those of the same customers moved on the same day, and why.

Belongs here: the comparison of two trust models on one day, split into its causes.
Must not be here: fitting, promotion, words for people.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl
from scipy.stats import spearmanr

from trust_models.trust import TrustEstimator

Floats = npt.NDArray[np.float64]

CAUSES_SCHEMA = pl.Schema({"cause": pl.String, "mean_absolute": pl.Float64, "mean": pl.Float64})


@dataclass(frozen=True)
class ScoreShift:
    """How far scores moved, in points of the 0–100 score.

    Parameters
    ----------
    customers : int
        Customers compared.
    mean_absolute : float
        Mean size of the move.
    largest_tenth : float
        Size of the move that one customer in ten exceeds.
    rank_correlation : float or None
        Spearman's, of old and new scores; None where either are all alike.
    causes : DataFrame
        [cause, mean_absolute, mean]: one row a step from the old scores to the new ones, in the order taken. Causes are
        ``evidence`` (another half-life or rhythm), ``groups`` (group intercepts), and the streams by name (their
        parameters). The means of the steps add up to the mean move.
    """

    customers: int
    mean_absolute: float
    largest_tenth: float
    rank_correlation: float | None
    causes: pl.DataFrame


def score_shift(
    evidence_before: pl.DataFrame, evidence_after: pl.DataFrame, before: TrustEstimator, after: TrustEstimator
) -> ScoreShift:
    """Compare the scores of two trust models for the same customers and day.

    Parameters
    ----------
    evidence_before, evidence_after : DataFrame
        Evidence of the same customers, in the same order, as each of the models reads it.
    before, after : TrustEstimator
        Fitted on the same streams.

    Raises
    ------
    ValueError
        If the customers or the streams differ.
    """
    if before.streams_ != after.streams_:
        raise ValueError("the models read different streams: their scores cannot be compared stream by stream")
    if evidence_before["customer_id"].to_list() != evidence_after["customer_id"].to_list():
        raise ValueError("the evidence is of different customers")
    scores = [before.posterior(evidence_before).score]
    causes = []
    for cause, estimator in _steps(before, after):
        scores.append(estimator.posterior(evidence_after).score)
        step = scores[-1] - scores[-2]
        causes.append((cause, float(np.abs(step).mean()), float(step.mean())))
    moved = np.abs(scores[-1] - scores[0])
    is_flat = np.ptp(scores[0]) == 0 or np.ptp(scores[-1]) == 0
    return ScoreShift(
        customers=len(moved),
        mean_absolute=float(moved.mean()),
        largest_tenth=float(np.quantile(moved, 0.9)),
        rank_correlation=None if is_flat else float(spearmanr(scores[0], scores[-1]).statistic),
        causes=pl.DataFrame(causes, schema=CAUSES_SCHEMA, orient="row"),
    )


def _steps(before: TrustEstimator, after: TrustEstimator) -> Iterator[tuple[str, TrustEstimator]]:
    """From the old model to the new one, one cause at a time."""
    current = before
    yield "evidence", current
    current = current.adjusted_for(after.shifts_)
    yield "groups", current
    for place, stream in enumerate(after.streams_):
        current = copy.copy(current)
        for name in ("intercepts_", "loadings_", "concentrations_", "has_trials_"):
            values = getattr(current, name).copy()
            values[place] = getattr(after, name)[place]
            setattr(current, name, values)
        yield stream, current
