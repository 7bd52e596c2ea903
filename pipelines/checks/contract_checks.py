"""Contract checks: each contract as a Great Expectations suite on its table, and what came out, in words.

Belongs here: turning a contract into expectations, running them inside DuckDB, and the account of every delivery.
Must not be here: the rules themselves (see ``data_contracts``). Great Expectations takes seconds to import, so it is
imported where it is used.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from data_contracts import Contract, RowRule
from data_contracts.sql import row_rules
from pipelines.checks.findings import Finding
from pipelines.ingest.accepting import LOADED_FROM
from pipelines.privacy.pseudonyms import kept_contract
from pipelines.warehouse import Warehouse

if TYPE_CHECKING:
    from great_expectations.expectations import Expectation


@dataclass(frozen=True)
class _Promise:
    """One promise of a contract: its name and words, and the expectation that holds it."""

    name: str
    column: str | None
    expectation: Expectation
    text_en: str
    text_zh: str


def verify(warehouse: Warehouse, contract: Contract, schema: str) -> list[Finding]:
    """Hold ``schema.<contract>`` to its contract; one finding a promise.

    Where a column is missing or of another type, that is the only finding: the other promises cannot be looked at.

    Raises
    ------
    RuntimeError
        If an expectation could not be evaluated at all.
    """
    contract = kept_contract(contract, warehouse.settings)
    types = _types(warehouse, contract, schema)
    if not types.is_passed:
        return [types]
    delivered = list(LOADED_FROM) if schema == "raw" else []
    promises = list(_promises(contract, delivered))
    results = _run_suite(warehouse, f"{schema}.{contract.name}", [promise.expectation for promise in promises])
    findings = [_finding(contract, promise, result) for promise, result in zip(promises, results, strict=True)]
    return [types, *findings]


def _promises(contract: Contract, delivered: Sequence[str]) -> Iterator[_Promise]:
    import great_expectations.expectations as gxe

    names = [column.name for column in contract.loaded]
    columns = gxe.ExpectTableColumnsToMatchSet(column_set=[*names, *delivered])
    yield _Promise("columns", None, columns, "the table has just the columns of its contract", "表中只有契约规定的列")
    least, most = contract.minimum_rows, contract.maximum_rows
    volume = gxe.ExpectTableRowCountToBeBetween(min_value=least, max_value=most)
    english = f"the table has at least {least} {'row' if least == 1 else 'rows'}" + (
        f", at most {most}" if most else ""
    )
    yield _Promise("rows", None, volume, english, f"表至少有 {least} 行" + (f"，至多 {most} 行" if most else ""))
    key = [*contract.key, *delivered[:1]]
    unique = (
        gxe.ExpectCompoundColumnsToBeUnique(column_list=key)
        if key[1:]
        else gxe.ExpectColumnValuesToBeUnique(column=key[0])
    )
    words = " + ".join(key)
    yield _Promise("key", None, unique, f"no two rows have the same {words}", f"任何两行的 {words} 都不相同")
    for rule in row_rules(contract, names):
        if expectation := _expectation(contract, rule):
            yield _Promise(rule.name, rule.column, expectation, *_words(rule))


def _words(rule: RowRule) -> tuple[str, str]:
    """The rule as a promise; two row texts speak of the one row that breaks them."""
    if rule.name == f"{rule.column}_required":
        return f"{rule.column} must be given in every row", f"{rule.column} 在每一行都必须填写"
    if rule.name == f"{rule.column}_finite":
        return f"{rule.column} must be a finite number", f"{rule.column} 必须是有限数"
    return rule.text_en, rule.text_zh


def _expectation(contract: Contract, rule: RowRule) -> Expectation | None:
    """The expectation of a row rule; None where only the loader can judge it (the file's text, its delivery day)."""
    import great_expectations.expectations as gxe

    if rule.column is None:
        return _unexpected(rule)
    column, kind = contract.column(rule.column), rule.name.removeprefix(f"{rule.column}_")
    if kind in ("type", "future"):
        return None
    if kind == "required":
        return gxe.ExpectColumnValuesToNotBeNull(column=column.name)
    if kind == "allowed":
        return gxe.ExpectColumnValuesToBeInSet(column=column.name, value_set=list(column.allowed))
    if kind == "length":
        return gxe.ExpectColumnValueLengthsToBeBetween(column=column.name, max_value=column.max_length)
    if kind == "range" and column.type in ("DOUBLE", "BIGINT"):
        return gxe.ExpectColumnValuesToBeBetween(column=column.name, min_value=column.minimum, max_value=column.maximum)
    return _unexpected(rule)


def _unexpected(rule: RowRule) -> Expectation:
    import great_expectations.expectations as gxe

    condition = rule.condition.replace("{", "{{").replace("}", "}}")
    query = f"select * from {{batch}} where not ({condition})"
    return gxe.UnexpectedRowsExpectation(unexpected_rows_query=query, description=rule.text_en)


@lru_cache(maxsize=1)
def _context() -> Any:
    import great_expectations as gx

    context = gx.get_context(mode="ephemeral")
    context.enable_analytics(enable=False)
    context.variables.progress_bars = {"globally": False, "metric_calculations": False}
    return context


def _run_suite(warehouse: Warehouse, table: str, expectations: Sequence[Expectation]) -> list[Any]:
    """Run expectations on a table, inside DuckDB; results in the order of the expectations."""
    import great_expectations as gx

    from pipelines.checks.gx_duckdb import DuckDBDatasource

    for place, expectation in enumerate(expectations):
        expectation.meta = {"place": place}
    source: DuckDBDatasource = _context().data_sources.add_or_update_duckdb("warehouse", connection_string="duckdb://")
    source.on_cursor(warehouse.cursor)
    try:
        batch = source.add_query_asset(name=table, query=f"select * from {table}").add_batch_definition_whole_table(
            "whole"
        )
        suite = gx.ExpectationSuite(name=table, expectations=list(expectations))
        results = batch.get_batch().validate(suite, result_format="BASIC").results
    finally:
        source.release()
    for result in results:
        if result.result == {} or ("observed_value" not in result.result and "unexpected_count" not in result.result):
            raise RuntimeError(
                f"{table}: {result.expectation_config.type} could not be evaluated: {result.exception_info}"
            )
    return sorted(results, key=lambda result: result.expectation_config.meta["place"])


def _finding(contract: Contract, promise: _Promise, result: Any) -> Finding:
    values = result.result
    is_row_query = result.expectation_config.type == "unexpected_rows_expectation"
    failed = values["observed_value"] if is_row_query else values.get("unexpected_count")
    observed = None if is_row_query else values.get("observed_value")
    return Finding(
        table_name=contract.name,
        check_name=promise.name,
        column_name=promise.column,
        rule=result.expectation_config.type,
        severity="error",
        is_passed=bool(result.success),
        checked_rows=values.get("element_count"),
        failed_rows=failed,
        observed=None if observed is None else str(observed)[:500],
        text_en=promise.text_en,
        text_zh=promise.text_zh,
    )


def _types(warehouse: Warehouse, contract: Contract, schema: str) -> Finding:
    rows = warehouse.run(
        "select column_name, data_type from duckdb_columns() where schema_name = ? and table_name = ?",
        (schema, contract.name),
    )
    found = dict(rows)
    wrong = {c.name: found.get(c.name, "missing") for c in contract.loaded if found.get(c.name) != c.type}
    return Finding(
        table_name=contract.name,
        check_name="types",
        column_name=None,
        rule="physical_types",
        severity="error",
        is_passed=not wrong,
        checked_rows=None,
        failed_rows=None,
        observed=", ".join(f"{name}: {kind}" for name, kind in wrong.items()) or None,
        text_en="every column has the type of its contract",
        text_zh="每一列的类型符合契约",
    )
