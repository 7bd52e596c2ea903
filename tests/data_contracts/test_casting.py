# timestamps without a zone are UTC here
import math
import unicodedata
from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data_contracts import Column, Contract, contract
from data_contracts.model import ColumnType
from data_contracts.sql import typed_columns

quick = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
SPACES = "".join(chr(code) for code in range(0x3001) if unicodedata.category(chr(code)) == "Zs")
TYPES: tuple[ColumnType, ...] = ("VARCHAR", "DOUBLE", "BIGINT", "BOOLEAN", "DATE", "TIMESTAMP")
EVERY_TYPE = Contract(
    name="every_type",
    kind="landing",
    title_en="",
    title_zh="",
    description_en="",
    description_zh="",
    owner="",
    columns=tuple(Column(type_.lower(), type_, "", "", "internal") for type_ in TYPES),
    key=("varchar",),
    rules=(),
)
times = st.datetimes(min_value=datetime(1990, 1, 1), max_value=datetime(2100, 1, 1))
offsets = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
texts = st.text(st.characters(codec="utf-8"), max_size=30)


@pytest.fixture
def value(typed):
    return lambda type_, source: typed(EVERY_TYPE, {type_: source})[type_]


@quick
@given(number=st.floats(allow_nan=False))
def test_a_number_written_as_text_keeps_its_value(value, number):
    assert value("double", repr(number)) == number
    assert value("double", number) == number


@quick
@given(number=st.integers(-(2**63), 2**63 - 1))
def test_a_whole_number_keeps_every_digit(value, number):
    assert value("bigint", str(number)) == number
    assert value("bigint", number) == number


@quick
@given(number=st.floats(-1e6, 1e6))
def test_a_whole_number_is_never_rounded(value, number):
    expected = int(number) if number.is_integer() else None
    assert value("bigint", number) == expected
    assert value("bigint", f"{number:.12f}") == (
        None if f"{number:.12f}" != f"{number:.0f}." + "0" * 12 else round(number)
    )


@pytest.mark.parametrize("text", ["1.5", "1,5", "0x1F", "abc", "nan", "inf", "1e300", "三", "9223372036854775808"])
def test_what_is_no_whole_number_is_null(value, text):
    assert value("bigint", text) is None


@pytest.mark.parametrize(
    "source", ["3.0", " 3 ", 3.0, "sql:3::DECIMAL(9, 2)", "sql:3::UTINYINT", "sql:3::FLOAT", "3e0"]
)
def test_a_whole_number_in_another_dress_is_taken(value, source):
    assert value("bigint", source) == 3


@pytest.mark.parametrize("text", ["1,5", "1 000", "€5", "five", "--1", "1.234,5", "0x1F"])
def test_what_is_no_number_is_null(value, text):
    assert value("double", text) is None


def test_nan_stays_visible_for_the_finite_rule(value):
    assert math.isnan(value("double", "NaN"))
    assert value("double", "1e400") == math.inf


@quick
@given(moment=times, separator=st.sampled_from("T "))
def test_a_time_without_offset_is_utc(value, moment, separator):
    assert value("timestamp", moment.isoformat(separator)) == moment
    assert value("timestamp", moment) == moment


@quick
@given(moment=times, zone=offsets, separator=st.sampled_from("T "), precision=st.sampled_from(["auto", "seconds"]))
def test_an_offset_is_applied(value, moment, zone, separator, precision):
    moment = moment if precision == "auto" else moment.replace(microsecond=0)
    local = moment.replace(tzinfo=zone)
    expected = local.astimezone(UTC).replace(tzinfo=None)
    assert value("timestamp", local.isoformat(separator, precision)) == expected
    assert value("timestamp", local) == expected


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("2024-01-01T12:00:00Z", datetime(2024, 1, 1, 12)),
        ("2024-01-01 12:00:00+02", datetime(2024, 1, 1, 10)),
        ("2024-01-01 12:00+02", datetime(2024, 1, 1, 10)),
        ("2024-1-1 8:00+02:00", datetime(2024, 1, 1, 6)),
        (" 2024-01-01 12:00:00 ", datetime(2024, 1, 1, 12)),
        ("2024-01-01", datetime(2024, 1, 1)),
        ("sql:DATE '2024-01-01'", datetime(2024, 1, 1)),
        ("sql:TIMESTAMP_S '2024-01-01 12:00:00'", datetime(2024, 1, 1, 12)),
        ("sql:TIMESTAMP_MS '2024-01-01 12:00:00.5'", datetime(2024, 1, 1, 12, 0, 0, 500000)),
        ("sql:TIMESTAMP_NS '2024-01-01 12:00:00.5'", datetime(2024, 1, 1, 12, 0, 0, 500000)),
        ("sql:TIMESTAMPTZ '2024-01-01 12:00:00+08'", datetime(2024, 1, 1, 4)),
        ("31/12/2024", None),
        ("2024-13-01", None),
        ("1719700000", None),
        (1719700000, None),
        ("today", None),
    ],
)
def test_times_of_every_dress(value, source, expected):
    assert value("timestamp", source) == expected


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("2024-06-30", date(2024, 6, 30)),
        (" 2024-06-30 ", date(2024, 6, 30)),
        ("sql:TIMESTAMP '2024-06-30 23:00:00'", date(2024, 6, 30)),
        ("30.06.2024", None),
        ("2024-06-31", None),
        ("20240630", None),
    ],
)
def test_dates(value, source, expected):
    assert value("date", source) == expected


