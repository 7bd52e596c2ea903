"""Spark as an engine: parts go out and come back as Parquet files on a path that driver and workers share.

Belongs here: the session, the files of a stage, and what is said where Spark cannot be used.
Must not be here: the work (``trust_models.part_work``), or what becomes of its results.

The driver writes the frames of each part; a task reads those of its part, does the work and writes what comes out,
under a name of its own until it is whole. A task that runs again, because its worker was lost or was slow, writes the
same bytes over those of the one before. Through Spark itself travel the work with its models, and the numbers of the
parts: no row of a customer. Only data frames are used: so a classic cluster and a server of Spark Connect do alike.

Parts go out a few at a time, as jobs of their own, while workers are busy with those before; what came back of a part
is read and taken off the shared path in the order of the parts. So the path never holds more than the parts at work.
"""

import os
import shutil
import socket
import sys
import tempfile
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import lru_cache
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import polars as pl

from pipelines.errors import UserError
from pipelines.modelling.engines import Work
from pipelines.settings import Settings
from pipelines.storage.shared_path import shared_stage
from trust_models.part_work import Part

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import SparkSession

SCHEMA = "part bigint, names string, refusal string"
CONNECT_PORT, SECONDS_TO_ANSWER = 15002, 10
PARTS_OF_A_JOB, JOBS_AT_ONCE = 4, 64
"""Parts that are handed over together, and how often before the first of them is waited for."""
_LOG = Path(__file__).with_name("spark_log.properties")
_SETTINGS = {
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.driver.defaultJavaOptions": f"-Dlog4j2.configurationFile={_LOG.as_uri()}",
    "spark.executorEnv.POLARS_MAX_THREADS": "1",  # a task has one core
    "spark.task.maxFailures": "8",
}
"""What a night needs; ``spark-defaults.conf`` may say more."""


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
        self.settings = settings

    def map(self, work: Work, parts: Iterable[Part]) -> Iterator[dict[str, pl.DataFrame]]:
        """What the work makes of each part, in the order of the parts.

        Raises
        ------
        UserError
            If the shared path is no folder, or a worker does not see it.
        ValueError
            If the work refused a part.
        """
        with shared_stage(self.settings) as stage, ThreadPoolExecutor(JOBS_AT_ONCE) as threads:
            begun = deque[Future[dict[int, list[str]]]]()
            handed_over = _handed_over(stage, parts)
            try:
                while numbers := list(islice(handed_over, PARTS_OF_A_JOB)):
                    begun.append(threads.submit(self._run, work, stage, numbers))
                    while begun and (len(begun) == JOBS_AT_ONCE or begun[0].done()):
                        yield from _taken_back(stage, begun.popleft().result())
                while begun:
                    yield from _taken_back(stage, begun.popleft().result())
            except BaseException:
                if any(not job.done() for job in begun):
                    self.session.interruptAll()  # nobody waits for them any more
                raise

    def _run(self, work: Work, stage: Path, numbers: list[int]) -> dict[int, list[str]]:
        """Do the work on consecutive parts; returns the names of the frames that each gave."""
        from pyspark.errors import PySparkException, PythonException

        count = len(numbers)
        one_a_task = self.session.range(numbers[0], numbers[-1] + 1, 1, count)
        try:
            rows = one_a_task.mapInArrow(_task(work, str(stage)), SCHEMA).collect()
        except PythonException as error:
            if "SharedPathError" in str(error):
                raise UserError(
                    f"TRUST_SPARK_SHARED: a Spark worker does not see {stage.parent}; name a path that driver and"
                    " workers share"
                ) from None
            raise
        except PySparkException as error:
            where = _address(self.settings.spark_master, self.settings.spark_remote)
            raise UserError(f"{where}: the work was given up: {_first_line(error)}") from error
        if refusals := sorted(row.refusal for row in rows if row.refusal):
            raise ValueError(refusals[0])
        made = {row.part: row.names.split(",") for row in rows}
        if sorted(made) != numbers or len(rows) != count:
            raise RuntimeError(f"Spark gave back {len(rows)} parts of {count}")
        return made


def _handed_over(stage: Path, parts: Iterable[Part]) -> Iterator[int]:
    """Write the parts for the workers, each when its number is asked for."""
    for number, part in enumerate(parts):
        _write(stage / "in" / str(number), part)
        yield number


def _taken_back(stage: Path, made: dict[int, list[str]]) -> Iterator[dict[str, pl.DataFrame]]:
    """What the workers made of parts, in their order; nothing of a part stays on the shared path."""
    for number, names in sorted(made.items()):
        frames = _read(stage / "out" / str(number), names)
        for way in ("in", "out"):
            shutil.rmtree(stage / way / str(number))
        yield frames


def _task(work: Work, stage: str) -> "Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]":
    """What a task does with the numbers of its parts; it goes to the workers by value."""

    def task(batches: "Iterator[pa.RecordBatch]") -> "Iterator[pa.RecordBatch]":
        import pyarrow as pa

        from pipelines.modelling.spark_engine import work_on

        for batch in batches:
            for number in batch.column(0).to_pylist():
                names, refusal = work_on(work, Path(stage), number)
                told = {"part": [number], "names": [",".join(names)], "refusal": pa.array([refusal], pa.string())}
                yield pa.RecordBatch.from_pydict(told)

    return task


class SharedPathError(RuntimeError):
    """A worker does not see what the driver wrote."""


def work_on(work: Work, stage: Path, number: int) -> tuple[list[str], str | None]:
    """Do the work on a part and leave what came out on the shared path: the names of its frames, or why it was refused.

    Raises
    ------
    SharedPathError
        If the part is not there.
    """
    given = stage / "in" / str(number)
    if not given.is_dir():
        raise SharedPathError(f"SharedPathError: {given} is not there")
    try:
        made = work(_read(given, sorted(path.stem for path in given.iterdir())))
    except ValueError as error:  # it would be refused again: no reason to try other workers
        return [], str(error)
    _write(stage / "out" / str(number), made)
    return list(made), None


def _write(folder: Path, frames: Part) -> None:
    """Write frames, each whole or not at all; where the stage is over there is no folder to write to."""
    folder.mkdir(mode=0o700, exist_ok=True)
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
    where = _address(master, remote)
    _require_answer(where, remote or master)
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "PySpark does not yet fully support pandas", FutureWarning)  # we use none
        from pyspark.sql import SparkSession

        builder: Any = SparkSession.builder.appName("indirect trust")
        try:
            if remote is not None:
                session = builder.remote(remote).getOrCreate()
                session.range(1).count()
            else:
                session = builder.master(master).config(map=_SETTINGS).getOrCreate()
        except Exception as error:
            raise UserError(f"{where} does not answer: {_first_line(error)}") from error
    return session


def _address(master: str, remote: str | None) -> str:
    return f"TRUST_SPARK_REMOTE: {remote}" if remote else f"TRUST_SPARK_MASTER: {master}"


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0][:200]


def _require_answer(where: str, url: str) -> None:
    """Refuse an address where nobody answers at once: Spark itself would try for a minute."""
    if not url.startswith(("spark://", "sc://")):
        return
    places = [urlsplit(f"//{place}") for place in urlsplit(url).netloc.split(",")]
    if not any(_answers(place.hostname or "", place.port or CONNECT_PORT) for place in places):
        raise UserError(f"{where} does not answer: start the cluster, or name another")


def _answers(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), SECONDS_TO_ANSWER).close()
    except OSError:
        return False
    return True
