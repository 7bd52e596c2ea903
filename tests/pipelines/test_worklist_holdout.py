from datetime import date, datetime

import numpy as np
import polars as pl
import pytest

from data_contracts import contract, landing_contracts
from pipelines.bi import marts
from pipelines.ingest.accepting import prepare
from pipelines.staging import TABLES, stage

CUSTOMERS = 3000


@pytest.fixture
def listed(warehouse):
    """The worklist of a company on a day: every customer active, risks spread evenly."""
    for source in landing_contracts():
        prepare(warehouse, source)
    for table in TABLES:
        stage(warehouse, table)
    customers = [f"C{number:05}" for number in range(CUSTOMERS)]
    scores = pl.DataFrame({"customer_id": customers, "churn_risk": np.linspace(0, 1, CUSTOMERS)}).with_columns(
        *(
            pl.lit(None, pl.String).alias(name)
            for name in ("trust_band", "recommended_action", "recommended_action_zh")
        ),
        *(pl.lit("reason").alias(f"top_{score}_reason{end}") for score in ("trust", "churn") for end in ("", "_zh")),
        churn_status=pl.lit("active"),
        churn_band=pl.lit("low"),
        trust_score=50.0,
        orders=1,
        open_complaints=0,
        last_order_at=datetime(2024, 1, 1),
    )
    reasons = {"customer_id": pl.String, "driver": pl.String, "score": pl.String, "rank": pl.Int64}
    warehouse.replace("scores.reasons", pl.DataFrame(schema={**reasons, "contribution": pl.Float64}))
    texts = dict.fromkeys(("score", "driver", "text_en", "text_zh"), pl.String)
    warehouse.replace("meta.actions", pl.DataFrame(schema=texts))
    opinions = {"customer_id": pl.String, "dimension": pl.String, "score": pl.Float64, "uncertainty": pl.Float64}
    warehouse.replace("scores.dimensions", pl.DataFrame(schema=opinions))

    def on(day: date, scores: pl.DataFrame = scores) -> pl.DataFrame:
        warehouse.replace("scores.nights", pl.DataFrame({"as_of": [day]}))
        warehouse.replace("marts.customer_scores", scores.with_columns(as_of=pl.lit(day)))
        marts.make(warehouse, contract("retention_worklist"))
        return warehouse.table("marts.retention_worklist").sort("customer_id")

    on.scores = scores
    return on


def held_out(worklist: pl.DataFrame) -> set[str]:
    return set(worklist.filter("is_holdout")["customer_id"])


@pytest.fixture
def everybody(monkeypatch):
    variables = marts.variables
    monkeypatch.setattr(marts, "variables", lambda mart: variables(mart) | {"minimum_risk_ratio": 0.0})


def test_a_tenth_is_held_out_whatever_the_risk(listed, everybody):
    worklist = listed(date(2024, 4, 1))
    share = worklist["is_holdout"].mean()
    assert abs(share - 0.1) < 3 * np.sqrt(0.1 * 0.9 / CUSTOMERS)
    means = worklist.group_by("is_holdout").agg(pl.col("churn_risk").mean())["churn_risk"]
    assert abs(means[0] - means[1]) < 3 * np.sqrt(1 / 12 / (0.1 * CUSTOMERS))


def test_a_customer_stays_in_or_out_for_the_whole_quarter_and_not_longer(listed, everybody):
    first, last = held_out(listed(date(2024, 4, 1))), held_out(listed(date(2024, 6, 30)))
    assert first == last
    following = held_out(listed(date(2024, 7, 1)))
    assert len(first & following) < 0.3 * len(first)


def test_a_changed_risk_changes_nothing_about_the_holdout(listed, everybody):
    before = held_out(listed(date(2024, 4, 1)))
    turned = listed.scores.with_columns(churn_risk=1 - pl.col("churn_risk"))
    assert held_out(listed(date(2024, 4, 1), turned)) == before
