"""Training: both models of a company, as of a day, from the unmasked event log.

Belongs here: which days are snapshots, who is in the sample, and the order of fitting.
Must not be here: the estimators themselves, storing, scoring of nights.

Nothing known after the day of training is used: features of a snapshot are masked at the snapshot's own day, labels
at the day of training, and a snapshot whose label window is not over by then is none.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date, timedelta

import polars as pl
from sklearn.metrics import log_loss

from trust_models.as_of import AsOf, EventLog
from trust_models.churn import ChurnSnapshot, ChurnTraining, train_churn
from trust_models.churn_model import ChurnModel
from trust_models.churn_settings import ChurnSettings
from trust_models.fairness import adjustments, customer_groups, differential_functioning
from trust_models.half_life import SCORES_SCHEMA, HalfLife, choose_half_life
from trust_models.labels import Definition, labels, resolve_definition, snapshot_days
from trust_models.rhythm import RhythmReference, fit_rhythm
from trust_models.snapshot import ScoringSettings, TrialSnapshot, take_evidence, take_features, take_trials
from trust_models.trials import Coverage, coverage_of
from trust_models.trust import TrustEstimator
from trust_models.trust_scores import TrustEstimators, fit_trust_estimators

TRAINING_DAY = 6
"""Models are refitted weekly, as of a Sunday (Monday is 0)."""

CHAMPION_WEEKS = 1
"""Where the churn model of a training day is not promoted, that of one of so many weeks before may serve on."""

MOST_SNAPSHOTS = 12
SNAPSHOT_ROWS = 120_000
"""Customers times snapshots that churn is trained on, at most; beyond, a sample of customers stands for all."""

TRUST_CUSTOMERS = 20_000
"""Customers whose trials the trust parameters are fitted on, at most."""

FIT_HALF_LIVES = 3.0
"""Parameters are fitted on the trials of so many half-lives, as the contract sets them: what is usual may change."""

FAIRNESS_CUSTOMERS = 8_000
"""Customers by whom streams are compared between groups, at most."""

HALF_LIFE_CUSTOMERS = 10_000
"""Customers by whose next trials the half-life is chosen, at most."""


@dataclass(frozen=True)
class TrustTraining:
    """The fitted trust estimators and the rhythm of purchases that goes with them.

    Parameters
    ----------
    estimators : TrustEstimators
        Of all streams, and of experience alone.
    rhythm : RhythmReference or None
        None where no customer ever came back.
    customers : int
        Customers that were fitted on.
    settings : ScoringSettings
        With the half-life that was chosen: evidence for these estimators is taken with them.
    half_life : HalfLife
        How the half-life was chosen.
    functioning : DataFrame
        Whether streams mean the same in all groups (:func:`trust_models.fairness.differential_functioning`).
    """

    estimators: TrustEstimators
    rhythm: RhythmReference | None
    customers: int
    settings: ScoringSettings
    half_life: HalfLife
    functioning: pl.DataFrame


def training_day(night: date, first_order: date) -> date:
    """The day as of which the models of a night are trained: the last training day by then that has any order.

    So the model of a night depends on the night alone, not on when or in which order nights are run.
    """
    day = night - timedelta(days=(night.weekday() - TRAINING_DAY) % 7)
    return day if day >= first_order else night


def champion_days(night: date, first_order: date) -> tuple[date, ...]:
    """The training days whose churn models may serve a night, the one to be preferred first."""
    day = training_day(night, first_order)
    days = (day - timedelta(weeks=weeks) for weeks in range(CHAMPION_WEEKS + 1))
    return tuple(day for day in days if day >= first_order)


def fit_trust(log: EventLog, day: date, settings: ScoringSettings, *, covered: Coverage | None = None) -> TrustTraining:
    """Fit the trust estimators on the whole trials of a day, and choose how fast evidence fades.

    A sample of customers stands for all of them where they are many; the rhythm of purchases is of all in the log.
    Where the log itself is a sample, ``covered`` is the coverage of all customers.
    """
    covered = covered or coverage_of(log)
    known = log.known(settings.as_of(day)).collect()
    rhythm = fit_rhythm(known)
    sample = _sample(known, TRUST_CUSTOMERS)
    part = log if sample is None else log.of_customers(sample)
    snapshot = take_trials(part, day, settings, rhythm, covered=covered(settings.as_of(day)))
    window_days = min(FIT_HALF_LIVES * settings.evidence.half_life_days, (day - date.min).days)
    since = day - timedelta(days=round(window_days))
    counts = snapshot.counts(half_life_days=math.inf, since=since)
    estimators = fit_trust_estimators(counts, n_jobs=-1, max_samples=TRUST_CUSTOMERS)
    functioning = _functioning(snapshot, counts, estimators.trust)
    half_life = _half_life(snapshot, estimators.trust, settings)
    return TrustTraining(
        estimators.adjusted_for(adjustments(functioning)),
        rhythm,
        len(counts),
        settings.with_chosen_half_life(half_life.days),
        half_life,
        functioning,
    )


def _functioning(snapshot: TrialSnapshot, counts: pl.DataFrame, estimator: TrustEstimator) -> pl.DataFrame:
    some = counts.sample(min(len(counts), FAIRNESS_CUSTOMERS), seed=0).sort("customer_id")
    return differential_functioning(some, customer_groups(snapshot.known).collect(), estimator)


def _half_life(snapshot: TrialSnapshot, estimator: TrustEstimator, settings: ScoringSettings) -> HalfLife:
    start = settings.evidence.half_life_days
    if not settings.chooses_half_life:
        return HalfLife(start, 0, SCORES_SCHEMA.to_frame())
    customers = snapshot.trials.select(pl.col("customer_id").unique().sort())["customer_id"]
    some = customers.sample(min(len(customers), HALF_LIFE_CUSTOMERS), seed=0)
    trials = snapshot.trials.filter(pl.col("customer_id").is_in(some.implode()))
    return choose_half_life(trials, estimator, day=snapshot.as_of.day, start_days=start)


def fit_churn(
    log: EventLog,
    day: date,
    settings: ScoringSettings,
    rhythm: RhythmReference | None,
    *,
    covered: Coverage | None = None,
) -> tuple[ChurnTraining, Definition]:
    """Train the churn model on the matured snapshots of a day; also says what lost means in it.

    Where the log is a sample of customers, ``covered`` is the coverage of all.
    """
    take = _Take(log, settings, rhythm, covered or coverage_of(log))
    as_of = settings.as_of(day)
    known = log.known(as_of).collect()
    days = churn_snapshot_days(known, day, settings)
    definition = churn_definition(known, days, settings)
    churn_settings = ChurnSettings(
        horizon_days=settings.horizon_days, definition=definition, features=settings.features
    )
    sample = _sample(known, SNAPSHOT_ROWS // max(len(days), 1))
    snapshots = [_labelled(take, known, sample, snapshot, as_of, definition) for snapshot in days]
    if not snapshots:
        snapshots = [ChurnSnapshot(day, take.features(sample, day))]
    return train_churn(snapshots, settings=churn_settings), definition


def newest_matured(
    log: EventLog,
    day: date,
    settings: ScoringSettings,
    rhythm: RhythmReference | None,
    *,
    covered: Coverage | None = None,
) -> ChurnSnapshot:
    """The newest snapshot whose label window is over by a day, with its labels, of all customers in the log."""
    as_of = settings.as_of(day)
    known = log.known(as_of).collect()
    days = churn_snapshot_days(known, day, settings)
    definition = churn_definition(known, days, settings)
    take = _Take(log, settings, rhythm, covered or coverage_of(log))
    return _labelled(take, known, None, days[-1], as_of, definition)


def churn_snapshot_days(known: EventLog, day: date, settings: ScoringSettings) -> tuple[date, ...]:
    """The matured snapshots that churn is trained on as of a day."""
    first = known.orders.select(pl.col("ordered_date").min()).collect().item()
    return snapshot_days(first_order=first, known_at=day, horizon_days=settings.horizon_days, most=MOST_SNAPSHOTS)


def churn_definition(known: EventLog, days: tuple[date, ...], settings: ScoringSettings) -> Definition:
    """The one definition of lost for a training."""
    snapshots = [settings.as_of(day) for day in days]
    return resolve_definition(known, settings.label, snapshots=snapshots, horizon_days=settings.horizon_days)


def log_loss_of(model: ChurnModel, snapshot: ChurnSnapshot) -> float:
    """Log loss of a model on a labelled snapshot, for the comparison of champion and challenger."""
    assert snapshot.labels is not None
    frame = snapshot.features.join(snapshot.labels, on="customer_id", how="inner", maintain_order="left")
    return float(log_loss(frame["is_lost"].to_numpy(), model.predict_risk(frame), labels=[False, True]))


@dataclass(frozen=True)
class _Take:
    """Features of past days, as the models of a training read the log."""

    log: EventLog
    settings: ScoringSettings
    rhythm: RhythmReference | None
    covered: Coverage

    def features(self, sample: pl.Series | None, day: date) -> pl.DataFrame:
        part = self.log if sample is None else self.log.of_customers(sample)
        covered = self.covered(self.settings.as_of(day))
        return take_features(take_evidence(part, day, self.settings, self.rhythm, covered=covered), self.settings)


def _labelled(
    take: _Take, known: EventLog, sample: pl.Series | None, day: date, known_at: AsOf, definition: Definition
) -> ChurnSnapshot:
    """Features as of a day, and what followed in the light of the day of training."""
    followed = labels(
        known,
        as_of=take.settings.as_of(day),
        known_at=known_at,
        horizon_days=take.settings.horizon_days,
        definition=definition,
    )
    return ChurnSnapshot(day, take.features(sample, day), followed.collect())


def _sample(known: EventLog, most: int) -> pl.Series | None:
    """The customers to train on, sorted; None where all are few enough."""
    customers = known.orders.select(pl.col("customer_id").unique().sort()).collect()["customer_id"]
    return None if len(customers) <= most else customers.sample(most, seed=0).sort()
