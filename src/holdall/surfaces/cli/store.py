"""`holdall store`: make a store, try its bucket, check it, measure it."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from holdall.settings import read_settings
from holdall.sizes import format_size
from holdall.store import Unlock
from holdall.surfaces.cli.passphrases import new_passphrase
from holdall.surfaces.cli.program import at_a_terminal, json_option, not_empty, opened, program
from holdall.surfaces.cli.table import counted, files, show_json, show_table
from holdall.surfaces.cli.writer import say
from holdall.terminal import printable

if TYPE_CHECKING:
    from holdall.store import Report


@program.group("store")
def store() -> None:
    """Create, test, check, repair, measure and copy stores.

    \b
    Example: holdall store check --quick
    """


@store.command("init")
@click.argument("url", required=False, callback=not_empty)
@click.option("--encrypt", is_flag=True, help="Encrypt all that is logged before it leaves the machine.")
@click.option("--passphrase", is_flag=True, help="Its first key: ask for one, or read it from the standard input.")
@click.option("--recipient", metavar="KEY", callback=not_empty, help="Its first key: age1..., or the file of one.")
@click.option("--kms", metavar="ARN", callback=not_empty, help="Its first key: one in AWS KMS.")
@click.option("--label", metavar="TEXT", default="", help="Whose its first key is; who can read the bucket reads it.")
@json_option
def init(
    url: str | None,
    encrypt: bool,
    passphrase: bool,
    recipient: str | None,
    kms: str | None,
    label: str,
    as_json: bool,
) -> None:
    """Create a store at URL, after testing that the bucket is safe for it.

    An encrypted store cannot be read without one of its keys, by nobody: add a second one with `holdall store key add`,
    and keep it elsewhere. Its first key is HOLDALL_PASSPHRASE or HOLDALL_IDENTITY, where no option names another; if
    neither is set, a passphrase is asked for.

    \b
    Example: holdall store init s3://bucket/experiments
    """
    if not encrypt:
        if passphrase or recipient or kms or label:
            raise click.UsageError("--passphrase, --recipient, --kms and --label are of an encrypted store: --encrypt")
        _show_report(opened(url).maintenance.create(), as_json=as_json)
        return
    if [passphrase, recipient is not None, kms is not None].count(True) > 1:
        raise click.UsageError("give one of --passphrase, --recipient and --kms; `holdall store key add` adds more")
    passphrase = passphrase or not (recipient or kms or _has_key())
    first = Unlock(new_passphrase("the new store"), kms=False) if passphrase else Unlock(kms=kms is not None)
    target = opened(url, None if not (passphrase or recipient or kms) else first)
    report = target.maintenance.create(encrypt=True, recipient=recipient, kms=kms, label=label)
    _show_report(report, as_json=as_json)
    if not as_json:
        say("encrypted: without a key nobody can ever read it; `holdall store key add` adds one to keep elsewhere")


def _has_key() -> bool:
    """Return whether the environment has a key for a new store.

    Raises:
        UsageError: It has none, and there is no terminal to ask for a passphrase at.
    """
    unlock = read_settings().unlock
    if unlock and (unlock.passphrase or unlock.passphrase_command or unlock.identities):
        return True
    if not at_a_terminal():
        raise click.UsageError(
            "name the key that is to open the store: --passphrase, --recipient or --kms; or set HOLDALL_IDENTITY (the "
            "file of a key, as `holdall store key new FILE` makes it) or HOLDALL_PASSPHRASE"
        )
    return False


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


@store.command("catalog")
@click.option("--dry-run", is_flag=True, help="Only say what would be written.")
@json_option
def catalog(dry_run: bool, as_json: bool) -> None:
    """Write a catalog of all runs, with which searching the store anew needs few requests; `holdall gc` does so, too.

    \b
    Example: holdall store catalog --dry-run
    """
    found = opened().maintenance.catalog(dry_run=dry_run)
    if as_json:
        show_json(asdict(found))
        return
    done = "would be written" if dry_run else "was written" if found.written else "was not written: another just was"
    say(f"a catalog of {counted(found.runs, 'run')}, {found.changed} of them new, {done} ({format_size(found.bytes)})")


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
    kinds |= {"shares": found.share_bytes} if found.share_bytes else {}
    kinds |= {"foreign": found.foreign_bytes} if found.foreign_bytes else {}
    gone = f", {found.deleted} of them deleted" if found.deleted else ""
    going = f"; {format_size(found.quarantine_bytes)} of it in quarantine" if found.quarantine_bytes else ""
    show_table(
        [
            ["store", found.store],
            ["runs", f"{found.runs}{gone}"],
            *([] if found.unseen else [["logged", f"{format_size(found.bytes)} in {files(found.files)}"]]),
            ["stored", f"{format_size(found.object_bytes)} in {counted(found.objects, 'object')}"],
            ["  packs", f"{format_size(found.pack_bytes)} in {counted(found.packs, 'object')}{going}"],
            *([f"  {name}", format_size(size)] for name, size in kinds.items()),
            *([["unseen", found.unseen]] if found.unseen else []),
        ]
    )


def _show_report(report: Report, *, as_json: bool) -> None:
    if as_json:
        show_json(asdict(report) | {"safe_for_writing": report.safe_for_writing})
        return
    for line in report.lines():
        say(printable(line))
