from itertools import permutations

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal
from trust_company import RETAIL, customers

from trust_models.streams import STREAMS
from trust_models.trust import TrustEstimator
from trust_models.trust_reasons import reasons, shapley_values
from trust_models.trust_words import CHINESE, ENGLISH, sentences

ESTIMATOR = TrustEstimator(RETAIL.streams).fit(customers(RETAIL, 3000, seed=1)[1])
COUNTS = customers(RETAIL, 300, seed=2)[1]


def evidence_of(counts: np.ndarray) -> pl.DataFrame:
    names = [f"{side}_{stream}" for side in "rs" for stream in RETAIL.streams]
    frame = pl.DataFrame(counts, schema=names, orient="row")
    return frame.with_columns(customer_id=pl.format("c{}", pl.int_range(pl.len()).cast(pl.String).str.zfill(4)))


def counts_of(counts: np.ndarray) -> pl.DataFrame:
    rows = [
        (f"c{index:04}", stream, int(row[place] + row[place + 4]), int(row[place + 4]))
        for index, row in enumerate(counts)
        for place, stream in enumerate(RETAIL.streams)
        if row[place] + row[place + 4] > 0
    ]
    schema = {"customer_id": pl.String, "stream": pl.String, "trials": pl.Int64, "failures": pl.Int64}
    return pl.DataFrame(rows, schema=schema, orient="row")


@pytest.mark.parametrize(("of", "column", "base"), [("mean", 0, 0.0), ("score", 2, 50.0)])
def test_shapley_values_sum_to_what_they_explain(of: str, column: int, base: float) -> None:
    explained = ESTIMATOR.transform(COUNTS)[:, column] - base
    np.testing.assert_allclose(shapley_values(ESTIMATOR, COUNTS, of=of).sum(axis=1), explained, atol=1e-10)


def test_shapley_values_are_the_mean_gain_over_all_orders_of_the_streams() -> None:
    row = np.array([[3.0, 1.0, 0.0, 2.0, 1.0, 4.0, 2.0, 0.0]])
    expected = np.zeros(4)
    for order in permutations(range(4)):
        known = np.zeros_like(row)
        before = 0.0
        for stream in order:
            known[0, [stream, stream + 4]] = row[0, [stream, stream + 4]]
            after = ESTIMATOR.transform(known)[0, 0]
            expected[stream] += (after - before) / 24
            before = after
    np.testing.assert_allclose(shapley_values(ESTIMATOR, row)[0], expected, atol=1e-10)


def test_a_stream_without_trials_has_no_share() -> None:
    assert (shapley_values(ESTIMATOR, COUNTS)[COUNTS[:, :4] + COUNTS[:, 4:] == 0] == 0).all()


def test_shares_do_not_depend_on_the_other_customers() -> None:
    whole = shapley_values(ESTIMATOR, COUNTS)
    assert np.array_equal(np.vstack([shapley_values(ESTIMATOR, COUNTS[i : i + 1]) for i in range(30)]), whole[:30])
    assert np.array_equal(shapley_values(ESTIMATOR, COUNTS[::-1])[::-1], whole)


def test_contributions_sum_to_the_score_and_rank_by_weight() -> None:
    found = reasons(evidence_of(COUNTS), counts_of(COUNTS), ESTIMATOR)
    sums = found.group_by("customer_id").agg(pl.col("contribution").sum()).sort("customer_id")
    scores = ESTIMATOR.transform(COUNTS)[:, 2]
    has_trials = COUNTS.sum(axis=1) > 0
    np.testing.assert_allclose(sums["contribution"], scores[has_trials] - 50.0, atol=1e-9)
    sizes = found.group_by("customer_id", maintain_order=True).agg(
        pl.col("contribution").abs(), is_ranked=pl.col("rank") == pl.int_range(1, pl.len() + 1)
    )
    assert all(size.is_sorted(descending=True) for size in sizes["contribution"])
    assert sizes["is_ranked"].list.all().all()


def test_reasons_do_not_depend_on_the_order_of_rows() -> None:
    evidence, counts = evidence_of(COUNTS), counts_of(COUNTS)
    assert_frame_equal(reasons(evidence, counts, ESTIMATOR), reasons(evidence.reverse(), counts.reverse(), ESTIMATOR))


def test_fewer_reasons_may_be_asked_for() -> None:
    evidence, counts = evidence_of(COUNTS), counts_of(COUNTS)
    everything = reasons(evidence, counts, ESTIMATOR)
    assert_frame_equal(reasons(evidence, counts, ESTIMATOR, most=2), everything.filter(pl.col("rank") <= 2))


def test_reasons_without_counts_are_refused() -> None:
    with pytest.raises(ValueError, match="counts of the same day"):
        reasons(evidence_of(COUNTS), counts_of(COUNTS).head(3), ESTIMATOR)


