"""Event study: what happens to customers' scores around a complaint, beside customers to whom nothing happened.

Belongs here: which nights lie before and after an event, who is compared with whom, and the mean changes.
Must not be here: scoring of the nights, what a complaint or a resolution is (``trials``), words.
"""

from __future__ import annotations

from datetime import date

import numpy as np
import polars as pl

from trust_models.trust_validation import Figure, Ints, bootstrapped

GROUPS = ("unresolved", "resolved")
AFTER_DAYS = (30, 60)
SCORE_STEP = 5.0
"""Width, in points, of the steps of score within which customers count as alike."""


def event_study(
    scores: pl.DataFrame,
    complaints: pl.DataFrame,
    comparable: pl.DataFrame,
    *,
    score: str = "trust_score",
    seed: int = 0,
) -> dict[str, Figure]:
    """Mean change of score from the last night before a complaint to the first one 30 and 60 days after it was due.

    Each complaint stands alone: one whose customer complained again before the last of its nights is left out. It is
    compared with the mean change, over the same two nights, of comparable customers of the same step of score who did
    not complain in between; the effect is the difference.

    Parameters
    ----------
    scores : DataFrame
        [customer_id, as_of, <score>], of several nights with the same parameters.
    complaints : DataFrame
        [customer_id, opened_date, due_date, is_resolved]: when it was opened, when its outcome was due and what it was.
    comparable : DataFrame
        [customer_id, as_of]: who may stand for the customers without a complaint, by the night before.
    score : str
        The column of the score.
    seed : int
        Of the bootstrap over customers.

    Returns
    -------
    dict
        ``<group>/before``, ``<group>/<days>/change``, ``/matched``, ``/effect`` for the groups unresolved and
        resolved, and ``recovery/<days>``: the effect of a resolved complaint less that of an unresolved one.

    References
    ----------
    MacKinlay, A. C. (1997). Event studies in economics and finance. Journal of Economic Literature 35, 13–39.
    """
    nights = scores["as_of"].unique().sort().to_list()
    found = _alone(_nights_of(complaints, nights), complaints)
    table = found.join(
        scores.select("customer_id", before="as_of", score_before=score), on=["customer_id", "before"]
    ).with_columns(_step("score_before"))
    for days in AFTER_DAYS:
        later = scores.select("customer_id", pl.col("as_of").alias(f"after_{days}"), pl.col(score).alias("later"))
        pairs = found.select("before", after=f"after_{days}").unique()
        table = (
            table.join(later, on=["customer_id", f"after_{days}"])
            .with_columns((pl.col("later") - pl.col("score_before")).alias(f"change_{days}"))
            .join(
                _matched(scores, complaints, comparable, pairs, score).rename(
                    {"after": f"after_{days}", "matched": f"matched_{days}"}
                ),
                on=["before", f"after_{days}", "step"],
            )
            .drop("later")
        )
    return _figures(table.sort("customer_id", "opened_date"), seed)


def _nights_of(complaints: pl.DataFrame, nights: list[date]) -> pl.DataFrame:
    """Complaints with the last night before they were opened and the first ones long enough after they were due."""
    night = pl.DataFrame({"night": nights}, schema={"night": pl.Date}).sort("night")
    found = (
        complaints.sort("opened_date")
        .join_asof(night, left_on="opened_date", right_on="night", strategy="backward", allow_exact_matches=False)
        .rename({"night": "before"})
    )
    for days in AFTER_DAYS:
        found = (
            found.with_columns(wanted=pl.col("due_date").dt.offset_by(f"{days}d"))
            .sort("wanted")
            .join_asof(night, left_on="wanted", right_on="night", strategy="forward")
            .rename({"night": f"after_{days}"})
            .drop("wanted")
        )
    return found.drop_nulls(["before", *(f"after_{days}" for days in AFTER_DAYS)])


def _alone(found: pl.DataFrame, complaints: pl.DataFrame) -> pl.DataFrame:
    """The complaints with no other one of the same customer between their first and last night."""
    last = f"after_{AFTER_DAYS[-1]}"
    others = complaints.select("customer_id", other="opened_date")
    return (
        found.with_row_index("event")
        .join(others, on="customer_id")
        .filter((pl.col("other") > pl.col("before")) & (pl.col("other") <= pl.col(last)))
        .filter(pl.len().over("event") == 1)
        .drop("event", "other")
    )


def _matched(
    scores: pl.DataFrame, complaints: pl.DataFrame, comparable: pl.DataFrame, pairs: pl.DataFrame, score: str
) -> pl.DataFrame:
    """[before, after, step, matched]: mean change of comparable customers without a complaint between two nights."""
    between = (pl.col("opened_date") > pl.col("before")) & (pl.col("opened_date") <= pl.col("after"))
    complained = pairs.join(complaints.select("customer_id", "opened_date"), how="cross").filter(between)
    return (
        pairs.join(comparable.select("customer_id", before="as_of"), on="before")
        .join(complained, on=["customer_id", "before", "after"], how="anti")
        .join(scores.select("customer_id", before="as_of", earlier=score), on=["customer_id", "before"])
        .join(scores.select("customer_id", after="as_of", later=score), on=["customer_id", "after"])
        .with_columns(_step("earlier"))
        .group_by("before", "after", "step")
        .agg(matched=(pl.col("later") - pl.col("earlier")).mean())
    )


def _step(score: str) -> pl.Expr:
    return (pl.col(score) / SCORE_STEP).floor().cast(pl.Int64).alias("step")


def _figures(table: pl.DataFrame, seed: int) -> dict[str, Figure]:
    """Means by group over resampled customers; n counts the complaints of the group."""
    columns = ["score_before", *(f"{kind}_{days}" for days in AFTER_DAYS for kind in ("change", "matched"))]
    values = table.select(columns).to_numpy()
    resolved = table["is_resolved"].to_numpy()

    def statistic(rows: Ints) -> dict[str, float]:
        means = [_means(values[rows[resolved[rows] == flag]]) for flag in (False, True)]
        found: dict[str, float] = {}
        for group, (before, *changes) in zip(GROUPS, means, strict=True):
            found[f"{group}/before"] = before
            for days, change, matched in zip(AFTER_DAYS, changes[::2], changes[1::2], strict=True):
                found |= {f"{group}/{days}/change": change, f"{group}/{days}/matched": matched}
                found[f"{group}/{days}/effect"] = change - matched
        recovery = {
            f"recovery/{days}": found[f"resolved/{days}/effect"] - found[f"unresolved/{days}/effect"]
            for days in AFTER_DAYS
        }
        return found | recovery

    number = {"unresolved": int((~resolved).sum()), "resolved": int(resolved.sum()), "recovery": len(table)}
    figures = bootstrapped(statistic, table["customer_id"].to_numpy(), seed=seed)
    return {name: figure._replace(n=number[name.split("/")[0]]) for name, figure in figures.items()}


def _means(values: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> list[float]:
    if not len(values):
        return [float("nan")] * values.shape[1]
    return [float(mean) for mean in values.mean(axis=0)]
