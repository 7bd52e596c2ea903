"""A numpydoc docstring as Markdown.

Belongs here: sections, entries, and the few marks of reStructuredText that our docstrings use.
Must not be here: whose docstring it is (``code_reference``), or what it says.
"""

import re
import textwrap
from collections.abc import Iterator, Mapping

TITLES = {"Raises": "Errors"}
"""Sections that are called otherwise on the page."""

ENTRIES = frozenset({"Parameters", "Attributes", "Returns", "Yields", "Raises"})
"""Sections that are lists of names or types, each with its text below it."""

MATHS: Mapping[str, str] = {
    r"\eta": "η", r"\pi": "π", r"\mu": "μ", r"\ell": "ℓ", r"\kappa": "κ", r"\Phi": "Φ", r"\sum": "Σ", r"\sim": "~",
    r"\log": "log", r"\ln": "ln", r"\mathrm": "", r"\,": " ",
}  # fmt: skip
"""The commands of formulas, as characters that everybody can read without a program that sets formulas."""

_TITLE = re.compile(r"^([A-Z][A-Za-z ]+)\n-{3,}$", re.MULTILINE)
_ROLE = re.compile(r":(class|meth|func|data|mod|attr):`~?([^`]+)`")
_CODE = re.compile(r"(``[^`]+``|`[^`]+`|\[\w[^\[\]\n]*,[^\[\]]*\]|\w*_<[\w-]+>)")
"""What is marked as code, columns of a frame in brackets, and names of which a part is left open: r_<stream>."""
_FORMULA = re.compile(r":math:`([^`]+)`")
_BLOCK = re.compile(r"^(\.\. math:: ?.+(?:\n +.+)*|(?<=\n\n) {4}.+(?:\n {4}.+)*)", re.MULTILINE)


def markdown(docstring: str) -> str:
    """A docstring as Markdown: its text, then each section under a title in bold.

    Parameters
    ----------
    docstring : str
        As ``ast.get_docstring`` gives it, without the indentation of the code.

    Raises
    ------
    ValueError
        For a formula with a command that :data:`MATHS` does not hold.
    """
    text, *parts = _TITLE.split(docstring)
    sections = zip(parts[::2], parts[1::2], strict=True)
    return "\n\n".join([_prose(text), *(_section(title, body.strip("\n")) for title, body in sections)])


def summary(docstring: str) -> str:
    """The first paragraph of a docstring, on one line of Markdown."""
    return " ".join(_prose(docstring.split("\n\n")[0]).split())


def _section(title: str, body: str) -> str:
    head = f"**{TITLES.get(title, title)}**"
    if title in ENTRIES:
        return f"{head}\n\n" + "\n".join(_entries(body, is_named=title in ("Parameters", "Attributes")))
    if title == "Examples":
        return f"{head}\n\n```pycon\n{body.strip()}\n```"
    if title == "References":
        return f"{head}\n\n" + "\n".join(f"- {_prose(' '.join(line.split()))}" for line in _sources(body))
    return f"{head}\n\n{_prose(body)}"


def _entries(body: str, *, is_named: bool) -> Iterator[str]:
    """“- `name` (type): text” of a parameter, “- type: text” of what is returned or raised."""
    for entry in re.split(r"\n(?=\S)", body):
        first, _, below = entry.partition("\n")
        name, _, kind = first.partition(" : ")
        told = f"`{name}`" + (f" ({_inline(kind)})" if kind else "") if is_named else _inline(first)
        text = " ".join(_prose(textwrap.dedent(below)).split())
        yield f"- {told}: {text}" if text else f"- {told}"


def _sources(body: str) -> list[str]:
    """One entry a source: a line that ends a sentence with a full stop ends the source."""
    return [source.strip() for source in re.split(r"(?<=\.)\n(?=\S)", body) if source.strip()]


def _prose(text: str) -> str:
    """Paragraphs; a formula on lines of its own, and what is indented, become blocks."""
    parts = _BLOCK.split(text)
    blocks = (_block(part) if number % 2 else _inline(part.strip("\n")) for number, part in enumerate(parts))
    return "\n\n".join(block for block in blocks if block).strip()


def _block(text: str) -> str:
    formula = text.removeprefix(".. math::")
    told = textwrap.dedent(text) if formula == text else _formula(" ".join(formula.split()))
    return f"```text\n{told}\n```"


def _inline(text: str) -> str:
    """Text on its way into a paragraph: what is code stays code, columns become code, all else is escaped."""
    text = _FORMULA.sub(lambda found: f"``{_formula(found[1])}``", _ROLE.sub(r"``\2``", text))
    parts = _CODE.split(text)
    return "".join(_code(part) if number % 2 else _escaped(part) for number, part in enumerate(parts))


def _code(marked: str) -> str:
    return f"`{marked.replace('`', '')}`"


def _escaped(text: str) -> str:
    """Signs that mean something else in Markdown: tags, and names in brackets that could be links."""
    return re.sub(r"(?<=\w)_(?=\W|$)", r"\_", text.replace("<", "&lt;")).replace("[", r"\[")


def _formula(latex: str) -> str:
    text = re.sub(r"\\(?:[A-Za-z]+|,)", lambda found: MATHS.get(found[0], found[0]), latex)
    text = re.sub(r"_\{([^}]*)\}", r"_\1", text)
    text = re.sub(r"\{([^{}]*)\}", r"\1", text)
    if "\\" in text:
        raise ValueError(f"a formula that the page cannot show: {latex}")
    return text
