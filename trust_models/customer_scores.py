"""Scores of some customers on a day: what is known of them in, scores and reasons out.

Belongs here: the order in which the models are asked, for a part of the customers of a company as for all of them.
Must not be here: the models, what is known (``summaries``), where tables come from or go to.

A customer's rows depend on the rows of that customer alone: however customers are put into parts, and on however many
machines the parts are scored, every number is the same.
"""

from __future__ import annotations

from datetime import date
from typing import NamedTuple

import polars as pl

from trust_models.churn_model import ChurnModel
from trust_models.snapshot import ScoringSettings
from trust_models.summaries import Summaries, counts_of, evidence_on, features_on, status_on
from trust_models.trust import TrustEstimator
from trust_models.trust_reasons import reasons as trust_reasons
from trust_models.trust_scores import trust_profile

REASONS = 3
"""Reasons that are kept of each score."""

REASON_COLUMNS = ("customer_id", "score", "rank", "driver", "contribution", "text_en", "text_zh")


class KnownCustomers(NamedTuple):
    """What is known of some customers on a day; all frames have the same customers, and all but counts are sorted.

    ``evidence`` and ``evidence_before`` (of those who were known then) are read as the trust model reads them, with the
    groups; ``features`` are those of the churn model, ``status`` says where a customer stands, ``counts`` are unfaded
    trials for words.
    """

    evidence: pl.DataFrame
    evidence_before: pl.DataFrame
    features: pl.DataFrame
    status: pl.DataFrame
    counts: pl.DataFrame


class ScoringModels(NamedTuple):
    """The models that score a night."""

    trust: TrustEstimator
    experience: TrustEstimator
    churn: ChurnModel


class CustomerScores(NamedTuple):
    """Scores of some customers.

    ``scores`` has one row a customer, sorted: those of ``trust_scores.COLUMNS``, status and groups,
    trust_change since the day of ``evidence_before``, and churn_risk. ``reasons`` has :data:`REASON_COLUMNS`, one row
    a customer, score and rank. ``opinions`` is that of ``trust_scores.TrustProfile``.
    """

    scores: pl.DataFrame
    reasons: pl.DataFrame
    opinions: pl.DataFrame


def known_customers(
    now: Summaries,
    before: Summaries,
    day: date,
    day_before: date,
    settings: ScoringSettings,
    population_interval_days: float | None,
) -> KnownCustomers:
    """What summaries say on a day, and what those of an earlier day said then."""
    return KnownCustomers(
        evidence_on(now, day, settings),
        evidence_on(before, day_before, settings),
        features_on(now, day, settings, population_interval_days),
        status_on(now, day, settings),
        counts_of(now),
    )


def score_customers(known: KnownCustomers, models: ScoringModels) -> CustomerScores:
    """Trust and churn risk of some customers, and why.

    Raises
    ------
    ValueError
        If the churn model was trained on features that are not there.
    """
    profile = trust_profile(known.evidence, models.trust, models.experience)
    risk, churn_reasons = models.churn.explained(known.features, top=REASONS)
    before = known.evidence_before
    change = before.select("customer_id").with_columns(trust_score_before=models.trust.scores(before))
    scores = (
        profile.scores.join(known.status, on="customer_id", how="left", validate="1:1", maintain_order="left")
        .with_columns(churn_risk=pl.Series(risk))
        .join(change, on="customer_id", how="left", validate="1:1", maintain_order="left")
        .with_columns(
            trust_change=pl.col("trust_score") - pl.col("trust_score_before"),
            churn_risk=pl.when(pl.col("churn_status") == "churned").then(1.0).otherwise("churn_risk"),
        )
        .drop("trust_score_before")
    )
    told = {
        "trust": trust_reasons(known.evidence, known.counts, models.trust, shares=profile.shares, most=REASONS),
        "churn": churn_reasons,
    }
    reasons = pl.concat(frame.with_columns(score=pl.lit(name)) for name, frame in told.items())
    return CustomerScores(scores, reasons.select(REASON_COLUMNS), profile.opinions)
