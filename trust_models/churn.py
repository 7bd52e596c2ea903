"""Training of the churn model on matured snapshots: candidates, choice, calibration, report, promotion.

Belongs here: which snapshot plays which part, and the decisions that follow from the measures.
Must not be here: features, labels, learners, and how a model is stored or applied (``churn_model``).

With three or more usable snapshots the last is for calibration and report, the one before for the choice, all
earlier ones for fitting; the chosen candidate is fitted again on all but the last. With two, the second serves for
choice, calibration and report. With one, half of its customers are fitted on and the other half serves for the rest.
What is reported is cross-fitted over customers: nobody's outcome calibrates their own risk.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl
from numpy.typing import NDArray
from sklearn.base import clone

from trust_models.baselines import baselines
from trust_models.churn_calibration import FOLDS, calibrated, cross_fitted
from trust_models.churn_candidates import AdditiveLogistic, Average, BoostedTrees, LogOdds
from trust_models.churn_fallback import without_history
from trust_models.churn_matrix import ChurnMatrix
from trust_models.churn_model import ChurnModel
from trust_models.churn_settings import ChurnSettings
from trust_models.churn_training import QUALITY_SCHEMA, ChurnSnapshot, ChurnTraining, Note, capped, counts, is_usable, labelled
from trust_models.evaluation import metrics
from trust_models.feature_catalogue import driver_of

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

DEFAULT_CANDIDATE = "average"
CLEARLY = 2.0
"""Standard errors by which another candidate's log loss must be lower."""


def train_churn(
    snapshots: Sequence[ChurnSnapshot], *, settings: ChurnSettings | None = None, random_state: int = 0
) -> ChurnTraining:
    """Train on every usable matured snapshot; where there is none, take the best baseline that can be had.

    Parameters
    ----------
    snapshots : sequence of ChurnSnapshot
        In any order; those without labels only serve a baseline that needs none.
    settings : ChurnSettings, optional
    random_state : int
        Of the boosted trees.

    Returns
    -------
    ChurnTraining

    Raises
    ------
    ValueError
        If no snapshot has a customer, or a feature that the baselines need is missing.
    """
    settings = settings or ChurnSettings()
    matured = labelled(snapshots)
    usable = [frame for frame in matured if is_usable(frame, settings)]
    if not usable:
        return without_history(snapshots, matured, settings)
    parts = _Parts.of(usable, settings)
    chosen = _chosen(parts, settings, random_state)
    return _judged(parts, chosen, counts(matured, settings), settings, random_state)


@dataclass(frozen=True)
class _Parts:
    """Labelled rows by the part they play."""

    learning: pl.DataFrame
    selection: pl.DataFrame
    fitting: pl.DataFrame
    calibration: pl.DataFrame

    @classmethod
    def of(cls, usable: Sequence[pl.DataFrame], settings: ChurnSettings) -> _Parts:
        newest = capped(usable[-1], settings.maximum_rows)
        if len(usable) == 1:
            half, other = newest.filter(pl.col("hash") % 2 == 0), newest.filter(pl.col("hash") % 2 == 1)
            return cls(half, other, half, other)
        fitting = capped(pl.concat(usable[:-1], how="diagonal"), settings.maximum_rows)
        if len(usable) == 2:
            return cls(fitting, newest, fitting, newest)
        later: date = usable[-2]["as_of"][0]
        return cls(fitting.filter(pl.col("as_of") < later), fitting.filter(pl.col("as_of") == later), fitting, newest)


def candidates(columns: Sequence[str], settings: ChurnSettings, random_state: int) -> dict[str, LogOdds]:
    """The learners to choose from, unfitted; the average takes in the RFM logistic, which holds where history is short."""
    logistic, trees = AdditiveLogistic(), BoostedTrees(random_state=random_state)
    rfm = baselines(columns, hiatus_days=settings.hiatus_days)["rfm"]
    return {"average": Average((logistic, trees, rfm)), "logistic": logistic, "trees": trees}


def _chosen(parts: _Parts, settings: ChurnSettings, random_state: int) -> str:
    """The average, unless another candidate's log loss on the later snapshot is clearly lower.

    Compared as they will be used: calibrated, cross-fitted over customers.
    """
    matrix = ChurnMatrix(settings.horizon_days).fit(parts.learning)
    X, lost = matrix.transform(parts.learning), _lost(parts.learning)
    average = candidates(matrix.columns_, settings, random_state)["average"].fit(X, lost)
    logistic, trees, _ = average.members_
    later, outcome = matrix.transform(parts.selection), _lost(parts.selection)
    fitted = {"average": average, "logistic": logistic, "trees": trees}
    losses = {
        name: _log_losses(_cross_fitted(learner.decision_function(later), parts.selection, settings), outcome)
        for name, learner in fitted.items()
    }
    best = min(losses, key=lambda name: float(losses[name].mean()))
    gain = losses[DEFAULT_CANDIDATE] - losses[best]
    print({k:float(v.mean()) for k,v in losses.items()}, float(gain.mean()), float(gain.std()/np.sqrt(len(gain))))
    return best if gain.mean() > CLEARLY * gain.std() / np.sqrt(len(gain)) else DEFAULT_CANDIDATE


