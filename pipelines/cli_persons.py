"""The commands of ``trust`` for refused rows and for persons: quarantine, erase.

Belongs here: arguments, and how results look in a terminal. Must not be here: what the commands do.
Heavy libraries are imported inside the commands, so that help is quick.
"""

import json
from dataclasses import asdict
from datetime import date, datetime
from pathlib import Path
from typing import Annotated

import typer

from pipelines.cli_options import JsonOption, LandingOption, WaitOption, WarehouseOption, one_of
from pipelines.errors import UserError

app = typer.Typer()
quarantine = typer.Typer(help="Rows that were refused: which, why, and judging them again.", no_args_is_help=True)
app.add_typer(quarantine, name="quarantine")


def _sources(incomplete: str) -> list[str]:
    from data_contracts import landing_contracts

    return one_of(*(contract.name for contract in landing_contracts()))(incomplete)


SourceOption = Annotated[
    str | None, typer.Option("--source", help="One landing source. Default: all", autocompletion=_sources)
]
SourceArgument = Annotated[str, typer.Argument(help="Landing source, such as purchases", autocompletion=_sources)]
DayOption = Annotated[datetime | None, typer.Option("--day", formats=["%Y-%m-%d"], help="One delivery day only")]


@app.command()
def erase(
    customer_ids: Annotated[list[str] | None, typer.Argument(metavar="CUSTOMER_ID…", help="Whom to erase")] = None,
    file: Annotated[Path | None, typer.Option("--file", help="A file with one id a line")] = None,
    is_unknown_too: Annotated[
        bool, typer.Option("--unknown-too", help="Also ids that are nowhere yet: their rows are kept out from now on")
    ] = False,
    is_agreed: Annotated[bool, typer.Option("--yes", help="Do not ask")] = False,
    landing: LandingOption = None,
    warehouse: WarehouseOption = None,
    wait: WaitOption = None,
    as_json: JsonOption = False,
) -> None:
    """Erase customers for good: from the warehouse, what is published, reports and known backups, with proof.

    Example: trust erase C000042
    """
    from pipelines.privacy.erasing import erase as erase_persons
    from pipelines.privacy.erasing_words import as_data, render
    from pipelines.settings import Settings

    settings = Settings.from_environment(landing, warehouse, wait)
    ids = [*(customer_ids or []), *(_lines(file) if file else [])]
    if not is_agreed:
        typer.confirm(f"Erase {len(ids)} customer(s) from {settings.warehouse} and its backups, for good?", abort=True)
    told = erase_persons(settings, ids, is_unknown_too=is_unknown_too)
    print(json.dumps(as_data(settings, told), ensure_ascii=False, indent=2) if as_json else render(settings, told))
    if not told.is_complete:
        raise typer.Exit(1)


@quarantine.command("list")
def list_(
    source: SourceOption = None, warehouse: WarehouseOption = None, wait: WaitOption = None, as_json: JsonOption = False
) -> None:
    """List files with refused rows, the newest delivery first, with the most frequent reasons.

    Example: trust quarantine list --source purchases
    """
    from pipelines.ingest.quarantine import opened, refused_files, render_files
    from pipelines.settings import Settings

    with opened(Settings.from_environment(warehouse=warehouse, wait_minutes=wait)) as held:
        files = refused_files(held, source)
    if as_json:
        print(json.dumps([asdict(row) for row in files], default=str, ensure_ascii=False, indent=2))
    else:
        print(render_files(files))


@quarantine.command()
def show(
    source: SourceArgument,
    day: DayOption = None,
    reason: Annotated[str | None, typer.Option("--reason", help="Only rows with this text in a reason")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="Rows at most")] = 20,
    lang: Annotated[str, typer.Option(help="en or zh", autocompletion=one_of("en", "zh"))] = "en",
    warehouse: WarehouseOption = None,
    wait: WaitOption = None,
) -> None:
    """Show refused rows as they were delivered, each with its reasons.

    Example: trust quarantine show purchases --day 2026-01-31 --reason currency
    """
    from pipelines.ingest.quarantine import opened, refused_rows, render_rows
    from pipelines.settings import Settings

    if lang not in ("en", "zh"):
        raise typer.BadParameter("choose en or zh", param_hint="--lang")
    with opened(Settings.from_environment(warehouse=warehouse, wait_minutes=wait)) as held:
        print(render_rows(refused_rows(held, source, _date(day), reason, limit), lang))


@quarantine.command()
def export(
    out: Annotated[Path, typer.Argument(help="File to write: OUT.csv or OUT.parquet")],
    source: SourceOption = None,
    warehouse: WarehouseOption = None,
    wait: WaitOption = None,
) -> None:
    """Write refused rows to a file, to be mended or sent back; nobody else can read it.

    Example: trust quarantine export refused.csv --source purchases
    """
    from data_contracts import landing_contracts
    from pipelines.ingest.quarantine import export as export_rows
    from pipelines.ingest.quarantine import opened
    from pipelines.settings import Settings

    sources = [source] if source else [contract.name for contract in landing_contracts()]
    with opened(Settings.from_environment(warehouse=warehouse, wait_minutes=wait)) as held:
        print(f"{export_rows(held, out, sources):,} rows in {out}")


@quarantine.command()
def replay(
    source: Annotated[str | None, typer.Argument(help="Landing source. Default: all", autocompletion=_sources)] = None,
    day: DayOption = None,
    landing: LandingOption = None,
    warehouse: WarehouseOption = None,
    wait: WaitOption = None,
) -> None:
    """Judge refused deliveries again, after a contract was mended; exit code 1 where a file is gone or unreadable.

    Example: trust quarantine replay purchases --day 2026-01-31
    """
    from pipelines.ingest.quarantine import opened, render_replayed
    from pipelines.ingest.quarantine import replay as replay_deliveries
    from pipelines.settings import Settings

    with opened(Settings.from_environment(landing, warehouse, wait)) as held:
        replayed = replay_deliveries(held, source, _date(day))
    print(render_replayed(replayed))
    if any(told.problems for told in replayed):
        raise typer.Exit(1)


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{file}: cannot be read; write one id a line, as UTF-8") from error


def _date(day: datetime | None) -> date | None:
    return day.date() if day else None
