import gzip
import io
import json
import os
import signal
import socket
import stat
from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data_contracts import contract
from pipelines.errors import UserError
from pipelines.ingest import landing as landing_zone
from pipelines.ingest import line_reader, loading, packed
from pipelines.ingest.landing import LandingFile, listing
from pipelines.ingest.loading import load
from pipelines.settings import Settings
from pipelines.warehouse import Trial, Warehouse

D1, D2 = date(2024, 1, 10), date(2024, 1, 11)
HEADER = "order_id,customer_id,ordered_at,amount,currency\n"
ROW = "O1,C1,2024-01-01T10:00:00Z,1,EUR\n"
SECRET = "S3cr3t"
GIGABYTES = 10 * 10**9


@pytest.fixture(autouse=True)
def no_hang():
    def stop(*_):
        raise AssertionError("it waits for ever")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(120)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture
def told(warehouse):
    """What one load of purchases says: accepted orders, and the lines of failures and strays in English."""

    def run(source: str = "purchases", opened: Warehouse = warehouse):
        report = load(opened, contract(source), D2, "run")
        lines = [text for texts in (*report.failures, *report.strays) for text in texts]
        assert all(line.isprintable() for line in lines)
        orders = (
            opened.run("select order_id from raw.purchases order by load_date, source_row")
            if (source == "purchases")
            else []
        )
        failures, strays = ([english for english, _ in texts] for texts in (report.failures, report.strays))
        return [order for (order,) in orders], failures, strays

    return run


def pipe(path: Path) -> None:
    os.mkfifo(path)


def plug(path: Path) -> None:
    before = Path.cwd()
    os.chdir(path.parent)  # the path of a socket may be short only
    with socket.socket(socket.AF_UNIX) as plugged:
        plugged.bind(path.name)
    os.chdir(before)


def device(path: Path) -> None:
    try:
        os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(1, 5))  # /dev/zero: it never ends
    except PermissionError:
        pytest.skip("this user makes no devices")


def link_to_a_file(path: Path) -> None:
    secret = path.parents[2] / "secret.csv"
    secret.write_text(HEADER + ROW.replace("O1", SECRET))
    path.symlink_to(secret)


def link_to_nothing(path: Path) -> None:
    path.symlink_to("nowhere")


def link_to_itself(path: Path) -> None:
    path.symlink_to(path.name)


def link_upwards(path: Path) -> None:
    secret = path.parents[2] / "secret.csv"
    secret.write_text(HEADER + ROW.replace("O1", SECRET))
    path.symlink_to(Path("..") / ".." / "secret.csv")


def folder(path: Path) -> None:
    path.mkdir()
    (path / "part-0000.csv").write_text(HEADER + ROW)


LINK = "is a symbolic link; put the file or folder itself there"
NO_FILES = {
    pipe: "is a pipe; put a file in its place",
    plug: "is a socket; put a file in its place",
    device: "is a device; put a file in its place",
    link_to_a_file: LINK,
    link_to_nothing: LINK,
    link_to_itself: LINK,
    link_upwards: LINK,
    folder: "is a folder with the name of a file; name the folder by its day, such as 2026-01-31",
}


@pytest.mark.parametrize("ending", ["csv", "csv.gz", "ndjson", "parquet"])
@pytest.mark.parametrize(("make", "reason"), NO_FILES.items(), ids=[make.__name__ for make in NO_FILES])
def test_a_delivery_that_is_no_file_fails_in_one_line_and_harms_no_other(told, deliver, landing, make, reason, ending):
    deliver("purchases", f"{D2}.csv", HEADER + ROW)
    make(landing / "purchases" / f"{D1}.{ending}")
    assert told() == (["O1"], [f"purchases/{D1}.{ending}: {reason}"], [])


@pytest.mark.parametrize("make", [pipe, plug, link_to_itself, link_to_nothing])
def test_what_is_no_file_in_the_folder_of_a_day_fails_that_day(told, deliver, landing, make):
    deliver("purchases", f"{D1}/a.csv", HEADER + ROW)
    deliver("purchases", f"{D2}.csv", HEADER + ROW.replace("O1", "O2"))
    make(landing / "purchases" / str(D1) / "b.csv")
    assert told() == (["O2"], [f"purchases/{D1}/b.csv: {NO_FILES[make]}"], [])


