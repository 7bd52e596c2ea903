from datetime import date

import numpy as np
import polars as pl
import pytest
import skops.io
from churn_log import company, features_of, log_of, order, snapshots_of

from trust_models.churn import ChurnSnapshot, ChurnTraining, train_churn
from trust_models.churn_model import TRUSTED_TYPES
from trust_models.churn_settings import ChurnSettings

DAY, KNOWN = date(2023, 7, 31), date(2023, 9, 29)
SMALL = ChurnSettings(horizon_days=60, hiatus_days=60)
DECLARED = ChurnSettings(horizon_days=60, hiatus_days=60, definition="declared")


def usable(training: ChurnTraining, features: pl.DataFrame) -> bool:
    risk = training.model.predict_risk(features)
    training.model.reasons(features)
    stored = skops.io.dumps(training.model)
    loaded = skops.io.loads(stored, trusted=list(TRUSTED_TYPES))
    return bool(((risk > 0) & (risk < 1)).all()) and np.array_equal(loaded.predict_risk(features), risk)


def test_with_too_few_customers_the_best_baseline_by_log_loss_is_taken() -> None:
    snapshots = snapshots_of(company(150), [DAY], KNOWN)
    training = train_churn(snapshots, settings=SMALL)
    losses = training.quality.filter(pl.col("metric") == "log_loss").sort("value")
    assert training.model.basis == losses["basis"][0]
    assert not training.is_promoted
    assert training.candidate is None
    assert usable(training, snapshots[0].features)
    assert "needs 200 customers, 50 lost and 50 kept. The largest has" in training.notes[0].text_en
    assert "目前最大的快照有" in training.notes[0].text_zh


@pytest.mark.parametrize(("lost", "is_model"), [(49, False), (50, True), (150, True), (151, False)])
def test_fifty_of_either_class_are_needed(lost: int, is_model: bool) -> None:
    snapshot = snapshots_of(company(300), [DAY], KNOWN)[0]
    features = snapshot.features.head(200)
    flags = pl.Series(np.arange(200) < lost)
    labels = features.select("customer_id").with_columns(is_lost=flags)
    training = train_churn([ChurnSnapshot(DAY, features, labels)], settings=SMALL)
    assert (training.candidate is not None) == is_model
    assert usable(training, features)


def test_without_a_matured_snapshot_the_btyd_model_stands_in() -> None:
    features = features_of(company(150), DAY)
    training = train_churn([ChurnSnapshot(DAY, features)], settings=SMALL)
    assert training.model.basis == "baseline:mbg_nbd"
    assert usable(training, features)
    assert training.quality.is_empty()
    assert "no snapshot is 60 days old" in training.notes[0].text_en
    assert "baseline mbg_nbd" in training.notes[0].text_en
    assert "尚无流失模型" in training.notes[0].text_zh


def test_silence_says_nothing_of_declared_churn() -> None:
    features = features_of(company(150), DAY)
    training = train_churn([ChurnSnapshot(DAY, features)], settings=DECLARED)
    assert training.model.basis == "baseline:constant"
    assert usable(training, features)


@pytest.mark.parametrize(("lost", "expected"), [(False, 1 / 32), (True, 31 / 32)])
def test_one_class_gives_a_constant_short_of_certainty(lost: bool, expected: float) -> None:
    features = features_of(log_of(orders=[order(f"C{n}", "2023-06-01") for n in range(30)]), DAY)
    labels = features.select("customer_id", is_lost=pl.lit(lost))
    training = train_churn([ChurnSnapshot(DAY, features, labels)], settings=SMALL)
    assert training.model.basis == "baseline:constant"
    assert training.model.predict_risk(features) == pytest.approx(expected)
    assert training.model.reasons(features).is_empty()


def test_a_single_customer_is_scored() -> None:
    features = features_of(log_of(orders=[order("A", "2023-06-01")]), DAY)
    training = train_churn([ChurnSnapshot(DAY, features)], settings=SMALL)
    assert training.model.predict_risk(features) == pytest.approx(0.5)


def test_no_customer_at_all_is_an_error() -> None:
    with pytest.raises(ValueError, match="no snapshot has a customer"):
        train_churn([ChurnSnapshot(DAY, features_of(log_of(), DAY))], settings=SMALL)
    with pytest.raises(ValueError, match="no snapshot has a customer"):
        train_churn([], settings=SMALL)
