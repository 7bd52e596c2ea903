"""What every section is told with: the facts of the night, and the words of one language.

Belongs here: finding a text, a name, and the sentence for what is not known. Must not be here: a section.
"""

from dataclasses import dataclass
from datetime import datetime

from pipelines.report.blocks import Note
from pipelines.report.facts import Facts, minimum_customers, title_of
from pipelines.report.names import NAMES
from pipelines.report.numbers import count
from pipelines.report.words import LANGUAGES, WORDS

NARROW = "\u00a0"
"""A space at which no line breaks."""


@dataclass(frozen=True)
class Story:
    """One report in the making.

    Parameters
    ----------
    facts : Facts
        The published tables.
    language : {"en", "zh"}
        What is written in.
    made_at : datetime
        When the report is made, with its time zone.
    unit : str or None
        Name of the company or department that it is about.
    """

    facts: Facts
    language: str
    made_at: datetime
    unit: str | None = None

    @property
    def position(self) -> int:
        """Where this language stands in a pair of texts."""
        return LANGUAGES.index(self.language)

    def say(self, key: str, **values: object) -> str:
        """A text of the catalogue with its values; a value is never read as a text with gaps itself."""
        return WORDS[key][self.position].replace("n = {", f"n{NARROW}={NARROW}{{").format(**values)

    def name(self, kind: str, value: str | None) -> str:
        """The name of a value for people; a value that comes from the company's own data is its own name."""
        if value is None:
            return self.say("none")
        texts = NAMES[kind].get(value)
        return texts[self.position] if texts else value

    def listed(self, names: list[str]) -> str:
        """Names in a row, as the language separates them."""
        return self.say("separator").join(names)

    def missing(self, table: str) -> Note | None:
        """Why there is nothing to tell of a table; None where there is."""
        why = self.facts.why_not(table)
        if why is None:
            return None
        if why == "empty" and f"empty_{table}" in WORDS:
            return Note(self.say(f"empty_{table}", minimum=count(minimum_customers())))
        return Note(self.say(f"table_{why}", title=title_of(table, self.position)))
