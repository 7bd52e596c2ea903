import dataclasses
from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal
from scipy.stats import spearmanr

from data_contracts import contract
from trust_models.simulation import KINDS, Company, simulate
from trust_models.simulation.deliveries import Calendar, delivered

KEYS = {
    "purchases": ["order_id", "line_no"],
    "repurchases": ["order_id"],
    "complaints": ["complaint_id"],
    "churn": ["customer_id", "churned_at"],
    "customers": ["customer_id"],
    "surveys": ["response_id", "dimension"],
    "feedback": ["feedback_id"],
    "fx_rates": ["rate_date", "currency"],
}
FAULTS = ["defective", "damaged", "not_as_described"]


@pytest.fixture(scope="module")
def retail() -> Company:
    return simulate(customers=3000, days=730, seed=11)


def newest(company: Company, source: str) -> pl.DataFrame:
    return company.frames[source].sort("delivered_on").unique(KEYS[source], keep="last")


def rank_correlation(left: pl.Series, right: pl.Series) -> float:
    return float(spearmanr(left.to_numpy(), right.to_numpy()).statistic)


def orders_of(company: Company) -> pl.DataFrame:
    lines = newest(company, "purchases").with_columns(
        is_late=(pl.col("delivered_at") > pl.col("promised_at")).fill_null(False),
        is_faulty=pl.col("return_reason").is_in(FAULTS).fill_null(False),
    )
    return lines.group_by("order_id", "customer_id").agg(pl.col("is_late", "is_faulty").any(), pl.col("amount").sum())


def test_same_arguments_give_identical_frames() -> None:
    first, second = (simulate(customers=200, days=200, seed=5) for _ in range(2))
    assert_frame_equal(first.truth, second.truth)
    for source, frame in first.frames.items():
        assert_frame_equal(frame, second.frames[source])


def test_another_seed_gives_another_company() -> None:
    first, second = (simulate(customers=200, days=200, seed=seed).frames["purchases"] for seed in (5, 6))
    assert not first.equals(second)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("customers", "days"), [(1, 1), (3, 40), (60, 120)])
def test_every_kind_of_company_can_be_simulated_in_any_size(kind: str, customers: int, days: int) -> None:
    company = simulate(customers=customers, days=days, seed=0, company=kind)
    assert company.truth.height == customers
    assert company.truth["customer_id"].n_unique() == customers
    assert company.frames.keys() >= {"purchases", "complaints", "churn", "customers", "surveys", "feedback"}


@pytest.mark.parametrize("source", KEYS)
def test_rows_have_the_columns_and_values_that_the_contract_names(retail: Company, source: str) -> None:
    frame = retail.frames[source].drop("delivered_on")
    columns = {column.name: column for column in contract(source).columns}
    assert set(frame.columns) <= columns.keys()
    assert {name for name, column in columns.items() if column.is_required} <= set(frame.columns)
    for name in frame.columns:
        assert not (columns[name].is_required and frame[name].has_nulls()), name
        assert set(frame[name].drop_nulls().unique()) <= set(columns[name].allowed or frame[name]), name


def test_facts_come_in_their_order(retail: Company) -> None:
    for source, earlier, later in (
        ("purchases", "ordered_at", "delivered_at"),
        ("purchases", "delivered_at", "returned_at"),
        ("purchases", "ordered_at", "cancelled_at"),
        ("complaints", "opened_at", "first_response_at"),
        ("complaints", "first_response_at", "resolved_at"),
        ("complaints", "resolved_at", "reopened_at"),
        ("churn", "churned_at", "reactivated_at"),
    ):
        both = retail.frames[source].select(earlier, later).drop_nulls()
        assert both.height > 0
        assert both.filter(pl.col(later) < pl.col(earlier)).is_empty(), (source, later)


@pytest.mark.parametrize("source", KEYS)
def test_a_key_comes_once_in_a_delivery(retail: Company, source: str) -> None:
    frame = retail.frames[source]
    assert frame.height > 0
    assert not frame.select("delivered_on", *KEYS[source]).is_duplicated().any()


@pytest.mark.parametrize("source", KEYS)
def test_no_delivery_contains_the_future(retail: Company, source: str) -> None:
    frame = retail.frames[source]
    moments = [name for name, dtype in frame.schema.items() if dtype.is_temporal() and name != "promised_at"]
    for moment in moments:
        assert frame.filter(pl.col(moment).cast(pl.Date) > pl.col("delivered_on")).is_empty(), moment


