import re

import pytest

from pipelines.validity.validity_pages import Run, cell, number, pages, requirements, statements
from pipelines.validity.validity_words import REQUIREMENTS, SECTIONS
from trust_models.trust_validation import Figure

RUN = Run(customers=20_000, days=1095, seed=1)
KEYS = {row.key for section in SECTIONS for row in (*section.rows, *(claim.row for claim in section.claims))}
GOOD = {
    "ratio/trust_score": Figure(0.95, 0.94, 0.96, 900),
    "coverage/90": Figure(0.9, 0.89, 0.91, 900),
    "lead/trust_experience/josang": Figure(0.1, 0.05, 0.15, 900),
    "lead/trust_experience/complaint_free": Figure(0.1, 0.05, 0.15, 900),
}


def everywhere(**changes: Figure) -> dict[str, Figure]:
    return {key: Figure(0.95, 0.9, 1.0, 900) for key in KEYS} | GOOD | changes


def test_a_page_in_either_language_has_a_table_for_every_measure() -> None:
    told = pages({"retail": everywhere(), "sparse": everywhere()}, RUN)
    assert list(told) == ["validity.md", "validity.zh-CN.md"]
    for lang, text in enumerate(told.values()):
        for section in SECTIONS:
            assert f". {section.title[lang]}\n" in text
            assert f"| {section.rows[0].label[lang]} |" in text
        assert text.count("| retail | sparse |") == len(SECTIONS) + 1


def test_nothing_unsaid_or_untold_stands_on_a_page() -> None:
    missing = {key: Figure(None) for key in KEYS}
    for text in pages({"retail": everywhere(), "sparse": missing, "empty": {}}, RUN).values():
        assert not re.search(r"\bnan\b|None|inf\b", text)
        assert "| – |" in text


def test_companies_with_too_few_cases_are_named() -> None:
    few = everywhere(**{"returns/auc_gain": Figure(None, n=7)})
    text = pages({"retail": everywhere(), "sparse": few}, RUN)["validity.md"]
    assert text.count("- Where a dash stands, there were too few cases to say anything: sparse.") == 1


def test_the_page_says_how_it_was_made_but_not_when() -> None:
    for text in pages({"retail": everywhere()}, RUN).values():
        assert "python -m pipelines.validity.validity_study --customers 20000 --days 1095 --seed 1 --out docs" in text
        assert "scikit-learn 1." in text
        assert not re.search(r"20\d\d-\d\d-\d\d", text)


def test_the_same_figures_give_the_same_pages() -> None:
    assert pages({"retail": everywhere()}, RUN) == pages({"retail": everywhere()}, RUN)


@pytest.mark.parametrize(
    ("key", "figure"),
    [
        ("ratio/trust_score", Figure(0.919, 0.9, 0.95, 900)),
        ("coverage/90", Figure(0.879, 0.87, 0.89, 900)),
        ("coverage/90", Figure(0.921, 0.91, 0.93, 900)),
        ("lead/trust_experience/josang", Figure(0.01, -0.01, 0.03, 900)),
        ("lead/trust_experience/complaint_free", Figure(-0.1, -0.2, -0.01, 900)),
        ("ratio/trust_score", Figure(None)),
    ],
)
def test_a_requirement_is_reached_only_where_every_company_reaches_it(key: str, figure: Figure) -> None:
    reached = requirements({"retail": everywhere(), "sparse": everywhere()}, 0)
    assert reached.count("**reached**") == len(REQUIREMENTS)
    missed = requirements({"retail": everywhere(), "sparse": everywhere(**{key: figure})}, 0)
    assert (missed.count("**reached**"), missed.count("**not reached**")) == (len(REQUIREMENTS) - 1, 1)
    assert requirements({"retail": everywhere(**{key: figure})}, 1).count("**未达到**") == 1


def test_a_statement_is_chosen_by_its_number() -> None:
    found = {
        "retail": everywhere(),
        "sparse": everywhere(**{"ratio/trust_score": Figure(0.8, 0.7, 0.9, 900)}),
        "empty": {},
    }
    said = statements(SECTIONS[0].claims[:1], found, 0)
    assert said == [
        "- `trust_score` reaches 92% of the ceiling: retail 95.00%.",
        "- `trust_score` does not reach 92% of the ceiling: sparse 80.00%.",
    ]
    assert statements(SECTIONS[0].claims[:1], found, 1)[1] == "- `trust_score` 未达到上限的 92%：sparse 80.00%。"


def test_what_fails_stands_at_the_top() -> None:
    bad = everywhere(**{"need/trust_score": Figure(-4.0, -5.0, -3.0, 900)})
    top = pages({"need_exit": bad}, RUN)["validity.md"].split("## 1.")[0]
    assert (
        "- `trust_score` is clearly lower, as if the need that ended were distrust, in points: need_exit −4.00." in top
    )
    assert "reaches 92% of the ceiling: need_exit" not in top


@pytest.mark.parametrize("value", [-7.0, -0.2, 0.0, 0.2, 7.0])
@pytest.mark.parametrize("half", [0.1, 9.0])
def test_every_figure_is_spoken_of_by_some_outcome(value: float, half: float) -> None:
    figure = Figure(value, value - half, value + half, 50)
    for section in SECTIONS:
        for claim in section.claims:
            is_remark = len(claim.outcomes) == 1
            assert is_remark or statements([claim], {"retail": {claim.row.key: figure}}, 0)


def test_numbers_are_written_as_their_measure_asks() -> None:
    assert number(0.91234, "share") == "91.2%"
    assert number(0.91987, "ratio") == "91.99%"
    assert number(-10.649, "points") == "−10.65"
    assert number(-0.0004, "rank") == "0.000"
    assert number(0.00012, "loss") == "0.0001"
    assert cell(Figure(0.5, n=1234), "count", 0) == "1,234"
    assert cell(Figure(-0.5, -0.6, -0.4), "rank", 1) == "−0.500 (−0.600 至 −0.400)"
    assert cell(Figure(0.5), "rank", 0) == "0.500"
    assert cell(Figure(None), "rank", 0) == "–"
