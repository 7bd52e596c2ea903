"""What a refit of the trust model did to the scores: measured, and told to people.

Belongs here: which model is compared with which, and the sentences. Must not be here: the comparison itself
(see ``trust_models.refit``), or fitting.
"""

from datetime import date, timedelta
from typing import Any

import polars as pl

from pipelines.errors import UserError
from pipelines.model_card_words import CAUSES
from pipelines.model_store import Registered, load, newest
from pipelines.warehouse import Warehouse
from trust_models.as_of import EventLog
from trust_models.refit import ScoreShift, score_shift
from trust_models.rhythm import RhythmReference
from trust_models.snapshot import ScoringSettings, take_evidence
from trust_models.training import TrustTraining

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


def compare(
    warehouse: Warehouse, log: EventLog, day: date, trust: TrustTraining, settings: ScoringSettings
) -> tuple[Registered, ScoreShift] | None:
    """The trust model before a training day, and how far scores of that day moved; None where none can be read."""
    before = newest(warehouse, "trust", day - timedelta(days=1))
    if before is None:
        return None
    try:
        estimator = load(warehouse, before)
    except UserError:  # a refit is what replaces a model that can no longer be read
        return None
    part = log.of_customers(_some_customers(log, settings, day))
    old = take_evidence(part, day, settings_of(before.card, settings), rhythm_of(before.card), whole=log)
    new = take_evidence(part, day, trust.settings, trust.rhythm, whole=log)
    return before, score_shift(old.evidence, new.evidence, estimator, trust.estimators.trust)


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
