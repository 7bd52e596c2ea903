"""The published file of the night before, as the beginning of the next one: what it holds of past days stays in it.

Belongs here: when the file that is published may be built upon, and the copy of it. Must not be here: what is added to
it, or reading it back (see ``publishing``).

The history grows by a row a customer and night, and writing all of it anew would cost more with every night. The copy
is built upon where only days came to the history since it was published, and where it is, byte for byte, the file that
was read back then: ``meta.published`` holds digests of both. That is forgotten before a night begins to publish and
noted again when the new file was read back: a night that fails or is killed on the way has the next one write the whole
file. So does everything that takes away or changes what was published: a file keeps the bytes of what is dropped until
their place is needed.
"""

import hashlib
from datetime import date
from pathlib import Path

from data_contracts import Contract
from data_contracts.sql import comments, create_table
from pipelines.bi import history
from pipelines.warehouse import Warehouse, __version__

_AT_ONCE = 1 << 20


def begin(warehouse: Warehouse, contracts: tuple[Contract, ...], target: Path, building: Path) -> bool:
    """Copy what is published to ``building`` if it may be built upon, and forget that it may; whether it did."""
    noted = _forget(warehouse)
    agreed = _history_of(contracts)
    if noted is None or agreed is None or warehouse.settings.is_full or not target.is_file():
        return False
    until, rests_on, digest = noted
    newest: date | None = warehouse.value(f"select max(as_of) from {history.DAYS}")
    if newest is None or newest <= until or _rests_on(warehouse, agreed, until) != rests_on:
        return False
    if _copied(target, building) == digest:
        return True
    building.unlink()
    return False


def keep_history_only(warehouse: Warehouse, database: str) -> None:
    """Drop every table of an attached copy but the history, and make their place free for those that follow."""
    names = warehouse.run("select table_name from duckdb_tables() where database_name = ?", (database,))
    for (name,) in names:
        if name != history.NAME:
            warehouse.run(f'drop table {database}.main."{name}"')
    warehouse.run(f"checkpoint {database}")


def note(warehouse: Warehouse, contracts: tuple[Contract, ...], building: Path) -> None:
    """Note that a file was read back and holds the history as it is now, before it is moved into place.

    Where it never is, the file that stands there is not the one that was noted, and is not built upon.
    """
    agreed = _history_of(contracts)
    if agreed is None or not warehouse.has_table(history.DAYS):
        return
    newest: date | None = warehouse.value(f"select max(as_of) from {history.DAYS}")
    if newest is not None:
        row = (newest, _rests_on(warehouse, agreed, newest), _digest_of(building))
        warehouse.run("insert into meta.published values (?, ?, ?)", row)


def _forget(warehouse: Warehouse) -> tuple[date, str, str] | None:
    """What was noted last, which is forgotten with this."""
    warehouse.run(
        "create table if not exists meta.published"
        " (until date not null, rests_on varchar not null, digest varchar not null)"
    )
    noted = warehouse.run("delete from meta.published returning until, rests_on, digest")
    return (noted[0][0], noted[0][1], noted[0][2]) if len(noted) == 1 else None


def _history_of(contracts: tuple[Contract, ...]) -> Contract | None:
    return next((contract for contract in contracts if contract.name == history.NAME), None)


def _rests_on(warehouse: Warehouse, agreed: Contract, until: date) -> str:
    """Digest of what the history holds up to a day, and of how it is written."""
    days = warehouse.run(f"select as_of, made from {history.DAYS} where as_of <= ? order by as_of", (until,))
    told = (create_table(agreed, "main"), comments(agreed, agreed.name), __version__, days)
    return hashlib.sha256(repr(told).encode()).hexdigest()


def _digest_of(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _copied(source: Path, to: Path) -> str:
    """Copy a file; returns the digest of the bytes that were copied."""
    digest = hashlib.sha256()
    with source.open("rb") as read, to.open("wb") as written:
        while part := read.read(_AT_ONCE):
            digest.update(part)
            written.write(part)
    return digest.hexdigest()
