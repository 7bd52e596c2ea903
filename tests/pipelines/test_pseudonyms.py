import hashlib
import hmac
from datetime import date
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_contracts import contract, landing_contracts
from pipelines.errors import UserError
from pipelines.ingest.accepting import prepare
from pipelines.ingest.loading import load
from pipelines.privacy import pseudonyms
from pipelines.privacy.pseudonyms import keyed_hash, offer_keyed_hash, stored_ids
from pipelines.settings import Settings
from pipelines.warehouse import Warehouse

KEY = "correct horse battery staple 12345"
NIGHT = date(2024, 3, 1)
MARK = "Zz9Marker"
HEADER = "order_id,customer_id,ordered_at,amount,currency"


def hidden(name):
    return hmac.new(KEY.encode(), name.encode(), hashlib.sha256).hexdigest()


def load_all(warehouse, *sources):
    return [load(warehouse, contract(source), NIGHT, "run") for source in sources or ("purchases",)]


def bytes_below(folder):
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


@pytest.mark.parametrize("key", [b"k", b"k" * 64, b"k" * 65, b"k" * 200, bytes(range(256)), "密钥".encode() * 20])
def test_sql_hashes_as_hmac_does(warehouse, key):
    offer_keyed_hash(warehouse, "hashed", key)
    for text in ("", "C1", "Müller-客户", "x" * 300):
        expected = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
        assert warehouse.value("select hashed(?)", (text,)) == expected == keyed_hash(key, text)


@given(key=st.binary(min_size=1, max_size=130))
def test_a_key_is_hashed_like_the_standard_says_whatever_its_length(key):
    assert keyed_hash(key, "C1") == hmac.new(key, b"C1", hashlib.sha256).hexdigest()


def test_a_short_key_is_refused_without_telling_it(tmp_path):
    with pytest.raises(UserError, match="TRUST_PSEUDONYM_KEY: has 11 characters, and 32 are the least") as refused:
        Settings(pseudonym_key="secret-pass")
    assert "secret-pass" not in str(refused.value)


def test_an_empty_key_is_no_missing_key(monkeypatch):
    monkeypatch.setenv("TRUST_PSEUDONYM_KEY", "")
    with pytest.raises(UserError, match="has 0 characters"):
        Settings.from_environment()


def test_the_key_comes_from_the_environment_and_is_never_shown(monkeypatch):
    monkeypatch.setenv("TRUST_PSEUDONYM_KEY", KEY)
    settings = Settings.from_environment()
    assert settings.pseudonym_key == KEY
    assert KEY not in repr(settings)


def test_ids_become_pseudonyms_the_same_in_every_source(open_warehouse, deliver, purchase):
    deliver("purchases", "2024-03-01.csv", [purchase(customer_id=" C1 ")])
    deliver("customers", "2024-03-01.csv", [{"customer_id": "C1", "region": "north"}])
    with open_warehouse(pseudonym_key=KEY) as warehouse:
        load_all(warehouse, "purchases", "customers")
        for source in ("purchases", "customers"):
            assert warehouse.run(f"select customer_id from raw.{source}") == [(hidden("C1"),)]


def test_rules_are_judged_on_the_id_as_delivered(open_warehouse, deliver, purchase):
    rows = [purchase(order_id="O1", customer_id="x" * 201), purchase(order_id="O2", customer_id="C\x011")]
    rows += [purchase(order_id="O3", customer_id=None), purchase(order_id="O4", customer_id="x" * 200)]
    deliver("purchases", "2024-03-01.csv", rows)
    with open_warehouse(pseudonym_key=KEY) as warehouse:
        load_all(warehouse)
        assert warehouse.run("select order_id from raw.purchases") == [("O4",)]
        reasons = warehouse.run("select reasons[1] from quarantine.purchases order by source_row")
        assert [text.split(":")[0] for (text,) in reasons] == [
            "customer_id must be at most 200 characters long",
            "customer_id must not contain control characters (NUL, tab, line break)",
            "customer_id is missing",
        ]


def test_a_refused_row_is_kept_under_the_pseudonym_and_without_other_texts(open_warehouse, deliver, purchase):
    deliver("purchases", "2024-03-01.csv", [purchase(order_id=f"{MARK} slipped", customer_id=MARK, amount="-5")])
    with open_warehouse(pseudonym_key=KEY) as warehouse:
        load_all(warehouse)
        record = "select record ->> 'customer_id', record ->> 'order_id', record ->> 'amount' from quarantine.purchases"
        assert warehouse.run(record) == [(hidden(MARK), None, "-5.0")]


