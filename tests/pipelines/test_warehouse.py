import gc
import os
import signal
import stat
import struct
import subprocess
import sys
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import duckdb
import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from pipelines.errors import BusyError, UserError
from pipelines.settings import Settings
from pipelines.warehouse import SCHEMAS, Warehouse


def test_a_new_warehouse_has_its_schemas_and_its_days_are_utc(warehouse):
    found = {name for (name,) in warehouse.run("select schema_name from duckdb_schemas()")}
    assert found.issuperset(SCHEMAS)
    assert warehouse.value("select current_setting('TimeZone')") == "UTC"


def test_what_was_written_is_there_when_it_is_opened_again(tmp_path):
    settings = Settings(warehouse=tmp_path / "w")
    with Warehouse(settings) as warehouse:
        warehouse.replace("raw.thing", pl.DataFrame({"a": [1, 2]}))
    with Warehouse(settings) as warehouse:
        assert warehouse.table("raw.thing")["a"].to_list() == [1, 2]


OPEN = """
import sys, time
from pathlib import Path
from pipelines.errors import UserError
from pipelines.settings import Settings
from pipelines.warehouse import Warehouse
pause = time.sleep
time.sleep = lambda seconds: (print("waiting", flush=True), pause(seconds))
try:
    with Warehouse(Settings(warehouse=Path(sys.argv[1]), wait_minutes=float(sys.argv[2]))) as warehouse:
        print("open", flush=True)
        sys.stdin.readline()
except UserError as error:
    print(error)
    sys.exit(error.exit_code)
"""


@contextmanager
def another_process(folder: Path, wait: float = 0) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", OPEN, str(folder), str(wait)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield process
        process.kill()


def test_a_warehouse_in_use_is_named_with_its_process_and_what_to_do(tmp_path):
    with Warehouse(Settings(warehouse=tmp_path)) as warehouse, another_process(tmp_path) as other:
        told, _ = other.communicate()
    assert told.strip() == (
        f"{warehouse.path}: another process is using the warehouse; wait until it has ended (process {os.getpid()}),"
        " or let 'trust run --wait MINUTES' wait for it"
    )
    assert other.returncode == BusyError.exit_code == 3


def test_who_waits_goes_on_once_the_other_process_has_ended(tmp_path):
    with Warehouse(Settings(warehouse=tmp_path)) as warehouse, another_process(tmp_path, wait=5) as other:
        assert other.stdout.readline() == "waiting\n"
        warehouse.close()
        assert next(line for line in other.stdout if line != "waiting\n") == "open\n"
        other.communicate("\n")
    assert other.returncode == 0


def test_who_waits_in_vain_ends_as_busy(tmp_path, monkeypatch):
    monkeypatch.setattr("pipelines.warehouse.BETWEEN_TRIES", 0.01)
    with another_process(tmp_path) as other:
        other.stdout.readline()
        with pytest.raises(BusyError, match=rf"\(process {other.pid}\)"):
            Warehouse(Settings(warehouse=tmp_path, wait_minutes=0.001))


def test_a_killed_process_leaves_no_lock(tmp_path):
    with another_process(tmp_path) as other:
        other.stdout.readline()
        other.send_signal(signal.SIGKILL)
        other.wait()
        with Warehouse(Settings(warehouse=tmp_path)) as warehouse:
            assert warehouse.value("select 1") == 1


def test_a_folder_that_cannot_be_made_is_named_with_what_to_do(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"file/w: cannot be used as the warehouse \(.+\); choose another folder$"):
        Warehouse(Settings(warehouse=tmp_path / "file" / "w"))


@pytest.fixture
def file(tmp_path):
    """A sound warehouse file."""
    with Warehouse(Settings(warehouse=tmp_path)) as warehouse:
        warehouse.run("create table raw.thing as select range as a from range(100000)")
    return warehouse.path


