"""Untrusted text, made printable: names and messages may hold what steers a terminal.

Escape sequences move the cursor, recolour and hide lines, and put text into the
clipboard; overrides of direction show a name backwards; a newline in a name
makes a line of its own. All that Unicode calls not printable is shown as
Python writes it, `\\x1b` for the escape itself.
"""

from __future__ import annotations

import logging
import warnings
from typing import Final

_LOG: Final = "holdall"


def printable(text: str) -> str:
    """Return text in which characters that steer a terminal, or break a line, are shown as escapes."""
    return text if text.isprintable() else "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def printable_lines(text: str) -> str:
    """Return the same, with newlines and tabs kept: for text that has several lines by right."""
    return "".join(c if c in "\n\t" or c.isprintable() else repr(c)[1:-1] for c in text)


def warn(text: str, kind: type[Warning] = UserWarning, *, stacklevel: int = 1) -> None:
    """Warn as `warnings.warn` does, in text that is fit to be shown: it may name what others named."""
    warnings.warn(printable(text), kind, stacklevel=stacklevel + 1)


class PrintableRecords(logging.Filter):
    """A filter that passes every log record, with its text and traceback made printable."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Make the record's text printable. Return True."""
        told = record.getMessage()
        if not told.isprintable():
            record.msg, record.args = printable(told), ()
        if record.exc_info and not record.exc_text:
            record.exc_text = printable_lines(logging.Formatter().formatException(record.exc_info))
        return True


def guard_log() -> None:
    """Put the filter before holdall's own log, once."""
    log = logging.getLogger(_LOG)
    if not any(isinstance(each, PrintableRecords) for each in log.filters):
        log.addFilter(PrintableRecords())
