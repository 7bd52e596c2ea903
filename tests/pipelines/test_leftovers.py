from pathlib import Path

import pytest

from pipelines.settings import Settings
from pipelines.storage.leftovers import NEEDED, clear_leftovers
from pipelines.storage.shared_path import shared_folder
from pipelines.warehouse import Warehouse


@pytest.fixture
def folder(warehouse):
    return warehouse.settings.warehouse


def put(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("left behind")


def test_unfinished_files_spilled_data_and_half_models_are_removed(warehouse, folder):
    put(folder, ".bi.duckdb.building", ".bi.duckdb.building.wal", "tmp/duckdb_temp_storage-0.tmp")
    put(folder, "models/trust-2024-01-07.half/model.skops")
    assert clear_leftovers(warehouse) == [
        ".bi.duckdb.building",
        ".bi.duckdb.building.wal",
        "models/trust-2024-01-07.half",
        "tmp/duckdb_temp_storage-0.tmp",
    ]
    assert sorted(path.name for path in (folder / "models").iterdir()) == []


def test_what_is_being_built_inside_a_whole_model_is_removed_and_the_model_stays(warehouse, folder):
    whole = [f"models/trust-2024-01-07.whole/{name}" for name in NEEDED]
    put(folder, *whole, "models/trust-2024-01-07.whole/.card.json.building")
    assert clear_leftovers(warehouse) == ["models/trust-2024-01-07.whole/.card.json.building"]
    assert all((folder / name).is_file() for name in whole)


def test_what_is_being_built_of_a_report_is_removed_and_the_report_stays(warehouse, folder):
    put(folder, "reports/2024-01-07/report.en.html", "reports/2024-01-07/.report.zh.html.building")
    assert clear_leftovers(warehouse) == ["reports/2024-01-07/.report.zh.html.building"]
    assert (folder / "reports/2024-01-07/report.en.html").is_file()


def test_what_belongs_to_the_warehouse_stays(warehouse, folder):
    put(folder, "bi.duckdb", "reports/backtest.json", ".hidden")
    before = sorted(path.name for path in folder.rglob("*"))
    assert clear_leftovers(warehouse) == []
    assert sorted(path.name for path in folder.rglob("*")) == before


def test_a_registered_model_stays_even_where_a_file_of_it_is_missing(warehouse, folder):
    put(folder, "models/trust-2024-01-07.known/model.skops")
    warehouse.run("create table meta.models as select 'models/trust-2024-01-07.known/model.skops' as file")
    assert clear_leftovers(warehouse) == []
    assert (folder / "models/trust-2024-01-07.known/model.skops").is_file()


def test_parts_that_a_killed_night_left_on_the_shared_path_are_removed_and_those_of_others_stay(tmp_path):
    (tmp_path / "shared").mkdir()
    settings = Settings(tmp_path / "landing", tmp_path / "warehouse", spark_shared=tmp_path / "shared")
    theirs = shared_folder(Settings(tmp_path / "landing", tmp_path / "theirs", spark_shared=tmp_path / "shared"))
    put(shared_folder(settings), "tmp1/in/0/orders.parquet")
    put(theirs, "tmp1/in/0/orders.parquet")
    with Warehouse(settings) as opened:
        assert clear_leftovers(opened) == [f"../shared/{shared_folder(settings).name}"]
    assert list((tmp_path / "shared").iterdir()) == [theirs]
