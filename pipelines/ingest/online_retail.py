"""The public log "Online Retail" of the UCI repository as landing files.

Belongs here: how that log's columns and habits (cancellation invoices, adjustments, write-offs) become rows of the
sources ``purchases`` and ``customers``, and an account of every line that does not. Must not be here: how landing
files are written (``landing_files``) or loaded.

The log: Chen, Sain, Guo, Journal of Database Marketing & Customer Strategy Management 19 (2012), UCI dataset 352,
CC BY 4.0. It has no time zone and is taken as UTC.

* A line with a customer and a positive quantity is a purchase line, delivered on its day, free items (price 0) too.
* Exact duplicate lines stay: the log lists what was scanned, the same article several times on one invoice, also in
  different quantities, and nothing tells a doubled record from a second scan.
* A cancellation (invoice ``C…``) is matched to one earlier line of the same customer and article with as much left: one
  of the same price before others, the latest first. What is cancelled in full is delivered again on that day with
  ``cancelled_at``. What is cancelled in part is split: the line is delivered again with what is left, and the cancelled
  part beside it under the next free line number with ``cancelled_at``; so amounts add up, and shares of an order
  that were cancelled are exact. Cancellations of one line accumulate.
* What cannot be matched is counted, never guessed.
* Codes such as POST or BANK CHARGES are no products: the amount counts, ``product_id`` is null.
"""

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import polars as pl

from pipelines.errors import UserError
from pipelines.ingest.landing_files import PARQUET, Summary, write_landing

COLUMNS = ("InvoiceNo", "StockCode", "Description", "Quantity", "InvoiceDate", "UnitPrice", "CustomerID", "Country")
NO_PRODUCTS = ("POST", "DOT", "M", "m", "D", "S", "B", "C2", "BANK CHARGES", "AMAZONFEE", "CRUK", "PADS")

PURCHASE = "purchase"
CANCELLATION = "cancellation"
MATCHED = "matched cancellation"
_NEVER_BOUGHT = "cancellation of an article that this customer never buys in the log (bought before it, discount, fee)"
_NOT_YET_BOUGHT = "cancellation of an article that this customer buys only later"
_TOO_MANY = "cancellation of more than any one earlier line has left"
_INCOMPLETE = "line without invoice, article, date, quantity or price, or one that cannot be read"
_ADJUSTMENT = "bad-debt adjustment (invoice A…) or negative price"
_NO_QUANTITY = "quantity 0, or a cancellation that adds"
_NO_CUSTOMER_CANCELLATION = "cancellation without a customer"
_WRITE_OFF = "stock write-off (negative quantity, no cancellation)"
_NO_CUSTOMER_FREE = "free or booked item (price 0) without a customer"
_NO_CUSTOMER = "sale without a customer"


@dataclass(frozen=True)
class LeftOut:
    """Lines of the log that were not imported: why, how many, and quantity times price over them in GBP."""

    reason: str
    lines: int
    amount: float


@dataclass(frozen=True)
class ImportReport:
    """An account of every line of the log.

    Parameters
    ----------
    file : Path
        The log.
    read : int
        Lines read.
    purchases : int
        Lines that became purchase lines, of which ``free`` have the price 0 and ``duplicates`` are the same as an
        earlier line in every column.
    cancellations : int
        Cancellations matched to the lines they cancel, of which ``split`` cancel only a part.
    left_out : tuple of LeftOut
        Everything else.
    customers, orders : int
        Customers and orders with a purchase line.
    summary : Summary
        The files written.

    Raises
    ------
    ValueError
        If the account does not add up: lines read must be imported or left out, rows delivered must be purchase lines,
        split parts, or lines delivered again.
    """

    file: Path
    read: int
    purchases: int
    free: int
    duplicates: int
    cancellations: int
    split: int
    redelivered: int
    left_out: tuple[LeftOut, ...]
    customers: int
    orders: int
    summary: Summary

    def __post_init__(self) -> None:
        accounted = self.purchases + self.cancellations + sum(each.lines for each in self.left_out)
        if self.read != accounted:
            raise ValueError(f"{self.read:,} lines read, {accounted:,} accounted for")
        delivered = self.purchases + self.split + self.redelivered
        if self.summary.rows["purchases"] != delivered:
            raise ValueError(f"{self.summary.rows['purchases']:,} rows delivered, {delivered:,} accounted for")

    def lines(self) -> tuple[str, ...]:
        """The account for a person, line by line."""
        left_out = tuple(
            f"+ {each.lines:>9,} left out: {each.reason} ({each.amount:,.2f} GBP)" for each in self.left_out
        )
        return (
            f"{self.read:>11,} lines read from {self.file}",
            f"= {self.purchases:>9,} purchase lines ({self.free:,} free items)",
            f"  {self.duplicates:>9,} of them the same as another line of their invoice: kept, it may be a second scan",
            f"+ {self.cancellations:>9,} cancellations matched to the line they cancel ({self.split:,} in part)",
            *left_out,
            f"  {self.customers:>9,} customers, {self.orders:,} orders; {self.redelivered:,} lines delivered again",
            *self.summary.lines(),
        )

    def __str__(self) -> str:
        """The lines of the account as one text."""
        return "\n".join(self.lines())


