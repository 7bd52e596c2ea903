"""Scoring a night: tables in, pure calls, tables out.

Belongs here: which tables a night reads and writes. Must not be here: models, features, or Dagster.
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from importlib.metadata import version

import polars as pl

from pipelines.checks.missing import gaps
from pipelines.errors import UserError
from pipelines.ingest.deliveries import fingerprint, view_day
from pipelines.modelling.actions import actions
from pipelines.modelling.model_store import Registered, is_fresh, of_version
from pipelines.modelling.models import ModelsInUse, trust_before
from pipelines.modelling.scoring_settings import band_limits, change_settings, scoring_settings
from pipelines.staging import event_log, reporting_currency, spoke_otherwise, staged_as_of
from pipelines.warehouse import Warehouse, __version__
from trust_models.as_of import EventLog
from trust_models.churn_model import risk_band
from trust_models.day_before import DayBefore, take_day_before
from trust_models.labels import snapshot_days
from trust_models.snapshot import EvidenceSnapshot, ScoringSettings, take_evidence, take_features, take_status
from trust_models.trial_outcomes import trial_outcomes
from trust_models.trust_changes import TrustChanges, trust_changes
from trust_models.trust_reasons import reasons as trust_reasons
from trust_models.trust_scores import TrustProfile, trust_profile

CHANGE_DAYS = 30
REASONS = 3
MOST_MONTHS, MOST_RECONSTRUCTED_ROWS, FEWEST_MONTHS = 12, 500_000, 3
"""Month ends that are scored again after a training: fewer for a large company, whose rows would be many."""


def take_snapshot(warehouse: Warehouse, as_of: date, models: ModelsInUse) -> dict[str, int]:
    """Write what is known of every customer as of a day; returns the rows of each ``features`` table."""
    settings = models.settings(scoring_settings(warehouse.settings))
    log = event_log(warehouse)
    snapshot = take_evidence(log, as_of, settings, models.rhythm)
    before = take_evidence(log, as_of - timedelta(days=CHANGE_DAYS), settings, models.rhythm)
    day_before = _day_before(warehouse, log, snapshot, models)
    tables = {
        "evidence": snapshot.evidence,
        "evidence_before": before.evidence,
        "day_before": day_before.evidence,
        "trial_changes": day_before.changed.with_columns(pl.col("stream").cast(pl.String)),
        "trial_counts": snapshot.counts.with_columns(pl.col("stream").cast(pl.String)),
        "trial_outcomes": trial_outcomes(snapshot.known, as_of=snapshot.as_of, settings=settings.evidence),
        "customer_features": take_features(snapshot, settings),
        "customer_status": take_status(snapshot, settings),
    }
    for name, frame in tables.items():
        warehouse.replace(f"features.{name}", frame)
    return {name: len(frame) for name, frame in tables.items()}


def _day_before(warehouse: Warehouse, log: EventLog, snapshot: EvidenceSnapshot, models: ModelsInUse) -> DayBefore:
    """What was known the day before of those of whom more is known now, as the models of either night read it."""
    now = models.trust_model(scoring_settings(warehouse.settings))
    then = trust_before(warehouse, snapshot.as_of.day, models)
    day = view_day(warehouse, snapshot.as_of.day - timedelta(days=1))
    if not spoke_otherwise(warehouse, day):
        return take_day_before(log, snapshot, now, then)
    with staged_as_of(warehouse, day):
        log_before = event_log(warehouse)
    return take_day_before(log, snapshot, now, then, log_before=log_before)


def score(warehouse: Warehouse, as_of: date, models: ModelsInUse, run_id: str) -> dict[str, int]:
    """Score every customer of the snapshot of a day; returns the rows of each ``scores`` table."""
    profile = _profile(warehouse.table("features.evidence"), models)
    risk, churn_reasons = _explained(warehouse, models)
    days = _customer_days(warehouse, as_of, models, profile.scores, risk)
    reasons = _reasons(warehouse, as_of, models, churn_reasons)
    dimensions = profile.opinions.with_columns(as_of=pl.lit(as_of))
    changes = _changes(warehouse, models, profile.scores)
    told = changes.rows.with_columns(as_of=pl.lit(as_of), compared_with=pl.lit(as_of - timedelta(days=1)))
    night = _night(warehouse, as_of, models, days, changes, run_id)
    # as a whole: reasons of one day never stand beside scores of another, not even after a kill
    with warehouse.transaction():
        warehouse.replace_part("scores.customer_days", days, "as_of = ? and not is_reconstructed", (as_of,))
        warehouse.replace_part("scores.nights", night, "as_of = ?", (as_of,))
        if as_of == warehouse.value("select max(as_of) from scores.nights"):
            warehouse.replace("scores.reasons", reasons)
            warehouse.replace("scores.dimensions", dimensions)
            warehouse.replace("scores.changes", told)
            warehouse.replace("scores.trial_counts", warehouse.table("features.trial_counts"))
            warehouse.replace("scores.trial_outcomes", warehouse.table("features.trial_outcomes"))
            warehouse.replace("meta.actions", actions())
    rows = {"customer_days": days, "reasons": reasons, "dimensions": dimensions, "changes": told, "nights": night}
    return {name: len(frame) for name, frame in rows.items()}


def reconstruct_history(warehouse: Warehouse, models: ModelsInUse, *, is_retrained: bool = True) -> int:
    """Score past month ends again under a newly trained trust model, so that trends exist from day one.

    The rows carry no churn risk: the model has seen what followed those days, and a risk told afterwards is no
    forecast. Rows of a model trained later stay, unless other files belong to its day by now; rows of this very model
    stay too unless it ``is_retrained``, so that a night can finish what one that was killed after its training began.
    Returns the number of rows written.
    """
    trust = models.trust
    days = _month_ends(warehouse, trust.trained_as_of)
    due = _due(warehouse, trust, days, is_retrained=is_retrained)
    if not due:
        return 0
    with staged_as_of(warehouse, view_day(warehouse, trust.trained_as_of)):
        settings = models.settings(scoring_settings(warehouse.settings))
        log = event_log(warehouse)
        return sum(_reconstruct(warehouse, log, day, settings, models) for day in due)


def _month_ends(warehouse: Warehouse, trained: date) -> tuple[date, ...]:
    """The month ends that are told under a model, by what was known on its day."""
    first, customers = warehouse.run(
        "select min(ordered_date), count(distinct customer_id) from staging.orders"
        " where known_from <= $1 and (known_until is null or known_until > $1) and ordered_date <= $1",
        (trained,),
    )[0]
    most = min(MOST_MONTHS, max(FEWEST_MONTHS, MOST_RECONSTRUCTED_ROWS // customers))
    return snapshot_days(first_order=first, known_at=trained, horizon_days=0, most=most)


def _due(warehouse: Warehouse, trust: Registered, days: Sequence[date], *, is_retrained: bool) -> list[date]:
    """The month ends that are not told yet, or under a model that was trained earlier or is out of date."""
    if not warehouse.has_table("scores.customer_days"):
        return list(days)
    held: dict[date, str] = dict(
        warehouse.run(
            "select as_of, any_value(trust_model_version) from scores.customer_days where is_reconstructed group by all"
        )
    )
    newer = {version for version in set(held.values()) if _is_newer(warehouse, version, trust)}
    kept = newer if is_retrained else newer | {trust.version}
    return [day for day in days if held.get(day) not in kept]


def _is_newer(warehouse: Warehouse, version: str, trust: Registered) -> bool:
    other = of_version(warehouse, "trust", version)
    return other is not None and other.trained_as_of > trust.trained_as_of and is_fresh(warehouse, other)


def _reconstruct(warehouse: Warehouse, log: EventLog, day: date, settings: ScoringSettings, models: ModelsInUse) -> int:
    snapshot = take_evidence(log, day, settings, models.rhythm)
    rows = _profile(snapshot.evidence, models).scores.join(
        take_status(snapshot, settings), on="customer_id", how="left", validate="1:1", maintain_order="left"
    )
    rows = rows.with_columns(
        as_of=pl.lit(day),
        open_complaints=pl.lit(None, pl.Int64),
        trust_change_30d=pl.lit(None, pl.Float64),
        churn_risk=pl.lit(None, pl.Float64),
        churn_basis=pl.lit(None, pl.String),
        trust_model_version=pl.lit(models.trust.version),
        churn_model_version=pl.lit(None, pl.String),
        churn_band=pl.lit(None, pl.String),
        is_reconstructed=pl.lit(value=True),
    )
    warehouse.replace_part("scores.customer_days", rows, "as_of = ? and is_reconstructed", (day,))
    return len(rows)


def _customer_days(
    warehouse: Warehouse, as_of: date, models: ModelsInUse, trust: pl.DataFrame, risk: pl.DataFrame
) -> pl.DataFrame:
    before = warehouse.table("features.evidence_before")
    change = before.select("customer_id").with_columns(trust_score_before=models.trust_estimator.scores(before))
    status = warehouse.table("features.customer_status")
    is_churned = pl.col("churn_status") == "churned"
    has_complaints = warehouse.value("select count(*) > 0 from staging.complaints where known_from <= ?", (as_of,))
    return (
        trust.join(status, on="customer_id", how="left", validate="1:1")
        .join(risk, on="customer_id", how="left", validate="1:1")
        .join(change, on="customer_id", how="left", validate="1:1")
        .with_columns(
            as_of=pl.lit(as_of),
            trust_change_30d=pl.col("trust_score") - pl.col("trust_score_before"),
            churn_risk=pl.when(is_churned).then(1.0).otherwise("churn_risk"),
            churn_basis=pl.when(is_churned).then(pl.lit("record")).otherwise(pl.lit(models.churn_basis)),
            open_complaints=pl.when(pl.lit(has_complaints)).then("open_complaints"),
            trust_model_version=pl.lit(models.trust.version),
            churn_model_version=pl.lit(models.churn.version),
            is_reconstructed=pl.lit(value=False),
        )
        .with_columns(churn_band=risk_band(pl.col("churn_risk"), limits=band_limits()))
        .drop("trust_score_before")
        .sort("customer_id")
    )


def _profile(evidence: pl.DataFrame, models: ModelsInUse) -> TrustProfile:
    return trust_profile(evidence, models.trust_estimator, models.experience_estimator)


def _explained(warehouse: Warehouse, models: ModelsInUse) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Churn risk of every customer, and its reasons."""
    features = warehouse.table("features.customer_features").sort("customer_id")
    try:
        risk, reasons = models.churn_model.explained(features, top=REASONS)
    except ValueError as error:
        raise UserError(f"churn model {models.churn.version}: {error} ('trust train')") from error
    return features.select("customer_id").with_columns(churn_risk=risk), reasons


