"""Alerts: what people are told when a night fails or the published scores grow old, and whether they want to know.

Belongs here: settings from the environment, the words, and telling each thing once.
Must not be here: the wire (see ``alert_channels``), or what a night does.

An alert never fails or holds up a night: what could not be told comes back as a line to be shown as a warning.
"""

import hashlib
import json
import os
import socket
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

from pipelines.checks.findings import one_line
from pipelines.errors import UserError
from pipelines.operations.alert_channels import SHAPES, Channel, Mail, Message, UndeliveredError, Webhook, deliver
from pipelines.storage.durable_files import write_durably

KINDS = ("failure", "check", "stale", "warning")
DEFAULT_KINDS = ("failure", "check", "stale")
MOST_LINES = 10
MOST_SECONDS = 30.0
"""All channels together: they are told side by side."""

WORDS = {
    "failure": (
        "{what} of {day} failed; what was published before still stands",
        "{day} 的{zh}失败；此前发布的结果仍然有效",
    ),
    "check": (
        "{what} of {day} was stopped by a check; what was published before still stands",
        "{day} 的{zh}被检查拦下；此前发布的结果仍然有效",
    ),
    "warning": ("{what} of {day} went through, with warnings", "{day} 的{zh}已完成，但有警告"),
}
JOBS = {"nightly": ("The night", "夜间运行"), "training": ("The training", "训练")}


@dataclass(frozen=True)
class AlertSettings:
    """Who is told what.

    Parameters
    ----------
    channels : tuple of Channel
        Ways to people; none: nobody is told.
    kinds : frozenset of str
        Of :data:`KINDS`, those that are told.
    seconds : float
        Time that telling may take in all.
    """

    channels: tuple[Channel, ...] = ()
    kinds: frozenset[str] = frozenset(DEFAULT_KINDS)
    seconds: float = MOST_SECONDS

    @classmethod
    def from_environment(cls) -> "AlertSettings":
        """Settings from the variables TRUST_ALERT_….

        Raises
        ------
        UserError
            If one cannot be used. Addresses and passwords are not repeated in the text.
        """
        channels = tuple(channel for channel in (_webhook(), _mail()) if channel is not None)
        return cls(channels, _kinds(os.environ.get("TRUST_ALERT_ON", "")))


def run_message(
    kind: str, job: str, as_of: date | str, run_id: str, lines: Sequence[str], warehouse: Path | None = None
) -> Message:
    """How a run ended, for one of the kinds failure, check and warning."""
    what, zh = JOBS.get(job, (job, job))
    english, chinese = (words.format(what=what, zh=zh, day=as_of) for words in WORDS[kind])
    facts = {"kind": kind, "job": job, "as_of": str(as_of), "run_id": run_id, "lines": list(lines)}
    return _message(english, chinese, lines, facts, key=(kind, run_id or f"{time.time_ns()}"), warehouse=warehouse)


def stale_message(as_of: date | None, age_hours: float | None, max_age_hours: float, warehouse: Path) -> Message:
    """The published scores are too old, or there are none."""
    if as_of is None:
        english, chinese = "There are no published scores", "尚无已发布的评分"
    else:
        english = (
            f"The published scores are of {as_of}: {age_hours:.0f} hours old, and at most {max_age_hours:g} are agreed"
        )
        chinese = f"已发布的评分为 {as_of}，已过 {age_hours:.0f} 小时，约定不超过 {max_age_hours:g} 小时"
    facts = {"kind": "stale", "as_of": str(as_of), "age_hours": age_hours, "max_age_hours": max_age_hours}
    return _message(english, chinese, [], facts, key=("stale", str(warehouse), str(as_of)), warehouse=warehouse)


def trial_message(text: str | None = None) -> Message:
    """A message sent on purpose."""
    english = text or "This is a test alert: nothing is wrong"
    chinese = text or "这是一条测试提醒：一切正常"
    return _message(english, chinese, [], {"kind": "test"}, key=("test", f"{time.time_ns()}"))


def send(settings: AlertSettings, message: Message) -> list[str]:
    """Tell every channel, side by side; returns a line for each that could not be told in time. Never raises."""
    told: dict[int, str | None] = {}
    threads = [
        threading.Thread(target=_tell, args=(told, place, channel, message, settings.seconds), daemon=True)
        for place, channel in enumerate(settings.channels)
    ]
    end = time.monotonic() + settings.seconds
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, end - time.monotonic()) + 0.5)
    names = [channel.name for channel in settings.channels]
    problems = [told.get(place, "did not answer in time") for place in range(len(names))]
    return [f"alert not sent: {name} {said}" for name, said in zip(names, problems, strict=True) if said is not None]


def alert(message: Message) -> list[str]:
    """Tell a message if its kind is wanted, by the settings of the environment; returns warnings. Never raises."""
    try:
        settings = AlertSettings.from_environment()
    except UserError as error:
        return [f"alert not sent: {error}"]
    return send(settings, message) if message.facts["kind"] in settings.kinds else []


