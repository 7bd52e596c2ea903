from pathlib import Path

import dagster as dg
import pytest
from report_company import one_customer, publish_tables

from pipelines.defs import published
from pipelines.defs.published import bi, report
from pipelines.errors import UserError
from pipelines.settings import Settings
from pipelines.warehouse import Warehouse


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    return publish_tables(tmp_path_factory.mktemp("company"), one_customer())


@pytest.fixture
def night(settings):
    with Warehouse(settings) as warehouse:
        yield warehouse


def written(night):
    result, check = report(night)
    return result, check


def test_a_night_writes_the_report_of_what_it_published_in_both_languages(night):
    result, check = written(night)
    folder = night.settings.warehouse / "reports" / "2024-03-31"
    assert check.passed
    assert sorted(path.name for path in folder.iterdir()) == ["report.en.html", "report.zh.html"]
    told = {Path(value.path) for value in result.metadata.values() if isinstance(value, dg.PathMetadataValue)}
    assert told == set(folder.iterdir())


def test_the_report_is_made_after_publishing():
    assert report.asset_deps[report.key] == {bi.key}


@pytest.mark.parametrize("error", [UserError("the folder is full"), OSError("disk full"), RuntimeError("unforeseen")])
def test_a_report_that_cannot_be_written_is_a_warning_and_no_failure(night, monkeypatch, error):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr(published, "make_reports", fail)
    _, check = written(night)
    assert not check.passed
    assert check.severity is dg.AssetCheckSeverity.WARN
    assert check.description == f"the report was not written: {error}; mend that and run 'trust report'"


@pytest.mark.parametrize(
    ("text", "languages"), [("", ("en", "zh")), ("zh", ("zh",)), ("en, zh", ("en", "zh")), ("none", ())]
)
def test_a_company_chooses_the_languages_of_the_nightly_report(monkeypatch, text, languages):
    monkeypatch.setenv("TRUST_REPORT_LANGUAGES", text)
    assert Settings.from_environment().report_languages == languages


def test_a_language_that_there_is_not_is_refused_in_one_line(monkeypatch):
    monkeypatch.setenv("TRUST_REPORT_LANGUAGES", "fr")
    with pytest.raises(UserError, match="TRUST_REPORT_LANGUAGES: 'fr' cannot be written; use en, zh, both as en,zh"):
        Settings.from_environment()
