import fcntl
import hashlib
import json
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
import threading
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import date

import duckdb
import pytest

from data_contracts import contract
from data_contracts.sql import create_table
from pipelines.bi.publishing import publish
from pipelines.errors import BusyError, UserError
from pipelines.ingest.loading import load
from pipelines.operations.backup import back_up, registered
from pipelines.operations.backup_manifest import MANIFEST, SEAL, verified
from pipelines.operations.restoring import _exchange, restore
from pipelines.privacy.erasing import erase
from pipelines.storage import migrations
from pipelines.warehouse import Warehouse

HOME = "storage:\n  sqlite:\n    base_dir: {folder}/storage\n"


@pytest.fixture(autouse=True)
def record(tmp_path, monkeypatch):
    """A Dagster record of its own, with one run in it that is being written to."""
    home = tmp_path / "home"
    (home / "storage" / "history").mkdir(parents=True)
    (home / "dagster.yaml").write_text(HOME.format(folder=home))
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    with closing(sqlite3.connect(home / "storage" / "history" / "runs.db")) as database:
        database.execute("pragma journal_mode = wal")
        database.execute("create table runs (run_id text)")
        database.execute("insert into runs values ('one')")
        database.commit()
        yield database


@pytest.fixture
def settings(open_warehouse, deliver, purchase):
    """A warehouse with purchases of C1 and C2, one night, a published table and a model; nobody has it open."""
    with open_warehouse() as warehouse:
        two = [purchase(), purchase(order_id="O2", customer_id="C2")]
        deliver("purchases", "2024-01-02.csv", two)
        load(warehouse, contract("purchases"), date(2024, 1, 2), "run")
        warehouse.run("create table scores.nights as select date '2024-01-02' as as_of, 'run' as run_id")
        agreed = contract("customer_reasons")
        warehouse.run(create_table(agreed, "marts", {}))
        warehouse.run(
            "insert into marts.customer_reasons by name select unnest(['C1', 'C2']) as customer_id,"
            " date '2024-01-02' as as_of, 'trust' as score, 1 as rank, 'd' as driver, 0.5 as contribution,"
            " 'why' as text_en, '为何' as text_zh"
        )
        publish(warehouse, (agreed,), warehouse.settings.warehouse / "bi.duckdb")
        with duckdb.connect(str(warehouse.settings.warehouse / "bi.duckdb")) as published:
            published.execute("create table run_info as select 'an earlier one' as run_id")
        models = warehouse.settings.warehouse / "models" / "churn-2024-01-02.0123abcd"
        models.mkdir(parents=True)
        (models / "model.skops").write_bytes(b"model")
    return warehouse.settings


@pytest.fixture
def target(tmp_path):
    return tmp_path / "backups"


