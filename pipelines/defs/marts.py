"""Marts: the tables that are published, one asset and one blocking contract check a SQL file in ``sql/marts``.

Belongs here: the published tables as assets and their checks. Must not be here: SQL, or the published file itself.
"""

from datetime import date

import dagster as dg

from data_contracts import Contract, published_contracts
from pipelines.bi.marts import make
from pipelines.catalogue import asset_metadata, check_result
from pipelines.checks.contract_checks import verify_made
from pipelines.checks.findings import keep
from pipelines.partitions import delivery_days
from pipelines.sql_files import header, tables_read
from pipelines.warehouse import Warehouse

LAST = "data_quality"
"""The account of all checks is made when every other mart has been checked."""


def _asset(contract: Contract) -> dg.AssetsDefinition:
    others = [["marts", other.name] for other in published_contracts() if other.name != LAST]
    read = [[schema, table] for schema, table in tables_read(f"marts/{contract.name}.sql") if schema == "marts"]

    @dg.asset(
        key=["marts", contract.name],
        group_name="marts",
        deps=others if contract.name == LAST else [["scores", "customer_days"], *read],
        description=f"{contract.description_en} {header(f'marts/{contract.name}.sql')}",
        kinds={"duckdb", "sql"},
        owners=[f"team:{contract.owner}"],
        partitions_def=delivery_days,
        metadata=asset_metadata(contract),
    )
    def mart(warehouse: dg.ResourceParam[Warehouse]) -> dg.MaterializeResult[None]:
        return dg.MaterializeResult(metadata={"dagster/row_count": make(warehouse, contract)})

    return mart


def _check(contract: Contract) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset=["marts", contract.name],
        name="contract",
        blocking=True,
        partitions_def=delivery_days,
        description=f"{contract.title_en}: the table keeps its contract before it is published.",
    )
    def check(context: dg.AssetCheckExecutionContext, warehouse: dg.ResourceParam[Warehouse]) -> dg.AssetCheckResult:
        night = date.fromisoformat(context.partition_key)
        findings = verify_made(warehouse, contract, night)
        if contract.name != LAST:
            keep(warehouse, night, "contract", contract.name, findings)
        return check_result(findings, dg.AssetCheckSeverity.ERROR)

    return check


assets = [_asset(contract) for contract in published_contracts()]
checks = [_check(contract) for contract in published_contracts()]
