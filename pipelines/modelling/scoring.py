"""Scoring a night: what is known of every customer in, scores, reasons and changes out.

Belongs here: which tables of scores a night writes, all at once. Must not be here: models, features, or Dagster.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import partial
from importlib.metadata import version

import polars as pl

from pipelines.checks.missing import gaps
from pipelines.errors import UserError
from pipelines.ingest.deliveries import fingerprint
from pipelines.modelling.actions import actions
from pipelines.modelling.customer_parts import customer_ranges
from pipelines.modelling.engines import engine_of
from pipelines.modelling.models import ModelsInUse
from pipelines.modelling.scoring_settings import band_limits, change_settings, scoring_settings
from pipelines.modelling.snapshots import COUNTS, DAY_BEFORE, KNOWN, TRIAL_CHANGES, kept_snapshot
from pipelines.modelling.summarising import OUTCOMES
from pipelines.staging import reporting_currency
from pipelines.warehouse import Warehouse, __version__
from trust_models.churn_model import risk_band
from trust_models.day_before import DayBefore
from trust_models.part_work import scores_of
from trust_models.trust_changes import TrustChanges, trust_changes


def score(warehouse: Warehouse, as_of: date, models: ModelsInUse, run_id: str) -> dict[str, int]:
    """Score every customer of the snapshot of a day; returns the rows of each ``scores`` table."""
    is_newest = not warehouse.has_table("scores.nights") or not warehouse.value(
        "select count(*) > 0 from scores.nights where as_of > ?", (as_of,)
    )
    # as a whole: reasons of one day never stand beside scores of another, not even after a kill
    with warehouse.transaction():
        if warehouse.has_table("scores.customer_days"):
            warehouse.run("delete from scores.customer_days where as_of = ? and not is_reconstructed", (as_of,))
        if is_newest:
            for name in ("reasons", "dimensions"):
                warehouse.run(f"drop table if exists scores.{name}")
        for found in _scored(warehouse, models):
            warehouse.append("scores.customer_days", _days(warehouse, as_of, models, found["scores"]))
            if is_newest:
                warehouse.append("scores.reasons", found["reasons"].with_columns(as_of=pl.lit(as_of)))
                warehouse.append("scores.dimensions", found["opinions"].with_columns(as_of=pl.lit(as_of)))
        changes = _changes(warehouse, as_of, models)
        warehouse.replace_part(
            "scores.nights", _night(warehouse, as_of, models, changes, run_id), "as_of = ?", (as_of,)
        )
        if is_newest:
            told = changes.rows.with_columns(as_of=pl.lit(as_of), compared_with=pl.lit(as_of - timedelta(days=1)))
            warehouse.replace("scores.changes", told)
            for name, table in (("trial_counts", COUNTS), ("trial_outcomes", OUTCOMES)):
                warehouse.run(f"create or replace table scores.{name} as from {table}")
            warehouse.replace("meta.actions", actions())
    return _rows(warehouse, as_of)


def _rows(warehouse: Warehouse, as_of: date) -> dict[str, int]:
    tables = ("customer_days", "reasons", "dimensions", "changes", "nights")
    return {name: warehouse.value(f"select count(*) from scores.{name} where as_of = ?", (as_of,)) for name in tables}


def _scored(warehouse: Warehouse, models: ModelsInUse) -> Iterator[dict[str, pl.DataFrame]]:
    """Scores of all customers, a part at a time: the frames of ``CustomerScores``."""
    known = (kept_snapshot(warehouse, some)._asdict() for some in customer_ranges(warehouse, KNOWN["status"]))
    try:
        yield from engine_of(warehouse.settings).map(partial(scores_of, models=models.scoring_models), known)
    except ValueError as error:
        raise UserError(f"churn model {models.churn.version}: {error} ('trust train')") from error


def _days(warehouse: Warehouse, as_of: date, models: ModelsInUse, scores: pl.DataFrame) -> pl.DataFrame:
    """Scores as they are kept: with their day, their models, and what the risk is based on."""
    has_complaints = warehouse.value("select count(*) > 0 from staging.complaints where known_from <= ?", (as_of,))
    is_churned = pl.col("churn_status") == "churned"
    return scores.with_columns(
        as_of=pl.lit(as_of),
        churn_basis=pl.when(is_churned).then(pl.lit("record")).otherwise(pl.lit(models.churn_basis)),
        open_complaints=pl.when(pl.lit(has_complaints)).then("open_complaints"),
        trust_model_version=pl.lit(models.trust.version),
        churn_model_version=pl.lit(models.churn.version),
        is_reconstructed=pl.lit(value=False),
        churn_band=risk_band(pl.col("churn_risk"), limits=band_limits()),
    ).rename({"trust_change": "trust_change_30d"})


def _changes(warehouse: Warehouse, as_of: date, models: ModelsInUse) -> TrustChanges:
    """Whose score moved by more than the noise since the day before, and what moved it."""
    day_before = DayBefore(
        *(warehouse.frame(f"from {table} order by customer_id") for table in (DAY_BEFORE, TRIAL_CHANGES))
    )
    some = f"semi join {DAY_BEFORE} using (customer_id)"
    return trust_changes(
        day_before,
        warehouse.frame(f"from {KNOWN['evidence']} {some}"),
        warehouse.frame(
            "select customer_id, trust_score, trust_status from scores.customer_days"
            f" {some} where as_of = date '{as_of}' and not is_reconstructed"
        ),
        models.trust_estimator,
        half_life_days=models.settings(scoring_settings(warehouse.settings)).trust_half_life_days,
        settings=change_settings(),
    )


def _night(warehouse: Warehouse, as_of: date, models: ModelsInUse, changes: TrustChanges, run_id: str) -> pl.DataFrame:
    """One row: what was scored, when, with which models and settings."""
    customers, with_evidence = warehouse.run(
        "select count(*), count(*) filter (trust_status = 'scored') from scores.customer_days"
        " where as_of = ? and not is_reconstructed",
        (as_of,),
    )[0]
    notes = [*gaps(warehouse, as_of), *models.churn.card["notes"]]
    return pl.DataFrame(
        {
            "as_of": [as_of],
            "run_id": [run_id],
            "scored_at": [datetime.now(UTC).replace(tzinfo=None)],
            "software_version": [version("indirect-trust")],
            "duckdb_version": [__version__],
            "time_zone": [warehouse.settings.time_zone],
            "currency": [reporting_currency(warehouse)],
            "horizon_days": [scoring_settings(warehouse.settings).horizon_days],
            "label_definition": [models.churn.card["definition"]],
            "customers": [customers],
            "customers_with_evidence": [with_evidence],
            "customers_moved_up": [changes.up],
            "customers_moved_down": [changes.down],
            "trust_change_limit": [changes.limit],
            "trust_model_version": [models.trust.version],
            "churn_model_version": [models.churn.version],
            "notes_en": ["; ".join(english for english, _ in notes) or None],
            "notes_zh": ["；".join(chinese for _, chinese in notes) or None],
            "deliveries": [fingerprint(warehouse, as_of)],
        },
        schema_overrides={"notes_en": pl.String, "notes_zh": pl.String, "deliveries": pl.String},
    )
