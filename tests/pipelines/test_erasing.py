import gzip
import json
import shutil
from dataclasses import replace
from datetime import date

import polars as pl
import pytest
from typer.testing import CliRunner

from data_contracts import contract, landing_contracts
from pipelines.checks.delivery_checks import delivery_findings
from pipelines.cli import app
from pipelines.errors import UserError
from pipelines.ingest.accepting import LoadReport
from pipelines.ingest.loading import load
from pipelines.operations.backup import back_up
from pipelines.operations.backup_manifest import verified
from pipelines.privacy import erasing
from pipelines.privacy.erasing import erase, erase_entombed
from pipelines.privacy.erasing_words import as_data, render
from pipelines.privacy.pseudonyms import keyed_hash
from pipelines.privacy.tombstones import KEY_FILE
from pipelines.settings import Settings
from pipelines.staging import stage
from pipelines.storage import rewriting
from pipelines.warehouse import Warehouse

GONE, STAYS = "CUSTOMER-0001", "CUSTOMER-00012"
NIGHT = date(2024, 3, 9)
HEADER = "order_id,customer_id,ordered_at,amount,currency"
KEY = "correct horse battery staple 12345"


@pytest.fixture
def settings(tmp_path, landing):
    landing.mkdir()
    return Settings(landing=landing, warehouse=tmp_path / "warehouse")


@pytest.fixture
def filled(settings, deliver, purchase):
    """A warehouse with two customers, one of them also among refused rows and broken lines."""
    good = [purchase(order_id=f"{who}-{n}", customer_id=who) for who in (GONE, STAYS) for n in range(3)]
    refused = [
        purchase(order_id="R1", customer_id=GONE, amount="-1"),
        purchase(order_id="R2", customer_id=STAYS, amount="-1"),
    ]
    deliver("purchases", "2024-03-01.csv", [*good, *refused])
    slipped = f"O9,x,{GONE},1,EUR\n"
    deliver("purchases", "2024-03-02.csv", f'{HEADER}\n{slipped}O8,"{GONE},\nO7,{STAYS}\n')
    deliver("customers", "2024-03-01.csv", [{"customer_id": who, "region": "north"} for who in (GONE, STAYS)])
    loaded(settings)
    return settings


def loaded(settings, source="purchases"):
    with Warehouse(settings) as warehouse:
        reports = [load(warehouse, contract(name), NIGHT, "run") for name in ("purchases", "customers")]
    return reports[("purchases", "customers").index(source)]


def asked(settings, query):
    with Warehouse(settings) as warehouse:
        return warehouse.run(query)


def account(settings, source="purchases"):
    with Warehouse(settings) as warehouse:
        findings = delivery_findings(warehouse, contract(source), LoadReport(source), NIGHT)
    return next(found for found in findings if found.rule == "account")


def files_with(folder, text):
    found = [path for path in folder.rglob("*") if path.is_file() and text.encode() in path.read_bytes()]
    return sorted(path.relative_to(folder).as_posix() for path in found)


def test_a_customer_goes_from_every_table_and_the_others_stay(filled):
    with Warehouse(filled) as warehouse:
        for table in (
            "staging.orders",
            "features.evidence",
            "scores.customer_days",
            "marts.customer_scores",
            "meta.watched",
        ):
            warehouse.run(f"create table {table} as select distinct customer_id from raw.purchases")
    told = erase(filled, [GONE])
    assert told.is_complete
    assert told.places[0].rows == {
        "features.evidence": 1,
        "marts.customer_scores": 1,
        "meta.watched": 1,
        "quarantine.purchases": 3,
        "raw.customers": 1,
        "raw.purchases": 3,
        "scores.customer_days": 1,
        "staging.orders": 1,
    }
    assert asked(filled, "select distinct customer_id from raw.purchases") == [(STAYS,)]
    assert asked(filled, "select customer_id from raw.customers union all from scores.customer_days") == [
        (STAYS,),
        (STAYS,),
    ]
    assert asked(filled, "select count(*) from quarantine.purchases") == [(2,)]


