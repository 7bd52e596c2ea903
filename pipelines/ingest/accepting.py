"""Accepting: rows judged one by one; good ones into ``raw``, the others whole into ``quarantine``, with an account.

Belongs here: the tables that loading fills, the split of rows by the contract's rules, and the transaction that
replaces load days and their lines in ``meta.loads``. Must not be here: which deliveries are due (see ``loading``), what
the formats look like (``readers``) or what the rules are (``data_contracts``).
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from data_contracts import Column, Contract
from data_contracts.casting import text_literal, texts_literal
from data_contracts.sql import create_table, row_rules, typed_columns
from pipelines.ingest.landing import LandingFile
from pipelines.privacy.pseudonyms import PERSON, offer_pseudonym
from pipelines.privacy.tombstones import are_there, offer_tombstone
from pipelines.warehouse import Warehouse
from trust_models.as_of import AsOf

LOADED_FROM = {"load_date": "DATE NOT NULL", "source_file": "VARCHAR NOT NULL", "source_row": "BIGINT NOT NULL"}
"""Columns that every raw table has beside those of its contract."""

_VERDICT = "null::varchar[] as reasons, null::varchar[] as reasons_zh, null::json as record, null::boolean as is_erased"

_LOADS = """
create table if not exists meta.loads (
    source varchar not null, load_date date not null, file varchar not null, sha256 varchar not null,
    rows_read bigint not null, rows_accepted bigint not null, rows_quarantined bigint not null,
    run_id varchar not null, started_at timestamp not null, finished_at timestamp not null,
    bytes bigint not null, modified_at timestamp not null,
    rows_erased bigint default 0, rows_expired bigint default 0
)"""
"""read = accepted + quarantined + erased; in quarantine are those quarantined less those expired, by age or erasure."""

_QUARANTINE = """
create table if not exists quarantine.{source} (
    load_date date not null, source_file varchar not null, source_row bigint not null,
    reasons varchar[] not null, reasons_zh varchar[] not null, record json not null
)"""


@dataclass
class LoadReport:
    """What loading one source did, for the run's output and checks.

    Parameters
    ----------
    source : str
        Name of the source.
    days : int
        Delivery days that were loaded now.
    rows_read, rows_accepted, rows_quarantined, rows_erased : int
        Rows of those days; read = accepted + quarantined + erased. Rows of erased persons are kept nowhere: good ones
        count as erased, refused ones as quarantined and gone.
    failures : list of (str, str)
        Files that could not be read, one line each in English and Chinese.
    strays : tuple of (str, str)
        Entries of the landing folder that are no delivery, likewise.
    unknown_columns : dict of str to str
        Columns that the contract does not name, with a file that holds them; they were not loaded.
    """

    source: str
    days: int = 0
    rows_read: int = 0
    rows_accepted: int = 0
    rows_quarantined: int = 0
    rows_erased: int = 0
    failures: list[tuple[str, str]] = field(default_factory=list)
    strays: tuple[tuple[str, str], ...] = ()
    unknown_columns: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Fingerprint:
    """What a file was when it was read. It is taken before reading: a file still being written is loaded again."""

    sha256: str
    size: int
    modified_at: datetime

    @classmethod
    def of(cls, file: LandingFile) -> Fingerprint:
        """The fingerprint of a file as it is now."""
        size, modified_at = file.size, file.modified_at
        return cls(file.sha256(), size, modified_at)

    def is_of(self, file: LandingFile) -> bool:
        """Whether a file is unchanged; its bytes are read only where it is as long as it was, but newer or older."""
        return self.size == file.size and (self.modified_at == file.modified_at or self.sha256 == file.sha256())


@dataclass(frozen=True)
class Run:
    """Which run loads, and since when."""

    run_id: str
    started_at: datetime


def prepare(warehouse: Warehouse, contract: Contract) -> None:
    """Make the tables that loading a source needs, where they do not exist.

    Raises
    ------
    UserError
        If the keys of pseudonyms or tombstones are not those that the warehouse was made with; nothing is written.
    """
    offer_pseudonym(warehouse)
    offer_tombstone(warehouse)
    if not warehouse.has_table(f"raw.{contract.name}"):
        warehouse.run(create_table(contract, "raw", LOADED_FROM))
    warehouse.run(_LOADS)
    warehouse.run(_QUARANTINE.format(source=contract.name))


def offer_checked(warehouse: Warehouse, contract: Contract) -> None:
    """Make the empty temporary table ``checked``: rows of the source, each with its reasons or none."""
    warehouse.run("drop table if exists checked")
    warehouse.run(f"create temp table checked as select *, {_VERDICT} from raw.{contract.name} limit 0")


def name_files(warehouse: Warehouse, files: Sequence[LandingFile]) -> None:
    """Make the table that says which file of a select is which, and until when it can speak of."""
    warehouse.run(
        "create or replace temp table delivered_file"
        " (place bigint, source_file varchar, load_date date, delivered_end timestamp)"
    )
    for place, file in enumerate(files):
        end = AsOf(file.load_date, warehouse.settings.time_zone).end
        warehouse.run("insert into delivered_file values (?, ?, ?, ?)", (place, file.name, file.load_date, end))


def insert_checked(warehouse: Warehouse, contract: Contract, present: Sequence[str], incoming: str) -> None:
    """Cast the rows of a select, judge each by every row rule, and add them to ``checked``."""
    rules = row_rules(contract, present)
    reasons = _reasons([(rule.condition, rule.text_en) for rule in rules])
    reasons_zh = _reasons([(rule.condition, rule.text_zh) for rule in rules])
    casts = "".join(f', {sql} as "{name}"' for name, sql in typed_columns(contract, present).items())
    is_accepted = " and ".join([f"({rule.condition}) is not false" for rule in rules] or ["true"])
    hides, has_erased = warehouse.settings.pseudonym_key is not None, are_there(warehouse)
    has_withheld = len(contract.loaded) < len(contract.columns)
    # a line that could not be split may name anybody, and hold what is never loaded: then only the reason is kept
    line = "" if hides or has_erased or has_withheld else "'line', broken_line"
    warehouse.run(f"""
        insert into checked by name
        select {", ".join(map(_kept, contract.loaded))}, load_date, source_file, source_row,
            case when broken_line is not null then [broken_en]
                when not is_accepted then {reasons} end as reasons,
            case when broken_line is not null then [broken_zh]
                when not is_accepted then {reasons_zh} end as reasons_zh,
            case when broken_line is not null then json_object({line})
                when not is_accepted then json_object({_record(contract, present, hides=hides)}) end as record,
            {_is_erased(contract, present) if has_erased else "false"} as is_erased
        from (
            select *, {is_accepted} as is_accepted
            from (
                select incoming.* exclude (source_file), delivered_file.* exclude (place){casts}
                from ({incoming}) as incoming
                join delivered_file on incoming.source_file = delivered_file.place
            )
        )""")


def _kept(column: Column) -> str:
    """A column as the warehouse keeps it: judged on the id as delivered, kept under its pseudonym."""
    return f'pseudonym("{column.name}") as "{column.name}"' if column.name == PERSON else f'"{column.name}"'


def _record(contract: Contract, present: Sequence[str], *, hides: bool) -> str:
    """SQL for the pairs of a refused row: as delivered, or, where persons are hidden, only what can be nobody's id."""
    if not hides:
        return _pairs(present, "src_")
    return ", ".join(f"'{name}', {_harmless(contract.column(name))}" for name in present)


