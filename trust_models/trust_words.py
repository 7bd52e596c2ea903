"""The words for a reason, in English and Chinese.

Belongs here: one phrase a stream and outcome, and how counts go into it.
Must not be here: numbers of any kind other than the counts and contributions given.
"""

from __future__ import annotations

from typing import NamedTuple

import polars as pl

from trust_models.streams import QUESTIONED_DIMENSIONS, STREAMS


class Words(NamedTuple):
    """What a stream's trials are called, and what is said of those that failed and of those that went well."""

    one: str
    many: str
    failed: str
    succeeded: str


ENGLISH = {
    "order_sound": Words(
        "order", "orders", "had a fault or a quality complaint", "had no fault and no quality complaint"
    ),
    "promise_kept": Words("delivery", "deliveries", "missed the promised date", "came by the promised date"),
    "complaint_answered": Words("complaint", "complaints", "got no answer in time", "got an answer in time"),
    "complaint_resolved": Words(
        "complaint", "complaints", "found no lasting solution in time", "found a lasting solution in time"
    ),
    "order_unquestioned_reputation": Words(
        "order",
        "orders",
        "led to a complaint about the company's reputation",
        "led to no complaint about the company's reputation",
    ),
    "order_unquestioned_transparency": Words(
        "order",
        "orders",
        "led to a complaint about unclear information",
        "led to no complaint about unclear information",
    ),
    "order_unquestioned_values": Words(
        "order",
        "orders",
        "led to a complaint about the company's values",
        "led to no complaint about the company's values",
    ),
    "came_back": Words(
        "order",
        "orders",
        "brought no further order in the usual time",
        "brought a further order in the usual time",
    ),
    "came_back_after_failure": Words(
        "bad experience",
        "bad experiences",
        "kept the customer from ordering again in the usual time",
        "did not keep the customer from ordering again in the usual time",
    ),
}

CHINESE = {
    "order_sound": Words("个订单", "个订单", "出现质量问题或质量投诉", "没有质量问题或质量投诉"),
    "promise_kept": Words("次配送", "次配送", "晚于承诺日期", "按承诺日期送达"),
    "complaint_answered": Words("次投诉", "次投诉", "未及时得到答复", "及时得到答复"),
    "complaint_resolved": Words("次投诉", "次投诉", "未及时得到妥善解决", "及时得到妥善解决"),
    "order_unquestioned_reputation": Words("个订单", "个订单", "引起关于企业声誉的投诉", "没有引起关于企业声誉的投诉"),
    "order_unquestioned_transparency": Words(
        "个订单", "个订单", "引起关于信息不透明的投诉", "没有引起关于信息不透明的投诉"
    ),
    "order_unquestioned_values": Words("个订单", "个订单", "引起关于企业价值观的投诉", "没有引起关于企业价值观的投诉"),
    "came_back": Words("个订单", "个订单", "没有在往常的间隔内带来下一单", "在往常的间隔内带来了下一单"),
    "came_back_after_failure": Words(
        "次不愉快的经历", "次不愉快的经历", "使客户没有在往常的间隔内再次下单", "没有妨碍客户在往常的间隔内再次下单"
    ),
}


QUIET_STREAMS = (
    "order_sound",
    *(f"order_unquestioned_{dimension}" for dimension in QUESTIONED_DIMENSIONS),
    "came_back_after_failure",
)
"""Streams that go well where nothing happens: of many trials, people say that none of them failed."""

AWAITED_STREAMS = ("complaint_answered", "complaint_resolved", "came_back")
"""Streams that go badly where nothing happens: of many trials, people say that none of them went well."""


def sentences() -> tuple[pl.Expr, pl.Expr]:
    """English and Chinese sentence of a reason, from the columns driver, contribution, trials and failures.

    A reason that lowers the score speaks of what failed, one that raises it of what went well, as far as there was any.
    """
    contribution = pl.col("contribution")
    speaks_of_failures = (pl.col("failures") > 0) & ((contribution < 0) | (pl.col("failures") == pl.col("trials")))
    told = pl.when(speaks_of_failures).then(pl.col("failures")).otherwise(pl.col("trials") - pl.col("failures"))
    driver = pl.col("driver").cast(pl.String)
    none_failed = ~speaks_of_failures & (pl.col("failures") == 0) & driver.is_in(QUIET_STREAMS)
    none_went_well = speaks_of_failures & (pl.col("failures") == pl.col("trials")) & driver.is_in(AWAITED_STREAMS)
    is_none, missing = none_failed | none_went_well, _predicate(ENGLISH, none_failed)
    english = pl.concat_str(
        pl.when(is_none & (pl.col("trials") == 2))
        .then(pl.format("Neither of the 2 {} {}", _word(ENGLISH, "many"), missing))
        .when(is_none & (pl.col("trials") > 2))
        .then(pl.format("None of the {} {} {}", "trials", _word(ENGLISH, "many"), missing))
        .otherwise(pl.format("{} {}", _english_subject(told), _predicate(ENGLISH, speaks_of_failures))),
        _english_effect(),
        separator=" ",
    )
    chinese = pl.concat_str(_chinese_subject(told), _predicate(CHINESE, speaks_of_failures), _chinese_effect())
    return english, chinese


def _english_subject(told: pl.Expr) -> pl.Expr:
    """“The only order”, “All 7 orders”, “2 of 7 orders”."""
    trials, many = pl.col("trials"), _word(ENGLISH, "many")
    return (
        pl.when(trials == 1)
        .then(pl.format("The only {}", _word(ENGLISH, "one")))
        .when((told == trials) & (trials == 2))
        .then(pl.format("Both {}", many))
        .when(told == trials)
        .then(pl.format("All {} {}", trials, many))
        .otherwise(pl.format("{} of {} {}", told, trials, many))
    )


def _chinese_subject(told: pl.Expr) -> pl.Expr:
    """“仅有的 1 个订单”, “全部 7 个订单”, “7 个订单中有 2 个”; the classifier is the first character of the noun."""
    trials, noun = pl.col("trials"), _word(CHINESE, "many")
    return (
        pl.when(trials == 1)
        .then(pl.format("仅有的 1 {}", noun))
        .when(told == trials)
        .then(pl.format("全部 {} {}均", trials, noun))
        .otherwise(pl.format("{} {}中有 {} {}", trials, noun, told, noun.str.slice(0, 1)))
    )


def _predicate(language: dict[str, Words], speaks_of_failures: pl.Expr) -> pl.Expr:
    return pl.when(speaks_of_failures).then(_word(language, "failed")).otherwise(_word(language, "succeeded"))


def _word(language: dict[str, Words], kind: str) -> pl.Expr:
    """The word of each row's stream."""
    words = [getattr(language[stream], kind) for stream in STREAMS]
    return pl.col("driver").replace_strict(list(STREAMS), words, return_dtype=pl.String)


def _english_effect() -> pl.Expr:
    return pl.format("({})", signed())


def _chinese_effect() -> pl.Expr:
    return pl.format("（{}）", signed())


def signed() -> pl.Expr:
    """Contribution with its sign and one decimal: “+6.1”, “−6.1”, “±0.0”."""
    tenths = (pl.col("contribution") * 10.0).round().cast(pl.Int64)
    sign = pl.when(tenths > 0).then(pl.lit("+")).when(tenths < 0).then(pl.lit("−")).otherwise(pl.lit("±"))
    return pl.format("{}{}.{}", sign, tenths.abs() // 10, tenths.abs() % 10)
