"""Who may read the files of the pipeline: nobody but its own user, and one group the published database.

Belongs here: the rights of files and folders. Must not be here: what is in them.

Everything in the warehouse folder is personal data. New files are private from their first byte, through the umask of
the process; those of an earlier version are tightened when the warehouse is opened.
"""

import grp
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from pipelines.errors import UserError
from pipelines.settings import Settings

PUBLISHED = "bi.duckdb"
OTHERS = stat.S_IRWXG | stat.S_IRWXO
SHARED_FILE, SHARED_FOLDER = stat.S_IRGRP, stat.S_IXGRP
"""What the group of readers may do: read the published file, and reach it by its name without listing its folder."""

OURS = ("warehouse.duckdb*", ".warehouse.duckdb*", PUBLISHED, f".{PUBLISHED}*", "models", "reports", "tmp")
"""What is tightened where the warehouse folder also holds what is not ours."""

_ROOT = Path(__file__).resolve().parents[2]


def be_private() -> None:
    """Let every file that this process makes from now on be its user's alone."""
    os.umask(OTHERS)


def tighten(settings: Settings) -> None:
    """Close the warehouse folder and all that is below it, but for what the group of readers may read.

    Files of another user keep their rights, which only that user can change; links are not followed. A folder that is
    not the warehouse's alone (it also holds the landing zone, say) keeps its rights; the files in it do not.

    Raises
    ------
    UserError
        If files cannot be given to the group of readers.
    """
    folder = settings.warehouse
    if _is_shared(folder, settings):
        below = [path for pattern in OURS for path in folder.glob(pattern)]
    else:
        _close(folder, SHARED_FOLDER if settings.readers_group else 0, settings)
        below = list(folder.iterdir())
    for path in below:
        if path.name == PUBLISHED:
            share(path, settings)
        else:
            _close_all(path, settings)


def share(file: Path, settings: Settings) -> None:
    """Give a published file to the group of readers, or to nobody where there is none. Call it before others see it.

    Raises
    ------
    UserError
        If this user is not in that group.
    """
    _close(file, SHARED_FILE if settings.readers_group else 0, settings)


def close_folder(folder: Path) -> None:
    """Close a folder, where there is one and it is this user's: what is in it is out of reach, whatever its rights."""
    if folder.is_dir() and folder.stat().st_uid == os.geteuid():
        folder.chmod(stat.S_IRWXU)


def _close_all(path: Path, settings: Settings) -> None:
    for entry in (path, *_below(path)):
        _close(entry, 0, settings)


def _below(path: Path) -> Iterator[Path]:
    for folder, names, files in () if path.is_symlink() else os.walk(path):
        yield from (Path(folder, name) for name in (*names, *files))


def _close(path: Path, shared: int, settings: Settings) -> None:
    try:
        found = path.lstat()
    except FileNotFoundError:
        return  # DuckDB has cleared a file of its own away
    if found.st_uid != os.geteuid() or stat.S_ISLNK(found.st_mode):
        return
    if shared and settings.readers_group:
        _give(path, found.st_gid, settings.readers_group)
    rights = stat.S_IMODE(found.st_mode) & ~OTHERS | shared
    if rights != stat.S_IMODE(found.st_mode):
        path.chmod(rights)


def _give(path: Path, held_by: int, group: str) -> None:
    number = grp.getgrnam(group).gr_gid
    if number == held_by:
        return
    try:
        os.chown(path, -1, number)
    except PermissionError as error:
        raise UserError(
            f"TRUST_READERS_GROUP: this user cannot give {path} to the group {group}; add the user to the group"
        ) from error


def _is_shared(folder: Path, settings: Settings) -> bool:
    """Whether a folder is used for other things too, so that closing it would shut somebody out."""
    real = folder.resolve()
    others = (settings.landing.resolve(), _ROOT, Path(os.environ.get("HOME", "/")))
    return bool(folder.stat().st_mode & stat.S_ISVTX) or any(place.is_relative_to(real) for place in others)
