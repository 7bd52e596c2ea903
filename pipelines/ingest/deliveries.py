"""What had been delivered by a day, as a fingerprint; and what was made before files that now belong to it.

Belongs here: the fingerprint, which nights no longer match theirs, and settings that may not change under a history.
Must not be here: loading, training or scoring.

A late file, or a corrected one, changes what had been delivered by the days from its own on. Whatever was made of those
days keeps the fingerprint of that time: one that differs today says that it would now come out otherwise. Rows that
were erased on a person's demand count as if they were there: an erasure makes nothing out of date.
"""

from collections.abc import Sequence
from datetime import date

from pipelines.checks.findings import Finding
from pipelines.errors import UserError
from pipelines.warehouse import Warehouse

_MARK = "bit_xor(md5_number(concat_ws('|', source, load_date, file, sha256, rows_accepted + {erased})))"
_SHOWN = "lower(to_hex({mark}))"
_ALL_WELL = "every night was scored from all files that belong to its days", "每晚评分均基于属于当晚的全部文件"


def fingerprint(warehouse: Warehouse, day: date) -> str | None:
    """Fingerprint of all deliveries up to a day, whatever the order in which they were loaded; None where none is."""
    if not warehouse.has_table("meta.loads"):
        return None
    shown = _SHOWN.format(mark=_mark(warehouse))
    found: str | None = warehouse.value(f"select {shown} from meta.loads where load_date <= ?", (day,))
    return found


def first_purchases(warehouse: Warehouse) -> date:
    """The delivery day that the history of purchases came on; nothing can have been made before."""
    found: date | None = None
    if warehouse.has_table("meta.loads"):
        rows = f"rows_accepted + {_erased(warehouse)}"
        found = warehouse.value(f"select min(load_date) from meta.loads where source = 'purchases' and {rows} > 0")
    return found or date.min


def view_day(warehouse: Warehouse, training_day: date) -> date:
    """The day whose deliveries a training may use: its own, or that of the history of purchases where it came later."""
    return max(training_day, first_purchases(warehouse))


def outdated_nights(warehouse: Warehouse) -> list[date]:
    """Nights that were scored before files that now belong to their days, oldest first."""
    if not (warehouse.has_table("scores.nights") and warehouse.has_table("meta.loads")):
        return []
    rows = warehouse.run(
        f"""
        with delivered as (select load_date, {_mark(warehouse)} as mark from meta.loads group by load_date),
        until as (select load_date, bit_xor(mark) over (order by load_date) as mark from delivered)
        select night.as_of
        from scores.nights as night asof left join until on night.as_of >= until.load_date
        where night.deliveries is not null and night.deliveries is distinct from {_SHOWN.format(mark="until.mark")}
        order by night.as_of"""
    )
    return [row[0] for row in rows]


def history_findings(warehouse: Warehouse) -> list[Finding]:
    """Whether every night of the history matches what has been delivered for it by now: one finding, a warning."""
    nights = outdated_nights(warehouse)
    text, zh = _told(nights) if nights else _ALL_WELL
    scored = warehouse.value("select count(*) from scores.nights")
    observed = ", ".join(map(str, nights[:20])) or None
    return [
        Finding("customer_scores_history", "deliveries", None, "deliveries", "warning", not nights, scored,
                None, observed, text, zh)
    ]  # fmt: skip


def _told(nights: Sequence[date]) -> tuple[str, str]:
    first, last = nights[0], nights[-1]
    if first == last:
        which, zh = f"the night of {first} was", f"{first} 的评分"
    else:
        which, zh = f"{len(nights)} nights of {first} to {last} were", f"{first} 至 {last} 的 {len(nights)} 晚评分"
    command = f"trust run --since {first} --as-of {last}"
    return (
        f"{which} scored before files that now belong to their days; run them again: {command}",
        f"{zh}早于现属于这些日期的文件；请重新运行：{command}",
    )


def refuse_other_settings(warehouse: Warehouse, currency: str) -> None:
    """Refuse to go on with days or money counted otherwise than in the nights that are there.

    Raises
    ------
    UserError
        If the time zone or the currency is not that of the newest night.
    """
    if not warehouse.has_table("scores.nights"):
        return
    held = warehouse.run("select time_zone, currency from scores.nights order by as_of desc limit 1")
    now = (warehouse.settings.time_zone, currency)
    names = ("TRUST_TIME_ZONE", "TRUST_CURRENCY")
    for name, before, given in zip(names, held[0] if held else now, now, strict=True):
        if before != given:
            raise UserError(
                f"{name}: {warehouse.settings.warehouse} was filled with {before}, and now it would be {given}; set"
                f" {name}={before}, or move that folder away and run the nights again"
            )


def _mark(warehouse: Warehouse) -> str:
    return _MARK.format(erased=_erased(warehouse))


def _erased(warehouse: Warehouse) -> str:
    """SQL for the rows of a file that were erased; a ledger from before erasure does not count them."""
    held = "select 1 from duckdb_columns() where schema_name = 'meta' and table_name = 'loads'"
    return "coalesce(rows_erased, 0)" if warehouse.run(f"{held} and column_name = 'rows_erased'") else "0"
