from datetime import date, datetime

from churn_log import log_of, order

from trust_models.as_of import AsOf
from trust_models.customer_status import customer_status

DAY = AsOf(date(2024, 6, 30))


def test_status_is_active_lapsed_or_churned() -> None:
    log = log_of(
        orders=[order("active", "2024-06-20"), order("lapsed", "2024-06-19"), order("lapsed", "2024-06-01")]
        + [order(customer, "2024-06-29") for customer in ("back", "churned", "dismissed", "leaves later")],
        churn=[
            {"customer_id": "churned", "churned_at": datetime(2024, 6, 30, 23), "kind": "voluntary"},
            {"customer_id": "dismissed", "churned_at": datetime(2024, 6, 2), "kind": "involuntary"},
            {"customer_id": "leaves later", "churned_at": datetime(2024, 7, 1), "kind": "voluntary"},
            {
                "customer_id": "back",
                "churned_at": datetime(2024, 6, 1),
                "kind": "voluntary",
                "reactivated_at": datetime(2024, 6, 5),
            },
        ],
    )
    status = customer_status(log.known(DAY), as_of=DAY, activity_window_days=10).collect()
    assert dict(status.select("customer_id", "churn_status").iter_rows()) == {
        "active": "active",
        "back": "active",
        "churned": "churned",
        "dismissed": "churned",
        "lapsed": "lapsed",
        "leaves later": "active",
    }


def test_leaving_again_after_a_return_is_churned() -> None:
    records = [
        {"customer_id": "A", "churned_at": datetime(2024, 6, 9), "kind": "voluntary"},
        {
            "customer_id": "A",
            "churned_at": datetime(2024, 5, 1),
            "kind": "voluntary",
            "reactivated_at": datetime(2024, 6, 1),
        },
    ]
    log = log_of(orders=[order("A", "2024-04-01")], churn=records)
    assert customer_status(log.known(DAY), as_of=DAY, activity_window_days=90).collect()["churn_status"][0] == "churned"


def test_orders_and_open_complaints_are_counted_as_of_the_day() -> None:
    opened = datetime(2024, 6, 1)
    log = log_of(
        orders=[order("A", "2024-06-02"), order("A", "2024-06-29"), order("A", "2024-07-02"), order("B", "2024-06-02")],
        complaints=[
            {"customer_id": "A", "opened_at": opened},
            {"customer_id": "A", "opened_at": opened, "resolved_at": datetime(2024, 7, 2)},
            {"customer_id": "A", "opened_at": opened, "resolved_at": datetime(2024, 6, 2)},
        ],
    )
    status = customer_status(log.known(DAY), as_of=DAY, activity_window_days=90).collect()
    assert status["orders"].to_list() == [2, 1]
    assert status["open_complaints"].to_list() == [2, 0]
    assert status["last_order_at"][0] == datetime(2024, 6, 29, 12)
