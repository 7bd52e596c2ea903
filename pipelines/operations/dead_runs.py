"""Dead runs: nights that were killed and stand as running in Dagster's record for ever, though no process is left.

Belongs here: telling a dead run from one at work, and closing it in the record. Must not be here: what a killed night
left in the warehouse (see ``leftovers``).

Dagster starts one run at a time, and its default launcher never asks whether a started run is still alive; so without
this a killed night would keep every later one in the queue.
"""

import os
import time
from contextlib import suppress
from pathlib import Path

from dagster import DagsterEventType, DagsterInstance, DagsterRunStatus, RunRecord, RunsFilter

JOBS = ("nightly", "training")
LAYERS = frozenset({"raw", "staging", "models", "features", "scores", "marts", "published", "operations"})
"""The first names of our assets: runs that were started by hand for some of them are ours too."""

REASON = "the process of this run is gone (killed, or the machine went down); it was closed by a later run"
SILENCE_SECONDS = 600
"""A run that began so long ago and never said which process runs it has none."""


def dead_runs(instance: DagsterInstance, but: str | None = None) -> list[RunRecord]:
    """Runs of ours that the record holds as started and that no process of this machine works on.

    Parameters
    ----------
    instance : DagsterInstance
        Holds the record of runs.
    but : str or None
        A run that is known to be alive: the one that asks.
    """
    started = instance.get_run_records(RunsFilter(statuses=[DagsterRunStatus.STARTED]))
    return [
        record
        for record in started
        if record.dagster_run.run_id != but and _is_ours(record) and not _is_alive(instance, record)
    ]


def close_dead_runs(instance: DagsterInstance, but: str | None = None) -> list[str]:
    """Report dead runs as failed, so that the queue moves on; returns their ids.

    Only to be called while holding the warehouse: no other night can be at work then.
    """
    dead = dead_runs(instance, but)
    for record in dead:
        instance.report_run_failed(record.dagster_run, REASON)
    return [record.dagster_run.run_id for record in dead]


def _is_ours(record: RunRecord) -> bool:
    run = record.dagster_run
    chosen = run.asset_selection
    return run.job_name in JOBS or (bool(chosen) and {key.path[0] for key in chosen or ()} <= LAYERS)


def _is_alive(instance: DagsterInstance, record: RunRecord) -> bool:
    """Whether the process that wrote that it executes the steps of a run is still there."""
    events = instance.all_logs(record.dagster_run.run_id, of_type=DagsterEventType.ENGINE_EVENT)
    for entry in reversed(events):
        event = entry.dagster_event
        pid = None if event is None else event.engine_event_data.metadata.get("pid")
        if event is not None and pid is not None and event.message and event.message.startswith("Executing steps"):
            return _exists(int(str(pid.value)), entry.timestamp)
    return time.time() - (record.start_time or 0.0) < SILENCE_SECONDS


def _exists(pid: int, since: float) -> bool:
    """Whether a process exists and is no later one that was given the same number."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # it is there, and belongs to somebody else
    born = _born(pid)
    return born is None or born <= since + 1


def _born(pid: int) -> float | None:
    """When a process began, in seconds since 1970, where the system tells (Linux)."""
    with suppress(OSError, ValueError, IndexError, StopIteration):
        ticks = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
        booted = next(line for line in Path("/proc/stat").read_text().splitlines() if line.startswith("btime"))
        return int(booted.split()[1]) + ticks / os.sysconf("SC_CLK_TCK")
    return None
