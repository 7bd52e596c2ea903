"""What is made of a part of the customers, on whatever machine: frames in, frames out.

Belongs here: the pure functions that an engine maps over parts, with everything they need among their arguments.
Must not be here: which customers make a part, where frames come from or go to, or which machine does the work.

A part is a mapping of names to frames. Its events are under the names of their sources; of the customers in ``own``
something is wanted, the others are there because they are entangled with those (``trial_changes.entangled``).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

import polars as pl

from trust_models.as_of import SCHEMAS, AsOf, EventLog
from trust_models.customer_scores import KnownCustomers, ScoringModels, known_customers, score_customers
from trust_models.day_before import TrustModel, take_day_before
from trust_models.rhythm import RhythmReference
from trust_models.snapshot import EvidenceSnapshot, ScoringSettings, take_evidence, take_status
from trust_models.summaries import Summaries, summarise
from trust_models.trial_changes import touched_customers
from trust_models.trial_outcomes import trial_outcomes
from trust_models.trust_scores import TrustEstimators, trust_scores

Part = Mapping[str, pl.DataFrame]
OWN = "own"
BEFORE = "before_"
"""Stands before the names of events as they were told a day earlier."""


def log_of(part: Part, prefix: str = "") -> EventLog:
    """The events of a part."""
    return EventLog.of(**{source: part[prefix + source] for source in SCHEMAS if prefix + source in part})


def summaries_of(
    part: Part,
    *,
    day: date,
    since: date | None,
    settings: ScoringSettings,
    rhythm: RhythmReference | None,
    covered: pl.DataFrame,
    has_features: bool,
) -> dict[str, pl.DataFrame]:
    """The summaries of a part: ``customers`` and ``streams`` of ``summaries.Summaries``.

    With features also ``touched`` (of whom anything new became known since the day before), ``outcomes`` (of the day)
    and, where ``since`` is given, ``outcomes_since`` (of that day).
    """
    log, own, as_of = log_of(part), part[OWN]["customer_id"], settings.as_of(day)
    summaries, trials = summarise(log, day, settings, rhythm, covered=covered, has_features=has_features)
    made = {name: _only(frame, own) for name, frame in summaries._asdict().items()}
    if not has_features:
        return made
    touched = touched_customers(log, trials, before=as_of.minus(1), now=as_of)
    made["touched"] = _only(touched.to_frame("customer_id"), own)
    made["outcomes"] = _outcomes(log, as_of, settings, covered, own)
    if since is not None:
        made["outcomes_since"] = _outcomes(log, settings.as_of(since), settings, covered, own)
    return made


def _outcomes(
    log: EventLog, as_of: AsOf, settings: ScoringSettings, covered: pl.DataFrame, own: pl.Series
) -> pl.DataFrame:
    known = log.known(as_of).collect()
    return trial_outcomes(known, as_of=as_of, settings=settings.evidence, covered=covered.lazy(), customers=own)


def known_of(
    part: Part, *, day: date, day_before: date, settings: ScoringSettings, population_interval_days: float | None
) -> dict[str, pl.DataFrame]:
    """The frames of ``customer_scores.KnownCustomers`` but the counts, of a part that holds the summaries of two days.

    These are ``customers`` and ``streams``, which hold the counts already, and the same of the earlier day under names
    that begin with :data:`BEFORE`.
    """
    now, before = (Summaries(*(part[prefix + name] for name in Summaries._fields)) for prefix in ("", BEFORE))
    known = known_customers(now, before, day, day_before, settings, population_interval_days)._asdict()
    del known["counts"]
    return known


def day_before_of(
    part: Part,
    *,
    as_of: AsOf,
    now: TrustModel,
    then: TrustModel,
    covered: pl.DataFrame,
    covered_before: pl.DataFrame,
) -> dict[str, pl.DataFrame]:
    """``evidence`` and ``changed`` of ``day_before.DayBefore``, of the customers in ``touched`` and in ``controls``."""
    found = take_day_before(
        log_of(part),
        as_of,
        part["touched"]["customer_id"],
        part["controls"]["customer_id"],
        now,
        then,
        covered=covered,
        covered_before=covered_before,
        log_before=log_of(part, BEFORE) if f"{BEFORE}orders" in part else None,
    )
    return {"evidence": found.evidence, "changed": found.changed.with_columns(pl.col("stream").cast(pl.String))}


def scores_of(part: Part, *, models: ScoringModels) -> dict[str, pl.DataFrame]:
    """The frames of ``customer_scores.CustomerScores``, of a part that holds those of ``KnownCustomers``."""
    return score_customers(KnownCustomers(**part), models)._asdict()


def past_days_of(
    part: Part,
    *,
    covered: Mapping[date, pl.DataFrame],
    settings: ScoringSettings,
    rhythm: RhythmReference | None,
    estimators: TrustEstimators,
) -> dict[str, pl.DataFrame]:
    """Trust scores and status on past days: ``days``, one row a customer and day (``as_of``)."""
    log, own = log_of(part), part[OWN]["customer_id"]
    days = (
        _past_day(take_evidence(log, day, settings, rhythm, covered=shown), settings, estimators)
        for day, shown in covered.items()
    )
    return {"days": _only(pl.concat(days), own)}


def _past_day(snapshot: EvidenceSnapshot, settings: ScoringSettings, estimators: TrustEstimators) -> pl.DataFrame:
    scores, status = trust_scores(snapshot.evidence, *estimators), take_status(snapshot, settings)
    joined = scores.join(status, on="customer_id", how="left", validate="1:1", maintain_order="left")
    return joined.with_columns(as_of=pl.lit(snapshot.as_of.day))


def _only(frame: pl.DataFrame, customers: pl.Series) -> pl.DataFrame:
    return frame.filter(pl.col("customer_id").is_in(customers.implode()))
