from datetime import date
from pathlib import Path

import duckdb
import polars as pl
import pytest

from data_contracts import contract
from pipelines.errors import UserError
from pipelines.ingest.accepting import prepare
from pipelines.settings import Settings
from pipelines.storage import migrations
from pipelines.warehouse import Warehouse
from trust_models.trust_changes import SCHEMA as CHANGES

FIXTURE = Path(__file__).resolve().parents[1] / "fixtures" / "warehouse_v1"
NEWEST = max(migrations.STEPS)


def rebuild(settings: Settings) -> Path:
    """The warehouse of the oldest version, from its tables as CSV."""
    file = settings.warehouse / "warehouse.duckdb"
    file.parent.mkdir()
    with duckdb.connect(str(file)) as connection:
        connection.execute((FIXTURE / "schema.sql").read_text("utf-8"))
        for table in FIXTURE.glob("*.csv"):
            name = table.stem.replace("_", ".", 1)
            connection.execute(f"copy {name} from '{table}' (format csv, header true, delimiter ',', quote '\"')")
    return file


@pytest.fixture
def settings(tmp_path):
    return Settings(tmp_path / "landing", tmp_path / "old")


@pytest.fixture
def old(settings):
    return rebuild(settings)


def columns(warehouse, *tables):
    """Columns of tables in their order: name, type, whether they may be null, and default."""
    return warehouse.run(
        "select schema_name || '.' || table_name, column_name, data_type, is_nullable, column_default"
        " from duckdb_columns() where schema_name || '.' || table_name in (select unnest(?))"
        " order by schema_name, table_name, column_index",
        (tables,),
    )


def versions(warehouse):
    return [version for (version,) in warehouse.run("select version from meta.schema_version order by all")]


def test_a_new_warehouse_is_of_the_newest_version(warehouse):
    assert versions(warehouse) == [NEWEST]


def test_every_version_has_its_step():
    assert list(migrations.STEPS) == list(range(migrations.OLDEST + 1, NEWEST + 1))


def test_an_old_warehouse_is_brought_up_and_keeps_every_row(settings, old):
    tables = ("raw.purchases", "meta.loads", "meta.findings", "scores.nights", "scores.customer_days")
    with duckdb.connect(str(old)) as connection:
        before = {name: connection.execute(f"select count(*) from {name}").fetchall() for name in tables}
        old_columns = connection.execute("select * from meta.loads").description
    with Warehouse(settings) as warehouse:
        assert versions(warehouse) == list(range(migrations.OLDEST + 1, NEWEST + 1))
        assert {name: warehouse.run(f"select count(*) from {name}") for name in tables} == before
        assert [name for _, name, *_ in columns(warehouse, "meta.loads")][: len(old_columns)] == [
            column[0] for column in old_columns
        ]
        assert warehouse.run("select distinct rows_erased, rows_expired from meta.loads") == [(0, 0)]
        assert warehouse.run("select as_of, deliveries from scores.nights") == [(date(2023, 10, 27), None)]


def test_a_migrated_ledger_looks_like_a_new_one(settings, old, warehouse):
    prepare(warehouse, contract("purchases"))
    tables = ("meta.loads", "raw.purchases", "quarantine.purchases")
    with Warehouse(settings) as migrated:
        assert columns(migrated, *tables) == columns(warehouse, *tables)


def test_a_migrated_table_of_changes_looks_like_one_that_a_night_makes(settings, old, warehouse):
    day = pl.lit(date(2024, 1, 2))
    warehouse.replace("scores.changes", CHANGES.to_frame().with_columns(as_of=day, compared_with=day))
    with Warehouse(settings) as migrated:
        assert columns(migrated, "scores.changes") == columns(warehouse, "scores.changes")
        assert migrated.run("select customers_moved_up, trust_change_limit from scores.nights") == [(None, None)]


def test_an_old_warehouse_without_scores_is_brought_up(settings, old):
    with duckdb.connect(str(old)) as connection:
        connection.execute("drop table scores.nights")
    with Warehouse(settings) as warehouse:
        assert versions(warehouse)[-1] == NEWEST
        assert not warehouse.has_table("scores.nights")


def test_opening_it_again_changes_nothing(settings, old):
    for _ in range(2):
        with Warehouse(settings) as warehouse:
            assert versions(warehouse) == list(range(migrations.OLDEST + 1, NEWEST + 1))


def test_a_warehouse_of_a_newer_program_is_refused_in_one_line(warehouse):
    settings, path = warehouse.settings, warehouse.path
    warehouse.run("insert into meta.schema_version values (99, now()::timestamp)")
    warehouse.close()
    with pytest.raises(UserError) as caught:
        Warehouse(settings)
    assert str(caught.value) == (
        f"{path}: has tables of version 99, and this program knows them up to {NEWEST};"
        " install the newer program, or use another --warehouse"
    )


def test_a_step_that_fails_leaves_the_version_before_it(settings, old, monkeypatch):
    def break_off(warehouse):
        migrations_of_two(warehouse)
        raise RuntimeError("power cut")

    migrations_of_two = migrations.STEPS[2]
    monkeypatch.setattr(migrations, "STEPS", {2: break_off})
    with pytest.raises(RuntimeError, match="power cut"):
        Warehouse(settings)
    with duckdb.connect(str(old), read_only=True) as connection:
        names = [column[0] for column in connection.execute("select * from meta.loads").description]
        assert "rows_erased" not in names
        assert connection.execute("select count(*) from meta.loads").fetchall() > [(0,)]
    monkeypatch.undo()
    with Warehouse(settings) as warehouse:
        assert versions(warehouse) == list(range(migrations.OLDEST + 1, NEWEST + 1))


def test_a_step_that_came_through_is_kept_when_the_next_one_fails(settings, old, monkeypatch):
    def fail(_):
        raise RuntimeError("power cut")

    monkeypatch.setattr(migrations, "STEPS", {**migrations.STEPS, NEWEST + 1: fail})
    with pytest.raises(RuntimeError, match="power cut"):
        Warehouse(settings)
    monkeypatch.undo()
    with Warehouse(settings) as warehouse:
        assert versions(warehouse)[-1] == NEWEST
