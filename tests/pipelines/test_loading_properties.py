import gzip
import json
import shutil
from datetime import date, datetime

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data_contracts import contract
from pipelines.checks.contract_checks import verify
from pipelines.ingest.loading import load
from pipelines.warehouse import Warehouse

PURCHASES = contract("purchases")
DAY = date(2024, 1, 10)
FEW = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
HEADER = "order_id,line_no,customer_id,ordered_at,amount,currency,return_reason,delivered_at\n"

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
amounts = st.one_of(
    st.floats(), st.integers(-10, 10**12), st.sampled_from(["-5", "NaN", "1e300", "1,5", "", " 7 "]), text
)
times = st.one_of(
    st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1)).map(str),
    st.sampled_from(["2024-01-01", "2024-01-01T10:00:00+08:00", "2024-01-10T23:59:59.999999", "infinity", "now", ""]),
    text,
)
rows = st.fixed_dictionaries(
    {
        "order_id": st.one_of(st.sampled_from(["O1", "O2", "O3", " O1 "]), text),
        "line_no": st.sampled_from(["1", "2", "", "-1", "1.0", "x", "99999999999999999999"]),
        "customer_id": st.one_of(st.sampled_from(["C1", "C" * 300]), text),
        "ordered_at": times,
        "amount": amounts,
        "currency": st.sampled_from(["EUR", "USD", "euro", ""]),
        "return_reason": text,
        "delivered_at": times,
    }
)


@pytest.fixture
def emptied(warehouse):
    """Clears the landing zone and the warehouse between examples."""

    def run() -> None:
        shutil.rmtree(warehouse.settings.landing, ignore_errors=True)
        if warehouse.has_table("meta.loads"):
            warehouse.run("truncate meta.loads; truncate raw.purchases; truncate quarantine.purchases")

    return run


def every_row_is_accounted_for(warehouse: Warehouse) -> None:
    report = load(warehouse, PURCHASES, DAY, "run")
    accepted = warehouse.value("select count(*) from raw.purchases")
    refused = warehouse.run("select reasons, reasons_zh, record from quarantine.purchases")
    assert (report.rows_read, report.rows_accepted, report.rows_quarantined) == (
        accepted + len(refused),
        accepted,
        len(refused),
    )
    assert all(
        english and len(english) == len(chinese) and json.loads(record) is not None
        for english, chinese, record in refused
    )
    assert all("\n" not in line for texts in report.failures for line in texts)
    places = "select source_file, source_row from raw.purchases union all"
    places += " select source_file, source_row from quarantine.purchases"
    assert warehouse.run(f"from ({places}) select source_file, source_row group by all having count(*) > 1") == []


def frame(delivered: list[dict[str, object]]) -> pl.DataFrame:
    texts = [{name: str(value) for name, value in row.items()} for row in delivered]
    return pl.DataFrame(texts, schema=dict.fromkeys(HEADER.strip().split(","), pl.String))


@FEW
@given(st.lists(rows, max_size=8), st.sampled_from(["parquet", "csv", "csv.gz", "ndjson"]))
def test_whatever_rows_hold_each_is_accepted_or_refused(warehouse, deliver, emptied, delivered, ending):
    emptied()
    deliver("purchases", f"{DAY}.{ending}", frame(delivered))
    every_row_is_accounted_for(warehouse)
    assert warehouse.value("select sum(rows_read) from meta.loads") == len(delivered)


@FEW
@given(st.lists(st.one_of(st.binary(max_size=30), st.sampled_from([b"O1,1,C1,2024-01-01,1,EUR,,", b'O2,"', b"\n"]))))
def test_whatever_bytes_stand_below_a_header_each_row_is_accepted_or_refused(warehouse, deliver, emptied, lines):
    emptied()
    deliver("purchases", f"{DAY}.csv", HEADER.encode() + b"\n".join(lines))
    every_row_is_accounted_for(warehouse)


@FEW
@given(
    st.one_of(st.binary(max_size=60), text.map(str.encode), st.binary(max_size=60).map(gzip.compress)),
    st.sampled_from(["parquet", "csv", "csv.gz", "ndjson"]),
)
def test_whatever_bytes_a_file_holds_it_is_loaded_or_refused_in_one_line(warehouse, deliver, emptied, content, ending):
    emptied()
    deliver("purchases", f"{DAY}.{ending}", content)
    every_row_is_accounted_for(warehouse)


@FEW
@given(
    st.lists(st.one_of(st.binary(max_size=20), st.sampled_from([b"{}", b'{"amount":NaN}', b'{"order_id":{"a":[1]}}'])))
)
def test_whatever_lines_an_ndjson_file_has_each_is_accepted_or_refused(warehouse, deliver, emptied, lines):
    emptied()
    deliver("purchases", f"{DAY}.ndjson", b"\n".join(lines))
    every_row_is_accounted_for(warehouse)


@settings(FEW, max_examples=2)
@given(st.lists(rows, min_size=15, max_size=30))
def test_accepted_rows_keep_their_contract(warehouse, deliver, emptied, delivered):
    emptied()
    good = {"order_id": "good", "customer_id": "C1", "ordered_at": "2024-01-01", "amount": "1", "currency": "EUR"}
    deliver("purchases", f"{DAY}.ndjson", frame([*delivered, good]))
    every_row_is_accounted_for(warehouse)
    assert [found for found in verify(warehouse, PURCHASES, "raw") if not found.is_passed] == []
