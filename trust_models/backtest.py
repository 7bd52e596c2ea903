"""Backtest of the churn risk: trained again as of past days, judged on what really followed.

Belongs here: the cut-off days, what is judged beside what, the embargo, the table by group.
Must not be here: fitting (``training``), measures (``evaluation``), alarms (``leakage``), files, clocks, words for
terminals and pictures.

At each cut-off everything is fitted on a log from which all that came later has been cut, so that no figure can rest
on the future; the outcomes alone are read from the whole log. Rolling-origin evaluation: Tashman (2000),
"Out-of-sample tests of forecasting accuracy", Int. J. of Forecasting 16, 437-450.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from types import MappingProxyType

import numpy as np
import polars as pl
import polars.selectors as cs
from numpy.typing import NDArray
from scipy.special import expit, logit
from sklearn.base import clone

from trust_models.as_of import EventLog
from trust_models.bg_nbd import BGNBD
from trust_models.btyd import PurchaseModel
from trust_models.churn_calibration import calibrated
from trust_models.churn_matrix import PURCHASES
from trust_models.churn_settings import ChurnSettings
from trust_models.churn_training import ChurnSnapshot, ChurnTraining, Note
from trust_models.evaluation import (
    among_riskiest,
    auc,
    calibration_curve,
    estimates,
    gain_curve,
    log_loss_difference,
    metrics,
    missed_share,
)
from trust_models.labels import Definition, labels, snapshot_days
from trust_models.leakage import ALARM_AUC, FutureLeakError, cut, future_dependence, suspicious
from trust_models.pareto_nbd import ParetoNBD
from trust_models.rhythm import RhythmReference
from trust_models.snapshot import ScoringSettings, take_evidence, take_features, take_status
from trust_models.training import TrustTraining, fit_churn, fit_trust, newest_matured
from trust_models.trials import coverage_of
from trust_models.trust_backtest import TrustAtCutoff, trust_at, trust_measures

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

MODEL, IN_USE = "model", "in_use"
GROUPS = ("segment", "region", "customer_class", "tenure")
UNKNOWN = "unknown"

FEWEST_CUSTOMERS, FEWEST_LOST = 50, 10
"""A group below either is counted, but not judged."""

TOP_SHARE = 0.1
CHECKED_CUSTOMERS = 500
"""Customers whose features are made again without the future."""

PURCHASE_MODELS: Mapping[str, PurchaseModel] = MappingProxyType({"bg_nbd": BGNBD(), "pareto_nbd": ParetoNBD()})
PURCHASE_ROWS = 50_000
"""Customers that the four parameters of a purchase model are fitted on, at most."""

MEASURES_SCHEMA = pl.Schema(
    {"basis": pl.String, "metric": pl.String, "value": pl.Float64, "low": pl.Float64, "high": pl.Float64}
)
COMPARISONS_SCHEMA = pl.Schema(
    {
        "basis": pl.String,
        "baseline": pl.String,
        "log_loss_difference": pl.Float64,
        "low": pl.Float64,
        "high": pl.Float64,
        "verdict": pl.String,
    }
)
GROUPS_SCHEMA = pl.Schema(
    {
        "basis": pl.String,
        "group_by": pl.String,
        "group": pl.String,
        "customers": pl.Int64,
        "lost": pl.Int64,
        "is_judged": pl.Boolean,
        "mean_risk": pl.Float64,
        "lost_share": pl.Float64,
        "auc": pl.Float64,
        "brier": pl.Float64,
        "missed_by_band": pl.Float64,
        "missed_by_top_decile": pl.Float64,
    }
)


@dataclass(frozen=True)
class Cutoff:
    """What a model trained as of one day was worth.

    Parameters
    ----------
    day : date
        The cut-off: nothing later was used, except to judge.
    until : date
        Last day of the label window.
    definition : str
        What lost means: silent or declared.
    customers, lost : int
        Who was judged, and how many of them were lost.
    trained_on : tuple of date
        Snapshots that were trained on; all their label windows are over by the cut-off.
    chosen : str
        The candidate (or, without enough history, the baseline) that training chose.
    is_promoted : bool
        Whether the model would have been used.
    in_use : str
        What would have given the numbers: model, or baseline:<name>.
    measures : pl.DataFrame
        basis (model, in_use, or a baseline's name), metric, value, low, high (95% interval, null where there is none).
    comparisons : pl.DataFrame
        The model against each baseline on the same customers: basis, baseline, log_loss_difference (below 0: the model
        is better), low, high, verdict (better, worse, unclear: the interval holds 0).
    groups : pl.DataFrame
        basis, group_by, group, customers, lost, is_judged, then null where not judged: mean_risk beside lost_share,
        auc, brier, missed_by_band (share of the lost below the high band), missed_by_top_decile (likewise).
    calibration : pl.DataFrame
        basis, customers, mean_risk, lost_share, low, high.
    gain : pl.DataFrame
        basis, share_of_customers, share_of_lost.
    notes : tuple of Note
        What was missing or decided.
    trust : pl.DataFrame
        How well low trust foretold what followed (:func:`trust_models.trust_backtest.trust_measures`).
    scored : TrustAtCutoff
        Trust of every customer on the cut-off; personal, and no part of any report.
    """

    day: date
    until: date
    definition: str
    customers: int
    lost: int
    trained_on: tuple[date, ...]
    chosen: str
    is_promoted: bool
    in_use: str
    measures: pl.DataFrame
    comparisons: pl.DataFrame
    groups: pl.DataFrame
    calibration: pl.DataFrame
    gain: pl.DataFrame
    notes: tuple[Note, ...]
    trust: pl.DataFrame
    scored: TrustAtCutoff


def cutoff_days(*, first_order: date, known_at: date, horizon_days: int, most: int) -> tuple[date, ...]:
    """The newest month ends that can be judged by ``known_at`` and trained as of, newest first, at most ``most``.

    Judged: the label window (day, day + horizon_days] is over. Trained: an earlier month end has a window that was over
    by the day itself.
    """
    days = snapshot_days(first_order=first_order, known_at=known_at, horizon_days=horizon_days, most=most)
    can_train = [
        day for day in days
        if snapshot_days(first_order=first_order, known_at=day, horizon_days=horizon_days, most=1)
    ]  # fmt: skip
    return tuple(reversed(can_train))


def backtest(
    log: EventLog, days: Sequence[date], *, known_at: date, settings: ScoringSettings, high_risk: float
) -> Iterator[Cutoff]:
    """Judge each cut-off, one at a time.

    Parameters
    ----------
    log : EventLog
        Unmasked.
    days : sequence of date
        Of :func:`cutoff_days`.
    known_at : date
        The newest day whose knowledge may judge.
    settings : ScoringSettings
        As of the nights.
    high_risk : float
        Risk from which a customer is in the high band.

    Yields
    ------
    Cutoff
        In the order of ``days``.

    Raises
    ------
    FutureLeakError
        If a feature changes when the future is removed, or tells the lost from the kept too well to be honest.
    ValueError
        If the label window of a cut-off is not over by ``known_at``.
    """
    known = log.known(settings.as_of(known_at)).collect()
    for day in days:
        yield _judged(log, known, day, known_at, settings, high_risk)


@dataclass(frozen=True)
class _Trained:
    """What there was on a cut-off: made of a log that ends there."""

    training: ChurnTraining
    definition: Definition
    features: pl.DataFrame
    members: pl.DataFrame
    newest: ChurnSnapshot
    trust: TrustTraining
    scored: TrustAtCutoff


def _trained(log: EventLog, day: date, settings: ScoringSettings) -> _Trained:
    past = cut(log, settings.as_of(day)).collect()
    trust = fit_trust(past, day, settings)
    rhythm = trust.rhythm
    snapshot = take_evidence(past, day, trust.settings, rhythm)
    features = take_features(snapshot, settings)
    refuse_future(log, features["customer_id"], day, settings, rhythm)
    training, definition = fit_churn(past, day, settings, rhythm)
    refuse_unripe(training.snapshots["as_of"], day, settings.horizon_days)
    members = _members(features, take_status(snapshot, settings))
    newest = newest_matured(past, day, settings, rhythm)
    return _Trained(training, definition, features, members, newest, trust, trust_at(snapshot, trust))


def _judged(
    log: EventLog, known: EventLog, day: date, known_at: date, settings: ScoringSettings, high_risk: float
) -> Cutoff:
    trained, horizon = _trained(log, day, settings), settings.horizon_days
    followed = labels(
        known,
        as_of=settings.as_of(day),
        known_at=settings.as_of(known_at),
        horizon_days=horizon,
        definition=trained.definition,
    ).collect()
    rows = trained.features.join(followed, on="customer_id", how="inner").sort("customer_id")
    features, lost = rows.drop("is_lost"), rows["is_lost"].to_numpy()
    risks = _risks(trained.training, features) | purchase_risks(trained.newest, features, horizon)
    refuse_too_good(features, lost, risks[_first(risks)], day)
    members = features.select("customer_id").join(trained.members, "customer_id", "left", maintain_order="left")
    groups = [
        by_group(members.drop("customer_id"), lost, risks[basis], basis, high_risk=high_risk)
        for basis in (MODEL, IN_USE)
        if basis in risks
    ]
    return Cutoff(
        day=day,
        until=day + timedelta(days=horizon),
        definition=trained.definition,
        customers=len(rows),
        lost=int(lost.sum()),
        trained_on=tuple(trained.training.snapshots.filter("is_used")["as_of"]),
        chosen=trained.training.chosen,
        is_promoted=trained.training.is_promoted,
        in_use=trained.training.model.basis,
        measures=measures(lost, risks),
        comparisons=comparisons(lost, risks),
        groups=pl.concat(groups),
        calibration=_curves(calibration_curve, lost, risks),
        gain=_curves(gain_curve, lost, risks),
        notes=(*trained.training.notes, *_not_judged(len(followed) - len(rows))),
        trust=trust_measures(
            trained.scored, log, day, known_at=known_at, settings=settings, trust=trained.trust, lost=followed
        ),
        scored=trained.scored,
    )


def refuse_unripe(trained_on: pl.Series, day: date, horizon_days: int) -> None:
    """The embargo: a snapshot whose label window ends after the cut-off never trains.

    Raises
    ------
    FutureLeakError
        If one did.
    """
    if unripe := [seen for seen in trained_on if seen + timedelta(days=horizon_days) > day]:
        raise FutureLeakError(
            f"the model of {day} was trained on the snapshot of {unripe[0]}, whose label window ends only on "
            f"{unripe[0] + timedelta(days=horizon_days)}: it knows what it is judged on"
        )


def refuse_future(
    log: EventLog, customers: pl.Series, day: date, settings: ScoringSettings, rhythm: RhythmReference | None
) -> None:
    """The check that features do not change when the future is removed, on a sample of customers.

    Raises
    ------
    FutureLeakError
        If one does.
    """

    def make(given: EventLog, chosen: pl.Series) -> pl.DataFrame:
        evidence = take_evidence(
            given.of_customers(chosen), day, settings, rhythm, covered=coverage_of(given)(settings.as_of(day))
        )
        return take_features(evidence, settings)

    sample = customers.sample(min(len(customers), CHECKED_CUSTOMERS), seed=0).sort()
    if changed := future_dependence(make, log, settings.as_of(day), sample):
        name = max(changed, key=lambda feature: changed[feature])
        others = f" (and {len(changed) - 1} more)" if len(changed) > 1 else ""
        raise FutureLeakError(
            f"the feature {name}{others} knows the future: for {changed[name]} of {len(sample)} customers it changes "
            f"when what came after {day} is removed; mend it before any figure is believed"
        )


def refuse_too_good(features: pl.DataFrame, lost: Flags, risk: Floats, day: date) -> None:
    """The check that nothing tells the lost from the kept too well to be honest.

    Raises
    ------
    FutureLeakError
        If something does.
    """
    if found := suspicious(features, lost, risk):
        name = max(found, key=lambda feature: found[feature])
        raise FutureLeakError(
            f"{name} tells the lost of {day} from the kept too well to be honest: AUC {found[name]:.3f}, above "
            f"{ALARM_AUC}; look where its source writes down afterwards what happened"
        )


def purchase_risks(newest: ChurnSnapshot, features: pl.DataFrame, horizon_days: int) -> dict[str, Floats]:
    """Risk by the BG/NBD and the Pareto/NBD: 1 - P(a purchase within the horizon), shape (n_customers,) each.

    Fitted on the purchases of the newest matured snapshot and calibrated on its labels, as training treats its own
    baselines; uncalibrated where it has fewer than five customers of either class.
    """
    assert newest.labels is not None
    matured = newest.features.join(newest.labels, on="customer_id", how="inner").sort("customer_id")
    matured = matured.sample(min(len(matured), PURCHASE_ROWS), seed=0)
    lost = matured["is_lost"].to_numpy()
    weight = ChurnSettings().calibration_weight if min(lost.sum(), (~lost).sum()) >= 5 else 0.0
    risks = {}
    for name, model in PURCHASE_MODELS.items():
        fitted = clone(model).fit(_purchases(matured))
        before, now = (_log_odds(fitted, frame, horizon_days) for frame in (matured, features))
        slope, intercept = calibrated(before, lost, weight=weight) if weight else (1.0, 0.0)
        risks[name] = np.asarray(expit(slope * now + intercept))
    return risks


def _log_odds(model: PurchaseModel, frame: pl.DataFrame, horizon_days: int) -> Floats:
    active = model.probability_active(_purchases(frame), float(horizon_days))
    return np.asarray(-logit(np.clip(active, 1e-9, 1 - 1e-9)))


def _purchases(frame: pl.DataFrame) -> Floats:
    return frame.select(pl.col(name).cast(pl.Float64) for name in PURCHASES).to_numpy()


def _risks(training: ChurnTraining, features: pl.DataFrame) -> dict[str, Floats]:
    """Risk of the model (where there is one), of what would be in use, and of each baseline."""
    models = {IN_USE: training.model, **training.baselines}
    if training.candidate is not None:
        models = {MODEL: training.candidate, **models}
    return {basis: model.predict_risk(features) for basis, model in models.items()}


def _first(risks: Mapping[str, Floats]) -> str:
    """What is compared with the baselines: the model, or where there is none what stands in for it."""
    return MODEL if MODEL in risks else IN_USE


def measures(lost: Flags, risks: Mapping[str, Floats]) -> pl.DataFrame:
    """Every measure of each basis, with the 95% interval where it has one: as ``Cutoff.measures``."""
    rows = []
    for basis, risk in risks.items():
        bounds = estimates(lost, risk)
        for metric, value in metrics(lost, risk).items():
            low, high = (bounds[metric].low, bounds[metric].high) if metric in bounds else (None, None)
            rows.append((basis, metric, value, low, high))
    return pl.DataFrame(rows, schema=MEASURES_SCHEMA, orient="row").with_columns(cs.float().fill_nan(None))


def comparisons(lost: Flags, risks: Mapping[str, Floats]) -> pl.DataFrame:
    """The model beside each baseline, on the same customers: as ``Cutoff.comparisons``."""
    first, rows = _first(risks), []
    for baseline in risks.keys() - {MODEL, IN_USE}:
        found = log_loss_difference(lost, risks[first], risks[baseline])
        verdict = "better" if found.high < 0 else "worse" if found.low > 0 else "unclear"
        rows.append((first, baseline, found.value, found.low, found.high, verdict))
    table = pl.DataFrame(rows, schema=COMPARISONS_SCHEMA, orient="row").sort("baseline")
    return table.with_columns(cs.float().fill_nan(None))


def tenure_band() -> pl.Expr:
    """How long a customer has been one, since the first order."""
    days = pl.col("tenure_days")
    return (
        pl.when(days < 90)
        .then(pl.lit("under_90_days"))
        .when(days <= 365)
        .then(pl.lit("90_to_365_days"))
        .otherwise(pl.lit("over_365_days"))
    )


def _members(features: pl.DataFrame, status: pl.DataFrame) -> pl.DataFrame:
    """The groups that each customer belongs to as of the cut-off."""
    given = status.select("customer_id", "segment", "region", "customer_class")
    return (
        features.select("customer_id", tenure=tenure_band())
        .join(given, on="customer_id", how="left", validate="1:1", maintain_order="left")
        .select("customer_id", pl.col(GROUPS).fill_null(UNKNOWN))
    )


def by_group(members: pl.DataFrame, lost: Flags, risk: Floats, basis: str, *, high_risk: float) -> pl.DataFrame:
    """Whether the risk serves every group alike: as ``Cutoff.groups``.

    Parameters
    ----------
    members : pl.DataFrame
        One column a grouping, in the order of ``lost`` and ``risk``. A grouping that is unknown of all is left out.
    lost, risk : array of shape (n_customers,)
        What followed, and what was predicted.
    basis : str
        Whose risk it is.
    high_risk : float
        Risk from which a customer is in the high band. The top decile is that of all customers, not of the group.
    """
    is_high, is_top = (risk >= high_risk).astype(np.float64), among_riskiest(risk, share=TOP_SHARE)
    rows = []
    for column in members.iter_columns():
        values = column.unique().sort().to_list()
        for value in values if values != [UNKNOWN] else []:
            inside = (column == value).to_numpy()
            judged = _group(lost[inside], risk[inside], is_high[inside], is_top[inside])
            rows.append((basis, column.name, value, int(inside.sum()), int(lost[inside].sum()), *judged))
    return pl.DataFrame(rows, schema=GROUPS_SCHEMA, orient="row").with_columns(cs.float().fill_nan(None))


def _group(lost: Flags, risk: Floats, is_high: Floats, is_top: Floats) -> tuple[bool | float | None, ...]:
    """is_judged and the measures of one group, null where it is too small to be judged."""
    if len(lost) < FEWEST_CUSTOMERS or lost.sum() < FEWEST_LOST:
        return False, *[None] * 6
    missed = missed_share(lost, is_high), missed_share(lost, is_top)
    return (
        True,
        float(risk.mean()),
        float(lost.mean()),
        auc(lost, risk).value,
        float(((risk - lost) ** 2).mean()),
        *missed,
    )


def _curves(curve: Callable[[Flags, Floats], pl.DataFrame], lost: Flags, risks: Mapping[str, Floats]) -> pl.DataFrame:
    return pl.concat(curve(lost, risk).select(pl.lit(basis).alias("basis"), pl.all()) for basis, risk in risks.items())


def _not_judged(customers: int) -> tuple[Note, ...]:
    if not customers:
        return ()
    return (
        Note(
            f"{customers} customers are not judged: their first order was delivered only after the cut-off.",
            f"{customers} 名客户未参与评估：其首笔订单在截止日之后才送达。",
        ),
    )


def pooled(cutoffs: Sequence[Cutoff]) -> pl.DataFrame:
    """Means over cut-offs: basis, metric, value, cutoffs (how many the mean is of).

    Label windows of months in a row overlap, so that the cut-offs are no independent trials.
    """
    everything = pl.concat(cutoff.measures for cutoff in cutoffs).drop_nulls("value")
    return everything.group_by("basis", "metric", maintain_order=True).agg(
        pl.col("value").mean(), cutoffs=pl.len().cast(pl.Int64)
    )