def alert_once(folder: Path, message: Message) -> list[str]:
    """Like :func:`alert`, but a message with the same key is told once a warehouse folder, whoever asks.

    It counts as told when one channel has taken it.
    """
    memory = folder / "alerts.json"
    if _remembered(memory) == message.key:
        return []
    try:
        settings = AlertSettings.from_environment()
    except UserError as error:
        return [f"alert not sent: {error}"]
    if "stale" not in settings.kinds or not settings.channels:
        return []
    problems = send(settings, message)
    if len(problems) < len(settings.channels):
        with suppress(OSError):  # then it is told again, which is better than not at all
            folder.mkdir(parents=True, exist_ok=True)
            write_durably(memory, json.dumps({"told": message.key}).encode())
    return problems


def _remembered(memory: Path) -> str | None:
    try:
        told = json.loads(memory.read_text(encoding="utf-8"))["told"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return str(told)


def _tell(told: dict[int, str | None], place: int, channel: Channel, message: Message, seconds: float) -> None:
    try:
        deliver(channel, message, seconds)
    except UndeliveredError as error:
        told[place] = str(error)
    except Exception as error:  # a failed alert must never become a failed night
        told[place] = f"failed ({type(error).__name__})"
    else:
        told[place] = None


def _message(
    english: str,
    chinese: str,
    lines: Sequence[str],
    facts: Mapping[str, Any],
    key: tuple[str, ...],
    warehouse: Path | None = None,
) -> Message:
    shown = [f"- {one_line(line)[:300]}" for line in lines[:MOST_LINES]]
    if len(lines) > MOST_LINES:
        shown.append(f"- … {len(lines) - MOST_LINES} more / 另有 {len(lines) - MOST_LINES} 条")
    host = socket.gethostname()
    place = [f"({warehouse} @ {host})" if warehouse else f"({host})"]
    text = "\n".join([f"[indirect trust] {english}", chinese, *shown, *place])
    told = {**facts, "host": host, "software_version": version("indirect-trust")}
    digest = hashlib.sha256("\n".join(key).encode()).hexdigest()[:32]
    return Message(digest, one_line(f"[indirect trust] {english} / {chinese}"), text, told)


def _kinds(text: str) -> frozenset[str]:
    kinds = frozenset(part.strip() for part in text.split(",") if part.strip()) or frozenset(DEFAULT_KINDS)
    unknown = sorted(kinds - set(KINDS))
    if unknown:
        raise UserError(f"TRUST_ALERT_ON: {unknown[0]!r} is no kind of alert; use any of {', '.join(KINDS)}")
    return kinds


def _webhook() -> Webhook | None:
    url = os.environ.get("TRUST_ALERT_WEBHOOK")
    if not url:
        return None
    if _address("TRUST_ALERT_WEBHOOK", url, "an http:// or https:// address").scheme not in ("http", "https"):
        raise UserError("TRUST_ALERT_WEBHOOK: must be an http:// or https:// address")
    shape = os.environ.get("TRUST_ALERT_WEBHOOK_FORMAT") or "generic"
    if shape not in SHAPES:
        raise UserError(f"TRUST_ALERT_WEBHOOK_FORMAT: {shape!r} is unknown; use one of {', '.join(SHAPES)}")
    return Webhook(url, os.environ.get("TRUST_ALERT_WEBHOOK_SECRET") or None, shape)


def _mail() -> Mail | None:
    url = os.environ.get("TRUST_ALERT_SMTP_URL")
    if not url:
        return None
    form = "an address such as smtp://user@mail.example.com:587 or smtps://user@mail.example.com:465"
    parts = _address("TRUST_ALERT_SMTP_URL", url, form)
    if parts.scheme not in ("smtp", "smtps", "smtp+plain"):
        raise UserError(f"TRUST_ALERT_SMTP_URL: must be {form}")
    if parts.scheme == "smtp+plain" and parts.username:
        raise UserError("TRUST_ALERT_SMTP_URL: smtp+plain:// would send the password in the clear; use smtp://")
    sender = os.environ.get("TRUST_ALERT_MAIL_FROM", "").strip()
    recipients = tuple(part.strip() for part in os.environ.get("TRUST_ALERT_MAIL_TO", "").split(",") if part.strip())
    for name, addresses in (("TRUST_ALERT_MAIL_FROM", [sender]), ("TRUST_ALERT_MAIL_TO", recipients)):
        if not addresses or not all("@" in one and one.isprintable() for one in addresses):
            raise UserError(f"{name}: mail needs an address such as nights@example.com")
    return Mail(url, os.environ.get("TRUST_ALERT_SMTP_PASSWORD") or None, sender, recipients)


def _address(name: str, url: str, form: str) -> SplitResult:
    """The parts of an address; what is wrong with it is told without repeating it."""
    try:
        parts = urlsplit(url)
        is_usable = bool(parts.hostname) and (parts.port is None or parts.port > 0)
        url.encode("ascii")
    except ValueError:
        is_usable = False
    if not is_usable or not url.isprintable() or " " in url:
        raise UserError(f"{name}: must be {form}")
    return parts
