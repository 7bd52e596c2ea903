"""The project beside its yardsticks, on the same data in one go: time, processor time and peak memory, and ratios.

    make bench
    make bench SIZE=10M
    .venv/bin/python benchmarks/bench.py --purchases 1M --folder scratch/bench --append docs/performance.md

The yardsticks are the floor (what any batch on DuckDB must do), pandas with lifetimes (what a user would write
instead) and Spark (the same features by native SQL); see ``yardsticks``. The night is run as a user runs it: the first
loads everything and trains, the one after finds the models there and loads one day. Ratios are told of processor
seconds too: on a machine that does other work only these can be compared.

Belongs here: simulating, starting each in a process of its own, measuring from outside, the table.
Must not be here: assertions on time (a benchmark tells, it does not judge).
"""

import argparse
import itertools
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from importlib.metadata import version
from pathlib import Path

from copies import copy_company

HERE = Path(__file__).resolve().parent
TRUST = Path(sys.executable).with_name("trust")
PEERS = HERE.parent / ".venv-peers" / "bin" / "python"
SIZES = {"100k": 100_000, "1M": 1_000_000, "10M": 10_000_000, "100M": 100_000_000}
LARGEST_SIMULATED = "10M"
PURCHASES_A_CUSTOMER, DAYS = 11.4, 1095
LIBRARIES = ("duckdb", "polars", "numpy", "scikit-learn", "dagster", "great-expectations")
_STEP = re.compile(r"^  (\w+)\.\S+\s+(?:[\d,]+ rows)?\s+([\d.]+) s$")


@dataclass
class Measured:
    """One contestant: what it took, whole and by stage (seconds, peak GiB)."""

    name: str
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    peak_gib: float = 0.0
    exit_code: int = 0
    stages: dict[str, tuple[float, float]] = field(default_factory=dict)
    told_cpu: list[float] = field(default_factory=list)


def main() -> None:
    """Simulate where there is nothing yet, run everybody, print and keep the table."""
    chosen = _arguments()
    with tempfile.TemporaryDirectory() as scratch:
        work = Path(scratch)
        landing = _company(chosen.folder.absolute() / chosen.purchases, SIZES[chosen.purchases], chosen.seed)
        newest = max(date.fromisoformat(path.name[:10]) for path in (landing / "purchases").iterdir())
        found = []
        nights = _nights(landing, newest, work, chosen.eve)
        for one in itertools.chain(_yardsticks(landing, newest, work), nights):
            print(_line(one), flush=True)
            found.append(one)
        table = _table(chosen.purchases, found)
    print(f"\n{table}")
    if chosen.append:
        with chosen.append.open("a", encoding="utf-8") as page:
            page.write(f"\n{table}")


def _arguments() -> argparse.Namespace:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--purchases", choices=SIZES, default="1M")
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--folder", type=Path, default=Path("scratch/bench"), help="keeps the simulated companies")
    arguments.add_argument("--eve", type=Path, help="a new folder, that the warehouse of the first night is copied to")
    arguments.add_argument("--append", type=Path, help="a page that the table is added to")
    chosen = arguments.parse_args()
    if chosen.eve and chosen.eve.exists():
        arguments.error(f"--eve: {chosen.eve} is there already")  # said before everything is measured, not after
    return chosen


