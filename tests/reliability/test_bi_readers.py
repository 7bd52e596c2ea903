import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import date
from functools import partial
from pathlib import Path

import pytest
from nights import ROOT, clean_environment

from data_contracts import Contract, published_contracts
from data_contracts.sql import create_table
from pipelines.bi.publishing import publish
from pipelines.settings import Settings
from pipelines.warehouse import Warehouse

pytestmark = pytest.mark.slow

READER = Path(__file__).with_name("bi_reader.py")
OLDER = ROOT / ".venv-readers" / "bin" / "python"
OLD, NEW = date(2023, 10, 14), date(2023, 10, 15)
NIGHTS = {OLD: 3000, NEW: 3100}
"""Customers of each night."""
VALUES = {
    "VARCHAR": "'x' || range",
    "DOUBLE": "range / 7",
    "BIGINT": "range",
    "BOOLEAN": "range % 2 = 0",
    "DATE": "date '2023-10-01'",
    "TIMESTAMP": "timestamp '2023-10-01 01:02:03'",
}
PUBLISHES = 60
HANGING_SECONDS = 120

needs_older_clients = pytest.mark.skipif(not OLDER.exists(), reason="needs the older clients: make readers-env")


@pytest.fixture
def target(tmp_path: Path) -> Path:
    (tmp_path / "bi").mkdir()
    return tmp_path / "bi" / "bi.duckdb"


@pytest.fixture
def publishers(target: Path, tmp_path: Path) -> Iterator[dict[date, Callable[[], object]]]:
    """For each of two nights with every mart filled: publish it. Both warehouses may write beside the target."""
    with ExitStack() as stack:
        publishers: dict[date, Callable[[], object]] = {}
        for day, customers in NIGHTS.items():
            settings = Settings(landing=target.parent, warehouse=tmp_path / str(day))
            warehouse = stack.enter_context(Warehouse(settings))
            for contract in published_contracts():
                fill(warehouse, contract, day, customers)
            publishers[day] = partial(publish, warehouse, published_contracts(), target)
        publishers[OLD]()
        yield publishers


def fill(warehouse: Warehouse, contract: Contract, day: date, customers: int) -> None:
    special = {"customer_id": "'C' || range", "customers": str(customers), "as_of": f"date '{day}'"}
    row = ", ".join(f"{special.get(column.name, VALUES[column.type])} as {column.name}" for column in contract.columns)
    rows = 1 if contract.name == "run_info" else customers
    warehouse.run(create_table(contract, "marts", {}))
    warehouse.run(f"insert into marts.{contract.name} by name select {row} from range({rows})")


class Reader:
    """A process that reads without pause; its lines are taken down as they come."""

    def __init__(self, python: Path, kind: str, file: Path, stop: Path) -> None:
        self.kind = kind
        self.lines: list[str] = []
        self.came = threading.Condition()
        self.process = subprocess.Popen(
            [python, READER, kind, file, stop], stdout=subprocess.PIPE, text=True, env=clean_environment(file)
        )
        self.thread = threading.Thread(target=self._listen)
        self.thread.start()

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self.came:
                self.lines.append(line.strip())
                self.came.notify_all()
        self.process.stdout.close()

    def wait_beyond(self, count: int) -> bool:
        """Whether a reading came after those that were there; only a reader that hangs makes this wait long."""
        with self.came:
            return self.came.wait_for(lambda: len(self.lines) > count, timeout=HANGING_SECONDS)

    def end(self) -> None:
        self.process.wait()
        self.thread.join()


@needs_older_clients
def test_readers_of_three_kinds_never_see_an_error_or_half_a_night_while_nights_are_published(
    publishers: dict[date, Callable[[], object]],
    target: Path,
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    stop = tmp_path / "stop"
    kinds = [(Path(sys.executable), "duckdb2")] * 3 + [(OLDER, "duckdb1")] * 3 + [(OLDER, "sqlalchemy")] * 2
    readers = [Reader(python, kind, target, stop) for python, kind in kinds]
    blocked: list[tuple[int, str]] = []
    try:
        for number in range(PUBLISHES):
            counts = [len(reader.lines) for reader in readers]
            publishers[OLD if number % 2 else NEW]()
            blocked += [
                (number, reader.kind)
                for reader, count in zip(readers, counts, strict=True)
                if not reader.wait_beyond(count)
            ]
    finally:
        stop.touch()
        for reader in readers:
            reader.end()
    told = {line for reader in readers for line in reader.lines}
    record_property("publishes under 8 readers", PUBLISHES)
    record_property("whole databases read meanwhile", sum(len(reader.lines) for reader in readers))
    assert told == {str(night) for night in NIGHTS}
    assert blocked == []


@needs_older_clients
def test_pooled_connections_keep_the_whole_old_night_until_all_of_them_are_closed(
    publishers: dict[date, Callable[[], object]], target: Path
) -> None:
    with subprocess.Popen(
        [OLDER, READER, "pooled", target], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as tool:

        def say(line: str) -> str:
            assert tool.stdin is not None
            assert tool.stdout is not None
            print(line, file=tool.stdin, flush=True)
            return tool.stdout.readline().strip()

        assert say("read") == str(OLD)
        publishers[NEW]()
        assert say("read") == str(OLD)
        assert say("dispose") == str(NEW)
        assert tool.stdin is not None
        tool.stdin.close()
        assert tool.wait() == 0
