"""Delivery days whose rows an earlier run found good, kept in ``meta.verified``: they are not looked at again.

Belongs here: which days these are, and when they are no longer trusted. Must not be here: what is checked, or how (see
``contract_checks``).

A day is trusted as it was loaded and under what was promised then: a day that was loaded again, another contract or
another version of the tables have it looked at once more. Rows that were erased take no promise with them. It is noted
after the promises were seen to hold: a run that ends before leaves its days to the next. A night that is run again
looks again at what it looked at, and so publishes the same.
"""

import hashlib
from collections.abc import Sequence
from datetime import date

from data_contracts import Contract, RowRule
from pipelines.storage.migrations import version
from pipelines.warehouse import Warehouse, __version__

_LOADED = (
    "select load_date,"
    " md5(string_agg(concat_ws('|', file, sha256, run_id, finished_at), chr(10) order by file)) as digest"
    " from meta.loads where source = ? group by load_date"
)


def days_to_verify(
    warehouse: Warehouse, contract: Contract, rules: Sequence[RowRule], night: date
) -> list[date] | None:
    """Delivery days of ``raw.<contract>`` that a night looks at; None where it is all, as by ``trust run --full``."""
    if warehouse.settings.is_full or not warehouse.has_table("meta.verified"):
        return None
    trusted = (
        f"select load_date from ({_LOADED}) as now semi join"
        " (from meta.verified where source = ? and promises = ? and night <> ?) as held using (load_date, digest)"
    )
    parameters = (contract.name, contract.name, _promises(warehouse, contract, rules), night)
    if not warehouse.value(f"select count(*) from ({trusted})", parameters):
        return None
    found = f"select distinct load_date from raw.{contract.name} where load_date not in ({trusted}) order by load_date"
    return [row[0] for row in warehouse.run(found, parameters)]


def note_verified(
    warehouse: Warehouse, contract: Contract, rules: Sequence[RowRule], night: date, days: Sequence[date] | None
) -> None:
    """Note that a night saw delivery days, as they are loaded now, keep what is promised now; by default all days."""
    with warehouse.transaction():
        warehouse.run(
            "create table if not exists meta.verified (source varchar not null, load_date date not null,"
            " digest varchar not null, promises varchar not null, night date not null)"
        )
        of_days = "" if days is None else f" and load_date in {_list(days)}"
        warehouse.run(f"delete from meta.verified where source = ?{of_days}", (contract.name,))
        warehouse.run(
            f"insert into meta.verified select ?, load_date, digest, ?, ? from ({_LOADED}) where true{of_days}",
            (contract.name, _promises(warehouse, contract, rules), night, contract.name),
        )


def _list(days: Sequence[date]) -> str:
    return "[" + ", ".join(f"date '{day}'" for day in days) + "]::date[]"


def _promises(warehouse: Warehouse, contract: Contract, rules: Sequence[RowRule]) -> str:
    """Digest of all that is promised, and of the tables and the database that it was looked at in."""
    told = (contract, [rule.condition for rule in rules], version(warehouse), __version__)
    return hashlib.sha256(repr(told).encode()).hexdigest()
