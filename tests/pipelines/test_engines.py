"""Engines without Spark: what a worker does with a part, and what is said where Spark cannot be used."""

import socket
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from threading import Event
from types import SimpleNamespace
from typing import Any

import polars as pl
import pyarrow as pa
import pytest

from pipelines.errors import UserError
from pipelines.modelling import spark_engine
from pipelines.modelling.engines import LocalEngine, engine_of
from pipelines.modelling.spark_engine import SharedPathError, work_on
from pipelines.settings import Settings
from pipelines.storage.shared_path import shared_folder, shared_stage


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    for name in ("warehouse", "shared"):
        (tmp_path / name).mkdir()
    return Settings(tmp_path / "landing", tmp_path / "warehouse", spark_shared=tmp_path / "shared")


def doubled(part: dict[str, pl.DataFrame]) -> dict[str, pl.DataFrame]:
    return {"made": part["given"] * 2, "none": part["given"].clear()}


def refused(part: dict[str, pl.DataFrame]) -> dict[str, pl.DataFrame]:
    raise ValueError("no such feature")


def hand_over(stage: Path) -> None:
    spark_engine._write(stage / "in" / "0", {"given": pl.DataFrame({"n": [1, 2]})})


class OneProcess:
    """What the engine asks of a session of Spark, without a cluster: each job is done where it is asked for."""

    def __init__(self) -> None:
        self.interrupted = Event()

    def range(self, first: int, end: int, step: int, tasks: int) -> Any:
        assert tasks == (end - first) // step
        batches = [pa.RecordBatch.from_pydict({"id": [number]}) for number in range(first, end, step)]

        def collect(task: Callable[[Iterable[pa.RecordBatch]], Iterator[pa.RecordBatch]]) -> list[Any]:
            return [SimpleNamespace(**row) for made in task(iter(batches)) for row in made.to_pylist()]

        return SimpleNamespace(mapInArrow=lambda task, schema: SimpleNamespace(collect=lambda: collect(task)))

    def interruptAll(self) -> None:  # noqa: N802  # Spark's own name
        self.interrupted.set()


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch) -> OneProcess:
    errors = SimpleNamespace(PySparkException=OSError, PythonException=OSError)
    monkeypatch.setitem(sys.modules, "pyspark", SimpleNamespace(errors=errors))
    monkeypatch.setitem(sys.modules, "pyspark.errors", errors)
    session = OneProcess()
    monkeypatch.setattr(spark_engine, "_session", lambda *_: session)
    monkeypatch.setattr(spark_engine, "PARTS_OF_A_JOB", 2)
    monkeypatch.setattr(spark_engine, "JOBS_AT_ONCE", 3)
    return session


def some_parts(count: int) -> Iterator[dict[str, pl.DataFrame]]:
    return ({"given": pl.DataFrame({"n": [number]})} for number in range(count))


@pytest.mark.parametrize("count", [0, 1, 2, 13])
def test_parts_come_back_in_their_order_and_few_lie_on_the_shared_path(
    settings: Settings, session: OneProcess, count: int
) -> None:
    came, most = [], 0
    for made in spark_engine.SparkEngine(settings).map(doubled, some_parts(count)):
        came += made["made"]["n"].to_list()
        most = max(most, len(list(shared_folder(settings).glob("*/in/*"))))
    assert came == [2 * number for number in range(count)]
    assert most < 2 * 3
    assert list((settings.spark_shared or Path()).iterdir()) == []
    assert not session.interrupted.is_set()


def test_a_refused_part_ends_the_stage_and_what_is_still_worked_on(settings: Settings, session: OneProcess) -> None:
    another_works = Event()

    def waits(part: dict[str, pl.DataFrame]) -> dict[str, pl.DataFrame]:
        if part["given"]["n"].item() < 2:  # the first job
            assert another_works.wait(timeout=60)
            return refused(part)
        another_works.set()
        assert session.interrupted.wait(timeout=60)
        return doubled(part)

    with pytest.raises(ValueError, match="no such feature"):
        list(spark_engine.SparkEngine(settings).map(waits, some_parts(9)))
    assert session.interrupted.is_set()
    assert list((settings.spark_shared or Path()).iterdir()) == []


