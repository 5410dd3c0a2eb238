"""`holdall store`: make a store, try its bucket, check it, measure it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial

import click

from holdall.sizes import format_size
from holdall.store import Findings, Report, RunRepair
from holdall.surfaces.cli.address import complete_run, run_of
from holdall.surfaces.cli.program import json_option, not_empty, opened, program
from holdall.surfaces.cli.table import counted, files, show_json, show_table
from holdall.surfaces.cli.writer import say
from holdall.terminal import printable


@program.group("store")
def store() -> None:
    """Create, test, check, repair and measure a store.

    \b
    Example: holdall store check --quick
    """


@store.command("init")
@click.argument("url", required=False, callback=not_empty)
@json_option
def init(url: str | None, as_json: bool) -> None:
    """Create a store at URL, after testing that the bucket is safe for it.

    \b
    Example: holdall store init s3://bucket/experiments
    """
    _show_report(opened(url).maintenance.create(), as_json=as_json)


@store.command("doctor")
@click.argument("url", required=False, callback=not_empty)
@json_option
def doctor(url: str | None, as_json: bool) -> None:
    """Test what the bucket at URL can do; exit code 1 if it is not safe for writing.

    \b
    Example: holdall store doctor s3://bucket
    """
    report = opened(url).maintenance.doctor()
    _show_report(report, as_json=as_json)
    sys.exit(0 if report.safe_for_writing else 1)


@store.command("check")
@click.argument("url", required=False, callback=not_empty)
@click.option("--quick", is_flag=True, help="Do not read the content of files.")
@click.option("--record", is_flag=True, help="Record which packs are damaged, so that nothing new refers to them.")
@json_option
def check(url: str | None, quick: bool, record: bool, as_json: bool) -> None:
    """Read the whole store and verify every digest; exit code 1 if anything is wrong.

    \b
    Example: holdall store check s3://bucket/experiments --quick
    """
    found = opened(url).maintenance.check(quick=quick, record=record)
    show_json({"intact": found.intact} | asdict(found)) if as_json else _show_findings(found)
    sys.exit(0 if found.intact else 1)


@store.command("repair")
@click.argument("runs", metavar="[RUN]...", nargs=-1, callback=not_empty, shell_complete=complete_run)
@click.option("-n", "--dry-run", is_flag=True, help="Only show what would be done.")
@json_option
def repair(runs: Sequence[str], dry_run: bool, as_json: bool) -> None:
    """Let runs use intact copies of content in damaged or missing packs; exit code 1 if some content has no copy.

    \b
    Example: holdall store repair --dry-run
    """
    there = opened()
    ids = [run_of(there, run).id for run in runs] if runs else None
    tell = None if as_json else partial(_show_repair, dry_run=dry_run)
    found = there.maintenance.repair(ids, dry_run=dry_run, tell=tell)
    if as_json:
        show_json([asdict(plan) for plan in found])
    elif not found:
        say("no run needs a damaged pack")
    sys.exit(0 if all(plan.whole for plan in found) else 1)


@store.command("stats")
@click.argument("url", required=False, callback=not_empty)
@json_option
def stats(url: str | None, as_json: bool) -> None:
    """Show the number and size of runs, files, packs and objects; all objects add up to what is stored.

    \b
    Example: holdall store stats s3://bucket/experiments
    """
    found = opened(url).maintenance.stats()
    if as_json:
        show_json(asdict(found))
        return
    kinds = {"logs": found.log_bytes, "hints": found.hint_bytes, "other": found.other_bytes}
    kinds |= {"foreign": found.foreign_bytes} if found.foreign_bytes else {}
    gone = f", {found.deleted} of them deleted" if found.deleted else ""
    going = f"; {format_size(found.quarantine_bytes)} of it in quarantine" if found.quarantine_bytes else ""
    show_table(
        [
            ["store", found.store],
            ["runs", f"{found.runs}{gone}"],
            ["logged", f"{format_size(found.bytes)} in {files(found.files)}"],
            ["stored", f"{format_size(found.object_bytes)} in {counted(found.objects, 'object')}"],
            ["  packs", f"{format_size(found.pack_bytes)} in {counted(found.packs, 'object')}{going}"],
            *([f"  {name}", format_size(size)] for name, size in kinds.items()),
        ]
    )


def _show_report(report: Report, *, as_json: bool) -> None:
    if as_json:
        show_json(asdict(report) | {"safe_for_writing": report.safe_for_writing})
        return
    for line in report.lines():
        say(printable(line))


def _show_findings(found: Findings) -> None:
    say(
        f"{counted(found.runs, 'run')}, {found.entries} log entries, "
        f"{files(found.files)} of {format_size(found.bytes)}; "
        f"{counted(found.packs, 'pack')} with {counted(found.blobs, 'blob')}; {counted(found.objects, 'object')}"
    )
    lines = [
        f"orphan   {key}: no run refers to it, as after a killed upload or while one goes on" for key in found.orphans
    ]
    lines += [f"foreign  {key}: not holdall's; left alone" for key in found.foreign]
    for problem in found.problems:
        lines.append(f"{'harmless' if problem.harmless else 'DAMAGE  '} {problem.where}: {problem.detail}")
        lines += [f"           touches {touched}" for touched in problem.touches]
    lines += [f"recorded {key}: nothing that is logged from now on refers to that pack" for key in found.recorded]
    if found.torn:
        missing = counted(len(found.missing), "pack")
        lines.append(
            f"torn     {missing} that runs refer to cannot be found, and nothing else is wrong with packs: this looks "
            "like a copy that was made while packs were being written; copy packs/ again from where it came from, "
            "which completes it (holdall guide safety)"
        )
    for line in lines:
        say(printable(line))
    say("intact" if found.intact else counted(len(found.problems), "problem"))


def _show_repair(plan: RunRepair, *, dry_run: bool) -> None:
    word = "would heal" if dry_run else "heals"
    lines = [f"lost   {plan.run_id}: {plan.lost}"] if plan.lost else []
    if plan.listing and not plan.lost:
        lines.append(f"{word}  {plan.run_id}: the listing of its paths, or what is said of it")
    for file in plan.files:
        where = f"{plan.run_id}/{file.path}"
        lines.append(f"lost   {where}: {file.lost}" if file.lost else f"{word}  {where}: {_copies(file.copies)}")
    for line in lines:
        say(printable(line))


def _copies(places: Sequence[str]) -> str:
    more = f" and {len(places) - 3} more" if len(places) > 3 else ""
    return f"whole in {counted(len(places), 'place')}: {', '.join(places[:3])}{more}"
