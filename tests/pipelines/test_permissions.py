import grp
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from data_contracts import contract
from data_contracts.sql import create_table
from pipelines.bi.publishing import publish
from pipelines.errors import UserError
from pipelines.settings import Settings
from pipelines.storage.private_files import be_private, close_folder, tighten

ROOT = Path(__file__).resolve().parents[2]
TRUST = Path(sys.executable).with_name("trust")
GROUP = grp.getgrgid(os.getgid()).gr_name


def rights(path: Path) -> str:
    return f"{stat.S_IMODE(path.lstat().st_mode):04o}"


def rights_below(folder: Path) -> set[tuple[bool, str]]:
    return {(path.is_dir(), rights(path)) for path in folder.rglob("*") if not path.is_symlink()}


@pytest.fixture
def open_umask():
    """The umask of most systems, under which everybody may read."""
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.fixture
def old(tmp_path, open_umask):
    """A warehouse folder that an earlier version left open to everybody."""
    folder = tmp_path / "warehouse"
    (folder / "models" / "trust-1").mkdir(parents=True)
    for name in ("bi.duckdb", "warehouse.duckdb.wal", "models/trust-1/card.json"):
        (folder / name).write_text("")
    return Settings(landing=tmp_path / "landing", warehouse=folder)


def test_a_new_warehouse_is_its_users_alone(open_umask, warehouse):
    assert rights(warehouse.path.parent) == "0700"
    assert rights(warehouse.path) == "0600"


def test_an_old_warehouse_is_tightened(old):
    tighten(old)
    assert rights(old.warehouse) == "0700"
    assert rights_below(old.warehouse) == {(True, "0700"), (False, "0600")}


def test_what_a_link_leads_to_keeps_its_rights(old, tmp_path):
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "file").write_text("")
    (old.warehouse / "link").symlink_to(tmp_path / "outside")
    tighten(old)
    assert rights(tmp_path / "outside") == "0755"
    assert rights(tmp_path / "outside" / "file") == "0644"


def test_a_folder_that_also_holds_the_landing_zone_keeps_its_own_rights(old):
    settings = Settings(landing=old.warehouse / "landing", warehouse=old.warehouse)
    settings.landing.mkdir()
    (settings.landing / "file").write_text("")
    tighten(settings)
    assert rights(old.warehouse) == rights(settings.landing) == "0755"
    assert rights(settings.landing / "file") == "0644"
    assert rights(old.warehouse / "bi.duckdb") == rights(old.warehouse / "models/trust-1/card.json") == "0600"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files to another user")
def test_files_of_another_user_are_left_to_that_user(old):
    os.chown(old.warehouse / "bi.duckdb", 65534, 65534)
    tighten(old)
    assert rights(old.warehouse / "bi.duckdb") == "0644"
    assert rights(old.warehouse / "warehouse.duckdb.wal") == "0600"


def test_a_group_of_readers_reaches_the_published_file_and_nothing_else(old):
    settings = Settings(old.landing, old.warehouse, readers_group=GROUP)
    tighten(settings)
    assert rights(old.warehouse) == "0710"
    assert rights(old.warehouse / "bi.duckdb") == "0640"
    assert (old.warehouse / "bi.duckdb").stat().st_gid == old.warehouse.stat().st_gid == os.getgid()
    rest = {rights(path) for path in old.warehouse.rglob("*") if path.name != "bi.duckdb"}
    assert rest == {"0700", "0600"}


def test_without_a_group_the_published_file_is_private_again(old):
    tighten(Settings(old.landing, old.warehouse, readers_group=GROUP))
    tighten(old)
    assert rights(old.warehouse) == "0700"
    assert rights(old.warehouse / "bi.duckdb") == "0600"


