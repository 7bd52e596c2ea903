"""Loading: accepted rows into ``raw``, rejected ones whole into ``quarantine``, an account into ``meta.loads``.

Belongs here: which deliveries are due, the split of rows by the contract's rules, and the transaction that replaces a
load day. Must not be here: what the formats look like (``readers``) or what the rules are (``data_contracts``).
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime

from data_contracts import Contract
from data_contracts.casting import text_literal
from data_contracts.sql import create_table, row_rules, typed_columns
from pipelines.landing import LandingFile, listing
from pipelines.line_reader import csv_frames, json_frames
from pipelines.readers import BROKEN, Shape, UnreadableFileError, select, select_frame, shape, unreadable
from pipelines.warehouse import DuckDBError, Warehouse
from trust_models.as_of import AsOf

LOADED_FROM = {"load_date": "DATE NOT NULL", "source_file": "VARCHAR NOT NULL", "source_row": "BIGINT NOT NULL"}
"""Columns that every raw table has beside those of its contract."""

_VERDICT = "null::varchar[] as reasons, null::varchar[] as reasons_zh, null::json as record"

_LOADS = """
create table if not exists meta.loads (
    source varchar not null, load_date date not null, file varchar not null, sha256 varchar not null,
    rows_read bigint not null, rows_accepted bigint not null, rows_quarantined bigint not null,
    run_id varchar not null, started_at timestamp not null, finished_at timestamp not null,
    bytes bigint not null, modified_at timestamp not null
)"""
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
    rows_read, rows_accepted, rows_quarantined : int
        Rows of those days; read = accepted + quarantined.
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
        """Whether a file is unchanged; its bytes are read only where size or time differ."""
        return (self.size, self.modified_at) == (file.size, file.modified_at) or self.sha256 == file.sha256()


@dataclass(frozen=True)
class _Run:
    run_id: str
    started_at: datetime


def prepare(warehouse: Warehouse, contract: Contract) -> None:
    """Make the tables that loading a source needs, where they do not exist."""
    if not warehouse.has_table(f"raw.{contract.name}"):
        warehouse.run(create_table(contract, "raw", LOADED_FROM))
    warehouse.run(_LOADS)
    warehouse.run(_QUARANTINE.format(source=contract.name))


def load(warehouse: Warehouse, contract: Contract, as_of: date, run_id: str) -> LoadReport:
    """Bring a source up to a day: load every delivery up to it that is new or has changed.

    A file that cannot be read fails its delivery day, which keeps what it held before; other days are loaded.
    """
    prepare(warehouse, contract)
    found = listing(warehouse.settings.landing, contract.name)
    report = LoadReport(contract.name, strays=found.strays)
    due = _due(warehouse, contract.name, [file for file in found.files if file.load_date <= as_of])
    started_at = _now()
    prints = {file: Fingerprint.of(file) for file in itertools.chain.from_iterable(due)}
    warehouse.run("drop table if exists checked")
    warehouse.run(f"create temp table checked as select *, {_VERDICT} from raw.{contract.name} limit 0")
    read = _read(warehouse, contract, list(prints), report)
    days = [day for day in due if all(file in read for file in day)]
    _reject_repeated_keys(warehouse, contract)
    _replace_days(warehouse, contract, days, prints, _Run(run_id, started_at), report)
    warehouse.run("drop table checked")
    return report


def _due(warehouse: Warehouse, source: str, files: Sequence[LandingFile]) -> list[list[LandingFile]]:
    """Delivery days whose files the ledger does not hold as they are now."""
    rows = warehouse.run(
        "select load_date, file, sha256, bytes, modified_at from meta.loads where source = ?", (source,)
    )
    ledger: dict[date, dict[str, Fingerprint]] = defaultdict(dict)
    for load_date, name, sha256, size, modified_at in rows:
        ledger[load_date][name] = Fingerprint(sha256, size, modified_at)
    days = [list(group) for _, group in itertools.groupby(sorted(files, key=_place), key=lambda file: file.load_date)]
    return [day for day in days if not _is_held(day, ledger[day[0].load_date])]


def _place(file: LandingFile) -> tuple[date, str]:
    return file.load_date, file.name


def _is_held(day: Sequence[LandingFile], held: Mapping[str, Fingerprint]) -> bool:
    if {file.name for file in day} != held.keys():
        return False
    return all(held[file.name].is_of(file) for file in day)


def _read(
    warehouse: Warehouse, contract: Contract, files: Sequence[LandingFile], report: LoadReport
) -> set[LandingFile]:
    """Read files into ``checked``, those of one shape together; returns the files that could be read."""
    groups: dict[Shape, list[LandingFile]] = defaultdict(list)
    for file in files:
        try:
            groups[_fitting_shape(warehouse, contract, file, report)].append(file)
        except UnreadableFileError as error:
            report.failures.append(error.texts)
    read: set[LandingFile] = set()
    for form, group in groups.items():
        read |= _read_group(warehouse, contract, form, group, report)
    return read


def _read_group(
    warehouse: Warehouse, contract: Contract, form: Shape, files: Sequence[LandingFile], report: LoadReport
) -> set[LandingFile]:
    """Read files of one shape at once; where one of them is broken, halve the group until it is found."""
    present = [column.name for column in contract.loaded if column.name in form.columns]
    try:
        with warehouse.transaction():
            _name_files(warehouse, files)
            _insert_checked(warehouse, contract, present, select(form, [file.path for file in files], present))
    except DuckDBError as error:
        if not files[1:]:
            return _read_alone(warehouse, contract, form, files[0], error, report)
        half = len(files) // 2
        return _read_group(warehouse, contract, form, files[:half], report) | _read_group(
            warehouse, contract, form, files[half:], report
        )
    return set(files)


def _read_alone(
    warehouse: Warehouse, contract: Contract, form: Shape, file: LandingFile, cause: DuckDBError, report: LoadReport
) -> set[LandingFile]:
    """Read a broken file line by line, where it has lines."""
    try:
        if form.format == ".parquet":
            raise cause
        with warehouse.transaction():
            _name_files(warehouse, [file])
            _insert_lines(warehouse, contract, form, file)
    except BROKEN as error:
        report.failures.append(unreadable(file, error).texts)
        return set()
    return {file}


def _insert_lines(warehouse: Warehouse, contract: Contract, form: Shape, file: LandingFile) -> None:
    present = [column.name for column in contract.loaded if column.name in form.columns]
    frames = json_frames(file) if form.format == ".ndjson" else csv_frames(file, form.columns, present)
    for frame in frames:
        with warehouse.offered(frame) as view:
            _insert_checked(warehouse, contract, present, select_frame(form, view, present))


def _fitting_shape(warehouse: Warehouse, contract: Contract, file: LandingFile, report: LoadReport) -> Shape:
    form = shape(warehouse, file)
    known = {column.name for column in contract.columns}
    for column in form.columns:
        if column not in known:
            report.unknown_columns.setdefault(column, file.name)
    required = [column.name for column in contract.columns if column.is_required and column.default is None]
    missing = [name for name in required if name not in form.columns]
    if missing and form.format != ".ndjson":
        found = ", ".join(form.columns)[:200] or "none"
        raise UnreadableFileError(
            f"{file.name}: column {missing[0]} is missing (columns found: {found}); add it to the file",
            f"{file.name}：缺少列 {missing[0]}（文件中的列：{found}）；请补上该列",
        )
    return form


def _name_files(warehouse: Warehouse, files: Sequence[LandingFile]) -> None:
    """Make the table that says which file of a select is which, and until when it can speak of."""
    warehouse.run(
        "create or replace temp table delivered_file"
        " (place bigint, source_file varchar, load_date date, delivered_end timestamp)"
    )
    for place, file in enumerate(files):
        end = AsOf(file.load_date, warehouse.settings.time_zone).end
        warehouse.run("insert into delivered_file values (?, ?, ?, ?)", (place, file.name, file.load_date, end))


def _insert_checked(warehouse: Warehouse, contract: Contract, present: Sequence[str], incoming: str) -> None:
    """Cast the rows of a select, judge each by every row rule, and add them to ``checked``."""
    rules = row_rules(contract, present)
    reasons = _reasons([(rule.condition, rule.text_en) for rule in rules])
    reasons_zh = _reasons([(rule.condition, rule.text_zh) for rule in rules])
    casts = "".join(f', {sql} as "{name}"' for name, sql in typed_columns(contract, present).items())
    is_accepted = " and ".join([f"({rule.condition}) is not false" for rule in rules] or ["true"])
    warehouse.run(f"""
        insert into checked by name
        select {", ".join(f'"{column.name}"' for column in contract.loaded)}, load_date, source_file, source_row,
            case when broken_line is not null then [broken_en]
                when not is_accepted then {reasons} end as reasons,
            case when broken_line is not null then [broken_zh]
                when not is_accepted then {reasons_zh} end as reasons_zh,
            case when broken_line is not null then json_object('line', broken_line)
                when not is_accepted then json_object({_pairs(present, "src_")}) end as record
        from (
            select *, {is_accepted} as is_accepted
            from (
                select incoming.* exclude (source_file), delivered_file.* exclude (place){casts}
                from ({incoming}) as incoming
                join delivered_file on incoming.source_file = delivered_file.place
            )
        )""")


def _reasons(verdicts: Sequence[tuple[str, str]]) -> str:
    """SQL for the list of the texts whose condition is false; NULL passes, as in a CHECK constraint."""
    cases = ", ".join(f"case when ({condition}) is false then {text_literal(text)} end" for condition, text in verdicts)
    return f"list_filter([{cases}]::varchar[], lambda reason: reason is not null)"


def _pairs(columns: Sequence[str], prefix: str = "") -> str:
    """SQL for the pairs of a JSON object, all of them text: JSON knows neither NaN nor infinity."""
    return ", ".join(f"'{name}', \"{prefix}{name}\"::varchar" for name in columns)


def _reject_repeated_keys(warehouse: Warehouse, contract: Contract) -> None:
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


def _replace_days(
    warehouse: Warehouse,
    contract: Contract,
    days: Sequence[Sequence[LandingFile]],
    prints: Mapping[LandingFile, Fingerprint],
    run: _Run,
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
        is_loaded = "load_date in (select unnest(?))"
        warehouse.run(
            f"insert into raw.{source} by name select {loaded} from checked where reasons is null and {is_loaded}",
            (dates,),
        )
        warehouse.run(
            f"insert into quarantine.{source} by name"
            " select load_date, source_file, source_row, reasons, reasons_zh, record"
            f" from checked where reasons is not null and {is_loaded}",
            (dates,),
        )
        _keep_account(warehouse, days, prints, run, report)


def _keep_account(
    warehouse: Warehouse,
    days: Sequence[Sequence[LandingFile]],
    prints: Mapping[LandingFile, Fingerprint],
    run: _Run,
    report: LoadReport,
) -> None:
    counts = {
        row[0]: row[1:]
        for row in warehouse.run(
            "select source_file, count(*), count(*) - count(reasons), count(reasons) from checked group by all"
        )
    }
    for file in itertools.chain.from_iterable(days):
        rows_read, accepted, quarantined = counts.get(file.name, (0, 0, 0))
        held = prints[file]
        account = (report.source, file.load_date, file.name, held.sha256, rows_read, accepted, quarantined)
        moment = (run.run_id, run.started_at, _now(), held.size, held.modified_at)
        warehouse.run("insert into meta.loads values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", account + moment)
        report.rows_read += rows_read
        report.rows_accepted += accepted
        report.rows_quarantined += quarantined
    report.days = len(days)


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)
