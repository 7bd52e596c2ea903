"""Nights on Spark: the same tables as on one machine, also over Connect, and also where a worker is lost meanwhile."""

import os
import subprocess
import sys
import time
from pathlib import Path

import duckdb
import pytest
import spark_cluster
from nights import Place, clean_environment, content, differences

pytestmark = pytest.mark.slow

FIRST, NEXT = "2024-02-03", "2024-02-04"


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The landing zone of a company of two thousand customers; without what a cluster needs, tests are skipped."""
    if why := spark_cluster.missing():
        (pytest.fail if os.environ.get(spark_cluster.NEEDED) else pytest.skip)(why)
    out = tmp_path_factory.mktemp("company") / "sim"
    size = ("--customers", "2000", "--days", "400", "--seed", "3")
    command = [Path(sys.executable).with_name("trust"), "simulate", out, *size]
    subprocess.run(command, check=True, capture_output=True, env=clean_environment(out))
    return out / "landing"


@pytest.fixture(scope="module")
def before(company: Path, tmp_path_factory: pytest.TempPathFactory) -> Place:
    """The first night on this machine alone; the two tests of the next night start from it."""
    place = Place(tmp_path_factory.mktemp("before") / "place").made()
    spark_cluster.ended(spark_cluster.night(company, place, FIRST), place)
    return place


def assert_same(place: Place, expected: Place) -> None:
    for file in ("warehouse.duckdb", "bi.duckdb"):
        here, there = place.warehouse / file, expected.warehouse / file
        assert differences(content(here), content(there)) == []
        assert _columns(here) == _columns(there)
    assert place.unfinished() == []


def _columns(file: Path) -> list[tuple[str, ...]]:
    """Every column with its type: a table may hold the same values in another one."""
    with duckdb.connect(str(file), read_only=True) as connection:
        return connection.execute(
            "select schema_name, table_name, column_name, data_type from duckdb_columns()"
            " where not internal order by all"
        ).fetchall()


def test_a_first_night_over_spark_connect_is_that_of_one_machine(company: Path, before: Place, tmp_path: Path) -> None:
    place = Place(tmp_path / "place").made()
    with spark_cluster.connect(tmp_path / "cluster") as cluster:
        begun = spark_cluster.night(company, place, FIRST, "--engine", "spark", TRUST_SPARK_REMOTE=cluster.url)
        spark_cluster.ended(begun, place)
    assert_same(place, before)


def test_a_night_that_loses_a_worker_ends_well_and_is_that_of_one_machine(
    company: Path, before: Place, tmp_path: Path
) -> None:
    alone, place = before.copied_to(tmp_path / "alone"), before.copied_to(tmp_path / "place")
    spark_cluster.ended(spark_cluster.night(company, alone, NEXT, "--full"), alone)
    shared = tmp_path / "shared"
    shared.mkdir()
    with spark_cluster.standalone(tmp_path / "cluster") as cluster:
        where = {"TRUST_SPARK_MASTER": cluster.url, "TRUST_SPARK_SHARED": str(shared)}
        begun = spark_cluster.night(company, place, NEXT, "--full", "--engine", "spark", **where)
        lost = cluster.processes[1]
        done, parts = _wait_for_some_parts(begun, shared)
        assert len(spark_cluster.session_of(lost)) > 1  # its executor is at work
        spark_cluster.kill_session(lost)
        assert 0 < done < parts
        spark_cluster.ended(begun, place)
    assert_same(place, alone)
    assert list(shared.iterdir()) == []


def _wait_for_some_parts(night: subprocess.Popen[str], shared: Path) -> tuple[int, int]:
    """Wait until the workers have finished one part of a table but not all; how many, and how many there are."""
    until = time.monotonic() + spark_cluster.SECONDS
    while time.monotonic() < until and night.poll() is None:
        done = len(list(shared.glob(".parts-*/*/out/[0-9]*")))
        if done:
            return done, len(list(shared.glob(".parts-*/*/in/[0-9]*")))
        time.sleep(0.02)
    raise AssertionError("no part was done")
