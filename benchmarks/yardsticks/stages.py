"""Stages of a yardstick: seconds, processor seconds and peak memory of each, as a line of JSON on stdout.

Belongs here: the clock, and nothing that other environments lack. Must not be here: what a stage does.
"""

import contextlib
import json
import time
from collections.abc import Iterator
from pathlib import Path


def peak_gib() -> float:
    """Most memory this process has held since the last :func:`forget_peak`, in GiB (Linux)."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024**2


def forget_peak() -> None:
    """Let the peak begin anew from what is held now."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


@contextlib.contextmanager
def stage(name: str) -> Iterator[None]:
    """Measure what happens inside."""
    forget_peak()
    started, computed = time.perf_counter(), time.process_time()
    yield
    spent = {"seconds": time.perf_counter() - started, "cpu_seconds": time.process_time() - computed}
    print(json.dumps({"stage": name, **spent, "peak_gib": peak_gib()}), flush=True)
