"""Whether what a night kept of the night before is what it would have made anew: by some customers, every night others.

Belongs here: drawing the customers, making the snapshot of them from their events, and the comparison to the last bit.
Must not be here: how summaries are kept (see ``modelling.summarising``).
"""

from datetime import date

import polars as pl

from data_contracts.casting import text_literal
from pipelines.checks.findings import Finding, keep
from pipelines.modelling.customer_parts import coverage_of, offer_parts, parts
from pipelines.modelling.models import ModelsInUse
from pipelines.modelling.scoring_settings import scoring_settings
from pipelines.modelling.snapshots import kept_snapshot
from pipelines.modelling.summarising import BEFORE, NOW, population_interval_days
from pipelines.warehouse import Warehouse
from trust_models.as_of import EventLog
from trust_models.part_work import OWN, log_of
from trust_models.snapshot import ScoringSettings, take_evidence, take_features, take_status

CUSTOMERS = 200
TABLE, NAME = "customer_scores", "kept_summaries"
STREAM_KEY = ("customer_id", "stream")


def check_kept(warehouse: Warehouse, as_of: date, models: ModelsInUse) -> Finding:
    """Compare the snapshot of some customers with one made of their events alone, and keep what was found."""
    settings = models.settings(scoring_settings(warehouse.settings))
    covered, covered_before = (coverage_of(warehouse, settings.as_of(shelf.day(as_of))) for shelf in (NOW, BEFORE))
    drawn = f"select customer_id from {NOW.customers} order by md5(customer_id || '{as_of}') limit {CUSTOMERS}"
    warehouse.run(f"create or replace temp table drawn as {drawn}")
    offer_parts(warehouse, "select customer_id from drawn")
    interval = population_interval_days(warehouse)
    customers, different = 0, set[str]()
    for part in parts(warehouse):
        log, own = log_of(part), part[OWN]["customer_id"]
        names = ", ".join(map(text_literal, own))
        kept = kept_snapshot(warehouse, f"customer_id in ({names})")
        made = _made(log, own, as_of, models, settings, covered, covered_before, interval)
        customers += len(kept.status)
        for name, frame in made.items():
            different |= _different(getattr(kept, name), frame)
    found = _finding(customers, len(different))
    keep(warehouse, as_of, NAME, TABLE, [found])
    return found


def _made(
    log: EventLog,
    own: pl.Series,
    as_of: date,
    models: ModelsInUse,
    settings: ScoringSettings,
    covered: pl.DataFrame,
    covered_before: pl.DataFrame,
    interval: float | None,
) -> dict[str, pl.DataFrame]:
    """What events alone say: the frames of ``KnownCustomers``, of the customers of a part."""
    now = take_evidence(log, as_of, settings, models.rhythm, covered=covered)
    before = take_evidence(log, BEFORE.day(as_of), settings, models.rhythm, covered=covered_before)
    made = {
        "evidence": now.evidence,
        "evidence_before": before.evidence,
        "features": take_features(now, settings, population_interval_days=interval),
        "status": take_status(now, settings),
        "counts": now.counts.with_columns(pl.col("stream").cast(pl.String)).join(
            now.evidence, on="customer_id", how="semi"
        ),
    }
    return {name: frame.filter(pl.col("customer_id").is_in(own.implode())) for name, frame in made.items()}


def _different(kept: pl.DataFrame, made: pl.DataFrame) -> set[str]:
    """Customers of whom two frames do not hold the same rows, bit for bit."""
    key = [name for name in STREAM_KEY if name in made.columns]
    if kept.columns != made.columns:
        return set(kept["customer_id"]) | set(made["customer_id"])
    both = (frame.cast(made.schema).sort(key).rows_by_key("customer_id", include_key=True) for frame in (kept, made))
    ours, theirs = ({name: repr(rows) for name, rows in frame.items()} for frame in both)
    return {name for name in ours.keys() | theirs.keys() if ours.get(name) != theirs.get(name)}


def _finding(customers: int, different: int) -> Finding:
    text = "what the night kept of customers is what their events alone say"
    zh = "当晚沿用的客户数据与其全部事件重新计算的结果一致"
    if different:
        text += f"; of {customers:,} customers drawn {different:,} differ: run the night again with 'trust run --full'"
        zh += f"；抽查 {customers:,} 位客户，其中 {different:,} 位不一致：请用 'trust run --full' 重新运行当晚"
    return Finding(
        table_name=TABLE,
        check_name=NAME,
        column_name=None,
        rule="kept_is_made",
        severity="error",
        is_passed=not different,
        checked_rows=customers,
        failed_rows=different,
        observed=None,
        text_en=text,
        text_zh=zh,
    )