def refusal(file):
    with pytest.raises(UserError) as caught:
        Warehouse(Settings(warehouse=file.parent))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_file_that_is_no_database_is_named_with_what_to_do(file):
    file.write_bytes(b"no database" * 1000)
    assert refusal(file) == (
        f"{file}: is no DuckDB database; restore it from a backup, or move it away and run the nights again"
    )


def test_an_empty_file_is_no_new_warehouse(file):
    file.write_bytes(b"")
    assert "is no DuckDB database" in refusal(file)


def test_a_folder_in_the_place_of_the_file_is_named_with_what_to_do(file):
    file.unlink()
    file.mkdir()
    assert refusal(file) == f"{file}: is a folder, and the warehouse file belongs there; move it away"


@pytest.mark.parametrize("share", [0.002, 0.01, 0.5])
def test_a_truncated_database_is_named_with_what_to_do(file, share):
    with file.open("r+b") as stream:
        stream.truncate(int(file.stat().st_size * share))
    assert refusal(file) == f"{file}: is damaged; restore it from a backup, or move it away and run the nights again"


def test_a_database_without_its_end_is_named_where_the_end_is_read(file):
    with file.open("r+b") as stream:
        stream.truncate(file.stat().st_size - 1)
    with Warehouse(Settings(warehouse=file.parent)) as warehouse, pytest.raises(UserError, match="is damaged; restore"):
        warehouse.run("from raw.thing")


def test_a_damaged_database_is_named_with_what_to_do(file):
    with file.open("r+b") as stream:
        stream.seek(4096 + 100)
        stream.write(b"damage" * 2000)
    assert "warehouse.duckdb: is damaged; restore it from a backup" in refusal(file)


def seal(block: bytes) -> bytes:
    """A header of DuckDB with the checksum that it needs to be believed."""
    total = 5381
    for (word,) in struct.iter_unpack("<Q", block[8:]):
        total ^= word * 0xBF58476D1CE4E5B9 % 2**64
    return struct.pack("<Q", total) + block[8:]


def test_a_database_of_a_newer_duckdb_is_named_with_what_to_do(file):
    content = bytearray(file.read_bytes())
    struct.pack_into("<Q", content, 12, 1000)
    content[:4096] = seal(bytes(content[:4096]))
    file.write_bytes(content)
    assert refusal(file) == (
        f"{file}: was written by a newer DuckDB than {duckdb.__version__}; run it with the newer program"
    )


AS_NOBODY = OPEN.replace("try:", "import os\nos.setgroups([])\nos.setegid(65534)\nos.seteuid(65534)\ntry:", 1)


@pytest.fixture
def reachable(tmp_path):
    """A folder that every user can reach."""
    if os.geteuid() != 0:
        pytest.skip("only root can become another user")
    for folder in (tmp_path, *tmp_path.parents):
        if not folder.stat().st_mode & stat.S_IXOTH:
            folder.chmod(folder.stat().st_mode | stat.S_IXOTH)
    return tmp_path / "warehouse"


@pytest.mark.parametrize(("folder_mode", "file_mode"), [(0o755, 0o644), (0o777, 0o644), (0o777, 0o600)])
def test_a_warehouse_of_another_user_is_refused_with_its_name(reachable, folder_mode, file_mode):
    with Warehouse(Settings(warehouse=reachable)) as warehouse:
        pass
    warehouse.path.chmod(file_mode)
    reachable.chmod(folder_mode)
    command = [sys.executable, "-c", AS_NOBODY, str(reachable), "0"]
    told = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert told.returncode == 1, told.stderr
    assert "it belongs to the user root" in told.stdout
    assert len(told.stdout.splitlines()) == 1


def test_a_folder_on_a_read_only_file_system_is_refused(tmp_path):
    folder = tmp_path / "w"
    with Warehouse(Settings(warehouse=folder)):
        pass
    script = f'mount --bind {folder} {folder} && mount -o remount,ro,bind {folder} && exec "$@"'
    command = ["unshare", "-rm", "sh", "-c", script, "sh", sys.executable, "-c", OPEN, str(folder), "0"]
    told = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if "unshare" in told.stderr or "mount" in told.stderr:
        pytest.skip(f"mounts are not permitted here ({told.stderr.strip()})")
    assert told.stdout.strip() == (
        f"{folder}: cannot be used as the warehouse (the file system is read-only); choose another folder"
    )


