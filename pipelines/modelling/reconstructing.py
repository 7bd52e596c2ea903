"""Past month ends, scored again under a newly trained trust model, so that trends exist from day one.

Belongs here: which days are due, and their rows. Must not be here: scores of nights (``scoring``), or how a customer is
scored.
"""

from collections.abc import Sequence
from datetime import date
from functools import partial

import polars as pl

from pipelines.ingest.deliveries import view_day
from pipelines.modelling.customer_parts import coverage_of, offer_parts, parts
from pipelines.modelling.engines import engine_of
from pipelines.modelling.model_store import Registered, is_fresh, of_version
from pipelines.modelling.models import ModelsInUse
from pipelines.modelling.scoring_settings import scoring_settings
from pipelines.staging import staged_as_of
from pipelines.warehouse import Warehouse
from trust_models.labels import snapshot_days
from trust_models.part_work import past_days_of
from trust_models.trust_scores import TrustEstimators

MOST_MONTHS, MOST_RECONSTRUCTED_ROWS, FEWEST_MONTHS = 12, 500_000, 3
"""Month ends that are scored again after a training: fewer for a large company, whose rows would be many."""


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
    with staged_as_of(warehouse, view_day(warehouse, trust.trained_as_of)), warehouse.transaction():
        return _reconstruct(warehouse, due, models)


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


def _reconstruct(warehouse: Warehouse, days: Sequence[date], models: ModelsInUse) -> int:
    settings = models.settings(scoring_settings(warehouse.settings))
    if warehouse.has_table("scores.customer_days"):
        warehouse.run("delete from scores.customer_days where list_contains(?, as_of) and is_reconstructed", (days,))
    work = partial(
        past_days_of,
        covered={day: coverage_of(warehouse, settings.as_of(day)) for day in days},
        settings=settings,
        rhythm=models.rhythm,
        estimators=TrustEstimators(models.trust_estimator, models.experience_estimator),
    )
    offer_parts(warehouse)
    rows = 0
    for made in engine_of(warehouse.settings).map(work, parts(warehouse)):
        rows += len(made["days"])
        warehouse.append("scores.customer_days", _rows(made["days"], models))
    return rows


def _rows(scored: pl.DataFrame, models: ModelsInUse) -> pl.DataFrame:
    """Scores of past days as they are kept: without a risk, which would have seen what followed."""
    return scored.with_columns(
        open_complaints=pl.lit(None, pl.Int64),
        trust_change_30d=pl.lit(None, pl.Float64),
        churn_risk=pl.lit(None, pl.Float64),
        churn_basis=pl.lit(None, pl.String),
        trust_model_version=pl.lit(models.trust.version),
        churn_model_version=pl.lit(None, pl.String),
        churn_band=pl.lit(None, pl.String),
        is_reconstructed=pl.lit(value=True),
    )
