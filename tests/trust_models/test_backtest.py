import dataclasses
from collections.abc import Callable
from datetime import date, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from churn_log import company, log_of, order, rows_of

import trust_models.as_of
from trust_models.as_of import AsOf, EventLog
from trust_models.backtest import (
    Cutoff,
    backtest,
    by_group,
    comparisons,
    cutoff_days,
    measures,
    pooled,
    purchase_risks,
    refuse_future,
    refuse_too_good,
    refuse_unripe,
)
from trust_models.churn_training import ChurnSnapshot, ChurnTraining
from trust_models.labels import labels
from trust_models.leakage import FutureLeakError, cut, future_dependence, suspicious
from trust_models.snapshot import ScoringSettings, take_evidence, take_features
from trust_models.training import fit_churn
from trust_models.trials import coverage_of

SETTINGS = ScoringSettings(horizon_days=60)
KNOWN_AT = date(2023, 10, 20)
DAY = date(2023, 7, 31)
RULES = {"constant", "hiatus", "recency", "rfm", "mbg_nbd", "bg_nbd", "pareto_nbd"}


@pytest.fixture(scope="module")
def log() -> EventLog:
    return company(400)


@pytest.fixture(scope="module")
def cutoffs(log: EventLog) -> list[Cutoff]:
    days = cutoff_days(first_order=date(2023, 1, 1), known_at=KNOWN_AT, horizon_days=60, most=2)
    return list(backtest(log, days, known_at=KNOWN_AT, settings=SETTINGS, high_risk=0.5))


def honest(log: EventLog, customers: pl.Series) -> pl.DataFrame:
    part = log.of_customers(customers)
    covered = coverage_of(log)(SETTINGS.as_of(DAY))
    return take_features(take_evidence(part, DAY, SETTINGS, None, covered=covered), SETTINGS)


def with_canary(log: EventLog, customers: pl.Series) -> pl.DataFrame:
    last = log.orders.group_by("customer_id").agg(pl.col("ordered_date").max()).collect()
    silence = (pl.lit(KNOWN_AT) - pl.col("ordered_date")).dt.total_days()
    canary = last.select("customer_id", days_since_last_of_file=silence)
    return honest(log, customers).join(canary, on="customer_id", how="left")


def labelled(log: EventLog, make: Callable[[EventLog, pl.Series], pl.DataFrame]) -> tuple[pl.DataFrame, np.ndarray]:
    known_at = AsOf(DAY + timedelta(days=60))  # the file ends with the window: silence until then is the label itself
    ended = cut(log, known_at)
    followed = labels(
        ended.known(known_at), as_of=AsOf(DAY), known_at=known_at, horizon_days=60, definition="silent"
    ).collect()
    rows = make(ended, followed["customer_id"]).join(followed, on="customer_id").sort("customer_id")
    return rows.drop("is_lost"), rows["is_lost"].to_numpy()


def test_cutoffs_are_month_ends_whose_window_is_over_and_that_had_a_snapshot_to_train_on() -> None:
    days = cutoff_days(first_order=date(2023, 1, 1), known_at=date(2023, 10, 20), horizon_days=90, most=9)
    assert days == (date(2023, 6, 30), date(2023, 5, 31))
    on_the_last_day = date(2023, 6, 30) + timedelta(days=90)
    newest = [
        cutoff_days(first_order=date(2023, 1, 1), known_at=known_at, horizon_days=90, most=1)
        for known_at in (on_the_last_day, on_the_last_day - timedelta(days=1))
    ]
    assert newest == [(date(2023, 6, 30),), (date(2023, 5, 31),)]


def test_without_enough_history_there_is_no_cutoff() -> None:
    assert cutoff_days(first_order=date(2023, 1, 1), known_at=date(2023, 7, 15), horizon_days=90, most=4) == ()


def test_a_snapshot_whose_label_window_ends_after_the_cutoff_never_trains(cutoffs: list[Cutoff]) -> None:
    for cutoff in cutoffs:
        assert cutoff.trained_on
        assert max(cutoff.trained_on) + timedelta(days=60) <= cutoff.day < cutoff.until <= KNOWN_AT


def test_training_on_an_unripe_snapshot_is_refused_by_name() -> None:
    refuse_unripe(pl.Series([date(2023, 5, 2)]), date(2023, 7, 31), 90)
    with pytest.raises(FutureLeakError, match="trained on the snapshot of 2023-05-03, whose label window ends only on"):
        refuse_unripe(pl.Series([date(2023, 4, 30), date(2023, 5, 3)]), date(2023, 7, 31), 90)


