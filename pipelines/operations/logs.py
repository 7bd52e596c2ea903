"""Logs for machines: one event a line on stderr, for a log collector.

Belongs here: the form of the lines. Must not be here: what happened (see ``night``), or what a person reads on a
terminal (see ``cli``). Rows and secrets are never logged.
"""

import copy
import json
import os
import sys
from typing import TextIO

import structlog

from pipelines.errors import UserError

FORMS = ("off", "text", "json")


class Log:
    """A log of one run.

    Parameters
    ----------
    form : {"off", "text", "json"}
        Nothing, ``key=value`` lines, or JSON lines.
    context : object
        What every line carries, such as the job and the day.
    stream : file or None
        Where to; None: stderr as it is when the log is made.
    """

    def __init__(self, form: str, stream: TextIO | None = None, **context: object) -> None:
        self.is_json, self.is_off = form == "json", form == "off"
        self._logger = structlog.wrap_logger(
            structlog.PrintLogger(stream or sys.stderr),
            processors=[
                *([_drop] if form == "off" else []),
                structlog.processors.add_log_level,
                structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
                structlog.processors.JSONRenderer(serializer=_serialized)
                if self.is_json
                else structlog.processors.LogfmtRenderer(key_order=["time", "level", "event"]),
            ],
        ).bind(**{name: _plain(value) for name, value in context.items()})

    def bound(self, **context: object) -> "Log":
        """The same log, whose lines carry more."""
        other = copy.copy(self)
        other._logger = self._logger.bind(**{name: _plain(value) for name, value in context.items()})
        return other

    def info(self, event: str, **fields: object) -> None:
        """Something went its way."""
        self._logger.info(event, **{name: _plain(value) for name, value in fields.items()})

    def warning(self, event: str, **fields: object) -> None:
        """Something that a person should look at; the run goes on."""
        self._logger.warning(event, **{name: _plain(value) for name, value in fields.items()})

    def error(self, event: str, **fields: object) -> None:
        """Something that stopped the run."""
        self._logger.error(event, **{name: _plain(value) for name, value in fields.items()})


def chosen_form(wanted: str | None) -> str:
    """The form that was asked for on the command line, else by TRUST_LOG, else none.

    Raises
    ------
    UserError
        If there is no such form.
    """
    form = wanted or os.environ.get("TRUST_LOG") or "off"
    if form not in FORMS:
        raise UserError(f"TRUST_LOG: {form!r} is no form of log; use one of {', '.join(FORMS)}")
    return form


def _plain(value: object) -> object:
    return value if value is None or isinstance(value, str | int | float | bool) else str(value)


def _serialized(fields: object, **_: object) -> str:
    return json.dumps(fields, ensure_ascii=False)


def _drop(_: object, __: str, ___: structlog.typing.EventDict) -> structlog.typing.EventDict:
    raise structlog.DropEvent
