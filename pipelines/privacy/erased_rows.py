"""The rows of persons who are erased: found in every table, deleted in one transaction, accounted for in the ledger.

Belongs here: what counts as a row of a person. Must not be here: files (see ``erasing``).

A row is a person's where ``customer_id`` says so. A refused row is a person's where the id stands as a word in any of
its texts, or is all of any other value: its columns may have slipped, and it may be a line that could not be split.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from data_contracts import Contract, landing_contracts
from data_contracts.casting import text_literal
from pipelines.privacy.pseudonyms import PERSON, stored_ids
from pipelines.privacy.tombstones import set_up
from pipelines.privacy.traces import is_long, spellings, word_pattern
from pipelines.settings import Settings
from pipelines.warehouse import Warehouse


@dataclass(frozen=True)
class Persons:
    """Whom to erase.

    Parameters
    ----------
    given : tuple of str
        The ids as somebody gave them.
    stored : tuple of str
        The ids under which a warehouse may know them: their pseudonyms, where there is a key.
    """

    given: tuple[str, ...]
    stored: tuple[str, ...]

    @classmethod
    def of(cls, settings: Settings, given: Sequence[str]) -> "Persons":
        """The persons with these ids, plain or, where there is a key, as pseudonyms."""
        return cls(tuple(given), tuple(stored for one in given for stored in stored_ids(settings, one)))

    @property
    def has_short(self) -> bool:
        """Whether an id is too short to be searched in files that are no text."""
        return not all(map(is_long, (*self.given, *self.stored)))

    @property
    def needles(self) -> frozenset[str]:
        """Every text that would tell of them, in all spellings."""
        return frozenset(spelt for one in (*self.given, *self.stored) for spelt in spellings(one))


def is_known(warehouse: Warehouse, persons: Persons) -> bool:
    """Whether any row of any table is theirs."""
    own = (
        warehouse.value(f'select count(*) > 0 from {table} where "{PERSON}" in (select unnest(?))', (persons.stored,))
        for table in _tables_of_persons(warehouse)
    )
    refused = (
        warehouse.value(f"select count(*) > 0 from quarantine.{source.name} where {_is_theirs(source, persons)}")
        for source in _quarantined(warehouse)
    )
    return any(own) or any(refused)


def delete(warehouse: Warehouse, persons: Persons, key: bytes) -> dict[str, int]:
    """Delete every row of persons and set up their tombstones, together; returns the rows deleted from each table."""
    with warehouse.transaction():
        for source in landing_contracts():
            if warehouse.has_table(f"raw.{source.name}") and PERSON in {column.name for column in source.columns}:
                own = f'"{PERSON}" in (select unnest({_list(persons.stored)}))'
                account = (
                    "rows_accepted = rows_accepted - gone.rows, rows_erased = coalesce(rows_erased, 0) + gone.rows"
                )
                _keep_account(warehouse, source.name, f"raw.{source.name}", own, account)
        rows = {
            table: _delete(warehouse, table, f'"{PERSON}" in (select unnest({_list(persons.stored)}))')
            for table in _tables_of_persons(warehouse)
        }
        for source in _quarantined(warehouse):
            table, theirs = f"quarantine.{source.name}", _is_theirs(source, persons)
            _keep_account(warehouse, source.name, table, theirs, "rows_expired = coalesce(rows_expired, 0) + gone.rows")
            rows[table] = _delete(warehouse, table, theirs)
        if warehouse.has_table("meta.findings") and (told := [text for text in persons.needles if is_long(text)]):
            pattern = text_literal(word_pattern(told))
            rows["meta.findings"] = _delete(
                warehouse,
                "meta.findings",
                f"regexp_matches(concat_ws(chr(10), column_name, observed, text_en, text_zh), {pattern})",
            )
        set_up(warehouse, key, persons.stored)
    return {table: count for table, count in sorted(rows.items()) if count}


def entombed(warehouse: Warehouse) -> tuple[str, ...]:
    """Ids in an open warehouse whose tombstone is there too, after SQL was given ``tombstone(id)``."""
    found: set[str] = set()
    for table in _tables_of_persons(warehouse):
        found |= _entombed(warehouse, table, f'"{PERSON}"')
    for source in _quarantined(warehouse):
        found |= _entombed(warehouse, f"quarantine.{source.name}", f"""trim(record ->> '$."{PERSON}"')""")
    return tuple(sorted(found))


def _entombed(warehouse: Warehouse, table: str, person: str) -> set[str]:
    ids = f"select distinct {person} as id from {table}"
    rows = warehouse.run(f"select id from ({ids}) where tombstone(id) in (select tombstone from meta.erased)")
    return {row[0] for row in rows}


def _tables_of_persons(warehouse: Warehouse) -> list[str]:
    rows = warehouse.run(
        "select schema_name || '.' || table_name from duckdb_columns() where column_name = ? and not internal"
        " and database_name = current_database() and (schema_name, table_name) in (select (schema_name, table_name)"
        " from duckdb_tables() where database_name = current_database() and not temporary) order by all",
        (PERSON,),
    )
    return [row[0] for row in rows]


def _quarantined(warehouse: Warehouse) -> Iterator[Contract]:
    return (source for source in landing_contracts() if warehouse.has_table(f"quarantine.{source.name}"))


def _is_theirs(source: Contract, persons: Persons) -> str:
    """SQL that is true for refused rows of persons; texts are searched for words, other values compared whole."""
    texts = [column.name for column in source.columns if column.type == "VARCHAR"] + ["line"]
    words = ", ".join(f"""record ->> '$."{name}"'""" for name in texts)
    cells = ", ".join(f"""trim(record ->> '$."{column.name}"')""" for column in source.columns)
    whole = _list(persons.given + persons.stored)
    return (
        f"(regexp_matches(concat_ws(chr(10), {words}), {text_literal(word_pattern(persons.given + persons.stored))})"
        f" or list_has_any([{cells}], {whole}))"
    )


def _keep_account(warehouse: Warehouse, source: str, table: str, where: str, account: str) -> None:
    warehouse.run(
        f"update meta.loads set {account} from"
        f" (select load_date, source_file, count(*) as rows from {table} where {where} group by all) as gone"
        " where loads.source = ? and loads.load_date = gone.load_date and loads.file = gone.source_file",
        (source,),
    )


def _delete(warehouse: Warehouse, table: str, where: str) -> int:
    return int(warehouse.run(f"delete from {table} where {where}")[0][0])


def _list(texts: Collection[str]) -> str:
    return "[" + ", ".join(map(text_literal, texts)) + "]::varchar[]"
