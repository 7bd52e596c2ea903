from base64 import b64decode
from datetime import date

import polars as pl
import pytest

from pipelines import pictures
from pipelines.pictures import calibration, distributions
from pipelines.report.charts import NARROW, Canvas, picture

DAY = date(2024, 3, 31)
JUDGED = [{"customers": 10, "mean_risk": 0.1, "lost_share": 0.2, "low": 0.1, "high": 0.4}]


@pytest.fixture
def drawn(monkeypatch):
    """The charts instead of their pictures: which numbers they show."""
    charts = []
    monkeypatch.setattr(pictures, "picture", lambda draw: charts.append(draw(Canvas(NARROW))) or b"png")
    return charts


@pytest.fixture
def scored(warehouse):
    rows = [
        {"trust_score": 100.0, "trust_status": "scored", "churn_risk": 1.0, "churn_status": "churned"},
        {"trust_score": 52.0, "trust_status": "scored", "churn_risk": 0.31, "churn_status": "active"},
        {"trust_score": 54.9, "trust_status": "scored", "churn_risk": 0.34, "churn_status": "active"},
        {"trust_score": 50.0, "trust_status": "insufficient_evidence", "churn_risk": 0.9, "churn_status": "lapsed"},
    ]
    table = pl.DataFrame(rows).with_columns(as_of=pl.lit(DAY), is_reconstructed=pl.lit(False))
    warehouse.replace("scores.customer_days", table)
    return warehouse


def test_scores_are_counted_in_classes_without_those_who_have_none(scored, drawn):
    assert list(distributions(scored, DAY)) == ["trust_distribution", "churn_risk_distribution"]
    trust, risk = (chart["data"]["values"] for chart in drawn)
    assert [(row["low"], row["customers"]) for row in trust] == [(50.0, 2), (95.0, 1)]
    assert [(row["low"], row["customers"]) for row in risk] == [(0.3, 2)]


def test_a_day_without_scores_has_no_pictures(scored):
    assert distributions(scored, date(2024, 4, 1)) == {}


def test_a_model_that_was_judged_shows_what_followed_beside_what_it_predicted(drawn):
    assert list(calibration({"calibration": JUDGED})) == ["calibration"]
    values = drawn[0]["data"]["values"]
    assert [(row["series"], row["x"], row["value"]) for row in values] == [
        ("what followed", 0.1, 0.2),
        ("as predicted", 0.1, 0.1),
    ]


@pytest.mark.parametrize("card", [{}, {"calibration": []}], ids=["an older card", "nothing to judge"])
def test_a_model_that_could_not_be_judged_has_no_picture(card):
    assert calibration(card) == {}


def test_a_picture_travels_inside_its_markdown():
    shown = calibration({"calibration": JUDGED})["calibration"].value
    head, _, image = shown.removesuffix(")").partition("(data:image/png;base64,")
    assert head == "![Churn risk predicted, and the share that was lost]"
    assert b64decode(image).startswith(b"\x89PNG")
    assert len(shown) < 60_000


def test_a_picture_is_a_png():
    assert picture(lambda canvas: {"data": {"values": []}, "mark": "bar", "width": canvas.width}).startswith(b"\x89PNG")
