import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from data_contracts import contract
from pipelines.checks.contract_checks import verify
from pipelines.errors import UserError
from pipelines.settings import Settings
from pipelines.validity.backtest_tables import show
from pipelines.validity.backtesting import backtested, to_json
from pipelines.validity.charts import draw, has_glyphs
from pipelines.warehouse import Warehouse
from trust_models.as_of import SCHEMAS

FIRST, LAST = date(2023, 1, 1), date(2023, 11, 5)
RULES = ["bg_nbd", "constant", "hiatus", "mbg_nbd", "pareto_nbd", "recency", "rfm"]
Backtest = Callable[..., dict[str, Any]]


def orders(customers: int) -> pl.DataFrame:
    rng = np.random.default_rng(0)
    rows = []
    for customer in range(customers):
        day, rate, life = float(rng.integers(0, 150)), rng.gamma(1.0, 30.0) + 3.0, rng.exponential(150)
        end = min(day + life, (LAST - FIRST).days)
        while not rows or rows[-1][0] != f"C{customer}" or day < end:
            rows.append((f"C{customer}", FIRST + timedelta(days=int(day)), float(rng.lognormal(3, 1))))
            day += rng.exponential(rate)
    made = pl.DataFrame(
        {
            "order_id": [f"O{number}" for number in range(len(rows))],
            "customer_id": [customer for customer, _, _ in rows],
            "ordered_at": [datetime(day.year, day.month, day.day, 12) for _, day, _ in rows],
            "ordered_date": [day for _, day, _ in rows],
            "known_from": [day for _, day, _ in rows],
            "amount": [amount for _, _, amount in rows],
        }
    ).with_columns(lines=1, products=1, returned_share=0.0)
    return pl.concat([pl.DataFrame(schema=SCHEMAS["orders"]), made], how="diagonal_relaxed")


def fill(folder: Path, customers: int = 600) -> Settings:
    settings = Settings(warehouse=folder)
    with Warehouse(settings) as warehouse:
        for source, schema in SCHEMAS.items():
            warehouse.replace(f"staging.{source}", pl.DataFrame(schema=schema))
        warehouse.replace("staging.orders", orders(customers))
        members = [(f"C{number}", "NS"[number % 2], date(2000, 1, 1)) for number in range(customers - 20)]
        known = pl.DataFrame(members, schema=["customer_id", "region", "known_from"], orient="row")
        blank = pl.DataFrame(schema=SCHEMAS["customers"])
        warehouse.replace("staging.customers", pl.concat([blank, known], how="diagonal_relaxed"))
        night(warehouse, LAST)
        training = {"model": "churn", "is_baseline": False, "metric": "auc", "value": 0.7, "as_of": date(2023, 8, 5)}
        versions = [{"model_version": version, "estimator": "model"} | training for version in ("old", "used")]
        warehouse.replace("meta.model_evaluations", pl.DataFrame(versions))
    return settings


def night(warehouse: Warehouse, as_of: date) -> None:
    row = {"as_of": as_of, "trust_model_version": "trust", "churn_model_version": "used"}
    warehouse.replace("scores.nights", pl.DataFrame([row]))


def run(settings: Settings, cutoffs: int = 2, as_of: date | None = None) -> dict[str, Any]:
    return backtested(settings, cutoffs=cutoffs, as_of=as_of, on_cutoff=lambda _: None)


def published(warehouse: Warehouse) -> pl.DataFrame:
    agreed = contract("model_quality")
    warehouse.run_file("marts/model_quality.sql", "marts.model_quality", agreed.settings)
    assert [finding for finding in verify(warehouse, agreed, "marts") if not finding.is_passed] == []
    return warehouse.table("marts.model_quality")


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return fill(tmp_path_factory.mktemp("backtest") / "warehouse")


@pytest.fixture(scope="module")
def lines() -> list[str]:
    return []


@pytest.fixture(scope="module")
def told(settings: Settings, lines: list[str]) -> dict[str, Any]:
    return backtested(settings, cutoffs=9, as_of=None, on_cutoff=lines.append)


@pytest.fixture
def opened(settings: Settings, told: dict[str, Any]) -> Iterator[Warehouse]:
    with Warehouse(settings) as warehouse:
        yield warehouse


