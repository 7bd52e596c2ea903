import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit, logit

from trust_models.evaluation import (
    among_riskiest,
    auc,
    calibration,
    calibration_curve,
    estimates,
    expected_calibration_error,
    gain_curve,
    lift,
    log_loss_difference,
    log_losses,
    metrics,
    missed_share,
)


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


def test_the_variance_of_the_auc_is_delongs() -> None:
    rng = np.random.default_rng(1)
    lost = rng.random(60) < 0.4
    risk = np.round(rng.random(60) * 0.5 + lost * 0.3, 1)  # rounded, so that there are ties
    wins = np.sign(risk[lost][:, None] - risk[~lost][None, :]) / 2 + 0.5
    variance = wins.mean(axis=1).var(ddof=1) / lost.sum() + wins.mean(axis=0).var(ddof=1) / (~lost).sum()
    found = auc(lost, risk)
    error = (logit(found.high) - logit(found.low)) / (2 * 1.959964) * found.value * (1 - found.value)
    assert found.value == pytest.approx(wins.mean())
    assert error**2 == pytest.approx(variance, rel=1e-5)


def test_an_interval_holds_the_true_value_about_nineteen_times_in_twenty() -> None:
    rng = np.random.default_rng(2)
    risk = rng.beta(2, 3, 400)
    truth = {"brier": (risk * (1 - risk)).mean(), "calibration_slope": 1.0, "calibration_intercept": 0.0}
    inside = dict.fromkeys(truth, 0)
    for _ in range(200):
        found = estimates(rng.random(400) < risk, risk)
        for name, value in truth.items():
            inside[name] += found[name].low <= value <= found[name].high
    assert all(180 <= count <= 199 for count in inside.values()), inside


def test_separated_classes_have_an_auc_and_no_interval() -> None:
    found = auc([0, 0, 1, 1], [0.1, 0.2, 0.8, 0.9])
    assert found.value == 1.0
    assert np.isnan([found.low, found.high]).all()
    assert np.isnan(auc([1, 1], [0.1, 0.2]).value)


def test_intervals_are_of_the_values_that_metrics_gives() -> None:
    lost, risk = drawn(500)
    values = metrics(lost, risk)
    found = estimates(lost, risk)
    assert {name: estimate.value for name, estimate in found.items()} == pytest.approx(
        {name: values[name] for name in found}
    )
    assert all(estimate.low < estimate.value < estimate.high for estimate in found.values())


def test_log_losses_are_finite_where_a_certain_risk_is_wrong() -> None:
    assert np.isfinite(log_losses([1, 0], [0.0, 1.0])).all()
    assert log_losses([1, 0], [0.25, 0.25]) == pytest.approx([np.log(4), -np.log(0.75)])


def test_the_difference_of_two_risks_is_judged_customer_by_customer() -> None:
    lost, risk = drawn(500)
    nearly = np.clip(risk + 0.01, 0, 1)
    found = log_loss_difference(lost, risk, nearly)
    whole = estimates(lost, risk)["log_loss"]
    assert found.value == pytest.approx(whole.value - estimates(lost, nearly)["log_loss"].value)
    assert found.high - found.low < (whole.high - whole.low) / 10
    assert log_loss_difference(lost, nearly, risk).value == pytest.approx(-found.value)


def test_the_calibration_curve_has_equal_bins_and_wilson_intervals() -> None:
    curve = calibration_curve([0] * 10 + [1] * 5 + [0] * 5, [0.1] * 10 + [0.6] * 10, bins=2)
    assert curve["customers"].to_list() == [10, 10]
    assert curve["mean_risk"].to_list() == pytest.approx([0.1, 0.6])
    assert curve["lost_share"].to_list() == [0.0, 0.5]
    assert curve.select("low", "high").row(0) == pytest.approx((0.0, 0.277533), abs=1e-6)
    assert curve.select("low", "high").row(1) == pytest.approx((0.236593, 0.763407), abs=1e-6)


def test_the_gain_curve_finds_all_the_lost_first_where_the_risk_is_perfect_and_in_step_where_it_says_nothing() -> None:
    lost = [1, 1, 0, 0, 0, 0, 0, 0]
    assert gain_curve(lost, [0.9, 0.8, *[0.1] * 6], steps=4)["share_of_lost"].to_list() == [0, 1, 1, 1, 1]
    assert gain_curve(lost, [0.5] * 8, steps=4)["share_of_lost"].to_list() == pytest.approx([0, 0.25, 0.5, 0.75, 1])
    assert gain_curve([0, 0], [0.1, 0.2], steps=2)["share_of_lost"].to_list() == [None] * 3


def test_the_missed_are_the_lost_who_were_not_flagged() -> None:
    assert missed_share([1, 1, 1, 0], [1, 0, 0.5, 1]) == pytest.approx(0.5)
    assert np.isnan(missed_share([0, 0], [1, 1]))


def test_customers_tied_at_the_border_are_among_the_riskiest_in_part() -> None:
    assert among_riskiest([0.9, 0.5, 0.5, 0.1], share=0.5).tolist() == [1.0, 0.5, 0.5, 0.0]
    assert among_riskiest([0.5] * 10, share=0.1).sum() == pytest.approx(1.0)