@pytest.mark.parametrize("make", [pipe, plug, link_to_a_file, folder])
def test_what_is_neither_a_file_nor_named_by_a_day_is_only_told(told, deliver, landing, make):
    deliver("purchases", f"{D1}.csv", HEADER + ROW)
    make(landing / "purchases" / "latest.csv")
    orders, failures, (stray,) = told()
    assert (orders, failures) == (["O1"], [])
    assert stray.startswith("purchases/latest.csv: not loaded; ")


def test_a_day_that_is_a_link_to_a_folder_elsewhere_is_refused(told, tmp_path, deliver, landing):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "a.csv").write_text(HEADER + ROW.replace("O1", SECRET))
    deliver("purchases", f"{D2}.csv", HEADER + ROW)
    (landing / "purchases" / str(D1)).symlink_to(elsewhere)
    assert told() == (["O1"], [f"purchases/{D1}: {LINK}"], [])


def test_a_source_that_is_a_link_to_a_folder_elsewhere_is_refused(told, tmp_path, landing):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / f"{D1}.csv").write_text(HEADER + ROW.replace("O1", SECRET))
    landing.mkdir()
    (landing / "purchases").symlink_to(elsewhere)
    assert told() == ([], [f"purchases: {LINK}"], [])
    with pytest.raises(UserError, match="purchases: is a symbolic link"):
        landing_zone.newest_day(landing, ("purchases",))


def test_the_landing_zone_itself_may_be_a_link(told, tmp_path, deliver, landing):
    deliver("purchases", f"{D1}.csv", HEADER + ROW)
    (tmp_path / "link").symlink_to(landing)
    with Warehouse(Settings(landing=tmp_path / "link", warehouse=tmp_path / "w")) as opened:
        assert told(opened=opened) == (["O1"], [], [])


def test_a_refused_delivery_is_of_its_day(told, deliver, landing):
    deliver("purchases", f"{D1}.csv", HEADER + ROW)
    pipe(landing / "purchases" / f"{D2 + timedelta(days=1)}.csv")
    assert told() == (["O1"], [], [])
    assert landing_zone.newest_day(landing, ("purchases",)) == D2 + timedelta(days=1)


@pytest.mark.parametrize("make", [pipe, link_to_a_file, folder, device])
def test_what_takes_the_place_of_a_file_after_it_was_listed_is_not_read(warehouse, deliver, landing, make, monkeypatch):
    path = deliver("purchases", f"{D1}.csv", HEADER + ROW)
    listed = listing(landing, "purchases")
    path.unlink()
    make(path)
    monkeypatch.setattr(loading, "listing", lambda *_: listed)
    report = load(warehouse, contract("purchases"), D2, "run")
    assert len(report.failures) == 1
    assert warehouse.run("from raw.purchases") == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_that_may_not_be_read_fails_in_one_line(told, deliver):
    deliver("purchases", f"{D1}.csv", HEADER + ROW).chmod(0)
    _, (line,), _ = told()
    assert line == f"purchases/{D1}.csv: cannot be read as csv (Permission denied); deliver it again"


def test_a_folder_that_may_not_be_listed_fails_in_one_line(told, deliver, landing, monkeypatch):
    deliver("purchases", f"{D1}/a.csv", HEADER + ROW)
    real = Path.iterdir

    def refuse(self):
        if self.name == str(D1):
            raise PermissionError(13, "Permission denied")
        return real(self)

    monkeypatch.setattr(Path, "iterdir", refuse)
    line = f"purchases/{D1}: cannot be listed (Permission denied); give the pipeline's user the right to read it"
    assert told() == ([], [line], [])


SPARSE = {
    "nothing.csv": b"",
    "nothing.ndjson": b"",
    "nothing.csv.gz": b"",
    "nothing.parquet": b"",
    "header.csv": (HEADER + ROW).encode(),
    "object.ndjson": b'{"order_id":"O1"}\n',
    "magic.parquet": b"PAR1",
    "magic.csv.gz": b"\x1f\x8b\x08\x00",
    "packed.csv.gz": gzip.compress((HEADER + ROW).encode()),
}


