"""The landing zone: which files were delivered, for which source and day.

Belongs here: finding deliveries by name, their size and fingerprint, and what is wrong with a name.
Must not be here: reading what is in a file (see ``readers`` and ``loading``).
"""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from pipelines.errors import UserError

FORMATS = (".parquet", ".csv", ".csv.gz", ".ndjson")
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_NO_DAY = (
    "the name must be a delivery day, such as 2026-01-31.csv",
    "文件名必须是交付日期，例如 2026-01-31.csv",
)
_PATTERN_CHARACTERS = re.compile(r"[*?\[\]{}\x00-\x1f]")


@dataclass(frozen=True)
class LandingFile:
    """One delivered file.

    Parameters
    ----------
    source : str
        Name of the landing source, which is also the name of its contract.
    load_date : date
        The delivery day, from the file's or its folder's name.
    path : Path
        Where the file lies.
    landing : Path
        The landing zone that it belongs to.
    """

    source: str
    load_date: date
    path: Path
    landing: Path

    @property
    def name(self) -> str:
        """The path inside the landing zone, as people and the ledger name the file."""
        return self.path.relative_to(self.landing).as_posix()

    @property
    def format(self) -> str:
        """One of :data:`FORMATS`."""
        return next(ending for ending in FORMATS if self.path.name.lower().endswith(ending))

    @property
    def size(self) -> int:
        """Size in bytes."""
        return self.path.stat().st_size

    @property
    def modified_at(self) -> datetime:
        """When the file was last written, as a naive UTC timestamp."""
        return datetime.fromtimestamp(self.path.stat().st_mtime, UTC).replace(tzinfo=None)

    def sha256(self) -> str:
        """Fingerprint of the file's bytes, in hexadecimal."""
        with self.path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()


@dataclass(frozen=True)
class Listing:
    """The files of one source, and what in its folder is no delivery (one line each, in English and Chinese)."""

    files: tuple[LandingFile, ...]
    strays: tuple[tuple[str, str], ...]


def listing(landing: Path, source: str) -> Listing:
    """What was delivered for a source, in the order of days and names; a source without a folder has no files."""
    files: list[LandingFile] = []
    strays: list[tuple[str, str]] = []
    for path, day in _entries(landing / source):
        problem = _problem(path.name) if day else _NO_DAY
        if day and not problem:
            files.append(LandingFile(source, day, path, landing))
        elif problem:
            name = path.relative_to(landing).as_posix()
            strays.append((f"{name}: not loaded; {problem[0]}", f"{name}：未加载；{problem[1]}"))
    return Listing(tuple(files), tuple(strays))


def first_day(landing: Path, sources: tuple[str, ...]) -> date | None:
    """The earliest delivery day in the landing zone, or None where nothing was delivered."""
    return min((file.load_date for source in sources for file in listing(landing, source).files), default=None)


def newest_day(landing: Path, sources: tuple[str, ...]) -> date:
    """The newest delivery day in the landing zone.

    Raises
    ------
    UserError
        If there is no landing zone, or nothing was delivered.
    """
    if not landing.is_dir():
        raise UserError(f"{landing}: there is no landing folder; create it or name another with --landing")
    days = [file.load_date for source in sources for file in listing(landing, source).files]
    if not days:
        raise UserError(f"{landing}: nothing was delivered; put files such as purchases/2026-01-31.csv there")
    return max(days)


def _problem(name: str) -> tuple[str, str] | None:
    """What is wrong with the name of a file that stands for a day."""
    if _PATTERN_CHARACTERS.search(name):
        return (
            "rename the file without any of * ? [ ] { } or control characters",
            "请重命名文件，去掉 * ? [ ] { } 或控制字符",
        )
    if not name.lower().endswith(FORMATS):
        return f"its ending must be one of {', '.join(FORMATS)}", f"文件扩展名必须是以下之一：{'、'.join(FORMATS)}"
    return None


def _entries(folder: Path) -> Iterator[tuple[Path, date | None]]:
    if not folder.is_dir():
        return
    for path in sorted(folder.iterdir()):
        if path.name.startswith((".", "_")):
            continue
        if path.is_dir():
            day = _day(path.name, whole=True)
            inside = (entry for entry in sorted(path.iterdir()) if not entry.name.startswith((".", "_")))
            yield from ((entry, day) for entry in inside) if day else [(path, None)]
        else:
            yield path, _day(path.name, whole=False)


def _day(name: str, *, whole: bool) -> date | None:
    """The delivery day in a name: a folder's whole name, or a file's name before its first dot."""
    stem = name if whole else name.split(".")[0]
    return _parse(stem) if _DAY.fullmatch(stem) else None


def _parse(day: str) -> date | None:
    try:
        return date.fromisoformat(day)
    except ValueError:
        return None
