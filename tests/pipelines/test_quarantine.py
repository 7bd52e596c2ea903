import json
from datetime import date

import polars as pl
import pytest
from typer.testing import CliRunner

from data_contracts import contract
from pipelines.checks.delivery_checks import delivery_findings
from pipelines.cli import app
from pipelines.errors import UserError
from pipelines.ingest import quarantine
from pipelines.ingest.accepting import LoadReport
from pipelines.ingest.loading import load
from pipelines.ingest.quarantine import (
    export,
    refused_files,
    refused_rows,
    render_files,
    render_replayed,
    render_rows,
    replay,
)
from pipelines.settings import Settings
from pipelines.warehouse import Warehouse

NIGHT = date(2024, 3, 9)
HEADER = "order_id,customer_id,ordered_at,amount,currency"
NEGATIVE = "amount must be at least 0 and at most 1000000000"


@pytest.fixture
def filled(warehouse, deliver, purchase):
    """Two deliveries of purchases with refused rows, and one of complaints with a line that cannot be split."""
    bad = [purchase(order_id="B1", amount="-1"), purchase(order_id="B2", amount="-2", currency="=cmd()")]
    deliver("purchases", "2024-03-01.csv", [purchase(order_id="G1"), *bad])
    deliver("purchases", "2024-03-02.csv", f"{HEADER}\nO2,C2\nG2,C2,2024-01-01,1,EUR\n")
    deliver(
        "complaints", "2024-03-02.csv", "complaint_id,customer_id,opened_at,category,severity\nI1,C1,2024-01-01,x,9\n"
    )
    for source in ("purchases", "complaints"):
        load(warehouse, contract(source), NIGHT, "run")
    return warehouse


@pytest.fixture
def mended(monkeypatch):
    """Purchases may be negative from now on, as if its contract had been mended."""
    from dataclasses import replace

    purchases = contract("purchases")
    columns = tuple(replace(one, minimum=-1) if one.name == "amount" else one for one in purchases.columns)
    kept = [one for one in quarantine.landing_contracts() if one.name != "purchases"]
    monkeypatch.setattr(quarantine, "landing_contracts", lambda: (replace(purchases, columns=columns), *kept))


def told(files):
    return [(row.source, row.load_date.day, row.file, row.rows_read, row.rows_refused) for row in files]


def account(warehouse):
    found = delivery_findings(warehouse, contract("purchases"), LoadReport("purchases"), NIGHT)
    return next(finding for finding in found if finding.rule == "account")


def test_the_list_tells_files_rows_and_reasons_the_newest_first(filled):
    files = refused_files(filled)
    assert told(files) == [
        ("complaints", 2, "complaints/2024-03-02.csv", 1, 1),
        ("purchases", 2, "purchases/2024-03-02.csv", 2, 1),
        ("purchases", 1, "purchases/2024-03-01.csv", 3, 2),
    ]
    english, chinese, rows = files[2].reasons[0]
    assert (english, rows) == (NEGATIVE, 2)
    assert "不小于" in chinese
    assert f"2 × {NEGATIVE}" in render_files(files)


def test_one_source_can_be_listed_and_an_unknown_one_is_refused(filled):
    assert {row.source for row in refused_files(filled, "complaints")} == {"complaints"}
    with pytest.raises(UserError, match="there is no source 'orders'; choose one of"):
        refused_files(filled, "orders")


def test_an_empty_warehouse_has_an_empty_quarantine(warehouse):
    assert render_files(refused_files(warehouse)) == "quarantine is empty"
    assert render_rows(refused_rows(warehouse, "purchases"), "en") == "no such rows are in quarantine"
    assert render_replayed(replay(warehouse)) == "quarantine is empty: there is nothing to judge again"


def test_rows_are_shown_as_delivered_with_their_reasons_in_both_languages(filled):
    rows = refused_rows(filled, "purchases", date(2024, 3, 1))
    assert rows["order_id"].to_list() == ["B1", "B2"]
    assert rows["amount"].to_list() == ["-1", "-2"]
    assert f"  ! {NEGATIVE}" in render_rows(rows, "en")
    assert "不小于" in render_rows(rows, "zh")


def test_a_line_that_could_not_be_split_is_shown_as_it_is(filled):
    shown = render_rows(refused_rows(filled, "purchases", date(2024, 3, 2)), "en")
    assert "  ! line 2 has fewer columns than the header" in shown
    assert "    line: O2,C2" in shown


def test_rows_can_be_chosen_by_reason_and_limited(filled):
    assert refused_rows(filled, "purchases", reason="currency")["order_id"].to_list() == ["B2"]
    assert refused_rows(filled, "purchases", reason="格式")["order_id"].to_list() == ["B2"]
    assert len(refused_rows(filled, "purchases", limit=1)) == 1
    assert len(refused_rows(filled, "purchases")) == 3


def test_long_values_are_cut_and_control_characters_do_not_reach_the_terminal(warehouse, deliver, purchase):
    deliver("purchases", "2024-03-01.csv", [purchase(customer_id="\x1b[2J" + "x" * 300)])
    load(warehouse, contract("purchases"), NIGHT, "run")
    shown = render_rows(refused_rows(warehouse, "purchases"), "en")
    assert "\x1b" not in shown
    assert "(304 characters)" in shown
    assert "x" * 90 not in shown


