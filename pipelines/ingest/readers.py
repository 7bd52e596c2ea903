"""Landing files as SQL: one select per group of files that look alike.

Belongs here: what each format looks like to DuckDB, which columns a file has, and why it cannot be read.
Must not be here: what the columns must hold (see ``data_contracts``) or where rows go (see ``loading``).

Every select yields the columns asked for as ``src_<column>`` (as the file holds them), with ``source_file`` (its place
in the list of files) and ``source_row`` (from 1; in NDJSON the number of the line). What is no row stands whole in
``broken_line``, with the reason in ``broken_en`` and ``broken_zh``. A select raises where the text of a file is broken;
such a file is read line by line instead (see ``line_reader``).
"""

import csv
import io
import os
import re
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from data_contracts import Contract
from data_contracts.casting import text_literal
from pipelines.ingest import parquet_files
from pipelines.ingest.landing import LandingFile
from pipelines.ingest.line_reader import LONGEST_LINE, json_frames
from pipelines.ingest.packed import unpacked
from pipelines.warehouse import DuckDBError, Trial, Warehouse

MOST_COLUMNS = 2_000
"""Columns that a file may have, agreed or not."""

BROKEN = (DuckDBError, OSError, EOFError, UnicodeError, zlib.error, csv.Error)
"""What reading a broken file raises."""

_OTHER_DELIMITERS = {";": ("semicolons", "分号"), "\t": ("tabs", "制表符"), "|": ("vertical bars", "竖线")}
_GAP = 512  # bytes of zeros that are no text
_ROW_PLACES = ("file_index", "file_row_number")
_QUOTED = re.compile(r"""["'`].*""")
_NOTHING_BROKEN = "null::varchar as broken_line, null::varchar as broken_en, null::varchar as broken_zh"
_NO_OBJECT = ("is no JSON object: write one object a line", "不是 JSON 对象：每行写一个对象")
_KEY_TWICE = ("holds a key twice: write every key once", "含有重复的键：每个键只写一次")
_LINE_REASONS = tuple(zip(_KEY_TWICE, _NO_OBJECT, strict=True))


class UnreadableFileError(Exception):
    """A landing file that cannot be read at all: what is wrong and what to do, in one line.

    Parameters
    ----------
    text_en, text_zh : str
        The line in English and Chinese; both name the file.
    """

    def __init__(self, text_en: str, text_zh: str) -> None:
        super().__init__(text_en)
        self.texts = (text_en, text_zh)


@dataclass(frozen=True)
class Shape:
    """What a file looks like: files of one shape are read by one select.

    Parameters
    ----------
    format : str
        Ending of the file's name.
    columns : tuple of str
        Column names in the file's order; for ndjson, every key that occurs.
    types : tuple of str
        DuckDB types of the columns (Parquet), or empty.
    """

    format: str
    columns: tuple[str, ...]
    types: tuple[str, ...] = ()


def shape(warehouse: Warehouse, trial: Trial, contract: Contract, file: LandingFile) -> Shape:
    """The shape of a file. What is cheap to see is looked at first: a file that is none costs no time.

    Raises
    ------
    UnreadableFileError
        If the file is empty where it may not be, too large, torn, in another encoding or format, or not readable at
        all.
    """
    try:
        limit = warehouse.settings.max_file_bytes
        if file.size > limit:
            raise _too_large(file, limit)
        if file.format == ".parquet":
            return _parquet_shape(trial, contract, file, limit)
        first = _first_line(file, limit)
        if first.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in first[:4]:
            raise _foreign_text(file)
        if file.format == ".ndjson":
            return Shape(file.format, _keys(warehouse, file))
        return Shape(file.format, _header(file, first))
    except BROKEN as error:
        raise unreadable(file, error) from error


def unreadable(file: LandingFile, error: BaseException) -> UnreadableFileError:
    """The error of a file that a library could not read, with the library's reason as far as it quotes nothing."""
    said = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    reason = _QUOTED.sub("", (said.splitlines() or [""])[0]).strip(" :(")[:200] or type(error).__name__
    kind = file.format[1:]
    return UnreadableFileError(
        f"{file.name}: cannot be read as {kind} ({reason}); deliver it again",
        f"{file.name}：无法作为 {kind} 读取（{reason}）；请重新交付",
    )


