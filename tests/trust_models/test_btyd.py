import importlib.util
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import skops.io
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import trapezoid
from scipy.stats import beta, gamma
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError

from trust_models.bg_nbd import BGNBD
from trust_models.btyd import MBGNBD, Histories, PurchaseModel
from trust_models.churn_model import TRUSTED_TYPES
from trust_models.pareto_nbd import ParetoNBD

CUSTOMERS = np.array([[0, 0.0, 30.0], [2, 20.0, 30.0], [5, 28.0, 30.0], [1, 4.0, 25.0], [0, 0.0, 9.0]])
COMPANY = np.array([
    [0, 0.0, 30.0], [0, 0.0, 21.0], [0, 0.0, 9.0], [1, 4.0, 25.0], [1, 2.0, 30.0], [1, 16.0, 18.0], [2, 20.0, 30.0],
    [2, 3.0, 28.0], [4, 12.0, 29.0], [5, 28.0, 30.0], [9, 22.0, 24.0], [3, 2.0, 14.0],
])  # fmt: skip
MODELS = [MBGNBD, BGNBD, ParetoNBD]
PUBLISHED = [
    (MBGNBD, -9582.14, (0.525, 6.183, 0.891, 1.614)),
    (BGNBD, -9582.43, (0.243, 4.414, 0.793, 2.426)),
    (ParetoNBD, -9594.98, (0.553, 10.578, 0.606, 11.669)),
]

every_model = pytest.mark.parametrize("kind", MODELS)


def parameters(model: PurchaseModel) -> list[float]:
    return [getattr(model, f"{name}_") for name in model._names]


def with_parameters(kind: type[PurchaseModel], *values: float) -> PurchaseModel:
    model = kind()
    for name, value in zip(model._names, values, strict=True):
        setattr(model, f"{name}_", value)
    return model


@pytest.mark.parametrize(("kind", "log_likelihood", "values"), PUBLISHED)
def test_the_published_fit_of_cdnow_is_reproduced(
    kind: type[PurchaseModel], log_likelihood: float, values: tuple[float, ...]
) -> None:
    lifetimes = importlib.util.find_spec("lifetimes")
    if lifetimes is None or lifetimes.origin is None:
        pytest.skip("the CDNOW log comes with the development dependency lifetimes, which is not installed")
    log = pl.read_csv(Path(lifetimes.origin).parent / "datasets" / "cdnow_customers_summary.csv")
    model = kind().fit(log.select("frequency", "recency", "T").to_numpy())
    assert model.log_likelihood_ == pytest.approx(log_likelihood, abs=0.01)
    assert parameters(model) == pytest.approx(values, abs=0.001)


def test_the_likelihood_is_the_mixture_over_rates_and_chances_to_leave() -> None:
    r, alpha, a, b = 1.8, 5.0, 1.7, 2.5
    rate, p = np.meshgrid(np.linspace(1e-6, 5, 2001), np.linspace(1e-6, 1 - 1e-6, 1001), indexing="ij")
    density = gamma.pdf(rate, r, scale=1 / alpha) * beta.pdf(p, a, b)
    model = with_parameters(MBGNBD, r, alpha, a, b)
    for x, tx, end in ((0.0, 0.0, 7.0), (2.0, 4.0, 7.0)):
        alive = (1 - p) ** (x + 1) * rate**x * np.exp(-rate * end)
        gone = p * (1 - p) ** x * rate**x * np.exp(-rate * tx)
        likelihood = trapezoid(trapezoid((alive + gone) * density, p[0], axis=1), rate[:, 0])
        assert model.score([[x, tx, end]]) == pytest.approx(np.log(likelihood), abs=1e-3)


