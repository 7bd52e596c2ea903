from itertools import permutations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from trust_company import RETAIL, customers

from trust_models.change_words import OTHERS, sentences
from trust_models.day_before import DayBefore
from trust_models.streams import STREAMS
from trust_models.trial_changes import KINDS, SCHEMA
from trust_models.trust import TrustEstimator
from trust_models.trust_changes import (
    DRIVERS,
    FADING,
    GROUPS,
    REFIT,
    ChangeSettings,
    contributions,
    moved,
    noise_limit,
    trust_changes,
)

ESTIMATOR = TrustEstimator(RETAIL.streams).fit(customers(RETAIL, 3000, seed=1)[1])
OTHER = TrustEstimator(RETAIL.streams).fit(customers(RETAIL, 500, seed=7)[1])
BEFORE = customers(RETAIL, 60, seed=2)[1]
FADE = 2.0 ** (-1 / 365)
NEW = np.random.default_rng(3).binomial(1, 0.3, BEFORE.shape)
NOW = BEFORE * FADE + NEW
NAMES = [f"{side}_{stream}" for side in "rs" for stream in RETAIL.streams]


def frame(counts: np.ndarray, **columns: object) -> pl.DataFrame:
    ids = pl.format("c{}", pl.int_range(pl.len()).cast(pl.String).str.zfill(4))
    return pl.DataFrame(counts, schema=NAMES, orient="row").with_columns(ids.alias("customer_id"), **columns)


def before(model: TrustEstimator = ESTIMATOR) -> pl.DataFrame:
    return frame(BEFORE).with_columns(trust_score_before=pl.Series(model.posterior(BEFORE).score))


def changed(new: np.ndarray = NEW) -> pl.DataFrame:
    rows = [
        (f"c{row:04}", stream, *(int(new[row, [place, place + 4]].sum()), int(new[row, place + 4]), 0, 0, 0))
        for row in range(len(new))
        for place, stream in enumerate(RETAIL.streams)
        if new[row, [place, place + 4]].sum()
    ]
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


def parts(found: pl.DataFrame) -> np.ndarray:
    return found.select(name for name in DRIVERS if name in found.columns).to_numpy()


def test_contributions_add_up_to_the_change_whatever_happened() -> None:
    found = contributions(before(OTHER), frame(NOW), changed(), ESTIMATOR, half_life_days=365)
    expected = ESTIMATOR.posterior(NOW).score - OTHER.posterior(BEFORE).score
    np.testing.assert_allclose(parts(found).sum(axis=1), expected, atol=1e-9)
    np.testing.assert_allclose(found["trust_score"], ESTIMATOR.posterior(NOW).score, atol=1e-9)
    assert (found[REFIT] != 0).any()


def test_streams_are_shared_out_as_the_mean_over_all_orders() -> None:
    found = contributions(before(), frame(NOW), changed(), ESTIMATOR, half_life_days=365)
    row = int(np.argmax((NEW[:, :4] + NEW[:, 4:] > 0).sum(axis=1)))
    shares = np.zeros(4)
    for order in permutations(range(4)):
        counts = (BEFORE * FADE)[row : row + 1].copy()
        last = ESTIMATOR.posterior(counts).score[0]
        for stream in order:
            counts[0, [stream, stream + 4]] = NOW[row, [stream, stream + 4]]
            score = ESTIMATOR.posterior(counts).score[0]
            shares[stream] += (score - last) / 24
            last = score
    np.testing.assert_allclose(found.select(RETAIL.streams).row(row), shares, atol=1e-9)


def test_the_same_model_refits_nothing_and_without_new_trials_only_time_passes() -> None:
    nothing = changed(np.zeros_like(NEW))
    found = contributions(before(), frame(BEFORE * FADE), nothing, ESTIMATOR, half_life_days=365)
    assert found.select(pl.col(REFIT, GROUPS, *RETAIL.streams).abs().max()).row(0) == pytest.approx(
        [0.0] * 6, abs=1e-12
    )
    assert 0 < found[FADING].abs().max() < 0.2


def test_evidence_that_never_fades_does_not_fade() -> None:
    found = contributions(before(), frame(BEFORE + NEW), changed(), ESTIMATOR, half_life_days=np.inf)
    assert found[FADING].abs().max() < 1e-12


def test_another_group_is_a_driver_of_its_own() -> None:
    shifted = ESTIMATOR.adjusted_for({"order_sound": {"segment": {"business": -1.0}}})
    plain = frame(BEFORE, segment=pl.lit("private"))
    old = plain.with_columns(trust_score_before=pl.Series(shifted.posterior(plain).score))
    new = frame(BEFORE * FADE, segment=pl.lit("business"))
    found = contributions(old, new, changed(np.zeros_like(NEW)), shifted, half_life_days=365)
    assert found[GROUPS].abs().max() > 0.5
    np.testing.assert_allclose(parts(found).sum(axis=1), shifted.posterior(new).score - old["trust_score_before"])


