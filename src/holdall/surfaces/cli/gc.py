"""`holdall gc`: give back the space of what no run refers to."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from holdall.sizes import format_size
from holdall.store import ENGINES, RetentionPolicy
from holdall.surfaces.cli.address import experiment_option, experiments_of
from holdall.surfaces.cli.program import json_option, not_empty, opened, program
from holdall.surfaces.cli.table import counted, show_json, when
from holdall.surfaces.cli.writer import say
from holdall.terminal import printable

if TYPE_CHECKING:
    from holdall.store import Amount, Collection, Compaction, Explanation


@program.command("gc")
@click.argument("url", required=False, callback=not_empty)
@click.option("-n", "--dry-run", is_flag=True, help="Only show what would be deleted; write nothing.")
@click.option("--delay", default="24h", show_default=True, help="Leave packs alone that are younger.")
@click.option("--quarantine", default="0", show_default=True, help="Wait so long between condemning and deleting.")
@click.option("--engine", type=click.Choice(ENGINES), default="threads", show_default=True, help="What reads the runs.")
@click.option("--workers", type=click.IntRange(min=1), help="How many shards of runs are read at once.")
@click.option(
    "--compact",
    type=click.FloatRange(min=0),
    metavar="PERCENT",
    help="First empty packs until at most so much of what runs need is dead beside it; 5 is a good start.",
)
@click.option("--explain", metavar="WHAT", help="Only show who holds this run, pack, or sha256:/blake3: digest.")
@click.option("--undo", type=click.IntRange(min=0), metavar="G", help="Take back what waiting generation G condemned.")
@experiment_option
@click.option("--expire", metavar="AGE", help="With -e: keep runs until their last entry is so old, as in 90d.")
@click.option("--last", type=click.IntRange(min=1), help="With -e: keep so many of the newest finished runs.")
@click.option("--best", type=(str, int), metavar="ORDER N", help="With -e: keep the best N, by 'metrics.loss ASC'.")
@json_option
def gc(
    url: str | None,
    dry_run: bool,
    delay: str,
    quarantine: str,
    engine: str,
    workers: int | None,
    compact: float | None,
    explain: str | None,
    undo: int | None,
    experiments: Sequence[str],
    expire: str | None,
    last: int | None,
    best: tuple[str, int] | None,
    as_json: bool,
) -> None:
    """Apply retention policies, and delete packs that no run refers to.

    Runs that no rule of their experiment's policy keeps are deleted; those that have been deleted for seven days are
    purged (`holdall guide retention`). Exit code 1 if the bucket refused to delete some. Of an encrypted store, without
    a key, only packs go that no run refers to (`holdall guide encryption`).

    Others may log, read and collect meanwhile. Killed at any time, the next one goes on.

    \b
    Example: holdall gc --dry-run
    """
    store = opened(url)
    if explain is not None:
        _explain(store.maintenance.explain(explain, engine=engine), as_json=as_json)
        return
    if undo is not None:
        count = store.maintenance.undo_gc(undo)
        show_json({"generation": undo, "spared": count}) if as_json else say(f"{counted(count, 'pack')} spared")
        return
    policy = RetentionPolicy(expire, last, best)
    if policy.has_rules and not experiments:
        raise click.UsageError("--expire, --last and --best are for the experiments that -e names")
    chosen = [one.experiment_id for one in experiments_of(store, experiments)] or None
    moved = None if compact is None else store.maintenance.compact(compact / 100, dry_run=dry_run)
    if moved and not as_json:
        _show_compaction(moved, dry_run=dry_run)
    found = store.maintenance.gc(
        dry_run=dry_run,
        delay=delay,
        quarantine=quarantine,
        engine=engine,
        workers=workers,
        override=policy if policy.has_rules else None,
        experiments=chosen,
    )
    show_json(_document(found, moved)) if as_json else _show(found)
    sys.exit(0 if found.complete else 1)


def _explain(found: Explanation, *, as_json: bool) -> None:
    if as_json:
        show_json(asdict(found))
        return
    share = f", {format_size(found.live)} of {format_size(found.size)} in use" if found.size else ""
    say(f"{found.what}{share}")
    lines = [f"  {why}" for why in found.why]
    for one in found.holders:
        size = f"  {format_size(one.bytes)}" if one.bytes else ""
        lines.append(f"  run {one.run_id}{size}{' (deleted)' * one.deleted}")
        lines += [f"    {path}" for path in one.paths]
    for line in lines:
        say(printable(line))


def _document(found: Collection, moved: Compaction | None) -> dict[str, Any]:
    return asdict(found) | {"complete": found.complete} | ({"compaction": asdict(moved)} if moved else {})


def _show_compaction(moved: Compaction, *, dry_run: bool) -> None:
    """Say which packs were emptied, or would be."""
    dead, packs = format_size(moved.freed), counted(len(moved.packs), "pack")
    copied = f"{format_size(moved.live if dry_run else moved.copied)}{' at most' if dry_run else ''}"
    lines = [] if moved.packs or moved.unknown else ["compaction  none: little enough is dead beside what runs need"]
    if moved.packs:
        need = "needs" if len(moved.run_ids) == 1 else "need"
        lines.append(f"compaction  {dead} dead in {packs} that {counted(len(moved.run_ids), 'run')} {need} in part")
        lines.append(f"compaction  {'would copy' if dry_run else 'copied'} {copied}: then nothing needs these packs")
    lines += [f"compaction  left run {run} as it is: {why}" for run, why in sorted(moved.failed.items())]
    lines += [f"compaction  nothing is moved before run {run} is mended: it cannot be read" for run in moved.unknown]
    for line in lines:
        say(printable(line))


def _show(found: Collection) -> None:
    say(f"{counted(found.runs, 'run')}, {_amount(found.all)}")
    for line in [*_runs(found), *_garbage(found), *_generations(found), *_kept(found), *_others(found)]:
        say(printable(line))
    if not found.dry_run:
        say(f"freed {_amount(found.freed)}")


def _runs(found: Collection) -> list[str]:
    """Return what became of runs: those that are deleted already and wait are counted, by their reason."""
    would = "would be " if found.dry_run else ""
    lines = [f"expired     run {id} {would or 'was '}deleted: {why}" for id, why in found.expired.items()]
    lines += [f"purged      run {id} {would or 'was '}purged: {why}" for id, why in found.retired.items()]
    if found.cataloged is not None:
        lines.append(f"catalog     {would or 'was '}written, of {counted(found.cataloged, 'run')}")
    for why, count in sorted(Counter(found.deleted.values()).items()):
        each = "" if count == 1 else "each "
        lines.append(f"deleted     {counted(count, 'run')}, {each}not purged: {why}")
    return lines


def _garbage(found: Collection) -> list[str]:
    if not found.garbage.packs:
        return ["garbage     none"]
    word = "would be deleted" if found.dry_run else f"nothing refers to {'it' if found.garbage.packs == 1 else 'them'}"
    return [f"garbage     {_amount(found.garbage)}: {word}"]


def _generations(found: Collection) -> list[str]:
    lines = []
    for one in found.generations:
        named = f"generation {one.number}"
        spared = f", {counted(one.spared, 'pack')} spared: something refers to them after all" if one.spared else ""
        if one.waiting:
            told = (
                f"{_amount(one.condemned)} wait until {when(one.until)}; holdall gc --undo {one.number} takes it back"
            )
        elif one.done:
            told = f"deleted {_amount(one.deleted)}{spared}"
        else:
            told = f"{'would delete' if found.dry_run else 'stays open after deleting'} {_amount(one.deleted)}{spared}"
        lines.append(f"{named:<11} {told}")
    return lines


def _kept(found: Collection) -> list[str]:
    lines = []
    if found.young.packs:
        lines.append(f"young       {_amount(found.young)}: unreferenced, and younger than the delay")
    if found.unfinished.packs:
        lines.append(f"unfinished  {_amount(found.unfinished)}: of sessions that are open")
    return lines


def _others(found: Collection) -> list[str]:
    lines = [f"closed      run {run}: no entry of its session for seven days" for run in found.closed]
    lines += [
        f"abandoned   run {run}: group {printable(name)} had parts for seven days, and not all"
        for run, names in found.abandoned.items()
        for name in names
    ]
    if found.entries:
        entries = f"{found.entries} log {'entry' if found.entries == 1 else 'entries'}"
        lines.append(f"purged      {entries} of purged runs deleted")
    if found.shares:
        size, would = format_size(found.share_bytes), "would be " if found.dry_run else ""
        lines.append(
            f"shares      {counted(len(found.shares), 'share')} of {size} {would}deleted: no link or no run is left"
        )
    lines += [f"refused     {key}: {why}" for key, why in sorted(found.refused.items())]
    if found.versioned:
        lines.append("versioned   the bucket keeps old versions: space comes back when its lifecycle expires them")
    if found.unseen:
        lines.append(f"unseen      {found.unseen}")
    if found.dry_run and found.requests:
        lines.append(f"requests    about {found.requests}")
    return lines


def _amount(amount: Amount) -> str:
    return f"{counted(amount.packs, 'pack')} of {format_size(amount.bytes)}"
