"""Restoring a backup: verified first, completed beside the warehouse, then put in its place at once.

Belongs here: what may be restored over what, and the exchange. Must not be here: what a backup holds (see ``backup``).

Whoever was erased stays erased: the tombstones of the warehouse that is replaced are taken over, and the persons they
stand for are erased from the restored data before anybody can read it.
"""

import ctypes
import errno
import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from pipelines.errors import BusyError, UserError
from pipelines.operations.backup import FILES, TREES, register, registered
from pipelines.operations.backup_manifest import refuse_damaged, verified
from pipelines.operations.run_records import record_folder
from pipelines.privacy.erasing import erase_entombed
from pipelines.privacy.pseudonyms import keep_key_check, key_check, known_key_check
from pipelines.privacy.tombstones import KEY_FILE, are_there, key_for_erasing, write_key
from pipelines.settings import Settings
from pipelines.storage.durable_files import sync
from pipelines.storage.migrations import STEPS
from pipelines.storage.private_files import tighten
from pipelines.warehouse import Warehouse

_CURRENT_FOLDER, _EXCHANGE = -100, 2
"""AT_FDCWD and RENAME_EXCHANGE of Linux."""

_NO_EXCHANGE = (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP)


@dataclass(frozen=True)
class Restored:
    """What was restored.

    Parameters
    ----------
    warehouse : Path
        The folder that now holds it.
    as_of : str or None
        The newest night in it.
    made_at : str
        When the backup was made.
    erased : int
        Persons of the backup who had been erased since, and were erased from what was restored.
    is_record_restored : bool
        Whether Dagster's record of runs came back too: only where there is none.
    """

    warehouse: Path
    as_of: str | None
    made_at: str
    erased: int
    is_record_restored: bool


@dataclass(frozen=True)
class _Memory:
    """What the warehouse that is replaced knows and a backup may not: who was erased, and where copies lie."""

    key: bytes | None = None
    key_check: str | None = None
    tombstones: tuple[tuple[Any, ...], ...] = ()
    backups: tuple[tuple[str, datetime], ...] = ()


def restore(settings: Settings, backup: Path, *, is_overwrite: bool = False) -> Restored:
    """Put a backup in the place of a warehouse folder; what was there before is gone afterwards.

    Raises
    ------
    UserError
        If the backup is damaged or of a later version, the folder is not empty and was not to be overwritten, or who
        was erased cannot be told. Then everything is as it was.
    BusyError
        If another process uses the warehouse.
    """
    backup, target = backup.absolute(), settings.warehouse
    told = verified(backup)
    if told["schema_version"] > max(STEPS):
        raise UserError(f"{backup}: was made by a later version ({told['software_version']}); install that version")
    if backup.resolve().is_relative_to(target.resolve()):
        raise UserError(f"{backup}: lies inside the folder that it would replace; move it elsewhere")
    if target.is_dir() and any(target.iterdir()) and not is_overwrite:
        raise UserError(f"{target}: is not empty; name another --warehouse, or replace all that is in it: --overwrite")
    memory = _remembered(settings, backup)
    building = target.with_name(f".{target.name}.restoring")
    try:
        _copy(backup, told, building)
        erased = _take_over(replace(settings, warehouse=building), memory)
        with _held(target / "warehouse.duckdb"):
            _put_in_place(building, target)
        is_record_restored = _restore_record(backup / "dagster")
    except OSError as error:
        raise UserError(f"{target}: cannot be replaced ({error.strerror}); check the rights and the disk") from error
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return Restored(target, told["as_of"], told["made_at"], erased, is_record_restored)


def render(restored: Restored) -> str:
    """What was restored, as lines for a terminal."""
    lines = [f"restored {restored.warehouse}, as of {restored.as_of}, from the backup of {restored.made_at}"]
    if restored.erased:
        lines.append(f"erased again: {restored.erased} persons who had been erased since")
    if not restored.is_record_restored:
        lines.append("Dagster's record of runs was left as it is")
    return "\n".join(lines)


def _remembered(settings: Settings, backup: Path) -> _Memory:
    if not (settings.warehouse / "warehouse.duckdb").is_file():
        return _Memory()
    try:
        with Warehouse(settings) as live:
            memory = _memory_of(live)
    except BusyError:
        raise
    except UserError as error:
        raise UserError(
            f"{settings.warehouse}: who was erased cannot be read ({error}); move the folder away, restore, and run"
            " 'trust erase' again for everybody who was erased since the backup"
        ) from error
    key = backup / KEY_FILE
    if memory.key is not None and key.is_file() and key.read_text(encoding="ascii").strip() != memory.key.hex():
        raise UserError(
            f"{key}: is not the key of the erased persons in {settings.warehouse}, so they cannot be told apart; move"
            " that folder away, restore, and run 'trust erase' again for everybody who was erased since the backup"
        )
    return memory