def _company(folder: Path, purchases: int, seed: int) -> Path:
    """The landing zone of a company of about so many purchases, in the folder; made once.

    It is simulated, or where that would not fit into memory, many copies of one that is.
    """
    if purchases > SIZES[LARGEST_SIMULATED] and not (folder / "landing").is_dir():
        one = _company(folder.with_name(LARGEST_SIMULATED), SIZES[LARGEST_SIMULATED], seed)
        copy_company(one, folder / "landing", purchases // SIZES[LARGEST_SIMULATED])
    elif not (folder / "landing").is_dir():
        customers = str(round(purchases / PURCHASES_A_CUSTOMER))
        size = ["--customers", customers, "--days", str(DAYS), "--seed", str(seed)]
        subprocess.run([TRUST, "simulate", str(folder), *size], check=True)
    return folder / "landing"


def _yardsticks(landing: Path, newest: date, work: Path) -> Iterator[Measured]:
    """The floor in this environment; the peers in theirs, where it is there."""
    scripts = {"floor": (sys.executable, "floor.py", "floor.duckdb")}
    if PEERS.exists():
        scripts["pandas + lifetimes"] = (str(PEERS), "pandas_lifetimes.py", "lifetimes.parquet")
        scripts["Spark SQL"] = (str(PEERS), "spark_features.py", "spark")
    else:
        print("no .venv-peers: pandas + lifetimes and Spark are left out (make bench makes it)")
    for name, (python, script, target) in scripts.items():
        yield _measure(name, [python, str(HERE / "yardsticks" / script), str(landing), str(newest), str(work / target)])


def _nights(landing: Path, newest: date, work: Path, kept: Path | None) -> Iterator[Measured]:
    """A first night, with training, whose warehouse may be kept; and the night after."""
    eve = newest - timedelta(days=2 if newest.weekday() == 6 else 1)
    warehouse = work / "warehouse"
    yield _night("first night, with training", landing, warehouse, eve)
    if kept:
        shutil.copytree(warehouse, kept)
    yield _night("night after", landing, warehouse, eve + timedelta(days=1))


def _night(name: str, landing: Path, warehouse: Path, day: date) -> Measured:
    places = ["--landing", str(landing), "--warehouse", str(warehouse), "--as-of", str(day)]
    return _measure(name, [str(TRUST), "run", *places])


def _measure(name: str, command: list[str]) -> Measured:
    """Run a command; the peak of a stage is what the process held until it told of the stage."""
    started, found = time.perf_counter(), Measured(name)
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        for line in process.stdout or ():
            _take(line, process.pid, found)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    found.seconds, found.exit_code = time.perf_counter() - started, process.returncode
    found.cpu_seconds = usage.ru_utime + usage.ru_stime
    if found.told_cpu:  # a yardstick: without its imports, and what it prepares for the measurement
        found.seconds, found.cpu_seconds = sum(spent for spent, _ in found.stages.values()), sum(found.told_cpu)
    found.peak_gib = max([usage.ru_maxrss / 1024**2, *(peak for _, peak in found.stages.values())])
    return found


def _take(line: str, pid: int, found: Measured) -> None:
    """Take up a line: JSON of a yardstick, or a step of a night."""
    if line.startswith("{"):
        told = json.loads(line)
        found.stages[told["stage"]] = (told["seconds"], told["peak_gib"])
        found.told_cpu += [told["cpu_seconds"]] if "cpu_seconds" in told else []
    elif step := _STEP.match(line):
        stage, spent = step[1], float(step[2])
        seconds, peak = found.stages.get(stage, (0.0, 0.0))
        is_one_step = stage in ("features", "scores")  # its tables are told together
        found.stages[stage] = (max(seconds, spent) if is_one_step else seconds + spent, max(peak, _peak(pid)))


def _peak(pid: int) -> float:
    """Most memory a process has held since this was last asked, in GiB (Linux; 0 elsewhere)."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
        Path(f"/proc/{pid}/clear_refs").write_text("5", encoding="ascii")
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024**2 for line in lines if line.startswith("VmHWM")), 0.0)


def _line(one: Measured) -> str:
    failed = f", exit {one.exit_code}" if one.exit_code else ""
    return f"{one.name}: {one.seconds:.1f} s, processor {one.cpu_seconds:.1f} s, peak {one.peak_gib:.2f} GiB{failed}"


def _table(size: str, found: list[Measured]) -> str:
    """The results as a section of a page."""
    floor = found[0]
    versions = ", ".join(f"{name} {version(name)}" for name in LIBRARIES)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1024**3
    lines = [
        f"### {size} purchases, {datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "",
        f"{os.cpu_count()} processors, {memory:.0f} GiB, load {os.getloadavg()[0]:.1f}; {platform.system()}"
        f" {platform.machine()}, Python {platform.python_version()}, {versions}.",
        "",
        "| what | seconds | × floor | processor s | × floor | peak GiB |",
        "|---|---|---|---|---|---|",
    ]
    for one in found:
        failed = f" (exit {one.exit_code})" if one.exit_code else ""
        lines.append(
            f"| **{one.name}**{failed} | {one.seconds:.1f} | {one.seconds / floor.seconds:.1f} | {one.cpu_seconds:.1f}"
            f" | {one.cpu_seconds / floor.cpu_seconds:.1f} | {one.peak_gib:.2f} |"
        )
        lines += [f"| {name} | {spent:.1f} | | | | {peak:.2f} |" for name, (spent, peak) in one.stages.items()]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
