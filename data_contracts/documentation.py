"""The reference page of all contracts, as Markdown in English and Chinese.

Belongs here: the layout of that page. Must not be here: any promise; they come from the contracts.

``python -m data_contracts.documentation > docs/reference/contracts.md`` writes it anew.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator

from data_contracts.model import Column, Contract
from data_contracts.reader import landing_contracts, published_contracts
from data_contracts.rules import PLAIN_TEXT

_HEAD = """# Data contracts / 数据契约

Generated from `data_contracts/`; change the contract, then run
`python -m data_contracts.documentation > docs/reference/contracts.md`.
由 `data_contracts/` 生成：请修改契约后重新运行上述命令。

Times are UTC without a zone. Texts lose spaces at both ends, and an empty text counts as null. Ranges include
both ends. Rows that break a promise are kept apart, each with its reasons; a condition that is null breaks no rule.
时间均为不带时区的 UTC。文本去除首尾空格，空文本视为空值。范围包含端点。
违反约定的行连同原因单独存放；条件因空值而无法判断时不算违反。
"""


_COLUMN_HEAD = ("Column", "Type", "Promise", "Meaning", "含义")


def documentation() -> str:
    """The whole page: landing sources first, then published tables."""
    parts = [_HEAD, "## Landing sources / 来源", *(_section(contract) for contract in landing_contracts())]
    parts += ["## Published tables / 发布表", *(_section(contract) for contract in published_contracts())]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _section(contract: Contract) -> str:
    blocks = [
        f"### {contract.name}",
        f"**{contract.title_en} / {contract.title_zh}**\n\n{contract.description_en}\n\n{contract.description_zh}",
        "\n".join(f"- {fact}" for fact in _facts(contract)),
        _table(_COLUMN_HEAD, (_row(contract, column) for column in contract.columns)),
    ]
    if contract.rules:
        rules = ((f"`{rule.name}`", f"`{rule.condition}`", rule.text_en, rule.text_zh) for rule in contract.rules)
        blocks.append(_table(("Rule", "Condition", "Text", "说明"), rules))
    if contract.settings:
        settings = (
            (f"`{name}`", f"`{json.dumps(value)}`", contract.settings_help[name])
            for name, value in contract.settings.items()
        )
        blocks.append(_table(("Setting", "Value", "Meaning / 含义"), settings))
    return "\n\n".join(blocks)


def _facts(contract: Contract) -> Iterator[str]:
    yield f"Owner / 负责团队: {contract.owner}"
    yield f"Key / 主键: {', '.join(f'`{name}`' for name in contract.key)}"
    if contract.is_required:
        yield "The night cannot run without it. / 缺少该来源则无法运行。"
    if contract.event_at:
        yield f"Speaks of / 事件时间: `{contract.event_at}`"
    if contract.freshness_days is not None:
        yield f"Late after / 超过此天数视为迟到: {contract.freshness_days} d"
    if contract.maximum_rows is not None:
        yield f"Rows / 行数: {contract.minimum_rows} to {contract.maximum_rows}"
    elif contract.minimum_rows:
        yield f"Rows / 行数: at least {contract.minimum_rows}"
    if contract.kind == "landing":
        yield f"Share of rows that may be refused / 允许拒收的行比例: {contract.max_quarantined_share:g}"


def _row(contract: Contract, column: Column) -> tuple[str, ...]:
    promise = "; ".join(_promises(contract, column))
    return f"`{column.name}`", column.type, promise, column.description_en, column.description_zh


def _promises(contract: Contract, column: Column) -> Iterator[str]:
    if not column.is_loaded:
        yield "never loaded"
    if column.is_required:
        yield "key" if column.name in contract.key else "required"
    if column.default is not None:
        yield f"default {column.default}"
    if column.allowed:
        yield "one of " + ", ".join(column.allowed)
    if column.minimum is not None:
        yield f"≥ {column.minimum}"
    if column.maximum is not None:
        yield f"≤ {column.maximum}"
    if column.max_length is not None:
        yield f"≤ {column.max_length} characters"
    if column.pattern is not None:
        yield "no control characters" if column.pattern == PLAIN_TEXT else f"`{column.pattern}`"
    if column.years_ahead:
        yield f"≤ {column.years_ahead} years ahead"
    yield column.classification


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


if __name__ == "__main__":
    sys.stdout.reconfigure(encoding="utf-8")  # type: ignore[union-attr]  # a text stream when run as a program
    sys.stdout.write(documentation())
