"""Traces: where an id still stands, in databases, in other files, in the landing zone.

Belongs here: searching, each place by a way that would find it. Must not be here: removing anything (see ``erasing``).

An id counts as found where it stands as a word: ``C1`` is not in ``C10``. Database files pack texts without anything
between them, so there a find that is part of a longer known text does not count. Ids of fewer than ``SHORTEST`` bytes
turn up by chance in files that are no text; for those only the values of the tables are searched.
"""

from __future__ import annotations

import gzip
import mmap
import re
import zipfile
import zlib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from data_contracts.casting import text_literal
from pipelines.warehouse import DuckDBError, Warehouse

SHORTEST = 8
"""Bytes from which an id is searched in files that are no text."""

_WORD = "[^\\p{L}\\p{N}_]"
_WORD_BYTES = frozenset(b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz" + bytes(range(128, 256)))
_TEXTS = ("VARCHAR", "JSON", "BLOB")
_MOST_LONGER_TEXTS = 10_000
_PIECE = 1 << 22


@dataclass
class Searched:
    """What was searched, and where an id was found.

    Parameters
    ----------
    tables, values : int
        Tables, and rows times searched columns in them.
    files, bytes : int
        Files, and bytes in them.
    found : list of str
        ``schema.table.column`` or path, in the order of the search.
    """

    tables: int = 0
    values: int = 0
    files: int = 0
    bytes: int = 0
    found: list[str] = field(default_factory=list)


def word_pattern(needles: Collection[str]) -> str:
    """The regular expression, for DuckDB, of any of the texts standing as a word."""
    words = "|".join(re.escape(needle) for needle in sorted(needles))
    return f"(?:^|{_WORD})(?:{words})(?:$|{_WORD})"


def spellings(needle: str) -> set[str]:
    """How a text may stand in files: as it is, and as CSV and JSON write it."""
    escaped = "".join(c if c.isascii() else f"\\u{ord(c):04x}" for c in needle)
    return {needle, needle.replace('"', '""'), needle.replace("\\", "\\\\").replace('"', '\\"'), escaped}


def is_long(needle: str) -> bool:
    """Whether a text is long enough not to turn up by chance."""
    return len(needle.encode()) >= SHORTEST


def search_tables(warehouse: Warehouse, needles: Collection[str], database: str, searched: Searched) -> None:
    """Search every text of every table of an attached database; a short id only as a whole value."""
    for schema, table, columns in _text_columns(warehouse, database):
        name = f'"{database}"."{schema}"."{table}"'
        hits = ", ".join(f"count(*) filter ({_holds(column, needles)})" for column in columns)
        rows, *counts = warehouse.run(f"select count(*), {hits} from {name}")[0]
        searched.tables += 1
        searched.values += rows * len(columns)
        searched.found += [f"{schema}.{table}.{column}" for column, hit in zip(columns, counts, strict=True) if hit]


def longer_texts(warehouse: Warehouse, needles: Collection[str], database: str) -> set[bytes]:
    """Texts of a database that an id is a part of, without standing there as a word: ``C10`` for ``C1``."""
    found: set[bytes] = set()
    part = "|".join(re.escape(needle) for needle in sorted(filter(is_long, needles)))
    for schema, table, columns in _text_columns(warehouse, database) if part else ():
        for column in columns:
            rows = warehouse.run(
                f'select distinct cast("{column}" as varchar) from "{database}"."{schema}"."{table}"'
                f' where regexp_matches(cast("{column}" as varchar), {text_literal(part)}) limit {_MOST_LONGER_TEXTS}'
            )
            found |= {row[0].encode() for row in rows}
    return found


def search_files(
    paths: Sequence[Path], needles: Collection[str], longer: Collection[bytes], searched: Searched
) -> list[Path]:
    """Search files byte by byte, packed ones (zip, as models are) also unpacked; returns those that hold an id."""
    sought = [needle.encode() for needle in needles if is_long(needle)]
    found = []
    for path in paths:
        searched.files += 1
        searched.bytes += path.stat().st_size
        if any(_holds_any(content, sought, longer) for content in _contents(path)):
            found.append(path)
    return found


def search_landing(warehouse: Warehouse, needles: Collection[str]) -> tuple[list[str], list[str]]:
    """The files of the landing zone that hold an id, and those that could not be searched; names inside the zone."""
    landing = warehouse.settings.landing
    found, unread = [], []
    for path in sorted(path for path in landing.rglob("*") if path.is_file()):
        name = path.relative_to(landing).as_posix()
        try:
            is_held = (
                _parquet_holds(warehouse, path, needles) if path.suffix == ".parquet" else _holds_text(path, needles)
            )
        except (DuckDBError, OSError, EOFError, zlib.error):
            unread.append(name)
        else:
            found += [name] * is_held
    return found, unread


def _text_columns(warehouse: Warehouse, database: str) -> Iterator[tuple[str, str, list[str]]]:
    """Tables with the columns that can hold text, lists and structures included."""
    is_text = " or ".join(f"contains(data_type, '{kind}')" for kind in _TEXTS)
    yield from warehouse.run(
        "select schema_name, table_name, list(column_name order by column_index) from duckdb_columns()"
        f" where database_name = ? and not internal and ({is_text}) and (schema_name, table_name) in"
        " (select (schema_name, table_name) from duckdb_tables() where database_name = ? and not temporary)"
        " group by all order by all",
        (database, database),
    )


def _holds(column: str, needles: Collection[str]) -> str:
    text = f'cast("{column}" as varchar)'
    long, short = [n for n in needles if is_long(n)], [n for n in needles if not is_long(n)]
    whole = ", ".join(map(text_literal, short))
    tests = [f"regexp_matches({text}, {text_literal(word_pattern(long))})"] if long else []
    return " or ".join([*tests, *([f"trim({text}) in ({whole})"] if short else [])])


def _contents(path: Path) -> Iterator[bytes | mmap.mmap]:
    if path.stat().st_size == 0:
        return
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        yield content
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as packed:
            yield from (packed.read(name) for name in packed.namelist())


def _holds_any(content: bytes | mmap.mmap, sought: Collection[bytes], longer: Collection[bytes]) -> bool:
    is_text = b"\0" not in content[:8192]
    return any(
        _stands_alone(content, place, needle, longer, is_text)
        for needle in sought
        for place in _places(content, needle)
    )


def _places(content: bytes | mmap.mmap, needle: bytes) -> Iterator[int]:
    place = content.find(needle)
    while place >= 0:
        yield place
        place = content.find(needle, place + 1)


def _stands_alone(
    content: bytes | mmap.mmap, place: int, needle: bytes, longer: Collection[bytes], is_text: bool
) -> bool:
    """Whether a find is a word of a text, or, in other files, no part of a longer known text."""
    end = place + len(needle)
    if is_text:
        return not ({*content[max(0, place - 1) : place], *content[end : end + 1]} & _WORD_BYTES)
    return not any(_covers(content, place, needle, text) for text in longer)


def _covers(content: bytes | mmap.mmap, place: int, needle: bytes, text: bytes) -> bool:
    starts = (place - within for within in _places(text, needle))
    return any(start >= 0 and content[start : start + len(text)] == text for start in starts)


def _parquet_holds(warehouse: Warehouse, path: Path, needles: Collection[str]) -> bool:
    columns = [
        row[0]
        for row in warehouse.run(
            "select column_name from (describe from read_parquet(?, hive_partitioning = false))", (str(path),)
        )
    ]
    texts = ", ".join(f"cast({_identifier(column)} as varchar)" for column in columns)
    whole = ", ".join(text_literal(text) for needle in sorted(needles) for text in (needle, f"{needle}.0"))
    pattern = text_literal(word_pattern([needle for needle in needles if is_long(needle)] or sorted(needles)))
    return bool(
        warehouse.run(
            f"select 1 from (select unnest([{texts}]) as cell from read_parquet(?, hive_partitioning = false))"
            f" where trim(cell) in ({whole}) or regexp_matches(cell, {pattern}) limit 1",
            (str(path),),
        )
    )


def _identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _holds_text(path: Path, needles: Collection[str]) -> bool:
    """Whether a text file, gzipped or not, holds an id as a word, in the spellings of CSV and JSON too."""
    sought = {spelt.encode() for needle in needles for spelt in spellings(needle)}
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as stream:
        return any(_holds_any(piece, sought, ()) for piece in _pieces(stream, max(map(len, sought)) + 1))


def _pieces(stream: BinaryIO | gzip.GzipFile, overlap: int) -> Iterator[bytes]:
    """A stream in pieces that overlap: a word that is cut at the edge of one piece is whole inside the next."""
    tail = b""
    while piece := stream.read(_PIECE):
        whole = tail + piece
        yield whole + b"_" * (len(piece) == _PIECE)
        tail = b"_" + whole[-2 * overlap :]
    yield tail
