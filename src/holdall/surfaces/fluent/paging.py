"""Pages of a search: lists that know where the next one begins."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from holdall.display import Listing
from holdall.errors import InvalidArgumentError, InvalidNameError, StoreNotFoundError
from holdall.libraries import installed
from holdall.store import Store

T = TypeVar("T")
_MAX_TOKEN = 1000  # characters


class PagedList(Listing[T]):
    """A page of a search: a list, and the token by which the same search gives the next page.

    Attributes:
        token: For `page_token=`; None on the last page.
    """

    def __init__(self, items: list[T], token: str | None) -> None:
        super().__init__(items)
        self.token = token

    def to_list(self) -> list[T]:
        """Return the same as a list without a token."""
        return Listing(self)


def paged(
    search: Callable[[int | None], list[T]], max_results: int | None, page_token: str | None, name: Callable[[T], str]
) -> PagedList[T]:
    """Return one page of a search.

    The token names the last thing of a page and how many came before it, so that what is added in front
    meanwhile shifts no page; only where that thing is gone the count alone tells.

    Args:
        search: Gives the first so many results; all when None.
        max_results: How many a page has; all that are left when None.
        page_token: Of the page before; the first page when None or "".
        name: What tells one result from all others.

    Raises:
        InvalidNameError: The token is none, or `max_results` is no number of results.
    """
    if max_results is not None and (not isinstance(max_results, int) or max_results < 0):
        raise InvalidNameError("max_results", repr(max_results), "it is a whole number, and not negative")
    last, start = _parse(page_token)
    wanted = None if max_results is None else start + max_results + 1
    found = search(wanted)
    at = _place(found, last, name)
    if last is not None and wanted is not None and at != start:  # it moved, or is gone: all there is tells
        found = search(None)
        at = _place(found, last, name)
    start = start if at is None else at
    page = found[start:] if max_results is None else found[start : start + max_results]
    more = len(found) > start + len(page)
    return PagedList(page, _token(name(page[-1]), start + len(page)) if more and page else None)


@contextmanager
def empty_where_none(store: Store) -> Iterator[None]:
    """Take a store that is not there yet for an empty one, if the first run would make it.

    Raises:
        StoreNotFoundError: There is none, and writing would not make it: `create=False` or `HOLDALL_CREATE=never`.
    """
    try:
        yield
    except StoreNotFoundError:
        if not store._may_create:
            raise


def _place(found: list[T], last: str | None, name: Callable[[T], str]) -> int | None:
    """Return the place behind the thing that a page ended with; None where it is not among these."""
    return next((n + 1 for n, one in enumerate(found) if name(one) == last), None) if last is not None else None


def _token(last: str, count: int) -> str:
    return base64.urlsafe_b64encode(json.dumps([last, count]).encode()).decode()


def _parse(token: str | None) -> tuple[str | None, int]:
    if not token:
        return None, 0
    try:
        last, count = json.loads(base64.urlsafe_b64decode(token[:_MAX_TOKEN].encode()))
        if not isinstance(last, str) or type(count) is not int or count < 0:
            raise ValueError
    except (ValueError, TypeError, RecursionError) as error:
        raise InvalidNameError("page_token", str(token)[:40], "it is no token that a search gave") from error
    return last, count


def wants_frame(output_format: str | None) -> bool:
    """Return whether a search gives a DataFrame; where that is not said, whether pandas is installed.

    Raises:
        InvalidArgumentError: It is neither "pandas" nor "list".
    """
    if output_format not in (None, "pandas", "list"):
        raise InvalidArgumentError(f"output_format {output_format!r}: it is 'pandas' or 'list'")
    return output_format == "pandas" or (output_format is None and installed("pandas"))
