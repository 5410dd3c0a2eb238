"""What is damaged is named and left out, so that it never hides what is whole.

What looks at many logs (a search, a listing, a sum) looks at each of them
in here. What one of them holds may be wrong in any way: that is its own
matter, said once in a warning, which the command line shows on stderr.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from holdall.errors import DamageError, ObjectNotFoundError, ShreddedError, UnsupportedFeatureError

UNREADABLE: Final = (DamageError, UnsupportedFeatureError, ShreddedError)
_log = logging.getLogger("holdall")


@contextmanager
def left_out(what: str) -> Iterator[None]:
    """Go on behind this block if it meets damage, which a warning names, or what was shredded."""
    try:
        yield
    except ShreddedError as error:
        _log.warning("%s is left out: %s", what, error)
    except UNREADABLE as error:
        _log.warning("%s is damaged and left out: %s", what, error)


def is_gone(error: BaseException) -> bool:
    """Return whether an object was not there, as far as the causes of an error tell."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, ObjectNotFoundError):
        cause = cause.__cause__
    return cause is not None
