"""Delivery checks: the account of what was delivered, as findings in words.

Belongs here: files that could not be read, rows that are missing from the account, too many refused rows, columns that
nobody agreed on, deliveries that are late. Must not be here: what a row must hold (see ``contract_checks``).
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import date

from data_contracts import Contract
from pipelines.checks.findings import Finding, kept, one_line
from pipelines.ingest.accepting import LoadReport
from pipelines.ingest.landing import Texts
from pipelines.ingest.names import nearest, shown
from pipelines.warehouse import Warehouse

_MOST_TOLD = 20


def delivery_findings(warehouse: Warehouse, contract: Contract, report: LoadReport, as_of: date) -> list[Finding]:
    """What can be said of a source's deliveries up to a day, after loading them."""
    return [
        *_readable(report),
        *_present(warehouse, contract, as_of),
        _account(warehouse, contract, as_of),
        *_quarantine(warehouse, contract, as_of),
        *_drift(warehouse, contract, report, as_of),
        *_freshness(warehouse, contract, as_of),
    ]


def _readable(report: LoadReport) -> Iterator[Finding]:
    if not report.failures:
        texts = "every delivered file could be read", "每个交付文件都可读取"
        yield _finding(report.source, "readable", "readable", True, *texts)
    for place, texts in enumerate(report.failures, start=1):
        yield _finding(report.source, f"readable_{place}", "readable", False, *texts)


def _present(warehouse: Warehouse, contract: Contract, as_of: date) -> Iterator[Finding]:
    if contract.is_required:
        rows = warehouse.value(f"select count(*) from raw.{contract.name} where load_date <= ?", (as_of,))
        text = f"{contract.name} must be there: without it there are no scores; put files into {contract.name}/"
        zh = f"必须有 {contract.name} 数据：没有它就无法评分；请将文件放入 {contract.name}/"
        yield _finding(contract.name, "present", "present", rows > 0, text, zh, checked=rows)


def _account(warehouse: Warehouse, contract: Contract, as_of: date) -> Finding:
    """Rows read are rows accepted, refused or of erased persons: in the ledger, and in the tables themselves."""
    source = contract.name
    sums = ("read", "accepted", "quarantined", "erased", "expired")
    read, accepted, refused, erased, expired = warehouse.run(
        f"select {', '.join(f'coalesce(sum(rows_{name}), 0)::bigint' for name in sums)} from meta.loads"
        " where source = ? and load_date <= ?",
        (source, as_of),
    )[0]
    in_raw = warehouse.value(f"select count(*) from raw.{source} where load_date <= ?", (as_of,))
    in_quarantine = warehouse.value(f"select count(*) from quarantine.{source} where load_date <= ?", (as_of,))
    is_passed = read == accepted + refused + erased and accepted == in_raw and refused - expired == in_quarantine
    observed = (
        f"read {read}, accepted {accepted} (table: {in_raw}), quarantined {refused} (table: {in_quarantine})"
        + (f", erased {erased}" if erased else "")
        + (f", expired {expired}" if expired else "")
    )
    text = f"every row of {source} that was read is either accepted or in quarantine, and is still there"
    zh = f"{source} 读取的每一行要么被接受，要么被隔离，且仍在表中"
    return _finding(source, "account", "account", is_passed, text, zh, observed, read)


def _quarantine(warehouse: Warehouse, contract: Contract, as_of: date) -> Iterator[Finding]:
    """The share of refused rows: one finding for each delivery day over the limit, or one that all is well."""
    limit = contract.max_quarantined_share
    rows = warehouse.run(
        "select load_date, sum(rows_read)::bigint as read, sum(rows_quarantined)::bigint as refused from meta.loads"
        " where source = ? and load_date <= ? group by load_date"
        " having refused / read > ? order by load_date",
        (contract.name, as_of, limit),
    )
    most = f"{100 * limit:g}%"
    for day, read, refused in rows:
        text = (
            f"{contract.name} of {day}: {refused} of {read} rows are in quarantine, more than {most};"
            f" mend the file and deliver it again (rows and reasons: quarantine.{contract.name})"
        )
        zh = (
            f"{contract.name} {day}：{read} 行中有 {refused} 行被隔离，超过 {most}；"
            f"请修正文件后重新交付（行与原因见 quarantine.{contract.name}）"
        )
        share = f"{refused / read:.2%}"
        yield _finding(contract.name, f"quarantine_{day}", "quarantine", False, text, zh, share, read, refused)
    if not rows:
        text = f"at most {most} of the rows of a delivery are in quarantine"
        yield _finding(contract.name, "quarantine", "quarantine", True, text, f"每次交付被隔离的行不超过 {most}")


