"""The pages of a store as an ASGI application: which function answers which address."""

from __future__ import annotations

from typing import Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp

from holdall.surfaces.web import (
    artifact_bytes,
    artifact_page,
    compare,
    diff,
    experiments,
    guidance,
    model_version,
    models,
    run_page,
    runs,
    searching,
    series_data,
    space,
)
from holdall.surfaces.web.addresses import PATHS
from holdall.surfaces.web.answering import PATIENCE, Desk, answering, missing
from holdall.surfaces.web.changes import changing
from holdall.surfaces.web.security import Guard, Rules
from holdall.surfaces.web.site import Site
from holdall.surfaces.web.static_files import STATIC, static

__all__ = ["STATIC", "SUBJECTS", "make_app"]

SUBJECTS: Final = (
    runs,
    series_data,
    compare,
    diff,
    models,
    model_version,
    guidance,
    run_page,
    artifact_page,
    artifact_bytes,
    space,
    experiments,
    searching,
)
"""The modules whose `PAGES` there are."""


def make_app(site: Site, rules: Rules, *, patience: float = PATIENCE) -> ASGIApp:
    """Return the application. `rules`: who may ask; `patience`: seconds that a page may take."""
    desk = Desk(site, patience)
    routes: list[BaseRoute] = [
        Route(PATHS[name], answering(desk, draw), methods=["GET"])
        for subject in SUBJECTS
        for name, draw in subject.PAGES.items()
    ]
    routes.append(Route("/static/{path:path}", static, methods=["GET"]))
    if site.changes:
        routes.append(Route(PATHS["change"], changing(desk), methods=["GET", "POST"]))
    app = Starlette(routes=routes, exception_handlers={HTTPException: missing(site)})
    app.router.redirect_slashes = False  # it would send whoever asks to the host that their request names
    return Guard(app, rules)
