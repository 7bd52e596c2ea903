"""Findings: what was checked on a night and what came out, one row a promise, kept in ``meta.findings``.

Belongs here: the shape of a finding, and keeping those of a table and day.
Must not be here: what is checked (see ``contract_checks`` and ``delivery_checks``).
"""

import dataclasses
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import polars as pl

from pipelines.warehouse import Warehouse


@dataclass(frozen=True)
class Finding:
    """One thing that was checked, as it goes to ``data_quality``.

    Parameters
    ----------
    table_name : str
        Source or published table.
    check_name : str
        Name of the check, unique in its table.
    column_name : str or None
        The column it speaks of.
    rule : str
        The kind of expectation.
    severity : str
        ``error`` stops the night, ``warning`` does not.
    is_passed : bool
        Whether the data keep the promise.
    checked_rows, failed_rows : int or None
        Rows looked at, and rows that break the promise; None where it is no matter of rows.
    observed : str or None
        What was found, where that says more than a count.
    text_en, text_zh : str
        The promise in words, and what to do where it is broken.
    """

    table_name: str
    check_name: str
    column_name: str | None
    rule: str
    severity: str
    is_passed: bool
    checked_rows: int | None
    failed_rows: int | None
    observed: str | None
    text_en: str
    text_zh: str


def one_line(text: str) -> str:
    """The text as a line for people: names of files and columns may hold anything."""
    return _UNPRINTABLE.sub(" ", text)[:2000]


_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f]+")

SCHEMA = pl.Schema(
    {
        "as_of": pl.Date,
        "stage": pl.String,
        "table_name": pl.String,
        "check_name": pl.String,
        "column_name": pl.String,
        "rule": pl.String,
        "severity": pl.String,
        "is_passed": pl.Boolean,
        "checked_rows": pl.Int64,
        "failed_rows": pl.Int64,
        "observed": pl.String,
        "text_en": pl.String,
        "text_zh": pl.String,
    }
)


def keep(warehouse: Warehouse, as_of: date, stage: str, table: str, findings: Sequence[Finding]) -> None:
    """Replace what a stage found for a table on a day."""
    rows = [{"as_of": as_of, "stage": stage, **dataclasses.asdict(finding)} for finding in findings]
    where = "as_of = ? and stage = ? and table_name = ?"
    warehouse.replace_part("meta.findings", pl.DataFrame(rows, schema=SCHEMA), where, (as_of, stage, table))


def kept(warehouse: Warehouse, as_of: date, stage: str, table: str) -> list[Finding]:
    """What a stage found for a table on a day."""
    if not warehouse.has_table("meta.findings"):
        return []
    names = [field.name for field in dataclasses.fields(Finding)]
    rows = warehouse.run(
        f"select {', '.join(names)} from meta.findings where as_of = ? and stage = ? and table_name = ?",
        (as_of, stage, table),
    )
    return [Finding(*row) for row in rows]
