"""`holdall store key`: who may open an encrypted store."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from holdall.surfaces.cli.passphrases import new_passphrase
from holdall.surfaces.cli.program import ask, json_option, not_empty, opened
from holdall.surfaces.cli.store import store
from holdall.surfaces.cli.table import counted, show_json, show_table
from holdall.surfaces.cli.writer import say, tell
from holdall.terminal import printable

if TYPE_CHECKING:
    from holdall.store import KeySlot, KeySlots


@store.group("key")
def key() -> None:
    """List, add and revoke the keys that open an encrypted store; make one of your own.

    \b
    Example: holdall store key list
    """


@key.command("new")
@click.argument("file", type=click.Path(path_type=Path), callback=not_empty)
def new(file: Path) -> None:
    """Make a key in FILE, which only you can read, and print its public key: whoever has a key can add that.

    HOLDALL_IDENTITY=FILE opens what it was added to. Without the file, that is lost: keep a copy.

    \b
    Example: holdall store key new ~/.holdall.key
    """
    from holdall.store import new_identity

    say(new_identity(file.expanduser()))


@key.command("add")
@click.argument("url", required=False, callback=not_empty)
@click.option("--passphrase", is_flag=True, help="Ask for one, or read it from the standard input's first line.")
@click.option("--recipient", metavar="KEY", callback=not_empty, help="A public key, age1..., or the file of one.")
@click.option("--kms", metavar="ARN", callback=not_empty, help="A key in AWS KMS.")
@click.option("--label", metavar="TEXT", default="", help="Whose it is; who can read the bucket reads it.")
@json_option
def add(url: str | None, passphrase: bool, recipient: str | None, kms: str | None, label: str, as_json: bool) -> None:
    """Let one more key open the store at URL: a passphrase, a public key, or a key in AWS KMS.

    \b
    Example: holdall store key add --recipient age1... --label "anna, laptop"
    """
    if [passphrase, recipient is not None, kms is not None].count(True) != 1:
        raise click.UsageError("give one of --passphrase, --recipient and --kms")
    target = opened(url)
    asked = f"the store {target.id[:8]}"  # which must be open before anybody types anything
    given = new_passphrase(asked) if passphrase else None
    made = target.maintenance.keys.add(passphrase=given, recipient=recipient, kms=kms, label=label)
    if as_json:
        show_json(asdict(made))
        return
    say(f"key slot {made.number} opens the store now, by {_opened_by(made)}")


@key.command("list")
@click.argument("url", required=False, callback=not_empty)
@json_option
def list_slots(url: str | None, as_json: bool) -> None:
    """List the key slots of the store at URL, as far as can be told without a key.

    \b
    Example: holdall store key list --json
    """
    found = opened(url).maintenance.keys.list()
    if as_json:
        show_json([asdict(slot) for slot in found])
        return
    if not found:
        say("the store is not encrypted: it has no keys")
        return
    show_table([["SLOT", "OPENS", "LABEL", "ROOT KEY", "STATE"], *map(_row, found)])


@key.command("revoke")
@click.argument("number", type=click.IntRange(min=0))
@click.option("-n", "--dry-run", is_flag=True, help="Only show what would be revoked, and what would be left.")
@click.option("--force", is_flag=True, help="Also the last one, and without a key: perhaps nobody can ever read it.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def revoke(number: int, dry_run: bool, force: bool, yes: bool) -> None:
    """Delete key slot NUMBER, so that its key opens the store no more.

    Who has opened the store with it may have kept the root key: take their access to the bucket first, and begin a new
    root key afterwards with `holdall store rekey`.

    \b
    Example: holdall store key revoke 2 --dry-run
    """
    target = opened()
    if not force:
        target.id  # noqa: B018  # it must be open before anybody answers: only its keys tell what is left
    keys = target.maintenance.keys
    found = keys.list()
    there = any(slot.number == number and not slot.revoked for slot in found)
    for line in _plan(number, found) if there or dry_run else ():
        tell(printable(line))
    if dry_run:
        return
    if there:
        ask(f"Revoke key slot {number}?", yes=yes)
    keys.revoke(number, force=force)
    say(f"key slot {number} is revoked")


@store.command("rekey")
@click.argument("url", required=False, callback=not_empty)
@click.option("--passphrase", is_flag=True, help="Ask for one that then opens it, old or new, or read it from stdin.")
@click.option("--rewrite", is_flag=True, help="Begin none: seal anew what older root keys sealed.")
@click.option("-n", "--dry-run", is_flag=True, help="Only show what would be done.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
def rekey(url: str | None, passphrase: bool, rewrite: bool, dry_run: bool, yes: bool, as_json: bool) -> None:
    """Begin a new root key of the store at URL: what is written from now on is sealed by it.

    Public keys, keys in AWS KMS and the passphrase that opens the store here go on opening it; other passphrases do
    not, until they are added again. What was written before stays as it is, and readable; who kept the older root key,
    and can still read the bucket, reads it too. `--rewrite`, afterwards, seals the content of runs anew, and `holdall
    gc` deletes the older packs; older entries of logs stay. Programs that have the store open go on with the older key
    until they open it anew.

    \b
    Example: holdall store rekey --dry-run
    """
    if rewrite:
        _rewrite(opened(url).maintenance.keys, dry_run=dry_run, as_json=as_json)
        return
    target = opened(url)
    asked = f"the store {target.id[:8]}"
    given = new_passphrase(asked) if passphrase else None
    keys = target.maintenance.keys
    plan = keys.rekey(passphrase=given, dry_run=True)
    for word, slots in (("keep", plan.kept), ("drop", plan.dropped)):
        for slot in slots:
            tell(printable(f"{word}    slot {slot.number}, {_opened_by(slot)}"))
    if dry_run:
        if as_json:
            show_json(asdict(plan))
        return
    drops = f", and drop {counted(len(plan.dropped), 'key')}" if plan.dropped else ""
    ask(f"Begin a new root key{drops}?", yes=yes)
    done = keys.rekey(passphrase=given)
    if as_json:
        show_json(asdict(done))
        return
    word = "opens" if len(done.kept) == 1 else "open"
    say(f"the store has root key {done.epoch} now; {counted(len(done.kept), 'key')} of before {word} it as well")


def _rewrite(keys: KeySlots, *, dry_run: bool, as_json: bool) -> None:
    found = keys.rewrite(dry_run=dry_run)
    if as_json:
        show_json(asdict(found))
        return
    word = "would seal anew" if dry_run else "sealed anew"
    say(f"{word}: {counted(len(found.packs), 'pack')}, of {counted(len(found.run_ids), 'run')}")
    for run, why in found.failed.items():
        say(printable(f"left    run {run}: {why}"))
    for run in found.unknown:
        say(f"nothing was done: run {run} cannot be read; `holdall store check` says why")


def _plan(number: int, found: list[KeySlot]) -> Iterator[str]:
    for slot in found:
        if slot.number == number and not slot.revoked:
            yield f"revoke  slot {number}, {_opened_by(slot)}"
    left = [slot for slot in found if slot.number != number and _opens(slot)]
    yield f"left    {counted(len(left), 'slot')}: " + (
        ", ".join(f"{s.number}, {_opened_by(s)}" for s in left) or "none"
    )
    yield "note    who had this key may have kept the root key; `holdall store rekey` makes another"


def _opens(slot: KeySlot) -> bool:
    return slot.current and not slot.revoked and not slot.damage and slot.proven is not False


def _opened_by(slot: KeySlot) -> str:
    by = " ".join(filter(None, (slot.kind, slot.key)))
    return f"{by} ({slot.label})" if slot.label else by or "something that cannot be read"


def _row(slot: KeySlot) -> list[str]:
    epoch = "" if slot.revoked or slot.damage else str(slot.epoch)
    by = " ".join(filter(None, (slot.kind, slot.key)))
    return [str(slot.number), printable(by), printable(slot.label), epoch, printable(_state(slot))]


def _state(slot: KeySlot) -> str:
    if slot.revoked or slot.damage:
        return slot.damage or "revoked"
    if slot.proven is False:
        return "made by a stranger"
    return "opened it now" if slot.opened else "in force" if slot.current else "of an older root key"
