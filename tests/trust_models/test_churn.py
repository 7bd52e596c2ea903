import json
import subprocess
import sys
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import skops.io
from churn_log import company, features_of, log_of, order, snapshots_of
from polars.testing import assert_frame_equal
from scipy.special import logit

from trust_models.as_of import EventLog
from trust_models.churn import ChurnSnapshot, ChurnTraining, train_churn
from trust_models.churn_model import ALL_DRIVERS, TRUSTED_TYPES, ChurnModel, risk_band
from trust_models.churn_settings import ChurnSettings

DAYS = [date(2023, 4, 30), date(2023, 5, 31), date(2023, 6, 30), date(2023, 7, 31)]
KNOWN = date(2023, 9, 29)
SMALL = ChurnSettings(horizon_days=60, hiatus_days=60)


@pytest.fixture(scope="module")
def log() -> EventLog:
    return company(500)


@pytest.fixture(scope="module")
def snapshots(log: EventLog) -> list[ChurnSnapshot]:
    return snapshots_of(log, DAYS, KNOWN)


@pytest.fixture(scope="module")
def training(snapshots: list[ChurnSnapshot]) -> ChurnTraining:
    return train_churn(snapshots, settings=SMALL)


@pytest.fixture(scope="module")
def model(training: ChurnTraining) -> ChurnModel:
    assert training.candidate is not None
    return training.candidate


@pytest.fixture(scope="module")
def now(log: EventLog) -> pl.DataFrame:
    return features_of(log, KNOWN)


def value(training: ChurnTraining, basis: str, metric: str) -> float:
    return training.quality.filter((pl.col("basis") == basis) & (pl.col("metric") == metric))["value"].item()


def test_the_report_is_of_the_newest_matured_snapshot_beside_every_baseline(training: ChurnTraining) -> None:
    rules = {f"baseline:{rule}" for rule in ("constant", "hiatus", "recency", "rfm", "mbg_nbd")}
    assert set(training.quality["basis"]) == {"model"} | rules
    assert training.quality["as_of"].unique().to_list() == [DAYS[-1]]
    assert training.snapshots["is_used"].all()


def test_the_constant_ranks_nobody(training: ChurnTraining) -> None:
    assert value(training, "baseline:constant", "auc") == 0.5
    assert value(training, "baseline:constant", "mean_risk") > 0


def test_a_model_is_promoted_only_where_it_beats_every_baseline_in_log_loss(training: ChurnTraining) -> None:
    losses = training.quality.filter(pl.col("metric") == "log_loss").sort("value")
    assert training.is_promoted == (losses["basis"][0] == "model")
    assert training.model.basis == losses["basis"][0]
    assert value(training, "model", "auc") > 0.7
    assert value(training, "baseline:constant", "mean_risk") == pytest.approx(
        value(training, "model", "lost_share"), abs=0.06
    )


def test_what_was_predicted_is_kept_beside_what_followed_of_the_model_that_is_used(training: ChurnTraining) -> None:
    curve = training.calibration
    assert curve is not None
    assert curve["customers"].sum() == value(training, training.model.basis, "customers")
    mean_risk = (curve["mean_risk"] * curve["customers"]).sum() / curve["customers"].sum()
    assert mean_risk == pytest.approx(value(training, training.model.basis, "mean_risk"))


def test_every_baseline_comes_fitted_and_as_it_would_stand_in(training: ChurnTraining, now: pl.DataFrame) -> None:
    assert set(training.baselines) == {"constant", "hiatus", "recency", "rfm", "mbg_nbd"}
    for name, baseline in training.baselines.items():
        assert baseline.basis == f"baseline:{name}"
        risk = baseline.predict_risk(now)
        assert ((risk > 0) & (risk < 1)).all()
    assert np.ptp(training.baselines["constant"].predict_risk(now)) == 0
    assert np.ptp(training.baselines["rfm"].predict_risk(now)) > 0.2


def test_the_baseline_that_stands_in_is_the_one_that_is_shown(
    snapshots: list[ChurnSnapshot], now: pl.DataFrame
) -> None:
    labels = snapshots[-1].labels
    assert labels is not None
    noise = labels.with_columns(is_lost=pl.Series(np.random.default_rng(0).random(len(labels)) < 0.5))
    training = train_churn([ChurnSnapshot(DAYS[-1], snapshots[-1].features, noise)], settings=SMALL)
    shown = training.baselines[training.model.basis.removeprefix("baseline:")]
    assert np.array_equal(shown.predict_risk(now), training.model.predict_risk(now))


def test_a_model_that_loses_to_a_baseline_is_not_promoted_and_says_so(snapshots: list[ChurnSnapshot]) -> None:
    rng = np.random.default_rng(0)

    def shuffled(snapshot: ChurnSnapshot) -> ChurnSnapshot:
        assert snapshot.labels is not None
        lost = rng.random(len(snapshot.labels)) < 0.5
        return ChurnSnapshot(snapshot.as_of, snapshot.features, snapshot.labels.with_columns(is_lost=pl.Series(lost)))

    training = train_churn([shuffled(snapshots[-1])], settings=SMALL)
    assert not training.is_promoted
    assert training.model.basis.startswith("baseline:")
    assert training.candidate is not None
    assert training.candidate.basis == "model"
    assert "is not promoted: its log loss" in training.notes[0].text_en
    assert "未被采用" in training.notes[0].text_zh