def state(folder):
    """Every file below a folder but SQLite's and DuckDB's logs, by its bytes."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.parent.name != "tmp"
    }


@contextmanager
def held_by_another_process(folder):
    hold = "import sys, duckdb; held = duckdb.connect(sys.argv[1]); print(flush=True); sys.stdin.readline()"
    command = [sys.executable, "-c", hold, folder / "warehouse.duckdb"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        holder.stdout.readline()
        yield
        holder.communicate(b"\n")


def purchases(folder):
    with duckdb.connect(str(folder / "warehouse.duckdb"), read_only=True) as connection:
        return [row[0] for row in connection.execute("select customer_id from raw.purchases order by all").fetchall()]


def test_a_backup_holds_everything_and_says_what(settings, target):
    made = back_up(settings, target)
    told = verified(made.path)
    assert set(told["files"]) == {
        "warehouse.duckdb",
        "bi.duckdb",
        "models/churn-2024-01-02.0123abcd/model.skops",
        "dagster/history/runs.db",
    }
    assert told["tables"]["raw.purchases"] == 2
    assert (told["as_of"], told["schema_version"]) == ("2024-01-02", max(migrations.STEPS))
    assert made.as_of == date(2024, 1, 2)
    assert purchases(made.path) == ["C1", "C2"]
    assert (made.path / "bi.duckdb").read_bytes() == (settings.warehouse / "bi.duckdb").read_bytes()
    assert list(target.iterdir()) == [made.path]


def test_only_its_owner_can_read_a_backup(settings, target):
    before = os.umask(0)
    try:
        made = back_up(settings, target)
    finally:
        os.umask(before)
    modes = {stat.S_IMODE(path.stat().st_mode) for path in made.path.rglob("*") if path.is_file()}
    folders = {stat.S_IMODE(path.stat().st_mode) for path in (target, made.path, made.path / "models")}
    assert (modes, folders) == ({0o600}, {0o700})


def test_the_record_of_runs_is_whole_while_somebody_writes_to_it(settings, target, record):
    record.execute("insert into runs values ('half written')")
    made = back_up(settings, target)
    record.rollback()
    with closing(sqlite3.connect(made.path / "dagster" / "history" / "runs.db")) as copied:
        assert copied.execute("select run_id from runs").fetchall() == [("one",)]
        assert copied.execute("pragma integrity_check").fetchone() == ("ok",)


def test_defaults_nulls_and_comments_come_back(settings, target):
    made = back_up(settings, target)
    queries = (
        "select schema_name, table_name, column_name, data_type, is_nullable, column_default, comment"
        " from duckdb_columns() where not internal order by all",
        "select schema_name, table_name, comment from duckdb_tables() order by all",
    )
    for query in queries:
        held, copied = (_read(folder, query) for folder in (settings.warehouse, made.path))
        assert held == copied


def _read(folder, query):
    with duckdb.connect(str(folder / "warehouse.duckdb"), read_only=True) as connection:
        return connection.execute(query).fetchall()


def test_the_warehouse_knows_its_backups_until_they_are_removed(settings, target):
    paths = [back_up(settings, target).path for _ in range(3)]
    last = back_up(settings, target, keep=2)
    assert last.removed == (paths[0], paths[1])
    with Warehouse(settings) as warehouse:
        assert [path for path, _ in registered(warehouse)] == [str(paths[2]), str(last.path)]
    assert sorted(target.iterdir()) == [paths[2], last.path]


def test_backups_of_another_warehouse_are_neither_counted_nor_removed(settings, target, tmp_path):
    shutil.copytree(settings.warehouse, tmp_path / "other")
    other = back_up(replace(settings, warehouse=tmp_path / "other"), target)
    (target / "indirect-trust-notes").mkdir()
    mine = [back_up(settings, target, keep=1).path for _ in range(2)]
    assert sorted(target.iterdir()) == sorted([other.path, mine[1], target / "indirect-trust-notes"])


def test_a_backup_that_somebody_moved_away_is_forgotten(settings, target, tmp_path):
    shutil.move(back_up(settings, target).path, tmp_path / "elsewhere")
    last = back_up(settings, target)
    with Warehouse(settings) as warehouse:
        assert [path for path, _ in registered(warehouse)] == [str(last.path)]


@pytest.mark.parametrize("step", ["_copy_warehouse", "_copy_record", "write_manifest", "verified", "sync"])
def test_a_backup_that_fails_leaves_no_trace_and_the_next_one_works(settings, target, monkeypatch, step):
    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(f"pipelines.operations.backup.{step}", fail)
    with pytest.raises(UserError, match=r"the backup could not be written \(No space left on device\)"):
        back_up(settings, target)
    if step != "sync":  # it is the last: the backup is there, only its name may not have reached the disk
        assert list(target.iterdir()) == []
    with Warehouse(settings) as warehouse:
        assert registered(warehouse) == []
    monkeypatch.undo()
    monkeypatch.setenv("DAGSTER_HOME", str(target.parent / "home"))
    verified(back_up(settings, target).path)


def test_what_a_killed_backup_left_is_removed_by_the_next(settings, target):
    left = target / ".indirect-trust-20240101T000000.000000Z.building"
    left.mkdir(parents=True)
    (left / "warehouse.duckdb").write_bytes(b"half")
    back_up(settings, target)
    assert not left.exists()


def test_a_busy_warehouse_is_not_backed_up(settings, target):
    with held_by_another_process(settings.warehouse), pytest.raises(BusyError):
        back_up(settings, target)
    assert list(target.iterdir()) == []


def test_two_backups_into_one_folder_do_not_meet(settings, target):
    target.mkdir()
    descriptor = os.open(target, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        with pytest.raises(BusyError, match="another backup is being made there; wait until it has ended"):
            back_up(settings, target)
    finally:
        os.close(descriptor)


def test_no_backup_goes_into_the_warehouse_itself(settings):
    with pytest.raises(UserError, match="lies inside the warehouse; choose a folder outside"):
        back_up(settings, settings.warehouse / "backups")


def test_there_must_be_something_to_back_up(settings, target, tmp_path):
    with pytest.raises(UserError, match="there is no warehouse to back up; run 'trust run' first"):
        back_up(replace(settings, warehouse=tmp_path / "nowhere"), target)
    assert not (tmp_path / "nowhere").exists()


def test_a_restored_warehouse_is_what_was_backed_up(settings, target, tmp_path):
    made = back_up(settings, target)
    restored = restore(replace(settings, warehouse=tmp_path / "new"), made.path)
    assert restored.as_of == "2024-01-02"
    held = {name: digest for name, digest in state(made.path).items() if name not in (MANIFEST, SEAL)}
    assert state(tmp_path / "new") == {name: digest for name, digest in held.items() if "dagster" not in name}
    with Warehouse(replace(settings, warehouse=tmp_path / "new")) as warehouse:
        assert warehouse.value("select count(*) from raw.purchases") == 2


def test_the_record_of_runs_comes_back_only_where_there_is_none(settings, target, tmp_path):
    made = back_up(settings, target)
    assert not restore(replace(settings, warehouse=tmp_path / "one"), made.path).is_record_restored
    shutil.rmtree(tmp_path / "home" / "storage")
    assert restore(replace(settings, warehouse=tmp_path / "two"), made.path).is_record_restored
    assert (tmp_path / "home" / "storage" / "history" / "runs.db").is_file()


def test_a_folder_that_is_in_use_is_not_replaced_unasked(settings, target):
    made = back_up(settings, target)
    before = state(settings.warehouse)
    with pytest.raises(UserError, match="is not empty; name another --warehouse, or replace all that is in it"):
        restore(settings, made.path)
    assert state(settings.warehouse) == before


def test_overwriting_brings_back_what_was_there(settings, target):
    made = back_up(settings, target)
    with Warehouse(settings) as warehouse:
        warehouse.run("delete from raw.purchases")
    (settings.warehouse / "bi.duckdb").write_bytes(b"nonsense")
    restore(settings, made.path, is_overwrite=True)
    assert purchases(settings.warehouse) == ["C1", "C2"]
    assert (settings.warehouse / "bi.duckdb").read_bytes() == (made.path / "bi.duckdb").read_bytes()
    assert [path.name for path in settings.warehouse.parent.glob(".*")] == []


def test_a_restored_warehouse_knows_of_later_backups(settings, target):
    first, second = back_up(settings, target).path, back_up(settings, target).path
    restore(settings, first, is_overwrite=True)
    with Warehouse(settings) as warehouse:
        assert [path for path, _ in registered(warehouse)] == [str(first), str(second)]


def test_any_flipped_byte_is_refused(settings, target, tmp_path):
    made = back_up(settings, target)
    flips = 0
    for path in (path for path in sorted(made.path.rglob("*")) if path.is_file()):
        content = path.read_bytes()
        for place in {0, len(content) // 3, len(content) // 2, len(content) - 1}:
            path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
            with pytest.raises(UserError, match=r"nothing was restored|is no whole backup"):
                restore(replace(settings, warehouse=tmp_path / "new"), made.path)
            flips += 1
        path.write_bytes(content)
    assert flips >= 20
    assert not (tmp_path / "new").exists()
    restore(replace(settings, warehouse=tmp_path / "new"), made.path)


@pytest.mark.parametrize(
    ("harm", "text"),
    [
        (lambda folder: (folder / "bi.duckdb").unlink(), "bi.duckdb is missing"),
        (lambda folder: (folder / "more").write_bytes(b""), "more is not in the manifest"),
        (lambda folder: (folder / MANIFEST).unlink(), "is no whole backup"),
        (lambda folder: (folder / SEAL).unlink(), "is no whole backup"),
        (lambda folder: shutil.rmtree(folder / "models"), "model.skops is missing"),
        (lambda folder: (folder / "link").symlink_to("/etc/passwd"), "link is not in the manifest"),
    ],
)
def test_a_backup_with_something_missing_or_added_is_refused(settings, target, tmp_path, harm, text):
    made = back_up(settings, target)
    harm(made.path)
    with pytest.raises(UserError, match=text) as caught:
        restore(replace(settings, warehouse=tmp_path / "new"), made.path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("newer", [{"schema_version": 10_000}, {"format": 10_000}])
def test_a_backup_of_a_later_version_is_refused(settings, target, tmp_path, newer):
    made = back_up(settings, target)
    told = verified(made.path)
    content = json.dumps(told | newer)
    (made.path / MANIFEST).write_text(content)
    (made.path / SEAL).write_text(hashlib.sha256(content.encode()).hexdigest() + "\n")
    with pytest.raises(UserError, match="was made by a later version"):
        restore(replace(settings, warehouse=tmp_path / "new"), made.path)


@pytest.mark.parametrize("step", ["_copy", "_take_over", "_put_in_place", "_held"])
def test_a_restore_that_fails_leaves_everything_as_it_was(settings, target, monkeypatch, step):
    made = back_up(settings, target)
    before = state(settings.warehouse.parent)

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(f"pipelines.operations.restoring.{step}", fail)
    with pytest.raises(UserError, match=r"cannot be replaced \(No space left on device\)"):
        restore(settings, made.path, is_overwrite=True)
    assert state(settings.warehouse.parent) == before


def test_folders_change_places_at_once(tmp_path):
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "name").write_text(name)
    seen, is_over = set(), threading.Event()

    def look():
        while not is_over.is_set():
            try:
                seen.add((tmp_path / "old" / "name").read_text())
            except FileNotFoundError:
                seen.add("nothing")

    looker = threading.Thread(target=look)
    looker.start()
    for _ in range(200):
        _exchange(tmp_path / "new", tmp_path / "old")
    is_over.set()
    looker.join()
    assert seen <= {"old", "new"}
    assert (tmp_path / "old" / "name").read_text() == "old"


def test_folders_change_places_where_the_system_cannot_do_it_at_once(tmp_path, monkeypatch):
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "name").write_text(name)
    monkeypatch.setattr("ctypes.CDLL", lambda *_, **__: object())
    _exchange(tmp_path / "new", tmp_path / "old")
    assert (tmp_path / "old" / "name").read_text() == "new"
    assert [path.name for path in tmp_path.glob("*old*")] + [path.name for path in tmp_path.glob(".*")] == ["old"]


def test_whoever_was_erased_since_does_not_come_back(settings, target):
    made = back_up(settings, target)
    held = target / "kept elsewhere"
    shutil.copytree(made.path, held)
    erase(settings, ["C1"])
    restored = restore(settings, held, is_overwrite=True)
    assert restored.erased == 1
    assert purchases(settings.warehouse) == ["C2"]
    with duckdb.connect(str(settings.warehouse / "bi.duckdb"), read_only=True) as connection:
        assert connection.execute("select customer_id from customer_reasons").fetchall() == [("C2",)]
    for path in settings.warehouse.rglob("*.duckdb"):
        assert b"C1" not in path.read_bytes()


def test_the_erased_stay_out_of_what_is_delivered_after_a_restore(settings, target, deliver, purchase):
    held = back_up(settings, target).path.rename(target / "kept elsewhere")
    erase(settings, ["C1"])
    restore(settings, held, is_overwrite=True)
    deliver("purchases", "2024-01-03.csv", [purchase(order_id="O3"), purchase(order_id="O4", customer_id="C3")])
    with Warehouse(settings) as warehouse:
        load(warehouse, contract("purchases"), date(2024, 1, 3), "run")
    assert purchases(settings.warehouse) == ["C2", "C3"]


def test_a_backup_whose_key_of_the_erased_is_another_is_refused(settings, target, tmp_path):
    shutil.copytree(settings.warehouse, tmp_path / "other")
    other = replace(settings, warehouse=tmp_path / "other")
    erase(other, ["C2"])
    made = back_up(other, target)
    erase(settings, ["C1"])
    before = state(settings.warehouse)
    with pytest.raises(UserError, match=r"is not the key of the erased persons in .*, so they cannot"):
        restore(settings, made.path, is_overwrite=True)
    assert state(settings.warehouse) == before


def test_a_damaged_warehouse_is_not_replaced_while_it_may_know_of_erased_persons(settings, target):
    made = back_up(settings, target)
    (settings.warehouse / "warehouse.duckdb").write_bytes(b"nonsense" * 1000)
    with pytest.raises(UserError, match=r"who was erased cannot be read .*; move the folder away, restore, and run"):
        restore(settings, made.path, is_overwrite=True)
    settings.warehouse.rename(settings.warehouse.with_name("damaged"))
    restore(settings, made.path)
    assert purchases(settings.warehouse) == ["C1", "C2"]


def test_a_warehouse_in_use_is_not_replaced(settings, target):
    made = back_up(settings, target)
    with held_by_another_process(settings.warehouse), pytest.raises(BusyError):
        restore(settings, made.path, is_overwrite=True)
