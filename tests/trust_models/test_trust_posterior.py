import numpy as np
import pytest
from scipy.special import betaln, expit, ndtr
from scipy.stats import norm

from trust_models.trust_likelihood import TrustParameters
from trust_models.trust_posterior import GRID, LARGEST_COUNT, PRIOR, Counts, StreamLikelihoods, expectation, quantiles


def parameters(intercepts: list[float], loadings: list[float], concentrations: list[float]) -> TrustParameters:
    return TrustParameters(np.array(intercepts), np.array(loadings), np.array(concentrations), 0.0, 1, True)


def counts_of(successes: np.ndarray, failures: np.ndarray) -> Counts:
    return Counts(successes, failures, np.zeros_like(successes))


def exact(counts: tuple[float, float], mu: float, ell: float, kappa: float) -> np.ndarray:
    rate, other = expit(mu + ell * GRID), expit(-mu - ell * GRID)
    logs = betaln(kappa * rate + counts[0], kappa * other + counts[1]) - betaln(kappa * rate, kappa * other)
    return np.exp(logs - logs.max())


@pytest.mark.parametrize("kappa", [1.0, 20.0, 1000.0])
@pytest.mark.parametrize(
    "counts", [(0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (0.001, 0.37), (7.3, 2.1), (140.0, 3.0), (90_000.0, 10_000.0)]
)
def test_likelihoods_are_those_of_the_beta_binomial(counts: tuple[float, float], kappa: float) -> None:
    found = StreamLikelihoods(parameters([1.2], [0.9], [kappa])).of(0, *np.array(counts)[:, None], np.zeros(1))
    np.testing.assert_allclose(found[0], np.maximum(exact(counts, 1.2, 0.9, kappa), 1e-30), rtol=2e-4)


def test_a_shift_moves_the_log_odds_of_its_customers_alone() -> None:
    likelihoods = StreamLikelihoods(parameters([1.2], [0.9], [20.0]))
    twice = np.ones(2)
    shifted, plain = likelihoods.of(0, 7.0 * twice, 2.0 * twice, np.array([-0.5, 0.0]))
    np.testing.assert_allclose(shifted, exact((7.0, 2.0), 0.7, 0.9, 20.0), rtol=2e-4, atol=1e-12)
    np.testing.assert_allclose(plain, exact((7.0, 2.0), 1.2, 0.9, 20.0), rtol=2e-4, atol=1e-12)


def test_no_trials_leave_the_prior_untouched() -> None:
    weights = StreamLikelihoods(parameters([1.0, 2.0], [1.0, 0.5], [10.0, 10.0])).posterior(
        counts_of(*np.zeros((2, 1, 2)))
    )
    np.testing.assert_allclose(weights[0], PRIOR, rtol=1e-14)
    assert expectation(weights, GRID)[0] == pytest.approx(0.0, abs=1e-14)
    assert expectation(weights, GRID**2)[0] == pytest.approx(1.0, abs=2e-4)


def test_streams_multiply() -> None:
    likelihoods = StreamLikelihoods(parameters([1.0, 0.0], [1.0, 0.5], [10.0, 40.0]))
    weights = likelihoods.posterior(counts_of(np.array([[3.0, 2.0]]), np.array([[1.0, 5.0]])))
    expected = PRIOR * exact((3.0, 1.0), 1.0, 1.0, 10.0) * exact((2.0, 5.0), 0.0, 0.5, 40.0)
    np.testing.assert_allclose(weights[0], expected / expected.sum(), rtol=2e-4)


def test_contradictory_evidence_of_any_size_leaves_a_posterior() -> None:
    streams = 12
    likelihoods = StreamLikelihoods(parameters([0.0] * streams, [5.0, -5.0] * 6, [1000.0] * streams))
    weights = likelihoods.posterior(counts_of(np.full((1, streams), 1e9), np.zeros((1, streams))))
    assert np.isfinite(weights).all()
    assert weights.sum() == pytest.approx(1.0)


def test_more_trials_than_can_be_told_apart_count_as_the_most_that_can() -> None:
    likelihoods = StreamLikelihoods(parameters([1.0], [1.0], [10.0]))
    most, more = (likelihoods.of(0, np.array([count]), np.array([3.0]), np.zeros(1)) for count in (LARGEST_COUNT, 1e15))
    assert np.array_equal(most, more)


@pytest.mark.parametrize(("mean", "sd"), [(0.0, 1.0), (1.3, 0.4), (-0.77, 0.2), (2.0, 0.1)])
@pytest.mark.parametrize("probability", [0.025, 0.05, 0.5, 0.9, 0.95])
def test_quantiles_of_a_normal_posterior_are_those_of_the_normal(mean: float, sd: float, probability: float) -> None:
    weights = norm.pdf(GRID, mean, sd)[None, :]
    found = quantiles(weights / weights.sum(), (probability,))[0]
    assert found[0] == pytest.approx(norm.ppf(probability, mean, sd), abs=0.007)


def test_quantiles_of_a_skewed_posterior_hold_their_share() -> None:
    density = expit(4 * GRID) * norm.pdf(GRID)
    fine = np.linspace(-4.5, 4.5, 90_001)
    reference = expit(4 * fine) * norm.pdf(fine)
    below = np.cumsum(reference) / reference.sum()
    for probability in (0.05, 0.5, 0.95):
        found = quantiles((density / density.sum())[None, :], (probability,))[0][0]
        assert np.interp(found, fine, below) == pytest.approx(probability, abs=0.002)


def test_a_posterior_on_one_level_has_all_its_quantiles_there() -> None:
    weights = np.zeros((2, len(GRID)))
    weights[0, 0] = weights[1, 30] = 1.0
    low, high = quantiles(weights, (0.05, 0.95))
    for row, level in enumerate((GRID[0], GRID[30])):
        assert level - 0.08 <= low[row] < high[row] <= level + 0.08


def test_a_row_is_the_same_to_the_last_bit_in_any_batch() -> None:
    likelihoods = StreamLikelihoods(parameters([1.0, 0.0], [1.0, 0.5], [10.0, 40.0]))
    generator = np.random.default_rng(1)
    successes, failures = generator.gamma(0.5, 8.0, (2, 200, 2)) * generator.integers(0, 2, (2, 200, 2))
    whole = likelihoods.posterior(counts_of(successes, failures))
    for size in (1, 2, 3, 17):
        parts = [
            likelihoods.posterior(counts_of(successes[start : start + size], failures[start : start + size]))
            for start in range(0, 200, size)
        ]
        assert np.array_equal(np.vstack(parts), whole)
        assert np.array_equal(
            np.concatenate([expectation(part, ndtr(GRID)) for part in parts]), expectation(whole, ndtr(GRID))
        )
