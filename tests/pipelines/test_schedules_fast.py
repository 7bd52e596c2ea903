import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, Phase, given, note, settings
from hypothesis import strategies as st

from data_contracts import contract, landing_contracts
from pipelines.ingest.accepting import prepare
from pipelines.ingest.deliveries import outdated_nights
from pipelines.ingest.loading import load
from pipelines.settings import Settings
from pipelines.staging import stage
from pipelines.warehouse import Warehouse
from tests.pipelines.schedules import (
    NIGHTS,
    SUNDAY,
    Schedule,
    copied,
    history,
    night,
    play,
    schedules,
    state,
    undisturbed,
)
from tests.pipelines.schedules import deliver as put

WITHOUT_SHRINKING = (Phase.explicit, Phase.reuse, Phase.generate)
"""A schedule takes seconds: making one that fails smaller would take an hour, and says little more."""

SOME = settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck), phases=WITHOUT_SHRINKING)


@contextmanager
def opened(folder: Path, *, is_full: bool = False) -> Iterator[Warehouse]:
    with Warehouse(Settings(folder / "landing", folder / "warehouse", is_full=is_full)) as warehouse:
        yield warehouse


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("base")
    history(folder / "landing")
    with opened(folder) as warehouse:
        night(warehouse, SUNDAY)
    return folder


def holds(base: Path, tmp_path: Path, schedule: Schedule) -> None:
    with opened(copied(base, tmp_path / "straight")) as warehouse:
        undisturbed(schedule, warehouse)
        expected = state(warehouse)
    with opened(copied(base, tmp_path / "crooked")) as warehouse:
        note(f"{play(schedule, warehouse)} nights")
        found = state(warehouse)
        night(warehouse, NIGHTS[-1])
        kept = state(warehouse) | of_day(warehouse, NIGHTS[-1])
    differing = [name for name, frame in expected.items() if not found[name].equals(frame)]
    assert differing == []
    with opened(tmp_path / "crooked", is_full=True) as warehouse:
        night(warehouse, NIGHTS[-1])
        anew = state(warehouse) | of_day(warehouse, NIGHTS[-1])
    assert [name for name, frame in anew.items() if not kept[name].equals(frame)] == []


@SOME
@given(schedules())
def test_whatever_comes_late_twice_or_corrected_ends_as_if_it_had_come_in_order(
    base: Path, tmp_path: Path, schedule: Schedule
) -> None:
    holds(base, tmp_path, schedule)


@SOME
@given(schedules(), st.sampled_from(NIGHTS[:-1]))
def test_a_past_day_run_again_after_whatever_came_later_gives_the_same_scores(
    base: Path, tmp_path: Path, schedule: Schedule, day: date
) -> None:
    later = Schedule({place: rows for place, rows in schedule.final.items() if place[0] > day})
    with opened(copied(base, tmp_path / "past")) as warehouse:
        for (delivered, source), rows in schedule.final.items():
            if delivered <= day:
                put(warehouse.settings.landing, delivered, source, rows)
        night(warehouse, day)
        before = of_day(warehouse, day)
        for (delivered, source), rows in later.final.items():
            put(warehouse.settings.landing, delivered, source, rows)
        night(warehouse, NIGHTS[-1])
        assert outdated_nights(warehouse) == []
        night(warehouse, day)
        assert [name for name, frame in of_day(warehouse, day).items() if not before[name].equals(frame)] == []


def of_day(warehouse: Warehouse, day: date) -> dict[str, pl.DataFrame]:
    """What a night that was the last to run left: scores of its day, what they were made of, and how it is told."""
    scores = f"scores.customer_days where as_of = date '{day}' and not is_reconstructed order by all"
    told = f"scores.nights where as_of = date '{day}'"
    tables = (
        "evidence",
        "evidence_before",
        "day_before",
        "trial_changes",
        "customer_features",
        "customer_status",
        "customer_summaries",
        "stream_summaries",
        "customer_summaries_before",
        "stream_summaries_before",
        "touched",
        "trial_outcomes",
    )
    return {
        "scores": warehouse.frame(f"from {scores}"),
        "night": warehouse.frame(f"select * exclude (run_id, scored_at) from {told}"),
        **{table: warehouse.frame(f"from features.{table} order by all") for table in tables},
    }


def test_what_changed_depends_on_no_other_night_having_run(base: Path, tmp_path: Path) -> None:
    """Not on the night before, whose scores it compares with, nor on the training that gave them."""
    eve, day = SUNDAY + timedelta(days=6), SUNDAY + timedelta(days=7)
    with opened(copied(base, tmp_path / "all")) as warehouse:
        night(warehouse, eve)
        scores = warehouse.frame(
            f"select customer_id, trust_score from scores.customer_days where as_of = date '{eve}'"
        )
        night(warehouse, day)
        expected = compared(warehouse)
    shutil.copytree(base / "landing", tmp_path / "alone" / "landing")
    with opened(tmp_path / "alone") as warehouse:
        night(warehouse, day)
        trained = warehouse.run("select distinct trained_as_of from meta.models")
        found = compared(warehouse)
    assert trained == [(day,)], "the models of either night are other ones"
    assert [name for name, frame in expected.items() if not frame.equals(found[name])] == []
    both = found["features.day_before"].join(scores, on="customer_id")
    assert len(both) == len(scores) > 0
    assert both["trust_score_before"].equals(both["trust_score"], check_names=False)


