"""The row rules of a contract: each promise about one row as a cheap SQL condition and a sentence in two languages.

Belongs here: which rules a column has, their order, conditions and texts. Must not be here: what happens to a row that
breaks one. A condition is violated only where it is false: null passes, for what is not known breaks no rule but
``required``.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from datetime import date, datetime
from types import MappingProxyType

from data_contracts.casting import cast_source, identifier, is_blank, limit_literal, text_literal, texts_literal
from data_contracts.model import Column, ColumnType, Contract, CrossRule, Limit, RowRule

PLAIN_TEXT = r"^[^\x00-\x1F\x7F]*$"
"""The pattern of a text without control characters (NUL, tab, line breaks …)."""

_NULL_SENSITIVE = re.compile(r"\b(is|and|not|case|coalesce|ifnull|between|in)\b", re.IGNORECASE)

_TYPE_TEXTS: Mapping[ColumnType, tuple[str, str]] = MappingProxyType(
    {
        "DOUBLE": (
            "is not a number: write digits with a point as decimal sign and no thousands separator, e.g. 1234.5",
            "不是数字：请写数字，用点作小数点，不加千位分隔符，例如 1234.5",
        ),
        "BIGINT": ("is not a whole number: write digits only, e.g. 3", "不是整数：请只写数字，例如 3"),
        "BOOLEAN": ("is neither true nor false: write true or false", "不是真假值：请写 true 或 false"),
        "DATE": ("is not a date: write year-month-day, e.g. 2024-12-31", "不是日期：请按年-月-日书写，例如 2024-12-31"),
        "TIMESTAMP": (
            "is not a time: write it in UTC or with its offset, e.g. 2024-12-31T23:59:59+08:00",
            "不是时间：请写 UTC 时间或带时区偏移，例如 2024-12-31T23:59:59+08:00",
        ),
    }
)


def row_rules(contract: Contract, present: Collection[str]) -> tuple[RowRule, ...]:
    """The rules that every row of a delivery is held to.

    Parameters
    ----------
    contract : Contract
        What the source promises.
    present : collection of str
        Columns that the delivered file has. Of an absent column only ``required`` can be broken.

    Returns
    -------
    tuple of RowRule
        By column: type, required, finite, range, allowed, length, pattern, future; then the cross-column rules.
    """
    rules: list[RowRule] = []
    for column in contract.loaded:
        if column.name in present:
            rules += _rules_of(column)
        elif column.is_required and column.default is None:
            rules.append(_rule(column, "required", "false", *_required_texts()))
    return (*rules, *(_cross(rule) for rule in contract.rules if _can_fail(rule, contract, present)))


def _rules_of(column: Column) -> Iterator[RowRule]:
    yield from _type(column)
    yield from _required(column)
    yield from _finite(column)
    yield from _range(column)
    yield from _allowed(column)
    yield from _length(column)
    yield from _pattern(column)
    yield from _future(column)


def _rule(column: Column, name: str, condition: str, text_en: str, text_zh: str) -> RowRule:
    texts = (f"{column.name} {text_en}", f"{column.name} {text_zh}")
    return RowRule(f"{column.name}_{name}", column.name, condition, *texts)


def _type(column: Column) -> Iterator[RowRule]:
    if column.type != "VARCHAR":
        value = identifier(column.name) if column.default is None else cast_source(column)
        condition = f"CASE WHEN {value} IS NULL THEN {is_blank(column)} ELSE true END"
        yield _rule(column, "type", condition, *_TYPE_TEXTS[column.type])


def _required(column: Column) -> Iterator[RowRule]:
    if column.is_required and column.default is None:
        value = identifier(column.name)
        is_given = f"CASE WHEN {value} IS NULL THEN NOT {is_blank(column)} ELSE true END"
        condition = f"{value} IS NOT NULL" if column.type == "VARCHAR" else is_given
        yield _rule(column, "required", condition, *_required_texts())


def _required_texts() -> tuple[str, str]:
    return "is missing: every row needs it", "缺失：每一行都必须填写"


def _finite(column: Column) -> Iterator[RowRule]:
    if column.type == "DOUBLE":
        text_en = "is not a finite number (NaN or infinity): write a number" + _or_nothing(column, "en")
        text_zh = "不是有限数（NaN 或无穷大）：请写数字" + _or_nothing(column, "zh")
        yield _rule(column, "finite", f"isfinite({identifier(column.name)})", text_en, text_zh)


def _or_nothing(column: Column, language: str) -> str:
    if column.is_required:
        return ""
    return {"en": ", or nothing where it is not known", "zh": "，未知则留空"}[language]


def _range(column: Column) -> Iterator[RowRule]:
    bounds = (("at least", "不小于", ">=", column.minimum), ("at most", "不大于", "<=", column.maximum))
    given = [(en, zh, sign, limit) for en, zh, sign, limit in bounds if limit is not None]
    if given:
        condition = " AND ".join(f"{identifier(column.name)} {sign} {limit_literal(v)}" for _, _, sign, v in given)
        text_en = "must be " + " and ".join(f"{en} {_shown(limit)}" for en, _, _, limit in given)
        text_zh = "必须" + "且".join(f"{zh} {_shown(limit)}" for _, zh, _, limit in given)
        yield _rule(column, "range", condition, text_en, text_zh)


def _shown(limit: Limit) -> str:
    if isinstance(limit, datetime) and limit.time() == datetime.min.time():
        return limit.date().isoformat()
    return limit.isoformat() if isinstance(limit, date) else str(limit)


def _allowed(column: Column) -> Iterator[RowRule]:
    if column.allowed:
        condition = f"{identifier(column.name)} IN {texts_literal(column.allowed)}"
        text_en = f"must be one of {', '.join(column.allowed)} (spelt exactly so)"
        text_zh = f"必须是以下之一（拼写须完全一致）：{'、'.join(column.allowed)}"
        yield _rule(column, "allowed", condition, text_en, text_zh)


def _length(column: Column) -> Iterator[RowRule]:
    if column.max_length is not None:
        condition = f"length({identifier(column.name)}) <= {column.max_length}"
        text_en = f"must be at most {column.max_length} characters long: is a separator or a quote missing?"
        text_zh = f"最多 {column.max_length} 个字符：是否缺少分隔符或引号？"
        yield _rule(column, "length", condition, text_en, text_zh)


def _pattern(column: Column) -> Iterator[RowRule]:
    if column.pattern is None:
        return
    condition = f"regexp_matches({identifier(column.name)}, {text_literal(column.pattern)})"
    if column.pattern == PLAIN_TEXT:
        text_en = "must not contain control characters (NUL, tab, line break): remove them"
        yield _rule(column, "pattern", condition, text_en, "不得包含控制字符（NUL、制表符、换行）：请删除")
    else:
        text_en = f"must look like {column.example or column.pattern} (pattern {column.pattern})"
        text_zh = f"格式必须如 {column.example or column.pattern}（规则 {column.pattern}）"
        yield _rule(column, "pattern", condition, text_en, text_zh)


def _future(column: Column) -> Iterator[RowRule]:
    if column.years_ahead is None:
        return
    value = identifier(column.name)
    if column.years_ahead == 0:
        text_en = "must not lie after the delivery day: check time zone and order of day and month"
        text_zh = "不得晚于交付日：请检查时区以及日月顺序"
        yield _rule(column, "future", f"{value} < delivered_end", text_en, text_zh)
    else:
        condition = f"{value} < delivered_end + INTERVAL {column.years_ahead} YEAR"
        text_en = f"must not lie more than {column.years_ahead} years after the delivery day: check the year"
        text_zh = f"不得晚于交付日之后 {column.years_ahead} 年：请检查年份"
        yield _rule(column, "future", condition, text_en, text_zh)


def _cross(rule: CrossRule) -> RowRule:
    return RowRule(rule.name, None, rule.condition, rule.text_en, rule.text_zh)


def _can_fail(rule: CrossRule, contract: Contract, present: Collection[str]) -> bool:
    filled = {column.name for column in contract.loaded if column.name in present or column.default is not None}
    return filled.issuperset(rule.columns) or _NULL_SENSITIVE.search(rule.condition) is not None
