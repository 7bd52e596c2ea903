"""The best churn risk that can be had where history is too short for a model.

Belongs here: the choice among baselines without enough customers to train on, and what is missing, in words.
Must not be here: the training of the model proper (``churn``).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray
from sklearn.base import clone

from trust_models.baselines import BuyTillYouDie, Constant, baselines
from trust_models.churn_calibration import FOLDS
from trust_models.churn_candidates import LogOdds
from trust_models.churn_matrix import ChurnMatrix, Floats
from trust_models.churn_model import ChurnModel
from trust_models.churn_settings import ChurnSettings
from trust_models.churn_training import QUALITY_SCHEMA, ChurnSnapshot, ChurnTraining, Note, capped, counts
from trust_models.evaluation import metrics
from trust_models.feature_catalogue import driver_of

MINIMUM_CLASS = 10
"""Customers of either class from which baselines can be compared at all."""


def without_history(
    snapshots: Sequence[ChurnSnapshot], matured: Sequence[pl.DataFrame], settings: ChurnSettings
) -> ChurnTraining:
    """A baseline for everybody, and why it is not a model.

    Where the matured snapshots together hold ten customers of either class, the baseline of the least log loss,
    cross-fitted over customers. Else, for silent churn, the MBG/NBD fitted on the newest snapshot, which needs no
    labels, where somebody has bought twice. Else the share lost, (lost + 1) / (customers + 2).

    Raises
    ------
    ValueError
        If no snapshot has a customer.
    """
    rows = capped(pl.concat(matured, how="diagonal"), settings.maximum_rows) if matured else pl.DataFrame()
    newest = max((s for s in snapshots if len(s.features)), key=lambda s: s.as_of, default=None)
    if newest is None:
        raise ValueError("churn cannot be trained: no snapshot has a customer with an order")
    lost: Floats = rows["is_lost"].cast(pl.Float64).to_numpy() if len(rows) else np.zeros(0)
    can_compare = min(lost.sum(), len(lost) - lost.sum()) >= MINIMUM_CLASS
    frame = rows if can_compare else newest.features
    matrix = ChurnMatrix(settings.horizon_days).fit(frame)
    X, losses = matrix.transform(frame), {}
    if can_compare:
        folds = (frame["hash"].to_numpy() % FOLDS).astype(np.intp)
        rules = baselines(matrix.columns_, hiatus_days=settings.hiatus_days)
        losses = {name: _cross_validated(rule, X, lost, folds) for name, rule in rules.items()}
        name = min(losses, key=lambda rule: losses[rule]["log_loss"])
        learners = {rule: learner.fit(X, lost) for rule, learner in rules.items()}
    else:
        name, learner = _unlearned(matrix, frame, X, lost, settings)
        learners = {name: learner}
    drivers, window = driver_of(matrix.feature_names_, settings.features), settings.features.window_days
    models = {
        rule: ChurnModel(matrix, learner, f"baseline:{rule}", drivers, window_days=window)
        for rule, learner in learners.items()
    }
    quality = [
        (newest.as_of, f"baseline:{rule}", metric, value)
        for rule, values in losses.items()
        for metric, value in values.items()
    ]
    counted = counts(matured, settings)
    return ChurnTraining(
        model=models[name],
        candidate=None,
        is_promoted=False,
        chosen=name,
        quality=pl.DataFrame(quality, schema=QUALITY_SCHEMA, orient="row").with_columns(pl.col("value").fill_nan(None)),
        snapshots=counted,
        notes=(_missing(counted, name, settings),),
        baselines=models,
    )


def _unlearned(
    matrix: ChurnMatrix, frame: pl.DataFrame, X: Floats, lost: Floats, settings: ChurnSettings
) -> tuple[str, LogOdds]:
    """The MBG/NBD where silence is what counts and somebody has bought twice, else the share lost so far."""
    has_repeats = bool((frame["repeat_purchase_days"] > 0).any())
    if settings.definition == "silent" and has_repeats:
        return "mbg_nbd", BuyTillYouDie(len(matrix.columns_) - 1).fit(X)
    return "constant", Constant().fit(np.zeros((max(len(lost), 1), X.shape[1])), lost if len(lost) else np.array([0.5]))


def _cross_validated(rule: LogOdds, X: Floats, lost: Floats, folds: NDArray[np.intp]) -> dict[str, float]:
    risk = np.zeros(len(lost))
    for fold in np.unique(folds):
        outside = folds != fold
        is_one_class = lost[outside].min() == lost[outside].max()
        learner = (Constant() if is_one_class else clone(rule)).fit(X[outside], lost[outside])
        risk[~outside] = learner.predict_proba(X[~outside])[:, 1]
    return metrics(lost, risk)


def _missing(counted: pl.DataFrame, name: str, settings: ChurnSettings) -> Note:
    customers, smaller = settings.minimum_customers, settings.minimum_class
    if counted.is_empty():
        return Note(
            f"No churn model yet: no snapshot is {settings.horizon_days} days old, so nobody is known to be lost. "
            f"The churn risk is the baseline {name}.",
            f"尚无流失模型：没有满 {settings.horizon_days} 天的快照，无法得知哪些客户已流失。流失风险取自基线 {name}。",
        )
    best = counted.sort("customers").tail(1)
    seen, lost = int(best["customers"][0]), int(best["lost"][0])
    return Note(
        f"No churn model yet: a matured snapshot needs {customers} customers, {smaller} lost and {smaller} kept. "
        f"The largest has {seen}, {lost} lost and {seen - lost} kept. The churn risk is the baseline {name}.",
        f"尚无流失模型：成熟快照至少需要 {customers} 名客户，其中流失与保留各 {smaller} 名；"
        f"目前最大的快照有 {seen} 名，流失 {lost} 名，保留 {seen - lost} 名。流失风险取自基线 {name}。",
    )
