"""`holdall model serve` and `predict`: a model behind HTTP, or asked once.

No surface knows another. So what serves is handed in by the program, which puts
both together.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from holdall.sizes import parse_size
from holdall.surfaces.cli.model import model
from holdall.surfaces.cli.program import not_empty, opener
from holdall.surfaces.cli.writer import say, tell

if TYPE_CHECKING:
    from holdall.store import Store

_TYPES: Final = {"json": "application/json", "csv": "text/csv", "parquet": "application/vnd.apache.parquet"}


def _size(_: click.Context, option: click.Parameter, given: str) -> int:
    """Return a number of bytes. Raises: BadParameter."""
    try:
        return parse_size(option.opts[0], given)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


_SECONDS: Final = click.FloatRange(min=0, min_open=True)

_uri = click.option(
    "-m", "--model-uri", "uri", required=True, callback=not_empty, help="models:/..., runs:/... or a folder."
)


def attach(serve_model: Callable[..., int], ask: Callable[[Callable[[], Store], str, bytes, str], str]) -> None:
    """Give `holdall model` its verbs.

    Args:
        serve_model: `surfaces.serving.serve`.
        ask: `surfaces.serving.predict`.
    """

    @model.command("serve")
    @_uri
    @click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on; 0.0.0.0 for all.")
    @click.option(
        "-p",
        "--port",
        default=5000,
        show_default=True,
        type=click.IntRange(0, 65535),
        help="The port; 0 for any free one.",
    )
    @click.option(
        "-w", "--workers", default=1, show_default=True, type=click.IntRange(min=1), help="The number of processes."
    )
    @click.option(
        "--threads",
        type=click.IntRange(min=1),
        help="Predictions at once in each process; by default one per processor.",
    )
    @click.option(
        "-t", "--timeout", default=60.0, show_default=True, type=_SECONDS, help="Seconds that a prediction may take."
    )
    @click.option(
        "--head-timeout",
        default=10.0,
        show_default=True,
        type=_SECONDS,
        help="Seconds in which a request's head must arrive.",
    )
    @click.option(
        "--max-bytes", default="100M", show_default=True, callback=_size, help="The largest request, in bytes."
    )
    @click.option(
        "--max-memory", default="256M", show_default=True, callback=_size, help="The most memory to read a request."
    )
    @click.option(
        "--max-connections",
        default=500,
        show_default=True,
        type=click.IntRange(min=1),
        help="The most connections of each process.",
    )
    def serve(uri: str, threads: int | None, **given: Any) -> None:
        """Serve a model over HTTP, by MLflow's scoring protocol, until SIGTERM or Ctrl-C.

        \b
        Example: holdall model serve -m models:/fraud@champion --port 5000
        Guide: holdall guide serving
        """
        count = threads or os.cpu_count() or 1
        sys.exit(serve_model(opener(), uri, threads=count, say=_say, **given))

    @model.command("predict")
    @_uri
    @click.option(
        "-i",
        "--input",
        "source",
        type=click.Path(path_type=Path),
        help="The file with the data; standard input by default.",
    )
    @click.option(
        "-o",
        "--output",
        "target",
        type=click.Path(path_type=Path),
        help="The file for the predictions; standard output by default.",
    )
    @click.option(
        "-t",
        "--content-type",
        type=click.Choice(list(_TYPES)),
        help="The format of the data: csv, json or parquet; by default from the file's name.",
    )
    def predict(uri: str, source: Path | None, target: Path | None, content_type: str | None) -> None:
        """Predict once: data from a file, predictions as JSON.

        \b
        Example: holdall model predict -m models:/fraud@champion -i new.csv -o scores.json
        """
        kind = content_type or _kind(source)
        body = source.read_bytes() if source else sys.stdin.buffer.read()
        answer = ask(opener(), uri, body, _TYPES[kind])
        target.write_text(answer + "\n", encoding="utf-8") if target else say(answer)


def _kind(source: Path | None) -> str:
    """Return the media type that a file's name says; JSON without a file."""
    kind = source.suffix.lstrip(".").lower() if source else "json"
    if kind not in _TYPES:
        raise click.UsageError(f"{source} does not say what is in it; --content-type does: {', '.join(_TYPES)}")
    return kind


def _say(line: str) -> None:
    tell(line)
