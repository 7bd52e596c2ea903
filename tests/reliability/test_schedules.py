import gzip
import random
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from nights import Place, clean_environment, content, differences

from pipelines.settings import Settings
from pipelines.warehouse import Warehouse
from tests.pipelines.schedules import SUNDAY, Schedule, copied, history, night, play, schedules, state, undisturbed

pytestmark = pytest.mark.slow

SCHEDULES, WHOLE_SCHEDULES = 40, 2
MANY = settings(max_examples=SCHEDULES, deadline=None, suppress_health_check=list(HealthCheck))

FIRST, LAST = date(2023, 10, 5), date(2023, 10, 9)
"""Nights of the whole job: a Sunday, on which models are trained, lies between them."""


@contextmanager
def opened(folder: Path) -> Iterator[Warehouse]:
    with Warehouse(Settings(folder / "landing", folder / "warehouse")) as warehouse:
        yield warehouse


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("base")
    history(folder / "landing")
    with opened(folder) as warehouse:
        night(warehouse, SUNDAY)
    return folder


def test_many_schedules_end_as_if_everything_had_come_in_order(
    base: Path, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    nights = [0, 0]

    @MANY
    @given(schedules())
    def holds(schedule: Schedule) -> None:
        with opened(copied(base, tmp_path / "straight")) as warehouse:
            undisturbed(schedule, warehouse)
            expected = state(warehouse)
        with opened(copied(base, tmp_path / "crooked")) as warehouse:
            nights[0] += 1
            nights[1] += play(schedule, warehouse)
            found = state(warehouse)
        assert [name for name, frame in expected.items() if not found[name].equals(frame)] == []

    holds()
    record_property("schedules of deliveries and nights", nights[0])
    record_property("nights in them", nights[1])


def run(place: Place, landing: Path, *arguments: object) -> str:
    command = [Path(sys.executable).with_name("trust"), "run", "--landing", landing, "--warehouse", place.warehouse]
    environment = clean_environment(landing) | {"DAGSTER_HOME": str(place.home)}
    done = subprocess.run([*map(str, [*command, *arguments])], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def straight(company: Path, tmp_path_factory: pytest.TempPathFactory) -> Place:
    place = Place(tmp_path_factory.mktemp("straight") / "one").made()
    run(place, company, "--since", FIRST, "--as-of", LAST)
    return place


@pytest.mark.parametrize("seed", range(WHOLE_SCHEDULES))
def test_whole_nights_end_in_the_same_published_tables_whatever_came_late_or_wrong(
    company: Path, straight: Place, tmp_path: Path, seed: int, record_property: Callable[[str, object], None]
) -> None:
    landing, place = tmp_path / "landing", Place(tmp_path / "crooked").made()
    shutil.copytree(company, landing)
    disturb(landing, random.Random(seed))
    days = [FIRST + timedelta(days=step) for step in range((LAST - FIRST).days + 1)]
    for day in random.Random(seed).sample(days, 2):
        run(place, landing, "--as-of", day)
    shutil.copytree(company, landing, dirs_exist_ok=True)
    run(place, landing, "--since", FIRST, "--as-of", LAST)
    assert differences(content(place.bi), content(straight.bi)) == []
    held, expected = (content(one.warehouse / "warehouse.duckdb") or {} for one in (place, straight))
    kept = [name for name in expected if name.startswith(("scores.", "raw.", "quarantine.", "staging.", "marts."))]
    assert [name for name in kept if held[name] != expected[name]] == []
    record_property(f"whole schedule {seed}: nights", 2 + len(days))


def disturb(landing: Path, chance: random.Random) -> None:
    """Keep back a third of the files of some days, and spoil another third; a source may be missing altogether."""
    for path in sorted(landing.glob("*/*")):
        if FIRST - timedelta(days=5) <= date.fromisoformat(path.name[:10]) <= LAST:
            lot = chance.random()
            if lot < 1 / 3:
                path.unlink()
            elif lot < 2 / 3 and path.name.endswith((".csv", ".csv.gz")):
                text = pl.read_csv(path, infer_schema=False).head(1).write_csv().encode()
                path.write_bytes(gzip.compress(text) if path.name.endswith(".gz") else text)


def test_a_late_file_is_told_by_the_next_night_with_the_command_that_mends_it(
    company: Path, straight: Place, tmp_path: Path
) -> None:
    landing, place = tmp_path / "landing", straight.copied_to(tmp_path / "late")
    shutil.copytree(company, landing)
    late = pl.DataFrame({"rate_date": [FIRST], "currency": ["XTS"], "rate": [1.0]})
    late.write_csv(landing / "fx_rates" / f"{FIRST}.late.csv")
    told = run(place, landing, "--as-of", LAST)
    assert f"run them again: trust run --since {FIRST}" in told