def test_words_of_a_closed_list_stay_readable_in_a_refused_row(open_warehouse, deliver):
    row = {"customer_id": "C1", "churned_at": "never", "kind": "voluntary", "reason": MARK}
    deliver("churn", "2024-03-01.csv", [row])
    with open_warehouse(pseudonym_key=KEY) as warehouse:
        load_all(warehouse, "churn")
        record = "select record ->> 'kind', record ->> 'churned_at', record ->> 'reason' from quarantine.churn"
        assert warehouse.run(record) == [("voluntary", None, None)]


def test_of_a_line_that_could_not_be_split_only_the_reason_is_kept(open_warehouse, deliver):
    deliver("purchases", "2024-03-01.csv", f"{HEADER}\nO1,{MARK},2024\nO2,C2,2024-01-01,1,EUR\n")
    with open_warehouse(pseudonym_key=KEY) as warehouse:
        load_all(warehouse)
        rows = warehouse.run("select record::varchar, reasons[1] from quarantine.purchases")
        assert rows == [
            ("{}", "line 2 has fewer columns than the header: add the missing ones, empty where nothing is known")
        ]


def test_no_id_reaches_the_disk(open_warehouse, landing, deliver, purchase):
    rows = [purchase(order_id=f"O{n}", customer_id=f"{MARK}{n:04}") for n in range(200)]
    deliver("purchases", "2024-03-01.csv", rows)
    deliver("purchases", "2024-03-02.csv", [*rows, *rows])
    deliver("purchases", "2024-03-03.parquet", rows)
    deliver("purchases", "2024-03-04.ndjson", [{**row, "amount": MARK} for row in rows])
    deliver("purchases", "2024-03-05.csv", f'{HEADER}\nO1,"{MARK}0001,x\n{MARK}0002\n')
    deliver("purchases", "2024-03-06.ndjson", f'["{MARK}0003"]\n{{"customer_id": {{"id": "{MARK}0004"}}}}\n')
    with open_warehouse(pseudonym_key=KEY) as warehouse:
        load(warehouse, contract("purchases"), date(2024, 3, 6), "run")
        assert MARK.encode() not in bytes_below(warehouse.settings.warehouse)
    assert MARK.encode() in bytes_below(landing)
    assert MARK.encode() not in bytes_below(warehouse.settings.warehouse)


def test_what_is_spilled_to_disk_is_unreadable(tmp_path, monkeypatch):
    found = {}
    for name, key in (("plain", None), ("hidden", KEY)):
        settings = Settings(landing=tmp_path, warehouse=tmp_path / name, pseudonym_key=key, memory_limit="100MB")
        with Warehouse(settings) as warehouse:
            ids = f"select range, '{MARK}-' || range as id from range(2000000)"
            warehouse.run(
                f"create temp table t as select *, row_number() over (partition by range % 7 order by id) from ({ids})"
            )
            spilled = bytes_below(settings.warehouse / "tmp")
            found[name] = (len(spilled) > 0, MARK.encode() in spilled)
    assert found == {"plain": (True, True), "hidden": (True, False)}


@pytest.mark.parametrize(
    ("made_with", "opened_with", "words"),
    [
        (KEY, KEY[::-1], "was made with another key; set that one, or build a new warehouse in another folder"),
        (KEY, None, "holds pseudonyms, and TRUST_PSEUDONYM_KEY is not set; set the key it was made with"),
        (None, KEY, "was made without pseudonyms; unset TRUST_PSEUDONYM_KEY, or build a new warehouse"),
    ],
)
def test_another_key_is_refused_before_anything_is_written(
    tmp_path, landing, deliver, purchase, made_with, opened_with, words
):
    deliver("purchases", "2024-03-01.csv", [purchase()])
    place = {"landing": landing, "warehouse": tmp_path / "warehouse"}
    with Warehouse(Settings(**place, pseudonym_key=made_with)) as warehouse:
        load_all(warehouse)
        held = warehouse.run("from raw.purchases")
    deliver("purchases", "2024-03-01.csv", [purchase(), purchase(order_id="O2")])
    with Warehouse(Settings(**place, pseudonym_key=opened_with)) as warehouse:
        with pytest.raises(UserError, match=words) as refused:
            load_all(warehouse)
        assert "\n" not in str(refused.value)
        assert KEY not in str(refused.value)
        assert warehouse.run("from raw.purchases") == held


