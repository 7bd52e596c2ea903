"""What Dagster's pages show of a table: description, columns, counts, files behind it, results of checks.

Belongs here: contracts and findings in Dagster's own shapes. Must not be here: assets.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import dagster as dg

from data_contracts import Contract
from pipelines.checks.findings import Finding
from pipelines.sql_files import SQL

OWNER = "team:customer-analytics"
"""Answers for what no contract names an owner of: everything between the sources and the published tables."""

ROOT = Path(__file__).resolve().parent.parent
REFERENCE = ROOT / "docs" / "reference" / "contracts.md"


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


def asset_metadata(contract: Contract) -> dict[str, Any]:
    """Metadata of a contract's asset that does not change from night to night, with the files that say more."""
    schema = "raw" if contract.kind == "landing" else "marts"
    file = ROOT / "data_contracts" / contract.kind / f"{contract.name}.odcs.yaml"
    return {
        "dagster/column_schema": column_schema(contract),
        "key": " + ".join(contract.key),
        "description_zh": contract.description_zh,
        "contract": dg.MetadataValue.path(file),
        "contract_reference": dg.MetadataValue.path(f"{REFERENCE}#{contract.name}"),
        **table_metadata(schema, contract.name),
    }


def table_metadata(schema: str, table: str) -> dict[str, Any]:
    """Where a table of the warehouse lies, and the SQL that makes it where there is such a file."""
    file = SQL / schema / f"{table}.sql"
    told = {"sql": dg.MetadataValue.path(file)} if file.is_file() else {}
    return {"dagster/table_name": f"{schema}.{table}", **told}


def check_result(
    findings: Sequence[Finding], severity: dg.AssetCheckSeverity, more: Mapping[str, Any] | None = None
) -> dg.AssetCheckResult:
    """The verdict over findings of one severity, with each finding as a row, the failures in words, and more to see."""
    failed = [finding for finding in findings if not finding.is_passed]
    kept = "1 promise kept" if len(findings) == 1 else f"{len(findings)} promises kept"
    return dg.AssetCheckResult(
        passed=not failed,
        severity=severity,
        description="; ".join(map(_words, failed[:10])) or kept,
        metadata={"results": _table(findings), "promises": len(findings), "failed": len(failed), **(more or {})},
    )


def warned(asset: dg.AssetKey, check: str, problem: str | None) -> dg.AssetCheckResult:
    """The verdict of a step after publishing, which can fail without taking the night back: a problem only warns."""
    return dg.AssetCheckResult(
        asset_key=asset,
        check_name=check,
        passed=problem is None,
        severity=dg.AssetCheckSeverity.WARN,
        description=problem,
    )


def refused_rows(source: str, count: int) -> dict[str, Any]:
    """Where the refused rows of a source are, where there are any."""
    return {"refused_rows": f"{count:,} in quarantine.{source}; see 'trust quarantine show {source}'"} if count else {}


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
