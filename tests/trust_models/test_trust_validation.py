import math
from datetime import date

import numpy as np
import polars as pl
import pytest
from evidence_log import complaint, event_log, order
from scipy.stats import spearmanr
from sklearn.metrics import roc_auc_score

from trust_models.as_of import AsOf
from trust_models.trust_validation import (
    area_under_curve,
    beta_reputation,
    bootstrapped,
    ceiling,
    complaint_free_rate,
    correlation,
    equal_strata,
    figure,
    halves,
    interval_coverage,
    midranks,
    places,
    predictive_gain,
    quiet_changes,
    rank_agreement,
    rank_correlation,
    rfm,
    spearman_brown,
    split_half,
    stratified_difference,
    summed_counts,
    thirds,
)

TRUST = np.random.default_rng(0).standard_normal(400)
NOISE = np.random.default_rng(1).standard_normal(400)
DAY = AsOf(date(2024, 6, 30))


def test_a_score_in_the_order_of_the_truth_agrees_perfectly() -> None:
    found = rank_agreement(TRUST, {"score": np.exp(TRUST)})["score"]
    assert found.value == found.low == found.high == pytest.approx(1.0)
    assert found.n == 400


def test_a_score_in_the_opposite_order_disagrees_perfectly() -> None:
    assert rank_agreement(TRUST, {"score": -TRUST})["score"].value == pytest.approx(-1.0)


def test_a_shuffled_score_agrees_with_nothing() -> None:
    found = rank_agreement(TRUST, {"score": np.random.default_rng(2).permutation(TRUST)})["score"]
    assert abs(found.value) < 0.15
    assert found.low < 0 < found.high


def test_rank_correlation_is_spearmans_also_with_ties() -> None:
    coarse = np.round(TRUST + NOISE)
    assert rank_correlation(TRUST, coarse) == pytest.approx(spearmanr(TRUST, coarse).statistic)


def test_a_weight_counts_as_so_many_rows() -> None:
    a, b, weights = np.array([3.0, 1.0, 2.0, 2.0]), np.array([1.0, 5.0, 2.0, 7.0]), np.array([1.0, 3.0, 2.0, 1.0])
    again = weights.astype(int)
    assert rank_correlation(a, b, weights) == pytest.approx(rank_correlation(a.repeat(again), b.repeat(again)))
    assert correlation(a, b, weights) == pytest.approx(np.corrcoef(a.repeat(again), b.repeat(again))[0, 1])


def test_equal_values_share_the_middle_of_their_ranks() -> None:
    assert midranks(places(np.array([5.0, 1.0, 5.0]))).tolist() == [2.0, 0.5, 2.0]


def test_what_does_not_vary_correlates_with_nothing() -> None:
    assert math.isnan(rank_correlation(np.ones(5), np.arange(5.0)))
    assert rank_agreement(np.arange(5.0), {"flat": np.ones(5)})["flat"].value is None


def test_comparisons_are_the_ratio_and_the_difference_of_the_correlations() -> None:
    found = rank_agreement(
        TRUST,
        {"good": TRUST + NOISE, "best": TRUST + NOISE / 2},
        ratios={"ratio": ("good", "best")},
        differences={"lead": ("good", "best")},
    )
    assert found["ratio"].value == pytest.approx(found["good"].value / found["best"].value)
    assert found["lead"].value == pytest.approx(found["good"].value - found["best"].value)
    assert found["lead"].high < 0


def test_scores_are_compared_on_the_same_resamples() -> None:
    found = rank_agreement(
        TRUST, {"a": TRUST + NOISE, "same": 2 * (TRUST + NOISE)}, differences={"lead": ("a", "same")}
    )
    assert found["lead"] == (0.0, 0.0, 0.0, 400)


def test_a_missing_score_is_refused() -> None:
    with pytest.raises(ValueError, match="values are missing in score; leave out customers without a score"):
        rank_agreement(TRUST, {"score": np.full(400, np.nan)})


def test_rows_of_one_customer_are_drawn_together() -> None:
    values, twice = np.arange(40.0), np.arange(40.0).repeat(2)
    one = bootstrapped(lambda rows: {"mean": values[rows].mean()}, np.arange(40), resamples=2000)["mean"]
    two = bootstrapped(lambda rows: {"mean": twice[rows].mean()}, np.arange(40).repeat(2), resamples=2000)["mean"]
    assert two.high - two.low == pytest.approx(one.high - one.low, rel=1e-9)


def test_the_same_seed_gives_the_same_interval() -> None:
    found = [
        bootstrapped(lambda rows: {"mean": NOISE[rows].mean()}, np.arange(400), seed=seed)["mean"] for seed in (3, 3, 4)
    ]
    assert found[0] == found[1] != found[2]


