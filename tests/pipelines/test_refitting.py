from datetime import date
from pathlib import Path

import polars as pl
import pytest

from pipelines.modelling.model_store import Registered
from pipelines.modelling.refitting import CAUSES, metrics, note
from trust_models.refit import CAUSES_SCHEMA, ScoreShift
from trust_models.streams import STREAMS

BEFORE = Registered(
    "trust", "2024-01-07.abcd1234", date(2024, 1, 7), True, str(Path("models/x")), {"half_life": {"days": 365.0}}
)


def shift(causes: list[tuple[str, float, float]], correlation: float | None = 0.99) -> ScoreShift:
    return ScoreShift(1000, 1.24, 3.5, correlation, pl.DataFrame(causes, schema=CAUSES_SCHEMA, orient="row"))


def test_the_note_says_how_far_scores_moved_and_why_the_largest_cause_first() -> None:
    moved = shift([("evidence", 0.01, 0.0), ("promise_kept", 0.4, 0.1), ("came_back", 1.1, -0.2)])
    english, chinese = note(BEFORE, moved, 365.0)
    assert english == (
        "The refit of the trust model (2024-01-07.abcd1234 before) moved the same customers' scores of the same day by"
        " 1.2 points on average, one in ten by 3.5 or more; causes, in points: coming back (1.1), promised dates (0.4)"
    )
    assert "平均变动 1.2 分" in chinese
    assert "再次购买（1.1）、承诺日期（0.4）" in chinese


def test_another_half_life_is_told() -> None:
    english, chinese = note(BEFORE, shift([("evidence", 1.2, 0.1)]), 730.0)
    assert "evidence now halves after 730 days instead of 365" in english
    assert "证据半衰期由 365 天变为 730 天" in chinese


def test_a_refit_that_moves_nothing_names_no_cause() -> None:
    english, chinese = note(BEFORE, shift([("evidence", 0.0, 0.0)]), 365.0)
    assert english.endswith("nothing large")
    assert chinese.endswith("无明显原因")


@pytest.mark.parametrize("cause", ["evidence", "groups", *STREAMS])
def test_every_cause_has_words(cause: str) -> None:
    assert all(CAUSES[cause])


def test_a_correlation_that_does_not_exist_is_left_out_of_the_measures() -> None:
    assert "score_shift_rank_correlation" in metrics(shift([]))
    assert "score_shift_rank_correlation" not in metrics(shift([], None))
