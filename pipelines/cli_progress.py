"""How a run looks in a terminal while it goes on.

Belongs here: a line a stage and a live line in a terminal; plain lines, one a table, everywhere else.
Must not be here: the run (see ``night``) or what came of it (see ``bi.summary``).
"""

import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from typing import TYPE_CHECKING, Protocol, TextIO

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from pipelines.night import Step
    from pipelines.operations.pace import Pace

STAGES: Mapping[str, str] = {
    "raw": "load and check",
    "staging": "stage",
    "models": "models",
    "features": "features",
    "scores": "score",
    "marts": "marts and checks",
    "published": "publish",
    "operations": "clear away",
}
"""The stages of a run, by the schema of what they make, in order."""

_BUSY = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"


class Shown(Protocol):
    """What a run tells of itself while it goes on."""

    def begin(self, pace: "Pace") -> None:
        """The run begins, with so many tables ahead."""

    def step(self, step: "Step") -> None:
        """A table was made."""


class Silent:
    """Shows nothing."""

    def begin(self, pace: "Pace") -> None:
        """Nothing."""

    def step(self, step: "Step") -> None:
        """Nothing."""


class Lines:
    """A plain line a table: for pipes, logs, and terminals that show no more."""

    def __init__(self, title: str) -> None:
        print(title, flush=True)

    def begin(self, pace: "Pace") -> None:
        """Nothing: the lines come by themselves."""

    def step(self, step: "Step") -> None:
        """Print one line."""
        rows = "" if step.rows is None else f"{step.rows:>12,} rows"
        print(f"  {step.name:<34}{rows:<18}{step.seconds:>7.1f} s", flush=True)


class Live:
    """A line for each stage that is over, and one that moves for the stage that goes on.

    The time left is what the last run of the same job and warehouse still took after the same table; where there was
    none, tables are counted and nothing is said of time.
    """

    def __init__(self, console: "Console", now: "float | None" = None) -> None:
        self.console = console
        self._pace: Pace | None = None
        self._stage: str | None = None
        self._rows = self._tables = self._done = 0
        self._began = self._last = time.monotonic() if now is None else now
        self._stage_began = self._began
        self._left: float | None = None

    def begin(self, pace: "Pace") -> None:
        """Take up what lies ahead."""
        self._pace, self._left = pace, pace.seconds
        self._stage_began = self._last = time.monotonic()
        self._stage = next(iter(STAGES))

    def step(self, step: "Step") -> None:
        """Count one table; where it is the first of a stage, the stage before is over."""
        schema = step.name.split(".", maxsplit=1)[0]
        if schema != self._stage and self._tables:
            self._print()
        self._stage = schema
        self._tables, self._done, self._rows = self._tables + 1, self._done + 1, self._rows + (step.rows or 0)
        self._last = time.monotonic()
        if self._pace is not None:
            self._left = self._pace.seconds_left.get(step.name, self._left)

    def close(self) -> None:
        """Print the line of the last stage."""
        if self._tables:
            self._print()

    def __rich__(self) -> "Text":
        """The moving line."""
        from rich.text import Text

        now = time.monotonic()
        spin = _BUSY[int(now * 8) % len(_BUSY)] if self.console.encoding.lower().startswith("utf") else "*"
        return Text(f"{spin} {self.line(now)}", no_wrap=True, overflow="ellipsis")

    def line(self, now: float) -> str:
        """What the moving line says, without the wheel."""
        if self._pace is None:
            return f"starting  {now - self._began:.0f} s"
        stage = STAGES.get(str(self._stage), str(self._stage))
        counted = f"{self._done}/{len(self._pace.tables)}"
        if self._left is None:
            return f"{counted}  {stage}  {now - self._began:.0f} s"
        return f"{counted}  {stage}  {_left(self._left - (now - self._last))}"

    def _print(self) -> None:
        now = time.monotonic()
        stage = STAGES.get(str(self._stage), str(self._stage))
        rows = f"{self._rows:,} rows" if self._rows else ""
        self.console.print(f"{stage:<16}{rows:>15}{now - self._stage_began:>6.1f} s", highlight=False, markup=False)
        self._stage_began, self._tables, self._rows = now, 0, 0


def _left(seconds: float) -> str:
    if seconds < 1:
        return "almost done"
    return f"about {seconds:.0f} s left" if seconds < 100 else f"about {seconds / 60:.0f} min left"


def can_show(stream: "object | None" = None) -> bool:
    """Whether standard output is a terminal that can move a line: no pipe, no NO_COLOR, no TERM=dumb."""
    out = sys.stdout if stream is None else stream
    is_terminal = bool(getattr(out, "isatty", lambda: False)())
    return is_terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM", "dumb") not in ("dumb", "")


@contextmanager
def shown_run(job: str, day: date, *, is_shown: bool) -> Iterator[Shown]:
    """How one run is shown, until it ends."""
    title = f"{'Training' if job == 'training' else 'Night'} of {day}"
    if not is_shown:
        yield Silent()
    elif not can_show():
        yield Lines(title)
    else:
        from rich.console import Console
        from rich.live import Live as Moving

        with terminal() as out:
            console = Console(file=out)
            console.print(title, highlight=False, markup=False)
            live = Live(console)
            with Moving(live, console=console, transient=True, refresh_per_second=8):
                yield live
                live.close()


@contextmanager
def terminal() -> Iterator[TextIO]:
    """Standard output as it is now, whatever becomes of it.

    While a step runs, Dagster sends standard output to a file and copies that to the terminal, late and not always
    whole: a line that moves would stand still and run into the next.
    """
    with os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding=sys.stdout.encoding, errors="replace") as own:
        yield own
