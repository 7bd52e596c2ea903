import dagster as dg
import pytest
from dagster import DagsterInstance

from pipelines.defs import operations
from pipelines.defs.operations import failed_run, retention, stale_publication, warned_run
from pipelines.errors import UserError


@pytest.fixture
def record(tmp_path):
    (tmp_path / "record").mkdir()
    with DagsterInstance.local_temp(str(tmp_path / "record"), {"telemetry": {"enabled": False}}) as instance:
        yield instance


@pytest.fixture
def told(monkeypatch, tmp_path):
    messages = []
    monkeypatch.setattr(operations, "alert", lambda message: messages.append(message) or [])
    monkeypatch.setenv("TRUST_WAREHOUSE", str(tmp_path / "warehouse"))
    return messages


def cleared(warehouse, record):
    context = dg.build_asset_context(partition_key="2024-01-02", instance=record)
    result, check = retention(context, warehouse)
    return result, check


@dg.op
def broken():
    raise UserError("purchases/2024-01-02.csv: column amount is missing")


@dg.job
def nightly():
    broken()


@dg.asset
def table():
    return None


@dg.asset_check(asset=table)
def late():
    return dg.AssetCheckResult(passed=False, severity=dg.AssetCheckSeverity.WARN, description="it is late")


@dg.asset_check(asset=table, blocking=True)
def promise():
    return dg.AssetCheckResult(passed=False, severity=dg.AssetCheckSeverity.ERROR, description="no amount")


def run_assets(record, check, **tags):
    job = dg.define_asset_job("nightly", selection=dg.AssetSelection.all(), tags=tags)
    definitions = dg.Definitions(assets=[table], asset_checks=[check], jobs=[job], executor=dg.in_process_executor)
    return definitions.resolve_job_def("nightly").execute_in_process(instance=record, raise_on_error=False)


def sense(sensor, record, done, event):
    context = dg.build_run_status_sensor_context(
        sensor_name=sensor.name, dagster_event=event, dagster_instance=record, dagster_run=done.dagster_run
    )
    return sensor(context if sensor is not failed_run else context.for_run_failure())


def event_of(done, kind):
    return next(event for event in done.all_events if event.event_type_value == kind)


def test_what_is_old_goes_after_publishing_and_is_counted(warehouse, record, monkeypatch):
    monkeypatch.setenv("TRUST_KEEP_FINDINGS_DAYS", "100")
    warehouse.run("create table scores.nights as select date '2024-06-30' as as_of")
    warehouse.run("create table meta.findings as select date '2024-01-01' as as_of")
    result, check = cleared(warehouse, record)
    assert check.passed
    assert result.metadata["findings_rows"] == 1


@pytest.mark.parametrize("error", [UserError("a setting is wrong"), OSError("disk full"), RuntimeError("unforeseen")])
def test_what_cannot_be_cleared_away_is_a_warning_and_no_failure(warehouse, record, monkeypatch, error):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr(operations, "clean", fail)
    _, check = cleared(warehouse, record)
    assert not check.passed
    assert check.severity is dg.AssetCheckSeverity.WARN
    assert check.description == f"old data was not cleared away: {error}"


def test_clearing_away_is_the_last_step_of_the_night():
    published = {dg.AssetKey(["published", "bi"]), dg.AssetKey(["published", "report"])}
    assert retention.asset_deps[retention.key] == published


def test_a_run_of_the_daemon_that_failed_is_told(record, told):
    done = nightly.execute_in_process(instance=record, raise_on_error=False)
    sense(failed_run, record, done, event_of(done, "PIPELINE_FAILURE"))
    (message,) = told
    assert message.facts["kind"] == "failure"
    assert message.facts["run_id"] == done.run_id
    assert any("column amount is missing" in line for line in message.facts["lines"])


def test_a_run_of_the_daemon_that_a_check_stopped_is_told_as_such(record, told):
    done = run_assets(record, promise)
    sense(failed_run, record, done, event_of(done, "PIPELINE_FAILURE"))
    assert [(message.facts["kind"], message.facts["lines"]) for message in told] == [("check", ["no amount"])]


def test_runs_of_a_backfill_wake_nobody(record, told):
    done = run_assets(record, promise, **{"dagster/backfill": "one"})
    sense(failed_run, record, done, event_of(done, "PIPELINE_FAILURE"))
    assert told == []


def test_a_good_run_with_warnings_is_told_as_a_warning(record, told):
    done = run_assets(record, late)
    assert done.success
    sense(warned_run, record, done, event_of(done, "PIPELINE_SUCCESS"))
    assert [(message.facts["kind"], message.facts["lines"]) for message in told] == [("warning", ["it is late"])]


def test_a_publication_that_is_missing_is_told_once(monkeypatch, tmp_path):
    taken = []

    class Recorder:
        name = "recorder"

        def send(self, message, seconds):
            taken.append(message)

    for name in ("TRUST_ALERT_ON", "TRUST_ALERT_SMTP_URL", "TRUST_MAX_AGE_HOURS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("pipelines.operations.alerting._webhook", Recorder)
    monkeypatch.setenv("TRUST_WAREHOUSE", str(tmp_path / "warehouse"))
    for _ in range(3):
        stale_publication()
    assert len(taken) == 1
    assert taken[0].facts["as_of"] == str(None)


def test_the_sensors_watch_from_the_start():
    for sensor in (failed_run, warned_run, stale_publication):
        assert sensor.default_status is dg.DefaultSensorStatus.RUNNING