@pytest.mark.parametrize(
    ("source", "fact", "tells"),
    [("purchases", "returned_at", "return_reason"), ("complaints", "resolved_at", "resolution")],
)
def test_what_only_a_later_fact_tells_is_null_before_it(retail: Company, source: str, fact: str, tells: str) -> None:
    frame = retail.frames[source]
    assert frame.filter(pl.col(fact).is_null() & pl.col(tells).is_not_null()).is_empty()
    assert frame[tells].null_count() < frame.height


def test_deliveries_are_one_historical_load_and_28_days(retail: Company) -> None:
    days = retail.frames["purchases"]["delivered_on"].unique().sort().to_list()
    last = date(2023, 1, 1) + timedelta(days=729)
    assert days == [last - timedelta(days=back) for back in range(28, -1, -1)]


def test_an_order_has_no_delivery_on_its_own_day_and_is_delivered_again_when_it_arrives(retail: Company) -> None:
    lines = retail.frames["purchases"].sort("delivered_on")
    versions = lines.filter(pl.col("delivered_on") > retail.calendar.history_day).group_by(KEYS["purchases"])
    arrived = versions.agg(
        first=pl.col("delivered_at").first(), last=pl.col("delivered_at").last(), day=pl.col("delivered_on").last()
    ).filter(pl.col("first").is_null() & pl.col("last").is_not_null())
    assert arrived.height > 50
    new_today = lines.filter(pl.col("ordered_at").cast(pl.Date) == pl.col("delivered_on"))
    assert new_today.filter(pl.col("delivered_at").is_not_null()).is_empty()


def test_a_few_rows_come_late(retail: Company) -> None:
    first = retail.frames["purchases"].sort("delivered_on").unique(KEYS["purchases"], keep="first")
    late = first.filter(pl.col("delivered_on") > retail.calendar.history_day).select(
        days=(pl.col("delivered_on") - pl.col("ordered_at").cast(pl.Date)).dt.total_days()
    )["days"]
    assert 0.002 < (late > 0).mean() < 0.08
    assert late.max() <= 5


def test_corrections_change_the_amount_of_a_few_rows_once() -> None:
    rows = pl.DataFrame({"key": range(4000), "at": date(2024, 1, 10), "amount": 10.0})
    calendar = Calendar(date(2024, 1, 1), days=30)
    versions = delivered(rows, calendar, np.random.default_rng(0), event_at="at", misstated={"amount": pl.lit(99.0)})
    twice = versions.group_by("key", maintain_order=True).agg("amount").filter(pl.col("amount").list.len() > 1)
    assert 5 < twice.height < 60
    assert all(amounts == [99.0, 10.0] for amounts in twice["amount"].to_list())


def test_latent_trust_shows_in_what_customers_experience(retail: Company) -> None:
    orders = (
        orders_of(retail)
        .group_by("customer_id")
        .agg(failed=(pl.col("is_late") | pl.col("is_faulty")).mean(), orders=pl.len())
    )
    known = retail.truth.join(orders.filter(pl.col("orders") >= 8), on="customer_id")
    assert rank_correlation(known["latent_trust"], -known["failed"]) > 0.35


def test_latent_trust_shows_in_complaints(retail: Company) -> None:
    complaints = newest(retail, "complaints").group_by("customer_id").agg(complaints=pl.len())
    known = retail.truth.filter(pl.col("orders") >= 8).join(complaints, on="customer_id", how="left")
    free = 1 - known["complaints"].fill_null(0) / known["orders"]
    assert rank_correlation(known["latent_trust"], free) > 0.12


def test_complaining_depends_on_the_region_but_trust_does_not(retail: Company) -> None:
    truth = (
        retail.truth.join(newest(retail, "customers"), on="customer_id")
        .group_by("region")
        .agg(pl.col("complaint_propensity", "latent_trust").mean())
    )
    assert truth["complaint_propensity"].max() - truth["complaint_propensity"].min() > 0.5
    assert truth["latent_trust"].max() - truth["latent_trust"].min() < 0.25


def test_trust_driven_exits_are_of_the_distrustful_and_need_driven_ones_of_anybody(retail: Company) -> None:
    by_kind = dict(retail.truth.group_by("exit_kind").agg(pl.col("latent_trust").mean()).iter_rows())
    assert by_kind["trust"] < -0.5
    assert abs(by_kind["need"]) < 0.25