def _memory_of(live: Warehouse) -> _Memory:
    backups = tuple(registered(live))
    if not are_there(live):
        return _Memory(backups=backups)
    key = key_for_erasing(live)
    erased = tuple(live.run("select tombstone, erased_at from meta.erased order by all"))
    return _Memory(key, key_check("tombstone", key), erased, backups)


def _copy(backup: Path, told: dict[str, Any], building: Path) -> None:
    """Copy what belongs into the warehouse folder, and read it back."""
    if building.exists():
        shutil.rmtree(building)
    building.mkdir(parents=True, mode=0o700)
    for name in ("warehouse.duckdb", *FILES):
        if (backup / name).is_file():
            shutil.copyfile(backup / name, building / name)
    for name in TREES:
        if (backup / name).is_dir():
            shutil.copytree(backup / name, building / name)
    refuse_damaged(building, {name: told["files"][name] for name in told["files"] if not name.startswith("dagster/")})
    for path in (*building.rglob("*"), building):
        sync(path)


def _take_over(settings: Settings, memory: _Memory) -> int:
    """Give the restored warehouse what the one before knew; returns how many persons had to be erased from it."""
    key = settings.warehouse / KEY_FILE
    if memory.key is not None and not key.exists():
        write_key(key, memory.key)
    if memory.tombstones or memory.backups:
        with Warehouse(settings) as warehouse, warehouse.transaction():
            for path, made_at in memory.backups:
                register(warehouse, path, made_at)
            _entomb(warehouse, memory)
    erased = erase_entombed(settings) if memory.tombstones else 0
    tighten(settings)
    return erased


def _entomb(warehouse: Warehouse, memory: _Memory) -> None:
    """Set up the tombstones of another warehouse, each with its own day."""
    if not memory.tombstones:
        return
    warehouse.run("create table if not exists meta.erased (tombstone varchar, erased_at date)")
    if known_key_check(warehouse, "tombstone") is None:
        keep_key_check(warehouse, "tombstone", memory.key_check)
    for tombstone, erased_at in memory.tombstones:
        unknown = "where ? not in (select tombstone from meta.erased)"
        warehouse.run(f"insert into meta.erased select ?, ? {unknown}", (tombstone, erased_at, tombstone))


def _restore_record(held: Path) -> bool:
    """Put Dagster's record back where there is none: pages that run must not have theirs replaced under them."""
    record = record_folder()
    if record is None or not held.is_dir() or record.exists():
        return False
    building = record.with_name(f".{record.name}.restoring")
    shutil.rmtree(building, ignore_errors=True)
    shutil.copytree(held, building)
    building.rename(record)
    return True


@contextmanager
def _held(file: Path) -> Iterator[None]:
    """Keep every other process out of a warehouse file with the lock that DuckDB itself takes (POSIX record locks)."""
    if not file.is_file():
        yield
        return
    with file.open("rb+") as held:
        try:
            fcntl.lockf(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError) as error:
            raise BusyError(f"{file}: another process is using the warehouse; wait until it has ended") from error
        yield


def _put_in_place(building: Path, target: Path) -> None:
    """Exchange two folders, or give the finished one its name where there is nothing to exchange it with."""
    if target.is_dir() and any(target.iterdir()):
        _exchange(building, target)
    else:
        building.rename(target)
    sync(target.parent)


def _exchange(building: Path, target: Path) -> None:
    """Exchange two folders in one step, so that a kill leaves one or the other; where the system cannot, in two."""
    library = ctypes.CDLL(None, use_errno=True)
    if hasattr(library, "renameat2"):
        names = os.fsencode(building), os.fsencode(target)
        if library.renameat2(_CURRENT_FOLDER, names[0], _CURRENT_FOLDER, names[1], _EXCHANGE) == 0:
            return
        if ctypes.get_errno() not in _NO_EXCHANGE:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    replaced = target.with_name(f".{target.name}.replaced")
    shutil.rmtree(replaced, ignore_errors=True)
    target.rename(replaced)
    building.rename(target)
    shutil.rmtree(replaced)
