# Each row of the table of drifts in docs/landing-files.md, under the words it has there.

import re
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest

from data_contracts import contract
from pipelines.checks.delivery_checks import delivery_findings
from pipelines.ingest.loading import load

DAY = date(2024, 1, 10)
DOCS = Path(__file__).resolve().parents[2] / "docs"
FILE = f"purchases/{DAY}"
LEFT_OUT = "is not in the contract and was not loaded"
HEADER = "order_id,customer_id,ordered_at,amount,currency\n"
VALUES = "O1,C1,2024-01-01T10:00:00Z,10.5,EUR\n"
AT_TEN = datetime(2024, 1, 1, 10)


@dataclass
class Drift:
    delivered: object
    columns: str = "order_id"
    loaded: tuple = ("O1",)
    refused_row: str | None = None
    refused_file: str | None = None
    warning: str | None = None
    ending: str = "parquet"
    source: str = "purchases"


def frame(**changes: object) -> pl.DataFrame:
    good = {"order_id": "O1", "customer_id": "C1", "ordered_at": AT_TEN, "amount": 10.5, "currency": "EUR"}
    return pl.DataFrame({name: [value] for name, value in (good | changes).items()}, strict=False)


def text(header: str = HEADER, values: str = VALUES, **changes: object) -> Drift:
    return Drift(header + values, ending="csv", **changes)


def no_file(line: str) -> dict[str, object]:
    return {"loaded": (), "refused_file": line}


def no_row(reason: str) -> dict[str, object]:
    return {"loaded": (), "refused_row": reason}


DRIFTS = {
    "An optional column is absent": Drift(frame(), "channel", (None,)),
    "An absent column that has a default": Drift(frame(), "line_no", (1,)),
    "A required column is absent": text(
        HEADER.replace(",currency", ""),
        VALUES.replace(",EUR", ""),
        **no_file(
            f"{FILE}.csv: column currency is missing (columns found: order_id, customer_id, ordered_at, amount);"
            " add it to the file"
        ),
    ),
    "A column that nobody agreed on": Drift(
        frame(loyalty_no="7"), warning=f"{FILE}.parquet: column 'loyalty_no' {LEFT_OUT}; add it there if it is needed"
    ),
    "A column whose name is like an agreed one": Drift(
        frame(chanel="web"),
        "channel",
        (None,),
        warning=f"{FILE}.parquet: column 'chanel' {LEFT_OUT}; is it channel? rename it, or add it",
    ),
    "A required column was renamed": text(
        HEADER.replace("customer_id", "customerid"),
        **no_file(f"{FILE}.csv: column customer_id is missing; is 'customerid' meant? rename it to customer_id"),
    ),
    "A required column is spelt with other capitals": text(
        HEADER.title(),
        **no_file(f"{FILE}.csv: column order_id is missing; is 'Order_Id' meant? rename it to order_id"),
    ),
    "An optional column is spelt with other capitals": Drift(
        frame(CHANNEL="web"),
        "channel",
        (None,),
        warning=f"{FILE}.parquet: column 'CHANNEL' {LEFT_OUT}; is it channel? rename it, or add it",
    ),
    "The columns stand in another order": Drift(frame().select(pl.all().reverse()).select(sorted(frame().columns))),
    "An agreed column stands there twice": text(
        HEADER.replace("amount", "amount,amount"),
        VALUES.replace("10.5", "10.5,9"),
        **no_file(f"{FILE}.csv line 1: column 'amount' stands there twice; rename one of them"),
    ),
    "The header line is missing": text(
        VALUES,
        **no_file(
            f"{FILE}.csv: none of its 5 column names is agreed; is the header line missing? agreed are"
            f" {', '.join(column.name for column in contract('purchases').columns)}"
        ),
    ),
    "A number where text is agreed": Drift(frame(order_id=7, customer_id=8.0), "order_id, customer_id", (("7", "8"),)),
    "Text where a number is agreed": Drift(frame(amount=" 10.50 "), "amount", (10.5,)),
    "Text that is no number where a number is agreed": Drift(
        frame(amount="10,50"),
        **no_row(
            "amount is not a number: write digits with a point as decimal sign and no thousands separator, e.g. 1234.5"
        ),
    ),
    "A decimal where a number is agreed": Drift(frame(amount=Decimal("10.50")), "amount", (10.5,)),
    "A time with a zone": Drift(
        frame().with_columns(pl.col("ordered_at").dt.replace_time_zone("Asia/Shanghai")),
        "ordered_at",
        (datetime(2024, 1, 1, 2),),
    ),
    "A day where a time is agreed": Drift(frame(ordered_at=date(2024, 1, 1)), "ordered_at", (datetime(2024, 1, 1),)),
    "A whole number where a time or a day is agreed": Drift(
        frame(ordered_at=20240101),
        **no_row("ordered_at is not a time: write it in UTC or with its offset, e.g. 2024-12-31T23:59:59+08:00"),
    ),
    "A time of day where a time is agreed": Drift(
        frame(ordered_at=time(10)),
        **no_row("ordered_at is not a time: write it in UTC or with its offset, e.g. 2024-12-31T23:59:59+08:00"),
    ),
    "0 or 1 where true or false is agreed": Drift(
        pl.DataFrame({"customer_id": ["C1", "C2"], "is_channel_partner": [0, 1]}),
        "is_channel_partner",
        (False, True),
        source="customers",
    ),
    "Binary values where text is agreed": Drift(frame(customer_id=b"C1"), "customer_id", ("C1",)),
    "A column without any value and type": Drift(frame(channel=None), "channel", (None,)),
    "Lists or structures where a plain value is agreed": Drift(
        frame(customer_id=["C1"]),
        **no_file(f"{FILE}.parquet: column customer_id holds lists or structures; deliver one plain value a row"),
    ),
    "Lists or structures in a column that nobody agreed on": Drift(
        frame(tags=["a"]),
        warning=f"{FILE}.parquet: column 'tags' {LEFT_OUT}; add it there if it is needed",
    ),
}


