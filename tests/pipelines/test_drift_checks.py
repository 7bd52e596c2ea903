import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest

from data_contracts import ContractError, contract, landing_contracts
from data_contracts.settings import checked_settings
from pipelines.checks.drift import FEATURES, Limits, check_drift, drift_findings, headline
from pipelines.checks.findings import Finding, kept
from pipelines.errors import UserError
from pipelines.ingest.landing_files import write_company
from pipelines.ingest.loading import load
from pipelines.modelling.models import in_use, train_missing
from pipelines.modelling.scoring import score
from pipelines.modelling.snapshots import take_snapshot
from pipelines.settings import Settings
from pipelines.staging import TABLES, stage
from pipelines.warehouse import Warehouse
from trust_models.drift import DRIFTS_BY_NATURE
from trust_models.feature_catalogue import FeatureSettings, catalogue
from trust_models.simulation import simulate

NIGHT, NEXT = date(2024, 2, 26), date(2024, 2, 28)
"""A Monday, whose models are of the Sunday before, and a later night of the same week."""


@pytest.fixture(scope="module")
def landing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("company")
    write_company(simulate(customers=400, days=430, seed=3), out)
    return out / "landing"


@pytest.fixture(scope="module")
def scored(landing: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("night") / "warehouse"
    with Warehouse(Settings(landing, folder)) as warehouse:
        for source in landing_contracts():
            load(warehouse, source, NIGHT, "run")
        for table in TABLES:
            stage(warehouse, table)
        train_missing(warehouse, NIGHT)
        models = in_use(warehouse, NIGHT)
        take_snapshot(warehouse, NIGHT, models)
        score(warehouse, NIGHT, models, "run")
    return folder


@pytest.fixture
def copied(scored: Path, tmp_path: Path) -> Path:
    shutil.copytree(scored, tmp_path / "warehouse")
    return tmp_path / "warehouse"


@pytest.fixture
def warehouse(landing: Path, copied: Path) -> Iterator[Warehouse]:
    with Warehouse(Settings(landing, copied)) as opened:
        yield opened


def failed(findings: list[Finding]) -> list[Finding]:
    return [finding for finding in findings if not finding.is_passed]


def of(findings: list[Finding], column: str, rule: str) -> Finding:
    return next(finding for finding in findings if (finding.column_name, finding.rule) == (column, rule))


def edit_card(warehouse: Warehouse, kind: str, **changes: Any) -> None:
    told = json.loads(warehouse.value("select card from meta.models where kind = ?", (kind,)))
    card = {name: value for name, value in (told | changes).items() if value is not None}
    warehouse.run("update meta.models set card = ? where kind = ?", (json.dumps(card), kind))


def with_past_night(warehouse: Warehouse, risk: str, days: int = 100) -> date:
    """The customers of a hundred days before, as if they had been scored then with a risk (an SQL expression)."""
    past = NIGHT - timedelta(days=days)
    warehouse.run(f"insert into scores.nights select * replace (date '{past}' as as_of) from scores.nights")
    warehouse.run(
        f"insert into scores.customer_days select * replace (date '{past}' as as_of, {risk} as churn_risk)"
        " from scores.customer_days where not is_reconstructed"
    )
    return past


def test_nothing_is_warned_of_where_nothing_has_changed(warehouse: Warehouse) -> None:
    findings = drift_findings(warehouse, NIGHT)
    assert failed(findings) == []
    assert headline(findings).endswith("nothing to warn of")


def test_every_feature_and_score_is_compared_and_said_in_both_languages(warehouse: Warehouse) -> None:
    findings = drift_findings(warehouse, NIGHT)
    compared = {finding.column_name for finding in findings if finding.rule == "stability_index"}
    assert {feature.name for feature in catalogue(FeatureSettings())} <= compared
    assert {"churn_risk", "trust_score", "trust_experience", "r_order_sound"} <= compared
    assert all(finding.text_en.isascii() and max(finding.text_zh) >= "一" for finding in findings)
    assert {finding.severity for finding in findings} == {"warning"}


def test_features_are_looked_at_one_column_at_a_time(warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    read, widths = warehouse.frame, []

    def seen(query: str) -> pl.DataFrame:
        frame = read(query)
        widths.extend([frame.width] if "customer_features" in query else [])
        return frame

    monkeypatch.setattr(warehouse, "frame", seen)
    drift_findings(warehouse, NIGHT)
    assert set(widths) == {1}  # the features of a large company would fill the memory


def test_a_feature_that_moved_is_warned_of_with_how_far_where_and_what_to_do(warehouse: Warehouse) -> None:
    warehouse.run("update features.customer_features set order_amount_last = order_amount_last * 50")
    (finding,) = failed(drift_findings(warehouse, NIGHT))
    assert (finding.table_name, finding.column_name) == (FEATURES, "order_amount_last")
    assert finding.text_en.startswith("order_amount_last (amounts) has moved since the training of 2024-02-25: PSI ")
    assert "a warning from 0.25; customers over " in finding.text_en
    assert "check first whether the deliveries are complete" in finding.text_en
    assert "nothing was retrained because of it" in finding.text_en
    assert "警告界限 0.25" in finding.text_zh
    assert "请先检查交付数据是否完整、正常" in finding.text_zh


def test_a_small_move_is_noticed_and_not_warned_of(warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    warehouse.run("update features.customer_features set order_amount_last = order_amount_last * 50")
    monkeypatch.setattr(Limits, "of_contract", lambda: Limits(0.1, 99.0, 2.0, 10.0))
    findings = drift_findings(warehouse, NIGHT)
    assert failed(findings) == []
    assert "has moved a little since" in of(findings, "order_amount_last", "stability_index").text_en


@pytest.mark.parametrize("name", DRIFTS_BY_NATURE)
def test_what_drifts_by_nature_is_measured_and_never_warned_of(warehouse: Warehouse, name: str) -> None:
    warehouse.run(f"update features.customer_features set {name} = 1e6")
    findings = drift_findings(warehouse, NIGHT)
    assert failed(findings) == []
    assert f"not judged: {DRIFTS_BY_NATURE[name][0]}" in of(findings, name, "stability_index").text_en


def test_nothing_is_judged_while_records_have_just_begun(warehouse: Warehouse) -> None:
    warehouse.run("update features.customer_features set order_amount_last = order_amount_last * 50")
    edit_card(warehouse, "churn", data_window=["2023-09-01", "2024-02-25"])
    findings = drift_findings(warehouse, NIGHT)
    assert failed(findings) == []
    assert "while the past fills, everything moves" in of(findings, "order_amount_last", "stability_index").text_en


def test_few_customers_are_not_judged_where_chance_alone_could_do_it(warehouse: Warehouse) -> None:
    warehouse.run(
        "create or replace table features.customer_features as"
        " (select * from features.customer_features order by recency_days desc limit 5)"
    )
    findings = drift_findings(warehouse, NIGHT)
    recency = of(findings, "recency_days", "stability_index")
    assert float(str(recency.observed).removeprefix("PSI ")) > 0.25
    assert recency.is_passed
    assert "with so few customers chance alone reaches" in recency.text_en


def test_scores_that_moved_are_warned_of(warehouse: Warehouse) -> None:
    warehouse.run("update scores.customer_days set churn_risk = 0.99, trust_score = trust_score / 3")
    columns = {finding.column_name for finding in failed(drift_findings(warehouse, NIGHT))}
    assert columns == {"churn_risk", "trust_score"}


def test_customers_on_record_as_churned_are_no_drift_of_the_risk(warehouse: Warehouse) -> None:
    risk = of(drift_findings(warehouse, NIGHT), "churn_risk", "stability_index")
    active = "select count(*) from scores.customer_days where not is_reconstructed and churn_status <> 'churned'"
    assert risk.checked_rows == warehouse.value(active)
    assert warehouse.value("select count(*) from scores.customer_days where churn_status = 'churned'") > 0


@pytest.mark.parametrize("status", ["insufficient_evidence", "scored"])
def test_evidence_that_vanished_or_came_in_bulk_is_warned_of(warehouse: Warehouse, status: str) -> None:
    warehouse.run("update scores.customer_days set trust_status = ?", (status,))
    (finding,) = failed(drift_findings(warehouse, NIGHT))
    share = "100.0%" if status == "insufficient_evidence" else "0.0%"
    assert finding.rule == "evidence_share"
    assert finding.text_en.startswith(f"{share} of the customers have too little evidence for a trust score; ")
    assert "check whether complaints, promised dates and returns are still delivered" in finding.text_en
    assert "请检查投诉、承诺日期和退货数据是否仍在交付" in finding.text_zh


def test_predictions_whose_window_is_not_over_are_not_checked_and_that_is_said(warehouse: Warehouse) -> None:
    finding = of(drift_findings(warehouse, NIGHT), "churn_risk", "realised")
    assert finding.is_passed
    assert finding.text_en.startswith("not checked yet: predicted and realised churn can be compared from 2024-05-26")
    assert finding.text_zh.startswith("尚未检查：第一个预测窗口于 2024-05-26 结束")


@pytest.mark.parametrize(("risk", "direction", "zh"), [("0.01", "low", "偏低"), ("0.99", "high", "偏高")])
def test_predictions_that_did_not_come_true_are_warned_of(
    warehouse: Warehouse, risk: str, direction: str, zh: str
) -> None:
    past = with_past_night(warehouse, risk)
    (finding,) = failed(drift_findings(warehouse, NIGHT))
    assert finding.text_en.startswith(f"on {past} a churn of {float(risk):.1%} within 90 days was predicted; ")
    assert f"the risks were too {direction}; do not read them as probabilities" in finding.text_en
    assert f"风险{zh}" in finding.text_zh


def test_predictions_that_came_true_are_told_with_their_interval(warehouse: Warehouse) -> None:
    with_past_night(warehouse, "0.5")
    share = float(of(drift_findings(warehouse, NIGHT), "churn_risk", "realised").text_en.split("; ")[1].split("%")[0])
    warehouse.run("update scores.customer_days set churn_risk = ? where as_of < ?", (share / 100, NIGHT))
    finding = of(drift_findings(warehouse, NIGHT), "churn_risk", "realised")
    assert finding.is_passed
    assert f"; {share}% came true (95% interval " in finding.text_en


def test_the_newest_night_whose_window_is_over_is_judged(warehouse: Warehouse) -> None:
    with_past_night(warehouse, "0.5", days=120)
    newest = NIGHT - timedelta(days=90)
    warehouse.run(f"update scores.nights set as_of = date '{newest}' where as_of < date '{NIGHT}'")
    warehouse.run(f"update scores.customer_days set as_of = date '{newest}' where as_of = date '{NIGHT}' - 120")
    assert f"on {newest} a churn of 50.0%" in of(drift_findings(warehouse, NIGHT), "churn_risk", "realised").text_en


def test_risks_scored_again_for_a_trend_are_no_predictions(warehouse: Warehouse) -> None:
    past = with_past_night(warehouse, "0.5")
    warehouse.run("update scores.customer_days set is_reconstructed = true where as_of = ?", (past,))
    finding = of(drift_findings(warehouse, NIGHT), "churn_risk", "realised")
    assert finding.is_passed
    assert finding.text_en == f"not checked: no customer scored on {past} has a known outcome"


def test_models_trained_before_distributions_were_kept_are_said_to_be_unchecked(warehouse: Warehouse) -> None:
    for kind in ("trust", "churn"):
        edit_card(warehouse, kind, reference=None)
    findings = drift_findings(warehouse, NIGHT)
    assert failed(findings) == []
    assert [finding.rule for finding in findings] == ["reference", "reference", "realised"]
    assert findings[0].text_en.startswith("the trust model was trained before distributions were kept: drift is not")
    assert findings[1].text_zh.startswith("流失模型训练时尚未保存分布")


def test_what_was_found_is_kept_for_the_published_account_and_replaced_by_the_next_look(warehouse: Warehouse) -> None:
    found = check_drift(warehouse, NIGHT)
    assert check_drift(warehouse, NIGHT) == found
    again = [*kept(warehouse, NIGHT, "drift", FEATURES), *kept(warehouse, NIGHT, "drift", "customer_scores")]
    assert sorted(map(str, again)) == sorted(map(str, found))


def test_a_model_may_not_score_without_a_feature_that_it_was_trained_on(warehouse: Warehouse) -> None:
    warehouse.run("alter table features.customer_features drop column recency_days")
    text = r"churn model \S+: features are missing: recency_days; the churn model was trained on them"
    with pytest.raises(UserError, match=text):
        score(warehouse, NIGHT, in_use(warehouse, NIGHT), "run")


def test_the_headline_names_what_moved_farthest_first_and_not_everything(warehouse: Warehouse) -> None:
    warehouse.run(
        "update features.customer_features set order_amount_last = -1, recency_days = 500 + recency_days,"
        " orders_last_90d = 70, orders = 70, categories = 70, channels = 70, purchase_days = 70"
    )
    findings = drift_findings(warehouse, NIGHT)
    moved = failed(findings)
    told = headline(findings)
    assert len(moved) == 7
    assert told.startswith(f"7 of {sum(finding.rule == 'stability_index' for finding in findings)} features and scores")
    assert f"{moved[0].column_name} (PSI " in told
    assert " and 2 more (see data_quality); check first whether the deliveries" in told


def test_the_notice_may_not_come_after_the_warning() -> None:
    agreed = contract("customer_scores")
    limits: dict[str, Any] = {"psi_notice": 0.3, "psi_warning": 0.25, "realised_points": 2, "evidence_points": 10}
    with pytest.raises(ContractError, match=r"setting drift_limits: .*psi_notice must not exceed psi_warning"):
        checked_settings("customer_scores", {**agreed.settings, "drift_limits": limits}, agreed.columns)


def run(landing: Path, warehouse: Path, as_of: date) -> str:
    command = [Path(sys.executable).with_name("trust"), "run", "--landing", landing, "--warehouse", warehouse]
    done = subprocess.run([*map(str, command), "--as-of", str(as_of)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def published(warehouse: Path) -> pl.DataFrame:
    with duckdb.connect(warehouse / "bi.duckdb", read_only=True) as connection:
        return connection.sql("select * from data_quality where check_name like 'drift_%'").pl()


def test_a_night_that_has_moved_warns_and_is_published_all_the_same(
    landing: Path, copied: Path, tmp_path: Path
) -> None:
    models = sorted(path.name for path in (copied / "models").iterdir())
    shutil.copytree(landing, tmp_path / "landing")
    day = NIGHT + timedelta(days=1)
    with duckdb.connect(copied / "warehouse.duckdb", read_only=True) as connection:
        customers = connection.sql("select distinct customer_id from staging.orders order by all").pl()
    dear = customers.with_row_index().select(
        pl.format("dear-{}", "index").alias("order_id"),
        "customer_id",
        ordered_at=pl.lit(f"{day}T10:00:00Z"),
        amount=pl.lit(99_999.0),
        currency=pl.lit("EUR"),
    )
    for file in (tmp_path / "landing" / "purchases").glob(f"{day}.*"):
        file.unlink()
    dear.write_csv(tmp_path / "landing" / "purchases" / f"{day}.csv")
    told = run(tmp_path / "landing", copied, NEXT)
    assert "features and scores have moved since training: " in told
    assert "(PSI " in told
    assert "nothing was retrained because of it" in told
    account = published(copied)
    assert account["as_of"].unique().to_list() == [NEXT]
    moved = account.filter(~pl.col("is_passed"))
    assert {"order_amount_last", "recency_days", "churn_risk"} <= set(moved["column_name"])
    assert set(moved["severity"]) == {"warning"}
    assert sorted(path.name for path in (copied / "models").iterdir()) == models


def test_a_night_like_its_training_says_nothing_of_drift(landing: Path, copied: Path) -> None:
    told = run(landing, copied, NEXT)
    assert "since training" not in told
    account = published(copied)
    assert account["is_passed"].all()
    assert len(account) > 70
