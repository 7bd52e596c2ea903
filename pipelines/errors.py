"""The errors that a person can mend.

Belongs here: the exceptions whose text goes to a person as it stands, in one line, without a traceback, and the exit
codes of the command line that go with them. Must not be here: errors of the program itself, which keep their traceback.
"""

from typing import ClassVar


class UserError(Exception):
    """What is wrong, where, and what to do, in one line."""

    exit_code: ClassVar[int] = 1


class BusyError(UserError):
    """Another process holds what is needed: the same command will do later."""

    exit_code: ClassVar[int] = 3
