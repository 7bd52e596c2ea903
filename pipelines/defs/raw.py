"""Raw: what was delivered, one asset and one blocking contract check a source.

Belongs here: the landing sources as assets, and their checks. Must not be here: how a file is read or a row judged.
"""

from datetime import date

import dagster as dg

from data_contracts import Contract, landing_contracts
from pipelines.catalogue import asset_metadata, check_result, refused_rows
from pipelines.checks.contract_checks import verify_delivered
from pipelines.checks.delivery_checks import delivery_findings
from pipelines.checks.findings import keep, kept
from pipelines.ingest.loading import load
from pipelines.partitions import delivery_days
from pipelines.warehouse import Warehouse


def _asset(contract: Contract) -> dg.AssetsDefinition:
    @dg.asset(
        key=["raw", contract.name],
        group_name="raw",
        description=f"{contract.description_en} As delivered and accepted, every delivery kept.",
        kinds={"duckdb", "parquet", "csv"},
        owners=[f"team:{contract.owner}"],
        partitions_def=delivery_days,
        metadata=asset_metadata(contract),
    )
    def raw(context: dg.AssetExecutionContext, warehouse: dg.ResourceParam[Warehouse]) -> dg.MaterializeResult[None]:
        as_of = date.fromisoformat(context.partition_key)
        report = load(warehouse, contract, as_of, context.run_id)
        keep(warehouse, as_of, "delivery", contract.name, delivery_findings(warehouse, contract, report, as_of))
        return dg.MaterializeResult(
            metadata={
                "dagster/row_count": warehouse.value(f"select count(*) from raw.{contract.name}"),
                "days_loaded": report.days,
                "rows_read": report.rows_read,
                "rows_accepted": report.rows_accepted,
                "rows_quarantined": report.rows_quarantined,
            }
        )

    return raw


def _check(contract: Contract) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset=["raw", contract.name],
        name="contract",
        blocking=True,
        partitions_def=delivery_days,
        description=f"{contract.title_en}: every delivery can be read, is accounted for, and keeps its contract; "
        "days that another night found good are not looked at again.",
    )
    def check(context: dg.AssetCheckExecutionContext, warehouse: dg.ResourceParam[Warehouse]) -> dg.AssetCheckResult:
        as_of = date.fromisoformat(context.partition_key)
        delivered = [found for found in kept(warehouse, as_of, "delivery", contract.name) if found.severity == "error"]
        is_empty = not warehouse.value(f"select count(*) from raw.{contract.name}")
        promised = [] if is_empty else verify_delivered(warehouse, contract, as_of)
        keep(warehouse, as_of, "contract", contract.name, promised)
        refused = warehouse.value(f"select count(*) from quarantine.{contract.name}")
        more = refused_rows(contract.name, refused)
        return check_result([*delivered, *promised], dg.AssetCheckSeverity.ERROR, more)

    return check


def _warning(contract: Contract) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset=["raw", contract.name],
        name="drift",
        partitions_def=delivery_days,
        description=f"{contract.title_en}: no unknown columns or files, no late delivery. It warns, it never stops.",
    )
    def check(context: dg.AssetCheckExecutionContext, warehouse: dg.ResourceParam[Warehouse]) -> dg.AssetCheckResult:
        as_of = date.fromisoformat(context.partition_key)
        found = [
            finding for finding in kept(warehouse, as_of, "delivery", contract.name) if finding.severity == "warning"
        ]
        return check_result(found, dg.AssetCheckSeverity.WARN)

    return check


assets = [_asset(contract) for contract in landing_contracts()]
checks = [make(contract) for contract in landing_contracts() for make in (_check, _warning)]
