import json
from datetime import UTC, date, datetime

import duckdb
import pytest
from typer.testing import CliRunner

from pipelines import cli
from pipelines.errors import UserError
from pipelines.operations.status import agreed_age, render, status
from pipelines.settings import Settings

HOME = "storage:\n  sqlite:\n    base_dir: {folder}/storage\n"
TABLES = """
create table run_info as select date '2024-01-02' as as_of, timestamp '2024-01-03 02:10:00' as published_at,
    'Asia/Shanghai' as time_zone, '2024-01-01.aaaa' as trust_model_version, '2024-01-01.bbbb' as churn_model_version;
create table customer_scores as select unnest(range(5)) as customer_id;
create table data_quality as
    select 'purchases' as table_name, 'late' as check_name, 'warning' as severity, false as is_passed,
        'it is late' as text_en
"""


@pytest.fixture
def settings(tmp_path):
    (tmp_path / "warehouse").mkdir()
    with duckdb.connect(str(tmp_path / "warehouse" / "bi.duckdb")) as published:
        published.execute(TABLES)
    return Settings(warehouse=tmp_path / "warehouse")


@pytest.fixture
def run(tmp_path, monkeypatch):
    home = tmp_path / "home"
    home.mkdir()
    (home / "dagster.yaml").write_text(HOME.format(folder=home))
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    for name in ("TRUST_WAREHOUSE", "TRUST_MAX_AGE_HOURS", "TRUST_ALERT_WEBHOOK", "TRUST_ALERT_SMTP_URL"):
        monkeypatch.delenv(name, raising=False)
    return lambda *arguments: CliRunner().invoke(cli.app, [str(argument) for argument in arguments])


def at(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_the_age_counts_from_the_end_of_the_business_day(settings):
    told = status(settings, 36, at("2024-01-02T22:00:00"))  # midnight in Shanghai is 16:00 UTC
    assert (told.as_of, told.age_hours, told.is_stale) == (date(2024, 1, 2), 6.0, False)
    assert told.published_at == datetime(2024, 1, 3, 2, 10)


def test_the_status_tells_rows_models_and_warnings(settings):
    told = status(settings, 36, at("2024-01-03T03:00:00"))
    assert told.rows["customer_scores"] == 5
    assert told.models == {"trust": "2024-01-01.aaaa", "churn": "2024-01-01.bbbb"}
    assert (told.failed_checks, told.warnings) == ([], ["it is late"])
    assert "warning: it is late" in render(told, None)


@pytest.mark.parametrize(("now", "is_stale"), [("2024-01-04T04:00:00", False), ("2024-01-04T04:00:01", True)])
def test_what_is_older_than_agreed_is_stale(settings, now, is_stale):
    assert status(settings, 36, at(now)).is_stale is is_stale


def test_nothing_published_is_stale(tmp_path):
    told = status(Settings(warehouse=tmp_path / "nowhere"))
    assert told.is_stale
    assert told.problem.endswith("bi.duckdb: nothing is published; run 'trust run'")
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize("content", [b"", b"nonsense" * 1000])
def test_a_published_file_that_cannot_be_read_is_stale(settings, content):
    (settings.warehouse / "bi.duckdb").write_bytes(content)
    told = status(settings)
    assert told.is_stale
    assert "cannot be read as a published database; run the night again" in told.problem


def test_the_status_needs_no_lock_and_leaves_no_trace(settings):
    with duckdb.connect(str(settings.warehouse / "warehouse.duckdb")):
        before = sorted(settings.warehouse.iterdir())
        assert status(settings, 36, at("2024-01-03T00:00:00")).as_of == date(2024, 1, 2)
        assert sorted(settings.warehouse.iterdir()) == before


def test_the_command_ends_with_one_where_the_scores_are_too_old(settings, run):
    assert run("status", "--warehouse", settings.warehouse, "--max-age", 10_000_000).exit_code == 0
    done = run("status", "--warehouse", settings.warehouse, "--json")
    assert done.exit_code == 1
    told = json.loads(done.stdout)
    assert (told["is_stale"], told["as_of"], told["last_run"]) == (True, "2024-01-02", None)
    assert "hours old, and at most 36 are agreed" in done.stderr


def test_the_agreed_age_comes_from_the_command_line_or_the_environment(monkeypatch):
    monkeypatch.setenv("TRUST_MAX_AGE_HOURS", "12")
    assert agreed_age() == 12
    assert agreed_age(5) == 5
    monkeypatch.setenv("TRUST_MAX_AGE_HOURS", "soon")
    with pytest.raises(UserError, match="TRUST_MAX_AGE_HOURS: 'soon' is no number of hours; use a number such as 36"):
        agreed_age()


def test_a_test_alert_needs_somebody_to_send_it_to(run):
    done = run("alert-test")
    assert isinstance(done.exception, UserError)
    assert "no alert can be sent: set TRUST_ALERT_WEBHOOK or TRUST_ALERT_SMTP_URL" in str(done.exception)


def test_a_stale_publication_is_alerted_once(settings, run, monkeypatch):
    taken = []

    class Recorder:
        name = "recorder"

        def send(self, message, seconds):
            taken.append(message.facts["kind"])

    monkeypatch.setattr("pipelines.operations.alerting._webhook", Recorder)
    for _ in range(3):
        assert run("status", "--warehouse", settings.warehouse, "--alert").exit_code == 1
    assert taken == ["stale"]
