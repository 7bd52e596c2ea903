"""Names as people write them: of files, folders and columns.

Belongs here: showing a foreign name safely, and finding the known name that was probably meant.
Must not be here: which names are known.
"""

import difflib
import re
from collections.abc import Iterable

_LIKE_ENOUGH = 0.8
_NO_LETTERS = re.compile(r"[\W_]+")


def shown(name: str, longest: int = 60) -> str:
    """The name in one short line: what cannot be printed is a space, what is too long is cut."""
    line = "".join(character if character.isprintable() else " " for character in name[: longest + 1])
    return line if len(line) <= longest else line[:longest] + "…"


def respelt(name: str, known: Iterable[str]) -> str | None:
    """The known name that differs in nothing but capitals, spaces and marks, or None."""
    plain = _plain(name)
    return next((other for other in known if _plain(other) == plain), None)


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that was probably meant, or None where none is like it."""
    candidates = list(known)
    like = difflib.get_close_matches(name[:100].casefold(), candidates, n=1, cutoff=_LIKE_ENOUGH)
    return respelt(name[:100], candidates) or (like[0] if like else None)


def _plain(name: str) -> str:
    return _NO_LETTERS.sub("", name.casefold())
