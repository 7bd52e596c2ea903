"""Exporting: the published tables as plain files, for tools that read no database.

Belongs here: one file a table, all of one night. Must not be here: what the tables hold (see ``sql/marts``).
"""

from collections.abc import Callable, Mapping
from pathlib import Path

import polars as pl

from pipelines.bi.published import published, tables
from pipelines.errors import UserError
from pipelines.ingest.csv_export import write_csv
from pipelines.settings import Settings
from pipelines.storage.durable_files import move_durably
from pipelines.storage.private_files import share
from pipelines.warehouse import Warehouse

Writer = Callable[[pl.DataFrame, Path], None]

WRITERS: Mapping[str, Writer] = {"parquet": pl.DataFrame.write_parquet, "csv": write_csv}
"""What writes a frame, by format; also the ending of the files."""


def export(settings: Settings, folder: Path, ending: str = "parquet") -> dict[str, int]:
    """Write every published table as a file of its own; returns the rows of each.

    Parameters
    ----------
    settings : Settings
        Names the warehouse folder.
    folder : Path
        Where the files go; it is made if it does not exist. A file of the same name is replaced in one step. The files
        are open to those who may read the published database, and to nobody else.
    ending : {"parquet", "csv"}
        In CSV, texts that a spreadsheet would run as formulas are made harmless.

    Raises
    ------
    UserError
        If nothing is published, or the folder cannot be written.
    """
    with published(settings) as reader:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            return {name: _export(reader, name, folder / f"{name}.{ending}", settings) for name in tables(reader)}
        except OSError as error:
            raise UserError(f"{folder}: cannot be written ({error.strerror}); choose another folder") from error


def _export(reader: Warehouse, name: str, target: Path, settings: Settings) -> int:
    """Rows stay in the order in which they were published: the worklist from its first place on."""
    write = WRITERS[target.suffix.removeprefix(".")]
    frame = reader.table(f'published."{name}"')
    building = target.with_name(f".{target.name}.building")
    try:
        write(frame, building)
        share(building, settings)
        move_durably(building, target)
    finally:
        building.unlink(missing_ok=True)
    return frame.height
