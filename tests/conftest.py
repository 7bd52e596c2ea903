import gzip
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from pipelines.warehouse import Warehouse

ROOT = Path(__file__).resolve().parents[1]

os.environ.setdefault("TRUST_REPORT_LANGUAGES", "none")
"""Nights of the quick tests write no report: drawing its charts would take longer than most of them."""

settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

PURCHASE = {
    "order_id": "O1",
    "customer_id": "C1",
    "ordered_at": "2024-01-01T10:00:00Z",
    "amount": "10.5",
    "currency": "EUR",
}

Row = Mapping[str, object]


@pytest.fixture(scope="session", autouse=True)
def dagster_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Nights of tests are recorded in a place of their own: on the project's Dagster pages nobody shall meet them."""
    home = tmp_path_factory.mktemp("dagster_home")
    ours = (ROOT / "dagster.yaml").read_text(encoding="utf-8")
    (home / "dagster.yaml").write_text(ours.replace("base_dir: .dagster/", f"base_dir: {home}/.dagster/"), "utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DAGSTER_HOME", str(home))
        yield


@pytest.fixture
def landing(tmp_path: Path) -> Path:
    return tmp_path / "landing"


@pytest.fixture
def open_warehouse(tmp_path: Path, landing: Path) -> "Iterator[Callable[..., Warehouse]]":
    from pipelines.settings import Settings  # DuckDB at the top of a conftest is reported as leaked at exit
    from pipelines.warehouse import Warehouse

    opened = []

    def run(**settings: Any) -> Warehouse:
        folder = tmp_path / f"warehouse{len(opened)}"
        opened.append(Warehouse(Settings(landing=landing, warehouse=folder, **settings)))
        return opened[-1]

    yield run
    for warehouse in opened:
        warehouse.close()


@pytest.fixture
def warehouse(open_warehouse: "Callable[..., Warehouse]") -> "Warehouse":
    return open_warehouse()


@pytest.fixture
def purchase() -> Callable[..., dict[str, object]]:
    """A good row of purchases, with changes."""
    return lambda **changes: PURCHASE | changes


@pytest.fixture
def deliver(landing: Path) -> Callable[..., Path]:
    """Write a landing file: ``deliver("purchases", "2024-01-01.csv", rows or text or bytes)``."""

    def write(source: str, name: str, content: Sequence[Row] | str | bytes | pl.DataFrame) -> Path:
        path = landing / source / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, str | bytes):
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        else:
            _write_rows(path, content)
        return path

    return write


def _write_rows(path: Path, rows: Sequence[Row] | pl.DataFrame) -> None:
    frame = rows if isinstance(rows, pl.DataFrame) else pl.DataFrame(list(rows), infer_schema_length=None)
    if path.name.endswith(".parquet"):
        frame.write_parquet(path)
    elif path.name.endswith(".ndjson"):
        lines = [json.dumps(row, ensure_ascii=False, default=str) + "\n" for row in frame.iter_rows(named=True)]
        path.write_text("".join(lines), encoding="utf-8")
    else:
        text = frame.write_csv().encode()
        path.write_bytes(gzip.compress(text) if path.name.endswith(".gz") else text)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how often something was tried: numbers that people are told must come from somewhere."""
    reports = [report for found in terminalreporter.stats.values() for report in found if hasattr(report, "when")]
    counts = [pair for report in reports if report.when == "call" for pair in report.user_properties]
    if counts:
        terminalreporter.section("tried")
    for name, count in counts:
        terminalreporter.write_line(f"{name}: {count}")