@pytest.mark.parametrize(("name", "start"), SPARSE.items(), ids=SPARSE)
def test_ten_gigabytes_of_nothing_are_refused_before_they_are_read(told, deliver, monkeypatch, name, start):
    path = deliver("purchases", f"{D1}/{name}", start)
    with path.open("r+b") as file:
        file.truncate(GIGABYTES)
    monkeypatch.setattr(LandingFile, "sha256", lambda _: pytest.fail("ten gigabytes were read"))
    orders, failures, _ = told()
    assert (orders, len(failures)) == ([], 1)


def test_a_parquet_file_whose_footer_asks_for_gigabytes_is_refused(told, deliver):
    path = deliver("purchases", f"{D1}.parquet", b"PAR1")
    with path.open("r+b") as file:
        file.truncate(GIGABYTES)
        file.seek(GIGABYTES)
        file.write((4 * 10**9).to_bytes(4, "little") + b"PAR1")
    _, (line,), _ = told()
    assert "its footer has more than 256,000,000 bytes" in line


@pytest.mark.parametrize("ending", ["csv", "csv.gz", "ndjson", "parquet"])
def test_a_file_over_the_agreed_size_is_refused(told, tmp_path, deliver, landing, purchase, ending):
    many = [purchase(order_id=f"O{place}", customer_id="C" * 100) for place in range(1000)]
    deliver("purchases", f"{D1}.{ending}", many)
    with Warehouse(Settings(landing=landing, warehouse=tmp_path / "w", max_file_bytes=90_000)) as opened:
        orders, (line,), _ = told(opened=opened)
    assert orders == []
    assert "more than" in line
    assert line.endswith(("deliver it again", "deliver the day as a folder of files"))


def test_a_gzip_bomb_is_refused_and_never_unpacked_whole(told, deliver, monkeypatch):
    monkeypatch.setattr(packed, "ALWAYS_ALLOWED", 2**20)
    deliver("purchases", f"{D1}.csv.gz", gzip.compress((HEADER + ROW * 200_000).encode()))
    deliver("purchases", f"{D2}.csv.gz", gzip.compress((HEADER + "x" * 50_000_000).encode()))
    orders, failures, _ = told()
    line = "cannot be read as csv.gz (unpacks to more than 200 times its size); deliver it again"
    assert (orders, failures) == ([], [f"purchases/{day}.csv.gz: {line}" for day in (D1, D2)])


def test_unpacking_holds_one_piece_at_a_time():
    bomb = gzip.compress(b"\0" * 100_000_000)
    pieces = packed.unpacked(io.BytesIO(bomb), size=10**9, limit=10**9)
    assert max(len(piece) for piece in pieces) <= 2**20


PACKED = {
    "trailing garbage": (lambda good: good + b"garbage", "something stands behind its end"),
    "trailing zeros": (lambda good: good + bytes(10_000), "something stands behind its end"),
    "a torn second member": (lambda good: good + good[:-5], "ends in the middle"),
    "a wrong checksum": (lambda good: good[:-8] + bytes(4) + good[-4:], "is damaged: incorrect data check"),
    "no bytes": (lambda _: b"", "is no gzip file"),
    "one byte": (lambda good: good[:1], "ends in the middle"),
}


@pytest.mark.parametrize(("spoil", "reason"), PACKED.values(), ids=PACKED)
def test_a_gzip_file_that_is_not_sound_is_refused_with_its_reason(told, deliver, spoil, reason):
    deliver("purchases", f"{D1}.csv.gz", spoil(gzip.compress((HEADER + ROW).encode())))
    line = f"purchases/{D1}.csv.gz: cannot be read as csv.gz ({reason}); deliver it again"
    assert told() == ([], [line], [])


def test_a_gzip_file_of_several_members_is_one_file(told, deliver):
    deliver(
        "purchases", f"{D1}.csv.gz", gzip.compress(HEADER.encode()) + gzip.compress(b"") + gzip.compress(ROW.encode())
    )
    assert told() == (["O1"], [], [])


def test_endless_empty_members_come_to_an_end(monkeypatch):
    monkeypatch.setattr(packed, "_MOST_MEMBERS", 100)
    with pytest.raises(packed.PackedError, match="is made of more than 100 pieces"):
        list(packed.unpacked(io.BytesIO(gzip.compress(b"") * 101), 10**6, 10**6))


