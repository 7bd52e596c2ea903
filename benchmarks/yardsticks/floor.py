"""The floor: what any nightly batch on DuckDB must do at the very least.

Each source is read once into tables, one aggregation a customer, one prediction of boosted trees a customer, one table
written. No check, no version, no interval, no reason, no mart: nothing can be less.

Belongs here: the four stages. Must not be here: anything of the project (it would no longer be a yardstick).
"""

import sys
from datetime import date
from pathlib import Path

import duckdb
import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from stages import stage
from threadpoolctl import threadpool_limits

READERS = {".parquet": "read_parquet", ".csv": "read_csv", ".csv.gz": "read_csv", ".ndjson": "read_ndjson"}
FEATURES = Path(__file__).with_name("features.sql")
TREES, FITTED_ON = 100, 20_000


def main(landing: Path, day: date, target: Path) -> None:
    """Read, aggregate, predict, write."""
    with duckdb.connect(str(target)) as database:
        with stage("read"):
            for source in sorted(path for path in landing.iterdir() if path.is_dir()):
                database.execute(f"create table {source.name} as {_files(source)}")
        with stage("aggregate"):
            database.execute(f"create table features as {_for_duckdb(day)}")
        columns = database.execute("select * exclude (customer_id) from features").fetchnumpy()
        rows = np.column_stack([np.asarray(values, dtype=np.float64) for values in columns.values()])
        model = _fitted(rows)
        with stage("predict"):
            risk = model.predict_proba(rows)[:, 1]
        with stage("write"):
            database.register("risks", {"risk": risk})
            database.execute("create table scores as select customer_id, risk from features positional join risks")
            database.execute("checkpoint")


def _files(source: Path) -> str:
    """A select of all files of a source, each read once by the reader of its format."""
    parts = []
    for ending, reader in READERS.items():
        if files := sorted(str(path) for path in source.glob(f"*{ending}")):
            names = ", ".join(f"'{name}'" for name in files)
            parts.append(f"select * from {reader}([{names}], union_by_name = true)")
    return " union all by name ".join(parts)


def _for_duckdb(day: date) -> str:
    """The features in DuckDB's words: it names the unit and the earlier day first."""
    text = FEATURES.read_text(encoding="utf-8")
    return text.replace("datediff(date 'DAY', ", f"(date '{day}' - ")


def _fitted(rows: np.ndarray) -> HistGradientBoostingClassifier:
    """Trees of the size of a churn model; what they learn does not matter here, and fitting them is not timed."""
    some = np.random.default_rng(0).choice(len(rows), min(FITTED_ON, len(rows)), replace=False)
    is_silent = rows[some, 4] > np.median(rows[some, 4])
    with threadpool_limits(1):  # threads that wait for each other crawl where the machine does other work
        return HistGradientBoostingClassifier(max_iter=TREES, early_stopping=False).fit(rows[some], is_silent)


if __name__ == "__main__":
    main(Path(sys.argv[1]), date.fromisoformat(sys.argv[2]), Path(sys.argv[3]))
