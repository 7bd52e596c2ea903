import hashlib
import json
import shutil
import subprocess
import sys
from datetime import date
from pathlib import Path

import duckdb
import polars as pl
import pytest

TRUST = Path(sys.executable).with_name("trust")
EARLIER, LAST = date(2024, 3, 2), date(2024, 3, 5)
"""A Sunday, on which models are trained, lies between the two nights."""


def trust(*arguments: object, check: bool = True) -> subprocess.CompletedProcess[str]:
    done = subprocess.run([TRUST, *map(str, arguments)], capture_output=True, text=True)
    if check:
        assert done.returncode == 0, done.stdout + done.stderr
    return done


def night(landing: Path, warehouse: Path, as_of: date, check: bool = True) -> subprocess.CompletedProcess[str]:
    return trust("run", "--landing", landing, "--warehouse", warehouse, "--as-of", as_of, check=check)


def published(warehouse: Path, table: str, columns: str = "*") -> pl.DataFrame:
    with duckdb.connect(warehouse / "bi.duckdb", read_only=True) as connection:
        return connection.sql(f"select {columns} from {table} order by all").pl()


def parquet_bytes(warehouse: Path, table: str, folder: Path) -> bytes:
    target = folder / f"{table}.parquet"
    with duckdb.connect(warehouse / "bi.duckdb", read_only=True) as connection:
        connection.execute(f"copy (select * from {table} order by all) to '{target}' (format parquet)")
    return target.read_bytes()


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("company")
    trust("simulate", out / "sim", "--customers", 500, "--days", 430, "--seed", 3)
    return out / "sim"