def select(shape: Shape, paths: Sequence[Path], columns: Sequence[str]) -> str:
    """The select that reads files of one shape; ``columns`` are read where the shape has them."""
    present = [column for column in columns if column in shape.columns]
    if shape.format == ".parquet":
        return _select_parquet(paths, present)
    if shape.format == ".ndjson":
        return _select_objects(_numbered("line, ", _lines(paths)), present)
    return _select_csv(paths, shape.columns, present)


def _select_objects(lines: str, columns: Sequence[str]) -> str:
    """The rows of JSON lines; ``lines`` yields line, source_file and source_row. Empty lines are no rows."""
    source = "".join(
        f"""case when is_sound then line ->> '$."{column}"' end as "src_{column}", """ for column in columns
    )
    english, chinese = (f"if(is_object, {text_literal(key)}, {text_literal(no)})" for key, no in _LINE_REASONS)
    return (
        f"select {source}source_file, source_row,"
        " case when not is_sound then line end as broken_line,"
        f" case when not is_sound then 'line ' || source_row || ' ' || {english} end as broken_en,"
        f" case when not is_sound then '第 ' || source_row || ' 行' || {chinese} end as broken_zh"
        " from (select *, is_object and len(keys) = len(list_distinct(keys)) as is_sound"
        " from (select *, case when is_object then json_keys(line) end as keys"
        " from (select *, coalesce(json_valid(line) and left(ltrim(line), 1) = '{', false) as is_object"
        f" from ({lines}) where trim(line) <> '')))"
    )


def select_frame(shape: Shape, view: str, columns: Sequence[str]) -> str:
    """The select that reads a frame of ``line_reader``, offered as ``view`` and read once, like a file."""
    if shape.format != ".ndjson":
        return f"select *, 0 as source_file from {view}"
    lines = "select line, 0 as source_file, source_row from offered_line where broken_line is null"
    return (
        f"with offered_line as materialized (from {view})"
        f" {_select_objects(lines, [column for column in columns if column in shape.columns])} union all by name"
        " select 0 as source_file, * exclude (line) from offered_line where broken_line is not null"
    )


def _parquet_shape(trial: Trial, contract: Contract, file: LandingFile, limit: int) -> Shape:
    found = parquet_files.columns(trial, file)
    form = Shape(file.format, tuple(name for name, _ in found), tuple(type_ for _, type_ in found))
    if taken := sorted(set(_ROW_PLACES) & {name.lower() for name in form.columns}):
        raise UnreadableFileError(
            f"{file.name}: a column cannot be called {taken[0]}; rename it or leave it out",
            f"{file.name}：列名不能为 {taken[0]}；请改名或去掉该列",
        )
    loaded = {column.name for column in contract.loaded}
    parquet_files.refuse_too_large(trial, file, [column for column in found if column[0] in loaded], limit)
    return form


def _select_parquet(paths: Sequence[Path], columns: Sequence[str]) -> str:
    source = "".join(f'"{column}" as "src_{column}", ' for column in columns)
    return (
        f"select {source}file_index as source_file, file_row_number + 1 as source_row, {_NOTHING_BROKEN}"
        f" from read_parquet({_list(paths)}, file_row_number = true, hive_partitioning = false)"
    )


def _select_csv(paths: Sequence[Path], names: Sequence[str], columns: Sequence[str]) -> str:
    source = "".join(f'column{names.index(column)} as "src_{column}", ' for column in columns)
    types = ", ".join(f"'column{place}': 'VARCHAR'" for place in range(len(names)))
    rows = _numbered(
        source,
        f"read_csv({_list(paths)}, columns = {{{types}}}, auto_detect = false, header = true, delim = ',',"
        f" quote = '\"', escape = '\"', nullstr = '', max_line_size = {LONGEST_LINE}, hive_partitioning = false)",
    )
    return f"select *, {_NOTHING_BROKEN} from ({rows})"


def _lines(paths: Sequence[Path]) -> str:
    """Lines as they are: the delimiter is a character that JSON never holds."""
    return (
        f"read_csv({_list(paths)}, columns = {{'line': 'VARCHAR'}}, auto_detect = false, header = false,"
        f" delim = '\x01', quote = '', escape = '', nullstr = '', max_line_size = {LONGEST_LINE},"
        " hive_partitioning = false)"
    )


def _numbered(source: str, relation: str) -> str:
    rows = f"select {source}file_index as source_file, row_number() over () as row_in_all from {relation}"
    return (
        "select * exclude (row_in_all), row_in_all - min(row_in_all) over (partition by source_file) + 1 as source_row"
        f" from ({rows})"
    )


