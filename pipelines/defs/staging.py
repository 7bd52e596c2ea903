"""Staging: the event log in versions, one asset a SQL file in ``sql/staging``.

Belongs here: the staging tables as assets. Must not be here: SQL, or anything as of a day.
"""

from datetime import date

import dagster as dg

from pipelines.catalogue import OWNER, check_result, table_metadata
from pipelines.checks.findings import keep
from pipelines.checks.reconciliation import repurchase_findings
from pipelines.partitions import delivery_days
from pipelines.staging import TABLES, description, sources, stage
from pipelines.warehouse import Warehouse


def _asset(table: str) -> dg.AssetsDefinition:
    @dg.asset(
        key=["staging", table],
        group_name="staging",
        deps=[list(source) for source in sources(table)],
        description=description(table),
        kinds={"duckdb", "sql"},
        owners=[OWNER],
        metadata=table_metadata("staging", table),
        partitions_def=delivery_days,
    )
    def staging(
        context: dg.AssetExecutionContext, warehouse: dg.ResourceParam[Warehouse]
    ) -> dg.MaterializeResult[None]:
        rows = stage(warehouse, table, date.fromisoformat(context.partition_key))
        return dg.MaterializeResult(metadata={"dagster/row_count": rows})

    return staging


@dg.asset_check(
    asset=["staging", "repurchases"],
    name="reconciliation",
    partitions_def=delivery_days,
    description="The company's own feed of repurchases says what its purchases say. It warns, it never stops.",
)
def reconciliation(
    context: dg.AssetCheckExecutionContext, warehouse: dg.ResourceParam[Warehouse]
) -> dg.AssetCheckResult:
    as_of = date.fromisoformat(context.partition_key)
    found = repurchase_findings(warehouse, as_of)
    keep(warehouse, as_of, "reconciliation", "repurchases", found)
    return check_result(found, dg.AssetCheckSeverity.WARN)


assets = [_asset(table) for table in TABLES]
