"""From a request to an answer: pages are drawn in threads of their own, as the store's verbs wait for the bucket.

What goes wrong is a page too: with the error's text, what mends it, and the HTTP status that says whose fault it is.
A page that takes too long, as with a bucket that does not answer, is given up by its reader, not by its thread: the
number of threads is limited, and so is that of pages that wait for one.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from functools import cache
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response, StreamingResponse

from holdall.errors import ConflictError, HoldallError, NotFoundError, RequestError, ShreddedError
from holdall.servers.threads import Threads
from holdall.surfaces.web.addresses import Query
from holdall.surfaces.web.page import Body, Draw, Page
from holdall.surfaces.web.rendering import render
from holdall.surfaces.web.site import Site

PATIENCE: Final = 30.0  # seconds that a page may take
_THREADS: Final = 24
_WAITING: Final = 96  # pages that are drawn or wait for a thread
_log: Final = logging.getLogger("holdall")


class Desk:
    """What answers the requests of one application.

    Attributes:
        patience: Seconds until a reader is told that there is no answer yet.
    """

    def __init__(self, site: Site, patience: float = PATIENCE) -> None:
        self.site, self.patience, self._waiting = site, patience, 0

    async def answer(self, draw: Callable[[], Response]) -> Response:
        """Return what is drawn in a thread, or say that it takes too long, or that too much is asked at once."""
        if self._waiting >= _WAITING:
            return self._told(503, "Too many pages are being drawn at once; try again in a moment.")
        self._waiting += 1
        going = asyncio.ensure_future(_threads().run(draw))
        going.add_done_callback(self._done)
        done, _ = await asyncio.wait({going}, timeout=self.patience)
        if not done:
            return self._told(
                504,
                f"The store has not answered for {self.patience:g} seconds. What was asked goes on; look again later.",
            )
        return going.result()

    def _done(self, going: asyncio.Future[Response]) -> None:
        self._waiting -= 1
        if not going.cancelled():
            going.exception()  # somebody has taken notice of it

    def _told(self, status: int, said: str) -> Response:
        facts = {"said": said, "hint": None}
        return HTMLResponse(render(self.site, Page("error.html", "Error", facts)), status, {"retry-after": "2"})


@cache
def _threads() -> Threads:
    return Threads(_THREADS, "page")


def answering(desk: Desk, draw: Draw) -> Callable[[Request], Awaitable[Response]]:
    """Return what answers requests for a page."""

    async def answer(request: Request) -> Response:
        try:
            query = Query.parse(request.path_params, request.url.query, request.method, request.headers)
        except HoldallError as error:
            return response(desk.site, failed(error))
        return await desk.answer(lambda: drawn(desk.site, draw, query))

    return answer


def drawn(site: Site, draw: Draw, query: Query) -> Response:
    """Return the answer to a query; errors are pages too."""
    try:
        return response(site, draw(site, query))
    except HoldallError as error:
        found = failed(error)
    except Exception as error:  # a fault of ours must not look like one of the store's
        _log.exception("a page failed")
        said = f"This is a fault of holdall ({type(error).__name__}); the log of the server says more."
        found = Page("error.html", "Error", {"said": said, "hint": None}, 500)
    return response(site, found)


def response(site: Site, found: Page | Body) -> Response:
    """Return a page, or what is none, as an answer."""
    if isinstance(found, Page):
        return HTMLResponse(render(site, found), found.status)
    if found.blocks is not None:
        return StreamingResponse(iter(found.blocks), found.status, found.headers, found.media_type)
    return Response(found.content, found.status, found.headers, found.media_type)


def failed(error: HoldallError) -> Page:
    """Return the page of an error: what, where, how to mend it."""
    return Page("error.html", "Error", {"said": str(error), "hint": error.hint}, status_of(error))


def status_of(error: HoldallError) -> int:
    """Return the HTTP status that says whose fault an error is."""
    kinds = ((NotFoundError, 404), (ShreddedError, 410), (ConflictError, 409), (RequestError, 400))
    return next((status for kind, status in kinds if isinstance(error, kind)), 502)


def missing(site: Site) -> Callable[[Request, Exception], Response]:
    """Return what answers where there is no page."""

    def answer(_: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        said = "There is no page here." if status == 404 else "This page cannot be asked for like this."
        return HTMLResponse(render(site, Page("error.html", "Error", {"said": said, "hint": None}, status)), status)

    return answer
