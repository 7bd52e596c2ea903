import json
from datetime import date

import pytest

from pipelines.errors import UserError
from pipelines.operations.alert_channels import Mail, Message, UndeliveredError, Webhook
from pipelines.operations.alerting import (
    AlertSettings,
    alert,
    alert_once,
    run_message,
    send,
    stale_message,
    trial_message,
)

SECRETS = ("T0KEN-IN-PATH", "hmac-secret", "mail-password", "url-password")
GOOD = {
    "TRUST_ALERT_WEBHOOK": "https://hooks.example.com/services/T0KEN-IN-PATH",
    "TRUST_ALERT_WEBHOOK_SECRET": "hmac-secret",
    "TRUST_ALERT_SMTP_URL": "smtp://user:url-password@mail.example.com:587",
    "TRUST_ALERT_SMTP_PASSWORD": "mail-password",
    "TRUST_ALERT_MAIL_FROM": "nights@example.com",
    "TRUST_ALERT_MAIL_TO": "a@example.com, b@example.com",
}


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    for name in (*GOOD, "TRUST_ALERT_ON", "TRUST_ALERT_WEBHOOK_FORMAT"):
        monkeypatch.delenv(name, raising=False)

    def be(**changes):
        for name, value in changes.items():
            monkeypatch.setenv(name, value)

    return be


class Recorder:
    name = "recorder"

    def __init__(self, error=None):
        self.error = error
        self.taken = []

    def send(self, message, seconds):
        if self.error:
            raise self.error
        self.taken.append(message)


def failure(lines=("purchases/2026-01-31.csv: column amount is missing",), run_id="run-1"):
    return run_message("failure", "nightly", date(2026, 1, 31), run_id, lines)


def test_nobody_is_told_where_nothing_is_set():
    assert AlertSettings.from_environment().channels == ()
    assert alert(failure()) == []


def test_a_webhook_and_a_mail_come_from_the_environment(environment):
    environment(**GOOD)
    webhook, mail = AlertSettings.from_environment().channels
    assert isinstance(webhook, Webhook)
    assert isinstance(mail, Mail)
    assert mail.recipients == ("a@example.com", "b@example.com")
    assert (webhook.name, mail.name) == ("webhook at hooks.example.com", "mail through mail.example.com")


def test_no_secret_is_in_what_the_settings_show_of_themselves(environment):
    environment(**GOOD)
    shown = repr(AlertSettings.from_environment())
    assert not [secret for secret in SECRETS if secret in shown]


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("TRUST_ALERT_WEBHOOK", "hooks.example.com/T0KEN-IN-PATH", "must be an http:// or https:// address"),
        ("TRUST_ALERT_WEBHOOK", "file:///etc/T0KEN-IN-PATH", "must be an http:// or https:// address"),
        ("TRUST_ALERT_WEBHOOK", "https://x.example.com/T0KEN-IN-PATH\r\nX: y", "must be an http:// or https://"),
        ("TRUST_ALERT_WEBHOOK", "https://x.example.com:port/T0KEN-IN-PATH", "must be an http:// or https://"),
        ("TRUST_ALERT_WEBHOOK_FORMAT", "slack", "'slack' is unknown; use one of generic, wecom, dingtalk, feishu"),
        ("TRUST_ALERT_SMTP_URL", "mail.example.com", "must be an address such as smtp://user@mail.example.com:587"),
        (
            "TRUST_ALERT_SMTP_URL",
            "smtp+plain://u:url-password@mail.example.com",
            "would send the password in the clear",
        ),
        ("TRUST_ALERT_MAIL_TO", "", "mail needs an address such as nights@example.com"),
        ("TRUST_ALERT_MAIL_FROM", "x@example.com\nBcc: y@example.com", "mail needs an address"),
        (
            "TRUST_ALERT_ON",
            "failure,allways",
            "'allways' is no kind of alert; use any of failure, check",
        ),
    ],
)
def test_a_setting_that_cannot_be_used_is_named_without_its_secrets(environment, name, value, text):
    environment(**{**GOOD, name: value})
    with pytest.raises(UserError) as caught:
        AlertSettings.from_environment()
    told = str(caught.value)
    assert told.startswith(f"{name}: ")
    assert text in told
    assert not [secret for secret in SECRETS if secret in told]
    assert "\n" not in told


def test_wrong_settings_are_a_warning_line_and_no_error(environment):
    environment(TRUST_ALERT_WEBHOOK="nonsense")
    assert alert(failure()) == ["alert not sent: TRUST_ALERT_WEBHOOK: must be an http:// or https:// address"]


