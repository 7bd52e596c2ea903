"""Contract checks: each contract as a Great Expectations suite on its table, and what came out, in words.

Belongs here: turning a contract into expectations, running them inside DuckDB, and the account of every delivery.
Must not be here: the rules themselves (see ``data_contracts``). Great Expectations takes seconds to import, so it is
imported where it is used.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from data_contracts import Contract, RowRule
from data_contracts.casting import identifier
from data_contracts.sql import row_rules
from pipelines.bi import history
from pipelines.checks.findings import Finding
from pipelines.checks.verified_days import DAYS_OF_HISTORY, Days, days_delivered, days_to_verify, note_verified
from pipelines.ingest.accepting import LOADED_FROM
from pipelines.privacy.pseudonyms import kept_contract
from pipelines.warehouse import Warehouse

if TYPE_CHECKING:
    from great_expectations.expectations import Expectation


_ROW_PROMISES = {
    "required": "expect_column_values_to_not_be_null",
    "allowed": "expect_column_values_to_be_in_set",
    "length": "expect_column_value_lengths_to_be_between",
    "range": "expect_column_values_to_be_between",
}
"""What Great Expectations calls a promise about every value of a column; all others are ``_QUERY``."""

_QUERY = "unexpected_rows_expectation"


@dataclass(frozen=True)
class _Promise:
    """One promise of a contract about its table: its name and words, and the expectation that holds it.

    ``rule`` is what Great Expectations calls the promise.
    """

    name: str
    rule: str
    expectation: Expectation
    text_en: str
    text_zh: str


def verify_delivered(warehouse: Warehouse, contract: Contract, night: date) -> list[Finding]:
    """Hold ``raw.<contract>`` to its contract: the rows of delivery days that no other night found good.

    Promises about the table as a whole are looked at whatever was delivered. Where everything is good, it is noted.

    Raises
    ------
    RuntimeError
        If an expectation could not be evaluated at all.
    """
    return _verify_new_days(warehouse, contract, night, "raw", days_delivered(contract.name))


def verify_made(warehouse: Warehouse, contract: Contract, night: date) -> list[Finding]:
    """Hold ``marts.<contract>`` to its contract; of the history the days that no other night found good as they are.

    The rows of days that are not looked at again count as checked.

    Raises
    ------
    RuntimeError
        If an expectation could not be evaluated at all.
    """
    if contract.name != history.NAME or not warehouse.has_table(history.DAYS):
        return verify(warehouse, contract, "marts")
    findings = _verify_new_days(warehouse, contract, night, "marts", DAYS_OF_HISTORY)
    rows = warehouse.value(f"select count(*) from {DAYS_OF_HISTORY.table}")
    return [found if found.checked_rows is None else replace(found, checked_rows=rows) for found in findings]


def _verify_new_days(
    warehouse: Warehouse, contract: Contract, night: date, schema: str, held_by: Days
) -> list[Finding]:
    agreed = kept_contract(contract, warehouse.settings)
    days = days_to_verify(warehouse, agreed, _rules(agreed), night, held_by)
    findings = verify(warehouse, contract, schema, days, held_by.column)
    if all(found.is_passed for found in findings):
        note_verified(warehouse, agreed, _rules(agreed), night, held_by, days)
    return findings


def verify(
    warehouse: Warehouse,
    contract: Contract,
    schema: str,
    days: Collection[date] | None = None,
    day: str = "load_date",
) -> list[Finding]:
    """Hold ``schema.<contract>`` to its contract; one finding a promise.

    Where a column is missing or of another type, that is the only finding: the other promises cannot be looked at.
    All promises about rows are counted in one pass over the table, by one expectation: an expectation each would cost
    more than the night's own work.

    Parameters
    ----------
    warehouse : Warehouse
        Holds the table.
    contract : Contract
        What was agreed.
    schema : str
        ``raw`` or ``marts``.
    days : collection of date, optional
        Days whose rows are looked at, by promises about rows and by that about the key, which holds a day at a time;
        by default all rows are.
    day : str
        The column that says of which day a row is.

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
    rows_wanted = _rows_of(days, day)
    promises = list(_promises(contract, delivered, rows_wanted))
    rules = _rules(contract)
    expectations = [*(promise.expectation for promise in promises), _no_rule_broken(rules, rows_wanted)]
    *results, broken = _run_suite(warehouse, f"{schema}.{contract.name}", expectations)
    findings = [_finding(contract, promise, result) for promise, result in zip(promises, results, strict=True)]
    rows = next(found.checked_rows for found in findings if found.check_name == "key") or 0
    return [types, *findings, *_row_findings(contract, rules, rows, _failed_rows(broken))]


