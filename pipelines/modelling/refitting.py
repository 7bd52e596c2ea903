"""What a refit of the trust model did to the scores: measured, and told to people.

Belongs here: which model is compared with which, and the sentences. Must not be here: the comparison itself
(see ``trust_models.refit``), or fitting.
"""

from datetime import date, timedelta
from typing import Any

import polars as pl

from pipelines.errors import UserError
from pipelines.ingest.deliveries import view_day
from pipelines.modelling.customer_parts import training_log
from pipelines.modelling.model_card_words import CAUSES
from pipelines.modelling.model_store import Registered, amend, load, newest
from pipelines.staging import staged_as_of
from pipelines.warehouse import Warehouse
from trust_models.as_of import EventLog
from trust_models.refit import ScoreShift, score_shift
from trust_models.rhythm import RhythmReference
from trust_models.snapshot import ScoringSettings, take_evidence

CUSTOMERS = 5_000
"""Customers by whom two models are compared, at most."""

NAMED_CAUSES = 3
SMALL_POINTS = 0.05
"""Moves below this are no cause worth naming."""

Note = tuple[str, str]


def settings_of(card: dict[str, Any], settings: ScoringSettings) -> ScoringSettings:
    """The settings with the half-life that a trust model's card names."""
    return settings.with_chosen_half_life(card["half_life"]["days"])


def rhythm_of(card: dict[str, Any]) -> RhythmReference | None:
    """The rhythm of purchases that a trust model's card names."""
    return None if card["rhythm"] is None else RhythmReference(**card["rhythm"])


def tell_refit(warehouse: Warehouse, night: date, settings: ScoringSettings) -> Note | None:
    """Hold the trust model of a night against the one before it, and say on its card how far scores moved.

    Which model was the one before is found anew each night: so the card does not depend on the order in which models
    were trained. Returns what is to be told, or None where the card says it already or there is nothing to compare.
    """
    model = newest(warehouse, "trust", night)
    if model is None:
        return None
    before = newest(warehouse, "trust", model.trained_as_of - timedelta(days=1))
    told: dict[str, Any] = model.card.get("refit") or {}
    if told.get("before") == (before and before.version):
        return None
    with staged_as_of(warehouse, view_day(warehouse, model.trained_as_of)):
        shift = None if before is None else _compare(warehouse, before, model, settings)
    _keep(warehouse, model, before, shift)
    return None if before is None or shift is None else note(before, shift, model.card["half_life"]["days"])


def _compare(
    warehouse: Warehouse, before: Registered, after: Registered, settings: ScoringSettings
) -> ScoreShift | None:
    """How far scores of a training day moved; None where the model before can no longer be read."""
    try:
        estimator = load(warehouse, before)
    except UserError:  # a refit is what replaces a model that can no longer be read
        return None
    day = after.trained_as_of
    log, coverage_at = training_log(warehouse)
    covered = coverage_at(settings.as_of(day))
    part = log.of_customers(_some_customers(log, settings, day))
    old = take_evidence(part, day, settings_of(before.card, settings), rhythm_of(before.card), covered=covered)
    new = take_evidence(part, day, settings_of(after.card, settings), rhythm_of(after.card), covered=covered)
    return score_shift(old.evidence, new.evidence, estimator, load(warehouse, after))


def _keep(warehouse: Warehouse, model: Registered, before: Registered | None, shift: ScoreShift | None) -> None:
    told = None
    if before is not None and shift is not None:
        told = {"before": before.version, **metrics(shift), "causes": shift.causes.rows(named=True)}
    experience = newest(warehouse, "experience", model.trained_as_of, since=model.trained_as_of)
    with warehouse.transaction():  # the card says that it is done, so it says so together with what was done
        for kept in filter(None, (model, experience)):
            amend(warehouse, kept, {"refit": told})
        keep_measures(warehouse, model, {} if shift is None else metrics(shift))


def keep_measures(warehouse: Warehouse, model: Registered, shift: dict[str, float]) -> None:
    """Keep the measures of a trust model for ``model_quality``, with how far scores moved where that is known."""
    half_life, customers = model.card["half_life"]["days"], float(model.card["customers"])
    measured = {"half_life_days": half_life, "customers": customers} | shift
    rows = pl.DataFrame({"metric": list(measured), "value": list(measured.values())}).select(
        as_of=pl.lit(model.trained_as_of),
        model=pl.lit("trust"),
        model_version=pl.lit(model.version),
        estimator=pl.lit("model"),
        is_baseline=pl.lit(value=False),
        metric="metric",
        value="value",
    )
    warehouse.replace_part("meta.model_evaluations", rows, "model_version = ?", (model.version,))


def _some_customers(log: EventLog, settings: ScoringSettings, day: date) -> pl.Series:
    known = log.known(settings.as_of(day)).orders
    customers = known.select(pl.col("customer_id").unique().sort()).collect()["customer_id"]
    return customers.sample(min(CUSTOMERS, len(customers)), seed=0).sort()


def note(before: Registered, shift: ScoreShift, half_life_days: float) -> Note:
    """How far scores moved and why, in English and Chinese."""
    causes = shift.causes.filter(pl.col("mean_absolute") >= SMALL_POINTS).sort("mean_absolute", descending=True)
    named = list(causes.head(NAMED_CAUSES).select("cause", "mean_absolute").iter_rows())
    old_days, new_days = before.card["half_life"]["days"], half_life_days
    fading = (
        (f"; evidence now halves after {new_days:.0f} days instead of {old_days:.0f}",
         f"；证据半衰期由 {old_days:.0f} 天变为 {new_days:.0f} 天")
        if old_days != new_days else ("", "")
    )  # fmt: skip
    words = [(*CAUSES.get(cause, (cause, cause)), size) for cause, size in named]
    english = ", ".join(f"{text} ({size:.1f})" for text, _, size in words) or "nothing large"
    chinese = "、".join(f"{text}（{size:.1f}）" for _, text, size in words) or "无明显原因"
    return (
        f"The refit of the trust model ({before.version} before) moved the same customers' scores of the same day by"
        f" {shift.mean_absolute:.1f} points on average, one in ten by {shift.largest_tenth:.1f} or more{fading[0]};"
        f" causes, in points: {english}",
        f"信任模型重新拟合（之前为 {before.version}）使同一天同一批客户的评分平均变动 {shift.mean_absolute:.1f} 分，"
        f"十分之一的客户变动 {shift.largest_tenth:.1f} 分以上{fading[1]}；原因（分）：{chinese}",
    )


def metrics(shift: ScoreShift) -> dict[str, float]:
    """The comparison as measures of the model."""
    found = {"score_shift_mean": shift.mean_absolute, "score_shift_largest_tenth": shift.largest_tenth}
    correlation = {} if shift.rank_correlation is None else {"score_shift_rank_correlation": shift.rank_correlation}
    return found | correlation
