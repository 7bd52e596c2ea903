"""A churn reason in plain words, with the customer's own numbers.

Belongs here: for each driver one English and one Chinese sentence, as expressions over the features frame.
Must not be here: how much a driver contributes (``churn_model``).

A sentence states what was seen; whether that raises or lowers the risk is the sign of its contribution.
"""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

Sentence = tuple[pl.Expr, pl.Expr]


def sentences(*, window_days: int) -> Mapping[str, Sentence]:
    """Driver → (English, Chinese), both String expressions that are never null.

    Parameters
    ----------
    window_days : int
        The window of the trend features.
    """
    words = {
        "silence": _silence(),
        "frequency": _frequency(),
        "trend": _trend(window_days),
        "spending": _spending(),
        "variety": _variety(),
        "season": _season(),
        "delivery": _delivery(),
        "returns": _returns(),
        "complaints": _complaints(),
        "tenure": _tenure(),
        "segment": _segment(),
        "other": (pl.lit("Other recorded behaviour"), pl.lit("其他记录的行为")),
    }
    return {driver: (en.fill_null("Not recorded"), zh.fill_null("未记录")) for driver, (en, zh) in words.items()}


def _count(number: pl.Expr, singular: str, plural: str) -> pl.Expr:
    whole = number.cast(pl.Int64)
    return pl.format("{} {}", whole, pl.when(whole == 1).then(pl.lit(singular)).otherwise(pl.lit(plural)))


def _either(condition: pl.Expr, then: Sentence, otherwise: Sentence) -> Sentence:
    english, chinese = (pl.when(condition).then(yes).otherwise(no) for yes, no in zip(then, otherwise, strict=True))
    return english, chinese


def _money(amount: pl.Expr) -> pl.Expr:
    return pl.format("{}", amount.round(2))


def _silence() -> Sentence:
    days, usual = pl.col("recency_days"), (pl.col("active_span_days") / pl.col("repeat_purchase_days")).round(0)
    usual = usual.clip(lower_bound=1)
    gone: Sentence = _either(
        days == 0,
        (pl.lit("Bought on the last day"), pl.lit("当天有购买")),
        (pl.format("No purchase for {}", _count(days, "day", "days")), pl.format("已 {} 天未购买", days)),
    )
    english = (
        pl.when(pl.col("repeat_purchase_days") == 0).then(pl.lit("bought on one day only"))
        .when(usual == 1).then(pl.lit("usually every day"))
        .otherwise(pl.format("usually every {} days", usual.fill_nan(0).cast(pl.Int64, strict=False).fill_null(0)))
    )  # fmt: skip
    chinese = (
        pl.when(pl.col("repeat_purchase_days") == 0).then(pl.lit("只在一天购买过"))
        .otherwise(pl.format("通常每 {} 天购买一次", usual.fill_nan(0).cast(pl.Int64, strict=False).fill_null(0)))
    )  # fmt: skip
    return pl.format("{}; {}", gone[0], english), pl.format("{}；{}", gone[1], chinese)


def _frequency() -> Sentence:
    bought, tenure = pl.col("purchase_days"), pl.col("tenure_days") + 1
    return (
        pl.format("Bought on {} within {}", _count(bought, "day", "days"), _count(tenure, "day", "days")),
        pl.format("{} 天内有 {} 天购买", tenure, bought),
    )


def _trend(window: int) -> Sentence:
    last, before = pl.col(f"orders_last_{window}d"), pl.col(f"orders_previous_{window}d")
    return (
        pl.format(
            f"{{}} in the last {window} days, {{}} in the {window} days before", _count(last, "order", "orders"), before
        ),
        pl.format(f"最近 {window} 天 {{}} 笔订单，之前 {window} 天 {{}} 笔", last, before),
    )


def _spending() -> Sentence:
    mean, last = _money(pl.col("order_amount_mean")), _money(pl.col("order_amount_last"))
    return _either(
        pl.col("order_amount_mean").is_null(),
        (pl.lit("Amounts of the orders are not known"), pl.lit("订单金额未知")),
        (pl.format("Spends {} an order on average; the last was {}", mean, last),
         pl.format("平均每单 {}；最近一单 {}", mean, last)),
    )  # fmt: skip


def _variety() -> Sentence:
    mean = pl.col("products_mean").round(1)
    return _either(
        pl.col("products_mean").fill_null(0) > 0,
        (pl.format("Buys {} different products an order on average", mean), pl.format("平均每单购买 {} 种商品", mean)),
        (pl.format("Has bought from {}", _count(pl.col("categories"), "category", "categories")),
         pl.format("购买过 {} 个品类", pl.col("categories"))),
    )  # fmt: skip


def _season() -> Sentence:
    orders = pl.col("orders_same_season")
    return _either(
        orders.is_null(),
        (pl.lit("Not yet a customer at this season a year ago"), pl.lit("去年同期还不是客户")),
        (pl.format("{} at this season a year ago", _count(orders, "order", "orders")),
         pl.format("去年同期 {} 笔订单", orders)),
    )  # fmt: skip


def _delivery() -> Sentence:
    late, due = pl.col("orders_late"), pl.col("promises_due")
    return _either(
        due == 0,
        (pl.lit("No promised delivery was due so far"), pl.lit("尚无到期的交付承诺")),
        (pl.format("{} of {} not delivered by the promised date", late, _count(due, "order", "orders")),
         pl.format("{} 笔应交付订单中有 {} 笔未按承诺日期送达", due, late)),
    )  # fmt: skip


def _returns() -> Sentence:
    returned, orders = pl.col("orders_returned"), pl.col("orders")
    return (
        pl.format("{} of {} returned or cancelled in part or whole", returned, _count(orders, "order", "orders")),
        pl.format("{} 笔订单中有 {} 笔退货或取消（部分或全部）", orders, returned),
    )


def _complaints() -> Sentence:
    complaints, still_open = pl.col("complaints"), pl.col("complaints_open")
    return _either(
        complaints == 0,
        (pl.lit("No complaints"), pl.lit("没有投诉")),
        (pl.format("{}, {} still open", _count(complaints, "complaint", "complaints"), still_open),
         pl.format("{} 次投诉，其中 {} 次尚未解决", complaints, still_open)),
    )  # fmt: skip


def _tenure() -> Sentence:
    days = pl.col("tenure_days") + 1
    return pl.format("First bought {} ago", _count(days - 1, "day", "days")), pl.format("首次购买在 {} 天前", days - 1)


def _segment() -> Sentence:
    named = {
        "segment": ("segment", "客户群"),
        "customer_class": ("class", "等级"),
        "channel_last": ("last channel", "最近渠道"),
    }
    in_english = [pl.format(word + " {}", pl.col(column)) for column, (word, _) in named.items()]
    in_chinese = [pl.format(word + " {}", pl.col(column)) for column, (_, word) in named.items()]
    english = pl.concat_str(in_english, separator=", ", ignore_nulls=True)
    chinese = pl.concat_str(in_chinese, separator="，", ignore_nulls=True)
    unknown = pl.all_horizontal(pl.col(column).is_null() for column in named)
    return _either(
        unknown,
        (pl.lit("No segment, class or channel is known"), pl.lit("客户群、等级和渠道均未知")),
        (pl.format("Kind of customer: {}", english), pl.format("客户类型：{}", chinese)),
    )