def import_online_retail(file: Path, landing: Path) -> ImportReport:
    """Write the log as one delivery per source and day of the log.

    Parameters
    ----------
    file : Path
        The log as Parquet, or as CSV with the same columns.
    landing : Path
        The landing zone; importing the same log again replaces its files.

    Raises
    ------
    UserError
        If the file is missing, cannot be read or has other columns, or the landing zone holds other deliveries.
    """
    log = _with_fate(_log(file))
    bought = log.filter(pl.col("fate") == PURCHASE)
    if bought.is_empty():
        raise UserError(f"{file}: has no line with a customer and a positive quantity; is it the Online Retail log?")
    matches = _matches(bought, log.filter(pl.col("fate") == CANCELLATION))
    cancelled = matches.filter(pl.col("fate") == MATCHED)
    rows = _purchases(bought, cancelled)
    summary = write_landing({"purchases": rows, "customers": _customers(bought)}, landing, PARQUET)
    split = int((cancelled["left"] > 0).sum())
    return ImportReport(
        file=file,
        read=len(log),
        purchases=len(bought),
        free=int((bought["UnitPrice"] == 0).sum()),
        duplicates=len(bought) - bought.select(COLUMNS).unique().height,
        cancellations=len(cancelled),
        split=split,
        redelivered=len(rows) - split - len(bought),
        left_out=_left_out(log.update(matches.select("row", "fate"), on="row")),
        customers=bought["CustomerID"].n_unique(),
        orders=bought["InvoiceNo"].n_unique(),
        summary=summary,
    )


def _log(file: Path) -> pl.DataFrame:
    """The log's lines with ``row`` (position in the file), columns typed; what cannot be read is null."""
    if not file.is_file():
        raise UserError(f"{file}: there is no such file; download it from the UCI repository (dataset 352)")
    try:
        match file.suffix.lower():
            case ".parquet":
                lines = pl.read_parquet(file)
            case ".csv":
                lines = pl.read_csv(file, infer_schema=False, encoding="utf8-lossy")
            case _:
                raise UserError(f"{file}: must be .parquet or .csv; save the log in one of these formats")
    except (pl.exceptions.PolarsError, OSError) as error:
        reason = (str(error).splitlines() or ["no reason given"])[0]
        raise UserError(f"{file}: cannot be read ({reason})") from error
    if missing := [column for column in COLUMNS if column not in lines.columns]:
        raise UserError(f"{file}: has no column {', '.join(missing)}; the log has {', '.join(COLUMNS)}")
    return lines.select(
        pl.col("InvoiceNo", "StockCode", "Description", "Country").cast(pl.String).str.strip_chars(),
        pl.col("Quantity").cast(pl.Int64, strict=False),
        pl.col("UnitPrice").cast(pl.Float64, strict=False).fill_nan(None),
        pl.col("CustomerID").cast(pl.String).str.strip_chars().str.strip_suffix(".0").replace("", None),
        _moment(lines.schema["InvoiceDate"]).alias("InvoiceDate"),
    ).with_row_index("row")


