"""Days whose rows an earlier run found good, kept in ``meta.verified``: they are not looked at again.

Belongs here: which days these are, and when they are no longer trusted. Must not be here: what is checked, or how (see
``contract_checks``).

A table has days where its rows come a day at a time: what is delivered, and the history of scores. A day is trusted as
it was loaded or made and under what was promised then: a day that is another now, another contract or another version
of the tables have it looked at once more. Rows that were erased take no promise with them. It is noted
after the promises were seen to hold: a run that ends before leaves its days to the next. A night that is run again
looks again at what it looked at, and so publishes the same.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from data_contracts import Contract, RowRule
from data_contracts.casting import text_literal
from pipelines.bi import history
from pipelines.storage.migrations import version
from pipelines.warehouse import Warehouse, __version__


@dataclass(frozen=True)
class Days:
    """The days of a table.

    Parameters
    ----------
    table, column : str
        The table, with its schema, and the column that says of which day a row is.
    account : str
        A query for each day (``load_date``) and a digest of what it was made of (``digest``).
    """

    table: str
    column: str
    account: str


def days_delivered(source: str) -> Days:
    """The delivery days of ``raw.<source>``: each is what the ledger says of its files."""
    account = (
        "select load_date,"
        " md5(string_agg(concat_ws('|', file, sha256, run_id, finished_at), chr(10) order by file)) as digest"
        f" from meta.loads where source = {text_literal(source)} group by load_date"
    )
    return Days(f"raw.{source}", "load_date", account)


DAYS_OF_HISTORY = Days(
    f"marts.{history.NAME}", "as_of", f"select as_of as load_date, made as digest from {history.DAYS}"
)
"""The days of the history of scores: each is what its rows say."""


def days_to_verify(
    warehouse: Warehouse, contract: Contract, rules: Sequence[RowRule], night: date, held_by: Days
) -> list[date] | None:
    """Days of a table that a night looks at; None where it is all, as by ``trust run --full``."""
    if warehouse.settings.is_full or not warehouse.has_table("meta.verified"):
        return None
    trusted = (
        f"select load_date from ({held_by.account}) as now semi join"
        " (from meta.verified where source = ? and promises = ? and night <> ?) as held using (load_date, digest)"
    )
    parameters = (contract.name, _promises(warehouse, contract, rules), night)
    if not warehouse.value(f"select count(*) from ({trusted})", parameters):
        return None
    day = held_by.column
    found = f"select distinct {day} from {held_by.table} where {day} not in ({trusted}) order by {day}"
    return [row[0] for row in warehouse.run(found, parameters)]


def note_verified(
    warehouse: Warehouse,
    contract: Contract,
    rules: Sequence[RowRule],
    night: date,
    held_by: Days,
    days: Sequence[date] | None,
) -> None:
    """Note that a night saw days of a table, as they are now, keep what is promised now; by default all days."""
    with warehouse.transaction():
        warehouse.run(
            "create table if not exists meta.verified (source varchar not null, load_date date not null,"
            " digest varchar not null, promises varchar not null, night date not null)"
        )
        of_days = "" if days is None else f" and load_date in {_list(days)}"
        warehouse.run(f"delete from meta.verified where source = ?{of_days}", (contract.name,))
        warehouse.run(
            f"insert into meta.verified select ?, load_date, digest, ?, ? from ({held_by.account}) where true{of_days}",
            (contract.name, _promises(warehouse, contract, rules), night),
        )


def _list(days: Sequence[date]) -> str:
    return "[" + ", ".join(f"date '{day}'" for day in days) + "]::date[]"


def _promises(warehouse: Warehouse, contract: Contract, rules: Sequence[RowRule]) -> str:
    """Digest of all that is promised, and of the tables and the database that it was looked at in."""
    told = (contract, [rule.condition for rule in rules], version(warehouse), __version__)
    return hashlib.sha256(repr(told).encode()).hexdigest()
