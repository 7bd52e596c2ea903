import os
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest

pytestmark = pytest.mark.slow

TRUST = Path(sys.executable).with_name("trust")
MARK = "Zz9Marker"
"""Stands in every value that a night must not repeat."""

KEY = f"{MARK}-a-key-that-is-long-enough-for-everybody"
ROOT = Path(__file__).resolve().parents[2]


def purchases(days: int) -> pl.DataFrame:
    day = date(2024, 1, 1)
    rows = [
        {
            "order_id": f"{MARK}-O{customer}-{place}",
            "customer_id": f"{MARK}-C{customer}",
            "ordered_at": f"{day + timedelta(days=(customer * 7 + place * 31) % days)}T10:00:00Z",
            "amount": f"{10 + customer}.5",
            "currency": "EUR",
            "category": f"{MARK} category",
            "return_reason": f"{MARK} told us why",
            "returned_at": f"{day + timedelta(days=days)}T10:00:00Z",
        }
        for customer in range(30)
        for place in range(4)
    ]
    return pl.DataFrame(rows)


BROKEN = {
    "purchases": {
        "2024-06-02.csv": f"order_id,customer_id,ordered_at,amount,currency\n{MARK},{MARK},{MARK},{MARK},{MARK}\n",
        "2024-06-03.csv": f'order_id,customer_id,ordered_at,amount,currency\n{MARK},"{MARK},x,1\n{MARK},{MARK}\n',
        "2024-06-04.csv": f"{MARK} Anna,{MARK} Weg 1,{MARK}@example.org\n{MARK} Ben,{MARK} Weg 2,{MARK}\n",
        "2024-06-05.parquet": f"PAR1{MARK}PAR1",
        "2024-06-06.ndjson": f'{{"order_id": "{MARK}", "customer_id": [{{"{MARK}": 1}}]\n{MARK}\n',
    },
    "complaints": {"2024-06-02.csv": f"complaint_id,customer_id,text\n{MARK},{MARK},{MARK} is furious\n"},
}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A Dagster instance whose every file lies in one folder."""
    folder = tmp_path / "home"
    folder.mkdir()
    text = (ROOT / "dagster.yaml").read_text("utf-8")
    (folder / "dagster.yaml").write_text(text.replace(".dagster/", f"{folder}/"), "utf-8")
    return folder


def holding(folder: Path) -> list[str]:
    marks = [MARK.encode(), MARK.encode("utf-16-le")]
    found = (path for path in folder.rglob("*") if path.is_file())
    return [path.relative_to(folder).as_posix() for path in found if any(mark in path.read_bytes() for mark in marks)]


def night(tmp_path: Path, home: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [TRUST, "run", "--landing", tmp_path / "landing", "--warehouse", tmp_path / "warehouse"],
        env={**os.environ, "DAGSTER_HOME": str(home), **environment},
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize("environment", [{}, {"TRUST_PSEUDONYM_KEY": KEY}], ids=["plain", "pseudonymised"])
def test_a_night_that_fails_on_bad_rows_repeats_none_of_them(tmp_path, home, deliver, environment) -> None:
    deliver("purchases", "2024-06-01.parquet", purchases(120))
    for source, files in BROKEN.items():
        for name, content in files.items():
            deliver(source, name, content)
    done = night(tmp_path, home, **environment)
    assert done.returncode == 1
    assert MARK not in done.stdout + done.stderr
    assert holding(home) == []


def test_a_good_night_keeps_rows_out_of_dagsters_storage_and_out_of_the_terminal(tmp_path, home, deliver) -> None:
    deliver("purchases", "2024-06-01.parquet", purchases(120))
    done = night(tmp_path, home)
    assert done.returncode == 0, done.stderr
    assert MARK not in done.stdout + done.stderr
    assert holding(home) == []
