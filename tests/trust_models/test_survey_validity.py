import math
from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest
from evidence_log import event_log, order

from trust_models.as_of import AsOf
from trust_models.survey_validity import (
    METRICS,
    answer_profiles,
    answer_weights,
    answers,
    convergent_validity,
    cronbach_alpha,
    disattenuated,
)

NIGHT = date(2024, 3, 31)
ANSWERED = NIGHT + timedelta(days=3)


def survey(rows: list[dict]) -> pl.DataFrame:
    defaults = {
        "response_id": "r1",
        "dimension": "values",
        "customer_id": "ann",
        "answered_date": ANSWERED,
        "instrument": "trust",
        "score": 4.0,
        "scale_min": 1.0,
        "scale_max": 7.0,
        "weight": None,
    }
    return pl.DataFrame([defaults | row for row in rows], schema_overrides={"weight": pl.Float64})


def asked(trust: np.ndarray, **columns: object) -> pl.DataFrame:
    rows = [
        {"response_id": f"r{place:05}", "customer_id": f"c{place:05}", "score": value, **columns}
        for place, value in enumerate(trust)
    ]
    return survey(rows).with_columns(scale_min=pl.lit(0.0), scale_max=pl.lit(1.0))


def nights(score: np.ndarray, night: date = NIGHT, reliability: float = 0.5) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "customer_id": [f"c{place:05}" for place in range(len(score))],
            "as_of": [night] * len(score),
            "trust_score": score,
            "trust_reliability": [reliability] * len(score),
        }
    )


def values(table: pl.DataFrame) -> dict[str, float | None]:
    return dict(table.select("metric", "value").iter_rows())


def test_answers_are_rescaled_and_averaged_over_their_dimensions() -> None:
    found = answers(
        survey(
            [
                {"dimension": "values", "score": 1.0},
                {"dimension": "reputation", "score": 7.0, "weight": 0.5},
                {"response_id": "r2", "dimension": "values", "score": 4.0},
                {"response_id": "r3", "instrument": "csat"},
            ]
        ),
        "trust",
    )
    assert found["answer"].to_list() == [0.5, 0.5]
    assert found["design_weight"].to_list() == [0.5, 1.0]
    assert found.select("item_reputation", "item_values").rows() == [(1.0, 0.0), (None, 0.5)]


def test_a_perfect_score_correlates_perfectly_and_a_shuffled_one_not_at_all() -> None:
    trust = np.random.default_rng(0).uniform(size=2000)
    perfect = values(convergent_validity(nights(trust * 100), asked(trust)))
    assert perfect["pearson"] == pytest.approx(1)
    assert perfect["spearman_weighted"] == pytest.approx(1)
    shuffled = convergent_validity(nights(np.random.default_rng(1).permutation(trust)), asked(trust))
    assert abs(values(shuffled)["pearson"]) < 0.06
    assert abs(values(shuffled)["spearman_weighted"]) < 0.06


def test_every_metric_is_there_with_the_number_of_responses() -> None:
    table = convergent_validity(nights(np.arange(40.0)), asked(np.linspace(0, 1, 40)))
    assert table["metric"].to_list() == list(METRICS)
    assert table["n"].to_list() == [40] * len(METRICS)


def test_fewer_than_thirty_responses_say_nothing() -> None:
    table = convergent_validity(nights(np.arange(29.0)), asked(np.linspace(0, 1, 29)))
    assert table.select("value", "low", "high").null_count().row(0) == (len(METRICS),) * 3
    assert table["n"].to_list() == [29] * len(METRICS)


def test_without_a_survey_nothing_is_said() -> None:
    table = convergent_validity(nights(np.arange(40.0)), survey([{}]).clear())
    assert table["value"].null_count() == len(METRICS)


def test_only_a_score_from_before_the_day_of_the_answer_counts() -> None:
    trust = np.linspace(0, 1, 40)
    both = pl.concat([nights(trust), nights(-trust, ANSWERED)])
    assert values(convergent_validity(both, asked(trust)))["pearson"] == pytest.approx(1)


def test_a_score_of_long_ago_is_not_held_against_an_answer() -> None:
    old = nights(np.linspace(0, 1, 40), ANSWERED - timedelta(days=32))
    assert convergent_validity(old, asked(np.linspace(0, 1, 40)))["n"][0] == 0


def test_weights_undo_who_was_asked_and_who_answered() -> None:
    draw = np.random.default_rng(3)
    size = 20_000
    orders = draw.poisson(3, size)
    is_best = draw.random(size) < 0.5
    trust = 0.4 * np.log1p(orders) + 0.5 * is_best + draw.normal(0, 0.3, size)
    is_asked = draw.random(size) < np.where(is_best, 0.4, 0.1)
    has_answered = is_asked & (draw.random(size) < 1 / (1 + np.exp(3 - 1.2 * np.log1p(orders))))
    profiles = pl.DataFrame(
        {
            "customer_id": [f"c{place:05}" for place in range(size)],
            "as_of": [NIGHT] * size,
            "orders": orders,
            "customer_class": np.where(is_best, "A", "B"),
        }
    )
    responses = profiles.filter(pl.Series(has_answered)).with_columns(
        design_weight=pl.when(pl.col("customer_class") == "A").then(0.25).otherwise(1.0)
    )
    weights = answer_weights(responses, profiles)
    answered = trust[has_answered]
    assert answered.mean() - trust.mean() > 0.2
    assert np.average(answered, weights=weights) == pytest.approx(trust.mean(), abs=0.03)
    assert np.average(is_best[has_answered], weights=weights) == pytest.approx(0.5, abs=0.04)


