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
    ("days", "english", "chinese"),
    [
        (["03-05", "03-26", "04-16"], "No purchase for 75 days; usually every 21 days",
         "已 75 天未购买；通常每 21 天购买一次"),
        (["06-29"], "No purchase for 1 day; bought on one day only", "已 1 天未购买；只在一天购买过"),
        (["06-28", "06-29", "06-30"], "Bought on the day of this score; usually every day",
         "评分当天有购买；通常每天购买"),
        (["06-01", "06-22"], "No purchase for 8 days; the only two purchase days were 21 days apart",
         "已 8 天未购买；仅有的两个购买日相隔 21 天"),
    ],
)  # fmt: skip
def test_silence_tells_its_length_and_the_usual_interval(days: list[str], english: str, chinese: str) -> None:
    assert said("silence", orders=[order("A", f"2024-{day}") for day in days]) == (english, chinese)


@pytest.mark.parametrize(
    ("driver", "english", "chinese"),
    [
        ("frequency", "Bought on 3 days within 118 days", "118 天内有 3 天购买"),
        (
            "trend",
            "1 order in the last 90 days, 2 in the 90 days before",
            "最近 90 天有 1 个订单，之前 90 天有 2 个",
        ),
        ("spending", "Spends 10.00 an order on average; the last came to 10.00", "平均每单 10.00；最近一单 10.00"),
        ("variety", "Buys one product an order", "每单购买 1 种商品"),
        ("season", "Not yet a customer a year ago", "一年前还不是客户"),
        ("delivery", "No promised delivery has been due so far", "尚无到期的交付承诺"),
        (
            "returns",
            "None of the 3 orders was returned or cancelled",
            "全部 3 个订单均没有退货或取消",
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
    assert said("delivery", **sources)[0] == "The only delivery missed the promised date"
    assert said("complaints", **sources) == ("1 complaint, still open", "1 次投诉，尚未办结")
    assert said("segment", **sources) == (
        "Kind of customer: segment retail, class B, last channel web",
        "客户类型：客户群 retail，等级 B，最近渠道 web",
    )
    assert said("season", **sources)[0] == "In the 90 days that followed a year ago: no order"


def told(driver: str, **columns: object) -> tuple[str, str]:
    """What is said of a customer with these features."""
    english, chinese = sentences(window_days=90)[driver]
    return pl.DataFrame(columns).select(english.alias("en"), chinese.alias("zh")).row(0)


@pytest.mark.parametrize(
    ("due", "late", "english", "chinese"),
    [
        (1, 0, "The only delivery came by the promised date", "仅有的 1 次配送按承诺日期送达"),
        (2, 0, "Both deliveries came by the promised date", "全部 2 次配送均按承诺日期送达"),
        (8, 0, "All 8 deliveries came by the promised date", "全部 8 次配送均按承诺日期送达"),
        (8, 1, "1 of 8 deliveries missed the promised date", "8 次配送中有 1 次晚于承诺日期"),
        (8, 8, "All 8 deliveries missed the promised date", "全部 8 次配送均晚于承诺日期"),
    ],
)
def test_deliveries_are_counted_as_people_count_them(due: int, late: int, english: str, chinese: str) -> None:
    assert told("delivery", promises_due=[due], orders_late=[late]) == (english, chinese)


@pytest.mark.parametrize(
    ("orders", "returned", "english", "chinese"),
    [
        (1, 0, "The only order was neither returned nor cancelled", "仅有的 1 个订单没有退货或取消"),
        (
            1,
            1,
            "The only order was returned or cancelled, in part or whole",
            "仅有的 1 个订单有退货或取消（部分或全部）",
        ),
        (2, 0, "Neither of the 2 orders was returned or cancelled", "全部 2 个订单均没有退货或取消"),
        (
            3,
            1,
            "1 of 3 orders was returned or cancelled, in part or whole",
            "3 个订单中有 1 个有退货或取消（部分或全部）",
        ),
        (
            3,
            2,
            "2 of 3 orders were returned or cancelled, in part or whole",
            "3 个订单中有 2 个有退货或取消（部分或全部）",
        ),
        (2, 2, "Both orders were returned or cancelled, in part or whole", "全部 2 个订单均有退货或取消（部分或全部）"),
    ],
)
def test_returns_are_counted_as_people_count_them(orders: int, returned: int, english: str, chinese: str) -> None:
    assert told("returns", orders=[orders], orders_returned=[returned]) == (english, chinese)


@pytest.mark.parametrize(
    ("complaints", "still_open", "english", "chinese"),
    [
        (1, 0, "1 complaint, closed by now", "1 次投诉，已办结"),
        (2, 0, "2 complaints, both closed by now", "2 次投诉，均已办结"),
        (3, 1, "3 complaints, 1 still open", "3 次投诉，其中 1 次尚未办结"),
        (3, 3, "3 complaints, all still open", "3 次投诉，均未办结"),
    ],
)
def test_open_complaints_are_told_from_closed_ones(
    complaints: int, still_open: int, english: str, chinese: str
) -> None:
    assert told("complaints", complaints=[complaints], complaints_open=[still_open]) == (english, chinese)


def test_amounts_have_two_decimals_and_a_single_order_has_no_average() -> None:
    money = {"order_amount_mean": [12.5], "order_amount_last": [12.5]}
    assert told("spending", orders=[1], **money)[0] == "The only order came to 12.50"
    money = {"order_amount_mean": [1234.567], "order_amount_last": [-0.05]}
    assert told("spending", orders=[2], **money)[0] == "Spends 1234.57 an order on average; the last came to −0.05"


def test_nothing_is_said_as_none_and_not_as_a_zero() -> None:
    trend = told("trend", orders_last_90d=[0], orders_previous_90d=[0])
    assert trend == ("No order in the last 90 days, none in the 90 days before", "最近 90 天没有订单，之前 90 天没有")
    assert told("variety", products_mean=[None], categories=[0])[0] == "What was bought is not known"


def test_a_purchase_on_the_day_of_the_score_is_no_span_of_days() -> None:
    assert said("tenure", orders=[order("A", DAY)])[0] == "First bought on the day of this score"
    assert said("frequency", orders=[order("A", "2024-06-29")])[0] == "Bought on one day only, 1 day ago"
    assert said("frequency", orders=[order("A", DAY)])[0] == "Bought for the first time on the day of this score"


def test_the_window_of_the_trend_is_that_of_the_features() -> None:
    english, _ = sentences(window_days=30)["trend"]
    frame = pl.DataFrame({"orders_last_30d": [1], "orders_previous_30d": [0]})
    assert frame.select(english).item() == "1 order in the last 30 days, none in the 30 days before"
