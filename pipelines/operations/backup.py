"""Backup: the warehouse, the published database, the models and the record of runs, together and verified.

Belongs here: what a backup holds, making one while nobody else writes, and removing old ones.
Must not be here: the list of its files (see ``backup_manifest``) or bringing one back (see ``restoring``).

A backup gets its name when every byte of it is on disk and has been read back; before that it is a hidden folder that
the next backup removes. The register ``meta.backups`` says where copies of persons' data lie.
"""

import fcntl
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pipelines.errors import BusyError, UserError
from pipelines.operations.backup_manifest import facts, verified, write_manifest
from pipelines.operations.run_records import record_folder
from pipelines.settings import Settings
from pipelines.storage.durable_files import sync
from pipelines.storage.migrations import version as schema_version
from pipelines.warehouse import Warehouse

PREFIX = "indirect-trust-"
FILE_FORMAT = "latest"
"""Of the copied warehouse: that of the DuckDB which made it."""

COPY = ".backup.duckdb.building"
"""In the warehouse folder, by the name of unfinished files: a night clears away what a killed backup left."""

TREES = ("models", "reports")
FILES = ("bi.duckdb", "tombstone.key")

_BACKUPS = "create table if not exists meta.backups (path varchar, made_at timestamp)"


@dataclass(frozen=True)
class Backup:
    """A backup that was made.

    Parameters
    ----------
    path : Path
        Its folder.
    bytes : int
        Its size.
    as_of : date or None
        The newest night in it.
    removed : tuple of Path
        Old backups that were removed.
    """

    path: Path
    bytes: int
    as_of: date | None
    removed: tuple[Path, ...]


def back_up(settings: Settings, target: Path, keep: int | None = None) -> Backup:
    """Make a backup below a folder, verify it, and keep only the newest ones of this warehouse.

    Parameters
    ----------
    settings : Settings
        Names the warehouse, and how long to wait for it.
    target : Path
        The folder of backups; it is made where it does not exist.
    keep : int or None
        How many backups of this warehouse to keep there, this one included; None: all.

    Raises
    ------
    UserError
        If there is no warehouse, the target lies inside it, cannot be written, or what was written does not read back.
    BusyError
        If another process uses the warehouse or makes a backup there.
    """
    target = target.absolute()
    if not (settings.warehouse / "warehouse.duckdb").is_file():
        raise UserError(f"{settings.warehouse}: there is no warehouse to back up; run 'trust run' first")
    if target.resolve().is_relative_to(settings.warehouse.resolve()):
        raise UserError(f"{target}: lies inside the warehouse; choose a folder outside, best on another disk")
    try:
        target.mkdir(parents=True, exist_ok=True, mode=0o700)
        with _alone(target), Warehouse(settings) as warehouse:
            _remove_unfinished(target)
            final = _written(warehouse, target)
            removed = () if keep is None else _remove_old(warehouse, target, keep)
            return Backup(final, _size(final), _newest(warehouse), removed)
    except OSError as error:
        raise UserError(
            f"{target}: the backup could not be written ({error.strerror}); the warehouse and older backups are as"
            " they were; free space or choose another folder"
        ) from error


def register(warehouse: Warehouse, path: str, made_at: datetime) -> None:
    """Let a warehouse know of a backup, once."""
    warehouse.run(_BACKUPS)
    known = "where ? not in (select path from meta.backups)"
    warehouse.run(f"insert into meta.backups select ?, ? {known}", (path, made_at, path))


def registered(warehouse: Warehouse) -> list[tuple[str, datetime]]:
    """Where backups of a warehouse lie, and from when, as far as it knows; the oldest first."""
    if not warehouse.has_table("meta.backups"):
        return []
    return [(path, made_at) for path, made_at in warehouse.run("select path, made_at from meta.backups order by all")]


def _written(warehouse: Warehouse, target: Path) -> Path:
    """Write, verify and name a backup. It is registered first: better a name too many than a copy nobody knows of."""
    made_at = datetime.now(UTC).replace(tzinfo=None)
    final = target / f"{PREFIX}{made_at:%Y%m%dT%H%M%S.%f}Z"
    building = target / f".{final.name}.building"
    _forget_vanished(warehouse, target)
    register(warehouse, str(final), made_at)
    try:
        building.mkdir(mode=0o700)
        tables = _copy_all(warehouse, building)
        write_manifest(building, _facts(warehouse, made_at, tables))
        verified(building)
        building.rename(final)
        sync(target)
    except BaseException:
        shutil.rmtree(building, ignore_errors=True)
        warehouse.run("delete from meta.backups where path = ?", (str(final),))
        raise
    return final


