import os
import shutil
import signal
import sqlite3
import sys
from contextlib import closing
from datetime import date
from pathlib import Path

import pytest
from nights import Kill, Place, clean_environment, content, differences
from pages import free_port, serving

from pipelines.operations.backup_manifest import verified

pytestmark = pytest.mark.slow

FIRST, NEXT = date(2023, 10, 24), date(2023, 10, 25)
KILLS = 10


def trust(nursery, place, *arguments, kill=Kill()):  # noqa: B008 # frozen
    """A command of ``trust`` in a warm child, killed before one of its changes of any file below the place."""
    files = {name: str(nursery.folder / name) for name in ("out", "err", "events", "changes")}
    order = {
        "arguments": [str(argument) for argument in arguments],
        "environment": {"DAGSTER_HOME": str(place.home), "TRUST_WAREHOUSE": str(place.warehouse)},
        "warehouse": str(place.folder),
        **vars(kill),
        "limit_from": None,
        "limit": None,
        **files,
    }
    done = nursery._ask(order)
    return done["status"], Path(files["err"]).read_text(), Path(files["changes"]).read_text().splitlines()


@pytest.fixture(scope="module")
def place(nurseries, tmp_path_factory):
    made = Place(tmp_path_factory.mktemp("place") / "one").made()
    assert nurseries[0].run(made, FIRST).status == 0
    return made


@pytest.fixture(scope="module")
def backup(nurseries, place):
    status, err, _ = trust(nurseries[0], place, "backup", place.folder / "backups")
    assert status == 0, err
    (made,) = (place.folder / "backups").iterdir()
    return made


@pytest.fixture
def pages(place, company):
    """Dagster's pages and daemon on the record of the place."""
    port = free_port()
    environment = clean_environment(company) | {
        "DAGSTER_HOME": str(place.home),
        "TRUST_WAREHOUSE": str(place.warehouse),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    command = [Path(sys.executable).with_name("dg"), "dev", "--host", "127.0.0.1", "--port", port]
    with serving(command, port, environment, place.folder / "pages.log") as started:
        yield started


def test_backups_are_whole_while_the_pages_run(pages, nurseries, place, record_property):
    for _ in range(3):
        status, err, _ = trust(nurseries[0], place, "backup", place.folder / "while pages run")
        assert status == 0, err
        assert pages.poll() is None
    made = sorted((place.folder / "while pages run").iterdir())
    assert len(made) == 3
    for folder in made:
        told = verified(folder)
        databases = [name for name in told["files"] if name.endswith(".db")]
        assert databases
        for name in databases:
            with closing(sqlite3.connect(folder / name)) as copied:
                assert copied.execute("pragma integrity_check").fetchone() == ("ok",)
    with closing(sqlite3.connect(made[-1] / "dagster" / "history" / "runs.db")) as copied:
        assert copied.execute("select status from runs where pipeline_name = 'nightly'").fetchall() == [("SUCCESS",)]
    record_property("backups while the pages ran", len(made))


def test_a_restored_warehouse_publishes_the_same_bytes_and_the_same_next_night(nurseries, place, backup, tmp_path):
    restored = Place(tmp_path / "restored").made()
    status, err, _ = trust(nurseries[0], restored, "restore", backup, "--warehouse", restored.warehouse)
    assert status == 0, err
    assert restored.bi.read_bytes() == place.bi.read_bytes()
    original = place.copied_to(tmp_path / "original")
    for one in (original, restored):
        assert nurseries[0].run(one, NEXT).status == 0
    assert differences(content(original.bi), content(restored.bi)) == []
    held = {name: content(one.warehouse / "warehouse.duckdb") for name, one in (("a", original), ("b", restored))}
    assert [name for name in differences(held["a"], held["b"]) if not name.startswith("meta.backups")] == []


def test_a_backup_that_is_killed_anywhere_leaves_no_half_backup(nurseries, place, tmp_path, record_property):
    before = content(place.warehouse / "warehouse.duckdb")
    _, _, changes = trust(nurseries[0], place.copied_to(tmp_path / "whole"), "backup", tmp_path / "whole" / "backups")
    places = sorted({round(nth * (len(changes) - 1) / (KILLS - 1)) for nth in range(KILLS)})
    for at in places:
        one = place.copied_to(tmp_path / f"killed {at}")
        target = one.folder / "backups"
        status, _, _ = trust(nurseries[0], one, "backup", target, kill=Kill("change", at))
        assert status == -signal.SIGKILL
        for made in target.glob("indirect-trust-*"):
            verified(made)
        status, err, _ = trust(nurseries[0], one, "backup", target)
        assert status == 0, err
        assert list(target.glob(".*")) == []
        assert one.bi.read_bytes() == place.bi.read_bytes()
        after = content(one.warehouse / "warehouse.duckdb")
        assert [name for name in differences(before, after) if name != "meta.backups"] == []
        assert list(one.warehouse.glob(".backup*")) == []
        one.remove()
    record_property("backups killed", len(places))


def test_a_restore_that_is_killed_anywhere_leaves_the_old_state_or_the_new(
    nurseries, place, backup, tmp_path, record_property
):
    later = place.copied_to(tmp_path / "later")
    assert nurseries[0].run(later, NEXT).status == 0
    old, new = later.bi.read_bytes(), (backup / "bi.duckdb").read_bytes()
    assert old != new
    whole = later.copied_to(tmp_path / "whole")
    status, err, changes = trust(nurseries[0], whole, "restore", backup, "--overwrite")
    assert status == 0, err
    assert whole.bi.read_bytes() == new
    places = sorted({round(nth * (len(changes) - 1) / (KILLS - 1)) for nth in range(KILLS)})
    seen = set()
    for at in places:
        one = later.copied_to(tmp_path / f"killed {at}")
        status, _, _ = trust(nurseries[0], one, "restore", backup, "--overwrite", kill=Kill("change", at))
        assert status == -signal.SIGKILL
        night = "select max(as_of)::varchar from scores.nights"
        with_night = {NEXT.isoformat(): old, FIRST.isoformat(): new}
        assert one.bi.read_bytes() == with_night[_value(one.warehouse / "warehouse.duckdb", night)]
        seen.add(one.bi.read_bytes() == new)
        status, err, _ = trust(nurseries[0], one, "restore", backup, "--overwrite")
        assert status == 0, err
        assert one.bi.read_bytes() == new
        assert list(one.folder.glob(".*")) == []
        shutil.rmtree(one.folder)
    assert False in seen
    record_property("restores killed", len(places))


def _value(file, query):
    import duckdb

    with duckdb.connect(str(file), read_only=True) as connection:
        return connection.execute(query).fetchone()[0]
