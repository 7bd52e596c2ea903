import gzip
import hashlib
import json
import os
from datetime import date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from data_contracts import contract
from pipelines.ingest.accepting import prepare
from pipelines.ingest.loading import load

D1, D2, D3 = date(2024, 1, 10), date(2024, 1, 11), date(2024, 1, 12)
FORMATS = ["parquet", "csv", "csv.gz", "ndjson"]
HEADER = "order_id,customer_id,ordered_at,amount,currency\n"


def row(order_id: str, amount: object = "1", **changes: str) -> str:
    values = {"order_id": order_id, "customer_id": "C1", "ordered_at": "2024-01-01T10:00:00Z"} | changes
    return f"{values['order_id']},{values['customer_id']},{values['ordered_at']},{amount},EUR\n"


def load_purchases(warehouse, as_of=D3, run_id="run"):
    return load(warehouse, contract("purchases"), as_of, run_id)


def loaded(warehouse, columns="order_id", source="purchases"):
    found = warehouse.run(f"select {columns} from raw.{source} order by load_date, source_file, source_row")
    return [values[0] if len(values) == 1 else values for values in found]


def quarantined(warehouse, columns="source_row, reasons", source="purchases"):
    return warehouse.run(f"select {columns} from quarantine.{source} order by load_date, source_file, source_row")


def ledger(warehouse, columns="file, rows_read, rows_accepted, rows_quarantined", source="purchases"):
    return warehouse.run(f"select {columns} from meta.loads where source = ? order by load_date, file", (source,))


@pytest.mark.parametrize("name", [f"2024-01-10.{ending}" for ending in FORMATS] + ["2024-01-10/part-0.csv"])
def test_every_format_is_read_and_accounted_for(warehouse, deliver, purchase, name):
    good = [purchase(order_id=f"O{place}") for place in range(3)]
    path = deliver("purchases", name, [good[0], purchase(order_id="bad", amount="-5"), *good[1:]])
    report = load_purchases(warehouse, run_id="run 7")
    assert loaded(warehouse, "order_id, amount, ordered_at, load_date, source_file, source_row") == [
        ("O0", 10.5, datetime(2024, 1, 1, 10), D1, f"purchases/{name}", 1),
        ("O1", 10.5, datetime(2024, 1, 1, 10), D1, f"purchases/{name}", 3),
        ("O2", 10.5, datetime(2024, 1, 1, 10), D1, f"purchases/{name}", 4),
    ]
    expected = ["amount must be at least 0 and at most 1000000000"]
    assert quarantined(warehouse, "source_file, source_row, reasons") == [(f"purchases/{name}", 2, expected)]
    assert (report.rows_read, report.rows_accepted, report.rows_quarantined, report.days) == (4, 3, 1, 1)
    print_ = hashlib.sha256(path.read_bytes()).hexdigest()
    kept = ledger(warehouse, "load_date, file, sha256, rows_read, rows_accepted, rows_quarantined, run_id")
    assert kept == [(D1, f"purchases/{name}", print_, 4, 3, 1, "run 7")]
    assert ledger(warehouse, "started_at <= finished_at") == [(True,)]


@pytest.mark.parametrize("ending", FORMATS)
def test_a_rejected_row_stands_whole_in_quarantine_with_every_reason(warehouse, deliver, purchase, ending):
    bad = purchase(order_id="O9", amount="-5", currency="euro", ordered_at="yesterday", channel="网店")
    deliver("purchases", f"2024-01-10.{ending}", [bad])
    load_purchases(warehouse)
    ((record, reasons, chinese),) = quarantined(warehouse, "record, reasons, reasons_zh")
    assert json.loads(record) == bad
    assert [reason.split()[0] for reason in reasons] == ["ordered_at", "amount", "currency"]
    assert [reason.split()[0] for reason in chinese] == ["ordered_at", "amount", "currency"]


@pytest.mark.parametrize("ending", FORMATS)
def test_times_as_text_are_utc_unless_they_carry_an_offset(warehouse, deliver, purchase, ending):
    texts = ["2024-01-01T10:00:00Z", "2024-01-01 10:00:00", "2024-01-01T18:00:00+08:00", "2024-01-01T05:00:00-05:00"]
    rows = [purchase(order_id=f"O{place}", ordered_at=text) for place, text in enumerate(texts)]
    deliver("purchases", f"2024-01-10.{ending}", rows)
    load_purchases(warehouse)
    assert loaded(warehouse, "ordered_at") == [datetime(2024, 1, 1, 10)] * 4


