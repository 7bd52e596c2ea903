import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import gammaln, hyp2f1

from trust_models.pareto_nbd import ParetoNBD

HISTORIES = np.array([[0, 0.0, 20.0], [1, 3.0, 20.0], [4, 17.0, 20.0], [12, 15.0, 15.0], [2, 0.5, 90.0]])
ABOVE_BELOW_EQUAL = pytest.mark.parametrize(("alpha", "beta"), [(10.0, 2.5), (2.5, 10.0), (6.0, 6.0), (6.0, 6.0000001)])


def model(r: float, alpha: float, s: float, beta: float) -> ParetoNBD:
    made = ParetoNBD()
    made.r_, made.alpha_, made.s_, made.beta_ = r, alpha, s, beta
    return made


def closed_form(r: float, alpha: float, s: float, beta: float, x: float, tx: float, end: float) -> float:
    """Likelihood of Fader and Hardie (2005), by Gauss hypergeometric functions."""
    total, longer = r + s + x, max(alpha, beta)
    other = s + 1 if alpha >= beta else r + x

    def term(time: float) -> float:
        return hyp2f1(total, other, total + 1, abs(alpha - beta) / (longer + time)) / (longer + time) ** total

    alive = 1 / ((alpha + end) ** (r + x) * (beta + end) ** s)
    factor = np.exp(gammaln(r + x) - gammaln(r)) * alpha**r * beta**s
    return float(factor * (alive + s / total * (term(tx) - term(end))))