@pytest.mark.parametrize("source", ["true", "TRUE", "1", "yes", " Yes ", True, 1, 1.0, "t", "y"])
def test_true_in_every_dress(value, source):
    assert value("boolean", source) is True


@pytest.mark.parametrize("source", ["false", "False", "0", "no", "NO", False, 0, 0.0, "f", "n"])
def test_false_in_every_dress(value, source):
    assert value("boolean", source) is False


@pytest.mark.parametrize("source", ["maybe", "2", 2, "-1", "on"])
def test_what_is_neither_true_nor_false_is_null(value, source):
    assert value("boolean", source) is None


@quick
@given(text=texts)
def test_a_text_loses_outer_spaces_only_and_an_empty_one_is_null(value, text):
    assert value("varchar", text) == (text.strip(SPACES) or None)


@pytest.mark.parametrize("source", [17850, 17850.0, "sql:17850::FLOAT", "sql:17850::HUGEINT", "17850"])
def test_an_id_is_the_same_whether_it_comes_as_number_or_text(value, source):
    assert value("varchar", source) == "17850"


def test_numbers_that_are_no_ids_keep_their_digits(value):
    assert value("varchar", 1.5) == "1.5"
    assert value("varchar", math.nan) == "nan"


@quick
@given(text=texts)
def test_no_text_makes_a_cast_raise(typed, text):
    typed(EVERY_TYPE, dict.fromkeys((type_.lower() for type_ in TYPES), text))


@pytest.mark.parametrize("blank", [None, "", " ", "   "])
def test_blank_is_null_in_every_type(typed, blank):
    row = typed(EVERY_TYPE, dict.fromkeys((type_.lower() for type_ in TYPES), blank))
    assert set(row.values()) == {None}


PARQUET_VALUES = [
    *(
        f"sql:1::{t}"
        for t in ("TINYINT", "UINTEGER", "HUGEINT", "FLOAT", "DECIMAL(18, 3)", "DECIMAL(38, 0)", "BOOLEAN")
    ),
    *("sql:'ab'::BLOB", "sql:uuid()", "sql:[1, 2]", "sql:{'a': 1}", "sql:map {'a': 1}", "sql:'1'::JSON"),
    *("sql:TIME '01:02:03'", "sql:INTERVAL 1 DAY", "sql:'x'::ENUM ('x', 'y')", "sql:'101'::BIT", "sql:NULL"),
    *("sql:'infinity'::DOUBLE", "sql:'nan'::FLOAT", "sql:'infinity'::DATE", "sql:'-infinity'::TIMESTAMPTZ"),
    *("sql:DATE '2024-01-01'", "sql:TIMESTAMP_NS '2024-01-01'", "sql:TIMETZ '01:02:03+08'", "sql:repeat('9', 400)"),
]


@pytest.mark.parametrize("source", PARQUET_VALUES)
def test_no_source_type_makes_a_cast_raise(connection, typed, source):
    typed(EVERY_TYPE, dict.fromkeys((type_.lower() for type_ in TYPES), source))
    connection.execute(f"CREATE OR REPLACE TEMP TABLE one AS SELECT {source[4:]} AS v FROM range(2)")
    columns = {f'v AS "src_{type_.lower()}"' for type_ in TYPES}
    casts = typed_columns(EVERY_TYPE, [type_.lower() for type_ in TYPES]).values()
    rows = connection.execute(f"SELECT {', '.join(casts)} FROM (SELECT {', '.join(columns)} FROM one)").fetchall()
    assert len(rows) == 2


def test_absent_columns_have_the_type_of_the_contract_and_their_default(connection):
    typed = typed_columns(contract("purchases"), ["order_id"])
    select = ", ".join(f'{sql} AS "{name}"' for name, sql in typed.items())
    types = ", ".join(f'typeof("{name}")' for name in typed)
    row, found = (
        connection.execute(f"SELECT {what} FROM (SELECT {select} FROM (SELECT 'O1' AS src_order_id))").fetchall()[0]
        for what in ("*", types)
    )
    assert list(found) == [column.type for column in contract("purchases").columns]
    assert dict(zip(typed, row, strict=True)) == dict.fromkeys(typed) | {"order_id": "O1", "line_no": 1}


def test_a_blank_line_number_is_the_default(typed):
    assert typed(contract("purchases"), {"line_no": ""})["line_no"] == 1
    assert typed(contract("purchases"), {"line_no": 7.0})["line_no"] == 7


def test_columns_that_are_never_loaded_are_not_typed():
    assert "text" not in typed_columns(contract("complaints"), ["text", "severity"])
