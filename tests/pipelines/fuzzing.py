# What the fuzzers of landing files share: deliveries of all kinds, and what must hold of any of them.

import csv
import gzip
import io
import json
import math
import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import polars as pl
from hypothesis import strategies as st

from data_contracts import Column, Contract, landing_contracts
from pipelines.ingest.loading import load
from pipelines.settings import Settings
from pipelines.warehouse import Warehouse

DAY, NEIGHBOUR = date(2024, 1, 10), date(2024, 1, 9)
FORMATS = ("parquet", "csv", "csv.gz", "ndjson")
SOURCES = {contract.name: contract for contract in landing_contracts()}
SECRET = "S3cr3t"
Row = dict[str, Any]

FAILURES = re.compile(
    r"\S+: (cannot be read as \S+ \(.+\); deliver it again|is empty; deliver it again with a header line.*"
    r"|column \w+ is missing.*(add it to the file|rename it to \w+)|none of its \d+ column names is agreed; .*"
    r"|was not written to its end, .*|a column cannot be called \w+; .*|has [\d,]+ columns, more than .*"
    r"|column \w+ holds lists or structures; .*)"
    r"|\S+ line 1: (is no UTF-8 text|columns are separated by|column '\w+' stands there twice;|has no end;).*"
)


# Deliveries


def good_row(contract: Contract, number: int) -> Row:
    """A row that keeps its contract; its texts hold a secret that no message may tell."""
    row = {column.name: _good(column, number) for column in contract.loaded}
    if "scale_min" in row:
        row |= {"scale_min": 0, "scale_max": 10}
    if "previous_order_id" in row:
        row["previous_order_id"] = f"{SECRET} before {number}"
    return row


def _good(column: Column, number: int) -> Any:
    if column.allowed:
        return column.allowed[number % len(column.allowed)]
    if column.type == "VARCHAR":
        return "EUR" if column.pattern == "^[A-Z]{3}$" else f"{SECRET}{number}"
    value = {"DOUBLE": 1.5, "BIGINT": 1 + number % 5, "BOOLEAN": True, "DATE": "2024-01-01"}
    return value.get(column.type, "2024-01-01T10:00:00Z")


def hostile_rows(contract: Contract) -> st.SearchStrategy[list[Row]]:
    """Rows in which each value is good, or anything at all."""
    columns = {
        column.name: st.one_of(st.integers(0, 3).map(lambda number, column=column: _good(column, number)), _ANYTHING)
        for column in contract.loaded
    }
    few = {name: columns.pop(name) for name in contract.key}
    return st.lists(st.fixed_dictionaries(few, optional=columns | {"unknown": _ANYTHING}), max_size=6)


_ODD_TEXTS = """
NULL null NaN -inf infinity now today epoch 1e400 -0 1,5 ٣ １２ 0x10 1_000 =1+1 ';drop/**/table/**/x;-- " "" a,b
EUR eur O1 A true 2.0
"""
_TEXTS = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
    st.sampled_from(_ODD_TEXTS.split()),
    st.sampled_from(["", " ", "a\nb", "a\r\nb", "\ufeff", "\u2028", "\x00", "\xa0x\u3000", "9" * 400, "x" * 300]),
)
_TIMES = st.one_of(
    st.datetimes().map(str),
    st.dates().map(str),
    st.sampled_from(
        ["2024-01-10T23:59:59.999999", "2024-01-11", "2024-01-10T20:00:00-05:00", "24:00:00", "2024-02-30"]
    ),
    st.sampled_from(
        ["290000-01-01", "-infinity", "2024-01-01 BC", "10/01/2024", "20240101", "1704067200", "0001-01-01"]
    ),
)
_NUMBERS = st.one_of(
    st.integers(-(2**70), 2**70), st.floats(), st.sampled_from([2**63, 2**64, 1e308, -0.0, 1e-320, 10**9, 10**9 + 1])
)
_ANYTHING = st.one_of(_TEXTS, _TIMES, _NUMBERS, st.booleans(), st.none())


def typed(contract: Contract) -> st.SearchStrategy[pl.DataFrame]:
    """Frames whose columns have any type that Parquet knows."""
    series = st.sampled_from(
        [
            pl.Series([1, 2, None], dtype=pl.Int64),
            pl.Series([1, 2, 3], dtype=pl.UInt64),
            pl.Series([1, -2, 3], dtype=pl.Int8),
            pl.Series([1.5, math.nan, math.inf], dtype=pl.Float32),
            pl.Series([1.0, 2.0, 1e300], dtype=pl.Float64),
            pl.Series([True, False, None]),
            pl.Series(["a", "b", None], dtype=pl.Categorical),
            pl.Series([b"\xff", b"a", None]),
            pl.Series([date(2024, 1, 1), date(1, 1, 1), date(9999, 12, 31)]),
            pl.Series([time(10), time(0), None]),
            pl.Series([timedelta(1), timedelta(-1), None]),
            pl.Series([datetime(2024, 1, 1), datetime(2300, 1, 1), None], dtype=pl.Datetime("ms")),
            pl.Series([datetime(2024, 1, 1), datetime(1970, 1, 1), None], dtype=pl.Datetime("ns")),
            pl.Series([datetime(2024, 1, 1), datetime(1, 1, 1), None]).dt.replace_time_zone("Asia/Shanghai"),
            pl.Series(["1.50", "2", "0"]).cast(pl.Decimal(30, 10)),
            pl.Series([None, None, None], dtype=pl.Null),
            pl.Series([[1], [2, 3], []]),
            pl.Series([{"a": 1}, {"a": 2}, None]),
            pl.Series(["O1", "2024-01-01", "EUR"]),
        ]
    )
    required = [column.name for column in contract.columns if column.is_required]
    optional = [column.name for column in contract.loaded if column.name not in required]
    return st.fixed_dictionaries(
        dict.fromkeys(required, series), optional=dict.fromkeys([*optional, "unknown"], series)
    ).map(lambda columns: pl.DataFrame([values.alias(name) for name, values in columns.items()]))