def companies(size: int, end: float, horizon: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Histories by ``end`` with r = 1.2, alpha = 8, s = 1.5, beta = 25, who buys in the horizon, who is alive."""
    rng = np.random.default_rng(2)
    rate, life = rng.gamma(1.2, 1 / 8, size), rng.exponential(1 / rng.gamma(1.5, 1 / 25, size))
    bought = np.minimum(life, end)
    x = rng.poisson(rate * bought)
    tx = np.where(x > 0, bought * rng.random(size) ** (1 / np.maximum(x, 1)), 0.0)
    later = np.clip(life - end, 0, horizon)
    return np.column_stack([x, tx, np.full(size, end)]), rng.poisson(rate * later) > 0, life > end


@ABOVE_BELOW_EQUAL
def test_the_likelihood_is_the_closed_form(alpha: float, beta: float) -> None:
    for row in HISTORIES:
        expected = np.log(closed_form(0.7, alpha, 1.3, beta, *row))
        assert model(0.7, alpha, 1.3, beta).score([row]) == pytest.approx(expected, abs=1e-8)


@pytest.mark.parametrize(
    ("values", "row"),
    [
        ((0.01, 0.001, 0.01, 3000.0), (1, 0.5, 1.0)),
        ((0.01, 3000.0, 0.01, 0.001), (0, 0.0, 5.0)),
        ((3000.0, 0.01, 3000.0, 0.01), (3, 0.1, 2.0)),
        ((0.5, 0.3, 0.6, 0.4), (100_000, 1.9, 2.0)),
        ((0.5, 0.3, 0.6, 0.4), (100_000, 0.1, 2.0)),
    ],
)
def test_the_likelihood_holds_far_from_where_hypergeometric_functions_do(
    values: tuple[float, ...], row: tuple[float, ...]
) -> None:
    (r, alpha, s, beta), (x, tx, end) = values, row

    def falls(time: float) -> float:
        return (r + x) * np.log((alpha + tx + time) / (alpha + tx)) + (s + 1) * np.log((beta + tx + time) / (beta + tx))

    def in_steps(log_time: float) -> float:
        return float(np.exp(log_time - falls(np.exp(log_time))))

    integral, _ = quad(in_steps, -40, np.log(end - tx), limit=500, points=[-20, -10, -5], epsabs=0, epsrel=1e-11)
    log_gone = np.log(s * integral) - (r + x) * np.log(alpha + tx) - (s + 1) * np.log(beta + tx)
    log_alive = -(r + x) * np.log(alpha + end) - s * np.log(beta + end)
    factor = gammaln(r + x) - gammaln(r) + r * np.log(alpha) + s * np.log(beta)
    assert model(*values).score([row]) == pytest.approx(factor + np.logaddexp(log_alive, log_gone), rel=1e-9, abs=1e-8)


@ABOVE_BELOW_EQUAL
def test_buying_nothing_is_the_history_with_a_later_end(alpha: float, beta: float) -> None:
    probabilities = model(0.7, alpha, 1.3, beta).probability_active(HISTORIES, 9.0)
    for row, probability in zip(HISTORIES, probabilities, strict=True):
        silent = closed_form(0.7, alpha, 1.3, beta, row[0], row[1], row[2] + 9.0)
        assert probability == pytest.approx(1 - silent / closed_form(0.7, alpha, 1.3, beta, *row), abs=1e-8)


def test_the_probability_to_buy_again_is_the_integral_over_rates_and_lifetimes() -> None:
    r, alpha, s, beta, x, tx, end, horizon = 1.8, 5.0, 1.6, 12.0, 2, 6.0, 10.0, 7.0
    (rate, d_rate), (leaving, d_leaving) = (np.polynomial.legendre.leggauss(200) for _ in range(2))
    rate, leaving = (rate[:, None] + 1) * 3, (leaving + 1) * 1.5
    density = rate ** (r - 1) * np.exp(-alpha * rate) * leaving ** (s - 1) * np.exp(-beta * leaving)
    both = rate + leaving
    alive = rate**x * np.exp(-both * end)
    likelihood = rate**x * (leaving * np.exp(-both * tx) + rate * np.exp(-both * end)) / both
    buys = alive * rate / both * (1 - np.exp(-both * horizon))
    expected = d_rate @ (buys * density) @ d_leaving / (d_rate @ (likelihood * density) @ d_leaving)
    found = model(r, alpha, s, beta).probability_active([[x, tx, end]], horizon)[0]
    assert found == pytest.approx(expected, abs=1e-6)


def test_probabilities_are_the_shares_of_simulated_customers() -> None:
    rows, buys_again, is_alive = companies(400_000, end=20.0, horizon=10.0)
    x, tx, _ = rows.T
    fitted = model(1.2, 8.0, 1.5, 25.0)
    active, alive = fitted.probability_active(rows, 10.0), fitted.probability_alive(rows)
    for seen in (x == 0, x == 1, (x > 1) & (tx < 12), (x > 1) & (tx > 18)):
        assert active[seen].mean() == pytest.approx(buys_again[seen].mean(), abs=0.006)
        assert alive[seen].mean() == pytest.approx(is_alive[seen].mean(), abs=0.006)


def test_parameters_of_a_simulated_company_are_found_again() -> None:
    rows, _, _ = companies(20_000, end=60.0, horizon=1.0)
    found = ParetoNBD().fit(rows)
    assert (found.r_, found.alpha_) == pytest.approx((1.2, 8.0), rel=0.06)
    assert (found.s_, found.beta_) == pytest.approx((1.5, 25.0), rel=0.2)


def test_cells_of_times_hardly_move_the_fit() -> None:
    rows, _, _ = companies(20_000, end=60.0, horizon=1.0)
    exact, in_cells = ParetoNBD(max_rows=20_000).fit(rows), ParetoNBD(max_rows=1000).fit(rows)
    assert exact.r_ != in_cells.r_
    values = [[m.r_, m.alpha_, m.s_, m.beta_] for m in (exact, in_cells)]
    assert values[1] == pytest.approx(values[0], rel=0.003)
    assert in_cells.probability_active(rows, 10.0) == pytest.approx(exact.probability_active(rows, 10.0), abs=0.001)
    assert exact.log_likelihood_ - 0.1 < in_cells.log_likelihood_ <= exact.log_likelihood_ + 1e-3
