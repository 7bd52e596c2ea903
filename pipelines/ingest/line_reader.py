"""Landing files read line by line: the slow and sure way, for text files that DuckDB cannot read as a whole.

Belongs here: which lines of a broken file are rows, which are not and why, and their numbers.
Must not be here: how sound files are read (see ``readers``), or what a row must hold (see ``data_contracts``).

A quote that is never closed would swallow all lines behind it. Here it costs its own line: lines are joined to one
row only where that gives as many columns as the header has.
"""

import csv
import gzip
import io
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import BinaryIO, cast

import polars as pl

from pipelines.ingest.landing import LandingFile

LONGEST_LINE = 4_000_000
"""Characters; what is longer is no row of a table."""

_MOST_LINES = 1_000  # of one row: a text with line breaks in quotes
_ROWS_AT_ONCE = 50_000
_CHARACTERS_AT_ONCE = 50_000_000
csv.field_size_limit(LONGEST_LINE)

_REASONS = {
    "few": (
        "has fewer columns than the header: add the missing ones, empty where nothing is known",
        "的列数少于表头：请补全，未知则留空",
    ),
    "many": (
        "has more columns than the header: put values that hold commas in quotes",
        "的列数多于表头：含逗号的值请加引号",
    ),
    "encoding": ("is no UTF-8 text: export the file as UTF-8", "不是 UTF-8 文本：请以 UTF-8 导出文件"),
    "quote": (
        "has a quote that is not closed or stands inside a value: close it, or write it twice",
        "的引号未闭合或出现在值的中间：请闭合引号，或将其写成两个",
    ),
    "long": (
        f"has more than {LONGEST_LINE:,} characters: is a line break missing?",
        f"超过 {LONGEST_LINE:,} 个字符：是否缺少换行？",
    ),
}

_Line = tuple[int, str]


@dataclass(frozen=True)
class _Row:
    """A row of a file (``row`` from 1), the line it starts on, and its values or why it has none."""

    row: int
    line: int
    text: str
    values: Sequence[str | None] = ()
    broken: str | None = None


def csv_frames(file: LandingFile, names: Sequence[str], columns: Sequence[str]) -> Iterator[pl.DataFrame]:
    """The rows of a CSV file, some at a time.

    Parameters
    ----------
    file : LandingFile
        A CSV file, gzipped or not.
    names : sequence of str
        The columns of its header.
    columns : sequence of str
        Those of them that are wanted.

    Yields
    ------
    pl.DataFrame
        ``src_<column>``, source_row, and for what is no row ``broken_line``, ``broken_en``, ``broken_zh``.
    """
    places = {f"src_{column}": names.index(column) for column in columns}
    for rows in _batches(_csv_rows(file, len(names))):
        values = {
            name: [row.values[place] if row.broken is None else None for row in rows] for name, place in places.items()
        }
        yield _frame(rows, values)


def json_frames(file: LandingFile) -> Iterator[pl.DataFrame]:
    """The lines of an NDJSON file, some at a time: ``line``, source_row, and why a line is no text (as above)."""
    for rows in _batches(_json_rows(file)):
        yield _frame(rows, {"line": [None if row.broken else row.text for row in rows]})


def _frame(rows: Sequence[_Row], values: dict[str, list[str | None]]) -> pl.DataFrame:
    reasons = [_words(row) for row in rows]
    frame = pl.DataFrame(values, schema=dict.fromkeys(values, pl.String))
    return frame.with_columns(
        pl.Series("source_row", [row.row for row in rows], pl.Int64),
        pl.Series("broken_line", [row.text if row.broken else None for row in rows], pl.String),
        pl.Series("broken_en", [english for english, _ in reasons], pl.String),
        pl.Series("broken_zh", [chinese for _, chinese in reasons], pl.String),
    )


def _words(row: _Row) -> tuple[str | None, str | None]:
    if row.broken is None:
        return None, None
    english, chinese = _REASONS[row.broken]
    return f"line {row.line} {english}", f"第 {row.line} 行{chinese}"


