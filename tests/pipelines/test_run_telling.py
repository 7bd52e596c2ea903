import io
import json
from datetime import date

import pytest

from pipelines.errors import BusyError, UserError
from pipelines.night import Outcome, Step
from pipelines.operations import run_telling
from pipelines.operations.logs import Log
from pipelines.operations.run_telling import log_step, tell_outcome, tell_refusal
from pipelines.settings import Settings

DAY = date(2026, 1, 31)


@pytest.fixture
def told(monkeypatch):
    messages = []
    monkeypatch.setattr(run_telling, "alert", lambda message: messages.append(message) or [])
    return messages


@pytest.fixture
def log():
    stream = io.StringIO()
    made = Log("json", stream, job="nightly")
    made.lines = lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    return made


@pytest.fixture(autouse=True)
def no_record(tmp_path, monkeypatch):
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    (tmp_path / "dagster.yaml").write_text(f"storage:\n  sqlite:\n    base_dir: {tmp_path}/storage\n")


def end(log, outcome):
    return tell_outcome(log, Settings(), "nightly", DAY, outcome, 1.5)


def test_a_failed_run_is_logged_and_told_once(told, log):
    end(log, Outcome(is_ok=False, errors=["no disk"], run_id="run-1"))
    assert [(message.facts["kind"], message.facts["lines"]) for message in told] == [("failure", ["no disk"])]
    assert [line["event"] for line in log.lines()] == ["error", "end"]
    assert (log.lines()[-1]["exit_code"], log.lines()[-1]["run_id"]) == (1, "run-1")


def test_a_run_that_a_check_stopped_is_told_as_such(told, log, monkeypatch):
    monkeypatch.setattr(run_telling, "is_stopped_by_check", lambda *_: True)
    end(log, Outcome(is_ok=False, errors=["a promise"], run_id="run-1"))
    assert told[0].facts["kind"] == "check"


def test_a_record_that_cannot_be_read_keeps_nobody_from_hearing_of_a_failure(told, log, tmp_path):
    (tmp_path / "dagster.yaml").write_text("storage: nonsense")
    end(log, Outcome(is_ok=False, errors=["no disk"], run_id="run-1"))
    assert told[0].facts["kind"] == "failure"


def test_a_good_run_is_logged_and_nobody_is_told(told, log):
    assert end(log, Outcome(is_ok=True, run_id="run-1")) == []
    assert told == []
    assert log.lines()[-1] | {"time": ""} == {
        "time": "",
        "level": "info",
        "event": "end",
        "job": "nightly",
        "run_id": "run-1",
        "is_ok": True,
        "exit_code": 0,
        "seconds": 1.5,
    }


def test_warnings_are_told_as_warnings(told, log):
    end(log, Outcome(is_ok=True, warnings=["late"], run_id="run-1"))
    assert (told[0].facts["kind"], told[0].facts["lines"]) == ("warning", ["late"])


def test_a_busy_warehouse_wakes_nobody(told, log):
    end(log, Outcome(is_ok=False, errors=["busy"], run_id="run-1", is_busy=True))
    tell_refusal(log, "nightly", DAY, BusyError("busy"))
    assert told == []
    assert [line["exit_code"] for line in log.lines() if line["event"] == "end"] == [3, 3]


def test_a_run_that_could_not_begin_is_told(told, log):
    tell_refusal(log, "nightly", None, UserError("landing: there is no landing folder"))
    assert told[0].facts["lines"] == ["landing: there is no landing folder"]


def test_an_error_of_the_program_is_told_without_its_text(told, log):
    tell_refusal(log, "nightly", DAY, ValueError("customer C0001 bought 12"))
    assert "C0001" not in told[0].text + json.dumps(log.lines())
    assert "the program broke off (ValueError)" in told[0].text


def test_an_alert_that_could_not_be_sent_is_a_warning_and_a_log_line(log, monkeypatch):
    monkeypatch.setattr(run_telling, "alert", lambda _: ["alert not sent: webhook at x refused the connection"])
    problems = end(log, Outcome(is_ok=False, errors=["no disk"], run_id="run-1"))
    assert problems == ["alert not sent: webhook at x refused the connection"]
    assert log.lines()[-1]["level"] == "warning"


def test_a_step_is_a_line_with_rows_and_seconds(log):
    log_step(log, Step("raw.purchases", 12, 0.12345))
    assert log.lines()[0] | {"time": ""} == {
        "time": "",
        "level": "info",
        "event": "step",
        "job": "nightly",
        "step": "raw.purchases",
        "rows": 12,
        "seconds": 0.123,
    }