def test_a_warehouse_from_before_pseudonyms_counts_as_made_without(
    open_warehouse, deliver, purchase, tmp_path, landing
):
    deliver("purchases", "2024-03-01.csv", [purchase()])
    with open_warehouse() as warehouse:
        load_all(warehouse)
        warehouse.run("drop table meta.key_checks")
    with (
        Warehouse(Settings(landing=landing, warehouse=warehouse.settings.warehouse, pseudonym_key=KEY)) as warehouse,
        pytest.raises(UserError, match="was made without pseudonyms"),
    ):
        prepare(warehouse, contract("purchases"))


def test_neither_key_nor_its_parts_are_kept_in_the_warehouse(open_warehouse, deliver, purchase):
    deliver("purchases", "2024-03-01.csv", [purchase()])
    with open_warehouse(pseudonym_key=KEY) as warehouse:
        load_all(warehouse)
        kept = warehouse.run("select name, key_check from meta.key_checks")
    assert [name for name, _ in kept] == ["pseudonym"]
    assert KEY.encode() not in bytes_below(warehouse.settings.warehouse)


def test_a_pseudonym_may_be_given_instead_of_the_id():
    settings = Settings(pseudonym_key=KEY)
    assert stored_ids(settings, "C1") == (hidden("C1"),)
    assert hidden("C1") in stored_ids(settings, hidden("C1"))
    assert stored_ids(Settings(), "C1") == ("C1",)


def test_every_source_of_persons_names_them_in_one_column():
    for source in landing_contracts():
        persons = [column.name for column in source.columns if column.name.endswith("customer_id")]
        assert persons == ([pseudonyms.PERSON] if source.name != "fx_rates" else [])


def delivery_of(source):
    good = {"order_id": "O1", "line_no": 1, "currency": "EUR", "severity": 3, "scale_min": 0, "scale_max": 10}
    values = {}
    for column in source.columns:
        if not column.is_loaded:
            values[column.name] = f"{MARK} {column.name}"
        elif column.type in ("DATE", "TIMESTAMP"):
            values[column.name] = "2024-01-01"
        elif column.type == "BOOLEAN":
            values[column.name] = True
        elif column.allowed:
            values[column.name] = column.allowed[0]
        else:
            values[column.name] = good.get(column.name, 5 if column.type != "VARCHAR" else "ABC")
    return values


@pytest.mark.parametrize("source", landing_contracts(), ids=lambda source: source.name)
@pytest.mark.parametrize("form", ["csv", "parquet", "ndjson"])
def test_what_is_classified_and_not_needed_never_reaches_the_warehouse(warehouse, deliver, source, form):
    row = delivery_of(source)
    refused = row | {source.key[0]: None}
    deliver(source.name, f"2024-03-01.{form}", pl.DataFrame([row, refused, row], infer_schema_length=None))
    report = load(warehouse, source, NIGHT, "run")
    assert (report.rows_accepted, report.rows_quarantined) == (1, 2)
    warehouse.close()
    assert MARK.encode() not in bytes_below(warehouse.settings.warehouse)


@pytest.mark.parametrize("source", ["complaints", "feedback"])
@pytest.mark.parametrize("form", ["csv", "ndjson"])
def test_a_broken_line_does_not_bring_in_what_is_never_loaded(warehouse, deliver, source, form):
    columns = ",".join(column.name for column in contract(source).columns)
    text = f"{columns}\nI1,C1,{MARK} wrote, this\n" if form == "csv" else f'{{"text": "{MARK}\n'
    deliver(source, f"2024-03-01.{form}", text)
    (report,) = load_all(warehouse, source)
    assert report.rows_quarantined == 1
    warehouse.close()
    assert MARK.encode() not in bytes_below(warehouse.settings.warehouse)


def test_only_columns_for_persons_are_left_out():
    left_out = {
        f"{source.name}.{column.name}": column.classification
        for source in landing_contracts()
        for column in source.columns
        if not column.is_loaded
    }
    assert left_out == {"complaints.text": "personal", "feedback.text": "personal"}


@pytest.mark.parametrize("page", ["privacy.md", "privacy.zh-CN.md"])
def test_the_page_on_privacy_names_every_personal_column_of_the_contracts(page):
    text = (Path(__file__).resolve().parents[2] / "docs" / page).read_text(encoding="utf-8")
    protected = ("personal", "sensitive")
    for source in landing_contracts():
        named = {is_loaded: [] for is_loaded in (True, False)}
        for column in source.columns:
            if column.classification in protected:
                named[column.is_loaded].append(f"`{column.name}`")
        row = f"| {source.name} | {', '.join(named[True])} | {', '.join(named[False])} |"
        assert (row in text) == any(named.values())
