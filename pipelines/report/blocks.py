"""What a report is made of: sections of paragraphs, tables, figures; every text as plain text.

Belongs here: the shapes that a page draws. Must not be here: HTML, numbers, or words.
"""

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True)
class Paragraph:
    """Running text."""

    text: str
    kind: ClassVar[str] = "paragraph"


@dataclass(frozen=True)
class Note:
    """What the reader must know before believing a number: something is not known, or a check failed."""

    text: str
    kind: ClassVar[str] = "note"


@dataclass(frozen=True)
class Points:
    """A list of sentences; numbered where their order matters."""

    items: tuple[str, ...]
    is_ordered: bool = False
    kind: ClassVar[str] = "points"


@dataclass(frozen=True)
class Table:
    """Rows under headers; the first ``texts`` columns are words, the others numbers."""

    caption: str
    headers: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    texts: int = 1
    kind: ClassVar[str] = "table"


@dataclass(frozen=True)
class Figure:
    """A chart in a wide and a narrow drawing, what it shows in words, and the table behind it."""

    name: str
    title: str
    description: str
    wide: str
    narrow: str
    table: Table
    kind: ClassVar[str] = "figure"


@dataclass(frozen=True)
class KeyFigures:
    """The few numbers for a first look: label, value, and what it rests on."""

    items: tuple[tuple[str, str, str], ...]
    kind: ClassVar[str] = "key_figures"


@dataclass(frozen=True)
class Terms:
    """Words and what they mean."""

    items: tuple[tuple[str, str], ...]
    kind: ClassVar[str] = "terms"


Block = Paragraph | Note | Points | Table | Figure | KeyFigures | Terms


@dataclass(frozen=True)
class Section:
    """A section with its own heading and, under it, parts."""

    name: str
    title: str
    blocks: tuple[Block, ...] = ()
    parts: tuple["Section", ...] = ()
