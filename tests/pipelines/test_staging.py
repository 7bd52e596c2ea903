from datetime import date, datetime, timedelta

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data_contracts import contract, landing_contracts
from pipelines import sql_files
from pipelines.errors import UserError
from pipelines.ingest.accepting import prepare
from pipelines.staging import TABLES, description, event_log, reporting_currency, sources, stage, variables
from trust_models.as_of import SCHEMAS, AsOf

FIRST = date(2024, 1, 10)
DAYS = [FIRST + timedelta(days=days) for days in range(4)]
FEW = settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
MAYBE_AT = st.none() | st.datetimes(datetime(2024, 1, 8), datetime(2024, 1, 16)).map(
    lambda at: at.replace(microsecond=0)
)

lines = st.fixed_dictionaries(
    {
        "order_id": st.sampled_from(["O1", "O2", "O3"]),
        "line_no": st.integers(1, 2),
        "customer_id": st.sampled_from(["C1", "C2"]),
        "ordered_at": st.datetimes(datetime(2024, 1, 6), datetime(2024, 1, 10)),
        "amount": st.sampled_from([0.0, 1.0, 2.5]),
        "currency": st.sampled_from(["EUR", "USD"]),
        "category": st.sampled_from([None, "tea", "cups"]),
        "delivered_at": MAYBE_AT,
        "returned_at": MAYBE_AT,
        "return_reason": st.sampled_from([None, "damaged", "did not fit"]),
        "cancelled_at": MAYBE_AT,
        "load_date": st.sampled_from(DAYS),
    }
)
deliveries = st.lists(
    lines, min_size=1, max_size=12, unique_by=lambda row: (row["order_id"], row["line_no"], row["load_date"])
)
rates = st.lists(
    st.tuples(st.integers(0, 12), st.sampled_from(DAYS), st.sampled_from([0.5, 0.8])),
    max_size=5,
    unique_by=lambda r: r[:2],
)


@pytest.fixture
def staged(open_warehouse):
    """The orders that staging makes of lines and rates, and the open warehouse."""
    warehouse = open_warehouse(currency="EUR")
    for source in landing_contracts():
        prepare(warehouse, source)

    def run(rows, fx=()):
        warehouse.run("truncate raw.purchases; truncate raw.fx_rates; drop table if exists meta.staged")
        for row in rows:
            put(warehouse, "purchases", row)
        for ago, load_date, rate in [(20, FIRST, 0.9), *fx]:
            rate_date = load_date - timedelta(days=ago)
            put(
                warehouse, "fx_rates", {"rate_date": rate_date, "currency": "USD", "rate": rate, "load_date": load_date}
            )
        for table in TABLES:
            stage(warehouse, table)
        return warehouse

    return run


def put(warehouse, source, row):
    row = {"source_file": "f", "source_row": 1} | row
    warehouse.run(
        f"insert into raw.{source} ({', '.join(row)}) values ({', '.join('?' * len(row))})", list(row.values())
    )


def orders(warehouse) -> pl.DataFrame:
    return warehouse.frame("from staging.orders order by order_id, known_from")


@FEW
@given(deliveries, rates)
def test_the_short_way_for_orders_delivered_once_gives_what_the_general_one_gives(staged, rows, fx):
    warehouse = staged(rows, fx)
    short = orders(warehouse)
    query = sql_files.text("staging/orders.sql")
    is_changed = "having min(known_from) < max(known_from)"
    assert query.count(is_changed) == 1
    warehouse.run("create or replace table staging.orders as " + query.replace(is_changed, "having true"))
    assert orders(warehouse).equals(short)


@FEW
@given(deliveries, rates, st.sampled_from(DAYS))
def test_what_is_delivered_after_a_day_changes_nothing_that_was_known_on_it(staged, rows, fx, day):
    rows = [rows[0] | {"load_date": FIRST}, *[row for row in rows[1:] if key(row) != key(rows[0])]]
    then = known(staged([row for row in rows if row["load_date"] <= day], [rate for rate in fx if rate[1] <= day]), day)
    assert known(staged(rows, fx), day).equals(then)


def key(row):
    return row["order_id"], row["line_no"]


def known(warehouse, day) -> pl.DataFrame:
    return event_log(warehouse).known(AsOf(day)).orders.collect().sort("order_id")


@FEW
@given(deliveries)
def test_an_order_has_one_version_on_every_day_from_its_first_on(staged, rows):
    for versions in orders(staged(rows)).partition_by("order_id"):
        assert versions["known_from"].is_unique().all()
        assert versions["known_until"].to_list() == [*versions["known_from"][1:].to_list(), None]


def test_the_event_log_has_the_columns_and_types_of_its_schema(staged, purchase):
    log = event_log(staged([purchase(ordered_at=datetime(2024, 1, 5), load_date=FIRST, line_no=1)]))
    for source, schema in SCHEMAS.items():
        assert getattr(log, source).collect_schema() == schema
    assert log.orders.collect()["amount"].to_list() == [10.5]


def test_a_night_without_purchases_says_what_it_needs(staged):
    warehouse = staged([])
    with pytest.raises(UserError) as caught:
        event_log(warehouse)
    assert str(caught.value) == (
        f"{warehouse.settings.landing}/purchases: no purchase could be loaded; the night needs purchases"
    )


@pytest.mark.parametrize(("setting", "told"), [(None, "CNY"), ("USD", "USD")])
def test_amounts_are_told_in_the_currency_set_or_that_of_most_rows(open_warehouse, setting, told):
    warehouse = open_warehouse(currency=setting)
    prepare(warehouse, contract("purchases"))
    for place, currency in enumerate(["EUR", "CNY", "CNY", "AUD"]):
        row = {"order_id": f"O{place}", "line_no": 1, "customer_id": "C", "ordered_at": datetime(2024, 1, 1)}
        put(warehouse, "purchases", row | {"amount": 1.0, "currency": currency, "load_date": FIRST})
    assert reporting_currency(warehouse) == told
    assert variables(warehouse)["currency"] == told


@pytest.mark.parametrize(("setting", "fault_at"), [("ordinary", None), ("failure", datetime(2024, 1, 8))])
def test_whether_a_return_without_a_reason_is_a_failure_is_a_setting(staged, purchase, monkeypatch, setting, fault_at):
    settings = variables(staged([]))
    monkeypatch.setattr("pipelines.staging.variables", lambda _: settings | {"unexplained_returns": setting})
    row = purchase(ordered_at=datetime(2024, 1, 5), returned_at=datetime(2024, 1, 8), load_date=FIRST, line_no=1)
    assert orders(staged([row]))["fault_at"].to_list() == [fault_at]


@pytest.mark.parametrize("table", TABLES)
def test_a_staging_table_says_its_grain_and_what_it_reads(table):
    assert description(table).startswith("Grain: one row per ")
    assert "--" not in description(table)
    schemas = {schema for schema, _ in sources(table)}
    assert schemas == ({"raw", "staging"} if table == "repurchases" else {"raw"})


def test_orders_read_purchases_and_rates():
    assert sources("orders") == [("raw", "fx_rates"), ("raw", "purchases")]
