"""Pictures on Dagster's pages: what a night made, at a glance, kept with the run.

Belongs here: which numbers are drawn, and an image as Dagster shows it. Must not be here: how a chart looks (see
``report.charts``). Dagster's pages load nothing for an asset: an image travels inside its Markdown.
"""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import dagster as dg

from pipelines.report.charts import Draw, histogram, lines, picture
from pipelines.warehouse import Warehouse

TRUST = """
    select least(floor(trust_score / 5) * 5, 95) as low, low + 5 as high, count(*) as customers
    from scores.customer_days
    where as_of = ? and not is_reconstructed and trust_status = 'scored' group by low order by low
"""
RISK = """
    select least(floor(churn_risk * 20) / 20, 0.95) as low, low + 0.05 as high, count(*) as customers
    from scores.customer_days
    where as_of = ? and not is_reconstructed and churn_status = 'active' group by low order by low
"""


def distributions(warehouse: Warehouse, as_of: date) -> dict[str, dg.MetadataValue[Any]]:
    """How the trust and the churn risk of a night lie, as two pictures; none where nobody has the score."""
    told = {
        "trust_distribution": (TRUST, "Trust score of customers with evidence", "d"),
        "churn_risk_distribution": (RISK, "Churn risk of active customers", ".0%"),
    }
    return {
        name: _shown(title, histogram(rows, title, "Customers", form))
        for name, (query, title, form) in told.items()
        if (rows := warehouse.records(query, (as_of,)))
    }


def calibration(card: Mapping[str, Any]) -> dict[str, dg.MetadataValue[Any]]:
    """What a churn model predicted beside what followed, as a picture; none where nothing could be judged."""
    judged: Sequence[Mapping[str, Any]] = card.get("calibration", ())
    if not judged:
        return {}
    found = [_point(row, row["lost_share"], row["low"], row["high"], "what followed") for row in judged]
    wanted = [_point(row, row["mean_risk"], None, None, "as predicted") for row in judged]
    title = "Risk predicted, by groups of customers"
    drawn = lines([*found, *wanted], title, "Share that was lost", ".0%", is_time=False)
    return {"calibration": _shown("Churn risk predicted, and the share that was lost", drawn)}


def _point(row: Mapping[str, Any], value: float, low: float | None, high: float | None, series: str) -> dict[str, Any]:
    return {"x": row["mean_risk"], "value": value, "low": low, "high": high, "series": series}


def _shown(title: str, draw: Draw) -> dg.MetadataValue[Any]:
    return dg.MetadataValue.md(f"![{title}](data:image/png;base64,{b64encode(picture(draw)).decode()})")
