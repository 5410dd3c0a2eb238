"""The program itself: its options, the store it opens, what it says when something is wrong.

    exit code 0   done, and all is well
              1   it failed; or damage was found; or what was compared differs
              2   the call was wrong: nothing was tried

What a command shows goes to the standard output, all else to the standard error.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Sequence
from difflib import get_close_matches
from itertools import islice
from pathlib import PurePosixPath
from typing import Any, Final, TypeAlias

import click

from holdfast.errors import ArtifactNotFoundError, ExperimentNotFoundError, HoldfastError, RequestError
from holdfast.progress import observer_for
from holdfast.settings import read_settings
from holdfast.store import Store

json_option = click.option("--json", "as_json", is_flag=True, help="One JSON document instead, for programs.")

_Resolved: TypeAlias = tuple[str | None, click.Command | None, list[str]]

_SEARCHED: Final = 10_000  # paths of a run that a mistyped one is held against


class Noun(click.Group):
    """A group of commands that knows what a mistyped one was meant to be."""

    def resolve_command(self, ctx: click.Context, args: list[str]) -> _Resolved:
        """Find the command. Raises: UsageError, with the nearest names."""
        try:
            return super().resolve_command(ctx, args)
        except click.NoSuchOption:
            raise
        except click.UsageError as error:
            near = meant(args[0], self.list_commands(ctx))
            raise click.UsageError(f"there is no command {args[0]!r}{near}", ctx) from error


class Program(Noun):
    """The top of the command line, which turns holdfast's errors into a few lines and an exit code."""

    group_class = Noun

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:  # the reader has seen enough
            raise
        except (HoldfastError, OSError) as error:
            click.echo(f"error: {error}{_advice(error)}", err=True)
            for cause in _causes(error):
                click.echo(f"cause: {type(cause).__name__}: {cause}", err=True)
            if hint := getattr(error, "hint", ""):
                click.echo(f"hint:  {hint}", err=True)
            sys.exit(2 if isinstance(error, RequestError) and not isinstance(error, ImportError) else 1)


def not_empty(_: click.Context, __: click.Parameter, given: Any) -> Any:
    """What was given, unless that is an empty text, as of a variable that is not set: then BadParameter."""
    if "" in (given if isinstance(given, tuple) else (given,)):
        raise click.BadParameter("it is empty")
    return given


@click.group(cls=Program, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="holdfast")
@click.option(
    "--store", "url", callback=not_empty, help="The store: a folder, s3://bucket/prefix, ...  [env: HOLDFAST_STORE]"
)
@click.option(
    "-o", "--option", "options", multiple=True, metavar="NAME=VALUE", help="A storage option; VALUE may be JSON."
)
@click.pass_context
def program(ctx: click.Context, url: str | None, options: Sequence[str]) -> None:
    """A content-addressed artifact store for machine learning that needs only a bucket.

    \b
    Example: holdfast --store s3://bucket/experiments run list
    Guide: holdfast guide start
    """
    ctx.obj = lambda other=None: _open(other or url, options)


def opened(url: str | None = None) -> Store:
    """The store that the command is about: its own argument, `--store` or `HOLDFAST_STORE`."""
    opener: Callable[[str | None], Store] = click.get_current_context().obj
    return opener(url)


def opened_while_typing(ctx: click.Context) -> Store:
    """The store that an unfinished command line is about."""
    given = ctx.find_root().params
    return _open(given.get("url"), given.get("options") or ())


def meant(word: str, words: Iterable[str]) -> str:
    """The end of an error: what this may have been meant to be."""
    near = get_close_matches(word, list(words), cutoff=0.5)
    return f"; did you mean {' or '.join(map(repr, near))}?" if near else ""


def ask(question: str, *, yes: bool) -> None:
    """Go on only if a person says so, or `--yes` did.

    Raises:
        UsageError: There is nobody to ask.
        Abort: The answer was no.
    """
    if yes:
        return
    if not _at_a_terminal():
        raise click.UsageError("there is no terminal to ask at; --yes goes on without asking")
    click.confirm(question, abort=True, err=True)


def _at_a_terminal() -> bool:
    return sys.stdin.isatty()


def _open(url: str | None, options: Sequence[str]) -> Store:
    try:
        settings = read_settings()
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    return Store.open(
        url or settings.store,
        dict(map(_option, options)),
        memory=settings.memory,
        cache=settings.cache,
        observer=observer_for(settings.progress, sys.stderr),
    )


def _option(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals:
        raise click.BadParameter(f"{text!r} is not NAME=VALUE", param_hint="--option")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def _advice(error: Exception) -> str:
    """The end of an error: which path or experiment a wrong one may have been meant to be."""
    try:
        match error:
            case ArtifactNotFoundError():
                entries = islice(opened().runs.get(error.run_id).entries(), _SEARCHED)
                paths = [PurePosixPath(entry.path) for entry in entries]
                return meant(error.path, {str(at) for path in paths for at in (path, *path.parents)} - {"."})
            case ExperimentNotFoundError():
                return meant(error.experiment, (found.name for found in opened().experiments.all()))
    except HoldfastError:  # the first error is the one to be told
        pass
    return ""


def _causes(error: BaseException) -> list[BaseException]:
    causes: list[BaseException] = []
    cause = error.__cause__
    while cause is not None and len(causes) < 5:
        causes.append(cause)
        cause = cause.__cause__
    return causes
