"""Where a company's files are and how its days and money are counted.

Belongs here: the few settings that differ from installation to installation, from the environment.
Must not be here: what the data must look like or how scores are computed (see ``data_contracts``).
"""

import grp
import math
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pipelines.errors import UserError

_MEMORY = re.compile(r"(?:100|[1-9]\d?)%|(?=.*[1-9])\d+(?:\.\d+)? ?[KMGT]i?B")

SHORTEST_KEY = 32
REPORT_LANGUAGES = ("en", "zh")
ENGINES = ("local", "spark")


@dataclass(frozen=True)
class Settings:
    """Settings of one installation.

    Parameters
    ----------
    landing : Path
        The landing zone, ``LANDING/<source>/<YYYY-MM-DD>.<format>``.
    warehouse : Path
        The folder that holds the private warehouse, the published database and the models.
    time_zone : str
        IANA name of the business time zone.
    currency : str or None
        Reporting currency; None takes that of most rows of the first delivery of purchases.
    memory_limit : str
        Memory that the database may use: a share of the machine's (``50%``) or an amount (``8GB``).
    wait_minutes : float
        Minutes to wait for another process to give the warehouse free.
    readers_group : str or None
        The group that may read the published database; None lets nobody but the pipeline's own user.
    pseudonym_key : str or None
        Secret of at least 32 characters under which ids of customers are kept as pseudonyms; None keeps the ids.
    max_file_bytes : int
        The longest landing file that is read; of a compressed one, unpacked.
    unit_name : str or None
        Name of the company or department that the report is about; None leaves it out.
    report_languages : tuple of {"en", "zh"}
        Languages of the report that every night writes; none of them writes none.
    is_full : bool
        Whether a night makes everything anew, also what it would keep of the night before.
    engine : {"local", "spark"}
        Where the work on customers is done: in this process, or by Spark.
    spark_master : str
        Address of the Spark cluster, as ``spark://host:7077``; the default is this machine.
    spark_remote : str or None
        Address of a server of Spark Connect, as ``sc://host:15002``; goes before the master.
    spark_shared : Path or None
        A folder that driver and Spark workers share; None takes that of the warehouse.
    """

    landing: Path = Path("landing")
    warehouse: Path = Path("warehouse")
    time_zone: str = "UTC"
    currency: str | None = None
    pseudonym_key: str | None = field(default=None, repr=False)
    memory_limit: str = "20%"
    wait_minutes: float = 0
    readers_group: str | None = None
    max_file_bytes: int = 64 * 10**9
    unit_name: str | None = None
    report_languages: tuple[str, ...] = REPORT_LANGUAGES
    is_full: bool = False
    engine: str = "local"
    spark_master: str = "local[*]"
    spark_remote: str | None = None
    spark_shared: Path | None = None

    def __post_init__(self) -> None:
        try:
            ZoneInfo(self.time_zone)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise UserError(
                f"TRUST_TIME_ZONE: {self.time_zone!r} is no time zone; use an IANA name such as Asia/Shanghai"
            ) from error
        if not _MEMORY.fullmatch(self.memory_limit):
            raise UserError(
                f"TRUST_MEMORY_LIMIT: {self.memory_limit!r} is no amount of memory; use a share such as 50% or an"
                " amount such as 8GB"
            )
        if self.readers_group is not None:
            _require_group(self.readers_group)
        if self.pseudonym_key is not None and len(self.pseudonym_key) < SHORTEST_KEY:
            raise UserError(
                f"TRUST_PSEUDONYM_KEY: has {len(self.pseudonym_key)} characters, and {SHORTEST_KEY} are the least; make"
                " one with: openssl rand -hex 32"
            )
        _require_plain(self.landing)

    @classmethod
    def from_environment(
        cls,
        landing: Path | None = None,
        warehouse: Path | None = None,
        wait_minutes: float | None = None,
        *,
        is_full: bool = False,
        engine: str | None = None,
    ) -> "Settings":
        """Settings from the environment variables TRUST_…; arguments win."""
        return cls(
            landing=(landing or Path(os.environ.get("TRUST_LANDING", "landing"))).absolute(),
            warehouse=(warehouse or Path(os.environ.get("TRUST_WAREHOUSE", "warehouse"))).absolute(),
            time_zone=os.environ.get("TRUST_TIME_ZONE", "UTC"),
            currency=os.environ.get("TRUST_CURRENCY") or None,
            pseudonym_key=os.environ.get("TRUST_PSEUDONYM_KEY"),
            memory_limit=os.environ.get("TRUST_MEMORY_LIMIT") or cls.memory_limit,
            wait_minutes=read_minutes(os.environ.get("TRUST_WAIT") or "0") if wait_minutes is None else wait_minutes,
            readers_group=os.environ.get("TRUST_READERS_GROUP") or None,
            max_file_bytes=read_gigabytes(os.environ.get("TRUST_MAX_FILE_GB") or "64"),
            unit_name=os.environ.get("TRUST_UNIT_NAME") or None,
            report_languages=read_languages(os.environ.get("TRUST_REPORT_LANGUAGES") or ",".join(REPORT_LANGUAGES)),
            is_full=is_full or read_switch(os.environ.get("TRUST_FULL") or "0"),
            engine=read_engine(engine or os.environ.get("TRUST_ENGINE") or "local"),
            spark_master=os.environ.get("TRUST_SPARK_MASTER") or "local[*]",
            spark_remote=os.environ.get("TRUST_SPARK_REMOTE") or None,
            spark_shared=Path(shared).absolute() if (shared := os.environ.get("TRUST_SPARK_SHARED")) else None,
        )


