"""Erasing persons, for good: from every table and file of a warehouse folder, from what is published, from backups.

Belongs here: what is done in which order, and the proof that nothing is left. Must not be here: which rows are a
person's (see ``erased_rows``), how ids are found (see ``traces``), or the words for people (see ``erasing_words``).

First the rows go and the tombstones are set, in one transaction; then what is published is made again and every file is
rid of the bytes. Each step can be done twice: where an erasure was cut off, the same command finishes it.
"""

import json
import shutil
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from data_contracts import published_contracts
from pipelines.bi import marts
from pipelines.bi.publishing import STORAGE_VERSION, publish
from pipelines.errors import UserError
from pipelines.operations.backup import registered
from pipelines.operations.backup_manifest import verified, write_manifest
from pipelines.privacy.erased_rows import Persons, delete, entombed, is_known
from pipelines.privacy.pseudonyms import PERSON, offer_pseudonym
from pipelines.privacy.tombstones import KEY_FILE, has_tombstone, key_for_erasing, offer_tombstone, write_key
from pipelines.privacy.traces import Searched, longer_texts, search_files, search_landing, search_tables
from pipelines.settings import Settings
from pipelines.storage.durable_files import move_durably, write_durably
from pipelines.storage.leftovers import clear_leftovers
from pipelines.storage.migrations import STEPS
from pipelines.storage.private_files import share
from pipelines.storage.rewriting import rewrite, rows_of
from pipelines.warehouse import SPILL, DuckDBError, Warehouse


@dataclass
class Erased:
    """What was erased from one folder, the warehouse's or that of a backup.

    Parameters
    ----------
    folder : Path
        The folder.
    rows : dict of str to int
        Rows deleted, by table; what had been deleted before is not in it.
    tables : dict of str to int
        Rows of every table afterwards.
    removed : list of str
        Files that held an id and were removed.
    searched : Searched
        The proof: what was searched afterwards, and where an id is left.
    """

    folder: Path
    rows: dict[str, int] = field(default_factory=dict)
    tables: dict[str, int] = field(default_factory=dict)
    removed: list[str] = field(default_factory=list)
    searched: Searched = field(default_factory=Searched)


@dataclass
class Erasure:
    """What an erasure came to.

    Parameters
    ----------
    customers : int
        Persons who were asked for.
    places : list of Erased
        The warehouse, then each backup.
    unreached : list of (str, str)
        Backups that hold the persons still: path and reason.
    landing, unsearched : list of str
        Landing files that hold an id, and those that could not be searched: the company's own, never changed.
    are_ids_short : bool
        Whether an id is too short to be searched in files that are no text.
    """

    customers: int
    places: list[Erased] = field(default_factory=list)
    unreached: list[tuple[str, str]] = field(default_factory=list)
    landing: list[str] = field(default_factory=list)
    unsearched: list[str] = field(default_factory=list)
    are_ids_short: bool = False

    @property
    def is_complete(self) -> bool:
        """Whether nothing is left in the warehouse and its backups."""
        return not self.unreached and not any(place.searched.found for place in self.places)


def erase(settings: Settings, given: Sequence[str], *, is_unknown_too: bool = False) -> Erasure:
    """Erase persons from the warehouse, what it published, and the backups that it knows of.

    Parameters
    ----------
    settings : Settings
        Names the warehouse, and the landing zone that is searched but not changed.
    given : sequence of str
        Ids of customers, plain or, where there is a key, as pseudonyms.
    is_unknown_too : bool
        Whether ids that are nowhere yet may be given: their rows are then kept out from now on.

    Raises
    ------
    UserError
        If there is no warehouse, an id is not known, or a key is not the one the warehouse was made with. Then
        nothing was changed.
    """
    if not (settings.warehouse / "warehouse.duckdb").is_file():
        raise UserError(f"{settings.warehouse}: there is no warehouse; run 'trust run' first")
    ids = _cleaned(given)
    persons = Persons.of(settings, ids)
    with Warehouse(settings) as warehouse:
        offer_pseudonym(warehouse)
        offer_tombstone(warehouse)
        if not is_unknown_too:
            _refuse_unknown(warehouse, ids)
        key = key_for_erasing(warehouse)
        landing, unsearched = search_landing(warehouse, persons.needles)
        backups = [path for path, _ in registered(warehouse)]
    told = Erasure(len(ids), landing=landing, unsearched=unsearched, are_ids_short=persons.has_short)
    told.places.append(erase_from_folder(settings, persons, key, is_live=True))
    for path in backups:
        try:
            told.places.append(_erase_from_backup(settings, Path(path), persons, key))
        except (UserError, OSError, DuckDBError) as error:
            told.unreached.append((path, str(error).splitlines()[0]))
    return told


def erase_from_folder(settings: Settings, persons: Persons, key: bytes, *, is_live: bool) -> Erased:
    """Erase persons from the folder of a warehouse, and search all of it afterwards.

    Parameters
    ----------
    settings : Settings
        Its warehouse is the folder: the live one, or that of a backup.
    persons : Persons
        Whom.
    key : bytes
        The key of tombstones.
    is_live : bool
        Whether marts are made anew, so that ranks and groups no longer count the persons; in a backup, which is a
        record of its day, they lose the persons' rows.
    """
    folder = settings.warehouse
    told = Erased(folder)
    with Warehouse(settings) as warehouse:
        clear_leftovers(warehouse)
        offer_pseudonym(warehouse)
        told.rows = delete(warehouse, persons, key)
        _publish_without(warehouse, persons, is_live=is_live)
        longer = _search_databases(warehouse, persons, told.searched)
        told.removed = _remove_reports(folder, persons, longer)
        told.tables = rows_of(warehouse, warehouse.value("select current_database()"))
        rewrite(warehouse)
    files = sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    found = search_files(files, persons.needles, longer, told.searched)
    told.searched.found += [path.relative_to(folder).as_posix() for path in found]
    return told


