"""What is missing and what that costs: sources not delivered, amounts without a rate, returns without a reason.

Belongs here: one sentence, in English and Chinese, for each gap in the data that changes what the scores can say.
Must not be here: rows that break a contract (see ``contract_checks``), or what a training lacked.
"""

from datetime import date

from pipelines.warehouse import Warehouse

_COSTS = {
    "complaints": (
        "No complaints were delivered: reputation, transparency and values are not known, and neither is whether"
        " orders without a stated fault were sound",
        "没有投诉数据：无法评价声誉、沟通透明度和价值观维度，也无法判断未声明过失的订单是否完好",
    ),
    "churn": (
        "No churn records were delivered: lost means silent, without a purchase in the window",
        "没有流失记录：流失定义为窗口期内没有购买",
    ),
    "customers": (
        "No customer master data were delivered: there are no segments, regions or classes",
        "没有客户主数据：无法按客户群、地区或等级划分",
    ),
    "surveys": (
        "No surveys were delivered: trust cannot be compared with what customers say",
        "没有调查数据：无法将信任评分与客户的回答比较",
    ),
    "feedback": ("No feedback was delivered: reviews and calls are not looked at", "没有反馈数据：未考虑评价和通话"),
}
_GAPS = {
    "select count(*) from staging.orders where known_from <= $day and (known_until is null or known_until > $day)"
    " and amount is null": (
        "{count} orders have no amount in the reporting currency: no exchange rate is known for their day",
        "{count} 个订单没有报告币种金额：缺少当日汇率",
    ),
    "select count(*) from staging.orders where known_from <= $day and (known_until is null or known_until > $day)"
    " and returned_at is not null and return_reason is null and fault_at is null": (
        "{count} orders were returned or cancelled without a reason and count as ordinary returns, not as failures",
        "{count} 个订单在没有原因的情况下退货或取消，按普通退货处理，不算过失",
    ),
}


def gaps(warehouse: Warehouse, as_of: date) -> list[tuple[str, str]]:
    """The gaps in what was known on a day, as (English, Chinese) sentences."""
    found = [
        texts
        for source, texts in _COSTS.items()
        if not warehouse.value(f"select count(*) from staging.{source} where known_from <= ?", (as_of,))
    ]
    if not warehouse.value("select count(promised_at) from staging.orders where known_from <= ?", (as_of,)):
        found.append(
            (
                "Orders carry no promised date: whether deliveries came in time is not known",
                "订单没有承诺日期：无法判断配送是否准时",
            )
        )
    for query, (english, chinese) in _GAPS.items():
        if count := warehouse.value(query.replace("$day", f"date '{as_of}'")):
            found.append((english.format(count=f"{count:,}"), chinese.format(count=f"{count:,}")))
    return found
