"""The pages of a store as an ASGI application.

Pages are drawn in threads, as the store's verbs wait for the bucket. What goes wrong is a page too: with
the error's text, what mends it, and the HTTP status that says whose fault it is.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from holdall.errors import HoldallError, NotFoundError, RequestError
from holdall.surfaces.web import (
    artifact_bytes,
    artifact_page,
    compare,
    guidance,
    model_version,
    models,
    run_page,
    runs,
    series_data,
    space,
)
from holdall.surfaces.web.addresses import PATHS, Query
from holdall.surfaces.web.page import Body, Draw, Page
from holdall.surfaces.web.rendering import render
from holdall.surfaces.web.security import Guard, Rules
from holdall.surfaces.web.site import Site

SUBJECTS: Final = (
    runs,
    series_data,
    compare,
    models,
    model_version,
    guidance,
    run_page,
    artifact_page,
    artifact_bytes,
    space,
)
"""The modules whose `PAGES` there are."""
STATIC: Final = Path(__file__).parent / "static"
_log: Final = logging.getLogger("holdall")


def make_app(site: Site, rules: Rules) -> ASGIApp:
    """Return the application. `rules`: who may ask."""
    routes: list[BaseRoute] = [
        Route(PATHS[name], _answering(site, draw), methods=["GET"])
        for subject in SUBJECTS
        for name, draw in subject.PAGES.items()
    ]
    routes.append(Mount("/static", StaticFiles(directory=STATIC)))
    app = Starlette(routes=routes, exception_handlers={HTTPException: _missing(site)})
    app.router.redirect_slashes = False  # it would send whoever asks to the host that their request names
    return Guard(app, rules)


def drawn(site: Site, draw: Draw, query: Query) -> Response:
    """Return the answer to a query; errors are pages too."""
    try:
        return _response(site, draw(site, query))
    except HoldallError as error:
        found = failed(error)
    except Exception as error:  # a fault of ours must not look like one of the store's
        _log.exception("a page failed")
        said = f"This is a fault of holdall ({type(error).__name__}); the log of the server says more."
        found = Page("error.html", "Error", {"said": said, "hint": None}, 500)
    return _response(site, found)


def _response(site: Site, found: Page | Body) -> Response:
    if isinstance(found, Page):
        return HTMLResponse(render(site, found), found.status)
    if found.blocks is not None:
        return StreamingResponse(iter(found.blocks), found.status, found.headers, found.media_type)
    return Response(found.content, found.status, found.headers, found.media_type)


def failed(error: HoldallError) -> Page:
    """Return the page of an error: what, where, how to mend it."""
    status = 404 if isinstance(error, NotFoundError) else 400 if isinstance(error, RequestError) else 502
    return Page("error.html", "Error", {"said": str(error), "hint": error.hint}, status)


def _answering(site: Site, draw: Draw) -> Callable[[Request], Response]:
    def answer(request: Request) -> Response:  # not `async`: Starlette gives it a thread
        try:
            query = Query.parse(request.path_params, request.url.query, request.method, request.headers)
        except HoldallError as error:
            return HTMLResponse(render(site, failed(error)), 400)
        return drawn(site, draw, query)

    return answer


def _missing(site: Site) -> Callable[[Request, Exception], Response]:
    """Return what answers where there is no page."""

    def answer(_: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        said = "There is no page here." if status == 404 else "This page cannot be asked for like this."
        return HTMLResponse(render(site, Page("error.html", "Error", {"said": said, "hint": None}, status)), status)

    return answer
