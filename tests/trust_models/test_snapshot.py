from datetime import date, timedelta

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from trust_models.as_of import AsOf
from trust_models.evidence import evidence, statistics, weighted
from trust_models.streams import STREAMS

DAY = date(2024, 6, 1)
TRIALS = st.lists(
    st.tuples(st.sampled_from("abc"), st.sampled_from(STREAMS), st.integers(0, 900), st.booleans()), max_size=40
)


@given(TRIALS)
def test_trials_added_up_at_once_or_by_day_leave_the_same_evidence(rows: list[tuple[str, str, int, bool]]) -> None:
    trials = pl.LazyFrame(
        [(c, s, DAY - timedelta(days=age), ok) for c, s, age, ok in rows],
        schema={"customer_id": pl.String, "stream": pl.Enum(STREAMS), "event_date": pl.Date, "is_success": pl.Boolean},
        orient="row",
    )
    found = [
        evidence(
            make(trials, landmark=date(2020, 1, 1), half_life_days=365.0),
            as_of=AsOf(DAY),
            landmark=date(2020, 1, 1),
            half_life_days=365.0,
            streams=STREAMS,
        ).collect()
        for make in (weighted, statistics)
    ]
    assert found[0]["customer_id"].equals(found[1]["customer_id"])
    distance = (found[0].drop("customer_id") - found[1].drop("customer_id")).select(pl.all().abs().max())
    assert all(value is None or value < 1e-8 for value in distance.row(0))
