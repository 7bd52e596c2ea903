"""The Dagster code location: everything in ``defs/``, read from top to bottom as the night runs.

Belongs here: nothing but the entry point.
"""

from pathlib import Path

import dagster as dg


@dg.definitions
def defs() -> dg.Definitions:
    return dg.load_from_defs_folder(path_within_project=Path(__file__).parent)
