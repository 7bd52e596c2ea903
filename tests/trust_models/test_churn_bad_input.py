from collections.abc import Callable
from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest
from churn_log import company, features_of, log_of, order, rows_of, snapshots_of

from trust_models.as_of import EventLog
from trust_models.churn import ChurnSnapshot, ChurnTraining, train_churn
from trust_models.churn_matrix import PURCHASES
from trust_models.churn_model import ALL_DRIVERS, ChurnModel
from trust_models.churn_settings import ChurnSettings

DAYS = [date(2023, 5, 31), date(2023, 6, 30), date(2023, 7, 31)]
KNOWN = date(2023, 9, 29)
SMALL = ChurnSettings(horizon_days=60, hiatus_days=60)
Change = Callable[[pl.DataFrame], pl.DataFrame]


@pytest.fixture(scope="module")
def log() -> EventLog:
    return company(300)


@pytest.fixture(scope="module")
def snapshots(log: EventLog) -> list[ChurnSnapshot]:
    return snapshots_of(log, DAYS, KNOWN)


@pytest.fixture(scope="module")
def model(snapshots: list[ChurnSnapshot]) -> ChurnModel:
    candidate = train_churn(snapshots[-1:], settings=SMALL).candidate
    assert candidate is not None
    return candidate


def changed(snapshots: list[ChurnSnapshot], change: Change) -> list[ChurnSnapshot]:
    return [ChurnSnapshot(s.as_of, change(s.features), s.labels) for s in snapshots]


def with_fate(snapshot: ChurnSnapshot, is_lost: bool) -> ChurnSnapshot:
    return ChurnSnapshot(snapshot.as_of, snapshot.features, snapshot.features.select("customer_id", is_lost=is_lost))


def numbers(frame: pl.DataFrame) -> list[str]:
    return [name for name, kind in frame.schema.items() if kind.is_numeric() or kind == pl.Boolean]


def zero(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(pl.lit(0).cast(frame.schema[name]).alias(name) for name in numbers(frame))


def unknown(frame: pl.DataFrame, but: tuple[str, ...] = ("customer_id", *PURCHASES)) -> pl.DataFrame:
    return frame.with_columns(pl.lit(None, frame.schema[name]).alias(name) for name in frame.columns if name not in but)


def with_every_float(frame: pl.DataFrame, value: float) -> pl.DataFrame:
    return frame.with_columns(pl.lit(value).alias(name) for name, kind in frame.schema.items() if kind.is_float())


def assert_sound(training: ChurnTraining, frame: pl.DataFrame) -> None:
    for model in (training.model, training.candidate or training.model):
        risk = model.predict_risk(frame)
        assert ((risk > 0) & (risk < 1)).all()
        assert np.isfinite(model.contributions(frame)).all()
        assert model.reasons(frame)["contribution"].is_finite().all()
    assert training.quality["value"].is_finite().all()


@pytest.mark.parametrize("is_lost", [True, False])
def test_where_every_customer_shares_one_fate_a_baseline_stands_in(
    snapshots: list[ChurnSnapshot], is_lost: bool
) -> None:
    training = train_churn([with_fate(snapshot, is_lost) for snapshot in snapshots], settings=SMALL)
    assert training.candidate is None
    assert training.model.basis.startswith("baseline:")
    seen = len(snapshots[-1].features)
    counted = f"The largest has {seen}, {seen} lost and 0 kept" if is_lost else f"{seen}, 0 lost and {seen} kept"
    assert counted in training.notes[0].text_en
    assert_sound(training, snapshots[-1].features)


def test_a_snapshot_of_one_fate_is_left_out_of_the_others(snapshots: list[ChurnSnapshot]) -> None:
    training = train_churn([*snapshots[:-1], with_fate(snapshots[-1], True)], settings=SMALL)
    assert training.snapshots["is_used"].to_list() == [True, True, False]
    assert any("left out: 2023-07-31." in note.text_en for note in training.notes)
    assert_sound(training, snapshots[-1].features)


def test_features_that_are_all_zero_give_a_risk(snapshots: list[ChurnSnapshot]) -> None:
    training = train_churn(changed(snapshots[-1:], zero), settings=SMALL)
    assert_sound(training, zero(snapshots[-1].features))
    assert_sound(training, snapshots[-1].features)


def test_features_that_are_all_null_but_the_purchase_days_give_a_risk(snapshots: list[ChurnSnapshot]) -> None:
    training = train_churn(changed(snapshots[-1:], unknown), settings=SMALL)
    assert_sound(training, unknown(snapshots[-1].features))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1e300])
