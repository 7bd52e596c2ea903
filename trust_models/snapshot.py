"""A snapshot: evidence and features of every customer as of one day, made of the event log in one place.

Belongs here: the order of masking, trials, evidence and features, which nights and training share.
Must not be here: what a trial or a feature is, fitting, scoring.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from typing import Literal

import polars as pl

from trust_models.as_of import AsOf, EventLog
from trust_models.customer_status import customer_status
from trust_models.evidence import evidence, trial_counts, weighted
from trust_models.feature_catalogue import FeatureSettings
from trust_models.features import features
from trust_models.rhythm import RhythmReference
from trust_models.streams import STREAMS
from trust_models.trials import EvidenceSettings, coverage, trials

LANDMARK = date(2020, 1, 1)
"""Landmark of the forward decay; any fixed day gives the same evidence."""


@dataclass(frozen=True)
class ScoringSettings:
    """Everything that decides what a score means, from the contracts.

    Parameters
    ----------
    time_zone : str
        Business time zone (IANA name).
    evidence : EvidenceSettings
        Maturities, what counts as a failure, fading.
    features : FeatureSettings
        Windows of the churn features.
    horizon_days : int
        Days ahead that the churn risk speaks of.
    activity_window_days : int
        Silence after which a customer is lapsed.
    label : {"auto", "declared", "silent"}
        What lost means.
    """

    time_zone: str = "UTC"
    evidence: EvidenceSettings = field(default_factory=EvidenceSettings)
    features: FeatureSettings = field(default_factory=FeatureSettings)
    horizon_days: int = 90
    activity_window_days: int = 365
    label: Literal["auto", "declared", "silent"] = "auto"

    def as_of(self, day: date) -> AsOf:
        """The as-of day in the business time zone."""
        return AsOf(day, self.time_zone)


@dataclass(frozen=True)
class EvidenceSnapshot:
    """Evidence of every customer with an order by the as-of day.

    Parameters
    ----------
    as_of : AsOf
        The day.
    known : EventLog
        The event log as it could be known then.
    evidence : DataFrame
        customer_id, r_<stream>…, s_<stream>…; sorted by customer.
    counts : DataFrame
        customer_id, stream, trials, failures: unfaded, for words.
    """

    as_of: AsOf
    known: EventLog
    evidence: pl.DataFrame
    counts: pl.DataFrame


def take_evidence(
    log: EventLog,
    day: date,
    settings: ScoringSettings,
    rhythm: RhythmReference | None,
    *,
    whole: EventLog | None = None,
) -> EvidenceSnapshot:
    """Evidence as of a day, from the unmasked event log; ``whole`` is the log of all customers where ``log`` is not."""
    as_of = settings.as_of(day)
    known = log.known(as_of).collect()
    covered = coverage(known if whole is None else whole.known(as_of))
    half_life = settings.evidence.half_life_days
    found = trials(known, as_of=as_of, settings=settings.evidence, reference=rhythm, covered=covered).collect().lazy()
    summed = evidence(
        weighted(found, landmark=LANDMARK, half_life_days=half_life),
        as_of=as_of,
        landmark=LANDMARK,
        half_life_days=half_life,
        streams=STREAMS,
        customers=known.orders,
    )
    frames = pl.collect_all([summed, trial_counts(found)])
    return EvidenceSnapshot(as_of, known, *frames)


def take_features(snapshot: EvidenceSnapshot, settings: ScoringSettings) -> pl.DataFrame:
    """Churn features as of the snapshot's day, one row a customer, with the evidence beside them."""
    return features(
        snapshot.known, as_of=snapshot.as_of, settings=settings.features, evidence=snapshot.evidence
    ).collect()


def take_status(snapshot: EvidenceSnapshot, settings: ScoringSettings) -> pl.DataFrame:
    """Status, orders, open complaints and groups of every customer as of the snapshot's day."""
    status = customer_status(snapshot.known, as_of=snapshot.as_of, activity_window_days=settings.activity_window_days)
    groups = snapshot.known.customers.select("customer_id", "segment", "region", "customer_class")
    return status.join(groups, on="customer_id", how="left", maintain_order="left").collect()
