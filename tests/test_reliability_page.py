import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "docs" / name for name in ("reliability.md", "reliability.zh-CN.md")]
TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


def named(page: Path) -> list[tuple[str, str]]:
    return TEST.findall(page.read_text(encoding="utf-8"))


def functions(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_test_that_the_page_names_exists(page: Path) -> None:
    absent = [f"{file}::{name}" for file, name in named(page) if name not in functions(ROOT / file)]
    assert not absent


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_promise_of_the_page_names_its_test(page: Path) -> None:
    rows = [line for line in page.read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    promises = [row for row in rows if not re.match(r"\| (-+|promise|承诺) ?\|", row)]
    assert promises
    assert [row for row in promises if not TEST.search(row)] == []


def test_both_languages_promise_the_same() -> None:
    english, chinese = map(named, PAGES)
    assert english == chinese
