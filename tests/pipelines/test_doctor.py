import dataclasses
import fcntl
import json
import os
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest
from typer.testing import CliRunner

from pipelines import cli
from pipelines.operations import doctor_data, doctor_machine
from pipelines.operations.backup import register
from pipelines.operations.diagnosis import Diagnosis
from pipelines.operations.doctor import as_data, is_well, render
from pipelines.operations.retention import Retention
from pipelines.settings import Settings
from pipelines.warehouse import Warehouse

NOW = datetime(2024, 1, 3, 3, tzinfo=UTC)
PUBLISHED = """
create table run_info as select date '2024-01-02' as as_of, timestamp '2024-01-03 02:10:00' as published_at,
    'UTC' as time_zone, 'a' as trust_model_version, 'b' as churn_model_version;
create table data_quality as
    select 'late' as check_name, 'p' as table_name, 'warning' as severity, true as is_passed, '' as text_en
"""


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    for name in [name for name in os.environ if name.startswith("TRUST_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def settings(tmp_path, deliver, purchase):
    deliver("purchases", "2024-01-02.csv", [purchase()])
    made = Settings(landing=tmp_path / "landing", warehouse=tmp_path / "warehouse")
    with Warehouse(made):
        pass
    return made


def told(findings):
    return [(one.level, one.text) for one in findings]


def level(findings):
    return [one.level for one in findings]


def test_every_variable_that_the_code_reads_is_known():
    read = set()
    for path in (doctor_machine.ROOT / "pipelines").rglob("*.py"):
        if path.name != "doctor_machine.py":
            read |= set(re.findall(r'"(TRUST_[A-Z_]+[A-Z])"', path.read_text("utf-8")))
    read |= {f"TRUST_KEEP_{kept.name.upper()}_DAYS" for kept in dataclasses.fields(Retention)}
    assert read - {"TRUST_ESTIMATORS", "TRUST_OUTCOMES", "TRUST_STRATA"} <= doctor_machine.KNOWN


def test_a_misspelt_setting_is_told_with_the_nearest_known_name():
    ((kind, text),) = told(doctor_machine.names({"TRUST_TIMEZONE": "UTC", "TRUST_LANDING": "x", "PATH": ""}))
    assert (kind, text.endswith("is it TRUST_TIME_ZONE?")) == ("warning", True)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TRUST_TIME_ZONE", "Mars/Olympus"),
        ("TRUST_MEMORY_LIMIT", "much"),
        ("TRUST_READERS_GROUP", "no-such-group"),
        ("TRUST_PSEUDONYM_KEY", "short"),
        ("TRUST_WAIT", "long"),
        ("TRUST_MAX_FILE_GB", "0"),
        ("TRUST_REPORT_LANGUAGES", "fr"),
        ("TRUST_MAX_AGE_HOURS", "old"),
        ("TRUST_KEEP_RUNS_DAYS", "ever"),
        ("TRUST_ALERT_ON", "sundays"),
        ("TRUST_LOG", "loud"),
        ("TRUST_CURRENCY", "euro"),
    ],
)
def test_each_setting_that_cannot_be_used_is_an_error_of_its_own(name, value, monkeypatch):
    monkeypatch.setenv(name, value)
    ((kind, text),) = told(doctor_machine.values(os.environ))
    assert kind == "error"
    assert name in text or "--log" in text
    assert "\n" not in text


def test_several_settings_that_cannot_be_used_are_all_told():
    found = doctor_machine.values({"TRUST_TIME_ZONE": "Mars/Olympus", "TRUST_MEMORY_LIMIT": "much"})
    assert level(found) == ["error", "error"]


def test_settings_that_can_be_used_are_told():
    ((kind, text),) = told(doctor_machine.values({"TRUST_TIME_ZONE": "Asia/Shanghai", "TRUST_CURRENCY": "CNY"}))
    assert (kind, text) == ("ok", "days of Asia/Shanghai, amounts in CNY")


