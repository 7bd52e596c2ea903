"""Trust at a past cut-off against what followed, beside simpler scores of the same evidence.

Belongs here: which later facts a trust score should foretell, and how well it does.
Must not be here: churn (see ``backtest``), truth that only a simulated company has (see ``trust_validation``), files.

Only ``trust_experience`` may be held against later churn: coming back is part of ``trust_score``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from trust_models.as_of import EventLog
from trust_models.evaluation import auc
from trust_models.snapshot import EvidenceSnapshot, ScoringSettings, take_trials
from trust_models.streams import EXPERIENCE_STREAMS
from trust_models.survey_validity import answer_profiles, convergent_validity
from trust_models.training import TrustTraining
from trust_models.trust_scores import trust_scores
from trust_models.trust_validation import beta_reputation, complaint_free_rate, predictive_gain, rfm, summed_counts

Floats = npt.NDArray[np.float64]

OUTCOMES = ("later_failure", "later_complaint", "later_loss")
"""What follows within the horizon: an experience that goes badly, of customers with any; a complaint, of customers who
order; being lost, as the churn risk has it."""

SCORES = ("trust_experience", "trust_score")
BASELINES = ("josang", "complaint_free")
"""Jøsang and Ismail's beta reputation with W = 2 over the evidence of experience; 1 less complaints by orders."""

SCHEMA = pl.Schema(
    {
        "outcome": pl.String,
        "estimator": pl.String,
        "metric": pl.String,
        "value": pl.Float64,
        "low": pl.Float64,
        "high": pl.Float64,
        "customers": pl.Int64,
    }
)


@dataclass(frozen=True)
class TrustAtCutoff:
    """What was known of trust on a cut-off.

    Parameters
    ----------
    scores : DataFrame
        customer_id, as_of, trust_score, trust_experience, trust_reliability, josang, complaint_free.
    purchases : DataFrame
        customer_id, recency_days, orders, amount.
    profiles : DataFrame
        Who could answer a survey (:func:`trust_models.survey_validity.answer_profiles`).
    """

    scores: pl.DataFrame
    purchases: pl.DataFrame
    profiles: pl.DataFrame


class _Followed(NamedTuple):
    customer_id: pl.Series
    outcome: npt.NDArray[np.bool_]


def trust_at(snapshot: EvidenceSnapshot, trust: TrustTraining) -> TrustAtCutoff:
    """Trust and the simpler scores of every customer of a snapshot, taken and trained as of the cut-off.

    Parameters
    ----------
    snapshot : EvidenceSnapshot
        Taken with the settings and the rhythm of ``trust``.
    trust : TrustTraining
        Trained as of the same day.
    """
    evidence = snapshot.evidence.sort("customer_id")
    beta = beta_reputation(*summed_counts(evidence, EXPERIENCE_STREAMS))
    scores = trust_scores(evidence, *trust.estimators).select("customer_id", *SCORES, "trust_reliability")
    return TrustAtCutoff(
        scores=scores.with_columns(as_of=pl.lit(snapshot.as_of.day), josang=pl.Series(beta)).join(
            complaint_free_rate(snapshot.known), on="customer_id", how="left", maintain_order="left"
        ),
        purchases=rfm(snapshot.known, as_of=snapshot.as_of),
        profiles=answer_profiles(snapshot.known, as_of=snapshot.as_of),
    )


