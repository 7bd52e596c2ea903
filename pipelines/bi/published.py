"""The published database, opened to read.

Belongs here: reading ``bi.duckdb`` without the warehouse and its lock.
Must not be here: making it (see ``publishing``).
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from pipelines.errors import UserError
from pipelines.settings import Settings
from pipelines.warehouse import DuckDBError, Warehouse, looking_at


@contextmanager
def published(settings: Settings) -> Iterator[Warehouse]:
    """The published file as the database ``published`` of a warehouse of no contents, which only reads it.

    All that is read inside a ``with`` block is of one night, also when a new one is published meanwhile. The real
    warehouse may be held by a night.

    Raises
    ------
    UserError
        If nothing is published, or it cannot be read.
    """
    path = settings.warehouse / "bi.duckdb"
    if not path.is_file():
        raise UserError(f"{path}: nothing is published; run 'trust run'")
    with ExitStack() as stack:
        try:
            reader = stack.enter_context(looking_at(path, "published"))
        except DuckDBError as error:
            raise UserError(f"{path}: cannot be read as a published database; run the night again") from error
        yield reader


def tables(reader: Warehouse) -> list[str]:
    """The names of the published tables, in order."""
    found = reader.run("select table_name from duckdb_tables() where database_name = 'published' order by table_name")
    return [name for (name,) in found]
