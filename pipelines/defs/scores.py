"""Scores: what is known of every customer as of the day, and what the models make of it.

Belongs here: evidence, features and scores as assets, and the check of drift. Must not be here: their meaning (see
``trust_models``).
"""

from collections.abc import Iterator
from datetime import date

import dagster as dg

from pipelines.catalogue import OWNER, check_result, table_metadata
from pipelines.checks.drift import check_drift, headline
from pipelines.checks.findings import keep
from pipelines.checks.kept_summaries import check_kept
from pipelines.ingest.deliveries import history_findings
from pipelines.modelling.models import in_use
from pipelines.modelling.scoring import score
from pipelines.modelling.snapshots import take_snapshot
from pipelines.partitions import delivery_days
from pipelines.pictures import distributions
from pipelines.staging import TABLES
from pipelines.warehouse import Warehouse

Results = Iterator[dg.MaterializeResult[None]]

FEATURES = {
    "customer_summaries": "What features and status are made of, kept from night to night: one row per customer.",
    "stream_summaries": "What evidence is made of, likewise: one row per customer and stream.",
    "customer_summaries_before": "The same thirty days earlier: one row per customer.",
    "stream_summaries_before": "The same thirty days earlier: one row per customer and stream.",
    "touched": "Of whom anything new became known since the day before: one row per customer.",
    "evidence": "What the trials add up to as of the day: one row per customer.",
    "evidence_before": "The same thirty days earlier, for the change of the score: one row per customer.",
    "day_before": "What was known the day before of those of whom more is known now, and of some others.",
    "trial_changes": "What became of trials since the day before: one row per customer and stream.",
    "trial_outcomes": "Trials and failures by product category and channel, one row per stream and pair of them.",
    "customer_features": "What the churn model reads as of the day: one row per customer.",
    "customer_status": "Active, lapsed or churned, and the groups a customer belongs to: one row per customer.",
}
SCORES = {
    "customer_days": "Trust and churn scores, every night kept: one row per customer and as-of day.",
    "reasons": "Why: one row per customer, score and rank, of the newest night.",
    "dimensions": "Trust by dimension, with the opinion behind it: one row per customer and dimension, newest night.",
    "changes": "What moved trust since the day before: one row per customer moved and driver, newest night.",
    "nights": "What was scored when, with which models: one row per as-of day.",
}


@dg.multi_asset(
    specs=[
        dg.AssetSpec(
            ["features", name],
            deps=[["models", "models"], *(["staging", table] for table in TABLES)],
            description=text,
            group_name="features",
            kinds={"polars"},
            owners=[OWNER],
            metadata=table_metadata("features", name),
        )
        for name, text in FEATURES.items()
    ],
    partitions_def=delivery_days,
)
def features(context: dg.AssetExecutionContext, warehouse: dg.ResourceParam[Warehouse]) -> Results:
    as_of = date.fromisoformat(context.partition_key)
    brought = take_snapshot(warehouse, as_of, in_use(warehouse, as_of))
    told: dict[str, int | str] = {"customers_made_anew": brought.made_anew}
    if brought.because:
        told["everybody_because"] = brought.because
    for name in FEATURES:
        rows = {"dagster/row_count": warehouse.value(f"select count(*) from features.{name}")}
        yield dg.MaterializeResult(["features", name], metadata=rows | told if name == "customer_summaries" else rows)


@dg.asset_check(
    asset=["features", "customer_summaries"],
    name="kept",
    blocking=True,
    partitions_def=delivery_days,
    description="What was kept of customers from the night before is, to the last bit, what their events alone say.",
)
def kept(context: dg.AssetCheckExecutionContext, warehouse: dg.ResourceParam[Warehouse]) -> dg.AssetCheckResult:
    as_of = date.fromisoformat(context.partition_key)
    found = check_kept(warehouse, as_of, in_use(warehouse, as_of))
    return check_result([found], dg.AssetCheckSeverity.ERROR)


@dg.multi_asset(
    specs=[
        dg.AssetSpec(
            ["scores", name],
            deps=[["features", table] for table in FEATURES],
            description=text,
            group_name="scores",
            kinds={"scikitlearn"},
            owners=[OWNER],
            metadata=table_metadata("scores", name),
        )
        for name, text in SCORES.items()
    ],
    partitions_def=delivery_days,
)
def scores(context: dg.AssetExecutionContext, warehouse: dg.ResourceParam[Warehouse]) -> Results:
    as_of = date.fromisoformat(context.partition_key)
    rows = score(warehouse, as_of, in_use(warehouse, as_of), context.run_id)
    for name in SCORES:
        seen = distributions(warehouse, as_of) if name == "customer_days" else {}
        yield dg.MaterializeResult(["scores", name], metadata={"dagster/row_count": rows[name], **seen})


@dg.asset_check(
    asset=["scores", "customer_days"],
    name="drift",
    blocking=True,  # at severity WARN it stops nothing; so it ends before the tables that tell of it are made
    partitions_def=delivery_days,
    description="The night is like the training of its models; past predictions came true. It warns, it never stops.",
)
def drift(context: dg.AssetCheckExecutionContext, warehouse: dg.ResourceParam[Warehouse]) -> dg.AssetCheckResult:
    found = check_drift(warehouse, date.fromisoformat(context.partition_key))
    result = check_result(found, dg.AssetCheckSeverity.WARN)
    return dg.AssetCheckResult(
        passed=result.passed, severity=result.severity, description=headline(found), metadata=result.metadata
    )


@dg.asset_check(
    asset=["scores", "nights"],
    name="deliveries",
    blocking=True,  # likewise
    partitions_def=delivery_days,
    description="Every night of the history was scored from all files of its days. It warns, it never stops.",
)
def deliveries(context: dg.AssetCheckExecutionContext, warehouse: dg.ResourceParam[Warehouse]) -> dg.AssetCheckResult:
    found = history_findings(warehouse)
    keep(warehouse, date.fromisoformat(context.partition_key), "deliveries", "customer_scores_history", found)
    return check_result(found, dg.AssetCheckSeverity.WARN)