def written(rows: Sequence[Row], ending: str, contract: Contract) -> bytes:
    """Rows as a file of a format, as a careful writer writes them."""
    names = list(dict.fromkeys([column.name for column in contract.loaded] + [name for row in rows for name in row]))
    if ending == "ndjson":
        return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()
    if ending == "parquet":
        texts = {name: [_text(row.get(name)) for row in rows] for name in names}
        sink = io.BytesIO()
        pl.DataFrame(texts, schema=dict.fromkeys(names, pl.String)).write_parquet(sink)
        return sink.getvalue()
    sink = io.StringIO(newline="")
    writer = csv.DictWriter(sink, names, lineterminator="\r\n")
    writer.writeheader()
    writer.writerows({name: _text(value) for name, value in row.items()} for row in rows)
    text = sink.getvalue().encode()
    return gzip.compress(text, mtime=0) if ending == "csv.gz" else text


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


_POSITIONS = st.floats(0, 1, exclude_max=True)
_BYTES = st.one_of(
    st.binary(min_size=1, max_size=8),
    st.sampled_from([b"\0", b'"', b"\n", b"\r", b",", b"\xff\xfe", b"\xef\xbb\xbf", b"{", b"}", b"\x1f\x8b", b"PAR1"]),
)
MUTATIONS = st.lists(
    st.tuples(st.sampled_from(["flip", "set", "cut", "insert", "delete", "splice"]), _POSITIONS, _POSITIONS, _BYTES),
    min_size=1,
    max_size=6,
)


def mutated(content: bytes, mutations: Sequence[tuple[str, float, float, bytes]]) -> bytes:
    """The bytes after flips, truncations, insertions, deletions and splices."""
    for kind, at, other, piece in mutations:
        place, second = int(at * len(content)), int(other * len(content))
        before, after = content[:place], content[place:]
        if kind == "flip" and after:
            content = before + bytes([after[0] ^ 1 << (piece[0] & 7)]) + after[1:]
        elif kind == "set":
            content = before + piece + after[len(piece) :]
        elif kind == "cut":
            content = before
        elif kind == "insert":
            content = before + piece + after
        elif kind == "delete":
            content = before + after[len(piece) :]
        elif kind == "splice":
            content = before + content[second:]
    return content


# What must hold


class Bench:
    """A warehouse that stays open, and is loaded into again and again."""

    def __init__(self, folder: Path) -> None:
        self.landing = folder / "landing"
        self.warehouse = Warehouse(Settings(landing=self.landing, warehouse=folder / "warehouse"))
        self.cases = 0

    def try_out(self, contract: Contract, ending: str, content: bytes) -> list[Row]:
        """Load a file beside a sound one, twice, and check what must hold; returns the accepted rows of the file."""
        self.cases += 1
        self._clear(contract)
        folder = self.landing / contract.name
        folder.mkdir(parents=True)
        (folder / f"{NEIGHBOUR}.{ending}").write_bytes(written([good_row(contract, 1)], ending, contract))
        (folder / f"{DAY}.{ending}").write_bytes(content)
        report = load(self.warehouse, contract, DAY, "first")
        failures = [english for english, _ in report.failures]
        assert all(FAILURES.fullmatch(line) and line.isprintable() for line in failures), failures
        assert SECRET not in str((report.failures, report.strays))
        assert [line for line in failures if not line.startswith(f"{contract.name}/{DAY}")] == []
        assert report.rows_read == report.rows_accepted + report.rows_quarantined + report.rows_erased
        before = self._state(contract)
        self._is_accounted_for(contract)
        again = load(self.warehouse, contract, DAY, "second")
        assert (again.days, again.failures) == (0, report.failures)
        assert self._state(contract) == before
        accepted = self.warehouse.records(f"from raw.{contract.name} order by load_date, source_row")
        assert [row["load_date"] for row in accepted][:1] == [NEIGHBOUR]
        assert [broken for row in accepted for broken in breaches(contract, row)] == []
        return accepted[1:]

    def close(self) -> None:
        self.warehouse.close()
        del self.warehouse  # Hypothesis keeps the tests, which keep the bench: DuckDB would call that a leak

    def _clear(self, contract: Contract) -> None:
        shutil.rmtree(self.landing, ignore_errors=True)
        for table in ("meta.loads", f"raw.{contract.name}", f"quarantine.{contract.name}"):
            if self.warehouse.has_table(table):
                self.warehouse.run(f"truncate {table}")

    def _state(self, contract: Contract) -> list[object]:
        tables = (f"raw.{contract.name}", f"quarantine.{contract.name}", "meta.loads")
        return [str(self.warehouse.run(f"from {table} order by all")) for table in tables]

    def _is_accounted_for(self, contract: Contract) -> None:
        counts = "select sum(rows_read), sum(rows_accepted), sum(rows_quarantined) from meta.loads"
        ((read, accepted, quarantined),) = self.warehouse.run(counts)
        tables = [f"{schema}.{contract.name}" for schema in ("raw", "quarantine")]
        assert [self.warehouse.value(f"select count(*) from {table}") for table in tables] == [accepted, quarantined]
        assert read == accepted + quarantined
        places = " union all ".join(f"select source_file, source_row from {table}" for table in tables)
        assert self.warehouse.value(f"select count(*) from (select distinct * from ({places}))") == read
        key = ", ".join(contract.key)
        assert self.warehouse.run(f"select 1 from {tables[0]} group by load_date, {key} having count(*) > 1") == []
        told = f"select count(*) from {tables[1]} where len(reasons) = 0 or len(reasons) <> len(reasons_zh)"
        assert self.warehouse.value(told) == 0


