"""What Dagster's pages show of a table: description, columns, counts, results of checks.

Belongs here: contracts and findings in Dagster's own shapes. Must not be here: assets.
"""

from collections.abc import Sequence

import dagster as dg

from data_contracts import Contract
from pipelines.checks.findings import Finding


def column_schema(contract: Contract) -> dg.TableSchema:
    """The contract's columns as Dagster shows them."""
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                name=column.name,
                type=column.type,
                description=column.description_en,
                constraints=dg.TableColumnConstraints(nullable=not column.is_required),
                tags={"classification": column.classification},
            )
            for column in contract.loaded
        ]
    )


def asset_metadata(contract: Contract) -> dict[str, object]:
    """Metadata of a contract's asset that does not change from night to night."""
    return {
        "dagster/column_schema": column_schema(contract),
        "key": " + ".join(contract.key),
        "description_zh": contract.description_zh,
    }


def check_result(findings: Sequence[Finding], severity: dg.AssetCheckSeverity) -> dg.AssetCheckResult:
    """The verdict over findings of one severity, with each finding as a row and the failures in words."""
    failed = [finding for finding in findings if not finding.is_passed]
    return dg.AssetCheckResult(
        passed=not failed,
        severity=severity,
        description="; ".join(map(_words, failed[:10])) or f"{len(findings)} promises kept",
        metadata={"results": _table(findings), "promises": len(findings), "failed": len(failed)},
    )


def _words(finding: Finding) -> str:
    """A broken promise in words, with the table and the rows where the words do not name them."""
    place = "" if finding.table_name in finding.text_en else f"{finding.table_name}: "
    is_row_rule = finding.failed_rows is not None and finding.checked_rows is not None
    rows = f" ({finding.failed_rows} of {finding.checked_rows} rows)" if is_row_rule else ""
    return place + finding.text_en + ("" if f"{finding.failed_rows} of" in finding.text_en else rows)


def _table(findings: Sequence[Finding]) -> dg.TableMetadataValue:
    records = [
        dg.TableRecord(
            {
                "check": finding.check_name,
                "passed": finding.is_passed,
                "promise": finding.text_en,
                "failed_rows": finding.failed_rows if finding.failed_rows is not None else "",
                "observed": (finding.observed or "")[:120],
            }
        )
        for finding in findings
    ]
    columns = [dg.TableColumn("check"), dg.TableColumn("passed", "bool"), dg.TableColumn("promise")]
    columns += [dg.TableColumn("failed_rows"), dg.TableColumn("observed")]
    return dg.MetadataValue.table(records=records, schema=dg.TableSchema(columns=columns))
