import re
from datetime import date, datetime, timedelta

import pytest

from data_contracts import Column, Contract, RowRule, contract, landing_contracts, published_contracts
from data_contracts.sql import row_rules

CONTRACTS = (*landing_contracts(), *published_contracts())

BREAKS_CROSS_RULE = {
    ("purchases", "delivered_after_order"): {"delivered_at": "2024-05-31T23:59:59Z"},
    ("purchases", "returned_after_order"): {"returned_at": "2024-05-31T23:59:59Z"},
    ("purchases", "cancelled_after_order"): {"cancelled_at": "2024-05-31T23:59:59Z"},
    ("repurchases", "follows_another_order"): {"previous_order_id": "O2"},
    ("complaints", "answered_after_opening"): {"first_response_at": "2024-06-02"},
    ("complaints", "resolved_after_opening"): {"resolved_at": "2024-06-02"},
    ("complaints", "reopened_after_resolution"): {"reopened_at": "2024-06-03"},
    ("churn", "reactivated_after_churn"): {"reactivated_at": "2024-04-30"},
    ("surveys", "scale_has_width"): {"scale_max": "-100"},
    ("surveys", "score_on_scale"): {"score": "101"},
    ("feedback", "scale_has_width"): {"scale_min": "5"},
    ("feedback", "rating_on_scale"): {"rating": "0"},
    ("fx_rates", "rate_is_positive"): {"rate": "0"},
    ("customer_scores", "score_in_interval"): {"trust_low": "62"},
    ("customer_scores", "churned_risk_is_one"): {"churn_status": "churned", "churn_basis": "record"},
    ("customer_scores", "record_means_churned"): {"churn_basis": "record"},
    ("customer_scores", "band_needs_evidence"): {"trust_status": "insufficient_evidence"},
    ("customer_scores_history", "score_in_interval"): {"trust_high": "61"},
    ("customer_scores_history", "churned_risk_is_one"): {"churn_status": "churned", "churn_basis": "record"},
    ("customer_scores_history", "record_means_churned"): {"churn_status": "churned", "churn_risk": "1"},
    ("trust_changes", "change_is_the_difference"): {"trust_change": "-5.9"},
    ("trust_changes", "compared_with_the_day_before"): {"compared_with": "2024-06-28"},
    ("trust_changes", "a_driver_moves"): {"contribution": "0"},
    ("segment_summary", "mean_in_interval"): {"trust_score_low": "56"},
    ("segment_summary", "suppressed_groups_say_nothing"): {"is_suppressed": "true"},
    ("dimension_summary", "mean_in_interval"): {"score_low": "91"},
    ("dimension_summary", "withheld_means_null"): {"is_informed": "false"},
    ("trust_trend", "mean_in_interval"): {"trust_score_high": "54"},
    ("trust_trend", "suppressed_groups_say_nothing"): {"is_suppressed": "true"},
    ("trust_trend", "reconstructed_means_no_risk"): {"is_reconstructed": "true"},
    ("trust_losses", "share_in_interval"): {"failure_share_low": "0.11"},
    ("trust_losses", "failures_are_trials"): {"trials": "19"},
    ("trust_losses", "suppressed_rows_say_nothing"): {"is_suppressed": "true"},
    ("complaint_summary", "shares_need_numbers"): {"followed_unresolved_complaints": "0"},
    ("complaint_summary", "suppressed_rows_say_nothing"): {"is_suppressed": "true"},
    ("repurchase_summary", "longer_windows_hold_fewer_orders"): {"old_enough_60d": "51"},
    ("repurchase_summary", "suppressed_rows_say_nothing"): {"is_suppressed": "true"},
    ("retention_worklist", "loss_needs_value"): {"value_at_stake": None},
    ("retention_worklist", "unknown_loss_is_last"): {"expected_loss": None, "value_at_stake": None},
    ("churn_monthly", "lost_were_active"): {"active_customers": "27"},
    ("churn_monthly", "rates_need_whole_months"): {"is_complete": "false"},
    ("churn_cohorts", "purchasers_are_customers"): {"purchased_customers": "101"},
    ("churn_cohorts", "suppressed_rows_say_nothing"): {"is_suppressed": "true"},
    ("churn_survival", "survival_in_interval"): {"survival_low": "0.91"},
    ("churn_survival", "lost_were_at_risk"): {"events": "501"},
    ("churn_precursors", "ratio_in_interval"): {"ratio_low": "2.1"},
    ("churn_precursors", "withheld_means_null"): {"is_informed": "false"},
    ("data_quality", "failed_among_checked"): {"failed_rows": "11"},
    ("run_info", "every_row_is_accounted_for"): {"rows_quarantined": "2"},
}