@pytest.mark.parametrize(("group", "expected"), [(None, "0600"), (GROUP, "0640")])
def test_the_published_file_has_its_rights_before_it_is_seen(open_warehouse, open_umask, monkeypatch, group, expected):
    warehouse, agreed = open_warehouse(readers_group=group), contract("customer_reasons")
    warehouse.run(create_table(agreed, "marts", {}))
    seen = []
    move = os.replace
    monkeypatch.setattr("os.replace", lambda old, new: (seen.append(rights(old)), move(old, new)))
    publish(warehouse, (agreed,), warehouse.settings.warehouse / "bi.duckdb")
    assert seen == [expected]
    assert rights(warehouse.settings.warehouse / "bi.duckdb") == expected


def test_an_unknown_group_is_refused_in_one_line():
    with pytest.raises(UserError) as caught:
        Settings(readers_group="no-such-group")
    assert str(caught.value) == (
        "TRUST_READERS_GROUP: there is no group 'no-such-group' on this machine; create it, or name another"
    )


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can stand for a user outside of a group")
def test_a_group_that_the_user_is_not_in_is_refused_in_one_line(old):
    code = """
import os, sys
from pathlib import Path
from pipelines.errors import UserError
from pipelines.storage.private_files import share
from pipelines.settings import Settings
settings = Settings(readers_group=sys.argv[2])
os.setgroups([]); os.setegid(65534); os.seteuid(65534)
try: share(Path(sys.argv[1]), settings)
except UserError as error: print(error)
"""
    file = old.warehouse / "bi.duckdb"
    os.chown(file, 65534, 65534)
    for folder in (old.warehouse, *old.warehouse.parents):
        if not folder.stat().st_mode & stat.S_IXOTH:
            folder.chmod(folder.stat().st_mode | stat.S_IXOTH)
    told = subprocess.run([sys.executable, "-c", code, file, "daemon"], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == (
        f"TRUST_READERS_GROUP: this user cannot give {file} to the group daemon; add the user to the group"
    )


def test_what_a_private_process_makes_is_its_users_alone(tmp_path, open_umask):
    be_private()
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("")
    assert rights_below(tmp_path) == {(True, "0700"), (False, "0600")}


def test_a_closed_folder_is_closed_and_a_missing_one_no_matter(tmp_path):
    (tmp_path / "folder").mkdir(mode=0o755)
    close_folder(tmp_path / "folder")
    close_folder(tmp_path / "missing")
    assert rights(tmp_path / "folder") == "0700"


def test_the_code_location_and_the_command_line_are_private_processes():
    code = "import os, sys\nos.umask(0o022)\n{}\nprint(f'{{os.umask(0):04o}}')"
    location = "from pipelines.definitions import defs\ndefs()"
    command = "import pipelines.cli\nsys.argv = ['trust', '--help']\ntry: pipelines.cli.main()\nexcept SystemExit: pass"
    for way in (location, command):
        told = subprocess.run([sys.executable, "-c", code.format(way)], capture_output=True, text=True, check=True)
        assert told.stdout.splitlines()[-1] == "0077", way


@pytest.mark.slow
def test_after_a_night_every_file_is_private_and_dagsters_record_too(tmp_path, open_umask):
    home, warehouse = tmp_path / "home", tmp_path / "warehouse"
    home.mkdir()
    text = (ROOT / "dagster.yaml").read_text("utf-8")
    (home / "dagster.yaml").write_text(text.replace(".dagster/", f"{home}/record/"), "utf-8")
    environment = {
        **os.environ,
        "DAGSTER_HOME": str(home),
        "HOME": str(tmp_path / "user"),
        "TMPDIR": str(tmp_path / "t"),
    }
    environment = {name: value for name, value in environment.items() if not name.startswith("TRUST_")}
    for folder in ("user", "t"):
        (tmp_path / folder).mkdir()
    for arguments in (
        ("simulate", tmp_path / "sim", "--customers", 60, "--days", 300),
        ("run", "--landing", tmp_path / "sim" / "landing", "--warehouse", warehouse),
    ):
        subprocess.run([TRUST, *map(str, arguments)], env=environment, check=True, capture_output=True)
    assert rights(warehouse) == "0700"
    assert rights_below(warehouse) == rights_below(home / "record") == {(True, "0700"), (False, "0600")}
    for place in ("user", "t"):
        assert rights_below(tmp_path / place) <= {(True, "0700"), (False, "0600")}
