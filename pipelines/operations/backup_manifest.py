"""The manifest of a backup: what is in it, byte for byte, so that a damaged one is never restored.

Belongs here: writing and verifying the list of files. Must not be here: what is backed up, or where it goes.

``manifest.json`` names every file with its size and SHA-256, ``manifest.sha256`` is the hash of the manifest itself:
there is no byte in a backup that can change unseen.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pipelines.errors import UserError
from pipelines.storage.durable_files import sync

FORMAT = 1
MANIFEST, SEAL = "manifest.json", "manifest.sha256"


def write_manifest(folder: Path, facts: Mapping[str, Any]) -> None:
    """List every file of a finished backup beside some facts about it, and bring all of it onto the disk."""
    files = {name: _entry(path) for name, path in _files(folder)}
    content = json.dumps({"format": FORMAT, **facts, "files": files}, indent=2, ensure_ascii=False, default=str)
    (folder / MANIFEST).write_text(content, encoding="utf-8")
    (folder / SEAL).write_text(hashlib.sha256(content.encode()).hexdigest() + "\n", encoding="ascii")
    for path in sorted(folder.rglob("*")):
        path.chmod(0o700 if path.is_dir() else 0o600)
        sync(path)
    folder.chmod(0o700)
    sync(folder)


def verified(folder: Path) -> dict[str, Any]:
    """The manifest of a backup, after reading every byte of it.

    Raises
    ------
    UserError
        If this is no backup, a file is missing, was changed or added, or a later version of the software made it.
    """
    told = _sealed(folder)
    if told["format"] > FORMAT:
        raise UserError(f"{folder}: was made by a later version (backup format {told['format']}); install that version")
    refuse_damaged(folder, told["files"])
    return told


def refuse_damaged(folder: Path, listed: Mapping[str, Mapping[str, Any]]) -> None:
    """Raise a UserError unless a folder holds just the files of a list, each byte of them (a manifest aside)."""
    found = dict(_files(folder))
    for name in sorted(listed.keys() | found.keys()):
        problem = _problem(listed.get(name), found.get(name))
        if problem:
            raise UserError(f"{folder}: {name} {problem}; nothing was restored; use another backup")


def facts(folder: Path) -> dict[str, Any] | None:
    """What a backup says of itself, without reading its files; None where the manifest cannot be read or believed."""
    try:
        return _sealed(folder)
    except UserError:
        return None


def _sealed(folder: Path) -> dict[str, Any]:
    try:
        content = (folder / MANIFEST).read_bytes()
        seal = (folder / SEAL).read_text(encoding="ascii")
    except (OSError, ValueError) as error:
        raise UserError(f"{folder}: is no whole backup ({MANIFEST} or {SEAL} cannot be read)") from error
    if seal != hashlib.sha256(content).hexdigest() + "\n":
        raise UserError(f"{folder}: {MANIFEST} was changed or is damaged; nothing was restored; use another backup")
    told: dict[str, Any] = json.loads(content)
    return told


def _problem(listed: Mapping[str, Any] | None, path: Path | None) -> str | None:
    if listed is None:
        return "is not in the manifest"
    if path is None or path.is_symlink():
        return "is missing"
    return None if _entry(path) == listed else "was changed or is damaged"


def _files(folder: Path) -> Iterator[tuple[str, Path]]:
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if (path.is_symlink() or not path.is_dir()) and name not in (MANIFEST, SEAL):
            yield name, path


def _entry(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        return {"bytes": path.stat().st_size, "sha256": hashlib.file_digest(file, "sha256").hexdigest()}