def test_the_export_holds_every_row_and_runs_no_formula(filled, tmp_path):
    path = tmp_path / "refused.csv"
    assert export(filled, path, ["purchases", "complaints"]) == 4
    assert path.stat().st_mode & 0o777 == 0o600
    frame = pl.read_csv(path, infer_schema=False)
    assert sorted(frame["source"].to_list()) == ["complaints", *["purchases"] * 3]
    assert "'=cmd()" in frame["currency"].to_list()
    assert NEGATIVE in frame["reasons"][0]


def test_the_export_to_parquet_keeps_values_as_delivered(filled, tmp_path):
    path = tmp_path / "refused.parquet"
    assert export(filled, path, ["purchases"]) == 3
    assert path.stat().st_mode & 0o777 == 0o600
    assert pl.read_parquet(path)["currency"].to_list()[1] == "=cmd()"


def test_an_export_that_cannot_be_written_is_told_in_one_line(filled, tmp_path):
    with pytest.raises(UserError, match=r"refused\.xlsx: write to a file that ends in \.csv or \.parquet"):
        export(filled, tmp_path / "refused.xlsx", ["purchases"])
    with pytest.raises(UserError, match="cannot be written"):
        export(filled, tmp_path / "nowhere" / "refused.csv", ["purchases"])


def test_rows_are_accepted_after_their_contract_was_mended(filled, mended):
    results = replay(filled, "purchases", date(2024, 3, 1))
    assert [(one.accepted, one.refused, one.problems) for one in results] == [(1, 1, [])]
    assert filled.run("select order_id from raw.purchases where load_date = '2024-03-01'") == [("G1",), ("B1",)]
    assert account(filled).is_passed
    assert "1 rows accepted now, 1 still refused" in render_replayed(results)


def test_nothing_changes_where_the_contract_is_as_it_was(filled):
    before = (
        filled.run("select * from raw.purchases order by all"),
        filled.run("select * from quarantine.purchases order by all"),
    )
    assert [(one.source, one.accepted, one.refused) for one in replay(filled)] == [
        ("complaints", 0, 1), ("purchases", 0, 2), ("purchases", 0, 1),
    ]  # fmt: skip
    assert before == (
        filled.run("select * from raw.purchases order by all"),
        filled.run("select * from quarantine.purchases order by all"),
    )


def test_refused_rows_are_kept_where_their_file_is_gone(filled, mended, landing):
    (landing / "purchases" / "2024-03-01.csv").unlink()
    results = replay(filled, "purchases", date(2024, 3, 1))
    assert (results[0].accepted, results[0].refused) == (0, 2)
    assert results[0].problems == [
        "purchases/2024-03-01.csv: is no longer in the landing zone; deliver it again to judge its rows"
    ]
    assert len(refused_rows(filled, "purchases")) == 3
    assert account(filled).is_passed


def test_refused_rows_are_kept_where_their_file_cannot_be_read_any_more(filled, mended, deliver):
    deliver("purchases", "2024-03-01.csv", b"")
    results = replay(filled, "purchases", date(2024, 3, 1))
    assert "is empty" in results[0].problems[0]
    assert len(refused_rows(filled, "purchases")) == 3


def test_a_replay_that_fails_leaves_the_day_as_it_was(filled, mended, monkeypatch):
    def fail(*_):
        raise RuntimeError("power cut")

    monkeypatch.setattr("pipelines.ingest.accepting._keep_account", fail)
    with pytest.raises(RuntimeError, match="power cut"):
        replay(filled, "purchases", date(2024, 3, 1))
    assert len(refused_rows(filled, "purchases")) == 3
    assert account(filled).is_passed


def run_cli(warehouse, *arguments):
    folder = str(warehouse.settings.warehouse)
    return CliRunner().invoke(app, ["quarantine", *arguments, "--warehouse", folder])


def test_the_commands_show_what_is_refused(filled, tmp_path):
    listed = json.loads(run_cli(filled, "list", "--json", "--source", "purchases").stdout)
    assert [(row["load_date"], row["rows_refused"]) for row in listed] == [("2024-03-02", 1), ("2024-03-01", 2)]
    assert NEGATIVE in run_cli(filled, "show", "purchases", "--reason", "amount").stdout
    assert run_cli(filled, "export", str(tmp_path / "out.csv")).stdout.startswith("4 rows in ")


def test_the_replay_fails_where_a_file_is_gone(filled, landing):
    (landing / "purchases" / "2024-03-01.csv").unlink()
    assert run_cli(filled, "replay", "--landing", str(landing)).exit_code == 1


def test_there_must_be_a_warehouse(tmp_path):
    with pytest.raises(UserError, match="there is no warehouse; run 'trust run' first"):
        quarantine.opened(Settings(warehouse=tmp_path / "none"))
    assert not (tmp_path / "none").exists()


def test_the_reasons_and_rows_survive_closing(filled):
    filled.close()
    with Warehouse(filled.settings) as again:
        assert len(refused_rows(again, "purchases")) == 3
