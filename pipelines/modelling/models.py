"""The models of a night: found, or trained first where there are none for its training day.

Belongs here: which models serve which night, training as a step, what is promoted, and what people are told of it.
Must not be here: fitting (see ``trust_models.training``) or files (see ``model_store``).
"""

from dataclasses import dataclass, replace
from datetime import date, timedelta
from importlib.metadata import version
from typing import Any

import polars as pl

from pipelines.checks.drift import reference
from pipelines.errors import UserError
from pipelines.ingest.deliveries import fingerprint, view_day
from pipelines.modelling import refitting
from pipelines.modelling.customer_parts import training_log
from pipelines.modelling.model_store import Registered, load, newest, save, stale
from pipelines.modelling.scoring_settings import scoring_settings
from pipelines.staging import staged_as_of
from pipelines.warehouse import Warehouse
from trust_models.as_of import EventLog
from trust_models.churn import ChurnSnapshot, ChurnTraining
from trust_models.churn_model import ChurnModel
from trust_models.customer_scores import ScoringModels
from trust_models.day_before import TrustModel
from trust_models.rhythm import RhythmReference
from trust_models.snapshot import ScoringSettings
from trust_models.training import (
    TrustTraining,
    champion_days,
    fit_churn,
    fit_trust,
    log_loss_of,
    newest_matured,
    training_day,
)
from trust_models.trust import TrustEstimator


@dataclass(frozen=True)
class ModelsInUse:
    """The models that score a night.

    Parameters
    ----------
    trust, churn : Registered
        What the register says of them.
    trust_estimator, experience_estimator : TrustEstimator
        Trust from all streams, and from experience alone.
    churn_model : ChurnModel
        The promoted model, or the best baseline.
    rhythm : RhythmReference or None
        The rhythm of purchases that came with the trust model.
    """

    trust: Registered
    churn: Registered
    trust_estimator: TrustEstimator
    experience_estimator: TrustEstimator
    churn_model: ChurnModel
    rhythm: RhythmReference | None

    @property
    def churn_basis(self) -> str:
        """``model``, or the baseline that gives the number."""
        return self.churn_model.basis

    @property
    def scoring_models(self) -> ScoringModels:
        """The models themselves."""
        return ScoringModels(self.trust_estimator, self.experience_estimator, self.churn_model)

    def settings(self, settings: ScoringSettings) -> ScoringSettings:
        """The settings with the half-life that came with the trust model."""
        return refitting.settings_of(self.trust.card, settings)

    def trust_model(self, settings: ScoringSettings) -> TrustModel:
        """The trust model and how it reads the log."""
        return TrustModel(self.trust_estimator, self.settings(settings), self.rhythm)


@dataclass(frozen=True)
class Training:
    """What a training came to, for people.

    Parameters
    ----------
    trained_as_of : date
        The last day whose knowledge was used.
    chosen : str
        The churn candidate or baseline that was chosen.
    is_promoted : bool
        Whether the churn model may be used.
    notes : tuple of (str, str)
        What was missing or decided, in English and Chinese.
    """

    trained_as_of: date
    chosen: str
    is_promoted: bool
    notes: tuple[tuple[str, str], ...]


def train_missing(warehouse: Warehouse, night: date) -> list[Training]:
    """Train what a night needs and does not find; returns what was trained, the newest first.

    A model to whose training day other files belong by now is not found. Where history was enough but the churn model
    of the night's training day is not promoted, the champion of the week before may serve, and is trained too where it
    is missing. So the models of a night depend on the night and what was delivered, not on the order in which nights
    are run. What was asked for by ``trust train`` is refitted where it is out of date.
    """
    days = champion_days(night, _first_known(warehouse))
    trained = [
        train(warehouse, model.trained_as_of, is_refit=True)
        for model in stale(warehouse, "churn", night, since=days[-1])
        if model.card.get("is_refit")
    ][::-1]
    until = night
    for day in days:
        found = newest(warehouse, "churn", until, since=day, only_promoted=False)
        if found is None:
            trained.append(train(warehouse, day))
            found = newest(warehouse, "churn", until, since=day, only_promoted=False)
        if found is not None and (found.is_promoted or not found.card["has_candidate"]):
            break
        until = day - timedelta(days=1)
    return _with_refit_told(warehouse, night, trained)


def refit(warehouse: Warehouse, day: date) -> list[Training]:
    """Train both models as of a day because somebody asked for it: the churn model must beat the champion too."""
    return _with_refit_told(warehouse, day, [train(warehouse, day, is_refit=True)])


