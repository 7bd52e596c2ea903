from pathlib import Path

import pytest

import data_contracts
from data_contracts import ContractError, contract, landing_contracts, published_contracts, read_contract

ROOT = Path(data_contracts.__file__).parent
LANDING = ("purchases", "repurchases", "complaints", "churn", "customers", "surveys", "feedback", "fx_rates")
PUBLISHED = (
    "customer_scores",
    "customer_scores_history",
    "customer_reasons",
    "customer_dimensions",
    "trust_changes",
    "retention_worklist",
    "segment_summary",
    "dimension_summary",
    "trust_trend",
    "trust_losses",
    "complaint_summary",
    "repurchase_summary",
    "churn_monthly",
    "churn_cohorts",
    "churn_survival",
    "churn_precursors",
    "data_quality",
    "model_quality",
    "run_info",
)
DIMENSIONS = ("product_quality", "service_quality", "reputation", "transparency", "values")


@pytest.fixture
def changed(tmp_path):
    def change(name: str, old: str, new: str) -> Path:
        original = next(ROOT.glob(f"*/{name}.odcs.yaml"))
        text = original.read_text(encoding="utf-8")
        assert old in text
        path = tmp_path / original.parent.name / original.name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text.replace(old, new, 1), encoding="utf-8")
        return path

    return change


def test_there_is_a_contract_for_every_source_and_published_table():
    assert tuple(c.name for c in landing_contracts()) == LANDING
    assert {c.name for c in published_contracts()} >= set(PUBLISHED)
    assert {c.kind for c in landing_contracts()} == {"landing"}


@pytest.mark.parametrize("path", sorted(ROOT.glob("*/*.odcs.yaml")), ids=lambda path: path.name)
def test_every_contract_is_valid_and_complete(path):
    read = read_contract(path)
    assert read.key
    assert read.owner
    assert all(column.description_en and column.description_zh for column in read.columns)
    assert all(max(column.description_zh) >= "一" for column in read.columns)


def test_only_purchases_must_be_there():
    assert [c.name for c in landing_contracts() if c.is_required] == ["purchases"]


@pytest.mark.parametrize(
    ("name", "key", "event_at"),
    [
        ("purchases", ("order_id", "line_no"), "ordered_at"),
        ("repurchases", ("order_id",), "repurchased_at"),
        ("complaints", ("complaint_id",), "opened_at"),
        ("churn", ("customer_id", "churned_at"), "churned_at"),
        ("customers", ("customer_id",), None),
        ("surveys", ("response_id", "dimension"), "answered_at"),
        ("feedback", ("feedback_id",), "given_at"),
        ("fx_rates", ("rate_date", "currency"), "rate_date"),
        ("customer_scores", ("customer_id",), None),
        ("customer_scores_history", ("customer_id", "as_of"), None),
        ("customer_reasons", ("customer_id", "score", "rank"), None),
        ("customer_dimensions", ("customer_id", "dimension"), None),
        ("trust_changes", ("customer_id", "rank"), None),
        ("segment_summary", ("segment_by", "segment_value"), None),
        ("retention_worklist", ("customer_id",), None),
        ("dimension_summary", ("segment_by", "segment_value", "dimension"), None),
        ("trust_trend", ("period", "period_start", "segment_by", "segment_value"), None),
        ("trust_losses", ("stream", "told_by", "told_of"), None),
        ("complaint_summary", ("month", "dimension"), None),
        ("repurchase_summary", ("month", "category"), None),
        ("churn_monthly", ("month",), None),
        ("churn_cohorts", ("cohort_month", "months_since"), None),
        ("churn_survival", ("churn", "tenure_months"), None),
        ("churn_precursors", ("precursor",), None),
        ("data_quality", ("table_name", "check_name", "rule"), None),
        ("model_quality", ("model", "model_version", "estimator", "metric", "as_of"), None),
    ],
)
def test_keys_and_event_times(name, key, event_at):
    assert (contract(name).key, contract(name).event_at) == (key, event_at)


def test_customer_scores_has_the_published_columns_in_their_order():
    assert " ".join(column.name for column in contract("customer_scores").columns) == (
        "customer_id as_of trust_score trust_low trust_high trust_reliability trust_status trust_experience trust_band "
        "trust_change_30d trust_product_quality trust_service_quality trust_reputation trust_transparency trust_values "
        "churn_risk churn_risk_percentile churn_band churn_status churn_basis top_trust_reason top_churn_reason "
        "recommended_action orders last_order_at open_complaints trust_model_version churn_model_version "
        "top_trust_reason_zh top_churn_reason_zh recommended_action_zh"
    )