def _moment(dtype: pl.DataType) -> pl.Expr:
    """The invoice date as a timestamp, from one or from text as the repository or ISO 8601 writes it."""
    column = pl.col("InvoiceDate")
    if dtype != pl.String:
        return column.cast(pl.Datetime("us"), strict=False)
    formats = ("%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S", "%m/%d/%Y %H:%M")
    return pl.coalesce(column.str.to_datetime(each, strict=False, time_unit="us") for each in formats)


def _with_fate(log: pl.DataFrame) -> pl.DataFrame:
    """The log with ``fate``: purchase, cancellation (yet to be matched), or the reason why a line is left out."""
    needed = pl.any_horizontal(pl.col("InvoiceNo", "StockCode", "InvoiceDate", "Quantity", "UnitPrice").is_null())
    is_cancellation = pl.col("InvoiceNo").str.starts_with("C")
    is_anonymous = pl.col("CustomerID").is_null()
    return log.with_columns(
        fate=pl.when(needed)
        .then(pl.lit(_INCOMPLETE))
        .when(pl.col("InvoiceNo").str.starts_with("A") | (pl.col("UnitPrice") < 0))
        .then(pl.lit(_ADJUSTMENT))
        .when((pl.col("Quantity") == 0) | (is_cancellation & (pl.col("Quantity") > 0)))
        .then(pl.lit(_NO_QUANTITY))
        .when(is_cancellation & is_anonymous)
        .then(pl.lit(_NO_CUSTOMER_CANCELLATION))
        .when(is_cancellation)
        .then(pl.lit(CANCELLATION))
        .when(pl.col("Quantity") < 0)
        .then(pl.lit(_WRITE_OFF))
        .when(is_anonymous & (pl.col("UnitPrice") == 0))
        .then(pl.lit(_NO_CUSTOMER_FREE))
        .when(is_anonymous)
        .then(pl.lit(_NO_CUSTOMER))
        .otherwise(pl.lit(PURCHASE))
    )


@dataclass
class _Line:
    """A purchase line that may be cancelled; ``left`` is the quantity not cancelled yet."""

    bought_at: datetime
    row: int
    left: int
    price: float


def _matches(bought: pl.DataFrame, cancellations: pl.DataFrame) -> pl.DataFrame:
    """One row per cancellation in the order of time: ``row`` (its own), ``fate``, ``cancelled_at``, ``taken``.

    Matched ones also have ``line``, the row of the purchase line that they cancel, and ``left``, its quantity
    afterwards; the others have null there.
    """
    article = ["CustomerID", "StockCode"]
    columns = [*article, "InvoiceDate", "row", "Quantity", "UnitPrice"]
    candidates: dict[tuple[str, str], list[_Line]] = defaultdict(list)
    may_be_cancelled = bought.join(cancellations, on=article, how="semi")
    for customer, code, at, row, quantity, price in may_be_cancelled.select(columns).iter_rows():
        candidates[customer, code].append(_Line(at, row, quantity, price))
    matches = []
    for customer, code, at, row, quantity, price in (
        cancellations.sort("InvoiceDate", "row").select(columns).iter_rows()
    ):
        line, fate = _match(candidates[customer, code], at, -quantity, price)
        matches.append((row, fate, at, -quantity, line.row if line else None, line.left if line else None))
    return pl.DataFrame(
        matches,
        {
            "row": pl.UInt32,
            "fate": pl.String,
            "cancelled_at": pl.Datetime("us"),
            "taken": pl.Int64,
            "line": pl.UInt32,
            "left": pl.Int64,
        },
        orient="row",
    )


def _match(lines: list[_Line], at: datetime, quantity: int, price: float) -> tuple[_Line | None, str]:
    """Take the quantity from the line it cancels: same price before others, then the latest."""
    earlier = [line for line in lines if line.bought_at <= at]
    if enough := [line for line in earlier if line.left >= quantity]:
        line = max(enough, key=lambda line: (line.price == price, line.bought_at, line.row))
        line.left -= quantity
        return line, MATCHED
    return None, _TOO_MANY if earlier else _NOT_YET_BOUGHT if lines else _NEVER_BOUGHT