def test_training_again_on_rows_and_snapshots_in_another_order_gives_the_same_risks(
    snapshots: list[ChurnSnapshot], model: ChurnModel, now: pl.DataFrame
) -> None:
    turned = [
        ChurnSnapshot(s.as_of, s.features.reverse(), s.labels.reverse())
        for s in reversed(snapshots)
        if s.labels is not None
    ]
    again = train_churn(turned, settings=SMALL).candidate
    assert again is not None
    assert np.array_equal(again.predict_risk(now), model.predict_risk(now))


def test_a_risk_depends_on_the_customer_alone(model: ChurnModel, now: pl.DataFrame) -> None:
    risk = model.predict_risk(now)
    assert np.array_equal(model.predict_risk(now.reverse()), risk[::-1])
    assert np.array_equal(model.predict_risk(now[7:8]), risk[7:8])
    assert np.array_equal(model.predict_risk(now[3:50]), risk[3:50])
    assert model.predict_risk(now.clear()).shape == (0,)


def test_risks_are_probabilities_and_never_nan(model: ChurnModel, now: pl.DataFrame) -> None:
    strange = now.with_columns(
        pl.when(pl.int_range(pl.len()) % 3 == 0).then(None).otherwise(pl.col("order_amount_mean") * 1e300),
        recency_over_longest=pl.lit(float("inf")),
        orders=pl.lit(100_000),
    ).with_columns(pl.col("order_amount_mean").fill_null(float("nan")))
    assert not np.isinf(model.matrix.transform(strange)).any()
    for frame in (now, strange):
        risk = model.predict_risk(frame)
        assert ((risk > 0) & (risk < 1)).all()


def test_a_missing_feature_is_named(model: ChurnModel, now: pl.DataFrame) -> None:
    with pytest.raises(ValueError, match="features are missing: recency_days, orders_late; the churn model was"):
        model.predict_risk(now.drop("recency_days", "orders_late"))


def test_a_column_the_model_does_not_know_changes_nothing(model: ChurnModel, now: pl.DataFrame) -> None:
    assert "surprise" not in model.feature_names_
    assert np.array_equal(model.predict_risk(now.with_columns(surprise=1)), model.predict_risk(now))


def test_contributions_sum_to_the_log_odds(model: ChurnModel, now: pl.DataFrame) -> None:
    total = model.base_log_odds_ + model.contributions(now).sum(axis=1)
    assert total == pytest.approx(logit(model.predict_risk(now)), abs=1e-9)


def test_all_reasons_of_a_customer_sum_to_the_distance_from_the_typical_one(
    model: ChurnModel, now: pl.DataFrame
) -> None:
    reasons = model.reasons(now, top=len(ALL_DRIVERS))
    summed = reasons.group_by("customer_id", maintain_order=True).agg(pl.col("contribution").sum())
    expected = logit(model.predict_risk(now)) - model.base_log_odds_
    assert summed["customer_id"].to_list() == now["customer_id"].to_list()
    assert summed["contribution"].to_numpy() == pytest.approx(expected, abs=1e-9)


def test_risk_and_reasons_in_one_go_are_those_of_either_alone(model: ChurnModel, now: pl.DataFrame) -> None:
    risk, reasons = model.explained(now, top=2)
    np.testing.assert_allclose(risk, model.predict_risk(now), rtol=1e-12)
    assert reasons.equals(model.reasons(now, top=2))


def test_the_first_reason_says_why_the_risk_is_where_it_is(model: ChurnModel, now: pl.DataFrame) -> None:
    reasons = model.reasons(now, top=3)
    first = reasons.filter(pl.col("rank") == 1)
    is_above = logit(model.predict_risk(now)) > model.base_log_odds_
    assert np.array_equal(first["contribution"].to_numpy() > 0, is_above)
    assert reasons["rank"].max() == 3
    assert reasons.null_count().sum_horizontal().item() == 0


def test_reasons_do_not_depend_on_the_other_customers(model: ChurnModel, now: pl.DataFrame) -> None:
    few = now[5:9]
    whole = model.reasons(now).filter(pl.col("customer_id").is_in(few["customer_id"].to_list()))
    assert_frame_equal(model.reasons(few), whole, check_exact=True)


def test_a_model_survives_storage_with_the_listed_types_only(model: ChurnModel, now: pl.DataFrame) -> None:
    stored = skops.io.dumps(model)
    assert set(skops.io.get_untrusted_types(data=stored)) <= set(TRUSTED_TYPES)
    loaded = skops.io.loads(stored, trusted=list(TRUSTED_TYPES))
    assert np.array_equal(loaded.predict_risk(now), model.predict_risk(now))
    assert_frame_equal(loaded.reasons(now), model.reasons(now), check_exact=True)


