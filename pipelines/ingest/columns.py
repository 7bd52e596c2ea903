"""The columns of a file beside those that were agreed.

Belongs here: which columns are missing, unknown, written otherwise or of a type that no value can be read from, and
the lines that say so. Must not be here: reading files (see ``readers``), or judging rows (see ``data_contracts``).

A first line that names none of the agreed columns may be a row of data, so it is never shown.
"""

from data_contracts import Contract
from pipelines.ingest.landing import LandingFile
from pipelines.ingest.names import nearest, respelt, shown
from pipelines.ingest.parquet_files import nested
from pipelines.ingest.readers import MOST_COLUMNS, Shape, UnreadableFileError


def unknown_columns(contract: Contract, file: LandingFile, form: Shape) -> tuple[str, ...]:
    """The columns of a file that the contract does not name, each once.

    Raises
    ------
    UnreadableFileError
        If the file lacks a required column, holds an agreed one twice or as lists or structures, or has far too many.
    """
    known = [column.name for column in contract.columns]
    found = [name for name in known if name in form.columns]
    if len(form.columns) > MOST_COLUMNS:
        raise _too_many(file, len(form.columns))
    if form.columns and not found and not any(respelt(name, form.columns) for name in known):
        raise _no_header(file, len(form.columns), known)
    if doubled := [name for name in found if form.columns.count(name) > 1]:
        raise UnreadableFileError(
            f"{file.name} line 1: column '{doubled[0]}' stands there twice; rename one of them",
            f"{file.name} 第 1 行：列 '{doubled[0]}' 出现两次；请为其中一列改名",
        )
    required = [column.name for column in contract.columns if column.is_required and column.default is None]
    missing = [name for name in required if name not in found]
    if missing and form.format != ".ndjson":
        raise _missing(file, missing[0], [name for name in form.columns if name not in known], found)
    loaded = {column.name for column in contract.loaded}
    if odd := [name for name in nested(zip(form.columns, form.types, strict=False)) if name in loaded]:
        raise UnreadableFileError(
            f"{file.name}: column {odd[0]} holds lists or structures; deliver one plain value a row",
            f"{file.name}：列 {odd[0]} 为列表或结构；每行请只提供一个普通值",
        )
    return tuple(dict.fromkeys(name for name in form.columns if name not in known))


def _missing(file: LandingFile, name: str, unknown: list[str], found: list[str]) -> UnreadableFileError:
    """The first required column that is not there, with the one that may have been meant.

    Other names that are not agreed are counted and not shown: with a required column missing, the first line may be
    part of a row. Where no agreed column is found, only a name that is the agreed one but for capitals and marks is.
    """
    meant = (nearest if found else respelt)(name, unknown)
    if meant is not None:
        return UnreadableFileError(
            f"{file.name}: column {name} is missing; is '{shown(meant)}' meant? rename it to {name}",
            f"{file.name}：缺少列 {name}；是否即 '{shown(meant)}'？请改名为 {name}",
        )
    names = ", ".join(found) or "none"
    others = (f", and {len(unknown)} others", f"，另有 {len(unknown)} 列") if unknown else ("", "")
    listed = f" (columns found: {names}{others[0]})", f"（文件中的列：{names}{others[1]}）"
    return UnreadableFileError(
        f"{file.name}: column {name} is missing{listed[0]}; add it to the file",
        f"{file.name}：缺少列 {name}{listed[1]}；请补上该列",
    )


def _no_header(file: LandingFile, count: int, known: list[str]) -> UnreadableFileError:
    names = ", ".join(known)
    return UnreadableFileError(
        f"{file.name}: none of its {count} column names is agreed; is the header line missing? agreed are {names}",
        f"{file.name}：{count} 个列名均不在契约中；是否缺少表头行？契约中的列为 {names}",
    )


def _too_many(file: LandingFile, count: int) -> UnreadableFileError:
    return UnreadableFileError(
        f"{file.name}: has {count:,} columns, more than {MOST_COLUMNS:,}; deliver one column a property",
        f"{file.name}：有 {count:,} 列，超过 {MOST_COLUMNS:,} 列；每个属性请只用一列",
    )
