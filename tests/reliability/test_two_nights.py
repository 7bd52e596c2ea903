import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from nights import Nursery, Place, clean_environment, content, differences

pytestmark = pytest.mark.slow

TRUST = Path(sys.executable).with_name("trust")
BEFORE, DAY = date(2023, 10, 9), date(2023, 10, 11)
BUSY = "another process is using the warehouse; wait until it has ended"


@pytest.fixture(scope="module")
def before(nursery: Nursery, tmp_path_factory: pytest.TempPathFactory) -> Place:
    place = Place(tmp_path_factory.mktemp("before") / "place").made()
    assert nursery.run(place, BEFORE).status == 0
    return place


@pytest.fixture(scope="module")
def undisturbed(before: Place, nursery: Nursery) -> dict[str, Any] | None:
    place = before.copied_to(before.folder.with_name("undisturbed"))
    assert nursery.run(place, DAY).status == 0
    return content(place.bi)


@pytest.fixture
def place(before: Place, tmp_path: Path) -> Place:
    return before.copied_to(tmp_path / "place")


def night(company: Path, place: Place, *more: object) -> "subprocess.Popen[str]":
    command = [TRUST, "run", "--landing", company, "--warehouse", place.warehouse, "--as-of", DAY, *more]
    environment = clean_environment(company) | {"DAGSTER_HOME": str(place.home)}
    return subprocess.Popen(
        [str(part) for part in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )


READER = """
import duckdb, sys
with duckdb.connect(sys.argv[1], read_only=True) as warehouse:
    print(warehouse.execute("select count(*) from scores.nights").fetchone()[0], flush=True)
    sys.stdin.readline()
"""


@contextmanager
def reader(place: Place) -> Iterator["subprocess.Popen[str]"]:
    """Somebody looks into the private warehouse and keeps it open."""
    command = [sys.executable, "-c", READER, str(place.warehouse / "warehouse.duckdb")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "1\n"
        yield process
        if process.poll() is None:
            process.communicate("\n")


def test_of_two_nights_at_once_one_is_published_and_the_other_ends_in_one_line_with_code_three(
    company: Path, place: Place, undisturbed: dict[str, Any]
) -> None:
    nights = [night(company, place), night(company, place)]
    errors = [process.communicate()[1] for process in nights]
    ends = sorted(zip([process.returncode for process in nights], errors, strict=True))
    if ends[-1][0] == 0:
        pytest.skip("the two nights ran one after the other")
    assert [code for code, _ in ends] == [0, 3]
    assert BUSY in ends[1][1]
    assert len(ends[1][1].strip().splitlines()) == 1
    assert differences(content(place.bi), undisturbed) == []
    assert place.unfinished() == []


def test_two_nights_at_once_that_may_wait_are_both_published(
    company: Path, place: Place, undisturbed: dict[str, Any]
) -> None:
    nights = [night(company, place, "--wait", 30), night(company, place, "--wait", 30)]
    errors = [process.communicate()[1] for process in nights]
    assert [process.returncode for process in nights] == [0, 0], errors
    assert differences(content(place.bi), undisturbed) == []
    assert place.unfinished() == []


def test_a_reader_of_the_private_warehouse_stops_the_night_in_one_line_and_nothing_is_lost(
    company: Path, before: Place, place: Place, undisturbed: dict[str, Any], nursery: Nursery
) -> None:
    with reader(place):
        done = nursery.run(place, DAY)
    assert done.status == 3
    assert BUSY in done.err
    assert len(done.err.strip().splitlines()) == 1
    assert place.bi.read_bytes() == before.bi.read_bytes()
    assert nursery.run(place, DAY).status == 0
    assert differences(content(place.bi), undisturbed) == []


def test_a_night_that_may_wait_goes_on_when_the_reader_has_gone(
    company: Path, place: Place, undisturbed: dict[str, Any]
) -> None:
    with reader(place) as looking, night(company, place, "--wait", 30) as waiting:
        wait_until_waiting(place)
        assert waiting.poll() is None
        looking.communicate("\n")
        assert waiting.communicate()[1] == ""
    assert waiting.returncode == 0
    assert differences(content(place.bi), undisturbed) == []


def wait_until_waiting(place: Place) -> None:
    """Until the night's run is in the record: it opens the warehouse right after that."""
    for _ in range(1500):
        if len(list((place.home / ".dagster" / "storage" / "history" / "runs").glob("*-*.db"))) == 2:
            return
        time.sleep(0.2)
    raise AssertionError("the night never began")