def test_a_night_uses_this_process_unless_another_engine_is_named(settings: Settings) -> None:
    assert isinstance(engine_of(settings), LocalEngine)


def test_a_part_that_is_worked_on_twice_is_there_once(settings: Settings) -> None:
    with shared_stage(settings) as stage:
        hand_over(stage)
        files = []
        for _ in range(2):
            assert work_on(doubled, stage, 0) == (["made", "none"], None)
            files.append({path.name: path.read_bytes() for path in (stage / "out" / "0").iterdir()})
        assert files[0] == files[1]
        assert sorted(path.name for path in (stage / "out").iterdir()) == ["0"]
        assert spark_engine._read(stage / "out" / "0", ["made"])["made"].to_dict(as_series=False) == {"n": [2, 4]}


def test_a_refusal_comes_back_in_words_and_is_not_tried_elsewhere(settings: Settings) -> None:
    with shared_stage(settings) as stage:
        hand_over(stage)
        assert work_on(refused, stage, 0) == ([], "no such feature")


def test_a_worker_that_does_not_see_the_shared_path_says_so(tmp_path: Path) -> None:
    with pytest.raises(SharedPathError, match="is not there"):
        work_on(doubled, tmp_path / "elsewhere", 0)


def test_a_worker_that_comes_late_leaves_nothing_behind(settings: Settings) -> None:
    with shared_stage(settings) as stage:
        hand_over(stage)
    with pytest.raises(FileNotFoundError):
        spark_engine._write(stage / "out" / "0", {"made": pl.DataFrame({"n": [1]})})
    assert list((settings.spark_shared or Path()).iterdir()) == []


def test_what_lies_on_the_shared_path_is_private_and_gone_after_an_error(settings: Settings) -> None:
    def fail() -> None:
        with shared_stage(settings) as stage:
            hand_over(stage)
            assert {path.stat().st_mode & 0o077 for path in shared_folder(settings).rglob("*")} == {0}
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert not shared_folder(settings).exists()


def test_two_warehouses_keep_apart_on_one_shared_path(settings: Settings, tmp_path: Path) -> None:
    other = Settings(settings.landing, tmp_path / "other", spark_shared=settings.spark_shared)
    assert shared_folder(settings) != shared_folder(other)


def test_a_shared_path_that_is_not_there_is_refused_by_its_setting(tmp_path: Path) -> None:
    with (
        pytest.raises(UserError, match=r"TRUST_SPARK_SHARED: there is no folder .*; make it"),
        shared_stage(Settings(spark_shared=tmp_path / "none")),
    ):
        pass


@pytest.mark.parametrize(("scheme", "setting"), [("spark", "MASTER"), ("sc", "REMOTE")])
def test_a_cluster_where_nobody_answers_is_refused_at_once(scheme: str, setting: str) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"{scheme}://127.0.0.1:{closed.getsockname()[1]}"
        where = spark_engine._address(url, url if scheme == "sc" else None)
        with pytest.raises(UserError, match=f"TRUST_SPARK_{setting}: {url} does not answer"):
            spark_engine._require_answer(where, url)


def test_spark_that_is_not_installed_is_told_with_what_installs_it(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spark_engine, "find_spec", lambda name: None)
    with pytest.raises(
        UserError, match=r"Spark is not installed; install it with: pip install 'indirect-trust\[spark\]'"
    ):
        spark_engine._session.__wrapped__("local[1]", None)


def test_parts_come_in_their_order_and_the_next_is_begun_while_one_is_written_away() -> None:
    begun = [Event() for _ in range(5)]

    def work(part: dict[str, pl.DataFrame]) -> dict[str, pl.DataFrame]:
        begun[part["given"]["n"][0]].set()
        return doubled(part)

    made = LocalEngine().map(work, ({"given": pl.DataFrame({"n": [n]})} for n in range(5)))
    for n, part in enumerate(made):
        assert part["made"]["n"].to_list() == [2 * n]
        assert begun[min(n + 1, 4)].wait(timeout=60)
    assert list(LocalEngine().map(work, ())) == []


def test_a_refusal_of_one_part_ends_the_night_in_its_words() -> None:
    parts = ({"given": pl.DataFrame({"n": [n]})} for n in range(3))
    with pytest.raises(ValueError, match="no such feature"):
        list(LocalEngine().map(refused, parts))