def test_a_library_of_another_version_than_the_lock_is_told_and_a_missing_one_is_an_error(tmp_path, monkeypatch):
    lock = tmp_path / "lock"
    lock.write_text("polars==0.1 \\\nduckdb==0.2 ; python_version < '3.12'\n")
    monkeypatch.setattr(doctor_machine, "requires", lambda _: ["polars>=2", "no-such-library>=1", 'x; extra == "dev"'])
    (missing, other) = told(doctor_machine.libraries(lock))
    assert (missing[0], "no-such-library" in missing[1]) == ("error", True)
    assert (other[0], "(lock: 0.1)" in other[1]) == ("warning", True)


def test_libraries_as_in_the_lock_are_well(tmp_path, monkeypatch):
    lock = tmp_path / "lock"
    lock.write_text(f"duckdb==0.1 ; python_version < '3'\nduckdb=={duckdb.__version__} ; python_version >= '3'\n")
    monkeypatch.setattr(doctor_machine, "requires", lambda _: ["DuckDB>=2"])
    assert level(doctor_machine.libraries(lock)) == ["ok"]


def test_a_home_of_dagster_that_is_relative_or_empty_is_an_error(tmp_path):
    assert level(doctor_machine.dagster_home({"DAGSTER_HOME": "here"})) == ["error"]
    assert level(doctor_machine.dagster_home({"DAGSTER_HOME": str(tmp_path)})) == ["error"]
    assert level(doctor_machine.dagster_home({})) == ["ok"]


@pytest.mark.parametrize(("limit", "found"), [("50%", "ok"), ("90%", "warning"), ("7GB", "ok"), ("9 GB", "warning")])
def test_a_database_that_may_take_nearly_all_memory_is_a_warning(limit, found):
    assert level(doctor_machine.memory(Settings(memory_limit=limit), 10e9)) == [found]


def test_a_landing_zone_in_order_names_its_sources_and_newest_delivery(settings):
    ((kind, text),) = told(doctor_data.landing_zone(settings))
    assert (kind, text) == ("ok", "1 files of purchases; newest delivery 2024-01-02")


def test_no_landing_zone_and_one_without_purchases_are_errors(settings, tmp_path):
    assert level(doctor_data.landing_zone(Settings(landing=tmp_path / "nowhere"))) == ["error"]
    (settings.landing / "purchases" / "2024-01-02.csv").unlink()
    assert level(doctor_data.landing_zone(settings)) == ["error"]


def test_names_that_are_not_understood_are_told_and_the_rest_counted(settings, deliver, purchase):
    for place in range(5):
        deliver("purchases", f"january-{place}.csv", [purchase()])
    deliver("orders", "2024-01-01.csv", [purchase()])
    found = told(doctor_data.landing_zone(settings))
    assert [kind for kind, _ in found] == ["warning"] * 4 + ["ok"]
    assert "january-0.csv" in found[0][1]
    assert found[3][1] == "and 3 more names that are not understood"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_delivery_that_cannot_be_read_is_an_error(settings):
    (settings.landing / "purchases" / "2024-01-02.csv").chmod(0)
    assert "error" in level(doctor_data.landing_zone(settings))


def test_a_warehouse_in_order_is_told_with_its_owner(settings):
    ((kind, text),) = told(doctor_data.warehouse(settings))
    assert kind == "ok"
    assert "of the user" in text
    assert "held by" not in text


def test_no_warehouse_yet_is_a_warning_and_a_file_that_is_none_an_error(settings, tmp_path):
    assert level(doctor_data.warehouse(Settings(warehouse=tmp_path / "none"))) == ["warning"]
    (settings.warehouse / "warehouse.duckdb").write_bytes(b"no database at all")
    assert level(doctor_data.warehouse(settings)) == ["error"]


