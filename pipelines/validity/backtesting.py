"""The backtest command: reads the warehouse as it is, judges past cut-offs, keeps what came out.

Belongs here: which days, where results are kept, and all of it as JSON.
Must not be here: fitting, judging, measures (see ``trust_models.backtest``), pictures (see ``charts``), what a terminal
shows (see ``backtest_tables``).
"""

import dataclasses
import json
import math
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from typing import Any

import polars as pl

from pipelines.errors import UserError
from pipelines.modelling.scoring_settings import band_limits, scoring_settings
from pipelines.settings import Settings
from pipelines.staging import event_log, restage
from pipelines.validity.charts import draw
from pipelines.warehouse import Warehouse
from trust_models.backtest import FEWEST_CUSTOMERS, FEWEST_LOST, IN_USE, MODEL, Cutoff, backtest, cutoff_days, pooled
from trust_models.leakage import FutureLeakError
from trust_models.trust_backtest import SCORES, asked_trust

FORMAT, FORMAT_VERSION = "indirect-trust/backtest", 1
METHODS = {
    "auc": "95% interval: DeLong, DeLong and Clarke-Pearson 1988, on log-odds",
    "brier": "95% interval: mean over customers plus or minus 1.96 standard errors",
    "log_loss": "95% interval: mean over customers plus or minus 1.96 standard errors",
    "calibration_slope": "Cox 1958, Van Calster et al. 2016; 95% Wald interval",
    "calibration_intercept": "calibration in the large (slope 1); 95% Wald interval",
    "log_loss_difference": "model minus baseline on the same customers; 95% interval of the mean difference",
    "later_failure_auc": "chance that of two customers the one who met a failure had the lower trust; of those whose "
    "experience fell due in the window",
    "later_complaint_auc": "likewise for complaining, of those who ordered in the window",
    "later_loss_auc": "likewise for being lost",
    "asked_trust": "trust surveys answered within a month after a cut-off, all cut-offs together",
    "baselines": "fitted as of the cut-off and calibrated in the same way as the model",
    "pooled": "plain means over cut-offs, whose label windows overlap",
}


def backtested(
    settings: Settings, *, cutoffs: int, as_of: date | None, on_cutoff: Callable[[str], None]
) -> dict[str, Any]:
    """Judge past cut-offs, keep the measures for the next night, and draw the pictures.

    Parameters
    ----------
    settings : Settings
        Names the warehouse, with the staging tables of its last night.
    cutoffs : int
        How many month ends, if history allows.
    as_of : date or None
        The newest day whose knowledge may judge; None: that of the last night.
    on_cutoff : callable
        Told a line after each cut-off.

    Returns
    -------
    dict
        Everything, ready for JSON: no NaN, days as text.

    Raises
    ------
    UserError
        If there was no night yet, history is too short, or a feature knows the future.
    """
    if not (settings.warehouse / "warehouse.duckdb").is_file():
        raise UserError(f"{settings.warehouse}: there is no warehouse; run 'trust run' first")
    with Warehouse(settings) as warehouse:
        known_at = _known_at(warehouse, as_of)
        restage(warehouse, known_at)
        days = _days(warehouse, known_at, cutoffs)
        judged = list(_judged(warehouse, days, known_at, on_cutoff))
        surveys = event_log(warehouse).known(scoring_settings(settings).as_of(known_at)).surveys.collect()
        asked = asked_trust([cutoff.scored for cutoff in judged], surveys)
        _keep(warehouse, judged, asked, known_at)
    told = _told(judged, asked, scoring_settings(settings).horizon_days, known_at, cutoffs)
    folder = settings.warehouse / "reports" / f"backtest-{known_at}"
    told["pictures"] = [str(file) for file in draw(told, folder)]
    return told


def to_json(told: dict[str, Any]) -> str:
    """A backtest as JSON text."""
    return json.dumps(told, ensure_ascii=False, indent=1, allow_nan=False) + "\n"


def _known_at(warehouse: Warehouse, as_of: date | None) -> date:
    if not warehouse.has_table("scores.nights"):
        raise UserError(f"{warehouse.settings.warehouse}: no night has been completed; run 'trust run' first")
    last: date = warehouse.value("select max(as_of) from scores.nights")
    if as_of is not None and as_of > last:
        raise UserError(f"--as-of {as_of}: the last night was that of {last}; run 'trust run --as-of {as_of}' first")
    return as_of or last


def _days(warehouse: Warehouse, known_at: date, cutoffs: int) -> tuple[date, ...]:
    horizon = scoring_settings(warehouse.settings).horizon_days
    first: date = warehouse.value("select min(ordered_date) from staging.orders")
    days = cutoff_days(first_order=first, known_at=known_at, horizon_days=horizon, most=cutoffs)
    if not days:
        raise UserError(
            f"history is too short for a backtest: it needs a month end with {horizon} days to judge after it and, "
            f"before it, another with four weeks of orders before and {horizon} days after, some "
            f"{math.ceil((2 * horizon + 28) / 30) + 1} months in all; orders are known from {first} to {known_at}"
        )
    return days