def test_a_cutoff_whose_window_is_not_over_is_refused(log: EventLog) -> None:
    with pytest.raises(ValueError, match="ends on 2023-09-29, after 2023-09-28"):
        list(backtest(log, [DAY], known_at=date(2023, 9, 28), settings=SETTINGS, high_risk=0.5))


def test_everybody_with_a_label_is_judged_on_every_basis(log: EventLog, cutoffs: list[Cutoff]) -> None:
    for cutoff in cutoffs:
        by_then = log.orders.filter(pl.col("ordered_date") <= cutoff.day)
        assert cutoff.customers == by_then.select(pl.col("customer_id").n_unique()).collect().item()
        assert set(cutoff.measures["basis"]) == {"model", "in_use"} | RULES
        customers = cutoff.measures.filter(pl.col("metric") == "customers")
        assert customers["value"].unique().to_list() == [cutoff.customers]
        assert set(cutoff.comparisons["baseline"]) == RULES


def test_the_model_tells_more_than_chance_and_intervals_hold_their_value(cutoffs: list[Cutoff]) -> None:
    for cutoff in cutoffs:
        area = cutoff.measures.filter((pl.col("basis") == "model") & (pl.col("metric") == "auc"))
        assert area["low"].item() > 0.5
        bounded = cutoff.measures.drop_nulls()
        assert set(bounded["metric"]) == {"auc", "brier", "log_loss", "calibration_slope", "calibration_intercept"}
        assert ((bounded["low"] <= bounded["value"]) & (bounded["value"] <= bounded["high"])).all()


def test_what_happens_after_the_window_changes_no_figure(log: EventLog, cutoffs: list[Cutoff]) -> None:
    oldest = cutoffs[-1]
    ended = cut(log, AsOf(oldest.until))
    again = next(backtest(ended, [oldest.day], known_at=oldest.until, settings=SETTINGS, high_risk=0.5))
    assert again.measures.equals(oldest.measures)
    assert again.groups.equals(oldest.groups)


def test_honest_features_do_not_change_when_the_future_is_removed(log: EventLog) -> None:
    customers = log.orders.select(pl.col("customer_id").unique().sort()).collect()["customer_id"]
    assert future_dependence(honest, log, AsOf(DAY), customers) == {}
    refuse_future(log, customers, DAY, SETTINGS, None)


def test_a_feature_over_the_whole_file_is_found_by_removing_the_future(log: EventLog) -> None:
    customers = log.orders.select(pl.col("customer_id").unique().sort()).collect()["customer_id"]
    found = future_dependence(with_canary, log, AsOf(DAY), customers)
    assert set(found) == {"days_since_last_of_file"}
    assert found["days_since_last_of_file"] > 30


def test_a_feature_over_the_whole_file_is_found_by_its_auc_and_stops_the_backtest(log: EventLog) -> None:
    features, lost = labelled(log, with_canary)
    risk = np.full(len(lost), 0.5)
    found = suspicious(features, lost, risk)
    assert set(found) == {"days_since_last_of_file"}
    assert found["days_since_last_of_file"] > 0.99
    with pytest.raises(FutureLeakError, match=r"days_since_last_of_file tells the lost .* AUC 1.000, above 0.98"):
        refuse_too_good(features, lost, risk, DAY)


def test_honest_features_ring_no_alarm_and_a_model_that_knows_the_outcome_does(log: EventLog) -> None:
    features, lost = labelled(log, honest)
    assert suspicious(features, lost, np.full(len(lost), 0.5)) == {}
    assert set(suspicious(features, lost, lost * 0.5 + 0.2)) == {"churn risk"}
    assert set(suspicious(features, lost, 0.7 - lost * 0.5)) == {"churn risk"}


def test_a_category_that_is_written_down_afterwards_rings_the_alarm() -> None:
    lost = np.array([True] * 20 + [False] * 30)
    features = pl.DataFrame({"customer_id": [str(n) for n in range(50)], "segment": ["gone"] * 20 + [None] * 30})
    assert suspicious(features, lost, np.full(50, 0.5)) == {"segment=gone": 1.0}


def test_a_high_auc_of_a_handful_of_customers_is_no_alarm() -> None:
    lost = np.array([True] * 9 + [False] * 41)
    assert suspicious(pl.DataFrame({"customer_id": [str(n) for n in range(50)]}), lost, lost * 0.5) == {}


