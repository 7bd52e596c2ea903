import numpy as np
import pytest
from numpy.testing import assert_array_equal
from trust_company import RETAIL, customers

from trust_models.trust import TrustEstimator
from trust_models.trust_explained import explained, is_part_of
from trust_models.trust_reasons import shapley_values

ESTIMATOR = TrustEstimator(RETAIL.streams).fit(customers(RETAIL, 3000, seed=1)[1])
COUNTS = np.vstack([customers(RETAIL, 600, seed=2)[1], np.zeros((2, 8))])
EVIDENCE_STREAMS = RETAIL.streams[1:]


@pytest.mark.parametrize("streams", [EVIDENCE_STREAMS, EVIDENCE_STREAMS[::-1], RETAIL.streams])
def test_one_look_tells_to_the_last_bit_what_each_look_tells(streams: tuple[str, ...]) -> None:
    inner = ESTIMATOR.restricted_to(streams)
    places = [RETAIL.streams.index(name) for name in streams]
    found = explained(ESTIMATOR, inner, COUNTS)
    for ours, theirs in zip(found.posterior, ESTIMATOR.posterior(COUNTS), strict=True):
        assert_array_equal(ours, theirs)
    assert_array_equal(found.shares, shapley_values(ESTIMATOR, COUNTS, of="score"))
    own = COUNTS[:, [*places, *(4 + place for place in places)]]
    assert_array_equal(found.experience, inner.scores(own))


def test_nobody_is_explained() -> None:
    found = explained(ESTIMATOR, ESTIMATOR.restricted_to(EVIDENCE_STREAMS), COUNTS[:0])
    assert [len(column) for column in (*found.posterior, found.experience, found.shares)] == [0] * 8


def test_another_fit_is_no_part() -> None:
    inner = ESTIMATOR.restricted_to(EVIDENCE_STREAMS)
    assert is_part_of(inner, ESTIMATOR)
    assert not is_part_of(inner.adjusted_for({EVIDENCE_STREAMS[0]: {"region": {"north": 0.5}}}), ESTIMATOR)
    assert not is_part_of(ESTIMATOR, inner)
    other = TrustEstimator(EVIDENCE_STREAMS).fit(customers(RETAIL, 3000, seed=5)[1][:, [1, 2, 3, 5, 6, 7]])
    assert not is_part_of(other, ESTIMATOR)
