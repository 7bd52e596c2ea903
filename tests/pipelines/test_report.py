import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from report_company import HOSTILE, company, group, loss, one_customer, publish_tables
from report_reader import Page
from typer.testing import CliRunner

from pipelines import cli
from pipelines.errors import UserError
from pipelines.report import charts
from pipelines.report.making import make_reports
from pipelines.settings import Settings

MADE = datetime(2024, 4, 1, 3, 0, tzinfo=UTC)


def pages(settings: Settings, folder: Path, *languages: str) -> list[str]:
    return [path.read_text(encoding="utf-8") for path in make_reports(settings, MADE, languages or ("en",), folder)]


def told(tmp_path: Path, tables: dict, left_out: tuple[str, ...] = ()) -> Page:
    return Page(pages(publish_tables(tmp_path, tables, left_out), tmp_path / "out")[0])


@pytest.fixture(scope="module", autouse=True)
def _undrawn() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(charts, "_svg", lambda chart: '<svg viewBox="0 0 1 1"></svg>')
        yield


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return publish_tables(tmp_path_factory.mktemp("company"), company())


@pytest.fixture(scope="module")
def english(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Page:
    return Page(pages(settings, tmp_path_factory.mktemp("en"))[0])


def test_the_summary_has_three_to_six_sentences_made_of_the_numbers(english: Page) -> None:
    text = english.text("summary")
    assert len(re.findall(r"[.)]$", text, re.M)) == 7, "six sentences and a warning"
    assert "trust averages 50.0 of 100 (90% interval 49.0–51.0, n\xa0=\xa030)" in text
    assert "mean trust has fallen by 5.0 points, from 55.0 to 50.0" in text
    assert "went badly in 10.0% of 1,000 cases" in text
    assert "About 10 of 40 active customers are expected to be lost within 90 days (mean risk 25.0%" in text
    assert f"clearly lower than the whole in Segment: {HOSTILE}" in text
    assert "contact the 27 customers" in text


def test_a_simple_rule_in_place_of_a_model_is_named(english: Page) -> None:
    assert "The risk comes from a simple rule (RFM logistic)" in english.text("summary")


def test_a_difference_within_its_uncertainty_is_called_chance(tmp_path: Path) -> None:
    tables = company()
    tables["trust_trend"][-2] |= {"trust_score_mean": 50.5, "trust_score_low": 49.5, "trust_score_high": 51.5}
    assert "may be chance" in told(tmp_path, tables).text("summary")


def test_the_costliest_failure_is_the_heaviest_sum_and_not_the_greatest_share(tmp_path: Path) -> None:
    tables = company()
    tables["trust_losses"][1] = loss("complaint_answered", "all", "all", 50, 25, weight=2.5)
    assert "Most trust is lost here: Complaints answered in time" in told(tmp_path, tables).text("summary")


def test_what_customers_did_next_is_never_the_place_where_trust_is_lost(tmp_path: Path) -> None:
    tables = company()
    tables["trust_losses"] = [loss("came_back", "all", "all", 900, 300, is_consequence=True)]
    assert "Where trust is lost cannot be said" in told(tmp_path, tables).text("summary")


def test_no_id_of_a_customer_is_in_the_report(settings: Settings, tmp_path: Path) -> None:
    assert not [text for text in pages(settings, tmp_path, "en", "zh") if "SECRET" in text]


def test_a_group_that_is_too_small_shows_no_figure_not_even_its_size(english: Page) -> None:
    texts = english.texts["groups"]
    place = texts.index("tiny")
    assert texts[place : place + 7] == ["tiny", "withheld: too few", "–", "–", "–", "–", "–"]


def test_actions_for_few_customers_are_not_counted(english: Page) -> None:
    texts = english.texts["worklist"]
    assert texts[texts.index("No reason is known: ask the customer") + 1] == "fewer than 10"
    assert texts[texts.index("Call") + 1 : texts.index("Call") + 3] == ["26", "CNY 2,600"]


def test_the_customers_held_out_are_not_among_those_to_contact(english: Page) -> None:
    texts = english.texts["worklist"]
    assert texts[texts.index("A") + 1 : texts.index("A") + 4] == ["11", "1", "CNY 1,100"]
    assert "3 of 30 customers" in english.text("holdout")


def test_a_dimension_of_which_the_data_say_nothing_is_named_and_has_no_score(english: Page) -> None:
    assert "Behaviour tells nothing of: Value alignment" in english.text("informed")
    assert "Value alignment" not in [text for text in english.texts["dimensions"] if "Not known" not in text]


def test_what_changed_is_counted_and_a_cause_of_few_customers_is_not(english: Page) -> None:
    text, texts = english.text("changes"), english.texts["changes"]
    assert "Customers whose trust moved by 3.1 points or more since 2024-03-30: 1 up, 24 down." in text
    assert "moved too, by up to 3.1 points" in text
    place = texts.index("Deliveries by the promised time")
    assert texts[place : place + 5] == ["Deliveries by the promised time", "fewer than 10", "–", "24", "−6.1"]
    place = texts.index("Refit of the trust model")
    assert texts[place : place + 5] == ["Refit of the trust model", "fewer than 10", "–", "0", "–"]


def test_a_night_in_which_nobody_moved_says_so(tmp_path: Path) -> None:
    tables = company() | {"trust_changes": []}
    assert "Nobody's trust moved by more than the noise" in told(tmp_path, tables).text("changes")


def test_failed_checks_are_in_the_summary_and_in_the_appendix(english: Page) -> None:
    assert "Checks of the data that did not hold: 1." in english.text("summary")
    assert f"late {HOSTILE}" in english.texts["quality"]


def test_a_source_that_was_not_delivered_is_said_to_be_missing(english: Page) -> None:
    texts = english.texts["sources"]
    assert texts[texts.index("Purchases") + 1 : texts.index("Purchases") + 4][1:] == ["2024-01", "1,234"]
    assert texts[texts.index("Surveys") + 2 : texts.index("Surveys") + 4] == ["–", "nothing delivered"]


def test_months_with_hardly_any_orders_do_not_lead_the_complaints(tmp_path: Path) -> None:
    tables = company()
    for row in tables["complaint_summary"]:
        if row["month"].month == 1:
            row |= {"matured_orders": 5, "complaints": 5, "complaints_per_100_orders": 100.0}
    assert "The most were in 2024-02: 5.0" in told(tmp_path, tables).text("complaints")


def test_a_month_with_a_tenth_of_the_orders_of_the_busiest_has_too_few(tmp_path: Path) -> None:
    tables = company()
    for row in tables["complaint_summary"]:
        if row["month"].month == 1:
            row |= {"matured_orders": 23, "complaints": 23, "complaints_per_100_orders": 100.0}
    assert "The most were in 2024-02: 5.0" in told(tmp_path, tables).text("complaints")


def test_a_group_of_which_hardly_anything_is_known_is_no_news(tmp_path: Path) -> None:
    tables = company()
    tables["segment_summary"][1] |= {"customers_with_evidence": 9}
    assert HOSTILE not in told(tmp_path, tables).text("summary")


def test_where_nobody_was_lost_a_sentence_says_so_instead_of_a_flat_line(tmp_path: Path) -> None:
    tables = company()
    for row in tables["churn_monthly"]:
        row |= {"silent_customers": 0, "declared_customers": 0, "silent_rate": 0.0, "declared_rate": 0.0}
    for row in tables["churn_survival"]:
        row |= {"events": 0, "survival": 1.0}
    page = told(tmp_path, tables)
    for section in ("monthly", "survival"):
        assert "Nobody was lost in the time on record." in page.text(section)


def test_numbers_of_an_axis_that_lie_close_get_the_decimals_that_tell_them_apart() -> None:
    close, wide = ([{"low": low, "value": 0.51, "high": 0.515}] for low in (0.498, 0.1))
    assert charts._fine(".0%", close) == ".1%"
    assert charts._fine(".0%", wide) == ".0%"
    assert charts._fine(".1f", [{"low": None, "value": 3.0, "high": None}]) == ".1f"


def test_it_is_said_when_silence_can_begin_at_all(english: Page) -> None:
    for section in ("monthly", "survival"):
        assert "Silence is a loss only after 365 days without a purchase" in english.text(section)


def test_a_contract_says_how_many_of_its_rules_held(english: Page) -> None:
    texts = english.texts["contracts"]
    place = texts.index("purchases")
    assert texts[place + 1 : place + 5] == ["source", "order-management", "2", "1"]


def test_a_company_of_one_customer_gets_sentences_instead_of_numbers(tmp_path: Path) -> None:
    settings = publish_tables(tmp_path, one_customer())
    page, chinese = (Page(text) for text in pages(settings, tmp_path / "out", "en", "zh"))
    assert "no mean of trust can be given: 0 of 1 customers have enough evidence" in page.text("summary")
    assert page.named("svg") == chinese.named("svg") == []
    for section in ("distribution", "trend", "losses", "complaints", "monthly", "survival", "cohorts", "precursors"):
        assert re.search(r"Not known|Not shown", page.text(section)), section
        assert not re.search(r"\d\.\d|\d%", page.text(section)), section


def test_absent_tables_are_told_of_and_leave_the_rest_as_it_is(tmp_path: Path) -> None:
    left_out = ("trust_trend", "trust_losses", "retention_worklist", "churn_survival", "data_quality", "model_quality")
    page = told(tmp_path, company(), left_out)
    for section in ("trend", "losses", "worklist", "survival", "quality", "models"):
        assert "the published database has no table" in page.text(section), section
    assert "trust averages 50.0" in page.text("summary")


def test_without_scores_there_is_no_report(tmp_path: Path) -> None:
    settings = publish_tables(tmp_path, company(), ("customer_scores",))
    with pytest.raises(UserError, match="no usable table customer_scores; run the night again"):
        make_reports(settings, MADE)


def test_groups_beyond_the_first_sixty_of_a_kind_are_left_to_the_database(tmp_path: Path) -> None:
    tables = company()
    tables["segment_summary"] += [group("region", f"R{n:03}", 50.0, 100 - n) for n in range(70)]
    texts = told(tmp_path, tables).texts["groups"]
    assert "R059" in texts
    assert "R060" not in texts


def test_the_command_writes_a_file_a_language_beside_the_scores(settings: Settings) -> None:
    done = CliRunner().invoke(cli.app, ["report", "--warehouse", str(settings.warehouse)])
    assert done.exit_code == 0, done.output
    folder = settings.warehouse / "reports" / "2024-03-31"
    assert sorted(path.name for path in folder.iterdir()) == ["report.en.html", "report.zh.html"]
    assert f"{folder / 'report.zh.html'}" in done.output


def test_an_unknown_language_is_wrong_use(settings: Settings) -> None:
    done = CliRunner().invoke(cli.app, ["report", "--lang", "fr", "--warehouse", str(settings.warehouse)])
    assert done.exit_code == 2


def test_a_folder_that_cannot_be_written_is_one_line(settings: Settings, tmp_path: Path) -> None:
    occupied = tmp_path / "file"
    occupied.write_text("x")
    with pytest.raises(UserError, match="cannot be written"):
        make_reports(settings, MADE, ("en",), occupied)
