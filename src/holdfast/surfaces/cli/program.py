"""The program itself: its options, its errors, how it shows a table."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from typing import Any

import click

from holdfast.errors import HoldfastError
from holdfast.settings import read_settings
from holdfast.store import Store


class Program(click.Group):
    """The top of the command line, which turns holdfast's errors into two lines and exit code 1."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (HoldfastError, OSError) as error:
            click.echo(f"error: {error}", err=True)
            for cause in _causes(error):
                click.echo(f"cause: {type(cause).__name__}: {cause}", err=True)
            if hint := getattr(error, "hint", ""):
                click.echo(f"hint:  {hint}", err=True)
            sys.exit(1)


@click.group(cls=Program, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="holdfast")
@click.option("--store", "url", help="The store: a folder, s3://bucket/prefix, ...  [env: HOLDFAST_STORE]")
@click.option(
    "-o", "--option", "options", multiple=True, metavar="NAME=VALUE", help="A storage option; VALUE may be JSON."
)
@click.pass_context
def program(ctx: click.Context, url: str | None, options: Sequence[str]) -> None:
    """A content-addressed artifact store for machine learning that needs only a bucket."""
    ctx.obj = lambda other=None: _open(other or url, options)


def opened(url: str | None = None) -> Store:
    """The store that the command is about: its own argument, `--store` or `HOLDFAST_STORE`."""
    opener: Callable[[str | None], Store] = click.get_current_context().obj
    return opener(url)


def _open(url: str | None, options: Sequence[str]) -> Store:
    settings = read_settings()
    return Store.open(url or settings.store, dict(map(_option, options)), memory=settings.memory, cache=settings.cache)


def _option(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals:
        raise click.BadParameter(f"{text!r} is not NAME=VALUE", param_hint="--option")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def show_table(rows: Sequence[Sequence[str]], *, right: Sequence[int] = ()) -> None:
    """Print rows as columns, those in `right` aligned to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = [f"{cell:{'>' if i in right else '<'}{widths[i]}}" for i, cell in enumerate(row)]
        click.echo("  ".join(cells).rstrip())


def size(count: float) -> str:
    """Bytes for people: `1.5 MB`."""
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if count < 1000 or unit == "TB":
            break
        count /= 1000
    return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"


def _causes(error: BaseException) -> list[BaseException]:
    causes: list[BaseException] = []
    cause = error.__cause__
    while cause is not None and len(causes) < 5:
        causes.append(cause)
        cause = cause.__cause__
    return causes
