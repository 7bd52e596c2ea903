from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from scipy import stats

from data_contracts import contract, landing_contracts
from pipelines.bi import marts
from pipelines.ingest.accepting import prepare
from pipelines.staging import TABLES, stage
from trust_models.as_of import SCHEMAS, AsOf, EventLog
from trust_models.customer_status import customer_status

NIGHT = date(2024, 6, 20)
WINDOW = 60
LEVEL = 2 * stats.norm.cdf(1.645) - 1


def at(day: int) -> dict[str, Any]:
    instant = datetime(2023, 1, 1, 12) + timedelta(days=day)
    return {"at": instant, "date": instant.date()}


def company(seed: int) -> dict[str, list[dict[str, Any]]]:
    """Purchases with long and short pauses, and churn records of which some are undone."""
    random = np.random.default_rng(seed)
    orders, churn = [], []
    for customer in range(80):
        day = int(random.integers(0, 480))
        while day < 540:
            moment = at(day)
            orders.append({"customer_id": f"C{customer}", "ordered_at": moment["at"], "ordered_date": moment["date"]})
            day += int(random.choice([0, 5, 30, WINDOW, WINDOW + 1, WINDOW + 2, 150]))
        for left in sorted(set(random.integers(0, 540, size=random.integers(0, 3)))):
            moment, back = at(int(left)), at(int(left + random.integers(1, 200)))
            record = {"customer_id": f"C{customer}", "churned_at": moment["at"], "churned_date": moment["date"]}
            kind = str(random.choice(["voluntary", "involuntary"]))
            churn.append(record | {"kind": kind, "reactivated_at": back["at"] if random.random() < 0.5 else None})
    known = {"known_from": date(2023, 1, 1)}
    return {
        "orders": [{"order_id": f"O{place}"} | known | row for place, row in enumerate(orders)],
        "churn": [known | row for row in churn],
    }


@pytest.fixture
def made(warehouse, monkeypatch):
    for source in landing_contracts():
        prepare(warehouse, source)
    for table in TABLES:
        stage(warehouse, table)
    variables = marts.variables
    changes = {"activity_window_days": WINDOW, "minimum_customers": 1}
    monkeypatch.setattr(marts, "variables", lambda mart: variables(mart) | changes)
    warehouse.replace("scores.nights", pl.DataFrame({"as_of": [NIGHT]}))

    def make(table: str, log: dict[str, list[dict[str, Any]]]) -> pl.DataFrame:
        for source, rows in log.items():
            warehouse.replace(f"staging.{source}", pl.DataFrame(rows, schema=SCHEMAS[source]))
        marts.make(warehouse, contract(table))
        return warehouse.table(f"marts.{table}")

    return make


def statuses(log: dict[str, list[dict[str, Any]]], day: date) -> pl.DataFrame:
    frames = {source: pl.DataFrame(rows, schema=SCHEMAS[source]) for source, rows in log.items()}
    known = EventLog.of(**frames).known(AsOf(day))
    return customer_status(known, as_of=AsOf(day), activity_window_days=WINDOW).collect()


@pytest.mark.parametrize("seed", range(3))
def test_the_active_of_a_month_are_those_of_the_status_on_its_eve(made, seed):
    log = company(seed)
    monthly = made("churn_monthly", log)
    assert len(monthly) == 18
    for month, active in monthly.select("month", "active_customers").iter_rows():
        status = statuses(log, month - timedelta(days=1))["churn_status"]
        assert active == (status == "active").sum(), month


@pytest.mark.parametrize("seed", range(3))
def test_what_became_of_a_cohort_is_what_the_status_says_at_the_end_of_each_month(made, seed):
    log = company(seed)
    cohorts = made("churn_cohorts", log)
    first = pl.DataFrame(log["orders"]).group_by("customer_id").agg(pl.col("ordered_date").min().dt.truncate("1mo"))
    found = {}
    for row in cohorts.iter_rows(named=True):
        month_end = (pl.Series([row["cohort_month"]]).dt.offset_by(f"{row['months_since']}mo").dt.month_end())[0]
        members = first.filter(pl.col("ordered_date") == row["cohort_month"])["customer_id"]
        status = statuses(log, month_end).filter(pl.col("customer_id").is_in(members.implode()))["churn_status"]
        found[month_end] = found.get(month_end, 0) + 1
        assert row["customers"] == len(members)
        assert row["active_share"] == pytest.approx((status == "active").sum() / len(members), abs=1e-4)
        away = (status == "churned").sum() / len(members)
        assert row["declared_lost_share"] is None or row["declared_lost_share"] == pytest.approx(away, abs=1e-4)
    assert max(found) == date(2024, 5, 31)


