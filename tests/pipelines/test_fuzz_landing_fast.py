import io
from datetime import date, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.pipelines.fuzzing import (
    DAY,
    FORMATS,
    MUTATIONS,
    SOURCES,
    Bench,
    altered,
    breaches,
    good_row,
    hostile_rows,
    mutated,
    typed,
    written,
)

FEW = settings(
    max_examples=25, derandomize=True, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow]
)
ANY_SOURCE = st.sampled_from(list(SOURCES.values()))
ANY_FORMAT = st.sampled_from(FORMATS)


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    opened = Bench(tmp_path_factory.mktemp("fuzz"))
    yield opened
    opened.close()


@FEW
@given(ANY_SOURCE, ANY_FORMAT, MUTATIONS)
def test_a_spoilt_file_of_any_source_and_format_is_loaded_or_refused(bench, contract, ending, mutations):
    sound = written([good_row(contract, number) for number in range(3)], ending, contract)
    bench.try_out(contract, ending, mutated(sound, mutations))


@FEW
@given(ANY_SOURCE.flatmap(lambda contract: st.tuples(st.just(contract), hostile_rows(contract))), ANY_FORMAT)
def test_any_rows_of_any_source_and_format_are_accepted_or_refused(bench, delivered, ending):
    contract, rows = delivered
    accepted = bench.try_out(contract, ending, written(rows, ending, contract))
    assert altered(contract, rows, accepted) == []


@settings(FEW, max_examples=10)
@given(ANY_SOURCE.flatmap(lambda contract: st.tuples(st.just(contract), typed(contract))))
def test_any_types_of_columns_are_read_or_refused(bench, delivered):
    contract, frame = delivered
    sink = io.BytesIO()
    frame.write_parquet(sink)
    bench.try_out(contract, "parquet", sink.getvalue())


@pytest.mark.parametrize("ending", FORMATS)
@pytest.mark.parametrize("source", SOURCES)
def test_sound_rows_of_the_fuzzer_are_accepted(bench, source, ending):
    rows = [good_row(SOURCES[source], number) for number in range(3)]
    accepted = bench.try_out(SOURCES[source], ending, written(rows, ending, SOURCES[source]))
    assert len(accepted) == (1 if source == "fx_rates" else 3)


@pytest.mark.parametrize(
    ("change", "breach"),
    [
        ({"customer_id": None}, "customer_id: required"),
        ({"customer_id": " C1"}, "customer_id: blank"),
        ({"customer_id": "C\n1"}, "customer_id: pattern"),
        ({"customer_id": "C" * 201}, "customer_id: length"),
        ({"amount": float("nan")}, "amount: finite"),
        ({"amount": -1.0}, "amount: minimum"),
        ({"amount": 1e10}, "amount: maximum"),
        ({"currency": "eur"}, "currency: pattern"),
        ({"ordered_at": datetime(2024, 1, 11)}, "ordered_at: future"),
        ({"delivered_at": datetime(2023, 12, 31)}, "delivered_after_order"),
    ],
)
def test_the_judge_of_the_fuzzer_sees_each_kind_of_breach(change, breach):
    contract = SOURCES["purchases"]
    sound = dict.fromkeys(column.name for column in contract.loaded) | {"load_date": DAY}
    sound |= {"order_id": "O1", "line_no": 1, "customer_id": "C1", "amount": 1.0, "currency": "EUR"}
    sound |= {"ordered_at": datetime(2024, 1, 1)}
    assert breaches(contract, sound) == []
    assert breach in breaches(contract, sound | change)


def test_the_judge_of_the_fuzzer_knows_closed_lists():
    contract = SOURCES["churn"]
    sound = {
        "customer_id": "C1",
        "churned_at": datetime(2024, 1, 1),
        "kind": "voluntary",
        "load_date": date(2024, 1, 10),
    }
    sound |= {"reason": None, "reactivated_at": None}
    assert breaches(contract, sound) == []
    assert breaches(contract, sound | {"kind": "other"}) == ["kind: allowed"]
