import inspect
import re
from collections import Counter
from pathlib import Path

import pytest

from data_contracts import reader
from pipelines.code_reference import reference
from trust_models import trust, trust_reasons
from trust_models.btyd import MBGNBD

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "models.md"


@pytest.fixture(scope="module")
def page() -> str:
    return reference()


def section(page: str, heading: str) -> str:
    return re.split(r"\n#{2,4} ", page.split(f" {heading}\n", 1)[1])[0]


def test_the_page_is_up_to_date(page: str) -> None:
    assert PAGE.read_text(encoding="utf-8") == page, "run make docs"


@pytest.mark.parametrize("module", [trust, trust_reasons, reader])
def test_every_public_name_of_a_module_has_a_section(page: str, module: object) -> None:
    short = module.__name__.split(".", 1)[1]
    made_here = {
        name
        for name, value in inspect.getmembers(module)
        if not name.startswith("_") and getattr(value, "__module__", "") == module.__name__ and callable(value)
    }
    assert made_here
    assert made_here == set(re.findall(rf"^### {short}\.(\w+)$", page, re.MULTILINE))


def test_an_estimator_is_told_with_signature_parameters_and_sources(page: str) -> None:
    told = section(page, "trust.TrustEstimator")
    assert "    level: float = 0.9,\n" in told
    assert all(f"- `{name}` (" in told for name in trust.TrustEstimator().get_params())
    assert "**References**" in told
    assert "**Examples**" in told


def test_errors_of_a_function_are_told(page: str) -> None:
    assert "**Errors**\n\n- KeyError: If there is no contract of that name" in section(page, "reader.contract")


def test_the_table_of_estimators_knows_those_that_inherit_from_ours(page: str) -> None:
    assert f"| [`{MBGNBD.__name__}`](#btydmbgnbd) | `trust_models.btyd` |" in page


def test_nothing_private_and_no_advice_to_developers_is_told(page: str) -> None:
    assert not re.search(r"^#+ .*\._", page, re.MULTILINE)
    assert "Must not be here:" not in page


def test_every_link_of_the_tables_leads_to_one_heading(page: str) -> None:
    headings = re.findall(r"^#+ (.+)$", re.sub(r"^```.*?^```", "", page, flags=re.MULTILINE | re.DOTALL), re.MULTILINE)
    times = Counter(heading.lower().replace(".", "") for heading in headings)
    links = re.findall(r"\]\(#(\w+)\)", page)
    assert links
    assert {link: times[link] for link in links if times[link] != 1} == {}
