"""The day before a night: what was known of the customers whose evidence changed since, and of some of the others.

Belongs here: evidence of the day before, for those who need it and as both models read it.
Must not be here: what moved a score (``trust_changes``), which model served which day, tables.
"""

from __future__ import annotations

from typing import NamedTuple

import polars as pl

from trust_models.as_of import AsOf, EventLog
from trust_models.rhythm import RhythmReference
from trust_models.snapshot import ScoringSettings, take_evidence, take_trials
from trust_models.trial_changes import trial_changes
from trust_models.trust import TrustEstimator

CONTROLS = 1_000
"""Customers of whom nothing new became known that show, at most, how far scores move all the same."""


class TrustModel(NamedTuple):
    """A trust model, and how it reads the log: with which half-life, and with which rhythm of purchases."""

    estimator: TrustEstimator
    settings: ScoringSettings
    rhythm: RhythmReference | None


class DayBefore(NamedTuple):
    """What was known of some customers a day earlier.

    ``evidence`` has one row a customer, sorted: the evidence of that day as the model of the night reads it, the
    customer's groups, trust_score_before and trust_status_before as the model of that day gave them, and is_touched,
    whether anything new became known since. ``changed`` has what became of their trials (``trial_changes.SCHEMA``).
    """

    evidence: pl.DataFrame
    changed: pl.DataFrame


def controls_of(others: pl.Series) -> pl.Series:
    """Some of the customers of whom nothing new became known, evenly from a sorted list: at most :data:`CONTROLS`."""
    return others.gather_every(max(1, -(-len(others) // CONTROLS)))


def take_day_before(
    log: EventLog,
    as_of: AsOf,
    touched: pl.Series,
    controls: pl.Series,
    now: TrustModel,
    then: TrustModel,
    *,
    covered: pl.DataFrame,
    covered_before: pl.DataFrame,
    log_before: EventLog | None = None,
) -> DayBefore:
    """The day before a night, for some customers of whom anything new became known since and for some others.

    Parameters
    ----------
    log : EventLog
        Unmasked, of these customers and of those entangled with them.
    as_of : AsOf
        The day of the night.
    touched, controls : Series
        Customers of whom anything new may have become known, and some of the others.
    now, then : TrustModel
        The model of the night and that of the night before it; often the same.
    covered, covered_before : DataFrame
        What the data of the whole company could have shown by the day, and by the day before (``trials.coverage``).
    log_before : EventLog, optional
        The unmasked log of the same customers as it was a day earlier, where it spoke otherwise of the past.
    """
    day, wanted = as_of.minus(1), pl.concat([touched, controls]).sort()
    part = log if log_before is None else log_before
    read = take_evidence(part, day.day, now.settings, now.rhythm, covered=covered_before)
    evidence = _of_everybody(read.evidence, wanted)
    if then.estimator is now.estimator:
        scored = evidence
    else:
        read_then = take_evidence(part, day.day, then.settings, then.rhythm, covered=covered_before)
        scored = _of_everybody(read_then.evidence, wanted)
    found = then.estimator.posterior(scored)
    is_known = pl.Series(then.estimator.is_scored(found.reliability))
    trials = take_trials(log, as_of.day, now.settings, now.rhythm, covered=covered).trials
    return DayBefore(
        evidence.with_columns(
            trust_score_before=pl.Series(found.score),
            trust_status_before=pl.when(is_known).then(pl.lit("scored")).otherwise(pl.lit("insufficient_evidence")),
            is_touched=pl.col("customer_id").is_in(touched.implode()),
        ),
        trial_changes(_only(read.trials, touched), _only(trials, touched)),
    )


def _of_everybody(evidence: pl.DataFrame, customers: pl.Series) -> pl.DataFrame:
    """A row for each of the customers: one who was not known yet has no evidence and no groups."""
    wanted = customers.to_frame("customer_id")
    counts = [name for name in evidence.columns if name.startswith(("r_", "s_"))]
    joined = wanted.join(evidence, on="customer_id", how="left", maintain_order="left", validate="1:1")
    return joined.with_columns(pl.col(counts).fill_null(0.0))


def _only(trials: pl.DataFrame, customers: pl.Series) -> pl.DataFrame:
    return trials.filter(pl.col("customer_id").is_in(customers.implode()))
