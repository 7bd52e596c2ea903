import contextlib
import gzip
from datetime import date

import polars as pl
import pytest

from data_contracts import contract
from pipelines.ingest.landing import listing
from pipelines.ingest.readers import UnreadableFileError, select, shape
from pipelines.warehouse import Trial


@pytest.fixture
def shaped(warehouse, landing, deliver):
    def run(content, ending="csv"):
        deliver("purchases", f"2024-01-01.{ending}", content)
        (file,) = listing(landing, "purchases").files
        with Trial(warehouse.settings) as trial:
            return shape(warehouse, trial, contract("purchases"), file), file

    return run


def test_the_shape_of_text_is_its_header_in_the_order_of_the_file(shaped):
    assert shaped(b'\xef\xbb\xbf b ,"a, x",c\r\n1,2,3\r\n')[0].columns == ("b", "a, x", "c")


def test_the_shape_of_gzipped_text_is_that_of_the_text(shaped):
    assert shaped(gzip.compress(b"b,a\n"), "csv.gz")[0].columns == ("b", "a")


def test_the_shape_of_ndjson_is_every_key_that_occurs(shaped):
    assert shaped('{"b":1}\n[1]\n{"a":1,"b":null}\n{', "ndjson")[0].columns == ("a", "b")
    assert shaped(b'{"b":1}\n{"c":"\xff"}\n{"a":1}', "ndjson")[0].columns == ("a", "b")
    assert shaped(b"", "ndjson")[0].columns == ()


def test_the_shape_of_parquet_is_its_columns_and_types(shaped):
    form = shaped([{"b": 1, "a": date(2024, 1, 1)}], "parquet")[0]
    assert (form.columns, form.types) == (("b", "a"), ("BIGINT", "DATE"))


@pytest.mark.parametrize("header", [b"a,b\rc,d\r", b'"a,b\n'])
def test_a_header_that_is_no_line_of_columns_is_a_shape_or_refused(shaped, header):
    with contextlib.suppress(UnreadableFileError):
        assert shaped(header)[0].columns


def test_columns_without_a_name_may_stand_side_by_side(shaped):
    assert shaped("a,,,\n1,,,\n")[0].columns == ("a", "", "", "")


def test_a_header_without_end_is_refused_in_one_line(shaped):
    with pytest.raises(UnreadableFileError, match=r"line 1: has no end; deliver it again with a header line$"):
        shaped("a" * 4_000_001 + "\n")


@pytest.mark.parametrize("ending", ["csv", "csv.gz", "ndjson", "parquet"])
def test_only_columns_that_are_asked_for_and_there_are_read(warehouse, shaped, ending):
    text = {"csv": b"a,b\n1,2\n", "ndjson": b'{"a":1,"b":2}\n', "csv.gz": gzip.compress(b"a,b\n1,2\n")}
    form, file = shaped(text.get(ending, [{"a": 1, "b": 2}]), ending)
    (record,) = warehouse.records(select(form, [file.path], ["b", "c"]))
    assert str(record.pop("src_b")) == "2"
    assert record == {"source_file": 0, "source_row": 1, "broken_line": None, "broken_en": None, "broken_zh": None}


@pytest.mark.parametrize("ending", ["csv", "csv.gz", "ndjson", "parquet"])
def test_rows_of_files_read_together_are_numbered_file_by_file(warehouse, landing, deliver, ending):
    for day, count in ((1, 3), (2, 0), (3, 2)):
        rows = [{"a": f"{day}.{place + 1}"} for place in range(count)]
        if rows or ending == "parquet":
            deliver("purchases", f"2024-01-0{day}.{ending}", pl.DataFrame(rows, schema={"a": pl.String}))
        else:
            empty = {"csv": b"a\n", "csv.gz": gzip.compress(b"a\n"), "ndjson": b""}[ending]
            deliver("purchases", f"2024-01-0{day}.{ending}", empty)
    files = listing(landing, "purchases").files
    with Trial(warehouse.settings) as trial:
        form = shape(warehouse, trial, contract("purchases"), files[0])
    query = select(form, [file.path for file in files], ["a"])
    found = warehouse.run(f"select src_a, source_file, source_row from ({query}) order by all")
    assert found == [("1.1", 0, 1), ("1.2", 0, 2), ("1.3", 0, 3), ("3.1", 2, 1), ("3.2", 2, 2)]