def _harmless(column: Column) -> str:
    """A value of a refused row whose cells may have slipped: numbers, times and agreed words, but no other text."""
    if column.name == PERSON:
        return f'pseudonym("{PERSON}")'
    if column.type != "VARCHAR":
        return f'"{column.name}"::varchar'
    return (
        f'case when "{column.name}" in {texts_literal(column.allowed)} then "{column.name}" end'
        if column.allowed
        else "null"
    )


def _is_erased(contract: Contract, present: Sequence[str]) -> str:
    """SQL that is true for the rows of an erased person; in a refused row the id may stand in any cell."""
    if PERSON not in {column.name for column in contract.columns}:
        return "false"
    cells = ", ".join(f'trim("src_{name}"::varchar)' for name in present)
    return f"""coalesce(tombstone(pseudonym("{PERSON}")) in (select tombstone from meta.erased), false) or (
                not is_accepted and list_has_any(
                    list_transform([{cells}]::varchar[], lambda cell: tombstone(pseudonym(cell))), getvariable('erased')
                )
            )"""


def _reasons(verdicts: Sequence[tuple[str, str]]) -> str:
    """SQL for the list of the texts whose condition is false; NULL passes, as in a CHECK constraint."""
    cases = ", ".join(f"case when ({condition}) is false then {text_literal(text)} end" for condition, text in verdicts)
    return f"list_filter([{cases}]::varchar[], lambda reason: reason is not null)"


