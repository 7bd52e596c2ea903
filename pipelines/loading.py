"""Loading: accepted rows into ``raw``, rejected ones whole into ``quarantine``, an account into ``meta.loads``.

Belongs here: which deliveries are due, the split of rows by the contract's rules, and the transaction that replaces a
load day. Must not be here: what the formats look like (``readers``) or what the rules are (``data_contracts``).
"""

import itertools
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime

from data_contracts import Contract
from data_contracts.casting import text_literal
from data_contracts.sql import create_table, row_rules, typed_columns
from pipelines.landing import LandingFile, listing
from pipelines.readers import Shape, UnreadableFileError, select, shape
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
_BROKEN_LINES = {
    "MISSING COLUMNS": ("has fewer columns than the header", "列数少于表头"),
    "TOO MANY COLUMNS": (
        "has more columns than the header; quote values that hold commas",
        "列数多于表头；含逗号的值请加引号",
    ),
    "INVALID ENCODING": ("is no UTF-8 text; export the file as UTF-8", "不是 UTF-8 文本；请以 UTF-8 导出文件"),
    "UNQUOTED VALUE": ("has a quote that is not closed or stands inside a value", "引号未闭合或出现在值的中间"),
    "LINE SIZE OVER MAXIMUM": ("is too long for a row", "行过长"),
}


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
    failures : list of str
        Files that could not be read, one line each.
    strays : tuple of str
        Entries of the landing folder that are no delivery, one line each.
    unknown_columns : dict of str to str
        Columns that the contract does not name, with a file that holds them; they were not loaded.
    """

    source: str
    days: int = 0
    rows_read: int = 0
    rows_accepted: int = 0
    rows_quarantined: int = 0
    failures: list[str] = field(default_factory=list)
    strays: tuple[str, ...] = ()
    unknown_columns: dict[str, str] = field(default_factory=dict)


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
    warehouse.run("drop table if exists checked")
    warehouse.run(f"create temp table checked as select *, {_VERDICT} from raw.{contract.name} limit 0")
    read = _read(warehouse, contract, list(itertools.chain.from_iterable(due)), report)
    days = [day for day in due if all(file in read for file in day)]
    _reject_repeated_keys(warehouse, contract)
    _replace_days(warehouse, contract, days, run_id, started_at, report)
    warehouse.run("drop table checked")
    return report


def _due(warehouse: Warehouse, source: str, files: Sequence[LandingFile]) -> list[list[LandingFile]]:
    """Delivery days whose files the ledger does not hold as they are now."""
    rows = warehouse.run(
        "select load_date, file, sha256, bytes, modified_at from meta.loads where source = ?", (source,)
    )
    ledger: dict[date, dict[str, tuple[str, int, datetime]]] = defaultdict(dict)
    for load_date, name, sha256, size, modified_at in rows:
        ledger[load_date][name] = (sha256, size, modified_at)
    days = [list(group) for _, group in itertools.groupby(sorted(files, key=_place), key=lambda file: file.load_date)]
    return [day for day in days if not _is_held(day, ledger[day[0].load_date])]


def _place(file: LandingFile) -> tuple[date, str]:
    return file.load_date, file.name


def _is_held(day: Sequence[LandingFile], held: dict[str, tuple[str, int, datetime]]) -> bool:
    if {file.name for file in day} != held.keys():
        return False
    return all(
        held[file.name][1:] == (file.size, file.modified_at) or held[file.name][0] == file.sha256() for file in day
    )


def _read(
    warehouse: Warehouse, contract: Contract, files: Sequence[LandingFile], report: LoadReport
) -> set[LandingFile]:
    """Read files into ``checked``, those of one shape together; returns the files that could be read."""
    groups: dict[Shape, list[LandingFile]] = defaultdict(list)
    for file in files:
        try:
            groups[_fitting_shape(warehouse, contract, file, report)].append(file)
        except UnreadableFileError as error:
            report.failures.append(str(error))
    read: set[LandingFile] = set()
    for form, group in groups.items():
        try:
            _check_rows(warehouse, contract, form, group)
            read |= set(group)
        except DuckDBError:
            read |= _read_one_by_one(warehouse, contract, form, group, report)
    return read


def _read_one_by_one(
    warehouse: Warehouse, contract: Contract, form: Shape, files: Sequence[LandingFile], report: LoadReport
) -> set[LandingFile]:
    read: set[LandingFile] = set()
    for file in files:
        try:
            _check_rows(warehouse, contract, form, [file])
            read.add(file)
        except DuckDBError as error:
            report.failures.append(
                f"{file.name}: cannot be read to its end ({str(error).splitlines()[0][:200]}); deliver it again"
            )
    return read


def _fitting_shape(warehouse: Warehouse, contract: Contract, file: LandingFile, report: LoadReport) -> Shape:
    form = shape(warehouse, file)
    for column in form.columns:
        if column not in [column.name for column in contract.columns]:
            report.unknown_columns.setdefault(column, file.name)
    required = [column.name for column in contract.columns if column.is_required and column.default is None]
    missing = [name for name in required if name not in form.columns]
    if missing and form.format != ".ndjson":
        found = ", ".join(form.columns[:20]) or "none"
        raise UnreadableFileError(
            f"{file.name}: column {missing[0]} is missing (columns found: {found}); add it to the file"
        )
    return form


def _check_rows(warehouse: Warehouse, contract: Contract, form: Shape, files: Sequence[LandingFile]) -> None:
    """Cast the rows of files of one shape, judge each by every row rule, and add them to ``checked``."""
    with warehouse.transaction():
        warehouse.run("drop table if exists reject_errors; drop table if exists reject_scans")
        warehouse.run(
            "create or replace temp table delivered_file"
            " (place bigint, source_file varchar, path varchar, load_date date, delivered_end timestamp)"
        )
        for place, file in enumerate(files):
            end = AsOf(file.load_date, warehouse.settings.time_zone).end
            warehouse.run(
                "insert into delivered_file values (?, ?, ?, ?, ?)",
                (place, file.name, str(file.path), file.load_date, end),
            )
        warehouse.run(_insert_checked(contract, form, files))
        if form.format != ".parquet":
            _reject_broken_lines(warehouse)


def _insert_checked(contract: Contract, form: Shape, files: Sequence[LandingFile]) -> str:
    loaded = [column.name for column in contract.loaded]
    present = [name for name in loaded if name in form.columns]
    rules = row_rules(contract, present)
    casts = ", ".join(f'{sql} as "{name}"' for name, sql in typed_columns(contract, present).items())
    is_accepted = " and ".join([f"({rule.condition}) is not false" for rule in rules] or ["true"])
    english = _reasons([(rule.condition, rule.text_en) for rule in rules])
    chinese = _reasons([(rule.condition, rule.text_zh) for rule in rules])
    broken_line = "" if form.format == ".ndjson" else ", null::varchar as broken_line"
    return f"""
        insert into checked by name
        select {", ".join(f'"{name}"' for name in loaded)}, load_date, source_file, source_row,
            case when broken_line is not null then ['the line is no JSON object']
                when not is_accepted then {english} end as reasons,
            case when broken_line is not null then ['该行不是 JSON 对象']
                when not is_accepted then {chinese} end as reasons_zh,
            case when broken_line is not null then json_object('line', broken_line)
                when not is_accepted then json_object({_pairs(present)}) end as record
        from (
            select *, {is_accepted} as is_accepted
            from (
                select incoming.* exclude (source_file), delivered_file.* exclude (place), {casts}{broken_line}
                from ({select(form, [file.path for file in files], present)}) as incoming
                join delivered_file on incoming.source_file = delivered_file.place
            )
        )"""


def _reasons(verdicts: Sequence[tuple[str, str]]) -> str:
    """SQL for the list of the texts whose condition is false; NULL passes, as in a CHECK constraint."""
    cases = ", ".join(f"case when ({condition}) is false then {text_literal(text)} end" for condition, text in verdicts)
    return f"list_filter([{cases}]::varchar[], lambda reason: reason is not null)"


def _pairs(present: Sequence[str]) -> str:
    return ", ".join(f"'{name}', \"src_{name}\"" for name in present)


def _reject_broken_lines(warehouse: Warehouse) -> None:
    """Add the lines that DuckDB could not split into columns, with the reason in words, and count them as rows."""
    if not warehouse.has_table("main.reject_errors"):
        return
    warehouse.run(
        "create or replace temp table broken_line as"
        " select load_date, source_file, line, first(error_type order by error_type) as error, first(csv_line) as text,"
        " line - row_number() over (partition by source_file order by line) as rows_before"
        " from reject_errors join reject_scans using (scan_id, file_id) join delivered_file on file_path = path"
        " group by load_date, source_file, line"
    )
    warehouse.run(
        "update checked set source_row = source_row + ("
        " select count(*) from broken_line"
        " where broken_line.source_file = checked.source_file and broken_line.rows_before <= checked.source_row)"
        " where source_file in (select source_file from broken_line)"
    )
    for load_date, name, line, error, text in warehouse.run(
        "select * exclude (rows_before) from broken_line order by all"
    ):
        english, chinese = _BROKEN_LINES.get(error, ("cannot be read", "无法读取"))
        warehouse.run(
            "insert into checked by name select ? as load_date, ? as source_file, ? as source_row,"
            " [?] as reasons, [?] as reasons_zh, json_object('line', ?) as record",
            (load_date, name, line - 1, f"line {line} {english}", f"第 {line} 行{chinese}", text),
        )


def _reject_repeated_keys(warehouse: Warehouse, contract: Contract) -> None:
    """Of the accepted rows with one key in one delivery, keep the first and reject the others."""
    key = ", ".join(f'"{name}"' for name in contract.key)
    pairs = ", ".join(f"'{column.name}', \"{column.name}\"" for column in contract.loaded)
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
    run_id: str,
    started_at: datetime,
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
        _keep_account(warehouse, source, days, run_id, started_at, report)


def _keep_account(
    warehouse: Warehouse,
    source: str,
    days: Sequence[Sequence[LandingFile]],
    run_id: str,
    started_at: datetime,
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
        account = (source, file.load_date, file.name, file.sha256(), rows_read, accepted, quarantined)
        moment = (run_id, started_at, _now(), file.size, file.modified_at)
        warehouse.run("insert into meta.loads values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", account + moment)
        report.rows_read += rows_read
        report.rows_accepted += accepted
        report.rows_quarantined += quarantined
    report.days = len(days)


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)