def test_free_texts_of_customers_are_known_but_never_loaded():
    never = {(c.name, column.name) for c in landing_contracts() for column in c.columns if not column.is_loaded}
    assert never == {("complaints", "text"), ("feedback", "text")}
    assert contract("complaints").column("text").classification == "personal"
    assert "text" not in [column.name for column in contract("complaints").loaded]


def test_company_codes_are_open_lists_and_the_categories_are_closed():
    assert contract("purchases").column("return_reason").allowed == ()
    assert contract("complaints").column("resolution").allowed == ()
    assert contract("complaints").column("category").allowed == (*DIMENSIONS, "delivery", "billing", "other")


def test_complaint_categories_are_carried_to_dimensions():
    mapping = contract("complaints").settings["dimension_of_category"]
    extra = {"delivery": "service_quality", "billing": "transparency", "other": None}
    assert mapping == {dimension: dimension for dimension in DIMENSIONS} | extra


def test_a_promise_may_lie_ahead_but_a_fact_may_not():
    ahead = {column.name: column.years_ahead for column in contract("purchases").columns if column.type == "TIMESTAMP"}
    facts = ("ordered_at", "delivered_at", "returned_at", "cancelled_at")
    assert ahead == {"promised_at": 5} | dict.fromkeys(facts, 0)


def test_every_id_is_bounded_and_plain():
    for read in landing_contracts():
        for column in (c for c in read.columns if c.name.endswith("_id")):
            assert (column.max_length, column.pattern) == (200, r"^[^\x00-\x1F\x7F]*$")


def test_an_unknown_name_says_which_there_are():
    with pytest.raises(KeyError, match=r"no contract purchase; there are purchases, repurchases, .*run_info"):
        contract("purchase")


def test_an_unknown_column_says_which_there_are():
    with pytest.raises(KeyError, match="fx_rates has no column day; it has rate_date, currency, rate"):
        contract("fx_rates").column("day")


