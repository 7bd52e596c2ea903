"""What the commands of ``trust`` have in common: options that mean the same everywhere, and warnings.

Belongs here: words and types of shared options. Must not be here: commands.
"""

import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from pipelines.operations.logs import Log

LandingOption = Annotated[
    Path | None, typer.Option("--landing", help="Landing zone. Default: TRUST_LANDING or ./landing")
]
WarehouseOption = Annotated[
    Path | None, typer.Option("--warehouse", help="Folder of the warehouse. Default: TRUST_WAREHOUSE or ./warehouse")
]
AsOfOption = Annotated[
    datetime | None, typer.Option("--as-of", formats=["%Y-%m-%d"], help="Business day. Default: the newest landing day")
]
SinceOption = Annotated[
    datetime | None,
    typer.Option(
        "--since", formats=["%Y-%m-%d"], help="Run every night from this day on, in order; stops at the first failure"
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as one JSON object")]
WaitOption = Annotated[
    float | None,
    typer.Option("--wait", min=0, help="Minutes to wait for another process to end. Default: TRUST_WAIT or 0"),
]
FullOption = Annotated[
    bool, typer.Option("--full", help="Make everything anew, also what would be kept of the night before")
]
Completer = Callable[[str], list[str]]


def one_of(*values: str) -> Completer:
    """Complete an option's value to one of a few."""
    return lambda incomplete: [value for value in values if value.startswith(incomplete)]


EngineOption = Annotated[
    str | None,
    typer.Option(
        "--engine",
        help="Where the work on customers is done: local or spark. Default: TRUST_ENGINE or local",
        autocompletion=one_of("local", "spark"),
    ),
]
QuietOption = Annotated[bool, typer.Option("--quiet", help="Print errors only")]
LogOption = Annotated[
    str | None,
    typer.Option(
        "--log",
        help="Log lines on stderr: json, text or off. Default: TRUST_LOG or off",
        autocompletion=one_of("json", "text", "off"),
    ),
]


def warn(problems: list[str], log: "Log | None" = None) -> None:
    """Show warnings on stderr, unless they are in a JSON log there already."""
    if log is None or not log.is_json:
        for text in problems:
            print(f"warning: {text}", file=sys.stderr)
