"""Landing files as SQL: one select per group of files that look alike.

Belongs here: what each format looks like to DuckDB, which columns a file has, and why it cannot be read.
Must not be here: what the columns must hold (see ``data_contracts``) or where rows go (see ``loading``).

Every select yields the columns asked for as ``src_<column>`` (as the file holds them), with ``source_file`` (its place
in the list of files) and ``source_row`` (from 1).
"""

import csv
import gzip
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipelines.landing import LandingFile
from pipelines.warehouse import DuckDBError, Warehouse

_LONGEST_LINE = 4_000_000
_OTHER_DELIMITERS = {";": "semicolons", "\t": "tabs", "|": "vertical bars"}


class UnreadableFileError(Exception):
    """A landing file that cannot be read at all: what is wrong and what to do, in one line."""


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
            rows = warehouse.run(
                "select column_name, column_type from (describe from read_parquet(?))", (str(file.path),)
            )
            return Shape(file.format, tuple(row[0] for row in rows), tuple(row[1] for row in rows))
        if file.format == ".ndjson":
            return Shape(file.format, _keys(warehouse, file.path))
        return Shape(file.format, _header(file))
    except (DuckDBError, OSError, EOFError) as error:
        raise UnreadableFileError(
            f"{file.name}: cannot be read as {file.format[1:]} ({_first_line(error)}); deliver it again"
        ) from error


def select(shape: Shape, paths: Sequence[Path], columns: Sequence[str]) -> str:
    """The select that reads files of one shape; ``columns`` are read where the shape has them."""
    if shape.format == ".parquet":
        return _select_parquet(paths, [column for column in columns if column in shape.columns])
    if shape.format == ".ndjson":
        return _select_ndjson(paths, [column for column in columns if column in shape.columns])
    return _select_csv(paths, shape.columns, [column for column in columns if column in shape.columns])


def _select_parquet(paths: Sequence[Path], columns: Sequence[str]) -> str:
    source = "".join(f'"{column}" as "src_{column}", ' for column in columns)
    return (
        f"select {source}file_index as source_file, file_row_number + 1 as source_row"
        f" from read_parquet({_list(paths)}, file_row_number = true)"
    )


def _select_csv(paths: Sequence[Path], names: Sequence[str], columns: Sequence[str]) -> str:
    source = "".join(f'column{names.index(column)} as "src_{column}", ' for column in columns)
    types = ", ".join(f"'column{place}': 'VARCHAR'" for place in range(len(names)))
    return _numbered(
        source,
        f"read_csv({_list(paths)}, columns = {{{types}}}, auto_detect = false, header = true, delim = ',',"
        f" quote = '\"', escape = '\"', nullstr = '', store_rejects = true, max_line_size = {_LONGEST_LINE})",
    )


def _select_ndjson(paths: Sequence[Path], columns: Sequence[str]) -> str:
    """Rows of JSON lines; a line that is no JSON object has null columns and stands whole in ``broken_line``."""
    source = "".join(
        f"""case when is_object then line ->> '$."{column}"' end as "src_{column}", """ for column in columns
    )
    lines = (
        "(select line, file_index, coalesce(json_valid(line) and left(ltrim(line), 1) = '{', false) as is_object"
        f" from {_lines(paths)} where line is not null and trim(line) <> '')"
    )
    return _numbered(source + "case when not is_object then line end as broken_line, ", lines)


def _lines(paths: Sequence[Path]) -> str:
    return (
        f"read_csv({_list(paths)}, columns = {{'line': 'VARCHAR'}}, auto_detect = false, header = false,"
        f" delim = '\\x01', quote = '', escape = '', nullstr = '', store_rejects = true,"
        f" max_line_size = {_LONGEST_LINE})"
    )


def _numbered(source: str, relation: str) -> str:
    rows = f"select {source}file_index as source_file, row_number() over () as row_in_all from {relation}"
    return (
        "select * exclude (row_in_all), row_in_all - min(row_in_all) over (partition by source_file) + 1 as source_row"
        f" from ({rows})"
    )


def _list(paths: Sequence[Path]) -> str:
    return "[" + ", ".join("'" + str(path).replace("'", "''") + "'" for path in paths) + "]"


def _keys(warehouse: Warehouse, path: Path) -> tuple[str, ...]:
    if path.stat().st_size == 0:
        return ()
    objects = f"select line from {_lines([path])} where json_valid(line) and left(ltrim(line), 1) = '{{'"
    rows = warehouse.run(f"select distinct unnest(json_keys(line)) as name from ({objects}) order by name")
    return tuple(row[0] for row in rows)


def _header(file: LandingFile) -> tuple[str, ...]:
    line = _first_bytes(file)
    if not line.strip():
        raise UnreadableFileError(
            f"{file.name}: is empty; deliver it again with a header line, even where there are no rows"
        )
    if b"\0" in line or line.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise UnreadableFileError(f"{file.name} line 1: is no UTF-8 text; export the file as UTF-8")
    try:
        text = line.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UnreadableFileError(f"{file.name} line 1: is no UTF-8 text; export the file as UTF-8") from None
    names = tuple(name.strip() for name in next(csv.reader(io.StringIO(text))))
    if len(names) == 1:
        for delimiter, words in _OTHER_DELIMITERS.items():
            if delimiter in names[0]:
                raise UnreadableFileError(
                    f"{file.name} line 1: columns are separated by {words}; export the file with commas"
                )
    if doubled := sorted({name for name in names if names.count(name) > 1}):
        raise UnreadableFileError(f"{file.name} line 1: column {doubled[0]!r} stands there twice; rename one of them")
    return names


def _first_bytes(file: LandingFile) -> bytes:
    with gzip.open(file.path) if file.format.endswith(".gz") else file.path.open("rb") as stream:
        return stream.readline(_LONGEST_LINE)


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