def test_the_settings_cannot_be_changed_in_passing():
    with pytest.raises(TypeError):
        contract("purchases").settings["horizon_days"] = 1


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        ("purchases", "        required: true", "        requird: true", r"properties\[0\].*'requird' was unexpected"),
        ("purchases", "maxLength: 200", "maxLenght: 200", "'maxLenght' was unexpected"),
        ("complaints", "metric: invalidValues", "metric: invalidvalues", "'invalidvalues' is not one of"),
        ("purchases", "status: active", "stauts: active", "'stauts' was unexpected"),
        ("purchases", "    unit: d\n", "    unti: d\n", "'unti' was unexpected"),
        ("purchases", "logicalType: number", "logicalType: float", "'float' is not one of"),
        ("purchases", "'1990-01-01T00:00:00Z'", "1990-01-01T00:00:00Z", "is not of type 'string'"),
        ("purchases", "        mustBe: 0", "", "is not valid under|mustBe"),
        ("purchases", "name: purchases", "name: [", "no valid YAML"),
        (
            "purchases",
            "        required: true",
            "        required: true\n        required: false",
            "line .* written twice",
        ),
    ],
)
def test_the_standard_refuses_typos_at_any_depth(changed, name, old, new, message):
    with pytest.raises(ContractError, match=message) as error:
        read_contract(changed(name, old, new))
    assert str(error.value).startswith(f"landing/{name}.odcs.yaml: ")
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 500


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        ("purchases", "apiVersion: v3.1.0", "apiVersion: v3.0.2", "apiVersion: must be v3.1.0"),
        ("purchases", "name: purchases", "name: sales", "name: must be purchases, as the file is called"),
        ("purchases", "  - name: purchases", "  - name: sales", "schema.name: must be purchases"),
        ("purchases", "      - name: channel", "      - name: category", "a column is there twice"),
        ("purchases", "      - name: channel", "      - name: Channel", "lower_case_with_underscores"),
        ("purchases", "team:\n  name: order-management\n", "team:\n", "team.name: is missing"),
        ("purchases", "    businessName: Purchases\n", "", "schema.businessName: is missing"),
        ("purchases", "property: title_zh", "property: title_cn", "title_cn is not known"),
        (
            "purchases",
            "property: description_zh\n            value",
            "property: description_hz\n            value",
            "is not known",
        ),
        ("purchases", "description: When the order was placed, UTC.", "", "ordered_at.description: is missing"),
        ("purchases", "value: 订单编号。", "value: ''", "order_id: the text description_zh is missing"),
        ("purchases", "classification: internal", "classification: secret", "classification must be one of"),
        ("purchases", "physicalType: DOUBLE", "physicalType: FLOAT", "physicalType must be one of"),
        ("purchases", "logicalType: number", "logicalType: integer", "logicalType of DOUBLE must be number"),
        ("purchases", "        required: true", "        unique: true", "unique would be ignored"),
        ("purchases", "{maxLength: 200,", "{minLength: 1,", "minLength would be ignored"),
        ("purchases", "'^[A-Z]{3}$'", "'[A-Z]{3}'", "pattern must be anchored"),
        ("purchases", "'1990-01-01T00:00:00Z'", "'the beginning'", "the beginning is no TIMESTAMP"),
        ("purchases", "primaryKeyPosition: 2", "primaryKeyPosition: 3", "primaryKeyPosition must count"),
        (
            "purchases",
            "select count(*) from {table} where not",
            "select sum(1) from {table} where not",
            "query: select count",
        ),
        (
            "purchases",
            "where not (delivered_at >= date_trunc('day', ordered_at))",
            "where not (1 = 1)",
            "names no column",
        ),
        ("purchases", "        mustBe: 0", "        mustBe: 1", "mustBe: 0"),
        ("purchases", "name: returned_after_order", "name: delivered_after_order", "two rules have one name"),
        ("purchases", "metric: rowCount", "metric: nullValues", "must be: query|rowCount is missing"),
        ("purchases", "value: ordered_at", "value: bought_at", "event_at: bought_at is no column"),
        ("purchases", "property: freshness", "property: frequency", "frequency would be ignored"),
        ("purchases", "    unit: d", "    unit: h", "freshness must be whole days"),
        ("purchases", "element: purchases.ordered_at", "element: purchases.at", "purchases.at is no column"),
        ("purchases", "value: 0.05", "value: 5", "max_quarantined_share: must be a number from 0 to 1"),
        ("purchases", "property: max_quarantined_share", "property: quarantine", "max_quarantined_share: must be"),
        ("purchases", "property: order_maturity_days", "property: order_maturty_days", "setting order_matur"),
        ("purchases", "value: 30", "value: thirty", "setting order_maturity_days: input should be a valid integer"),
        ("purchases", "value: 90", "value: 0", "setting horizon_days: input should be greater than 0"),
        ("purchases", "value: ordinary", "value: fine", "setting unexplained_returns"),
        (
            "purchases",
            "property: years_ahead\n            value: 5",
            "property: years_ahead\n            value: five",
            "whole number",
        ),
        (
            "purchases",
            "property: default\n            value: 1",
            "property: default\n            value: one",
            "default must be",
        ),
        ("complaints", "other: null", "others: null", "must name each allowed value of category"),
        ("complaints", "delivery: service_quality", "delivery: service", "setting dimension_of_category.delivery"),
        ("complaints", "billing, other]", "billing, yes]", "validValues must be texts"),
        ("complaints", "            mustBe: 0", "            mustBe: 1", "only metric invalidValues with mustBe 0"),
        ("churn", "value: auto", "value: both", "setting label"),
        (
            "feedback",
            "value: false\n          - property: description_zh",
            "value: 1\n          - property: description_zh",
            "is_needed must be true or false",
        ),
    ],
)
def test_what_the_pipeline_needs_and_does_not_find_is_said_in_one_line(changed, name, old, new, message):
    with pytest.raises(ContractError, match=message) as error:
        read_contract(changed(name, old, new))
    assert str(error.value).startswith(f"landing/{name}.odcs.yaml: ")
    assert "\n" not in str(error.value)


def test_only_personal_data_can_be_left_out(changed):
    path = changed(
        "customers",
        "          - property: description_zh",
        "          - {property: is_needed, value: false}\n          - property: description_zh",
    )
    with pytest.raises(ContractError, match="a key column must be loaded"):
        read_contract(path)
    path = changed(
        "fx_rates",
        "          - property: description_zh",
        "          - {property: is_needed, value: false}\n          - property: description_zh",
    )
    with pytest.raises(ContractError, match="only personal data can be is_needed: false"):
        read_contract(path)


def test_a_file_that_is_no_text_is_said_in_one_line(tmp_path):
    path = tmp_path / "landing" / "purchases.odcs.yaml"
    path.parent.mkdir()
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ContractError, match=r"landing/purchases.odcs.yaml: .*decode"):
        read_contract(path)


def test_a_contract_elsewhere_is_refused(tmp_path):
    with pytest.raises(ContractError, match="folder landing or published"):
        read_contract(tmp_path / "purchases.odcs.yaml")


def test_the_test_rows_cover_every_column_of_every_contract(good_rows):
    for read in (*landing_contracts(), *published_contracts()):
        assert set(good_rows[read.name]) == {column.name for column in read.loaded}
