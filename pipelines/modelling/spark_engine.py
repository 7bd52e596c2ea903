"""Spark as an engine: parts go out and come back as Parquet files on a path that driver and workers share.

Belongs here: the session, the files of a stage, and what is said where Spark cannot be used.
Must not be here: the work (``trust_models.part_work``), or what becomes of its results.

The driver writes the frames of each part; a task reads those of its part, does the work and writes what comes out,
under a name of its own until it is whole. A task that runs again, because its worker was lost or was slow, writes the
same bytes over those of the one before. Nothing but the number of a part travels through Spark itself: so a classic
cluster and a server of Spark Connect do alike.
"""

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from pipelines.errors import UserError
from pipelines.settings import Settings
from trust_models.part_work import Part

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import SparkSession

FOLDER = "spark-parts"
"""Folder of the parts of a night, below the shared path; what a killed night left there is removed."""

SCHEMA = "part bigint, names string"
_SETTINGS = {
    "spark.ui.enabled": "false",
    "spark.sql.execution.arrow.pyspark.enabled": "true",
    "spark.python.worker.reuse": "true",
    "spark.task.maxFailures": "8",
    "spark.sql.adaptive.coalescePartitions.enabled": "false",
}

Work = Callable[[Part], dict[str, pl.DataFrame]]


class SparkEngine:
    """Hands parts to the workers of a Spark cluster, as many at a time as it has cores.

    Parameters
    ----------
    settings : Settings
        ``spark_remote`` (a server of Spark Connect) or ``spark_master``, and the shared path.

    Raises
    ------
    UserError
        If Spark is not installed, or does not answer.
    """

    def __init__(self, settings: Settings) -> None:
        self.session = _session(settings.spark_master, settings.spark_remote)
        self.folder = shared_folder(settings)

    def map(self, work: Work, parts: Iterable[Part]) -> Iterator[dict[str, pl.DataFrame]]:
        """What the work makes of each part, in the order of the parts.

        Raises
        ------
        UserError
            If a worker does not see the shared path.
        """
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        stage = Path(tempfile.mkdtemp(dir=self.folder))
        try:
            count = 0
            for count, part in enumerate(parts, start=1):
                _write(stage / "in" / str(count - 1), part)
            made = self._run(work, stage, count)
            for number in range(count):
                yield _read(stage / "out" / str(number), made[number])
        finally:
            shutil.rmtree(stage)

    def _run(self, work: Work, stage: Path, count: int) -> dict[int, list[str]]:
        """Do the work on all parts; returns the names of the frames that each gave."""
        if not count:
            return {}
        numbers = self.session.range(0, count, 1, count)
        try:
            rows = numbers.mapInArrow(_task(work, str(stage)), SCHEMA).collect()
        except Exception as error:
            if "SharedPathError" in str(error):
                raise UserError(
                    f"TRUST_SPARK_SHARED: a Spark worker does not see {stage.parent}; name a path that driver and"
                    " workers share"
                ) from None
            raise
        made = {row.part: row.names.split(",") for row in rows}
        if sorted(made) != list(range(count)) or len(rows) != count:
            raise RuntimeError(f"Spark gave back {len(rows)} parts of {count}")
        return made


def shared_folder(settings: Settings) -> Path:
    """Where the parts of this warehouse are exchanged."""
    return (settings.spark_shared or settings.warehouse) / FOLDER


def _task(work: Work, stage: str) -> "Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]":
    """What a task does with the numbers of its parts; it goes to the workers by value."""

    def task(batches: "Iterator[pa.RecordBatch]") -> "Iterator[pa.RecordBatch]":
        import pyarrow as pa

        from pipelines.modelling.spark_engine import work_on

        for batch in batches:
            numbers = batch.column(0).to_pylist()
            names = [",".join(work_on(work, Path(stage), number)) for number in numbers]
            yield pa.RecordBatch.from_pydict({"part": pa.array(numbers, pa.int64()), "names": pa.array(names)})

    return task


class SharedPathError(RuntimeError):
    """A worker does not see what the driver wrote."""


def work_on(work: Work, stage: Path, number: int) -> list[str]:
    """Do the work on a part and leave what came out on the shared path; returns the names of its frames.

    Raises
    ------
    SharedPathError
        If the part is not there.
    """
    given = stage / "in" / str(number)
    if not given.is_dir():
        raise SharedPathError(f"SharedPathError: {given} is not there")
    made = work(_read(given, [path.stem for path in given.iterdir()]))
    _write(stage / "out" / str(number), made)
    return list(made)


def _write(folder: Path, frames: Part) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name, frame in frames.items():
        handle, building = tempfile.mkstemp(dir=folder.parent)
        os.close(handle)
        frame.write_parquet(building, compression="lz4")
        os.replace(building, folder / f"{name}.parquet")


def _read(folder: Path, names: Iterable[str]) -> dict[str, pl.DataFrame]:
    return {name: pl.read_parquet(folder / f"{name}.parquet") for name in names}


@lru_cache(maxsize=1)
def _session(master: str, remote: str | None) -> "SparkSession":
    """The session of this process; Spark ends with it."""
    if find_spec("pyspark") is None:
        raise UserError("TRUST_ENGINE: Spark is not installed; install it with: pip install 'indirect-trust[spark]'")
    if remote is None and shutil.which("java") is None and not os.environ.get("JAVA_HOME"):
        raise UserError("TRUST_ENGINE: Spark needs Java 17 or newer, and there is no java on the path")
    os.environ["PYSPARK_PYTHON"] = sys.executable
    from pyspark.sql import SparkSession

    builder: Any = SparkSession.builder.appName("indirect trust")
    try:
        if remote is not None:
            session = builder.remote(remote).getOrCreate()
            session.range(1).count()
        else:
            for name, value in _SETTINGS.items():
                builder = builder.config(name, value)
            session = builder.master(master).getOrCreate()
            session.sparkContext.setLogLevel("ERROR")
    except Exception as error:
        where = f"TRUST_SPARK_REMOTE: {remote}" if remote else f"TRUST_SPARK_MASTER: {master}"
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise UserError(f"{where} does not answer: {lines[0][:200]}") from error
    return session