@pytest.mark.parametrize("drift", DRIFTS.values(), ids=DRIFTS)
def test_each_drift_has_the_outcome_that_is_documented(warehouse, deliver, drift):
    agreed = contract(drift.source)
    deliver(drift.source, f"{DAY}.{drift.ending}", drift.delivered)
    report = load(warehouse, agreed, DAY, "run")
    rows = warehouse.run(f"select {drift.columns} from raw.{drift.source} order by source_row")
    assert tuple(row[0] if len(row) == 1 else row for row in rows) == drift.loaded
    reasons = warehouse.run(f"select reasons from quarantine.{drift.source}")
    assert reasons == ([([drift.refused_row],)] if drift.refused_row else [])
    assert [line for line, _ in report.failures] == ([drift.refused_file] if drift.refused_file else [])
    found = delivery_findings(warehouse, agreed, report, DAY)
    warnings = [finding.text_en for finding in found if finding.severity == "warning" and not finding.is_passed]
    assert warnings == ([drift.warning] if drift.warning else [])


def test_files_of_one_day_may_have_other_columns_each(warehouse, deliver):
    deliver("purchases", f"{DAY}/a.parquet", frame(channel="web"))
    deliver("purchases", f"{DAY}/b.parquet", frame(order_id=2, amount="3").select(sorted(frame().columns)))
    deliver("purchases", f"{DAY}/c.csv", HEADER + VALUES.replace("O1", "O3"))
    assert load(warehouse, contract("purchases"), DAY, "run").failures == []
    rows = warehouse.run("select order_id, channel, amount from raw.purchases order by order_id")
    assert rows == [("2", None, 3.0), ("O1", "web", 10.5), ("O3", None, 10.5)]


def test_a_column_that_is_never_loaded_is_agreed_and_left_out(warehouse, deliver):
    complaint = {"complaint_id": "1", "customer_id": "C1", "opened_at": "2024-01-01", "category": "billing"}
    deliver("complaints", f"{DAY}.csv", [complaint | {"severity": "3", "text": "private"}])
    report = load(warehouse, contract("complaints"), DAY, "run")
    assert (report.unknown_columns, report.rows_accepted) == ({}, 1)
    assert not warehouse.run("select 1 from duckdb_columns() where table_name = 'complaints' and column_name = 'text'")


@pytest.mark.parametrize("page", ["landing-files.md", "landing-files.zh-CN.md"])
def test_the_table_of_drifts_has_a_row_for_each_and_no_other(page):
    table = (DOCS / page).read_text(encoding="utf-8").split("<!-- drifts -->")[1]
    rows = re.findall(r"^\| ([^|]+?) \|", table, re.MULTILINE)[1:]
    assert len(rows) == len(DRIFTS)
    if page == "landing-files.md":
        assert rows == list(DRIFTS)


def test_many_unknown_columns_are_told_in_twenty_lines_and_a_count(warehouse, deliver):
    deliver("purchases", f"{DAY}.parquet", frame(**{f"x{place:03}": 1 for place in range(100)}))
    report = load(warehouse, contract("purchases"), DAY, "run")
    found = delivery_findings(warehouse, contract("purchases"), report, DAY)
    lines = [finding.text_en for finding in found if finding.rule == "unknown_column"]
    assert len(lines) == 21
    assert lines[-1] == "80 more columns are not in the contract and were not loaded"