@every_model
@pytest.mark.parametrize("at", [(0.7, 6.0, 1.1, 2.2), (1.3, 2.0, 0.4, 40.0), (0.2, 30.0, 3.0, 30.0)])
def test_the_gradient_is_that_of_the_likelihood(kind: type[PurchaseModel], at: tuple[float, ...]) -> None:
    histories = Histories.of(COMPANY)
    _, gradient = kind()._log_likelihood(np.array(at), histories)
    for i in range(4):
        step = np.eye(4)[i] * 1e-5 * at[i]
        above, below = (kind()._log_likelihood(np.array(at) + sign * step, histories)[0] for sign in (1, -1))
        assert gradient[:, i] == pytest.approx((above - below) / (2 * step[i]), rel=1e-5, abs=1e-6)


@every_model
def test_counts_stand_for_repeated_rows(kind: type[PurchaseModel]) -> None:
    counts = np.arange(1, len(COMPANY) + 1)
    repeated = kind().fit(np.repeat(COMPANY, counts, axis=0))
    counted = kind().fit(COMPANY, sample_weight=counts)
    assert parameters(counted) == pytest.approx(parameters(repeated), rel=1e-6)
    assert counted.log_likelihood_ == pytest.approx(repeated.log_likelihood_)


@every_model
def test_a_row_that_counts_nothing_is_as_if_it_were_not_there(kind: type[PurchaseModel]) -> None:
    counts = (np.arange(len(COMPANY)) != 4).astype(float)
    assert parameters(kind().fit(COMPANY, sample_weight=counts)) == parameters(kind().fit(np.delete(COMPANY, 4, 0)))


@every_model
def test_the_order_of_rows_does_not_matter(kind: type[PurchaseModel]) -> None:
    turned = np.random.default_rng(0).permutation(len(COMPANY))
    model, again = kind().fit(COMPANY), kind().fit(COMPANY[turned])
    assert parameters(again) == parameters(model)
    expected = model.probability_active(COMPANY, 9)[turned]
    assert np.array_equal(again.probability_active(COMPANY[turned], 9), expected)


@every_model
def test_the_time_unit_only_scales_the_parameters_that_are_times(kind: type[PurchaseModel]) -> None:
    in_days, in_weeks = kind().fit(COMPANY), kind().fit(COMPANY / [1, 7, 7])
    scaled = np.array(parameters(in_weeks)) * np.where(kind._in_time, 7, 1)
    assert scaled == pytest.approx(parameters(in_days), rel=1e-3)
    expected = in_days.probability_active(COMPANY, 14)
    assert in_weeks.probability_active(COMPANY / [1, 7, 7], 2) == pytest.approx(expected, rel=1e-3)


@every_model
def test_a_long_silence_lowers_the_probability_to_buy_again(kind: type[PurchaseModel]) -> None:
    silent, recent = kind().fit(COMPANY).probability_active([[5, 10.0, 30.0], [5, 29.0, 30.0]], 30)
    assert silent < recent


@every_model
def test_whoever_buys_again_is_alive(kind: type[PurchaseModel]) -> None:
    model = kind().fit(COMPANY)
    assert (model.probability_active(COMPANY, 90) < model.probability_alive(COMPANY)).all()
    assert (model.probability_alive(COMPANY) <= 1).all()


def test_a_one_time_buyer_is_not_certain_to_be_alive() -> None:
    model = with_parameters(MBGNBD, 0.5, 6.0, 0.9, 1.6)
    assert model.probability_active([[0, 0.0, 300.0]], 1e12)[0] < 0.25
    assert model.probability_alive([[0, 0.0, 300.0]])[0] < 0.25


@every_model
def test_nobody_buys_within_no_time(kind: type[PurchaseModel]) -> None:
    assert (kind().fit(COMPANY).probability_active(COMPANY, 0) == 0).all()


@every_model
@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 100_000),
    st.floats(0, 1),
    st.floats(0, 1e5),
    st.floats(0, 1e5),
    st.permutations([0.01, 0.1, 5.0, 0.2]),
)
def test_probabilities_stay_probabilities_at_the_extremes(
    kind: type[PurchaseModel], x: int, share: float, end: float, horizon: float, values: list[float]
) -> None:
    model = with_parameters(kind, *values)
    row = [[x, share * end if x else 0.0, end]]
    shorter, longer = model.probability_active(row, horizon)[0], model.probability_active(row, horizon + 10)[0]
    assert 0 <= shorter <= longer + 1e-9
    assert longer <= 1
    assert 0 <= model.probability_alive(row)[0] <= 1
    assert np.isfinite(model.score(row))


