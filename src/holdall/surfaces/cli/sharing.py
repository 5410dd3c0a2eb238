"""`holdall share`: links that open an artifact without holdall."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from holdall.sizes import format_size
from holdall.surfaces.cli.address import uri_of
from holdall.surfaces.cli.program import Noun, json_option, not_empty, opened, program
from holdall.surfaces.cli.table import counted, short_ids, show_json, show_table, when
from holdall.surfaces.cli.writer import say, tell

if TYPE_CHECKING:
    from holdall.store import Share


class _Sharing(Noun):
    """A noun whose first word may be what is to be shared: `holdall share URI` is `holdall share create URI`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put the command's name before an address."""
        first = next((word for word in args if not word.startswith("-")), "")
        if ":/" in first:
            args = ["create", *args]
        return super().parse_args(ctx, args)


@program.group("share", cls=_Sharing)
def share() -> None:
    """Make a link that opens an artifact without holdall; list the links there are, take one back.

    \b
    Example: holdall share runs:/RUN_ID/report.html --for 7d
    """


@share.command("create")
@click.argument("uri", callback=not_empty)
@click.option("--for", "lifetime", default="7d", show_default=True, help="How long it opens: 30m, 12h, 7d at most.")
@click.option("--version", type=click.IntRange(min=0), help="An earlier version of a file.")
@click.option("--plaintext", is_flag=True, help="Of an encrypted store: the copy is not encrypted, and that is meant.")
@json_option
def create(uri: str, lifetime: str, version: int | None, plaintext: bool, as_json: bool) -> None:
    """Copy a file, or a folder as a ZIP, and print a link to the copy, which opens it without credentials.

    Whoever has the link may read the copy until it ends. It is another object in the bucket, which `holdall gc`
    deletes once the link has ended. See `holdall guide sharing`.

    \b
    Example: holdall share runs:/RUN_ID/model --for 12h
    """
    store = opened()
    at = uri_of(store, uri) if uri.startswith("runs:/") else uri
    made = store.shares.create(at, lifetime=lifetime, version=version, plaintext=plaintext)
    for path in made.left_out:
        tell(f"left out: {path}, which leads elsewhere")
    if as_json:
        show_json(asdict(made))
        return
    say(made.url)
    tell(f"{made.name}, {format_size(made.size)}, until {when(made.expires)}; holdall share revoke {made.id[:12]}")
    if made.temporary:
        tell("these credentials are temporary: the link ends with them, if that is sooner")


@share.command("list")
@json_option
def list_shares(as_json: bool) -> None:
    """Show what is shared, and until when; links themselves are shown once, when they are made.

    \b
    Example: holdall share list
    """
    found = opened().shares.list()
    if as_json:
        show_json([asdict(each) for each in found])
        return
    if not found:
        say("nothing is shared")
        return
    runs = short_ids([each.run_id for each in found])
    rows = [["ID", "NAME", "RUN", "SIZE", "MADE", "UNTIL"]]
    rows += [_row(each, runs[each.run_id]) for each in found]
    show_table(rows, right=(3,), fixed=(0,))


@share.command("revoke")
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
@json_option
def revoke(ids: Sequence[str], as_json: bool) -> None:
    """Delete what was shared: the link opens nothing any more. ID may be shortened to 8 digits or more.

    \b
    Example: holdall share revoke ID
    """
    shares = opened().shares
    gone = [shares.revoke(id) for id in ids]
    show_json([asdict(each) for each in gone]) if as_json else say(f"{counted(len(gone), 'share')} revoked")


def _row(share: Share, run: str) -> list[str]:
    return [share.id[:12], share.name, run, format_size(share.size), when(share.created), when(share.expires)]