def test_a_mask_with_a_hole_stops_the_backtest(log: EventLog, monkeypatch: pytest.MonkeyPatch) -> None:
    def leaky(frame: pl.LazyFrame, source: str, as_of: AsOf) -> pl.LazyFrame:
        return frame.drop("known_from", "known_until")

    monkeypatch.setattr(trust_models.as_of, "_known", leaky)
    with pytest.raises(FutureLeakError, match=r"knows the future: for \d+ of 400 customers it changes"):
        refuse_future(log, pl.Series([f"C{n}" for n in range(400)]), DAY, SETTINGS, None)


def test_a_segment_that_tells_who_will_leave_stops_the_backtest() -> None:
    few = company(120)
    in_window = pl.col("ordered_date").is_between(DAY, DAY + timedelta(days=60), closed="right")
    later = few.orders.filter(in_window).select("customer_id").collect()["customer_id"]
    names = [f"C{n}" for n in range(120)]
    segments = [{"customer_id": name, "segment": "kept" if name in later else "gone"} for name in names]
    told = dataclasses.replace(few, customers=rows_of("customers", segments).lazy())
    with pytest.raises(FutureLeakError, match="segment=gone tells the lost of 2023-07-31 from the kept too well"):
        next(backtest(told, [DAY], known_at=KNOWN_AT, settings=SETTINGS, high_risk=0.5))


def test_a_training_that_breaks_the_embargo_stops_the_backtest(monkeypatch: pytest.MonkeyPatch) -> None:
    def too_late(*given: object) -> tuple[ChurnTraining, str]:
        training, definition = fit_churn(*given)
        return dataclasses.replace(training, snapshots=training.snapshots.with_columns(as_of=pl.lit(DAY))), definition

    monkeypatch.setattr("trust_models.backtest.fit_churn", too_late)
    with pytest.raises(FutureLeakError, match="the model of 2023-07-31 was trained on the snapshot of 2023-07-31"):
        next(backtest(company(60), [DAY], known_at=KNOWN_AT, settings=SETTINGS, high_risk=0.5))


def test_cutting_removes_deliveries_events_and_facts_of_the_future() -> None:
    day, later = datetime(2023, 7, 31, 12), datetime(2023, 8, 1)
    log = log_of(
        orders=[
            order("A", "2023-07-31", returned_at=later, returned_share=1.0, promised_at=later, delivered_at=day),
            order("B", "2023-08-01", known_from=date(2023, 7, 1)),
            order("C", "2023-07-01", known_from=date(2023, 8, 1)),
            order("D", "2023-07-01", known_until=date(2023, 8, 1)),
            order("E", "2023-07-01", known_until=date(2023, 7, 30)),
        ]
    )
    left = cut(log, AsOf(DAY)).orders.collect()
    assert left["customer_id"].to_list() == ["A", "D", "E"]
    kept = ["returned_at", "returned_share", "promised_at", "delivered_at"]
    assert left.select(kept).row(0) == (None, None, later, day)
    assert left["known_until"].to_list() == [None, None, date(2023, 7, 30)]


