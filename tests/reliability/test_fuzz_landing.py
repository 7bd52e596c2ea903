import gzip
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.pipelines.fuzzing import (
    FORMATS,
    MUTATIONS,
    SOURCES,
    Bench,
    altered,
    good_row,
    hostile_rows,
    mutated,
    typed,
    written,
)

pytestmark = pytest.mark.slow

# 8 sources x (4 formats x (25 + 25 + 10) + 25) = 2,120 files, each loaded twice beside a sound one
MANY = settings(max_examples=25, derandomize=True, deadline=None, database=None)
EVERY_SOURCE = pytest.mark.parametrize("source", SOURCES)
EVERY_FORMAT = pytest.mark.parametrize("ending", FORMATS)


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    opened = Bench(tmp_path_factory.mktemp("fuzz"))
    yield opened
    opened.close()


@EVERY_SOURCE
@EVERY_FORMAT
@MANY
@given(mutations=MUTATIONS)
def test_whatever_happens_to_the_bytes_of_a_file(bench, source, ending, mutations):
    sound = written([good_row(SOURCES[source], number) for number in range(5)], ending, SOURCES[source])
    bench.try_out(SOURCES[source], ending, mutated(sound, mutations))


@EVERY_SOURCE
@EVERY_FORMAT
@MANY
@given(data=st.data())
def test_whatever_the_rows_of_a_file_hold(bench, source, ending, data):
    rows = data.draw(hostile_rows(SOURCES[source]))
    accepted = bench.try_out(SOURCES[source], ending, written(rows, ending, SOURCES[source]))
    read = bench.warehouse.value("select coalesce(sum(rows_read), 0) from meta.loads where load_date = '2024-01-10'")
    assert altered(SOURCES[source], rows, accepted) == []
    assert read == len(rows) or (ending in ("parquet", "ndjson") and read == 0 and not accepted)


@EVERY_SOURCE
@MANY
@given(data=st.data())
def test_whatever_types_the_columns_of_a_parquet_file_have(bench, source, data):
    sink = io.BytesIO()
    data.draw(typed(SOURCES[source])).write_parquet(sink)
    bench.try_out(SOURCES[source], "parquet", sink.getvalue())


@EVERY_SOURCE
@EVERY_FORMAT
@settings(MANY, max_examples=10)
@given(lines=st.lists(st.binary(max_size=20), max_size=5))
def test_whatever_bytes_stand_behind_a_sound_beginning(bench, source, ending, lines):
    sound = written([good_row(SOURCES[source], 2)], "csv" if ending == "csv.gz" else ending, SOURCES[source])
    content = sound + b"\n".join(lines)
    bench.try_out(SOURCES[source], ending, gzip.compress(content) if ending == "csv.gz" else content)
