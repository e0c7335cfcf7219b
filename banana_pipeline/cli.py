"""The ``banana`` command: arguments and exit codes.

Lives here: click. Does not live here: what the commands do (``commands``), one plain sentence for each mistake
(``commands.mistakes``). Dagster takes two seconds to import, so the modules that need it are imported by the commands
that need it.

Exit codes: 0 everything ended well, 1 some rows failed or are unresolved, 2 bad usage or configuration.
"""

from __future__ import annotations

import json
import os
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from banana_pipeline.commands.mistakes import UNWELL, WELL, Sentences
from banana_pipeline.settings import read_settings, require_data_dir


@click.group(cls=Sentences, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="banana-pipeline")
def main() -> None:
    """Prompt tables in, images and a dataset out, and no prompt paid for twice."""


@main.command()
@click.argument("table")
@click.option(
    "--max-credits", type=click.FloatRange(min=0), help="Budget of this run in credits (1 credit: 0.005 USD)."
)
@click.option("--no-wait", is_flag=True, help="Submit and end; a later run collects the results.")
@click.option("--regenerate", is_flag=True, help="Buy every image of the table again. Costs money.")
def run(table: str, max_credits: float | None, no_wait: bool, regenerate: bool) -> None:
    """Make the images of TABLE: a name in the prompts folder, or a path.

    Buys what was never bought, collects what is under way, and costs nothing where nothing is left to do.
    """
    from banana_pipeline.commands.run import RunOptions, require_key
    from banana_pipeline.commands.tables import choose_table

    settings = read_settings(os.environ)
    require_key(settings)
    require_data_dir(settings)
    chosen = choose_table(settings, table)
    label = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ") if regenerate else ""
    options = RunOptions(max_credits=max_credits, is_waiting=not no_wait, regenerate=label)
    sys.exit(_run(settings, [chosen], options, unwell=UNWELL))


def _run(settings: Any, chosen: Any, options: Any, *, unwell: int) -> int:
    from banana_pipeline.commands.run import run_tables
    from banana_pipeline.commands.show import console, progress_bar
    from banana_pipeline.commands.summary import print_summary
    from banana_pipeline.progress import Progress

    started_s = time.monotonic()
    progress = Progress()
    with progress_bar(progress):
        summary = run_tables(settings, chosen, options, progress)
    print_summary(console(), settings, summary, progress, time.monotonic() - started_s)
    if summary.is_well:
        return WELL
    return UNWELL if summary.errors or summary.is_stopped else unwell


@main.command()
@click.argument("table")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def estimate(table: str, as_json: bool) -> None:
    """Say what TABLE would cost; spends nothing."""
    from banana_pipeline.commands.estimate import estimate as count
    from banana_pipeline.commands.funds import funds_sentences, read_funds
    from banana_pipeline.commands.show import console, sentences, table_of
    from banana_pipeline.commands.tables import choose_table

    settings = read_settings(os.environ)
    chosen = choose_table(settings, table)
    result = count(settings, chosen)
    if as_json:
        left_out = dict(chosen.table.left_out)
        click.echo(json.dumps({"prompt_table": chosen.table.name, **result.as_dict(), "columns_left_out": left_out}))
        return
    out = console()
    values = {
        "rows": result.rows,
        "rejected": result.rows_rejected,
        "requests": result.requests,
        "already paid": result.already_paid,
        "unconfirmed": result.unconfirmed,
        "given up": result.given_up,
        "to pay": result.to_pay,
        "credits": result.credits,
        "USD": result.cost_usd,
        "minutes": round(result.seconds / 60, 1),
    }
    out.print(table_of(list(values), [list(values.values())]))
    for line in funds_sentences(read_funds(settings), price_credits=result.credits):
        out.print(line)
    sentences(out, "Rows that cannot be sent", [f"row {number}: {text}" for number, text in result.problems])
    left_out = [f"{column}: {why}" for column, why in chosen.table.left_out.items()]
    sentences(out, "Columns that the outputs leave out", left_out)


