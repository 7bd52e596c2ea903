"""Landing files as SQL: one select per group of files that look alike.

Belongs here: what each format looks like to DuckDB, which columns a file has, and why it cannot be read.
Must not be here: what the columns must hold (see ``data_contracts``) or where rows go (see ``loading``).

Every select yields the columns asked for as ``src_<column>`` (as the file holds them), with ``source_file`` (its place
in the list of files) and ``source_row`` (from 1; in NDJSON the number of the line). What is no row stands whole in
``broken_line``, with the reason in ``broken_en`` and ``broken_zh``. A select raises where the text of a file is broken;
such a file is read line by line instead (see ``line_reader``).
"""

import csv
import gzip
import io
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipelines.landing import LandingFile
from pipelines.line_reader import LONGEST_LINE, json_frames
from pipelines.warehouse import DuckDBError, Warehouse

BROKEN = (DuckDBError, OSError, EOFError, zlib.error, csv.Error)
"""What reading a broken file raises."""

_OTHER_DELIMITERS = {";": ("semicolons", "分号"), "\t": ("tabs", "制表符"), "|": ("vertical bars", "竖线")}
_ROW_PLACES = ("file_index", "file_row_number")
_NOTHING_BROKEN = "null::varchar as broken_line, null::varchar as broken_en, null::varchar as broken_zh"
_NO_OBJECT = (
    "case when not is_object then line end as broken_line,"
    " case when not is_object then 'line ' || source_row || ' is no JSON object: write one object a line' end"
    " as broken_en,"
    " case when not is_object then '第 ' || source_row || ' 行不是 JSON 对象：每行写一个对象' end as broken_zh"
)


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


def shape(warehouse: Warehouse, file: LandingFile) -> Shape:
    """The shape of a file.

    Raises
    ------
    UnreadableFileError
        If the file is empty where it may not be, torn, in another encoding or format, or not readable at all.
    """
    try:
        if file.format == ".parquet":
            return _parquet_shape(warehouse, file)
        first = _first_line(file)
        if first.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in first[:4]:
            raise _foreign_text(file)
        if file.format == ".ndjson":
            return Shape(file.format, _keys(warehouse, file))
        return Shape(file.format, _header(file, first))
    except BROKEN as error:
        raise unreadable(file, error) from error


def unreadable(file: LandingFile, error: BaseException) -> UnreadableFileError:
    """The error of a file that a library could not read, with the library's reason."""
    reason = (str(error).splitlines() or [type(error).__name__])[0].replace(str(file.path), file.path.name)[:200]
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
        f"""case when is_object then line ->> '$."{column}"' end as "src_{column}", """ for column in columns
    )
    return (
        f"select {source}source_file, source_row, {_NO_OBJECT}"
        " from (select *, coalesce(json_valid(line) and left(ltrim(line), 1) = '{', false) as is_object"
        f" from ({lines}) where trim(line) <> '')"
    )


def select_frame(shape: Shape, view: str, columns: Sequence[str]) -> str:
    """The select that reads a frame of ``line_reader``, offered as ``view``, like a file of that shape."""
    if shape.format != ".ndjson":
        return f"select *, 0 as source_file from {view}"
    lines = f"select line, 0 as source_file, source_row from {view} where broken_line is null"
    return (
        f"{_select_objects(lines, [column for column in columns if column in shape.columns])} union all by name"
        f" select 0 as source_file, * exclude (line) from {view} where broken_line is not null"
    )


def _parquet_shape(warehouse: Warehouse, file: LandingFile) -> Shape:
    rows = warehouse.run(
        "select column_name, column_type from (describe from read_parquet(?, hive_partitioning = false))",
        (str(file.path),),
    )
    form = Shape(file.format, tuple(row[0] for row in rows), tuple(row[1] for row in rows))
    if taken := sorted(set(_ROW_PLACES) & {name.lower() for name in form.columns}):
        raise UnreadableFileError(
            f"{file.name}: a column cannot be called {taken[0]}; rename it or leave it out",
            f"{file.name}：列名不能为 {taken[0]}；请改名或去掉该列",
        )
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
    """Every key of a file's objects, in the order of the alphabet."""
    if file.size == 0:
        return ()
    try:
        return tuple(sorted(_keys_of(warehouse, _lines([file.path]))))
    except DuckDBError:
        keys: set[str] = set()
        for frame in json_frames(file):
            with warehouse.offered(frame) as view:
                keys |= _keys_of(warehouse, view)
        return tuple(sorted(keys))


def _keys_of(warehouse: Warehouse, lines: str) -> set[str]:
    objects = f"select line from {lines} where json_valid(line) and left(ltrim(line), 1) = '{{'"
    return {row[0] for row in warehouse.run(f"select distinct unnest(json_keys(line)) from ({objects})")}


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
    names = tuple(name.strip() for name in next(csv.reader(io.StringIO(text, newline=""))))
    for delimiter, (english, chinese) in _OTHER_DELIMITERS.items():
        if len(names) == 1 and delimiter in names[0]:
            raise UnreadableFileError(
                f"{file.name} line 1: columns are separated by {english}; export the file with commas",
                f"{file.name} 第 1 行：列以{chinese}分隔；请改用逗号导出",
            )
    if doubled := sorted({name for name in names if name and names.count(name) > 1}):
        raise UnreadableFileError(
            f"{file.name} line 1: column {doubled[0]!r} stands there twice; rename one of them",
            f"{file.name} 第 1 行：列 {doubled[0]!r} 出现两次；请为其中一列改名",
        )
    return names


def _foreign_text(file: LandingFile) -> UnreadableFileError:
    return UnreadableFileError(
        f"{file.name} line 1: is no UTF-8 text; export the file as UTF-8",
        f"{file.name} 第 1 行：不是 UTF-8 文本；请以 UTF-8 导出文件",
    )


def _first_line(file: LandingFile) -> bytes:
    """The first line of a text file; a gzipped one is read to its end, for DuckDB does not verify its checksum."""
    if not file.format.endswith(".gz"):
        with file.path.open("rb") as stream:
            return stream.readline(LONGEST_LINE)
    with gzip.open(file.path) as stream:
        line = stream.readline(LONGEST_LINE)
        while stream.read(1 << 20):
            pass
    return line
