"""The project's SQL files, as text: what a file says about itself and which tables it reads.

Belongs here: reading ``sql/``. Must not be here: running it (see ``warehouse``).
"""

import re
from pathlib import Path

SQL = Path(__file__).resolve().parent.parent / "sql"
_TABLE = re.compile(r"\b(?:from|join)\s+(raw|staging|scores|marts|meta)\.(\w+)")


def text(path: str) -> str:
    """The one select of ``sql/<path>``."""
    return (SQL / path).read_text(encoding="utf-8")


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
