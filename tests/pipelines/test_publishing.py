import os
import subprocess
import sys
from datetime import date

import duckdb
import pytest

from data_contracts import Contract, contract
from data_contracts.sql import create_table
from pipelines.bi import publishing
from pipelines.bi.publishing import publish
from pipelines.errors import UserError

CONTRACTS: tuple[Contract, ...] = (contract("customer_reasons"), contract("model_quality"))


@pytest.fixture
def marts(warehouse):
    for agreed in CONTRACTS:
        warehouse.run(create_table(agreed, "marts", {}))
    warehouse.run(
        "insert into marts.customer_reasons by name select 'C1' as customer_id, date '2024-01-10' as as_of,"
        " 'trust' as score, 1 as rank, 'd' as driver, 0.5 as contribution, 'why' as text_en, '为何' as text_zh"
    )
    return warehouse


@pytest.fixture
def target(marts):
    return marts.settings.warehouse / "bi.duckdb"


def published(target, query):
    with duckdb.connect(str(target), read_only=True) as connection:
        return connection.execute(query).fetchall()


def test_every_mart_is_published_with_its_rows(marts, target):
    assert publish(marts, CONTRACTS, target) == {"customer_reasons": 1, "model_quality": 0}
    assert published(target, "select customer_id, as_of, text_zh from customer_reasons") == [
        ("C1", date(2024, 1, 10), "为何")
    ]
    assert published(target, "select table_name from duckdb_tables() order by all") == [
        ("customer_reasons",),
        ("model_quality",),
    ]


def test_the_file_has_the_format_that_older_clients_read(marts, target):
    publish(marts, CONTRACTS, target)
    with target.open("rb") as file:
        head = file.read(20)
    assert head[8:12] == b"DUCK"
    assert int.from_bytes(head[12:20], "little") == 64  # of DuckDB 0.9 to 1.1; 1.2 wrote 65 and later ones more
    tags = published(target, "select tags from duckdb_databases() where database_name = 'bi'")[0][0]
    assert tags["storage_version"].startswith("v1.0.0")


def test_every_table_and_column_carries_a_comment_in_both_languages(marts, target):
    publish(marts, CONTRACTS, target)
    told = "select comment from duckdb_tables() union all select comment from duckdb_columns() where not internal"
    comments = published(target, told)
    assert len(comments) == sum(1 + len(agreed.columns) for agreed in CONTRACTS)
    assert all(comment and " / " in comment and not comment.isascii() for (comment,) in comments)


def test_the_file_stands_alone(marts, target):
    publish(marts, CONTRACTS, target)
    left = sorted(path.name for path in target.parent.iterdir() if path.is_file() and "warehouse" not in path.name)
    assert left == ["bi.duckdb"]


def test_a_second_night_replaces_the_first(marts, target):
    publish(marts, CONTRACTS, target)
    marts.run("update marts.customer_reasons set customer_id = 'C2'")
    publish(marts, CONTRACTS, target)
    assert published(target, "select customer_id from customer_reasons") == [("C2",)]


@pytest.mark.parametrize(
    "step",
    [
        "pipelines.bi.publishing._copy",
        "pipelines.bi.publishing.comments",
        "pipelines.bi.publishing._verified",
        "pipelines.storage.durable_files.sync",
        "os.replace",
    ],
)
def test_a_failure_leaves_the_old_file_and_the_next_night_works(marts, target, monkeypatch, step):
    publish(marts, CONTRACTS, target)
    marts.run("update marts.customer_reasons set customer_id = 'C2'")

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(step, fail)
    with pytest.raises(OSError, match="disk full"):
        publish(marts, CONTRACTS, target)
    monkeypatch.undo()
    assert published(target, "select customer_id from customer_reasons") == [("C1",)]
    assert not target.with_name(".bi.duckdb.building").exists()
    publish(marts, CONTRACTS, target)
    assert published(target, "select customer_id from customer_reasons") == [("C2",)]


