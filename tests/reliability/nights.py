"""Nights on a tiny company, started from a warm process, disturbed on purpose, and what they left behind compared."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import duckdb

ROOT = Path(__file__).resolve().parents[2]
CHANGING = (
    *("run_id", "published_at", "scored_at", "started_at", "finished_at", "made_at", "reached_at"),
    *("digest", "checked_rows"),
)
"""Run ids and clock times, digests of them, and how many rows a night looked at, which is a matter of the nights that
ran before it: all else must be equal, bit for bit."""

SAID_OTHERWISE = {"card": "regexp_replace(card, 'sha256\": \"[0-9a-f]+', '')"}
"""A model is the same model in other bytes: its file holds clock times and addresses in memory."""


@dataclass(frozen=True)
class Kill:
    """Where a night is killed: at an event of its steps, some seconds after one, or before a change of a file."""

    kind: str = "never"
    at: int = -1
    after: float = 0.0


@dataclass(frozen=True)
class Limit:
    """From which step on a file may not grow beyond how many bytes."""

    step: str
    bytes: int


@dataclass(frozen=True)
class Ended:
    status: int
    out: str
    err: str
    events: list[tuple[str, str, float]]
    changes: list[str]


UNDISTURBED = Kill()


class Place:
    """A warehouse and its own record of runs, in one folder that can be copied."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.warehouse = folder / "warehouse"
        self.home = folder / "home"
        self.bi = self.warehouse / "bi.duckdb"

    def made(self) -> "Place":
        self.home.mkdir(parents=True)
        self._configure()
        return self

    def copied_to(self, folder: Path) -> "Place":
        subprocess.run(["cp", "-R", "--reflink=auto", self.folder, folder], check=True)
        copy = Place(folder)
        copy._configure()
        return copy

    def _configure(self) -> None:
        """The project's own configuration, with a record of runs of its own."""
        ours = (ROOT / "dagster.yaml").read_text(encoding="utf-8")
        assert ours.count("base_dir: .dagster/") == 3
        there = ours.replace("base_dir: .dagster/", f"base_dir: {self.home}/.dagster/")
        (self.home / "dagster.yaml").write_text(there, encoding="utf-8")

    def remove(self) -> None:
        shutil.rmtree(self.folder)

    def unfinished(self) -> list[str]:
        """What nobody will ever finish: files being built, spilled data, half models."""
        found = [path for path in self.warehouse.rglob("*") if ".building" in path.name]
        found += list((self.warehouse / "tmp").glob("*"))
        found += [path for path in (self.warehouse / "models").glob("*") if len(list(path.iterdir())) != 4]
        return [str(path) for path in found]


def clean_environment(landing: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("TRUST_", "DAGSTER_"))}
    return kept | {"TRUST_LANDING": str(landing), "PYTHONPATH": str(ROOT), "TRUST_REPORT_LANGUAGES": "en"}


class Nursery:
    """One warm process; it runs one night at a time."""

    def __init__(self, landing: Path, folder: Path) -> None:
        self.landing = landing
        self.folder = folder
        folder.mkdir()
        with (folder / "nursery.err").open("w") as errors:
            self.process = subprocess.Popen(
                [sys.executable, Path(__file__).with_name("nursery.py")],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=clean_environment(landing),
                text=True,
            )
        self._ask(None)

    def close(self) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()

    def run(self, place: Place, day: date, kill: Kill = UNDISTURBED, limit: Limit | None = None) -> Ended:
        arguments = ["run", "--landing", self.landing, "--warehouse", place.warehouse, "--as-of", day]
        files = {name: str(self.folder / name) for name in ("out", "err", "events", "changes")}
        order = {
            "arguments": [str(argument) for argument in arguments],
            "environment": {"DAGSTER_HOME": str(place.home)},
            "warehouse": str(place.warehouse),
            **vars(kill),
            "limit_from": limit and limit.step,
            "limit": limit and limit.bytes,
            **files,
        }
        told = self._ask(order)
        events = [json.loads(line) for line in Path(files["events"]).read_text().splitlines()]
        texts = [Path(files[name]).read_text() for name in ("out", "err")]
        return Ended(told["status"], *texts, events, Path(files["changes"]).read_text().splitlines())

    def _ask(self, order: dict[str, Any] | None) -> dict[str, Any]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        if order is not None:
            print(json.dumps(order), file=self.process.stdin, flush=True)
        line = self.process.stdout.readline()
        assert line, (self.folder / "nursery.err").read_text()
        told: dict[str, Any] = json.loads(line)
        return told


def content(file: Path) -> dict[str, tuple[int, int]] | None:
    """Rows and a sum over all of them, for each table of a database; None where there is no file."""
    if not file.exists():
        return None
    with duckdb.connect(str(file), read_only=True) as connection:
        tables = connection.execute(
            "select table_oid, schema_name || '.' || table_name, list(c.column_name order by c.column_name)"
            " from duckdb_tables() join duckdb_columns() as c using (table_oid, schema_name, table_name)"
            f" where c.column_name not in {CHANGING} group by all"
        ).fetchall()
        return {name: _sum(connection, name, columns) for _, name, columns in tables}


def _sum(connection: duckdb.DuckDBPyConnection, table: str, columns: list[str]) -> tuple[int, int]:
    told = ", ".join(SAID_OTHERWISE.get(column, f'"{column}"') for column in columns)
    rows, total = connection.execute(f"select count(*), sum(hash({told})) from {table}").fetchall()[0]
    return rows, total or 0


def differences(left: dict[str, Any] | None, right: dict[str, Any] | None) -> list[str]:
    """Names of the tables that two databases hold differently."""
    names = sorted({*(left or {}), *(right or {})})
    return [name for name in names if (left or {}).get(name) != (right or {}).get(name)]
