"""Inferred trust beside asked trust: whether the scores agree with what customers say when they are asked.

Belongs here: answers on one scale, who answers, and the correlation of answers with the scores of the night before.
Must not be here: scoring, or a truth that only a simulated company has: this works on any company with a survey.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import polars as pl
import polars.selectors as cs
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from trust_models.as_of import AsOf, EventLog
from trust_models.trust_validation import Figure, Floats, Ints, bootstrapped, correlation, rank_correlation, rfm

LEAST_RESPONSES = 30
"""Responses below which nothing is said."""
OLDEST_SCORE_DAYS = 31
"""An answer is held against a score of at most so many days before it."""

METRICS = (
    "pearson",
    "spearman",
    "pearson_weighted",
    "spearman_weighted",
    "survey_reliability",
    "score_reliability",
    "pearson_disattenuated",
    "pearson_weighted_disattenuated",
    "effective_responses",
)
SCHEMA = pl.Schema({"metric": pl.String, "value": pl.Float64, "low": pl.Float64, "high": pl.Float64, "n": pl.Int64})


class _Matched(NamedTuple):
    """Responses beside the scores before them: arrays of shape (responses,), items (responses, dimensions)."""

    answer: Floats
    score: Floats
    reliability: Floats
    weight: Floats
    items: Floats


def convergent_validity(
    scores: pl.DataFrame,
    surveys: pl.DataFrame,
    profiles: pl.DataFrame | None = None,
    *,
    instrument: str = "trust",
    score: str = "trust_score",
    score_reliability: float | None = None,
    seed: int = 0,
) -> pl.DataFrame:
    """Correlation of a score with asked trust, as answered and as if everybody had answered.

    A response is rescaled to 0–1 and averaged over its dimensions: asked general trust. It is held against the score of
    the last night *before* the day of the answer (at most :data:`OLDEST_SCORE_DAYS` before). The weighted figures give
    each response its design weight divided by the chance that such a customer answers (:func:`answer_weights`).
    Disattenuated is r / √(reliability of the survey · reliability of the score), cut at 1 (Spearman 1904): the
    correlation if neither were blurred. The reliability of the survey is Cronbach's alpha over the dimensions of a
    response; a survey of one dimension has none, and no disattenuated figure.

    Parameters
    ----------
    scores : DataFrame
        [customer_id, as_of, <score>, trust_reliability] of several nights; other columns are ignored.
    surveys : DataFrame
        The survey rows of the masked event log.
    profiles : DataFrame, optional
        [customer_id, as_of, …] of everybody who could have answered, with the numbers and words that who answers may
        hang on (:func:`answer_profiles`). Default: only the design weight counts.
    instrument : str
        Which survey.
    score : str
        The column of the score.
    score_reliability : float, optional
        Default: mean trust_reliability of the scores matched, which for a posterior mean is the square of its
        correlation with the trait (Bock and Mislevy 1982).
    seed : int
        Of the bootstrap over customers; weights are held fixed in it.

    Returns
    -------
    DataFrame
        [metric, value, low, high, n], one row for each of :data:`METRICS`; n counts the responses matched. Values are
        null where there are fewer than :data:`LEAST_RESPONSES`.

    References
    ----------
    Bock, R. D., Mislevy, R. J. (1982). Adaptive EAP estimation of ability in a microcomputer environment. Applied
    Psychological Measurement 6, 431–444.
    Campbell, D. T., Fiske, D. W. (1959). Convergent and discriminant validation by the multitrait-multimethod matrix.
    Psychological Bulletin 56, 81–105.
    Spearman, C. (1904). The proof and measurement of association between two things. American Journal of Psychology
    15, 72–101.
    """
    responses = _answered_after(answers(surveys, instrument), scores, score)
    if len(responses) < LEAST_RESPONSES:
        return _table(dict.fromkeys(METRICS, Figure(None)), len(responses))
    weights = answer_weights(responses, profiles)
    matched = _Matched(
        answer=responses["answer"].to_numpy(),
        score=responses[score].to_numpy(),
        reliability=responses["trust_reliability"].to_numpy(),
        weight=weights,
        items=responses.select(cs.starts_with("item_")).to_numpy(),
    )

    def statistic(rows: Ints) -> dict[str, float]:
        return _agreement(_Matched(*(part[rows] for part in matched)), score_reliability)

    return _table(bootstrapped(statistic, responses["customer_id"].to_numpy(), seed=seed), len(responses))


def answers(surveys: pl.DataFrame, instrument: str) -> pl.DataFrame:
    """Responses to a survey on the scale 0–1, one row each.

    Returns
    -------
    DataFrame
        [response_id, customer_id, answered_date, answer, design_weight, item_<dimension>…], sorted; design_weight is 1
        where none is given.
    """
    width = pl.col("scale_max") - pl.col("scale_min")
    asked = surveys.filter((pl.col("instrument") == instrument) & (width > 0)).with_columns(
        rescaled=(pl.col("score") - pl.col("scale_min")) / width, dimension="item_" + pl.col("dimension")
    )
    whole = asked.group_by("response_id").agg(
        pl.col("customer_id").first(),
        pl.col("answered_date").min(),
        answer=pl.col("rescaled").mean(),
        design_weight=pl.col("weight").mean().fill_null(1.0),
    )
    dimensions = asked["dimension"].unique().sort()
    items = asked.group_by("response_id").agg(
        pl.col("rescaled").filter(pl.col("dimension") == name).first().alias(name) for name in dimensions
    )
    return whole.join(items, on="response_id").sort("response_id")


def answer_profiles(known: EventLog, *, as_of: AsOf) -> pl.DataFrame:
    """Who could answer on a day, and what that may hang on.

    Returns
    -------
    DataFrame
        [customer_id, as_of, recency_days, orders, amount, segment, customer_class], sorted.
    """
    groups = known.customers.select("customer_id", "segment", "customer_class").collect()
    return (
        rfm(known, as_of=as_of)
        .join(groups, on="customer_id", how="left", maintain_order="left")
        .with_columns(as_of=pl.lit(as_of.day))
    )


def answer_weights(responses: pl.DataFrame, profiles: pl.DataFrame | None) -> Floats:
    """Weight of each response such that those who answered stand for those who could have, mean 1.

    The chance to answer comes from a logistic regression, over everybody at the nights that answers followed, of having
    answered on log(1 + number) and words of the profile. While it is fitted each answer counts by its design weight: so
    it gives the chance to answer *if asked*, and dividing the design weight by it corrects who was asked just once.

    Parameters
    ----------
    responses : DataFrame
        [customer_id, as_of, design_weight, …].
    profiles : DataFrame or None
        [customer_id, as_of, …]; a response whose customer has none gets the mean chance.

    Returns
    -------
    array of shape (responses,)

    References
    ----------
    Little, R. J. A. (1986). Survey nonresponse adjustments for estimates of means. International Statistical Review 54,
    139–157.
    """
    design = responses["design_weight"].to_numpy()
    if profiles is None:
        return np.asarray(design / design.mean())
    key = ["customer_id", "as_of"]
    asked = profiles.join(responses.select("as_of").unique(), on="as_of", how="semi").sort("as_of", "customer_id")
    marked = responses.group_by(key).agg(answers=pl.col("design_weight").sum())
    people = asked.join(marked, on=key, how="left", maintain_order="left")
    chance = _chance_to_answer(people)
    known = people.select(key).with_columns(chance=pl.Series(chance))
    found = responses.select(key).join(known, on=key, how="left", maintain_order="left")["chance"]
    weight = design / found.fill_null(float(chance.mean())).to_numpy()
    return np.asarray(weight / weight.mean())


def _chance_to_answer(people: pl.DataFrame) -> Floats:
    """Fitted chance of everybody in [customer_id, as_of, answers (null: none), …profile]."""
    has_answered = people["answers"].is_not_null().to_numpy()
    profile = people.drop("customer_id", "as_of", "answers").select(
        cs.numeric().fill_null(0).clip(lower_bound=0).log1p().cast(pl.Float64),
        (cs.string() | cs.boolean()).cast(pl.String).fill_null("unknown"),
    )
    if has_answered.all() or not has_answered.any() or not profile.width:
        return np.full(len(people), 0.5)
    design = StandardScaler().fit_transform(profile.to_dummies(cs.string()).to_numpy())
    model = LogisticRegression(C=1.0, max_iter=1000)
    model.fit(design, has_answered, sample_weight=people["answers"].fill_null(1.0).to_numpy())
    return np.asarray(model.predict_proba(design)[:, 1], dtype=np.float64)


def cronbach_alpha(items: Floats) -> float:
    """Reliability of the mean of several items, k/(k−1) · (1 − Σ item variances / variance of the sum).

    Of rows without missing items; nan with fewer than two items or rows, or where answers do not vary.

    References
    ----------
    Cronbach, L. J. (1951). Coefficient alpha and the internal structure of tests. Psychometrika 16, 297–334, eq. 2.
    """
    whole = items[~np.isnan(items).any(axis=1)]
    size = items.shape[1]
    if size < 2 or len(whole) < 2 or not (total := whole.sum(axis=1).var(ddof=1)) > 0:
        return math.nan
    return float(size / (size - 1) * (1 - whole.var(axis=0, ddof=1).sum() / total))


def disattenuated(observed: float, *reliabilities: float) -> float:
    """Correlation without the blur of measurement, r / √Π reliabilities, between −1 and 1 (Spearman 1904).

    nan where a reliability is not positive: then nothing was measured.
    """
    if not all(reliability > 0 for reliability in reliabilities):
        return math.nan
    return float(np.clip(observed / math.sqrt(math.prod(reliabilities)), -1.0, 1.0))


def _answered_after(responses: pl.DataFrame, scores: pl.DataFrame, score: str) -> pl.DataFrame:
    """Responses with the customer's score of the last night before; those without one are left out."""
    before = scores.select("customer_id", "as_of", score, "trust_reliability").drop_nulls(score).sort("as_of")
    return (
        responses.sort("answered_date")
        .join_asof(
            before.with_columns(night="as_of"),
            left_on="answered_date",
            right_on="night",
            by="customer_id",
            strategy="backward",
            allow_exact_matches=False,
            tolerance=f"{OLDEST_SCORE_DAYS}d",
            check_sortedness=False,
        )
        .drop_nulls(score)
        .sort("response_id")
    )


def _agreement(matched: _Matched, score_reliability: float | None) -> dict[str, float]:
    answer, score, weight = matched.answer, matched.score, matched.weight
    alpha = cronbach_alpha(matched.items)
    reliability = float(matched.reliability.mean()) if score_reliability is None else score_reliability
    plain, weighted = correlation(answer, score), correlation(answer, score, weight)
    return {
        "pearson": plain,
        "spearman": rank_correlation(answer, score),
        "pearson_weighted": weighted,
        "spearman_weighted": rank_correlation(answer, score, weight),
        "survey_reliability": alpha,
        "score_reliability": reliability,
        "pearson_disattenuated": disattenuated(plain, alpha, reliability),
        "pearson_weighted_disattenuated": disattenuated(weighted, alpha, reliability),
        "effective_responses": float(weight.sum() ** 2 / (weight**2).sum()),
    }


def _table(figures: dict[str, Figure], responses: int) -> pl.DataFrame:
    rows = [(name, *figures[name][:3], responses) for name in METRICS]
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")