def test_every_cutoff_tells_a_line_while_it_runs(told: dict[str, Any], lines: list[str]) -> None:
    assert len(lines) == len(told["cutoffs"])
    assert lines[0].startswith("  1/3  2023-07-31        600 customers  ")


def test_the_newest_cutoffs_come_first_and_fewer_than_asked_are_said(told: dict[str, Any]) -> None:
    assert [cutoff["day"] for cutoff in told["cutoffs"]] == ["2023-07-31", "2023-06-30", "2023-05-31"]
    assert told["notes"][0]["en"] == "9 cut-offs were asked for; history allows 3."
    assert "只够 3 个" in told["notes"][0]["zh"]


def test_the_json_is_whole_versioned_and_without_nan(told: dict[str, Any]) -> None:
    read = json.loads(to_json(told), parse_constant=lambda text: pytest.fail(text))
    assert (read["format"], read["format_version"], read["as_of"]) == ("indirect-trust/backtest", 1, "2023-11-05")
    for cutoff in read["cutoffs"]:
        assert sorted(row["baseline"] for row in cutoff["comparisons"]) == RULES
        assert {row["basis"] for row in cutoff["gain"]} == {"model", "in_use", *RULES}
        assert {row["group_by"] for row in cutoff["groups"]} == {"region", "tenure"}
        assert {row["group"] for row in cutoff["groups"] if not row["is_judged"]} >= {"unknown"}
        assert {row["basis"] for row in cutoff["calibration"]} == {"model", "in_use", *RULES}
    slopes = [row for row in read["cutoffs"][0]["measures"] if row["metric"] == "calibration_slope"]
    assert {row["basis"] for row in slopes if row["value"] is None} >= {"constant"}


def test_a_night_publishes_the_newest_backtest_beside_the_training_of_its_models(opened: Warehouse) -> None:
    table = published(opened)
    assert set(table["model_version"]) == {"used", "backtest.2023-11-05"}
    assert dict(table.select("model_version", "evaluation").iter_rows()) == {
        "used": "training",
        "backtest.2023-11-05": "backtest",
    }
    trust = table.filter((pl.col("evaluation") == "backtest") & (pl.col("model") == "trust"))
    assert set(trust["estimator"]) == {"trust_experience", "trust_score", "josang", "complaint_free"}
    judged = table.filter((pl.col("evaluation") == "backtest") & (pl.col("model") == "churn"))
    assert judged["as_of"].unique().sort().to_list() == [date(2023, 5, 31), date(2023, 6, 30), date(2023, 7, 31)]
    assert judged["estimator"].unique().sort().to_list() == sorted(["model", "in_use", *RULES])
    assert set(judged.filter("is_baseline")["estimator"]) == set(RULES)
    assert {"auc", "auc_low", "auc_high", "ece", "lift_top_decile"} <= set(judged["metric"])
    assert not judged["value"].is_nan().any()


def test_a_night_does_not_publish_a_backtest_that_knows_more_than_it(opened: Warehouse) -> None:
    night(opened, LAST - timedelta(days=1))
    try:
        assert set(published(opened)["model_version"]) == {"used"}
    finally:
        night(opened, LAST)


def test_the_same_backtest_again_replaces_the_first_and_an_older_one_steps_back(tmp_path: Path) -> None:
    settings = fill(tmp_path / "warehouse", customers=60)
    run(settings, cutoffs=1)
    with Warehouse(settings) as warehouse:
        once = published(warehouse), warehouse.table("meta.backtest_groups")
    run(settings, cutoffs=1, as_of=LAST - timedelta(days=3))
    run(settings, cutoffs=1)
    with Warehouse(settings) as warehouse:
        assert published(warehouse).equals(once[0])
        kept = warehouse.table("meta.backtest_groups").filter(pl.col("known_at") == LAST)
        assert kept.equals(once[1])


