"""What is kept of every customer's history, so that a later day costs no look back at the events.

Belongs here: the summary of a customer as of a day, until when it stays true, and what it says on later days.
Must not be here: what is summed up (``evidence``, ``features``, ``customer_status``), where summaries are kept.

A summary is made of the events of its customers alone, and of a few facts of the whole company. While nothing becomes
known of a customer and no day in their history falls due, the summary of the day before *is* that of today, to the
last bit: whether it was made anew or kept makes no difference.
"""

from __future__ import annotations

from datetime import date
from typing import NamedTuple

import polars as pl

from trust_models.as_of import EventLog
from trust_models.customer_status import standing, status_of_summary
from trust_models.evidence import anchor, evidence, tally
from trust_models.fairness import FACTORS, customer_groups
from trust_models.features import feature_summary, features_of_summary, turning_days
from trust_models.rhythm import RhythmReference
from trust_models.snapshot import ScoringSettings
from trust_models.streams import STREAMS
from trust_models.trials import trials


class Summaries(NamedTuple):
    """What is known of some customers.

    ``customers`` has one row a customer with an order: the groups (``fairness.FACTORS``), what features and status are
    made of, and ``wakes_on``, the first day on which the summary has to be made anew even if nothing else becomes known
    (null: never). ``streams`` has one row a customer and stream with trials (``evidence.tally``).
    """

    customers: pl.DataFrame
    streams: pl.DataFrame


def summarise(
    log: EventLog,
    day: date,
    settings: ScoringSettings,
    rhythm: RhythmReference | None,
    *,
    covered: pl.DataFrame,
    has_features: bool = True,
) -> tuple[Summaries, pl.DataFrame]:
    """The summaries of a day of all customers of a log, and the trials that they count.

    Parameters
    ----------
    log : EventLog
        Unmasked, of some customers and of those entangled with them (``trial_changes.entangled``), whose summaries mean
        nothing.
    day : date
        The day.
    settings : ScoringSettings
        Maturities, half-lives, windows.
    rhythm : RhythmReference or None
        As it came with the trust model.
    covered : DataFrame
        What the data of the whole company could have shown by the day (``trials.coverage``).
    has_features : bool
        Whether features and status are wanted too, or the evidence alone.
    """
    as_of = settings.as_of(day)
    known = log.known(as_of).collect()
    found = trials(
        known,
        as_of=as_of,
        settings=settings.evidence,
        reference=rhythm,
        covered=covered.lazy(),
        has_those_to_come=True,
    ).collect()
    is_matured = pl.col("event_date") <= day
    waiting = found.lazy().filter(~is_matured).select("customer_id", day="event_date")
    turns = [waiting, log.days_to_come(as_of)]
    customers = customer_groups(known).rename({name: _group(name) for name in FACTORS})
    if has_features:
        turns.append(turning_days(known, as_of=as_of, settings=settings.features))
        customers = (
            customers.join(feature_summary(known, as_of=as_of, settings=settings.features), on="customer_id")
            .join(standing(known, as_of=as_of), on="customer_id", how="left")
            .with_columns(pl.col("open_complaints").fill_null(0))
        )
    wakes_on = pl.concat(turns).group_by("customer_id").agg(wakes_on=pl.col("day").min())
    matured = found.filter(is_matured)
    return Summaries(
        customers.join(wakes_on, on="customer_id", how="left").sort("customer_id").collect(),
        tally(matured.lazy(), day=day, half_lives_days=settings.half_lives_days)
        .join(known.orders.select("customer_id"), on="customer_id", how="semi")
        .with_columns(pl.col("stream").cast(pl.String))
        .collect(),
    ), matured


def anchors(day: date, settings: ScoringSettings) -> dict[str, date]:
    """The anchors that summaries of a day are kept for: summaries serve only days with the same ones."""
    half_lives = sorted({*settings.half_lives_days, *settings.features.all_half_lives_days})
    return {str(float(half_life)): anchor(day, half_life) for half_life in half_lives}


def evidence_on(summaries: Summaries, day: date, settings: ScoringSettings) -> pl.DataFrame:
    """Evidence of a day as the trust model reads it, with the groups: see ``EvidenceSnapshot.evidence``."""
    found = evidence(
        summaries.streams,
        summaries.customers["customer_id"],
        day=day,
        half_life_days=settings.trust_half_life_days,
        streams=STREAMS,
    )
    return found.with_columns(summaries.customers[_group(name)].alias(name) for name in FACTORS)


def features_on(
    summaries: Summaries, day: date, settings: ScoringSettings, population_interval_days: float | None
) -> pl.DataFrame:
    """Churn features of a day, one row a customer, with the evidence as they read it."""
    customers = summaries.customers
    found = evidence(
        summaries.streams,
        customers["customer_id"],
        day=day,
        half_life_days=settings.evidence.half_life_days,
        streams=STREAMS,
    )
    return features_of_summary(
        customers.lazy(),
        as_of=settings.as_of(day),
        settings=settings.features,
        evidence=found,
        population_interval_days=population_interval_days,
    ).collect()


def status_on(summaries: Summaries, day: date, settings: ScoringSettings) -> pl.DataFrame:
    """Status, orders, open complaints and groups of every customer on a day."""
    customers = summaries.customers
    status = status_of_summary(
        customers.lazy(), as_of=settings.as_of(day), activity_window_days=settings.activity_window_days
    ).collect()
    return status.with_columns(customers[_group(name)].alias(name) for name in FACTORS[:3])


def counts_of(summaries: Summaries) -> pl.DataFrame:
    """Trials and failures as they were, one row a customer and stream: for words."""
    return summaries.streams.select("customer_id", "stream", "trials", "failures")


def _group(name: str) -> str:
    return f"group_{name}"
