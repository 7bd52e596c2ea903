"""Dagster's record of a run, without a new file connection and a flush to the disk for every event.

Belongs here: how SQLite is spoken to while one night writes its record. Must not be here: what is recorded.

Dagster opens the record's SQLite files anew for each of some four hundred events of a night, and SQLite clears its
write-ahead log away whenever the last connection closes. Here one idle connection a file stays open until the night is
over. A flush at each commit is left out: the write-ahead log keeps a killed process's events all the same, and after a
power cut the record may miss its last events, which close as those of a killed night do.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import Engine


@contextmanager
def record_kept_open() -> Iterator[None]:
    """While inside, SQLite files that SQLAlchemy opens stay open, and commits do not wait for the disk."""
    held: dict[str, sqlite3.Connection] = {}

    def on_connect(connection: Any, _: Any) -> None:
        if isinstance(connection, sqlite3.Connection):
            _relax(connection, held)

    event.listen(Engine, "connect", on_connect)
    try:
        yield
    finally:
        event.remove(Engine, "connect", on_connect)
        for connection in held.values():
            connection.close()


def _relax(connection: sqlite3.Connection, held: dict[str, sqlite3.Connection]) -> None:
    # what is wrong with the file is told by whoever uses it
    with suppress(sqlite3.Error), closing(connection.cursor()) as cursor:
        cursor.execute("pragma synchronous = normal")
        path = cursor.execute("pragma database_list").fetchone()[2]
        if path and path not in held and cursor.execute("pragma journal_mode").fetchone()[0] == "wal":
            held[path] = sqlite3.connect(path, check_same_thread=False)
            # only a connection that has read keeps the log from being cleared
            held[path].execute("select count(*) from sqlite_master").fetchone()
