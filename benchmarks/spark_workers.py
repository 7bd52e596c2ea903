"""A full night on this process alone and on Spark with one worker and with two, on the same data.

    make spark-env
    .venv/bin/python benchmarks/spark_workers.py LANDING WAREHOUSE DAY

WAREHOUSE holds a night before DAY, with its models (``bench.py --eve`` keeps one); it is copied for every contestant.
Each worker is a process of one core, with Polars on one thread; master, workers and driver share this machine. Parts
are smaller than those of real nights where there is little data (``--events``), so that there is something to hand out.

Belongs here: starting a cluster for each contestant, measuring from outside, the table.
Must not be here: assertions on time (a benchmark tells, it does not judge).
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "reliability"))
import spark_cluster  # noqa: E402  # found by the path above only
from nights import Place  # noqa: E402  # likewise

NIGHT = """
import sys
import pipelines.modelling.customer_parts as parts
parts.EVENTS_AT_ONCE, parts.CUSTOMERS_AT_ONCE = int(sys.argv.pop(1)), int(sys.argv.pop(1))
from pipelines.cli import command
command()
"""
_STEP = re.compile(r"^  (features|scores)\.\S+\s+(?:[\d,]+ rows)?\s+([\d.]+) s$", re.MULTILINE)
_TICK = os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Run everybody and print the table."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("landing", type=Path)
    arguments.add_argument("warehouse", type=Path)
    arguments.add_argument("day")
    arguments.add_argument("--events", default="100000", help="events of a part")
    arguments.add_argument("--customers", default="10000", help="customers of a range")
    arguments.add_argument("--only", type=int, choices=(0, 1, 2), nargs="*", default=[0, 1, 2], help="workers")
    chosen = arguments.parse_args()
    print("| engine | whole night, s | features, s | scores, s | processor s, all | of these the workers | load |")
    print("|---|---|---|---|---|---|---|")
    for workers in chosen.only:
        print(_contestant(chosen, workers), flush=True)


def _contestant(chosen: argparse.Namespace, workers: int) -> str:
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        place = Place(Path(folder) / "place").made()
        shutil.copytree(chosen.warehouse, place.warehouse)
        options, more = ["--full"], {}
        cluster = None
        if workers:
            cluster = stack.enter_context(spark_cluster.standalone(Path(folder) / "cluster", workers))
            options += ["--engine", "spark"]
            more = {"TRUST_SPARK_MASTER": cluster.url}
        sizes = [chosen.events, chosen.customers]
        where = ["--landing", chosen.landing.absolute(), "--warehouse", place.warehouse, "--as-of", chosen.day]
        command = [spark_cluster.PYTHON, "-c", NIGHT, *sizes, "run", *where, *options]
        environment = spark_cluster.environment(chosen.landing, place, **more)
        started = time.perf_counter()
        with (place.folder / "out").open("w") as out:
            night = subprocess.Popen(command, stdout=out, stderr=out, env=environment, start_new_session=True)
        seen: dict[int, float] = {}
        of_workers: dict[int, float] = {}
        while night.poll() is None:
            seen |= _spent(spark_cluster.session_of(night))
            for process in cluster.processes[1:] if cluster else []:
                of_workers |= _spent(spark_cluster.session_of(process))
            time.sleep(0.25)
        seconds = time.perf_counter() - started
        text = (place.folder / "out").read_text()
        if night.returncode:
            raise SystemExit(text)
        steps = {name: float(spent) for name, spent in _STEP.findall(text)}
    name = f"Spark, {workers} worker{'s'[: workers - 1]}" if workers else "local"
    spent, theirs = sum(seen.values()) + sum(of_workers.values()), sum(of_workers.values())
    told = (seconds, steps["features"], steps["scores"], spent, theirs, os.getloadavg()[0])
    return f"| {name} | " + " | ".join(f"{value:.1f}" for value in told) + " |"


def _spent(pids: list[int]) -> dict[int, float]:
    """Processor seconds of processes so far."""
    spent = {}
    for pid in pids:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        spent[pid] = (int(fields[11]) + int(fields[12])) / _TICK
    return spent


if __name__ == "__main__":
    main()