def _reasons(warehouse: Warehouse, as_of: date, models: ModelsInUse, churn_reasons: pl.DataFrame) -> pl.DataFrame:
    evidence = warehouse.table("features.evidence").sort("customer_id")
    counts = warehouse.table("features.trial_counts")
    told = {
        "trust": trust_reasons(evidence, counts, models.trust_estimator, most=REASONS),
        "churn": churn_reasons,
    }
    return pl.concat(
        frame.with_columns(as_of=pl.lit(as_of), score=pl.lit(score)) for score, frame in told.items()
    ).select("customer_id", "as_of", "score", "rank", "driver", "contribution", "text_en", "text_zh")


def _changes(warehouse: Warehouse, models: ModelsInUse, scores: pl.DataFrame) -> TrustChanges:
    """Whose score moved by more than the noise since the day before, and what moved it."""
    day_before = DayBefore(warehouse.table("features.day_before"), warehouse.table("features.trial_changes"))
    return trust_changes(
        day_before,
        warehouse.table("features.evidence"),
        scores,
        models.trust_estimator,
        half_life_days=models.settings(scoring_settings(warehouse.settings)).trust_half_life_days,
        settings=change_settings(),
    )


def _night(
    warehouse: Warehouse, as_of: date, models: ModelsInUse, days: pl.DataFrame, changes: TrustChanges, run_id: str
) -> pl.DataFrame:
    """One row: what was scored, when, with which models and settings."""
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
            "customers": [len(days)],
            "customers_with_evidence": [int((days["trust_status"] == "scored").sum())],
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
