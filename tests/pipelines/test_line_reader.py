import gzip
import json
from datetime import date

import pytest

from data_contracts import contract
from pipelines.ingest import line_reader
from pipelines.ingest.loading import load

DAY = date(2024, 1, 10)
HEADER = "order_id,customer_id,ordered_at,amount,currency,channel\n"
FEW = "has fewer columns than the header: add the missing ones, empty where nothing is known"
MANY = "has more columns than the header: put values that hold commas in quotes"
ENCODING = "is no UTF-8 text: export the file as UTF-8"
OBJECT = '{"order_id":"O%s","customer_id":"C1","ordered_at":"2024-01-01","amount":1,"currency":"EUR"}\n'
QUOTE = "has a quote that is not closed or stands inside a value: close it, or write it twice"


def good(order_id: object, channel: str = "web") -> str:
    return f"O{order_id},C1,2024-01-01T10:00:00Z,1,EUR,{channel}\n"


@pytest.fixture
def told(warehouse, deliver):
    """What became of a delivery: accepted (order, row) and refused (row, reasons, line)."""

    def run(content: str | bytes, ending: str = "csv"):
        deliver("purchases", f"{DAY}.{ending}", content)
        report = load(warehouse, contract("purchases"), DAY, "run")
        assert report.failures == []
        assert report.rows_read == report.rows_accepted + report.rows_quarantined
        accepted = warehouse.run("select order_id, source_row from raw.purchases order by source_row")
        refused = warehouse.run("select source_row, reasons, record from quarantine.purchases order by source_row")
        return accepted, [(place, *reasons, json.loads(record).get("line")) for place, reasons, record in refused]

    return run


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("O2,C1,2024-01-01", FEW),
        ("O2", FEW),
        ("   ", FEW),
        ("O2,C1,2024-01-01,1,5,EUR,web", MANY),
        ('O2,C1,2024-01-01,1,EUR,"web', QUOTE),
        ('O2,C1,2024-01-01,1,EUR,"we"b', QUOTE),
        ('"O2,C1,2024-01-01,1,EUR,web', QUOTE),
    ],
)
def test_a_broken_line_costs_itself_only_and_stands_whole_in_quarantine(told, line, reason):
    accepted, refused = told(HEADER + good(1) + line + "\n" + good(3) + good(4))
    assert accepted == [("O1", 1), ("O3", 3), ("O4", 4)]
    assert refused == [(2, f"line 3 {reason}", line)]


@pytest.mark.parametrize("encoding", ["latin-1", "gb18030"])
@pytest.mark.parametrize("ending", ["csv", "csv.gz"])
def test_lines_in_another_encoding_are_refused_and_plain_ones_loaded(told, encoding, ending):
    text = HEADER + good(1) + good(2, "é中" if encoding == "gb18030" else "é") + good(3)
    content = text.encode(encoding)
    accepted, refused = told(gzip.compress(content) if ending == "csv.gz" else content, ending)
    assert accepted == [("O1", 1), ("O3", 3)]
    assert [(place, reason) for place, reason, _ in refused] == [(2, f"line 3 {ENCODING}")]
    shown = r"\xe9" if encoding == "latin-1" else r"\xa8\xa6\xd6\xd0"
    assert refused[0][2] == good(2, shown).strip()


def test_row_numbers_are_right_behind_broken_and_empty_lines_and_texts_of_many_lines(told):
    text = (
        HEADER
        + good(1)
        + "\n"
        + "short\n"
        + good(3, '"a ""b"", c"')
        + good(4, '"one\n\ntwo"')
        + "long,,,,,,,\n"
        + good(6)
    )
    accepted, refused = told(text)
    assert accepted == [("O1", 1), ("O3", 3), ("O6", 6)]
    assert [(place, reason) for place, reason, _ in refused] == [
        (2, f"line 4 {FEW}"),
        (4, "channel must not contain control characters (NUL, tab, line break): remove them"),
        (5, f"line 9 {MANY}"),
    ]


def test_row_numbers_do_not_depend_on_how_the_file_was_read(told):
    sound = HEADER + good(1) + "\n" + good(2) + good(3, '"a, b"')
    assert told(sound)[0] == [("O1", 1), ("O2", 2), ("O3", 3)]
    assert told(sound + "short\n")[0] == [("O1", 1), ("O2", 2), ("O3", 3)]


def test_an_unclosed_quote_does_not_swallow_the_rows_behind_it(told):
    text = HEADER + "".join(good(place) for place in range(5)) + 'O5,C1,"2024\n' + good(6) + good(7, '"web"') + good(8)
    accepted, refused = told(text)
    assert [order for order, _ in accepted] == ["O0", "O1", "O2", "O3", "O4", "O6", "O7", "O8"]
    assert refused == [(6, f"line 7 {QUOTE}", 'O5,C1,"2024')]


def test_lines_that_quotes_join_to_too_few_columns_are_refused_one_by_one(told):
    accepted, refused = told(HEADER + good(1) + 'O2,"C1\nmore",2024\n' + good(4))
    assert accepted == [("O1", 1), ("O4", 4)]
    assert refused == [(2, f"line 3 {QUOTE}", 'O2,"C1'), (3, f"line 4 {FEW}", 'more",2024')]


def test_a_text_of_many_lines_that_is_no_utf_8_is_refused_line_by_line(told):
    accepted, refused = told((HEADER + good(1) + good(2, '"caf\né"') + good(4)).encode("latin-1"))
    assert accepted == [("O1", 1), ("O4", 4)]
    assert [(place, reason) for place, reason, _ in refused] == [(2, f"line 3 {QUOTE}"), (3, f"line 4 {ENCODING}")]


