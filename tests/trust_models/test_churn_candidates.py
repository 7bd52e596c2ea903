import numpy as np
import pytest
from scipy.special import expit
from sklearn.utils.estimator_checks import parametrize_with_checks

from trust_models.baselines import BUYS_AGAIN, BuyTillYouDie, Constant, LogisticOn, baselines
from trust_models.churn_calibration import calibrated, cross_fitted
from trust_models.churn_candidates import AdditiveLogistic, Average, BoostedTrees, LogOdds

RNG = np.random.default_rng(0)
X = RNG.normal(size=(600, 4))
X[::7, 1] = np.nan
Y = (X[:, 0] - np.nan_to_num(X[:, 1]) * X[:, 2] + RNG.logistic(size=600) > 0).astype(int)
GROUPS = np.array([0, 1, 1, 2])
LEARNERS = [
    AdditiveLogistic(C=1.0),
    BoostedTrees(max_iter=20),
    Average((AdditiveLogistic(), BoostedTrees(max_iter=5), LogisticOn((0,)))),
    LogisticOn((0, 2)),
    LogisticOn((1,), threshold=0.5),
    Constant(),
]


@pytest.mark.parametrize("learner", LEARNERS, ids=lambda learner: type(learner).__name__)
def test_contributions_add_up_to_the_log_odds_however_they_are_grouped(learner: LogOdds) -> None:
    fitted = learner.fit(X, Y)
    by_group = fitted.contributions(X, GROUPS, 3)
    assert by_group.shape == (600, 3)
    assert fitted.base_ + by_group.sum(axis=1) == pytest.approx(fitted.decision_function(X), abs=1e-10)


@pytest.mark.parametrize("learner", LEARNERS, ids=lambda learner: type(learner).__name__)
def test_a_row_is_scored_alike_in_any_company(learner: LogOdds) -> None:
    fitted = learner.fit(X, Y)
    whole = fitted.decision_function(X)
    assert np.array_equal(np.concatenate([fitted.decision_function(X[i : i + 1]) for i in range(40)]), whole[:40])
    assert np.array_equal(fitted.decision_function(X[::-1]), whole[::-1])


def test_contributions_belong_to_the_features_that_matter() -> None:
    lost = (X[:, 0] > 0).astype(int)
    for learner in (AdditiveLogistic(C=1.0), BoostedTrees(max_iter=20)):
        spread = learner.fit(X, lost).contributions(X, np.arange(4), 4).std(axis=0)
        assert spread[0] > 5 * spread[1:].max()


def test_the_additive_logistic_is_right_on_average_and_its_functions_are_centred() -> None:
    fitted = AdditiveLogistic(C=1.0).fit(X, Y)
    assert fitted.predict_proba(X)[:, 1].mean() == pytest.approx(Y.mean(), abs=1e-3)
    assert fitted.contributions(X, np.arange(4), 4).mean(axis=0) == pytest.approx(0.0, abs=1e-5)


def test_the_trees_say_what_their_boosting_says() -> None:
    fitted = BoostedTrees(max_iter=30).fit(X, Y)
    assert fitted.decision_function(X) == pytest.approx(fitted.trees_.decision_function(X), abs=1e-9)
    assert fitted.base_ == pytest.approx(fitted.decision_function(X).mean(), abs=0.05)


def test_the_additive_logistic_bends_with_the_data() -> None:
    x = np.linspace(-3, 3, 2000)[:, None]
    is_lost = (RNG.random(2000) < expit(3 - 2 * np.abs(x[:, 0]))).astype(int)
    risk = AdditiveLogistic(C=10.0).fit(x, is_lost).predict_proba([[-3.0], [0.0], [3.0]])[:, 1]
    assert risk[1] > 0.8 > 0.4 > max(risk[0], risk[2])


def test_beyond_what_was_seen_a_feature_says_what_it_said_at_the_border() -> None:
    fitted = AdditiveLogistic().fit(X, Y)
    border = X[:1].copy()
    border[0, 0] = np.nanmax(X[:, 0])
    beyond = border.copy()
    beyond[0, 0] = 1e12
    assert fitted.decision_function(beyond) == pytest.approx(fitted.decision_function(border))


