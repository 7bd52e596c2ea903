import io
import sys

import pytest
from dagster._core.execution.compute_logs import redirect_stream
from rich.console import Console

from pipelines import cli_progress
from pipelines.cli_progress import STAGES, Live, can_show, shown_run, terminal
from pipelines.night import Step
from pipelines.operations.pace import Pace

PACE = Pace(("raw.churn", "raw.purchases", "staging.orders"), 20.0, {"raw.churn": 12.0, "raw.purchases": 8.0})


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def live(monkeypatch):
    moment = [100.0]
    monkeypatch.setattr(cli_progress.time, "monotonic", lambda: moment[0])
    made = Live(Console(file=io.StringIO(), width=40, force_terminal=False))
    made.pass_ = lambda seconds: moment.__setitem__(0, moment[0] + seconds)
    made.now = lambda: made.line(moment[0])
    return made


def test_time_left_is_that_of_the_last_run_after_the_same_table(live):
    live.begin(PACE)
    assert live.now() == "0/3  load and check  about 20 s left"
    live.step(Step("raw.churn", 9, 0.1))
    assert live.now() == "1/3  load and check  about 12 s left"
    live.pass_(5)
    assert live.now() == "1/3  load and check  about 7 s left"
    live.pass_(60)
    assert live.now().endswith("almost done")


def test_without_an_earlier_run_tables_are_counted_and_no_time_is_invented(live):
    live.begin(Pace(PACE.tables, None, {}))
    live.step(Step("raw.churn", 9, 0.1))
    live.pass_(3)
    assert live.now() == "1/3  load and check  3 s"


def test_a_stage_that_is_over_leaves_one_line_with_its_rows_and_seconds(live):
    live.begin(PACE)
    for step in (Step("raw.churn", 9, 0.1), Step("raw.purchases", 1_000, 0.1)):
        live.pass_(2)
        live.step(step)
    live.step(Step("staging.orders", 7, 0.1))
    live.close()
    printed = live.console.file.getvalue().splitlines()
    assert [line.split() for line in printed] == [
        ["load", "and", "check", "1,009", "rows", "4.0", "s"],
        ["stage", "7", "rows", "0.0", "s"],
    ]
    assert max(map(len, printed)) <= 40


def test_the_moving_line_fits_a_narrow_terminal(live):
    live.begin(PACE)
    live.step(Step("raw.a_table_whose_name_is_long", 9, 0.1))
    (line,) = live.console.render_lines(live)
    assert sum(segment.cell_length for segment in line) <= 40


@pytest.mark.parametrize(
    ("stream", "variables", "can"),
    [
        (Terminal(), {"TERM": "xterm"}, True),
        (io.StringIO(), {"TERM": "xterm"}, False),
        (Terminal(), {"TERM": "dumb"}, False),
        (Terminal(), {}, False),
        (Terminal(), {"TERM": "xterm", "NO_COLOR": "1"}, False),
    ],
)
def test_nothing_moves_where_a_terminal_cannot_show_it(stream, variables, can, monkeypatch):
    for name in ("TERM", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert can_show(stream) is can


def test_a_pipe_gets_a_plain_line_a_table_and_a_silent_run_nothing(capsys):
    with shown_run("nightly", "2026-01-31", is_shown=True) as shown:
        shown.begin(PACE)
        shown.step(Step("raw.churn", 9, 0.1))
    assert capsys.readouterr().out.splitlines() == [
        "Night of 2026-01-31",
        "  raw.churn                                    9 rows     0.1 s",
    ]
    with shown_run("nightly", "2026-01-31", is_shown=False) as shown:
        shown.step(Step("raw.churn", 9, 0.1))
    assert capsys.readouterr().out == ""


def test_the_terminal_stays_the_same_while_standard_output_goes_elsewhere(capfd, tmp_path):
    with terminal() as out, (tmp_path / "captured").open("w") as elsewhere, redirect_stream(elsewhere, sys.stdout):
        print("a step", flush=True)
        print("the line", file=out, flush=True)
    assert capfd.readouterr().out == "the line\n"
    assert (tmp_path / "captured").read_text() == "a step\n"


def test_every_schema_of_the_night_has_its_stage():
    from pipelines.definitions import defs

    layer = defs().resolve_job_def("nightly").asset_layer
    assert {key.path[0] for key in layer.executable_asset_keys} == set(STAGES)
