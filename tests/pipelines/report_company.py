"""Published databases for reports: a company with something in every table, and one with a single customer."""

from datetime import date, datetime
from pathlib import Path
from typing import Any

import polars as pl

from data_contracts import Column, Contract, published_contracts
from data_contracts.sql import create_table
from pipelines.bi.publishing import publish
from pipelines.settings import Settings
from pipelines.warehouse import Warehouse

DAY = date(2024, 3, 31)
MONTHS = [date(2024, 1, 1), date(2024, 2, 1), date(2024, 3, 1)]
HOSTILE = "<script>alert('x')</script> & {name} | co"
DIMENSIONS = ("product_quality", "service_quality", "reputation", "transparency", "values")
DEFAULTS: dict[str, Any] = {
    "DOUBLE": 0.0,
    "BIGINT": 1,
    "BOOLEAN": False,
    "DATE": DAY,
    "TIMESTAMP": datetime(2024, 4, 1, 2, 0),
    "VARCHAR": "x",
}
Tables = dict[str, list[dict[str, Any]]]


def publish_tables(folder: Path, tables: Tables, left_out: tuple[str, ...] = ()) -> Settings:
    """Publish the rows, each filled up to its contract; tables without rows are there and empty."""
    settings = Settings(landing=folder / "landing", warehouse=folder / "warehouse")
    contracts = tuple(contract for contract in published_contracts() if contract.name not in left_out)
    with Warehouse(settings) as warehouse:
        for contract in contracts:
            warehouse.run(create_table(contract, "marts"))
            for row in tables.get(contract.name, []):
                with warehouse.offered(filled(contract, row)) as offered:
                    warehouse.run(f"insert into marts.{contract.name} by name select * from {offered}")
        publish(warehouse, contracts, settings.warehouse / "bi.duckdb")
    return settings


def filled(contract: Contract, row: dict[str, Any]) -> pl.DataFrame:
    unknown = set(row) - {column.name for column in contract.columns}
    assert not unknown, f"{contract.name} has no {unknown}"
    return pl.DataFrame([{column.name: row.get(column.name, default(column)) for column in contract.columns}])


def default(column: Column) -> Any:
    if not column.is_required:
        return None
    return column.allowed[0] if column.allowed else DEFAULTS[column.type]


RUN = {
    "as_of": DAY,
    "published_at": datetime(2024, 4, 1, 2, 0),
    "time_zone": "Asia/Shanghai",
    "currency": "CNY",
    "horizon_days": 90,
    "label_definition": "silent",
    "notes_en": None,
    "notes_zh": None,
}


def scores(number: int, **values: Any) -> dict[str, Any]:
    told = {
        "customer_id": f"SECRET{number:05}",
        "trust_score": 20.0 + number,
        "trust_status": "scored",
        "trust_band": "medium",
        "churn_risk": 0.25,
        "churn_band": "medium",
        "churn_status": "active",
        "churn_basis": "baseline:rfm",
    }
    return told | values


def change(number: int, **values: Any) -> dict[str, Any]:
    moved = {"trust_score_before": 50.0, "trust_score": 50.0 + 6.1 * (-1 if number else 1)}
    moved |= {"trust_change": 6.1 * (-1 if number else 1), "compared_with": date(2024, 3, 30)}
    return {"customer_id": f"SECRET{number:05}"} | moved | values


def group(by: str, value: str, mean: float | None, customers: int = 40) -> dict[str, Any]:
    is_few = mean is None
    spread = {} if mean is None else {"trust_score_low": mean - 1, "trust_score_high": mean + 1}
    return spread | {
        "segment_by": by,
        "segment_value": value,
        "customers": customers,
        "customers_with_evidence": None if is_few else customers - 10,
        "trust_score_mean": mean,
        "churn_risk_mean": None if is_few else 0.251,
        "expected_lost_customers": None if is_few else 10.4,
        "is_suppressed": is_few,
    }


def loss(stream: str, by: str, of: str, trials: int, failures: int, **values: Any) -> dict[str, Any]:
    told = {
        "stream": stream,
        "told_by": by,
        "told_of": of,
        "trials": trials,
        "failures": failures,
        "failure_share": failures / trials,
        "failure_share_low": failures / trials * 0.9,
        "failure_share_high": min(failures / trials * 1.1, 1.0),
        "weight": 0.5,
        "is_consequence": False,
        "is_suppressed": False,
    }
    return told | values


