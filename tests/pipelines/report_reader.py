"""A report as a program reads it: a strict parser that notes what matters of a page."""

import re
from collections import Counter, defaultdict
from html.parser import HTMLParser

VOID = {"meta", "link", "br", "hr", "img", "input"}
NUMBER = re.compile(r"\d[\d,.:-]*\d%?|\d%?")


class Page(HTMLParser):
    """Notes the tags; fails where they are not nested as they must be."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.sections: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.parents: list[str | None] = []
        self.texts: dict[str, list[str]] = defaultdict(list)
        self.svg_titles = 0
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.note(tag, attrs)
        if tag not in VOID:
            self.open.append(tag)
            if tag == "section":
                self.sections.append(str(dict(attrs)["id"]))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.note(tag, attrs)

    def note(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), (tag, names)
        self.tags.append((tag, dict(attrs)))
        self.parents.append(self.open[-1] if self.open else None)

    def handle_endtag(self, tag: str) -> None:
        assert self.open[-1] == tag, (tag, self.open)
        self.open.pop()
        if tag == "section":
            self.sections.pop()

    def handle_data(self, data: str) -> None:
        where = self.sections[-1] if self.sections else ""
        kind = "svg" if "svg" in self.open else self.open[-1] if self.open else ""
        if data.strip() and kind not in ("style", "svg"):
            self.texts[where].append(data.strip())

    def named(self, *tags: str) -> list[dict[str, str | None]]:
        return [attrs for tag, attrs in self.tags if tag in tags]

    def text(self, section: str | None = None) -> str:
        told = self.texts.values() if section is None else [self.texts[section]]
        return "\n".join(text for texts in told for text in texts)

    def numbers(self, section: str) -> Counter[str]:
        return Counter(NUMBER.findall(self.text(section)))
