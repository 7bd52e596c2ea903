"""The project's SQL files, as text: what a file says about itself and which tables it reads.

Belongs here: reading ``sql/``. Must not be here: running it (see ``warehouse``).
"""

import re
from collections.abc import Mapping
from pathlib import Path

SQL = Path(__file__).resolve().parent.parent / "sql"
_TABLE = re.compile(r"\b(?:from|join)\s+(raw|staging|scores|marts|meta)\.(\w+)")


def text(path: str) -> str:
    """The one select of ``sql/<path>``."""
    return (SQL / path).read_text(encoding="utf-8")


def text_reading(path: str, instead: Mapping[str, str]) -> str:
    """The one select of ``sql/<path>``, reading other tables instead of those that are named (``schema.table``)."""

    def read(found: re.Match[str]) -> str:
        name = f"{found[1]}.{found[2]}"
        return found[0].replace(name, instead.get(name, name))

    return _TABLE.sub(read, text(path))


def header(path: str) -> str:
    """The comment at the head of ``sql/<path>``: grain and meaning."""
    lines = text(path).splitlines()
    comment = [
        line.removeprefix("--").strip() for line in lines[: next(i for i, line in enumerate(lines) if line[:2] != "--")]
    ]
    return " ".join(comment)


def tables_read(path: str) -> list[tuple[str, str]]:
    """The (schema, table) pairs that ``sql/<path>`` reads, each once, in order of appearance."""
    return list(dict.fromkeys(_TABLE.findall(text(path))))