def test_the_id_is_in_no_byte_of_the_warehouse(filled):
    assert files_with(filled.warehouse, GONE) == ["warehouse.duckdb"]
    told = erase(filled, [GONE])
    content = (filled.warehouse / "warehouse.duckdb").read_bytes()
    assert content.count(GONE.encode()) == content.count(STAYS.encode()) > 0
    assert told.places[0].searched.found == []
    assert told.places[0].searched.values > 0


def test_deleting_alone_would_leave_the_bytes(filled, monkeypatch):
    monkeypatch.setattr(erasing, "rewrite", lambda warehouse: warehouse.run("checkpoint"))
    told = erase(filled, [GONE])
    assert told.places[0].searched.found == ["warehouse.duckdb"]
    assert not told.is_complete


def test_the_account_holds_afterwards(filled):
    erase(filled, [GONE])
    for source in ("purchases", "customers"):
        assert account(filled, source).is_passed, account(filled, source).observed
    ledger = "select rows_read, rows_accepted, rows_quarantined, rows_erased, rows_expired from meta.loads"
    assert asked(filled, f"{ledger} where source = 'purchases' order by load_date") == [
        (8, 3, 2, 3, 1),
        (3, 0, 3, 0, 2),
    ]


def test_an_old_file_delivered_again_does_not_bring_the_customer_back(filled, deliver, purchase):
    erase(filled, [GONE])
    rows = [purchase(order_id="N1", customer_id=f" {GONE} "), purchase(order_id="N2", customer_id=STAYS)]
    rows += [
        purchase(order_id="N3", customer_id=GONE, amount="-1"),
        purchase(order_id=GONE, customer_id="C9", amount="-1"),
    ]
    deliver("purchases", "2024-03-01.csv", rows)
    deliver("purchases", "2024-03-03.csv", f'{HEADER}\nO8,"{GONE},\n')
    report = loaded(filled)
    assert (report.rows_read, report.rows_accepted, report.rows_quarantined, report.rows_erased) == (5, 1, 3, 1)
    assert asked(filled, "select customer_id from raw.purchases") == [(STAYS,)]
    assert account(filled).is_passed, account(filled).observed
    assert asked(filled, "select record::varchar from quarantine.purchases where load_date = '2024-03-03'") == [("{}",)]
    content = (filled.warehouse / "warehouse.duckdb").read_bytes()
    assert content.count(GONE.encode()) == content.count(STAYS.encode())


def test_several_customers_go_at_once(filled):
    told = erase(filled, [GONE, STAYS, GONE])
    assert (told.customers, told.is_complete) == (2, True)
    assert asked(filled, "select count(*) from raw.purchases") == [(0,)]
    assert asked(filled, "select count(*) from meta.erased") == [(2,)]
    assert files_with(filled.warehouse, "CUSTOMER-0001") == []


def test_an_unknown_customer_is_refused_and_nothing_changes(filled):
    before = (filled.warehouse / "warehouse.duckdb").read_bytes()
    with pytest.raises(UserError, match=r"customer 'CUSTOMER-9' is nowhere in .*--unknown-too"):
        erase(filled, [GONE, "CUSTOMER-9"])
    assert (filled.warehouse / "warehouse.duckdb").read_bytes() == before
    assert not (filled.warehouse / KEY_FILE).exists()


def test_an_unknown_customer_can_be_kept_out_beforehand(filled, deliver, purchase):
    assert erase(filled, ["CUSTOMER-9"], is_unknown_too=True).is_complete
    deliver("purchases", "2024-03-04.csv", [purchase(customer_id="CUSTOMER-9")])
    assert loaded(filled).rows_erased == 1
    assert asked(filled, "select count(*) from raw.purchases where customer_id = 'CUSTOMER-9'") == [(0,)]


def test_nobody_named_is_refused(filled):
    with pytest.raises(UserError, match="no customer is named"):
        erase(filled, ["  "])


def test_a_folder_without_a_warehouse_is_refused(settings):
    with pytest.raises(UserError, match="there is no warehouse; run 'trust run' first"):
        erase(settings, [GONE])
    assert not settings.warehouse.exists()