def _rules(contract: Contract) -> list[RowRule]:
    """The rules about single rows that a typed table can be held to."""
    rules = row_rules(contract, [column.name for column in contract.loaded])
    return [rule for rule in rules if not _at_loading(rule)]


def _rows_of(days: Collection[date] | None, day: str) -> str:
    """What a query about rows reads: the table, or its rows of some days."""
    if days is None:
        return "{batch}"
    named = ", ".join(f"date '{one}'" for one in sorted(days))
    return f"(select * from {{batch}} where {f'{day} in ({named})' if days else 'false'})"


def _promises(contract: Contract, delivered: Sequence[str], rows: str) -> Iterator[_Promise]:
    """The promises about the table as a whole: columns, rows, key."""
    import great_expectations.expectations as gxe

    from pipelines.checks.gx_duckdb import UniqueKeyExpectation

    columns = gxe.ExpectTableColumnsToMatchSet(column_set=[*(column.name for column in contract.loaded), *delivered])
    english, chinese = "the table has just the columns of its contract", "表中只有契约规定的列"
    yield _Promise("columns", columns.expectation_type, columns, english, chinese)
    least, most = contract.minimum_rows, contract.maximum_rows
    volume = gxe.ExpectTableRowCountToBeBetween(min_value=least, max_value=most)
    english = f"the table has at least {least} {'row' if least == 1 else 'rows'}" + (
        f", at most {most}" if most else ""
    )
    chinese = f"表至少有 {least} 行" + (f"，至多 {most} 行" if most else "")
    yield _Promise("rows", volume.expectation_type, volume, english, chinese)
    key = [*contract.key, *delivered[:1]]
    unique = UniqueKeyExpectation(unexpected_rows_query=_repeated(key, rows))
    rule = "expect_compound_columns_to_be_unique" if key[1:] else "expect_column_values_to_be_unique"
    words = " + ".join(key)
    yield _Promise("key", rule, unique, f"no two rows have the same {words}", f"任何两行的 {words} 都不相同")


def _repeated(key: Sequence[str], rows: str) -> str:
    """Count rows, and those whose key another row has as well, in one pass; Great Expectations joins a table to itself.

    A row without its whole key is like no other: that it is missing is the matter of another promise.
    """
    columns = ", ".join(map(identifier, key))
    whole = " and ".join(f"{identifier(name)} is not null" for name in key)
    return (
        "select coalesce(sum(rows), 0) as checked_rows,"
        f" coalesce(sum(rows) filter (where rows > 1 and {whole}), 0) as failed_rows"
        f" from (select {columns}, count(*) as rows from {rows} group by all)"
    )


def _kind(rule: RowRule) -> str:
    return "" if rule.column is None else rule.name.removeprefix(f"{rule.column}_")


def _at_loading(rule: RowRule) -> bool:
    """Whether only the loader can judge a rule: it needs the file's text, or its delivery day."""
    return _kind(rule) in ("type", "future")


def _words(rule: RowRule) -> tuple[str, str]:
    """The rule as a promise; two row texts speak of the one row that breaks them."""
    if _kind(rule) == "required":
        return f"{rule.column} must be given in every row", f"{rule.column} 在每一行都必须填写"
    if _kind(rule) == "finite":
        return f"{rule.column} must be a finite number", f"{rule.column} 必须是有限数"
    return rule.text_en, rule.text_zh