def test_words_speak_of_unfaded_counts() -> None:
    faded = np.array([[0.0, 2.5, 0.0, 0.0, 0.0, 0.9, 0.0, 0.0]])
    counts = pl.DataFrame({"customer_id": ["c0000"], "stream": ["promise_kept"], "trials": [7], "failures": [2]})
    row = reasons(evidence_of(faded), counts, ESTIMATOR).row(0, named=True)
    assert row["driver"] == "promise_kept"
    assert row["text_en"].startswith("2 of 7 deliveries" if row["contribution"] < 0 else "5 of 7 deliveries")


@pytest.mark.parametrize(
    ("contribution", "trials", "failures", "english", "chinese"),
    [
        (
            -6.08,
            7,
            2,
            "2 of 7 deliveries missed the promised date (−6.1)",
            "7 次配送中有 2 次晚于承诺日期（−6.1）",
        ),
        (3.0, 7, 2, "5 of 7 deliveries came by the promised date (+3.0)", "7 次配送中有 5 次按承诺日期送达（+3.0）"),
        (12.34, 7, 0, "All 7 deliveries came by the promised date (+12.3)", "全部 7 次配送均按承诺日期送达（+12.3）"),
        (-9.96, 1, 1, "The only delivery missed the promised date (−10.0)", "仅有的 1 次配送晚于承诺日期（−10.0）"),
        (-0.04, 4, 4, "All 4 deliveries missed the promised date (±0.0)", "全部 4 次配送均晚于承诺日期（±0.0）"),
        (0.5, 4, 4, "All 4 deliveries missed the promised date (+0.5)", "全部 4 次配送均晚于承诺日期（+0.5）"),
        (-0.5, 4, 0, "All 4 deliveries came by the promised date (−0.5)", "全部 4 次配送均按承诺日期送达（−0.5）"),
    ],
)
def test_sentences_count_what_moved_the_score(
    contribution: float, trials: int, failures: int, english: str, chinese: str
) -> None:
    frame = pl.DataFrame(
        {"driver": ["promise_kept"], "contribution": [contribution], "trials": [trials], "failures": [failures]}
    )
    assert frame.select(*map(pl.Expr.alias, sentences(), ("en", "zh"))).row(0) == (english, chinese)


@pytest.mark.parametrize(
    ("trials", "failures", "english", "chinese"),
    [
        (7, 0, "None of the 7 orders had a fault or a quality complaint (+3.0)",
         "全部 7 个订单均没有质量问题或质量投诉（+3.0）"),
        (2, 0, "Neither of the 2 orders had a fault or a quality complaint (+3.0)",
         "全部 2 个订单均没有质量问题或质量投诉（+3.0）"),
        (2, 2, "Both orders had a fault or a quality complaint (+3.0)",
         "全部 2 个订单均出现质量问题或质量投诉（+3.0）"),
        (1, 0, "The only order had no fault and no quality complaint (+3.0)",
         "仅有的 1 个订单没有质量问题或质量投诉（+3.0）"),
        (7, 2, "5 of 7 orders had no fault and no quality complaint (+3.0)",
         "7 个订单中有 5 个没有质量问题或质量投诉（+3.0）"),
    ],
)  # fmt: skip
def test_where_nothing_happened_none_of_them_failed(trials: int, failures: int, english: str, chinese: str) -> None:
    row = {"driver": ["order_sound"], "contribution": [3.0], "trials": [trials], "failures": [failures]}
    assert pl.DataFrame(row).select(*map(pl.Expr.alias, sentences(), ("en", "zh"))).row(0) == (english, chinese)


@pytest.mark.parametrize(
    ("driver", "trials", "failures", "english"),
    [
        ("came_back", 3, 3, "None of the 3 orders brought a further order in the usual time (−3.0)"),
        ("came_back", 2, 2, "Neither of the 2 orders brought a further order in the usual time (−3.0)"),
        ("came_back", 1, 1, "The only order brought no further order in the usual time (−3.0)"),
        ("came_back", 3, 2, "2 of 3 orders brought no further order in the usual time (−3.0)"),
        ("complaint_answered", 2, 2, "Neither of the 2 complaints got an answer in time (−3.0)"),
        ("promise_kept", 3, 3, "All 3 deliveries missed the promised date (−3.0)"),
    ],
)
def test_where_what_was_awaited_never_came_none_of_them_went_well(
    driver: str, trials: int, failures: int, english: str
) -> None:
    row = {"driver": [driver], "contribution": [-3.0], "trials": [trials], "failures": [failures]}
    assert pl.DataFrame(row).select(sentences()[0]).item() == english


def test_a_bad_experience_that_kept_nobody_away_is_said_so() -> None:
    row = {"driver": ["came_back_after_failure"], "contribution": [3.0], "trials": [2], "failures": [0]}
    assert pl.DataFrame(row).select(sentences()[0]).item() == (
        "Neither of the 2 bad experiences kept the customer from ordering again in the usual time (+3.0)"
    )


def test_every_stream_has_words_in_both_languages() -> None:
    assert set(ENGLISH) == set(CHINESE) == set(STREAMS)
