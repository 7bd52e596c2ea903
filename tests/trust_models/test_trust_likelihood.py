import numpy as np
import pytest
from scipy.integrate import quad
from scipy.optimize import check_grad
from scipy.special import betaln, expit
from scipy.stats import norm
from trust_company import RETAIL, Truth, customers

from trust_models.trust_likelihood import (
    GROUND,
    MarginalLikelihood,
    fit_parameters,
    log_likelihood,
    quadrature,
    rounded,
)


def objective_of(counts: np.ndarray) -> MarginalLikelihood:
    size = counts.shape[1] // 2
    return MarginalLikelihood(counts[:, :size], counts[:, size:], nodes=31)


def some_theta(streams: int, seed: int) -> np.ndarray:
    generator = np.random.default_rng(seed)
    return np.concatenate(
        [generator.normal(1, 1, streams), generator.normal(0.3, 0.8, streams), generator.uniform(0.5, 5, streams)]
    )


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_gradient_is_that_of_finite_differences(seed: int) -> None:
    _, counts = customers(RETAIL, 60, seed)
    objective = objective_of(counts * np.random.default_rng(seed).uniform(0.3, 1.0, counts.shape))
    theta = some_theta(4, seed)
    error = check_grad(lambda t: objective(t)[0], lambda t: objective(t)[1], theta, epsilon=1e-6)
    assert error < 1e-5 * max(1.0, np.linalg.norm(objective(theta)[1]))


def test_the_value_is_the_integral_of_the_beta_binomial_over_trust() -> None:
    successes, failures = np.array([[3.0, 1.0]]), np.array([[1.0, 0.0]])
    mu, ell, kappa = np.array([0.5, -0.2]), np.array([0.9, 0.4]), np.array([6.0, 12.0])

    def joint(eta: float) -> float:
        rate = expit(mu + ell * eta)
        logs = betaln(kappa * rate + successes[0], kappa * (1 - rate) + failures[0])
        logs -= betaln(kappa * rate, kappa * (1 - rate))
        return float(np.exp(logs.sum()) * norm.pdf(eta))

    theta = np.concatenate([mu, ell, np.log(kappa)])
    prior = (((theta - np.repeat(GROUND.means, 2)) / np.repeat(GROUND.sds, 2)) ** 2).sum() / 2
    expected = prior - np.log(quad(joint, -9, 9)[0])
    value, _ = MarginalLikelihood(successes, failures, nodes=31)(theta)
    assert value == pytest.approx(expected, abs=1e-9)


def test_customers_alike_are_counted_and_not_repeated() -> None:
    _, counts = customers(RETAIL, 50)
    once, thrice = objective_of(counts), objective_of(np.vstack([counts] * 3))
    assert len(once.weights) == len(thrice.weights)
    assert thrice.size == 3 * once.size


@pytest.mark.parametrize("sign", [1, -1])
def test_parameters_are_recovered(sign: int) -> None:
    truth = RETAIL._replace(loadings=(0.8, 0.6, 1.2, sign * 0.9))
    _, counts = customers(truth, 20_000, seed=4)
    fitted = fit_parameters(counts[:, :4], counts[:, 4:], consequences=[3], nodes=31, max_iter=300)
    assert fitted.has_converged
    np.testing.assert_allclose(fitted.intercepts, truth.intercepts, atol=0.08)
    np.testing.assert_allclose(fitted.loadings, truth.loadings, atol=0.1)
    np.testing.assert_allclose(np.log(fitted.concentrations), np.log(truth.concentrations), atol=0.3)


def test_going_well_never_counts_against_trust_but_a_consequence_may() -> None:
    truth = Truth(("a", "b", "c"), (1.0, 0.5, 0.5), (0.7, 0.7, -1.5), (30.0,) * 3, (6.0,) * 3)
    _, counts = customers(truth, 3000, seed=2)
    as_ground = fit_parameters(counts[:, :3], counts[:, 3:], nodes=31, max_iter=300)
    as_consequence = fit_parameters(counts[:, :3], counts[:, 3:], consequences=[2], nodes=31, max_iter=300)
    assert (as_ground.loadings >= 0).all()
    np.testing.assert_allclose(as_consequence.loadings, truth.loadings, atol=0.3)


def test_consequences_with_a_cause_of_their_own_do_not_take_the_trait_over() -> None:
    truth = Truth(("a", "b", "x", "y"), (1.0, 0.5, 0.5, 0.5), (0.8, 0.8, 0.0, 0.0), (30.0,) * 4, (6.0,) * 4)
    trust, counts = customers(truth, 4000, seed=2)
    need = np.random.default_rng(0).standard_normal(len(trust))
    for stream in (2, 3):
        trials = counts[:, stream] + counts[:, 4 + stream]
        counts[:, stream] = np.random.default_rng(stream).binomial(trials.astype(int), expit(0.5 + 1.5 * need))
        counts[:, 4 + stream] = trials - counts[:, stream]
    fitted = fit_parameters(counts[:, :4], counts[:, 4:], consequences=[2, 3], nodes=31, max_iter=300)
    np.testing.assert_allclose(fitted.loadings, truth.loadings, atol=0.15)


def test_consequences_are_the_ground_where_there_is_nothing_else() -> None:
    _, counts = customers(RETAIL, 500, seed=3)
    alone = fit_parameters(counts[:, [3]], counts[:, [7]], consequences=[0], nodes=31, max_iter=300)
    as_ground = fit_parameters(counts[:, [3]], counts[:, [7]], nodes=31, max_iter=300)
    assert np.array_equal(alone.loadings, as_ground.loadings)


def test_log_likelihoods_at_trust_levels_integrate_to_the_marginal_likelihood() -> None:
    _, counts = customers(RETAIL, 40, seed=3)
    fitted = fit_parameters(counts[:, :4], counts[:, 4:], nodes=31, max_iter=300)
    nodes, log_weights = quadrature(31)
    at_nodes = log_likelihood(fitted, counts[:, :4], counts[:, 4:], nodes) + log_weights
    assert np.logaddexp.reduce(at_nodes, axis=1).sum() == pytest.approx(fitted.log_likelihood, rel=1e-6)


def test_whole_counts_are_kept_and_others_rounded_to_three_digits() -> None:
    counts = np.array([0.0, 1.0, 17.0, 999.0, 0.12345, 12345.0])
    assert rounded(counts).tolist() == pytest.approx([0.0, 1.0, 17.0, 999.0, 0.123, 12300.0])


def test_the_fit_does_not_depend_on_the_order_of_customers() -> None:
    _, counts = customers(RETAIL, 300, seed=3)
    shuffled = counts[np.random.default_rng(0).permutation(300)]
    first, second = (fit_parameters(rows[:, :4], rows[:, 4:], nodes=31, max_iter=300) for rows in (counts, shuffled))
    assert np.array_equal(first.loadings, second.loadings)
    assert first.log_likelihood == second.log_likelihood
