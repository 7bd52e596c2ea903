import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trust_models.drift import (
    BINS,
    DRIFTS_BY_NATURE,
    MOST_LEVELS,
    Distribution,
    chance_limit,
    chance_limit_of_shares,
    contributions,
    distribution,
    realised,
    stability_index,
)
from trust_models.feature_catalogue import FeatureSettings, catalogue

NUMBERS = st.lists(st.one_of(st.none(), st.floats(-1e6, 1e6)), min_size=1, max_size=60)


def numbers(values: list[float | None]) -> pl.Series:
    return pl.Series(values, dtype=pl.Float64)


def normal(size: int, mean: float = 0.0, seed: int = 0) -> pl.Series:
    return pl.Series(np.random.default_rng(seed).normal(mean, 1, size))


def counted(*counts: int) -> Distribution:
    return Distribution(tuple(range(len(counts) - 2)), (), counts)


def test_the_index_is_that_of_the_formula_by_hand() -> None:
    before, now = counted(50, 50, 0), counted(25, 75, 0)
    by_hand = (0.25 - 0.5) * np.log(0.25 / 0.5) + (0.75 - 0.5) * np.log(0.75 / 0.5)
    assert stability_index(before, now) == pytest.approx(by_hand)


@given(NUMBERS)
def test_the_same_values_have_not_moved(values: list[float | None]) -> None:
    before = distribution(numbers(values))
    assert stability_index(before, before.again(numbers(values))) == 0
    assert before.customers == len(values)


@given(NUMBERS, NUMBERS, st.randoms())
def test_the_order_of_customers_does_not_matter(before: list[float | None], now: list[float | None], random) -> None:
    index = stability_index(distribution(numbers(before)), distribution(numbers(before)).again(numbers(now)))
    random.shuffle(before)
    random.shuffle(now)
    reference = distribution(numbers(before))
    assert stability_index(reference, reference.again(numbers(now))) == index


@given(NUMBERS, NUMBERS)
def test_the_index_is_finite_never_negative_and_the_same_in_both_directions(
    before: list[float | None], now: list[float | None]
) -> None:
    reference = distribution(numbers(before))
    after = reference.again(numbers(now))
    index = stability_index(reference, after)
    assert np.isfinite(index)
    assert (contributions(reference, after) >= 0).all()
    assert stability_index(after, reference) == pytest.approx(index)


@pytest.mark.parametrize("direction", [1, -1])
def test_the_index_grows_with_the_shift_in_either_direction(direction: int) -> None:
    reference = distribution(normal(5000))
    found = [stability_index(reference, reference.again(normal(5000, direction * shift))) for shift in (0, 0.3, 1, 2)]
    assert found == sorted(found)
    assert found[0] == 0
    assert found[1] > 0.05
    assert found[2] > 0.25


def test_bins_hold_nearly_equally_many_customers_and_nulls_are_a_bin_of_their_own() -> None:
    values = [float(value) for value in range(100)] + [None] * 7
    assert distribution(numbers(values)).counts == (*[10] * BINS, 7)


def test_what_is_no_number_counts_as_no_value() -> None:
    assert distribution(numbers([1.0, 2.0, float("nan"), float("inf"), None])).counts == (1, 1, 0, 3)


def test_customers_who_lose_their_value_are_seen() -> None:
    reference = distribution(normal(1000))
    half = pl.Series([None if place % 2 else value for place, value in enumerate(normal(1000))], dtype=pl.Float64)
    assert stability_index(reference, reference.again(half)) > 1


def test_few_different_values_are_the_bins_and_a_value_never_seen_has_its_own() -> None:
    reference = distribution(pl.Series([0, 0, 0, 1, 2]))
    assert reference.borders == (0, 1, 2)
    assert reference.counts == (3, 1, 1, 0, 0)
    assert reference.again(pl.Series([0, 5, 5])).counts == (1, 0, 0, 2, 0)


def test_a_feature_that_was_constant_is_seen_to_change() -> None:
    reference = distribution(pl.Series([0] * 100))
    assert stability_index(reference, reference.again(pl.Series([0] * 50 + [3] * 50))) > 1


def test_tied_values_share_a_bin() -> None:
    reference = distribution(pl.Series([0] * 900 + list(range(1, 101))))
    assert len(set(reference.borders)) == len(reference.borders)
    assert reference.counts == (900, 100, 0)


def test_truth_values_are_compared() -> None:
    reference = distribution(pl.Series([True, False, None, False]))
    assert reference.counts == (2, 1, 0, 1)


