"""The summary of a run: what came out of it, for a person at a terminal and for machines.

Belongs here: the few numbers that say how a night went. Must not be here: running it.
"""

from datetime import date
from typing import Any

from pipelines.night import Outcome
from pipelines.settings import Settings
from pipelines.warehouse import Warehouse


def summary(settings: Settings, job: str, as_of: date, outcome: Outcome) -> dict[str, Any]:
    """What a run did; for a night that went well, with the headline of its scores."""
    told: dict[str, Any] = {
        "job": job,
        "as_of": str(as_of),
        "is_ok": outcome.is_ok,
        "errors": outcome.errors,
        "warnings": outcome.warnings,
        "run_id": outcome.run_id,
        "warehouse": str(settings.warehouse / "warehouse.duckdb"),
    }
    if outcome.is_ok:
        with Warehouse(settings) as warehouse:
            told |= _training(warehouse, as_of) if job == "training" else _night(settings, warehouse, as_of)
    return told


def render(told: dict[str, Any]) -> str:
    """The summary as lines for a terminal."""
    lines = [f"warning: {warning}" for warning in told["warnings"]]
    lines += [f"note: {note}" for note in told.get("notes", [])]
    if told["job"] == "training":
        verdict = "promoted" if told["is_promoted"] else "not promoted"
        lines += [f"Churn model {told['churn_model_version']}: {verdict}", ""]
        return "\n".join([*lines, *_quality(told["quality"])])
    lines += ["", f"As of {told['as_of']}: {told['customers']:,} customers"]
    lines += [f"  {label:<34}{value:>12,}" for label, value in told["headline"].items()]
    lines += ["", f"published  {told['published']}", f"warehouse  {told['warehouse']}"]
    return "\n".join(lines)


def _night(settings: Settings, warehouse: Warehouse, as_of: date) -> dict[str, Any]:
    counts = warehouse.run(
        """
        select
            count(*),
            count(*) filter (trust_status = 'scored'),
            count(*) filter (churn_status = 'active'),
            count(*) filter (churn_status = 'lapsed'),
            count(*) filter (churn_status = 'churned'),
            count(*) filter (churn_status = 'active' and churn_band in ('high', 'very_high'))
        from scores.customer_days where as_of = ? and not is_reconstructed
        """,
        (as_of,),
    )[0]
    labels = (
        "with enough evidence for trust",
        "active",
        "lapsed",
        "churned",
        "active, at high or very high risk",
    )
    headline = dict(zip(labels, counts[1:], strict=True))
    quarantined = "select coalesce(sum(rows_quarantined), 0)::bigint from meta.loads where load_date <= ?"
    headline["rows in quarantine"] = warehouse.value(quarantined, (as_of,))
    night = warehouse.frame(f"select * from scores.nights where as_of = date '{as_of}'").row(0, named=True)
    return {
        "customers": counts[0],
        "headline": headline,
        "published": str(settings.warehouse / "bi.duckdb"),
        "notes": night["notes_en"].split("; ") if night["notes_en"] else [],
        "trust_model_version": night["trust_model_version"],
        "churn_model_version": night["churn_model_version"],
    }


def _training(warehouse: Warehouse, as_of: date) -> dict[str, Any]:
    version, is_promoted = warehouse.run(
        "select version, is_promoted from meta.models where kind = 'churn' and trained_as_of = ?", (as_of,)
    )[0]
    quality = warehouse.run(
        "select estimator, metric, value from meta.model_evaluations where model_version = ? order by all", (version,)
    )
    return {
        "churn_model_version": version,
        "is_promoted": is_promoted,
        "quality": [{"estimator": name, "metric": metric, "value": value} for name, metric, value in quality],
    }


def _quality(rows: list[dict[str, Any]]) -> list[str]:
    metrics = sorted({row["metric"] for row in rows})
    values = {(row["estimator"], row["metric"]): row["value"] for row in rows}
    names = sorted({row["estimator"] for row in rows}, key=lambda name: (name != "model", name))
    head = f"{'':<14}" + "".join(f"{metric[:16]:>18}" for metric in metrics)
    body = [f"{name:<14}" + "".join(f"{values[name, metric]:>18.4f}" for metric in metrics) for name in names]
    return [head, *body]
