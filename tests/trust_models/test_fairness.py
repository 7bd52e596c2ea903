from datetime import date

import numpy as np
import polars as pl
import pytest
from churn_log import log_of, order
from scipy.special import expit

from trust_models.as_of import AsOf
from trust_models.fairness import FACTORS, SCHEMA, adjustments, customer_groups, differential_functioning
from trust_models.trust import TrustEstimator

STREAMS = ("order_sound", "promise_kept", "order_unquestioned_reputation")


def company(
    size: int = 4000, *, shift: dict[str, float] | None = None, impact: float = 0.0, seed: int = 0
) -> tuple[pl.DataFrame, pl.DataFrame, np.ndarray]:
    generator = np.random.default_rng(seed)
    is_north = generator.random(size) < 0.5
    trust = generator.standard_normal(size) + impact * is_north
    columns: dict[str, np.ndarray] = {}
    for place, stream in enumerate(STREAMS):
        moved = (shift or {}).get(stream, 0.0) * is_north
        trials = generator.poisson(12, size)
        good = generator.binomial(trials, expit((1.5, 1.0, 2.0)[place] + 0.7 * trust + moved))
        columns |= {f"r_{stream}": good, f"s_{stream}": trials - good}
    ids = pl.Series("customer_id", [f"c{row:05}" for row in range(size)])
    counts = pl.DataFrame(columns).cast(pl.Float64).with_columns(ids)
    groups = pl.DataFrame({"customer_id": ids, "region": np.where(is_north, "north", "south")})
    return counts, groups, trust


def functioning(counts: pl.DataFrame, groups: pl.DataFrame) -> pl.DataFrame:
    estimator = TrustEstimator(streams=STREAMS).fit(counts)
    return differential_functioning(counts, groups, estimator, factors=("region",))


def test_a_group_that_complains_more_readily_is_found_and_sized() -> None:
    counts, groups, _ = company(shift={"order_unquestioned_reputation": -0.8})
    found = functioning(counts, groups).filter(pl.col("stream") == "order_unquestioned_reputation")
    assert found["is_adjusted"].all()
    north, south = (found.filter(pl.col("group") == group)["shift"].item() for group in ("north", "south"))
    assert north - south == pytest.approx(-0.8, abs=0.15)


def test_a_group_that_is_served_worse_is_reported_and_not_adjusted() -> None:
    counts, groups, _ = company(shift={"promise_kept": -0.8})
    found = functioning(counts, groups).filter(pl.col("is_different"))
    assert found["stream"].unique().to_list() == ["promise_kept"]
    assert adjustments(functioning(counts, groups)) == {}


def test_a_group_that_trusts_less_is_not_taken_for_one_that_complains_more() -> None:
    counts, groups, _ = company(impact=-0.6)
    assert not functioning(counts, groups)["is_different"].any()


def test_alike_groups_are_seldom_told_apart() -> None:
    flagged = [functioning(*company(600, seed=seed)[:2])["is_different"].any() for seed in range(12)]
    assert sum(flagged) <= 1


def test_adjusted_scores_no_longer_favour_the_silent_group() -> None:
    counts, groups, trust = company(shift={"order_unquestioned_reputation": -1.0})
    estimator = TrustEstimator(streams=STREAMS).fit(counts)
    rows = counts.join(groups, on="customer_id", maintain_order="left")
    adjusted = estimator.adjusted_for(adjustments(functioning(counts, groups)))
    is_north = groups["region"].to_numpy() == "north"

    def gap(model: TrustEstimator) -> float:
        error = model.posterior(rows).mean - trust
        return abs(error[is_north].mean() - error[~is_north].mean())

    assert gap(adjusted) < 0.35 * gap(estimator)


def test_a_group_that_is_not_known_is_not_adjusted() -> None:
    counts, _, _ = company(500)
    estimator = TrustEstimator(streams=STREAMS).fit(counts)
    adjusted = estimator.adjusted_for({"order_sound": {"region": {"north": -0.5}}})
    rows = counts.with_columns(region=pl.lit(None, pl.String))
    np.testing.assert_array_equal(adjusted.posterior(rows).score, estimator.posterior(counts).score)


def test_evidence_without_the_group_is_refused() -> None:
    counts, _, _ = company(500)
    adjusted = TrustEstimator(streams=STREAMS).fit(counts).adjusted_for({"order_sound": {"region": {"north": -0.5}}})
    with pytest.raises(ValueError, match="the evidence lacks the column region, for which order_sound is adjusted"):
        adjusted.posterior(counts)


def test_what_a_segment_explains_is_not_laid_on_the_channel_that_it_uses() -> None:
    counts, groups, _ = company(shift={"order_unquestioned_reputation": -0.8})
    is_north = groups["region"] == "north"
    is_web = pl.Series(np.random.default_rng(1).random(len(groups)) < 0.3) | is_north
    members = groups.select("customer_id", segment="region").with_columns(
        channel=pl.select(pl.when(is_web).then(pl.lit("web")).otherwise(pl.lit("app"))).to_series()
    )
    estimator = TrustEstimator(streams=STREAMS).fit(counts)
    found = differential_functioning(counts, members, estimator, factors=("segment", "channel"))
    assert found.filter(pl.col("is_different"))["factor"].unique().to_list() == ["segment"]
    alone = differential_functioning(counts, members, estimator, factors=("channel",))
    assert alone["is_different"].any()


def test_small_groups_are_not_judged() -> None:
    counts, groups, _ = company(60)
    found = functioning(counts, groups)
    assert found.is_empty()
    assert found.schema == SCHEMA


def test_customers_belong_to_the_channel_of_most_of_their_orders() -> None:
    orders = [order("C1", f"2024-01-0{day}", channel=channel) for day, channel in ((1, "web"), (2, "app"), (3, "app"))]
    orders += [
        order("C2", "2024-01-01", channel="web"),
        order("C2", "2024-01-02", channel="app"),
        order("C3", "2024-01-01"),
    ]
    customers = [{"customer_id": "C1", "region": "north", "segment": "family", "customer_class": "A"}]
    known = log_of(orders=orders, customers=customers).known(AsOf(date(2024, 2, 1)))
    groups = customer_groups(known).collect()
    assert groups.columns == ["customer_id", *FACTORS]
    assert groups["channel"].to_list() == ["app", "app", None]
    assert groups["region"].to_list() == ["north", None, None]