def test_evidence_that_is_missing_is_refused() -> None:
    with pytest.raises(ValueError, match="1 customers of the day before have no evidence today"):
        contributions(before(), frame(NOW)[1:], changed(), ESTIMATOR, half_life_days=365)


def told(limit: float, was: str = "scored", now: str = "scored", model: TrustEstimator = ESTIMATOR):
    found = contributions(before(model), frame(NOW), changed(), ESTIMATOR, half_life_days=365)
    states = found.select("customer_id", trust_status_before=pl.lit(was), trust_status=pl.lit(now))
    return found, moved(found, states, changed(), limit=limit)


@pytest.mark.parametrize("model", [ESTIMATOR, OTHER])
def test_what_is_shown_adds_up_to_the_tenth(model: TrustEstimator) -> None:
    found, moves = told(0.1, model=model)
    sums = moves.rows.group_by("customer_id", maintain_order=True).agg(
        pl.col("contribution").sum(), pl.col("trust_change", "trust_score", "trust_score_before").first(),
    )  # fmt: skip
    assert len(sums) > 30
    assert (sums["contribution"] - sums["trust_change"]).abs().max() < 1e-9
    assert (sums["trust_score"] - sums["trust_score_before"] - sums["trust_change"]).abs().max() < 1e-9
    exact = sums.join(found, on="customer_id", how="left", suffix="_exact")
    assert (exact["trust_score"] - exact["trust_score_exact"]).abs().max() <= 0.05 + 1e-9
    shown = moves.rows.join(found.unpivot([name for name in DRIVERS if name in found.columns], index="customer_id",
                            variable_name="driver", value_name="exact"), on=["customer_id", "driver"])  # fmt: skip
    assert (shown["contribution"] - shown["exact"]).abs().max() <= 0.15 + 1e-9
    assert (moves.rows["contribution"] != 0).all()
    for name in ("trust_score", "trust_score_before", "trust_change", "contribution"):
        assert [float(f"{value:.1f}") for value in moves.rows[name]] == moves.rows[name].to_list(), name


def test_drivers_are_ranked_by_size() -> None:
    for _, rows in told(0.1)[1].rows.group_by("customer_id"):
        assert rows["rank"].to_list() == list(range(1, len(rows) + 1))
        assert rows["contribution"].abs().is_sorted(descending=True)


def test_only_who_moved_by_the_limit_is_told_of_and_counted() -> None:
    found, moves = told(3.0)
    change = found.select((pl.col("trust_score").round(1) - pl.col("trust_score_before").round(1)).round(1)).to_series()
    assert moves.rows["customer_id"].n_unique() == (change.abs() >= 3.0).sum() > 0
    assert (moves.up, moves.down) == ((change >= 3.0).sum(), (change <= -3.0).sum())


def test_what_only_a_refit_moved_is_not_the_customers_move() -> None:
    nothing = changed(np.zeros_like(NEW))
    found = contributions(before(OTHER), frame(BEFORE * FADE), nothing, ESTIMATOR, half_life_days=365)
    states = found.select("customer_id", trust_status_before=pl.lit("scored"), trust_status=pl.lit("scored"))
    assert found[REFIT].abs().max() > 1
    assert moved(found, states, nothing, limit=1.0).rows.is_empty()


@pytest.mark.parametrize(("refit", "own", "is_told"), [(-4.0, -0.5, False), (-0.5, -4.0, True), (5.0, -2.5, False)])
def test_the_own_part_must_reach_the_limit_in_the_direction_of_the_change(refit, own, is_told) -> None:
    row = {"customer_id": "ann", "trust_score_before": 50.0, "trust_score": 50.0 + refit + own}
    found = pl.DataFrame([row | {REFIT: refit, "promise_kept": own}])
    states = pl.DataFrame({"customer_id": ["ann"], "trust_status_before": ["scored"], "trust_status": ["scored"]})
    new = pl.DataFrame([("ann", "promise_kept", 1, 1, 0, 0, 0)], schema=SCHEMA, orient="row")
    assert (len(moved(found, states, new, limit=2.0).rows) > 0) == is_told


@pytest.mark.parametrize(
    ("was", "now", "is_told"),
    [
        ("insufficient_evidence", "insufficient_evidence", False),
        ("insufficient_evidence", "scored", True),
        ("scored", "insufficient_evidence", True),
    ],
)
def test_unknown_that_stays_unknown_is_no_news(was: str, now: str, is_told: bool) -> None:
    assert (len(told(1.0, was, now)[1].rows) > 0) == is_told