@pytest.fixture(scope="module")
def warehouse(company: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("nights") / "warehouse"
    night(company / "landing", folder, EARLIER)
    night(company / "landing", folder, LAST)
    return folder


@pytest.fixture
def copied(warehouse: Path, tmp_path: Path) -> Path:
    shutil.copytree(warehouse, tmp_path / "warehouse")
    return tmp_path / "warehouse"


def test_every_customer_with_a_purchase_by_the_day_is_scored_once(company: Path, warehouse: Path) -> None:
    lines = pl.concat(
        [
            pl.read_parquet(next((company / "landing" / "purchases").glob("*.parquet"))).select("customer_id"),
            *(
                pl.read_csv(file).select("customer_id")
                for file in sorted((company / "landing" / "purchases").glob("*.csv.gz"))
                if file.name[:10] <= LAST.isoformat()
            ),
        ]
    )
    scores = published(warehouse, "customer_scores")
    assert scores["customer_id"].is_unique().all()
    assert set(scores["customer_id"]) == set(lines["customer_id"])
    assert scores["churn_risk"].is_between(0, 1).all()
    assert scores["trust_score"].is_between(0, 100).all()


def test_the_same_day_again_gives_the_same_bytes(company: Path, copied: Path, tmp_path: Path) -> None:
    tables = (
        "customer_scores",
        "customer_scores_history",
        "customer_reasons",
        "trust_changes",
        "segment_summary",
        "data_quality",
    )
    before = {table: parquet_bytes(copied, table, tmp_path) for table in tables}
    night(company / "landing", copied, LAST)
    assert {table: parquet_bytes(copied, table, tmp_path) for table in tables} == before


def test_nights_in_another_order_give_the_same_scores(company: Path, warehouse: Path, tmp_path: Path) -> None:
    other = tmp_path / "warehouse"
    night(company / "landing", other, LAST)
    night(company / "landing", other, EARLIER)
    for table in ("customer_scores", "customer_scores_history", "customer_reasons", "trust_changes"):
        assert published(other, table).equals(published(warehouse, table)), table


def test_every_customer_has_an_opinion_on_each_dimension_that_the_data_speak_of(warehouse: Path) -> None:
    opinions = published(warehouse, "customer_dimensions")
    scores = published(warehouse, "customer_scores")
    spoken = [name for name in sorted(opinions["dimension"].unique()) if scores[f"trust_{name}"].null_count() == 0]
    assert len(opinions) == len(scores) * len(spoken) > 0
    assert opinions.select((pl.sum_horizontal("belief", "disbelief", "uncertainty") - 1).abs().max()).item() < 1e-9
    expected = 100 * (pl.col("belief") + pl.col("base_rate") * pl.col("uncertainty"))
    assert opinions.select((pl.col("score") - expected).abs().max()).item() <= 0.05 + 1e-9


def test_what_changed_adds_up_and_is_told_of_those_whose_scores_are_published(warehouse: Path) -> None:
    changes, scores = published(warehouse, "trust_changes"), published(warehouse, "customer_scores")
    own = changes.group_by("customer_id").agg(
        pl.col("contribution").sum(), pl.col("trust_change", "trust_score", "trust_score_before").first()
    )
    assert len(own) > 0
    assert (own["contribution"] - own["trust_change"]).abs().max() < 1e-9
    both = own.join(scores.select("customer_id", "trust_score"), on="customer_id", suffix="_published")
    assert len(both) == len(own)
    assert (both["trust_score"] == both["trust_score_published"]).all()
    run = published(warehouse, "run_info").row(0, named=True)
    assert (run["customers_moved_up"], run["customers_moved_down"]) == (
        (own["trust_change"] > 0).sum(), (own["trust_change"] < 0).sum()
    )  # fmt: skip
    assert (own["trust_change"].abs() >= run["trust_change_limit"] - 1e-9).all()
    assert (
        changes.select((pl.col("text_en").str.extract(r"\((.)\d") == "+") == (pl.col("contribution") > 0))
        .to_series()
        .all()
    )


def test_a_refit_says_how_far_scores_moved(warehouse: Path) -> None:
    measures = published(warehouse, "model_quality").filter(pl.col("model") == "trust")
    values = dict(measures.select("metric", "value").iter_rows())
    assert 0 < values["score_shift_mean"] < 20
    assert 0.5 < values["score_shift_rank_correlation"] <= 1
    assert values["half_life_days"] >= 90


def test_the_published_tables_all_speak_of_one_day(warehouse: Path) -> None:
    for table in ("customer_scores", "customer_reasons", "segment_summary", "data_quality", "run_info"):
        assert published(warehouse, table, "distinct as_of")["as_of"].to_list() == [LAST], table


def test_history_holds_each_night_and_reconstructed_month_ends(warehouse: Path) -> None:
    days = published(warehouse, "customer_scores_history", "distinct as_of, is_reconstructed")
    nights = days.filter(~pl.col("is_reconstructed"))["as_of"].to_list()
    assert nights == [EARLIER, LAST]
    reconstructed = days.filter("is_reconstructed")["as_of"]
    assert (reconstructed < EARLIER).all()
    assert reconstructed.len() >= 6


def test_a_bad_delivery_stops_the_night_and_leaves_what_was_published(
    company: Path, copied: Path, tmp_path: Path
) -> None:
    landing = tmp_path / "landing"
    shutil.copytree(company / "landing", landing)
    before = hashlib.sha256((copied / "bi.duckdb").read_bytes()).hexdigest()
    for file in (landing / "complaints").glob(f"{LAST}.*"):
        file.unlink()
    (landing / "complaints" / f"{LAST}.csv").write_text("complaint_id;customer_id\n")
    with duckdb.connect(copied / "warehouse.duckdb") as connection:
        connection.execute("delete from raw.purchases where load_date = ?", [LAST])
        connection.execute("delete from meta.loads where source = 'purchases' and load_date = ?", [LAST])
    done = night(landing, copied, LAST, check=False)
    assert done.returncode == 1
    assert (
        "complaints/2024-03-05.csv line 1: columns are separated by semicolons; export the file with commas"
        in done.stderr
    )
    assert "Traceback" not in done.stderr
    assert hashlib.sha256((copied / "bi.duckdb").read_bytes()).hexdigest() == before
    with duckdb.connect(copied / "warehouse.duckdb", read_only=True) as connection:
        loaded = connection.execute("select count(*) from raw.purchases where load_date = ?", [LAST]).fetchall()
    assert loaded[0][0] > 0


def test_a_model_whose_file_changed_is_refused_in_one_line(company: Path, copied: Path) -> None:
    file = max((copied / "models").glob("trust-*")) / "model.skops"
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    done = night(company / "landing", copied, LAST, check=False)
    assert done.returncode == 1
    assert "is not the file that was registered (SHA-256 differs); run 'trust train'" in done.stderr


def test_a_refit_is_evaluated_beside_the_baselines(company: Path, copied: Path) -> None:
    done = trust("train", "--landing", company / "landing", "--warehouse", copied, "--as-of", LAST, "--json")
    told = json.loads(done.stdout)
    estimators = {row["estimator"] for row in told["quality"]}
    assert {"constant", "recency", "hiatus"} <= estimators
    assert told["churn_model_version"].startswith(LAST.isoformat())


def test_a_customer_is_explained_in_both_languages(warehouse: Path) -> None:
    scores = published(warehouse, "customer_scores", "customer_id, churn_status")
    customer = scores.filter(pl.col("churn_status") == "active")["customer_id"][0]
    english = trust("explain", customer, "--warehouse", warehouse).stdout
    chinese = trust("explain", customer, "--warehouse", warehouse, "--lang", "zh").stdout
    assert "Risk of being lost within 90 days" in english
    assert "90 天内流失的风险" in chinese
    moved = published(warehouse, "trust_changes").row(0, named=True)
    assert moved["text_en"] in trust("explain", moved["customer_id"], "--warehouse", warehouse).stdout
    told = json.loads(trust("explain", customer, "--warehouse", warehouse, "--json").stdout)
    assert told["scores"]["customer_id"] == customer


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (
            ("run", "--landing", "no-such-folder"),
            "there is no landing folder; create it or name another with --landing",
        ),
        (("explain", "nobody", "--warehouse", "no-such-folder"), "there is no warehouse; run 'trust run' first"),
    ],
)
def test_what_a_person_can_mend_is_said_in_one_line(arguments: tuple[str, ...], text: str) -> None:
    done = trust(*arguments, check=False)
    assert done.returncode == 1
    assert text in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize(
    "arguments",
    [("run", "--as-of", "tomorrow"), ("simulate", "out", "--company", "bakery"), ("explain", "x", "--lang", "fr")],
)
def test_wrong_usage_exits_with_two(arguments: tuple[str, ...]) -> None:
    assert trust(*arguments, check=False).returncode == 2


def test_a_day_without_deliveries_is_refused_with_the_days_that_can_be_had(company: Path, tmp_path: Path) -> None:
    done = night(company / "landing", tmp_path / "warehouse", date(2020, 1, 1), check=False)
    assert done.returncode == 1
    assert "--as-of 2020-01-01: there can be no night of that day; choose one from 2024-02-" in done.stderr


def test_two_nights_at_once_do_not_hurt_each_other(company: Path, copied: Path) -> None:
    with duckdb.connect(copied / "warehouse.duckdb"):
        done = night(company / "landing", copied, LAST, check=False)
    assert done.returncode == 3
    assert "another process is using the warehouse; wait until it has ended" in done.stderr
