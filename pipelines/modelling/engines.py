"""Engines: where the work on parts of the customers is done.

Belongs here: what an engine is, the one of this process, and which one a night uses. Must not be here: the work itself
(``trust_models.part_work``), or Spark (``spark_engine``).
"""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
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
    """Does the work in this process: on one part, while what was made of the part before is written away."""

    def map(self, work: Work, parts: Iterable[Part]) -> Iterator[dict[str, pl.DataFrame]]:
        """What the work makes of each part, in the order of the parts; of three parts something is held at a time."""
        with ThreadPoolExecutor(max_workers=1) as worker:
            ahead: Future[dict[str, pl.DataFrame]] | None = None
            for part in parts:
                begun, ahead = ahead, worker.submit(work, part)
                if begun is not None:
                    yield begun.result()
            if ahead is not None:
                yield ahead.result()


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