def footer(content: bytes) -> bytes:
    return b"PAR1" + content + len(content).to_bytes(4, "little") + b"PAR1"


BAD_FOOTERS = {
    "a list of 2^31 columns": footer(b"\x15\x02\x19\xfc\xff\xff\xff\xff\x07" + bytes(100)),
    "a list of 2^24 columns": footer(b"\x15\x02\x19\xfc\x80\x80\x80\x08" + bytes(100)),
    "a text of 2^31 characters": footer(b"\x15\x02\x48\xff\xff\xff\xff\x07abc"),
    "a footer longer than the file": b"PAR1" + bytes(50) + b"\xff\xff\xff\xffPAR1",
    "a negative footer": b"PAR1" + bytes(50) + b"\x00\x00\x00\x80PAR1",
    "an empty footer": footer(b""),
    "an encrypted footer": b"PARE" + bytes(50) + b"\x14\x00\x00\x00PARE",
    "only the magic": b"PAR1PAR1",
    "text": HEADER.encode(),
}


@pytest.mark.parametrize("content", BAD_FOOTERS.values(), ids=BAD_FOOTERS)
def test_an_absurd_parquet_footer_is_refused_before_duckdb_reads_it(told, deliver, purchase, content, monkeypatch):
    real = Trial.run

    def run(self, query, parameters=()):
        assert str(D1) not in str((query, parameters))
        return real(self, query, parameters)

    monkeypatch.setattr(Trial, "run", run)
    deliver("purchases", f"{D1}.parquet", content)
    deliver("purchases", f"{D2}.parquet", [purchase()])
    orders, (line,), _ = told()
    assert orders == ["O1"]
    assert line.startswith(f"purchases/{D1}.parquet: cannot be read as parquet (")


def parquet(**columns: object) -> bytes:
    filled = {name: ["x"] for name in HEADER.strip().split(",")} | columns
    rows = max(len(values) for values in filled.values())
    table = pa.table({name: values if len(values) == rows else list(values) * rows for name, values in filled.items()})
    sink = io.BytesIO()
    pq.write_table(table, sink, store_schema=False)
    return sink.getvalue()


def test_a_parquet_file_that_ends_duckdb_harms_no_other_file(told, deliver, purchase):
    sink = io.BytesIO()
    table = pa.table({name: ["O1", "O2"] for name in HEADER.strip().split(",")})
    pq.write_table(table, sink, compression="none", store_schema=False, write_statistics=False, use_dictionary=False)
    good = sink.getvalue()
    sizes = [place + 1 for place in range(4, len(good) - 8) if good[place] == 0x16]  # Thrift: a long number follows
    for place in sizes:  # its last bit is its sign
        deliver("purchases", f"{D1}/{place:04}.parquet", good[:place] + bytes([good[place] ^ 1]) + good[place + 1 :])
    deliver("purchases", f"{D2}.parquet", [purchase()])
    orders, failures, _ = told()
    assert orders == ["O1"]
    assert any("Internal" in line or "INTERNAL" in line for line in failures)


def test_a_parquet_file_of_few_bytes_and_many_rows_is_refused(told, deliver, monkeypatch):
    monkeypatch.setattr(packed, "ALWAYS_ALLOWED", 2**20)
    deliver("purchases", f"{D1}.parquet", parquet(order_id=pa.repeat("O1", 500_000)))
    _, (line,), _ = told()
    assert "(promises 500,000 rows, too many for its size)" in line


def test_a_parquet_file_of_one_long_text_for_many_rows_is_refused(told, deliver, monkeypatch):
    monkeypatch.setattr(packed, "ALWAYS_ALLOWED", 2**20)
    one = pa.DictionaryArray.from_arrays(pa.array([0] * 5000, pa.int32()), pa.array(["x" * 100_000]))
    deliver("purchases", f"{D1}.parquet", parquet(customer_id=one))
    _, (line,), _ = told()
    assert "(unpacks to more than 200 times its size)" in line


@pytest.mark.parametrize("ending", ["csv", "parquet", "ndjson"])
def test_a_file_with_thousands_of_columns_is_refused(told, deliver, ending):
    names = [f"c{place}" for place in range(3000)]
    content = {
        "csv": ",".join([*names, HEADER + ROW]),
        "ndjson": json.dumps(dict.fromkeys(names, 1)),
        "parquet": parquet(**{name: [1] for name in names}) if ending == "parquet" else b"",
    }[ending]
    deliver("purchases", f"{D1}.{ending}", content)
    _, (line,), _ = told()
    assert "columns, more than 2,000; deliver one column a property" in line