def test_weights_bring_the_correlation_of_a_selected_sample_back() -> None:
    draw = np.random.default_rng(4)
    size = 20_000
    orders = draw.poisson(5, size)
    trust = np.log1p(orders) / 3
    score = trust + np.where(orders > 5, draw.normal(0, 0.02, size), draw.normal(0, 0.4, size))
    answered = draw.random(size) < np.where(orders > 5, 0.3, 0.03)
    profiles = nights(score).select("customer_id", "as_of").with_columns(orders=pl.Series(orders > 5))
    surveys = asked(trust).filter(pl.Series(answered))
    found = values(convergent_validity(nights(score), surveys, profiles))
    whole = np.corrcoef(trust, score)[0, 1]
    assert abs(found["pearson_weighted"] - whole) < 0.03
    assert abs(found["pearson"] - whole) > 0.06
    assert found["effective_responses"] < answered.sum() * 0.8


def test_without_profiles_only_the_design_weight_counts() -> None:
    responses = pl.DataFrame({"customer_id": ["a", "b"], "as_of": [NIGHT] * 2, "design_weight": [1.0, 3.0]})
    assert answer_weights(responses, None).tolist() == [0.5, 1.5]


def test_a_profile_may_have_gaps() -> None:
    profiles = pl.DataFrame(
        {
            "customer_id": ["a", "b", "c", "d"],
            "as_of": [NIGHT] * 4,
            "amount": [None, -3.0, 5.0, 1.0],
            "segment": [None, "x", "y", None],
        }
    )
    responses = pl.DataFrame({"customer_id": ["a", "gone"], "as_of": [NIGHT] * 2, "design_weight": [1.0, 1.0]})
    weights = answer_weights(responses, profiles)
    assert np.isfinite(weights).all()
    assert weights.mean() == pytest.approx(1)


def test_alpha_of_items_that_say_the_same_is_one_and_of_unrelated_ones_nought() -> None:
    item = np.arange(10.0)
    assert cronbach_alpha(np.column_stack([item, item, item])) == pytest.approx(1)
    unrelated = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    assert cronbach_alpha(unrelated) == pytest.approx(0)


def test_alpha_of_one_item_or_no_spread_is_unknown() -> None:
    assert math.isnan(cronbach_alpha(np.arange(5.0)[:, None]))
    assert math.isnan(cronbach_alpha(np.ones((5, 2))))
    assert math.isnan(cronbach_alpha(np.array([[1.0, np.nan], [2.0, 3.0]])))


def test_disattenuation_divides_by_the_root_of_the_reliabilities() -> None:
    assert disattenuated(0.3, 0.81, 0.25) == pytest.approx(0.3 / (0.9 * 0.5))
    assert disattenuated(0.9, 0.5, 0.5) == 1.0
    assert math.isnan(disattenuated(0.3, math.nan, 0.5))
    assert math.isnan(disattenuated(0.3, 0.0, 0.5))


def test_disattenuation_finds_the_correlation_of_what_was_blurred() -> None:
    draw = np.random.default_rng(5)
    size = 5000
    trust = draw.standard_normal(size)
    items = [0.5 + 0.08 * (trust + draw.standard_normal(size)) for _ in range(3)]
    surveys = pl.concat(
        [asked(item, dimension=name) for item, name in zip(items, ("values", "reputation", "x"), strict=True)]
    )
    felt = 0.6 * trust + 0.8 * draw.standard_normal(size)
    score = felt + draw.standard_normal(size)
    found = values(convergent_validity(nights(score), surveys, score_reliability=0.5))
    assert found["survey_reliability"] == pytest.approx(0.75, abs=0.02)
    assert found["pearson"] == pytest.approx(0.6 * math.sqrt(0.75 * 0.5), abs=0.03)
    assert found["pearson_disattenuated"] == pytest.approx(0.6, abs=0.04)


def test_a_survey_of_one_dimension_has_no_disattenuated_figure() -> None:
    found = values(convergent_validity(nights(np.arange(40.0)), asked(np.linspace(0, 1, 40))))
    assert found["survey_reliability"] is None
    assert found["pearson_disattenuated"] is None
    assert found["score_reliability"] == 0.5


def test_profiles_hold_everybody_with_an_order() -> None:
    as_of = AsOf(NIGHT)
    log = event_log(
        [order("o1", "2024-03-01T10:00", amount=3.0), order("o2", "2024-03-02T10:00", "bob", amount=4.0)],
        customers=[{"customer_id": "ann", "known_from": NIGHT, "segment": "home", "customer_class": "A"}],
    )
    assert answer_profiles(log.known(as_of), as_of=as_of).rows() == [
        ("ann", 30, 1, 3.0, "home", "A", NIGHT),
        ("bob", 29, 1, 4.0, None, None, NIGHT),
    ]
