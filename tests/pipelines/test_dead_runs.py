import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from dagster import DagsterInstance, DagsterRunStatus
from dagster._core.events import DagsterEvent, EngineEventData
from dagster._core.utils import make_new_run_id

from pipelines.defs import jobs
from pipelines.operations import dead_runs as watched
from pipelines.operations.dead_runs import REASON, close_dead_runs, dead_runs
from pipelines.settings import Settings


@pytest.fixture
def instance() -> Iterator[DagsterInstance]:
    with DagsterInstance.ephemeral() as held:
        yield held


@pytest.fixture
def gone() -> int:
    """The number of a process that has ended."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
        return process.pid


def started(instance: DagsterInstance, job: str = "nightly", pid: int | None = None, **more: object) -> str:
    """A run that began and, where a process is named, executes its steps there."""

    @dg.op
    def step() -> None: ...

    @dg.job(name=job)
    def made() -> None:
        step()

    run = instance.create_run_for_job(made, run_id=make_new_run_id(), status=DagsterRunStatus.STARTED, **more)
    if pid is not None:
        event = DagsterEvent(
            event_type_value="ENGINE_EVENT",
            job_name=job,
            message=f"Executing steps in process (pid: {pid})",
            event_specific_data=EngineEventData.in_process(pid),
        )
        instance.report_dagster_event(event, run_id=run.run_id)
    return run.run_id


def status(instance: DagsterInstance, run_id: str) -> DagsterRunStatus:
    run = instance.get_run_by_id(run_id)
    assert run is not None
    return run.status


def test_a_run_whose_process_is_gone_is_closed_with_the_reason(instance: DagsterInstance, gone: int) -> None:
    run_id = started(instance, pid=gone)
    assert close_dead_runs(instance) == [run_id]
    assert status(instance, run_id) is DagsterRunStatus.FAILURE
    events = [entry.dagster_event for entry in instance.all_logs(run_id)]
    assert events[-1] is not None
    assert events[-1].message == REASON


def test_a_run_at_work_is_left_alone(instance: DagsterInstance) -> None:
    run_id = started(instance, pid=os.getpid())
    assert close_dead_runs(instance) == []
    assert status(instance, run_id) is DagsterRunStatus.STARTED


def test_a_later_process_that_was_given_the_same_number_is_not_taken_for_the_run(
    instance: DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = started(instance, pid=os.getpid())
    monkeypatch.setattr(watched, "_born", lambda _: time.time() + 60)
    assert close_dead_runs(instance) == [run_id]


def test_the_birth_of_a_process_is_known() -> None:
    if not Path("/proc/stat").exists():
        pytest.skip("only Linux tells when a process began")
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        assert watched._exists(process.pid, time.time())
        assert not watched._exists(process.pid, time.time() - 3600)
        process.communicate(b"\n")


def test_the_run_that_asks_is_alive(instance: DagsterInstance, gone: int) -> None:
    assert close_dead_runs(instance, but=started(instance, pid=gone)) == []


def test_a_run_that_never_said_which_process_it_has_is_given_time(
    instance: DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = started(instance)
    instance.report_dagster_event(DagsterEvent("PIPELINE_START", "nightly"), run_id=run_id)
    began = instance.get_run_records()[0].start_time
    assert began is not None
    monkeypatch.setattr(watched.time, "time", lambda: began + watched.SILENCE_SECONDS - 1)
    assert dead_runs(instance) == []
    monkeypatch.setattr(watched.time, "time", lambda: began + watched.SILENCE_SECONDS + 1)
    assert [found.dagster_run.run_id for found in dead_runs(instance)] == [run_id]


def test_runs_of_other_projects_are_left_alone(instance: DagsterInstance, gone: int) -> None:
    started(instance, job="somebody_elses", pid=gone)
    assert dead_runs(instance) == []


@pytest.mark.parametrize(("layer", "is_ours"), [("marts", True), ("elsewhere", False)])
def test_a_run_started_by_hand_for_some_assets_is_ours_where_the_assets_are(
    instance: DagsterInstance, gone: int, layer: str, is_ours: bool
) -> None:
    run_id = started(instance, job="__ASSET_JOB", pid=gone)
    record = instance.get_run_records()[0]
    run = record.dagster_run._replace(asset_selection=frozenset({dg.AssetKey([layer, "customer_scores"])}))
    assert watched._is_ours(record._replace(dagster_run=run)) is is_ours
    assert status(instance, run_id) is DagsterRunStatus.STARTED


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("TRUST_WAREHOUSE", str(tmp_path / "warehouse"))
    monkeypatch.setenv("TRUST_LANDING", str(tmp_path / "landing"))
    return Settings.from_environment()


@pytest.mark.usefixtures("environment")
def test_the_sensor_closes_dead_runs_and_says_so(instance: DagsterInstance, gone: int) -> None:
    def look() -> str | None:
        told = jobs.killed_nights(dg.build_sensor_context(instance=instance))
        return told.skip_message

    assert look() == "no night was killed"
    run_id = started(instance, pid=gone)
    assert look() == f"closed {run_id}"
    assert status(instance, run_id) is DagsterRunStatus.FAILURE


def test_the_sensor_leaves_everything_to_a_night_at_work(
    instance: DagsterInstance, gone: int, environment: Settings
) -> None:
    run_id = started(instance, pid=gone)
    environment.warehouse.mkdir(mode=0o700)
    holder = "import duckdb, sys; held = duckdb.connect(sys.argv[1]); print('held', flush=True); input(); held.close()"
    with subprocess.Popen(
        [sys.executable, "-c", holder, environment.warehouse / "warehouse.duckdb"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as night:
        assert night.stdout is not None
        assert night.stdout.readline() == b"held\n"
        told = jobs.killed_nights(dg.build_sensor_context(instance=instance))
        assert told.skip_message == "a night is at work; it closes those that were killed"
        night.communicate(b"\n")
    assert status(instance, run_id) is DagsterRunStatus.STARTED


def test_the_sensor_looks_from_the_start() -> None:
    assert jobs.killed_nights.default_status is dg.DefaultSensorStatus.RUNNING