def test_where_only_need_ends_relations_exits_have_nothing_to_do_with_trust() -> None:
    truth = simulate(customers=6000, days=500, seed=2, company="need_exit").truth
    assert "trust" not in truth["exit_kind"].unique()
    left = truth["exit_kind"].eq("need").fill_null(False).cast(pl.Int8)
    assert left.sum() > 500
    assert abs(rank_correlation(truth["latent_trust"], left)) < 0.05


def test_nobody_orders_while_gone(retail: Company) -> None:
    gone = retail.truth.filter(pl.col("exited_date").is_not_null())
    orders = newest(retail, "purchases").join(gone, on="customer_id")
    assert orders.height > 100
    assert orders.filter(pl.col("ordered_at").cast(pl.Date) >= pl.col("exited_date")).is_empty()


def test_declared_exits_have_a_churn_record_and_silent_ones_have_none(retail: Company) -> None:
    recorded = newest(retail, "churn").select("customer_id", pl.col("churned_at").cast(pl.Date).alias("exited_date"))
    on_time = retail.truth.filter(pl.col("exited_date") < retail.calendar.history_day)
    exits = on_time.join(recorded.with_columns(recorded=True), on=["customer_id", "exited_date"], how="left")
    assert exits["is_exit_declared"].n_unique() == 2
    assert exits.filter(pl.col("exit_kind") == "involuntary")["is_exit_declared"].all()
    assert exits["recorded"].fill_null(False).equals(exits["is_exit_declared"], null_equal=False)


def test_surveys_measure_trust_with_noise_on_a_small_share_of_customers(retail: Company) -> None:
    surveys = retail.frames["surveys"].filter(pl.col("instrument") == "trust")
    asked = surveys.group_by("customer_id").agg(pl.col("score").mean()).join(retail.truth, on="customer_id")
    assert asked.height < 0.2 * retail.truth.height
    assert 0.4 < rank_correlation(asked["score"], asked["latent_trust"]) < 0.95
    assert retail.frames["surveys"].filter(~pl.col("score").is_between("scale_min", "scale_max")).is_empty()


def test_magnitudes_are_those_of_a_retailer(retail: Company) -> None:
    orders = orders_of(retail)
    assert 0.04 < orders["is_late"].mean() < 0.10
    assert 0.01 < orders["is_faulty"].mean() < 0.04
    assert 0.025 < newest(retail, "complaints").height / orders.height < 0.05
    per_customer = orders.group_by("customer_id").len()["len"]
    assert per_customer.median() < per_customer.mean()


def test_half_of_the_items_come_back_in_the_fashion_company() -> None:
    company = simulate(customers=800, days=365, seed=4, company="fashion_returns")
    old = newest(company, "purchases").filter(pl.col("ordered_at") < pl.datetime(2023, 11, 1))
    assert 0.44 < old["returned_at"].is_not_null().mean() < 0.52
    assert old["return_reason"].is_in(FAULTS).mean() < 0.05


def test_repurchases_name_each_order_after_the_first_with_the_one_before() -> None:
    company = simulate(customers=100, days=400, seed=1)
    orders = newest(company, "purchases").group_by("customer_id", "order_id").agg(pl.col("ordered_at").min())
    repeats = newest(company, "repurchases").join(
        orders.rename({"ordered_at": "previous_at", "order_id": "previous_order_id"}),
        on=["customer_id", "previous_order_id"],
    )
    assert repeats.height > 50
    assert repeats.filter(pl.col("previous_at") >= pl.col("repurchased_at")).is_empty()


def test_customers_join_over_time(retail: Company) -> None:
    days = retail.truth["joined_date"]
    assert 0.2 < (days < date(2023, 1, 1)).mean() < 0.4
    assert days.filter(days >= date(2023, 1, 1)).n_unique() > 400
    early = newest(retail, "purchases").join(retail.truth, on="customer_id")
    assert early.filter(pl.col("ordered_at").cast(pl.Date) < pl.col("joined_date")).is_empty()


def test_orders_a_year_is_a_parameter() -> None:
    kind = dataclasses.replace(KINDS["retail"], orders_per_customer_year=1.0)
    few, many = (
        simulate(customers=500, days=365, seed=3, company=each).truth["orders"].sum() for each in (kind, "retail")
    )
    assert few < 0.5 * many


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"customers": 0}, "at least 1"),
        ({"days": 0}, "at least 1"),
        ({"seed": -1}, "at least 0"),
        ({"company": "x"}, "retail"),
    ],
)
def test_arguments_out_of_range_are_refused(arguments: dict[str, int | str], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        simulate(**({"customers": 5, "days": 40, "seed": 0} | arguments))
