"""The same features by native SQL on Spark, on this one machine.

Belongs here: reading the purchases, one aggregation a customer, one file written. Must not be here: anything of the
project. The peak is that of the Java process, where Spark's memory is.
"""

import contextlib
import json
import os
import sys
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path

from pyspark.sql import SparkSession

FEATURES = Path(__file__).with_name("features.sql")


def main(landing: Path, day: date, target: Path) -> None:
    """Start, then read, aggregate and write in one lazy plan."""
    with _stage("start"):
        spark = (
            SparkSession.builder.master(f"local[{os.cpu_count()}]")
            .config("spark.driver.memory", "6g")
            .config("spark.ui.enabled", "false")
            .config("spark.ui.showConsoleProgress", "false")
            .config("spark.sql.shuffle.partitions", "8")
            .config("spark.sql.session.timeZone", "UTC")
            .config("spark.sql.parquet.inferTimestampNTZ.enabled", "true")
            .config("spark.log.level", "ERROR")
            .getOrCreate()
        )
    with _stage("read, aggregate, write"):
        purchases = landing / "purchases"
        frame = spark.read.parquet(*sorted(str(path) for path in purchases.glob("*.parquet")))
        if files := sorted(str(path) for path in purchases.glob("*.csv*")):
            later = spark.read.csv(files, header=True, schema=frame.schema)
            frame = frame.unionByName(later)
        frame.createOrReplaceTempView("purchases")
        query = FEATURES.read_text(encoding="utf-8").replace("DAY", str(day))
        spark.sql(query).write.parquet(str(target))
    spark.stop()


@contextlib.contextmanager
def _stage(name: str) -> Iterator[None]:
    started = time.perf_counter()
    yield
    seconds = time.perf_counter() - started
    print(json.dumps({"stage": name, "seconds": seconds, "peak_gib": _peak_of_children()}), flush=True)


def _peak_of_children() -> float:
    """Peak of the Java process that this one started, in GiB."""
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text(encoding="ascii").split()
    statuses = (Path(f"/proc/{child}/status").read_text(encoding="ascii").splitlines() for child in children)
    peaks = [int(line.split()[1]) for lines in statuses for line in lines if line.startswith("VmHWM")]
    return max(peaks, default=0) / 1024**2


if __name__ == "__main__":
    main(Path(sys.argv[1]), date.fromisoformat(sys.argv[2]), Path(sys.argv[3]))