def test_a_figure_without_an_answer_is_none_and_never_nan() -> None:
    assert figure(math.nan, n=3) == (None, None, None, 3)
    assert bootstrapped(lambda rows: {"mean": math.nan}, np.arange(0))["mean"] == (None, None, None, 0)


def test_the_ceiling_finds_what_the_evidence_tells_and_nothing_else() -> None:
    evidence = np.random.default_rng(5).standard_normal((3000, 2))
    truth = np.abs(evidence[:, 0])
    assert rank_correlation(ceiling(evidence, truth, seeds=(0,)), truth) > 0.95
    unrelated = np.random.default_rng(6).standard_normal(3000)
    assert abs(rank_correlation(ceiling(evidence, unrelated, seeds=(0,)), unrelated)) < 0.1


def test_beta_reputation_starts_at_the_base_rate_and_follows_the_counts() -> None:
    assert beta_reputation(np.array([0.0, 3.0]), np.array([0.0, 1.0])).tolist() == [0.5, 4 / 6]


def test_coverage_is_the_share_of_truths_inside_their_interval() -> None:
    found = interval_coverage(np.array([1.0, 2.0, 3.0, 9.0]), np.full(4, 1.0), np.full(4, 3.0))
    assert (found.value, found.n) == (0.75, 4)
    assert 0 < found.low < 0.75 < found.high < 1


def test_coverage_of_nobody_has_no_value() -> None:
    assert interval_coverage(np.zeros(0), np.zeros(0), np.zeros(0)).value is None


def test_thirds_and_strata_keep_equal_values_together() -> None:
    assert thirds(np.arange(9.0)).tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert thirds(np.array([0.0, 0.0, 0.0, 0.0, 1.0, 2.0])).tolist() == [0, 0, 0, 0, 2, 2]
    assert equal_strata(np.array([4.0, 1.0, 3.0, 2.0]), 2).tolist() == [1, 0, 1, 0]


def test_halves_deal_every_trial_once_and_each_stream_evenly() -> None:
    trials = pl.DataFrame(
        {
            "customer_id": ["ann"] * 7 + ["bob"] * 2,
            "stream": ["x"] * 5 + ["y"] * 2 + ["x"] * 2,
            "event_date": [date(2024, 1, day) for day in range(1, 10)],
        }
    )
    first, second = halves(trials, seed=1)
    assert pl.concat([first, second]).sort(trials.columns).equals(trials.sort(trials.columns))
    sizes = [half.group_by("customer_id", "stream").len() for half in (first, second)]
    both = sizes[0].join(sizes[1], on=["customer_id", "stream"])
    assert both.height == 3
    assert both.select((pl.col("len") - pl.col("len_right")).abs().max()).item() <= 1


def test_halves_do_not_depend_on_the_order_of_rows_but_on_the_seed() -> None:
    trials = pl.DataFrame({"customer_id": ["ann"] * 30, "stream": ["x"] * 30, "day": range(30)})
    assert halves(trials, seed=1)[0].equals(halves(trials.reverse(), seed=1)[0])
    assert not halves(trials, seed=1)[0].equals(halves(trials, seed=2)[0])


def test_spearman_brown_steps_the_half_up_to_the_whole() -> None:
    assert spearman_brown(0.5) == pytest.approx(2 / 3)
    assert spearman_brown(1.0) == 1.0


def test_split_half_recovers_the_reliability_of_the_whole() -> None:
    draw = np.random.default_rng(7)
    trait = draw.standard_normal(20_000)
    first, second = (trait + draw.standard_normal(20_000) * math.sqrt(2) for _ in range(2))
    assert split_half(first, second).value == pytest.approx(1 / (1 + 1), abs=0.02)


def scores(**values: float) -> pl.DataFrame:
    return pl.DataFrame({"customer_id": list(values), "score": list(values.values())})


def counts(*rows: tuple[str, int, int]) -> pl.DataFrame:
    columns = {"customer_id": pl.String, "trials": pl.Int64, "failures": pl.Int64}
    return pl.DataFrame(rows, schema=columns, orient="row").with_columns(stream=pl.lit("x"))


def test_only_customers_without_a_new_or_corrected_trial_are_quiet() -> None:
    before = (scores(quiet=50.0, new=50.0, corrected=50.0, unknown=50.0), counts(("quiet", 3, 0), ("corrected", 3, 0)))
    after = (
        scores(quiet=49.9, new=60.0, corrected=30.0, unknown=50.1, born=1.0),
        counts(("quiet", 3, 0), ("new", 1, 0), ("corrected", 3, 1)),
    )
    found = quiet_changes(before, after, score="score")
    assert found["share"].value == 0.5
    assert found["mean"].value == found["largest"].value == pytest.approx(0.1)


