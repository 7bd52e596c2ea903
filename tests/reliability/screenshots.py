"""The pictures of the docs: a simulated company's night on Dagster's pages, and its report. ``make screenshots``.

Belongs here: what is photographed. Every picture says that its data are simulated: in the report by the name of the
unit, on Dagster's pages by a ribbon. Must not be here: how a browser or the pages are started (see ``pages``).
"""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from nights import Place, clean_environment
from pages import browser, dagster_pages, missing

COMPANY = ("--customers", "1500", "--days", "730", "--seed", "1")
UNIT = "Simulated company / 模拟企业"
PATIENCE, LARGEST = 180_000, 250_000
RIBBON = """text => { const mark = document.createElement('div'); mark.textContent = text;
    mark.style = 'position:fixed;bottom:12px;right:16px;z-index:9999;padding:4px 10px;border-radius:6px;'
        + 'background:#fff6e5;border:1px solid #b25e00;color:#1f2933;font:14px sans-serif';
    document.body.append(mark); }"""


def night(folder: Path) -> tuple[Place, dict[str, str]]:
    """One night of a simulated company; returns its place and the environment that leads there."""
    trust = Path(sys.executable).with_name("trust")
    place = Place(folder / "place").made()
    environment = clean_environment(folder / "simulated" / "landing")
    environment |= {"DAGSTER_HOME": str(place.home), "TRUST_WAREHOUSE": str(place.warehouse)}
    environment |= {"TRUST_UNIT_NAME": UNIT, "TRUST_REPORT_LANGUAGES": "en,zh"}
    subprocess.run([trust, "simulate", folder / "simulated", *COMPANY], check=True, env=environment)
    subprocess.run([trust, "run"], check=True, env=environment, cwd=folder)
    return place, environment


@contextmanager
def opened(chromium: Any, address: str, width: int, height: int) -> Iterator[Any]:
    page = chromium.new_page(viewport={"width": width, "height": height})
    page.set_default_timeout(PATIENCE)
    page.goto(address)
    yield page
    page.close()


def settled(page: Any) -> None:
    """Wait until nothing is asked for any more, or for a while: Dagster's pages go on asking."""
    from playwright.sync_api import Error

    try:
        page.wait_for_load_state("networkidle", timeout=10_000)
    except Error:
        page.wait_for_timeout(1_000)


def photograph(page: Any, file: Path) -> None:
    """Keep a picture, unless it is too large for a page of the docs."""
    page.screenshot(path=file)
    size = file.stat().st_size
    print(f"{file}  {size:,} bytes")
    if size > LARGEST:
        sys.exit(f"error: {file} is larger than {LARGEST:,} bytes; show less")


def dagster(chromium: Any, address: str, out: Path) -> None:
    """The graph of all groups, an asset with its picture, and checks."""
    with opened(chromium, f"{address}/asset-groups", 1280, 560) as page:
        page.get_by_text("Hide navigation").click()
        page.reload()  # the graph takes the room it finds when it is drawn
        page.get_by_text("published", exact=True).first.wait_for()
        photographed(page, out / "dagster-graph.png")
    with opened(chromium, f"{address}/assets/scores/customer_days", 1280, 760) as page:
        page.get_by_text("[Show Markdown]").first.click()
        page.locator("img[src^='data:image/png']").first.wait_for()
        photographed(page, out / "dagster-asset.png")
    with opened(chromium, f"{address}/assets/raw/purchases?view=checks", 1280, 760) as page:
        page.get_by_text("promises kept").first.wait_for()
        photographed(page, out / "dagster-checks.png")


def photographed(page: Any, file: Path) -> None:
    settled(page)
    page.evaluate(RIBBON, "Simulated data / 模拟数据")
    photograph(page, file)


def report(chromium: Any, place: Place, out: Path) -> None:
    """The report in both languages: its beginning on a desk, a chart on a phone."""
    for language in ("en", "zh"):
        (file,) = place.warehouse.glob(f"reports/*/report.{language}.html")
        with opened(chromium, file.as_uri(), 1000, 1100) as page:
            photograph(page, out / f"report-desk.{language}.png")
        with opened(chromium, f"{file.as_uri()}#distribution", 390, 844) as page:
            photographed(page, out / f"report-phone.{language}.png")


def main(out: Path) -> None:
    if why := missing():
        sys.exit(f"error: {why}")
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name, browser() as chromium:
        place, environment = night(Path(name))
        report(chromium, place, out)
        with dagster_pages(environment, Path(name) / "pages.log") as address:
            dagster(chromium, address, out)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
