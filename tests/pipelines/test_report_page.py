import os
import re
import stat
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from string import Formatter

import pytest
from report_company import HOSTILE, company, one_customer, publish_tables
from report_reader import Page

from pipelines.report.charts import BLUE, GREY, GRID, STEPS, TEXT, VERMILION
from pipelines.report.making import make_reports
from pipelines.report.names import NAMES
from pipelines.report.page import FOLDER
from pipelines.report.words import WORDS
from pipelines.settings import Settings

MADE = datetime(2024, 4, 1, 3, 0, tzinfo=UTC)
OWN_WORDS = ("definitions", "run")
"""Sections that give the contracts' own texts, whose numbers are written out in one language and not in the other."""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("company")
    settings = replace(publish_tables(folder, company()), unit_name=HOSTILE)
    made = make_reports(settings, MADE, folder=folder / "out")
    return {path.name.split(".")[1]: path.read_text(encoding="utf-8") for path in made}


@pytest.fixture(scope="module", params=["en", "zh"])
def text(files: dict[str, str], request: pytest.FixtureRequest) -> str:
    return files[request.param]


@pytest.fixture(scope="module")
def page(text: str) -> Page:
    return Page(text)


def test_ids_are_unique_and_every_reference_leads_somewhere(page: Page) -> None:
    ids = [attrs["id"] for _, attrs in page.tags if "id" in attrs]
    assert [name for name, times in Counter(ids).items() if times > 1] == []
    links = {attrs["href"] for attrs in page.named("a")}
    labels = {f"#{name}" for _, attrs in page.tags for name in (attrs.get("aria-labelledby") or "").split()}
    assert links | labels <= {f"#{name}" for name in ids}


def test_headings_step_down_one_level_at_a_time_from_a_single_h1(page: Page) -> None:
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch(r"h[1-6]", tag)]
    assert levels.count(1) == 1
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


def test_there_are_landmarks_a_skip_link_and_a_language(page: Page, text: str) -> None:
    assert len(page.named("main")) == len(page.named("nav")) == len(page.named("header")) == 1
    assert page.named("a")[0] == {"class": "skip", "href": "#main"}
    assert page.named("html")[0]["lang"] in ("en", "zh-CN")


def test_every_picture_says_in_words_what_it_shows(page: Page, text: str) -> None:
    drawings = page.named("svg")
    assert len(drawings) == 20
    assert page.named("img") == []
    for attrs in drawings:
        assert attrs["role"] == "img"
        assert len(str(attrs["aria-labelledby"]).split()) == 2
        assert "width" not in attrs
    descriptions = re.findall(r"<desc[^>]*>(.*?)</desc>", text)
    assert len(descriptions) == 20
    assert all(re.search(r"\d", words) for words in descriptions)


def test_a_picture_is_one_thing_to_a_screen_reader_not_a_heap_of_nameless_parts(text: str) -> None:
    for drawing in re.findall(r"<svg.*?</svg>", text, re.DOTALL):
        assert len(re.findall(r' role="', drawing)) == 1
        assert "aria-roledescription" not in drawing


def test_every_table_has_a_caption_and_scoped_headers_and_scrolls_by_keyboard(page: Page) -> None:
    assert len(page.named("caption")) == len(page.named("table")) > 15
    assert {attrs.get("scope") for attrs in page.named("th")} == {"col", "row"}
    scrolling = [attrs for attrs in page.named("div") if attrs.get("class") == "scroll"]
    assert len(scrolling) == len(page.named("table"))
    assert all(attrs["tabindex"] == "0" and attrs["role"] == "region" and attrs["aria-label"] for attrs in scrolling)


def test_nothing_is_loaded_and_no_script_runs(page: Page, text: str) -> None:
    assert page.named("script", "iframe", "link", "object", "embed", "img", "source") == []
    assert not [attrs for _, attrs in page.tags for name in attrs if name.startswith("on") or name == "src"]
    assert not re.search(r"url\((?!#)|@import", text)
    policy = next(attrs for attrs in page.named("meta") if attrs.get("http-equiv"))
    assert policy["content"] == "default-src 'none'; style-src 'unsafe-inline'"