@pytest.mark.parametrize("learner", [AdditiveLogistic(), BoostedTrees(max_iter=5)])
def test_columns_that_are_constant_or_never_known_contribute_nothing(learner: LogOdds) -> None:
    dull = np.column_stack([X[:, :2], np.full(600, 3.0), np.full(600, np.nan)])
    fitted = learner.fit(dull, Y)
    scored = dull.copy()
    scored[:, 2:] = 77.0
    assert fitted.contributions(scored, np.array([0, 0, 1, 2]), 3)[:, 1:] == pytest.approx(0.0)


@pytest.mark.parametrize("learner", [AdditiveLogistic(), BoostedTrees(), Average(), LogisticOn((0,))])
def test_one_class_is_refused(learner: LogOdds) -> None:
    with pytest.raises(ValueError, match="two classes are needed"):
        learner.fit(X, np.ones(600))


NOT_TO_THE_LAST_DIGIT = {"check_sample_weight_equivalence_on_dense_data": "equal to 1e-6: its design is float32"}


@parametrize_with_checks(
    [AdditiveLogistic(), BoostedTrees(max_iter=20, min_samples_leaf=2)],
    expected_failed_checks=lambda learner: NOT_TO_THE_LAST_DIGIT if isinstance(learner, AdditiveLogistic) else {},
)
def test_they_keep_the_conventions_of_scikit_learn(estimator: object, check: object) -> None:
    check(estimator)


def test_the_hiatus_rule_knows_two_risks_and_the_constant_one() -> None:
    days = np.array([[10.0]] * 50 + [[95.0]] * 50)
    lost = np.array([0] * 40 + [1] * 10 + [1] * 45 + [0] * 5)
    rule = LogisticOn((0,), threshold=90).fit(days, lost)
    short, same, long = rule.predict_proba([[0.0], [90.0], [91.0]])[:, 1]
    assert short == same < 0.3 < 0.8 < long
    assert Constant().fit(days, lost).predict_proba(days)[:, 1] == pytest.approx(56 / 102)


def test_buy_till_you_die_is_the_probability_not_to_buy() -> None:
    rule = BuyTillYouDie(1).fit(np.array([[0.0, 0.3], [0.0, 0.8]]))
    assert rule.predict_proba([[9.0, 0.3], [9.0, 0.8], [9.0, 0.0]])[:, 1] == pytest.approx([0.7, 0.2, 1.0])


def test_baselines_name_the_features_they_need() -> None:
    with pytest.raises(ValueError, match="need the features purchase_days, order_amount_mean"):
        baselines(["recency_days", BUYS_AGAIN], hiatus_days=90)


def test_calibration_is_followed_as_far_as_its_weight() -> None:
    log_odds = RNG.normal(size=20_000)
    lost = RNG.random(20_000) < expit(2 * log_odds + 1)
    assert calibrated(log_odds, lost, weight=1.0) == pytest.approx((2.0, 1.0), abs=0.1)
    assert calibrated(log_odds, lost, weight=0.5) == pytest.approx((1.5, 0.5), abs=0.06)
    assert calibrated(log_odds, lost, weight=0.0) == (1.0, 0.0)


def test_calibration_never_turns_a_ranking_round_but_falls_back_to_the_share_lost() -> None:
    log_odds = RNG.normal(size=2000) + 2
    lost = RNG.random(2000) < expit(-3 * (log_odds - 2))
    slope, intercept = calibrated(log_odds, lost, weight=1.0)
    assert slope == 0.0
    assert expit(intercept) == pytest.approx(lost.mean())


def test_one_risk_for_all_is_calibrated_to_the_share_lost() -> None:
    lost = np.array([True] * 30 + [False] * 70)
    slope, intercept = calibrated(np.full(100, 1.0), lost, weight=1.0)
    assert expit(slope * 1.0 + intercept) == pytest.approx(0.3)


def test_nobodys_outcome_calibrates_their_own_risk() -> None:
    log_odds, folds = RNG.normal(size=400), np.arange(400) % 4
    lost = RNG.random(400) < 0.5
    turned = np.where(folds == 2, ~lost, lost)
    before = cross_fitted(log_odds, lost, folds, weight=1.0)
    after = cross_fitted(log_odds, turned, folds, weight=1.0)
    assert np.array_equal(before[folds == 2], after[folds == 2])
    assert not np.array_equal(before[folds == 1], after[folds == 1])
