"""When the rows of a simulated company reach the landing zone: one historical load, then a delivery a day.

Belongs here: lateness, corrections, and what of a row could be known on its delivery day. Must not be here: what
the rows say.

A row is delivered on the day it happened (or up to five days late) and again under the same key on the day that
a later fact of it happens, and when it is corrected. Facts that have not happened by the delivery day are null.
Business days are UTC days.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

LATE_SHARE = 0.02
CORRECTED_SHARE = 0.005
_CORRECTED_DAYS_BEFORE_HISTORY = 30


@dataclass(frozen=True)
class Calendar:
    """The days of the simulation: the first, how many, and how many of the last are delivered one by one."""

    start: date
    days: int
    daily: int = 28

    @property
    def last_day(self) -> date:
        """The day of the last delivery."""
        return self.start + timedelta(days=self.days - 1)

    @property
    def history_day(self) -> date:
        """The day of the historical load."""
        return self.start + timedelta(days=max(0, self.days - 1 - self.daily))

    def moments(self, days: ArrayLike) -> pl.Series:
        """Timestamps, on whole seconds, of days counted from the start (floats; ``nan`` becomes null)."""
        offsets = np.asarray(days, np.float64)
        is_known = ~np.isnan(offsets)
        seconds = np.rint(np.where(is_known, offsets, 0) * 86_400).astype("timedelta64[s]")
        moments: NDArray[np.datetime64] = np.datetime64(self.start, "us") + seconds
        moments[~is_known] = np.datetime64("NaT")
        return pl.Series(moments, dtype=pl.Datetime("us"))


def delivered(
    rows: pl.DataFrame,
    calendar: Calendar,
    rng: np.random.Generator,
    *,
    event_at: str,
    facts: Mapping[str, tuple[str, ...]] | None = None,
    misstated: Mapping[str, pl.Expr] | None = None,
    late_share: float = LATE_SHARE,
) -> pl.DataFrame:
    """Every version of every row as it was delivered, with ``delivered_on``.

    Parameters
    ----------
    rows : pl.DataFrame
        One row per key with all its facts, whenever they happen.
    event_at : str
        The column that says when the row itself happens.
    facts : mapping
        Timestamp column of a later fact → the columns that only this fact tells.
    misstated : mapping
        Column → what a few recent rows say at first; a correction one to four days later says what is true.
    """
    facts, misstated = facts or {}, misstated or {}
    staged = _staged(rows, calendar, rng, event_at=event_at, late_share=late_share, is_corrected=bool(misstated))
    versions = staged.join(_version_days(staged, list(facts), calendar), on="_row", maintain_order="right")
    masks = [
        pl.when(pl.col(fact).cast(pl.Date) <= pl.col("delivered_on")).then(pl.col(column)).alias(column)
        for fact, tells in facts.items()
        for column in (fact, *tells)
    ]
    is_misstated = pl.col("delivered_on") < pl.col("_corrected")
    wrong = [
        pl.when(is_misstated).then(said).otherwise(pl.col(column)).alias(column) for column, said in misstated.items()
    ]
    return versions.with_columns(*masks, *wrong).select(*rows.columns, "delivered_on")


def _staged(
    rows: pl.DataFrame,
    calendar: Calendar,
    rng: np.random.Generator,
    *,
    event_at: str,
    late_share: float,
    is_corrected: bool,
) -> pl.DataFrame:
    """The rows that are delivered at all, with ``_row``, ``_first`` (first delivery) and ``_corrected`` (or null)."""
    size = len(rows)
    late = np.where(rng.random(size) < late_share, rng.integers(1, 6, size), 0)
    corrected_after = rng.integers(1, 5, size)
    corrects = is_corrected & (rng.random(size) < CORRECTED_SHARE)
    recent = calendar.history_day - timedelta(days=_CORRECTED_DAYS_BEFORE_HISTORY)
    happened = pl.col(event_at).cast(pl.Date)
    first = pl.max_horizontal(happened + pl.duration(days=pl.lit(pl.Series(late))), pl.lit(calendar.history_day))
    return (
        rows.with_columns(_first=first)
        .with_columns(
            _corrected=pl.when(pl.lit(pl.Series(corrects)) & (happened > recent)).then(
                pl.col("_first") + pl.duration(days=pl.lit(pl.Series(corrected_after)))
            )
        )
        .filter(pl.col("_first") <= calendar.last_day)
        .with_row_index("_row")
    )


def _version_days(staged: pl.DataFrame, facts: list[str], calendar: Calendar) -> pl.DataFrame:
    """The days on which each row is delivered: first, with each later fact, when corrected."""
    again = [
        staged.select("_row", delivered_on=pl.col(column).cast(pl.Date)).filter(
            (pl.col("delivered_on") > staged["_first"]) & (pl.col("delivered_on") <= calendar.last_day)
        )
        for column in (*facts, "_corrected")
    ]
    days = pl.concat([staged.select("_row", delivered_on="_first"), *again])
    return days.unique().sort("delivered_on", "_row")
