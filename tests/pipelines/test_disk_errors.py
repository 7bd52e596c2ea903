import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from dagster_shared.error import SerializableErrorInfo

from pipelines.settings import Settings
from pipelines.storage.disk_errors import disk_line, quiet_record


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "home"))
    return Settings(warehouse=tmp_path / "warehouse")


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ('IO Error: Could not write file "x": No space left on device', "the disk is full ("),
        ("(sqlite3.OperationalError) database or disk is full", "the disk is full ("),
        ("Disk quota exceeded", "the disk is full ("),
        ("[Errno 27] File too large", "a file may not grow further (file-size limit, 'ulimit -f'); raise the limit"),
        ("(sqlite3.OperationalError) disk I/O error", "the disk refuses to write: it is full, a file-size limit"),
    ],
)
def test_a_disk_that_takes_no_more_is_told_with_the_folders_and_what_to_do(
    settings: Settings, said: str, told: str
) -> None:
    line = disk_line(OSError(said), settings)
    assert line is not None
    assert line.startswith(f"{settings.warehouse} or {settings.warehouse.parent / 'home' / '.dagster'}: {told}")
    assert line.endswith("what was published before stands; run the night again then")
    assert "\n" not in line


def test_a_damaged_record_of_runs_is_told_with_what_to_do(settings: Settings) -> None:
    line = disk_line(ValueError("(sqlite3.DatabaseError) file is not a database"), settings)
    assert line is not None
    assert line.startswith(f"{settings.warehouse.parent / 'home' / '.dagster'}: Dagster's record of runs is damaged; ")


def test_what_led_to_an_error_is_looked_at_too(settings: Settings) -> None:
    error = RuntimeError("the night went wrong")
    error.__context__ = OSError(28, "No space left on device")
    assert "the disk is full" in (disk_line(error, settings) or "")


def test_an_error_that_dagster_wrote_down_is_looked_at_too(settings: Settings) -> None:
    cause = SerializableErrorInfo("IO Error: File too large\n", [], "IOException")
    error = SerializableErrorInfo("Error occurred while executing op", [], "DagsterExecutionStepExecutionError", cause)
    assert "file-size limit" in (disk_line(error, settings) or "")


def test_other_errors_are_none_of_the_disk(settings: Settings) -> None:
    assert disk_line(ValueError("amount must be at least 0"), settings) is None


def test_what_dagster_writes_for_each_event_it_cannot_record_is_kept_from_standard_error(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with quiet_record():
        sys.stderr.write("Exception while writing logger call to event log: disk I/O error\nBackground\n")
        sys.stderr.write("a warning\n")
    assert capsys.readouterr().err == "a warning\n"


def test_a_disk_with_next_to_nothing_free_is_full_whatever_sqlite_calls_it(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=2_000_000))
    assert "the disk is full (2 MB free)" in (disk_line(OSError("disk I/O error"), settings) or "")
