from datetime import date, datetime

import pytest

from pipelines.bi.explaining import DIMENSIONS, explanation, render
from pipelines.bi.explaining_words import STREAMS, WORDS
from pipelines.errors import UserError
from pipelines.modelling.actions import actions
from pipelines.privacy import tombstones
from pipelines.settings import Settings
from pipelines.warehouse import Warehouse
from trust_models import streams

DAY = date(2024, 12, 29)
ACTION = actions().filter(score="trust", driver="promise_kept").row(0, named=True)
SCORES = {
    "customer_id": "C1",
    "as_of": DAY,
    "trust_status": "scored",
    "trust_score": 31.4,
    "trust_low": 12.0,
    "trust_high": 44.0,
    "trust_experience": 35.0,
    "churn_status": "active",
    "churn_risk": 0.234,
    "churn_basis": "model",
    "orders": 2,
    "last_order_at": datetime(2024, 12, 1, 10),
    "open_complaints": 1,
    "recommended_action": ACTION["text_en"],
    "recommended_action_zh": ACTION["text_zh"],
} | dict.fromkeys(DIMENSIONS, 90.0)


def reason(score, driver, contribution, text):
    return {"score": score, "driver": driver, "contribution": contribution, "text_en": text, "text_zh": f"{text}。"}


@pytest.fixture
def told():
    return {
        "scores": SCORES | {"trust_service_quality": 71.0, "trust_values": None},
        "horizon_days": 90,
        "usual": dict.fromkeys(DIMENSIONS, 91.0),
        "reasons": [
            reason("trust", "order_sound", 2.0, "all sound"),
            reason("trust", "promise_kept", -9.0, "both late"),
            reason("churn", "silence", 0.4, "long silence"),
        ],
        "changes": [],
        "evidence": [{"stream": "promise_kept", "trials": 2, "failures": 2}],
        "history": [
            {"as_of": date(2024, 11, 30), "trust_score": 52.0, "churn_risk": None},
            {"as_of": DAY, "trust_score": 31.4, "churn_risk": 0.2},
        ],
    }


def test_a_scored_customer_is_told_in_sentences(told):
    lines = render(told, "en").splitlines()
    assert lines[0] == "Customer C1, as of 2024-12-29"
    assert lines[2] == (
        "Trust: 31 of 100, likely between 12 and 44. This customer trusts the company less than most others do."
    )
    for line in (
        "Status: active. 2 orders, the last on 2024-12-01.",
        "Risk of being lost within 90 days: 23%.",
        "Open complaints: 1",
        "Weakest dimension: service quality. Of 100 such experiences 71 are expected to go well; for all customers it"
        " is 91 on average.",
        f"Recommended: {ACTION['text_en']}.",
        "  Because: both late",
        "     2    2  deliveries by the promised date",
        "Trust over time: ▅▃  from 52 (2024-11-30) to 31 (2024-12-29)",
    ):
        assert line in lines
    assert lines.index("  all sound") < lines.index("What speaks against trust (points):") < lines.index("  both late")


def test_what_changed_since_the_day_before_is_told_where_it_is_more_than_noise(told):
    told["changes"] = [
        {
            "compared_with": date(2024, 12, 28),
            "trust_score_before": 40.0,
            "trust_score": 31.4,
            "text_en": "a delivery was late",
            "text_zh": "",
        }
    ]
    assert "What changed since 2024-12-28 (40.0 → 31.4):\n  a delivery was late" in render(told, "en")


def test_what_raises_the_risk_is_told_apart_from_what_lowers_it(told):
    told["reasons"] += [reason("churn", "frequency", -0.3, "many orders")]
    lines = render(told, "en").splitlines()
    raised, lowered = lines.index("  long silence"), lines.index("  many orders")
    assert lines[raised - 1] == "What raises the risk of losing this customer, the strongest first:"
    assert lines[lowered - 1] == "What lowers the risk:"
    assert raised < lowered


@pytest.mark.parametrize(("count", "why"), [(1, "1 complaint is still open"), (2, "2 complaints are still open")])
def test_an_open_complaint_is_the_reason_of_its_own_action(told, count, why):
    action = next(row for row in actions().iter_rows(named=True) if row["score"] == "complaint")
    told["scores"] |= {"recommended_action": action["text_en"], "open_complaints": count}
    assert f"Recommended: {action['text_en']}.\n  Because: {why}" in render(told, "en")


def test_chinese_has_no_english_word_of_its_own(told):
    text = render(told, "zh")
    for found in ("信任：31（满分 100）", "最薄弱的维度：服务质量", "建议：", "原因：both late。", "走势"):
        assert found in text
    assert "Trust" not in text


def test_without_evidence_trust_is_unknown_and_no_number_is_shown(told):
    told["scores"]["trust_status"] = "insufficient_evidence"
    text = render(told, "en")
    assert "Trust: not known." in text
    assert "no sign of distrust" in text
    assert "Trust over time" not in text
    assert "31" not in text


@pytest.mark.parametrize(
    ("changes", "words", "absent"),
    [
        ({"churn_status": "churned", "churn_risk": 1.0}, "Status: has left", "Risk of being lost"),
        ({"churn_status": "lapsed"}, "Status: lapsed", "has left"),
        ({"churn_basis": "baseline:hiatus"}, "by a simple rule", "has left"),
        ({"churn_risk": 0.002}, "within 90 days: under 1%.", "0%"),
        ({"churn_risk": 0.998}, "within 90 days: over 99%.", "100%"),
        ({"recommended_action": None, "orders": 1}, "1 order, the last", "Because"),
        ({"trust_low": 60.0, "trust_high": 90.0}, "more than most others", "less than most"),
        ({"trust_low": 40.0, "trust_high": 90.0}, "about as much as others", "less than most"),
    ],
)
def test_each_state_has_its_own_sentence(told, changes, words, absent):
    told["scores"] |= changes
    text = render(told, "en")
    assert words in text
    assert absent not in text


def test_no_dimension_is_called_weak_where_none_is_below_what_is_usual(told):
    told["scores"]["trust_service_quality"] = 90.0
    assert "Weakest" not in render(told, "en")


def test_the_first_score_has_no_trend(told):
    told["history"] = told["history"][-1:]
    assert "this is the first score" in render(told, "en")


def test_every_stream_and_sentence_has_words_in_both_languages():
    assert STREAMS.keys() == set(streams.STREAMS)
    assert WORDS["en"].keys() == WORDS["zh"].keys()


@pytest.fixture
def scored(tmp_path):
    settings = Settings(warehouse=tmp_path / "warehouse")
    with Warehouse(settings) as warehouse:
        warehouse.run("create table marts.customer_scores as select 'C1' as customer_id")
        warehouse.run("create table marts.run_info as select date '2024-12-29' as as_of, 90 as horizon_days")
        warehouse.run("create table raw.customers as select unnest(['C1', 'C2']) as customer_id")
        tombstones.set_up(warehouse, tombstones.key_for_erasing(warehouse), ["C9"])
    return settings


@pytest.mark.parametrize(
    ("customer", "answer"),
    [
        ("C2", "'C2' is known and has no purchase by 2024-12-29"),
        ("C9", "'C9' was erased, and nothing is kept of this person"),
        ("c1 ", "is it 'C1'?"),
        ("X", "'X' is not among the customers scored as of 2024-12-29"),
    ],
)
def test_a_customer_without_a_score_gets_the_reason_in_one_line(scored, customer, answer):
    with pytest.raises(UserError) as refused:
        explanation(scored, customer)
    assert answer in str(refused.value)
    assert "\n" not in str(refused.value)
