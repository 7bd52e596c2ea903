import random
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import date
from queue import Queue
from typing import Any

import pytest
from nights import Ended, Kill, Nursery, Place, content, differences

pytestmark = pytest.mark.slow

SIGKILL = -9
HISTORY, FIRST = date(2023, 9, 29), date(2023, 10, 9)
DAYS = {"first": FIRST, "quiet": date(2023, 10, 11), "training": date(2023, 10, 16)}
"""The first night of all; one with two deliveries due and the models of the week there; one after a Sunday."""
BEFORE = {"first": None, "quiet": FIRST, "training": date(2023, 10, 14)}
INSIDE = {"first": 4, "quiet": 10, "training": 10}
CHANGES = {"first": 2, "quiet": 8, "training": 10}
RERUN_ONE_IN = {"boundary": 2, "inside": 2, "change": 2}


@dataclass(frozen=True)
class Scenario:
    """A night that is killed again and again: the place before it, and what it comes to undisturbed."""

    name: str
    before: Place
    old_bytes: bytes | None
    undisturbed: Ended
    new_bi: dict[str, Any] | None
    new_warehouse: dict[str, Any] | None
    new_models: list[str]

    @property
    def day(self) -> date:
        return DAYS[self.name]


@dataclass(frozen=True)
class Killed:
    scenario: str
    kill: Kill
    where: str
    status: int
    error: str
    published: str
    rerun: tuple[str, ...] | None


def kills_of(scenario: Scenario) -> list[Kill]:
    chance = random.Random(f"kills of {scenario.name}")
    boundaries = [Kill("boundary", at) for at in ends(scenario)] if scenario.name == "quiet" else []
    changes = range(len(scenario.undisturbed.changes))
    chosen = chance.sample(changes, min(len(changes), CHANGES[scenario.name]))
    return [
        *boundaries,
        *(inside(scenario, chance) for _ in range(INSIDE[scenario.name])),
        *(Kill("change", at) for at in sorted(chosen)),
    ]


def ends(scenario: Scenario) -> list[int]:
    """The boundaries of a night: where a step has ended and the next has not begun."""
    return [at for at, (kind, _, _) in enumerate(scenario.undisturbed.events) if kind == "STEP_SUCCESS"]


def inside(scenario: Scenario, chance: random.Random) -> Kill:
    """A random moment inside a step: any step alike, or one after the time it takes."""
    events = scenario.undisturbed.events
    seconds = {
        at: events[at + 1][2] - moment for at, (kind, _, moment) in enumerate(events[:-1]) if kind == "STEP_START"
    }
    weights = list(seconds.values()) if chance.random() < 0.5 else None
    at = chance.choices(list(seconds), weights)[0]
    return Kill("inside", at, chance.random() * seconds[at])


def where(scenario: Scenario, kill: Kill) -> str:
    if kill.kind == "change":
        return scenario.undisturbed.changes[kill.at]
    kind, step, _ = scenario.undisturbed.events[kill.at]
    return f"{kind} {step} + {kill.after:.3f} s"


def judged(scenario: Scenario, place: Place) -> str:
    """Which night the published database holds: the whole old one, the whole new one, or neither."""
    if not place.bi.exists():
        return "old" if scenario.old_bytes is None else "lost"
    if place.bi.read_bytes() == scenario.old_bytes:
        return "old"
    wrong = differences(content(place.bi), scenario.new_bi)
    return f"torn: {', '.join(wrong)}" if wrong else "new"


def rerun(scenario: Scenario, place: Place, nursery: Nursery) -> tuple[str, ...]:
    """What is wrong after the night is run again; nothing where all is as if it had not been disturbed."""
    done = nursery.run(place, scenario.day)
    wrong = [] if done.status == 0 else [f"exit code {done.status}: {done.err}"]
    wrong += [f"bi {table}" for table in differences(content(place.bi), scenario.new_bi)]
    held = content(place.warehouse / "warehouse.duckdb")
    wrong += [f"warehouse {table}" for table in differences(held, scenario.new_warehouse)]
    if models(place) != scenario.new_models:
        wrong.append(f"models {models(place)}")
    return (*wrong, *place.unfinished())


def models(place: Place) -> list[str]:
    return sorted(path.relative_to(place.warehouse).as_posix() for path in place.warehouse.glob("models/*/*"))