def test_models_are_trained_on_a_log_that_ends_at_the_cutoff(log: EventLog, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def spied(given: EventLog, *rest: object) -> None:
        seen.append(given.orders.select(pl.col("ordered_date").max()).collect().item())
        raise InterruptedError

    monkeypatch.setattr("trust_models.backtest.fit_churn", spied)
    with pytest.raises(InterruptedError):
        next(backtest(log, [DAY], known_at=KNOWN_AT, settings=SETTINGS, high_risk=0.5))
    assert seen[0] <= DAY


def test_purchase_models_give_probabilities_that_fall_with_silence(log: EventLog) -> None:
    ended = log.known(AsOf(DAY + timedelta(days=60)))
    followed = labels(
        ended, as_of=AsOf(DAY), known_at=AsOf(DAY + timedelta(days=60)), horizon_days=60, definition="silent"
    ).collect()
    features = honest(log, followed["customer_id"])
    silent = features.with_columns(tenure_days=pl.col("tenure_days") + 300)
    newest = ChurnSnapshot(DAY, features, followed)
    now, later = purchase_risks(newest, features, 60), purchase_risks(newest, silent, 60)
    for name in ("bg_nbd", "pareto_nbd"):
        assert ((now[name] > 0) & (now[name] < 1)).all()
        assert (later[name] > now[name]).all()


def test_the_verdict_is_better_or_worse_only_where_the_interval_is_clear() -> None:
    lost = np.array([True, False] * 200)
    risks = {
        "model": np.where(lost, 0.7, 0.3),
        "in_use": np.full(400, 0.5),
        "worse": np.full(400, 0.5),
        "same": np.where(lost, 0.7, 0.3),
        "better": np.where(lost, 0.8, 0.2),
    }
    found = comparisons(lost, risks)
    assert dict(found.select("baseline", "verdict").iter_rows()) == {
        "better": "worse",
        "same": "unclear",
        "worse": "better",
    }
    assert found.filter(pl.col("baseline") == "worse")["log_loss_difference"].item() == pytest.approx(np.log(0.5 / 0.7))


def test_without_a_model_what_is_in_use_is_compared() -> None:
    found = comparisons(np.array([True, False]), {"in_use": np.array([0.6, 0.4]), "constant": np.array([0.5, 0.5])})
    assert found["basis"].to_list() == ["in_use"]


def test_small_groups_and_groups_with_few_lost_are_counted_and_not_judged() -> None:
    groups = ["small"] * 49 + ["kept"] * 60 + ["judged"] * 60
    lost = np.array([True] * 49 + [True] * 9 + [False] * 51 + [True] * 10 + [False] * 50)
    found = by_group(pl.DataFrame({"segment": groups}), lost, np.full(169, 0.4), "model", high_risk=0.5)
    told = {row["group"]: row for row in found.rows(named=True)}
    assert [told[name]["is_judged"] for name in ("small", "kept", "judged")] == [False, False, True]
    assert (told["small"]["customers"], told["small"]["lost"]) == (49, 49)
    unknown = ("mean_risk", "lost_share", "auc", "brier", "missed_by_band", "missed_by_top_decile")
    assert all(told["small"][name] is None and told["judged"][name] is not None for name in unknown)


def test_a_group_is_judged_by_its_own_customers_but_the_top_decile_is_that_of_all() -> None:
    lost = np.array(([True] * 20 + [False] * 80) * 2)
    risk = np.concatenate([np.where(lost[:100], 0.9, 0.2), np.where(lost[100:], 0.4, 0.1)])
    found = by_group(pl.DataFrame({"region": ["N"] * 100 + ["S"] * 100}), lost, risk, "model", high_risk=0.5)
    north, south = found.rows(named=True)
    assert (north["missed_by_band"], north["missed_by_top_decile"]) == pytest.approx((0.0, 0.0))
    assert (south["missed_by_band"], south["missed_by_top_decile"]) == pytest.approx((1.0, 1.0))
    assert south["mean_risk"] == pytest.approx(0.16)
    assert south["lost_share"] == pytest.approx(0.2)
    assert south["brier"] == pytest.approx(0.2 * 0.6**2 + 0.8 * 0.1**2)
    assert south["auc"] == 1.0


def test_a_grouping_that_nobody_has_is_left_out_and_tenure_is_always_there(cutoffs: list[Cutoff]) -> None:
    groups = cutoffs[0].groups
    assert set(groups["group_by"]) == {"tenure"}
    assert set(groups["group"]) == {"under_90_days", "90_to_365_days"}
    counted = groups.filter(pl.col("basis") == "in_use")
    assert (counted["customers"].sum(), counted["lost"].sum()) == (cutoffs[0].customers, cutoffs[0].lost)


def test_undefined_measures_are_null_and_never_nan() -> None:
    found = measures(np.array([False, False, False]), {"model": np.array([0.1, 0.2, 0.3])})
    assert found["value"].is_nan().sum() == 0
    assert found.filter(pl.col("metric") == "auc")["value"].item() is None


def test_pooled_measures_are_means_over_cutoffs(cutoffs: list[Cutoff]) -> None:
    def loss(frame: pl.DataFrame) -> float:
        return frame.filter((pl.col("basis") == "model") & (pl.col("metric") == "log_loss"))["value"].item()

    mean = pooled(cutoffs)
    assert loss(mean) == pytest.approx(sum(loss(cutoff.measures) for cutoff in cutoffs) / 2)
    assert mean["cutoffs"].max() == 2


def test_too_few_customers_for_a_model_are_judged_on_what_stands_in_for_it() -> None:
    few = next(backtest(company(60), [DAY], known_at=KNOWN_AT, settings=SETTINGS, high_risk=0.5))
    assert few.in_use.startswith("baseline:")
    assert not few.is_promoted
    assert "model" not in set(few.measures["basis"])
    assert any("No churn model yet" in note.text_en for note in few.notes)
