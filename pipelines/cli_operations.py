"""The commands of ``trust`` for whoever keeps the nights running: status, doctor, alerts, cleaning, backup.

Belongs here: arguments, and how results look in a terminal. Must not be here: what the commands do.
Heavy libraries are imported inside the commands, so that help is quick.
"""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from pipelines.cli_options import JsonOption, LandingOption, WaitOption, WarehouseOption, warn
from pipelines.errors import UserError

app = typer.Typer()


@app.command()
def status(
    warehouse: WarehouseOption = None,
    max_age: Annotated[
        float | None, typer.Option("--max-age", min=0, help="Agreed age in hours. Default: TRUST_MAX_AGE_HOURS or 36")
    ] = None,
    is_alerting: Annotated[bool, typer.Option("--alert", help="Alert once where the scores are too old")] = False,
    as_json: JsonOption = False,
) -> None:
    """Show what is published, how old it is, and how the last run ended; exit code 1 where it is too old or absent.

    Example: trust status --max-age 36
    """
    from pipelines.operations.alerting import alert_once, stale_message
    from pipelines.operations.run_records import open_record
    from pipelines.operations.status import agreed_age, as_json_object, last_run, render
    from pipelines.operations.status import status as status_of
    from pipelines.settings import Settings

    settings = Settings.from_environment(warehouse=warehouse)
    told = status_of(settings, agreed_age(max_age))
    with open_record() as record:
        run = last_run(record)
    if as_json:
        print(json.dumps(as_json_object(told) | {"last_run": run}, default=str, ensure_ascii=False, indent=2))
    else:
        print(render(told, run))
    if told.problem is None:
        return
    print(f"error: {told.problem}", file=sys.stderr)
    if is_alerting:
        message = stale_message(told.as_of, told.age_hours, told.max_age_hours, settings.warehouse)
        warn(alert_once(settings.warehouse, message))
    raise typer.Exit(1)


@app.command()
def doctor(landing: LandingOption = None, warehouse: WarehouseOption = None, as_json: JsonOption = False) -> None:
    """Say what is wrong with this installation, and what to do; exit code 1 where a night would fail or has not come.

    Reads only, and works while a night runs.

    Example: trust doctor --landing landing --warehouse warehouse
    """
    from pipelines.operations.doctor import as_data, examine, is_well, render

    found = examine(landing, warehouse)
    print(json.dumps(as_data(found), ensure_ascii=False, indent=2) if as_json else render(found))
    if not is_well(found):
        raise typer.Exit(1)


@app.command("alert-test")
def alert_test(
    text: Annotated[str | None, typer.Option("--text", help="What to say. Default: that this is a test")] = None,
) -> None:
    """Send an alert on purpose, to see that it arrives; exit code 1 where a channel did not take it.

    Example: trust alert-test
    """
    from pipelines.operations.alerting import AlertSettings, send, trial_message

    settings = AlertSettings.from_environment()
    if not settings.channels:
        raise UserError("no alert can be sent: set TRUST_ALERT_WEBHOOK or TRUST_ALERT_SMTP_URL")
    problems = send(settings, trial_message(text))
    warn(problems)
    print(f"sent to {len(settings.channels) - len(problems)} of {len(settings.channels)} channels")
    if problems:
        raise typer.Exit(1)


@app.command()
def clean(
    warehouse: WarehouseOption = None,
    wait: WaitOption = None,
    is_dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be removed")] = False,
) -> None:
    """Remove what is older than TRUST_KEEP_…_DAYS; every night does so after publishing.

    Example: trust clean --dry-run
    """
    from pipelines.operations.retention import Retention, render
    from pipelines.operations.retention import clean as clean_warehouse
    from pipelines.operations.retention import clean_runs as clean_record
    from pipelines.operations.run_records import open_record
    from pipelines.settings import Settings
    from pipelines.warehouse import Warehouse

    settings, kept = Settings.from_environment(warehouse=warehouse, wait_minutes=wait), Retention.from_environment()
    with Warehouse(settings) as opened, open_record() as record:
        removed = clean_warehouse(opened, kept, is_dry_run=is_dry_run)
        removed += clean_record(record, kept.runs, is_dry_run=is_dry_run)
    print(render(removed, is_dry_run=is_dry_run))


@app.command()
def backup(
    target: Annotated[Path, typer.Argument(help="Folder of backups, best on another disk")],
    warehouse: WarehouseOption = None,
    keep: Annotated[int | None, typer.Option("--keep", min=1, help="Keep the newest ones only. Default: all")] = None,
    wait: WaitOption = None,
) -> None:
    """Back up warehouse, published database, models and the record of runs; verified before it gets its name.

    Example: trust backup /mnt/backups --keep 14 --wait 60
    """
    from pipelines.operations.backup import back_up
    from pipelines.settings import Settings

    made = back_up(Settings.from_environment(warehouse=warehouse, wait_minutes=wait), target, keep)
    print(f"backup  {made.path}  ({made.bytes:,} bytes, as of {made.as_of}), verified")
    for path in made.removed:
        print(f"removed {path}")


@app.command()
def restore(
    folder: Annotated[Path, typer.Argument(metavar="BACKUP", help="One backup: TARGET/indirect-trust-…")],
    warehouse: WarehouseOption = None,
    wait: WaitOption = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace all that is in the warehouse folder")] = False,
) -> None:
    """Put a backup in the place of a warehouse, after reading every byte of it. Whoever was erased stays erased.

    Example: trust restore /mnt/backups/indirect-trust-20260131T060000.000000Z --warehouse warehouse --overwrite
    """
    from pipelines.operations.restoring import render
    from pipelines.operations.restoring import restore as restore_backup
    from pipelines.settings import Settings

    settings = Settings.from_environment(warehouse=warehouse, wait_minutes=wait)
    print(render(restore_backup(settings, folder, is_overwrite=overwrite)))
