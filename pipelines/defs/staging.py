"""Staging: the event log in versions, one asset a SQL file in ``sql/staging``.

Belongs here: the staging tables as assets. Must not be here: SQL, or anything as of a day.
"""

import dagster as dg

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
        partitions_def=delivery_days,
    )
    def staging(warehouse: dg.ResourceParam[Warehouse]) -> dg.MaterializeResult[None]:
        return dg.MaterializeResult(metadata={"dagster/row_count": stage(warehouse, table)})

    return staging


assets = [_asset(table) for table in TABLES]
