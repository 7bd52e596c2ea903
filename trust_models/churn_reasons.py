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
        The window of the features of trend and season.
    """
    words = {
        "silence": _silence(),
        "frequency": _frequency(),
        "trend": _trend(window_days),
        "spending": _spending(),
        "variety": _variety(),
        "season": _season(window_days),
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


def _share_of(
    part: pl.Expr,
    whole: pl.Expr,
    nouns: tuple[str, str],
    *,
    all_of: tuple[str, str],
    none_of: tuple[str, str],
) -> pl.Expr:
    """“The only order was …”, “Both orders were …”, “All 3 orders …”, “1 of 3 orders was …”, and if none of them did.

    Each predicate is given for one and for many; ``none_of`` speaks of what is left, so it stands after “All”.
    """
    part, whole = part.cast(pl.Int64), whole.cast(pl.Int64)
    one, many = (pl.when(part == 0).then(pl.lit(none_of[n])).otherwise(pl.lit(all_of[n])) for n in (0, 1))
    return (
        pl.when(whole == 1).then(pl.format("The only {} {}", pl.lit(nouns[0]), one))
        .when((part > 0) & (part < whole))
        .then(pl.format("{} of {} {} {}", part, whole, pl.lit(nouns[1]),
                        pl.when(part == 1).then(pl.lit(all_of[0])).otherwise(many)))
        .when(whole == 2).then(pl.format("Both {} {}", pl.lit(nouns[1]), many))
        .otherwise(pl.format("All {} {} {}", whole, pl.lit(nouns[1]), many))
    )  # fmt: skip


def _share_of_zh(part: pl.Expr, whole: pl.Expr, noun: str, *, all_of: str, none_of: str) -> pl.Expr:
    """“仅有的 1 个订单…”, “3 个订单均…”, “3 个订单中有 1 个…”; the noun begins with its classifier."""
    part, whole = part.cast(pl.Int64), whole.cast(pl.Int64)
    told = pl.when(part == 0).then(pl.lit(none_of)).otherwise(pl.lit(all_of))
    return (
        pl.when(whole == 1).then(pl.format("仅有的 1 {}{}", pl.lit(noun), told))
        .when((part > 0) & (part < whole))
        .then(pl.format("{} {}中有 {} {}{}", whole, pl.lit(noun), part, pl.lit(noun[0]), pl.lit(all_of)))
        .otherwise(pl.format("全部 {} {}均{}", whole, pl.lit(noun), told))
    )  # fmt: skip


def _number_or_none(number: pl.Expr, none: str) -> pl.Expr:
    return pl.when(number == 0).then(pl.lit(none)).otherwise(pl.format("{}", number.cast(pl.Int64)))


def _money(amount: pl.Expr) -> pl.Expr:
    """Two decimals, always."""
    cents = (amount * 100.0).round().cast(pl.Int64, strict=False)
    sign = pl.when(cents < 0).then(pl.lit("−")).otherwise(pl.lit(""))
    return pl.format("{}{}.{}", sign, cents.abs() // 100, (cents.abs() % 100).cast(pl.String).str.zfill(2))


def _silence() -> Sentence:
    days, repeats = pl.col("recency_days"), pl.col("repeat_purchase_days")
    usual = (pl.col("active_span_days") / repeats).round(0).clip(lower_bound=1)
    usual = usual.fill_nan(0).cast(pl.Int64, strict=False).fill_null(0)
    gone: Sentence = _either(
        days == 0,
        (pl.lit("Bought on the day of this score"), pl.lit("评分当天有购买")),
        (pl.format("No purchase for {}", _count(days, "day", "days")), pl.format("已 {} 天未购买", days)),
    )
    english = (
        pl.when(repeats == 0).then(pl.lit("bought on one day only"))
        .when(repeats == 1).then(pl.format("the only two purchase days were {} apart", _count(usual, "day", "days")))
        .when(usual == 1).then(pl.lit("usually every day"))
        .otherwise(pl.format("usually every {} days", usual))
    )  # fmt: skip
    chinese = (
        pl.when(repeats == 0).then(pl.lit("只在一天购买过"))
        .when(repeats == 1).then(pl.format("仅有的两个购买日相隔 {} 天", usual))
        .when(usual == 1).then(pl.lit("通常每天购买"))
        .otherwise(pl.format("通常每 {} 天购买一次", usual))
    )  # fmt: skip
    return pl.format("{}; {}", gone[0], english), pl.format("{}；{}", gone[1], chinese)


def _frequency() -> Sentence:
    bought, ago = pl.col("purchase_days"), pl.col("tenure_days")
    once: Sentence = _either(
        ago == 0,
        (pl.lit("Bought for the first time on the day of this score"), pl.lit("评分当天首次购买")),
        (pl.format("Bought on one day only, {} ago", _count(ago, "day", "days")),
         pl.format("只在 {} 天前的一天购买过", ago)),
    )  # fmt: skip
    often = (pl.format("Bought on {} days within {} days", bought, ago + 1),
             pl.format("{} 天内有 {} 天购买", ago + 1, bought))  # fmt: skip
    return _either(bought == 1, once, often)


def _trend(window: int) -> Sentence:
    last, before = pl.col(f"orders_last_{window}d"), pl.col(f"orders_previous_{window}d")
    lately = pl.when(last == 0).then(pl.lit("No order")).otherwise(_count(last, "order", "orders"))
    lately_zh = pl.when(last == 0).then(pl.lit("没有订单")).otherwise(pl.format("有 {} 个订单", last))
    before_zh = pl.when(before == 0).then(pl.lit("没有")).otherwise(pl.format("有 {} 个", before))
    return (
        pl.format(
            f"{{}} in the last {window} days, {{}} in the {window} days before", lately, _number_or_none(before, "none")
        ),
        pl.format(f"最近 {window} 天{{}}，之前 {window} 天{{}}", lately_zh, before_zh),
    )


def _spending() -> Sentence:
    mean, last = _money(pl.col("order_amount_mean")), _money(pl.col("order_amount_last"))
    known: Sentence = _either(
        pl.col("orders") == 1,
        (pl.format("The only order came to {}", last), pl.format("仅有的 1 个订单金额为 {}", last)),
        (pl.format("Spends {} an order on average; the last came to {}", mean, last),
         pl.format("平均每单 {}；最近一单 {}", mean, last)),
    )  # fmt: skip
    unknown: Sentence = (pl.lit("Amounts of the orders are not known"), pl.lit("订单金额未知"))
    return _either(pl.col("order_amount_mean").is_null(), unknown, known)


def _variety() -> Sentence:
    mean = pl.col("products_mean").fill_null(0.0)
    tenths, categories = mean.round(1), pl.col("categories")
    products: Sentence = _either(
        mean == 1,
        (pl.lit("Buys one product an order"), pl.lit("每单购买 1 种商品")),
        (pl.format("Buys {} different products an order on average", tenths),
         pl.format("平均每单购买 {} 种商品", tenths)),
    )  # fmt: skip
    kinds: Sentence = _either(
        categories == 0,
        (pl.lit("What was bought is not known"), pl.lit("购买了什么未知")),
        (pl.format("Has bought from {}", _count(categories, "category", "categories")),
         pl.format("购买过 {} 个品类", categories)),
    )  # fmt: skip
    return _either(mean > 0, products, kinds)


def _season(window: int) -> Sentence:
    orders = pl.col("orders_same_season")
    number = pl.when(orders == 0).then(pl.lit("no order")).otherwise(_count(orders, "order", "orders"))
    number_zh = pl.when(orders == 0).then(pl.lit("没有订单")).otherwise(pl.format("有 {} 个订单", orders))
    return _either(
        orders.is_null(),
        (pl.lit("Not yet a customer a year ago"), pl.lit("一年前还不是客户")),
        (pl.format(f"In the {window} days that followed a year ago: {{}}", number),
         pl.format(f"一年前的今日之后 {window} 天内{{}}", number_zh)),
    )  # fmt: skip


def _delivery() -> Sentence:
    late, due = pl.col("orders_late"), pl.col("promises_due")
    missed, kept = "missed the promised date", "came by the promised date"
    told = (
        _share_of(late, due, ("delivery", "deliveries"), all_of=(missed, missed), none_of=(kept, kept)),
        _share_of_zh(late, due, "次配送", all_of="晚于承诺日期", none_of="按承诺日期送达"),
    )
    return _either(due == 0, (pl.lit("No promised delivery has been due so far"), pl.lit("尚无到期的交付承诺")), told)


def _returns() -> Sentence:
    returned, orders = pl.col("orders_returned"), pl.col("orders")
    sent, kept = "returned or cancelled, in part or whole", "neither returned nor cancelled"
    some = _share_of(
        returned, orders, ("order", "orders"), all_of=(f"was {sent}", f"were {sent}"), none_of=(f"was {kept}", "")
    )
    english = (
        pl.when((returned > 0) | (orders == 1)).then(some)
        .when(orders == 2).then(pl.lit("Neither of the 2 orders was returned or cancelled"))
        .otherwise(pl.format("None of the {} orders was returned or cancelled", orders))
    )  # fmt: skip
    return english, _share_of_zh(
        returned, orders, "个订单", all_of="有退货或取消（部分或全部）", none_of="没有退货或取消"
    )


def _complaints() -> Sentence:
    complaints, still_open = pl.col("complaints"), pl.col("complaints_open")
    is_one, both = complaints == 1, pl.when(complaints == 2).then(pl.lit("both")).otherwise(pl.lit("all"))
    state = (
        pl.when(is_one & (still_open == 1)).then(pl.lit("still open"))
        .when(is_one).then(pl.lit("closed by now"))
        .when(still_open == 0).then(pl.format("{} closed by now", both))
        .when(still_open == complaints).then(pl.format("{} still open", both))
        .otherwise(pl.format("{} still open", still_open))
    )  # fmt: skip
    state_zh = (
        pl.when(is_one & (still_open == 1)).then(pl.lit("尚未办结"))
        .when(is_one).then(pl.lit("已办结"))
        .when(still_open == 0).then(pl.lit("均已办结"))
        .when(still_open == complaints).then(pl.lit("均未办结"))
        .otherwise(pl.format("其中 {} 次尚未办结", still_open))
    )  # fmt: skip
    return _either(
        complaints == 0,
        (pl.lit("No complaints"), pl.lit("没有投诉")),
        (pl.format("{}, {}", _count(complaints, "complaint", "complaints"), state),
         pl.format("{} 次投诉，{}", complaints, state_zh)),
    )  # fmt: skip


def _tenure() -> Sentence:
    days = pl.col("tenure_days")
    return _either(
        days == 0,
        (pl.lit("First bought on the day of this score"), pl.lit("首次购买就在评分当天")),
        (pl.format("First bought {} ago", _count(days, "day", "days")), pl.format("首次购买在 {} 天前", days)),
    )


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
