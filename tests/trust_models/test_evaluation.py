import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit, logit

from trust_models.evaluation import calibration, expected_calibration_error, lift, metrics


def drawn(customers: int = 20_000) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    risk = rng.beta(2, 3, customers)
    return (rng.random(customers) < risk).astype(float), risk


def test_a_true_risk_is_calibrated_within_its_errors() -> None:
    found = calibration(*drawn())
    assert abs(found.slope - 1) < 3 * found.slope_error < 0.1
    assert abs(found.intercept) < 3 * found.intercept_error < 0.1


def test_risks_too_extreme_have_half_the_slope_and_shifted_ones_an_intercept() -> None:
    lost, risk = drawn()
    true = calibration(lost, risk)
    assert calibration(lost, expit(2 * logit(risk))).slope == pytest.approx(true.slope / 2, rel=1e-6)
    assert calibration(lost, expit(logit(risk) - 0.7)).intercept == pytest.approx(true.intercept + 0.7, abs=1e-6)


def test_calibration_error_is_the_mean_gap_of_equal_bins() -> None:
    assert expected_calibration_error([0, 0, 1, 1], [0.1, 0.1, 0.8, 0.8], bins=2) == pytest.approx(0.15)
    assert expected_calibration_error([0, 1, 0, 1], [0.5] * 4) == pytest.approx(0.0)


def test_lift_counts_customers_at_the_border_in_part() -> None:
    assert lift([1, 0, 0, 0], [0.9, 0.1, 0.1, 0.1], share=0.25) == pytest.approx(4.0)
    assert lift([1, 0, 1, 0], [0.5] * 4, share=0.25) == pytest.approx(1.0)


@settings(max_examples=30, deadline=None)
@given(st.permutations(range(12)))
def test_the_order_of_customers_does_not_matter(permutation: list[int]) -> None:
    lost, risk = np.array([0, 1] * 6), np.array([0.1, 0.2, 0.2, 0.5, 0.5, 0.5, 0.7, 0.7, 0.8, 0.9, 0.9, 0.9])
    assert metrics(lost[permutation], risk[permutation]) == pytest.approx(metrics(lost, risk))


def test_measures_of_one_class_are_nan_and_the_rest_stays() -> None:
    found = metrics([0, 0, 0], [0.2, 0.3, 0.4])
    assert np.isnan([found["auc"], found["calibration_slope"], found["lift_top_decile"]]).all()
    assert found["brier"] == pytest.approx((0.04 + 0.09 + 0.16) / 3)


def test_one_risk_for_all_has_an_intercept_but_no_slope() -> None:
    found = metrics([0, 1, 1, 1], [0.5] * 4)
    assert np.isnan(found["calibration_slope"])
    assert found["calibration_intercept"] == pytest.approx(np.log(3))


@pytest.mark.parametrize(
    ("lost", "risk", "text"),
    [
        ([0, 1], [0.5], "of one length"),
        ([], [], "at least 1"),
        ([0, 2], [0.5, 0.5], "0 or 1"),
        ([0, 1], [0.5, 1.5], "between 0 and 1"),
        ([0, 1], [0.5, np.nan], "between 0 and 1"),
    ],
)
def test_what_is_no_outcome_or_probability_is_refused(lost: list[float], risk: list[float], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        metrics(lost, risk)