def trust_measures(
    found: TrustAtCutoff,
    log: EventLog,
    day: date,
    *,
    known_at: date,
    settings: ScoringSettings,
    trust: TrustTraining,
    lost: pl.DataFrame,
) -> pl.DataFrame:
    """How well low trust foretells what followed.

    Parameters
    ----------
    found : TrustAtCutoff
        Of the cut-off.
    log : EventLog
        Unmasked.
    day, known_at : date
        The cut-off, and the newest day whose knowledge may judge.
    settings : ScoringSettings
        As of the nights.
    trust : TrustTraining
        Whose rhythm finds the trials; only those of experience judge.
    lost : DataFrame
        [customer_id, is_lost] of the churn labels.

    Returns
    -------
    DataFrame
        One row an outcome, estimator and metric: :data:`SCHEMA`. ``auc``: chance that of two customers the one whom it
        befell had the lower score, with a 95% interval; ``auc_gain_over_rfm``: what trust_experience adds to recency,
        frequency and monetary value (5-fold, bootstrap interval). Null where either outcome is too rare.
    """
    followed = _followed(log, day, known_at, settings, trust) | {
        "later_loss": _Followed(lost["customer_id"], lost["is_lost"].to_numpy())
    }
    rows: list[tuple[object, ...]] = []
    for outcome in OUTCOMES:
        of = followed[outcome]
        frame = pl.DataFrame({"customer_id": of.customer_id, "outcome": of.outcome})
        judged = frame.join(found.scores, on="customer_id", how="inner").sort("customer_id")
        is_bad = judged["outcome"].to_numpy()
        names = SCORES[:1] if outcome == "later_loss" else SCORES
        rows += [(outcome, name, "auc", *_auc(is_bad, judged[name]), len(judged)) for name in (*names, *BASELINES)]
        rows.append((outcome, "trust_experience", "auc_gain_over_rfm", *_gain(judged, found), len(judged)))
    frame = pl.DataFrame(rows, schema=SCHEMA, orient="row")
    return frame.with_columns(pl.col("value", "low", "high").fill_nan(None))


def asked_trust(found: list[TrustAtCutoff], surveys: pl.DataFrame, *, instrument: str = "trust") -> pl.DataFrame:
    """Agreement of the cut-offs' trust scores with what customers said within a month after them.

    Returns
    -------
    DataFrame
        As of :func:`trust_models.survey_validity.convergent_validity`, with estimator in front.
    """
    scores = pl.concat(at.scores for at in found)
    profiles = pl.concat(at.profiles for at in found)
    tables = [
        convergent_validity(scores.drop_nulls(name), surveys, profiles, instrument=instrument, score=name).select(
            pl.lit(name).alias("estimator"), pl.all()
        )
        for name in SCORES
    ]
    return pl.concat(tables)


def _auc(is_bad: npt.NDArray[np.bool_], score: pl.Series) -> tuple[float, float, float]:
    if score.null_count() or not len(score):
        return (float("nan"),) * 3
    estimate = auc(is_bad, -score.to_numpy())
    return estimate.value, estimate.low, estimate.high


def _gain(judged: pl.DataFrame, found: TrustAtCutoff) -> tuple[float | None, float | None, float | None]:
    if judged["trust_experience"].null_count() or judged.is_empty():
        return None, None, None
    columns = judged.join(found.purchases, on="customer_id", how="left", maintain_order="left")
    base = columns.select(pl.col("recency_days", "orders", "amount").clip(0).log1p()).to_numpy()
    gain: Mapping[str, tuple[float | None, float | None, float | None, int | None]] = predictive_gain(
        base, columns["trust_experience"].to_numpy(), columns["outcome"].to_numpy()
    )
    return gain["auc_gain"][:3]


def _followed(
    log: EventLog, day: date, known_at: date, settings: ScoringSettings, trust: TrustTraining
) -> dict[str, _Followed]:
    """Who met a failure, and who complained, within the horizon; among those who could."""
    until = day + timedelta(days=settings.horizon_days)
    seen = take_trials(log, known_at, settings, trust.rhythm)
    window = pl.col("event_date").is_between(day, until, closed="right")
    is_experience = pl.col("stream").cast(pl.String).is_in(EXPERIENCE_STREAMS)
    failures = (
        seen.trials.filter(window & is_experience)
        .group_by("customer_id")
        .agg(outcome=(~pl.col("is_success")).any())
        .sort("customer_id")
    )
    complaints = (
        seen.known.complaints.filter(pl.col("opened_date").is_between(day, until, closed="right"))
        .select("customer_id", outcome=pl.lit(value=True))
        .unique()
    )
    orders = (
        seen.known.orders.filter(pl.col("ordered_date").is_between(day, until, closed="right"))
        .select(pl.col("customer_id").unique().sort())
        .join(complaints, on="customer_id", how="left", maintain_order="left")
        .with_columns(pl.col("outcome").fill_null(value=False))
        .collect()
    )
    return {
        name: _Followed(frame["customer_id"], frame["outcome"].to_numpy())
        for name, frame in (("later_failure", failures), ("later_complaint", orders))
    }
