import numpy as np
import pytest
from scipy.integrate import quad
from scipy.optimize import check_grad
from scipy.special import betaln, expit
from scipy.stats import norm
from trust_company import RETAIL, Truth, customers

from trust_models.trust_likelihood import PRIOR_MEANS, PRIOR_SDS, MarginalLikelihood, fit_parameters


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
    prior = (((theta - np.repeat(PRIOR_MEANS, 2)) / np.repeat(PRIOR_SDS, 2)) ** 2).sum() / 2
    expected = prior - np.log(quad(joint, -9, 9)[0])
    value, _ = MarginalLikelihood(successes, failures, nodes=31)(theta)
    assert value == pytest.approx(expected, abs=0.02)  # counts are rounded to 2%


def test_customers_alike_are_counted_and_not_repeated() -> None:
    _, counts = customers(RETAIL, 50)
    once, thrice = objective_of(counts), objective_of(np.vstack([counts] * 3))
    assert len(once.weights) == len(thrice.weights)
    assert thrice.size == 3 * once.size


@pytest.mark.parametrize("sign", [1, -1])
def test_parameters_are_recovered(sign: int) -> None:
    truth = RETAIL._replace(loadings=(0.8, 0.6, sign * 1.2, 0.9))
    _, counts = customers(truth, 20_000, seed=4)
    fitted = fit_parameters(counts[:, :4], counts[:, 4:], anchors=[0, 1], nodes=31, max_iter=300)
    assert fitted.has_converged
    np.testing.assert_allclose(fitted.intercepts, truth.intercepts, atol=0.08)
    np.testing.assert_allclose(fitted.loadings, truth.loadings, atol=0.1)
    np.testing.assert_allclose(np.log(fitted.concentrations), np.log(truth.concentrations), atol=0.3)


def test_the_anchors_fix_the_sign_even_where_most_streams_disagree() -> None:
    truth = Truth(
        streams=("order_sound", "b", "c", "d"),
        intercepts=(1.0, 0.5, 0.5, 0.5),
        loadings=(0.7, -1.5, -1.5, -1.5),
        concentrations=(30.0,) * 4,
        trials=(6.0,) * 4,
    )
    _, counts = customers(truth, 3000, seed=2)
    anchored = fit_parameters(counts[:, :4], counts[:, 4:], anchors=[0], nodes=31, max_iter=300)
    np.testing.assert_allclose(anchored.loadings, truth.loadings, atol=0.25)
    other = fit_parameters(counts[:, :4], counts[:, 4:], anchors=[1], nodes=31, max_iter=300)
    np.testing.assert_allclose(other.loadings, -np.array(truth.loadings), atol=0.25)


def test_the_fit_does_not_depend_on_the_order_of_customers() -> None:
    _, counts = customers(RETAIL, 300, seed=3)
    shuffled = counts[np.random.default_rng(0).permutation(300)]
    first, second = (
        fit_parameters(rows[:, :4], rows[:, 4:], anchors=[0], nodes=31, max_iter=300) for rows in (counts, shuffled)
    )
    assert np.array_equal(first.loadings, second.loadings)
    assert first.log_likelihood == second.log_likelihood
