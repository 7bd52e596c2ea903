"""The command line: ``trust``.

Belongs here: arguments, and how results look in a terminal. Must not be here: what the commands do.
Heavy libraries are imported inside the commands, so that help is quick.
"""

import atexit
import json
import os
import sys
import time
from contextlib import suppress
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.cli_operations import app as operations
from pipelines.cli_options import (
    AsOfOption,
    EngineOption,
    FullOption,
    JsonOption,
    LandingOption,
    LogOption,
    QuietOption,
    SinceOption,
    WaitOption,
    WarehouseOption,
    one_of,
    warn,
)
from pipelines.cli_persons import app as persons
from pipelines.cli_progress import shown_run
from pipelines.errors import UserError
from pipelines.libraries import load_libraries
from pipelines.storage.private_files import be_private

if TYPE_CHECKING:
    from pipelines.night import Step
    from pipelines.operations.logs import Log
    from pipelines.settings import Settings

app = typer.Typer(
    help="How far customers trust the company, and whom it is about to lose, from what they do.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
importer = typer.Typer(help="Turn known public logs into landing files.", no_args_is_help=True)
app.add_typer(importer, name="import")
app.add_typer(operations)
app.add_typer(persons)


def _kinds(incomplete: str) -> list[str]:
    from trust_models.simulation import KINDS

    return one_of(*KINDS)(incomplete)


@app.command()
def simulate(
    out: Annotated[Path, typer.Argument(help="Folder to write: OUT/landing/… and OUT/truth.parquet")],
    customers: Annotated[int, typer.Option(min=1, help="Customers")] = 1000,
    days: Annotated[int, typer.Option(min=60, help="Days of history")] = 730,
    seed: Annotated[int, typer.Option(min=0, help="Seed: the same seed gives the same company")] = 1,
    company: Annotated[str, typer.Option(help="Kind of company", autocompletion=_kinds)] = "retail",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what is in OUT")] = False,
) -> None:
    """Simulate a company whose customers' true trust is known, as landing files.

    Example: trust simulate simulated --customers 1000 --days 730 --seed 1
    """
    from pipelines.ingest.landing_files import refuse_occupied, write_company
    from trust_models.simulation import KINDS
    from trust_models.simulation import simulate as simulate_company

    if company not in KINDS:
        raise typer.BadParameter(f"choose one of {', '.join(KINDS)}", param_hint="--company")
    refuse_occupied(out, overwrite=overwrite)
    simulated = simulate_company(customers=customers, days=days, seed=seed, company=company)
    print(write_company(simulated, out, overwrite=overwrite))


@importer.command("online-retail")
def online_retail(
    file: Annotated[Path, typer.Argument(help="The UCI Online Retail log as Parquet")],
    landing: LandingOption = None,
) -> None:
    """Write the UCI Online Retail log as one purchases delivery a day.

    Example: trust import online-retail online_retail.parquet --landing landing
    """
    from pipelines.ingest.online_retail import import_online_retail
    from pipelines.settings import Settings

    print(import_online_retail(file, Settings.from_environment(landing=landing).landing))


@app.command()
def run(
    landing: LandingOption = None,
    warehouse: WarehouseOption = None,
    as_of: AsOfOption = None,
    since: SinceOption = None,
    wait: WaitOption = None,
    full: FullOption = False,
    engine: EngineOption = None,
    log: LogOption = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Run one night: load what was delivered, score every customer, publish. With --since, every night from that day.

    Example: trust run --landing landing --warehouse warehouse --as-of 2026-01-31
    """
    _run(
        "nightly",
        landing,
        warehouse,
        as_of,
        wait,
        log,
        as_json=as_json,
        quiet=quiet,
        since=since,
        is_full=full,
        engine=engine,
    )


@app.command()
def train(
    landing: LandingOption = None,
    warehouse: WarehouseOption = None,
    as_of: AsOfOption = None,
    wait: WaitOption = None,
    log: LogOption = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Refit both models as of a day and evaluate them; only what is better is promoted.

    Example: trust train --as-of 2026-01-31
    """
    _run("training", landing, warehouse, as_of, wait, log, as_json=as_json, quiet=quiet)


@app.command()
def backtest(
    cutoffs: Annotated[int, typer.Option(min=1, help="Month ends to judge, where history allows")] = 4,
    warehouse: WarehouseOption = None,
    as_of: Annotated[
        datetime | None,
        typer.Option("--as-of", formats=["%Y-%m-%d"], help="Judge by what is known then. Default: the last night"),
    ] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write everything to this file")] = None,
) -> None:
    """Judge the churn risk on the past: train as of earlier days, compare with what followed and with simple rules.

    Example: trust backtest --cutoffs 4 --json backtest.json
    """
    from pipelines.settings import Settings
    from pipelines.validity.backtest_tables import show
    from pipelines.validity.backtesting import backtested, to_json

    if json_file is not None and not json_file.absolute().parent.is_dir():
        raise typer.BadParameter(f"there is no folder {json_file.parent}", param_hint="--json")
    settings = Settings.from_environment(warehouse=warehouse)
    day = as_of.date() if as_of else None
    told = backtested(settings, cutoffs=cutoffs, as_of=day, on_cutoff=lambda line: print(line, flush=True))
    if json_file is not None:
        json_file.write_text(to_json(told), encoding="utf-8")
    show(told)


@app.command()
def explain(
    customer_id: Annotated[str, typer.Argument(help="The customer")],
    warehouse: WarehouseOption = None,
    lang: Annotated[str, typer.Option(help="en or zh", autocompletion=one_of("en", "zh"))] = "en",
    as_json: JsonOption = False,
) -> None:
    """Show the scores, evidence, reasons and history of one customer.

    Example: trust explain C000042
    """
    from pipelines.bi.explaining import explanation, render
    from pipelines.settings import Settings

    if lang not in ("en", "zh"):
        raise typer.BadParameter("choose en or zh", param_hint="--lang")
    told = explanation(Settings.from_environment(warehouse=warehouse), customer_id)
    print(json.dumps(told, default=str, ensure_ascii=False, indent=2) if as_json else render(told, lang))


@app.command()
def export(
    folder: Annotated[Path, typer.Argument(help="Folder to write: one file a table")],
    form: Annotated[
        str, typer.Option("--format", help="parquet or csv", autocompletion=one_of("parquet", "csv"))
    ] = "parquet",
    warehouse: WarehouseOption = None,
) -> None:
    """Write every published table as a file, for tools that read no database.

    Example: trust export /data/trust-files --format csv
    """
    from pipelines.bi.exporting import WRITERS
    from pipelines.bi.exporting import export as export_tables
    from pipelines.settings import Settings

    if form not in WRITERS:
        raise typer.BadParameter("choose parquet or csv", param_hint="--format")
    for name, rows in export_tables(Settings.from_environment(warehouse=warehouse), folder, form).items():
        print(f"{folder / f'{name}.{form}'}  {rows:,} rows")


@app.command()
def report(
    lang: Annotated[
        str, typer.Option(help="en, zh, or all for a file each", autocompletion=one_of("en", "zh", "all"))
    ] = "all",
    warehouse: WarehouseOption = None,
    out: Annotated[Path | None, typer.Option(help="Folder to write. Default: WAREHOUSE/reports/<as of>")] = None,
) -> None:
    """Write the report of what is published, for people: one HTML file a language that needs nothing beside it.

    Example: trust report --lang zh --out /data/reports
    """
    from datetime import UTC

    from pipelines.report.making import make_reports
    from pipelines.report.words import LANGUAGES
    from pipelines.settings import Settings

    if lang not in (*LANGUAGES, "all"):
        raise typer.BadParameter("choose en, zh or all", param_hint="--lang")
    chosen = LANGUAGES if lang == "all" else (lang,)
    for file in make_reports(Settings.from_environment(warehouse=warehouse), datetime.now(UTC), chosen, out):
        print(f"{file}  {file.stat().st_size:,} bytes")


def _run(
    job: str,
    landing: Path | None,
    warehouse: Path | None,
    as_of: datetime | None,
    wait: float | None,
    log_form: str | None,
    *,
    as_json: bool,
    quiet: bool,
    since: datetime | None = None,
    is_full: bool = False,
    engine: str | None = None,
) -> None:
    from data_contracts import landing_contracts
    from pipelines.ingest.landing import days_since, newest_day
    from pipelines.operations.logs import Log, chosen_form
    from pipelines.settings import Settings

    log = Log(chosen_form(log_form), job=job)
    day = as_of.date() if as_of else None
    try:
        settings = Settings.from_environment(landing, warehouse, wait, is_full=is_full, engine=engine)
        sources = tuple(contract.name for contract in landing_contracts())
        newest = newest_day(settings.landing, sources)
        last = day or newest
        for day in days_since(settings.landing, sources, since.date(), last) if since else [last]:
            _run_job(settings, job, day, log.bound(as_of=day), as_json=as_json, quiet=quiet)
    except typer.Exit:
        raise
    except Exception as error:
        from pipelines.operations.run_telling import tell_refusal  # knows Dagster, which takes a second

        warn(tell_refusal(log, job, day, error), log)
        if log.is_json and isinstance(error, UserError):
            raise typer.Exit(error.exit_code) from None
        raise


def _run_job(settings: "Settings", job: str, day: date, log: "Log", *, as_json: bool, quiet: bool) -> None:
    began = time.monotonic()
    with shown_run(job, day, is_shown=not (quiet or as_json)) as shown:
        load_libraries()  # takes seconds: not before the run is shown
        from pipelines.night import new_run_id, run_job
        from pipelines.operations.run_telling import log_step, tell_outcome

        run_id = new_run_id()
        log = log.bound(run_id=run_id)
        log.info("start")

        def follow(step: "Step") -> None:
            log_step(log, step)
            shown.step(step)

        outcome = run_job(settings, job, day, follow, run_id, shown.begin)
    problems = tell_outcome(log, settings, job, day, outcome, time.monotonic() - began)
    from pipelines.bi.summary import render, summary

    told = summary(settings, job, day, outcome)
    if as_json:
        print(json.dumps(told, default=str, ensure_ascii=False, indent=2))
    elif outcome.is_ok and not quiet:
        print(render(told))
    warn(problems, log)
    if not log.is_json:
        for error in outcome.errors:
            print(f"error: {error}", file=sys.stderr)
    if not outcome.is_ok:
        raise typer.Exit(outcome.exit_code)


def main() -> None:
    """Run the command line; an error that a person can mend ends in one line and its own exit code."""
    be_private()
    try:
        app(standalone_mode=True)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)


def command() -> None:
    """Run the command line as a process of its own, which ends at once when all is said.

    What Dagster keeps of a run until the process ends lets DuckDB's binding complain, now and then, of objects that it
    calls leaked, in lines that nobody can act on; and taking down a dozen libraries takes half a second.
    """
    code: object = 0
    try:
        main()
    except SystemExit as ended:
        code = ended.code
    if not isinstance(code, int | None):
        print(code, file=sys.stderr)
        code = 1
    atexit._run_exitfuncs()
    with suppress(BrokenPipeError):  # whoever read has heard enough
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code or 0)