def test_what_a_killed_night_left_behind_is_no_obstacle(marts, target):
    building = target.with_name(".bi.duckdb.building")
    building.write_bytes(b"half a file")
    building.with_name(building.name + ".wal").write_bytes(b"half a log")
    publish(marts, CONTRACTS, target)
    assert published(target, "select count(*) from customer_reasons") == [(1,)]
    assert not building.exists()


def test_the_file_is_on_disk_before_it_takes_the_place_of_the_old_one(marts, target, monkeypatch):
    steps = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr("os.fsync", lambda descriptor: (steps.append("sync"), fsync(descriptor)))
    monkeypatch.setattr("os.replace", lambda old, new: (steps.append("replace"), replace(old, new)))
    publish(marts, CONTRACTS, target)
    assert steps == ["sync", "replace", "sync"]


def test_a_file_that_does_not_hold_what_was_made_is_not_published(marts, target, monkeypatch):
    publish(marts, CONTRACTS, target)
    marts.run("update marts.customer_reasons set customer_id = 'C2'")
    copy = publishing._copy

    def lose_rows(warehouse, agreed):
        copy(warehouse, agreed)
        warehouse.run(f"delete from published.main.{agreed.name}")

    monkeypatch.setattr(publishing, "_copy", lose_rows)
    with pytest.raises(UserError) as caught:
        publish(marts, CONTRACTS, target)
    assert str(caught.value) == (
        "bi.duckdb: the new customer_reasons does not hold what the night made (0 rows read back, 1 made); what was"
        " published before stands; check the disk and run the night again"
    )
    assert published(target, "select customer_id from customer_reasons") == [("C1",)]


def test_a_value_that_changed_on_the_way_is_noticed(marts, target, monkeypatch):
    copy = publishing._copy

    def change(warehouse, agreed):
        copy(warehouse, agreed)
        if agreed.name == "customer_reasons":
            warehouse.run("update published.main.customer_reasons set contribution = 0.6")

    monkeypatch.setattr(publishing, "_copy", change)
    with pytest.raises(UserError, match=r"the new customer_reasons does not hold what the night made \(1 rows read"):
        publish(marts, CONTRACTS, target)
    assert not target.exists()


def test_tables_of_different_nights_are_not_published_together(marts, target):
    dimensions = contract("customer_dimensions")
    values = {"VARCHAR": "'x'", "DOUBLE": "0.5", "DATE": "date '2024-01-11'", "BOOLEAN": "true", "BIGINT": "1"}
    row = ", ".join(f"{values[column.type]} as {column.name}" for column in dimensions.columns)
    marts.run(create_table(dimensions, "marts", {}))
    marts.run(f"insert into marts.customer_dimensions by name select {row}")
    with pytest.raises(UserError) as caught:
        publish(marts, (*CONTRACTS, dimensions), target)
    assert str(caught.value) == (
        "bi.duckdb: the new tables tell of different days (customer_reasons of 2024-01-10, customer_dimensions of"
        " 2024-01-11); what was published before stands; run the newest night again"
    )
    assert not target.exists()


READER = """
import sys, duckdb
with duckdb.connect(sys.argv[1], read_only=True) as connection:
    for line in sys.stdin:
        print(connection.execute("select customer_id from customer_reasons").fetchone()[0], flush=True)
"""


def test_a_reader_in_another_process_keeps_reading_what_it_opened(marts, target):
    publish(marts, CONTRACTS, target)
    with subprocess.Popen(
        [sys.executable, "-c", READER, str(target)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as reader:
        assert reader.stdin is not None
        assert reader.stdout is not None

        def ask() -> str:
            print("?", file=reader.stdin, flush=True)
            return reader.stdout.readline().strip()

        assert ask() == "C1"
        marts.run("update marts.customer_reasons set customer_id = 'C2'")
        publish(marts, CONTRACTS, target)
        assert ask() == "C1"
        assert published(target, "select customer_id from customer_reasons") == [("C2",)]
        reader.stdin.close()
        assert reader.wait() == 0
