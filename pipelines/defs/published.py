"""Published: the database that BI tools read, moved into place whole once every check before it has passed.

Belongs here: the one asset that people outside the pipeline see. Must not be here: what its tables hold.
"""

from datetime import timedelta

import dagster as dg

from data_contracts import published_contracts
from pipelines.bi.publishing import publish
from pipelines.partitions import delivery_days
from pipelines.warehouse import Warehouse


@dg.asset(
    key=["published", "bi"],
    group_name="published",
    deps=[["marts", contract.name] for contract in published_contracts()],
    description=(
        "The published database bi.duckdb: every mart of the newest night, with comments in English and Chinese."
        " Readers see the old file or the new one, never anything between; a failed night leaves the old one."
    ),
    kinds={"duckdb"},
    owners=["team:customer-analytics"],
    partitions_def=delivery_days,
    freshness_policy=dg.FreshnessPolicy.time_window(fail_window=timedelta(hours=36), warn_window=timedelta(hours=26)),
)
def bi(warehouse: dg.ResourceParam[Warehouse]) -> dg.MaterializeResult[None]:
    target = warehouse.settings.warehouse / "bi.duckdb"
    rows = publish(warehouse, published_contracts(), target)
    return dg.MaterializeResult(
        metadata={
            "path": dg.MetadataValue.path(target),
            "bytes": target.stat().st_size,
            "dagster/row_count": rows["customer_scores"],
            "tables": len(rows),
        }
    )
