import numpy as np
import pytest
from scipy.integrate import trapezoid
from scipy.stats import beta, gamma

from trust_models.bg_nbd import BGNBD


def model(r: float, alpha: float, a: float, b: float) -> BGNBD:
    made = BGNBD()
    made.r_, made.alpha_, made.a_, made.b_ = r, alpha, a, b
    return made


@pytest.mark.parametrize(("x", "tx", "end"), [(0.0, 0.0, 7.0), (1.0, 3.0, 7.0), (2.0, 4.0, 7.0)])
def test_the_likelihood_is_the_mixture_over_rates_and_chances_to_leave(x: float, tx: float, end: float) -> None:
    r, alpha, a, b = 1.8, 5.0, 1.7, 2.5
    rate, p = np.meshgrid(np.linspace(1e-6, 5, 2001), np.linspace(1e-6, 1 - 1e-6, 1001), indexing="ij")
    density = gamma.pdf(rate, r, scale=1 / alpha) * beta.pdf(p, a, b)
    alive = (1 - p) ** x * rate**x * np.exp(-rate * end)
    gone = p * (1 - p) ** (x - 1) * rate**x * np.exp(-rate * tx) if x else 0.0
    likelihood = trapezoid(trapezoid((alive + gone) * density, p[0], axis=1), rate[:, 0])
    assert model(r, alpha, a, b).score([[x, tx, end]]) == pytest.approx(np.log(likelihood), abs=1e-3)


def test_one_time_buyers_are_alive_with_certainty_however_long_ago_they_bought() -> None:
    rows = [[0, 0.0, 1.0], [0, 0.0, 1e6]]
    assert np.array_equal(model(0.2, 4.0, 0.8, 2.4).probability_alive(rows), [1.0, 1.0])


def test_the_probability_to_buy_again_is_the_share_of_simulated_customers_who_do() -> None:
    r, alpha, a, b = 1.2, 8.0, 0.9, 2.0
    end, horizon, size = 20.0, 10.0, 400_000
    rng = np.random.default_rng(1)
    rate, leaves = rng.gamma(r, 1 / alpha, size), rng.beta(a, b, size)
    x, tx, at, is_alive, buys_again = np.zeros((5, size))
    is_alive += 1
    while (is_alive * (at < end + horizon)).any():
        at += rng.exponential(1 / rate)
        bought = (is_alive > 0) & (at < end)
        buys_again[(is_alive > 0) & (at >= end) & (at < end + horizon)] = 1
        x[bought], tx[bought] = x[bought] + 1, at[bought]
        is_alive[rng.random(size) < leaves] = 0
        is_alive[at >= end] = 0
    predicted = model(r, alpha, a, b).probability_active(np.column_stack([x, tx, np.full(size, end)]), horizon)
    for seen in (x == 0, x == 1, (x > 1) & (tx < 12), (x > 1) & (tx > 18)):
        assert predicted[seen].mean() == pytest.approx(buys_again[seen].mean(), abs=0.006)