def compared(warehouse: Warehouse) -> dict[str, pl.DataFrame]:
    tables = ("features.day_before", "features.trial_changes", "scores.changes")
    limit = warehouse.frame("select customers_moved_up, customers_moved_down, trust_change_limit from scores.nights"
                            " where as_of = (select max(as_of) from scores.nights)")  # fmt: skip
    return {table: warehouse.frame(f"from {table} order by all") for table in tables} | {"limit": limit}


COMPLAINT = {
    "complaint_id": "K1",
    "customer_id": "C000001",
    "opened_at": datetime(2023, 6, 1),
    "category": "transparency",
    "severity": 4,
}


def test_a_past_day_keeps_its_scores_after_later_models_and_a_source_that_speaks_of_before_it(
    base: Path, tmp_path: Path
) -> None:
    with opened(copied(base, tmp_path / "past")) as warehouse:
        night(warehouse, NIGHTS[0])
        before = of_day(warehouse, NIGHTS[0])
        put(warehouse.settings.landing, NIGHTS[1], "complaints", [COMPLAINT])
        next_week = SUNDAY + timedelta(days=8)
        night(warehouse, next_week)
        trained = set(warehouse.run("select distinct trained_as_of from meta.models"))
        assert {(SUNDAY,), (SUNDAY + timedelta(days=7),)} <= trained
        assert of_day(warehouse, next_week)["evidence"]["r_order_unquestioned_transparency"].sum() > 0
        night(warehouse, NIGHTS[0])
        assert all(frame.equals(before[name]) for name, frame in of_day(warehouse, NIGHTS[0]).items())


def test_a_corrected_history_ends_in_the_models_and_scores_that_it_would_have_given(base: Path, tmp_path: Path) -> None:
    def correct(folder: Path) -> None:
        path = folder / "landing" / "purchases" / f"{SUNDAY}.parquet"
        frame = pl.read_parquet(path)
        frame.filter(pl.col("customer_id") != frame["customer_id"][0]).write_parquet(path)

    crooked, straight = copied(base, tmp_path / "crooked"), tmp_path / "straight"
    shutil.copytree(base / "landing", straight / "landing")
    correct(straight)
    with opened(straight) as warehouse:
        for day in (SUNDAY, *NIGHTS[:2]):
            night(warehouse, day)
        expected = state(warehouse)
    with opened(crooked) as warehouse:
        night(warehouse, NIGHTS[1])
        night(warehouse, NIGHTS[0])
        correct(crooked)
        night(warehouse, NIGHTS[0])
        assert outdated_nights(warehouse) == [SUNDAY, NIGHTS[1]]
        night(warehouse, NIGHTS[1])
        night(warehouse, SUNDAY)
        found = state(warehouse)
    differing = [name for name in expected if not found[name].equals(expected[name])]
    assert differing in ([], ["meta.model_evaluations"])
    versions = [row[0] for row in found["meta.models"].select("version").iter_rows()]
    kept = found["meta.model_evaluations"].filter(pl.col("model_version").is_in(versions))
    assert kept.equals(expected["meta.model_evaluations"])


def amounts(warehouse: Warehouse, day: date) -> list[tuple[str, float]]:
    load(warehouse, contract("purchases"), day, "run")
    stage(warehouse, "orders", day)
    return warehouse.run("select order_id, amount from staging.orders where known_until is null order by order_id")


def test_a_refused_correction_leaves_what_an_earlier_file_said_and_takes_away_what_its_own_file_said(
    deliver: Callable[..., Path], purchase: Callable[..., dict[str, object]], open_warehouse: Callable[..., Warehouse]
) -> None:
    warehouse = open_warehouse(currency="EUR")
    for source in landing_contracts():
        prepare(warehouse, source)
    first, second = date(2024, 1, 10), date(2024, 1, 11)
    deliver("purchases", f"{first}.csv", [purchase(order_id="A", amount="1"), purchase(order_id="B", amount="2")])
    assert amounts(warehouse, first) == [("A", 1.0), ("B", 2.0)]
    deliver("purchases", f"{second}.csv", [purchase(order_id="A", amount="much"), purchase(order_id="C", amount="3")])
    assert amounts(warehouse, second) == [("A", 1.0), ("B", 2.0), ("C", 3.0)]
    deliver("purchases", f"{first}.csv", [purchase(order_id="A", amount="1"), purchase(order_id="B", amount="none")])
    assert amounts(warehouse, second) == [("A", 1.0), ("C", 3.0)]


def test_a_night_that_is_cut_off_while_it_scores_leaves_the_one_before_whole(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened(copied(base, tmp_path / "cut")) as warehouse:
        before = state(warehouse)
        monkeypatch.setattr("pipelines.modelling.scoring.actions", lambda: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            night(warehouse, NIGHTS[0])
        after = state(warehouse)
        assert all(after[name].equals(before[name]) for name in before if name.startswith("scores."))