@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
@pytest.mark.parametrize(("zone", "hour"), [(None, 10), ("UTC", 10), ("Asia/Shanghai", 2)])
def test_typed_times_are_instants(warehouse, deliver, purchase, unit, zone, hour):
    frame = pl.DataFrame([purchase(ordered_at=datetime(2024, 1, 1, 10))])
    typed = frame.with_columns(
        pl.col("ordered_at").cast(pl.Datetime(unit)).dt.replace_time_zone(zone), pl.col("amount").cast(pl.Decimal(9, 2))
    )
    deliver("purchases", "2024-01-10.parquet", typed)
    load_purchases(warehouse)
    assert loaded(warehouse, "ordered_at, amount") == [(datetime(2024, 1, 1, hour), 10.5)]


def test_a_typed_day_is_its_first_moment(warehouse, deliver, purchase):
    deliver("purchases", "2024-01-10.parquet", pl.DataFrame([purchase(ordered_at=date(2024, 1, 1))]))
    load_purchases(warehouse)
    assert loaded(warehouse, "ordered_at") == [datetime(2024, 1, 1)]


def test_files_of_a_folder_are_one_delivery(warehouse, deliver, purchase):
    deliver("purchases", "2024-01-10/a.csv", [purchase(order_id="O1")])
    deliver("purchases", "2024-01-10/b.parquet", [purchase(order_id="O2")])
    deliver("purchases", "2024-01-10/c.ndjson", [purchase(order_id="O3")])
    report = load_purchases(warehouse)
    assert loaded(warehouse) == ["O1", "O2", "O3"]
    assert report.days == 1
    assert [row[0][-5:] for row in ledger(warehouse)] == ["a.csv", "rquet", "djson"]


def test_a_night_leaves_later_days_alone(warehouse, deliver, purchase):
    for day in (D1, D2, D3):
        deliver("purchases", f"{day}.csv", [purchase(order_id=f"O{day.day}")])
    assert load_purchases(warehouse, D2).days == 2
    assert loaded(warehouse) == ["O10", "O11"]
    assert load_purchases(warehouse, D3).days == 1
    assert loaded(warehouse) == ["O10", "O11", "O12"]


def test_a_night_of_an_earlier_day_keeps_what_later_nights_loaded(warehouse, deliver, purchase):
    deliver("purchases", f"{D3}.csv", [purchase(order_id="O12")])
    load_purchases(warehouse, D3)
    deliver("purchases", f"{D1}.csv", [purchase(order_id="O10")])
    load_purchases(warehouse, D1)
    assert loaded(warehouse) == ["O10", "O12"]


def test_an_unchanged_delivery_is_not_loaded_again(warehouse, deliver, purchase):
    path = deliver("purchases", f"{D1}.csv", [purchase()])
    load_purchases(warehouse, run_id="first")
    assert load_purchases(warehouse, run_id="second").days == 0
    os.utime(path, (1, 1))  # copied again: another time, the same bytes
    assert load_purchases(warehouse, run_id="third").days == 0
    assert ledger(warehouse, "run_id") == [("first",)]


def test_a_file_of_the_same_size_and_time_is_not_read_again(warehouse, deliver, purchase, monkeypatch):
    deliver("purchases", f"{D1}.csv", [purchase()])
    load_purchases(warehouse)
    monkeypatch.setattr(
        "pipelines.ingest.landing.LandingFile.sha256", lambda file: pytest.fail(f"{file.name} was read")
    )
    assert load_purchases(warehouse).days == 0


def test_a_changed_delivery_replaces_its_day_as_a_whole_and_no_other(warehouse, deliver, purchase):
    deliver("purchases", f"{D1}.csv", [purchase(order_id="kept")])
    deliver("purchases", f"{D2}.csv", [purchase(order_id="old 1"), purchase(order_id="old 2", amount="x")])
    load_purchases(warehouse, run_id="first")
    deliver("purchases", f"{D2}.csv", [purchase(order_id="new")])
    assert load_purchases(warehouse, run_id="second").days == 1
    assert loaded(warehouse) == ["kept", "new"]
    assert quarantined(warehouse) == []
    assert ledger(warehouse, "run_id, rows_read") == [("first", 1), ("second", 1)]


