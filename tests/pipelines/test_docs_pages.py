import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

from data_contracts import published_contracts

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
READMES = [ROOT / "README.md", ROOT / "README.zh-CN.md"]
ENGLISH_ONLY = {DOCS / "glossary.md", *(DOCS / "reference").glob("*.md"), *(DOCS / "adr").glob("*.md")}
"""Pages of both languages in one, the reference of the code and decisions, which developers read."""

BLOCK = re.compile(r"^ *```(\w*)(?: title=\"([^\"]+)\")?\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")


def prose(page: Path) -> str:
    return BLOCK.sub("", page.read_text(encoding="utf-8"))


def anchors(page: Path) -> set[str]:
    """The anchors that code hosts and the built pages make of headings."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    plain = [re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).strip().lower() for heading in headings]
    return {re.sub(r"\s", "-", re.sub(r"[^\w\s-]", "", heading)) for heading in plain}


def broken_links(page: Path) -> Iterator[str]:
    for link in LINK.findall(prose(page)):
        if re.match(r"\w+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        is_there = target.exists() and (not anchor or anchor in anchors(target))
        if not is_there:
            yield link


@pytest.mark.parametrize("page", [*PAGES, *READMES], ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_and_anchor_leads_somewhere(page: Path) -> None:
    assert list(broken_links(page)) == []


def test_a_link_to_nothing_and_an_anchor_of_no_heading_are_found(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("# One `two`, three\n[x](b.md) [y](#one-two-three) [z](#four) [w](https://x.org)\n")
    assert list(broken_links(tmp_path / "a.md")) == ["b.md", "#four"]


@pytest.mark.parametrize("page", [*PAGES, *READMES], ids=lambda page: str(page.relative_to(ROOT)))
def test_every_page_exists_in_both_languages(page: Path) -> None:
    stem = page.name.removesuffix(".md").removesuffix(".zh-CN")
    if page not in ENGLISH_ONLY:
        assert all((page.parent / f"{stem}{ending}").exists() for ending in (".md", ".zh-CN.md"))


def in_navigation(part: Any) -> Iterator[str]:
    match part:
        case str():
            yield part
        case list():
            for entry in part:
                yield from in_navigation(entry)
        case dict():
            for entry in part.values():
                yield from in_navigation(entry)


def test_the_navigation_holds_every_page() -> None:
    nav = tomllib.loads((ROOT / "zensical.toml").read_text(encoding="utf-8"))["project"]["nav"]
    assert set(in_navigation(nav)) == {page.relative_to(DOCS).as_posix() for page in PAGES}


@pytest.mark.parametrize("name", ["quick-start", "your-data", "bi", "troubleshooting"])
def test_examples_are_the_same_in_both_languages(name: str) -> None:
    english, chinese = (
        BLOCK.findall((DOCS / f"{name}{ending}").read_text(encoding="utf-8")) for ending in (".md", ".zh-CN.md")
    )
    assert english == chinese != []


def command_lines(page: Path) -> list[list[str]]:
    """Every call of trust in the blocks of a page, as words after ``trust``."""
    lines = "\n".join(code for language, _, code in BLOCK.findall(page.read_text(encoding="utf-8")) if not language)
    calls = re.findall(r"(?:^|\s)(?:\.venv/bin/)?trust ((?!export TRUST)[a-z].*)$", lines, re.MULTILINE)
    return [shlex.split(re.split(r" \|\| | {3,}", call)[0], comments=True) for call in calls]


@pytest.mark.parametrize("page", [*PAGES, *READMES], ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_and_option_of_an_example_exists(page: Path) -> None:
    from pipelines.cli import app  # heavy libraries stay out of collection

    for words in command_lines(page):
        command: Any = typer.main.get_command(app)
        while hasattr(command, "commands"):
            assert words[0] in command.commands, words
            command, words = command.commands[words[0]], words[1:]
        known = {option for parameter in command.params for option in parameter.opts} | {"--help"}
        assert {word for word in words if word.startswith("--")} <= known, words


@pytest.mark.parametrize("page", [*PAGES, *READMES], ids=lambda page: str(page.relative_to(ROOT)))
def test_every_make_target_of_an_example_exists(page: Path) -> None:
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    code = "\n".join(code for language, _, code in BLOCK.findall(page.read_text(encoding="utf-8")) if not language)
    assert set(re.findall(r"^\s*(?:\w+=\S+ )*make ([\w-]+)", code, re.MULTILINE)) <= targets


@pytest.mark.parametrize("name", ["bi.md", "bi.zh-CN.md"])
def test_the_bi_page_says_what_every_published_table_is_for(name: str) -> None:
    told = set(re.findall(r"`(\w+)`", (DOCS / name).read_text(encoding="utf-8")))
    assert {contract.name for contract in published_contracts()} <= told