SQL_NAMES = [
    '"; drop table raw.purchases; --',
    "'); drop table raw.purchases; --",
    'a"b',
    "a'b",
    "a\x00b",
    "src_customer_id",
    "__index_level_0__",
    "select",
    "source_row",
    "load_date",
    "broken_line",
    "filename",
    "Customer_ID",
    "n" * 1_000_000,
    "\u202etxt",
    "",
]


@pytest.mark.parametrize("ending", ["csv", "ndjson", "parquet"])
@pytest.mark.parametrize("name", SQL_NAMES, ids=range(len(SQL_NAMES)))
def test_a_column_of_any_other_name_is_left_out_and_told(warehouse, deliver, purchase, name, ending):
    row = purchase() | {name: "x"}
    text = (
        ",".join(['"' + key.replace('"', '""') + '"' for key in row]) + "\n" + ",".join(map(str, row.values())) + "\n"
    )
    content = {"csv": text, "ndjson": json.dumps(row) + "\n"}.get(ending) or parquet(
        **{key: [value] for key, value in row.items()}
    )
    deliver("purchases", f"{D1}.{ending}", content)
    report = load(warehouse, contract("purchases"), D2, "run")
    if report.failures:
        assert ending == "parquet"
        assert name in ("a\x00b", "")
    else:
        assert warehouse.run("select order_id, customer_id from raw.purchases") == [("O1", "C1")]
        assert len(report.unknown_columns) == 1


@pytest.mark.parametrize("ending", ["csv", "csv.gz", "ndjson", "parquet"])
def test_values_that_are_sql_are_values(warehouse, deliver, purchase, ending):
    values = ["'; drop table raw.purchases; --", '"); delete from meta.loads; --', "${x}", "{{ x }}", "%s", "?", "\\'"]
    deliver("purchases", f"{D1}.{ending}", [purchase(order_id=value) for value in values])
    load(warehouse, contract("purchases"), D2, "run")
    assert [value for (value,) in warehouse.run("select order_id from raw.purchases order by source_row")] == values


@pytest.mark.parametrize(
    "name",
    [
        "it's.csv",
        'say "hi".csv',
        "s3:.csv",
        "http:x.csv",
        "a=b.csv",
        "%2e%2e.csv",
        "$HOME.csv",
        "~.csv",
        "-.csv",
        "a\\b.csv",
        "网店.csv",
        "; drop table x.csv",
    ],
)
def test_a_file_of_any_printable_name_is_read_as_that_file(warehouse, told, deliver, name):
    deliver("purchases", f"{D1}/{name}", HEADER + ROW)
    assert told() == (["O1"], [], [])
    assert warehouse.value("select file from meta.loads") == f"purchases/{D1}/{name}"


@pytest.mark.parametrize(
    "name", ["*.csv", "a?.csv", "[a].csv", "{a,b}.csv", "a\nb.csv", "a\x1b[31mb.csv", "\u202evsc.csv"]
)
def test_a_name_that_is_a_pattern_or_cannot_be_printed_is_told_in_one_line(told, deliver, name):
    deliver("purchases", f"{D1}/{name}", HEADER + ROW)
    orders, failures, (stray,) = told()
    assert (orders, failures) == ([], [])
    assert stray.endswith("not loaded; rename the file without any of * ? [ ] { } or control characters")


def test_a_name_that_is_no_utf_8_is_told_in_one_line(told, landing):
    folder = landing / "purchases" / str(D1)
    folder.mkdir(parents=True)
    (folder / os.fsdecode(b"a\xff.csv")).write_text(HEADER + ROW)
    orders, failures, (stray,) = told()
    assert (orders, failures) == ([], [])
    assert stray.endswith("not loaded; rename the file without any of * ? [ ] { } or control characters")


