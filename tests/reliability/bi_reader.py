"""A reader of the published database, as BI tools are: run as a script, by this Python or that of older clients.

Needs nothing of the project. ``bi_reader.py KIND FILE STOP`` opens the file, reads all tables, closes it, and begins
again until the file STOP is there; each time it prints the day that the tables tell of, or what is wrong.
``bi_reader.py pooled FILE`` answers each line of standard input through connections that stay open.
"""

import os
import sys
from contextlib import contextmanager
from pathlib import Path

DAYS_OF = "select distinct max(as_of) from {table} having count(*) > 0"
TABLES = "select table_name from duckdb_tables() where table_name not in ('model_quality', 'run_info') order by all"


@contextmanager
def through_duckdb(file):
    import duckdb

    with duckdb.connect(file, read_only=True) as connection:
        yield lambda query: connection.execute(query).fetchall()


@contextmanager
def through_sqlalchemy(file):
    import sqlalchemy

    engine = sqlalchemy.create_engine(
        f"duckdb:///{file}", poolclass=sqlalchemy.NullPool, connect_args={"read_only": True}
    )
    with engine.connect() as connection:
        yield lambda query: connection.execute(sqlalchemy.text(query)).all()


def snapshot(ask):
    """The day of the night and what does not fit it: tables of another day, customers who are missing."""
    ((night, customers),) = ask("select as_of, customers from run_info")
    torn = [name for (name,) in ask(TABLES) if ask(DAYS_OF.format(table=name)) not in ([(night,)], [])]
    ((found, distinct),) = ask("select count(*), count(distinct customer_id) from customer_scores")
    wrong = [] if found == distinct == customers else [f"{found} of {customers} customers"]
    return night, [*torn, *wrong]


def read_on(kind, file, stop):
    opened = through_sqlalchemy if kind == "sqlalchemy" else through_duckdb
    started_by = os.getppid()
    while not Path(stop).exists() and os.getppid() == started_by:
        try:
            with opened(file) as ask:
                night, wrong = snapshot(ask)
        except Exception as error:
            print(f"error {type(error).__name__}: {error}".replace("\n", " "), flush=True)
            return
        print(f"torn {wrong}" if wrong else night, flush=True)


def stay(file):
    import sqlalchemy

    engine = sqlalchemy.create_engine(
        f"duckdb:///{file}", poolclass=sqlalchemy.QueuePool, pool_size=2, connect_args={"read_only": True}
    )
    for line in sys.stdin:
        if line.strip() == "dispose":
            engine.dispose()
        with engine.connect() as connection:
            night, wrong = snapshot(lambda query, held=connection: held.execute(sqlalchemy.text(query)).all())
        print(f"torn {wrong}" if wrong else night, flush=True)


if __name__ == "__main__":
    stay(sys.argv[2]) if sys.argv[1] == "pooled" else read_on(*sys.argv[1:])