def test_without_quiet_customers_no_change_is_stated() -> None:
    found = quiet_changes((scores(a=1.0), counts()), (scores(a=2.0), counts(("a", 1, 0))), score="score")
    assert (found["share"].value, found["mean"].value, found["largest"].value) == (0.0, None, None)


def test_a_difference_is_taken_within_strata_and_averaged_over_the_cases() -> None:
    strata = np.array([0] * 6 + [1] * 6)
    is_case = np.array([True] * 5 + [False] + [True] + [False] * 5)
    effect = np.where(strata == 0, 3.0, 9.0)
    values = np.where(strata == 1, 100.0, 0.0) + np.where(is_case, effect, 0.0)
    found = stratified_difference(values, is_case, strata)
    assert found.value == pytest.approx((5 * 3.0 + 1 * 9.0) / 6)
    assert found.n == 6


def test_strata_without_anybody_to_compare_with_drop_out() -> None:
    found = stratified_difference(
        np.array([9.0, 2.0, 1.0]), np.array([True, True, False]), np.array([0, 1, 1], dtype=np.int64)
    )
    assert found.value == 1.0


def test_a_column_that_tells_the_outcome_is_a_gain_and_noise_is_none() -> None:
    outcome = (TRUST + 0.5 * NOISE) > 0
    base = np.random.default_rng(8).standard_normal((400, 2))
    told = predictive_gain(base, TRUST, outcome)
    assert told["auc_gain"].low > 0.2
    assert told["log_loss_gain"].low > 0.1
    assert told["slope"].value > 1
    nothing = predictive_gain(TRUST[:, None], np.random.default_rng(9).standard_normal(400), outcome)
    assert abs(nothing["auc_gain"].value) < 0.01
    assert nothing["log_loss_gain"].low < 0 < nothing["log_loss_gain"].high
    assert predictive_gain(base, -TRUST, outcome)["slope"].value < -1


def test_the_area_under_the_curve_is_that_of_scikit_learn_also_with_ties() -> None:
    outcome, risk = (TRUST + NOISE) > 0.5, np.round(TRUST, 1)
    assert area_under_curve(places(risk), outcome) == pytest.approx(roc_auc_score(outcome, risk))
    assert math.isnan(area_under_curve(places(risk), np.ones(400, dtype=bool)))


def test_a_base_that_tells_less_than_chance_makes_no_gain() -> None:
    outcome = np.random.default_rng(10).random(400) < 0.1
    found = predictive_gain(np.ones((400, 1)), np.zeros(400), outcome)
    assert found["auc_base"].value < 0.5
    assert found["auc_gain"].value <= 0


def test_of_too_few_outcomes_nothing_is_said() -> None:
    outcome = np.arange(400) < 19
    found = predictive_gain(NOISE[:, None], TRUST, outcome)
    assert {value.value for value in found.values()} == {None}
    assert found["auc_gain"].n == 400


def test_recency_counts_all_orders_and_frequency_those_of_the_window() -> None:
    log = event_log(
        [
            order("o1", "2022-01-01T10:00", amount=5.0),
            order("o2", "2024-06-01T10:00", amount=7.0),
            order("o3", "2024-06-20T10:00", amount=None),
            order("o4", "2024-07-01T10:00", amount=9.0),
            order("o5", "2023-01-01T10:00", customer_id="bob", amount=9.0),
        ]
    ).known(DAY)
    assert rfm(log, as_of=DAY).rows() == [("ann", 10, 2, 7.0), ("bob", 546, 0, 0.0)]


def test_the_complaint_free_rate_counts_complaints_by_orders() -> None:
    log = event_log(
        [order("o1", "2024-01-01T10:00"), order("o2", "2024-02-01T10:00"), order("o3", "2024-02-01T10:00", "bob")],
        [complaint("c1", "2024-02-02T10:00")],
    ).known(DAY)
    assert complaint_free_rate(log).rows() == [("ann", 0.5), ("bob", 1.0)]


def test_counts_are_summed_over_the_streams_asked_for() -> None:
    evidence = pl.DataFrame({"r_a": [1.0], "r_b": [2.0], "r_c": [9.0], "s_a": [0.5], "s_b": [0.0], "s_c": [9.0]})
    successes, failures = summed_counts(evidence, ("a", "b"))
    assert (successes.tolist(), failures.tolist()) == ([3.0], [0.5])