def company() -> Tables:
    """Something in every table that the report reads."""
    waiting = [
        {"rank": n + 1, "customer_id": f"SECRET{n:05}", "contact_priority": "A" if n < 12 else "C"} for n in range(30)
    ]
    for number, row in enumerate(waiting):
        row |= {"is_holdout": number % 10 == 9, "expected_loss": 100.0, "value_at_stake": 400.0, "churn_risk": 0.25}
        row |= {"recommended_action": "Call", "recommended_action_zh": "致电"} if number else {}
    return {
        "run_info": [
            RUN
            | {"customers": 40, "customers_with_evidence": 30, "rows_read": 1234, "rows_accepted": 1230}
            | {"customers_moved_up": 1, "customers_moved_down": 24, "trust_change_limit": 3.1}
        ],
        "trust_changes": [
            change(n, rank=rank, driver=driver, contribution=points)
            for n in range(25)
            for rank, driver, points in ((1, "promise_kept", -6.1 if n else 6.1), (2, "refit", 0.4))
            if n < 4 or rank == 1
        ],
        "customer_scores": [scores(n, trust_status="scored" if n < 30 else "insufficient_evidence") for n in range(40)],
        "segment_summary": [
            group("all", "all", 50.0),
            group("segment", HOSTILE, 40.0, 20),
            group("segment", "tiny", None, 7),
        ],
        "dimension_summary": [
            {
                "segment_by": "all",
                "segment_value": "all",
                "dimension": dimension,
                "is_informed": dimension != "values",
                "customers_with_evidence": 30,
            }
            | ({} if dimension == "values" else told_dimension())
            for dimension in DIMENSIONS
        ],
        "trust_trend": [
            {
                "period": "month",
                "period_start": month,
                "segment_by": "all",
                "segment_value": "all",
                "as_of": DAY if month == MONTHS[-1] else month,
                "trust_score_mean": 60.0 - 5 * place,
                "trust_score_low": 59.0 - 5 * place,
                "trust_score_high": 61.0 - 5 * place,
                "is_reconstructed": month != MONTHS[-1],
                "trust_model_version": "1",
            }
            for place, month in enumerate(MONTHS)
        ],
        "trust_losses": [
            loss("promise_kept", "all", "all", 1000, 100),
            loss("complaint_answered", "all", "all", 50, 25),
            loss("came_back", "all", "all", 900, 300, is_consequence=True),
            loss("promise_kept", "category", HOSTILE, 500, 80),
            loss("promise_kept", "category", "books", 500, 20),
        ],
        "complaint_summary": [
            {
                "month": month,
                "dimension": dimension,
                "is_complete": month != MONTHS[-1],
                "complaints": 12,
                "matured_orders": 240,
                "complaints_per_100_orders": 5.0,
                "answer_due_complaints": 12,
                "answered_in_time_share": 0.75,
            }
            for month in MONTHS
            for dimension in ("all", "service_quality")
        ],
        "repurchase_summary": [
            {"month": MONTHS[0], "category": HOSTILE, "orders": 90, "old_enough_90d": 90, "repurchased_90d_share": 0.3}
        ],
        "churn_monthly": [
            {
                "month": month,
                "is_complete": month != MONTHS[-1],
                "active_customers": 40,
                "declared_customers": 2,
                "silent_customers": 3,
                "declared_rate": None if month == MONTHS[-1] else 0.05,
                "silent_rate": None if month == MONTHS[-1] else 0.075,
            }
            for month in MONTHS
        ],
        "churn_cohorts": [
            {"cohort_month": MONTHS[0], "months_since": age, "customers": 25, "active_share": 1 - age / 10}
            for age in range(2)
        ],
        "churn_survival": [
            {"churn": churn, "tenure_months": age, "at_risk": 40, "events": 1, "survival": 0.9 - age / 10}
            for churn in ("declared", "silent")
            for age in range(3)
        ],
        "churn_precursors": [
            {
                "precursor": "complaint",
                "window_start": MONTHS[0],
                "window_end": DAY,
                "churn": "silent",
                "is_informed": True,
                "lost_customers": 15,
                "kept_customers": 20,
                "lost_share": 0.4,
                "kept_share": 0.1,
                "ratio": 4.0,
                "ratio_low": 2.0,
                "ratio_high": 8.0,
            }
        ],
        "retention_worklist": waiting,
        "data_quality": [
            {
                "table_name": "purchases",
                "check_name": "account",
                "rule": "account",
                "is_passed": True,
                "checked_rows": 1234,
            },
            {
                "table_name": "purchases",
                "check_name": "late",
                "rule": "late",
                "severity": "warning",
                "is_passed": False,
                "failed_rows": 3,
                "text_en": f"late {HOSTILE}",
                "text_zh": f"延迟 {HOSTILE}",
            },
        ],
        "model_quality": [
            {
                "as_of": MONTHS[0],
                "model": "churn",
                "estimator": name,
                "is_baseline": True,
                "metric": "log_loss",
                "value": 0.5,
            }
            | {"evaluation": "training"}
            for name in ("constant", "rfm")
        ],
    }


def told_dimension() -> dict[str, Any]:
    mean = {"score_mean": 90.0, "score_low": 89.0, "score_high": 91.0}
    return mean | {"belief_mean": 0.3, "disbelief_mean": 0.1, "uncertainty_mean": 0.6}


def one_customer() -> Tables:
    """One customer of whom next to nothing is known, no complaints, no churn feed."""
    return {
        "run_info": [RUN | {"customers": 1, "customers_with_evidence": 0}],
        "customer_scores": [scores(1, trust_status="insufficient_evidence", trust_band=None)],
        "segment_summary": [group("all", "all", None, 1)],
        "dimension_summary": [
            {"segment_by": "all", "segment_value": "all", "dimension": dimension, "is_informed": False}
            for dimension in DIMENSIONS
        ],
    }
