"""What goes into a churn training, and what comes out of it.

Belongs here: snapshots, their join with labels, which of them can be used, and the outcome with its notes.
Must not be here: fitting, choosing, calibrating (``churn``, ``churn_fallback``, ``churn_calibration``).
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

import polars as pl

from trust_models.churn_model import ChurnModel
from trust_models.churn_settings import ChurnSettings

QUALITY_SCHEMA = pl.Schema({"as_of": pl.Date, "basis": pl.String, "metric": pl.String, "value": pl.Float64})
COUNTS_SCHEMA = pl.Schema({"as_of": pl.Date, "customers": pl.Int64, "lost": pl.Int64, "is_used": pl.Boolean})


@dataclass(frozen=True)
class ChurnSnapshot:
    """What was known on a day, and what followed.

    Parameters
    ----------
    as_of : date
        The day.
    features : pl.DataFrame
        As :func:`trust_models.features.features` makes them.
    labels : pl.DataFrame, optional
        As :func:`trust_models.labels.labels` makes them; None while the label window is not over.
    """

    as_of: date
    features: pl.DataFrame
    labels: pl.DataFrame | None = None


@dataclass(frozen=True)
class Note:
    """Something that a person should know about the training, in English and Chinese."""

    text_en: str
    text_zh: str


@dataclass(frozen=True)
class ChurnTraining:
    """The outcome of a training.

    Parameters
    ----------
    model : ChurnModel
        To be used where there is no champion: the candidate where it is promoted, else the best baseline.
    candidate : ChurnModel or None
        The trained model, promoted or not; None where history was too short for one.
    is_promoted : bool
        Whether the candidate beat every baseline in log loss.
    chosen : str
        The candidate's name: average, logistic or trees; or the baseline's.
    quality : pl.DataFrame
        as_of, basis (model, baseline:<name>), metric, value (null where it does not exist, as a constant's
        calibration slope); on the newest matured snapshot, cross-fitted.
    snapshots : pl.DataFrame
        as_of, customers, lost, is_used of every matured snapshot.
    notes : tuple of Note
        What was missing or decided.
    baselines : mapping of str to ChurnModel
        Every baseline as it would stand in for the model: fitted on the same rows and calibrated in the same way.
    calibration : pl.DataFrame or None
        Of the model or baseline that is used: customers, mean_risk, lost_share, low, high by rising risk (see
        ``evaluation.calibration_curve``), cross-fitted on the newest matured snapshot; None where there is none.
    """

    model: ChurnModel
    candidate: ChurnModel | None
    is_promoted: bool
    chosen: str
    quality: pl.DataFrame
    snapshots: pl.DataFrame
    notes: tuple[Note, ...]
    baselines: Mapping[str, ChurnModel] = field(default_factory=dict)
    calibration: pl.DataFrame | None = None


def labelled(snapshots: Sequence[ChurnSnapshot]) -> list[pl.DataFrame]:
    """The matured snapshots, oldest first: features with is_lost, as_of and ``hash`` (of the customer id, 32 bits).

    The hash is the same on every machine and in every version, unlike those of Python and Polars.

    Raises
    ------
    ValueError
        If a label is null.
    """
    frames = []
    for snapshot in sorted(snapshots, key=lambda s: s.as_of):
        if snapshot.labels is None:
            continue
        frame = snapshot.features.join(snapshot.labels.select("customer_id", "is_lost"), "customer_id", how="inner")
        if unknown := frame["is_lost"].null_count():
            raise ValueError(
                f"{unknown} labels of {snapshot.as_of} are null; leave out customers whose fate is unknown"
            )
        hashes = [zlib.crc32(customer.encode()) for customer in frame["customer_id"]]
        frames.append(frame.with_columns(pl.Series("hash", hashes, dtype=pl.UInt32), as_of=pl.lit(snapshot.as_of)))
    return frames


def is_usable(frame: pl.DataFrame, settings: ChurnSettings) -> bool:
    """Whether a labelled snapshot has enough customers, and enough of either class."""
    lost = int(frame["is_lost"].sum())
    smaller = min(lost, len(frame) - lost)
    return len(frame) >= settings.minimum_customers and smaller >= settings.minimum_class


def counts(matured: Sequence[pl.DataFrame], settings: ChurnSettings) -> pl.DataFrame:
    """as_of, customers, lost, is_used of labelled snapshots that are not empty."""
    rows = [(f["as_of"][0], len(f), int(f["is_lost"].sum()), is_usable(f, settings)) for f in matured if len(f)]
    return pl.DataFrame(rows, schema=COUNTS_SCHEMA, orient="row")


def capped(frame: pl.DataFrame, most: int, *, minimum_class: int = 0) -> pl.DataFrame:
    """Rows in the order of the hash, so that the first ones are a sample of customers.

    Where there are more than ``most``, only those of about as many customers as that takes; of more where one class is
    so rare that fewer than ``minimum_class`` of it would be left.
    """
    smaller = min(int(frame["is_lost"].sum()), int((~frame["is_lost"]).sum()))
    if smaller and minimum_class:
        most = max(most, -(-minimum_class * len(frame) // smaller))
    border = int(most / max(len(frame), most) * 2**32)
    return frame.filter(pl.col("hash") < border).sort("hash", "customer_id", "as_of")
