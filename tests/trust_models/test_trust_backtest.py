from datetime import date, datetime, timedelta

import polars as pl
import pytest
from churn_log import log_of, order

from trust_models.as_of import EventLog
from trust_models.snapshot import ScoringSettings, take_evidence
from trust_models.training import TrustTraining, fit_trust
from trust_models.trust_backtest import (
    BASELINES,
    OUTCOMES,
    SCHEMA,
    TrustAtCutoff,
    asked_trust,
    trust_at,
    trust_measures,
)

CUTOFF, KNOWN = date(2024, 1, 31), date(2024, 6, 30)
SETTINGS = ScoringSettings(chooses_half_life=False)


def noon(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 12)


def company(customers: int = 80) -> EventLog:
    """The first half always meets late deliveries and complains in the end; the second half never does."""
    orders = []
    complaints = []
    for customer in range(customers):
        is_let_down = customer < customers // 2
        for week in range(50):
            day = date(2023, 6, 1) + timedelta(days=7 * week + customer % 7)
            promised = day + timedelta(days=3)
            delivered = promised + timedelta(days=2 if is_let_down and week % 2 else -1)
            at = {"promised_at": noon(promised), "delivered_at": noon(delivered)}
            orders.append(order(f"C{customer:03}", day, **at))
        if is_let_down:
            opened = {"opened_at": noon(date(2024, 3, 1)), "category": "delivery", "severity": 3}
            row = {"customer_id": f"C{customer:03}", **opened}
            complaints.append(row | {"dimension": "service_quality"})
    return log_of(orders=orders, complaints=complaints)


@pytest.fixture(scope="module")
def log() -> EventLog:
    return company()


@pytest.fixture(scope="module")
def trust(log: EventLog) -> TrustTraining:
    return fit_trust(log, CUTOFF, SETTINGS)


@pytest.fixture(scope="module")
def found(log: EventLog, trust: TrustTraining) -> TrustAtCutoff:
    return trust_at(take_evidence(log, CUTOFF, trust.settings, trust.rhythm), trust)


@pytest.fixture(scope="module")
def measured(log: EventLog, trust: TrustTraining, found: TrustAtCutoff) -> pl.DataFrame:
    lost = found.scores.select("customer_id", is_lost=pl.col("customer_id") < "C020")
    return trust_measures(found, log, CUTOFF, known_at=KNOWN, settings=SETTINGS, trust=trust, lost=lost)


def value(
    measured: pl.DataFrame, outcome: str, estimator: str = "trust_experience", metric: str = "auc"
) -> float | None:
    wanted = (pl.col("outcome") == outcome) & (pl.col("estimator") == estimator) & (pl.col("metric") == metric)
    return measured.filter(wanted)["value"].item()


def test_those_who_were_let_down_before_are_told_from_those_who_were_not(measured: pl.DataFrame) -> None:
    assert measured.schema == SCHEMA
    assert value(measured, "later_failure") == pytest.approx(1.0)
    assert value(measured, "later_complaint") == pytest.approx(1.0)


def test_every_outcome_is_judged_beside_the_baselines(measured: pl.DataFrame) -> None:
    for outcome in OUTCOMES:
        for estimator in ("trust_experience", *BASELINES):
            assert value(measured, outcome, estimator) is not None


def test_trust_score_is_not_held_against_churn(measured: pl.DataFrame) -> None:
    seen = measured.filter(pl.col("outcome") == "later_loss")["estimator"].unique().sort().to_list()
    assert seen == ["complaint_free", "josang", "trust_experience"]


def test_complaints_before_the_cutoff_or_after_the_window_are_not_what_followed(
    log: EventLog, trust: TrustTraining, found: TrustAtCutoff
) -> None:
    lost = found.scores.select("customer_id", is_lost=pl.lit(value=False))
    early = ScoringSettings(chooses_half_life=False, horizon_days=20)
    rows = trust_measures(found, log, CUTOFF, known_at=KNOWN, settings=early, trust=trust, lost=lost)
    assert value(rows, "later_complaint") is None


def test_without_surveys_agreement_with_them_is_not_known(found: TrustAtCutoff, log: EventLog) -> None:
    asked = asked_trust([found], log.known(SETTINGS.as_of(KNOWN)).surveys.collect())
    assert asked["value"].null_count() == len(asked)
    assert asked["n"].to_list() == [0] * len(asked)