def test_a_category_never_seen_and_a_missing_one_are_scored(log: EventLog) -> None:
    def with_segment(snapshot: ChurnSnapshot) -> ChurnSnapshot:
        segment = pl.when(pl.col("orders") % 2 == 0).then(pl.lit("even")).otherwise(pl.lit("odd"))
        return ChurnSnapshot(snapshot.as_of, snapshot.features.with_columns(segment=segment), snapshot.labels)

    made = [with_segment(snapshot) for snapshot in snapshots_of(log, DAYS[:1], KNOWN)]
    model = train_churn(made, settings=SMALL).candidate
    assert model is not None
    assert model.matrix.levels_["segment"] == ["even", "odd"]
    frame = made[0].features.head(9)
    new = model.predict_risk(frame.with_columns(segment=pl.lit("new")))
    assert np.array_equal(new, model.predict_risk(frame.with_columns(segment=pl.lit(None, pl.String))))
    assert not np.array_equal(new, model.predict_risk(frame))


def test_training_rows_are_capped_by_customer(snapshots: list[ChurnSnapshot]) -> None:
    capped = ChurnSettings(horizon_days=60, hiatus_days=60, maximum_rows=400)
    training = train_churn(snapshots, settings=capped)
    assert value(training, "model", "customers") <= 1.15 * 400 < len(snapshots[-1].features)


def test_features_that_are_constant_or_never_known_do_no_harm(snapshots: list[ChurnSnapshot]) -> None:
    assert all(s.features["days_late_mean"].is_null().all() for s in snapshots)
    assert all(s.features["complaints"].n_unique() == 1 for s in snapshots)


@pytest.mark.parametrize("used", [1, 2])
def test_with_few_snapshots_it_still_trains_and_says_what_the_report_rests_on(
    snapshots: list[ChurnSnapshot], used: int
) -> None:
    training = train_churn(snapshots[-used:], settings=SMALL)
    assert training.candidate is not None
    assert value(training, "model", "auc") > 0.65
    assert any("Fewer than three snapshots" in note.text_en for note in training.notes)


def test_snapshots_that_are_too_small_are_left_out_and_named(snapshots: list[ChurnSnapshot]) -> None:
    first = snapshots[0]
    small = ChurnSnapshot(first.as_of, first.features.head(199), first.labels)
    training = train_churn([small, snapshots[1]], settings=SMALL)
    assert training.snapshots["is_used"].to_list() == [False, True]
    assert any("left out: 2023-04-30." in note.text_en for note in training.notes)


def test_the_noise_of_one_customers_outcome_does_not_leak_into_the_report() -> None:
    rng = np.random.default_rng(1)
    frames = snapshots_of(company(400, seed=3), DAYS, KNOWN)
    fate = pl.DataFrame({"customer_id": [f"C{n}" for n in range(400)], "is_lost": rng.random(400) < 0.5})
    labelled = [
        ChurnSnapshot(s.as_of, s.features, s.features.select("customer_id").join(fate, "customer_id")) for s in frames
    ]
    training = train_churn(labelled, settings=SMALL)
    assert value(training, "model", "auc") == pytest.approx(0.5, abs=0.08)


def test_bands_begin_at_their_limits() -> None:
    risks = pl.DataFrame({"risk": [0.0, 0.2499, 0.25, 0.5, 0.75, 1.0, None]})
    bands = risks.select(risk_band(pl.col("risk"), limits=ChurnSettings().band_limits)).to_series().to_list()
    assert bands == ["low", "low", "medium", "high", "very_high", "very_high", None]


@pytest.mark.parametrize(
    ("setting", "text"),
    [({"band_limits": (0.5, 0.2, 0.9)}, "must rise"), ({"calibration_weight": 1.5}, "between 0 and 1")],
)
def test_settings_that_make_no_sense_are_refused(setting: dict[str, object], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        ChurnSettings(**setting)


def test_another_process_gives_the_same_risks(
    model: ChurnModel, snapshots: list[ChurnSnapshot], tmp_path: Path
) -> None:
    skops.io.dump(model, tmp_path / "model.skops")
    snapshots[0].features.write_parquet(tmp_path / "features.parquet")
    code = (
        "import sys, json, polars as pl, skops.io; from trust_models.churn_model import TRUSTED_TYPES;"
        "model = skops.io.load(sys.argv[1] + '/model.skops', trusted=list(TRUSTED_TYPES));"
        "print(json.dumps(model.predict_risk(pl.read_parquet(sys.argv[1] + '/features.parquet')).tolist()))"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == model.predict_risk(snapshots[0].features).tolist()


def test_a_customer_of_one_huge_order_day_is_scored(model: ChurnModel) -> None:
    log = log_of(orders=[order("A", "2023-06-01", order_id=f"O{n}") for n in range(2000)])
    risk = model.predict_risk(features_of(log, KNOWN))
    assert 0 < risk[0] < 1