def test_a_rejected_row_is_kept_alike_however_the_file_was_read(warehouse, deliver):
    bad = "O1,,2024-01-01,-1,EUR,\n"
    deliver("purchases", "2024-01-09.csv", HEADER + bad)
    deliver("purchases", f"{DAY}.csv", HEADER + bad + "short\n")
    load(warehouse, contract("purchases"), DAY, "run")
    records = warehouse.run("select record, reasons from quarantine.purchases where source_row = 1")
    assert records[0] == records[1]
    assert json.loads(records[0][0])["channel"] is None


@pytest.mark.parametrize("ending", ["csv", "ndjson"])
def test_a_byte_order_mark_is_no_part_of_a_broken_file(told, ending):
    text = OBJECT % 1 + OBJECT % "é" if ending == "ndjson" else HEADER + good(1) + good("é")
    accepted, refused = told(b"\xef\xbb\xbf" + text.encode("latin-1"), ending)
    assert accepted == [("O1", 1)]
    assert len(refused) == 1


def test_no_row_is_lost_behind_an_unclosed_quote_in_a_large_file(told):
    text = HEADER + "".join(good(place) for place in range(60_000))
    accepted, refused = told(text.replace("O30000,C1", 'O30000,"C1'))
    assert len(accepted) == 59_999
    assert [place for place, *_ in refused] == [30_001]


def test_files_of_mixed_line_ends_are_read(told):
    text = HEADER.replace("\n", "\r\n") + good(1) + good(2).replace("\n", "\r\n") + "\r\n" + good(3)
    assert told(text) == ([("O1", 1), ("O2", 2), ("O3", 3)], [])


def test_a_last_comma_too_many_is_no_column(told):
    assert told(HEADER + good(1).replace("\n", ",\n") + "short\n" + good(3).replace("\n", ",\n"))[0] == [
        ("O1", 1),
        ("O3", 3),
    ]


def test_a_quote_inside_a_value_without_quotes_is_part_of_it(told):
    assert told(HEADER + good(1, '5" disk') + "short\n")[0] == [("O1", 1)]


def test_a_line_that_is_far_too_long_is_refused(told, monkeypatch):
    accepted, refused = told(HEADER + good(1) + good(2, "x" * line_reader.LONGEST_LINE) + good(3))
    assert accepted == [("O1", 1), ("O3", 3)]
    reason = f"line 3 has more than {line_reader.LONGEST_LINE:,} characters: is a line break missing?"
    assert [(place, reason) for place, reason, _ in refused] == [(2, reason)]


def test_large_broken_files_are_read_in_parts(told, monkeypatch):
    monkeypatch.setattr(line_reader, "_ROWS_AT_ONCE", 3)
    accepted, refused = told(HEADER + "".join(good(place) for place in range(10)) + "short\n")
    assert [order for order, _ in accepted] == [f"O{place}" for place in range(10)]
    assert [place for place, *_ in refused] == [11]


@pytest.mark.parametrize("line", ['{"order_id":"O2"', "[1,2]", '"text"', "null", "O2,C1", '{"a":1}{"b":2}', "{'a': 1}"])
def test_a_line_that_is_no_json_object_is_refused(told, line):
    accepted, refused = told(OBJECT % 1 + line + "\n" + OBJECT % 3, "ndjson")
    assert accepted == [("O1", 1), ("O3", 3)]
    assert refused == [(2, "line 2 is no JSON object: write one object a line", line)]


def test_lines_of_ndjson_keep_their_numbers_behind_empty_ones(told):
    accepted, refused = told(OBJECT % 1 + "\n  \n" + OBJECT % 4 + "{\n" + OBJECT % 6, "ndjson")
    assert accepted == [("O1", 1), ("O4", 4), ("O6", 6)]
    assert [place for place, *_ in refused] == [5]


def test_ndjson_in_another_encoding_costs_its_lines_only(told):
    content = (OBJECT % 1 + "\n" + (OBJECT % "é") + "{\n" + OBJECT % 5).encode("latin-1")
    accepted, refused = told(content, "ndjson")
    assert accepted == [("O1", 1), ("O5", 5)]
    assert refused == [
        (3, f"line 3 {ENCODING}", (OBJECT % r"\xe9").strip()),
        (4, "line 4 is no JSON object: write one object a line", "{"),
    ]


def test_ndjson_of_mixed_line_ends_is_read(told):
    assert told(OBJECT % 1 + (OBJECT % 2).replace("\n", "\r\n") + OBJECT % 3, "ndjson")[0] == [
        ("O1", 1),
        ("O2", 2),
        ("O3", 3),
    ]


def test_chinese_reasons_stand_beside_the_english_ones(warehouse, deliver):
    deliver("purchases", f"{DAY}.csv", HEADER + "short\n" + 'O2,C1,2024,1,EUR,"web\n' + "a,b,c,d,e,f,g\n")
    deliver("purchases", "2024-01-09.ndjson", "{\n")
    load(warehouse, contract("purchases"), DAY, "run")
    assert warehouse.run("select reasons_zh from quarantine.purchases order by load_date, source_row") == [
        (["第 1 行不是 JSON 对象：每行写一个对象"],),
        (["第 2 行的列数少于表头：请补全，未知则留空"],),
        (["第 3 行的引号未闭合或出现在值的中间：请闭合引号，或将其写成两个"],),
        (["第 4 行的列数多于表头：含逗号的值请加引号"],),
    ]
