import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import pytest
from dagster import DagsterInstance, DagsterRun, DagsterRunStatus
from nights import Kill, Nursery, Place, clean_environment, content, differences

from pipelines.operations.dead_runs import REASON

pytestmark = pytest.mark.slow

KILLED, QUEUED = date(2023, 10, 9), date(2023, 10, 10)
LONGEST_POLLS = 1200


@contextmanager
def daemon(place: Place, environment: dict[str, str]) -> Iterator[None]:
    command = [Path(sys.executable).with_name("dagster-daemon"), "run", "-m", "pipelines.definitions"]
    with (place.folder / "daemon.log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environment, start_new_session=True)
        try:
            yield
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGINT)
            process.wait()


def launch(environment: dict[str, str], day: date) -> None:
    tags = {"dagster/partition": str(day), "dagster/partition_set": "nightly_partition_set"}
    command = [sys.executable, "-m", "dagster", "job", "launch", "-m", "pipelines.definitions", "-j", "nightly"]
    done = subprocess.run([*command, "--tags", json.dumps(tags)], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def runs(instance: DagsterInstance) -> dict[str, DagsterRun]:
    return {run.tags["dagster/partition"]: run for run in instance.get_runs()}


def wait_for(instance: DagsterInstance, day: date) -> DagsterRunStatus:
    """The end of a run, or what it still is after a time that no night of this size takes."""
    for _ in range(LONGEST_POLLS):
        if runs(instance)[str(day)].is_finished:
            break
        time.sleep(1)
    return runs(instance)[str(day)].status


def test_a_night_that_waits_behind_a_killed_one_is_started_by_the_daemon(
    company: Path, nursery: Nursery, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Place(tmp_path / "place").made()
    assert nursery.run(place, KILLED, Kill("boundary", 40)).status == -signal.SIGKILL
    environment = clean_environment(company) | {
        "DAGSTER_HOME": str(place.home),
        "TRUST_WAREHOUSE": str(place.warehouse),
    }
    monkeypatch.setenv("DAGSTER_HOME", str(place.home))
    with DagsterInstance.get() as instance:
        dead = runs(instance)[str(KILLED)]
        assert dead.status is DagsterRunStatus.STARTED
        launch(environment, QUEUED)
        assert runs(instance)[str(QUEUED)].status is DagsterRunStatus.QUEUED
        with daemon(place, environment):
            assert wait_for(instance, QUEUED) is DagsterRunStatus.SUCCESS, (place.folder / "daemon.log").read_text()
        assert runs(instance)[str(KILLED)].status is DagsterRunStatus.FAILURE
        told = [entry.dagster_event.message for entry in instance.all_logs(dead.run_id) if entry.dagster_event]
        assert REASON in told
    other = Place(tmp_path / "undisturbed").made()
    assert nursery.run(other, QUEUED).status == 0
    assert differences(content(place.bi), content(other.bi)) == []


def test_the_next_night_from_the_command_line_closes_a_killed_one_too(
    nursery: Nursery, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Place(tmp_path / "place").made()
    assert nursery.run(place, KILLED, Kill("boundary", 40)).status == -signal.SIGKILL
    assert nursery.run(place, QUEUED).status == 0
    monkeypatch.setenv("DAGSTER_HOME", str(place.home))
    with DagsterInstance.get() as instance:
        found = {day: run.status for day, run in runs(instance).items()}
    assert found == {str(KILLED): DagsterRunStatus.FAILURE, str(QUEUED): DagsterRunStatus.SUCCESS}
