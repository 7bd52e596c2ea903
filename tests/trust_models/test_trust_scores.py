import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal
from trust_company import RETAIL, customers

from trust_models.streams import DIMENSIONS, EXPERIENCE_STREAMS, STREAMS
from trust_models.trust_scores import COLUMNS, TrustEstimators, fit_trust_estimators, trust_profile, trust_scores


def evidence_of(size: int, seed: int, streams: tuple[str, ...] = RETAIL.streams) -> pl.DataFrame:
    _, counts = customers(RETAIL, size, seed)
    columns = {f"{side}_{stream}": np.zeros(size) for side in "rs" for stream in STREAMS}
    for place, stream in enumerate(RETAIL.streams):
        if stream in streams:
            columns |= {f"r_{stream}": counts[:, place], f"s_{stream}": counts[:, place + 4]}
    return pl.DataFrame({"customer_id": [f"c{index:05}" for index in range(size)], **columns})


@pytest.fixture(scope="module")
def estimators() -> TrustEstimators:
    return fit_trust_estimators(evidence_of(1500, seed=1))


def test_every_customer_gets_a_row_with_all_columns(estimators: TrustEstimators) -> None:
    found = trust_scores(evidence_of(300, seed=2), *estimators)
    assert tuple(found.columns) == COLUMNS
    assert found["customer_id"].is_sorted()
    assert found.height == 300
    numbers = found.select(pl.selectors.float())
    assert numbers.select(pl.all().is_nan().any()).row(0) == (False,) * numbers.width
    assert found.filter(pl.any_horizontal(pl.selectors.float().is_between(0, 100).not_())).is_empty()


def test_of_nobody_there_are_no_rows_and_all_columns(estimators: TrustEstimators) -> None:
    nobody, somebody = (trust_profile(evidence_of(300, seed=2).head(size), *estimators) for size in (0, 1))
    assert nobody.scores.is_empty()
    assert nobody.scores.schema == somebody.scores.schema
    assert nobody.opinions.schema == somebody.opinions.schema
    assert len(estimators.trust.scores(evidence_of(300, seed=2).head(0))) == 0


def test_a_dimension_nobody_has_trials_in_is_null(estimators: TrustEstimators) -> None:
    found = trust_scores(evidence_of(50, seed=2), *estimators)
    nulls = {name for name in DIMENSIONS if found[f"trust_{name}"].null_count() == 50}
    assert nulls == {"reputation", "transparency", "values"}
    assert found["trust_service_quality"].null_count() == 0


def test_the_same_evidence_scores_the_same_to_the_last_bit(estimators: TrustEstimators) -> None:
    evidence = evidence_of(300, seed=2)
    found = trust_scores(evidence, *estimators)
    shuffled = trust_scores(evidence.sample(fraction=1.0, shuffle=True, seed=3), *estimators)
    assert found.equals(shuffled)
    assert found.head(1).equals(trust_scores(evidence.head(1), *estimators))
    history = evidence_of(1500, seed=1)
    first, again = (fit_trust_estimators(frame, max_samples=700) for frame in (history, history.reverse()))
    assert trust_scores(evidence, *first).equals(trust_scores(evidence, *again))


def test_little_evidence_is_called_insufficient(estimators: TrustEstimators) -> None:
    nobody = evidence_of(1, seed=2).with_columns(pl.selectors.float() * 0.0)
    found = trust_scores(nobody, *estimators).row(0, named=True)
    assert found["trust_status"] == "insufficient_evidence"
    assert found["trust_score"] == pytest.approx(50.0)
    assert found["trust_experience"] == pytest.approx(50.0)
    everybody = trust_scores(evidence_of(300, seed=2), *estimators)
    reliable = everybody["trust_reliability"] >= estimators.trust.minimum_reliability
    assert (everybody["trust_status"] == "scored").equals(reliable)
    assert 0 < reliable.sum() < 300


def test_loyalty_never_touches_the_score_of_experience(estimators: TrustEstimators) -> None:
    assert estimators.experience.streams_ == EXPERIENCE_STREAMS
    evidence = evidence_of(50, seed=2)
    disloyal = evidence.with_columns(s_came_back=pl.lit(40.0), r_came_back=pl.lit(0.0))
    before, after = (trust_scores(frame, *estimators) for frame in (evidence, disloyal))
    assert before["trust_experience"].equals(after["trust_experience"])
    assert (after["trust_score"] < before["trust_score"]).mean() > 0.9


def test_without_any_experience_there_is_no_score_of_it() -> None:
    evidence = evidence_of(400, seed=1, streams=("came_back",))
    found = trust_scores(evidence, *fit_trust_estimators(evidence))
    assert found["trust_experience"].null_count() == 400
    assert found["trust_score"].null_count() == 0
    assert found["trust_score"].n_unique() > 50


def test_without_any_trials_everybody_scores_fifty() -> None:
    evidence = evidence_of(20, seed=1, streams=())
    found = trust_scores(evidence, *fit_trust_estimators(evidence))
    assert found["trust_score"].to_numpy() == pytest.approx(np.full(20, 50.0))
    assert found["trust_status"].unique().to_list() == ["insufficient_evidence"]
    assert trust_profile(evidence, *fit_trust_estimators(evidence)).opinions.is_empty()


def test_parameters_reach_both_estimators() -> None:
    fitted = fit_trust_estimators(evidence_of(200, seed=1), level=0.8)
    assert (fitted.trust.level, fitted.experience.level) == (0.8, 0.8)


def test_opinions_come_one_row_a_customer_and_known_dimension(estimators: TrustEstimators) -> None:
    evidence = evidence_of(40, seed=2)
    found = trust_profile(evidence, *estimators).opinions
    assert found.height == 80
    assert found.select("customer_id", "dimension").is_unique().all()
    scores = trust_scores(evidence, *estimators).select("customer_id", score="trust_product_quality")
    quality = found.filter(pl.col("dimension") == "product_quality").select("customer_id", "score")
    assert_frame_equal(quality, scores)