def test_a_delivery_in_another_format_takes_the_place_of_the_first(warehouse, deliver, purchase):
    path = deliver("purchases", f"{D1}.csv", [purchase(order_id="old")])
    load_purchases(warehouse)
    path.unlink()
    deliver("purchases", f"{D1}.parquet", [purchase(order_id="new")])
    load_purchases(warehouse)
    assert loaded(warehouse) == ["new"]
    assert ledger(warehouse, "file") == [("purchases/2024-01-10.parquet",)]


def test_a_further_file_of_a_day_loads_the_day_again(warehouse, deliver, purchase):
    deliver("purchases", f"{D1}/a.csv", [purchase(order_id="O1")])
    load_purchases(warehouse)
    deliver("purchases", f"{D1}/b.csv", [purchase(order_id="O2")])
    load_purchases(warehouse)
    assert loaded(warehouse) == ["O1", "O2"]


def test_days_that_were_loaded_stay_when_the_landing_zone_is_tidied(warehouse, deliver, purchase):
    deliver("purchases", f"{D1}.csv", [purchase()]).unlink()
    deliver("purchases", f"{D1}.csv", [purchase()])
    load_purchases(warehouse)
    (warehouse.settings.landing / "purchases" / f"{D1}.csv").unlink()
    assert load_purchases(warehouse).days == 0
    assert loaded(warehouse) == ["O1"]


def test_a_file_that_grows_while_it_is_read_is_loaded_again(warehouse, deliver, purchase, monkeypatch):
    path = deliver("purchases", f"{D1}.csv", HEADER + row("O1"))
    import pipelines.ingest.loading as loading

    read = loading._read

    def read_and_grow(*arguments):
        result = read(*arguments)
        with path.open("a") as stream:
            stream.write(row("O2"))
        return result

    monkeypatch.setattr(loading, "_read", read_and_grow)
    load_purchases(warehouse)
    monkeypatch.undo()
    load_purchases(warehouse)
    assert loaded(warehouse) == ["O1", "O2"]


def test_a_load_that_fails_leaves_the_warehouse_as_it_was(warehouse, deliver, purchase, monkeypatch):
    deliver("purchases", f"{D1}.csv", [purchase(order_id="old")])
    load_purchases(warehouse)
    deliver("purchases", f"{D1}.csv", [purchase(order_id="new")])

    def fail(*_):
        raise RuntimeError("power cut")

    monkeypatch.setattr("pipelines.ingest.accepting._keep_account", fail)
    with pytest.raises(RuntimeError, match="power cut"):
        load_purchases(warehouse)
    monkeypatch.undo()
    assert loaded(warehouse) == ["old"]
    assert load_purchases(warehouse).days == 1
    assert loaded(warehouse) == ["new"]


def test_a_missing_landing_folder_loads_nothing(warehouse):
    report = load_purchases(warehouse)
    assert (report.days, report.failures, report.strays) == (0, [], ())


def test_a_column_that_the_contract_does_not_name_is_kept_out_and_reported(warehouse, deliver, purchase):
    for ending, day in zip(FORMATS, range(10, 14), strict=True):
        deliver("purchases", f"2024-01-{day}.{ending}", [purchase(loyalty_no="7", amount="-5" if day == 11 else "1")])
    report = load_purchases(warehouse, date(2024, 1, 31))
    assert report.unknown_columns == {"loyalty_no": "purchases/2024-01-10.parquet"}
    names = [name for (name,) in warehouse.run("select column_name from duckdb_columns() where table_name='purchases'")]
    assert "loyalty_no" not in names
    assert "loyalty_no" not in quarantined(warehouse, "record")[0][0]


def test_free_text_that_scoring_does_not_need_never_enters_the_warehouse(warehouse, deliver):
    complaint = {
        "complaint_id": "K1",
        "customer_id": "C1",
        "opened_at": "2024-01-02",
        "category": "delivery",
        "severity": "9",
        "text": "my neighbour Anna\nsaid",
    }
    deliver("complaints", f"{D1}.csv", [complaint, complaint | {"severity": "2"}])
    report = load(warehouse, contract("complaints"), D1, "run")
    assert report.unknown_columns == {}
    assert (report.rows_accepted, report.rows_quarantined) == (1, 1)
    assert "Anna" not in quarantined(warehouse, "record", "complaints")[0][0]
    assert loaded(warehouse, "source_row", "complaints") == [2]


