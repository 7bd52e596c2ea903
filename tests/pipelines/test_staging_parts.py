"""A staging table that is brought up day by day is, row for row, the one that is made of everything at once."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from data_contracts import contract, landing_contracts
from pipelines import sql_files, staging_parts
from pipelines.ingest.accepting import prepare
from pipelines.ingest.loading import load, load_again
from pipelines.privacy.erased_rows import Persons, delete
from pipelines.privacy.tombstones import key_for_erasing, offer_tombstone
from pipelines.settings import Settings
from pipelines.staging import TABLES, stage, staged_as_of, staged_until, variables
from pipelines.staging_parts import part_to_stage, parts_of_whole
from pipelines.warehouse import Warehouse
from tests.pipelines import schedules

FIRST = date(2024, 2, 4)
DAYS = [FIRST + timedelta(days=days) for days in range(5)]
WITHOUT_SHRINKING = (Phase.explicit, Phase.reuse, Phase.generate)
"""A schedule takes a second: making one that fails smaller would take minutes."""

moments = schedules.moments
orders = st.sampled_from(["O1", "O2", "O3", "O4"])
customers = st.sampled_from(["C1", "C2", "C3"])

ROWS = {
    **{
        source: st.tuples(schedules.ROWS[source], orders, customers, st.sampled_from(["EUR", "USD", "GBP"])).map(
            lambda drawn: (
                drawn[0]
                | {
                    name: value
                    for name, value in zip(("order_id", "customer_id", "currency"), drawn[1:], strict=True)
                    if name in drawn[0]
                }
            )
        )
        for source in schedules.SOURCES
    },
    "surveys": st.fixed_dictionaries(
        {
            "response_id": st.sampled_from(["R1", "R2"]),
            "dimension": st.sampled_from(["overall", "product_quality"]),
            "customer_id": customers,
            "answered_at": moments,
            "instrument": st.just("csat"),
            "score": st.integers(1, 5),
            "scale_min": st.just(1),
            "scale_max": st.just(5),
            "method": st.just("mail"),
        }
    ),
    "feedback": st.fixed_dictionaries(
        {
            "feedback_id": st.sampled_from(["F1", "F2"]),
            "customer_id": customers,
            "given_at": moments,
            "method": st.just("web"),
            "rating": st.integers(1, 5),
            "scale_min": st.just(1),
            "scale_max": st.just(5),
        }
    ),
    "repurchases": st.fixed_dictionaries(
        {
            "order_id": orders,
            "customer_id": customers,
            "previous_order_id": st.just("O0"),
            "repurchased_at": moments,
        }
    ),
}

PRONE = [*["purchases"] * 5, "fx_rates", "fx_rates", "complaints", "churn", "customers", "surveys", "feedback"]


@st.composite
def days(draw: st.DrawFn) -> list[dict[str, Any]]:
    """What happens on each of some days: deliveries, one that comes late, one that is loaded again, an erasure."""
    sources = st.sampled_from([*PRONE, "repurchases"] if draw(st.booleans()) else PRONE)
    told = []
    for day in DAYS:
        delivered = {(day, source) for source in draw(st.lists(sources, max_size=3, unique=True))}
        if day == FIRST:
            delivered |= {(day, "purchases")}
        elif draw(st.integers(0, 4)) == 0:
            delivered |= {(draw(st.sampled_from(DAYS[: DAYS.index(day)])), draw(sources))}
        files = {place: draw(st.lists(ROWS[place[1]], min_size=1, max_size=4)) for place in sorted(delivered)}
        erased = draw(customers) if day != FIRST and draw(st.integers(0, 5)) == 0 else None
        again = draw(st.sampled_from(DAYS)) if draw(st.integers(0, 5)) == 0 else None
        told.append({"day": day, "files": files, "erased": erased, "again": again})
    return told


@contextmanager
def opened(folder: Path, **given: Any) -> Iterator[Warehouse]:
    given = {"currency": "EUR"} | given
    with Warehouse(Settings(folder / "landing", folder / "warehouse", **given)) as warehouse:
        for source in landing_contracts():
            prepare(warehouse, source)
        yield warehouse


def deliver(warehouse: Warehouse, happened: dict[str, Any]) -> None:
    for (day, source), rows in happened["files"].items():
        schedules.deliver(warehouse.settings.landing, day, source, rows)
    for folder in sorted(warehouse.settings.landing.iterdir()):
        load(warehouse, contract(folder.name), happened["day"], "run")
    if happened["again"]:
        load_again(warehouse, contract("purchases"), min(happened["again"], happened["day"]), "run")
    if happened["erased"]:
        offer_tombstone(warehouse)
        delete(warehouse, Persons.of(warehouse.settings, [happened["erased"]]), key_for_erasing(warehouse))


def stage_all(warehouse: Warehouse, until: date) -> None:
    for table in TABLES:
        stage(warehouse, table, until)


def rows(warehouse: Warehouse) -> dict[str, pl.DataFrame]:
    return {table: warehouse.frame(f"from staging.{table} order by all") for table in TABLES}


def anew(warehouse: Warehouse, until: date) -> dict[str, pl.DataFrame]:
    """Every table as its select makes it of everything."""
    for table in TABLES:
        warehouse.run_file(f"staging/{table}.sql", f"staging.{table}", variables(warehouse) | {"until": until})
    return rows(warehouse)


def differing(found: dict[str, pl.DataFrame], expected: dict[str, pl.DataFrame]) -> list[str]:
    return [table for table in TABLES if not found[table].equals(expected[table])]


@settings(max_examples=8, suppress_health_check=list(HealthCheck), phases=WITHOUT_SHRINKING)
@given(days())
def test_a_table_brought_up_day_by_day_is_the_one_made_at_once(
    tmp_path_factory: pytest.TempPathFactory, happened: list[dict[str, Any]]
) -> None:
    with opened(tmp_path_factory.mktemp("company")) as warehouse:
        for one in happened:
            deliver(warehouse, one)
            stage_all(warehouse, one["day"])
            found = rows(warehouse)
            with warehouse_put_back(warehouse):
                assert differing(found, anew(warehouse, one["day"])) == []


@settings(max_examples=4, suppress_health_check=list(HealthCheck), phases=WITHOUT_SHRINKING)
@given(days())
def test_a_table_of_many_rows_that_is_made_in_parts_is_the_one_made_at_once(
    tmp_path_factory: pytest.TempPathFactory, happened: list[dict[str, Any]]
) -> None:
    with opened(tmp_path_factory.mktemp("company"), is_full=True) as warehouse, pytest.MonkeyPatch.context() as patch:
        for one in happened:
            deliver(warehouse, one)
        patch.setattr(staging_parts, "ROWS_AT_ONCE", 2)
        stage_all(warehouse, happened[-1]["day"])
        found = rows(warehouse)
        delivered = warehouse.value("select count(*) from raw.purchases")
        assert len(parts_of_whole(warehouse, "orders", date.max)) == (-(-delivered // 2) if delivered > 2 else 0)
        assert differing(found, anew(warehouse, happened[-1]["day"])) == []


@contextmanager
def warehouse_put_back(warehouse: Warehouse) -> Iterator[None]:
    """Undo what is done to staging, so that the next day goes on from what was brought up."""
    warehouse.run("begin")
    try:
        yield
    finally:
        warehouse.run("rollback")


RATES = [{"rate_date": FIRST - timedelta(days=20), "currency": "USD", "rate": 0.5}]


def line(order: str, **changes: Any) -> dict[str, Any]:
    told = {"order_id": order, "line_no": 1, "customer_id": "C1", "ordered_at": datetime(2024, 1, 20), "amount": 1.0}
    return told | {"currency": "USD"} | changes


def company(warehouse: Warehouse, *happened: tuple[date, str, list[dict[str, Any]]]) -> None:
    """Some deliveries on the first days, all of them staged."""
    for day, source, content in happened:
        deliver(warehouse, {"day": day, "files": {(day, source): content}, "again": None, "erased": None})
    stage_all(warehouse, max(day for day, *_ in happened))


def is_whole(warehouse: Warehouse, table: str, until: date) -> bool:
    return part_to_stage(warehouse, table, until, variables(warehouse)) is None


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    with opened(tmp_path) as warehouse:
        company(warehouse, (DAYS[0], "purchases", [line("O1"), line("O2")]), (DAYS[0], "fx_rates", RATES))
    return tmp_path


def test_only_the_orders_that_a_later_day_speaks_of_are_made_anew(folder: Path) -> None:
    with opened(folder) as warehouse:
        warehouse.run("update staging.orders set category = 'untouched'")
        company(warehouse, (DAYS[1], "purchases", [line("O2", amount=2.0), line("O3")]))
        made = "select order_id, amount, category from staging.orders order by order_id, known_from"
        assert warehouse.run(made) == [
            ("O1", 0.5, "untouched"),
            ("O2", 0.5, None),
            ("O2", 1.0, None),
            ("O3", 0.5, None),
        ]


def test_a_later_rate_leaves_all_orders_and_the_first_rate_none(folder: Path, tmp_path: Path) -> None:
    with opened(folder) as warehouse:
        deliver(warehouse, {"day": DAYS[1], "files": {(DAYS[1], "fx_rates"): RATES}, "again": None, "erased": None})
        assert not is_whole(warehouse, "orders", DAYS[1])
    with opened(tmp_path / "other") as warehouse:
        company(warehouse, (DAYS[0], "purchases", [line("O1")]))
        deliver(warehouse, {"day": DAYS[1], "files": {(DAYS[1], "fx_rates"): RATES}, "again": None, "erased": None})
        assert is_whole(warehouse, "orders", DAYS[1])
        assert is_whole(warehouse, "repurchases", DAYS[1])
        assert not is_whole(warehouse, "churn", DAYS[1])


def test_the_first_rate_counts_also_where_it_was_loaded_before_an_earlier_day_was_staged(tmp_path: Path) -> None:
    with opened(tmp_path) as warehouse:
        company(warehouse, (DAYS[0], "purchases", [line("O1")]), (DAYS[1], "fx_rates", RATES))
        stage_all(warehouse, DAYS[0])
        stage_all(warehouse, DAYS[1])
        assert differing(rows(warehouse), anew(warehouse, DAYS[1])) == []
        assert warehouse.run("select amount from staging.orders") == [(0.5,)]


def test_an_order_that_turns_out_to_be_anothers_is_no_longer_a_repurchase_of_the_first(folder: Path) -> None:
    with opened(folder) as warehouse:
        first = warehouse.run("select customer_id from staging.repurchases")
        company(warehouse, (DAYS[1], "purchases", [line("O2", customer_id="C2")]))
        found = rows(warehouse)
        assert (first, len(found["repurchases"])) == ([("C1",)], 0)
        assert differing(found, anew(warehouse, DAYS[1])) == []


def test_staging_of_an_earlier_day_and_back_is_what_it_was(folder: Path) -> None:
    with opened(folder) as warehouse:
        company(warehouse, (DAYS[1], "purchases", [line("O2", amount=2.0)]), (DAYS[2], "complaints", []))
        company(warehouse, (DAYS[3], "complaints", [COMPLAINT]))
        before = rows(warehouse)
        with staged_as_of(warehouse, DAYS[1]):
            assert staged_until(warehouse) == DAYS[1]
            assert rows(warehouse)["complaints"].is_empty()
        assert staged_until(warehouse) == DAYS[3]
        assert differing(rows(warehouse), before) == []
        assert not before["complaints"].is_empty()


COMPLAINT = {
    "complaint_id": "K1",
    "customer_id": "C1",
    "opened_at": datetime(2024, 1, 25),
    "category": "delivery",
    "severity": 2,
}


def reload(warehouse: Warehouse) -> None:
    load_again(warehouse, contract("purchases"), DAYS[0], "run")


def erase(warehouse: Warehouse) -> None:
    delete(warehouse, Persons.of(warehouse.settings, ["C1"]), key_for_erasing(warehouse))


def miscount(warehouse: Warehouse) -> None:
    warehouse.run("delete from raw.purchases where order_id = 'O1'")


def migrate(warehouse: Warehouse) -> None:
    warehouse.run("insert into meta.schema_version values (99, null)")


@pytest.mark.parametrize("change", [reload, erase, miscount, migrate])
def test_whatever_changed_what_was_delivered_before_has_all_orders_made_anew(
    folder: Path, change: Callable[[Warehouse], None]
) -> None:
    with opened(folder) as warehouse:
        assert not is_whole(warehouse, "orders", DAYS[1])
        change(warehouse)
        assert is_whole(warehouse, "orders", DAYS[1])
        assert is_whole(warehouse, "repurchases", DAYS[1])
        if change is migrate:
            warehouse.run("delete from meta.schema_version where version = 99")


def test_an_earlier_day_has_all_orders_made_anew(folder: Path) -> None:
    with opened(folder) as warehouse:
        assert is_whole(warehouse, "orders", DAYS[0] - timedelta(days=1))
        assert not is_whole(warehouse, "orders", DAYS[0])


@pytest.mark.parametrize("changed", [{"currency": "USD"}, {"time_zone": "Asia/Shanghai"}, {"is_full": True}])
def test_other_settings_have_all_orders_made_anew(folder: Path, changed: dict[str, Any]) -> None:
    with opened(folder, **changed) as warehouse:
        assert is_whole(warehouse, "orders", DAYS[1])


def test_another_query_has_its_table_and_those_made_of_it_made_anew(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened(folder) as warehouse:
        assert not is_whole(warehouse, "repurchases", DAYS[1])
        monkeypatch.setattr(
            "pipelines.staging_parts.text", lambda path: sql_files.text(path) + "-- new" * ("orders" in path)
        )
        assert is_whole(warehouse, "orders", DAYS[1])
        assert is_whole(warehouse, "repurchases", DAYS[1])
        assert not is_whole(warehouse, "churn", DAYS[1])


def test_another_setting_of_a_contract_has_its_table_made_anew(folder: Path) -> None:
    with opened(folder) as warehouse:
        given = variables(warehouse)
        assert part_to_stage(warehouse, "orders", DAYS[1], given | {"unexplained_returns": "other"}) is None


def test_a_table_that_was_staged_before_the_program_said_of_what_is_made_anew(folder: Path) -> None:
    with opened(folder) as warehouse:
        warehouse.run("create or replace table meta.staged as select date '2024-02-04' as until")
        warehouse.run("update meta.schema_version set version = 3")
    with opened(folder) as warehouse:
        assert staged_until(warehouse) == DAYS[0]
        assert is_whole(warehouse, "orders", DAYS[1])