def test_pictures_are_drawn_in_both_languages(told: dict[str, Any]) -> None:
    files = {Path(file).name: Path(file) for file in told["pictures"]}
    expected = {f"{name}.{lang}.svg" for name in ("calibration", "gain") for lang in ("en", "zh")}
    assert expected | {"calibration.en.png", "gain.en.png"} <= set(files)
    assert ("gain.zh.png" in files) == has_glyphs("模型")
    assert files["gain.en.png"].read_bytes().startswith(b"\x89PNG")
    english, chinese = (files[f"calibration.{lang}.svg"].read_text("utf-8") for lang in ("en", "zh"))
    for text in ("Does the predicted churn risk come true?", "Share lost within 90 days", "2023-07-31", "Ideal"):
        assert text in english
    for text in ("预测的流失风险是否应验？", "90 天内流失比例", "2023-07-31", "理想"):
        assert text in chinese


def test_characters_without_a_font_are_noticed() -> None:
    assert has_glyphs("Model")
    assert not has_glyphs("\ue123\ue124")


def test_a_picture_of_an_earlier_backtest_does_not_stay(
    told: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gain.zh.png").write_bytes(b"old")
    monkeypatch.setattr("pipelines.validity.charts.has_glyphs", lambda text: text == "Model")
    files = draw(told, tmp_path)
    assert sorted(file.name for file in files) == sorted(file.name for file in tmp_path.iterdir())
    assert "gain.zh.png" not in [file.name for file in files]


def test_a_person_sees_whether_each_baseline_is_beaten(
    told: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    show(told)
    text = capsys.readouterr().out
    assert "\x1b" not in text
    assert "Does the model beat the baselines?" in text
    constant = next(line for line in text.splitlines() if line.strip().startswith("constant"))
    assert constant.count("beaten") == 3
    assert "3 of 3" in constant
    assert "note: 9 cut-offs were asked for; history allows 3." in text
    assert "region unknown (20)" in " ".join(text.split())


def test_a_baseline_that_is_not_beaten_stands_out(told: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    lost = json.loads(json.dumps(told))
    for row in lost["cutoffs"][0]["comparisons"]:
        row["verdict"] = "worse" if row["baseline"] == "rfm" else "unclear"
    show(lost)
    text = capsys.readouterr().out
    assert "NOT BEATEN" in next(line for line in text.splitlines() if line.strip().startswith("rfm"))
    assert "level" in next(line for line in text.splitlines() if line.strip().startswith("hiatus"))


@pytest.mark.parametrize(
    ("as_of", "text"),
    [
        (date(2023, 11, 6), "the last night was that of 2023-11-05; run 'trust run --as-of 2023-11-06' first"),
        (date(2023, 7, 1), "history is too short for a backtest: it needs a month end with 90 days to judge after it"),
    ],
)
def test_what_a_backtest_lacks_is_said_in_one_line(settings: Settings, as_of: date, text: str) -> None:
    with pytest.raises(UserError, match=text) as error:
        run(settings, as_of=as_of)
    assert "\n" not in str(error.value)


def test_a_leak_ends_in_one_line_that_names_the_feature(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trust_models.as_of._known", lambda frame, *_: frame.drop("known_from", "known_until"))
    with pytest.raises(UserError, match=r"the backtest was stopped: the feature \w+ .*knows the future"):
        run(settings, cutoffs=1)


def test_without_a_warehouse_or_a_night_it_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no warehouse; run 'trust run' first"):
        run(Settings(warehouse=tmp_path / "nowhere"))
    with Warehouse(Settings(warehouse=tmp_path / "empty")):
        pass
    with pytest.raises(UserError, match="no night has been completed; run 'trust run' first"):
        run(Settings(warehouse=tmp_path / "empty"))


def test_the_command_writes_the_file_and_fails_in_one_line(tmp_path: Path) -> None:
    folder = fill(tmp_path / "warehouse", customers=60).warehouse
    trust, file = Path(sys.executable).with_name("trust"), tmp_path / "backtest.json"
    command = [trust, "backtest", "--warehouse", folder, "--cutoffs", "1"]
    done = subprocess.run([*command, "--json", file], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "1/1  2023-07-31" in done.stdout
    assert len(json.loads(file.read_text("utf-8"))["cutoffs"]) == 1
    failed = subprocess.run([*command, "--as-of", "2024-01-01"], capture_output=True, text=True)
    assert failed.returncode == 1
    assert len(failed.stderr.strip().splitlines()) == 1
    refused = subprocess.run([*command, "--json", tmp_path / "no" / "file.json"], capture_output=True, text=True)
    assert refused.returncode == 2
