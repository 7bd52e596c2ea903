"""The landing zone: which files were delivered, for which source and day.

Belongs here: finding deliveries by name, their size and fingerprint, and what is wrong with a name or an entry.
Must not be here: reading what is in a file (see ``readers`` and ``loading``).

Only regular files are read. An entry is looked at without following it (``lstat``), and opened without following it
and without waiting (``O_NOFOLLOW``, ``O_NONBLOCK``), so that neither a symbolic link nor a pipe put in its place in
between is read or waited for. DuckDB opens files by their path once more: it is confined to the landing zone (see
``warehouse``), and a file that is not the same before and after reading is refused (see ``LandingFile.state``). The
landing zone itself may be a symbolic link.
"""

import hashlib
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from io import BufferedReader
from pathlib import Path

from pipelines.errors import UserError
from pipelines.ingest.names import nearest, shown

FORMATS = (".parquet", ".csv", ".csv.gz", ".ndjson")
MOST_FILES = 10_000
"""Files that one delivery day of a source may consist of."""

Texts = tuple[str, str]
State = tuple[int, int, int, int, int]

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_NO_DAY = (
    "the name must be a delivery day, such as 2026-01-31.csv",
    "文件名必须是交付日期，例如 2026-01-31.csv",
)
_RENAME = (
    "rename the file without any of * ? [ ] { } or control characters",
    "请重命名文件，去掉 * ? [ ] { } 或控制字符",
)
_PATTERN_CHARACTERS = re.compile(r"[*?\[\]{}]")
_OTHER_NAMES = {
    "purchases": ("orders", "order_lines", "sales", "transactions"),
    "complaints": ("tickets", "claims"),
    "churn": ("churned", "cancellations"),
    "customers": ("clients", "users"),
    "feedback": ("reviews", "ratings"),
    "fx_rates": ("exchange_rates", "rates", "fx"),
}
_KINDS = (
    (
        stat.S_ISLNK,
        "is a symbolic link; put the file or folder itself there",
        "是符号链接；请放入文件或文件夹本身",
    ),
    (stat.S_ISFIFO, "is a pipe; put a file in its place", "是管道；请放入普通文件"),
    (stat.S_ISSOCK, "is a socket; put a file in its place", "是套接字；请放入普通文件"),
    (stat.S_ISCHR, "is a device; put a file in its place", "是设备；请放入普通文件"),
    (stat.S_ISBLK, "is a device; put a file in its place", "是设备；请放入普通文件"),
)
_FOLDER = (
    "is a folder with the name of a file; name the folder by its day, such as 2026-01-31",
    "是以文件名命名的文件夹；请以日期命名文件夹，例如 2026-01-31",
)


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
        return self.path.lstat().st_size

    @property
    def modified_at(self) -> datetime:
        """When the file was last written, as a naive UTC timestamp."""
        return datetime.fromtimestamp(self.path.lstat().st_mtime, UTC).replace(tzinfo=None)

    def state(self) -> State:
        """Device, inode, size and times: where they are the same before and after, the same bytes were read."""
        found = self.path.lstat()
        return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns

    @contextmanager
    def opened(self) -> Iterator[BufferedReader]:
        """The file's bytes; OSError where it is no regular file (any more)."""
        descriptor = os.open(self.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(descriptor, "rb") as file:  # noqa: PTH123  # a path would be followed
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise OSError("no regular file")
            yield file

    def sha256(self) -> str:
        """Fingerprint of the file's bytes, in hexadecimal."""
        with self.opened() as file:
            return hashlib.file_digest(file, "sha256").hexdigest()


@dataclass(frozen=True)
class Refusal:
    """A delivery that is not read because of what it is: its day, or None for the whole source, and why."""

    load_date: date | None
    texts: Texts


@dataclass(frozen=True)
class Listing:
    """What is in the folder of one source.

    Parameters
    ----------
    files : tuple of LandingFile
        What can be read, in the order of days and names.
    strays : tuple of (str, str)
        What is no delivery, one line each in English and Chinese.
    refusals : tuple of Refusal
        Deliveries that are no files.
    """

    files: tuple[LandingFile, ...] = ()
    strays: tuple[Texts, ...] = ()
    refusals: tuple[Refusal, ...] = ()


def listing(landing: Path, source: str) -> Listing:
    """What was delivered for a source; a source without a folder has no files."""
    files: list[LandingFile] = []
    strays: list[Texts] = []
    refusals: list[Refusal] = []
    for path, day, problem in _entries(landing / source):
        if isinstance(problem, _Refused):
            refusals.append(Refusal(day, _texts(landing, path, problem.texts)))
        elif problem or not day:
            english, chinese = problem or _NO_DAY
            strays.append(_texts(landing, path, (f"not loaded; {english}", f"未加载；{chinese}")))
        else:
            files.append(LandingFile(source, day, path, landing))
    return Listing(tuple(files), tuple(strays), tuple(refusals))


def misnamed(landing: Path, sources: tuple[str, ...]) -> dict[str, list[Texts]]:
    """Folders and files beside those of the sources that look like deliveries.

    Returns
    -------
    dict of str to list of (str, str)
        One line each in English and Chinese, under the source that was probably meant (else under the first).
    """
    found: dict[str, list[Texts]] = {}
    for path in _inside(landing) if landing.is_dir() else ():
        if path.name in sources or not _holds_days(path):
            continue
        meant = _meant(path.name, sources)
        english = f"is it {meant}? " if meant else ""
        chinese = f"是否应为 {meant}？" if meant else ""
        names = ", ".join(sources)
        texts = (
            f"not loaded; {english}the folders of the landing zone are {names}",
            f"未加载；{chinese}落地区的文件夹为 {names}",
        )
        found.setdefault(meant or sources[0], []).append(_texts(landing, path, texts))
    return found


def first_day(landing: Path, sources: tuple[str, ...]) -> date | None:
    """The earliest delivery day in the landing zone, or None where nothing was delivered."""
    return min((file.load_date for source in sources for file in listing(landing, source).files), default=None)


def days_since(landing: Path, sources: tuple[str, ...], since: date, last: date) -> list[date]:
    """The days from one to another that can have a night: none lies before the earliest delivery day.

    Raises
    ------
    UserError
        If there is no such day.
    """
    first = max(since, first_day(landing, sources) or since)
    if first > last:
        raise UserError(f"--since {since}: lies after {last}, the last night wanted; choose an earlier day")
    return [first + timedelta(days=days) for days in range((last - first).days + 1)]


def newest_day(landing: Path, sources: tuple[str, ...]) -> date:
    """The newest delivery day in the landing zone, also where that delivery cannot be read.

    Raises
    ------
    UserError
        If there is no landing zone, or nothing was delivered.
    """
    if not landing.is_dir():
        raise UserError(
            f"{shown(str(landing), 300)}: there is no landing folder; create it or name another with --landing"
        )
    found = [listing(landing, source) for source in sources]
    days: list[date] = [file.load_date for one in found for file in one.files]
    days += [refusal.load_date for one in found for refusal in one.refusals if refusal.load_date]
    if not days:
        refused = [refusal.texts[0] for one in found for refusal in one.refusals]
        nothing = f"{landing}: nothing was delivered; put files such as purchases/2026-01-31.csv there"
        raise UserError(refused[0] if refused else nothing)
    return max(days)


@dataclass(frozen=True)
class _Refused:
    """Why an entry stops its delivery."""

    texts: Texts


_Entry = tuple[Path, date | None, Texts | _Refused | None]


def _texts(landing: Path, path: Path, problem: Texts) -> Texts:
    name = shown(path.relative_to(landing).as_posix(), 200)
    return f"{name}: {problem[0]}", f"{name}：{problem[1]}"


def _entries(folder: Path) -> Iterator[_Entry]:
    """What is in a source's folder, in order: each entry with its day and what is wrong with it."""
    mode = _mode(folder)
    if mode is None:
        return
    if texts := _special(mode):
        yield folder, None, _Refused(texts)
    elif not stat.S_ISDIR(mode):
        yield folder, None, ("a source is a folder that holds files", "来源应为存放文件的文件夹")
    else:
        try:
            paths = _inside(folder)
        except OSError as error:
            yield folder, None, _Refused(_unlisted(error))
            return
        for path in paths:
            yield from _of_source(path)


def _of_source(path: Path) -> Iterator[_Entry]:
    """The deliveries of an entry of a source's folder: a file, or the files of a day's folder."""
    mode = _mode(path)
    day = _day(path.name)
    if mode is None:
        return
    if not stat.S_ISDIR(mode):
        yield path, day, _of_file(path, mode, is_delivery=day is not None)
    elif not _DAY.fullmatch(path.name) or day is None:
        is_file_name = day is not None and path.name.lower().endswith(FORMATS)
        yield path, day, _Refused(_FOLDER) if is_file_name else _NO_DAY
    else:
        yield from _of_day(path, day)


def _of_day(folder: Path, day: date) -> Iterator[_Entry]:
    try:
        paths = _inside(folder)
    except OSError as error:
        yield folder, day, _Refused(_unlisted(error))
        return
    if len(paths) > MOST_FILES:
        english = f"holds {len(paths):,} files, more than {MOST_FILES:,}; deliver the day in fewer files"
        yield folder, day, _Refused((english, f"有 {len(paths):,} 个文件，超过 {MOST_FILES:,} 个；请合并为较少的文件"))
        return
    for path in paths:
        mode = _mode(path)
        if mode is None:
            continue
        if stat.S_ISDIR(mode) and path.name.lower().endswith(FORMATS):
            yield path, day, _Refused(_FOLDER)
        else:
            yield path, day, _of_file(path, mode, is_delivery=True)


def _of_file(path: Path, mode: int, *, is_delivery: bool) -> Texts | _Refused | None:
    """What is wrong with an entry that should be a file."""
    if texts := _special(mode):
        return _Refused(texts) if is_delivery else texts
    if not is_delivery:
        return _NO_DAY
    if _PATTERN_CHARACTERS.search(path.name) or not path.name.isprintable():
        return _RENAME
    if not path.name.lower().endswith(FORMATS):
        return f"its ending must be one of {', '.join(FORMATS)}", f"文件扩展名必须是以下之一：{'、'.join(FORMATS)}"
    return None


def _mode(path: Path) -> int | None:
    """What an entry is, without following it; None where it is not there (any more)."""
    try:
        return path.lstat().st_mode
    except OSError:
        return None


def _special(mode: int) -> Texts | None:
    return next(((english, chinese) for is_kind, english, chinese in _KINDS if is_kind(mode)), None)


def _unlisted(error: OSError) -> Texts:
    reason = error.strerror or type(error).__name__
    return (
        f"cannot be listed ({reason}); give the pipeline's user the right to read it",
        f"无法列出（{reason}）；请授予流水线用户读取权限",
    )


def _inside(folder: Path) -> list[Path]:
    """The entries of a folder, in order; hidden ones, which writers use for themselves, are passed over."""
    return sorted(path for path in folder.iterdir() if not path.name.startswith((".", "_")))


def _holds_days(path: Path) -> bool:
    """Whether an entry beside the sources is a delivery, or a folder with at least one."""
    if not path.is_dir():
        return path.name.lower().endswith(FORMATS)
    try:
        return any(_day(entry.name) for entry in path.iterdir())
    except OSError:
        return False


def _meant(name: str, sources: tuple[str, ...]) -> str | None:
    plain = name.casefold()
    return next((source for source in sources if plain in _OTHER_NAMES.get(source, ())), None) or nearest(name, sources)


def _day(name: str) -> date | None:
    """The delivery day in a name: what stands before its first dot."""
    stem = name.split(".")[0]
    try:
        return date.fromisoformat(stem) if _DAY.fullmatch(stem) else None
    except ValueError:
        return None
