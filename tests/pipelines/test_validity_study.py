import dataclasses
import math
from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest

from pipelines.errors import UserError
from pipelines.validity import validity_study
from pipelines.validity.validity_study import Subject, history, main, need_exits, study, subject
from pipelines.validity.validity_words import SECTIONS
from trust_models.simulation import simulate
from trust_models.trust_validation import Figure

DAYS = 430


@pytest.fixture(scope="module")
def retail(tmp_path_factory: pytest.TempPathFactory) -> Subject:
    company = simulate(customers=400, days=DAYS, seed=3, company="retail")
    return subject(company, tmp_path_factory.mktemp("company"), seed=3)


@pytest.fixture(scope="module")
def figures(retail: Subject) -> dict[str, Figure]:
    return study(retail)


def test_scores_and_truth_speak_of_the_same_customers(retail: Subject) -> None:
    assert retail.scores["customer_id"].equals(retail.truth["customer_id"])
    assert retail.truth["latent_trust"].null_count() == 0
    assert retail.scores["customer_id"].equals(retail.snapshot.evidence.sort("customer_id")["customer_id"])


def test_the_study_gives_every_figure_that_the_pages_speak_of(figures: dict[str, Figure]) -> None:
    spoken = {row.key for section in SECTIONS for row in (*section.rows, *(claim.row for claim in section.claims))}
    assert spoken <= figures.keys()
    for key, figure in figures.items():
        assert all(value is None or math.isfinite(value) for value in figure), key


def test_a_perfect_score_passes_and_a_shuffled_one_fails(retail: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(validity_study, "ceiling", lambda evidence, truth: truth)
    exact = _with_scores(retail, retail.truth["trust_score"])
    assert validity_study.agreement(exact)["ratio/trust_score"].value == pytest.approx(1)
    mixed = _with_scores(retail, retail.truth["trust_score"].shuffle(seed=1))
    assert abs(validity_study.agreement(mixed)["ratio/trust_score"].value) < 0.2


def _with_scores(found: Subject, column: pl.Series) -> Subject:
    scores = found.scores.with_columns(trust_score=column, trust_experience=column)
    return dataclasses.replace(found, scores=scores)


def test_evidence_of_all_trials_is_the_evidence_of_the_night(retail: Subject) -> None:
    whole = validity_study._evidence_of(retail, retail.trials.trials)
    assert whole.equals(retail.snapshot.evidence)


def test_history_scores_month_ends_up_to_the_last_day(retail: Subject) -> None:
    nights = history(retail).scores["as_of"].unique().sort().to_list()
    assert all((night + timedelta(days=1)).day == 1 for night in nights)
    assert date(2023, 6, 30) <= nights[0] <= date(2023, 7, 31)
    assert retail.last_day - nights[-1] < timedelta(days=31)


def test_need_exits_are_those_of_a_window_ago_beside_those_who_stayed(retail: Subject) -> None:
    left = (pl.col("exit_kind") == "need") & (pl.col("exited_date") <= retail.last_day - timedelta(days=90))
    assert need_exits(retail)["need/trust_score"].n == retail.truth.filter(left).height


def test_need_exits_find_a_score_that_punishes_silence(retail: Subject) -> None:
    is_gone = pl.col("exit_kind") == "need"
    column = retail.truth.select(pl.when(is_gone).then(30.0).otherwise(40.0).alias("score")).to_series()
    assert need_exits(_with_scores(retail, column))["need/trust_score"].value == pytest.approx(-10)


def test_later_outcomes_lie_in_their_windows(retail: Subject) -> None:
    day = retail.last_day - timedelta(days=180)
    until = day + timedelta(days=90)
    orders = retail.snapshot.known.orders.filter(pl.col("ordered_date").is_between(day, until, closed="right"))
    later = validity_study._later_complaints(retail, day)
    assert set(later["customer_id"]) == set(orders.collect()["customer_id"])
    complained = retail.snapshot.known.complaints.filter(
        pl.col("opened_date").is_between(day, until, closed="right")
    ).collect()
    assert set(later.filter("outcome")["customer_id"]) == set(complained["customer_id"]) & set(later["customer_id"])


def test_changing_the_level_leaves_the_estimator_as_it_was(retail: Subject) -> None:
    estimator = retail.training.estimators.trust
    before = estimator.level
    assert validity_study._at_level(estimator, 0.5).level == 0.5
    assert estimator.level == before


def test_a_log_without_a_month_end_to_score_is_refused(retail: Subject) -> None:
    short = dataclasses.replace(retail, last_day=date(2023, 6, 1))
    with pytest.raises(UserError, match="the log is too short"):
        history(short)


@pytest.mark.slow
def test_the_command_writes_both_pages_and_writes_them_alike_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(validity_study, "KINDS", ("sparse",))
    texts = []
    for _ in range(2):
        main(out=tmp_path, customers=200, days=400, seed=1)
        texts.append([(tmp_path / name).read_text() for name in ("validity.md", "validity.zh-CN.md")])
    assert texts[0] == texts[1]
    assert "| sparse |" in texts[0][0]
    assert "measured" in capsys.readouterr().out


@pytest.mark.slow
def test_in_a_company_of_some_size_trust_is_found_where_simple_rules_do_not_find_it() -> None:
    found = validity_study.companies(["retail"], customers=5000, days=1095, seed=7)["retail"]
    assert found["ratio/trust_score"].value > 0.92
    assert 0.88 < found["coverage/90"].value < 0.92
    assert found["lead/trust_experience/josang"].low > 0
    assert found["lead/trust_experience/complaint_free"].low > 0
    assert found["lead/trust_score/trust_experience"].value > -0.02
