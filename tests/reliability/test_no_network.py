import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from nights import Place, clean_environment

TRUST = Path(sys.executable).with_name("trust")

WATCH = """
import os, socket, sys

def watch(event, arguments):
    if event not in ("socket.connect", "socket.sendto", "socket.bind", "socket.getaddrinfo", "socket.gethostbyname"):
        return
    if event.startswith("socket.get"):
        address = str(arguments[0])
    elif getattr(arguments[0], "family", None) == socket.AF_UNIX:
        return
    else:
        address = str(arguments[1][0])
    if address not in ("127.0.0.1", "::1", "localhost"):
        with open(os.environ["SOCKETS_SEEN"], "a") as seen:
            print(event, address, sys.argv[:2], file=seen)

sys.addaudithook(watch)
"""
"""Writes down who is spoken to, in every Python process that is started."""


@pytest.fixture
def watched(tmp_path: Path) -> dict[str, str]:
    """An environment whose Python processes tell of every socket to another machine."""
    (tmp_path / "watch").mkdir()
    (tmp_path / "watch" / "sitecustomize.py").write_text(WATCH)
    seen = tmp_path / "seen"
    seen.touch()
    place = Place(tmp_path / "place").made()
    environment = clean_environment(place.home) | {"DAGSTER_HOME": str(place.home)}
    return environment | {"PYTHONPATH": str(tmp_path / "watch"), "SOCKETS_SEEN": str(seen)}


def python(code: str, environment: dict[str, str]) -> str:
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return Path(environment["SOCKETS_SEEN"]).read_text()


def test_a_socket_to_another_machine_would_be_seen(watched):
    ask = "import socket\ntry: socket.create_connection(('{}', 9), timeout=0.1)\nexcept OSError: pass"
    assert python(ask.format("127.0.0.1"), watched) == ""
    assert "192.0.2.1" in python(ask.format("192.0.2.1"), watched)


def test_loading_the_pipeline_and_its_checks_opens_no_socket(watched):
    code = """
from pipelines.definitions import defs
from pipelines.checks.contract_checks import _context
from dagster import DagsterInstance
with DagsterInstance.get():
    defs().resolve_job_def("nightly")
    assert _context().variables.analytics_enabled is False
"""
    assert python(code, watched) == ""


def without_network() -> list[str]:
    """The command that runs another one where there is no network, or nothing if the kernel does not permit it."""
    unshare = shutil.which("unshare")
    for flag in ("-n", "-rn"):
        if unshare and subprocess.run([unshare, flag, "true"], capture_output=True).returncode == 0:
            return [unshare, flag]
    return []


@pytest.mark.slow
def test_a_company_is_simulated_scored_and_explained_without_a_network(watched, tmp_path):
    alone = without_network()
    if not alone:
        pytest.skip("the kernel permits no network namespaces here")
    reach = subprocess.run([*alone, "cat", "/proc/net/dev"], capture_output=True, text=True, check=True).stdout
    assert [line.split(":")[0].strip() for line in reach.splitlines()[2:]] == ["lo"]

    def trust(*arguments: object) -> str:
        done = subprocess.run([*alone, TRUST, *map(str, arguments)], env=watched, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    landing, warehouse = tmp_path / "sim" / "landing", tmp_path / "place" / "warehouse"
    trust("simulate", tmp_path / "sim", "--customers", 60, "--days", 300, "--seed", 5)
    told = trust("run", "--landing", landing, "--warehouse", warehouse)
    assert "published" in told
    assert "Risk of being lost" in trust("explain", "C0000019", "--warehouse", warehouse)
    assert Path(watched["SOCKETS_SEEN"]).read_text() == ""
