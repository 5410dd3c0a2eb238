"""All output of the command line: printable text for people, exact bytes for programs.

    say     results, to the standard output: on a terminal with escapes shown, into a file or pipe
            as they are, in UTF-8 whatever the locale says, so that `sha256sum -c` finds every name
    tell    everything else, to the standard error, which ends at a terminal sooner or later: escapes are
            always shown
    cat     the bytes of a file: on a terminal shown, elsewhere as they are

A reader that has seen enough (`| head`) ends the program without a word.
"""

from __future__ import annotations

import codecs
import contextlib
import io
import os
import sys
import traceback
import warnings
from collections.abc import Iterator
from typing import Any, BinaryIO, Final, TextIO

import click

from holdall.terminal import printable, printable_lines

_BLOCK: Final = 1 << 20


def say(text: str = "", *, end: str = "\n") -> None:
    """Write text to the standard output; its own newlines are lines."""
    if sys.stdout.isatty():
        _write_text(sys.stdout, printable_lines(text) + end)
        return
    buffer = getattr(sys.stdout, "buffer", None)
    if buffer is None:  # whatever stands in for a stream
        sys.stdout.write(text + end)
        return
    sys.stdout.flush()
    buffer.write(_bytes(text + end))


def tell(text: str, *, end: str = "\n", lines: bool = False) -> None:
    """Write a line to the standard error.

    Args:
        text: The line.
        end: What follows it.
        lines: It has several by right, which stay; else a newline in it is shown as an escape.
    """
    sys.stdout.flush()
    _write_text(sys.stderr, (printable_lines(text) if lines else printable(text)) + end)
    sys.stderr.flush()


def cat(file: BinaryIO) -> None:
    """Write a file's bytes to the standard output."""
    if not sys.stdout.isatty():
        sys.stdout.flush()
        while block := file.read(_BLOCK):
            sys.stdout.buffer.write(block)
        return
    decoder = codecs.getincrementaldecoder("utf-8")("backslashreplace")
    while block := file.read(_BLOCK):
        _write_text(sys.stdout, printable_lines(decoder.decode(block)))
    _write_text(sys.stdout, printable_lines(decoder.decode(b"", final=True)))


def page(text: str) -> None:
    """Show a long text: in a pager on a terminal."""
    if sys.stdout.isatty():
        click.echo_via_pager(printable_lines(text))
    else:
        say(text, end="")


def confirm(question: str) -> None:
    """Ask a person. Raises: Abort, if the answer is no."""
    click.confirm(printable(question), abort=True, err=True)


def ask_hidden(question: str, *, twice: bool = False) -> str:
    """Return what is typed, unseen; typed again where a mistake could not be mended."""
    return str(click.prompt(printable(question), hide_input=True, confirmation_prompt=twice, err=True))


def tell_click(error: click.ClickException) -> None:
    """Write what click says of a wrong call."""
    said = io.StringIO()
    error.show(said)
    tell(said.getvalue(), end="", lines=True)


def tell_traceback() -> None:
    """Write where the error that is being handled came from; hints in Python's words are left out."""
    lines = traceback.format_exc().splitlines(keepends=True)
    tell("".join(line for line in lines if not line.startswith("hint: ")), end="", lines=True)


@contextlib.contextmanager
def quiet_pipes() -> Iterator[None]:
    """Within this, warnings are written as lines, and a closed pipe ends the program silently."""
    before = warnings.showwarning
    warnings.showwarning = _show_warning
    try:
        try:
            yield
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        with contextlib.suppress(OSError, ValueError):  # or Python would try to flush it once more
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    finally:
        warnings.showwarning = before


def _show_warning(message: Any, *_: Any, **__: Any) -> None:
    tell(f"warning: {message}")


def _write_text(stream: TextIO, text: str) -> None:
    """Write text in the stream's encoding; what that lacks is shown as an escape."""
    encoding = stream.encoding or "utf-8"
    stream.write(text.encode(encoding, "backslashreplace").decode(encoding))


def _bytes(text: str) -> bytes:
    """Return text as bytes; the bytes of a name that is not UTF-8 are restored."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "backslashreplace")
