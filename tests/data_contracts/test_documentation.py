from pathlib import Path

from data_contracts import landing_contracts, published_contracts
from data_contracts.documentation import documentation

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "contracts.md"


def test_the_page_is_up_to_date():
    assert PAGE.read_text(encoding="utf-8") == documentation()


def test_the_page_shows_every_column_rule_and_setting():
    page = documentation()
    for contract in (*landing_contracts(), *published_contracts()):
        section = page.split(f"\n### {contract.name}\n")[1].split("\n### ")[0]
        for column in contract.columns:
            assert f"| `{column.name}` | {column.type} |" in section
            assert column.description_zh in section
        assert all(f"`{rule.condition}`".replace("|", "\\|") in section for rule in contract.rules)
        assert all(f"| `{setting}` |" in section for setting in contract.settings)


def test_a_pipe_does_not_break_the_table():
    rows = [line for line in documentation().splitlines() if line.startswith("| `churn_basis`")]
    assert rows
    assert all(row.replace("\\|", "").count("|") == 6 for row in rows)
