import os
from datetime import date, datetime
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.errors import UserError
from pipelines.ingest.online_retail import COLUMNS, ImportReport, import_online_retail

REAL_LOG = (
    Path(os.environ.get("TRUST_SHARED_DATA", Path(__file__).parents[3] / "shared" / "data")) / "online_retail.parquet"
)
Line = tuple[str, str, int, datetime, float, str | None]


def at(day: int, hour: int = 12) -> datetime:
    return datetime(2011, 3, day, hour)


def log(path: Path, *lines: Line, country: str = "France") -> Path:
    frame = pl.DataFrame(
        lines,
        {
            "InvoiceNo": pl.String,
            "StockCode": pl.String,
            "Quantity": pl.Int32,
            "InvoiceDate": pl.Datetime("ms"),
            "UnitPrice": pl.Float64,
            "CustomerID": pl.String,
        },
        orient="row",
    ).with_columns(Description=pl.lit("MUG"), Country=pl.lit(country), CustomerID=pl.col("CustomerID").cast(pl.Int32))
    path.mkdir(exist_ok=True)
    frame.select(COLUMNS).write_parquet(path / "log.parquet")
    return path / "log.parquet"


def imported(path: Path, *lines: Line) -> tuple[ImportReport, pl.DataFrame]:
    report = import_online_retail(log(path, *lines), path / "landing")
    return report, deliveries(path / "landing", "purchases")


def deliveries(landing: Path, source: str) -> pl.DataFrame:
    files = sorted((landing / source).glob("*.parquet"))
    days = [pl.read_parquet(file).with_columns(day=pl.lit(int(file.stem[-2:]))) for file in files]
    return pl.concat(days)


def states(rows: pl.DataFrame) -> list[tuple[int, int, float, float, int | None]]:
    """(delivery day, line, quantity, amount, day cancelled) of each delivered row."""
    cancelled = pl.col("cancelled_at").dt.day()
    return rows.select("day", "line_no", "quantity", "amount", cancelled).sort("day", "line_no").rows()


def reasons(report: ImportReport) -> dict[str, int]:
    return {each.reason.split(" (")[0]: each.lines for each in report.left_out}


def test_a_line_is_delivered_on_its_day(tmp_path: Path) -> None:
    _, rows = imported(tmp_path, ("1", "71053", 3, at(1), 2.55, "12345"))
    assert rows.drop("day").rows(named=True) == [
        {
            "order_id": "1",
            "line_no": 1,
            "customer_id": "12345",
            "ordered_at": at(1),
            "amount": 7.65,
            "currency": "GBP",
            "quantity": 3.0,
            "product_id": "71053",
            "cancelled_at": None,
        }
    ]
    assert (tmp_path / "landing/purchases/2011-03-01.parquet").is_file()


def test_lines_are_numbered_by_their_place_on_the_invoice_and_duplicates_stay(tmp_path: Path) -> None:
    line = ("1", "71053", 3, at(1), 2.0, "12345")
    report, rows = imported(tmp_path, line, ("2", "71053", 1, at(1), 2.0, "12345"), line)
    assert rows.select("order_id", "line_no").rows() == [("1", 1), ("2", 1), ("1", 2)]
    assert report.duplicates == 1


def test_a_line_cancelled_in_full_is_delivered_again_on_that_day(tmp_path: Path) -> None:
    _, rows = imported(tmp_path, ("1", "71053", 3, at(1), 2.0, "12345"), ("C2", "71053", -3, at(4), 2.0, "12345"))
    assert states(rows) == [(1, 1, 3.0, 6.0, None), (4, 1, 3.0, 6.0, 4)]


def test_a_line_cancelled_in_part_is_split_so_that_amounts_add_up(tmp_path: Path) -> None:
    report, rows = imported(
        tmp_path,
        ("1", "71053", 5, at(1), 2.0, "12345"),
        ("1", "99999", 1, at(1), 9.0, "12345"),
        ("C2", "71053", -2, at(4), 2.0, "12345"),
    )
    assert states(rows) == [
        (1, 1, 5.0, 10.0, None),
        (1, 2, 1.0, 9.0, None),
        (4, 1, 3.0, 6.0, None),
        (4, 3, 2.0, 4.0, 4),
    ]
    assert (report.cancellations, report.split, report.redelivered) == (1, 1, 1)


def test_cancellations_of_one_line_accumulate(tmp_path: Path) -> None:
    report, rows = imported(
        tmp_path,
        ("1", "71053", 6, at(1), 1.0, "12345"),
        ("C2", "71053", -1, at(3), 1.0, "12345"),
        ("C3", "71053", -2, at(4), 1.0, "12345"),
        ("C4", "71053", -3, at(5), 1.0, "12345"),
        ("C5", "71053", -1, at(6), 1.0, "12345"),
    )
    assert states(rows) == [
        (1, 1, 6.0, 6.0, None),
        (3, 1, 5.0, 5.0, None),
        (3, 2, 1.0, 1.0, 3),
        (4, 1, 3.0, 3.0, None),
        (4, 3, 2.0, 2.0, 4),
        (5, 1, 3.0, 3.0, 5),
    ]
    assert reasons(report) == {"cancellation of more than any one earlier line has left": 1}


