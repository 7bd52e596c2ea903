"""What an erasure came to, in words and as data. No id stands in it.

Belongs here: the lines for a person who must answer for the erasure. Must not be here: erasing (see ``erasing``).
"""

from typing import Any

from pipelines.privacy.erasing import Erased, Erasure
from pipelines.privacy.traces import SHORTEST
from pipelines.settings import Settings


def as_data(settings: Settings, told: Erasure) -> dict[str, Any]:
    """The result as one JSON object."""
    return {
        "customers": told.customers,
        "is_complete": told.is_complete,
        "places": [
            {
                "folder": str(place.folder),
                "rows_deleted": place.rows,
                "files_removed": place.removed,
                "searched": {
                    "tables": place.searched.tables,
                    "values": place.searched.values,
                    "files": place.searched.files,
                    "bytes": place.searched.bytes,
                },
                "still_found_in": place.searched.found,
            }
            for place in told.places
        ],
        "backups_not_erased": [{"path": path, "reason": reason} for path, reason in told.unreached],
        "landing": str(settings.landing),
        "landing_files_with_the_id": told.landing,
        "landing_files_not_searched": told.unsearched,
        "are_ids_short": told.are_ids_short,
    }


def render(settings: Settings, told: Erasure) -> str:
    """The result as lines for a terminal."""
    lines = []
    for place in told.places:
        lines += [*_place(place), ""]
    lines += [f"NOT ERASED from the backup {path}: {reason}" for path, reason in told.unreached]
    lines += _landing(settings, told)
    if told.are_ids_short:
        lines.append(
            f"An id of fewer than {SHORTEST} bytes turns up by chance in files that are no text: there only the values"
            " of the tables were searched."
        )
    lines.append(
        f"Erased: {told.customers} {'customer' if told.customers == 1 else 'customers'}. A tombstone keeps their rows"
        " out of later deliveries."
        if told.is_complete
        else "NOT COMPLETE: see the lines above, and run the command again."
    )
    return "\n".join(lines)


def _place(place: Erased) -> list[str]:
    searched = place.searched
    lines = [str(place.folder)]
    lines += [f"  {table:<40}{count:>12,} rows deleted" for table, count in place.rows.items()]
    if not place.rows:
        lines.append("  no rows were left to delete")
    lines += [f"  {name}: held the id and was removed" for name in place.removed]
    lines.append(
        f"  searched afterwards: {searched.values:,} values in {searched.tables} tables, {searched.bytes:,} bytes in"
        f" {searched.files} files"
    )
    lines += [f"  STILL FOUND in {name}" for name in searched.found]
    return lines


def _landing(settings: Settings, told: Erasure) -> list[str]:
    lines = []
    if told.landing:
        lines.append(f"The landing zone {settings.landing} is not changed. These files still hold the id:")
        lines += [f"  {name}" for name in told.landing]
    if told.unsearched:
        lines.append("These landing files could not be searched; look into them yourself:")
        lines += [f"  {name}" for name in told.unsearched]
    return lines