def test_numbers_that_are_none_or_beyond_measure_count_as_unknown_or_extreme(
    snapshots: list[ChurnSnapshot], value: float
) -> None:
    strange = changed(snapshots[-1:], lambda frame: with_every_float(frame, value))
    assert_sound(train_churn(strange, settings=SMALL), strange[0].features)


def test_customers_that_are_strange_only_when_they_are_scored_get_a_risk(model: ChurnModel, log: EventLog) -> None:
    now = features_of(log, KNOWN)
    for frame in (zero(now), unknown(now), *(with_every_float(now, value) for value in (np.nan, np.inf, -1e300))):
        risk = model.predict_risk(frame)
        assert ((risk >= 0) & (risk <= 1)).all()
        assert np.isfinite(model.contributions(frame)).all()


def test_a_customer_without_purchase_days_is_refused_in_training_and_scoring(
    snapshots: list[ChurnSnapshot], model: ChurnModel
) -> None:
    nothing = changed(snapshots, lambda frame: unknown(frame, but=("customer_id",)))
    text = "repeat_purchase_days, active_span_days, tenure_days must be .* for every customer: .* null is not allowed"
    with pytest.raises(ValueError, match=text):
        train_churn(nothing, settings=SMALL)
    with pytest.raises(ValueError, match=text):
        model.predict_risk(nothing[0].features)


def test_a_history_that_ends_before_it_began_is_refused(model: ChurnModel, snapshots: list[ChurnSnapshot]) -> None:
    backwards = snapshots[0].features.with_columns(tenure_days=-1 - pl.col("tenure_days"))
    with pytest.raises(ValueError, match=r"must be .* of a purchase history for every customer: .* 0 <= tx <= T"):
        model.predict_risk(backwards)


@pytest.mark.parametrize("is_lost", [True, False, None])
@pytest.mark.parametrize("bought", [["2023-06-01"], ["2023-05-01", "2023-06-01", "2023-07-01"]])
def test_a_company_of_one_customer_has_a_risk_short_of_certainty(bought: list[str], is_lost: bool | None) -> None:
    frame = features_of(log_of(orders=[order("A", day) for day in bought]), DAYS[-1])
    alone = ChurnSnapshot(DAYS[-1], frame)
    training = train_churn([alone if is_lost is None else with_fate(alone, is_lost)], settings=SMALL)
    assert training.candidate is None
    assert_sound(training, frame)


def test_one_customer_of_a_hundred_thousand_orders_among_others_harms_nobody(log: EventLog) -> None:
    start = date(2023, 1, 1)
    made = rows_of("orders", [order("GIANT", start + timedelta(days=n), order_id=f"G{n}-") for n in range(200)])
    many = pl.concat([made] * 500).with_columns(order_id=pl.concat_str("order_id", pl.int_range(pl.len())))
    crowded = EventLog.of(orders=pl.concat([log.orders.collect(), many]))
    training = train_churn(snapshots_of(crowded, DAYS, KNOWN), settings=SMALL)
    now = features_of(crowded, KNOWN)
    assert now.filter(pl.col("customer_id") == "GIANT")["orders"].item() == 100_000
    assert training.candidate is not None
    assert_sound(training, now)