BAD_VALUES = [
    ("amount", "-5", "amount must be at least 0 and at most 1000000000"),
    ("amount", "1e300", "amount must be at least 0 and at most 1000000000"),
    ("amount", "NaN", "amount is not a finite number (NaN or infinity): write a number"),
    (
        "amount",
        "12,50",
        "amount is not a number: write digits with a point as decimal sign and no thousands separator, e.g. 1234.5",
    ),
    ("amount", None, "amount is missing: every row needs it"),
    ("line_no", "one", "line_no is not a whole number: write digits only, e.g. 3"),
    ("customer_id", "  ", "customer_id is missing: every row needs it"),
    (
        "customer_id",
        "x" * 10_000,
        "customer_id must be at most 200 characters long: is a separator or a quote missing?",
    ),
    (
        "customer_id",
        "C\x001",
        "customer_id must not contain control characters (NUL, tab, line break): remove them",
    ),
    (
        "ordered_at",
        "2024-01-11T00:00:00Z",
        "ordered_at must not lie after the delivery day: check time zone and order of day and month",
    ),
    (
        "ordered_at",
        "31/12/2023",
        "ordered_at is not a time: write it in UTC or with its offset, e.g. 2024-12-31T23:59:59+08:00",
    ),
]


@pytest.mark.parametrize("ending", FORMATS)
def test_a_bad_value_costs_its_row_only_and_says_why(warehouse, deliver, purchase, ending):
    rows = [purchase(order_id="first", line_no="1")]
    rows += [purchase(order_id=f"bad {n}", line_no="1") | {name: v} for n, (name, v, _) in enumerate(BAD_VALUES)]
    deliver("purchases", f"{D1}.{ending}", [*rows, purchase(order_id="last", line_no="1")])
    load_purchases(warehouse)
    assert loaded(warehouse, "order_id, source_row") == [("first", 1), ("last", len(BAD_VALUES) + 2)]
    refused = quarantined(warehouse, "source_row, reasons, record")
    assert [(row, reasons[0]) for row, reasons, _ in refused] == [
        (place, reason) for place, (_, _, reason) in enumerate(BAD_VALUES, start=2)
    ]
    for (_, _, record), bad in zip(refused, rows[1:], strict=True):
        kept = {name: (value or "").strip() for name, value in json.loads(record).items()}
        assert kept == {name: (value or "").strip() for name, value in bad.items()}


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -5.0, 1e300])
def test_bad_numbers_of_a_typed_file_are_kept_as_json_that_can_be_read(warehouse, deliver, purchase, value):
    deliver("purchases", f"{D1}.parquet", pl.DataFrame([purchase(amount=value), purchase(order_id="good", amount=1.0)]))
    load_purchases(warehouse)
    assert loaded(warehouse) == ["good"]
    ((record,),) = quarantined(warehouse, "record")
    assert float(json.loads(record)["amount"]) == pytest.approx(value, nan_ok=True)


ODD_COLUMNS = [
    pl.Series([b"\xff\x00"]),
    pl.Series([timedelta(days=1)]),
    pl.Series([date(2024, 1, 1)]),
    pl.Series([True]),
    pl.Series(["x"], dtype=pl.Categorical),
    pl.Series([None], dtype=pl.Null),
]


@pytest.mark.parametrize("column", ["amount", "ordered_at", "line_no", "customer_id"])
def test_no_type_of_a_parquet_column_stops_a_load(warehouse, deliver, purchase, column):
    for place, values in enumerate(ODD_COLUMNS):
        frame = pl.DataFrame([purchase(line_no=1)]).with_columns(values.alias(column))
        deliver("purchases", f"{D1 + timedelta(days=place)}.parquet", frame)
    report = load_purchases(warehouse, date(2024, 2, 1))
    assert report.failures == []
    assert report.rows_read == report.rows_accepted + report.rows_quarantined == len(ODD_COLUMNS)


def test_of_two_rows_with_one_key_in_one_file_the_first_is_kept(warehouse, deliver):
    deliver("purchases", f"{D1}.csv", HEADER + row("O1", 1) + row("O2", 2) + row("O1", 3))
    load_purchases(warehouse)
    assert loaded(warehouse, "order_id, amount") == [("O1", 1), ("O2", 2)]
    reason = "order_id + line_no stands in this delivery already; keep one row a key"
    ((place, reasons, record),) = quarantined(warehouse, "source_row, reasons, record")
    assert (place, reasons) == (3, [reason])
    assert json.loads(record)["amount"] == "3.0"


