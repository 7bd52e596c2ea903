import numpy as np
import pytest
from trust_company import Truth, customers

from trust_models.dimensions import opinions
from trust_models.streams import DIMENSIONS
from trust_models.trust import TrustEstimator

SERVICE = Truth(
    streams=("order_sound", "promise_kept", "complaint_resolved"),
    intercepts=(2.5, 1.5, 0.5),
    loadings=(0.8, 0.6, 1.2),
    concentrations=(30.0, 10.0, 15.0),
    trials=(9.0, 9.0, 2.0),
)
ESTIMATOR = TrustEstimator(SERVICE.streams).fit(customers(SERVICE, 3000)[1])


def opinions_of(counts: np.ndarray) -> dict:
    counts = np.atleast_2d(counts)
    return opinions(ESTIMATOR, *ESTIMATOR.counts(counts)[:2], ESTIMATOR.posterior(counts).rates)


def test_a_dimension_without_trials_anywhere_is_unknown() -> None:
    found = opinions_of(np.zeros(6))
    assert tuple(found) == DIMENSIONS
    assert {name for name, opinion in found.items() if opinion is None} == {"reputation", "transparency", "values"}


def test_belief_disbelief_and_uncertainty_share_out_one() -> None:
    _, counts = customers(SERVICE, 200, seed=3)
    for opinion in filter(None, opinions_of(counts).values()):
        np.testing.assert_allclose(opinion.belief + opinion.disbelief + opinion.uncertainty, 1.0)
        assert ((opinion.projected > 0) & (opinion.projected < 1)).all()


def test_the_projected_probability_is_the_beta_mean_of_the_own_trials() -> None:
    counts = np.array([[6.0, 0.0, 0.0, 2.0, 0.0, 0.0]])
    opinion = opinions_of(counts)["product_quality"]
    kappa, rate = ESTIMATOR.concentrations_[0], ESTIMATOR.posterior(counts).rates[0, 0]
    assert opinion.score[0] == pytest.approx(100 * (kappa * rate + 6) / (kappa + 8))
    assert opinion.uncertainty[0] == pytest.approx(kappa / (kappa + 8))


def test_without_own_trials_a_dimension_follows_trust_alone() -> None:
    opinion = opinions_of(np.zeros(6))["product_quality"]
    assert opinion.uncertainty[0] == 1.0
    rates = customers(SERVICE, 20_000, seed=5)[1]
    population = rates[:, 0].sum() / (rates[:, 0] + rates[:, 3]).sum()
    assert opinion.score[0] == pytest.approx(100 * population, abs=1.5)


def test_a_dimension_of_two_streams_is_their_plain_mean() -> None:
    counts = np.array([[0.0, 5.0, 1.0, 0.0, 3.0, 2.0]])
    opinion = opinions_of(counts)["service_quality"]
    kappas, rates = ESTIMATOR.concentrations_[1:], ESTIMATOR.posterior(counts).rates[0, 1:]
    totals = kappas + np.array([8.0, 3.0])
    expected = (kappas * rates + [5.0, 1.0]) / totals
    assert opinion.score[0] == pytest.approx(100 * expected.mean())
    assert opinion.uncertainty[0] == pytest.approx((kappas / totals).mean())


def test_what_happens_in_one_stream_tells_on_the_other_dimensions() -> None:
    good, bad = (opinions_of(np.array(row)) for row in ([0, 9, 0, 0, 0, 0], [0, 0, 0, 0, 9, 0]))
    assert good["product_quality"].score[0] > bad["product_quality"].score[0] + 1