@pytest.mark.parametrize(
    "name", ["it's", 'a"b', "s3:", "http:", "a=b", "%41", "$HOME", "~", " a ", "a\\b", "{a,b}", "网店"]
)
def test_a_landing_zone_of_any_printable_path_is_read(tmp_path, told, name):
    place = tmp_path / name / "purchases"
    place.mkdir(parents=True)
    for ending, content in {"csv": HEADER + ROW, "ndjson": '{"order_id":"O2"}\n'}.items():
        (place / f"{D1}.{ending}").write_text(content)
    (place / f"{D2}.parquet").write_bytes(parquet())
    with Warehouse(Settings(landing=tmp_path / name, warehouse=tmp_path / "w")) as opened:
        assert told(opened=opened)[:2] == (["O1"], [])
        assert opened.value("select sum(rows_read) from meta.loads") == 3


@pytest.mark.parametrize("name", ["a*", "a?", "[ab]", "a\nb", os.fsdecode(b"a\xff")])
def test_a_landing_zone_whose_path_is_a_pattern_is_refused(tmp_path, name):
    with pytest.raises(UserError) as caught:
        Settings(landing=tmp_path / name)
    assert str(caught.value).endswith("its path must not hold * ? [ or control characters; rename it")
    assert str(caught.value).isprintable()


OBJECT = '{"order_id":"O1","customer_id":"C1","ordered_at":"2024-01-01","amount":1,"currency":"EUR"'
JSON_LINES = {
    "a hundred thousand brackets": (OBJECT + ',"x":' + "[" * 100_000 + "]" * 100_000 + "}", ["O1"]),
    "a hundred thousand brackets as a value": (OBJECT.replace('"C1"', "[" * 100_000 + "]" * 100_000) + "}", []),
    "a hundred thousand objects": (OBJECT + ',"x":' + '{"a":' * 100_000 + "1" + "}" * 100_000 + "}", ["O1"]),
    "brackets that are not closed": ("[" * 100_000, []),
    "a key twice": (OBJECT + ',"order_id":"O2"}', []),
    "a number of a thousand digits": (OBJECT + ',"quantity":' + "9" * 1000 + "}", []),
    "an exponent of a million": (OBJECT + ',"quantity":1e1000000}', []),
    "a lone surrogate": (OBJECT.replace("O1", "\\ud800") + "}", []),
    "a NUL": (OBJECT.replace("O1", "\\u0000") + "}", []),
    "no end": (OBJECT, []),
    "a megabyte of key": (OBJECT + ',"' + "k" * 10**6 + '":1}', ["O1"]),
}


@pytest.mark.parametrize(("line", "orders"), JSON_LINES.values(), ids=JSON_LINES)
def test_a_json_bomb_is_read_or_costs_its_line(warehouse, told, deliver, line, orders):
    deliver("purchases", f"{D1}.ndjson", line + "\n" + OBJECT.replace("O1", "next") + "}\n")
    assert told() == ([*orders, "next"], [], [])
    assert warehouse.value("select count(*) from quarantine.purchases") == 1 - len(orders)


def test_a_key_that_stands_twice_is_named_as_the_reason(warehouse, told, deliver):
    deliver("purchases", f"{D1}.ndjson", JSON_LINES["a key twice"][0])
    told()
    ((reasons,),) = warehouse.run("select reasons from quarantine.purchases")
    assert reasons == ["line 1 holds a key twice: write every key once"]


def test_a_million_keys_are_refused(told, deliver, monkeypatch):
    monkeypatch.setattr(line_reader, "LONGEST_LINE", 4_000_000)
    deliver("purchases", f"{D1}.ndjson", "".join(f'{{"k{place}":1}}\n' for place in range(10**6)))
    _, (line,), _ = told()
    assert "columns, more than 2,000" in line


def test_of_a_line_without_end_only_the_beginning_is_kept(warehouse, told, deliver):
    text = HEADER + "x" * 30_000_000 + "\n" + ROW
    deliver("purchases", f"{D1}.csv", text)
    assert told() == (["O1"], [], [])
    assert warehouse.value("select length(record) from quarantine.purchases") < 4_100_000


def grow(path: Path) -> None:
    with path.open("a") as file:
        file.write(ROW.replace("O1", "O2"))


def replace(path: Path) -> None:
    other = path.with_name(".other")
    other.write_bytes(path.read_bytes())
    os.replace(other, path)


def overwrite(path: Path) -> None:
    stamp = path.stat()
    path.write_bytes(path.read_bytes().replace(b"O1", b"O9"))
    os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))


