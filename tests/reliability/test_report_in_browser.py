import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from nights import clean_environment

from pipelines.report.making import make_reports
from pipelines.settings import Settings

pytestmark = pytest.mark.slow

CHROMIUM = shutil.which("chromium")
WIDTHS = {"phone": 390, "desk": 1280}
HIDDEN = """() => [...document.querySelectorAll('figure')].map(figure =>
    [...figure.querySelectorAll('svg')].filter(svg => svg.getBoundingClientRect().height > 100).length)"""
EMPTY = """() => [...document.querySelectorAll('figure svg')].filter(svg => svg.getBoundingClientRect().height > 0)
    .filter(svg => [...svg.querySelectorAll('path, rect, line')].every(mark => mark.getBoundingClientRect().width < 2))
    .map(svg => svg.getAttribute('aria-labelledby'))"""
INK = "getComputedStyle(document.querySelector('figure svg text')).fill"


@pytest.fixture(scope="module")
def files(company: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Reports of a night on the tiny company."""
    folder = tmp_path_factory.mktemp("report")
    command = [Path(sys.executable).with_name("trust"), "run", "--quiet", "--warehouse", folder / "warehouse"]
    environment = clean_environment(company) | {"DAGSTER_HOME": str(folder)}
    subprocess.run(command, check=True, capture_output=True, env=environment, cwd=folder)
    return make_reports(Settings(warehouse=folder / "warehouse"), datetime.now(UTC), folder=folder / "out")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("there is no chromium on this machine")
    with playwright.sync_playwright() as started:
        opened = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


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
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
    page, _ = seen
    results = axe.Axe().run(page)
    assert results.violations_count == 0, results.generate_report()
