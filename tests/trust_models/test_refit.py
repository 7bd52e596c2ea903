import numpy as np
import polars as pl
import pytest
from trust_company import RETAIL, customers

from trust_models.refit import score_shift
from trust_models.trust import TrustEstimator


def evidence(counts: np.ndarray) -> pl.DataFrame:
    names = [f"{side}_{stream}" for side in ("r", "s") for stream in RETAIL.streams]
    ids = pl.Series("customer_id", [f"c{row}" for row in range(len(counts))])
    return pl.DataFrame(counts, schema=names).with_columns(ids)


def model(seed: int) -> TrustEstimator:
    return TrustEstimator(streams=RETAIL.streams).fit(evidence(customers(RETAIL, 1500, seed=seed)[1]))


OLD, NEW = model(1), model(2)
ROWS = evidence(customers(RETAIL, 300, seed=3)[1])


def test_the_same_model_on_the_same_evidence_moves_nothing() -> None:
    shift = score_shift(ROWS, ROWS, OLD, OLD)
    assert (shift.customers, shift.mean_absolute, shift.largest_tenth) == (300, 0.0, 0.0)
    assert shift.rank_correlation == pytest.approx(1.0)


def test_the_steps_add_up_to_the_move() -> None:
    shift = score_shift(ROWS, ROWS, OLD, NEW)
    moved = NEW.posterior(ROWS).score - OLD.posterior(ROWS).score
    assert shift.mean_absolute == pytest.approx(np.abs(moved).mean())
    assert shift.causes["mean"].sum() == pytest.approx(moved.mean())
    assert shift.causes["cause"].to_list() == ["evidence", "groups", *RETAIL.streams]


def test_a_stream_that_alone_has_changed_is_the_cause() -> None:
    changed = score_shift(ROWS, ROWS, OLD, OLD).causes["cause"][3]
    altered = OLD.adjusted_for({})
    altered.intercepts_ = OLD.intercepts_ + np.array([0.0, 0.8, 0.0, 0.0])
    causes = score_shift(ROWS, ROWS, OLD, altered).causes
    assert causes.filter(pl.col("mean_absolute") > 0)["cause"].to_list() == [changed]


def test_other_evidence_is_a_cause_of_its_own() -> None:
    faded = ROWS.with_columns(pl.exclude("customer_id") * 0.5)
    causes = score_shift(ROWS, faded, OLD, OLD).causes
    assert causes.filter(pl.col("mean_absolute") > 0)["cause"].to_list() == ["evidence"]


def test_evidence_of_other_customers_is_refused() -> None:
    with pytest.raises(ValueError, match="the evidence is of different customers"):
        score_shift(ROWS, ROWS.reverse(), OLD, NEW)