def _judged(
    parts: _Parts, chosen: str, counted: pl.DataFrame, settings: ChurnSettings, random_state: int
) -> ChurnTraining:
    """Fit the chosen candidate and the baselines, calibrate and report them, and promote what beats all of them."""
    matrix = ChurnMatrix(settings.horizon_days).fit(parts.fitting)
    X, lost = matrix.transform(parts.fitting), _lost(parts.fitting)
    candidate = candidates(matrix.columns_, settings, random_state)[chosen]
    rules = baselines(matrix.columns_, hiatus_days=settings.hiatus_days)
    learners = {"model": candidate, **{f"baseline:{name}": rule for name, rule in rules.items()}}
    fitted = {basis: clone(learner).fit(X, lost) for basis, learner in learners.items()}
    measured = _measured(fitted, matrix, parts.calibration, settings)
    loss = {basis: values["log_loss"] for basis, values in measured.items()}
    best = min(loss, key=lambda basis: loss[basis])
    model = _calibrated_model("model", fitted["model"], matrix, parts.calibration, settings)
    is_promoted = best == "model"
    return ChurnTraining(
        model=model if is_promoted else _calibrated_model(best, fitted[best], matrix, parts.calibration, settings),
        candidate=model,
        is_promoted=is_promoted,
        chosen=chosen,
        quality=_quality(measured, parts.calibration["as_of"][0]),
        snapshots=counted,
        notes=_notes(is_promoted, best, loss, counted),
    )


def _measured(
    fitted: Mapping[str, LogOdds], matrix: ChurnMatrix, frame: pl.DataFrame, settings: ChurnSettings
) -> dict[str, dict[str, float]]:
    X, lost = matrix.transform(frame), _lost(frame)
    return {
        basis: metrics(lost, _cross_fitted(learner.decision_function(X), frame, settings))
        for basis, learner in fitted.items()
    }


def _cross_fitted(log_odds: Floats, frame: pl.DataFrame, settings: ChurnSettings) -> Floats:
    folds = (frame["hash"].to_numpy() // 2 % FOLDS).astype(np.intp)
    return cross_fitted(log_odds, _lost(frame), folds, weight=settings.calibration_weight)


def _calibrated_model(
    basis: str, learner: LogOdds, matrix: ChurnMatrix, frame: pl.DataFrame, settings: ChurnSettings
) -> ChurnModel:
    log_odds = learner.decision_function(matrix.transform(frame))
    slope, intercept = calibrated(log_odds, _lost(frame), weight=settings.calibration_weight)
    drivers = driver_of(matrix.feature_names_, settings.features)
    return ChurnModel(matrix, learner, basis, drivers, slope, intercept, settings.features.window_days)


def _quality(measured: Mapping[str, Mapping[str, float]], as_of: date) -> pl.DataFrame:
    rows = [(as_of, basis, metric, value) for basis, values in measured.items() for metric, value in values.items()]
    return pl.DataFrame(rows, schema=QUALITY_SCHEMA, orient="row")


def _notes(
    is_promoted: bool, best: str, loss: Mapping[str, float], counted: pl.DataFrame
) -> tuple[Note, ...]:
    notes = []
    if not is_promoted:
        rule = best.removeprefix("baseline:")
        notes.append(
            Note(
                f"The churn model is not promoted: its log loss {loss['model']:.4f} does not beat the baseline {rule} "
                f"({loss[best]:.4f}).",
                f"流失模型未被采用：其对数损失 {loss['model']:.4f} 不优于基线 {rule}（{loss[best]:.4f}）。",
            )
        )
    if left_out := counted.filter(~pl.col("is_used"))["as_of"].to_list():
        days = ", ".join(str(day) for day in left_out)
        notes.append(Note(f"Snapshots with too few customers were left out: {days}.", f"客户数不足的快照未使用：{days}。"))
    if int(counted["is_used"].sum()) < 3:
        notes.append(
            Note(
                "Fewer than three snapshots could be used: the choice and the report rest on the same customers.",
                "可用快照不足三个：模型选择与评估使用了相同的客户。",
            )
        )
    return tuple(notes)


def _lost(frame: pl.DataFrame) -> Flags:
    return frame["is_lost"].cast(pl.Boolean).to_numpy()


def _log_losses(risk: Floats, lost: Flags) -> Floats:
    """Log loss of each row."""
    return -np.log(np.clip(np.where(lost, risk, 1 - risk), 1e-12, 1))
