"""Quarantine, for the person who mends deliveries: what was refused, why, and judging it again.

Belongs here: reading the refused rows, handing them out, and loading their deliveries again. Must not be here: judging
a row (see ``accepting``), or removing what is old (see ``retention``).
"""

import json
import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

from data_contracts import Contract, landing_contracts
from pipelines.errors import UserError
from pipelines.ingest.accepting import now
from pipelines.ingest.csv_export import write_csv
from pipelines.ingest.landing import listing
from pipelines.ingest.loading import load_again
from pipelines.settings import Settings
from pipelines.storage.durable_files import move_durably
from pipelines.warehouse import Warehouse

LONGEST_SHOWN = 80
"""Characters of a value that are shown; the export holds all of them."""

MOST_REASONS = 3

_PLACES: dict[str, Any] = {
    "load_date": pl.Date,
    "source_file": pl.String,
    "source_row": pl.Int64,
    "reasons": pl.List(pl.String),
    "reasons_zh": pl.List(pl.String),
}


@dataclass(frozen=True)
class Refused:
    """A delivered file of which rows are in quarantine.

    Parameters
    ----------
    source : str
        Landing source.
    load_date : date
        Delivery day.
    file : str
        Path inside the landing zone.
    rows_read, rows_refused : int
        Rows of the file, and those of them that are in quarantine now.
    reasons : tuple of (str, str, int)
        The most frequent reasons in English and Chinese, and the rows that each was given for.
    """

    source: str
    load_date: date
    file: str
    rows_read: int
    rows_refused: int
    reasons: tuple[tuple[str, str, int], ...]


@dataclass
class Replayed:
    """What judging one refused delivery again came to.

    Parameters
    ----------
    source : str
        Landing source.
    load_date : date
        Delivery day.
    accepted : int
        Rows that were refused before and are accepted now.
    refused : int
        Rows that are refused still.
    problems : list of str
        Why the delivery could not be judged again; then all is as it was.
    """

    source: str
    load_date: date
    accepted: int = 0
    refused: int = 0
    problems: list[str] = field(default_factory=list)


def refused_files(warehouse: Warehouse, source: str | None = None) -> list[Refused]:
    """Files of which rows are in quarantine, the newest delivery first."""
    found = [
        row for contract in _sources(source) if _is_there(warehouse, contract) for row in _files(warehouse, contract)
    ]
    return sorted(found, key=lambda row: (-row.load_date.toordinal(), row.source, row.file))


def refused_rows(
    warehouse: Warehouse, source: str, day: date | None = None, reason: str | None = None, limit: int | None = None
) -> pl.DataFrame:
    """Rows in quarantine, as delivered.

    Parameters
    ----------
    warehouse : Warehouse
        The open warehouse.
    source : str
        Landing source.
    day : date, optional
        Of one delivery day only.
    reason : str, optional
        With this text in one of their reasons, English or Chinese.
    limit : int, optional
        The first of them.

    Returns
    -------
    pl.DataFrame
        load_date, source_file, source_row, reasons, reasons_zh, then the columns of the contract as texts, and ``line``
        where a line could not be split.
    """
    contract = _sources(source)[0]
    names = [column.name for column in contract.loaded] + ["line"]
    types = _PLACES | dict.fromkeys(names, pl.String)
    if not _is_there(warehouse, contract):
        return pl.DataFrame(schema=types)
    values = ", ".join(f"""record ->> '$."{name}"' as "{name}\"""" for name in names)
    has_reason = (
        "(?::varchar is null or list_has_any(list_transform(reasons || reasons_zh, lambda r: contains(r, ?)), [true]))"
    )
    rows = warehouse.records(
        f"select {', '.join(_PLACES)}, {values} from quarantine.{contract.name}"
        f" where (?::date is null or load_date = ?) and {has_reason} order by load_date, source_file, source_row"
        f"{f' limit {limit}' if limit is not None else ''}",
        (day, day, reason, reason),
    )
    return pl.DataFrame(rows, schema=types, orient="row")


def export(warehouse: Warehouse, path: Path, sources: Iterable[str]) -> int:
    """Write the refused rows of sources to a CSV or Parquet file that only its owner can read; returns their number.

    Raises
    ------
    UserError
        If the name ends otherwise, or the file cannot be written.
    """
    if path.suffix not in (".csv", ".parquet"):
        raise UserError(f"{path}: write to a file that ends in .csv or .parquet")
    frames = [refused_rows(warehouse, name).insert_column(0, pl.lit(name).alias("source")) for name in sources]
    whole = pl.concat(frames, how="diagonal_relaxed")
    building = path.with_name(f".{path.name}.building")
    try:
        os.close(os.open(building, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))
        write_csv(whole, building) if path.suffix == ".csv" else whole.write_parquet(building)
        move_durably(building, path)
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error.strerror}); choose another place") from error
    finally:
        with suppress(OSError):
            building.unlink(missing_ok=True)
    return len(whole)


