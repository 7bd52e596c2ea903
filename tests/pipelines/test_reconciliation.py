from datetime import date, datetime

import pytest

from data_contracts import landing_contracts
from pipelines.checks.reconciliation import repurchase_findings
from pipelines.ingest.accepting import prepare
from pipelines.staging import TABLES, stage

D1, D2, LATER = (date(2024, 1, day) for day in (10, 12, 20))


@pytest.fixture(params=["staged as of the night", "staged as of a later one"])
def compared(open_warehouse, request):
    """The finding over orders (order, customer, day) and a feed (order, previous order, delivery day)."""

    def run(orders, feed, as_of=D2):
        warehouse = open_warehouse(currency="EUR")
        for source in landing_contracts():
            prepare(warehouse, source)
        for order, customer, day, *load_date in orders:
            warehouse.run(
                "insert into raw.purchases (order_id, line_no, customer_id, ordered_at, amount, currency, load_date,"
                " source_file, source_row) values (?, 1, ?, ?, 1, 'EUR', ?, 'f', 1)",
                (order, customer, datetime(2024, 1, day), *(load_date or [D1])),
            )
        for order, previous, load_date in feed:
            warehouse.run(
                "insert into raw.repurchases (order_id, customer_id, previous_order_id, repurchased_at, load_date,"
                " source_file, source_row) values (?, 'A', ?, '2024-01-05', ?, 'f', 1)",
                (order, previous, load_date),
            )
        for table in TABLES:
            stage(warehouse, table, as_of if request.param == "staged as of the night" else LATER)
        return repurchase_findings(warehouse, as_of)

    return run


ORDERS = [("A1", "A", 1), ("A2", "A", 2), ("A3", "A", 3), ("B1", "B", 1), ("B2", "B", 2)]
FEED = [("A2", "A1", D1), ("A3", "A2", D1), ("B2", "B1", D1)]


def test_a_feed_that_agrees_with_the_purchases_passes(compared):
    (found,) = compared(ORDERS, FEED)
    assert found.is_passed
    assert (found.checked_rows, found.failed_rows) == (3, 0)
    assert found.text_en == "repurchases and purchases tell of the same orders, each with the same previous order"


def test_without_a_feed_there_is_nothing_to_compare(compared):
    assert compared(ORDERS, []) == []
    assert compared(ORDERS, [("A2", "A1", D2)], as_of=D1) == []


def test_every_kind_of_difference_is_counted_and_warns(compared):
    feed = [("A2", "A1", D1), ("A3", "A1", D1), ("X9", "X8", D1), ("X7", "X6", D1)]
    (found,) = compared(ORDERS, feed)
    assert (found.table_name, found.severity, found.is_passed) == ("repurchases", "warning", False)
    assert found.observed == "only in feed 2, only derived 1, other previous order 1"
    assert (found.checked_rows, found.failed_rows) == (5, 4)
    assert found.text_en == (
        "repurchases and purchases tell of different orders: 2 only in the repurchases feed, 1 only among purchases,"
        " 1 with another previous order; the feed is used, so check which of the two is incomplete"
    )
    assert all(f" {count} 个" in found.text_zh for count in (2, 1))


def test_a_correction_of_the_feed_counts_from_its_delivery_on(compared):
    feed = [*FEED[1:], ("A2", "B1", D1), ("A2", "A1", D2)]
    assert not compared(ORDERS, feed, as_of=D1)[0].is_passed
    assert compared(ORDERS, feed, as_of=D2)[0].is_passed


def test_orders_that_were_not_known_on_the_day_are_not_missing_from_the_feed(compared):
    orders = [*ORDERS, ("B3", "B", 3, D2)]
    assert compared(orders, FEED, as_of=D1)[0].is_passed
    assert compared(orders, FEED, as_of=D2)[0].observed == "only in feed 0, only derived 1, other previous order 0"