def read_minutes(text: str) -> float:
    """Minutes to wait, 0 or more; anything else is refused by its variable."""
    try:
        minutes = float(text)
    except ValueError:
        minutes = math.nan
    if not 0 <= minutes < math.inf:
        raise UserError(f"TRUST_WAIT: {text!r} is no number of minutes; use a number such as 30")
    return minutes


def read_gigabytes(text: str) -> int:
    """Bytes of the longest file, from gigabytes above 0; anything else is refused by its variable."""
    try:
        gigabytes = float(text)
    except ValueError:
        gigabytes = math.nan
    if not 0 < gigabytes < math.inf:
        raise UserError(f"TRUST_MAX_FILE_GB: {text!r} is no number of gigabytes; use a number such as 64")
    return round(gigabytes * 10**9)


def read_engine(text: str) -> str:
    """The engine of that name; anything else is refused by its variable."""
    if text not in ENGINES:
        raise UserError(f"TRUST_ENGINE: {text!r} is no engine; use {' or '.join(ENGINES)}")
    return text


def read_switch(text: str) -> bool:
    """Whether everything is to be made anew, 1 or 0; anything else is refused by its variable."""
    if text not in ("0", "1"):
        raise UserError(
            f"TRUST_FULL: {text!r} is neither 1 nor 0; use 1 to make everything anew, 0 to keep what stands"
        )
    return text == "1"


def read_languages(text: str) -> tuple[str, ...]:
    """Languages of the nightly report; anything else is refused by its variable."""
    named = tuple(part.strip() for part in text.split(","))
    if named == ("none",):
        return ()
    if not set(named) <= set(REPORT_LANGUAGES):
        raise UserError(f"TRUST_REPORT_LANGUAGES: {text!r} cannot be written; use en, zh, both as en,zh, or none")
    return named


def _require_plain(landing: Path) -> None:
    """Refuse a path that DuckDB would read as a pattern, and with it the files of other folders."""
    path = str(landing)
    if not path.isprintable() or set("*?[") & set(path):
        raise UserError(f"landing folder {path!a}: its path must not hold * ? [ or control characters; rename it")


def _require_group(name: str) -> None:
    try:
        grp.getgrnam(name)
    except KeyError as error:
        raise UserError(
            f"TRUST_READERS_GROUP: there is no group {name!r} on this machine; create it, or name another"
        ) from error