def _list(paths: Sequence[Path]) -> str:
    return "[" + ", ".join("'" + str(path).replace("'", "''") + "'" for path in paths) + "]"


def _keys(warehouse: Warehouse, file: LandingFile) -> tuple[str, ...]:
    """Every key of a file's objects, in the order of the alphabet; of far too many, some."""
    if file.size == 0:
        return ()
    try:
        return tuple(sorted(_keys_of(warehouse, _lines([file.path]))))
    except DuckDBError:
        keys: set[str] = set()
        for frame in json_frames(file):
            with warehouse.offered(frame) as view:
                keys |= _keys_of(warehouse, view)
            if len(keys) > MOST_COLUMNS:
                break
        return tuple(sorted(keys))


def _keys_of(warehouse: Warehouse, lines: str) -> set[str]:
    objects = f"select line from {lines} where json_valid(line) and left(ltrim(line), 1) = '{{'"
    keys = f"select distinct unnest(json_keys(line)) from ({objects}) limit {MOST_COLUMNS + 1}"
    return {row[0] for row in warehouse.run(keys)}


def _header(file: LandingFile, line: bytes) -> tuple[str, ...]:
    if not line.strip():
        raise UnreadableFileError(
            f"{file.name}: is empty; deliver it again with a header line, even where there are no rows",
            f"{file.name}：文件为空；请重新交付，即使没有数据也要有表头行",
        )
    if len(line) == LONGEST_LINE:
        raise UnreadableFileError(
            f"{file.name} line 1: has no end; deliver it again with a header line",
            f"{file.name} 第 1 行：没有结束；请重新交付，并带有表头行",
        )
    try:
        text = line.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise _foreign_text(file) from None
    names = tuple(name.strip() for name in next(csv.reader(io.StringIO(text, newline="")), ()))
    for delimiter, (english, chinese) in _OTHER_DELIMITERS.items():
        if len(names) == 1 and delimiter in names[0]:
            raise UnreadableFileError(
                f"{file.name} line 1: columns are separated by {english}; export the file with commas",
                f"{file.name} 第 1 行：列以{chinese}分隔；请改用逗号导出",
            )
    return names


def _foreign_text(file: LandingFile) -> UnreadableFileError:
    return UnreadableFileError(
        f"{file.name} line 1: is no UTF-8 text; export the file as UTF-8",
        f"{file.name} 第 1 行：不是 UTF-8 文本；请以 UTF-8 导出文件",
    )


def _too_large(file: LandingFile, limit: int) -> UnreadableFileError:
    size, most = f"{file.size / 1e9:,.1f} GB", f"{limit / 1e9:g} GB"
    return UnreadableFileError(
        f"{file.name}: has {size}, more than {most}; deliver the day as a folder of files",
        f"{file.name}：有 {size}，超过 {most}；请以文件夹形式分成多个文件交付",
    )


def _first_line(file: LandingFile, limit: int) -> bytes:
    """The first line of a text file; a gzipped one is read to its end, for DuckDB does not verify its checksum."""
    with file.opened() as stream:
        if file.format.endswith(".gz"):
            return _first_unpacked(unpacked(stream, file.size, limit))
        gap = _gap(stream)
        if gap < file.size:
            raise UnreadableFileError(
                f"{file.name}: was not written to its end, only zeros stand from byte {gap:,} on; deliver it again",
                f"{file.name}：未写完，自第 {gap:,} 字节起全为零；请重新交付",
            )
        stream.seek(0)
        return stream.readline(LONGEST_LINE)


def _first_unpacked(pieces: Iterator[bytes]) -> bytes:
    """The first line of the pieces, all of which are read."""
    first = bytearray()
    for piece in pieces:
        if b"\n" not in first and len(first) < LONGEST_LINE:
            first += piece
    return io.BytesIO(first).readline(LONGEST_LINE)


def _gap(stream: BinaryIO) -> int:
    """Where the first gap of a text file is, which a transfer leaves that never ended; its length where there is none.

    The file system knows, so that gigabytes of nothing need not be read.
    """
    end = stream.seek(0, os.SEEK_END)
    try:
        gap = os.lseek(stream.fileno(), 0, os.SEEK_HOLE)
    except OSError:  # an empty file, or a file system that knows no gaps
        return end
    stream.seek(gap)
    return end if stream.read(_GAP).strip(b"\0") else gap
