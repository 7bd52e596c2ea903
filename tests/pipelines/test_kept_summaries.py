"""What a night keeps of the night before, when it keeps nothing, and the check that looks whether that is right."""

from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from pipelines.checks.kept_summaries import check_kept
from pipelines.modelling import customer_parts
from pipelines.modelling.models import in_use
from pipelines.modelling.snapshots import KNOWN
from pipelines.modelling.summarising import BEFORE, NOW, Brought, Shelf, bring_up
from pipelines.privacy.erasing import erase
from pipelines.settings import Settings
from pipelines.warehouse import Warehouse
from tests.pipelines.schedules import NIGHTS, SUNDAY, copied, history, night
from tests.pipelines.schedules import deliver as put

ORDER = {
    "order_id": "O00000001",
    "line_no": 1,
    "customer_id": "C000001",
    "ordered_at": "2024-02-05 10:00:00",
    "amount": 5.0,
    "currency": "EUR",
}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A company of 40 customers after the night of its history, and after the one that follows."""
    folder = tmp_path_factory.mktemp("base")
    history(folder / "landing")
    with Warehouse(Settings(folder / "landing", folder / "warehouse")) as warehouse:
        night(warehouse, SUNDAY)
        night(warehouse, NIGHTS[0])
    return folder


@pytest.fixture
def reopened(base: Path, tmp_path: Path) -> Iterator[Callable[..., Warehouse]]:
    folder, opened = copied(base, tmp_path / "copy"), []

    def reopen(**settings: object) -> Warehouse:
        for warehouse in opened:
            warehouse.close()
        opened.append(Warehouse(Settings(folder / "landing", folder / "warehouse", **settings)))
        return opened[-1]

    yield reopen
    for warehouse in opened:
        warehouse.close()


def kept(warehouse: Warehouse, shelf: Shelf = NOW) -> Brought:
    row = warehouse.records(f"select made_anew, because from meta.summaries where shelf = '{shelf.name}'")[0]
    return Brought(**row)


def test_a_night_looks_only_at_those_to_whom_something_happened(reopened: Callable[..., Warehouse]) -> None:
    warehouse = reopened()
    put(warehouse.settings.landing, NIGHTS[1], "purchases", [ORDER])
    night(warehouse, NIGHTS[1])
    customers = warehouse.value(f"select count(*) from {NOW.customers}")
    for shelf in (NOW, BEFORE):
        assert kept(warehouse, shelf).because is None
        assert kept(warehouse, shelf).made_anew < customers / 2
    last = warehouse.value(f"select last_order_date from {NOW.customers} where customer_id = 'C000001'")
    assert last == date(2024, 2, 5)


def test_the_same_night_again_looks_at_nobody(reopened: Callable[..., Warehouse]) -> None:
    warehouse = reopened()
    assert bring_up(warehouse, NIGHTS[0], in_use(warehouse, NIGHTS[0])) == Brought(0, None)


def asked_for(warehouse: Warehouse) -> None:
    object.__setattr__(warehouse.settings, "is_full", True)


def late_file(warehouse: Warehouse) -> None:
    put(warehouse.settings.landing, NIGHTS[0], "purchases", [ORDER])


def first_complaints(warehouse: Warehouse) -> None:
    complaint = {"complaint_id": "K1", "customer_id": "C000001", "opened_at": "2024-02-05", "category": "delivery",
                 "severity": 3}  # fmt: skip
    put(warehouse.settings.landing, NIGHTS[1], "complaints", [complaint])


@pytest.mark.parametrize(
    ("happens", "because"),
    [
        (asked_for, "asked for"),
        (late_file, "changed: deliveries"),
        (first_complaints, "a source was delivered for the first time"),
    ],
)
def test_nothing_is_kept_where_more_than_single_customers_may_have_changed(
    happens: Callable[[Warehouse], None], because: str, reopened: Callable[..., Warehouse]
) -> None:
    warehouse = reopened()
    happens(warehouse)
    night(warehouse, NIGHTS[1])
    assert kept(warehouse).because == because
    assert kept(warehouse).made_anew == warehouse.value(f"select count(*) from ({customer_parts.EVERYBODY})")


def test_nothing_is_kept_after_an_erasure(reopened: Callable[..., Warehouse]) -> None:
    """Complaints of the person erased may have spoken of orders of others."""
    warehouse = reopened()
    somebody = warehouse.value(f"select min(customer_id) from {NOW.customers} where customer_id > 'C000001'")
    warehouse.close()
    erase(warehouse.settings, [somebody])
    warehouse = reopened()
    night(warehouse, NIGHTS[1])
    assert "erasures" in str(kept(warehouse).because)


def test_the_check_finds_a_number_that_no_event_says(reopened: Callable[..., Warehouse]) -> None:
    warehouse = reopened()
    models = in_use(warehouse, NIGHTS[0])
    fine = check_kept(warehouse, NIGHTS[0], models)
    assert (fine.is_passed, fine.failed_rows) == (True, 0)
    assert fine.checked_rows == warehouse.value(f"select count(*) from {NOW.customers}")
    features = KNOWN["features"]
    warehouse.run(
        f"update {features} set orders_decayed_30d = orders_decayed_30d * (1 + 1e-15)"
        f" where customer_id = (select arg_max(customer_id, orders_decayed_30d) from {features})"
    )
    found = check_kept(warehouse, NIGHTS[0], models)
    assert (found.is_passed, found.failed_rows) == (False, 1)
    assert "differ: run the night again with 'trust run --full'" in found.text_en
    held = warehouse.records("select failed_rows from meta.findings where check_name = 'kept_summaries'")
    assert held == [{"failed_rows": 1}]


def test_parts_of_customers_change_no_number(
    reopened: Callable[..., Warehouse], monkeypatch: pytest.MonkeyPatch
) -> None:
    def tables(warehouse: Warehouse) -> dict[str, pl.DataFrame]:
        found = warehouse.run("select schema_name || '.' || table_name from duckdb_tables()"
                              " where schema_name in ('features', 'scores') and table_name <> 'nights'")  # fmt: skip
        return {name: warehouse.frame(f"from {name} order by all") for (name,) in found}

    warehouse = reopened(is_full=True)
    night(warehouse, NIGHTS[1])
    together = tables(warehouse)
    monkeypatch.setattr(customer_parts, "EVENTS_AT_ONCE", 7)
    monkeypatch.setattr(customer_parts, "CUSTOMERS_AT_ONCE", 3)
    night(warehouse, NIGHTS[1])
    assert warehouse.value("select max(part) from wanted") > 3
    apart = tables(warehouse)
    assert [name for name, frame in together.items() if not apart[name].equals(frame)] == []


def test_a_part_has_the_events_of_its_own_and_of_those_entangled_with_them_wherever_they_lie(
    reopened: Callable[..., Warehouse], monkeypatch: pytest.MonkeyPatch
) -> None:
    warehouse = reopened()
    warehouse.run(
        "insert into staging.complaints by name select 'K1' as complaint_id, min(customer_id) as customer_id,"
        " arg_max(order_id, customer_id) as order_id from staging.orders"
    )
    monkeypatch.setattr(customer_parts, "EVENTS_AT_ONCE", 7)
    customer_parts.offer_parts(warehouse)
    entangled = warehouse.frame("from entangled")
    assert len(entangled) >= 2
    found = list(customer_parts.parts(warehouse))
    assert len(found) > 3
    for part in found:
        own = part["own"]["customer_id"]
        others = entangled.filter(pl.col("customer_id").is_in(own.implode()))["other_id"]
        everybody = {*own, *others}
        for source in customer_parts.SOURCES:
            staged = warehouse.frame(f"from staging.{source}").filter(pl.col("customer_id").is_in(list(everybody)))
            assert sorted(part[source]["customer_id"]) == sorted(staged["customer_id"])
    first, last = (warehouse.value(f"select {end}(customer_id) from staging.orders") for end in ("min", "max"))
    assert last not in found[0]["own"]["customer_id"]
    assert first not in found[-1]["own"]["customer_id"]
