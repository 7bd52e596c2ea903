from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from nights import clean_environment
from pages import dagster_pages

pytestmark = pytest.mark.slow

PATIENCE = 180_000
"""Milliseconds; a page appears when it is there, so this is only how long a hanging one is waited for."""
OURS = ("raw", "staging", "features", "models", "scores", "marts", "published", "operations")


@pytest.fixture(scope="module")
def address(seen_night: Path, company: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    environment = clean_environment(company) | {
        "DAGSTER_HOME": str(seen_night / "home"),
        "TRUST_WAREHOUSE": str(seen_night / "warehouse"),
    }
    with dagster_pages(environment, tmp_path_factory.mktemp("pages") / "log") as served:
        yield served


@pytest.fixture
def page(browser: Any, address: str) -> Iterator[tuple[Any, list[str]]]:
    """A page of Dagster, and the errors that it wrote to its console."""
    opened = browser.new_page(viewport={"width": 1440, "height": 900})
    opened.set_default_timeout(PATIENCE)
    errors: list[str] = []
    opened.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    opened.on("pageerror", lambda error: errors.append(str(error)))
    yield opened, errors
    opened.close()


def test_the_graph_shows_all_our_groups(page: tuple[Any, list[str]], address: str) -> None:
    opened, errors = page
    opened.goto(f"{address}/asset-groups")
    for group in OURS:
        opened.get_by_text(group, exact=True).first.wait_for()
    assert errors == []


def test_an_asset_tells_its_owner_rows_and_shows_its_picture(page: tuple[Any, list[str]], address: str) -> None:
    opened, errors = page
    opened.goto(f"{address}/assets/scores/customer_days")
    opened.get_by_text("customer-analytics").first.wait_for()
    opened.get_by_text("Row count").first.wait_for()
    opened.get_by_text("[Show Markdown]").first.click()
    picture = opened.locator("img[src^='data:image/png']").first
    picture.wait_for()
    assert picture.evaluate("image => image.naturalWidth") > 300
    assert errors == []


def test_checks_of_an_asset_are_there_with_their_words(page: tuple[Any, list[str]], address: str) -> None:
    opened, errors = page
    opened.goto(f"{address}/assets/raw/purchases?view=checks")
    opened.get_by_text("every delivery can be read, is accounted for, and keeps its contract").first.wait_for()
    opened.get_by_text("promises kept").first.wait_for()
    assert errors == []
