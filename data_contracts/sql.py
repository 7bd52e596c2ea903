"""SQL statements of a contract: tables and comments; and, from here, its casts and row rules.

Belongs here: text that DuckDB runs, derived from a contract. Must not be here: a connection, or anything that runs it.
"""

from __future__ import annotations

from collections.abc import Mapping

from data_contracts.casting import identifier, text_literal, typed_columns
from data_contracts.model import Contract
from data_contracts.rules import row_rules

__all__ = ["comments", "create_table", "row_rules", "typed_columns"]


def create_table(contract: Contract, schema: str, extra_columns: Mapping[str, str] | None = None) -> str:
    """The statement that makes the contract's table where it does not exist yet.

    Parameters
    ----------
    contract : Contract
        Columns, types and what is required. Keys are checked, not indexed.
    schema : str
        Schema as SQL text, e.g. ``raw`` or ``pub.main``.
    extra_columns : mapping of str to str, optional
        Further columns, name → type as SQL text (``"DATE NOT NULL"``), behind those of the contract.

    Returns
    -------
    str
        One CREATE TABLE IF NOT EXISTS.
    """
    columns = {c.name: c.type + (" NOT NULL" if c.is_required else "") for c in contract.loaded}
    body = ",\n".join(f"  {identifier(name)} {type_}" for name, type_ in (columns | dict(extra_columns or {})).items())
    return f"CREATE TABLE IF NOT EXISTS {schema}.{identifier(contract.name)} (\n{body}\n)"


def comments(contract: Contract, qualified_table: str) -> tuple[str, ...]:
    """The statements that describe the table and its columns where BI tools look.

    Parameters
    ----------
    contract : Contract
        Descriptions in both languages.
    qualified_table : str
        Table as SQL text, e.g. ``pub.main.customer_scores``.

    Returns
    -------
    tuple of str
        COMMENT ON TABLE, then one COMMENT ON COLUMN for each column that the table holds, "English / Chinese".
    """
    table = f"COMMENT ON TABLE {qualified_table} IS "
    statements = [table + text_literal(f"{contract.description_en} / {contract.description_zh}")]
    for column in contract.loaded:
        place = f"COMMENT ON COLUMN {qualified_table}.{identifier(column.name)} IS "
        statements.append(place + text_literal(f"{column.description_en} / {column.description_zh}"))
    return tuple(statements)
