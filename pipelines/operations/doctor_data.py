"""What the doctor looks at in the company's files: landing zone, warehouse, published file, alerts, backups, clock.

Belongs here: checks that read folders and what is published. Must not be here: the machine (see ``doctor_machine``).
The warehouse itself is opened only where no night holds it, only to read, and only for the list of backups.
"""

import fcntl
import os
import pwd
import shutil
import struct
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from data_contracts import landing_contracts
from pipelines.errors import UserError
from pipelines.ingest.landing import listing, misnamed
from pipelines.operations.alerting import AlertSettings
from pipelines.operations.diagnosis import Diagnosis, Findings, Level
from pipelines.operations.status import agreed_age, status
from pipelines.settings import Settings
from pipelines.warehouse import FILE, DuckDBError, looking_at

MOST_STRAYS = 3
OLD_BACKUP_DAYS = 7
LEAST_FREE = 500 * 10**6
_NETWORK = frozenset({"nfs", "nfs4", "cifs", "smb3", "smbfs", "fuse.sshfs", "9p", "ceph", "glusterfs", "lustre", "afs"})
_FLOCK = "hhqqi"
_DUCK = slice(8, 12)


def checks(settings: Settings, now: datetime) -> Findings:
    """Every check of the company's files."""
    yield from landing_zone(settings)
    yield from warehouse(settings)
    yield from disk(settings)
    yield from file_system(settings.warehouse, Path("/proc/self/mounts"))
    yield from published_file(settings, now)
    yield from alerts()
    yield from backups(settings, now)
    yield from clock(settings, now)


def landing_zone(settings: Settings) -> Findings:
    """Whether there is a landing zone, what is in it, and what in it is not understood."""
    folder, sources = settings.landing, tuple(contract.name for contract in landing_contracts())
    if not folder.is_dir():
        yield Diagnosis(
            "landing", "error", f"{folder}: there is no such folder; create it, or name another in TRUST_LANDING"
        )
        return
    if not os.access(folder, os.R_OK | os.X_OK, effective_ids=True):
        yield Diagnosis("landing", "error", f"{folder}: cannot be read by this user; mend its rights")
        return
    found = {source: listing(folder, source) for source in sources}
    strays = [english for one in found.values() for english, _ in one.strays]
    strays += [english for one in found.values() for refusal in one.refusals for english in refusal.texts[:1]]
    strays += [english for texts in misnamed(folder, sources).values() for english, _ in texts]
    for text in strays[:MOST_STRAYS]:
        yield Diagnosis("landing", "warning", text)
    if strays[MOST_STRAYS:]:
        yield Diagnosis("landing", "warning", f"and {len(strays) - MOST_STRAYS} more names that are not understood")
    files = [file for one in found.values() for file in one.files]
    closed = [file.name for file in files if not os.access(file.path, os.R_OK, effective_ids=True)]
    if closed:
        text = f"{closed[0]}: cannot be read by this user ({len(closed)} such files); mend their rights"
        yield Diagnosis("landing", "error", text)
    if not found["purchases"].files:
        text = f"{folder}/purchases: holds no delivery, and no night can be without; see docs/your-data.md"
        yield Diagnosis("landing", "error", text)
        return
    newest = max(file.load_date for file in files)
    given = ", ".join(source for source in sources if found[source].files)
    yield Diagnosis("landing", "ok", f"{len(files):,} files of {given}; newest delivery {newest}")


def warehouse(settings: Settings) -> Findings:
    """Whether this user can use the folder and the file, and who holds it."""
    folder, file = settings.warehouse, settings.warehouse / FILE
    if not folder.exists():
        above = next(parent for parent in folder.parents if parent.exists())
        if os.access(above, os.W_OK | os.X_OK, effective_ids=True):
            yield Diagnosis("warehouse", "warning", f"{folder}: does not exist yet; the first 'trust run' makes it")
        else:
            yield Diagnosis(
                "warehouse", "error", f"{folder}: cannot be made ({above} is not writable); choose another folder"
            )
        return
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK, effective_ids=True):
        yield Diagnosis("warehouse", "error", f"{folder}: not writable for this user; it belongs to {_owner(folder)}")
        return
    if not file.is_file():
        yield Diagnosis("warehouse", "warning", f"{folder}: holds no warehouse yet; the first 'trust run' makes it")
        return
    if not os.access(file, os.R_OK | os.W_OK, effective_ids=True):
        yield Diagnosis("warehouse", "error", f"{file}: not writable for this user; it belongs to {_owner(file)}")
        return
    with file.open("rb") as opened:
        if opened.read(_DUCK.stop)[_DUCK] != b"DUCK":
            text = f"{file}: is no DuckDB database; restore it from a backup, or move it away and run the nights again"
            yield Diagnosis("warehouse", "error", text)
            return
    pid = holder(file)
    held = f", held by process {pid} (a night, or another command)" if pid else ""
    yield Diagnosis("warehouse", "ok", f"{file}, {file.stat().st_size / 1e6:,.0f} MB, of {_owner(file)}{held}")


