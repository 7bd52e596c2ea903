import traceback

import duckdb
import polars as pl
import pytest

from pipelines.storage.redaction import without_values

MARK = "Zq7Mustermann"
VALUES = {
    "plain": MARK,
    "apostrophe": f"it's {MARK}'s",
    "quotes": f'the "{MARK}" of "old"',
    "both": f"""'{MARK}"'"{MARK}'""",
    "lines": f"first\n{MARK}\n\nLINE 1: {MARK}",
    "like a message": f"x' to {MARK} when casting from source column {MARK}",
    "like a type": f"x' to INT32 {MARK}",
    "like a type of its own": f"x' to {MARK.upper()}\n\nLINE 1: x",
    "chinese": f"王{MARK}小明",
    "path": f"/etc/{MARK}",
}
QUESTIONS = {
    "a number": "select cast(v as double) from raw.thing",
    "a day": "select cast(v as date) from raw.thing",
    "a moment": "select cast(v as timestamptz) from raw.thing",
    "an interval": "select cast(v as interval) from raw.thing",
    "a list": "select cast([v] as int[]) from raw.thing",
    "a structure": "select cast({'a': v} as struct(a int)) from raw.thing",
    "one of some": "select cast(v as enum('a', 'b')) from raw.thing",
    "a uuid": "select cast(v as uuid) from raw.thing",
    "json": "select json_extract('{' || v, '$.a') from raw.thing",
    "a format": "select strptime(v, '%Y') from raw.thing",
    "its own error": "select error(v) from raw.thing",
    "a pattern": "select regexp_matches(v, '[' || v) from raw.thing",
    "a time zone": "select now() at time zone v from raw.thing",
    "a key": "create table raw.keyed (v varchar unique); insert into raw.keyed from raw.thing union all from raw.thing",
    "a parameter": "select cast(? as double)",
    "a condition": "create table raw.checked (v varchar check (v = 'a')); insert into raw.checked from raw.thing",
}


def everything(error):
    """All that an error and those behind it say."""
    told = "".join(traceback.format_exception(error))
    while error is not None:
        told += f"{error!r} {error} {error.args}"
        error = error.__cause__ or error.__context__
    return told


def fails(call, *arguments):
    with pytest.raises(duckdb.Error) as caught:
        call(*arguments)
    return caught.value


@pytest.mark.parametrize("through", ["run", "records", "value", "cursor"])
@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.parametrize("value", VALUES)
def test_an_error_holds_no_value(warehouse, value, question, through):
    with warehouse.offered(pl.DataFrame({"v": [VALUES[value]]})) as view:
        warehouse.run(f"create table raw.thing as from {view}")
    ask = warehouse.cursor().execute if through == "cursor" else getattr(warehouse, through)
    error = fails(ask, QUESTIONS[question], [VALUES[value]] if question == "a parameter" else [])
    assert MARK.lower() not in everything(error).lower()
    assert str(error).split(":")[0] in ("Conversion Error", "Invalid Input Error", "Constraint Error") or (
        question == "a time zone"
    )


def test_a_frame_that_cannot_be_made_holds_no_value(warehouse):
    with warehouse.offered(pl.DataFrame({"v": [MARK]})) as view:
        error = fails(warehouse.frame, f"select cast(v as double) from {view}")
    assert MARK not in everything(error)


def test_a_row_that_a_table_refuses_is_not_told(warehouse):
    warehouse.run("create table scores.thing (v double not null, w varchar)")
    for frame in (pl.DataFrame({"v": [MARK]}), pl.DataFrame({"v": [None], "w": [MARK]})):
        assert MARK not in everything(fails(warehouse.replace_part, "scores.thing", frame, "true"))


def test_a_line_that_is_no_csv_is_not_told(warehouse, landing):
    landing.mkdir()
    file = landing / "a.csv"
    file.write_text(f'a,b\n1,"{MARK}\n2,x,{MARK}\n')
    types = "{'a': 'VARCHAR', 'b': 'VARCHAR'}"
    error = fails(warehouse.run, f"from read_csv('{file}', columns = {types}, auto_detect = false, header = true)")
    assert str(error) == "Invalid Input Error: CSV Error on Line: 2, unterminated quote"
    assert MARK not in everything(error)


