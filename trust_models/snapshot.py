"""A snapshot: evidence and features of every customer as of one day, made of the event log in one place.

Belongs here: the order of masking, trials, evidence and features, which nights and training share.
Must not be here: what a trial or a feature is, fitting, scoring.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from datetime import date
from typing import Literal

import polars as pl

from trust_models.as_of import AsOf, EventLog
from trust_models.customer_status import customer_status
from trust_models.evidence import evidence, tally
from trust_models.fairness import customer_groups
from trust_models.feature_catalogue import FeatureSettings
from trust_models.features import features
from trust_models.rhythm import RhythmReference
from trust_models.streams import STREAMS
from trust_models.trials import EvidenceSettings, coverage, trials


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
    chooses_half_life : bool
        Whether the training of the trust model chooses the half-life, starting from that of ``evidence``.
    chosen_half_life_days : float or None
        The half-life that came with a trust model. Churn features keep that of ``evidence``: a churn model may be older
        than the trust model beside it.
    """

    time_zone: str = "UTC"
    evidence: EvidenceSettings = field(default_factory=EvidenceSettings)
    features: FeatureSettings = field(default_factory=FeatureSettings)
    horizon_days: int = 90
    activity_window_days: int = 365
    label: Literal["auto", "declared", "silent"] = "auto"
    chooses_half_life: bool = True
    chosen_half_life_days: float | None = None

    def with_chosen_half_life(self, days: float) -> ScoringSettings:
        """The same settings with the half-life that came with a trust model."""
        return dataclasses.replace(self, chosen_half_life_days=days)

    @property
    def trust_half_life_days(self) -> float:
        """The half-life of the evidence of trust."""
        return self.chosen_half_life_days or self.evidence.half_life_days

    @property
    def half_lives_days(self) -> tuple[float, float]:
        """The half-lives of the evidence of trust, and of the evidence among the churn features."""
        return self.trust_half_life_days, self.evidence.half_life_days

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
        customer_id, r_<stream>…, s_<stream>…, and the customer's groups (``fairness.FACTORS``); sorted by customer.
    counts : DataFrame
        customer_id, stream, trials, failures: unfaded, for words.
    feature_evidence : DataFrame
        customer_id, r_<stream>…, s_<stream>…, faded as the churn features have it.
    trials : DataFrame
        customer_id, stream, event_date, is_success; one row a trial.
    """

    as_of: AsOf
    known: EventLog
    evidence: pl.DataFrame
    counts: pl.DataFrame
    feature_evidence: pl.DataFrame
    trials: pl.DataFrame


@dataclass(frozen=True)
class TrialSnapshot:
    """Every matured trial as of a day.

    Parameters
    ----------
    as_of : AsOf
        The day.
    known : EventLog
        The event log as it could be known then.
    trials : DataFrame
        customer_id, stream, event_date, is_success; one row a trial.
    """

    as_of: AsOf
    known: EventLog
    trials: pl.DataFrame

    def counts(self, *, half_life_days: float, since: date | None = None) -> pl.DataFrame:
        """Faded counts of every customer with an order: customer_id, r_<stream>…, s_<stream>…; sorted.

        ``since`` leaves out the trials of that day and before; a half-life of infinity leaves counts whole.
        """
        recent = self.trials.lazy().filter(pl.lit(since is None) | (pl.col("event_date") > (since or date.min)))
        day = self.as_of.day
        tallied = tally(recent, day=day, half_lives_days=(half_life_days,)).collect()
        return evidence(tallied, customers_of(self.known), day=day, half_life_days=half_life_days, streams=STREAMS)


def customers_of(known: EventLog) -> pl.Series:
    """Every customer with an order, sorted."""
    return known.orders.select(pl.col("customer_id").unique()).collect()["customer_id"].sort()


def take_trials(
    log: EventLog,
    day: date,
    settings: ScoringSettings,
    rhythm: RhythmReference | None,
    *,
    covered: pl.DataFrame | None = None,
) -> TrialSnapshot:
    """Trials as of a day, from the unmasked event log.

    Where it holds some of the customers only, ``covered`` is the coverage of the log of all (``trials.coverage``).
    """
    as_of = settings.as_of(day)
    known = log.known(as_of).collect()
    shown = coverage(known) if covered is None else covered.lazy()
    found = trials(known, as_of=as_of, settings=settings.evidence, reference=rhythm, covered=shown)
    return TrialSnapshot(as_of, known, found.collect())


def take_evidence(
    log: EventLog,
    day: date,
    settings: ScoringSettings,
    rhythm: RhythmReference | None,
    *,
    covered: pl.DataFrame | None = None,
) -> EvidenceSnapshot:
    """Evidence as of a day, from the unmasked event log; ``covered`` as of :func:`take_trials`."""
    snapshot = take_trials(log, day, settings, rhythm, covered=covered)
    half_lives, customers = settings.half_lives_days, customers_of(snapshot.known)
    tallied = tally(snapshot.trials.lazy(), day=day, half_lives_days=half_lives).collect()
    trust, for_features = (
        evidence(tallied, customers, day=day, half_life_days=half_life, streams=STREAMS) for half_life in half_lives
    )
    groups = customer_groups(snapshot.known)
    return EvidenceSnapshot(
        snapshot.as_of,
        snapshot.known,
        trust.lazy().join(groups, on="customer_id", how="left", maintain_order="left").collect(),
        tallied.select("customer_id", "stream", "trials", "failures"),
        for_features,
        snapshot.trials,
    )


def take_features(
    snapshot: EvidenceSnapshot, settings: ScoringSettings, *, population_interval_days: float | None = None
) -> pl.DataFrame:
    """Churn features as of the snapshot's day, one row a customer, with the evidence beside them.

    ``population_interval_days`` is that of all customers where the snapshot holds only some of them.
    """
    return features(
        snapshot.known,
        as_of=snapshot.as_of,
        settings=settings.features,
        evidence=snapshot.feature_evidence,
        population_interval_days=population_interval_days,
    ).collect()


def take_status(snapshot: EvidenceSnapshot, settings: ScoringSettings) -> pl.DataFrame:
    """Status, orders, open complaints and groups of every customer as of the snapshot's day."""
    status = customer_status(snapshot.known, as_of=snapshot.as_of, activity_window_days=settings.activity_window_days)
    groups = snapshot.known.customers.select("customer_id", "segment", "region", "customer_class")
    return status.join(groups, on="customer_id", how="left", maintain_order="left").collect()
