import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pages
import pytest
from nights import Nursery, Place, clean_environment

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


@pytest.fixture(scope="session")
def seen_night(company: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the warehouse and the record of a night on the tiny company, to be looked at and not changed."""
    place = Place(tmp_path_factory.mktemp("seen") / "place").made()
    command = [Path(sys.executable).with_name("trust"), "run", "--quiet", "--warehouse", place.warehouse]
    environment = clean_environment(company) | {"DAGSTER_HOME": str(place.home)}
    subprocess.run(command, check=True, capture_output=True, env=environment, cwd=place.folder)
    return place.folder


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Where there is none, its tests are skipped; in continuous integration they fail."""
    if why := pages.missing():
        (pytest.fail if os.environ.get(pages.NEEDED) else pytest.skip)(why)
    with pages.browser() as opened:
        yield opened
