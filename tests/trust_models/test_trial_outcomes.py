from datetime import date

import polars as pl
from evidence_log import at, complaint, event_log, order
from polars.testing import assert_frame_equal

from trust_models import simulation
from trust_models.as_of import AsOf
from trust_models.evidence import trial_counts
from trust_models.trial_outcomes import trial_outcomes
from trust_models.trials import EvidenceSettings, trials

DAY = AsOf(date(2024, 3, 10))
SETTINGS = EvidenceSettings()


def outcomes(orders: list[dict], complaints: list[dict] = ()) -> list[tuple]:
    return trial_outcomes(event_log(orders, complaints).known(DAY), as_of=DAY, settings=SETTINGS).rows()


def test_trials_are_counted_by_category_and_channel_of_the_order() -> None:
    promised = {"promised_at": at("2024-03-01")}
    late, kept = {"delivered_at": at("2024-03-02")}, {"delivered_at": at("2024-02-28")}
    rows = [
        order("o1", "2024-02-20", category="shoes", channel="web", **promised, **late),
        order("o2", "2024-02-20", "bob", category="shoes", channel="web", **promised, **kept),
        order("o3", "2024-02-20", category="hats", channel="web", **promised, **kept),
        order("o4", "2024-02-20", **promised, **late),
    ]
    assert outcomes(rows) == [
        ("promise_kept", None, None, 1, 1),
        ("promise_kept", "hats", "web", 1, 0),
        ("promise_kept", "shoes", "web", 2, 1),
    ]


def test_a_complaint_counts_for_the_order_it_names_or_else_for_the_last_before_it() -> None:
    rows = [
        order("o1", "2024-02-01", category="shoes"),
        order("o2", "2024-02-10", category="hats"),
        order("o3", "2024-02-05", "bob", category="gloves"),
    ]
    answered = {"first_response_at": at("2024-02-15T01:00")}
    told = [
        complaint("k1", "2024-02-15", order_id="o1", **answered),
        complaint("k2", "2024-02-15"),
        complaint("k3", "2024-02-01", "bob"),
    ]
    found = [row for row in outcomes(rows, told) if row[0] == "complaint_answered"]
    assert found == [
        ("complaint_answered", None, None, 1, 1),
        ("complaint_answered", "hats", None, 1, 1),
        ("complaint_answered", "shoes", None, 1, 0),
    ]


def test_a_quality_complaint_on_an_order_is_a_failure_of_its_category() -> None:
    rows = [order("o1", "2024-01-20", category="shoes"), order("o2", "2024-01-25", category="hats")]
    told = [
        complaint("k0", "2024-01-02", "bob"),
        complaint("k1", "2024-02-15", order_id="o1", dimension="product_quality"),
    ]
    found = [row for row in outcomes(rows, told) if row[0] == "order_sound"]
    assert found == [("order_sound", "hats", None, 1, 0), ("order_sound", "shoes", None, 1, 1)]


def test_the_outcomes_add_up_to_the_trials_of_the_scores() -> None:
    frames = staged(simulation.simulate(customers=60, days=300, seed=4))
    log = event_log(frames["orders"], frames["complaints"]).known(AsOf(date(2023, 10, 1)))
    as_of = AsOf(date(2023, 10, 1))
    found = trial_outcomes(log, as_of=as_of, settings=SETTINGS)
    scored = trial_counts(trials(log, as_of=as_of, settings=SETTINGS, reference=None)).collect()
    sums = [
        frame.with_columns(pl.col("stream").cast(pl.String))
        .group_by("stream")
        .agg(pl.col("trials", "failures").sum())
        .sort("stream")
        for frame in (found, scored)
    ]
    assert_frame_equal(*sums)
    assert sums[0]["failures"].sum() > 0
    assert found["category"].n_unique() > 1


def staged(company: simulation.Company) -> dict[str, list[dict]]:
    """Orders and complaints of a simulated company, each known from its event on."""
    lines = company.frames["purchases"].sort("delivered_on").unique("order_id", keep="last")
    orders = [
        order(
            row["order_id"],
            row["ordered_at"].isoformat(),
            row["customer_id"],
            category=row["category"],
            channel=row["channel"],
            promised_at=row["promised_at"],
            delivered_at=row["delivered_at"],
        )
        for row in lines.iter_rows(named=True)
    ]
    filed = company.frames["complaints"].sort("delivered_on").unique("complaint_id", keep="last")
    complaints = [
        complaint(
            row["complaint_id"],
            row["opened_at"].isoformat(),
            row["customer_id"],
            order_id=row["order_id"],
            dimension="product_quality",
            first_response_at=row["first_response_at"],
            resolved_at=row["resolved_at"],
            resolution=row["resolution"],
        )
        for row in filed.iter_rows(named=True)
    ]
    return {"orders": orders, "complaints": complaints}
