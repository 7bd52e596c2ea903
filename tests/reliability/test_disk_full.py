import os
import subprocess
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from nights import Ended, Limit, Nursery, Place, content, differences

pytestmark = pytest.mark.slow

BEFORE, DAY = date(2023, 10, 9), date(2023, 10, 11)
LIMITS = [
    pytest.param(Limit("start", 4_096), id="nothing can be written"),
    pytest.param(Limit("start", 300_000), id="the record of runs cannot grow"),
    pytest.param(Limit("raw__purchases", 4_096), id="while loading"),
    pytest.param(Limit("scores", 65_536), id="while scoring"),
    pytest.param(Limit("published__bi", 65_536), id="while publishing"),
]


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


def stands(place: Place, before: Place) -> bool:
    """Yesterday's file is there byte for byte, and nothing half lies beside it."""
    return place.bi.read_bytes() == before.bi.read_bytes() and not place.unfinished()


def lines(done: Ended) -> list[str]:
    return done.err.strip().splitlines()


@pytest.mark.parametrize("limit", LIMITS)
def test_a_file_that_may_not_grow_ends_the_night_in_one_line_and_the_next_one_is_right(
    limit: Limit, before: Place, undisturbed: dict[str, Any], nursery: Nursery, tmp_path: Path
) -> None:
    place = before.copied_to(tmp_path / "place")
    done = nursery.run(place, DAY, limit=limit)
    assert done.status == 1
    assert len(lines(done)) == 1
    assert lines(done)[0].startswith(f"error: {place.warehouse} or {place.home / '.dagster'}: ")
    assert "file-size limit" in done.err
    assert "what was published before stands; run the night again then" in done.err
    assert stands(place, before)
    again = nursery.run(place, DAY)
    assert again.status == 0, again.err
    assert differences(content(place.bi), undisturbed) == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[int], Path]]:
    """A disk in memory; asked again, the same disk with another size."""
    folder = tmp_path / "disk"
    folder.mkdir()

    def sized(size: int) -> Path:
        options = f"size={size}" if not os.path.ismount(folder) else f"remount,size={size}"
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", folder], capture_output=True, check=False)
        if done.returncode:
            pytest.skip("a disk of its own can only be mounted by root")
        return folder

    yield sized
    subprocess.run(["umount", folder], capture_output=True, check=False)


def size_of(folder: Path) -> int:
    return sum(path.stat().st_blocks * 512 for path in folder.rglob("*"))


@pytest.mark.parametrize("free_bytes", [65_536, 1_000_000, 4_000_000])
@pytest.mark.parametrize("is_record_there", [False, True], ids=["warehouse alone", "warehouse and record of runs"])
def test_a_full_disk_ends_the_night_in_one_line_and_the_next_one_is_right(
    free_bytes: int,
    is_record_there: bool,
    before: Place,
    undisturbed: dict[str, Any],
    nursery: Nursery,
    small_disk: Callable[[int], Path],
    tmp_path: Path,
) -> None:
    disk = small_disk(1_000_000_000)
    place = before.copied_to(disk / "place")
    if not is_record_there:
        place.home = before.copied_to(tmp_path / "elsewhere").home
    small_disk(size_of(disk) + free_bytes)
    done = nursery.run(place, DAY)
    assert done.status == 1
    assert len(lines(done)) == 1
    assert "the disk is full (" in done.err
    assert "free some space; what was published before stands; run the night again then" in done.err
    assert stands(place, before)
    small_disk(1_000_000_000)
    again = nursery.run(place, DAY)
    assert again.status == 0, again.err
    assert differences(content(place.bi), undisturbed) == []


def test_a_damaged_record_of_runs_ends_the_night_in_one_line_and_costs_no_scores(
    before: Place, undisturbed: dict[str, Any], nursery: Nursery, tmp_path: Path
) -> None:
    place = before.copied_to(tmp_path / "place")
    record = place.home / ".dagster"
    for database in record.rglob("*.db"):
        database.write_bytes(b"torn" * 5_000)
    done = nursery.run(place, DAY)
    assert done.status == 1
    assert lines(done) == [
        f"error: {record}: Dagster's record of runs is damaged; move it away (it holds no scores); what was published"
        " before stands; run the night again then"
    ]
    assert stands(place, before)
    record.rename(tmp_path / "moved away")
    assert nursery.run(place, DAY).status == 0
    assert differences(content(place.bi), undisturbed) == []
