"""What a check of an installation finds, and errors as such findings.

Belongs here: the shape that all checks of the doctor share. Must not be here: the checks (see ``doctor_machine`` and
``doctor_data``), or their order (see ``doctor``).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from pipelines.errors import UserError

Level = Literal["ok", "warning", "error"]


@dataclass(frozen=True)
class Diagnosis:
    """What one check found.

    Parameters
    ----------
    check : str
        What was looked at.
    level : {"ok", "warning", "error"}
        ``error``: nights fail, or nobody gets fresh scores. ``warning``: it works, and will not always.
    text : str
        One line: what was found and, where it is not well, what to do.
    """

    check: str
    level: Level
    text: str


Findings = Iterator[Diagnosis]


def guarded(check: str, look: Callable[[], object]) -> Diagnosis | None:
    """The error that looking at something ends with, as a finding; None where it ends well."""
    try:
        look()
    except UserError as error:
        return Diagnosis(check, "error", str(error))
    except OSError as error:
        return Diagnosis(
            check, "error", f"{error.filename or check}: cannot be read ({error.strerror}); mend its rights"
        )
    return None
