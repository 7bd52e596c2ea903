"""Files that survive a loss of power: on disk before they get their name, and the name on disk before we go on.

Belongs here: the order of writing, flushing and renaming. Must not be here: what is written.
"""

import os
from pathlib import Path


def write_durably(path: Path, content: bytes) -> None:
    """Write a file so that its name always leads to the old content or the new one, each whole."""
    building = path.with_name(f".{path.name}.building")
    with building.open("wb") as file:
        file.write(content)
    move_durably(building, path)


def move_durably(building: Path, path: Path) -> None:
    """Move a finished file over another one of the same folder: first its content reaches the disk, then its name."""
    sync(building)
    os.replace(building, path)
    sync(path.parent)


def sync(path: Path) -> None:
    """Wait until the content of a file, or the names in a folder, are on disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
