"""A warm process that starts nights: it imports everything once and forks a child for each order it reads.

Run as a script, never imported by tests: nothing of DuckDB or Polars may have run before a fork. An order is a line of
JSON on standard input (see ``nights.Nursery.run``), its answer a line of JSON on standard output.
"""

import functools
import gc
import importlib
import json
import os
import resource
import signal
import sys
import time

WARM = (
    "great_expectations",
    "great_expectations.expectations",
    "pipelines.validity.backtest_tables",
    "pipelines.cli",
    "pipelines.checks.gx_duckdb",
    "pipelines.night",
    "pipelines.bi.summary",
    "pipelines.report.making",
    "skops.io",
)
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
CHANGES = ("os.rename", "os.remove", "os.mkdir", "os.rmdir")


def main():
    for name in WARM:
        importlib.import_module(name)
    definitions = importlib.import_module("pipelines.definitions")
    definitions.defs = functools.cache(definitions.defs)
    definitions.defs().resolve_job_def("nightly")
    gc.freeze()
    answer({"is_ready": True})
    for line in sys.stdin:
        order = json.loads(line)
        told, tell = os.pipe()
        child = os.fork()
        if not child:
            os.close(told)
            live(order, tell)
        os.close(tell)
        kill_inside(order, told, child)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        os.close(told)
        answer({"status": status})


def answer(told):
    print(json.dumps(told), flush=True)


def kill_inside(order, told, child):
    """Kill the child some time after it says that it has come to a step; the pipe is empty where it never does."""
    if order["kind"] == "inside" and os.read(told, 1):
        time.sleep(order["after"])
        os.kill(child, signal.SIGKILL)


def live(order, tell):
    for number, name in ((1, "out"), (2, "err")):
        os.dup2(os.open(order[name], os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    os.environ.update(order["environment"])
    try:
        watch_steps(order, tell)
        watch_files(order)
        limit(order, "start")
        sys.argv = ["trust", *order["arguments"]]
        importlib.import_module("pipelines.cli").main()
        code = 0
    except SystemExit as ended:
        code = ended.code or 0
    except BaseException:
        sys.excepthook(*sys.exc_info())
        code = 70
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def watch_steps(order, tell):
    """Write down every step's start and success; at the one that is named, kill, tell or limit."""
    follower = importlib.import_module("pipelines.night").Follower
    listen = follower.__call__
    events = written_at_once(order["events"])
    seen = 0

    def heard(self, entry):
        nonlocal seen
        kind = entry.dagster_event.event_type_value if entry.dagster_event else None
        if kind in ("STEP_START", "STEP_SUCCESS"):
            events.write(json.dumps([kind, entry.dagster_event.step_key, time.monotonic()]) + "\n")
            if order["kind"] == "boundary" and order["at"] == seen:
                os.kill(os.getpid(), signal.SIGKILL)
            if order["kind"] == "inside" and order["at"] == seen:
                os.write(tell, b"x")
            if kind == "STEP_START":
                limit(order, entry.dagster_event.step_key)
            seen += 1
        listen(self, entry)

    follower.__call__ = heard


def watch_files(order):
    """Count what Python changes in the warehouse folder, and kill before the change that is named."""
    folder, seen = order["warehouse"] + os.sep, 0
    changes = written_at_once(order["changes"])
    fsync = os.fsync

    def changed(what):
        nonlocal seen
        changes.write(what + "\n")
        if order["kind"] == "change" and order["at"] == seen:
            os.kill(os.getpid(), signal.SIGKILL)
        seen += 1

    def heard(event, arguments):
        is_change = event in CHANGES or (event == "open" and isinstance(arguments[2], int) and arguments[2] & WRITING)
        if is_change and isinstance(arguments[0], str | os.PathLike) and str(arguments[0]).startswith(folder):
            changed(f"{event} {arguments[0]}")

    def synced(descriptor):
        changed("fsync")
        fsync(descriptor)

    sys.addaudithook(heard)
    os.fsync = synced


def written_at_once(file):
    """A file that is never closed: what was written stands even after a kill."""
    return os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), "w", buffering=1)


def limit(order, step):
    """From a step on, no file may grow beyond some bytes."""
    if order["limit_from"] == step:
        resource.setrlimit(resource.RLIMIT_FSIZE, (order["limit"], resource.RLIM_INFINITY))


if __name__ == "__main__":
    main()
