"""What stops the warehouse from being opened, in words that say what to do.

Belongs here: the folder of the warehouse, and telling DuckDB's reasons for not opening its file. Must not be here:
opening it (see ``warehouse``).
"""

import os
import pwd
import re
from pathlib import Path

from pipelines.errors import BusyError, UserError
from pipelines.settings import Settings

_HOLDER = re.compile(r"\(PID (\d+)\)")
_NEWER = "storage version"
_TORN = "Could not read enough bytes"
_DAMAGED = ("Corrupt database file", _TORN, "replaying WAL", "Unsupported Storage Version")
_REBUILD = "restore it from a backup, or move it away and run the nights again"


def make_folder(settings: Settings) -> None:
    """Make the folder of the warehouse, its user's alone, where it does not exist.

    Raises
    ------
    UserError
        If it cannot be made, or this user may not write in it.
    """
    folder = settings.warehouse
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise _unusable(folder, error.strerror or "unknown reason") from error
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK, effective_ids=True):
        raise _unusable(folder, _who_may(folder))


def opening_error(path: Path, reason: str, version: str) -> UserError:
    """The error for a person whose warehouse file DuckDB does not open.

    Parameters
    ----------
    path : Path
        The file.
    reason : str
        What DuckDB says.
    version : str
        The version of DuckDB that says it.
    """
    first = (reason.splitlines() or [""])[0]
    if "Could not set lock" in first:
        holder = _HOLDER.search(first)
        return BusyError(
            f"{path}: another process is using the warehouse; wait until it has ended"
            f"{f' (process {holder[1]})' if holder else ''}, or let 'trust run --wait MINUTES' wait for it"
        )
    if path.is_dir():
        return UserError(f"{path}: is a folder, and the warehouse file belongs there; move it away")
    if "not a valid DuckDB database file" in first:
        return UserError(f"{path}: is no DuckDB database; {_REBUILD}")
    if _NEWER in first and "newer version" in reason:
        return UserError(f"{path}: was written by a newer DuckDB than {version}; run it with the newer program")
    if any(words in reason for words in _DAMAGED):
        return _damaged(path)
    if not os.access(path, os.R_OK | os.W_OK, effective_ids=True):
        return UserError(f"{path}: cannot be opened ({_who_may(path)}); run as that user, or use another --warehouse")
    return UserError(f"{path}: cannot be opened ({first.replace(str(path), path.name)}); look at the file and the disk")


def damage(path: Path, reason: str) -> UserError | None:
    """The error for a person whose open warehouse file ends before its content does; None where that is not it."""
    return _damaged(path) if _TORN in reason and str(path) in reason else None


def _damaged(path: Path) -> UserError:
    return UserError(f"{path}: is damaged; {_REBUILD}")


def _unusable(folder: Path, reason: str) -> UserError:
    return UserError(f"{folder}: cannot be used as the warehouse ({reason}); choose another folder")


def _who_may(path: Path) -> str:
    """Why a file or folder cannot be written: whose it is, or that nobody may."""
    if os.statvfs(path).f_flag & os.ST_RDONLY:
        return "the file system is read-only"
    owner = path.stat().st_uid
    try:
        name = pwd.getpwuid(owner).pw_name
    except KeyError:
        name = str(owner)
    return f"it is not writable for this user; it belongs to the user {name}"
