import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import duckdb
import polars as pl
import pytest
from nights import Place, clean_environment

from data_contracts import landing_contracts

pytestmark = pytest.mark.slow

TRUST = Path(sys.executable).with_name("trust")
NIGHT = "2023-10-02"
KEY = "correct horse battery staple 12345"
FREE = "Zz9 told us"
"""Stands in every text that is neither an id, nor of a closed list, nor the name of a group of customers."""

GROUPS = {"customers": {"segment", "region"}, "purchases": {"category", "channel"}}


@dataclass
class Company:
    landing: Path
    gone: str
    others: list[str]


def trust(place: Place, landing: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    told = clean_environment(landing) | {"DAGSTER_HOME": str(place.home), "TRUST_WAREHOUSE": str(place.warehouse)}
    return subprocess.run([TRUST, *arguments], env=told | environment, capture_output=True, text=True)


def free_columns() -> dict[str, set[str]]:
    return {
        source.name: {
            column.name
            for column in source.columns
            if column.type == "VARCHAR"
            and not column.allowed
            and not column.name.endswith("_id")
            and column.name not in {"currency", *GROUPS.get(source.name, ())}
        }
        for source in landing_contracts()
    }


def rewritten(file: Path, source: str) -> pl.DataFrame:
    frame = pl.read_parquet(file)
    free = [name for name in free_columns()[source] & set(frame.columns) if frame[name].dtype == pl.String]
    told = [pl.when(pl.col(name).is_not_null()).then(pl.lit(f"{FREE} {name}")).alias(name) for name in free]
    ids = [pl.lit("CUSTOMER-") + pl.col("customer_id")] if "customer_id" in frame.columns else []
    return frame.with_columns(*told, *(one.alias("customer_id") for one in ids))


@pytest.fixture(scope="module")
def delivered(company: Path, tmp_path_factory: pytest.TempPathFactory) -> Company:
    """The first deliveries of the tiny company under long ids, with rows that are refused and a broken line."""
    landing = tmp_path_factory.mktemp("persons") / "landing"
    for file in company.glob("*/*.parquet"):
        goal = landing / file.relative_to(company)
        goal.parent.mkdir(parents=True, exist_ok=True)
        rewritten(file, goal.parent.name).write_parquet(goal)
    complaints = pl.read_parquet(landing / "complaints" / "*.parquet").sort("opened_at")
    gone = complaints[1:].filter(pl.col("category") == "product_quality")["customer_id"][-1]
    customers = pl.read_parquet(landing / "customers" / "*.parquet")
    text = customers.with_columns(joined_at=pl.col("joined_at").dt.to_string("iso")).head(120).write_csv()
    refused = f"{gone},never,consumer,west,C,false\n"
    (landing / "customers" / f"{NIGHT}.csv").write_text(f"{text}{refused}{gone} is no row\n")
    return Company(landing, gone, sorted(set(customers["customer_id"]) - {gone}))


@pytest.fixture(scope="module")
def before(delivered: Company, tmp_path_factory: pytest.TempPathFactory) -> Place:
    place = Place(tmp_path_factory.mktemp("before")).made()
    done = trust(place, delivered.landing, "run", "--as-of", NIGHT)
    assert done.returncode == 0, done.stderr
    return place


def holding(folder: Path, text: str) -> list[str]:
    found = [path for path in folder.rglob("*") if path.is_file() and text.encode() in path.read_bytes()]
    return sorted(path.relative_to(folder).as_posix() for path in found)


def tables_with(database: Path, text: str) -> list[str]:
    with duckdb.connect(str(database), read_only=True) as connection:
        columns = connection.execute(
            "select schema_name, table_name, column_name from duckdb_columns() where not internal"
        ).fetchall()
        return [
            f"{schema}.{table}.{column}"
            for schema, table, column in columns
            if connection.execute(
                f'select count(*) from "{schema}"."{table}" where contains(cast("{column}" as varchar), ?)', [text]
            ).fetchall()[0][0]
        ]


def scores(place: Place) -> pl.DataFrame:
    with duckdb.connect(str(place.warehouse / "warehouse.duckdb"), read_only=True) as connection:
        return connection.sql(
            "select customer_id, trust_score, trust_low, trust_high, trust_experience, churn_risk"
            f" from scores.customer_days where as_of = '{NIGHT}' and not is_reconstructed order by customer_id"
        ).pl()


def test_no_free_text_reaches_what_is_published(before):
    assert tables_with(before.warehouse / "warehouse.duckdb", FREE) != []
    assert tables_with(before.bi, FREE) == []
    assert FREE.encode() not in before.bi.read_bytes()


def test_an_erased_customer_is_nowhere_and_the_others_scores_stay_bit_for_bit(before, delivered, tmp_path):
    place = before.copied_to(tmp_path / "place")
    backups = tmp_path / "backups"
    assert trust(place, delivered.landing, "backup", str(backups)).returncode == 0
    assert tables_with(place.bi, delivered.gone) != []
    assert tables_with(place.warehouse / "warehouse.duckdb", delivered.gone) != []
    held = scores(place)

    done = trust(place, delivered.landing, "erase", delivered.gone, "--yes", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(done.stdout)
    assert (told["is_complete"], len(told["places"])) == (True, 2)
    assert told["places"][0]["rows_deleted"]["quarantine.customers"] == 2
    assert {file.split("/")[0] for file in told["landing_files_with_the_id"]} >= {
        "purchases",
        "customers",
        "complaints",
    }
    (backup,) = backups.iterdir()
    for folder in (place.warehouse, backup, place.home):
        assert holding(folder, delivered.gone) == []
    for folder in (place.warehouse, backup):
        for name in ("warehouse.duckdb", "bi.duckdb"):
            assert tables_with(folder / name, delivered.gone) == []

    customers = delivered.landing / "customers" / f"{NIGHT}.csv"
    original = customers.read_text()
    try:
        customers.write_text(original.replace("consumer", "business", 1))
        done = trust(place, delivered.landing, "run", "--as-of", NIGHT)
    finally:
        customers.write_text(original)
    assert done.returncode == 0, done.stderr
    assert scores(place).equals(held.filter(pl.col("customer_id") != delivered.gone))
    assert len(held) == len(scores(place)) + 1
    for folder in (place.warehouse, place.home):
        assert holding(folder, delivered.gone) == []

    restored = tmp_path / "restored"
    done = trust(place, delivered.landing, "restore", str(backup), "--warehouse", str(restored))
    assert done.returncode == 0, done.stderr
    assert holding(restored, delivered.gone) == []


def test_a_night_that_failed_after_scoring_is_not_published_by_an_erasure(before, delivered, tmp_path):
    place = before.copied_to(tmp_path / "place")
    with duckdb.connect(str(place.warehouse / "warehouse.duckdb")) as connection:
        connection.execute("update scores.nights set run_id = 'failed', currency = 'XXX'")
    assert trust(place, delivered.landing, "erase", delivered.gone, "--yes").returncode == 0
    assert tables_with(place.bi, delivered.gone) == []
    with duckdb.connect(str(place.bi), read_only=True) as connection, duckdb.connect(str(before.bi)) as old:
        query = "select * from run_info"
        assert connection.execute(query).fetchall() == old.execute(query).fetchall()
        comments = "select table_name, column_name, comment from duckdb_columns() where not internal order by all"
        assert connection.execute(comments).fetchall() == old.execute(comments).fetchall()
        rows = "select count(*) from customer_scores"
        assert connection.execute(rows).fetchall()[0][0] == old.execute(rows).fetchall()[0][0] - 1


def test_with_a_key_no_id_is_in_any_file_and_a_person_is_found_by_the_plain_id(delivered, tmp_path):
    place = Place(tmp_path / "hidden").made()
    done = trust(place, delivered.landing, "run", "--as-of", NIGHT, TRUST_PSEUDONYM_KEY=KEY)
    assert done.returncode == 0, done.stderr
    for folder in (place.warehouse, place.home):
        assert holding(folder, "CUSTOMER-") == holding(folder, KEY) == []
    assert KEY not in done.stdout + done.stderr
    told = trust(place, delivered.landing, "explain", delivered.gone, "--json", TRUST_PSEUDONYM_KEY=KEY)
    pseudonym = json.loads(told.stdout)["scores"]["customer_id"]
    assert len(pseudonym) == 64
    again = trust(place, delivered.landing, "explain", pseudonym, "--json", TRUST_PSEUDONYM_KEY=KEY)
    assert again.stdout == told.stdout
    bare = trust(place, delivered.landing, "run", "--as-of", NIGHT)
    assert bare.returncode == 1
    assert "TRUST_PSEUDONYM_KEY is not set" in bare.stderr
    done = trust(place, delivered.landing, "erase", delivered.gone, "--yes", TRUST_PSEUDONYM_KEY=KEY)
    assert done.returncode == 0, done.stdout
    assert holding(place.warehouse, pseudonym) == []
    shutil.rmtree(place.folder)
