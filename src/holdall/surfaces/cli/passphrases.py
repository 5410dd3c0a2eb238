"""Passphrases, as the command line is given them: typed, hidden, or the first line of the standard input; no argument.

Whoever lists the processes of a machine reads their arguments, and shells keep them.
"""

from __future__ import annotations

import sys
from dataclasses import replace

import click

from holdall.errors import KeyUnavailableError
from holdall.store import Unlock
from holdall.surfaces.cli.writer import ask_hidden

_MOST = 4096
_typed: dict[str, str] = {}  # what was typed to open a store, in this process


def new_passphrase(what: str) -> str:
    """Return a passphrase that is to open something from now on: typed twice, or read.

    Raises:
        UsageError: There is nobody to ask, and nothing to read.
    """
    if sys.stdin.isatty():
        return ask_hidden(f"New passphrase of {what}", twice=True)
    given = sys.stdin.readline(_MOST).rstrip("\r\n")
    if not given:
        raise click.UsageError("there is no terminal to ask at, and no passphrase in the standard input's first line")
    return given


def may_ask(error: KeyUnavailableError) -> bool:
    """Return whether a passphrase would perhaps open the store that stayed closed, and somebody can be asked for it."""
    return error.asks and not _typed and sys.stdin.isatty()


def ask_for(error: KeyUnavailableError) -> None:
    """Ask for the passphrase of a store that stays closed without one, for `with_typed`."""
    _typed[""] = ask_hidden(f"Passphrase of {error.url}")


def with_typed(unlock: Unlock | None) -> Unlock | None:
    """Return what opens a store, with the passphrase that was typed, if one was."""
    if typed := _typed.get(""):
        return replace(unlock or Unlock(kms=False), passphrase=typed)
    return unlock


def forget() -> None:
    """Forget what was typed, when the program ends."""
    _typed.clear()
