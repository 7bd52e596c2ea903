"""How long a night takes and how much memory: first with training, then the night after, on a simulated company.

    .venv/bin/python benchmarks/night.py --customers 100000 --days 1095

Belongs here: running the commands as a user would, and measuring them from outside.
Must not be here: assertions on time (a benchmark tells, it does not judge).
"""

import argparse
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from datetime import date, timedelta
from pathlib import Path

TRUST = Path(sys.executable).with_name("trust")
_STAGE = re.compile(r"^  (\w+)\.\S+\s+(?:([\d,]+) rows)?\s+([\d.]+) s$")


def main() -> None:
    """Simulate, run two nights, print a table a run."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--customers", type=int, default=100_000)
    arguments.add_argument("--days", type=int, default=1095)
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--folder", type=Path, help="keep the company here and use it again")
    chosen = arguments.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = (chosen.folder or Path(scratch)).absolute()
        landing = folder / "landing"
        if not landing.is_dir():
            size = ["--customers", str(chosen.customers), "--days", str(chosen.days), "--seed", str(chosen.seed)]
            _measure("simulate", ["simulate", str(folder), *size])
        warehouse = Path(scratch) / "warehouse"
        newest = max(date.fromisoformat(path.name[:10]) for path in (landing / "purchases").iterdir())
        while newest.weekday() == 6:
            newest -= timedelta(days=1)
        for name, day in (("first night, with training", newest - timedelta(days=1)), ("night after", newest)):
            places = ["--landing", str(landing), "--warehouse", str(warehouse), "--as-of", str(day)]
            _measure(name, ["run", *places])


def _measure(name: str, command: list[str]) -> None:
    started = time.perf_counter()
    process = subprocess.Popen([TRUST, *command], stdout=subprocess.PIPE, text=True, env=os.environ)
    output, _ = process.communicate()
    seconds = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024**2
    print(f"\n{name}: {seconds:.1f} s, peak of all so far {peak:.2f} GiB, exit {process.returncode}")
    for stage, (rows, spent) in _stages(output).items():
        print(f"  {stage:<12}{rows:>14,} rows{spent:>9.1f} s")


def _stages(output: str) -> dict[str, tuple[int, float]]:
    """Rows and seconds of each stage; steps of one stage that are told together count once."""
    stages: dict[str, tuple[int, float]] = {}
    for line in output.splitlines():
        if match := _STAGE.match(line):
            rows, spent = stages.get(match[1], (0, 0.0))
            rows += int((match[2] or "0").replace(",", ""))
            is_one_step = match[1] in ("features", "scores")
            stages[match[1]] = (rows, max(spent, float(match[3])) if is_one_step else spent + float(match[3]))
    return stages


if __name__ == "__main__":
    main()
