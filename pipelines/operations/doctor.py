"""Doctor: what is wrong with an installation, a line a check, each with what to do.

Belongs here: the order of the checks, and how they look in a terminal. Must not be here: the checks themselves (see
``doctor_machine`` and ``doctor_data``). Nothing here changes anything or waits for a night.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pipelines.errors import UserError
from pipelines.operations.diagnosis import Diagnosis
from pipelines.settings import Settings


def examine(
    landing: Path | None = None,
    warehouse: Path | None = None,
    environment: Mapping[str, str] | None = None,
    now: datetime | None = None,
) -> list[Diagnosis]:
    """All checks of an installation, in the order in which a person would mend what they find.

    Parameters
    ----------
    landing, warehouse : Path or None
        Folders; None takes those of the environment.
    environment : mapping of str to str or None
        Variables; None: those of this process.
    now : datetime or None
        An instant with a time zone; None: the clock's.
    """
    from pipelines.operations import doctor_data, doctor_machine

    variables = dict(os.environ) if environment is None else dict(environment)
    moment = now or datetime.now(UTC)
    try:
        settings = Settings.from_environment(landing, warehouse)
    except UserError:  # each setting that cannot be used is told by the check of settings
        settings = Settings(*doctor_machine.folders(landing, warehouse, variables))
    return [*doctor_machine.checks(settings, variables), *doctor_data.checks(settings, moment)]


def is_well(found: Sequence[Diagnosis]) -> bool:
    """Whether nothing that was found is an error."""
    return all(one.level != "error" for one in found)


def render(found: Sequence[Diagnosis]) -> str:
    """The findings as lines for a terminal, and a last one that counts them."""
    return "\n".join([*map(_line, found), "", _verdict(found)])


def as_data(found: Sequence[Diagnosis]) -> dict[str, Any]:
    """The findings as one JSON object."""
    return {"is_well": is_well(found), "findings": [asdict(one) for one in found]}


def _line(one: Diagnosis) -> str:
    return f"{one.level:<9}{one.check:<11}{one.text}"


def _verdict(found: Sequence[Diagnosis]) -> str:
    errors, warnings = (sum(one.level == level for one in found) for level in ("error", "warning"))
    if not errors + warnings:
        return "all is well"
    return f"{_count(errors, 'error')}, {_count(warnings, 'warning')}"


def _count(number: int, word: str) -> str:
    return f"{number or 'no'} {word}{'' if number == 1 else 's'}"