def test_where_everybody_bought_on_one_day_everybody_has_the_same_risk() -> None:
    log = log_of(orders=[order(f"C{n}", "2023-04-01") for n in range(300)])
    frame = features_of(log, DAYS[-1])
    fates = frame.select("customer_id").with_columns(is_lost=pl.int_range(pl.len()) % 3 == 0)
    training = train_churn([ChurnSnapshot(DAYS[-1], frame, fates)], settings=SMALL)
    risk = training.model.predict_risk(frame)
    assert np.ptp(risk) == 0
    assert risk[0] == pytest.approx(1 / 3, abs=0.02)
    assert_sound(training, frame)


def test_everybody_buying_for_the_first_time_today_is_scored() -> None:
    frame = features_of(log_of(orders=[order(f"C{n}", DAYS[-1]) for n in range(300)]), DAYS[-1])
    assert_sound(train_churn([ChurnSnapshot(DAYS[-1], frame)], settings=SMALL), frame)


def test_each_feature_that_is_missing_at_scoring_is_named(model: ChurnModel, snapshots: list[ChurnSnapshot]) -> None:
    frame = snapshots[0].features
    for name in model.feature_names_:
        for use in (model.predict_risk, model.contributions, model.reasons):
            with pytest.raises(ValueError, match=f"features are missing: {name}; the churn model was trained on them"):
                use(frame.drop(name))


def test_a_feature_that_holds_words_where_it_held_numbers_is_named(
    model: ChurnModel, snapshots: list[ChurnSnapshot]
) -> None:
    frame = snapshots[0].features.with_columns(recency_days=pl.lit("long ago"))
    with pytest.raises(ValueError, match=r"features must be numbers, .* trained on them: recency_days \(String\)"):
        model.predict_risk(frame)


def test_nobody_to_score_is_no_error(model: ChurnModel, snapshots: list[ChurnSnapshot]) -> None:
    nobody = snapshots[0].features.clear()
    assert model.predict_risk(nobody).shape == (0,)
    assert model.contributions(nobody).shape == (0, len(ALL_DRIVERS))
    assert model.reasons(nobody).is_empty()


def test_snapshots_without_customers_are_an_error() -> None:
    empty = features_of(log_of(), DAYS[-1])
    labels = pl.DataFrame(schema={"customer_id": pl.String, "is_lost": pl.Boolean})
    with pytest.raises(ValueError, match="no snapshot has a customer with an order"):
        train_churn([ChurnSnapshot(DAYS[-1], empty, labels)], settings=SMALL)


@pytest.mark.parametrize("rows", [1, 20])
def test_a_sample_of_training_rows_still_holds_both_classes(snapshots: list[ChurnSnapshot], rows: int) -> None:
    capped = ChurnSettings(horizon_days=60, hiatus_days=60, maximum_rows=rows)
    training = train_churn(snapshots[-1:], settings=capped)
    assert training.candidate is not None
    assert_sound(training, snapshots[-1].features)


def test_a_customer_whose_fate_is_unknown_is_refused_as_a_label(snapshots: list[ChurnSnapshot]) -> None:
    unsure = [
        ChurnSnapshot(s.as_of, s.features, s.labels.with_columns(is_lost=None))
        for s in snapshots
        if s.labels is not None
    ]
    with pytest.raises(ValueError, match="labels of 2023-05-31 are null"):
        train_churn(unsure, settings=SMALL)


def test_fewer_of_a_class_than_the_folds_need_cannot_be_set() -> None:
    with pytest.raises(ValueError, match="minimum_class must be 10 or more"):
        ChurnSettings(minimum_class=9)


def test_reasons_have_words_where_nothing_is_recorded(model: ChurnModel, snapshots: list[ChurnSnapshot]) -> None:
    assert model.reasons(unknown(snapshots[0].features)).null_count().sum_horizontal().item() == 0
