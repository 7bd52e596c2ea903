"""The summary of a run: what came out of it, for a person at a terminal and for machines.

Belongs here: the few numbers that say how a night went. Must not be here: running it.
"""

from datetime import date
from typing import Any

from pipelines.modelling.model_store import newest
from pipelines.night import Outcome
from pipelines.settings import Settings
from pipelines.validity.backtest_tables import MEASURES
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
        return "\n".join([*lines, *_trained(told), "", *_quality(told["quality"]), "", *_cards(told)])
    lines += ["", f"As of {told['as_of']}: {told['customers']:,} customers"]
    lines += [f"  {label:<34}{value:>12,}" for label, value in told["headline"].items()]
    lines += ["", f"published  {told['published']}", *(f"report     {file}" for file in told["reports"])]
    lines += [f"warehouse  {told['warehouse']}"]
    return "\n".join(lines)


def _night(settings: Settings, warehouse: Warehouse, as_of: date) -> dict[str, Any]:
    counts = warehouse.run(
        """
        select
            count(*),
            count(*) filter (trust_status = 'scored'),
            count(*) filter (trust_status <> 'scored'),
            count(*) filter (churn_status = 'active'),
            count(*) filter (churn_status = 'lapsed'),
            count(*) filter (churn_status = 'churned'),
            count(*) filter (churn_status = 'active' and churn_band = 'very_high'),
            count(*) filter (churn_status = 'active' and churn_band = 'high'),
            count(*) filter (churn_status = 'active' and churn_band = 'medium'),
            count(*) filter (churn_status = 'active' and churn_band = 'low')
        from scores.customer_days where as_of = ? and not is_reconstructed
        """,
        (as_of,),
    )[0]
    labels = (
        "with enough evidence for trust",
        "without enough evidence",
        "active",
        "lapsed",
        "churned",
        "active, at very high risk",
        "active, at high risk",
        "active, at medium risk",
        "active, at low risk",
    )
    headline = dict(zip(labels, counts[1:], strict=True))
    quarantined = "select coalesce(sum(rows_quarantined), 0)::bigint from meta.loads where load_date <= ?"
    night = warehouse.frame(f"select * from scores.nights where as_of = date '{as_of}'").row(0, named=True)
    headline["trust up since the day before"] = night["customers_moved_up"]
    headline["trust down since the day before"] = night["customers_moved_down"]
    headline["rows in quarantine"] = warehouse.value(quarantined, (as_of,))
    return {
        "customers": counts[0],
        "headline": headline,
        "published": str(settings.warehouse / "bi.duckdb"),
        "reports": [str(file) for file in sorted((settings.warehouse / "reports" / f"{as_of}").glob("report.*.html"))],
        "notes": night["notes_en"].split("; ") if night["notes_en"] else [],
        "trust_model_version": night["trust_model_version"],
        "churn_model_version": night["churn_model_version"],
    }


def _training(warehouse: Warehouse, as_of: date) -> dict[str, Any]:
    trust, churn = (newest(warehouse, kind, as_of, since=as_of, only_promoted=False) for kind in ("trust", "churn"))
    assert trust is not None
    assert churn is not None
    quality = warehouse.run(
        "select estimator, metric, value from meta.model_evaluations where model_version = ? order by all",
        (churn.version,),
    )
    return {
        "trust_model_version": trust.version,
        "half_life_days": trust.card["half_life"]["days"],
        "refit": trust.card["refit"],
        "churn_model_version": churn.version,
        "is_promoted": churn.is_promoted,
        "notes": [english for english, _ in churn.card["notes"]],
        "quality": [{"estimator": name, "metric": metric, "value": value} for name, metric, value in quality],
        "cards": [str(warehouse.settings.warehouse / model.folder / "card.en.md") for model in (trust, churn)],
    }


def _trained(told: dict[str, Any]) -> list[str]:
    """What became of either model, a line each."""
    verdict = "promoted" if told["is_promoted"] else "not promoted"
    refit = told["refit"]
    moved = (
        "the first"
        if refit is None
        else f"scores of the same customers and day moved by {refit['score_shift_mean']:.1f} points on average, one in"
        f" ten by {refit['score_shift_largest_tenth']:.1f} or more"
    )
    return [
        f"Trust model {told['trust_model_version']}: {moved}; evidence halves in {told['half_life_days']:.0f} days",
        f"Churn model {told['churn_model_version']}: {verdict}",
    ]


def _quality(rows: list[dict[str, Any]]) -> list[str]:
    """The measures of the churn model beside its baselines, the model first."""
    values = {(row["estimator"], row["metric"]): row["value"] for row in rows}
    names = sorted({row["estimator"] for row in rows}, key=lambda name: (name != "model", name))
    head = f"{'':<12}" + "".join(f"{title:>{len(title) + 3}}" for title in MEASURES.values())
    body = [
        f"{name:<12}" + "".join(_cell(values.get((name, metric)), len(title) + 3) for metric, title in MEASURES.items())
        for name in names
    ]
    return [head, *body]


def _cell(value: float | None, width: int) -> str:
    return f"{'–' if value is None or value != value else format(value, '.3f'):>{width}}"


def _cards(told: dict[str, Any]) -> list[str]:
    return [f"card  {card}" for card in told["cards"]]