def test_a_transaction_is_all_or_nothing(warehouse):
    def half() -> None:
        with warehouse.transaction():
            warehouse.run("insert into raw.thing values (1)")
            raise RuntimeError("stop")

    warehouse.run("create table raw.thing (a int)")
    with pytest.raises(RuntimeError, match="stop"):
        half()
    assert warehouse.run("from raw.thing") == []
    with warehouse.transaction():
        warehouse.run("insert into raw.thing values (2)")
    assert warehouse.run("from raw.thing") == [(2,)]


def test_replace_part_replaces_just_the_rows_that_meet_the_condition(warehouse):
    for day, values in ((1, [1, 2]), (2, [3]), (1, [4])):
        frame = pl.DataFrame({"day": [day] * len(values), "value": values})
        warehouse.replace_part("scores.thing", frame, "day = ?", (day,))
    assert sorted(warehouse.run("from scores.thing")) == [(1, 4), (2, 3)]


def test_replace_part_is_all_or_nothing(warehouse):
    warehouse.replace_part("scores.thing", pl.DataFrame({"value": [1]}), "true")
    with pytest.raises(duckdb.Error):
        warehouse.replace_part("scores.thing", pl.DataFrame({"value": ["x"]}), "true")
    assert warehouse.run("from scores.thing") == [(1,)]


def test_frames_come_and_go_with_their_types(warehouse):
    frame = pl.DataFrame(
        {"text": ["茶", None], "day": [date(2024, 1, 1), None], "at": [datetime(2024, 1, 1, 1, 2, 3, 4), None]}
    )
    warehouse.replace("scores.thing", frame)
    assert warehouse.table("scores.thing").equals(frame)
    assert warehouse.records("select text from scores.thing where text is not null") == [{"text": "茶"}]


def test_an_offered_frame_is_gone_behind_its_block(warehouse):
    with warehouse.offered(pl.DataFrame({"a": [1]})) as view:
        assert warehouse.value(f"select a from {view}") == 1
    with pytest.raises(duckdb.CatalogException):
        warehouse.run(f"from {view}")


def test_a_frame_is_let_go_of_before_its_transaction_ends(warehouse):
    numbers = np.arange(1000)
    held = weakref.ref(numbers)
    looks_at_them = [SimpleNamespace(to_arrow=partial(pa.table, {"number": pa.array(numbers)}))]
    with warehouse.transaction():
        warehouse.append("scores.thing", looks_at_them.pop())
        del numbers
        gc.collect()
        assert held() is None
    assert warehouse.value("select sum(number) from scores.thing") == sum(range(1000))


def test_an_offered_frame_is_read_once(warehouse):
    with (
        warehouse.offered(pl.DataFrame({"a": [1]})) as view,
        pytest.raises(duckdb.InvalidInputException, match="Invalid Input"),
    ):
        warehouse.run(f"from {view} union all from {view}")


def test_value_is_none_where_there_is_no_row(warehouse):
    assert warehouse.value("select 1 where false") is None


@pytest.mark.parametrize(
    ("zone", "instant", "day"),
    [
        ("UTC", "2024-03-09 23:59:59", date(2024, 3, 9)),
        ("Asia/Shanghai", "2024-03-09 15:59:59", date(2024, 3, 9)),
        ("Asia/Shanghai", "2024-03-09 16:00:00", date(2024, 3, 10)),
        ("America/New_York", "2024-03-10 04:59:59", date(2024, 3, 9)),  # clocks go forward on the 10th
        ("America/New_York", "2024-03-11 03:59:59", date(2024, 3, 10)),
        ("America/New_York", "2024-03-11 04:00:00", date(2024, 3, 11)),
        ("America/New_York", "2024-11-04 04:59:59", date(2024, 11, 3)),  # and back on the 3rd
        ("America/New_York", "2024-11-04 05:00:00", date(2024, 11, 4)),
    ],
)
def test_days_are_days_of_the_business_time_zone(open_warehouse, zone, instant, day):
    assert open_warehouse(time_zone=zone).value(f"select business_date(timestamp '{instant}')") == day


