import sqlite3

from sqlalchemy import NullPool, create_engine, text

from pipelines.storage.record_connections import record_kept_open


def test_the_record_is_kept_open_until_the_run_is_over_and_holds_every_event(tmp_path):
    file = tmp_path / "run.db"
    sqlite3.connect(file).execute("pragma journal_mode = wal").connection.close()
    log = tmp_path / "run.db-wal"
    with record_kept_open():
        for number in range(3):
            engine = create_engine(f"sqlite:///{file}", poolclass=NullPool)
            with engine.begin() as connection:
                connection.execute(text("create table if not exists events (number integer)"))
                connection.execute(text(f"insert into events values ({number})"))
                assert connection.execute(text("pragma synchronous")).scalar() == 1
            assert log.exists()  # no last connection was closed
    assert not log.exists()
    assert sqlite3.connect(file).execute("select count(*) from events").fetchone() == (3,)


def test_afterwards_connections_are_as_before(tmp_path):
    with record_kept_open():
        pass
    engine = create_engine(f"sqlite:///{tmp_path / 'other.db'}", poolclass=NullPool)
    with engine.begin() as connection:
        assert connection.execute(text("pragma synchronous")).scalar() == 2
