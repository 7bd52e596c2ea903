from collections.abc import Callable
from datetime import date, datetime

import polars as pl
import pytest

from pipelines.errors import UserError
from pipelines.ingest.deliveries import fingerprint, history_findings, outdated_nights, refuse_other_settings, view_day
from pipelines.modelling import models
from pipelines.modelling.model_store import amend, is_fresh, load, newest, save, stale
from pipelines.modelling.models import Training, train_missing
from pipelines.warehouse import Warehouse
from trust_models.btyd import MBGNBD

FRIDAY, SATURDAY, SUNDAY, MONDAY = (date(2024, 1, day) for day in (5, 6, 7, 8))
Ledger = Callable[..., None]


@pytest.fixture
def ledger(warehouse: Warehouse) -> Ledger:
    """Put an account of a file into the ledger, in place of the one of its name."""
    warehouse.run(
        "create or replace table meta.loads (source varchar, load_date date, file varchar, sha256 varchar,"
        " rows_accepted bigint, rows_erased bigint)"
    )

    def put(day: date, sha256: str = "a", *, source: str = "purchases", accepted: int = 5, erased: int = 0) -> None:
        file = f"{source}/{day}.csv"
        warehouse.run("delete from meta.loads where file = ?", (file,))
        warehouse.run("insert into meta.loads values (?, ?, ?, ?, ?, ?)", (source, day, file, sha256, accepted, erased))

    return put


def trained(warehouse: Warehouse, day: date, *, is_refit: bool = False) -> None:
    card = {"deliveries": fingerprint(warehouse, view_day(warehouse, day)), "is_refit": is_refit}
    save(warehouse, "churn", MBGNBD(), day, card, is_promoted=True)


def scored(warehouse: Warehouse, *days: date) -> None:
    nights = pl.DataFrame(
        {
            "as_of": list(days),
            "time_zone": "UTC",
            "currency": "EUR",
            "deliveries": [fingerprint(warehouse, day) for day in days],
        }
    )
    warehouse.replace_part("scores.nights", nights, "as_of in (select unnest(?))", (list(days),))


def test_the_fingerprint_does_not_depend_on_the_order_of_loading(warehouse: Warehouse, ledger: Ledger) -> None:
    ledger(FRIDAY)
    ledger(SATURDAY, "b")
    before = fingerprint(warehouse, SATURDAY)
    warehouse.run("create or replace table meta.loads as from meta.loads order by load_date desc")
    assert fingerprint(warehouse, SATURDAY) == before
    assert fingerprint(warehouse, FRIDAY) != before


@pytest.mark.parametrize("change", [{"sha256": "other"}, {"accepted": 4}], ids=["other content", "other rows accepted"])
def test_a_file_that_changed_makes_the_models_from_its_day_on_stale(
    warehouse: Warehouse, ledger: Ledger, change: dict[str, object]
) -> None:
    ledger(FRIDAY)
    ledger(SUNDAY)
    for day in (FRIDAY, SATURDAY, SUNDAY):
        trained(warehouse, day)
    assert stale(warehouse, "churn", SUNDAY, since=FRIDAY) == []
    ledger(SUNDAY, **change)
    assert [model.trained_as_of for model in stale(warehouse, "churn", MONDAY, since=FRIDAY)] == [SUNDAY]
    assert newest(warehouse, "churn", MONDAY).trained_as_of == SATURDAY


def test_a_late_file_makes_a_model_stale_and_a_later_day_does_not(warehouse: Warehouse, ledger: Ledger) -> None:
    ledger(FRIDAY)
    trained(warehouse, SUNDAY)
    ledger(MONDAY)
    assert newest(warehouse, "churn", MONDAY) is not None
    ledger(SATURDAY, source="complaints")
    assert newest(warehouse, "churn", MONDAY) is None


def test_a_file_put_back_as_it_was_makes_the_model_fresh_again(warehouse: Warehouse, ledger: Ledger) -> None:
    ledger(FRIDAY)
    trained(warehouse, SUNDAY)
    ledger(FRIDAY, "wrong")
    assert newest(warehouse, "churn", MONDAY) is None
    ledger(FRIDAY)
    assert newest(warehouse, "churn", MONDAY).trained_as_of == SUNDAY


def test_an_erased_customer_makes_nothing_out_of_date(warehouse: Warehouse, ledger: Ledger) -> None:
    ledger(FRIDAY, accepted=5)
    trained(warehouse, SUNDAY)
    scored(warehouse, SUNDAY)
    ledger(FRIDAY, accepted=3, erased=2)
    assert newest(warehouse, "churn", MONDAY) is not None
    assert outdated_nights(warehouse) == []


def test_a_ledger_from_before_erasure_is_read_too(warehouse: Warehouse, ledger: Ledger) -> None:
    ledger(FRIDAY)
    now = fingerprint(warehouse, SUNDAY)
    warehouse.run("alter table meta.loads drop column rows_erased")
    assert fingerprint(warehouse, SUNDAY) == now


def test_a_model_from_before_deliveries_were_noted_counts_as_fresh(warehouse: Warehouse, ledger: Ledger) -> None:
    ledger(FRIDAY)
    save(warehouse, "churn", MBGNBD(), SUNDAY, {}, is_promoted=True)
    ledger(SATURDAY)
    assert newest(warehouse, "churn", MONDAY) is not None