def test_of_two_rows_with_one_key_in_two_files_of_a_day_the_first_is_kept(warehouse, deliver):
    deliver("purchases", f"{D1}/a.csv", HEADER + row("O1", 1))
    deliver("purchases", f"{D1}/b.csv", HEADER + row("O1", 2))
    load_purchases(warehouse)
    assert loaded(warehouse, "order_id, amount") == [("O1", 1)]
    assert quarantined(warehouse, "source_file, source_row") == [(f"purchases/{D1}/b.csv", 1)]
    assert ledger(warehouse) == [(f"purchases/{D1}/a.csv", 1, 1, 0), (f"purchases/{D1}/b.csv", 1, 0, 1)]


def test_a_key_that_is_repeated_on_two_days_is_kept_once_on_each(warehouse, deliver):
    deliver("purchases", f"{D1}.csv", HEADER + row("O1", 1) + row("O1", 2))
    deliver("purchases", f"{D2}.csv", HEADER + row("O1", 3) + row("O1", 4))
    load_purchases(warehouse)
    assert loaded(warehouse, "amount") == [1, 3]


def test_a_rejected_row_does_not_block_a_good_one_with_its_key(warehouse, deliver):
    deliver("purchases", f"{D1}.csv", HEADER + row("O1", -1) + row("O1", 2))
    load_purchases(warehouse)
    assert loaded(warehouse, "order_id, amount") == [("O1", 2)]


def test_a_rejected_row_keeps_its_own_reason_beside_repeated_good_ones(warehouse, deliver):
    deliver("purchases", f"{D1}.csv", HEADER + row("O1", -1) + row("O1", 2) + row("O1", 3))
    load_purchases(warehouse)
    assert loaded(warehouse, "order_id, amount") == [("O1", 2)]
    assert [reasons[0].split()[0] for _, reasons in quarantined(warehouse)] == ["amount", "order_id"]


def test_the_same_key_on_another_day_is_a_correction_and_kept(warehouse, deliver):
    deliver("purchases", f"{D1}.csv", HEADER + row("O1", 1))
    deliver("purchases", f"{D2}.csv", HEADER + row("O1", 2))
    load_purchases(warehouse)
    assert loaded(warehouse, "amount") == [1, 2]
    assert quarantined(warehouse) == []


def test_the_delivery_day_ends_in_the_business_time_zone(open_warehouse, deliver, purchase):
    late, later = purchase(ordered_at="2024-01-10T15:59:59Z"), purchase(order_id="O2", ordered_at="2024-01-10T16:00Z")
    deliver("purchases", f"{D1}.csv", [late, later])
    warehouse = open_warehouse(time_zone="Asia/Shanghai")
    load_purchases(warehouse)
    assert loaded(warehouse) == ["O1"]


FAILS = {
    "empty file": (
        f"{D1}.csv",
        b"",
        "purchases/2024-01-10.csv: is empty; deliver it again with a header line, even where there are no rows",
    ),
    "empty gzip": (
        f"{D1}.csv.gz",
        gzip.compress(b""),
        "purchases/2024-01-10.csv.gz: is empty; deliver it again with a header line, even where there are no rows",
    ),
    "semicolons": (
        f"{D1}.csv",
        HEADER.replace(",", ";").encode(),
        "purchases/2024-01-10.csv line 1: columns are separated by semicolons; export the file with commas",
    ),
    "tabs": (
        f"{D1}.csv",
        HEADER.replace(",", "\t").encode(),
        "purchases/2024-01-10.csv line 1: columns are separated by tabs; export the file with commas",
    ),
    "utf-16": (
        f"{D1}.csv",
        (HEADER + row("O1")).encode("utf-16"),
        "purchases/2024-01-10.csv line 1: is no UTF-8 text; export the file as UTF-8",
    ),
    "utf-16 without mark": (
        f"{D1}.csv",
        (HEADER + row("O1")).encode("utf-16-be"),
        "purchases/2024-01-10.csv line 1: is no UTF-8 text; export the file as UTF-8",
    ),
    "utf-16 ndjson": (
        f"{D1}.ndjson",
        '{"order_id":"O1"}\n'.encode("utf-16"),
        "purchases/2024-01-10.ndjson line 1: is no UTF-8 text; export the file as UTF-8",
    ),
    "gb18030 header": (
        f"{D1}.csv",
        ("订单," + HEADER).encode("gb18030"),
        "purchases/2024-01-10.csv line 1: is no UTF-8 text; export the file as UTF-8",
    ),
    "column twice": (
        f"{D1}.csv",
        ("amount," + HEADER).encode(),
        "purchases/2024-01-10.csv line 1: column 'amount' stands there twice; rename one of them",
    ),
    "missing column": (
        f"{D1}.csv",
        b"order_id,customer_id,ordered_at,amount\nO1,C1,2024-01-01,1\n",
        "purchases/2024-01-10.csv: column currency is missing (columns found: order_id, customer_id, ordered_at,"
        " amount); add it to the file",
    ),
    "no parquet": (
        f"{D1}.parquet",
        b"order_id,amount\n",
        "purchases/2024-01-10.parquet: cannot be read as parquet (does not begin like a Parquet file);"
        " deliver it again",
    ),
    "no gzip": (
        f"{D1}.csv.gz",
        HEADER.encode(),
        "purchases/2024-01-10.csv.gz: cannot be read as csv.gz (is no gzip file); deliver it again",
    ),
}


