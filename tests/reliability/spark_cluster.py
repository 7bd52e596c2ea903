"""A Spark cluster of its own on this machine, and nights on it.

Belongs here: starting a master and workers, or a Connect server, from the pyspark package on loopback, and ending them.
Must not be here: what a night must come to (see ``test_spark_nights``).
"""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nights import ROOT, Place, clean_environment

PYTHON = ROOT / ".venv-spark" / "bin" / "python"
NEEDED = "CI_REQUIRES_SPARK"
SECONDS = 120
EVENTS, CUSTOMERS = 600, 150
NIGHT = f"""
import pipelines.modelling.customer_parts as parts
parts.EVENTS_AT_ONCE, parts.CUSTOMERS_AT_ONCE = {EVENTS}, {CUSTOMERS}
from pipelines.cli import command
command()
"""
"""A night in many small parts."""


def missing() -> str | None:
    """What is not there for a cluster, in words."""
    if not PYTHON.exists():
        return "there is no .venv-spark: 'make spark-env' makes it"
    return None if shutil.which("java") else "there is no Java"


def environment(landing: Path, place: Place, **more: str) -> dict[str, str]:
    own = {"DAGSTER_HOME": str(place.home), "SPARK_LOCAL_IP": "127.0.0.1", "PYSPARK_PYTHON": str(PYTHON)}
    return clean_environment(landing) | own | more


def night(landing: Path, place: Place, day: str, *options: str, **more: str) -> subprocess.Popen[str]:
    """A night in small parts, begun; its output goes to files beside the warehouse."""
    command = [PYTHON, "-c", NIGHT, "run", "--quiet", "--warehouse", place.warehouse, "--as-of", day, *options]
    with (place.folder / "err").open("w") as err, (place.folder / "out").open("w") as out:
        return subprocess.Popen(command, stdout=out, stderr=err, text=True, env=environment(landing, place, **more))


def ended(process: subprocess.Popen[str], place: Place) -> None:
    """Wait for a night that has to end well."""
    try:
        status = process.wait(SECONDS * 3)
    finally:
        process.kill()  # one that still runs is waited for by nobody
    assert status == 0, (place.folder / "err").read_text()


class Cluster:
    """Processes of one cluster, each with a session of its own, as a machine would have."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.url = ""
        self.processes: list[subprocess.Popen[bytes]] = []
        folder.mkdir()

    def start(self, script: str, *arguments: str, **more: str) -> subprocess.Popen[bytes]:
        home = next((ROOT / ".venv-spark").glob("lib/python*/site-packages/pyspark"))
        own = {"SPARK_HOME": str(home), "SPARK_LOCAL_IP": "127.0.0.1", "PYSPARK_PYTHON": str(PYTHON)}
        own |= {"SPARK_LOCAL_DIRS": str(self.folder / "local"), "POLARS_MAX_THREADS": "1"}
        name = f"{len(self.processes)}.log"
        with (self.folder / name).open("wb") as log:
            process = subprocess.Popen(
                ["bash", home / "bin" / script, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=clean_environment(self.folder) | own | more,
                cwd=self.folder,
                start_new_session=True,
            )
        self.processes.append(process)
        return process

    def wait_for(self, number: int, text: str) -> None:
        """Wait until a process says something."""
        log, until = self.folder / f"{number}.log", time.monotonic() + SECONDS
        while text not in log.read_text(errors="replace"):
            assert self.processes[number].poll() is None, log.read_text(errors="replace")
            assert time.monotonic() < until, log.read_text(errors="replace")
            time.sleep(0.1)

    def stop(self) -> None:
        for process in self.processes:
            kill_session(process)


def session_of(process: subprocess.Popen[bytes]) -> list[int]:
    """The process and all that it started, also those in process groups of their own."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            after_name = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(after_name[3]) == process.pid and after_name[0] != "Z":
            found.append(int(stat.parent.name))
    return found


def kill_session(process: subprocess.Popen[bytes]) -> int:
    """End a process and all that it started, as if its machine had lost power; returns how many there were."""
    killed = 0
    while pids := session_of(process):
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
                killed += 1
            except ProcessLookupError:
                continue
        time.sleep(0.05)
    process.wait()
    return killed


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


@contextmanager
def standalone(folder: Path, workers: int = 2) -> Iterator[Cluster]:
    """One master and some workers of one core each."""
    cluster, port = Cluster(folder), _free_port()
    cluster.url = f"spark://127.0.0.1:{port}"
    at = ("--host", "127.0.0.1", "--webui-port", "0")
    try:
        cluster.start("spark-class", "org.apache.spark.deploy.master.Master", *at, "--port", str(port))
        cluster.wait_for(0, "New state: ALIVE")
        for number in range(1, workers + 1):
            size = ("--cores", "1", "--memory", "1g", "--work-dir", str(folder / f"work{number}"))
            cluster.start("spark-class", "org.apache.spark.deploy.worker.Worker", *at, *size, cluster.url)
        for number in range(1, workers + 1):
            cluster.wait_for(number, "Successfully registered with master")
        yield cluster
    finally:
        cluster.stop()


@contextmanager
def connect(folder: Path) -> Iterator[Cluster]:
    """A server for Spark Connect that has two cores of this machine."""
    cluster, port = Cluster(folder), _free_port()
    cluster.url = f"sc://127.0.0.1:{port}"
    where = {"port": str(port), "address": "127.0.0.1"}
    settings = {f"spark.connect.grpc.binding.{name}": value for name, value in where.items()}
    settings |= {"spark.ui.enabled": "false", "spark.driver.bindAddress": "127.0.0.1"}
    options = [text for name, value in settings.items() for text in ("--conf", f"{name}={value}")]
    server = ("--class", "org.apache.spark.sql.connect.service.SparkConnectServer")
    try:
        cluster.start("spark-submit", "--master", "local[2]", *options, *server, "spark-internal")
        cluster.wait_for(0, "Spark Connect server started at")
        yield cluster
    finally:
        cluster.stop()
