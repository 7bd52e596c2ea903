"""Publishing: the BI database, built beside the old one and moved over it whole.

Belongs here: copying the marts into a file that older DuckDB clients can read, with comments, durably and at once.
Must not be here: what the marts hold (see ``sql/marts``) or whether they may be published (see ``contract_checks``).
"""

import os
from pathlib import Path

from data_contracts import Contract
from data_contracts.sql import comments, create_table
from pipelines.warehouse import Warehouse

STORAGE_VERSION = "v1.0.0"
"""DuckDB's file format of 2024: every 1.x driver of a BI tool reads it."""


def publish(warehouse: Warehouse, contracts: tuple[Contract, ...], target: Path) -> dict[str, int]:
    """Publish the marts of the contracts as ``target``; returns the rows of each table.

    Readers see the old file until the new one is complete and on disk, then the new one; never anything between.
    """
    building = target.with_name(f".{target.name}.building")
    _remove(building)
    with warehouse.attached(building, "published", STORAGE_VERSION):
        rows = {contract.name: _copy(warehouse, contract) for contract in contracts}
    _sync(building)
    os.replace(building, target)
    _sync(target.parent)
    _remove(building)
    return rows


def _copy(warehouse: Warehouse, contract: Contract) -> int:
    name = f"published.main.{contract.name}"
    columns = ", ".join(f'"{column.name}"' for column in contract.columns)
    warehouse.run(create_table(contract, "published.main", {}))
    warehouse.run(f"insert into {name} by name select {columns} from marts.{contract.name}")
    for comment in comments(contract, name):
        warehouse.run(comment)
    return int(warehouse.value(f"select count(*) from {name}"))


def _remove(building: Path) -> None:
    for path in (building, building.with_name(building.name + ".wal")):
        path.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
