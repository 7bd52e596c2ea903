"""What the published database says, asked by SQL; only aggregates leave it.

Belongs here: reading, and why a table cannot be read. Must not be here: what the report makes of it. No query may
return a customer's id or a row a customer: the report is read by more people than the tables are.
"""

from collections.abc import Sequence
from typing import Any

from data_contracts import contract, published_contracts
from pipelines.errors import UserError
from pipelines.warehouse import Warehouse

Row = dict[str, Any]


NEEDED = {
    "run_info": {
        "as_of", "published_at", "time_zone", "currency", "horizon_days", "label_definition", "customers",
        "customers_with_evidence", "deliveries", "rows_read", "rows_accepted", "rows_quarantined", "notes_en",
        "notes_zh",
    },
    "customer_scores": {"trust_score", "trust_status", "trust_band", "churn_risk", "churn_band", "churn_status",
        "churn_basis"},
}  # fmt: skip
"""Without these there is no report; of any other table that cannot be read, the report says so."""


class Facts:
    """The tables of one night.

    Parameters
    ----------
    reader : Warehouse
        A warehouse that holds the published file as the database ``published``.

    Raises
    ------
    UserError
        If it does not hold a run, or its scores.
    """

    def __init__(self, reader: Warehouse) -> None:
        self._reader = reader
        rows = reader.run("select table_name, column_name from duckdb_columns() where database_name = 'published'")
        self._columns: dict[str, set[str]] = {}
        for table, column in rows:
            self._columns.setdefault(table, set()).add(column)
        for table, columns in NEEDED.items():
            if columns - self._columns.get(table, set()):
                raise UserError(f"the published database has no usable table {table}; run the night again")
        runs = self.rows("select * from published.run_info")
        if not runs:
            raise UserError("the published database tells of no run; run the night again")
        self.run: Row = runs[0]

    def why_not(self, table: str) -> str | None:
        """Why a table cannot be told of: ``absent``, ``older`` (columns are missing) or ``empty``; None where it can.

        An older version of the program made a table that lacks columns of today's contract.
        """
        if table not in self._columns:
            return "absent"
        if {column.name for column in contract(table).columns} - self._columns[table]:
            return "older"
        return None if self._reader.run(f'select 1 from published."{table}" limit 1') else "empty"

    def rows(self, query: str, parameters: Sequence[object] = ()) -> list[Row]:
        """The rows of a query over ``published.<table>``."""
        return self._reader.records(query, parameters)

    def row(self, query: str, parameters: Sequence[object] = ()) -> Row | None:
        """The first row of a query."""
        rows = self.rows(query, parameters)
        return rows[0] if rows else None


def minimum_customers() -> int:
    """The size below which a group is not told of."""
    value = contract("segment_summary").settings["minimum_customers"]
    assert isinstance(value, int)
    return value


def title_of(table: str, position: int) -> str:
    """The name of a table for people: English at 0, Chinese at 1; its plain name where no contract has it."""
    for known in published_contracts():
        if known.name == table:
            return (known.title_en, known.title_zh)[position]
    return table
