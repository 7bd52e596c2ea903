import subprocess
import sys
from pathlib import Path

import duckdb
import polars as pl
import pytest
from nights import Place, clean_environment

pytestmark = pytest.mark.slow

TRUST = Path(sys.executable).with_name("trust")
FIXTURE = Path(__file__).resolve().parents[1] / "fixtures" / "warehouse_v1"
KEPT = ("raw.purchases", "raw.customers", "raw.repurchases", "meta.loads", "scores.nights")

COLUMNS = """
select schema_name || '.' || table_name, column_name, data_type, is_nullable, column_default
from duckdb_columns() where schema_name in ('meta', 'raw', 'quarantine', 'scores', 'marts') order by all"""


def rebuild(file: Path) -> None:
    """The warehouse of the oldest version, from its tables as CSV."""
    file.parent.mkdir()
    with duckdb.connect(str(file)) as connection:
        connection.execute((FIXTURE / "schema.sql").read_text("utf-8"))
        for table in FIXTURE.glob("*.csv"):
            name = table.stem.replace("_", ".", 1)
            connection.execute(f"copy {name} from '{table}' (format csv, header true, delimiter ',', quote '\"')")


def rows(file: Path) -> dict[str, pl.DataFrame]:
    with duckdb.connect(str(file), read_only=True) as connection:
        return {name: connection.sql(f"from {name}").pl() for name in KEPT}


def columns(file: Path) -> list[tuple[object, ...]]:
    with duckdb.connect(str(file), read_only=True) as connection:
        return connection.execute(COLUMNS).fetchall()


def night(place: Place, landing: Path) -> None:
    command = [TRUST, "run", "--landing", landing, "--warehouse", place.warehouse]
    environment = clean_environment(landing) | {"DAGSTER_HOME": str(place.home)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_night_on_the_oldest_warehouse_keeps_its_rows_and_makes_the_tables_of_a_new_one(tmp_path, deliver, landing):
    lines = [
        f"N{customer}{month},C{customer:07d},2023-{month:02d}-0{customer % 9 + 1}T10:00:00Z,{20 + customer}.5,EUR\n"
        for customer in range(1, 30)
        for month in range(1, 10)
    ]
    deliver("purchases", "2023-10-28.csv", "order_id,customer_id,ordered_at,amount,currency\n" + "".join(lines))
    old, new = Place(tmp_path / "old").made(), Place(tmp_path / "new").made()
    file = old.warehouse / "warehouse.duckdb"
    rebuild(file)
    before = rows(file)
    night(old, landing)
    after = rows(file)
    for name, frame in before.items():
        assert len(after[name].select(frame.columns).join(frame, on=frame.columns, nulls_equal=True)) == len(frame), (
            name
        )
    assert len(after["scores.nights"]) == len(before["scores.nights"]) + 1
    assert len(after["raw.purchases"]) == len(before["raw.purchases"]) + len(lines)
    night(new, landing)
    assert columns(file) == columns(new.warehouse / "warehouse.duckdb")