def test_a_line_cancelled_on_its_own_day_is_one_row_of_that_delivery(tmp_path: Path) -> None:
    _, rows = imported(
        tmp_path, ("1", "71053", 3, at(1, 9), 2.0, "12345"), ("C2", "71053", -3, at(1, 15), 2.0, "12345")
    )
    assert states(rows) == [(1, 1, 3.0, 6.0, 1)]


def test_two_cancellations_of_a_day_leave_one_row_per_key(tmp_path: Path) -> None:
    _, rows = imported(
        tmp_path,
        ("1", "71053", 3, at(1), 1.0, "12345"),
        ("C2", "71053", -1, at(4, 9), 1.0, "12345"),
        ("C3", "71053", -2, at(4, 10), 1.0, "12345"),
    )
    assert states(rows) == [(1, 1, 3.0, 3.0, None), (4, 1, 2.0, 2.0, 4), (4, 2, 1.0, 1.0, 4)]


@pytest.mark.parametrize(
    ("first_price", "second_price", "order"),
    [(1.0, 1.0, "2"), (1.0, 2.0, "1"), (3.0, 2.0, "2")],
    ids=["latest of the same price", "same price before latest", "latest where no price is the same"],
)
def test_which_line_is_cancelled(tmp_path: Path, first_price: float, second_price: float, order: str) -> None:
    _, rows = imported(
        tmp_path,
        ("1", "71053", 3, at(1), first_price, "12345"),
        ("2", "71053", 3, at(2), second_price, "12345"),
        ("C3", "71053", -3, at(4), 1.0, "12345"),
    )
    assert rows.filter(pl.col("cancelled_at").is_not_null())["order_id"].to_list() == [order]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (
            ("C9", "22222", -1, at(5), 1.0, "12345"),
            "cancellation of an article that this customer never buys in the log",
        ),
        (
            ("C9", "71053", -1, at(5), 1.0, "54321"),
            "cancellation of an article that this customer never buys in the log",
        ),
        (("C9", "71053", -1, at(1), 1.0, "12345"), "cancellation of an article that this customer buys only later"),
        (("C9", "71053", -9, at(5), 1.0, "12345"), "cancellation of more than any one earlier line has left"),
        (("C9", "71053", -1, at(5), 1.0, None), "cancellation without a customer"),
        (("C9", "71053", 1, at(5), 1.0, "12345"), "quantity 0, or a cancellation that adds"),
        (("A9", "B", 1, at(5), -50.0, None), "bad-debt adjustment"),
        (("9", "71053", -1, at(5), 0.0, None), "stock write-off"),
        (("9", "71053", 1, at(5), 0.0, None), "free or booked item"),
        (("9", "71053", 1, at(5), 1.0, None), "sale without a customer"),
        (
            ("9", "71053", 1, at(5), float("nan"), "12345"),
            "line without invoice, article, date, quantity or price, or one that cannot be read",
        ),
    ],
)
def test_a_line_that_is_not_imported_is_counted_with_its_reason(tmp_path: Path, line: Line, reason: str) -> None:
    report, rows = imported(tmp_path, ("1", "71053", 3, at(2), 1.0, "12345"), line)
    assert reasons(report) == {reason: 1}
    assert states(rows) == [(2, 1, 3.0, 3.0, None)]
    assert reason in str(report)


def test_a_free_item_is_a_purchase_of_amount_zero(tmp_path: Path) -> None:
    report, rows = imported(tmp_path, ("1", "71053", 1, at(1), 0.0, "12345"))
    assert rows["amount"].to_list() == [0.0]
    assert report.free == 1


def test_postage_counts_as_amount_but_is_no_product(tmp_path: Path) -> None:
    _, rows = imported(tmp_path, ("1", "POST", 1, at(1), 18.0, "12345"))
    assert rows.select("amount", "product_id").rows() == [(18.0, None)]


def test_a_customer_has_the_country_as_region_when_first_seen_and_when_it_changes(tmp_path: Path) -> None:
    lines = [("1", "71053", 1, at(day), 1.0, "12345") for day in (1, 2, 3)]
    frames = [
        pl.read_parquet(log(tmp_path / land, line, country=land))
        for land, line in zip(("EIRE", "EIRE", "Spain"), lines, strict=True)
    ]
    pl.concat(frames).write_parquet(tmp_path / "log.parquet")
    import_online_retail(tmp_path / "log.parquet", tmp_path / "landing")
    rows = deliveries(tmp_path / "landing", "customers")
    assert rows.select("day", "customer_id", "region").rows() == [(1, "12345", "EIRE"), (3, "12345", "Spain")]