def _judged(
    warehouse: Warehouse, days: Sequence[date], known_at: date, on_cutoff: Callable[[str], None]
) -> Iterator[Cutoff]:
    settings = scoring_settings(warehouse.settings)
    results = backtest(event_log(warehouse), days, known_at=known_at, settings=settings, high_risk=band_limits()[1])
    try:
        for number, cutoff in enumerate(results, start=1):
            on_cutoff(
                f"  {number}/{len(days)}  {cutoff.day}  {cutoff.customers:>9,} customers  {cutoff.lost:>9,} lost  "
                f"in use: {cutoff.in_use.removeprefix('baseline:')}"
            )
            yield cutoff
    except FutureLeakError as error:
        raise UserError(f"the backtest was stopped: {error}") from error


def _keep(warehouse: Warehouse, judged: Sequence[Cutoff], asked: pl.DataFrame, known_at: date) -> None:
    """Keep measures beside those of trainings, and the table by group, in place of an earlier run of the same day."""
    version = f"backtest.{known_at}"
    rows = pl.concat([*(evaluations(cutoff, version) for cutoff in judged), _asked_rows(asked, known_at, version)])
    warehouse.replace_part("meta.model_evaluations", rows, "model_version = ?", (version,))
    groups = pl.concat(
        cutoff.groups.with_columns(known_at=pl.lit(known_at), cutoff=pl.lit(cutoff.day)) for cutoff in judged
    )
    warehouse.replace_part("meta.backtest_groups", groups, "known_at = ?", (known_at,))


def evaluations(cutoff: Cutoff, version: str) -> pl.DataFrame:
    """Rows of ``meta.model_evaluations``; the bounds of an interval are metrics of their own (``_low``, ``_high``)."""
    churn = cutoff.measures.select("basis", "metric", "value", "low", "high", model=pl.lit("churn"))
    trust = cutoff.trust.select(
        pl.col("estimator").alias("basis"),
        pl.concat_str("outcome", "metric", separator="_").alias("metric"),
        "value",
        "low",
        "high",
        model=pl.lit("trust"),
    )
    return _rows(pl.concat([churn, trust]), cutoff.day, version)


def _asked_rows(asked: pl.DataFrame, known_at: date, version: str) -> pl.DataFrame:
    """The same for the agreement with surveys, of all cut-offs together; nothing where there are too few answers."""
    measures = asked.drop_nulls("value").select(
        pl.col("estimator").alias("basis"),
        pl.concat_str(pl.lit("asked_"), "metric").alias("metric"),
        "value",
        "low",
        "high",
        model=pl.lit("trust"),
    )
    return _rows(measures, known_at, version)


def _rows(measures: pl.DataFrame, day: date, version: str) -> pl.DataFrame:
    columns = ("model", "basis", "metric", "value")
    bounds = [
        measures.drop_nulls(bound).with_columns(pl.col("metric") + f"_{bound}", value=bound).select(columns)
        for bound in ("low", "high")
    ]
    return pl.concat([measures.select(columns), *bounds]).select(
        as_of=pl.lit(day),
        model="model",
        model_version=pl.lit(version),
        estimator="basis",
        is_baseline=~pl.col("basis").is_in((MODEL, IN_USE, *SCORES)),
        metric="metric",
        value="value",
    )


def _told(
    judged: Sequence[Cutoff], asked_of_customers: pl.DataFrame, horizon_days: int, known_at: date, asked: int
) -> dict[str, Any]:
    notes = []
    if len(judged) < asked:
        notes.append(
            {
                "en": f"{asked} cut-offs were asked for; history allows {len(judged)}.",
                "zh": f"要求 {asked} 个截止日；历史数据只够 {len(judged)} 个。",
            }
        )
    if len({cutoff.definition for cutoff in judged}) > 1:
        notes.append(
            {
                "en": "Lost does not mean the same at every cut-off: churn records do not cover the earlier ones.",
                "zh": "各截止日对流失的定义不同：较早的截止日没有流失记录。",
            }
        )
    told = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "as_of": known_at,
        "horizon_days": horizon_days,
        "methods": METHODS,
        "fewest": {"customers": FEWEST_CUSTOMERS, "lost": FEWEST_LOST},
        "notes": notes,
        "cutoffs": [_fields(cutoff) for cutoff in judged],
        "pooled": pooled(judged).rows(named=True),
        "asked_trust": asked_of_customers.rows(named=True),
    }
    plain: dict[str, Any] = _plain(told)
    return plain


def _fields(cutoff: Cutoff) -> dict[str, Any]:
    names = [field.name for field in dataclasses.fields(cutoff) if field.name != "scored"]  # personal
    fields: dict[str, Any] = {name: getattr(cutoff, name) for name in names}
    fields["has_model"] = MODEL in cutoff.measures["basis"]
    fields["notes"] = [{"en": note.text_en, "zh": note.text_zh} for note in cutoff.notes]
    return {
        name: value.rows(named=True) if isinstance(value, pl.DataFrame) else value for name, value in fields.items()
    }


def _plain(value: Any) -> Any:
    """The same without what JSON does not know: days become text, what is not finite becomes null."""
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if isinstance(value, date):
        return value.isoformat()
    return None if isinstance(value, float) and not math.isfinite(value) else value