def test_large_numbers_are_not_told(warehouse):
    warehouse.run("create temp table thing as select 4242424242 as v, 9223372036854775807 as w")
    for question in ("select v::tinyint from thing", "select v + w from thing", "select chr(v::int) from thing"):
        assert "4242" not in everything(fails(warehouse.run, question))


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        (
            "select cast(v as double) from (select 'x' as v)",
            "Conversion Error: Could not convert string …, to DOUBLE, column v",
        ),
        (
            "select 300::tinyint",
            "Conversion Error: Type INT32 with value …, to INT8",
        ),
        (
            "create temp table t (a int not null); insert into t values (null)",
            "Constraint Error: NOT NULL constraint failed: t.a",
        ),
        (
            "create temp table t (a int check (a > 1)); insert into t values (0)",
            'Constraint Error: CHECK constraint failed on table "t"',
        ),
        (
            "create temp table t (a int primary key); insert into t values (1); insert into t values (1)",
            "Constraint Error: Duplicate key …",
        ),
        (
            "select (select unnest([1, 2]))",
            "Invalid Input Error: More than one row returned by a subquery used as an expression"
            " - scalar subqueries can only return a single row. …",
        ),
        ("select 'a' 'b' 'c", "Parser Error: unterminated string …"),
        ("from nowhere", "Catalog Error: Table with name nowhere does not exist!"),
        ("select a from (select 1 as b)", 'Binder Error: Referenced column "a" not found in FROM clause!'),
        ("from read_csv('{folder}/none.csv')", 'IO Error: No files found that match the pattern "{folder}/none.csv"'),
        (
            "from read_text('/etc/passwd')",
            'Permission Error: Cannot access file "/etc/passwd" - file system operations are disabled by configuration',
        ),
        (
            "from read_parquet('{folder}/no parquet')",
            "Invalid Input Error: No magic bytes found at end of file '{folder}/no parquet'",
        ),
    ],
)
def test_what_is_left_of_an_error_still_helps(warehouse, landing, statement, told):
    landing.mkdir()
    (landing / "no parquet").write_bytes(b"x" * 100)
    assert str(fails(warehouse.run, statement.format(folder=landing))) == told.format(folder=landing)


def test_an_error_that_nobody_has_thought_of_says_its_kind_only():
    assert without_values("InvalidInputException", f"Invalid Input Error: {MARK} is odd") == "Invalid Input Error:  …"
    assert without_values("NewException", f"{MARK} is odd") == "NewException:  …"


def test_a_full_disk_is_told_whatever_else_an_error_says():
    text = f'FATAL Error: Failed because of {MARK}. Original error: "write: No space left on device"'
    assert without_values("FatalException", text) == "FATAL Error: Failed because of …, no space left on device"


def test_only_files_that_exist_are_named(tmp_path):
    text = f"Invalid Input Error: File '{tmp_path}/{MARK}' too small to be a Parquet file"
    assert MARK not in without_values("InvalidInputException", text, folders=[tmp_path])
    (tmp_path / MARK).write_text("")
    assert without_values("InvalidInputException", text, folders=[tmp_path]) == text


def test_no_other_error_stands_behind_one_that_was_redacted(warehouse):
    error = fails(warehouse.run, "select cast(? as timestamp)", [MARK])
    assert (error.__cause__, error.__context__) == (None, None)


def test_an_error_of_great_expectations_holds_no_value(warehouse):
    import great_expectations.expectations as gxe

    from pipelines.checks.contract_checks import _run_suite

    warehouse.run("create table raw.thing (v varchar)")
    warehouse.run("insert into raw.thing values (?)", (MARK,))
    query = "select * from {batch} where cast(v as double) > 0"
    with pytest.raises(RuntimeError, match="could not be evaluated") as caught:
        _run_suite(warehouse, "raw.thing", [gxe.UnexpectedRowsExpectation(unexpected_rows_query=query)])
    assert MARK not in everything(caught.value)
    assert "Could not convert string …, to DOUBLE" in str(caught.value)
