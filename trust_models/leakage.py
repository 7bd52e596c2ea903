"""Whether features know the future: two alarms that a backtest rings before it believes its own figures.

Belongs here: cutting a log, comparing features with and without the future, and measures too good to be true.
Must not be here: masking (``as_of``, which is what is checked here), fitting, judging.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import polars as pl
from numpy.typing import NDArray

from trust_models.as_of import EVENT_AT, FACTS, SCHEMAS, TIMESTAMP, AsOf, EventLog
from trust_models.evaluation import auc

ALARM_AUC = 0.98
"""No honest feature, and no honest model, tells the lost from the kept so well."""

FEWEST = 10
"""Customers of either class below which a high AUC may be luck."""

_MOST_ALARM_ROWS = 50_000
_TOLERANCE = 1e-9
"""Relative: sums over the same events in another order differ by rounding."""

Make = Callable[[EventLog, pl.Series], pl.DataFrame]
"""Features, one row a customer with ``customer_id``, of some customers of a log."""


class FutureLeakError(ValueError):
    """A figure rests on what could not be known: nothing of the backtest can be believed."""


def cut(log: EventLog, as_of: AsOf) -> EventLog:
    """The log without anything that was delivered or happened after the as-of day.

    Made on purpose without the mask of :mod:`trust_models.as_of`: whatever is computed on a cut log cannot know the
    future, even where the mask has a hole.
    """
    return EventLog(**{source: _cut(getattr(log, source), source, as_of) for source in SCHEMAS})


def _cut(frame: pl.LazyFrame, source: str, as_of: AsOf) -> pl.LazyFrame:
    delivered = frame.filter(pl.col("known_from") <= as_of.day).with_columns(
        pl.when(pl.col("known_until") <= as_of.day).then("known_until")
    )
    event_at, end = EVENT_AT[source], pl.lit(as_of.end, TIMESTAMP)
    if event_at is None:
        return delivered
    instants = [name for name, kind in SCHEMAS[source].items() if kind == TIMESTAMP and name != "promised_at"]
    told_by = {column: fact for fact, tells in FACTS.get(source, {}).items() for column in tells}
    instant_of = {name: name for name in instants} | told_by
    happened = [pl.when(pl.col(instant) < end).then(pl.col(name)).alias(name) for name, instant in instant_of.items()]
    return delivered.filter(pl.col(event_at) < end).with_columns(happened)


def future_dependence(make: Make, log: EventLog, as_of: AsOf, customers: pl.Series) -> dict[str, int]:
    """Features that change when everything after the as-of day is removed from the log.

    Parameters
    ----------
    make : callable
        Makes features of some customers as of the day.
    log : EventLog
        Unmasked.
    as_of : AsOf
        The day.
    customers : pl.Series
        A sample is enough: a feature that looks ahead does so for most.

    Returns
    -------
    dict
        Feature → number of customers for whom it changes; empty where all is well. A customer who is there only with
        the future, or only without, counts for ``customer_id``.
    """
    joined = make(log, customers).join(
        make(cut(log, as_of), customers), on="customer_id", how="full", suffix="_without", maintain_order="left_right"
    )
    alone = joined.filter(pl.col("customer_id").is_null() | pl.col("customer_id_without").is_null())
    both = joined.filter(pl.col("customer_id").is_not_null() & pl.col("customer_id_without").is_not_null())
    names = [name for name in joined.columns if f"{name}_without" in joined.columns and name != "customer_id"]
    changed = both.select(_differs(both.schema[name], name).sum() for name in names).row(0) if len(both) else ()
    counts = {"customer_id": len(alone)} | dict(zip(names, changed, strict=False))
    return {name: count for name, count in counts.items() if count}


def _differs(kind: pl.DataType, name: str) -> pl.Expr:
    value, other = pl.col(name), pl.col(f"{name}_without")
    differs = value.ne_missing(other)
    if not kind.is_numeric():
        return differs
    value, other = value.cast(pl.Float64), other.cast(pl.Float64)
    is_near = (value - other).abs() <= _TOLERANCE * pl.max_horizontal(value.abs(), pl.lit(1.0))
    return differs & ~is_near.fill_null(value=False)


def suspicious(features: pl.DataFrame, lost: NDArray[np.bool_], risk: NDArray[np.float64]) -> dict[str, float]:
    """What tells the lost from the kept too well to be honest: single features, or the model (``churn risk``).

    Parameters
    ----------
    features : pl.DataFrame
        One row per customer; a category is looked at value by value, a missing number counts as the lowest.
    lost : array of shape (n_customers,)
        What followed.
    risk : array of shape (n_customers,)
        Of the model.

    Returns
    -------
    dict
        Name → AUC (or 1 - AUC, where it ranks the other way round) above ``ALARM_AUC``.
    """
    if min(lost.sum(), (~lost).sum()) < FEWEST:
        return {}
    rows = features.with_columns(pl.Series("churn risk", risk), pl.Series("_lost", lost))
    rows = rows.sample(min(len(rows), _MOST_ALARM_ROWS), seed=0)
    outcome = rows["_lost"].to_numpy()
    areas = {name: auc(outcome, values).value for name, values in _numbers(rows.drop("customer_id", "_lost"))}
    found = {name: max(area, 1 - area) for name, area in areas.items()}
    return {name: area for name, area in found.items() if area > ALARM_AUC}


def _numbers(rows: pl.DataFrame) -> Iterator[tuple[str, NDArray[np.float64]]]:
    for column in rows:
        if column.dtype.is_numeric() or column.dtype == pl.Boolean:
            numbers = column.cast(pl.Float64).fill_null(float("-inf")).fill_nan(float("-inf"))
            yield column.name, numbers.to_numpy()
        else:
            frequent = column.drop_nulls().value_counts().filter(pl.col("count") >= FEWEST)[column.name]
            for level in frequent.sort():
                yield f"{column.name}={level}", (column == level).fill_null(value=False).cast(pl.Float64).to_numpy()
