from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
from dagster import DagsterInstance, DagsterRunStatus

from data_contracts import contract
from pipelines.checks.delivery_checks import _account
from pipelines.errors import UserError
from pipelines.ingest.loading import load
from pipelines.operations.retention import Removed, Retention, clean, clean_runs, render

KEEP_ALL = Retention(None, None, None, None, None, None)
NEWEST = date(2024, 6, 30)


def ago(days):
    return NEWEST - timedelta(days=days)


def early(purchase, order_id, **changes):
    return purchase(order_id=order_id, ordered_at="2023-01-01T10:00:00Z", **changes)


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    for kind in ("HISTORY", "QUARANTINE", "FINDINGS", "MODELS", "RUNS", "REPORTS"):
        monkeypatch.delenv(f"TRUST_KEEP_{kind}_DAYS", raising=False)


@pytest.fixture
def nights(warehouse):
    """Scores of nights that are so many days old, with the versions of their models."""
    warehouse.run(
        "create table scores.nights (as_of date, trust_model_version varchar, churn_model_version varchar);"
        "create table scores.customer_days"
        " (customer_id varchar, as_of date, trust_model_version varchar, churn_model_version varchar)"
    )

    def score(days, model_days):
        versions = (f"{ago(model_days)}.trust000", f"{ago(model_days)}.churn000")
        warehouse.run("insert into scores.nights values (?, ?, ?)", (ago(days), *versions))
        warehouse.run("insert into scores.customer_days values ('C1', ?, ?, ?)", (ago(days), *versions))

    return score


@pytest.fixture
def train(warehouse):
    warehouse.run(
        "create table meta.models (kind varchar, version varchar, trained_as_of date, is_promoted boolean,"
        " file varchar, card varchar)"
    )

    def write(days, is_promoted=True):
        for kind in ("trust", "experience", "churn"):
            folder = warehouse.settings.warehouse / "models" / f"{kind}-{ago(days)}.0123abcd"
            folder.mkdir(parents=True)
            (folder / "model.skops").write_bytes(b"model")
            row = (kind, f"{ago(days)}.{kind:0<8.8}", ago(days), is_promoted, f"models/{folder.name}/model.skops", "{}")
            warehouse.run("insert into meta.models values (?, ?, ?, ?, ?, ?)", row)

    return write


def kept_models(warehouse):
    registered = {row[0] for row in warehouse.run("select distinct trained_as_of from meta.models")}
    folders = {date.fromisoformat(path.name.split("-", 1)[1][:10]) for path in _folders(warehouse)}
    assert folders == registered
    return {(NEWEST - day).days for day in registered}


def _folders(warehouse):
    return list((warehouse.settings.warehouse / "models").iterdir())


def test_by_default_published_scores_are_kept_for_ever():
    assert Retention.from_environment() == Retention(None, 180, 400, 400, 90, 400)


def test_days_come_from_the_environment_and_nothing_keeps_for_ever(monkeypatch):
    monkeypatch.setenv("TRUST_KEEP_HISTORY_DAYS", "800")
    monkeypatch.setenv("TRUST_KEEP_RUNS_DAYS", "")
    assert Retention.from_environment() == Retention(800, 180, 400, 400, None, 400)


@pytest.mark.parametrize("text", ["0", "-1", "a week", "1.5", "999999999"])
def test_what_is_no_number_of_days_is_refused_in_one_line(monkeypatch, text):
    monkeypatch.setenv("TRUST_KEEP_MODELS_DAYS", text)
    with pytest.raises(UserError, match=r"TRUST_KEEP_MODELS_DAYS: '.*' is no number of days; use 1 or more"):
        Retention.from_environment()


def test_a_warehouse_without_nights_keeps_everything(warehouse):
    assert clean(warehouse, Retention(1, 1, 1, 1, 1)) == []