@main.command()
@click.argument("table", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--check", "is_check", is_flag=True, help="Verify the whole ledger instead; without TABLE.")
def status(table: str | None, as_json: bool, is_check: bool) -> None:
    """Say where all requests, or those of TABLE, stand."""
    if is_check:
        if table is not None:
            raise click.UsageError("--check looks at the whole ledger; leave TABLE out.")
        sys.exit(_check(as_json))
    from banana_pipeline.commands.show import console, sentences
    from banana_pipeline.commands.status import read_status, status_table
    from banana_pipeline.commands.tables import table_named

    settings = read_settings(os.environ)
    table = None if table is None else table_named(settings, table)
    found = read_status(settings, table)
    if as_json:
        click.echo(json.dumps({"tables": [entry.as_dict() for entry in found]}))
    elif not found:
        click.echo("Nothing was asked for yet." if table is None else f"Nothing is known of a table {table!r}.")
    else:
        out = console()
        out.print(status_table(found))
        sentences(out, "Outputs that cannot be read", [problem for entry in found for problem in entry.problems])


def _check(as_json: bool) -> int:
    from banana_pipeline.commands.check import check, check_dict, check_lines, is_well

    findings = check(read_settings(os.environ))
    if as_json:
        click.echo(json.dumps(check_dict(findings)))
    else:
        for line in check_lines(findings):
            click.echo(line)
    return WELL if is_well(findings) else UNWELL


@main.command()
@click.argument("table", required=False)
@click.option("--task-id", "task_ids", multiple=True, metavar="ATTEMPT=TASK", help="Adopt a task, after checking it.")
@click.option("--resubmit", is_flag=True, help="Let the next run buy them again, although they may be paid.")
@click.option("--abandon", is_flag=True, help="Do without them: they are not bought again.")
@click.option("--attempt", "attempts", multiple=True, help="Only this one (repeatable); default: all that are listed.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def resolve(
    table: str | None,
    task_ids: tuple[str, ...],
    resubmit: bool,
    abandon: bool,
    attempts: tuple[str, ...],
    as_json: bool,
) -> None:
    """List orders whose answer was lost, with the evidence, and settle them.

    KIE may have made and charged them, so no run sends them again by itself.
    """
    from banana_pipeline.commands.resolve import Decisions, parse_pairs
    from banana_pipeline.commands.resolve import resolve as settle
    from banana_pipeline.commands.resolve_words import print_resolved, resolved_dict
    from banana_pipeline.commands.show import console
    from banana_pipeline.commands.tables import table_named

    if resubmit and abandon:
        raise click.UsageError("choose --resubmit or --abandon, not both.")
    if attempts and not (resubmit or abandon):
        raise click.UsageError("--attempt says which ones to --resubmit or --abandon; give one of these too.")
    decisions = Decisions(
        task_ids=parse_pairs(task_ids), attempts=attempts, is_resubmitted=resubmit, is_abandoned=abandon
    )
    settings = read_settings(os.environ)
    table = None if table is None else table_named(settings, table)
    result = settle(settings, table, decisions)
    if as_json:
        click.echo(json.dumps(resolved_dict(result)))
    else:
        print_resolved(console(), result, table)
    sys.exit(WELL if result.is_well else UNWELL)


@main.command()
def demo() -> None:
    """Run the sample tables against the emulator: no key, no money, all in data/demo."""
    from banana_pipeline.commands.demo import demo_tables, demo_world
    from banana_pipeline.commands.run import RunOptions

    with demo_world() as settings:
        click.echo(f"The emulator stands in for KIE at {settings.base_url}: no key is needed and no money is spent.")
        # Some sample rows are bad on purpose, to show how that is told: they do not make the demo a failure.
        code = _run(settings, demo_tables(settings), RunOptions(), unwell=WELL)
    sys.exit(code)


@main.command()
@click.option("--port", type=click.IntRange(0, 65_535), default=3000, show_default=True, help="Port of the Dagster UI.")
def dev(port: int) -> None:
    """Start the Dagster UI: on your data with a key, on the emulator and data/demo without."""
    from banana_pipeline.commands.demo import demo_world, serve_ui
    from banana_pipeline.commands.run import dagster_home

    settings = read_settings(os.environ)
    workspace = "workspace.yaml" if Path("workspace.yaml").exists() else None
    if settings.api_keys:
        sys.exit(serve_ui(dagster_home(settings), port=port, workspace=workspace))
    with demo_world() as demo_settings:
        click.echo(f"KIE_API_KEY is not set: the emulator at {demo_settings.base_url} stands in for KIE. No money is")
        click.echo(f"spent; everything is kept apart in {demo_settings.data_dir}.")
        sys.exit(serve_ui(dagster_home(demo_settings), port=port, workspace=workspace))


@main.command()
@click.option("--port", type=click.IntRange(0, 65_535), default=8788, show_default=True, help="0 takes a free one.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
def callbacks(port: int, host: str) -> None:
    """Receive KIE's callbacks and note them in the ledger, until stopped."""
    from banana_pipeline.callbacks import serve_callbacks

    serve_callbacks(read_settings(os.environ), host, port)


@main.command()
@click.option("--port", type=click.IntRange(0, 65_535), default=8787, show_default=True, help="0 takes a free one.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--key", "keys", multiple=True, help="Accept only this key (repeatable); default: every key.")
@click.option("--credits", "opening_credits", default=100_000.0, show_default=True, help="Opening balance per account.")
@click.option("--rate-limit", default="20/10s", show_default=True, help="Creations per account, or 'none'.")
@click.option("--latency-s", nargs=2, type=float, default=(2.0, 5.0), show_default=True, help="Least and most seconds.")
@click.option("--fail-share", default=0.0, show_default=True, help="Share of tasks that fail (refunded).")
@click.option("--real-statuses", is_flag=True, help="Answer errors with real HTTP statuses instead of 200.")
@click.option("--seed", default=0, show_default=True, help="Decides which tasks fail.")
@click.option("--books", type=click.Path(path_type=Path), help="Keep the books in this file over restarts.")
@click.option("--fault", "faults", multiple=True, help="A fault and its share, such as lost_answer_share=0.02.")
def emulator(
    host: str, port: int, keys: tuple[str, ...], rate_limit: str, faults: tuple[str, ...], **rest: Any
) -> None:
    """Serve KIE's protocol locally; its books are at /admin."""
    from banana_pipeline.commands.emulator import emulator_config, serve_emulator

    serve_emulator(emulator_config(keys=keys, rate_limit=rate_limit, faults=faults, **rest), host=host, port=port)