@given(changes=st.lists(st.floats(-20, 20), max_size=50), least=st.floats(0.1, 5))
@settings(deadline=None, max_examples=50)
def test_the_limit_is_no_less_than_the_least_change_or_the_noise(changes: list[float], least: float) -> None:
    limit = noise_limit(np.array(changes), ChangeSettings(least, 0.95))
    assert limit >= least - 1e-6
    assert round(limit * 10) == pytest.approx(limit * 10)
    assert np.mean(np.abs(changes) > limit) <= 0.05 + 1 / len(changes) if changes else limit < least + 0.1


def test_after_a_refit_the_limit_is_what_those_show_to_whom_nothing_happened() -> None:
    both = frame(BEFORE).with_columns(
        trust_score_before=pl.Series(OTHER.posterior(BEFORE).score),
        trust_status_before=pl.lit("scored"),
        is_touched=pl.int_range(pl.len()) < 20,
    )
    scores = both.select(
        "customer_id", trust_score=pl.Series(ESTIMATOR.posterior(NOW).score), trust_status=pl.lit("scored")
    )
    first = changed().filter(pl.col("customer_id") < "c0020")
    least = ChangeSettings(0.5, 0.95)
    moves = trust_changes(DayBefore(both, first), frame(NOW), scores, ESTIMATOR, half_life_days=365, settings=least)
    others = (scores["trust_score"] - both["trust_score_before"])[20:].abs()
    assert moves.limit == pytest.approx(others.quantile(0.95, "linear"), abs=0.1)
    assert (moves.rows["trust_change"].abs() >= moves.limit - 1e-9).all()
    assert (moves.rows["customer_id"] < "c0020").all()


def test_a_night_without_any_news_tells_of_nobody() -> None:
    scored = pl.lit("scored")
    both = before().with_columns(trust_status_before=scored, is_touched=pl.lit(value=False))
    scores = both.select("customer_id", trust_score="trust_score_before", trust_status=scored)
    none = changed(np.zeros_like(NEW))
    moves = trust_changes(
        DayBefore(both, none), frame(BEFORE), scores, ESTIMATOR, half_life_days=365, settings=ChangeSettings()
    )
    assert (len(moves.rows), moves.limit, moves.up, moves.down) == (0, 2.0, 0, 0)


@pytest.mark.parametrize(
    ("driver", "contribution", "counts", "english", "chinese"),
    [
        ("promise_kept", -6.1, (2, 2, 0, 0, 0), "2 deliveries missed the promised date (−6.1)",
         "2 次配送晚于承诺日期（−6.1）"),
        ("promise_kept", -6.1, (3, 1, 0, 0, 0), "1 of 3 deliveries missed the promised date (−6.1)",
         "3 次配送中有 1 次晚于承诺日期（−6.1）"),
        ("promise_kept", 0.4, (3, 1, 0, 0, 0), "2 of 3 deliveries came by the promised date (+0.4)",
         "3 次配送中有 2 次按承诺日期送达（+0.4）"),
        ("complaint_resolved", 2.3, (1, 0, 0, 0, 0), "1 complaint found a lasting solution in time (+2.3)",
         "1 次投诉及时得到妥善解决（+2.3）"),
        ("order_sound", -8.0, (0, 0, 1, 0, 0),
         "1 earlier order had a fault or a quality complaint, as is now known (−8.0)",
         "现已得知，1 个较早的订单出现质量问题或质量投诉（−8.0）"),
        ("promise_kept", 5.0, (1, 0, 0, 2, 0), "1 delivery came by the promised date; 2 earlier deliveries came by the"
         " promised date, as is now known (+5.0)",
         "1 次配送按承诺日期送达；现已得知，2 次较早的配送按承诺日期送达（+5.0）"),
        ("order_sound", -0.3, (0, 0, 0, 0, 1), "1 earlier order no longer counts: the record was corrected (−0.3)",
         "1 个较早的订单因记录更正不再计入（−0.3）"),
        ("fading", -0.1, None, "Older experiences count a little less (−0.1)", "较早的经历分量略减（−0.1）"),
        ("refit", 0.4, None, "The model was refitted (+0.4)", "模型重新拟合（+0.4）"),
    ],
)  # fmt: skip
def test_sentences_tell_the_trials_that_became_known(driver, contribution, counts, english, chinese) -> None:
    row = dict(zip(KINDS, counts or (None,) * 5, strict=True)) | {"driver": driver, "contribution": contribution}
    found = pl.DataFrame([row], schema_overrides=dict.fromkeys(KINDS, pl.Int64))
    assert found.select(*map(pl.Expr.alias, sentences(), ("en", "zh"))).row(0) == (english, chinese)


def test_every_driver_has_words_in_both_languages() -> None:
    assert set(DRIVERS) == set(STREAMS) | set(OTHERS)