@pytest.fixture(scope="module")
def scenarios(nurseries: list[Nursery], tmp_path_factory: pytest.TempPathFactory) -> list[Scenario]:
    folder = tmp_path_factory.mktemp("scenarios")

    def prepared(name: str, nursery: Nursery) -> Scenario:
        before = Place(folder / name).made()
        for day in filter(None, [FIRST if name == "training" else None, BEFORE[name]]):
            assert nursery.run(before, day).status == 0
        after = before.copied_to(folder / f"{name}-after")
        undisturbed = nursery.run(after, DAYS[name])
        assert undisturbed.status == 0, undisturbed.err
        return Scenario(
            name,
            before,
            before.bi.read_bytes() if before.bi.exists() else None,
            undisturbed,
            content(after.bi),
            content(after.warehouse / "warehouse.duckdb"),
            models(after),
        )

    return side_by_side(prepared, list(DAYS), nurseries)


@pytest.fixture(scope="module")
def killed(
    scenarios: list[Scenario], nurseries: list[Nursery], tmp_path_factory: pytest.TempPathFactory
) -> list[Killed]:
    folder = tmp_path_factory.mktemp("killed")

    def disturbed(case: tuple[int, Scenario, Kill], nursery: Nursery) -> Killed:
        number, scenario, kill = case
        place = scenario.before.copied_to(folder / str(number))
        done = nursery.run(place, scenario.day, kill)
        found = Killed(scenario.name, kill, where(scenario, kill), done.status, done.err, judged(scenario, place), None)
        if done.status == SIGKILL and number % RERUN_ONE_IN[kill.kind] == 0:
            found = replace(found, rerun=rerun(scenario, place, nursery))
        place.remove()
        return found

    cases = [(number, scenario, kill) for scenario in scenarios for number, kill in enumerate(kills_of(scenario))]
    unique = [(at, scenario, kill) for at, (_, scenario, kill) in enumerate(cases)]
    found = side_by_side(disturbed, unique, nurseries)
    assert [case for case in found if case.status not in (SIGKILL, 0)] == []  # 0: it had ended when the kill came
    return [case for case in found if case.status == SIGKILL]


def side_by_side(task: Callable[..., Any], cases: list[Any], nurseries: list[Nursery]) -> list[Any]:
    free: Queue[Nursery] = Queue()
    for nursery in nurseries:
        free.put(nursery)

    def run(case: Any) -> Any:
        nursery = free.get()
        try:
            return task(case, nursery)
        finally:
            free.put(nursery)

    with ThreadPoolExecutor(len(nurseries)) as pool:
        return list(pool.map(run, cases))


def test_a_killed_night_leaves_the_whole_old_night_or_the_whole_new_one(
    killed: list[Killed], record_property: Callable[[str, object], None]
) -> None:
    assert [found for found in killed if found.published not in ("old", "new")] == []
    for kind, count in Counter(found.kill.kind for found in killed).items():
        record_property(f"nights killed ({kind})", count)


def test_a_rerun_after_a_kill_gives_the_undisturbed_night_and_leaves_nothing_unfinished(
    killed: list[Killed], record_property: Callable[[str, object], None]
) -> None:
    reruns = [found for found in killed if found.rerun is not None]
    assert [found for found in reruns if found.rerun] == []
    record_property("killed nights that were run again", len(reruns))


def test_nights_were_killed_at_every_step_boundary_and_inside_steps(
    killed: list[Killed], scenarios: list[Scenario]
) -> None:
    quiet = next(scenario for scenario in scenarios if scenario.name == "quiet")
    boundaries = {found.kill.at for found in killed if found.kill.kind == "boundary"}
    assert boundaries == set(ends(quiet))
    assert len(boundaries) >= 50
    assert sum(found.kill.kind == "inside" for found in killed) >= 20
    assert sum(found.rerun is not None for found in killed) >= 40
    assert {found.published for found in killed} == {"old", "new"}


def test_the_killed_nights_are_those_that_they_should_be(scenarios: list[Scenario]) -> None:
    steps = {scenario.name: [step for _, step, _ in scenario.undisturbed.events] for scenario in scenarios}
    models_made = {scenario.name: len(scenario.new_models) for scenario in scenarios}
    assert all("published__bi" in found for found in steps.values())
    assert models_made["training"] > models_made["first"] == models_made["quiet"]
