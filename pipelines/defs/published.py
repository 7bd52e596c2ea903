"""Published: the database that BI tools read, moved into place whole once every check before it has passed; the report.

Belongs here: the assets that people outside the pipeline see. Must not be here: what they hold.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import dagster as dg

from data_contracts import published_contracts
from pipelines.bi.publishing import publish
from pipelines.catalogue import OWNER, warned
from pipelines.checks.findings import one_line
from pipelines.partitions import delivery_days
from pipelines.report.making import make_reports
from pipelines.warehouse import Warehouse

Results = Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]

REPORT = dg.AssetKey(["published", "report"])


@dg.asset(
    key=["published", "bi"],
    group_name="published",
    deps=[["marts", contract.name] for contract in published_contracts()],
    description=(
        "The published database bi.duckdb: every mart of the newest night, with comments in English and Chinese."
        " Readers see the old file or the new one, never anything between; a failed night leaves the old one."
    ),
    kinds={"duckdb"},
    owners=[OWNER],
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


@dg.asset(
    key=REPORT,
    group_name="published",
    deps=[bi],
    check_specs=[dg.AssetCheckSpec("written", asset=REPORT, description="The report could be written. It warns.")],
    description=(
        "The report of the newest night for people who read, made of the published database alone: WAREHOUSE/reports,"
        " one HTML file in English and one in Chinese. A report that cannot be written leaves the night published."
    ),
    kinds={"html"},
    owners=[OWNER],
    partitions_def=delivery_days,
)
def report(warehouse: dg.ResourceParam[Warehouse]) -> Results:
    problem, files = None, []
    try:
        files = make_reports(warehouse.settings, datetime.now(UTC), warehouse.settings.report_languages)
    except Exception as error:  # the night is published: a report that could not be written is a warning
        problem = one_line(f"the report was not written: {error}; mend that and run 'trust report'")[:300]
    yield dg.MaterializeResult(metadata={file.name: dg.MetadataValue.path(file) for file in files})
    yield warned(REPORT, "written", problem)
