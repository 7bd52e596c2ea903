"""Tombstones: what is left of an erased person, just enough that an old file does not bring the person back.

Belongs here: the key file, the table ``meta.erased`` and its SQL function. Must not be here: erasing (see ``erasing``).

A tombstone is HMAC-SHA-256 of the id that the warehouse kept, under a random key that lies beside the warehouse. It
tells the loader "this one", and nobody who it was. Without the key the tombstones are blind, so a lost key is refused.
"""

import os
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from pipelines.errors import UserError
from pipelines.privacy.pseudonyms import keep_key_check, key_check, keyed_hash, known_key_check, offer_keyed_hash
from pipelines.warehouse import Warehouse

KEY_FILE = "tombstone.key"

_ERASED = "create table if not exists meta.erased (tombstone varchar, erased_at date)"
_KEY_BYTES = 32


def are_there(warehouse: Warehouse) -> bool:
    """Whether persons were erased from this warehouse."""
    return warehouse.has_table("meta.erased") and bool(warehouse.value("select count(*) > 0 from meta.erased"))


def offer_tombstone(warehouse: Warehouse) -> bool:
    """Give SQL ``tombstone(id)`` and the list variable ``erased``; returns whether anybody was erased.

    Raises
    ------
    UserError
        If there are tombstones, and their key is lost or is another one.
    """
    if not are_there(warehouse):
        return False
    offer_keyed_hash(warehouse, "tombstone", _known_key(warehouse))
    warehouse.run("set variable erased = (select list(tombstone) from meta.erased)")
    return True


def has_tombstone(warehouse: Warehouse, stored_id: str) -> bool:
    """Whether a person was erased before."""
    if not are_there(warehouse):
        return False
    tombstone = keyed_hash(_known_key(warehouse), stored_id)
    return bool(warehouse.value("select count(*) > 0 from meta.erased where tombstone = ?", (tombstone,)))


def key_for_erasing(warehouse: Warehouse) -> bytes:
    """The key, made if nobody was erased yet; it is on disk before it is used."""
    if are_there(warehouse):
        return _known_key(warehouse)
    path = warehouse.settings.warehouse / KEY_FILE
    return _read(path) if path.exists() else _make(path)


def set_up(warehouse: Warehouse, key: bytes, stored_ids: Sequence[str]) -> None:
    """Set up the tombstones of persons that have none yet, in the caller's transaction."""
    warehouse.run(_ERASED)
    if known_key_check(warehouse, "tombstone") is None:
        keep_key_check(warehouse, "tombstone", key_check("tombstone", key))
    today = datetime.now(UTC).date()
    for stored_id in stored_ids:
        tombstone = keyed_hash(key, stored_id)
        warehouse.run(
            "insert into meta.erased select ?, ? where ? not in (select tombstone from meta.erased)",
            (tombstone, today, tombstone),
        )


def write_key(path: Path, key: bytes) -> None:
    """Write a key file that only its owner can read, durably."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(key.hex() + "\n")
        file.flush()
        os.fsync(file.fileno())


def _make(path: Path) -> bytes:
    key = secrets.token_bytes(_KEY_BYTES)
    building = path.with_name(f".{path.name}.building")
    building.unlink(missing_ok=True)
    write_key(building, key)
    os.replace(building, path)
    return key


def _known_key(warehouse: Warehouse) -> bytes:
    path = warehouse.settings.warehouse / KEY_FILE
    if not path.exists():
        erased = warehouse.value("select count(*) from meta.erased")
        raise UserError(
            f"{path}: is missing, and without it {erased} erased customers would come back with the next delivery;"
            " restore it from a backup"
        )
    key = _read(path)
    known = known_key_check(warehouse, "tombstone")
    if known is not None and known != (key_check("tombstone", key),):
        raise UserError(f"{path}: is not the key that the erased customers were kept with; restore that one")
    return key


def _read(path: Path) -> bytes:
    try:
        key = bytes.fromhex(path.read_text(encoding="ascii"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read as a key; restore it from a backup") from error
    if len(key) != _KEY_BYTES:
        raise UserError(f"{path}: is no whole key; restore it from a backup")
    return key
