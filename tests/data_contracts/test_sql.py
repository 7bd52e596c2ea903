from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data_contracts import contract, landing_contracts, published_contracts
from data_contracts.sql import comments, create_table

CONTRACTS = (*landing_contracts(), *published_contracts())
printable = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=60)


@pytest.fixture
def schema(connection):
    connection.execute("DROP SCHEMA IF EXISTS derived CASCADE")
    connection.execute("CREATE SCHEMA derived")
    return "derived"


def _columns(connection, table):
    return connection.execute(
        "SELECT column_name, data_type, NOT is_nullable, comment FROM duckdb_columns()"
        " WHERE schema_name = 'derived' AND table_name = ? ORDER BY column_index",
        [table],
    ).fetchall()


@pytest.mark.parametrize("contract", CONTRACTS, ids=lambda c: c.name)
def test_the_table_has_the_columns_types_and_nulls_of_the_contract(connection, schema, contract):
    connection.execute(create_table(contract, schema))
    expected = [(column.name, column.type, column.is_required) for column in contract.loaded]
    assert [row[:3] for row in _columns(connection, contract.name)] == expected


def test_further_columns_stand_behind_those_of_the_contract(connection, schema):
    connection.execute(create_table(contract("fx_rates"), schema, {"load_date": "DATE NOT NULL"}))
    assert _columns(connection, "fx_rates")[-1][:3] == ("load_date", "DATE", True)


def test_a_table_that_exists_is_left_as_it_is(connection, schema):
    connection.execute(create_table(contract("fx_rates"), schema))
    connection.execute("INSERT INTO derived.fx_rates VALUES (DATE '2024-01-01', 'USD', 0.9)")
    connection.execute(create_table(contract("fx_rates"), schema))
    assert connection.execute("SELECT count(*) FROM derived.fx_rates").fetchall() == [(1,)]


@pytest.mark.parametrize("contract", CONTRACTS, ids=lambda c: c.name)
def test_every_column_has_a_comment_in_both_languages(connection, schema, contract):
    connection.execute(create_table(contract, schema))
    for statement in comments(contract, f"{schema}.{contract.name}"):
        connection.execute(statement)
    written = [row[3] for row in _columns(connection, contract.name)]
    assert written == [f"{column.description_en} / {column.description_zh}" for column in contract.loaded]
    table = connection.execute("SELECT comment FROM duckdb_tables() WHERE schema_name = 'derived'").fetchall()
    assert table == [(f"{contract.description_en} / {contract.description_zh}",)]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(english=printable, chinese=printable)
def test_comments_survive_any_text(connection, schema, english, chinese):
    rates = contract("fx_rates")
    columns = tuple(replace(column, description_en=english, description_zh=chinese) for column in rates.columns)
    odd = replace(rates, description_en=english, description_zh=chinese, columns=columns)
    connection.execute(create_table(odd, schema))
    for statement in comments(odd, f"{schema}.fx_rates"):
        connection.execute(statement)
    assert {row[3] for row in _columns(connection, "fx_rates")} == {f"{english} / {chinese}"}


def test_a_column_named_like_a_keyword_is_quoted(connection, schema):
    rates = contract("fx_rates")
    odd = replace(rates, columns=(replace(rates.columns[0], name="order"), replace(rates.columns[1], name='a"b')))
    connection.execute(create_table(odd, schema))
    for statement in comments(odd, f"{schema}.fx_rates"):
        connection.execute(statement)
    assert [row[0] for row in _columns(connection, "fx_rates")] == ["order", 'a"b']


def test_personal_texts_never_reach_the_table(connection, schema):
    connection.execute(create_table(contract("complaints"), schema))
    assert "text" not in [row[0] for row in _columns(connection, "complaints")]