@every_model
@pytest.mark.parametrize(
    "rows",
    [
        [[0, 0.0, 0.0]],
        [[0, 0.0, 5.0]] * 9,
        [[3, 5.0, 5.0]] * 9,
        [[100_000, 900.0, 900.0]],
        [*CUSTOMERS.tolist(), [100_000, 29.0, 30.0]],
    ],
)
def test_degenerate_companies_give_finite_parameters(kind: type[PurchaseModel], rows: list[list[float]]) -> None:
    model = kind().fit(rows)
    assert np.isfinite([*parameters(model), model.log_likelihood_]).all()
    active, alive = model.probability_active(rows, 90), model.probability_alive(rows)
    assert ((active >= 0) & (active <= 1) & (alive >= 0) & (alive <= 1)).all()


@every_model
@pytest.mark.parametrize(
    ("rows", "text"),
    [
        ([[1, 9.0, 5.0]], "0 <= tx <= T"),
        ([[-1, 0.0, 5.0]], "x >= 0"),
        ([[1, np.nan, 5.0]], "finite"),
        ([[1, 2.0]], "rows of"),
        (np.zeros((0, 3)), "rows of"),
        ([[1.5, 2.0, 5.0]], "whole numbers"),
        ([[0, 2.0, 5.0]], "tx must be 0 where there are none"),
    ],
)
def test_impossible_histories_are_refused(kind: type[PurchaseModel], rows: object, text: str) -> None:
    model = with_parameters(kind, 0.5, 6.0, 0.9, 1.6)
    for use in (model.fit, model.score, model.probability_alive, lambda X: model.probability_active(X, 30.0)):
        with pytest.raises(ValueError, match=text):
            use(rows)


@pytest.mark.parametrize(
    ("weights", "text"),
    [
        ([1, 2], "one count a row"),
        ([1, 1, -1, 1, 1], "not negative"),
        ([1, 1, np.nan, 1, 1], "finite"),
        (np.zeros(5), "not 0 for every row"),
    ],
)
def test_weights_that_are_no_counts_are_refused(weights: object, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        MBGNBD().fit(CUSTOMERS, sample_weight=weights)


@every_model
@pytest.mark.parametrize("horizon", [-1.0, np.nan, np.inf])
def test_a_horizon_that_is_no_length_is_refused(kind: type[PurchaseModel], horizon: float) -> None:
    with pytest.raises(ValueError, match="horizon must be finite and not negative"):
        with_parameters(kind, 0.5, 6.0, 0.9, 1.6).probability_active(CUSTOMERS, horizon)


@every_model
def test_too_few_iterations_are_told(kind: type[PurchaseModel]) -> None:
    with pytest.warns(ConvergenceWarning, match=f"{kind.__name__} did not converge in 2 iterations"):
        kind(max_iter=2).fit(COMPANY)


@every_model
def test_it_clones_and_scores_like_an_estimator(kind: type[PurchaseModel]) -> None:
    assert clone(kind(max_iter=7)).max_iter == 7
    model = kind().fit(COMPANY)
    assert model.score(COMPANY) * len(COMPANY) == pytest.approx(model.log_likelihood_)
    assert model.score(COMPANY, sample_weight=np.eye(12)[3]) == pytest.approx(model.score(COMPANY[3:4]))
    with pytest.raises(NotFittedError):
        kind().probability_alive(COMPANY)


def test_it_is_stored_under_the_name_that_churn_models_trust() -> None:
    stored = skops.io.dumps(MBGNBD().fit(COMPANY))
    assert skops.io.get_untrusted_types(data=stored) == ["trust_models.btyd.MBGNBD"]
    assert "trust_models.btyd.MBGNBD" in TRUSTED_TYPES
