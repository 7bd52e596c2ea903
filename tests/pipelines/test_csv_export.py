import csv
from datetime import date

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.ingest.csv_export import write_csv


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    path = tmp_path_factory.mktemp("export") / "export.csv"

    def run(frame: pl.DataFrame) -> list[list[str]]:
        write_csv(frame, path)
        with path.open(encoding="utf-8-sig", newline="") as file:
            return list(csv.reader(file))

    return run


FORMULAS = [
    "=1+1",
    '=HYPERLINK("http://example.org/?"&A1)',
    "+1+1",
    "-2+3",
    "@SUM(A1)",
    "\t=1",
    "\tplain",
    "\r=1",
    "\n=1",
    " =1",
    "\N{NO-BREAK SPACE}=1",
    "\ufeff=1",
    "\u200b=1",
    '"=1"',
    "'=1",
    "＝1+1",
    "＋1+1",
    "－1+1",
    "＠SUM(A1)",
    "\u22121+1",
    "-",
    "+1,2",
    "-1\n=2",
]


@pytest.mark.parametrize("text", FORMULAS)
def test_a_text_that_a_spreadsheet_would_run_gets_an_apostrophe(exported, text):
    assert exported(pl.DataFrame({"a": [text]})) == [["a"], ["'" + text]]


@pytest.mark.parametrize(
    "text", ["", "plain", "a=1", "C-1", "2024-01-10", "a@b.example", "网店", "-5", "+5", "-1.5e-7"]
)
def test_other_texts_stay_as_they_are(exported, text):
    assert exported(pl.DataFrame({"a": [text], "b": [1]})) == [["a", "b"], [text, "1"]]


def test_numbers_and_days_stay_numbers_and_days(exported):
    frame = pl.DataFrame({"a": [-5], "b": [-1.5], "c": [date(2024, 1, 10)], "d": [True], "e": [None]})
    assert exported(frame)[1] == ["-5", "-1.5", "2024-01-10", "true", ""]


def test_lists_of_texts_are_joined_and_kept_from_running(exported):
    assert exported(pl.DataFrame({"reasons": [["amount is missing", "day"], ["=1"]]}))[1:] == [
        ["amount is missing; day"],
        ["'=1"],
    ]


def test_names_of_columns_and_categories_do_not_run_either(exported):
    frame = pl.DataFrame({"=1": pl.Series(["=2"], dtype=pl.Categorical)})
    assert exported(frame) == [["'=1"], ["'=2"]]


@settings(max_examples=50, derandomize=True)
@given(st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")), min_size=1, max_size=5))
def test_every_text_comes_back_whole_and_none_runs(exported, texts):
    header, *rows = exported(pl.DataFrame({"a": texts, "b": list(range(len(texts)))}))
    assert header == ["a", "b"]
    for (found, _), text in zip(rows, texts, strict=True):
        assert found in (text, "'" + text)
        assert not found.lstrip().startswith(("=", "@", "＝", "＠"))