def test_a_csv_file_is_read_like_the_parquet_file(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text(
        ",".join(COLUMNS)
        + "\n1,71053,MUG,3,12/1/2010 8:26,2.5,17850.0,Spain\n2,71053,MUG,1,2010-12-02 08:00:00,2.5,17850,Spain\n"
    )
    report = import_online_retail(tmp_path / "log.csv", tmp_path / "landing")
    assert (report.purchases, report.customers) == (2, 1)
    first = pl.read_parquet(tmp_path / "landing/purchases/2010-12-01.parquet")
    assert first.select("customer_id", "ordered_at").rows() == [("17850", datetime(2010, 12, 1, 8, 26))]


def test_importing_again_gives_the_same_files(tmp_path: Path) -> None:
    file = log(tmp_path, ("1", "71053", 3, at(1), 2.0, "12345"), ("C2", "71053", -1, at(4), 2.0, "12345"))
    import_online_retail(file, tmp_path / "landing")
    before = {path: path.read_bytes() for path in (tmp_path / "landing").rglob("*.parquet")}
    import_online_retail(file, tmp_path / "landing")
    assert {path: path.read_bytes() for path in (tmp_path / "landing").rglob("*.parquet")} == before


def test_a_landing_zone_of_another_company_is_refused(tmp_path: Path) -> None:
    (tmp_path / "landing/churn").mkdir(parents=True)
    (tmp_path / "landing/churn/2020-01-01.csv").write_text("customer_id\n")
    with pytest.raises(UserError, match=r"churn/2020-01-01\.csv"):
        imported(tmp_path, ("1", "71053", 3, at(1), 2.0, "12345"))


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("absent.parquet", None, "no such file"),
        ("log.xlsx", b"x", "parquet or .csv"),
        ("log.parquet", b"torn", "cannot be read"),
        ("log.csv", b"InvoiceNo,StockCode\n1,2\n", "no column Description, Quantity"),
        ("empty.csv", b"", "cannot be read"),
    ],
)
def test_a_file_that_is_not_the_log_is_refused_in_one_line(
    tmp_path: Path, name: str, content: bytes | None, says: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=says) as caught:
        import_online_retail(tmp_path / name, tmp_path / "landing")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "landing").exists()


def test_a_log_without_a_purchase_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="positive quantity"):
        imported(tmp_path, ("1", "71053", -3, at(1), 2.0, None))


@given(
    quantities=st.lists(st.integers(1, 5), min_size=1, max_size=5),
    cancels=st.lists(st.tuples(st.integers(1, 6), st.integers(1, 9)), max_size=8),
)
@settings(deadline=None, max_examples=40)
def test_amounts_and_quantities_are_kept_whatever_is_cancelled(
    tmp_path_factory: pytest.TempPathFactory, quantities: list[int], cancels: list[tuple[int, int]]
) -> None:
    bought = [(f"{day}", "71053", quantity, at(day), 2.0, "12345") for day, quantity in enumerate(quantities, 1)]
    cancelled = [(f"C{n}", "71053", -quantity, at(day, 20), 2.0, "12345") for n, (quantity, day) in enumerate(cancels)]
    report, rows = imported(tmp_path_factory.mktemp("log"), *bought, *cancelled)
    assert not rows.select("day", "order_id", "line_no").is_duplicated().any()
    newest = rows.sort("day").unique(["order_id", "line_no"], keep="last")
    assert newest["quantity"].sum() == sum(quantities)
    assert newest["amount"].sum() == 2.0 * sum(quantities)
    taken = sum(quantity for quantity, _ in cancels)
    is_cancelled = newest["cancelled_at"].is_not_null()
    unmatched = -sum(each.amount for each in report.left_out) / 2.0
    assert newest.filter(is_cancelled)["quantity"].sum() == taken - unmatched


def test_an_account_that_does_not_add_up_is_an_error(tmp_path: Path) -> None:
    report, _ = imported(tmp_path, ("1", "71053", 3, at(1), 2.0, "12345"))
    with pytest.raises(ValueError, match="accounted for"):
        ImportReport(**{**vars(report), "read": 2})
    with pytest.raises(ValueError, match="rows delivered"):
        ImportReport(**{**vars(report), "redelivered": 1})


@pytest.mark.skipif(
    not REAL_LOG.is_file(), reason=f"the Online Retail log is not at {REAL_LOG} (set TRUST_SHARED_DATA)"
)
def test_the_real_log_is_accounted_for_line_by_line(tmp_path: Path) -> None:
    report = import_online_retail(REAL_LOG, tmp_path)
    assert report.read == 541_909
    assert report.purchases == 397_924
    assert (
        report.cancellations + sum(each.lines for each in report.left_out if each.reason.startswith("cancellation of"))
        == 8_905
    )
    assert (
        sum(each.lines for each in report.left_out if "customer" in each.reason or "write-off" in each.reason) > 135_000
    )
    assert (report.summary.first_day, report.summary.last_day) == (date(2010, 12, 1), date(2011, 12, 9))
    rows = pl.read_parquet(tmp_path / "purchases/*.parquet")
    assert rows["customer_id"].n_unique() == report.customers == 4_339
    assert rows.filter(pl.col("ordered_at") < datetime(2011, 9, 10))["customer_id"].n_unique() == 3_370
    assert rows["amount"].min() >= 0
