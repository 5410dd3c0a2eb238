"""`holdall store check` and `holdall store repair`: is a store intact, and healing what is not."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, NoReturn

import click

from holdall.sizes import format_size
from holdall.store import ENGINES
from holdall.surfaces.cli.address import complete_run, run_of
from holdall.surfaces.cli.program import json_option, not_empty, opened
from holdall.surfaces.cli.signing import keys_in, signature_line
from holdall.surfaces.cli.store import store
from holdall.surfaces.cli.table import counted, files, show_json
from holdall.surfaces.cli.writer import say
from holdall.terminal import printable

if TYPE_CHECKING:
    from holdall.store import EntryRepair, Findings, LogRepair, PublicKey, RunRepair, Store

_engine = click.option(
    "--engine", type=click.Choice(ENGINES), help="What works on many shards at once: threads, or a cluster."
)
_workers = click.option("--workers", type=click.IntRange(min=1), help="How many shards are worked on at once.")


@store.command("check")
@click.argument("url", required=False, callback=not_empty)
@click.option("--quick", is_flag=True, help="Do not read the content of files.")
@click.option("--record", is_flag=True, help="Record which packs are damaged, so that nothing new refers to them.")
@click.option("--repair-from", metavar="URL", callback=not_empty, help="Heal what is damaged from the copy at URL.")
@click.option("--references", is_flag=True, help="Only hold what runs refer to elsewhere against what is there now.")
@click.option("--signatures", is_flag=True, help="Only hold signatures of runs and models against what is there now.")
@click.option(
    "--signed-by",
    multiple=True,
    callback=not_empty,
    metavar="KEY",
    help="With --signatures: the public keys that count.",
)
@_engine
@_workers
@json_option
def check(
    url: str | None,
    quick: bool,
    record: bool,
    repair_from: str | None,
    references: bool,
    signatures: bool,
    signed_by: Sequence[str],
    engine: str | None,
    workers: int | None,
    as_json: bool,
) -> None:
    """Read the whole store and verify every digest; exit code 1 if anything is wrong.

    With --references, nothing of the store is read but what says where content is elsewhere; what is there is read only
    where its SHA-256 is known, and not with --quick.

    With --signatures, nothing of the store is read but runs that are signed, and what they list.

    With --repair-from, what is damaged is recorded, healed from a copy of the store, and the store is checked again.

    \b
    Example: holdall store check --repair-from s3://backup/experiments
    """
    if signatures or signed_by:
        if record or repair_from or references or not signatures:
            raise click.UsageError("--signatures goes with --signed-by alone")
        _check_signatures(opened(url), keys_in(signed_by), as_json=as_json)
    if references:
        if record or repair_from:
            raise click.UsageError("--references looks elsewhere: what is wrong there is neither recorded nor repaired")
        _check_references(opened(url), digest=not quick, as_json=as_json)
    there, source = opened(url), opened(repair_from) if repair_from is not None else None
    if source:
        there.maintenance.repair([], source=source)  # that there is a store is known before all is read
    checked = partial(there.maintenance.check, quick=quick, engine=engine or "threads", workers=workers)
    found = checked(record=record or source is not None)
    done: list[LogRepair | RunRepair] = []
    if source and not found.intact:
        if not as_json:
            _show_findings(found)
        done = _heal(there, source, None, dry_run=False, as_json=as_json, engine=engine, workers=workers)
        found = checked(record=True)
    if as_json:
        healed = {"healed": [asdict(plan) for plan in done]} if source else {}
        show_json({"intact": found.intact} | asdict(found) | healed)
    else:
        _show_findings(found)
    sys.exit(0 if found.intact else 1)


@store.command("repair")
@click.argument("runs", metavar="[RUN]...", nargs=-1, callback=not_empty, shell_complete=complete_run)
@click.option("--from", "source", metavar="URL", callback=not_empty, help="Take what is lost from the copy at URL.")
@click.option("-n", "--dry-run", is_flag=True, help="Only show what would be done.")
@_engine
@_workers
@json_option
def repair(
    runs: Sequence[str], source: str | None, dry_run: bool, engine: str | None, workers: int | None, as_json: bool
) -> None:
    """Let runs use intact copies of content in damaged or missing packs; exit code 1 if some content has no copy.

    \b
    Example: holdall store repair --from s3://backup/experiments --dry-run
    """
    there = opened()
    ids = [run_of(there, run).id for run in runs] if runs else None
    where = opened(source) if source else None
    found = _heal(there, where, ids, dry_run=dry_run, as_json=as_json, engine=engine, workers=workers)
    if as_json:
        show_json([asdict(plan) for plan in found])
    elif not found:
        say("no run needs a damaged pack")
    sys.exit(0 if all(plan.whole for plan in found) else 1)


def _heal(
    there: Store,
    source: Store | None,
    ids: list[str] | None,
    *,
    dry_run: bool,
    as_json: bool,
    engine: str | None,
    workers: int | None,
) -> list[LogRepair | RunRepair]:
    """Heal the logs of all that is no run, unless runs are named, and then runs; tell of each unless in JSON."""
    logs = there.maintenance.repair_logs(source, dry_run=dry_run) if source and ids is None else []
    for plan in logs if not as_json else ():
        _show_lines(_entry_lines(plan.log, plan.entries, dry_run=dry_run))
    tell = None if as_json else partial(_show_repair, dry_run=dry_run)
    runs = there.maintenance.repair(ids, source=source, dry_run=dry_run, tell=tell, engine=engine, workers=workers)
    return [*logs, *runs]


def _show_findings(found: Findings) -> None:
    listed = "" if found.unseen else f", {files(found.files)} of {format_size(found.bytes)}"
    say(
        f"{counted(found.runs, 'run')}, {found.entries} log entries{listed}; "
        f"{counted(found.packs, 'pack')} with {counted(found.blobs, 'blob')}; {counted(found.objects, 'object')}"
    )
    lines = [
        f"orphan   {key}: no run refers to it, as after a killed upload or while one goes on" for key in found.orphans
    ]
    lines += [f"foreign  {key}: not holdall's; left alone" for key in found.foreign]
    lines += [f"reserved {key}: of a later version; left alone" for key in found.reserved]
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
    if found.unseen:
        lines.append(f"unseen   {found.unseen}")
    for line in lines:
        say(printable(line))
    say("intact" if found.intact else counted(len(found.problems), "problem"))


def _show_repair(plan: RunRepair, *, dry_run: bool) -> None:
    word = "would heal" if dry_run else "heals"
    lines = _entry_lines(f"run {plan.run_id}", plan.entries, dry_run=dry_run)
    lines += [f"lost   {plan.run_id}: {plan.lost}"] if plan.lost else []
    if plan.listing and not plan.lost:
        lines.append(f"{word}  {plan.run_id}: the listing of its paths, or what is said of it")
    for file in plan.files:
        where = f"{plan.run_id}/{file.path}"
        lines.append(f"lost   {where}: {file.lost}" if file.lost else f"{word}  {where}: {_copies(file.copies)}")
    lines += [f"       on the copy's word, since nothing here proves it: {each}" for each in plan.word]
    _show_lines(lines)


def _entry_lines(log: str, entries: Sequence[EntryRepair], *, dry_run: bool) -> list[str]:
    """Return what becomes of log entries, a line for each."""
    lines = []
    for entry in entries:
        proof = f"proven by {entry.proof}" if entry.proof else "on the copy's word"
        if entry.lost:
            lines.append(f"lost   {log}, log entry {entry.n}: {entry.lost}")
        elif entry.stays:
            what = "says again" if log.startswith("run ") else "knows"
            lines.append(f"stays  {log}, log entry {entry.n}: it is damaged; the copy {what} what it said, {proof}")
        else:
            lines.append(f"{'would put' if dry_run else 'puts'} back  {log}, log entry {entry.n}: {proof}")
    if any(entry.stays for entry in entries):
        lines.append("       remove a damaged object by hand and repair again, which puts the copy's in its place")
    return lines


def _check_references(store: Store, *, digest: bool, as_json: bool) -> NoReturn:
    """Show which references do not lead to what was there, and exit with 1 if any does not."""
    found = store.maintenance.check_references(digest=digest)
    if as_json:
        show_json([problem.to_dictionary() for problem in found])
    else:
        _show_lines([f"{problem.what.upper():<10} {problem.artifact}: {problem.detail}" for problem in found])
        say("all references lead to what was there" if not found else counted(len(found), "reference") + " do not")
    sys.exit(1 if found else 0)


def _check_signatures(store: Store, keys: Sequence[PublicKey] | None, *, as_json: bool) -> NoReturn:
    """Show who signed what, and exit with 1 if a signature proves nothing of what is there."""
    found = store.maintenance.check_signatures(keys=keys)
    wrong = [each for each in found if each.problem]
    if as_json:
        show_json([asdict(each) for each in found])
    else:
        _show_lines([f"{signature_line(each)}{f': {each.problem}' if each.problem else ''}" for each in found])
        say(counted(len(wrong), "problem") if wrong else f"all of {counted(len(found), 'signature')} valid")
    sys.exit(1 if wrong else 0)


def _show_lines(lines: Sequence[str]) -> None:
    for line in lines:
        say(printable(line))


def _copies(places: Sequence[str]) -> str:
    more = f" and {len(places) - 3} more" if len(places) > 3 else ""
    return f"whole in {counted(len(places), 'place')}: {', '.join(places[:3])}{more}"
