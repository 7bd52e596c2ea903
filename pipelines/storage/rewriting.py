"""Rewriting: the warehouse file made anew of its own tables, so that deleted rows leave no bytes behind.

Belongs here: the copy, its comparison and the exchange of the files. Must not be here: what is deleted (see
``erasing``), or other copies of the warehouse (see ``backup``).

DuckDB keeps the bytes of deleted rows in its file until it happens to use their place again. Only a new file has none.
"""

from pathlib import Path

from pipelines.errors import UserError
from pipelines.storage.durable_files import move_durably
from pipelines.warehouse import Warehouse

FILE_FORMAT = "latest"
"""That of the DuckDB that writes: nothing but the pipeline reads this file."""


def rewrite(warehouse: Warehouse) -> None:
    """Put a new file with the same tables in the place of the warehouse's. Close the warehouse then, and write no more.

    A kill leaves the old file or the new one, each whole. The old one stays locked until the warehouse is closed.

    Raises
    ------
    UserError
        If the new file does not hold all rows; the old one stays.
    """
    building = warehouse.path.with_name(f".{warehouse.path.name}.building")
    _remove(building)
    held = warehouse.value("select current_database()")
    try:
        with warehouse.attached(building, "rewritten", FILE_FORMAT):
            warehouse.run(f'copy from database "{held}" to rewritten')
            if rows_of(warehouse, held) != rows_of(warehouse, "rewritten"):
                raise UserError(f"{building}: does not hold all rows; the warehouse stays as it is; check the disk")
        warehouse.run("checkpoint")
        if warehouse.path.with_name(warehouse.path.name + ".wal").exists():
            raise UserError(f"{warehouse.path}: has a write-ahead log that cannot be brought in; run the command again")
        building.chmod(warehouse.path.stat().st_mode)
        move_durably(building, warehouse.path)
    finally:
        _remove(building)


def rows_of(warehouse: Warehouse, database: str) -> dict[str, int]:
    """Rows of every table of an attached database, by ``schema.table``."""
    tables = warehouse.run(
        "select schema_name, table_name from duckdb_tables() where database_name = ? and not temporary order by all",
        (database,),
    )
    return {
        f"{schema}.{table}": int(warehouse.value(f'select count(*) from "{database}"."{schema}"."{table}"'))
        for schema, table in tables
    }


def _remove(building: Path) -> None:
    for path in (building, building.with_name(building.name + ".wal")):
        path.unlink(missing_ok=True)