def test_closing_closes_every_cursor(tmp_path):
    warehouse = Warehouse(Settings(warehouse=tmp_path))
    cursor = warehouse.cursor()
    warehouse.close()
    with pytest.raises(duckdb.ConnectionException):
        cursor.execute("select 1")


OUTSIDE = [
    "from read_csv('{outside}')",
    "from read_csv('{landing}/../outside.csv')",
    "from read_csv('{landing}/link.csv')",
    "from read_csv('{landing}/linked/outside.csv')",
    "from read_csv('file://{outside}')",
    "from read_text('/etc/passwd')",
    "from read_blob('/proc/self/environ')",
    "from read_json('/etc/passwd')",
    "from read_parquet('/etc/passwd')",
    "from sniff_csv('/etc/passwd')",
    "from glob('/etc/*')",
    "from '/etc/passwd'",
    "from read_csv('http://127.0.0.1:9/a.csv')",
    "from read_csv('https://127.0.0.1:9/a.csv')",
    "from read_parquet('s3://bucket/a.parquet')",
    "copy (select 1) to '{outside}'",
    "copy (select 1) to '/tmp/out.csv'",
    "export database '/tmp/out'",
    "import database '/tmp/in'",
    "attach '{outside}.duckdb'",
    "attach '/etc/passwd' as passwords (type sqlite)",
    "attach 'http://127.0.0.1:9/a.duckdb'",
    "install httpfs",
    "install spatial from community",
    "force install httpfs from 'http://127.0.0.1:9'",
    "load httpfs",
    "load '/tmp/evil.duckdb_extension'",
    "update extensions",
    "create secret (type s3)",
    "create persistent secret (type http)",
    "call enable_logging(storage = 'file', storage_config = {{'path': '/tmp/log'}})",
    "pragma profiling_output = '/tmp/out.json'",
    "set lock_configuration = false",
    "set enable_external_access = true",
    "set allowed_directories = ['/']",
    "set allowed_paths = ['/etc/passwd']",
    "set autoinstall_known_extensions = true",
    "set autoload_known_extensions = true",
    "set allow_community_extensions = true",
    "set allow_unsigned_extensions = true",
    "set allow_persistent_secrets = true",
    "set secret_directory = '/tmp'",
    "set extension_directory = '/tmp'",
    "set home_directory = '/tmp'",
    "set temp_directory = '/tmp'",
    "set memory_limit = '1TB'",
    "reset memory_limit",
    "set TimeZone = 'Asia/Shanghai'",
]


@pytest.mark.parametrize(
    "setting",
    [
        "allow_community_extensions",
        "allow_persistent_secrets",
        "allow_unsigned_extensions",
        "autoinstall_known_extensions",
        "autoload_known_extensions",
        "enable_external_access",
    ],
)
def test_every_way_out_is_closed_by_itself(warehouse, setting):
    assert warehouse.value(f"select current_setting('{setting}')") is False


@pytest.fixture
def surroundings(tmp_path, landing):
    """A landing zone with links that lead out of it."""
    landing.mkdir()
    (tmp_path / "outside.csv").write_text("a\n1\n")
    (landing / "link.csv").symlink_to(tmp_path / "outside.csv")
    (landing / "linked").symlink_to(tmp_path)
    (landing / "inside.csv").write_text("a\n2\n")
    return {"outside": tmp_path / "outside.csv", "landing": landing}