def _drift(warehouse: Warehouse, contract: Contract, report: LoadReport, as_of: date) -> Iterator[Finding]:
    """Columns and files that nobody agreed on; a night that is run again, with nothing to load, keeps what it said."""
    if not (report.days or report.unknown_columns):
        yield from (
            found for found in kept(warehouse, as_of, "delivery", report.source) if found.rule == "unknown_column"
        )
    columns = [(name, _unknown(contract, name, file)) for name, file in sorted(report.unknown_columns.items())]
    for place, (name, texts) in enumerate(_some(columns, _more_columns), start=1):
        check = f"unknown_column_{place}"
        yield _finding(
            report.source, check, "unknown_column", False, *texts, severity="warning", column=name and shown(name)
        )
    strays = [(None, texts) for texts in report.strays]
    for place, (_, texts) in enumerate(_some(strays, _more_strays), start=1):
        yield _finding(report.source, f"stray_{place}", "stray", False, *texts, severity="warning")


def _unknown(contract: Contract, column: str, file: str) -> Texts:
    name, meant = shown(column), nearest(column, [agreed.name for agreed in contract.columns])
    if meant:
        return (
            f"{file}: column '{name}' is not in the contract and was not loaded; is it {meant}? rename it, or add it",
            f"{file}：列 '{name}' 不在契约中，未加载；是否应为 {meant}？请改名，或加入契约",
        )
    return (
        f"{file}: column '{name}' is not in the contract and was not loaded; add it there if it is needed",
        f"{file}：列 '{name}' 不在契约中，未加载；如需要请加入契约",
    )


def _some(told: Sequence[tuple[str | None, Texts]], more: Callable[[int], Texts]) -> list[tuple[str | None, Texts]]:
    """At most so many as a person reads; of the others, how many they are."""
    left = len(told) - _MOST_TOLD
    return [*told[:_MOST_TOLD], (None, more(left))] if left > 0 else list(told)


def _more_columns(count: int) -> Texts:
    return f"{count} more columns are not in the contract and were not loaded", f"另有 {count} 列不在契约中，未加载"


def _more_strays(count: int) -> Texts:
    return f"{count} more entries of the folder were not loaded", f"文件夹中另有 {count} 项未加载"


def _freshness(warehouse: Warehouse, contract: Contract, as_of: date) -> Iterator[Finding]:
    newest = warehouse.value(
        "select max(load_date) from meta.loads where source = ? and load_date <= ?", (contract.name, as_of)
    )
    if contract.freshness_days is None or newest is None:
        return
    age, agreed = (as_of - newest).days, contract.freshness_days
    if age <= agreed:
        text, zh = f"the newest delivery is at most {agreed} days old", f"最近一次交付距今不超过 {agreed} 天"
    else:
        text = (
            f"{contract.name}: the newest delivery is of {newest}, {age} days before {as_of}, and at most {agreed} are"
            f" agreed; ask {contract.owner} for the missing days"
        )
        zh = (
            f"{contract.name}：最近一次交付为 {newest}，早于 {as_of} {age} 天，约定不超过 {agreed} 天；"
            f"请向 {contract.owner} 索取缺失的交付"
        )
    observed = f"newest delivery: {newest}"
    yield _finding(contract.name, "freshness", "freshness", age <= agreed, text, zh, observed, severity="warning")


def _finding(
    source: str,
    name: str,
    rule: str,
    is_passed: bool,
    text_en: str,
    text_zh: str,
    observed: str | None = None,
    checked: int | None = None,
    failed: int | None = None,
    severity: str = "error",
    column: str | None = None,
) -> Finding:
    texts = one_line(text_en), one_line(text_zh)
    return Finding(source, name, column, rule, severity, is_passed, checked, failed, observed, *texts)
