from datetime import date, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trust_models.as_of import SCHEMAS, EventLog
from trust_models.rhythm import fit_rhythm
from trust_models.snapshot import ScoringSettings, take_evidence, take_features
from trust_models.training import fit_churn, fit_trust, training_day
from trust_models.trials import EvidenceSettings

FIRST = date(2023, 1, 1)
SETTINGS = ScoringSettings()


def orders(rows: list[tuple[str, str, date]], known_from: date | None = None) -> pl.DataFrame:
    frame = pl.DataFrame(
        {
            "order_id": [order for order, _, _ in rows],
            "customer_id": [customer for _, customer, _ in rows],
            "ordered_at": [datetime(day.year, day.month, day.day, 12) for _, _, day in rows],
            "ordered_date": [day for _, _, day in rows],
            "known_from": [known_from or day for _, _, day in rows],
        }
    )
    blank = pl.DataFrame(schema=SCHEMAS["orders"])
    numbers = {"amount": 10.0, "lines": 1, "products": 1, "returned_share": 0.0}
    return pl.concat([blank, frame.with_columns(**{k: pl.lit(v) for k, v in numbers.items()})], how="diagonal_relaxed")


def regular_company(customers: int = 40, days: int = 400) -> pl.DataFrame:
    rows = [
        (f"o{customer}-{day}", f"c{customer:03}", FIRST + timedelta(days=day))
        for customer in range(customers)
        for day in range(customer % 20, days - (200 if customer % 4 == 0 else 0), 20 + customer % 7)
    ]
    return orders(rows)


@given(st.dates(date(2020, 1, 1), date(2030, 1, 1)))
def test_models_are_trained_as_of_the_last_sunday(night: date) -> None:
    day = training_day(night, date(2000, 1, 1))
    assert day.weekday() == 6
    assert 0 <= (night - day).days < 7


def test_a_night_before_the_first_sunday_trains_as_of_itself() -> None:
    wednesday = date(2024, 1, 3)
    assert training_day(wednesday, first_order=date(2024, 1, 2)) == wednesday


def test_what_is_delivered_after_the_day_of_training_changes_nothing() -> None:
    day = date(2023, 12, 1)
    known = regular_company()
    later = orders(
        [("late", "c001", date(2023, 3, 3)), ("new", "c999", date(2023, 11, 1))], known_from=date(2023, 12, 2)
    )
    without, with_later = EventLog.of(orders=known), EventLog.of(orders=pl.concat([known, later]))
    for log in (without, with_later):
        assert fit_trust(log, day, SETTINGS).rhythm == fit_trust(without, day, SETTINGS).rhythm
    evidence = [take_evidence(log, day, SETTINGS, None).evidence for log in (without, with_later)]
    assert evidence[0].equals(evidence[1])
    trained = [fit_churn(log, day, SETTINGS, None)[0].quality for log in (without, with_later)]
    assert trained[0].equals(trained[1])


def test_too_little_history_gives_a_baseline_and_says_what_is_missing() -> None:
    training, definition = fit_churn(EventLog.of(orders=regular_company()), date(2023, 12, 1), SETTINGS, None)
    assert definition == "silent"
    assert training.model.basis.startswith("baseline:")
    assert not training.is_promoted
    assert any("No churn model yet" in note.text_en for note in training.notes)
    assert all(note.text_zh for note in training.notes)


def test_a_company_without_any_matured_window_is_scored_too() -> None:
    log = EventLog.of(orders=regular_company(days=40).filter(pl.col("ordered_date") < date(2023, 2, 1)))
    training, _ = fit_churn(log, date(2023, 2, 1), SETTINGS, None)
    features = take_features(take_evidence(log, date(2023, 2, 1), SETTINGS, None), SETTINGS)
    risk = training.model.predict_risk(features)
    assert ((risk >= 0) & (risk <= 1)).all()


def test_every_customer_with_an_order_by_the_day_is_in_the_snapshot_and_nobody_else() -> None:
    log = EventLog.of(orders=orders([("a", "x", date(2023, 1, 5)), ("b", "y", date(2023, 2, 5))]))
    snapshot = take_evidence(log, date(2023, 1, 31), SETTINGS, None)
    assert snapshot.evidence["customer_id"].to_list() == ["x"]
    assert take_features(snapshot, SETTINGS)["customer_id"].to_list() == ["x"]


def test_many_customers_are_stood_for_by_a_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trust_models.training.TRUST_CUSTOMERS", 10)
    log = EventLog.of(orders=regular_company())
    trained = fit_trust(log, date(2023, 12, 1), SETTINGS)
    assert trained.customers == 10
    assert trained.rhythm == fit_rhythm(log.known(SETTINGS.as_of(date(2023, 12, 1))))


def test_a_half_life_that_is_set_is_not_chosen() -> None:
    settings = ScoringSettings(evidence=EvidenceSettings(half_life_days=200.0), chooses_half_life=False)
    trained = fit_trust(EventLog.of(orders=regular_company()), date(2023, 12, 1), settings)
    assert trained.half_life.days == trained.settings.trust_half_life_days == 200.0
    assert trained.half_life.customers == 0


@pytest.mark.parametrize("half_life_days", [1e6, float("inf")])
def test_evidence_that_never_fades_is_fitted_on_all_of_history(half_life_days: float) -> None:
    settings = ScoringSettings(evidence=EvidenceSettings(half_life_days=half_life_days), chooses_half_life=False)
    trained = fit_trust(EventLog.of(orders=regular_company()), date(2023, 12, 1), settings)
    assert trained.settings.trust_half_life_days == half_life_days
    assert trained.estimators.trust.has_trials_.any()


def test_churn_features_keep_their_half_life_whatever_the_trust_model_chose() -> None:
    log, day = EventLog.of(orders=regular_company()), date(2023, 12, 1)
    chosen = SETTINGS.with_chosen_half_life(30.0)
    rhythm = fit_rhythm(log.known(SETTINGS.as_of(day)))
    plain, other = (take_evidence(log, day, settings, rhythm) for settings in (SETTINGS, chosen))
    assert take_features(other, chosen).equals(take_features(plain, SETTINGS))
    assert other.evidence["r_came_back"].sum() < plain.evidence["r_came_back"].sum()


@pytest.mark.parametrize("zone", ["UTC", "Asia/Shanghai"])
def test_the_as_of_day_ends_in_the_business_zone(zone: str) -> None:
    assert ScoringSettings(time_zone=zone).as_of(date(2024, 1, 1)).time_zone == zone
