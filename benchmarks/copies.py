"""A company many times as large: copies of a simulated one, each under ids of its own, in the same landing files.

    .venv/bin/python benchmarks/copies.py scratch/bench/10M/landing scratch/bench/100M/landing --copies 10

Simulating holds a whole company in memory; copying does not. Customers, orders and records of a copy are told apart by
the end of their ids, products and everything else are the same: so every copy behaves alike, and a night has as many
times the work to do.

Belongs here: copying landing files. Must not be here: what they mean (``data_contracts``).
"""

import argparse
import tempfile
from pathlib import Path

import duckdb

IDS = ("customer_id", "order_id", "previous_order_id", "complaint_id", "response_id", "feedback_id")
SHARED = ("fx_rates",)
"""Sources that speak of no customer: there once."""

READ = {
    ".parquet": "read_parquet('{path}')",
    ".csv": "read_csv('{path}', all_varchar = true)",
    ".gz": "read_csv('{path}', all_varchar = true)",
    ".ndjson": "read_ndjson('{path}')",
}
WRITE = {
    ".parquet": "format parquet, compression zstd",
    ".csv": "format csv, header",
    ".gz": "format csv, header, compression gzip",
    ".ndjson": "format json, timestampformat '%Y-%m-%dT%H:%M:%SZ'",
}


def main() -> None:
    """Copy every file of every source."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("landing", type=Path)
    arguments.add_argument("target", type=Path)
    arguments.add_argument("--copies", type=int, default=10)
    chosen = arguments.parse_args()
    copy_company(chosen.landing, chosen.target, chosen.copies)


def copy_company(landing: Path, target: Path, copies: int) -> None:
    """Write the landing zone of a company that is so many copies of another; it is there whole or not at all."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        building = Path(folder) / "landing"
        database = duckdb.connect(config={"memory_limit": "4GB", "temp_directory": folder})
        for path in sorted(path for path in landing.rglob("*") if path.is_file()):
            copy = building / path.relative_to(landing)
            copy.parent.mkdir(parents=True, exist_ok=True)
            times = 1 if path.parent.name in SHARED else copies
            database.execute(f"copy ({_rows(database, path, times)}) to '{copy}' ({WRITE[path.suffix]})")
        building.rename(target)


def _rows(database: duckdb.DuckDBPyConnection, path: Path, times: int) -> str:
    read = READ[path.suffix].format(path=path)
    columns = [column for column, *_ in database.execute(f"describe from {read}").fetchall()]
    ids = [f"{name} || '-{{copy}}' as {name}" for name in IDS if name in columns]
    replaced = f"replace ({', '.join(ids)})" if ids and times > 1 else ""
    return " union all ".join(f"select * {replaced.format(copy=number)} from {read}" for number in range(times))


if __name__ == "__main__":
    main()
