"""A browser, and Dagster's pages for it: what people see, for the tests of it and for the pictures in the docs."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM = shutil.which("chromium")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
"""No sandbox: continuous integration is root. The others keep the browser from asking for anything by itself."""

NEEDED = "CI_REQUIRES_BROWSER"
"""Set where a browser must be there: what could not be tried is a failure then, and no skipped test."""


def missing() -> str | None:
    """What keeps a browser from being started; None where nothing does."""
    for library in ("playwright", "axe_playwright_python"):
        if find_spec(library) is None:
            return f"{library} is not installed"
    return "there is no chromium on this machine" if CHROMIUM is None else None


@contextmanager
def browser() -> Iterator[Any]:
    """The chromium of this machine: Playwright's own is never downloaded."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as started:
        opened = started.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        try:
            yield opened
        finally:
            opened.close()


@contextmanager
def dagster_pages(environment: Mapping[str, str], log: Path) -> Iterator[str]:
    """Dagster's pages on a free port of this machine alone, over the record and warehouse of an environment."""
    port = free_port()
    server = Path(sys.executable).with_name("dagster-webserver")
    with serving([server, "-h", "127.0.0.1", "-p", port, "-m", "pipelines.definitions"], port, environment, log):
        yield f"http://127.0.0.1:{port}"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


@contextmanager
def serving(
    command: Sequence[object], port: int, environment: Mapping[str, str], log: Path
) -> Iterator["subprocess.Popen[bytes]"]:
    """A program that shows Dagster's pages, from when it answers until the end of a ``with`` block."""
    with log.open("w", encoding="utf-8") as told:
        started = subprocess.Popen(
            [str(part) for part in command],
            cwd=ROOT,
            env=dict(environment),
            stdout=told,
            stderr=told,
            start_new_session=True,
        )
        try:
            _wait(started, f"http://127.0.0.1:{port}", log)
            yield started
        finally:
            os.killpg(started.pid, signal.SIGINT)
            try:
                started.wait(30)
            except subprocess.TimeoutExpired:
                os.killpg(started.pid, signal.SIGKILL)
                started.wait()


def _wait(started: "subprocess.Popen[bytes]", address: str, log: Path) -> None:
    for _ in range(600):
        try:
            with urllib.request.urlopen(f"{address}/server_info", timeout=5):
                return
        except OSError:
            if started.poll() is not None:
                break
            time.sleep(0.5)
    raise RuntimeError(log.read_text(encoding="utf-8"))
