import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ZENSICAL = ROOT / ".venv-docs" / "bin" / "zensical"
LOADED = re.compile(r"<(?:script|img|iframe|source)[^>]+src=\"?([^\">\s]+)|<link[^>]+href=\"?([^\">\s]+)")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not ZENSICAL.exists(), reason="make docs has not made .venv-docs"),
]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pages")
    shutil.copytree(ROOT / "docs", folder / "docs")
    shutil.copy(ROOT / "zensical.toml", folder)
    done = subprocess.run([ZENSICAL, "build", "--strict", "--clean"], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "site"


def test_every_page_is_built(site: Path) -> None:
    pages = {path.relative_to(ROOT / "docs").with_suffix(".html").as_posix() for path in (ROOT / "docs").rglob("*.md")}
    assert pages <= {path.relative_to(site).as_posix() for path in site.rglob("*.html")}


def test_no_page_loads_anything_from_another_machine(site: Path) -> None:
    foreign = {
        (page.name, address)
        for page in site.rglob("*.html")
        for pair in LOADED.findall(page.read_text(encoding="utf-8"))
        for address in pair
        if re.match(r"(?:\w+:)?//", address)
    }
    assert foreign == set()


def test_styles_load_no_fonts_from_another_machine(site: Path) -> None:
    texts = [path.read_text(encoding="utf-8") for path in site.rglob("*.css")]
    assert texts
    assert not [text for text in texts if re.search(r"(?:url\(|@import)[\s\"']*(?:\w+:)?//", text)]


def test_headings_of_both_languages_have_readable_anchors(site: Path) -> None:
    assert 'id="superset"' in (site / "bi.html").read_text(encoding="utf-8")
    assert 'id="这个文件"' in (site / "bi.zh-CN.html").read_text(encoding="utf-8")
