"""The vocabulary of a contract: columns, rules, settings, as small immutable values.

Belongs here: what the rest of the project may ask a contract. Must not be here: YAML, files, SQL statements.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Literal

from pydantic import JsonValue

ColumnType = Literal["VARCHAR", "DOUBLE", "BIGINT", "BOOLEAN", "DATE", "TIMESTAMP"]
Classification = Literal["public", "internal", "personal", "sensitive"]
Kind = Literal["landing", "published"]
Limit = int | float | date
"""A bound of a range, inclusive; of a TIMESTAMP it is a naive UTC ``datetime`` (a subclass of ``date``)."""


class ContractError(ValueError):
    """A contract that cannot be used; the text is one line: file, place, what is wrong."""


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Parameters
    ----------
    name : str
        Column name, the same in file, table and documentation.
    type : {"VARCHAR", "DOUBLE", "BIGINT", "BOOLEAN", "DATE", "TIMESTAMP"}
        DuckDB type; a TIMESTAMP is UTC without a zone.
    description_en, description_zh : str
        Meaning, unit, and what null means, for people.
    classification : {"public", "internal", "personal", "sensitive"}
        How the values must be protected.
    is_required : bool
        Whether null is refused.
    is_loaded : bool
        False for personal data that nothing needs: known to the contract, never in the warehouse.
    default : str, optional
        SQL literal that stands where the source says nothing.
    allowed : tuple of str
        The closed list of values; empty where any value will do.
    minimum, maximum : int, float, date or datetime, optional
        Inclusive bounds.
    max_length : int, optional
        Longest text, in characters.
    pattern : str, optional
        Anchored regular expression that the whole text matches.
    example : str, optional
        A value as it should look.
    years_ahead : int, optional
        How many years after the delivery day a time may lie (0: not at all); None where the clock is no limit.
    """

    name: str
    type: ColumnType
    description_en: str
    description_zh: str
    classification: Classification
    is_required: bool = False
    is_loaded: bool = True
    default: str | None = None
    allowed: tuple[str, ...] = ()
    minimum: Limit | None = None
    maximum: Limit | None = None
    max_length: int | None = None
    pattern: str | None = None
    example: str | None = None
    years_ahead: int | None = None


@dataclass(frozen=True)
class CrossRule:
    """A condition over several columns of a row: a SQL boolean that is violated only where it is false."""

    name: str
    condition: str
    columns: tuple[str, ...]
    text_en: str
    text_zh: str


@dataclass(frozen=True)
class RowRule:
    """One check of one row, ready to run.

    Parameters
    ----------
    name : str
        Unique in the contract: ``<column>_<rule>`` or the name of the cross-column rule.
    column : str, optional
        The column it speaks of; None for a rule over several columns.
    condition : str
        SQL boolean over the typed columns, ``"src_<column>"`` and ``delivered_end``; violated only where false.
    text_en, text_zh : str
        What is wrong and what to do.
    """

    name: str
    column: str | None
    condition: str
    text_en: str
    text_zh: str


@dataclass(frozen=True)
class Contract:
    """What one table promises.

    Parameters
    ----------
    name : str
        Table, asset and file name.
    kind : {"landing", "published"}
        A source that is delivered, or a table that is published.
    title_en, title_zh, description_en, description_zh : str
        For people; the description says what one row is.
    owner : str
        The team that answers for the data.
    columns : tuple of Column
        In the order of the table.
    key : tuple of str
        Columns that identify a row.
    rules : tuple of CrossRule
        Rules over several columns.
    is_required : bool
        Whether the night cannot run without this source.
    event_at : str, optional
        The column that says when the row speaks of; None for attributes and results.
    freshness_days : int, optional
        Age in days from which the data is late; None where it has no rhythm.
    minimum_rows, maximum_rows : int, optional
        Volume of the table.
    max_quarantined_share : float
        Share of a delivery's rows, 0..1, that may be refused before the check fails.
    settings : mapping of str to JSON value
        What the pipeline must know and a company may change.
    settings_help : mapping of str to str
        What each setting means, "English / Chinese".
    """

    name: str
    kind: Kind
    title_en: str
    title_zh: str
    description_en: str
    description_zh: str
    owner: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    rules: tuple[CrossRule, ...]
    is_required: bool = False
    event_at: str | None = None
    freshness_days: int | None = None
    minimum_rows: int = 0
    maximum_rows: int | None = None
    max_quarantined_share: float = 0.0
    settings: Mapping[str, JsonValue] = field(default_factory=dict, hash=False)
    settings_help: Mapping[str, str] = field(default_factory=dict, hash=False)

    @property
    def loaded(self) -> tuple[Column, ...]:
        """The columns that the table holds: all but those that are never loaded."""
        return tuple(column for column in self.columns if column.is_loaded)

    def column(self, name: str) -> Column:
        """The column of that name.

        Raises
        ------
        KeyError
            If the contract has no such column.
        """
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(f"{self.name} has no column {name}; it has {', '.join(c.name for c in self.columns)}")
