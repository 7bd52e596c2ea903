from datetime import date, datetime

import polars as pl
import pytest
from churn_log import features_of, log_of, order

from trust_models.churn_model import ALL_DRIVERS
from trust_models.churn_reasons import sentences

DAY = date(2024, 6, 30)
EVERY_21_DAYS = [order("A", day, amount=10.0) for day in ("2024-03-05", "2024-03-26", "2024-04-16")]


def said(driver: str, **sources: object) -> tuple[str, str]:
    english, chinese = sentences(window_days=90)[driver]
    frame = features_of(log_of(**sources), DAY)
    row = frame.select(english.alias("en"), chinese.alias("zh")).row(0)
    return row[0], row[1]


def test_every_driver_has_a_sentence_that_is_never_null() -> None:
    assert set(sentences(window_days=90)) == set(ALL_DRIVERS)
    bare = features_of(log_of(orders=[order("A", DAY, amount=None, lines=None, products=None)]), DAY)
    for english, chinese in sentences(window_days=90).values():
        assert None not in bare.select(english.alias("en"), chinese.alias("zh")).row(0)


@pytest.mark.parametrize(
    ("orders", "english", "chinese"),
    [
        (EVERY_21_DAYS, "No purchase for 75 days; usually every 21 days", "已 75 天未购买；通常每 21 天购买一次"),
        ([order("A", "2024-06-29")], "No purchase for 1 day; bought on one day only", "已 1 天未购买；只在一天购买过"),
        (
            [order("A", "2024-06-29"), order("A", "2024-06-30")],
            "Bought on the last day; usually every day",
            "当天有购买；通常每 1 天购买一次",
        ),
    ],
)
def test_silence_tells_its_length_and_the_usual_interval(
    orders: list[dict[str, object]], english: str, chinese: str
) -> None:
    assert said("silence", orders=orders) == (english, chinese)


@pytest.mark.parametrize(
    ("driver", "english", "chinese"),
    [
        ("frequency", "Bought on 3 days within 118 days", "118 天内有 3 天购买"),
        (
            "trend",
            "1 order in the last 90 days, 2 in the 90 days before",
            "最近 90 天 1 笔订单，之前 90 天 2 笔",
        ),
        ("spending", "Spends 10.0 an order on average; the last was 10.0", "平均每单 10.0；最近一单 10.0"),
        ("variety", "Buys 1.0 different products an order on average", "平均每单购买 1.0 种商品"),
        ("season", "Not yet a customer at this season a year ago", "去年同期还不是客户"),
        ("delivery", "No promised delivery was due so far", "尚无到期的交付承诺"),
        (
            "returns",
            "0 of 3 orders returned or cancelled in part or whole",
            "3 笔订单中有 0 笔退货或取消（部分或全部）",
        ),
        ("complaints", "No complaints", "没有投诉"),
        ("tenure", "First bought 117 days ago", "首次购买在 117 天前"),
        ("segment", "No segment, class or channel is known", "客户群、等级和渠道均未知"),
    ],
)
def test_a_driver_is_told_in_plain_words(driver: str, english: str, chinese: str) -> None:
    assert said(driver, orders=EVERY_21_DAYS) == (english, chinese)


def test_broken_promises_complaints_and_kinds_are_told_with_their_numbers() -> None:
    promised = datetime(2024, 6, 3)
    orders = [order("A", "2024-06-01", promised_at=promised, channel="web"), order("A", "2022-06-01")]
    complaints = [{"customer_id": "A", "opened_at": datetime(2024, 6, 5), "severity": 3}]
    customers = [{"customer_id": "A", "segment": "retail", "customer_class": "B"}]
    sources = {"orders": orders, "complaints": complaints, "customers": customers}
    assert said("delivery", **sources)[0] == "1 of 1 order not delivered by the promised date"
    assert said("complaints", **sources) == ("1 complaint, 1 still open", "1 次投诉，其中 1 次尚未解决")
    assert said("segment", **sources) == (
        "Kind of customer: segment retail, class B, last channel web",
        "客户类型：客户群 retail，等级 B，最近渠道 web",
    )
    assert said("season", **sources)[0] == "0 orders at this season a year ago"


def test_the_window_of_the_trend_is_that_of_the_features() -> None:
    english, _ = sentences(window_days=30)["trend"]
    frame = pl.DataFrame({"orders_last_30d": [1], "orders_previous_30d": [0]})
    assert frame.select(english).item() == "1 order in the last 30 days, 0 in the 30 days before"
