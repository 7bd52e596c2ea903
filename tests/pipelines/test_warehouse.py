import subprocess
import sys
from datetime import date, datetime

import duckdb
import polars as pl
import pytest

from pipelines.errors import UserError
from pipelines.settings import Settings
from pipelines.warehouse import SCHEMAS, Warehouse


def test_a_new_warehouse_has_its_schemas_and_its_days_are_utc(warehouse):
    found = {name for (name,) in warehouse.run("select schema_name from duckdb_schemas()")}
    assert found.issuperset(SCHEMAS)
    assert warehouse.value("select current_setting('TimeZone')") == "UTC"


def test_what_was_written_is_there_when_it_is_opened_again(tmp_path):
    settings = Settings(warehouse=tmp_path / "w")
    with Warehouse(settings) as warehouse:
        warehouse.replace("raw.thing", pl.DataFrame({"a": [1, 2]}))
    with Warehouse(settings) as warehouse:
        assert warehouse.table("raw.thing")["a"].to_list() == [1, 2]


def test_a_warehouse_in_use_is_named_with_what_to_do(tmp_path):
    with Warehouse(Settings(warehouse=tmp_path)) as warehouse:
        code = (
            "import sys; from pathlib import Path; from pipelines.settings import Settings;"
            "from pipelines.warehouse import Warehouse; from pipelines.errors import UserError\n"
            "try: Warehouse(Settings(warehouse=Path(sys.argv[1])))\nexcept UserError as error: print(error)"
        )
        told = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True, check=True).stdout
    assert told.strip() == f"{warehouse.path}: another process is using the warehouse; wait until it has ended"


def test_a_folder_that_cannot_be_made_is_named_with_what_to_do(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"file/w: cannot be used as the warehouse \(.+\); choose another folder$"):
        Warehouse(Settings(warehouse=tmp_path / "file" / "w"))


def test_a_file_that_is_no_database_is_named_in_one_line(tmp_path):
    (tmp_path / "warehouse.duckdb").write_bytes(b"no database" * 1000)
    with pytest.raises(UserError, match=r"warehouse\.duckdb: cannot be opened \(.+\)$") as caught:
        Warehouse(Settings(warehouse=tmp_path))
    assert "\n" not in str(caught.value)


def test_a_transaction_is_all_or_nothing(warehouse):
    def half() -> None:
        with warehouse.transaction():
            warehouse.run("insert into raw.thing values (1)")
            raise RuntimeError("stop")

    warehouse.run("create table raw.thing (a int)")
    with pytest.raises(RuntimeError, match="stop"):
        half()
    assert warehouse.run("from raw.thing") == []
    with warehouse.transaction():
        warehouse.run("insert into raw.thing values (2)")
    assert warehouse.run("from raw.thing") == [(2,)]


def test_replace_part_replaces_just_the_rows_that_meet_the_condition(warehouse):
    for day, values in ((1, [1, 2]), (2, [3]), (1, [4])):
        frame = pl.DataFrame({"day": [day] * len(values), "value": values})
        warehouse.replace_part("scores.thing", frame, "day = ?", (day,))
    assert sorted(warehouse.run("from scores.thing")) == [(1, 4), (2, 3)]


def test_replace_part_is_all_or_nothing(warehouse):
    warehouse.replace_part("scores.thing", pl.DataFrame({"value": [1]}), "true")
    with pytest.raises(duckdb.Error):
        warehouse.replace_part("scores.thing", pl.DataFrame({"value": ["x"]}), "true")
    assert warehouse.run("from scores.thing") == [(1,)]


def test_frames_come_and_go_with_their_types(warehouse):
    frame = pl.DataFrame(
        {"text": ["茶", None], "day": [date(2024, 1, 1), None], "at": [datetime(2024, 1, 1, 1, 2, 3, 4), None]}
    )
    warehouse.replace("scores.thing", frame)
    assert warehouse.table("scores.thing").equals(frame)
    assert warehouse.records("select text from scores.thing where text is not null") == [{"text": "茶"}]


def test_an_offered_frame_is_gone_behind_its_block(warehouse):
    with warehouse.offered(pl.DataFrame({"a": [1]})) as view:
        assert warehouse.value(f"select a from {view}") == 1
    with pytest.raises(duckdb.CatalogException):
        warehouse.run(f"from {view}")


def test_value_is_none_where_there_is_no_row(warehouse):
    assert warehouse.value("select 1 where false") is None


@pytest.mark.parametrize(
    ("zone", "instant", "day"),
    [
        ("UTC", "2024-03-09 23:59:59", date(2024, 3, 9)),
        ("Asia/Shanghai", "2024-03-09 15:59:59", date(2024, 3, 9)),
        ("Asia/Shanghai", "2024-03-09 16:00:00", date(2024, 3, 10)),
        ("America/New_York", "2024-03-10 04:59:59", date(2024, 3, 9)),  # clocks go forward on the 10th
        ("America/New_York", "2024-03-11 03:59:59", date(2024, 3, 10)),
        ("America/New_York", "2024-03-11 04:00:00", date(2024, 3, 11)),
        ("America/New_York", "2024-11-04 04:59:59", date(2024, 11, 3)),  # and back on the 3rd
        ("America/New_York", "2024-11-04 05:00:00", date(2024, 11, 4)),
    ],
)
def test_days_are_days_of_the_business_time_zone(open_warehouse, zone, instant, day):
    assert open_warehouse(time_zone=zone).value(f"select business_date(timestamp '{instant}')") == day


def test_closing_closes_every_cursor(tmp_path):
    warehouse = Warehouse(Settings(warehouse=tmp_path))
    cursor = warehouse.cursor()
    warehouse.close()
    with pytest.raises(duckdb.ConnectionException):
        cursor.execute("select 1")


def test_nothing_is_fetched_from_the_network(warehouse):
    for name in ("autoinstall_known_extensions", "autoload_known_extensions"):
        assert warehouse.value(f"select current_setting('{name}')") is False
