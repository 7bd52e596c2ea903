import importlib.util
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import trapezoid
from scipy.stats import beta, gamma
from sklearn.base import clone

from trust_models.btyd import MBGNBD, _log_likelihood

CUSTOMERS = np.array([[0, 0.0, 30.0], [2, 20.0, 30.0], [5, 28.0, 30.0], [1, 4.0, 25.0], [0, 0.0, 9.0]])


@pytest.fixture(scope="module")
def fitted() -> MBGNBD:
    return MBGNBD().fit(CUSTOMERS)


def test_the_published_fit_of_cdnow_is_reproduced() -> None:
    lifetimes = importlib.util.find_spec("lifetimes")
    if lifetimes is None or lifetimes.origin is None:
        pytest.skip("the CDNOW log comes with the development dependency lifetimes, which is not installed")
    log = pl.read_csv(Path(lifetimes.origin).parent / "datasets" / "cdnow_customers_summary.csv")
    model = MBGNBD().fit(log.select("frequency", "recency", "T").to_numpy())
    assert model.log_likelihood_ == pytest.approx(-9582.14, abs=0.01)
    assert (model.r_, model.alpha_, model.a_, model.b_) == pytest.approx((0.525, 6.183, 0.891, 1.614), abs=0.001)


def test_the_likelihood_is_the_mixture_over_rates_and_chances_to_leave() -> None:
    r, alpha, a, b = parameters = np.array([1.8, 5.0, 1.7, 2.5])
    rate, p = np.meshgrid(np.linspace(1e-6, 5, 2001), np.linspace(1e-6, 1 - 1e-6, 1001), indexing="ij")
    density = gamma.pdf(rate, r, scale=1 / alpha) * beta.pdf(p, a, b)
    for x, tx, end in ((0.0, 0.0, 7.0), (2.0, 4.0, 7.0)):
        alive = (1 - p) ** (x + 1) * rate**x * np.exp(-rate * end)
        gone = p * (1 - p) ** x * rate**x * np.exp(-rate * tx)
        likelihood = trapezoid(trapezoid((alive + gone) * density, p[0], axis=1), rate[:, 0])
        value, _ = _log_likelihood(parameters, np.array([[x, tx, end]]))
        assert value[0] == pytest.approx(np.log(likelihood), abs=1e-3)


def test_the_gradient_is_that_of_the_likelihood() -> None:
    parameters = np.array([0.7, 6.0, 1.1, 2.2])
    value, gradient = _log_likelihood(parameters, CUSTOMERS)
    for i in range(4):
        moved = parameters.copy()
        moved[i] += 1e-6
        assert gradient[:, i] == pytest.approx((_log_likelihood(moved, CUSTOMERS)[0] - value) / 1e-6, abs=1e-4)


def test_counts_stand_for_repeated_rows() -> None:
    repeated = MBGNBD().fit(np.repeat(CUSTOMERS, [1, 2, 3, 4, 5], axis=0))
    counted = MBGNBD().fit(CUSTOMERS, sample_weight=[1, 2, 3, 4, 5])
    assert (counted.r_, counted.log_likelihood_) == pytest.approx((repeated.r_, repeated.log_likelihood_))


def test_the_time_unit_only_scales_alpha(fitted: MBGNBD) -> None:
    in_weeks = MBGNBD().fit(CUSTOMERS / [1, 7, 7])
    assert in_weeks.alpha_ * 7 == pytest.approx(fitted.alpha_, rel=1e-3)
    expected = fitted.probability_active(CUSTOMERS, 14)
    assert in_weeks.probability_active(CUSTOMERS / [1, 7, 7], 2) == pytest.approx(expected, rel=1e-3)


def test_a_long_silence_lowers_the_probability_to_buy_again(fitted: MBGNBD) -> None:
    silent, recent = fitted.probability_active([[5, 10.0, 30.0], [5, 29.0, 30.0]], 30)
    assert silent < recent


def test_a_one_time_buyer_is_not_certain_to_be_alive() -> None:
    model = MBGNBD()
    model.r_, model.alpha_, model.a_, model.b_ = 0.5, 6.0, 0.9, 1.6
    assert model.probability_active([[0, 0.0, 300.0]], 1e12)[0] < 0.25


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 100_000), st.floats(0, 1), st.floats(0, 1e5), st.floats(0, 1e5))
def test_probabilities_stay_probabilities_at_the_extremes(x: int, share: float, end: float, horizon: float) -> None:
    model = MBGNBD()
    model.r_, model.alpha_, model.a_, model.b_ = 0.01, 0.1, 5.0, 0.01
    row = [[x, share * end if x else 0.0, end]]
    shorter, longer = model.probability_active(row, horizon)[0], model.probability_active(row, horizon + 10)[0]
    assert 0 <= shorter <= longer <= 1


@pytest.mark.parametrize("rows", [[[0, 0.0, 0.0]], [[0, 0.0, 5.0]] * 9, [[100_000, 900.0, 900.0]]])
def test_degenerate_companies_give_finite_parameters(rows: list[list[float]]) -> None:
    model = MBGNBD().fit(rows)
    assert np.isfinite([model.r_, model.alpha_, model.a_, model.b_, model.log_likelihood_]).all()
    assert np.isfinite(model.probability_active(rows, 90)).all()


@pytest.mark.parametrize(
    ("rows", "text"),
    [
        ([[1, 9.0, 5.0]], "0 <= tx <= T"),
        ([[-1, 0.0, 5.0]], "x >= 0"),
        ([[1, np.nan, 5.0]], "finite"),
        ([[1, 2.0]], "rows of"),
        (np.zeros((0, 3)), "rows of"),
    ],
)
def test_impossible_histories_are_refused(rows: object, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        MBGNBD().fit(rows)


def test_it_clones_and_scores_like_an_estimator(fitted: MBGNBD) -> None:
    assert clone(MBGNBD(max_iter=7)).max_iter == 7
    assert fitted.score(CUSTOMERS) * len(CUSTOMERS) == pytest.approx(fitted.log_likelihood_)
