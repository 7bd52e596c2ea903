import duckdb
import pytest
import sqlalchemy as sa

from pipelines.checks.contract_checks import _context


@pytest.fixture
def source(warehouse):
    from pipelines.checks.gx_duckdb import DuckDBDatasource

    warehouse.run("create table raw.thing (a varchar not null, b double, c timestamp, d hugeint)")
    warehouse.run("insert into raw.thing values ('x', 1, null, 1), ('y', 2, null, 2)")
    source = _context().data_sources.add_or_update_duckdb("test", connection_string="duckdb://")
    assert isinstance(source, DuckDBDatasource)
    yield source.on_cursor(warehouse.cursor)
    source.release()


def test_it_reads_what_the_open_warehouse_holds_and_no_copy_of_it(source, warehouse):
    with source.get_engine().connect() as connection:
        warehouse.run("insert into raw.thing values ('z', 3, null, 3)")
        assert connection.execute(sa.text("select count(*) from raw.thing where b > :b"), {"b": 1}).scalar() == 2


def test_it_knows_schemas_tables_and_columns(source):
    inspector = sa.inspect(source.get_engine())
    assert "raw" in inspector.get_schema_names()
    assert inspector.has_table("thing", schema="raw")
    assert not inspector.has_table("thing")
    columns = inspector.get_columns("thing", schema="raw")
    assert [(column["name"], type(column["type"]), column["nullable"]) for column in columns] == [
        ("a", sa.String, False),
        ("b", sa.Double, True),
        ("c", sa.DateTime, True),
        ("d", sa.types.NullType, True),
    ]


def test_release_closes_every_cursor_and_leaves_the_warehouse_open(source, warehouse):
    engine = source.get_execution_engine()
    with engine.get_connection() as connection:
        assert connection.execute(sa.text("select count(*) from raw.thing")).scalar() == 2
    source.release()
    with pytest.raises(duckdb.ConnectionException, match="closed"):
        warehouse._cursors[-1].execute("select 1")
    assert warehouse.value("select count(*) from raw.thing") == 2
    warehouse.run("drop table raw.thing")


def test_after_release_it_reads_again(source):
    for _ in range(2):
        with source.get_execution_engine().get_connection() as connection:
            assert connection.execute(sa.text("select max(b) from raw.thing")).scalar() == 2
        source.release()


def test_one_connection_serves_all_metrics(source):
    engine = source.get_execution_engine()
    with engine.get_connection() as first, engine.get_connection() as second:
        assert first is second
