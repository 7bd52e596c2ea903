from datetime import date, timedelta

import polars as pl
import pytest
from evidence_log import at, complaint, event_log, order
from polars.testing import assert_frame_equal

from trust_models import day_before as day_before_module
from trust_models.as_of import EventLog
from trust_models.day_before import DayBefore, TrustModel, controls_of, take_day_before
from trust_models.rhythm import RhythmReference
from trust_models.snapshot import ScoringSettings, take_evidence
from trust_models.trial_changes import touched_customers
from trust_models.trials import coverage
from trust_models.trust_scores import fit_trust_estimators

DAY = date(2024, 3, 10)
SETTINGS = ScoringSettings()
RHYTHM = RhythmReference(interval_days=20.0, prior_weight=1.0)
LOG = event_log(
    [
        order("o0", "2024-01-02", "ann", promised_at=at("2024-01-05"), delivered_at=at("2024-01-04")),
        order(
            "o1", "2024-02-09", "ben", promised_at=at("2024-02-12"), delivered_at=at("2024-02-14")
        ),  # 30 days old on the day
        order("o2", "2024-01-20", "cat", fault_at=at("2024-01-25")),
        order("o3", "2024-03-10", "new"),
        order("o4", "2024-01-03", "dan"),
        order("o5", "2024-01-03", "eve"),
    ],
    [
        complaint("k0", "2024-02-01", "ann", dimension="product_quality", order_id="o0"),
        complaint("k1", "2024-03-10", "cat", dimension="product_quality", order_id="o4"),  # about an order of dan
    ],
)


@pytest.fixture(scope="module")
def model() -> TrustModel:
    counts = take_evidence(LOG, DAY, SETTINGS, RHYTHM).evidence
    return TrustModel(fit_trust_estimators(counts).trust, SETTINGS, RHYTHM)


def covered(log: EventLog, days_ago: int = 0) -> pl.DataFrame:
    return coverage(log.known(SETTINGS.as_of(DAY).minus(days_ago))).collect()


def before(now: TrustModel, then: TrustModel, log_before: EventLog | None = None) -> DayBefore:
    """The day before of all who are touched (everybody, where the log spoke otherwise) and of some others."""
    night, as_of = take_evidence(LOG, DAY, SETTINGS, RHYTHM), SETTINGS.as_of(DAY)
    everybody = night.evidence["customer_id"]
    touched = everybody
    if log_before is None:
        touched = touched_customers(LOG, night.trials, before=as_of.minus(1), now=as_of)
    controls = controls_of(everybody.filter(~everybody.is_in(touched.implode())))
    return take_day_before(
        LOG,
        as_of,
        touched,
        controls,
        now,
        then,
        covered=covered(LOG),
        covered_before=covered(log_before or LOG, 1),
        log_before=log_before,
    )


def test_evidence_and_scores_are_those_of_the_night_before(model: TrustModel) -> None:
    found = before(model, model)
    night = take_evidence(LOG, DAY - timedelta(days=1), SETTINGS, RHYTHM).evidence
    told = found.evidence.filter(pl.col("customer_id") != "new")
    assert_frame_equal(told.select(night.columns), night)
    assert told["trust_score_before"].to_list() == model.estimator.posterior(night).score.tolist()


def test_only_those_of_whom_more_is_known_are_touched(model: TrustModel) -> None:
    found = before(model, model)
    assert found.evidence.filter("is_touched")["customer_id"].to_list() == ["ben", "cat", "dan", "new"]
    assert found.changed.select("customer_id", pl.col("stream").cast(pl.String), "matured", "turned_bad").rows() == [
        ("ben", "order_sound", 1, 0),
        ("dan", "order_sound", 0, 1),
    ]


def test_somebody_who_was_not_known_yet_had_no_evidence_and_the_score_of_nobody(model: TrustModel) -> None:
    found = before(model, model).evidence
    row = found.row(by_predicate=pl.col("customer_id") == "new", named=True)
    assert row["trust_score_before"] == pytest.approx(50.0)
    assert row["trust_status_before"] == "insufficient_evidence"
    assert sum(value for name, value in row.items() if name.startswith(("r_", "s_"))) == 0


def test_few_others_stand_for_all(model: TrustModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(day_before_module, "CONTROLS", 1)
    found = before(model, model).evidence
    assert found.filter(~pl.col("is_touched"))["customer_id"].to_list() == ["ann"]


def test_each_model_reads_the_log_in_its_own_way(model: TrustModel) -> None:
    other = TrustModel(
        fit_trust_estimators(take_evidence(LOG, DAY, SETTINGS, RHYTHM).evidence).trust,
        SETTINGS.with_chosen_half_life(30.0),
        RhythmReference(interval_days=60.0, prior_weight=1.0),
    )
    found = before(model, other).evidence
    night = take_evidence(LOG, DAY - timedelta(days=1), other.settings, other.rhythm).evidence
    told = found.filter(pl.col("customer_id") != "new")
    assert told["trust_score_before"].to_list() == other.estimator.posterior(night).score.tolist()
    assert_frame_equal(
        told.select(night.columns), take_evidence(LOG, DAY - timedelta(days=1), SETTINGS, RHYTHM).evidence
    )


def test_a_log_that_spoke_otherwise_is_read_as_it_was(model: TrustModel) -> None:
    otherwise = event_log([row | {"fault_at": None} for row in LOG.orders.collect().to_dicts()])
    found = before(model, model, otherwise)
    assert found.evidence["is_touched"].all()
    assert "ann" in found.changed["customer_id"]
