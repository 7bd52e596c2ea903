"""Parquet files, looked at before the warehouse reads them.

Belongs here: the columns of a Parquet file, and what its footer may promise. Must not be here: what the columns must
hold (see ``data_contracts``), or how rows are selected (see ``readers``).

A footer of a few bytes can ask a reader for gigabytes, and a page of a few bytes can stand for millions of long texts.
So the footer is read by Arrow first, which bounds every list and text in it. Then a database of its own reads the
columns once, keeping nothing: what is damaged fails there, and what would grow too much is seen.
"""

import os
from collections.abc import Iterable, Sequence

import pyarrow as pa
import pyarrow.parquet as pq

from data_contracts.casting import identifier, text_literal
from pipelines.ingest.landing import LandingFile
from pipelines.ingest.packed import LARGEST_RATIO, PackedError, grows_too_much
from pipelines.warehouse import Trial

Columns = tuple[tuple[str, str], ...]

_LONGEST_FOOTER = 256_000_000  # bytes: it is read whole
_LONGEST_FOOTER_TEXT = 16_000_000
_LONGEST_FOOTER_LIST = 200_000
_LENGTHS = {"VARCHAR": "strlen", "JSON": "strlen", "BLOB": "octet_length"}
_MAGIC = b"PAR1"
_SHORTEST = 12  # bytes: the magic twice, and the footer's length


def columns(trial: Trial, file: LandingFile) -> Columns:
    """The names and DuckDB types of a Parquet file's columns, after a look at its footer.

    Raises
    ------
    PackedError
        If the file is no Parquet file or its footer is not sound.
    """
    _refuse_other_formats(file)
    rows = _rows(file)
    described = trial.run(
        "select column_name, column_type from (describe from read_parquet(?, hive_partitioning = false))",
        (str(file.path),),
    )
    if grows_too_much(file.size, rows * len(described)):
        raise PackedError(f"promises {rows:,} rows, too many for its size")
    return tuple(described)


def refuse_too_large(trial: Trial, file: LandingFile, wanted: Sequence[tuple[str, str]], limit: int) -> None:
    """Read columns (name and type) once, and refuse the file where their values are too many bytes.

    Raises
    ------
    PackedError
        If they unpack to more than the limit, or suspiciously many times the file's size.
    DuckDBError
        If the file is damaged.
    """
    if not wanted:
        return
    texts = [f"coalesce({_LENGTHS[type_]}({identifier(name)}), 0)" for name, type_ in wanted if type_ in _LENGTHS]
    others = [identifier(name) for name, type_ in wanted if type_ not in _LENGTHS]
    length = " + ".join(texts or ["0"])
    # The hash is there so that the other columns are read at all.
    hashed = f"hash({', '.join(others)})" if others else "0"
    query = f"select sum({length}), max({hashed})"
    place = text_literal(str(file.path))
    ((total, _),) = trial.run(f"{query} from read_parquet({place}, hive_partitioning = false)")
    if (total or 0) > limit:
        raise PackedError(f"unpacks to more than {limit / 1e9:g} GB")
    if grows_too_much(file.size, total or 0):
        raise PackedError(f"unpacks to more than {LARGEST_RATIO} times its size")


def nested(described: Iterable[tuple[str, str]]) -> list[str]:
    """The columns that hold lists or structures instead of plain values."""
    return [name for name, type_ in described if type_.endswith("]") or type_.startswith(("STRUCT", "MAP", "UNION"))]


def _refuse_other_formats(file: LandingFile) -> None:
    with file.opened() as stream:
        start = stream.read(len(_MAGIC))
        if file.size < _SHORTEST or start != _MAGIC:
            raise PackedError("is encrypted" if start == b"PARE" else "does not begin like a Parquet file")
        stream.seek(-2 * len(_MAGIC), os.SEEK_END)
        length, end = int.from_bytes(stream.read(len(_MAGIC)), "little"), stream.read()
        if end != _MAGIC:
            raise PackedError("does not end like a Parquet file: it was not written to its end")
        if length > _LONGEST_FOOTER:
            raise PackedError(f"its footer has more than {_LONGEST_FOOTER:,} bytes")


def _rows(file: LandingFile) -> int:
    """How many rows the footer promises."""
    try:
        with (
            file.opened() as stream,
            pq.ParquetFile(
                stream,
                thrift_string_size_limit=_LONGEST_FOOTER_TEXT,
                thrift_container_size_limit=_LONGEST_FOOTER_LIST,
            ) as parquet,
        ):
            found = parquet.metadata
            total = int(found.num_rows)
            counts = [int(found.row_group(place).num_rows) for place in range(found.num_row_groups)]
    except (pa.ArrowException, OSError, ValueError) as error:
        raise PackedError("its footer is damaged or encrypted") from error
    if min([total, *counts]) < 0:
        raise PackedError("its footer promises less than no rows")
    return max(total, sum(counts))
