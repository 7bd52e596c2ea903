"""From a features frame to the numbers that the churn learners take.

Belongs here: columns, categories and drivers, the buy-till-you-die column, and what is said when one is missing.
Must not be here: the meaning of features, learners, labels.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray
from sklearn.base import BaseEstimator

from trust_models.baselines import BUYS_AGAIN
from trust_models.btyd import MBGNBD, checked_rows

Floats = NDArray[np.float64]

PURCHASES = ("repeat_purchase_days", "active_span_days", "tenure_days")
NOT_FEATURES = ("customer_id", "is_lost", "as_of", "hash")

_ENOUGH = 50_000
"""Rows that four parameters are fitted on; training rows are in the order of a hash, so that the first are a sample."""


class ChurnMatrix(BaseEstimator):
    """Turns a features frame into a float matrix: numbers (nan = null), one column a frequent category, P(buys again).

    Parameters
    ----------
    horizon_days : int
        Window of the probability to buy again.
    minimum_count : int
        Customers that a category must have to get a column of its own.
    maximum_levels : int
        Most columns of one category feature.

    Attributes
    ----------
    feature_names_ : list of str
        The columns of the frame that are used.
    levels_ : dict
        Category feature → its levels that have a column; every other value has none of them.
    columns_ : list of str
        The columns of the matrix.
    btyd_ : MBGNBD
        Fitted on the purchases of the training rows; needs no labels.
    """

    def __init__(self, horizon_days: int = 90, minimum_count: int = 50, maximum_levels: int = 20) -> None:
        self.horizon_days = horizon_days
        self.minimum_count = minimum_count
        self.maximum_levels = maximum_levels

    def fit(self, frame: pl.DataFrame, y: object = None) -> Self:
        """Remember the columns and frequent categories of the frame, and fit the MBG/NBD.

        Raises
        ------
        ValueError
            If the frame is empty, has no purchase days, or a customer's make no history.
        """
        schema = {name: kind for name, kind in frame.schema.items() if name not in NOT_FEATURES}
        self.feature_names_ = list(schema)
        _refuse_missing(frame, PURCHASES)
        self.numbers_ = [name for name, kind in schema.items() if kind.is_numeric() or kind == pl.Boolean]
        self.levels_ = {name: self._levels(frame[name]) for name in schema if name not in self.numbers_}
        one_hot = [f"{name}={level}" for name, levels in self.levels_.items() for level in levels]
        self.columns_ = [*self.numbers_, *one_hot, BUYS_AGAIN]
        self.btyd_ = MBGNBD().fit(_purchases(frame.head(_ENOUGH)))
        return self

    def transform(self, frame: pl.DataFrame) -> Floats:
        """The matrix of shape (n_customers, len(columns_)).

        Raises
        ------
        ValueError
            If a feature that the model was trained on is not in the frame or holds no numbers where it did, or a
            customer's purchase days make no history.
        """
        _refuse_missing(frame, self.feature_names_)
        _refuse_other_types(frame, self.numbers_)
        encoded = [
            (pl.col(name).cast(pl.String) == level).fill_null(False).cast(pl.Float64).alias(f"{name}={level}")
            for name, levels in self.levels_.items()
            for level in levels
        ]
        numbers = frame.select(*(pl.col(name).cast(pl.Float64) for name in self.numbers_), *encoded).to_numpy()
        purchases = _purchases(frame)
        buys_again = self.btyd_.probability_active(purchases, float(self.horizon_days)) if len(frame) else np.zeros(0)
        matrix = np.column_stack([numbers, buys_again])
        matrix[~np.isfinite(matrix)] = np.nan
        return matrix

    def drivers(self, driver_of: Mapping[str, str]) -> list[str]:
        """The driver of each column of the matrix; ``driver_of`` maps features to drivers."""
        purchases = driver_of.get("recency_days", "other")
        named = {BUYS_AGAIN: purchases}
        return [named.get(name) or driver_of.get(name.split("=", 1)[0], "other") for name in self.columns_]

    def _levels(self, values: pl.Series) -> list[str]:
        counts: dict[Any, int] = dict(values.drop_nulls().cast(pl.String).value_counts().iter_rows())
        frequent = [level for level, count in counts.items() if count >= self.minimum_count]
        return sorted(sorted(frequent, key=lambda level: (-counts[level], level))[: self.maximum_levels])


def _purchases(frame: pl.DataFrame) -> Floats:
    """Rows (x, tx, T) of the buy-till-you-die model."""
    rows = frame.select(pl.col(name).cast(pl.Float64) for name in PURCHASES).to_numpy()
    try:
        return checked_rows(rows) if len(rows) else rows
    except ValueError as error:
        names = ", ".join(PURCHASES)
        raise ValueError(
            f"the features {names} must be (x, tx, T) of a purchase history for every customer: {error}; null is not "
            "allowed in them"
        ) from error


def _refuse_other_types(frame: pl.DataFrame, numbers: list[str]) -> None:
    kinds = {name: frame.schema[name] for name in numbers}
    if other := [f"{name} ({kind})" for name, kind in kinds.items() if not _holds_numbers(kind)]:
        raise ValueError(f"features must be numbers, as the churn model was trained on them: {', '.join(other)}")


def _holds_numbers(kind: pl.DataType) -> bool:
    """A column of nulls alone has the type Null."""
    return kind.is_numeric() or kind in (pl.Boolean, pl.Null)


def _refuse_missing(frame: pl.DataFrame, names: tuple[str, ...] | list[str]) -> None:
    if absent := [name for name in names if name not in frame.columns]:
        raise ValueError(
            f"features are missing: {', '.join(absent)}; the churn model was trained on them, so make the features "
            "with the same version, or train again"
        )
