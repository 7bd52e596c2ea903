"""What may be said of an error of DuckDB, which likes to quote the rows that it failed on.

Belongs here: telling an error again in words that hold no value of any row. Must not be here: DuckDB itself (see
``warehouse``).

A kind of error that can quote rows is rebuilt from what is known to be harmless: words of DuckDB's own messages, names
of types, columns that the statement names, and files that exist in the folders of the pipeline. What is in none of
these lists is left out, so a message that nobody has thought of says less, never more.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

HARMLESS = frozenset(
    {
        "BinderException",
        "CatalogException",
        "ConnectionException",
        "DependencyException",
        "HTTPException",
        "IOException",
        "InterruptException",
        "OutOfMemoryException",
        "PermissionException",
        "ResourceInUseException",
        "TransactionException",
    }
)
"""Kinds of errors that speak of files, tables, columns, transactions and memory, and never of rows."""

_BEHIND = re.compile(r"\n+(?:LINE \d+:|Did you mean|Candidate ).*", re.DOTALL)
"""What follows the message itself: the statement, and names that look alike."""

_KIND = re.compile(r"\A([A-Z][A-Za-z ]{0,40}? Error): ")
_WORD = re.compile(r"[A-Za-z][A-Za-z0-9_']*")
_SCHEMA_RULE = re.compile(r"\A(NOT NULL constraint failed: [\w.]+|CHECK constraint failed on table \"?\w+\"?)")
_CSV_LINE = re.compile(r"\ACSV Error on Line: \d+")
_TARGET = re.compile(r"(?:\bto|destination type) ([A-Z][A-Z0-9_]*)\b")
_SOURCE = re.compile(r"source column (\w+)")

_SPOKEN = """
    a allocate an and array as at be because been before blob boolean by byte bytes can can't cannot cast casting
    changed choose codepoint column columns configuration contain contains conversion convert corrupt corrupted could
    create data database date decimal decode destination division does double duplicate element elements empty
    encountered end enum error exceeded exceeds exist expected expression failed failure fatal field file files footer
    for format found from function has have hex if in input integer internal interval into invalid invalidated is it
    json key keys length limit line list magic malformed map match maximum metadata missing more must name near
    negative no not null number numbers of on one only option or out overflow page parameter parameters parquet parse
    parser previous provided random range read reading return returned row rows scalar schema single size small snappy
    source specifier statement storage string struct subqueries subquery subtraction sum syntax table than that the
    this time timestamp timezone to too transaction type unable unexpected unicode unique unknown unquoted unsupported
    unterminated used using utf8 value values version violates was while with write zero
"""
_TYPES_SPOKEN = """
    BIGINT BLOB BOOL BOOLEAN DATE DECIMAL DOUBLE ENUM FLOAT HUGEINT INT128 INT16 INT32 INT64 INT8 INTEGER INTERVAL
    JSON LIST MAP SMALLINT STRUCT TIME TIMESTAMP TIMESTAMPTZ TINYINT UBIGINT UHUGEINT UINT128 UINT16 UINT32 UINT64 UINT8
    UINTEGER UNION USMALLINT UTINYINT UUID VARCHAR
"""
_WORDS, _TYPES = frozenset(_SPOKEN.split()), frozenset(_TYPES_SPOKEN.split())
_TELLING = (
    "unterminated quote",
    "Expected Number of Columns",
    "Maximum line size",
    "Invalid unicode",
    "no space left on device",
    "disk quota exceeded",
    "file too large",
    "input/output error",
    "max_temp_directory_size",
)
"""Phrases that are told wherever they stand in a message: they are DuckDB's or the system's own."""


def without_values(error: str, text: str, statement: str = "", folders: Sequence[Path] = ()) -> str:
    """The text of an error of DuckDB without a value of any row.

    Parameters
    ----------
    error : str
        Name of DuckDB's exception.
    text : str
        What it says.
    statement : str
        The SQL that failed, which is made from contracts; its columns may be named.
    folders : sequence of Path
        Files in these may be named.

    Returns
    -------
    str
        The text; of an error that can quote rows, one line with ``…`` where something was left out.
    """
    text = _BEHIND.sub("", text)
    if error in HARMLESS or text.startswith("Corrupt database file"):
        return text
    kind = _KIND.match(text)
    said = text[kind.end() :] if kind else text
    rule = _SCHEMA_RULE.match(said) if error == "ConstraintException" else _CSV_LINE.match(said)
    told = [rule[0]] if rule else [_opening(said, folders), *_target(said), *_source(said, statement)]
    told += [phrase for phrase in _TELLING if phrase.lower() in said.lower()]
    return f"{kind[1] if kind else error}: {', '.join(told)}"


def _opening(said: str, folders: Sequence[Path]) -> str:
    """The message as far as its words and files are known."""
    words: list[str] = []
    place = 0
    while place < len(said):
        length = _known(said[place:], folders)
        if not length or said[:place].endswith("with value "):
            return "".join(words).rstrip() + " …"
        words.append(said[place : place + length])
        place += length
    return "".join(words)


def _known(rest: str, folders: Sequence[Path]) -> int:
    """How many of the next characters may be told."""
    if rest[0] in " ,.;-!":
        return 1
    word = _WORD.match(rest)
    if word and (word[0].lower() in _WORDS or word[0] in _TYPES):
        return word.end()
    return next(_files(rest, folders), 0)


def _files(rest: str, folders: Sequence[Path]) -> Iterator[int]:
    for folder in folders:
        file = re.match(rf"(['\"]?){re.escape(str(folder))}/[^\n]*?\1(?=[\s.,:]|\Z)", rest)
        if file and Path(file[0].strip("'\"")).exists():
            yield file.end()


def _target(said: str) -> list[str]:
    return [f"to {name}" for name in _TARGET.findall(said)[-1:] if name in _TYPES]


def _source(said: str, statement: str) -> list[str]:
    named = set(re.findall(r"\w+", statement))
    return [f"column {name}" for name in _SOURCE.findall(said)[-1:] if name in named]