def holder(file: Path) -> int | None:
    """The process that has locked a file for writing, or None; asking takes no lock."""
    with file.open("rb") as opened:
        asked = struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
        kind, _, _, _, pid = struct.unpack(_FLOCK, fcntl.fcntl(opened, fcntl.F_GETLK, asked))
    return None if kind == fcntl.F_UNLCK else int(pid)


def disk(settings: Settings) -> Findings:
    """Free room beside the size of the warehouse, since a night may write its tables anew beside the old ones."""
    folder = settings.warehouse
    place = folder if folder.exists() else next(parent for parent in folder.parents if parent.exists())
    used = sum(path.stat().st_size for path in folder.glob("*.duckdb")) if folder.is_dir() else 0
    free = shutil.disk_usage(place).free
    shown = f"{free / 1e9:,.1f} GB free, the warehouse has {used / 1e9:,.1f} GB"
    if free < LEAST_FREE:
        yield Diagnosis("disk", "error", f"{place}: {shown}; a night would fail: free some space")
    elif free < used:
        yield Diagnosis("disk", "warning", f"{place}: {shown}; a night may need as much again: free some space")
    else:
        yield Diagnosis("disk", "ok", shown)


def file_system(folder: Path, mounts: Path) -> Findings:
    """Whether the warehouse lies on a network file system, where locks and flushes are not to be relied on."""
    if not mounts.is_file():
        return
    rows = [line.split(" ") for line in mounts.read_text("utf-8", "replace").splitlines()]
    over = [(row[1], row[2]) for row in rows if len(row) > 2 and folder.is_relative_to(row[1])]
    kind = max(over, key=lambda mount: len(mount[0]), default=("", ""))[1]
    if kind in _NETWORK:
        text = f"{folder}: lies on a network file system ({kind}), whose locks do not always hold; use a local disk"
        yield Diagnosis("disk", "warning", text)


def published_file(settings: Settings, now: datetime) -> Findings:
    """Whether there is a published file, whether it can be read, and how old its scores are."""
    told = status(settings, _agreed(), now)
    if told.problem:
        yield Diagnosis("published", "error", told.problem)
    else:
        yield Diagnosis("published", "ok", f"scores of {told.as_of}, {told.age_hours:.0f} hours old")


def alerts() -> Findings:
    """Whether somebody is told when a night fails."""
    try:
        channels = AlertSettings.from_environment().channels
    except UserError:
        return  # told by the check of settings
    if channels:
        yield Diagnosis("alerts", "ok", f"{len(channels)} channels; try them with 'trust alert-test'")
    else:
        text = "nobody is told when a night fails; set TRUST_ALERT_WEBHOOK or TRUST_ALERT_SMTP_URL"
        yield Diagnosis("alerts", "warning", text)


def backups(settings: Settings, now: datetime) -> Findings:
    """How old the newest backup is that is still where it was put."""
    file = settings.warehouse / FILE
    if not file.is_file() or not os.access(file, os.R_OK, effective_ids=True):
        return
    known = None if holder(file) else _registered(file)
    if known is None:
        yield Diagnosis(
            "backup", "ok", "cannot be looked up while another process holds the warehouse; ask again later"
        )
        return
    there = [made_at for path, made_at in known if Path(path).exists()]
    if not there:
        gone = f" ({len(known)} are no longer where they were put)" if known else ""
        yield Diagnosis("backup", "warning", f"there is no backup{gone}; make one with 'trust backup FOLDER'")
        return
    days = (now - max(there).replace(tzinfo=UTC)).days
    level: Level = "warning" if days > OLD_BACKUP_DAYS else "ok"
    advice = "; make one with 'trust backup FOLDER'" if days > OLD_BACKUP_DAYS else ""
    yield Diagnosis("backup", level, f"the newest is {days} days old{advice}")


def _registered(file: Path) -> list[tuple[str, datetime]] | None:
    """The register of backups, read beside the warehouse; None where a night has just taken it."""
    try:
        with looking_at(file, "looked_at") as reader:
            known = "select count(*) from duckdb_tables() where database_name = 'looked_at' and table_name = 'backups'"
            if not reader.value(known):
                return []
            return [(path, made_at) for path, made_at in reader.run("select path, made_at from looked_at.meta.backups")]
    except DuckDBError:
        return None


def clock(settings: Settings, now: datetime) -> Findings:
    """Whether the clock lies behind what was already written."""
    files = [path for path in (settings.warehouse / "bi.duckdb", settings.warehouse / FILE) if path.is_file()]
    newest = max((path.stat().st_mtime for path in files), default=0.0)
    here = now.astimezone(ZoneInfo(settings.time_zone))
    if newest > now.timestamp() + 300:
        text = f"it is {now:%Y-%m-%d %H:%M} UTC, and the warehouse was written later than that; set the clock"
        yield Diagnosis("clock", "error", text)
    else:
        yield Diagnosis("clock", "ok", f"{here:%Y-%m-%d %H:%M} in {settings.time_zone}")


def _agreed() -> float:
    try:
        return agreed_age()
    except UserError:
        return 36.0  # told by the check of settings


def _owner(path: Path) -> str:
    owner = path.stat().st_uid
    try:
        return f"the user {pwd.getpwuid(owner).pw_name}"
    except KeyError:
        return f"the user {owner}"