def _batches(rows: Iterator[_Row]) -> Iterator[list[_Row]]:
    """Rows, so many at a time that they fit into memory however long they are."""
    batch: list[_Row] = []
    characters = 0
    for row in rows:
        batch.append(row)
        characters += len(row.text)
        if len(batch) == _ROWS_AT_ONCE or characters > _CHARACTERS_AT_ONCE:
            yield batch
            batch, characters = [], 0
    if batch:
        yield batch


def _json_rows(file: LandingFile) -> Iterator[_Row]:
    for number, text in _lines(file):
        if text.strip():
            yield _Row(number, number, _shown(text), broken=_broken_text(text))


def _csv_rows(file: LandingFile, width: int) -> Iterator[_Row]:
    lines = _lines(file)
    next(lines, None)
    ahead: deque[_Line] = deque()
    row = 0
    while _fill(ahead, lines, 1):
        if ahead[0][1] == "\n":
            ahead.popleft()
            continue
        count, values, broken = _next_row(ahead, lines, width)
        taken = [ahead.popleft() for _ in range(count)]
        row += 1
        yield _Row(row, taken[0][0], _shown("".join(text for _, text in taken)), values, broken)


def _next_row(ahead: deque[_Line], lines: Iterator[_Line], width: int) -> tuple[int, Sequence[str | None], str | None]:
    """How many lines the next row has, its values, and why it is broken."""
    first = ahead[0][1]
    if broken := _broken_text(first):
        return 1, (), broken
    values = _split([first])
    if values is None:
        count = _lines_to_even_quotes(ahead, lines)
        joined = _split([ahead[place][1] for place in range(count)]) if count > 1 else None
        return (count, _nulls(joined), None) if joined and len(joined) == width else (1, (), "quote")
    if len(values) == width + 1 and values[-1] == "":
        values.pop()
    broken = "few" if len(values) < width else "many" if len(values) > width else None
    return 1, _nulls(values), broken


def _split(lines: Sequence[str]) -> list[str] | None:
    """The values of one row; None where the lines are no row, or more than one."""
    try:
        rows = list(csv.reader(lines, strict=True))
    except csv.Error:
        return None
    return rows[0] if len(rows) == 1 else None


def _lines_to_even_quotes(ahead: deque[_Line], lines: Iterator[_Line]) -> int:
    """How many lines belong together by their quotes; 1 where no end is in sight."""
    quotes = characters = 0
    for place in range(_MOST_LINES):
        if not _fill(ahead, lines, place + 1) or _broken_text(ahead[place][1]):
            return 1
        quotes += ahead[place][1].count('"')
        characters += len(ahead[place][1])
        if characters > LONGEST_LINE:
            return 1
        if quotes % 2 == 0:
            return place + 1
    return 1


def _fill(ahead: deque[_Line], lines: Iterator[_Line], count: int) -> bool:
    ahead.extend(islice(lines, max(0, count - len(ahead))))
    return len(ahead) >= count


def _lines(file: LandingFile) -> Iterator[_Line]:
    """The lines of a text file with their numbers; bytes that are no UTF-8 stand as lone surrogates."""
    with file.opened() as raw, _text(file, raw) as stream:
        number = 0
        while line := stream.readline(LONGEST_LINE + 1):
            number += 1
            yield number, line
            while len(line) > LONGEST_LINE and not line.endswith("\n"):  # of what is far too long, the start is kept
                line = stream.readline(LONGEST_LINE + 1)


def _text(file: LandingFile, raw: BinaryIO) -> io.TextIOWrapper:
    plain = cast("BinaryIO", gzip.GzipFile(fileobj=raw)) if file.format.endswith(".gz") else raw
    return io.TextIOWrapper(plain, encoding="utf-8-sig", errors="surrogateescape")


def _broken_text(text: str) -> str | None:
    if len(text) > LONGEST_LINE:
        return "long"
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return "encoding"
    return None


def _shown(text: str) -> str:
    """The text as it can be kept: bytes that are no UTF-8 as backslash and number, no line end."""
    return text.removesuffix("\n").encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _nulls(values: Sequence[str]) -> list[str | None]:
    return [value or None for value in values]