def replay(warehouse: Warehouse, source: str | None = None, day: date | None = None) -> list[Replayed]:
    """Judge refused deliveries again by today's contracts, each day whole, in one transaction.

    A delivery of which a file is gone keeps its rows in quarantine: they are all that is left of it.
    """
    run_id = f"replay.{now():%Y%m%dT%H%M%S}"
    days = {(row.source, row.load_date) for row in refused_files(warehouse, source)}
    contracts = {contract.name: contract for contract in landing_contracts()}
    return [
        _replay(warehouse, contracts[name], load_date, run_id)
        for name, load_date in sorted(days)
        if day in (None, load_date)
    ]


def opened(settings: Settings) -> Warehouse:
    """The warehouse, where there is one."""
    if not (settings.warehouse / "warehouse.duckdb").is_file():
        raise UserError(f"{settings.warehouse}: there is no warehouse; run 'trust run' first")
    return Warehouse(settings)


def _replay(warehouse: Warehouse, contract: Contract, day: date, run_id: str) -> Replayed:
    told = Replayed(contract.name, day, refused=_count(warehouse, contract, day))
    before = told.refused
    there = {file.name for file in listing(warehouse.settings.landing, contract.name).files}
    held = warehouse.run("select file from meta.loads where source = ? and load_date = ?", (contract.name, day))
    told.problems = [
        f"{name}: is no longer in the landing zone; deliver it again to judge its rows"
        for (name,) in held
        if name not in there
    ]
    if not told.problems:
        report = load_again(warehouse, contract, day, run_id)
        told.problems = [english for english, _ in report.failures]
        told.refused = _count(warehouse, contract, day)
        told.accepted = max(before - told.refused, 0)
    return told


def _count(warehouse: Warehouse, contract: Contract, day: date) -> int:
    return int(warehouse.value(f"select count(*) from quarantine.{contract.name} where load_date = ?", (day,)))


def _files(warehouse: Warehouse, contract: Contract) -> list[Refused]:
    rows = warehouse.run(
        f"select refused.load_date, source_file, max(rows_read), count(*) from quarantine.{contract.name} as refused"
        " left join meta.loads on loads.source = ? and loads.load_date = refused.load_date"
        " and loads.file = refused.source_file group by refused.load_date, source_file",
        (contract.name,),
    )
    return [
        Refused(contract.name, day, file, read, refused, _reasons(warehouse, contract, day, file))
        for day, file, read, refused in rows
    ]


def _reasons(warehouse: Warehouse, contract: Contract, day: date, file: str) -> tuple[tuple[str, str, int], ...]:
    rows = warehouse.run(
        "select en, zh, count(*) from"
        f" (select unnest(reasons) as en, unnest(reasons_zh) as zh from quarantine.{contract.name}"
        f" where load_date = ? and source_file = ?) group by all order by count(*) desc, en limit {MOST_REASONS}",
        (day, file),
    )
    return tuple((english, chinese, count) for english, chinese, count in rows)


def _sources(name: str | None) -> Sequence[Contract]:
    contracts = landing_contracts()
    found = [contract for contract in contracts if name in (None, contract.name)]
    if not found:
        raise UserError(f"there is no source {name!r}; choose one of {', '.join(one.name for one in contracts)}")
    return found


def _is_there(warehouse: Warehouse, contract: Contract) -> bool:
    return warehouse.has_table(f"quarantine.{contract.name}") and warehouse.has_table("meta.loads")


def render_files(files: Sequence[Refused]) -> str:
    """The list of files with refused rows, for a terminal."""
    if not files:
        return "quarantine is empty"
    lines = []
    for row in files:
        share = f"{row.rows_refused:,} of {row.rows_read:,} rows" if row.rows_read else f"{row.rows_refused:,} rows"
        lines.append(f"{row.source}  {row.load_date}  {row.file}  {share}")
        lines += [f"    {count:>8,} × {english}" for english, _, count in row.reasons]
    return "\n".join(lines)


def render_rows(rows: pl.DataFrame, lang: str) -> str:
    """Refused rows for a terminal, one block each; long values are cut, control characters shown as escapes."""
    if rows.is_empty():
        return "no such rows are in quarantine"
    blocks = []
    for row in rows.iter_rows(named=True):
        lines = [f"{row['source_file']} row {row['source_row']}"]
        lines += [f"  ! {reason}" for reason in row["reasons" if lang == "en" else "reasons_zh"]]
        lines += [
            f"    {name}: {_cut(row[name])}" for name in rows.columns if name not in _PLACES and row[name] is not None
        ]
        blocks.append("\n".join(lines))
    return "\n".join(blocks)


def render_replayed(replayed: Sequence[Replayed]) -> str:
    """What came of judging again, for a terminal."""
    if not replayed:
        return "quarantine is empty: there is nothing to judge again"
    lines = []
    for told in replayed:
        lines.append(
            f"{told.source}  {told.load_date}  {told.accepted:,} rows accepted now, {told.refused:,} still refused"
        )
        lines += [f"    {problem}" for problem in told.problems]
    if any(told.accepted for told in replayed):
        lines.append("the next night uses what was accepted")
    return "\n".join(lines)


def _cut(value: str) -> str:
    shown = json.dumps(value, ensure_ascii=False)[1:-1] if not value.isprintable() else value
    return shown if len(shown) <= LONGEST_SHOWN else f"{shown[:LONGEST_SHOWN]}… ({len(value):,} characters)"
