"""Delivery checks: the account of what was delivered, as findings in words.

Belongs here: files that could not be read, rows that are missing from the account, too many refused rows, columns that
nobody agreed on, deliveries that are late. Must not be here: what a row must hold (see ``contract_checks``).
"""

from collections.abc import Iterator
from datetime import date

from data_contracts import Contract
from pipelines.findings import Finding
from pipelines.loading import LoadReport
from pipelines.warehouse import Warehouse


def delivery_findings(warehouse: Warehouse, contract: Contract, report: LoadReport, as_of: date) -> list[Finding]:
    """What can be said of a source's deliveries up to a day, after loading them."""
    return [
        *_readable(report),
        *_present(warehouse, contract, as_of),
        _account(warehouse, contract, as_of),
        *_quarantine(warehouse, contract, as_of),
        *_drift(report),
        *_freshness(warehouse, contract, as_of),
    ]


def _readable(report: LoadReport) -> Iterator[Finding]:
    for place, failure in enumerate(report.failures or [""], start=1):
        zh = "每个交付文件都可读取" if not failure else f"文件无法读取：{failure}"
        yield _finding(
            report.source, f"readable_{place}", not failure, failure or "every delivered file could be read", zh
        )


def _present(warehouse: Warehouse, contract: Contract, as_of: date) -> Iterator[Finding]:
    if contract.is_required:
        rows = warehouse.value(f"select count(*) from raw.{contract.name} where load_date <= ?", (as_of,))
        text = f"{contract.name} must be there: without it there are no scores; put files into {contract.name}/"
        zh = f"必须有 {contract.name} 数据：没有它就无法评分；请将文件放入 {contract.name}/"
        yield _finding(contract.name, "present", rows > 0, text, zh, checked=rows)


def _account(warehouse: Warehouse, contract: Contract, as_of: date) -> Finding:
    """Rows read are rows accepted and rows refused: in the ledger, and in the tables themselves."""
    source = contract.name
    read, accepted, refused = warehouse.run(
        "select coalesce(sum(rows_read), 0)::bigint, coalesce(sum(rows_accepted), 0)::bigint,"
        " coalesce(sum(rows_quarantined), 0)::bigint from meta.loads where source = ? and load_date <= ?",
        (source, as_of),
    )[0]
    in_raw = warehouse.value(f"select count(*) from raw.{source} where load_date <= ?", (as_of,))
    in_quarantine = warehouse.value(f"select count(*) from quarantine.{source} where load_date <= ?", (as_of,))
    is_passed = read == accepted + refused and accepted == in_raw and refused == in_quarantine
    observed = f"read {read}, accepted {accepted} (table: {in_raw}), quarantined {refused} (table: {in_quarantine})"
    return _finding(
        source,
        "account",
        is_passed,
        "rows read = rows accepted + rows quarantined",
        "读取行数 = 接受行数 + 隔离行数",
        observed,
        read,
    )


def _quarantine(warehouse: Warehouse, contract: Contract, as_of: date) -> Iterator[Finding]:
    """The share of refused rows: one finding for each delivery day over the limit, or one that all is well."""
    limit = contract.max_quarantined_share
    rows = warehouse.run(
        "select load_date, sum(rows_read)::bigint as read, sum(rows_quarantined)::bigint as refused from meta.loads"
        " where source = ? and load_date <= ? group by load_date"
        " having refused > ? * read order by load_date",
        (contract.name, as_of, limit),
    )
    for day, read, refused in rows:
        text = (
            f"{contract.name} of {day}: {refused} of {read} rows are in quarantine, more than {limit:.0%};"
            f" mend the file and deliver it again (rows: quarantine.{contract.name})"
        )
        zh = (
            f"{contract.name} {day}：{read} 行中有 {refused} 行被隔离，超过 {limit:.0%}；"
            f"请修正文件后重新交付（见 quarantine.{contract.name}）"
        )
        yield _finding(contract.name, f"quarantine_{day}", False, text, zh, f"{refused / read:.1%}", read, refused)
    if not rows:
        text = f"at most {limit:.0%} of the rows of a delivery are in quarantine"
        yield _finding(contract.name, "quarantine", True, text, f"每次交付被隔离的行不超过 {limit:.0%}")


def _drift(report: LoadReport) -> Iterator[Finding]:
    for column, file in sorted(report.unknown_columns.items()):
        text = f"{file}: column {column!r} is not in the contract and was not loaded; add it there if it is needed"
        zh = f"{file}：列 {column!r} 不在合同中，未加载；如需要请加入合同"
        yield _finding(report.source, f"unknown_column_{column}", False, text, zh, severity="warning")
    for place, stray in enumerate(report.strays, start=1):
        yield _finding(report.source, f"stray_{place}", False, stray, f"未加载：{stray}", severity="warning")


def _freshness(warehouse: Warehouse, contract: Contract, as_of: date) -> Iterator[Finding]:
    newest = warehouse.value(
        "select max(load_date) from meta.loads where source = ? and load_date <= ?", (contract.name, as_of)
    )
    if contract.freshness_days is None or newest is None:
        return
    age = (as_of - newest).days
    text = f"the newest delivery is at most {contract.freshness_days} days old"
    zh = f"最近一次交付不早于 {contract.freshness_days} 天前"
    yield _finding(
        contract.name, "freshness", age <= contract.freshness_days, text, zh, f"{age} days", severity="warning"
    )


def _finding(
    source: str,
    name: str,
    is_passed: bool,
    text_en: str,
    text_zh: str,
    observed: str | None = None,
    checked: int | None = None,
    failed: int | None = None,
    severity: str = "error",
) -> Finding:
    rule = name.split("_")[0]
    return Finding(source, name, None, rule, severity, is_passed, checked, failed, observed, text_en, text_zh)
