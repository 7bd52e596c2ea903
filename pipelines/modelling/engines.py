"""Engines: where the work on parts of the customers is done.

Belongs here: what an engine is, the one of this process, and which one a night uses. Must not be here: the work itself
(``trust_models.part_work``), or Spark (``spark_engine``).
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

import polars as pl

from pipelines.settings import Settings
from trust_models.part_work import Part

Work = Callable[[Part], dict[str, pl.DataFrame]]


class Engine(Protocol):
    """Does work on parts; what comes out does not depend on which engine it is."""

    def map(self, work: Work, parts: Iterable[Part]) -> Iterator[dict[str, pl.DataFrame]]:
        """What the work makes of each part, in the order of the parts."""


class LocalEngine:
    """Does the work in this process, one part after the other; one of them is in memory at a time."""

    def map(self, work: Work, parts: Iterable[Part]) -> Iterator[dict[str, pl.DataFrame]]:
        """What the work makes of each part, in the order of the parts."""
        return map(work, parts)


def engine_of(settings: Settings) -> Engine:
    """The engine that the settings name.

    Raises
    ------
    UserError
        If it is Spark, and Spark is not installed or does not answer.
    """
    if settings.engine == "local":
        return LocalEngine()
    from pipelines.modelling.spark_engine import SparkEngine  # Spark is an extra, and takes seconds to start

    return SparkEngine(settings)