def test_the_key_is_its_owners_alone_and_only_the_tombstone_is_kept(filled):
    erase(filled, [GONE])
    path = filled.warehouse / KEY_FILE
    assert path.stat().st_mode & 0o777 == 0o600
    key = bytes.fromhex(path.read_text())
    assert asked(filled, "select tombstone from meta.erased") == [(keyed_hash(key, GONE),)]


def test_a_lost_key_stops_loading(filled):
    erase(filled, [GONE])
    (filled.warehouse / KEY_FILE).unlink()
    with pytest.raises(UserError, match=r"tombstone\.key: is missing, .* 1 erased customers would come back"):
        loaded(filled)


@pytest.mark.parametrize(
    ("content", "words"), [("ab" * 32, "is not the key"), ("ab", "no whole key"), ("x", "cannot be read")]
)
def test_another_key_stops_loading(filled, content, words):
    erase(filled, [GONE])
    (filled.warehouse / KEY_FILE).write_text(content)
    with pytest.raises(UserError, match=words) as refused:
        loaded(filled)
    assert "\n" not in str(refused.value)


def test_erasing_again_finishes_what_was_cut_off(filled, monkeypatch):
    def cut(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(erasing, "rewrite", cut)
    with pytest.raises(KeyboardInterrupt):
        erase(filled, [GONE])
    assert asked(filled, f"select count(*) from raw.purchases where customer_id = '{GONE}'") == [(0,)]
    monkeypatch.undo()
    told = erase(filled, [GONE])
    assert told.is_complete
    assert told.places[0].rows == {}
    assert asked(filled, "select count(*) from meta.erased") == [(1,)]
    assert account(filled).is_passed


def test_a_cut_before_the_exchange_leaves_the_old_file_whole(filled, monkeypatch):
    def cut(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(rewriting, "move_durably", cut)
    with pytest.raises(KeyboardInterrupt):
        erase(filled, [GONE])
    assert asked(filled, "select count(*) from raw.purchases") == [(3,)]
    assert list(filled.warehouse.glob(".*")) == []


def test_a_copy_that_lost_rows_is_not_taken(filled, monkeypatch):
    counts = iter([{"raw.purchases": 3}, {"raw.purchases": 2}])
    monkeypatch.setattr(rewriting, "rows_of", lambda *_: next(counts))
    with pytest.raises(UserError, match="does not hold all rows; the warehouse stays as it is"):
        erase(filled, [GONE])
    assert asked(filled, "select count(*) from raw.purchases") == [(3,)]


def test_a_report_that_holds_the_id_is_removed_and_named(filled):
    reports = filled.warehouse / "reports"
    reports.mkdir()
    (reports / "worklist.md").write_text(f"call {GONE} today")
    (reports / "other.md").write_text(f"call {STAYS} today")
    assert erase(filled, [GONE]).places[0].removed == ["reports/worklist.md"]
    assert [path.name for path in reports.iterdir()] == ["other.md"]


def test_an_id_in_a_file_of_somebody_else_is_named_and_fails(filled):
    (filled.warehouse / "notes.txt").write_text(f"{GONE}, {STAYS}")
    told = erase(filled, [GONE])
    assert told.places[0].searched.found == ["notes.txt"]
    assert not told.is_complete
    assert "STILL FOUND in notes.txt" in render(filled, told)


def test_an_id_in_a_table_of_no_customers_is_named_and_fails(filled):
    with Warehouse(filled) as warehouse:
        warehouse.run("create table meta.notes as select ['see ' || ?] as said", (GONE,))
    assert "meta.notes.said" in erase(filled, [GONE]).places[0].searched.found


def test_landing_files_that_hold_the_id_are_named_and_not_changed(settings, landing, deliver, purchase):
    name = 'Ma"ül-0001'
    row = purchase(customer_id=name)
    for file in ("2024-03-01.csv", "2024-03-02.csv.gz", "2024-03-03.parquet", "2024-03-04.ndjson"):
        deliver("purchases", file, [row])
    deliver("purchases", "2024-03-05.ndjson", json.dumps(row) + "\n")
    deliver("purchases", "2024-03-06.csv", [purchase(customer_id=name + "2")])
    deliver(
        "purchases",
        "2024-03-07.csv",
        f"{HEADER}\n" + "O1,x,y,1,EUR\n" * 500_000 + f'O2,"{name.replace(chr(34), chr(34) * 2)}",z,1,EUR\n',
    )
    deliver("purchases", "2024-03-08.csv.gz", gzip.compress(b"x" * 1000)[:-9])
    before = {path: path.read_bytes() for path in landing.rglob("*") if path.is_file()}
    loaded(settings)
    told = erase(settings, [name])
    assert told.is_complete
    assert [file.removeprefix("purchases/2024-03-") for file in told.landing] == [
        "01.csv", "02.csv.gz", "03.parquet", "04.ndjson", "05.ndjson", "07.csv",
    ]  # fmt: skip
    assert told.unsearched == ["purchases/2024-03-08.csv.gz"]
    assert {path: path.read_bytes() for path in landing.rglob("*") if path.is_file()} == before


def test_numeric_ids_of_parquet_are_found_in_the_landing_zone(settings, deliver, purchase):
    deliver("purchases", "2024-03-01.parquet", pl.DataFrame([purchase(customer_id=17850.0)]))
    loaded(settings)
    told = erase(settings, ["17850"])
    assert told.landing == ["purchases/2024-03-01.parquet"]
    assert told.places[0].rows == {"raw.purchases": 1}


def test_short_ids_are_searched_in_the_tables_and_the_output_says_so(settings, deliver, purchase):
    deliver("purchases", "2024-03-01.csv", [purchase(customer_id="C1"), purchase(order_id="C12", customer_id="C12")])
    loaded(settings)
    told = erase(settings, ["C1"])
    assert told.is_complete
    assert "fewer than 8 bytes" in render(settings, told)
    assert asked(settings, "select customer_id from raw.purchases") == [("C12",)]


def test_with_pseudonyms_the_plain_id_is_enough(settings, deliver, purchase):
    settings = replace(settings, pseudonym_key=KEY)
    deliver("purchases", "2024-03-01.csv", [purchase(customer_id=GONE), purchase(order_id="O2", customer_id=STAYS)])
    loaded(settings)
    told = erase(settings, [GONE])
    assert told.is_complete
    assert told.places[0].rows == {"raw.purchases": 1}
    assert told.landing == ["purchases/2024-03-01.csv"]
    assert files_with(settings.warehouse, keyed_hash(KEY.encode(), GONE)) == []
    deliver("purchases", "2024-03-01.csv", [purchase(customer_id=GONE)])
    assert loaded(settings).rows_erased == 1


def test_with_pseudonyms_the_pseudonym_is_enough_too(settings, deliver, purchase):
    settings = replace(settings, pseudonym_key=KEY)
    deliver("purchases", "2024-03-01.csv", [purchase(customer_id=GONE)])
    loaded(settings)
    assert erase(settings, [keyed_hash(KEY.encode(), GONE)]).places[0].rows == {"raw.purchases": 1}
    deliver("purchases", "2024-03-01.csv", [purchase(order_id="O2", customer_id=GONE)])
    assert loaded(settings).rows_erased == 1


@pytest.fixture
def backup(filled, tmp_path):
    return back_up(filled, tmp_path / "backups").path


def test_a_known_backup_is_erased_and_sealed_again(filled, backup):
    assert files_with(backup, GONE)
    told = erase(filled, [GONE])
    assert told.is_complete
    assert [place.folder for place in told.places] == [filled.warehouse, backup]
    facts = verified(backup)
    assert facts["tables"]["raw.purchases"] == 3
    assert (backup / KEY_FILE).read_text() == (filled.warehouse / KEY_FILE).read_text()
    assert asked(replace(filled, warehouse=backup), "select distinct customer_id from raw.purchases") == [(STAYS,)]


def test_a_backup_that_cannot_be_reached_is_named_and_fails(filled, backup):
    shutil.rmtree(backup)
    told = erase(filled, [GONE])
    assert not told.is_complete
    assert told.unreached[0][0] == str(backup)
    assert "is not there; bring it back" in told.unreached[0][1]
    assert f"NOT ERASED from the backup {backup}" in render(filled, told)


def test_a_damaged_backup_is_named_and_not_sealed_as_whole(filled, backup):
    (backup / "warehouse.duckdb").write_bytes(b"damaged")
    told = erase(filled, [GONE])
    assert "was changed or is damaged" in told.unreached[0][1]
    with pytest.raises(UserError, match="was changed or is damaged"):
        verified(backup)


def test_erasing_again_finishes_a_backup_that_was_cut_off(filled, backup, monkeypatch):
    def cut(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(erasing, "write_manifest", cut)
    with pytest.raises(KeyboardInterrupt):
        erase(filled, [GONE])
    monkeypatch.undo()
    with pytest.raises(UserError):
        verified(backup)
    assert erase(filled, [GONE]).is_complete
    assert verified(backup)["tables"]["raw.purchases"] == 3
    assert [path.name for path in backup.parent.iterdir()] == [backup.name]


def test_who_was_erased_since_is_erased_from_what_is_restored(filled, tmp_path):
    restored = replace(filled, warehouse=tmp_path / "restored")
    shutil.copytree(filled.warehouse, restored.warehouse)
    erase(filled, [GONE])
    shutil.copy(filled.warehouse / KEY_FILE, restored.warehouse)
    (tombstone, day), *_ = asked(filled, "from meta.erased")
    with Warehouse(restored) as warehouse:
        warehouse.run("create table meta.erased (tombstone varchar, erased_at date)")
        warehouse.run("insert into meta.erased values (?, ?)", (tombstone, day))
    assert erase_entombed(restored) == 1
    assert asked(restored, "select distinct customer_id from raw.purchases") == [(STAYS,)]
    assert account(restored).is_passed
    assert erase_entombed(restored) == 0


def test_no_id_stands_in_the_output(filled):
    told = erase(filled, [GONE])
    assert GONE not in render(filled, told)
    assert GONE not in json.dumps(as_data(filled, told))


def run_cli(settings, *arguments, typed=None):
    places = ["--warehouse", str(settings.warehouse), "--landing", str(settings.landing)]
    return CliRunner().invoke(app, ["erase", *arguments, *places], input=typed)


def test_the_command_asks_first(filled):
    assert run_cli(filled, GONE, typed="n\n").exit_code == 1
    assert asked(filled, "select count(*) from raw.purchases") == [(6,)]
    assert run_cli(filled, GONE, typed="y\n").exit_code == 0
    assert asked(filled, "select count(*) from raw.purchases") == [(3,)]


def test_the_command_reads_a_file_and_tells_json(filled, tmp_path):
    (tmp_path / "ids.txt").write_text(f"{GONE}\n\n{STAYS}\n")
    result = run_cli(filled, "--file", str(tmp_path / "ids.txt"), "--yes", "--json")
    told = json.loads(result.stdout)
    assert (result.exit_code, told["customers"], told["is_complete"]) == (0, 2, True)
    assert told["landing_files_with_the_id"]


def test_the_command_fails_where_something_is_left(filled):
    (filled.warehouse / "notes.txt").write_text(GONE)
    assert run_cli(filled, GONE, "--yes").exit_code == 1


def test_a_first_delivery_of_erased_rows_alone_stays_the_first(settings, deliver, purchase):
    deliver("purchases", "2024-03-01.csv", [purchase(customer_id=GONE)])
    deliver("purchases", "2024-03-05.csv", [purchase(order_id="O2", customer_id=STAYS, ordered_at="2024-02-01")])
    known_from = f"select known_from from staging.orders where customer_id = '{STAYS}'"
    seen = []
    for is_erased in (False, True):
        if is_erased:
            erase(settings, [GONE])
        with Warehouse(settings) as warehouse:
            for source in landing_contracts():
                load(warehouse, source, NIGHT, "run")
            stage(warehouse, "orders")
            seen.append(warehouse.value(known_from))
    assert seen == [date(2024, 3, 5)] * 2