def _copy_all(warehouse: Warehouse, building: Path) -> dict[str, int]:
    """Copy everything; returns the rows of every table of the warehouse, counted in the copy."""
    folder = warehouse.settings.warehouse
    tables = _copy_warehouse(warehouse, building / "warehouse.duckdb")
    for name in FILES:
        if (folder / name).is_file():
            shutil.copyfile(folder / name, building / name)
    for name in TREES:
        if (folder / name).is_dir():
            shutil.copytree(folder / name, building / name, ignore=shutil.ignore_patterns(".*.building*"))
    record = record_folder()
    if record is not None and record.is_dir():
        _copy_record(record, building / "dagster")
    return tables


def _copy_warehouse(warehouse: Warehouse, goal: Path) -> dict[str, int]:
    """Copy the warehouse through the database, first beside itself: an open warehouse reaches no other folder.

    The file itself is not copied: closing it would give up DuckDB's lock, and it holds remains of deleted rows.
    """
    copy = warehouse.settings.warehouse / COPY
    _remove_copy(copy)
    name = warehouse.value("select current_database()")
    try:
        with warehouse.attached(copy, "copied", FILE_FORMAT):
            warehouse.run(f'copy from database "{name}" to copied')
        file = str(copy).replace("'", "''")
        warehouse.run(f"attach '{file}' as copied (read_only)")
        try:
            held, copied = (_rows(warehouse, database) for database in (name, "copied"))
        finally:
            warehouse.run("detach copied")
        if held != copied:
            table = next(table for table in sorted(held) if held[table] != copied.get(table))
            raise UserError(f"{copy}: the copy of {table} does not have all rows; check the disk and try again")
        shutil.copyfile(copy, goal)
    finally:
        _remove_copy(copy)
    return copied


def _remove_copy(copy: Path) -> None:
    for path in (copy, copy.with_name(copy.name + ".wal")):
        path.unlink(missing_ok=True)


def _rows(warehouse: Warehouse, database: str) -> dict[str, int]:
    tables = warehouse.run(
        "select schema_name, table_name from duckdb_tables() where database_name = ? and not temporary order by all",
        (database,),
    )
    return {
        f"{schema}.{table}": int(warehouse.value(f'select count(*) from "{database}"."{schema}"."{table}"'))
        for schema, table in tables
    }


def _copy_record(record: Path, copy: Path) -> None:
    """Copy Dagster's SQLite files through SQLite, which gives whole states even while its pages and daemon run."""
    for source in sorted(record.rglob("*.db")):
        goal = copy / source.relative_to(record)
        goal.parent.mkdir(parents=True, exist_ok=True)
        try:
            with (
                closing(sqlite3.connect(f"{source.as_uri()}?mode=ro", uri=True, timeout=60)) as held,
                closing(sqlite3.connect(goal)) as copied,
            ):
                held.backup(copied)
        except sqlite3.Error as error:
            goal.unlink(missing_ok=True)
            if source.exists():  # else Dagster has removed the run since
                raise UserError(f"{source}: cannot be backed up ({error}); move it away if it is damaged") from error


def _facts(warehouse: Warehouse, made_at: datetime, tables: dict[str, int]) -> dict[str, Any]:
    return {
        "made_at": f"{made_at.isoformat()}Z",
        "software_version": version("indirect-trust"),
        "schema_version": schema_version(warehouse),
        "as_of": _newest(warehouse),
        "warehouse": str(warehouse.settings.warehouse),
        "tables": tables,
    }


def _newest(warehouse: Warehouse) -> date | None:
    if not warehouse.has_table("scores.nights"):
        return None
    newest: date | None = warehouse.value("select max(as_of) from scores.nights")
    return newest


def _remove_old(warehouse: Warehouse, target: Path, keep: int) -> tuple[Path, ...]:
    """Remove all but the newest backups of this warehouse; those of others, and what cannot be read, are let alone."""
    mine = [path for path in sorted(target.glob(f"{PREFIX}*")) if _is_of(path, warehouse.settings.warehouse)]
    old = tuple(mine[:-keep])
    for path in old:
        removing = target / f".{path.name}.removing"
        path.rename(removing)
        shutil.rmtree(removing)
        path.with_name(f".{path.name}.erasing").unlink(missing_ok=True)
        warehouse.run("delete from meta.backups where path = ?", (str(path),))
    return old


def _is_of(path: Path, warehouse: Path) -> bool:
    told = facts(path)
    return told is not None and told["warehouse"] == str(warehouse)


def _remove_unfinished(target: Path) -> None:
    for ending in ("building", "removing"):
        for path in target.glob(f".{PREFIX}*.{ending}"):
            shutil.rmtree(path)


def _forget_vanished(warehouse: Warehouse, target: Path) -> None:
    for path, _ in registered(warehouse):
        if Path(path).parent == target and not Path(path).exists():
            warehouse.run("delete from meta.backups where path = ?", (path,))


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


@contextmanager
def _alone(target: Path) -> Iterator[None]:
    """No two backups into one folder at once: each removes what is unfinished there."""
    descriptor = os.open(target, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise BusyError(f"{target}: another backup is being made there; wait until it has ended") from error
    finally:
        os.close(descriptor)