def test_old_nights_go_and_the_day_on_the_edge_stays(warehouse, nights):
    for days in (0, 100, 101, 500):
        nights(days, days)
    removed = clean(warehouse, Retention(100, None, None, None, None))
    assert removed == [Removed("history", 2, "rows", 100), Removed("history", 2, "nights", 100)]
    for table in ("scores.nights", "scores.customer_days"):
        assert warehouse.run(f"select as_of from {table} order by all") == [(ago(100),), (ago(0),)]


def test_the_newest_night_stays_however_old_it_is_by_the_clock(warehouse, nights):
    nights(0, 0)
    assert datetime.now(UTC).date() - timedelta(days=300) > NEWEST
    assert clean(warehouse, Retention(1, 1, 1, 1, None)) == []
    assert warehouse.value("select count(*) from scores.nights") == 1


def test_a_dry_run_counts_and_removes_nothing(warehouse, nights, train):
    nights(0, 0)
    nights(500, 500)
    train(0)
    train(600)
    told = clean(warehouse, Retention(100, 100, 100, 100, None), is_dry_run=True)
    assert render(told, is_dry_run=True).splitlines() == [
        "would remove 1 rows of history (older than 100 days)",
        "would remove 1 nights of history (older than 100 days)",
        "would remove 3 models of models (older than 100 days)",
    ]
    assert warehouse.value("select count(*) from scores.nights") == 2
    assert kept_models(warehouse) == {0, 600}


def test_refused_rows_expire_and_the_account_still_holds(warehouse, nights, deliver, purchase):
    bad = [early(purchase, "O1"), early(purchase, "O2", amount="a lot")]
    for days in (0, 300):
        deliver("purchases", f"{ago(days)}.csv", bad)
    agreed = contract("purchases")
    load(warehouse, agreed, NEWEST, "run")
    nights(0, 0)
    assert clean(warehouse, Retention(quarantine=180)) == [Removed("quarantine", 1, "rows", 180)]
    assert warehouse.run("select load_date from quarantine.purchases") == [(NEWEST,)]
    ledger = "select load_date, rows_read, rows_quarantined, rows_expired from meta.loads order by all"
    assert warehouse.run(ledger) == [(ago(300), 2, 1, 1), (NEWEST, 2, 1, 0)]
    assert _account(warehouse, agreed, NEWEST).is_passed
    assert clean(warehouse, Retention(quarantine=180)) == []
    warehouse.run("delete from quarantine.purchases")
    assert not _account(warehouse, agreed, NEWEST).is_passed


def test_a_day_that_is_delivered_again_begins_a_new_account(warehouse, nights, deliver, purchase):
    refused, good, another = early(purchase, "O1", amount="a lot"), early(purchase, "O2"), early(purchase, "O3")
    deliver("purchases", f"{ago(300)}.csv", [refused, good])
    load(warehouse, contract("purchases"), NEWEST, "run")
    nights(0, 0)
    clean(warehouse, Retention(quarantine=180))
    deliver("purchases", f"{ago(300)}.csv", [refused, good, another])
    load(warehouse, contract("purchases"), NEWEST, "run")
    assert warehouse.run("select rows_quarantined, rows_expired from meta.loads") == [(1, 0)]
    assert _account(warehouse, contract("purchases"), NEWEST).is_passed


def test_a_model_stays_while_a_kept_score_names_it(warehouse, nights, train):
    for days in (0, 7, 450, 460, 600):
        train(days)
    nights(0, 0)
    nights(445, 450)
    removed = clean(warehouse, Retention(None, None, None, 400, None))
    assert removed == [Removed("models", 6, "models", 400)]
    assert kept_models(warehouse) == {0, 7, 450}


def test_a_model_goes_with_the_last_score_that_names_it(warehouse, nights, train):
    for days in (0, 450):
        train(days)
    nights(0, 0)
    nights(445, 450)
    clean(warehouse, Retention(400, None, None, 400, None))
    assert kept_models(warehouse) == {0}


