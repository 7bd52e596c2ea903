from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from pipelines.report.making import make_reports
from pipelines.settings import Settings

pytestmark = pytest.mark.slow

WIDTHS = {"phone": 390, "desk": 1280}
HIDDEN = """() => [...document.querySelectorAll('figure')].map(figure =>
    [...figure.querySelectorAll('svg')].filter(svg => svg.getBoundingClientRect().height > 100).length)"""
EMPTY = """() => [...document.querySelectorAll('figure svg')].filter(svg => svg.getBoundingClientRect().height > 0)
    .filter(svg => [...svg.querySelectorAll('path, rect, line')].every(mark => mark.getBoundingClientRect().width < 2))
    .map(svg => svg.getAttribute('aria-labelledby'))"""
INK = "getComputedStyle(document.querySelector('figure svg text')).fill"
WCAG = {"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}}


@pytest.fixture(scope="module")
def files(seen_night: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Reports of a night on the tiny company."""
    settings = Settings(warehouse=seen_night / "warehouse")
    return make_reports(settings, datetime.now(UTC), folder=tmp_path_factory.mktemp("report"))


@pytest.fixture(
    params=[(language, size, scheme) for language in ("en", "zh") for size in WIDTHS for scheme in ("light", "dark")]
)
def seen(browser: Any, files: list[Path], request: pytest.FixtureRequest) -> Iterator[tuple[Any, list[str]]]:
    """A report as somebody opens it, and whatever the page complained of or asked for."""
    language, size, scheme = request.param
    page = browser.new_page(viewport={"width": WIDTHS[size], "height": 900}, color_scheme=scheme)
    noticed: list[str] = []
    page.on("console", lambda message: noticed.append(message.text))
    page.on("pageerror", lambda error: noticed.append(str(error)))
    page.on("request", lambda asked: noticed.append(asked.url) if not asked.url.startswith("file:") else None)
    page.goto(next(path for path in files if f".{language}." in path.name).as_uri())
    yield page, noticed
    page.close()


def test_a_page_asks_for_nothing_and_complains_of_nothing(seen: tuple[Any, list[str]]) -> None:
    page, noticed = seen
    page.wait_for_load_state("networkidle")
    assert noticed == []


def test_nobody_scrolls_sideways_even_with_all_tables_open(seen: tuple[Any, list[str]]) -> None:
    page, _ = seen
    page.evaluate("() => document.querySelectorAll('details').forEach(entry => entry.open = true)")
    assert page.evaluate("document.documentElement.scrollWidth") == page.viewport_size["width"]


def test_each_chart_is_drawn_once_in_the_size_for_the_screen(seen: tuple[Any, list[str]]) -> None:
    page, _ = seen
    shown = page.evaluate(HIDDEN)
    assert shown
    assert set(shown) == {1}
    assert page.evaluate(EMPTY) == []


def test_charts_are_written_in_the_colour_of_the_text(seen: tuple[Any, list[str]]) -> None:
    page, _ = seen
    assert page.evaluate(INK) == page.evaluate("getComputedStyle(document.body).color")


def test_the_keyboard_reaches_the_report_first(seen: tuple[Any, list[str]]) -> None:
    page, _ = seen
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.getAttribute('href')") == "#main"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"


def test_axe_finds_nothing(seen: tuple[Any, list[str]]) -> None:
    from axe_playwright_python.sync_playwright import Axe

    page, _ = seen
    page.evaluate("() => document.querySelectorAll('details').forEach(entry => entry.open = true)")
    results = Axe().run(page, options=WCAG)
    assert results.violations_count == 0, results.generate_report()


def test_axe_finds_what_is_wrong(browser: Any, tmp_path: Path) -> None:
    from axe_playwright_python.sync_playwright import Axe

    page = browser.new_page()
    page.set_content("<html lang='en'><title>t</title><main><h1>h</h1><img src='x'></main></html>")
    found = {violation["id"] for violation in Axe().run(page, options=WCAG).response["violations"]}
    page.close()
    assert found == {"image-alt"}


def test_on_paper_it_has_its_parts_and_no_links_to_click(browser: Any, files: list[Path]) -> None:
    page = browser.new_page()
    page.goto(files[0].as_uri())
    page.emulate_media(media="print")
    hidden = page.evaluate("['nav', '.skip', 'details'].map(name => document.querySelector(name).offsetHeight)")
    assert hidden == [0, 0, 0]
    assert page.locator("main > section").count() == 5
    assert page.pdf(prefer_css_page_size=True).startswith(b"%PDF")
    page.close()
