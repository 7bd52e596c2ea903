import os
import stat
from datetime import date, datetime
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from pipelines.errors import UserError
from pipelines.ingest import landing_files
from pipelines.ingest.landing_files import PARQUET, Formats, write_company, write_landing
from trust_models.simulation import Company, simulate


def deliveries(**columns: object) -> pl.DataFrame:
    return pl.DataFrame({"delivered_on": [date(2024, 1, 1), date(2024, 1, 2)], **columns})


@pytest.fixture(scope="module")
def company() -> Company:
    return simulate(customers=80, days=120, seed=1)


def names(landing: Path) -> list[str]:
    return sorted(path.relative_to(landing).as_posix() for path in landing.rglob("*") if path.is_file())


def test_each_day_of_a_source_is_one_file_in_the_format_of_its_source_and_day(tmp_path: Path) -> None:
    frame = deliveries(order_id=["a", "b"])
    write_landing({"purchases": frame, "complaints": frame, "churn": frame}, tmp_path)
    assert names(tmp_path) == [
        "churn/2024-01-01.parquet",
        "churn/2024-01-02.csv",
        "complaints/2024-01-01.parquet",
        "complaints/2024-01-02.ndjson",
        "purchases/2024-01-01.parquet",
        "purchases/2024-01-02.csv.gz",
    ]


@pytest.mark.parametrize("ending", ["parquet", "csv", "csv.gz", "ndjson"])
def test_rows_come_back_from_every_format(tmp_path: Path, ending: str) -> None:
    frame = deliveries(text=['a, "b"', None], amount=[1.5, 2.0], at=[datetime(2024, 1, 1, 23, 59, 1), None])
    write_landing({"purchases": frame}, tmp_path, Formats(ending, {}, ending))
    read = pl.read_ndjson if ending == "ndjson" else pl.read_parquet if ending == "parquet" else pl.read_csv
    first = read(tmp_path / f"purchases/2024-01-01.{ending}")
    assert first.columns == ["text", "amount", "at"]
    assert first["text"].to_list() == ['a, "b"']
    at = datetime(2024, 1, 1, 23, 59, 1) if ending == "parquet" else "2024-01-01T23:59:01Z"
    assert first["at"].to_list() == [at]


def test_files_have_the_permissions_that_the_umask_leaves(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_landing({"purchases": deliveries(order_id=["a", "b"])}, tmp_path)
    finally:
        os.umask(before)
    modes = {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.rglob("*") if path.is_file()}
    assert modes == {0o640}


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame = deliveries(order_id=["a", "b"])
    write_landing({"purchases": frame}, tmp_path, PARQUET)

    def torn(rows: pl.DataFrame, path: Path, ending: str) -> None:
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(landing_files, "_write", torn)
    with pytest.raises(UserError, match="No space left"):
        write_landing({"purchases": frame}, tmp_path, PARQUET)
    assert names(tmp_path) == ["purchases/2024-01-01.parquet", "purchases/2024-01-02.parquet"]
    assert_frame_equal(pl.read_parquet(tmp_path / "purchases/2024-01-01.parquet"), pl.DataFrame({"order_id": ["a"]}))


def test_other_deliveries_in_the_landing_zone_are_refused_and_kept(tmp_path: Path) -> None:
    (tmp_path / "purchases").mkdir()
    other = tmp_path / "purchases/2020-05-05.csv"
    other.write_text("order_id\n")
    with pytest.raises(UserError, match=r"purchases/2020-05-05\.csv"):
        write_landing({"purchases": deliveries(order_id=["a", "b"])}, tmp_path)
    assert names(tmp_path) == ["purchases/2020-05-05.csv"]


def test_overwriting_removes_deliveries_of_other_days_and_formats_but_no_other_file(tmp_path: Path) -> None:
    write_landing({"churn": deliveries(customer_id=["a", "b"])}, tmp_path)
    (tmp_path / "churn/notes.txt").write_text("mine")
    write_landing({"purchases": deliveries(order_id=["a", "b"])}, tmp_path, PARQUET, overwrite=True)
    assert names(tmp_path) == ["churn/notes.txt", "purchases/2024-01-01.parquet", "purchases/2024-01-02.parquet"]


def test_nothing_to_deliver_writes_no_file(tmp_path: Path) -> None:
    summary = write_landing({"purchases": deliveries(order_id=["a", "b"]).clear()}, tmp_path)
    assert (summary.files, summary.rows) == (0, {"purchases": 0})
    assert "delivery days  none" in str(summary)


def test_a_company_is_written_with_its_truth_apart_from_the_landing_files(tmp_path: Path, company: Company) -> None:
    summary = write_company(company, tmp_path / "out")
    assert names(tmp_path / "out")[-1] == "truth.parquet"
    assert not list((tmp_path / "out/landing").rglob("truth*"))
    assert_frame_equal(pl.read_parquet(tmp_path / "out/truth.parquet"), company.truth)
    assert summary.first_day == company.calendar.history_day
    assert summary.last_day == company.calendar.last_day
    assert summary.rows["purchases"] == company.frames["purchases"].height
    assert str(tmp_path / "out/landing") in summary.lines()[0]


def test_a_folder_that_holds_something_is_refused_unless_overwriting_is_allowed(
    tmp_path: Path, company: Company
) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(UserError, match="is not empty"):
        write_company(company, tmp_path)
    assert names(tmp_path) == ["notes.txt"]
    write_company(company, tmp_path, overwrite=True)
    assert "notes.txt" in names(tmp_path)
    assert "truth.parquet" in names(tmp_path)


def test_an_out_that_is_a_file_is_refused(tmp_path: Path, company: Company) -> None:
    (tmp_path / "out").write_text("a file")
    with pytest.raises(UserError, match="is no folder"):
        write_company(company, tmp_path / "out")
