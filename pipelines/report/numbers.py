"""Numbers as people read them, the same in every language.

Belongs here: thousands, decimals, percent, intervals. Must not be here: words. What is not known is a dash, never 0.
"""

from collections.abc import Callable
from datetime import date
from typing import TypeVar

NOT_KNOWN = "–"
LEAST_SHARE = 0.0005
"""A share below it would read 0.0%, as if there were none."""

Form = Callable[[float], str]
Value = TypeVar("Value")


def shown(value: Value | None, form: Callable[[Value], str]) -> str:
    """A number or day in its form; a dash where there is none."""
    return NOT_KNOWN if value is None else form(value)


def count(value: float) -> str:
    """Whole numbers: 1,360."""
    return f"{value:,.0f}"


def decimal(value: float) -> str:
    """Scores, hours, days: one decimal."""
    return f"{value:,.1f}"


def fine(value: float) -> str:
    """Measures of models: four decimals; counts among them without."""
    return count(value) if value == round(value) and abs(value) > 1 else f"{value:,.4f}"


def change(value: float) -> str:
    """A difference with its sign: +1.2."""
    return f"{value:+,.1f}".replace("-", "−")


def share(value: float) -> str:
    """A share, 0 to 1, in percent."""
    return f"<{LEAST_SHARE * 2:.1%}" if 0 < value < LEAST_SHARE else f"{value:.1%}"


def interval(low: float | None, high: float | None, form: Form) -> str:
    """From low to high; a dash where there is no interval."""
    return NOT_KNOWN if low is None or high is None else f"{form(low)}–{form(high)}"


def with_interval(value: float | None, low: float | None, high: float | None, form: Form) -> str:
    """A number and its interval in brackets."""
    if value is None or low is None or high is None:
        return shown(value, form)
    return f"{form(value)} ({interval(low, high, form)})"


def money(value: float | None, currency: str | None) -> str:
    """An amount without cents, behind its currency."""
    return NOT_KNOWN if value is None else f"{currency or ''} {value:,.0f}".strip()


def month(day: date) -> str:
    """Year and month."""
    return f"{day:%Y-%m}"
