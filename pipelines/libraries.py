"""The libraries of a run, loaded in one go before its first step.

Belongs here: their order, and that no garbage is looked for meanwhile. Must not be here: what they are for; each is
imported by the file that uses it as well.
"""

import gc
from functools import cache
from importlib import import_module

_IN_ORDER = ("skops.io", "pipelines.night", "pipelines.modelling.models", "pipelines.checks.gx_duckdb")
"""Files that bring most others; none of them asks the environment anything.

skops comes first: it looks each function of scipy up in every module that was loaded before.
"""


@cache
def load_libraries() -> None:
    """Load what a run needs; what was loaded stays until the process ends, and is never looked at as garbage.

    Python looks for garbage whenever much was made: while four thousand modules come, and go nowhere, that takes as
    long as loading one in three of them.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        for name in _IN_ORDER:
            import_module(name)
    finally:
        gc.freeze()
        if was_on:
            gc.enable()
