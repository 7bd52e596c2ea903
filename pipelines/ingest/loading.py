"""Loading: which deliveries are due, and reading them.

Belongs here: comparing the landing zone with the ledger, reading files in groups of one shape, and what could not be
read. Must not be here: what becomes of the rows (see ``accepting``) or what the formats look like (``readers``).
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from data_contracts import Contract, landing_contracts
from pipelines.ingest.accepting import (
    Fingerprint,
    LoadReport,
    Run,
    insert_checked,
    name_files,
    now,
    offer_checked,
    prepare,
    reject_repeated_keys,
    replace_days,
)
from pipelines.ingest.columns import unknown_columns
from pipelines.ingest.landing import LandingFile, State, listing, misnamed
from pipelines.ingest.line_reader import csv_frames, json_frames
from pipelines.ingest.readers import BROKEN, Shape, UnreadableFileError, select, select_frame, shape, unreadable
from pipelines.warehouse import DuckDBError, Trial, Warehouse


def load(warehouse: Warehouse, contract: Contract, as_of: date, run_id: str) -> LoadReport:
    """Bring a source up to a day: load every delivery up to it that is new or has changed.

    A file that cannot be read, or changes meanwhile, fails its delivery day, which keeps what it held before; other
    days are loaded.
    """
    prepare(warehouse, contract)
    landing = warehouse.settings.landing
    found = listing(landing, contract.name)
    beside = misnamed(landing, tuple(one.name for one in landing_contracts())).get(contract.name, ())
    refused = [refusal for refusal in found.refusals if refusal.load_date is None or refusal.load_date <= as_of]
    report = LoadReport(contract.name, strays=(*found.strays, *beside), failures=[one.texts for one in refused])
    spoilt = {refusal.load_date for refusal in refused}
    files = [file for file in found.files if file.load_date <= as_of and file.load_date not in spoilt]
    _load_days(warehouse, contract, _due(warehouse, contract.name, files), report, run_id)
    return report


def load_again(warehouse: Warehouse, contract: Contract, day: date, run_id: str) -> LoadReport:
    """Load one delivery day again although the ledger holds it: its rows are judged by the contract as it is now.

    Where a file is gone or cannot be read, the day keeps what it held before.
    """
    prepare(warehouse, contract)
    found = listing(warehouse.settings.landing, contract.name)
    refused = [refusal.texts for refusal in found.refusals if refusal.load_date == day]
    report = LoadReport(contract.name, failures=refused)
    files = [file for file in found.files if file.load_date == day]
    if files and not refused:
        _load_days(warehouse, contract, [files], report, run_id)
    return report


def _load_days(
    warehouse: Warehouse, contract: Contract, due: Sequence[Sequence[LandingFile]], report: LoadReport, run_id: str
) -> None:
    started_at = now()
    offer_checked(warehouse, contract)
    prints = _read(warehouse, contract, list(itertools.chain.from_iterable(due)), report)
    days = [day for day in due if all(file in prints for file in day)]
    reject_repeated_keys(warehouse, contract)
    replace_days(warehouse, contract, days, prints, Run(run_id, started_at), report)
    warehouse.run("drop table checked")


def _due(warehouse: Warehouse, source: str, files: Sequence[LandingFile]) -> list[list[LandingFile]]:
    """Delivery days whose files the ledger does not hold as they are now."""
    rows = warehouse.run(
        "select load_date, file, sha256, bytes, modified_at from meta.loads where source = ?", (source,)
    )
    ledger: dict[date, dict[str, Fingerprint]] = defaultdict(dict)
    for load_date, name, sha256, size, modified_at in rows:
        ledger[load_date][name] = Fingerprint(sha256, size, modified_at)
    days = [list(group) for _, group in itertools.groupby(sorted(files, key=_place), key=lambda file: file.load_date)]
    return [day for day in days if not _is_held(day, ledger[day[0].load_date])]


def _place(file: LandingFile) -> tuple[date, str]:
    return file.load_date, file.name


def _is_held(day: Sequence[LandingFile], held: Mapping[str, Fingerprint]) -> bool:
    if {file.name for file in day} != held.keys():
        return False
    try:
        return all(held[file.name].is_of(file) for file in day)
    except OSError:
        return False  # it is gone, or closed to us: reading it says which


def _read(
    warehouse: Warehouse, contract: Contract, files: Sequence[LandingFile], report: LoadReport
) -> dict[LandingFile, Fingerprint]:
    """Read files into ``checked``, those of one shape together; returns the files that were read, as they were."""
    groups: dict[Shape, list[LandingFile]] = defaultdict(list)
    seen: dict[LandingFile, _Seen] = {}
    with Trial(warehouse.settings) as trial:
        for file in files:
            try:
                form, seen[file] = _look(warehouse, trial, contract, file, report)
                groups[form].append(file)
            except UnreadableFileError as error:
                report.failures.append(error.texts)
    read: set[LandingFile] = set()
    for form, group in groups.items():
        read |= _read_group(warehouse, contract, form, group, report)
    changed = {file for file in read if not _is_still(file, seen[file].state)}
    report.failures += [_changed(file) for file in sorted(changed, key=_place)]
    return {file: seen[file].fingerprint for file in read - changed}


@dataclass(frozen=True)
class _Seen:
    """What a file was before it was read."""

    state: State
    fingerprint: Fingerprint


def _look(
    warehouse: Warehouse, trial: Trial, contract: Contract, file: LandingFile, report: LoadReport
) -> tuple[Shape, _Seen]:
    """The shape of a file that fits its contract, and what it is before its rows are read."""
    try:
        state = file.state()
        form = shape(warehouse, trial, contract, file)
        for column in unknown_columns(contract, file, form):
            report.unknown_columns.setdefault(column, file.name)
        return form, _Seen(state, Fingerprint.of(file))
    except OSError as error:
        raise unreadable(file, error) from error


def _is_still(file: LandingFile, state: State) -> bool:
    try:
        return file.state() == state
    except OSError:
        return False


def _changed(file: LandingFile) -> tuple[str, str]:
    return (
        f"{file.name}: changed or vanished while it was read; run the night again when it is complete",
        f"{file.name}：读取期间被更改或移除；请待其完整后重新运行",
    )


def _read_group(
    warehouse: Warehouse, contract: Contract, form: Shape, files: Sequence[LandingFile], report: LoadReport
) -> set[LandingFile]:
    """Read files of one shape at once; where one of them is broken, halve the group until it is found."""
    present = [column.name for column in contract.loaded if column.name in form.columns]
    try:
        with warehouse.transaction():
            name_files(warehouse, files)
            insert_checked(warehouse, contract, present, select(form, [file.path for file in files], present))
    except DuckDBError as error:
        if not files[1:]:
            return _read_alone(warehouse, contract, form, files[0], error, report)
        half = len(files) // 2
        return _read_group(warehouse, contract, form, files[:half], report) | _read_group(
            warehouse, contract, form, files[half:], report
        )
    return set(files)


def _read_alone(
    warehouse: Warehouse, contract: Contract, form: Shape, file: LandingFile, cause: DuckDBError, report: LoadReport
) -> set[LandingFile]:
    """Read a broken file line by line, where it has lines."""
    try:
        if form.format == ".parquet":
            raise cause
        with warehouse.transaction():
            name_files(warehouse, [file])
            _insert_lines(warehouse, contract, form, file)
    except BROKEN as error:
        report.failures.append(unreadable(file, error).texts)
        return set()
    return {file}


def _insert_lines(warehouse: Warehouse, contract: Contract, form: Shape, file: LandingFile) -> None:
    present = [column.name for column in contract.loaded if column.name in form.columns]
    frames = json_frames(file) if form.format == ".ndjson" else csv_frames(file, form.columns, present)
    for frame in frames:
        with warehouse.offered(frame) as view:
            insert_checked(warehouse, contract, present, select_frame(form, view, present))
