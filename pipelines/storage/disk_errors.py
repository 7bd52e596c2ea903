"""What a person is told when the disk, and not the data or the program, stopped a run.

Belongs here: recognising a full disk, a file-size limit or a damaged record of runs in what DuckDB, SQLite, Polars and
Python say of it, in one line with what to do. Must not be here: catching errors (see ``night``, ``publishing``).
"""

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from pathlib import Path
from typing import Any, TextIO, cast

from dagster_shared.error import SerializableErrorInfo

from pipelines.settings import Settings

_FULL = ("no space left on device", "database or disk is full", "disk quota exceeded", "max_temp_directory_size")
_LIMITED = ("file too large",)
_FAILING = ("disk i/o error", "input/output error")
_DAMAGED = ("file is not a database", "database disk image is malformed")

NEXT_TO_NOTHING = 10_000_000
"""Bytes free below which a disk that refuses to write is full: SQLite does not always say so."""

_NOISE = "Exception while writing logger call to event log"

_STANDS = "what was published before stands; run the night again then"


def disk_line(error: BaseException | SerializableErrorInfo, settings: Settings) -> str | None:
    """One line for a person where the disk is the cause of an error or of what led to it; None where it is not."""
    said = " ".join(_texts(error)).lower()
    places = f"{settings.warehouse} or {_record()}"
    free = min(shutil.disk_usage(_existing(place)).free for place in (settings.warehouse, _record()))
    if any(text in said for text in _FULL) or (free < NEXT_TO_NOTHING and any(text in said for text in _FAILING)):
        return f"{places}: the disk is full ({free // 1_000_000:,} MB free); free some space; {_STANDS}"
    if any(text in said for text in _LIMITED):
        return f"{places}: a file may not grow further (file-size limit, 'ulimit -f'); raise the limit; {_STANDS}"
    if any(text in said for text in _FAILING):
        return (
            f"{places}: the disk refuses to write: it is full, a file-size limit ('ulimit -f') is reached, or it fails;"
            f" free some space, raise the limit or change the disk; {_STANDS}"
        )
    if any(text in said for text in _DAMAGED):
        return f"{_record()}: Dagster's record of runs is damaged; move it away (it holds no scores); {_STANDS}"
    return None


@contextmanager
def quiet_record() -> Iterator[None]:
    """Keep from standard error what Dagster writes there for each event that it cannot record: one line says it."""
    with redirect_stderr(cast("TextIO", _WithoutNoise(sys.stderr))):
        yield


class _WithoutNoise:
    """A stream that passes on everything but one kind of line."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        return len(text) if text.startswith(_NOISE) else self._stream.write(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _texts(error: BaseException | SerializableErrorInfo | None) -> Iterator[str]:
    """What an error and everything that led to it say."""
    seen: set[int] = set()
    waiting: list[BaseException | SerializableErrorInfo | None] = [error]
    while waiting:
        told = waiting.pop()
        if told is None or id(told) in seen:
            continue
        seen.add(id(told))
        if isinstance(told, SerializableErrorInfo):
            yield told.message
            waiting += [told.cause, told.context]
        else:
            yield str(told)
            waiting += [told.__cause__, told.__context__]


def _record() -> Path:
    """The folder of Dagster's record of runs, as the project's dagster.yaml places it."""
    return Path(os.environ.get("DAGSTER_HOME", ".")) / ".dagster"


def _existing(folder: Path) -> Path:
    return next(place for place in (folder, *folder.parents) if place.exists())
