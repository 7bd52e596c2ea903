"""CSV files for people, who open them in a spreadsheet.

Belongs here: writing a frame so that no text in it is run as a formula. Must not be here: what is exported.

A spreadsheet takes a cell that begins with one of a few characters for a formula, and a formula can call programs and
send what it reads elsewhere. As OWASP advises ("CSV Injection"), such a text gets an apostrophe in front. Numbers stay
numbers, negative ones too.
"""

from pathlib import Path

import polars as pl

_PASSED_OVER = r"[\s\x00-\x1f\"'\u{feff}\u{200b}-\u{200f}\u{2060}]*"  # blanks, quotes, marks of byte order
_STARTS = r"[=+@\t\r\n\u{ff1d}\u{ff0b}\u{ff0d}\u{ff20}\u{2212}-]"  # also at full width
_FORMULA = f"^{_PASSED_OVER}{_STARTS}"
_NUMBER = r"^[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?$"


def write_csv(frame: pl.DataFrame, path: Path) -> None:
    """Write a frame as UTF-8 with a byte order mark, which spreadsheets need to read it as such.

    Parameters
    ----------
    frame : pl.DataFrame
        Columns of plain values, or lists of texts, which are joined with semicolons.
    path : Path
        The file; what was there is replaced.
    """
    lists = [name for name, type_ in frame.schema.items() if type_ == pl.List(pl.String)]
    joined = frame.with_columns(pl.col(name).list.join("; ") for name in lists)
    texts = [name for name, type_ in joined.schema.items() if type_ in (pl.String, pl.Categorical, pl.Enum)]
    safe = joined.with_columns(_neutralised(name) for name in texts)
    safe.columns = _neutral_names(safe.columns)
    safe.write_csv(path, include_bom=True)


def _neutralised(column: str) -> pl.Expr:
    """The texts of a column, with an apostrophe before those that a spreadsheet may run."""
    text = pl.col(column).cast(pl.String)
    is_formula = text.str.contains(_FORMULA) & ~text.str.contains(_NUMBER)
    return pl.when(is_formula).then(pl.concat_str(pl.lit("'"), text)).otherwise(text).alias(column)


def _neutral_names(names: list[str]) -> list[str]:
    return pl.DataFrame({"name": names}, schema={"name": pl.String}).select(_neutralised("name"))["name"].to_list()