def _breaking_values(column: Column, rule: str, delivered_end: datetime) -> list[str | None]:
    match rule:
        case "type":
            return {
                "DOUBLE": ["abc", "1,5"],
                "BIGINT": ["1.5", "abc"],
                "BOOLEAN": ["maybe", "2"],
                "DATE": ["30.06.2024"],
                "TIMESTAMP": ["31/12/2023", "1719700000"],
            }[column.type]
        case "required":
            return [None, "", "  "]
        case "finite":
            return ["NaN", "inf", "-Infinity"]
        case "range":
            return [*_beyond(column.minimum, -1), *_beyond(column.maximum, 1)]
        case "allowed":
            return ["something else", (column.allowed[0]).upper() + "_"]
        case "length":
            return ["x" * ((column.max_length or 0) + 1)]
        case "pattern":
            return ["a\x00b", "a\tb", "a\nb", "\x7f"] if "x00" in (column.pattern or "") else ["eur", "EURO", "EUR\n"]
        case "future":
            years = column.years_ahead or 0
            return [delivered_end.replace(year=delivered_end.year + years).isoformat()]
    raise AssertionError(f"no value breaks {rule}")


def _beyond(limit: float | date | None, direction: int) -> list[str]:
    if limit is None:
        return []
    step = timedelta(microseconds=1) if isinstance(limit, datetime) else timedelta(days=1)
    beyond = limit + direction * step if isinstance(limit, date) else limit + direction
    return [beyond.isoformat() if isinstance(beyond, date) else str(beyond)]


def _column_rules() -> list[tuple[Contract, RowRule]]:
    rules = [(c, rule) for c in CONTRACTS for rule in row_rules(c, [column.name for column in c.columns])]
    return [(c, rule) for c, rule in rules if rule.column is not None]


def _id(value: object) -> str:
    return getattr(value, "name", str(value))


@pytest.mark.parametrize("contract", CONTRACTS, ids=_id)
def test_a_row_that_keeps_every_promise_breaks_no_rule(contract, broken, good_rows):
    assert broken(contract, good_rows[contract.name]) == []


@pytest.mark.parametrize(("contract", "rule"), _column_rules(), ids=_id)
def test_every_column_rule_fires_on_a_bad_value(contract, rule, broken, delivered_end):
    column = contract.column(rule.column)
    for value in _breaking_values(column, rule.name.removeprefix(f"{column.name}_"), delivered_end):
        assert rule.name in broken(contract, {column.name: value}), repr(value)[:80]


@pytest.mark.parametrize("contract", CONTRACTS, ids=_id)
def test_every_cross_rule_fires_alone(contract, broken, good_rows):
    for rule in contract.rules:
        change = BREAKS_CROSS_RULE[contract.name, rule.name]
        assert broken(contract, good_rows[contract.name] | change) == [rule.name]


@pytest.mark.parametrize("contract", landing_contracts(), ids=_id)
def test_values_at_the_ends_of_a_range_pass(contract, broken):
    for column in contract.loaded:
        for limit in (column.minimum, column.maximum):
            assert limit is None or f"{column.name}_range" not in broken(contract, {column.name: str(limit)})


@pytest.mark.parametrize("contract", CONTRACTS, ids=_id)
def test_every_allowed_value_passes(contract, broken):
    for column in contract.loaded:
        for value in column.allowed:
            assert f"{column.name}_allowed" not in broken(contract, {column.name: value})


def test_optional_columns_may_be_null_and_key_columns_with_a_default_too(broken, good_rows):
    optional = {c.name: None for c in contract("purchases").columns if not c.is_required or c.default is not None}
    assert broken(contract("purchases"), good_rows["purchases"] | optional) == []


def test_a_value_of_the_wrong_type_is_not_also_called_missing(broken, good_rows):
    assert broken(contract("purchases"), good_rows["purchases"] | {"amount": "1,5"}) == ["amount_type"]


def test_a_wrong_line_number_is_refused_although_it_has_a_default(broken, good_rows):
    assert broken(contract("purchases"), good_rows["purchases"] | {"line_no": "first"}) == ["line_no_type"]


