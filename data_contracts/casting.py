"""From source values of any type to the column types of a contract, as SQL text that never raises.

Belongs here: quoting, literals, and one cast for each column type. Must not be here: rules, statements, a connection.

Source values are columns named ``"src_<column>"`` of any DuckDB type (text of CSV and NDJSON, whatever Parquet holds);
the session's TimeZone is UTC. What cannot be read as the type becomes null, and the type rule says so. Texts lose
spaces (of any width) at both ends, and an empty one is null. A TIMESTAMP cast of text ignores an offset in silence
(seen in DuckDB 2.0), hence the way over TIMESTAMPTZ.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import date, datetime
from types import MappingProxyType

from data_contracts.model import Column, ColumnType, Contract, Limit

_LARGEST_WHOLE = 9_007_199_254_740_992  # 2^53: beyond it a DOUBLE has no single digits
_PLAIN_TIME = "____-__-_____:__:__"  # has no room for an offset, and the plain cast takes a third of the time
_TRUE = ("true", "t", "yes", "y", "1", "1.0")
_FALSE = ("false", "f", "no", "n", "0", "0.0")


def identifier(name: str) -> str:
    """The name as a quoted SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def text_literal(text: str) -> str:
    """The text as a SQL string literal."""
    return "'" + text.replace("'", "''") + "'"


def limit_literal(limit: Limit) -> str:
    """A bound as a SQL literal of its type."""
    if isinstance(limit, datetime):
        return f"TIMESTAMP '{limit.isoformat(sep=' ')}'"
    return f"DATE '{limit.isoformat()}'" if isinstance(limit, date) else repr(limit)


def texts_literal(texts: Collection[str]) -> str:
    """A list of texts as it stands behind ``IN``."""
    return "(" + ", ".join(text_literal(text) for text in texts) + ")"


def source(column: Column) -> str:
    """The quoted name of the column's source value."""
    return identifier(f"src_{column.name}")


def is_blank(column: Column) -> str:
    """SQL boolean: the source says nothing, that is null or only spaces."""
    return f"({source(column)} IS NULL OR trim(CAST({source(column)} AS VARCHAR)) = '')"


def _varchar(value: str) -> str:
    number = f"try_cast({value} AS DOUBLE)"
    is_float = f"typeof({value}) IN ('DOUBLE', 'FLOAT')"
    is_whole = f"{is_float} AND {number} = trunc({number}) AND abs({number}) < {_LARGEST_WHOLE}"
    text = f"CASE WHEN {is_whole} THEN CAST(try_cast({value} AS BIGINT) AS VARCHAR) ELSE CAST({value} AS VARCHAR) END"
    return f"nullif(trim({text}), '')"


def _double(value: str) -> str:
    return f"try_cast({value} AS DOUBLE)"


def _bigint(value: str) -> str:
    number = f"try_cast({value} AS DOUBLE)"
    return f"CASE WHEN {number} = trunc({number}) THEN try_cast({value} AS BIGINT) END"


def _boolean(value: str) -> str:
    text = f"lower(trim(CAST({value} AS VARCHAR)))"
    return f"CASE WHEN {text} IN {texts_literal(_TRUE)} THEN true WHEN {text} IN {texts_literal(_FALSE)} THEN false END"


def _date(value: str) -> str:
    return f"try_cast({value} AS DATE)"


def _timestamp(value: str) -> str:
    zoneless = texts_literal(("TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS", "DATE"))
    text = f"CAST({value} AS VARCHAR)"
    plain = f"CASE WHEN {text} LIKE {text_literal(_PLAIN_TIME)} THEN try_cast({text} AS TIMESTAMP) END"
    return (
        f"CASE WHEN typeof({value}) IN {zoneless} THEN try_cast({value} AS TIMESTAMP)"
        f" WHEN typeof({value}) = 'TIMESTAMP WITH TIME ZONE' THEN {_utc(value)}"
        f" ELSE coalesce({plain}, {_utc(f'trim({text})')}) END"
    )


def _utc(value: str) -> str:
    return f"make_timestamp(epoch_us(try_cast({value} AS TIMESTAMPTZ)))"


_CASTS: Mapping[ColumnType, Callable[[str], str]] = MappingProxyType(
    {
        "VARCHAR": _varchar,
        "DOUBLE": _double,
        "BIGINT": _bigint,
        "BOOLEAN": _boolean,
        "DATE": _date,
        "TIMESTAMP": _timestamp,
    }
)


def cast_source(column: Column) -> str:
    """SQL for the column's source value in its type; null where it is blank or cannot be read as that type."""
    return _CASTS[column.type](source(column))


def typed_columns(contract: Contract, present: Collection[str]) -> dict[str, str]:
    """SQL for every column that the table holds.

    Parameters
    ----------
    contract : Contract
        What the source promises.
    present : collection of str
        Columns that the delivered file has; the others become their default, or null.

    Returns
    -------
    dict of str to str
        Column name → SQL expression over the ``"src_<column>"``, in the order of the table.
    """
    typed = {}
    for column in contract.loaded:
        value = cast_source(column) if column.name in present else None
        default = None if column.default is None else f"CAST({column.default} AS {column.type})"
        if value and default:
            typed[column.name] = f"coalesce({value}, {default})"
        else:
            typed[column.name] = value or default or f"CAST(NULL AS {column.type})"
    return typed
