"""The error that a person can mend.

Belongs here: the one exception whose text goes to a person as it stands, in one line, without a traceback.
Must not be here: errors of the program itself, which keep their traceback.
"""


class UserError(Exception):
    """What is wrong, where, and what to do, in one line."""
