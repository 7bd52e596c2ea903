import os
import stat
from collections.abc import Callable
from datetime import date
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from data_contracts import contract
from data_contracts.sql import create_table
from pipelines.bi.exporting import export
from pipelines.bi.publishing import publish
from pipelines.errors import UserError
from pipelines.settings import Settings
from pipelines.warehouse import Warehouse

TABLE = "customer_reasons"


@pytest.fixture
def publishing(warehouse: Warehouse) -> Callable[[str], Settings]:
    """Publish one row of a reason with a text of choice; nothing in the other tables."""
    told = (contract(TABLE),)

    def run(text: str) -> Settings:
        warehouse.run(f"drop table if exists marts.{TABLE}")
        warehouse.run(create_table(told[0], "marts"))
        row = pl.DataFrame(
            {
                "customer_id": "C1",
                "as_of": date(2024, 3, 1),
                "score": "trust",
                "rank": 1,
                "driver": "order_sound",
                "contribution": -1.5,
                "text_en": text,
                "text_zh": "甲",
            }
        )
        with warehouse.offered(row) as offered:
            warehouse.run(f"insert into marts.{TABLE} by name select * from {offered}")
        publish(warehouse, told, warehouse.settings.warehouse / "bi.duckdb")
        return warehouse.settings

    return run


def test_every_published_table_is_a_parquet_file_with_its_types(
    publishing: Callable[[str], Settings], tmp_path: Path
) -> None:
    assert export(publishing("fine"), tmp_path / "out") == {TABLE: 1}
    frame = pl.read_parquet(tmp_path / "out" / f"{TABLE}.parquet")
    assert frame.columns == [column.name for column in contract(TABLE).columns]
    assert frame.row(0, named=True)["text_zh"] == "甲"
    assert frame.schema["as_of"] == pl.Date


def test_a_text_that_a_spreadsheet_would_run_is_harmless_in_csv_and_numbers_stay_numbers(
    publishing: Callable[[str], Settings], tmp_path: Path
) -> None:
    export(publishing("=cmd|'/c calc'!A1"), tmp_path, "csv")
    content = (tmp_path / f"{TABLE}.csv").read_text(encoding="utf-8")
    assert content.startswith("\N{ZERO WIDTH NO-BREAK SPACE}customer_id,")
    assert ",'=cmd" in content
    assert ",-1.5," in content


def test_files_are_open_to_nobody_who_may_not_read_the_database(
    publishing: Callable[[str], Settings], tmp_path: Path
) -> None:
    before = os.umask(0)
    try:
        export(publishing("fine"), tmp_path)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / f"{TABLE}.parquet").stat().st_mode) & 0o077 == 0


def test_a_second_export_replaces_the_first_and_leaves_other_files(
    publishing: Callable[[str], Settings], tmp_path: Path
) -> None:
    (tmp_path / "mine.txt").write_text("kept")
    export(publishing("first"), tmp_path)
    export(publishing("second"), tmp_path)
    assert pl.read_parquet(tmp_path / f"{TABLE}.parquet")["text_en"].to_list() == ["second"]
    assert {path.name for path in tmp_path.iterdir() if path.is_file()} == {"mine.txt", f"{TABLE}.parquet"}


def test_a_night_that_writes_does_not_keep_anybody_from_exporting(
    publishing: Callable[[str], Settings], warehouse: Warehouse, tmp_path: Path
) -> None:
    settings = publishing("fine")
    with warehouse.transaction():
        warehouse.run("create table meta.busy as select 1 as one")
        assert export(settings, tmp_path) == {TABLE: 1}


def test_nothing_published_and_a_folder_that_is_a_file_end_in_one_line(
    publishing: Callable[[str], Settings], tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=r"bi\.duckdb: nothing is published; run 'trust run'$"):
        export(Settings(warehouse=tmp_path / "none"), tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"file: cannot be written \(.+\); choose another folder$"):
        export(publishing("fine"), tmp_path / "file")


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    (tmp_path / "bi.duckdb").write_text("no database at all, only a text that is long enough to be looked at" * 100)
    with pytest.raises(UserError, match="cannot be read as a published database; run the night again"):
        export(Settings(warehouse=tmp_path), tmp_path / "out")


def test_the_command_names_each_file_and_refuses_a_format_that_it_does_not_know(
    publishing: Callable[[str], Settings], tmp_path: Path
) -> None:
    from pipelines.cli import app  # heavy libraries stay out of collection

    call = ["export", str(tmp_path / "out"), "--warehouse", str(publishing("fine").warehouse), "--format"]
    told = CliRunner().invoke(app, [*call, "csv"])
    assert (told.exit_code, told.stdout.split()) == (0, [str(tmp_path / "out" / f"{TABLE}.csv"), "1", "rows"])
    assert CliRunner().invoke(app, [*call, "xlsx"]).exit_code == 2
