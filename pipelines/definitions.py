"""The Dagster code location: everything in ``defs/``, read from top to bottom as the night runs.

Belongs here: nothing but the entry point, which makes the files of its process private.
"""

from pathlib import Path

import dagster as dg

from pipelines.storage.private_files import be_private, close_folder

_RECORD = Path(__file__).resolve().parent.parent / ".dagster"
"""Dagster's record of runs, as the project's dagster.yaml places it."""


@dg.definitions
def defs() -> dg.Definitions:
    be_private()
    close_folder(_RECORD)
    return dg.load_from_defs_folder(path_within_project=Path(__file__).parent)