def _purchases(bought: pl.DataFrame, cancelled: pl.DataFrame) -> pl.DataFrame:
    """The deliveries of the source ``purchases``: lines on their day and when cancelled, a row per key and day."""
    lines = bought.select(
        "InvoiceNo",
        "CustomerID",
        "StockCode",
        "UnitPrice",
        line="row",
        line_no=pl.int_range(1, pl.len() + 1).over("InvoiceNo"),
        ordered_at="InvoiceDate",
        delivered_on=pl.col("InvoiceDate").dt.date(),
        quantity="Quantity",
        cancelled_at=pl.lit(None, pl.Datetime("us")),
    )
    at_once = lines.drop("delivered_on", "quantity", "cancelled_at")
    again = _lines_after(cancelled).join(at_once, on="line")
    parts = _parts(cancelled, lines).join(at_once.drop("line_no"), on="line")
    first = lines.join(again, on=["line", "delivered_on"], how="anti")
    return pl.concat([first, again.select(lines.columns), parts.select(lines.columns)]).select(
        order_id="InvoiceNo",
        line_no="line_no",
        customer_id="CustomerID",
        ordered_at="ordered_at",
        amount=(pl.col("quantity") * pl.col("UnitPrice")).round(2),
        currency=pl.lit("GBP"),
        quantity=pl.col("quantity").cast(pl.Float64),
        product_id=pl.when(~pl.col("StockCode").is_in(NO_PRODUCTS)).then("StockCode"),
        cancelled_at="cancelled_at",
        delivered_on="delivered_on",
    )


def _lines_after(cancelled: pl.DataFrame) -> pl.DataFrame:
    """What is left of each line on each day on which it was cancelled, or when all that was left was cancelled."""
    by_day = cancelled.group_by("line", pl.col("cancelled_at").dt.date().alias("delivered_on"), maintain_order=True)
    is_whole = pl.col("left") == 0
    return by_day.last().select(
        "line",
        "delivered_on",
        quantity=pl.when(is_whole).then("taken").otherwise("left"),
        cancelled_at=pl.when(is_whole).then("cancelled_at"),
    )


def _parts(cancelled: pl.DataFrame, lines: pl.DataFrame) -> pl.DataFrame:
    """The parts split off lines that were not cancelled in full, numbered on after the lines of their invoice."""
    invoices = lines.select("line", "InvoiceNo", lines_of_invoice=pl.len().over("InvoiceNo"))
    parts = cancelled.filter(pl.col("left") > 0).join(invoices, on="line", maintain_order="left")
    return parts.select(
        "line",
        "cancelled_at",
        delivered_on=pl.col("cancelled_at").dt.date(),
        quantity="taken",
        line_no=pl.col("lines_of_invoice") + pl.int_range(1, pl.len() + 1).over("InvoiceNo"),
    )


def _customers(bought: pl.DataFrame) -> pl.DataFrame:
    """The deliveries of the source ``customers``: the country as region when first seen, and again when it changes."""
    region = pl.col("Country").replace("Unspecified", None)
    daily = (
        bought.group_by(
            pl.col("InvoiceDate").dt.date().alias("delivered_on"), customer_id="CustomerID", maintain_order=True
        )
        .agg(region=region.last())
        .sort("delivered_on", "customer_id")
    )
    previous = pl.col("region").shift(1).over("customer_id")
    is_first = pl.int_range(pl.len()).over("customer_id") == 0
    return daily.filter(is_first | pl.col("region").ne_missing(previous)).select(
        "customer_id", "region", "delivered_on"
    )


def _left_out(log: pl.DataFrame) -> tuple[LeftOut, ...]:
    """The lines left out, by reason, the most frequent first."""
    by_reason = (
        log.filter(~pl.col("fate").is_in([PURCHASE, MATCHED]))
        .group_by("fate")
        .agg(lines=pl.len(), amount=(pl.col("Quantity") * pl.col("UnitPrice")).sum())
        .sort("lines", "fate", descending=[True, False])
    )
    return tuple(LeftOut(*row) for row in by_reason.iter_rows())