def _with_refit_told(warehouse: Warehouse, night: date, trained: list[Training]) -> list[Training]:
    moved = refitting.tell_refit(warehouse, night, scoring_settings(warehouse.settings))
    if moved and trained:
        trained[0] = replace(trained[0], notes=(moved, *trained[0].notes))
    return trained


def in_use(warehouse: Warehouse, night: date) -> ModelsInUse:
    """The models of a night: trained with what was known by then, the newest promoted, verified.

    Where no churn model of these days was promoted, the best baseline of the newest training stands in.
    """
    trust, experience = newest(warehouse, "trust", night), newest(warehouse, "experience", night)
    oldest = champion_days(night, _first_known(warehouse))[-1]
    champion = newest(warehouse, "churn", night, since=oldest)
    churn = champion or newest(warehouse, "churn", night, only_promoted=False)
    if trust is None or experience is None or churn is None:
        raise UserError(f"no models are known by {night}; run 'trust train --as-of {night}'")
    return ModelsInUse(
        trust,
        churn,
        load(warehouse, trust),
        load(warehouse, experience),
        load(warehouse, churn),
        refitting.rhythm_of(trust.card),
    )


def trust_before(warehouse: Warehouse, night: date, models: ModelsInUse) -> TrustModel:
    """The trust model of the night before, which is that of the night unless there was a training in between.

    Where that night was never run, its model is fitted as it would have been: so what changed since depends on what was
    delivered, and not on which nights are run.
    """
    settings, day, first = scoring_settings(warehouse.settings), night - timedelta(days=1), _first_known(warehouse)
    trained = training_day(day, first)
    found = newest(warehouse, "trust", day, since=trained)
    if day < first or (found is not None and found.version == models.trust.version):
        return models.trust_model(settings)
    if found is not None:
        trained = found.trained_as_of
        try:
            read = refitting.settings_of(found.card, settings), refitting.rhythm_of(found.card)
            return TrustModel(load(warehouse, found), *read)
        except UserError:  # it can no longer be read: the same fit gives the same model
            pass
    with staged_as_of(warehouse, view_day(warehouse, trained)):
        log, covered = training_log(warehouse)
        fitted = fit_trust(log, trained, settings, covered=covered)
    return TrustModel(fitted.estimators.trust, fitted.settings, fitted.rhythm)


def train(warehouse: Warehouse, day: date, *, is_refit: bool = False) -> Training:
    """Train both models with what was known on a day, and register them.

    Parameters
    ----------
    warehouse : Warehouse
        With staging tables of that day or a later one.
    day : date
        The day of training.
    is_refit : bool
        Whether the refit was asked for: the churn model must then beat the champion too, not the baselines alone.
    """
    with staged_as_of(warehouse, view_day(warehouse, day)):
        return _train(warehouse, day, is_refit=is_refit)


def _train(warehouse: Warehouse, day: date, *, is_refit: bool) -> Training:
    settings = scoring_settings(warehouse.settings)
    log, covered = training_log(warehouse)
    trust = fit_trust(log, day, settings, covered=covered)
    churn, definition = fit_churn(log, day, settings, trust.rhythm, covered=covered)
    notes = [(note.text_en, note.text_zh) for note in churn.notes]
    is_promoted = churn.is_promoted
    champion = newest(warehouse, "churn", day - timedelta(days=1))
    if is_refit and is_promoted and champion is not None:
        matured = newest_matured(log, day, settings, trust.rhythm, covered=covered)
        is_promoted, note = _challenge(warehouse, champion, churn, matured)
        notes.append(note)
    shared = _shared_card(warehouse, log, day, is_refit=is_refit)
    # the models of a day and their evaluation are registered together, or not at all: a rerun trains what is missing
    with warehouse.transaction():
        references = reference(log, day, trust.settings, trust, churn.model, covered=covered)
        registered = _register(warehouse, trust, churn, definition, notes, shared, references, is_promoted=is_promoted)
        _keep_evaluation(warehouse, churn, registered)
    return Training(day, churn.chosen, is_promoted, tuple(notes))


