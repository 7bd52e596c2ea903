"""Training of the churn model on matured snapshots: candidates, choice, calibration, report, promotion.

Belongs here: which snapshot plays which part, and the decisions that follow from the measures.
Must not be here: features, labels, learners, and how a model is stored or applied (``churn_model``).

With three or more usable snapshots the last is for calibration and report, the one before for the choice, all
earlier ones for fitting; the chosen candidate is fitted again on all but the last. With two, the second serves for
choice, calibration and report; with one, it serves for everything. Label windows of monthly snapshots overlap, so a
learner may know the outcome of the very customer it is judged on: everything is cross-fitted over customers, and
nobody's outcome judges a learner, or calibrates a risk, that it has shaped.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl
from joblib import Parallel, delayed
from numpy.typing import NDArray
from sklearn.base import clone
from threadpoolctl import threadpool_limits

from trust_models.baselines import baselines
from trust_models.churn_calibration import FOLDS, calibrated, cross_fitted
from trust_models.churn_candidates import AdditiveLogistic, Average, BoostedTrees, LogOdds
from trust_models.churn_fallback import without_history
from trust_models.churn_matrix import ChurnMatrix
from trust_models.churn_model import ChurnModel
from trust_models.churn_settings import ChurnSettings
from trust_models.churn_training import (
    QUALITY_SCHEMA,
    ChurnSnapshot,
    ChurnTraining,
    Note,
    capped,
    counts,
    is_usable,
    labelled,
)
from trust_models.evaluation import calibration_curve, log_losses, metrics
from trust_models.feature_catalogue import driver_of

__all__ = ["ChurnSnapshot", "ChurnTraining", "Note", "train_churn"]

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

DEFAULT_CANDIDATE = "average"
CONSTANT = "baseline:constant"
CROSS_FIT_ROWS = 20_000
"""Rows that learners are fitted on where they are only judged."""

CROSS_FIT_CLASS = 50
"""Rows of either class among them, at least."""

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
    with threadpool_limits(1):  # the folds are what runs side by side
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
        newest = capped(usable[-1], settings.maximum_rows, minimum_class=settings.minimum_class)
        if len(usable) == 1:
            return cls(newest, newest, newest, newest)
        earlier = pl.concat(usable[:-1], how="diagonal")
        fitting = capped(earlier, settings.maximum_rows, minimum_class=settings.minimum_class * (len(usable) - 1))
        if len(usable) == 2:
            return cls(fitting, newest, fitting, newest)
        later: date = usable[-2]["as_of"][0]
        return cls(fitting.filter(pl.col("as_of") < later), fitting.filter(pl.col("as_of") == later), fitting, newest)


def candidates(columns: Sequence[str], settings: ChurnSettings, random_state: int) -> dict[str, LogOdds]:
    """The learners to choose from, unfitted; the average takes in the RFM logistic, which holds on small logs."""
    logistic, trees = AdditiveLogistic(), BoostedTrees(random_state=random_state)
    rfm = baselines(columns, hiatus_days=settings.hiatus_days)["rfm"]
    return {"average": Average((logistic, trees, rfm)), "logistic": logistic, "trees": trees}


def _chosen(parts: _Parts, settings: ChurnSettings, random_state: int) -> str:
    """The average, unless another candidate's log loss on the later snapshot is clearly lower.

    Compared as they will be used, calibrated.
    """
    matrix = ChurnMatrix(settings.horizon_days).fit(parts.learning)
    learners = candidates(matrix.columns_, settings, random_state)
    rfm_rule = baselines(matrix.columns_, hiatus_days=settings.hiatus_days)["rfm"]
    members = {"logistic": learners["logistic"], "trees": learners["trees"], "rfm": rfm_rule}
    log_odds = _out_of_fold(members, matrix, parts.learning, parts.selection)
    rfm = log_odds.pop("rfm")
    log_odds[DEFAULT_CANDIDATE] = (log_odds["logistic"] + log_odds["trees"] + rfm) / 3
    lost = _lost(parts.selection)
    losses = {name: log_losses(lost, _calibrated_risk(z, parts.selection, settings)) for name, z in log_odds.items()}
    best = min(losses, key=lambda name: float(losses[name].mean()))
    gain = losses[DEFAULT_CANDIDATE] - losses[best]
    return best if gain.mean() > CLEARLY * gain.std() / np.sqrt(len(gain)) else DEFAULT_CANDIDATE


def _judged(
    parts: _Parts, chosen: str, counted: pl.DataFrame, settings: ChurnSettings, random_state: int
) -> ChurnTraining:
    """Fit the chosen candidate and the baselines, calibrate and report them, and promote what beats all of them."""
    matrix = ChurnMatrix(settings.horizon_days).fit(parts.fitting)
    rules = baselines(matrix.columns_, hiatus_days=settings.hiatus_days)
    learners = {f"baseline:{name}": rule for name, rule in rules.items()}
    learners["model"] = candidates(matrix.columns_, settings, random_state)[chosen]
    log_odds = _out_of_fold(learners, matrix, parts.fitting, parts.calibration)
    lost = _lost(parts.calibration)
    risks = {basis: _calibrated_risk(z, parts.calibration, settings) for basis, z in log_odds.items()}
    risks[CONSTANT] = np.full(len(lost), risks[CONSTANT].mean())  # small differences between folds would rank customers
    measured = {basis: metrics(lost, risk) for basis, risk in risks.items()}
    loss = {basis: values["log_loss"] for basis, values in measured.items()}
    best = min(loss, key=lambda basis: loss[basis])
    X, known = matrix.transform(parts.fitting), _lost(parts.fitting)
    models = {
        basis: _model(basis, clone(learner).fit(X, known), matrix, log_odds[basis], parts.calibration, settings)
        for basis, learner in learners.items()
    }
    return ChurnTraining(
        model=models[best],
        candidate=models["model"],
        is_promoted=best == "model",
        chosen=chosen,
        quality=_quality(measured, parts.calibration["as_of"][0]),
        snapshots=counted,
        notes=_notes(best, loss, counted),
        baselines={name: models[f"baseline:{name}"] for name in rules},
        calibration=calibration_curve(lost, risks[best]),
    )


def _out_of_fold(
    learners: Mapping[str, LogOdds], matrix: ChurnMatrix, fitting: pl.DataFrame, later: pl.DataFrame
) -> dict[str, Floats]:
    """Log-odds of the later rows by each learner, fitted on the rows of other customers."""
    fitting = capped(fitting, CROSS_FIT_ROWS, minimum_class=CROSS_FIT_CLASS)
    X, lost, folds = matrix.transform(fitting), _lost(fitting), _folds(fitting)
    X_later, folds_later = matrix.transform(later), _folds(later)
    out = {name: np.zeros(len(later)) for name in learners}

    def fit_fold(name: str, fold: int) -> None:
        others, inside = folds != fold, folds_later == fold
        out[name][inside] = clone(learners[name]).fit(X[others], lost[others]).decision_function(X_later[inside])

    pairs = itertools.product(learners, range(FOLDS))
    Parallel(n_jobs=-1, require="sharedmem")(delayed(fit_fold)(name, fold) for name, fold in pairs)
    return out


def _calibrated_risk(log_odds: Floats, frame: pl.DataFrame, settings: ChurnSettings) -> Floats:
    return cross_fitted(log_odds, _lost(frame), _folds(frame), weight=settings.calibration_weight)


def _folds(frame: pl.DataFrame) -> NDArray[np.intp]:
    return (frame["hash"].to_numpy() % FOLDS).astype(np.intp)


def _model(
    basis: str,
    fitted: LogOdds,
    matrix: ChurnMatrix,
    log_odds: Floats,
    calibration: pl.DataFrame,
    settings: ChurnSettings,
) -> ChurnModel:
    """A learner fitted on all customers, calibrated by the log-odds it had given to customers it did not know."""
    slope, intercept = calibrated(log_odds, _lost(calibration), weight=settings.calibration_weight)
    drivers = driver_of(matrix.feature_names_, settings.features)
    return ChurnModel(matrix, fitted, basis, drivers, slope, intercept, settings.features.window_days)


def _quality(measured: Mapping[str, Mapping[str, float]], as_of: date) -> pl.DataFrame:
    rows = [(as_of, basis, metric, value) for basis, values in measured.items() for metric, value in values.items()]
    return pl.DataFrame(rows, schema=QUALITY_SCHEMA, orient="row").with_columns(pl.col("value").fill_nan(None))


def _notes(best: str, loss: Mapping[str, float], counted: pl.DataFrame) -> tuple[Note, ...]:
    notes = []
    if best != "model":
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
        notes.append(
            Note(f"Snapshots with too few customers were left out: {days}.", f"客户数不足的快照未使用：{days}。")
        )
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