def test_the_issues_worst_amounts_are_refused(broken, good_rows):
    for amount in ("-5", "NaN", "1e300", "-inf"):
        assert broken(contract("purchases"), good_rows["purchases"] | {"amount": amount})


def test_a_time_in_the_last_microsecond_of_the_delivery_day_passes_and_the_next_one_does_not(
    broken, good_rows, delivered_end
):
    row = good_rows["purchases"] | {"delivered_at": None, "returned_at": None}
    last = delivered_end - timedelta(microseconds=1)
    assert broken(contract("purchases"), row | {"ordered_at": last.isoformat()}) == []
    assert broken(contract("purchases"), row | {"ordered_at": delivered_end.isoformat()}) == ["ordered_at_future"]


def test_infinite_times_are_refused(broken, good_rows):
    for text in ("infinity", "-infinity", "sql:'infinity'::TIMESTAMP", "sql:'-infinity'::TIMESTAMP"):
        assert broken(contract("purchases"), good_rows["purchases"] | {"ordered_at": text})


def test_an_absent_optional_column_has_no_rules():
    present = ["order_id", "customer_id", "ordered_at", "amount", "currency"]
    columns = {rule.column for rule in row_rules(contract("purchases"), present)}
    assert columns == set(present)


def test_an_absent_required_column_is_missing_in_every_row(broken, good_rows):
    row = {name: value for name, value in good_rows["purchases"].items() if name != "amount"}
    assert broken(contract("purchases"), row) == ["amount_required"]


def test_a_cross_rule_that_can_fail_on_null_stays_where_its_column_is_absent(broken, good_rows):
    row = {name: value for name, value in good_rows["customer_scores"].items() if name != "trust_band"}
    assert broken(contract("customer_scores"), row) == ["band_needs_evidence"]


def test_rules_of_a_column_come_in_the_order_in_which_a_person_would_ask():
    names = [rule.name for rule in row_rules(contract("purchases"), ["amount", "ordered_at", "currency"])]
    assert [name for name in names if name.startswith("amount")] == [
        "amount_type",
        "amount_required",
        "amount_finite",
        "amount_range",
    ]
    times = ["ordered_at_type", "ordered_at_required", "ordered_at_range", "ordered_at_future"]
    assert [name for name in names if name.startswith("ordered_at")] == times


def test_columns_that_are_never_loaded_have_no_rules():
    rules = row_rules(contract("complaints"), ["text", "severity"])
    assert "text" not in {rule.column for rule in rules}


@pytest.mark.parametrize("contract", CONTRACTS, ids=_id)
def test_every_promise_of_a_column_has_its_rule(contract):
    rules = row_rules(contract, [column.name for column in contract.columns])
    for column in contract.loaded:
        promised = {
            "type": column.type != "VARCHAR",
            "required": column.is_required and column.default is None,
            "finite": column.type == "DOUBLE",
            "range": column.minimum is not None or column.maximum is not None,
            "allowed": bool(column.allowed),
            "length": column.max_length is not None,
            "pattern": column.pattern is not None,
            "future": contract.kind == "landing" and column.type in ("DATE", "TIMESTAMP"),
        }
        expected = [f"{column.name}_{rule}" for rule, is_promised in promised.items() if is_promised]
        assert [rule.name for rule in rules if rule.column == column.name] == expected


@pytest.mark.parametrize("contract", CONTRACTS, ids=_id)
def test_rule_names_are_unique_and_texts_name_a_column_in_both_languages(contract):
    rules = row_rules(contract, [column.name for column in contract.columns])
    columns = {rule.name: rule.columns for rule in contract.rules}
    assert len({rule.name for rule in rules}) == len(rules)
    for rule in rules:
        spoken_of = [rule.column] if rule.column else columns[rule.name]
        named = [name for name in spoken_of if re.search(rf"\b{name}\b", rule.text_en)]
        assert named
        assert all(name in rule.text_zh for name in named)
        assert any("\u4e00" <= letter <= "\u9fff" for letter in rule.text_zh)


def test_texts_say_what_to_do():
    texts = {rule.name: rule.text_en for rule in row_rules(contract("purchases"), ["amount", "currency", "ordered_at"])}
    assert texts["amount_range"] == "amount must be at least 0 and at most 1000000000"
    assert "thousands separator" in texts["amount_type"]
    assert texts["currency_pattern"] == "currency must look like EUR (pattern ^[A-Z]{3}$)"
    assert texts["ordered_at_range"] == "ordered_at must be at least 1990-01-01"
