"""Frames as landing files: the way into the landing zone for simulated companies and imported logs.

Belongs here: names, formats and the safe replacement of landing files. Must not be here: what the rows say, and
reading landing files (see ``landing`` and ``readers``).

A simulated company goes to ``OUT/landing/<source>/<YYYY-MM-DD>.<format>``; what nobody could know goes to
``OUT/truth.parquet``, apart from the landing files, so that no night can read it by accident.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from types import MappingProxyType

import polars as pl

from pipelines.errors import UserError
from pipelines.ingest.landing import LandingFile, listing
from trust_models.simulation import Company

_ISO_8601_UTC = "%Y-%m-%dT%H:%M:%S%.fZ"


@dataclass(frozen=True)
class Formats:
    """Which format a delivery is written in.

    Parameters
    ----------
    first : str
        Ending of the files of the first delivery day of all sources, the historical load.
    daily : mapping of str to str
        Source → ending of the files of later days.
    otherwise : str
        Ending of the files of later days of sources not named.
    """

    first: str = "parquet"
    daily: Mapping[str, str] = field(
        default_factory=lambda: MappingProxyType({"purchases": "csv.gz", "complaints": "ndjson"})
    )
    otherwise: str = "csv"

    def of(self, source: str, *, is_first: bool) -> str:
        """The ending of one delivery."""
        return self.first if is_first else self.daily.get(source, self.otherwise)


EVERY_FORMAT = Formats()
"""Each format that the landing zone knows, each somewhere: the default for simulated companies."""
PARQUET = Formats(daily=MappingProxyType({}), otherwise="parquet")


@dataclass(frozen=True)
class Summary:
    """What was written.

    Parameters
    ----------
    landing : Path
        The landing zone.
    truth : Path or None
        Where the truth of a simulated company lies.
    rows : mapping of str to int
        Source → rows over all deliveries.
    files : int
        Number of landing files.
    first_day, last_day : date or None
        First and last delivery day; None where there was nothing to deliver.
    """

    landing: Path
    truth: Path | None
    rows: Mapping[str, int]
    files: int
    first_day: date | None
    last_day: date | None

    def lines(self) -> tuple[str, ...]:
        """The summary for a person, line by line."""
        days = f"{self.first_day} to {self.last_day}" if self.files else "none"
        truth = () if self.truth is None else (f"truth          {self.truth}",)
        rows = tuple(f"{source:<14} {rows:>12,} rows" for source, rows in self.rows.items())
        return (f"landing files  {self.landing} ({self.files:,} files)", *truth, f"delivery days  {days}", *rows)

    def __str__(self) -> str:
        """The lines of the summary as one text."""
        return "\n".join(self.lines())


def write_landing(
    frames: Mapping[str, pl.DataFrame], landing: Path, formats: Formats = EVERY_FORMAT, *, overwrite: bool = False
) -> Summary:
    """Write each source's frame as one landing file per delivery day.

    Parameters
    ----------
    frames : mapping of str to pl.DataFrame
        Source → rows in landing columns and ``delivered_on`` (Date), which names the file and is left out of it.
        Timestamps are naive UTC; text formats carry them in ISO 8601 with ``Z``.
    landing : Path
        The landing zone; made where absent.
    formats : Formats
        Ending per source and day.
    overwrite : bool
        Whether deliveries that are there and would not be replaced (other days, other endings) are removed; no other
        file ever is.

    Raises
    ------
    UserError
        If the landing zone holds deliveries that would stay beside these and ``overwrite`` is not set, or cannot be
        written to.
    """
    deliveries = _deliveries(frames, landing, formats)
    try:
        _clear(landing, set(deliveries), overwrite=overwrite)
        for path, rows in deliveries.items():
            replace_file(path, rows)
    except OSError as error:
        raise UserError(f"{error.filename or landing}: cannot be written ({error.strerror or error})") from error
    days = [date.fromisoformat(path.name.split(".")[0]) for path in deliveries]
    return Summary(
        landing=landing,
        truth=None,
        rows={source: len(frame) for source, frame in frames.items()},
        files=len(deliveries),
        first_day=min(days, default=None),
        last_day=max(days, default=None),
    )


def write_company(company: Company, out: Path, *, overwrite: bool = False) -> Summary:
    """Write a simulated company: ``OUT/landing/<source>/…`` and, apart from it, ``OUT/truth.parquet``.

    Raises
    ------
    UserError
        If OUT is a file, or holds anything and ``overwrite`` is not set; with ``overwrite`` the landing files and the
        truth of an earlier company are replaced and everything else stays.
    """
    refuse_occupied(out, overwrite=overwrite)
    summary = write_landing(company.frames, out / "landing", overwrite=overwrite)
    truth = out / "truth.parquet"
    replace_file(truth, company.truth)
    return Summary(**{**vars(summary), "truth": truth})


def refuse_occupied(out: Path, *, overwrite: bool) -> None:
    """Refuse a folder that a company cannot be written to (see :func:`write_company`).

    Raises
    ------
    UserError
        If it is a file, or holds anything and ``overwrite`` is not set.
    """
    if out.exists() and not out.is_dir():
        raise UserError(f"{out}: is no folder; name a folder to write the company to")
    if out.is_dir() and not overwrite and any(out.iterdir()):
        raise UserError(f"{out}: is not empty; name another folder, or add --overwrite")


def replace_file(path: Path, rows: pl.DataFrame) -> None:
    """Write a frame in the format of the path's ending, beside it under a hidden name, and move it there at once.

    Readers see the old file or the new one, never half of one; permissions follow the umask.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        _write(rows, temporary, path.name.split(".", 1)[1])
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _write(rows: pl.DataFrame, path: Path, ending: str) -> None:
    match ending:
        case "parquet":
            rows.write_parquet(path)
        case "csv":
            rows.write_csv(path, datetime_format=_ISO_8601_UTC)
        case "csv.gz":
            rows.write_csv(path, datetime_format=_ISO_8601_UTC, compression="gzip", check_extension=False)
        case "ndjson":
            rows.with_columns(pl.col(pl.Datetime).dt.strftime(_ISO_8601_UTC)).write_ndjson(path)
        case _:
            raise ValueError(f"no landing format: {ending!r}; known: parquet, csv, csv.gz, ndjson")


def _deliveries(frames: Mapping[str, pl.DataFrame], landing: Path, formats: Formats) -> dict[Path, pl.DataFrame]:
    first = min((day for frame in frames.values() for day in frame["delivered_on"].unique()), default=None)
    files = {}
    for source, frame in frames.items():
        by_day = frame.partition_by("delivered_on", as_dict=True, include_key=False)
        for (day,), rows in sorted(by_day.items()):
            files[landing / source / f"{day}.{formats.of(source, is_first=day == first)}"] = rows
    return files


def _clear(landing: Path, written: set[Path], *, overwrite: bool) -> None:
    """Remove the deliveries that would stay beside the new ones, or refuse to."""
    sources = sorted(folder.name for folder in landing.iterdir() if folder.is_dir()) if landing.is_dir() else []
    stays: list[LandingFile] = [
        file for source in sources for file in listing(landing, source).files if file.path not in written
    ]
    if stays and not overwrite:
        raise UserError(
            f"{landing}: already holds {len(stays):,} other deliveries, such as {stays[0].name}; name an empty folder"
        )
    for file in stays:
        file.path.unlink()