@pytest.mark.parametrize("change", [grow, replace, overwrite, Path.unlink], ids=lambda change: change.__name__)
def test_a_file_that_changes_while_it_is_read_is_not_loaded(warehouse, told, deliver, change, monkeypatch):
    path = deliver("purchases", f"{D1}.csv", HEADER + ROW)
    deliver("purchases", f"{D2}.csv", HEADER + ROW.replace("O1", "next"))
    real = loading._read_group

    def read_and_change(*arguments):
        found = real(*arguments)
        change(path)
        return found

    monkeypatch.setattr(loading, "_read_group", read_and_change)
    line = "changed or vanished while it was read; run the night again when it is complete"
    assert told() == (["next"], [f"purchases/{D1}.csv: {line}"], [])
    assert warehouse.run("select load_date from meta.loads") == [(D2,)]


def test_a_file_that_vanishes_before_it_is_read_fails_in_one_line(told, deliver, landing, monkeypatch):
    path = deliver("purchases", f"{D1}.csv", HEADER + ROW)
    told()
    listed = listing(landing, "purchases")
    path.unlink()
    monkeypatch.setattr(loading, "listing", lambda *_: listed)
    line = f"purchases/{D1}.csv: cannot be read as csv (No such file or directory); deliver it again"
    assert told() == (["O1"], [line], [])


def test_a_day_of_far_too_many_files_is_refused(told, deliver, monkeypatch):
    monkeypatch.setattr(landing_zone, "MOST_FILES", 3)
    for place in range(4):
        deliver("purchases", f"{D1}/{place}.csv", HEADER + ROW)
    assert told() == ([], [f"purchases/{D1}: holds 4 files, more than 3; deliver the day in fewer files"], [])


def test_a_first_line_that_is_a_row_is_never_shown(told, deliver):
    row = f"O1,{SECRET},2024-01-01,{SECRET},EUR\n"
    deliver("purchases", f"{D1}.csv", row * 2)
    deliver("purchases", f"{D2}.csv", row.replace("O1", SECRET))
    orders, failures, _ = told()
    assert orders == []
    assert [line.split(" agreed are")[0] for line in failures] == [
        f"purchases/{day}.csv: none of its 5 column names is agreed; is the header line missing?" for day in (D1, D2)
    ]
    assert SECRET not in " ".join(failures)


@pytest.mark.parametrize(
    "tear", [lambda content: content[:-20], lambda content: content[:30] + b"\xff\0" + content[32:]]
)
@pytest.mark.parametrize("ending", ["csv", "csv.gz", "ndjson", "parquet"])
def test_no_value_of_a_broken_file_is_told(warehouse, deliver, purchase, ending, tear):
    many = [purchase(order_id=f"{SECRET}{place}", customer_id=SECRET, amount=SECRET) for place in range(50)]
    path = deliver("purchases", f"{D1}.{ending}", many)
    path.write_bytes(tear(path.read_bytes()))
    report = load(warehouse, contract("purchases"), D2, "run")
    assert SECRET not in str((report.failures, report.strays, report.unknown_columns))


def test_a_source_of_another_name_is_told_with_the_nearest_known_one(told, deliver):
    for name in ("orders", "Purchases", "purchase", "complaint", "Kunden", "archive"):
        deliver(name, f"{D1}.csv", HEADER + ROW)
    deliver("lost+found", "x", "")
    deliver(".hidden", f"{D1}.csv", "")
    known = "the folders of the landing zone are purchases, repurchases, complaints, churn, customers, surveys,"
    known += " feedback, fx_rates"
    assert told()[2] == [
        f"Kunden: not loaded; {known}",
        f"Purchases: not loaded; is it purchases? {known}",
        f"archive: not loaded; {known}",
        f"orders: not loaded; is it purchases? {known}",
        f"purchase: not loaded; is it purchases? {known}",
    ]
    assert told("complaints")[2] == [f"complaint: not loaded; is it complaints? {known}"]


def test_a_file_beside_the_folders_of_the_sources_is_told(told, landing):
    landing.mkdir()
    (landing / f"{D1}.csv").write_text(HEADER + ROW)
    (landing / "README.md").write_text("")
    assert [stray.split(";")[0] for stray in told()[2]] == [f"{D1}.csv: not loaded"]
