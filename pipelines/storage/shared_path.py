"""The folder on the shared path where the parts of a night lie while the workers of a cluster work on them.

Belongs here: where it is, and that it is private and goes away. Must not be here: what lies in it (``spark_engine``).
"""

import hashlib
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pipelines.errors import UserError
from pipelines.settings import Settings


def shared_folder(settings: Settings) -> Path:
    """The folder of a warehouse; others may use the same shared path, and have their own."""
    whose = hashlib.sha256(str(settings.warehouse.absolute()).encode()).hexdigest()[:12]
    return (settings.spark_shared or settings.warehouse) / f".parts-{whose}.building"


@contextmanager
def shared_stage(settings: Settings) -> Iterator[Path]:
    """A folder for one stage of a night, with ``in`` and ``out``; gone afterwards, or with the next night after a kill.

    Raises
    ------
    UserError
        If the shared path is no folder.
    """
    folder = shared_folder(settings)
    if not folder.parent.is_dir():
        raise UserError(f"TRUST_SPARK_SHARED: there is no folder {folder.parent}; make it, where all workers see it")
    folder.mkdir(mode=0o700, exist_ok=True)
    stage = Path(tempfile.mkdtemp(dir=folder))
    try:
        for way in ("in", "out"):
            (stage / way).mkdir(mode=0o700)
        yield stage
    finally:
        gone = stage.with_name(f"{stage.name}-done")  # a task that comes late finds no folder to write to
        stage.rename(gone)
        shutil.rmtree(gone)
        with suppress(OSError):
            folder.rmdir()