@pytest.mark.parametrize(
    ("message", "english", "chinese"),
    [
        (failure(), "The night of 2026-01-31 failed", "2026-01-31 的夜间运行失败"),
        (run_message("check", "training", "2026-01-31", "r", []), "was stopped by a check", "训练被检查拦下"),
        (run_message("warning", "nightly", "2026-01-31", "r", []), "went through, with warnings", "已完成，但有警告"),
        (trial_message(), "This is a test alert", "这是一条测试提醒"),
    ],
)
def test_every_message_speaks_english_and_chinese(message, english, chinese):
    assert english in message.text
    assert chinese in message.text
    assert english in message.subject
    assert "\n" not in message.subject


def test_a_stale_publication_is_told_with_its_day_and_age(tmp_path):
    message = stale_message(date(2026, 1, 31), 50.4, 36, tmp_path)
    assert "are of 2026-01-31: 50 hours old, and at most 36 are agreed" in message.text
    assert "已过 50 小时" in message.text
    assert "There are no published scores" in stale_message(None, None, 36, tmp_path).text


def test_a_message_is_bounded_however_many_lines_there_are():
    message = failure([f"line {place}\nsecond {'x' * 10_000}" for place in range(1000)])
    assert len(message.text) < 5_000
    assert "990 more / 另有 990 条" in message.text
    json.dumps(dict(message.facts))


def test_the_same_run_has_the_same_key_and_another_run_another():
    assert failure().key == failure().key
    assert failure().key != failure(run_id="run-2").key


def test_one_channel_that_fails_keeps_the_message_from_no_other():
    good, bad = Recorder(), Recorder(UndeliveredError("answered with HTTP 404", is_final=True))
    warnings = send(AlertSettings((bad, good)), failure())
    assert warnings == ["alert not sent: recorder answered with HTTP 404"]
    assert len(good.taken) == 1


def test_an_unforeseen_error_of_a_channel_is_one_line_without_its_text():
    warnings = send(AlertSettings((Recorder(RuntimeError("T0KEN-IN-PATH")),)), failure())
    assert warnings == ["alert not sent: recorder failed (RuntimeError)"]


def test_kinds_that_nobody_asked_for_are_not_sent(environment, monkeypatch):
    taken = Recorder()
    monkeypatch.setattr("pipelines.operations.alerting._webhook", lambda: taken)
    alert(run_message("warning", "nightly", "2026-01-31", "r", ["w"]))
    assert taken.taken == []
    environment(TRUST_ALERT_ON="warning")
    alert(run_message("warning", "nightly", "2026-01-31", "r", ["w"]))
    alert(failure())
    assert [message.facts["kind"] for message in taken.taken] == ["warning"]


def test_a_staleness_is_told_once_and_the_next_one_again(tmp_path, monkeypatch):
    taken = Recorder()
    monkeypatch.setattr("pipelines.operations.alerting._webhook", lambda: taken)
    for day in (31, 31, 31, 30):
        alert_once(tmp_path, stale_message(date(2026, 1, day), 50.0, 36, tmp_path))
    assert [message.facts["as_of"] for message in taken.taken] == ["2026-01-31", "2026-01-30"]


def test_a_staleness_that_reached_nobody_is_told_again(tmp_path, monkeypatch):
    taken = Recorder(UndeliveredError("refused the connection", is_final=False))
    monkeypatch.setattr("pipelines.operations.alerting._webhook", lambda: taken)
    monkeypatch.setattr("pipelines.operations.alert_channels.FIRST_PAUSE", 1000)
    message = stale_message(date(2026, 1, 31), 50.0, 36, tmp_path)
    assert alert_once(tmp_path, message) == ["alert not sent: recorder refused the connection"]
    taken.error = None
    assert alert_once(tmp_path, message) == []
    assert taken.taken == [message]


@pytest.mark.parametrize(
    ("shape", "place"),
    [
        ("generic", ("text",)),
        ("wecom", ("text", "content")),
        ("dingtalk", ("text", "content")),
        ("feishu", ("content", "text")),
    ],
)
def test_each_receiver_finds_the_text_where_it_looks(shape, place):
    told = json.loads(
        Webhook("https://x.example.com", shape=shape)._body(Message("k", "s", "words 话", {"kind": "test"}))
    )
    for name in place:
        told = told[name]
    assert told == "words 话"
