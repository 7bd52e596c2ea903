import io
import json
from datetime import date, datetime
from pathlib import Path

import pytest

from pipelines.errors import UserError
from pipelines.operations.logs import Log, chosen_form


@pytest.fixture
def stream():
    return io.StringIO()


def test_json_is_one_object_a_line_with_time_level_and_context(stream):
    log = Log("json", stream, job="nightly", as_of=date(2026, 1, 31))
    log.info("step", step="raw.purchases", rows=12, seconds=0.5)
    log.error("error", text="one line\nand another 中文")
    first, second = map(json.loads, stream.getvalue().splitlines())
    assert datetime.fromisoformat(first.pop("time")).utcoffset().total_seconds() == 0
    assert first == {
        "level": "info",
        "event": "step",
        "job": "nightly",
        "as_of": "2026-01-31",
        "step": "raw.purchases",
        "rows": 12,
        "seconds": 0.5,
    }
    assert (second["level"], second["text"]) == ("error", "one line\nand another 中文")


def test_text_is_one_line_an_event(stream):
    Log("text", stream, job="nightly").warning("warning", text='a "quoted"\nline')
    assert len(stream.getvalue().splitlines()) == 1
    assert " level=warning event=warning " in stream.getvalue()


def test_off_writes_nothing(stream):
    log = Log("off", stream, job="nightly")
    log.info("step", step="x")
    log.error("error", text="y")
    assert stream.getvalue() == ""


def test_values_of_any_kind_are_logged(stream):
    Log("json", stream, path=Path("x"), nothing=None).info("end", moment=datetime(2026, 1, 31))
    assert json.loads(stream.getvalue())["moment"] == "2026-01-31 00:00:00"


def test_the_command_line_wins_over_the_environment(monkeypatch):
    monkeypatch.setenv("TRUST_LOG", "json")
    assert chosen_form(None) == "json"
    assert chosen_form("text") == "text"
    monkeypatch.delenv("TRUST_LOG")
    assert chosen_form(None) == "off"


def test_an_unknown_form_is_refused_in_one_line(monkeypatch):
    monkeypatch.setenv("TRUST_LOG", "xml")
    with pytest.raises(UserError, match="TRUST_LOG: 'xml' is no form of log; use one of off, text, json"):
        chosen_form(None)
