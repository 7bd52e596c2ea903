import pytest

from pipelines.docstrings import markdown, summary

ESTIMATE = """Estimate the share of :class:`~trust_models.trust.Trust` at <tag>.

Of :math:`\\eta_{id}` at most:

    x = a / b

Parameters
----------
evidence : DataFrame
    [customer_id, trials], r_<stream>…
    in faded counts.
**more
    Other things.

Returns
-------
ndarray of shape (n,)

Raises
------
ValueError
    If there is none.

References
----------
Bock (1981). EM.
Jøsang (2002). Beta
reputation.

Examples
--------
>>> 1 + 1
2
"""


def test_a_docstring_becomes_markdown() -> None:
    assert markdown(ESTIMATE).splitlines() == [
        "Estimate the share of `trust_models.trust.Trust` at &lt;tag>.",
        "",
        "Of `η_id` at most:",
        "",
        "```text",
        "x = a / b",
        "```",
        "",
        "**Parameters**",
        "",
        "- `evidence` (DataFrame): `[customer_id, trials]`, `r_<stream>`… in faded counts.",
        "- `**more`: Other things.",
        "",
        "**Returns**",
        "",
        "- ndarray of shape (n,)",
        "",
        "**Errors**",
        "",
        "- ValueError: If there is none.",
        "",
        "**References**",
        "",
        "- Bock (1981). EM.",
        "- Jøsang (2002). Beta reputation.",
        "",
        "**Examples**",
        "",
        "```pycon",
        ">>> 1 + 1",
        "2",
        "```",
    ]


def test_a_formula_on_its_own_becomes_a_block() -> None:
    assert markdown("So:\n\n.. math:: \\sum_d \\ln B(r_{id})\n          - 1\n\nEnd.") == (
        "So:\n\n```text\nΣ_d ln B(r_id) - 1\n```\n\nEnd."
    )


def test_a_formula_that_cannot_be_shown_is_refused() -> None:
    with pytest.raises(ValueError, match=r"cannot show: \\frac"):
        markdown(":math:`\\frac{1}{2}`")


def test_the_summary_is_the_first_paragraph_on_one_line() -> None:
    assert summary("First\nline.\n\nMore.") == "First line."