def test_the_history_that_came_after_the_training_day_belongs_to_it(warehouse: Warehouse, ledger: Ledger) -> None:
    ledger(MONDAY)
    trained(warehouse, SUNDAY)
    assert view_day(warehouse, SUNDAY) == MONDAY
    assert is_fresh(warehouse, newest(warehouse, "churn", MONDAY))
    ledger(MONDAY, "corrected")
    assert newest(warehouse, "churn", MONDAY) is None


def test_models_of_one_day_on_other_deliveries_have_other_versions(warehouse: Warehouse, ledger: Ledger) -> None:
    ledger(FRIDAY)
    trained(warehouse, SUNDAY)
    before = newest(warehouse, "churn", SUNDAY).version
    ledger(FRIDAY, "corrected")
    trained(warehouse, SUNDAY)
    assert newest(warehouse, "churn", SUNDAY).version != before


@pytest.mark.parametrize("is_refit", [True, False])
def test_a_night_trains_a_stale_day_again_as_it_was_asked_for(
    warehouse: Warehouse, ledger: Ledger, monkeypatch: pytest.MonkeyPatch, is_refit: bool
) -> None:
    calls = []

    def train(_: Warehouse, day: date, *, is_refit: bool = False) -> Training:
        calls.append((day, is_refit))
        trained(warehouse, day, is_refit=is_refit)
        return Training(day, "average", is_promoted=True, notes=())

    monkeypatch.setattr(models, "train", train)
    warehouse.replace("staging.orders", pl.DataFrame({"known_from": [FRIDAY]}))
    ledger(FRIDAY)
    trained(warehouse, SUNDAY, is_refit=is_refit)
    assert train_missing(warehouse, MONDAY) == []
    ledger(FRIDAY, "corrected")
    assert [training.trained_as_of for training in train_missing(warehouse, MONDAY)] == [SUNDAY]
    assert calls == [(SUNDAY, is_refit)]


def test_what_a_card_says_anew_stands_in_the_register_and_on_its_pages(warehouse: Warehouse, ledger: Ledger) -> None:
    ledger(FRIDAY)
    trained(warehouse, SUNDAY)
    amended = amend(warehouse, newest(warehouse, "churn", SUNDAY), {"notes": [["told later", "后来说明"]]})
    assert newest(warehouse, "churn", SUNDAY) == amended
    folder = warehouse.settings.warehouse / amended.folder
    assert all("told later" in (folder / name).read_text("utf-8") for name in ("card.json", "card.en.md"))
    assert load(warehouse, amended).get_params() == MBGNBD().get_params()


def test_nights_scored_before_a_late_file_are_told_with_the_command_that_mends_them(
    warehouse: Warehouse, ledger: Ledger
) -> None:
    ledger(FRIDAY)
    ledger(SUNDAY)
    scored(warehouse, FRIDAY, SATURDAY, SUNDAY, MONDAY)
    assert [found.is_passed for found in history_findings(warehouse)] == [True]
    ledger(SATURDAY)
    assert outdated_nights(warehouse) == [SATURDAY, SUNDAY, MONDAY]
    found = history_findings(warehouse)[0]
    assert (found.is_passed, found.severity) == (False, "warning")
    assert found.text_en == (
        "3 nights of 2024-01-06 to 2024-01-08 were scored before files that now belong to their days; run them again:"
        " trust run --since 2024-01-06 --as-of 2024-01-08"
    )
    assert "trust run --since 2024-01-06 --as-of 2024-01-08" in found.text_zh
    scored(warehouse, SATURDAY, SUNDAY)
    assert history_findings(warehouse)[0].text_en.startswith("the night of 2024-01-08 was scored before files")


def test_nights_from_before_deliveries_were_noted_are_not_told(warehouse: Warehouse, ledger: Ledger) -> None:
    ledger(FRIDAY)
    scored(warehouse, FRIDAY)
    warehouse.run("update scores.nights set deliveries = null")
    ledger(FRIDAY, "other")
    assert outdated_nights(warehouse) == []


@pytest.mark.parametrize(
    ("settings", "currency", "text"),
    [
        (
            {"time_zone": "Asia/Shanghai"},
            "EUR",
            "TRUST_TIME_ZONE: .* was filled with UTC, and now it would be Asia/Shan",
        ),
        ({}, "USD", "TRUST_CURRENCY: .* was filled with EUR, and now it would be USD; set TRUST_CURRENCY=EUR, or move"),
    ],
)
def test_days_or_money_counted_otherwise_than_before_are_refused_in_one_line(
    open_warehouse: Callable[..., Warehouse], settings: dict[str, str], currency: str, text: str
) -> None:
    warehouse = open_warehouse(**settings)
    nights = {"as_of": [SUNDAY], "time_zone": ["UTC"], "currency": ["EUR"], "scored_at": [datetime(2024, 1, 8)]}
    warehouse.replace("scores.nights", pl.DataFrame(nights))
    with pytest.raises(UserError, match=text) as raised:
        refuse_other_settings(warehouse, currency)
    assert "\n" not in str(raised.value)