@pytest.mark.parametrize(("name", "content", "line"), FAILS.values(), ids=FAILS.keys())
def test_an_unreadable_file_fails_its_day_with_one_line(warehouse, deliver, purchase, name, content, line):
    deliver("purchases", name, content)
    deliver("purchases", f"{D2}.csv", [purchase(order_id="next day")])
    report = load_purchases(warehouse)
    assert [english for english, _ in report.failures] == [line]
    assert [chinese.isascii() for _, chinese in report.failures] == [False]
    assert loaded(warehouse) == ["next day"]
    assert ledger(warehouse, "load_date") == [(D2,)]


def half(content: bytes) -> bytes:
    return content[: len(content) // 2]


def damaged(content: bytes) -> bytes:
    return content[:-6] + bytes([content[-6] ^ 255]) + content[-5:]


def scrambled(content: bytes) -> bytes:
    return content[:40] + b"\xff" * 40 + content[80:]


@pytest.mark.parametrize("tear", [half, damaged, scrambled])
def test_a_torn_gzip_fails_its_day_and_leaves_what_was_loaded(warehouse, deliver, tear):
    good = gzip.compress((HEADER + "".join(row(f"O{place}", place) for place in range(500))).encode())
    deliver("purchases", f"{D1}.csv.gz", good)
    load_purchases(warehouse)
    deliver("purchases", f"{D1}.csv.gz", tear(good))
    deliver("purchases", f"{D2}.csv", HEADER + row("next day"))
    report = load_purchases(warehouse)
    assert len(report.failures) == 1
    assert report.failures[0][0].startswith(f"purchases/{D1}.csv.gz: cannot be read as csv.gz (")
    assert report.failures[0][0].endswith("); deliver it again")
    assert len(loaded(warehouse)) == 501


@pytest.mark.parametrize("tear", [half, lambda content: content[:4] + b"\x00" * 200 + content[204:]])
def test_a_torn_parquet_file_fails_its_day_and_leaves_what_was_loaded(warehouse, deliver, purchase, tear):
    path = deliver("purchases", f"{D1}.parquet", [purchase(order_id=f"O{place}") for place in range(500)])
    load_purchases(warehouse)
    deliver("purchases", f"{D1}.parquet", tear(path.read_bytes()))
    deliver("purchases", f"{D2}.parquet", [purchase(order_id="next day")])
    report = load_purchases(warehouse)
    assert len(report.failures) == 1
    assert report.failures[0][0].startswith(f"purchases/{D1}.parquet: cannot be read as parquet (")
    assert "\n" not in report.failures[0][0]
    assert len(loaded(warehouse)) == 501


def test_one_unreadable_file_of_a_folder_fails_the_whole_day(warehouse, deliver, purchase):
    deliver("purchases", f"{D1}/a.csv", [purchase(order_id="O1")])
    deliver("purchases", f"{D1}/b.parquet", b"torn")
    assert len(load_purchases(warehouse).failures) == 1
    assert loaded(warehouse) == []
    deliver("purchases", f"{D1}/b.parquet", [purchase(order_id="O2")])
    assert load_purchases(warehouse).failures == []
    assert loaded(warehouse) == ["O1", "O2"]


def test_an_unreadable_file_of_one_source_is_no_matter_of_another(warehouse, deliver, purchase):
    deliver("churn", f"{D1}.csv", b"")
    deliver("purchases", f"{D1}.csv", [purchase()])
    assert load(warehouse, contract("churn"), D1, "run").failures
    assert load_purchases(warehouse).rows_accepted == 1


@pytest.mark.parametrize("name", ["file_index", "FILE_ROW_NUMBER"])
def test_a_parquet_column_that_would_hide_row_numbers_is_refused(warehouse, deliver, purchase, name):
    deliver("purchases", f"{D1}.parquet", [purchase() | {name: 3}])
    ((line, _),) = load_purchases(warehouse).failures
    assert line == f"purchases/{D1}.parquet: a column cannot be called {name.lower()}; rename it or leave it out"


@pytest.mark.parametrize("ending", FORMATS)
def test_a_delivery_without_rows_is_accounted_for(warehouse, deliver, purchase, ending):
    empty = {"parquet": pl.DataFrame([purchase()]).clear(), "ndjson": b"", "csv": HEADER}
    deliver("purchases", f"{D1}.{ending}", empty.get(ending) if ending in empty else gzip.compress(HEADER.encode()))
    report = load_purchases(warehouse)
    assert (report.failures, report.days) == ([], 1)
    assert ledger(warehouse) == [(f"purchases/{D1}.{ending}", 0, 0, 0)]


def test_a_header_without_a_line_end_is_a_header(warehouse, deliver):
    deliver("purchases", f"{D1}.csv", HEADER.strip())
    assert load_purchases(warehouse).failures == []


def test_a_byte_order_mark_and_windows_line_ends_are_no_obstacle(warehouse, deliver):
    deliver("purchases", f"{D1}.csv", b"\xef\xbb\xbf" + (HEADER + row("O1")).replace("\n", "\r\n").encode())
    deliver("purchases", f"{D2}.ndjson", b"\xef\xbb\xbf" + b'{"order_id": "O2"}\r\n')
    load_purchases(warehouse)
    assert loaded(warehouse) == ["O1"]
    assert quarantined(warehouse, "record->>'order_id'") == [("O2",)]


def test_folders_that_look_like_partitions_or_patterns_change_nothing(tmp_path, deliver, purchase):
    from pipelines.settings import Settings
    from pipelines.warehouse import Warehouse

    for name in ("2024-01-10.parquet", "2024-01-11.csv", "2024-01-12.ndjson"):
        path = deliver("purchases", name, [purchase(order_id=name)])
        place = tmp_path / "currency=USD" / "it's (1)" / "purchases" / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(path.read_bytes())
    with Warehouse(Settings(landing=tmp_path / "currency=USD" / "it's (1)", warehouse=tmp_path / "w")) as warehouse:
        report = load_purchases(warehouse)
        assert (report.failures, report.unknown_columns) == ([], {})
        assert loaded(warehouse, "currency") == ["EUR"] * 3


def test_a_file_name_in_capitals_is_read_like_any_other(warehouse, deliver):
    deliver("purchases", f"{D1}.CSV.GZ", gzip.compress((HEADER + row("O1")).encode()))
    assert load_purchases(warehouse).rows_accepted == 1


def test_keys_of_ndjson_may_come_and_go(warehouse, deliver):
    good = '{"order_id":"%s","customer_id":7,"ordered_at":"2024-01-01","amount":1.5,"currency":"EUR"%s}\n'
    lines = good % ("O1", "") + good % ("O2", ',"quantity":2') + '{"order_id":"O3"}\n'
    deliver("purchases", f"{D1}.ndjson", lines)
    load_purchases(warehouse)
    assert loaded(warehouse, "order_id, customer_id, amount, quantity") == [("O1", "7", 1.5, None), ("O2", "7", 1.5, 2)]
    assert quarantined(warehouse)[0][1][0] == "customer_id is missing: every row needs it"


def test_tables_are_there_before_anything_was_delivered(warehouse):
    for source in ("purchases", "churn"):
        prepare(warehouse, contract(source))
        prepare(warehouse, contract(source))
        assert loaded(warehouse, "*", source) == quarantined(warehouse, source=source) == []
    assert not Path(warehouse.settings.landing).exists()
