import os
import re
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

DOCS = Path(__file__).resolve().parents[2] / "docs"
TRUST = Path(sys.executable).with_name("trust")
BLOCK = re.compile(r"^ *```(\w*)(?: title=\"([^\"]+)\")?\n(.*?)^ *```", re.MULTILINE | re.DOTALL)


def blocks(page: str, language: str) -> list[tuple[str, str]]:
    """Title and text of every block of a language on a page."""
    found = BLOCK.findall((DOCS / page).read_text(encoding="utf-8"))
    return [(title, code) for name, title, code in found if name == language]


def night(folder: Path) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TRUST_")}
    done = subprocess.run(
        [TRUST, "run", "--landing", folder / "landing", "--warehouse", folder / "warehouse"],
        env=environment | {"TRUST_TIME_ZONE": "Asia/Shanghai", "TRUST_CURRENCY": "CNY"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def published(folder: Path, query: str) -> list[tuple[object, ...]]:
    with duckdb.connect(folder / "warehouse" / "bi.duckdb", read_only=True) as bi:
        return bi.execute(query).fetchall()


@pytest.fixture(scope="module")
def from_sql(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("from_sql")
    for source in ("purchases", "complaints"):
        (folder / "landing" / source).mkdir(parents=True)
    with duckdb.connect() as shop:
        for _, code in blocks("your-data.md", "sql"):
            shop.execute(code.replace("'landing/", f"'{folder}/landing/"))
    night(folder)
    return folder


def test_the_example_from_a_database_is_loaded_without_a_refused_row(from_sql: Path) -> None:
    ((accepted, quarantined),) = published(from_sql, "select rows_accepted, rows_quarantined from run_info")
    assert (accepted, quarantined) == (6, 0)
    assert published(from_sql, "select customer_id, orders, open_complaints from customer_scores order by 1") == [
        ("7", 2, 1),
        ("8", 1, 0),
        ("9", 1, 0),
    ]


def test_the_example_from_a_database_tells_of_the_late_parcel_and_the_late_answer(from_sql: Path) -> None:
    lowering = published(
        from_sql,
        "select customer_id, driver from customer_reasons where score = 'trust' and contribution < 0 order by all",
    )
    assert lowering == [("7", "complaint_answered"), ("7", "complaint_resolved"), ("8", "promise_kept")]


@pytest.mark.parametrize("query", [code for _, code in blocks("bi.md", "sql")])
def test_every_query_of_the_bi_page_runs_on_a_published_database(from_sql: Path, query: str) -> None:
    published(from_sql, query)


def test_there_are_ten_queries_and_they_do_not_all_come_back_empty(from_sql: Path) -> None:
    queries = [code for _, code in blocks("bi.md", "sql")]
    assert len(queries) == 10
    assert sum(bool(published(from_sql, query)) for query in queries) >= 4


@pytest.mark.slow
def test_the_example_from_a_csv_export_is_loaded_without_a_refused_row(tmp_path: Path) -> None:
    ((name, export),) = blocks("your-data.md", "csv")
    (tmp_path / name).write_bytes(export.encode("gb18030"))
    ((_, code),) = blocks("your-data.md", "python")
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)
    told = night(tmp_path)
    assert "1 orders were returned or cancelled without a reason" in told
    assert published(tmp_path, "select rows_accepted, rows_quarantined from run_info") == [(4, 0)]
    days = published(tmp_path, "select customer_id, cast(last_order_at as varchar) from customer_scores order by 1")
    assert days[0] == ("M-77", "2025-11-10 16:02:00")


@pytest.mark.slow
def test_the_files_of_the_quick_start_are_loaded_without_a_refused_row(tmp_path: Path) -> None:
    for name, text in blocks("quick-start.md", "csv"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    night(tmp_path)
    assert published(tmp_path, "select rows_accepted, rows_quarantined from run_info") == [(5, 0)]
