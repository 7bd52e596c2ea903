import hashlib
from datetime import date

import pytest

from pipelines.errors import UserError
from pipelines.ingest.landing import first_day, listing, newest_day


def names(landing, source="purchases"):
    return [file.name for file in listing(landing, source).files]


def test_a_file_or_a_folder_stands_for_a_day(landing, deliver):
    deliver("purchases", "2024-01-02.csv", "a")
    deliver("purchases", "2024-01-01/part-2.parquet", "a")
    deliver("purchases", "2024-01-01/part-1.ndjson", "a")
    found = listing(landing, "purchases").files
    assert [(file.name, file.load_date, file.format) for file in found] == [
        ("purchases/2024-01-01/part-1.ndjson", date(2024, 1, 1), ".ndjson"),
        ("purchases/2024-01-01/part-2.parquet", date(2024, 1, 1), ".parquet"),
        ("purchases/2024-01-02.csv", date(2024, 1, 2), ".csv"),
    ]


@pytest.mark.parametrize("ending", ["parquet", "csv", "csv.gz", "ndjson", "CSV", "Csv.Gz"])
def test_every_format_is_known_by_its_ending(landing, deliver, ending):
    deliver("purchases", f"2024-01-01.{ending}", "a")
    assert [file.format for file in listing(landing, "purchases").files] == [f".{ending.lower()}"]


@pytest.mark.parametrize(
    ("name", "english", "chinese"),
    [
        (
            "2024-13-45.csv",
            "purchases/2024-13-45.csv: not loaded; the name must be a delivery day, such as 2026-01-31.csv",
            "purchases/2024-13-45.csv：未加载；文件名必须是交付日期，例如 2026-01-31.csv",
        ),
        (
            "notes.txt",
            "purchases/notes.txt: not loaded; the name must be a delivery day, such as 2026-01-31.csv",
            "purchases/notes.txt：未加载；文件名必须是交付日期，例如 2026-01-31.csv",
        ),
        (
            "2024-01-01.xlsx",
            "purchases/2024-01-01.xlsx: not loaded; its ending must be one of .parquet, .csv, .csv.gz, .ndjson",
            "purchases/2024-01-01.xlsx：未加载；文件扩展名必须是以下之一：.parquet、.csv、.csv.gz、.ndjson",
        ),
        (
            "2024-01-01/part*.csv",
            "purchases/2024-01-01/part*.csv: not loaded;"
            " rename the file without any of * ? [ ] { } or control characters",
            "purchases/2024-01-01/part*.csv：未加载；请重命名文件，去掉 * ? [ ] { } 或控制字符",
        ),
    ],
)
def test_what_is_no_delivery_is_named_with_what_to_do(landing, deliver, name, english, chinese):
    deliver("purchases", name, "a")
    assert listing(landing, "purchases").files == ()
    assert listing(landing, "purchases").strays == ((english, chinese),)


@pytest.mark.parametrize(
    "name", ["20240101.csv", "2024-1-1.csv", "2024-01-01T00.csv", "2024-02-30.csv", "２０２４-01-01.csv"]
)
def test_only_a_real_day_in_full_is_a_delivery_day(landing, deliver, name):
    deliver("purchases", name, "a")
    assert len(listing(landing, "purchases").strays) == 1


def test_a_folder_that_is_no_day_is_one_stray_whatever_it_holds(landing, deliver):
    deliver("purchases", "old/2024-01-01.csv", "a")
    deliver("purchases", "old/2024-01-02.csv", "a")
    assert names(landing) == []
    assert len(listing(landing, "purchases").strays) == 1


@pytest.mark.parametrize("name", [".2024-01-01.csv.swp", "_SUCCESS", "2024-01-01/_SUCCESS", "2024-01-01/.part.crc"])
def test_hidden_files_are_passed_over_in_silence(landing, deliver, name):
    deliver("purchases", name, "a")
    assert listing(landing, "purchases").files == ()
    assert listing(landing, "purchases").strays == ()


def test_a_source_without_a_folder_has_no_files(landing):
    assert listing(landing, "purchases").files == ()


def test_first_and_newest_day_are_over_all_sources(landing, deliver):
    deliver("purchases", "2024-01-02.csv", "a")
    deliver("complaints", "2024-01-01.csv", "a")
    deliver("churn", "2024-01-05/x.csv", "a")
    sources = ("purchases", "complaints", "churn")
    assert first_day(landing, sources) == date(2024, 1, 1)
    assert newest_day(landing, sources) == date(2024, 1, 5)


def test_a_missing_landing_folder_is_named_with_what_to_do(landing):
    with pytest.raises(UserError) as caught:
        newest_day(landing, ("purchases",))
    assert str(caught.value) == f"{landing}: there is no landing folder; create it or name another with --landing"


def test_an_empty_landing_folder_is_named_with_what_to_do(landing):
    landing.mkdir()
    with pytest.raises(UserError) as caught:
        newest_day(landing, ("purchases",))
    expected = f"{landing}: nothing was delivered; put files such as purchases/2026-01-31.csv there"
    assert str(caught.value) == expected
    assert first_day(landing, ("purchases",)) is None


def test_a_file_is_known_by_its_bytes(landing, deliver):
    deliver("purchases", "2024-01-01.csv", b"abc")
    (file,) = listing(landing, "purchases").files
    assert file.sha256() == hashlib.sha256(b"abc").hexdigest()
    assert file.size == 3
