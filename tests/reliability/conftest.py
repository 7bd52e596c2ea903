import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from nights import Nursery, clean_environment

COMPANY = ("--customers", "150", "--days", "300", "--seed", "5")


@pytest.fixture(scope="session")
def company(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The landing zone of a tiny company: its history on 2023-09-29, then a delivery each day until 2023-10-27."""
    out = tmp_path_factory.mktemp("company") / "sim"
    command = [Path(sys.executable).with_name("trust"), "simulate", out, *COMPANY]
    subprocess.run(command, check=True, capture_output=True, env=clean_environment(out))
    return out / "landing"


@pytest.fixture(scope="module")
def nurseries(company: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Nursery]]:
    """Two warm processes: as many nights may run at the same time."""
    folder = tmp_path_factory.mktemp("nurseries")
    started = [Nursery(company, folder / str(number)) for number in range(2)]
    yield started
    for nursery in started:
        nursery.close()


@pytest.fixture(scope="module")
def nursery(company: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nursery]:
    """One warm process."""
    started = Nursery(company, tmp_path_factory.mktemp("nursery") / "one")
    yield started
    started.close()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how often something was tried: numbers that people are told must come from somewhere."""
    reports = [report for found in terminalreporter.stats.values() for report in found if hasattr(report, "when")]
    counts = [pair for report in reports if report.when == "call" for pair in report.user_properties]
    if counts:
        terminalreporter.section("tried")
    for name, count in counts:
        terminalreporter.write_line(f"{name}: {count}")