def _pairs(columns: Sequence[str], prefix: str = "") -> str:
    """SQL for the pairs of a JSON object, all of them text: JSON knows neither NaN nor infinity."""
    return ", ".join(f"'{name}', \"{prefix}{name}\"::varchar" for name in columns)


def reject_repeated_keys(warehouse: Warehouse, contract: Contract) -> None:
    """Of the accepted rows with one key in one delivery, keep the first and reject the others."""
    key = ", ".join(f'"{name}"' for name in contract.key)
    pairs = _pairs([column.name for column in contract.loaded])
    words = " + ".join(contract.key)
    warehouse.run(
        f"""
        update checked
        set reasons = [{text_literal(f"{words} stands in this delivery already; keep one row a key")}],
            reasons_zh = [{text_literal(f"{words} 在本次交付中已出现；每个键只保留一行")}],
            record = json_object({pairs})
        where rowid in (
            select row_id
            from (
                select rowid as row_id, row_number() over (
                    partition by load_date, {key} order by source_file, source_row
                ) as nth
                from checked
                where reasons is null and (load_date, {key}) in (
                    select (load_date, {key}) from checked where reasons is null
                    group by load_date, {key} having count(*) > 1
                )
            )
            where nth > 1
        )"""
    )


def replace_days(
    warehouse: Warehouse,
    contract: Contract,
    days: Sequence[Sequence[LandingFile]],
    prints: Mapping[LandingFile, Fingerprint],
    run: Run,
    report: LoadReport,
) -> None:
    """Replace whole load days and their account in one transaction."""
    if not days:
        return
    source = contract.name
    loaded = ", ".join(f'"{name}"' for name in [column.name for column in contract.loaded] + [*LOADED_FROM])
    dates = [day[0].load_date for day in days]
    with warehouse.transaction():
        for table in (f"raw.{source}", f"quarantine.{source}"):
            warehouse.run(f"delete from {table} where load_date in (select unnest(?))", (dates,))
        warehouse.run("delete from meta.loads where source = ? and load_date in (select unnest(?))", (source, dates))
        is_kept = "not is_erased and load_date in (select unnest(?))"
        warehouse.run(
            f"insert into raw.{source} by name select {loaded} from checked where reasons is null and {is_kept}",
            (dates,),
        )
        warehouse.run(
            f"insert into quarantine.{source} by name"
            " select load_date, source_file, source_row, reasons, reasons_zh, record"
            f" from checked where reasons is not null and {is_kept}",
            (dates,),
        )
        _keep_account(warehouse, days, prints, run, report)


def _keep_account(
    warehouse: Warehouse,
    days: Sequence[Sequence[LandingFile]],
    prints: Mapping[LandingFile, Fingerprint],
    run: Run,
    report: LoadReport,
) -> None:
    counts = {
        row[0]: row[1:]
        for row in warehouse.run(
            "select source_file, count(*), count(*) filter (reasons is null and not is_erased),"
            " count(reasons), count(*) filter (reasons is null and is_erased),"
            " count(*) filter (reasons is not null and is_erased) from checked group by all"
        )
    }
    for file in itertools.chain.from_iterable(days):
        rows_read, accepted, quarantined, *gone = counts.get(file.name, (0, 0, 0, 0, 0))
        held = prints[file]
        account = (report.source, file.load_date, file.name, held.sha256, rows_read, accepted, quarantined)
        moment = (run.run_id, run.started_at, now(), held.size, held.modified_at)
        marks = ", ".join("?" * 14)
        warehouse.run(f"insert into meta.loads values ({marks})", (*account, *moment, *gone))
        report.rows_read += rows_read
        report.rows_accepted += accepted
        report.rows_quarantined += quarantined
        report.rows_erased += gone[0]
    report.days = len(days)


def now() -> datetime:
    """The moment as a naive UTC timestamp."""
    return datetime.now(UTC).replace(tzinfo=None)
