"""`holdall run purge`: remove a run's content at once and for good, such as a secret that was logged."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from holdall.sizes import format_size
from holdall.surfaces.cli.address import run_argument, run_of
from holdall.surfaces.cli.program import ask, json_option, opened
from holdall.surfaces.cli.run import run
from holdall.surfaces.cli.table import counted, files, show_json
from holdall.surfaces.cli.writer import say, tell
from holdall.terminal import printable

if TYPE_CHECKING:
    from holdall.store import Purged, PurgePlan, Remaining

_SHOWN = 20  # files of other runs that a plan lists, unless all are asked for


@run.command("purge")
@run_argument("run_ids", nargs=-1, required=True)
@click.option("-n", "--dry-run", is_flag=True, help="Only show what would go, and what still holds its content.")
@click.option("-v", "--verbose", is_flag=True, help="List every file of other runs that holds its content.")
@click.option("--lift-pins", is_flag=True, help="Where no process registers them any more: pins without a version go.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
def purge(run_ids: Sequence[str], dry_run: bool, verbose: bool, lift_pins: bool, yes: bool, as_json: bool) -> None:
    """Remove runs and their content at once and for good, such as a secret that was logged.

    What other runs hold as well stays, and is named. A run of which a version is registered, or with the tag
    holdall.keep, is refused. Exit code 1 if some content is still there. See `holdall guide retention`.

    \b
    Example: holdall run purge RUN_ID --dry-run
    """
    store = opened()
    ids = list(dict.fromkeys(run_of(store, text).id for text in run_ids))
    plans = [store.maintenance.plan_purge(id, lift_pins=lift_pins) for id in ids]
    for plan in plans:
        for line in _lines(plan, also=ids, limit=None if verbose else _SHOWN):
            (tell if as_json else say)(printable(line))
    done: list[Purged] = []
    if not dry_run:
        ask(f"Purge {counted(len(plans), 'run')} for good?", yes=yes)
        for plan in plans:
            done.append(store.maintenance.purge(plan))
            if not as_json:
                say(_outcome(done[-1]))
    if as_json:
        show_json([asdict(each) for each in (done or plans)])
    sys.exit(1 if any(each.left for each in done) else 0)


def _lines(plan: PurgePlan, also: Sequence[str], limit: int | None) -> Iterator[str]:
    """Yield what purging a run would do, together with others."""
    if plan.purged and not plan.packs:
        yield f"purged already  {plan.run_id}"
        return
    word = "deleted, " if plan.deleted else ""
    yield f"purge  {plan.run_id}  {word}{plan.name}, {files(plan.files)}, {format_size(plan.bytes)}"
    if plan.packs:
        yield f"  packs     {counted(len(plan.packs), 'pack')} of {format_size(plan.pack_bytes)} will be deleted"
    if plan.moving:
        verb = "needs" if len(plan.moving) == 1 else "need"
        yield f"  copies    what {counted(len(plan.moving), 'other run')} {verb} of these is copied to new packs first"
    if plan.sessions:
        yield "  open      a process may be writing to it: stop that first, or it may upload the content anew"
    yield from (f"  lifts     the pin {pin}, which no version needs" for pin in plan.lifting)
    yield from (f"  part      {child} is part of it, and stays" for child in plan.children if child not in also)
    yield from (f"  deployed  at {where}" for where in plan.deployed_at)
    remaining = [left for left in plan.remaining if left.uri.split("/")[1] not in also]
    yield from (f"  stays     {_remains(left)}" for left in remaining[:limit])
    if limit is not None and len(remaining) > limit:
        yield f"  stays     ... and in {len(remaining) - limit} more files; --verbose lists them"


def _remains(left: Remaining) -> str:
    what = f"the same content as {left.path}" if left.path else "parts of its content"
    facts = [*["an earlier version"] * left.earlier, *left.held_by, *["deleted"] * left.deleted]
    return f"{left.uri}: {what}" + f" ({', '.join(facts)})" * bool(facts)


def _outcome(done: Purged) -> str:
    gone = f"purged  {done.plan.run_id}  {counted(len(done.packs), 'pack')} deleted"
    if not done.left:
        return gone
    still = f"; {counted(len(done.left), 'pack')} still there, as others refer to them: run it again"
    return gone + still