def erase_entombed(settings: Settings) -> int:
    """Erase everybody whose tombstone a restored warehouse was given; returns how many were still in it.

    The key file and ``meta.erased`` must be in place. Nobody else may have the warehouse open.
    """
    with Warehouse(settings) as warehouse:
        offer_pseudonym(warehouse)
        if not offer_tombstone(warehouse):
            return 0
        ids = entombed(warehouse)
        key = key_for_erasing(warehouse)
    if ids:
        erase_from_folder(settings, Persons(ids, ids), key, is_live=False)
    return len(ids)


def _cleaned(given: Sequence[str]) -> list[str]:
    ids = list(dict.fromkeys(one.strip() for one in given if one.strip()))
    if not ids:
        raise UserError("no customer is named; give ids, or a file with one id a line")
    return ids


def _refuse_unknown(warehouse: Warehouse, ids: Sequence[str]) -> None:
    for one in ids:
        persons = Persons.of(warehouse.settings, [one])
        if not is_known(warehouse, persons) and not any(has_tombstone(warehouse, stored) for stored in persons.stored):
            raise UserError(
                f"customer {one!r} is nowhere in {warehouse.settings.warehouse}, and nobody was erased; check the id,"
                " or keep its rows out from now on (and out of backups) with --unknown-too"
            )


def _publish_without(warehouse: Warehouse, persons: Persons, *, is_live: bool) -> None:
    target = warehouse.settings.warehouse / "bi.duckdb"
    if not target.is_file():
        return
    if not (is_live and _is_newest_published(warehouse, target)):
        _copy_without(warehouse, persons, target)
        return
    for contract in published_contracts():
        marts.make(warehouse, contract)
    publish(warehouse, published_contracts(), target)


def _is_newest_published(warehouse: Warehouse, target: Path) -> bool:
    """Whether what is published is of the newest night; a night that failed after scoring must not get out this way."""
    with _read(warehouse, target) as published:
        runs = warehouse.run(f"select run_id from {published}.main.run_info")
    return runs == warehouse.run("select run_id from scores.nights order by as_of desc limit 1")


def _copy_without(warehouse: Warehouse, persons: Persons, target: Path) -> None:
    """Make a published file anew of its own rows, but for those of persons."""
    building = target.with_name(f".{target.name}.building")
    try:
        with _read(warehouse, target) as before, warehouse.attached(building, "published", STORAGE_VERSION):
            warehouse.run(f"copy from database {before} to published (schema)")
            for table in rows_of(warehouse, before):
                columns = {row[0] for row in warehouse.run(f"select column_name from (describe {before}.{table})")}
                where = f'where "{PERSON}" not in (select unnest(?))' if PERSON in columns else ""
                parameters = (persons.stored,) if where else ()
                warehouse.run(f"insert into published.{table} select * from {before}.{table} {where}", parameters)
        share(building, warehouse.settings)
        move_durably(building, target)
    finally:
        for path in (building, building.with_name(building.name + ".wal")):
            path.unlink(missing_ok=True)


@contextmanager
def _read(warehouse: Warehouse, file: Path) -> Iterator[str]:
    """Attach a database file for reading, under the name that is yielded."""
    path = str(file).replace("'", "''")
    warehouse.run(f"attach '{path}' as held_before (read_only)")
    try:
        yield "held_before"
    finally:
        warehouse.run("detach held_before")


def _search_databases(warehouse: Warehouse, persons: Persons, searched: Searched) -> set[bytes]:
    """Search the warehouse and what is published; returns texts that an id is a mere part of."""
    own = warehouse.value("select current_database()")
    search_tables(warehouse, persons.needles, own, searched)
    longer = longer_texts(warehouse, persons.needles, own)
    published = warehouse.settings.warehouse / "bi.duckdb"
    if published.is_file():
        with _read(warehouse, published) as name:
            search_tables(warehouse, persons.needles, name, searched)
            longer |= longer_texts(warehouse, persons.needles, name)
    return longer


def _remove_reports(folder: Path, persons: Persons, longer: Collection[bytes]) -> list[str]:
    """Remove the reports that hold an id; they are made again when somebody asks for them."""
    reports = sorted(path for path in (folder / "reports").rglob("*") if path.is_file())
    found = search_files(reports, persons.needles, longer, Searched())
    for path in found:
        path.unlink()
    return [path.relative_to(folder).as_posix() for path in found]


def _erase_from_backup(settings: Settings, folder: Path, persons: Persons, key: bytes) -> Erased:
    """Erase persons from a backup and seal it again.

    Beside it lies what it said of itself, until it is whole again: a backup that is cut off here cannot be restored,
    and the next erasure takes it up.
    """
    if not folder.is_dir():
        raise UserError("is not there; bring it back and run the command again, or destroy every copy of it")
    mark = folder.with_name(f".{folder.name}.erasing")
    told: dict[str, Any] = json.loads(mark.read_bytes()) if mark.is_file() else verified(folder)
    held = folder / KEY_FILE
    if held.exists() and held.read_text(encoding="ascii").strip() != key.hex():
        raise UserError(f"has another {KEY_FILE}; destroy it, or restore it and erase there")
    write_durably(mark, json.dumps(told).encode())
    if not held.exists():
        write_key(held, key)
    erased = erase_from_folder(replace(settings, warehouse=folder), persons, key, is_live=False)
    shutil.rmtree(folder / SPILL, ignore_errors=True)
    told = {name: value for name, value in told.items() if name not in ("format", "files")}
    write_manifest(folder, told | {"tables": erased.tables, "schema_version": max(STEPS)})
    mark.unlink()
    return erased