def _no_rule_broken(rules: Sequence[RowRule], rows: str) -> Expectation:
    """Expect a query to be empty that has a row for each broken rule: the rule's place, and the rows that break it.

    The rules are counted one by one on those rows only that break any: mostly there are none.
    """
    from pipelines.checks.gx_duckdb import BrokenRulesExpectation

    conditions = [_condition(rule) for rule in rules]
    counts = ", ".join(
        f'count(*) filter (where not ({condition})) as "{place}"' for place, condition in enumerate(conditions)
    )
    all_kept = " and ".join(f"({condition})" for condition in conditions)
    query = (
        "select place, failed_rows, count(*) over () as broken_rules"
        f" from (unpivot (select {counts} from {rows} where not ({all_kept}))"
        " on columns(*) into name place value failed_rows) where failed_rows > 0"
    )
    return BrokenRulesExpectation(unexpected_rows_query=query)


def _condition(rule: RowRule) -> str:
    """The rule's condition on the typed table (``required`` also asks the file's text), its braces doubled."""
    is_required = rule.column is not None and _kind(rule) == "required"
    condition = f"{identifier(str(rule.column))} is not null" if is_required else rule.condition
    return condition.replace("{", "{{").replace("}", "}}")


def _failed_rows(broken: Any) -> dict[int, int]:
    """Rows that break a rule, by the place of the rule; a rule that all rows keep is absent.

    Raises
    ------
    RuntimeError
        If Great Expectations counted more broken rules than it shows.
    """
    shown = {int(row["place"]): int(row["failed_rows"]) for row in broken.result["details"]["unexpected_rows"]}
    if len(shown) != broken.result["observed_value"]:
        raise RuntimeError(f"{broken.result['observed_value']} promises are broken, and only {len(shown)} are shown")
    return shown


def _row_findings(
    contract: Contract, rules: Sequence[RowRule], rows: int, failed: Mapping[int, int]
) -> Iterator[Finding]:
    for place, rule in enumerate(rules):
        expected = _expected(contract, rule)
        text_en, text_zh = _words(rule)
        yield Finding(
            table_name=contract.name,
            check_name=rule.name,
            column_name=rule.column,
            rule=expected,
            severity="error",
            is_passed=place not in failed,
            checked_rows=None if expected == _QUERY else rows,
            failed_rows=failed.get(place, 0),
            observed=None,
            text_en=text_en,
            text_zh=text_zh,
        )


def _expected(contract: Contract, rule: RowRule) -> str:
    """What Great Expectations calls the promise; a range of days is none of its promises about values."""
    is_number = rule.column is not None and contract.column(rule.column).type in ("DOUBLE", "BIGINT")
    return _QUERY if _kind(rule) == "range" and not is_number else _ROW_PROMISES.get(_kind(rule), _QUERY)


@lru_cache(maxsize=1)
def _context() -> Any:
    import great_expectations as gx

    context = gx.get_context(mode="ephemeral")
    context.enable_analytics(enable=False)
    context.variables.progress_bars = {"globally": False, "metric_calculations": False}
    return context


@lru_cache(maxsize=1)
def _asset() -> Any:
    """What every suite reads, each with a query of its own: whenever one is added, all are written down as YAML."""
    from pipelines.checks.gx_duckdb import DuckDBDatasource

    source: DuckDBDatasource = _context().data_sources.add_or_update_duckdb("warehouse", connection_string="duckdb://")
    return source.add_query_asset(name="table", query="select 1")


def _run_suite(warehouse: Warehouse, table: str, expectations: Sequence[Expectation]) -> list[Any]:
    """Run expectations on a table, inside DuckDB; results in the order of the expectations."""
    import great_expectations as gx

    for place, expectation in enumerate(expectations):
        expectation.meta = {"place": place}
    asset = _asset()
    asset.query = f"select * from {table}"
    source = asset.datasource
    source.on_cursor(warehouse.cursor)
    try:
        batch = asset.get_batch(asset.build_batch_request())
        suite = gx.ExpectationSuite(name=table, expectations=list(expectations))
        results = batch.validate(suite, result_format="BASIC").results
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
    observed = values.get("observed_value")
    return Finding(
        table_name=contract.name,
        check_name=promise.name,
        column_name=None,
        rule=promise.rule,
        severity="error",
        is_passed=bool(result.success),
        checked_rows=values.get("element_count"),
        failed_rows=values.get("unexpected_count"),
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
