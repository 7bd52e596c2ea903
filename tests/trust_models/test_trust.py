import pickle
import warnings
from functools import cache

import numpy as np
import pandas as pd
import polars as pl
import pytest
import skops.io
from scipy.stats import norm, spearmanr
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.utils.estimator_checks import parametrize_with_checks
from trust_company import RETAIL, customers

from trust_models.trust import OUTPUTS, TrustEstimator

ODD = "the data of this check have an odd number of columns, and counts come in pairs"
EXPECTED_FAILURES = dict.fromkeys(
    (
        "check_dict_unchanged",
        "check_dont_overwrite_parameters",
        "check_estimators_dtypes",
        "check_estimators_nan_inf",
        "check_estimators_pickle",
        "check_f_contiguous_array_estimator",
        "check_fit2d_predict1d",
        "check_fit_score_takes_y",
        "check_methods_sample_order_invariance",
        "check_methods_subset_invariance",
        "check_pipeline_consistency",
        "check_transformer_data_not_an_array",
        "check_transformer_general",
        "check_transformer_n_iter",
        "check_transformer_preserve_dtypes",
    ),
    ODD,
)


class AnyWidth(TrustEstimator):
    """The estimator, bearing an odd column (a stream that never fails) for the checks that bring one."""

    def _sides(self, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return super()._sides(np.pad(counts, [(0, 0), (0, counts.shape[1] % 2)]))


@parametrize_with_checks([TrustEstimator()], expected_failed_checks=lambda _: EXPECTED_FAILURES)
def test_it_is_a_scikit_learn_estimator(estimator: TrustEstimator, check: object) -> None:
    check(estimator)


@parametrize_with_checks([AnyWidth()])
def test_it_passes_every_scikit_learn_check_but_for_the_width(estimator: AnyWidth, check: object) -> None:
    check(estimator)


@cache
def fitted() -> TrustEstimator:
    return TrustEstimator(streams=RETAIL.streams).fit(customers(RETAIL, 6000, seed=1)[1])


def scores(counts: np.ndarray, estimator: TrustEstimator | None = None) -> pl.DataFrame:
    found = (estimator or fitted()).transform(counts)
    return pl.DataFrame(found, schema=[name.removeprefix("trust_") for name in OUTPUTS], orient="row")


def counts_of(**streams: tuple[float, float]) -> np.ndarray:
    sides = [[streams.get(name, (0.0, 0.0))[side] for name in RETAIL.streams] for side in (0, 1)]
    return np.array([sides[0] + sides[1]])


def test_scores_rank_customers_by_their_latent_trust() -> None:
    trust, counts = customers(RETAIL, 4000, seed=9)
    naive = (counts[:, :4].sum(1) + 1) / (counts.sum(1) + 2)
    found = spearmanr(scores(counts)["score"], trust).statistic
    assert found > 0.7
    assert found > spearmanr(naive, trust).statistic + 0.05


@pytest.mark.parametrize("level", [0.8, 0.9, 0.95])
def test_intervals_hold_the_latent_percentile_as_often_as_they_say(level: float) -> None:
    trust, counts = customers(RETAIL, 8000, seed=9)
    found = scores(counts, clone(fitted()).set_params(level=level).fit(customers(RETAIL, 6000, seed=1)[1]))
    percentile = 100 * norm.cdf(trust)
    held = ((found["low"].to_numpy() <= percentile) & (percentile <= found["high"].to_numpy())).mean()
    assert held == pytest.approx(level, abs=0.015)


def test_the_mean_score_is_the_expected_percentile() -> None:
    trust, counts = customers(RETAIL, 8000, seed=9)
    found = scores(counts)["score"].to_numpy()
    slope = np.polyfit(found, 100 * norm.cdf(trust), 1)[0]
    assert slope == pytest.approx(1.0, abs=0.05)


def test_nothing_known_is_fifty_and_unreliable() -> None:
    row = scores(counts_of()).row(0, named=True)
    assert row["score"] == pytest.approx(50.0)
    assert (row["mean"], row["reliability"]) == (pytest.approx(0.0, abs=1e-12), pytest.approx(0.0, abs=1e-3))
    assert (row["low"], row["high"]) == (pytest.approx(5.0, abs=0.05), pytest.approx(95.0, abs=0.05))
    assert not fitted().is_scored(np.array([row["reliability"]]))[0]


def test_success_raises_and_failure_lowers_trust() -> None:
    for stream in RETAIL.streams:
        good, bad = (scores(counts_of(**{stream: counts}))["score"].item() for counts in ((3.0, 0.0), (0.0, 3.0)))
        assert bad < 50 < good


def test_reliability_is_the_share_of_variance_removed() -> None:
    found = scores(customers(RETAIL, 200, seed=9)[1])
    np.testing.assert_allclose(found["reliability"], 1 - found["sd"] ** 2, atol=1e-12)


def test_more_evidence_of_the_same_rate_narrows_the_interval() -> None:
    rows = np.vstack([counts_of(promise_kept=(8.0 * k, 2.0 * k), order_sound=(9.0 * k, k)) for k in (0.1, 1, 10, 100)])
    found = scores(rows)
    assert found["reliability"].is_sorted()
    assert (found["high"] - found["low"]).is_sorted(descending=True)


def test_a_hundred_thousand_trials_leave_finite_scores() -> None:
    rows = np.vstack([counts_of(order_sound=pair) for pair in ((1e5, 0.0), (0.0, 1e5), (5e4, 5e4), (1e9, 1e9))])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = scores(rows)
    assert found.select(pl.all().is_finite().all()).row(0) == (True,) * 6
    assert (found["low"] <= found["score"]).all()
    assert (found["score"] <= found["high"]).all()


def test_fitting_bears_customers_with_a_hundred_thousand_orders() -> None:
    _, counts = customers(RETAIL, 300, seed=5)
    counts[:3] = [[1e5] * 8, [1e5] * 4 + [0.0] * 4, [0.0] * 4 + [1e5] * 4]
    assert np.isfinite(TrustEstimator().fit_transform(counts)).all()


@pytest.mark.parametrize(
    "counts",
    [
        np.zeros((5, 8)),
        np.ones((40, 8)),
        np.tile([5.0, 3.0, 1.0, 2.0, 0.0, 0.0, 0.0, 0.0], (40, 1)),
        np.array([[3.0, 0.0, 1.0, 0.0, 1.0, 0.0, 0.0, 2.0]]),
    ],
    ids=["nobody has trials", "all alike", "nothing ever fails", "a single customer"],
)
def test_data_that_tell_little_still_give_scores_without_a_warning(counts: np.ndarray) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = TrustEstimator().fit(counts).transform(counts)
    assert np.isfinite(found).all()


def test_nobody_having_trials_means_that_nobody_is_told_apart() -> None:
    estimator = TrustEstimator().fit(np.zeros((5, 4)))
    assert not estimator.has_trials_.any()
    assert estimator.transform([[4.0, 0.0, 0.0, 9.0]])[0, 2] == pytest.approx(50.0)


def test_a_stream_without_trials_drops_out_exactly() -> None:
    _, counts = customers(RETAIL, 800, seed=6)
    empty = np.insert(counts, [2, 6], 0.0, axis=1)
    names = (*RETAIL.streams[:2], "empty", *RETAIL.streams[2:])
    with_empty = TrustEstimator(names).fit(empty)
    without = TrustEstimator(RETAIL.streams).fit(counts)
    assert np.array_equal(with_empty.transform(empty), without.transform(counts))
    empty[:, 2] = 7.0
    assert np.array_equal(with_empty.transform(empty), without.transform(counts))


def test_streams_are_found_by_column_name_in_any_frame() -> None:
    _, counts = customers(RETAIL, 400, seed=7)
    names = [f"{side}_{stream}" for side in "rs" for stream in RETAIL.streams]
    frame = pl.DataFrame(counts, schema=names, orient="row")
    shuffled = frame.select("s_came_back", pl.lit("x").alias("customer_id"), *sorted(set(names) - {"s_came_back"}))
    estimator = TrustEstimator(RETAIL.streams).fit(shuffled)
    expected = TrustEstimator(RETAIL.streams).fit_transform(counts)
    assert np.array_equal(estimator.transform(shuffled), expected)
    assert np.array_equal(estimator.transform(pd.DataFrame({name: shuffled[name] for name in names[::-1]})), expected)


def test_a_frame_without_a_stream_is_refused_by_name() -> None:
    frame = pl.DataFrame({"r_order_sound": [1.0], "s_order_sound": [0.0], "r_promise_kept": [1.0]})
    with pytest.raises(ValueError, match="lacks the columns s_promise_kept"):
        TrustEstimator(("order_sound", "promise_kept")).fit(frame)


def test_unnamed_streams_are_named_after_the_columns() -> None:
    frame = pl.DataFrame({"r_a": [1.0, 2.0], "r_b": [0.0, 1.0], "s_a": [1.0, 0.0], "s_b": [3.0, 0.0]})
    assert TrustEstimator().fit(frame).streams_ == ("a", "b")
    assert TrustEstimator().fit(frame.to_numpy()).streams_ == ("stream0", "stream1")


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        (np.ones((4, 3)), "an even number of"),
        (np.array([[1.0, -2.0]]), "Negative values"),
        (np.array([[1.0, np.nan]]), "NaN"),
        (np.array([[1.0, np.inf]]), "infinity"),
    ],
)
def test_counts_that_are_none_are_refused(counts: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TrustEstimator().fit(counts)


def test_another_number_of_streams_than_named_is_refused() -> None:
    with pytest.raises(ValueError, match="need 2 columns"):
        TrustEstimator(("order_sound",)).fit(np.ones((4, 4)))


@pytest.mark.parametrize(
    "wrong",
    [{"level": 1.0}, {"level": 0.0}, {"minimum_reliability": 1.5}, {"n_nodes": 1}, {"max_samples": 0}, {"max_iter": 0}],
)
def test_parameters_out_of_range_are_refused_in_fit(wrong: dict) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        TrustEstimator(**wrong).fit(np.ones((4, 4)))


def test_an_unfitted_estimator_says_so() -> None:
    with pytest.raises(NotFittedError):
        TrustEstimator().transform(np.ones((1, 2)))


def test_too_few_iterations_warn_once() -> None:
    _, counts = customers(RETAIL, 300)
    with pytest.warns(ConvergenceWarning, match="raise max_iter") as caught:
        TrustEstimator(max_iter=2).fit(counts)
    assert len(caught) == 1


def test_a_sample_of_customers_gives_nearly_the_same_parameters() -> None:
    _, counts = customers(RETAIL, 6000, seed=1)
    sampled = TrustEstimator(max_samples=3000).fit(counts)
    np.testing.assert_allclose(sampled.loadings_, fitted().loadings_, atol=0.25)
    assert not np.array_equal(sampled.loadings_, fitted().loadings_)
    again = TrustEstimator(max_samples=3000).fit(counts)
    assert np.array_equal(sampled.loadings_, again.loadings_)


def test_threads_and_batches_do_not_change_a_bit() -> None:
    _, counts = customers(RETAIL, 20_000, seed=3)
    whole = fitted().transform(counts)
    assert len(whole) == 20_000
    assert np.array_equal(fitted().transform(counts[-5:]), whole[-5:])
    threaded = pickle.loads(pickle.dumps(fitted())).set_params(n_jobs=2).transform(counts)
    assert np.array_equal(threaded, whole)
    assert np.array_equal(np.vstack([fitted().transform(counts[i : i + 1]) for i in range(20)]), whole[:20])


def test_a_stored_model_scores_the_same(tmp_path: object) -> None:
    _, counts = customers(RETAIL, 100, seed=3)
    skops.io.dump(fitted(), tmp_path / "trust.skops")
    unknown = skops.io.get_untrusted_types(file=tmp_path / "trust.skops")
    assert unknown == ["trust_models.trust.TrustEstimator"]
    loaded = skops.io.load(tmp_path / "trust.skops", trusted=unknown)
    assert np.array_equal(loaded.transform(counts), fitted().transform(counts))
    assert loaded.streams_ == RETAIL.streams


def test_output_columns_are_named() -> None:
    _, counts = customers(RETAIL, 50)
    assert list(fitted().get_feature_names_out()) == list(OUTPUTS)
    frame = clone(fitted()).set_output(transform="polars").fit_transform(counts)
    assert frame.columns == list(OUTPUTS)