def test_the_newest_promoted_model_stays_however_old_it_is(warehouse, nights, train):
    train(900)
    train(0, is_promoted=False)
    nights(0, 0)
    clean(warehouse, Retention(None, None, None, 1, None))
    assert kept_models(warehouse) == {0, 900}


def test_a_model_folder_that_nobody_registered_goes_and_what_is_not_ours_stays(warehouse, nights, train):
    train(0)
    nights(0, 0)
    models = warehouse.settings.warehouse / "models"
    old, young, mine = models / f"churn-{ago(500)}.ffffffff", models / f"churn-{ago(5)}.ffffffff", models / "notes"
    for folder in (old, young, mine):
        folder.mkdir()
    removed = clean(warehouse, Retention(None, None, None, 400, None))
    assert removed == [Removed("models", 1, "unregistered model folders", 400)]
    assert (old.exists(), young.exists(), mine.exists()) == (False, True, True)


def test_old_findings_and_backtest_reports_go(warehouse, nights):
    nights(0, 0)
    warehouse.run("create table meta.findings as select unnest([?, ?]::date[]) as as_of", (ago(401), ago(400)))
    for days in (401, 400):
        (warehouse.settings.warehouse / "reports" / f"backtest-{ago(days)}").mkdir(parents=True)
    removed = clean(warehouse, Retention(None, None, 400, None, None))
    assert removed == [Removed("findings", 1, "rows", 400), Removed("findings", 1, "backtest reports", 400)]
    assert [path.name for path in (warehouse.settings.warehouse / "reports").iterdir()] == [f"backtest-{ago(400)}"]


def test_reports_of_old_nights_go_and_what_is_not_ours_stays(warehouse, nights):
    nights(0, 0)
    reports = warehouse.settings.warehouse / "reports"
    for name in (ago(401), ago(400), ago(0), f"backtest-{ago(401)}", "for the board"):
        (reports / str(name)).mkdir(parents=True)
        (reports / str(name) / "report.en.html").write_text("told", encoding="utf-8")
    removed = clean(warehouse, Retention(None, None, None, None, None, 400))
    assert removed == [Removed("reports", 1, "nights", 400)]
    kept = {f"{ago(400)}", f"{ago(0)}", f"backtest-{ago(401)}", "for the board"}
    assert {path.name for path in reports.iterdir()} == kept


@dg.op
def nothing():
    pass


@dg.job
def empty():
    nothing()


@pytest.fixture
def record(tmp_path):
    (tmp_path / "record").mkdir()
    with DagsterInstance.local_temp(str(tmp_path / "record")) as instance:
        yield instance


def test_old_finished_runs_go_with_their_events_and_logs(record, monkeypatch):
    done = empty.execute_in_process(instance=record)
    written = record.compute_log_manager.get_captured_local_path([done.run_id, "compute_logs", "nothing"], "out")
    log = Path(written)
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text("C0001 bought", encoding="utf-8")
    assert clean_runs(record, 1) == []
    assert clean_runs(record, None) == []
    monkeypatch.setattr("pipelines.operations.retention.datetime", Later)
    assert clean_runs(record, 1, is_dry_run=True) == [Removed("runs", 1, "runs", 1)]
    assert record.get_run_by_id(done.run_id) is not None
    assert clean_runs(record, 1) == [Removed("runs", 1, "runs", 1)]
    assert record.get_run_by_id(done.run_id) is None
    assert record.all_logs(done.run_id) == []
    assert not log.exists()


def test_a_run_that_has_not_ended_stays(record, monkeypatch):
    run = record.create_run_for_job(empty, status=DagsterRunStatus.STARTED)
    monkeypatch.setattr("pipelines.operations.retention.datetime", Later)
    assert clean_runs(record, 1) == []
    assert record.get_run_by_id(run.run_id) is not None


class Later(datetime):
    @classmethod
    def now(cls, tz=None):
        return super().now(tz) + timedelta(days=2)