@pytest.mark.parametrize("through", ["run", "frame", "cursor"])
@pytest.mark.parametrize("statement", OUTSIDE)
def test_nothing_outside_is_read_written_or_changed(warehouse, surroundings, statement, through):
    ask = warehouse.cursor().execute if through == "cursor" else getattr(warehouse, through)
    with pytest.raises(duckdb.Error):
        ask(statement.format(**surroundings))
    assert surroundings["outside"].read_text() == "a\n1\n"


def test_what_is_refused_outside_works_inside(warehouse, surroundings, tmp_path):
    assert warehouse.run(f"from read_csv('{surroundings['landing']}/inside.csv')") == [(2,)]
    with warehouse.attached(warehouse.path.with_name("other.duckdb"), "other", "v1.0.0"):
        warehouse.run("create table other.thing as select 1")
    warehouse.run("set variable thing = 3")
    assert warehouse.value("select getvariable('thing')") == 3


def test_a_landing_zone_that_is_a_link_is_read(tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "disk" / "a.csv").write_text("a\n1\n")
    (tmp_path / "it's a link").symlink_to(tmp_path / "disk")
    with Warehouse(Settings(landing=tmp_path / "it's a link", warehouse=tmp_path / "w")) as warehouse:
        assert warehouse.run(f"from read_csv('{tmp_path}/it''s a link/a.csv')") == [(1,)]


def test_a_warehouse_opened_twice_in_one_process_is_as_closed_as_the_first(warehouse):
    with Warehouse(warehouse.settings) as second, pytest.raises(duckdb.PermissionException):
        second.run("from read_text('/etc/passwd')")


def test_cursors_count_in_utc_too(warehouse):
    assert warehouse.cursor().execute("select current_setting('TimeZone')").fetchall() == [("UTC",)]


def test_memory_is_bounded_by_the_setting(open_warehouse):
    limit = open_warehouse(memory_limit="123MiB").value("select current_setting('memory_limit')")
    assert limit == "123.0 MiB"


def test_what_does_not_fit_into_memory_goes_to_the_folder_of_the_warehouse(warehouse):
    assert warehouse.value("select current_setting('temp_directory')") == str(warehouse.path.parent / "tmp")


@pytest.mark.parametrize("limit", ["50", "0%", "101%", "lots", "8 gigabytes", "0GB", "-1GB", "8GB'; select 1"])
def test_a_limit_that_is_no_amount_of_memory_is_refused(limit):
    with pytest.raises(UserError, match="is no amount of memory; use a share such as 50% or an amount such as 8GB"):
        Settings(memory_limit=limit)


@pytest.mark.parametrize("limit", ["100%", "1%", "8GB", "1.5 GiB", "800MB"])
def test_shares_and_amounts_of_memory_are_taken(limit):
    assert Settings(memory_limit=limit).memory_limit == limit


@pytest.mark.parametrize("minutes", ["soon", "-1", "nan", "inf"])
def test_a_wait_that_is_no_number_of_minutes_is_refused(monkeypatch, minutes):
    monkeypatch.setenv("TRUST_WAIT", minutes)
    with pytest.raises(UserError, match=rf"TRUST_WAIT: '{minutes}' is no number of minutes; use a number such as 30"):
        Settings.from_environment()


def test_a_closed_warehouse_lets_go_of_its_connections_whoever_still_holds_it(warehouse):
    warehouse.cursor()
    warehouse.close()
    assert vars(warehouse)["_cursors"] == []
    assert not [value for value in vars(warehouse).values() if isinstance(value, duckdb.DuckDBPyConnection)]
    warehouse.close()


@pytest.mark.parametrize("way", ["append", "replace_part"])
def test_a_table_that_is_made_with_many_rows_shows_them_at_once(warehouse, way):
    many = pl.DataFrame({"value": range(130_000)})
    more = ("value < 0",) if way == "replace_part" else ()
    with warehouse.transaction():
        getattr(warehouse, way)("scores.thing", many, *more)
    assert warehouse.run("select sum(value), max(value) from scores.thing where value > 0") == [
        (sum(range(130_000)), 129_999)
    ]