def test_who_holds_the_warehouse_is_told_and_its_backups_are_not_waited_for(settings):
    script = (
        "import sys; from pathlib import Path; from pipelines.settings import Settings;"
        " from pipelines.warehouse import Warehouse\n"
        f"with Warehouse(Settings(warehouse=Path({str(settings.warehouse)!r}))): print('open', flush=True); input()"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as night:
        assert night.stdout.readline() == b"open\n"
        held = told(doctor_data.warehouse(settings))
        backup = told(doctor_data.backups(settings, NOW))
        night.communicate(b"\n")
    assert f"held by process {night.pid}" in held[0][1]
    assert backup == [("ok", "cannot be looked up while another process holds the warehouse; ask again later")]


def test_asking_who_holds_a_file_takes_no_lock(tmp_path):
    file = tmp_path / "file"
    file.write_bytes(b"x")
    assert doctor_data.holder(file) is None
    with file.open("r+b") as opened:
        fcntl.lockf(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)


@pytest.mark.parametrize(("free", "found"), [(10**6, "error"), (10**9, "warning"), (10**12, "ok")])
def test_free_room_is_judged_by_the_size_of_the_warehouse(settings, free, found, monkeypatch):
    monkeypatch.setattr(doctor_data.shutil, "disk_usage", lambda _: type("usage", (), {"free": free}))
    os.truncate(settings.warehouse / "warehouse.duckdb", 2 * 10**9)
    assert level(doctor_data.disk(settings)) == [found]


def test_a_network_file_system_is_a_warning_and_the_nearest_mount_decides(tmp_path):
    mounts = tmp_path / "mounts"
    mounts.write_text("disk / ext4 rw 0 0\nserver:/x /data nfs4 rw 0 0\ndisk /data/local ext4 rw 0 0\n")
    assert level(doctor_data.file_system(Path("/data/warehouse"), mounts)) == ["warning"]
    assert level(doctor_data.file_system(Path("/data/local/warehouse"), mounts)) == []


def test_scores_that_are_too_old_or_absent_are_errors(settings):
    assert level(doctor_data.published_file(settings, NOW)) == ["error"]
    with duckdb.connect(str(settings.warehouse / "bi.duckdb")) as published:
        published.execute(PUBLISHED)
    assert told(doctor_data.published_file(settings, NOW)) == [("ok", "scores of 2024-01-02, 3 hours old")]
    assert level(doctor_data.published_file(settings, datetime(2024, 2, 3, tzinfo=UTC))) == ["error"]


def test_nobody_to_alert_is_a_warning(monkeypatch):
    assert level(doctor_data.alerts()) == ["warning"]
    monkeypatch.setenv("TRUST_ALERT_WEBHOOK", "https://example.org/hook")
    assert level(doctor_data.alerts()) == ["ok"]


def test_backups_are_judged_by_the_newest_that_is_still_there(settings, tmp_path):
    assert level(doctor_data.backups(settings, NOW)) == ["warning"]
    with Warehouse(settings) as opened:
        register(opened, str(tmp_path), datetime(2023, 12, 1))
        register(opened, str(tmp_path / "gone"), datetime(2024, 1, 2))
    assert told(doctor_data.backups(settings, NOW))[0][0] == "warning"
    with Warehouse(settings) as opened:
        register(opened, str(tmp_path / "landing"), datetime(2024, 1, 2))
    assert told(doctor_data.backups(settings, NOW)) == [("ok", "the newest is 1 days old")]


def test_a_clock_behind_what_was_written_is_an_error(settings):
    assert level(doctor_data.clock(settings, datetime.now(UTC))) == ["ok"]
    assert level(doctor_data.clock(settings, NOW)) == ["error"]


def test_looking_changes_nothing(settings):
    def seen():
        return {path: path.stat().st_mtime_ns for path in settings.warehouse.parent.rglob("*") if path.is_file()}

    before = seen()
    list(doctor_data.checks(settings, NOW))
    assert seen() == before


def test_the_command_ends_with_one_where_something_is_wrong_and_speaks_json(settings, monkeypatch):
    folders = ["--landing", str(settings.landing), "--warehouse", str(settings.warehouse)]
    monkeypatch.setenv("TRUST_TIME_ZONE", "Mars/Olympus")
    result = CliRunner().invoke(cli.app, ["doctor", "--json", *folders])
    assert result.exit_code == 1
    told = json.loads(result.stdout)
    assert told["is_well"] is False
    assert any("Mars/Olympus" in one["text"] for one in told["findings"])


def test_warnings_alone_are_well_and_are_counted():
    found = [Diagnosis("a", "ok", "x"), Diagnosis("b", "warning", "y")]
    assert is_well(found)
    assert render(found).splitlines()[-1] == "no errors, 1 warning"
    assert as_data(found)["findings"][1] == {"check": "b", "level": "warning", "text": "y"}