def watched(log: dict[str, list[dict[str, Any]]], churn: str) -> tuple[list[int], list[bool]]:
    """Completed months of tenure until the loss or the last look, and whether there was a loss."""
    orders = pl.DataFrame(log["orders"]).sort("ordered_date")
    months, lost = [], []
    for customer, rows in orders.group_by("customer_id"):
        days = rows["ordered_date"].to_list()
        ends = [day + timedelta(days=WINDOW + 1) for day in days]
        silent = next(end for end, following in zip(ends, [*days[1:], date.max], strict=True) if following > end)
        records = sorted(
            (row["churned_date"], row["kind"])
            for row in log["churn"]
            if row["customer_id"] == customer[0] and row["churned_date"] >= days[0]
        )
        left, kind = records[0] if records else (date.max, None)
        until, is_lost = (left, kind == "voluntary") if churn == "declared" else (min(silent, left), silent < left)
        is_lost = is_lost and until <= NIGHT
        until = min(until, NIGHT)
        span = pl.select(pl.datetime_range(days[0], until, "1mo").len() - 1).item()
        months.append(span)
        lost.append(is_lost)
    return months, lost


@pytest.mark.filterwarnings("ignore:The confidence interval is undefined:RuntimeWarning")
@pytest.mark.parametrize("churn", ["declared", "silent"])
def test_survival_is_the_kaplan_meier_estimate_of_scipy(made, churn):
    log = company(5)
    survival = made("churn_survival", log).filter(pl.col("churn") == churn).sort("tenure_months")
    months, lost = watched(log, churn)
    ended = np.array(lost)
    sample = stats.CensoredData(np.array(months)[ended], right=np.array(months)[~ended])
    estimate = stats.ecdf(sample).sf
    interval = estimate.confidence_interval(confidence_level=LEVEL, method="log-log")
    at = survival["tenure_months"].to_numpy()
    np.testing.assert_allclose(survival["survival"], estimate.evaluate(at), atol=1e-5)
    inside = (estimate.evaluate(at) > 0) & (estimate.evaluate(at) < 1)
    assert inside.sum() > 5
    for side, bound in (("survival_low", interval.low), ("survival_high", interval.high)):
        np.testing.assert_allclose(survival[side].to_numpy()[inside], bound.evaluate(at)[inside], atol=1e-5)


def test_without_a_churn_feed_only_silence_is_told(made):
    log = company(5) | {"churn": []}
    assert made("churn_survival", log)["churn"].unique().to_list() == ["silent"]
    assert made("churn_monthly", log)["declared_customers"].null_count() == 18
    assert made("churn_cohorts", log)["declared_lost_share"].null_count() > 0


def test_what_marts_share_is_made_once_and_again_where_a_fact_or_a_setting_has_changed(made, warehouse, monkeypatch):
    log, run = company(0), []
    offered = warehouse.run
    monkeypatch.setattr(
        warehouse, "run", lambda statement, *more: (run.append(statement), offered(statement, *more))[1]
    )

    def times() -> int:
        return sum(statement.startswith("create or replace temp table customer_spells") for statement in run)

    before = made("churn_survival", log)
    assert made("churn_survival", log).equals(before)
    made("churn_cohorts", {})
    assert times() == 1
    offered("update staging.orders set ordered_date = ordered_date - 40 where customer_id < 'C4'")
    moved = made("churn_survival", {})
    assert not moved.equals(before)
    assert times() == 2
    narrow = marts.variables
    monkeypatch.setattr(marts, "variables", lambda mart: narrow(mart) | {"activity_window_days": WINDOW // 2})
    assert not made("churn_survival", {}).equals(moved)
    assert times() == 3