def _challenge(
    warehouse: Warehouse, champion: Registered, churn: ChurnTraining, snapshot: ChurnSnapshot
) -> tuple[bool, tuple[str, str]]:
    """Whether the challenger has the lower log loss on the newest matured snapshot, and the verdict in words."""
    try:
        model = load(warehouse, champion)
    except UserError:
        english = f"The champion {champion.version} can no longer be read and is replaced without a comparison"
        return True, (english, f"现任模型 {champion.version} 已无法读取，未经比较即被取代")
    old = log_loss_of(model, snapshot)
    new = float(_metric(churn.quality, "model", "log_loss"))
    won = new < old
    verdict = ("replaces", "取代") if won else ("does not replace", "未能取代")
    english = f"The new churn model {verdict[0]} the champion {champion.version}: log loss {new:.4f} against {old:.4f}"
    return won, (english, f"新的流失模型{verdict[1]}现任模型 {champion.version}：对数损失 {new:.4f} 对 {old:.4f}")


def _metric(quality: pl.DataFrame, basis: str, metric: str) -> Any:
    return quality.filter((pl.col("basis") == basis) & (pl.col("metric") == metric))["value"].item()


def _shared_card(warehouse: Warehouse, log: EventLog, day: date, *, is_refit: bool) -> dict[str, Any]:
    """What the cards of all models of a training say."""
    known = log.known(scoring_settings(warehouse.settings).as_of(day)).orders
    first: date = known.select(pl.col("ordered_date").min()).collect().item()
    return {
        "software_version": version("indirect-trust"),
        "data_window": [first, day],
        "deliveries": fingerprint(warehouse, view_day(warehouse, day)),
        "is_refit": is_refit,
    }


def _register(
    warehouse: Warehouse,
    trust: TrustTraining,
    churn: ChurnTraining,
    definition: str,
    notes: list[tuple[str, str]],
    shared: dict[str, Any],
    references: tuple[dict[str, Any], dict[str, Any]],
    *,
    is_promoted: bool,
) -> Registered:
    """Store the three models with their cards; returns the churn model's entry."""
    settings = scoring_settings(warehouse.settings)
    day: date = shared["data_window"][1]
    scores, features = references
    kept: dict[str, Any] = {"trust": {"reference": scores}, "experience": {}}
    for kind, estimator in trust.estimators._asdict().items():
        card = shared | _trust_card(trust, estimator) | kept[kind] | {"refit": None}
        registered = save(warehouse, kind, estimator, day, card, is_promoted=True)
        if kind == "trust":
            refitting.keep_measures(warehouse, registered, {})
    card = shared | {
        "horizon_days": settings.horizon_days,
        "features": churn.model.feature_names_,
        "basis": churn.model.basis,
        "has_candidate": churn.candidate is not None,
        "chosen": churn.chosen,
        "definition": definition,
        "quality": churn.quality.rows(named=True),
        "calibration": [] if churn.calibration is None else churn.calibration.rows(named=True),
        "snapshots": churn.snapshots.rows(named=True),
        "notes": notes,
        "reference": features,
    }
    return save(warehouse, "churn", churn.model, day, card, is_promoted=is_promoted)


def _trust_card(trust: TrustTraining, estimator: TrustEstimator) -> dict[str, Any]:
    """What a trust model was fitted on and came to."""
    return {
        "customers": trust.customers,
        "streams": _streams(estimator),
        "rhythm": None if trust.rhythm is None else vars(trust.rhythm),
        "half_life": {
            "days": trust.half_life.days,
            "customers": trust.half_life.customers,
            "scores": trust.half_life.scores.rows(named=True),
        },
        "functioning": trust.functioning.rows(named=True),
        "shifts": estimator.shifts_,
    }


def _streams(estimator: TrustEstimator) -> list[dict[str, Any]]:
    """What each stream says of trust: its base rate (logit), its loading and its concentration."""
    return [
        {
            "stream": name,
            "has_trials": bool(estimator.has_trials_[place]),
            "intercept": float(estimator.intercepts_[place]),
            "loading": float(estimator.loadings_[place]),
            "concentration": float(estimator.concentrations_[place]),
        }
        for place, name in enumerate(estimator.streams_)
    ]


def _keep_evaluation(warehouse: Warehouse, churn: ChurnTraining, registered: Registered) -> None:
    basis = pl.col("basis")
    rows = churn.quality.select(
        "as_of",
        model=pl.lit("churn"),
        model_version=pl.lit(registered.version),
        estimator=basis.str.strip_prefix("baseline:"),
        is_baseline=basis.str.starts_with("baseline:"),
        metric="metric",
        value="value",
    )
    warehouse.replace_part("meta.model_evaluations", rows, "model_version = ?", (registered.version,))


def _first_known(warehouse: Warehouse) -> date:
    """The first day on which any order was known: what later deliveries tell of earlier days does not move it."""
    first: date = warehouse.value("select min(known_from) from staging.orders")
    return first
