"""The history of scores, day by day: a past day is made again only where what it is made of has changed.

Belongs here: bringing ``marts.customer_scores_history`` up to date. Must not be here: its select (see ``sql/marts``).

The history grows by a row a customer and night for ever, and all but its newest day are what they were. The rows of a
day say for themselves whether they are the same, those it is made of (``scores.customer_days``) and those that were
made: so nobody who scores a day again, erases a person or removes old nights has to tell this room. A day and what is
said of it are written together, so a kill leaves it made or not.
"""

from datetime import date

from data_contracts.casting import text_literal
from pipelines.sql_files import text
from pipelines.warehouse import Warehouse

NAME = "customer_scores_history"
DAYS = "meta.history_days"
"""What is said of each day: contents of the rows it is made of (``source``), and of those that were made (``made``)."""

_TABLE, _SOURCE = f"marts.{NAME}", "scores.customer_days"
_ORDER = "order by as_of, customer_id"


def bring_up(warehouse: Warehouse) -> int:
    """Make the days of the history that have changed, or are new; returns the rows of all days."""
    select = text(f"marts/{NAME}.sql")
    with warehouse.transaction():
        days = _changed(warehouse, select)
        if days is None:
            warehouse.run(f"create or replace table {_TABLE} as select * from ({select}) {_ORDER}")
            warehouse.run(f"create or replace table {DAYS} as {_account(select)}")
        elif days:
            _replace_days(warehouse, select, days)
    return int(warehouse.value(f"select count(*) from {_TABLE}"))


def _changed(warehouse: Warehouse, select: str) -> list[date] | None:
    """The days that are not what they would be if made now; None where none is: then the columns may be old too."""
    if not (warehouse.has_table(_TABLE) and warehouse.has_table(DAYS)):
        return None
    days = warehouse.run(
        f"select as_of, coalesce(now.source = kept.source and now.made = kept.made, false) as is_same"
        f" from ({_account(select)}) as now full join {DAYS} as kept using (as_of) order by as_of"
    )
    changed = [day for day, is_same in days if not is_same]
    return changed if len(changed) < len(days) else None


def _account(select: str) -> str:
    """A query for each day, and two texts: of the rows it is made of, with the select that makes it, and of its own."""
    return (
        "select as_of, source.content as source, made.content as made"
        f" from ({_content(_SOURCE, select)}) as source full join ({_content(_TABLE)}) as made using (as_of)"
    )


def _content(table: str, more: str = "") -> str:
    rows = f"md5(concat_ws('/', count(*), sum(hash(day)), {text_literal(more)})) as content"
    return f"select as_of, {rows} from {table} as day group by as_of"


def _replace_days(warehouse: Warehouse, select: str, days: list[date]) -> None:
    listed = ", ".join(f"date '{day}'" for day in days)
    among = f"as_of in ({listed})"
    warehouse.run(f"delete from {_TABLE} where {among}")
    warehouse.run(f"insert into {_TABLE} by name select * from ({select}) where {among} {_ORDER}")
    warehouse.run(f"delete from {DAYS} where {among}")
    warehouse.run(f"insert into {DAYS} by name select * from ({_account(select)}) where {among}")