def altered(contract: Contract, delivered: Sequence[Row], accepted: Sequence[Row]) -> list[tuple[Row, Row]]:
    """Accepted rows whose texts are not those of the row with their number."""
    texts = [column.name for column in contract.loaded if column.type == "VARCHAR"]
    pairs = [(delivered[row["source_row"] - 1], row) for row in accepted]
    return [
        (given, row)
        for given, row in pairs
        if any(isinstance(given.get(name), str) and given[name].strip() != (row[name] or "").strip() for name in texts)
    ]


def breaches(contract: Contract, row: Mapping[str, Any]) -> list[str]:
    """The promises that an accepted row breaks, judged in Python and not by the loader's own SQL."""
    end = datetime.combine(row["load_date"] + timedelta(days=1), time())
    found = [f"{column.name}: {name}" for column in contract.loaded for name in _broken(column, row[column.name], end)]
    return found + [rule.name for rule in contract.rules if not _CROSS[rule.name](row)]


def _broken(column: Column, value: Any, end: datetime) -> list[str]:
    if value is None:
        return ["required"] if column.is_required else []
    checks = {
        "blank": not isinstance(value, str) or value.strip(" \N{NO-BREAK SPACE}\N{IDEOGRAPHIC SPACE}") == value != "",
        "finite": not isinstance(value, float) or math.isfinite(value),
        "minimum": column.minimum is None or value >= _limit(column.minimum, value),
        "maximum": column.maximum is None or value <= _limit(column.maximum, value),
        "allowed": not column.allowed or value in column.allowed,
        "length": column.max_length is None or len(value) <= column.max_length,
        "pattern": column.pattern is None or re.search(column.pattern.replace("$", r"\Z"), value) is not None,
        "future": column.years_ahead is None or _moment(value) < end.replace(year=end.year + column.years_ahead),
    }
    return [name for name, is_kept in checks.items() if not is_kept]


def _limit(limit: Any, value: Any) -> Any:
    return limit.replace(tzinfo=None) if isinstance(limit, datetime) and isinstance(value, datetime) else limit


def _moment(value: date) -> datetime:
    return value if isinstance(value, datetime) else datetime.combine(value, time())


def _not_before(later: str, earlier: str) -> Callable[[Mapping[str, Any]], bool]:
    def check(row: Mapping[str, Any]) -> bool:
        return row[later] is None or row[earlier] is None or row[later].date() >= row[earlier].date()

    return check


def _on_scale(name: str) -> Callable[[Mapping[str, Any]], bool]:
    return lambda row: row["scale_min"] <= row[name] <= row["scale_max"]


_CROSS: dict[str, Callable[[Mapping[str, Any]], bool]] = {
    "delivered_after_order": _not_before("delivered_at", "ordered_at"),
    "returned_after_order": _not_before("returned_at", "ordered_at"),
    "cancelled_after_order": _not_before("cancelled_at", "ordered_at"),
    "answered_after_opening": _not_before("first_response_at", "opened_at"),
    "resolved_after_opening": _not_before("resolved_at", "opened_at"),
    "reopened_after_resolution": _not_before("reopened_at", "resolved_at"),
    "reactivated_after_churn": _not_before("reactivated_at", "churned_at"),
    "follows_another_order": lambda row: row["order_id"] != row["previous_order_id"],
    "scale_has_width": lambda row: row["scale_max"] > row["scale_min"],
    "score_on_scale": _on_scale("score"),
    "rating_on_scale": _on_scale("rating"),
    "rate_is_positive": lambda row: row["rate"] > 0,
}
