"""What the doctor looks at on the machine: libraries, Dagster's home, settings, memory.

Belongs here: checks that need no file of the company. Must not be here: landing zone, warehouse (see ``doctor_data``).
"""

import os
import platform
import re
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from functools import partial
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from pipelines.night import ROOT
from pipelines.operations.alerting import AlertSettings
from pipelines.operations.diagnosis import Diagnosis, Findings, guarded
from pipelines.operations.logs import chosen_form
from pipelines.operations.retention import Retention
from pipelines.operations.status import agreed_age
from pipelines.settings import Settings, read_engine, read_gigabytes, read_languages, read_minutes, read_switch

KNOWN = frozenset(
    f"TRUST_{name}"
    for name in (
        *("LANDING", "WAREHOUSE", "TIME_ZONE", "CURRENCY", "UNIT_NAME", "MEMORY_LIMIT", "WAIT", "READERS_GROUP"),
        *("MAX_FILE_GB", "PSEUDONYM_KEY", "MAX_AGE_HOURS", "LOG", "ALERT_WEBHOOK", "ALERT_WEBHOOK_FORMAT"),
        *("ALERT_WEBHOOK_SECRET", "ALERT_SMTP_URL", "ALERT_SMTP_PASSWORD", "ALERT_MAIL_FROM", "ALERT_MAIL_TO"),
        *("ALERT_ON", "KEEP_FINDINGS_DAYS", "KEEP_HISTORY_DAYS", "KEEP_MODELS_DAYS", "KEEP_QUARANTINE_DAYS"),
        *("KEEP_REPORTS_DAYS", "KEEP_RUNS_DAYS", "REPORT_LANGUAGES", "FULL", "ENGINE", "SPARK_MASTER", "SPARK_REMOTE"),
        "SPARK_SHARED",
    )
)
"""Every variable that the pipeline reads."""

_READ: Mapping[str, Callable[[str], object]] = {
    "TRUST_TIME_ZONE": lambda text: Settings(time_zone=text),
    "TRUST_MEMORY_LIMIT": lambda text: Settings(memory_limit=text),
    "TRUST_READERS_GROUP": lambda text: Settings(readers_group=text),
    "TRUST_PSEUDONYM_KEY": lambda text: Settings(pseudonym_key=text),
    "TRUST_WAIT": read_minutes,
    "TRUST_MAX_FILE_GB": read_gigabytes,
    "TRUST_REPORT_LANGUAGES": read_languages,
    "TRUST_FULL": read_switch,
    "TRUST_ENGINE": read_engine,
}
"""How a text is read that can be wrong by itself, in the order in which it is looked at."""

_PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", re.MULTILINE)
_NAME = re.compile(r"^[A-Za-z0-9._-]+")
_UNITS = {"K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}
_LARGEST_SHARE = 0.8


def folders(landing: Path | None, warehouse: Path | None, variables: Mapping[str, str]) -> tuple[Path, Path]:
    """Landing zone and warehouse where other settings cannot be used."""
    return (
        (landing or Path(variables.get("TRUST_LANDING", "landing"))).absolute(),
        (warehouse or Path(variables.get("TRUST_WAREHOUSE", "warehouse"))).absolute(),
    )


def checks(settings: Settings, variables: Mapping[str, str]) -> Findings:
    """Every check of the machine."""
    yield from libraries(ROOT / "requirements.lock")
    yield from dagster_home(variables)
    yield from names(variables)
    yield from values(variables)
    yield from memory(settings, machine_memory())


def libraries(lock: Path) -> Findings:
    """The libraries that the project asks for, beside the versions of its lock."""
    pins: dict[str, set[str]] = {}
    for name, pin in _PIN.findall(lock.read_text("utf-8")) if lock.is_file() else ():
        pins.setdefault(_plain(name), set()).add(pin)  # one pin for each range of Python versions
    matches = [_NAME.match(text) for text in requires("indirect-trust") or () if "extra ==" not in text]
    found = {match[0]: _installed(match[0]) for match in matches if match}
    missing = [name for name, got in found.items() if got is None]
    others = [
        f"{name} {got} (lock: {', '.join(sorted(pins[_plain(name)]))})"
        for name, got in found.items()
        if got and _plain(name) in pins and got not in pins[_plain(name)]
    ]
    if missing:
        yield Diagnosis(
            "libraries", "error", f"not installed: {', '.join(missing)}; make the environment anew with 'make run'"
        )
    if others:
        yield Diagnosis(
            "libraries",
            "warning",
            f"other versions than those tested: {', '.join(others)}; remove .venv and call 'make run'",
        )
    if not missing and not others:
        yield Diagnosis("libraries", "ok", f"Python {platform.python_version()}, {len(found)} libraries as in the lock")


def dagster_home(variables: Mapping[str, str]) -> Findings:
    """Where Dagster keeps its record of runs."""
    home = Path(variables.get("DAGSTER_HOME") or ROOT)
    if not home.is_absolute():
        yield Diagnosis("dagster", "error", f"DAGSTER_HOME: {home} is no absolute path; write it from / on")
    elif not (home / "dagster.yaml").is_file():
        yield Diagnosis("dagster", "error", f"DAGSTER_HOME: {home} holds no dagster.yaml; copy it from {ROOT}")
    elif not os.access(home, os.R_OK | os.X_OK, effective_ids=True):
        yield Diagnosis("dagster", "error", f"DAGSTER_HOME: {home} cannot be read by this user; mend its rights")
    else:
        yield Diagnosis("dagster", "ok", f"{home}/dagster.yaml")


def names(variables: Mapping[str, str]) -> Findings:
    """Variables TRUST_… that nobody reads, which are most often misspelt."""
    for name in sorted(name for name in variables if name.startswith("TRUST_") and name not in KNOWN):
        near = get_close_matches(name, KNOWN, n=1, cutoff=0.7)
        hint = f"is it {near[0]}?" if near else "see the settings in docs/operations.md"
        yield Diagnosis("settings", "warning", f"{name}: there is no such setting, and it does nothing; {hint}")


def values(variables: Mapping[str, str]) -> Findings:
    """Settings that cannot be used, each told for itself."""
    problems = [problem for look in _looks(variables) if (problem := guarded("settings", look))]
    yield from problems
    currency = variables.get("TRUST_CURRENCY")
    if currency and not re.fullmatch("[A-Z]{3}", currency):
        text = f"TRUST_CURRENCY: {currency!r} is no currency; use three capital letters of ISO 4217 such as EUR"
        yield Diagnosis("settings", "error", text)
    elif not problems:
        zone = variables.get("TRUST_TIME_ZONE", "UTC")
        amounts = f"amounts in {currency}" if currency else "currency of most rows of the first purchases"
        yield Diagnosis("settings", "ok", f"days of {zone}, {amounts}")


def _looks(variables: Mapping[str, str]) -> list[Callable[[], object]]:
    given = [partial(read, variables[name]) for name, read in _READ.items() if variables.get(name)]
    return [*given, agreed_age, Retention.from_environment, AlertSettings.from_environment, partial(chosen_form, None)]


def memory(settings: Settings, machine: float) -> Findings:
    """What the database may use beside what the machine (or its container) has."""
    allowed = _bytes(settings.memory_limit, machine)
    shown = f"the database may use {allowed / 1e9:.1f} of {machine / 1e9:.1f} GB"
    if allowed > _LARGEST_SHARE * machine:
        yield Diagnosis("memory", "warning", f"{shown}, and models need some too; set TRUST_MEMORY_LIMIT to 50%")
    else:
        yield Diagnosis("memory", "ok", shown)


def machine_memory() -> float:
    """Bytes of memory of the machine, or of the container where that has less."""
    total = float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    limit = Path("/sys/fs/cgroup/memory.max")
    text = limit.read_text("ascii").strip() if limit.is_file() else "max"
    return min(total, float(text)) if text.isdigit() else total


def _bytes(limit: str, machine: float) -> float:
    if limit.endswith("%"):
        return machine * float(limit[:-1]) / 100
    amount = re.fullmatch(r"([\d.]+) ?([KMGT]i?)B", limit)
    assert amount is not None  # settings hold no other form
    return float(amount[1]) * _UNITS[amount[2]]


def _installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