def test_texts_of_the_company_are_shown_and_never_run(page: Page, text: str) -> None:
    assert "<script" not in text
    assert HOSTILE in page.text()


def test_the_appendix_has_contracts_and_the_model_card(page: Page) -> None:
    sections = [attrs["id"] for attrs in page.named("section")]
    parts = ["quality", "contracts", "models", "model-card", "card-not-for", "definitions", "run"]
    assert [name for name in sections if name in parts] == parts
    assert {"customer_scores", "purchases", "customer-analytics"} <= set(page.texts["contracts"])
    assert len(page.texts["card-not-for"]) > 5


def test_it_is_far_below_five_megabytes(text: str) -> None:
    assert len(text.encode()) < 1_000_000


def test_both_languages_have_the_same_sections_and_the_same_numbers(files: dict[str, str]) -> None:
    english, chinese = Page(files["en"]), Page(files["zh"])
    sections = [attrs["id"] for attrs in english.named("section")]
    assert sections == [attrs["id"] for attrs in chinese.named("section")]
    assert {"summary", "method", "analysis", "measures", "appendix"} < set(sections)
    for section in set(map(str, sections)) - set(OWN_WORDS):
        assert english.numbers(section) == chinese.numbers(section), section


def test_the_cover_tells_the_time_in_the_business_time_zone(page: Page) -> None:
    assert "2024-04-01 11:00 (Asia/Shanghai)" in page.text()
    assert "2024-04-01 10:00 (Asia/Shanghai)" in page.text()


@pytest.mark.parametrize("key", WORDS)
def test_every_text_has_the_same_gaps_in_both_languages(key: str) -> None:
    gaps = [{name for _, name, _, _ in Formatter().parse(text) if name} for text in WORDS[key]]
    assert gaps[0] == gaps[1]
    assert all(WORDS[key])


def test_names_are_chinese_where_they_should_be() -> None:
    english = [
        pair for names in NAMES.values() for pair in names.values() if not re.search(r"[\u4e00-\u9fff]", pair[1])
    ]
    assert {pair[0] for pair in english} <= {"MBG/NBD", "BG/NBD", "Pareto/NBD"}


@pytest.mark.parametrize("color", [BLUE, VERMILION, GREY, TEXT, GRID, *STEPS])
def test_every_colour_of_a_chart_is_repainted_on_dark_screens(color: str) -> None:
    style = (FOLDER / "page.css").read_text(encoding="utf-8")
    assert re.search(rf'svg \[(fill|stroke)="{color}"\]', style)


def luminance(color: str) -> float:
    parts = [int(color[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_colours_have_the_contrast_that_people_need(scheme: int) -> None:
    style = (FOLDER / "page.css").read_text(encoding="utf-8")
    color = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", re.findall(r":root \{(.*?)\}", style, re.S)[scheme]))
    for ground in ("page", "card"):
        assert all(contrast(color[name], color[ground]) >= 4.5 for name in ("text", "soft", "link"))
        assert all(contrast(color[name], color[ground]) >= 3 for name in ("blue", "red", "grey"))
    assert contrast(color["text"], color["note"]) >= 4.5


def test_a_report_is_replaced_whole_and_as_open_as_the_process_says(tmp_path: Path) -> None:
    settings: Settings = publish_tables(tmp_path, one_customer())
    inodes = []
    for mask, rights in ((0o077, 0o600), (0o027, 0o640)):
        before = os.umask(mask)
        try:
            (file,) = make_reports(settings, MADE, ("en",), tmp_path / "out")
        finally:
            os.umask(before)
        assert stat.S_IMODE(file.stat().st_mode) == rights
        inodes.append(file.stat().st_ino)
    assert inodes[0] != inodes[1]
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["report.en.html"]
