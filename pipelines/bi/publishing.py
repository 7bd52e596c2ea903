"""Publishing: the BI database, built beside the old one and moved over it whole.

Belongs here: copying the marts into a file that older DuckDB clients can read, with comments; reading it back before
anybody else can; moving it into place durably and at once.
Must not be here: what the marts hold (see ``sql/marts``) or whether they may be published (see ``contract_checks``).
"""

from datetime import date
from pathlib import Path

from data_contracts import Contract
from data_contracts.sql import comments, create_table
from pipelines.bi import growing, history
from pipelines.errors import UserError
from pipelines.storage.durable_files import move_durably
from pipelines.storage.private_files import share
from pipelines.warehouse import Warehouse

STORAGE_VERSION = "v1.0.0"
"""DuckDB's file format of 2024: every 1.x driver of a BI tool reads it."""

OF_OTHER_DAYS = ("model_quality",)
"""Tables whose days are not those of nights: models are judged on days that lie back."""


def publish(warehouse: Warehouse, contracts: tuple[Contract, ...], target: Path) -> dict[str, int]:
    """Publish the marts of the contracts as ``target``; returns the rows of each table.

    Readers see the old file until the new one is complete, read back and on disk, then the new one; never anything
    between. Where this fails the old file stands and nothing is left beside it. Where only days came to the history
    the new file begins as a copy of the old one.

    Raises
    ------
    UserError
        If the file that was built does not hold just what the marts hold, or its tables tell of different days.
    """
    building = target.with_name(f".{target.name}.building")
    _remove(building)
    try:
        is_grown = growing.begin(warehouse, contracts, target, building)
        with warehouse.attached(building, "published", STORAGE_VERSION):
            if is_grown:
                growing.keep_history_only(warehouse, "published")
            with warehouse.transaction():  # each commit waits for the disk, and there would be one a comment
                for contract in contracts:
                    _make(warehouse, contract)
            for contract in contracts:
                _copy(warehouse, contract)
        rows = _verified(warehouse, contracts, building)
        growing.note(warehouse, contracts, building)
        share(building, warehouse.settings)
        move_durably(building, target)
    finally:
        _remove(building)
    return rows


def _make(warehouse: Warehouse, contract: Contract) -> None:
    warehouse.run(create_table(contract, "published.main", {}))
    for comment in comments(contract, f"published.main.{contract.name}"):
        warehouse.run(comment)


def _copy(warehouse: Warehouse, contract: Contract) -> None:
    """Copy the rows of a mart; of the history those of days that the file does not hold."""
    name = f"published.main.{contract.name}"
    is_new = f"as_of > coalesce((select max(as_of) from {name}), date '-infinity')"
    wanted = f" where {is_new}" if contract.name == history.NAME else ""
    warehouse.run(f"insert into {name} by name select {_columns(contract)} from marts.{contract.name}{wanted}")


def _verified(warehouse: Warehouse, contracts: tuple[Contract, ...], building: Path) -> dict[str, int]:
    """Read the built file back: every row of every mart, and one day in all tables of the night."""
    file = str(building).replace("'", "''")
    warehouse.run(f"attach '{file}' as built (read_only)")
    try:
        rows = {contract.name: _same_rows(warehouse, contract) for contract in contracts}
        _refuse_torn(warehouse, contracts)
    finally:
        warehouse.run("detach built")
    return rows


def _same_rows(warehouse: Warehouse, contract: Contract) -> int:
    content = f"select count(*), sum(hash({_columns(contract)})) from"
    made = warehouse.run(f"{content} marts.{contract.name}")[0]
    built = warehouse.run(f"{content} built.main.{contract.name}")[0]
    if built != made:
        raise UserError(
            f"bi.duckdb: the new {contract.name} does not hold what the night made ({built[0]:,} rows read back,"
            f" {made[0]:,} made); what was published before stands; check the disk and run the night again"
        )
    return int(made[0])


def _refuse_torn(warehouse: Warehouse, contracts: tuple[Contract, ...]) -> None:
    """The newest day of every table is the same: that of the night."""
    days: dict[date, str] = {}
    for contract in contracts:
        if _has_day(contract) and contract.name not in OF_OTHER_DAYS:
            newest: date | None = warehouse.value(f"select max(as_of) from built.main.{contract.name}")
            days |= {} if newest is None else {newest: contract.name}
    if len(days) > 1:
        told = ", ".join(f"{name} of {day}" for day, name in sorted(days.items()))
        raise UserError(
            f"bi.duckdb: the new tables tell of different days ({told});"
            " what was published before stands; run the newest night again"
        )


def _has_day(contract: Contract) -> bool:
    return any(column.name == "as_of" for column in contract.columns)


def _columns(contract: Contract) -> str:
    return ", ".join(f'"{column.name}"' for column in contract.columns)


def _remove(building: Path) -> None:
    for path in (building, building.with_name(building.name + ".wal")):
        path.unlink(missing_ok=True)
