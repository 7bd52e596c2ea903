from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest
from scipy.special import expit

from trust_models.half_life import HALF_LIVES_DAYS, choose_half_life
from trust_models.trust import TrustEstimator

DAY = date(2024, 6, 30)
STREAMS = ("order_sound", "promise_kept")


def trials(customers: int, *, swings_days: float, seed: int = 0, days: int = 1500) -> pl.DataFrame:
    generator = np.random.default_rng(seed)
    months = days // 30
    keep = 0.5 ** (30 / swings_days)
    trust = generator.standard_normal(customers)
    rows = []
    for month in range(months):
        trust = keep * trust + np.sqrt(1 - keep**2) * generator.standard_normal(customers)
        for stream in STREAMS:
            good = generator.random(customers) < expit(0.5 + 1.5 * trust)
            day = DAY - timedelta(days=days - 30 * month - 15)
            rows.append(
                pl.DataFrame({"is_success": good}).select(
                    customer_id=pl.int_range(pl.len()).cast(pl.String),
                    stream=pl.lit(stream),
                    event_date=pl.lit(day),
                    is_success="is_success",
                )
            )
    return pl.concat(rows)


def estimator(found: pl.DataFrame) -> TrustEstimator:
    sides = {"r": pl.col("is_success"), "s": ~pl.col("is_success")}
    counts = found.group_by("customer_id").agg(
        (side & (pl.col("stream") == stream)).sum().cast(pl.Float64).alias(f"{name}_{stream}")
        for name, side in sides.items()
        for stream in STREAMS
    )
    return TrustEstimator(streams=STREAMS).fit(counts)


def chosen(swings_days: float, start_days: float = 365.0) -> float:
    found = trials(400, swings_days=swings_days)
    return choose_half_life(found, estimator(found), day=DAY, start_days=start_days).days


def test_customers_who_change_fast_are_judged_by_recent_trials() -> None:
    assert chosen(swings_days=60) < 365


def test_customers_who_hardly_change_are_judged_by_old_trials_too() -> None:
    assert chosen(swings_days=1e6) > 365


def test_the_log_score_is_that_of_the_next_trials_given_those_before() -> None:
    found = trials(60, swings_days=400)
    result = choose_half_life(found, estimator(found), day=DAY, start_days=365.0)
    assert result.customers == 60
    assert result.scores["half_life_days"].to_list() == list(HALF_LIVES_DAYS)
    assert result.scores.filter(pl.col("half_life_days") == 365)["gain"].item() == 0
    assert (result.scores["log_score"] < 0).all()


def test_the_order_of_trials_does_not_matter() -> None:
    found = trials(60, swings_days=400)
    model = estimator(found)
    first, second = (
        choose_half_life(rows, model, day=DAY, start_days=365.0)
        for rows in (found, found.sample(fraction=1, shuffle=True, seed=1))
    )
    assert first.days == second.days
    assert first.scores["log_score"].to_list() == pytest.approx(second.scores["log_score"].to_list())


def test_with_nothing_to_predict_the_start_is_kept() -> None:
    old = trials(60, swings_days=400).with_columns(pl.col("event_date") - timedelta(days=4000))
    result = choose_half_life(old, estimator(old), day=DAY, start_days=200.0)
    assert (result.days, result.customers, len(result.scores)) == (200.0, 0, 0)