def test_categories_are_compared_by_level_and_new_ones_together() -> None:
    reference = distribution(pl.Series(["web", "web", "shop", None]))
    assert (reference.levels, reference.counts) == (("shop", "web"), (1, 2, 0, 1))
    assert reference.again(pl.Series(["shop", "phone", "fax"])).counts == (1, 0, 2, 0)


def test_only_the_most_frequent_levels_of_a_category_are_kept() -> None:
    rare = [f"rare{place:03}" for place in range(40)]
    reference = distribution(pl.Series(["usual"] * 5 + rare))
    assert len(reference.levels) == MOST_LEVELS
    assert "usual" in reference.levels
    assert reference.counts[-2] == 41 - MOST_LEVELS


@pytest.mark.parametrize("dtype", [pl.Float64, pl.String, pl.Null])
def test_a_column_without_any_value_can_be_kept_and_compared(dtype: pl.DataType) -> None:
    values = pl.Series([None, None], dtype=dtype)
    assert distribution(values).counts == (0, 2)
    assert distribution(values).again(values).counts == (0, 2)


def test_a_distribution_comes_back_from_lists() -> None:
    kept = {"borders": [0.5], "levels": [], "counts": [3, 4, 5]}
    assert Distribution.of(kept) == Distribution((0.5,), (), (3, 4, 5))


@pytest.mark.parametrize(
    ("before", "now", "text"),
    [
        (counted(1, 1, 0), Distribution((9.0,), (), (1, 1, 0)), "only over the same bins"),
        (counted(1, 1, 0), counted(0, 0, 0), "without customers cannot be compared"),
        (counted(0, 0, 0), counted(1, 1, 0), "without customers cannot be compared"),
    ],
)
def test_what_cannot_be_compared_is_refused(before: Distribution, now: Distribution, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        stability_index(before, now)


def test_chance_alone_exceeds_its_limit_in_about_one_case_of_a_hundred() -> None:
    above = 0
    for seed in range(400):
        reference = distribution(normal(300, seed=seed))
        now = reference.again(normal(500, seed=10_000 + seed))
        above += stability_index(reference, now) > chance_limit(reference, now)
    assert above <= 14  # of 400, expected 4: more than 14 has a probability of 1 in 25,000


def test_the_limit_of_chance_is_that_of_the_literature() -> None:
    ten_bins = counted(*[10] * 10, 0)
    assert chance_limit(ten_bins, ten_bins) == pytest.approx(21.666 * (1 / 100 + 1 / 100), rel=1e-4)
    assert chance_limit(counted(5, 0), counted(7, 0)) == 0


def test_the_limit_of_shares_is_that_of_the_pooled_test() -> None:
    assert chance_limit_of_shares((50, 100), (50, 100)) == pytest.approx(2.5758 * np.sqrt(0.25 * 2 / 100), rel=1e-4)
    assert chance_limit_of_shares((0, 10), (0, 20)) == 0


def test_predictions_that_came_true_have_no_excess() -> None:
    found = realised([1] * 20 + [0] * 80, [0.2] * 100)
    assert (found.customers, found.predicted, found.share, found.excess) == (100, pytest.approx(0.2), 0.2, 0)
    assert (found.low, found.high) == (pytest.approx(0.1334, abs=1e-4), pytest.approx(0.2888, abs=1e-4))


@pytest.mark.parametrize(("lost", "sign"), [(400, 1), (50, -1)])
def test_what_came_true_outside_of_the_interval_has_an_excess_with_a_sign(lost: int, sign: int) -> None:
    found = realised([1] * lost + [0] * (1000 - lost), [0.2] * 1000)
    half = 2.5758 * np.sqrt(0.2 * 0.8 / 1000)
    assert found.excess == pytest.approx(sign * (abs(lost / 1000 - 0.2) - half), abs=1e-4)


def test_chance_alone_stays_inside_the_interval_of_the_prediction() -> None:
    rng = np.random.default_rng(1)
    risk = rng.uniform(0, 1, 500)
    outside = sum(realised(rng.uniform(0, 1, 500) < risk, risk).excess != 0 for _ in range(500))
    assert outside <= 16  # of 500, expected 5


@pytest.mark.parametrize(("lost", "risk"), [([], []), ([1], [0.1, 0.2])])
def test_outcomes_and_risks_must_belong_together(lost: list[int], risk: list[float]) -> None:
    with pytest.raises(ValueError, match="must be of one length, at least 1"):
        realised(lost, risk)


def test_what_drifts_by_nature_is_a_feature_and_is_explained_in_both_languages() -> None:
    names = {feature.name for feature in catalogue(FeatureSettings())}
    assert set(DRIFTS_BY_NATURE) <= names
    for english, chinese in DRIFTS_BY_NATURE.values():
        assert english.isascii()
        assert max(chinese) >= "一"
