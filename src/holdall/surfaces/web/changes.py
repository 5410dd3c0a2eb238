"""Changes: a form for each, and what performs it. There is no such address unless changes are allowed.

    GET   the form, with what is there now
    POST  the change, then the page that shows it (303); or the form again, with what went wrong and what was typed

Who may do that is `security`'s business. Here the body is bounded, and has to be what a form of a page sends.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Final
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from holdall.errors import HoldallError, InvalidArgumentError
from holdall.surfaces.web.addresses import Query
from holdall.surfaces.web.answering import Desk, failed, response, status_of
from holdall.surfaces.web.change_forms import VERBS, Form, Verb
from holdall.surfaces.web.page import Page
from holdall.surfaces.web.site import Site

MOST: Final = 64 << 10  # bytes of a form
_FIELDS: Final = 20
_MOMENT: Final = 2.0  # seconds that a change waits for the index
_SLOW: Final = 10.0  # seconds in which it has to come
_KIND: Final = "application/x-www-form-urlencoded"


def changing(desk: Desk) -> Callable[[Request], Awaitable[Response]]:
    """Return what answers requests for a form, and performs it."""

    async def answer(request: Request) -> Response:
        verb = VERBS.get(request.path_params["verb"])
        if verb is None:
            return _said(desk.site, 404, "There is no such change.")
        if request.method != "POST":
            try:
                given = dict(Query.parse({}, request.url.query).pairs)
            except HoldallError as error:
                return response(desk.site, failed(error))
            return await desk.answer(lambda: asked(desk.site, verb, given))
        try:
            sent = await asyncio.wait_for(sent_by(request), _SLOW)
        except TimeoutError:
            return _said(desk.site, 408, "The form did not arrive.")
        except InvalidArgumentError as error:
            return _said(desk.site, 415 if _KIND in str(error) else 413, str(error))
        return await desk.answer(lambda: performed(desk.site, verb, sent))

    return answer


async def sent_by(request: Request) -> dict[str, str]:
    """Return the fields of a form. Raises: InvalidArgumentError if it is none of ours, or too large."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _KIND:
        raise InvalidArgumentError(f"a change is sent by a form of a page, as {_KIND}")
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > MOST:
            raise InvalidArgumentError(f"a form has at most {MOST} bytes")
    try:
        return dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=_FIELDS, errors="strict"))
    except ValueError as error:  # a UnicodeDecodeError is one
        raise InvalidArgumentError(f"the form is no text in UTF-8 of at most {_FIELDS} fields") from error


def asked(site: Site, verb: Verb, given: Mapping[str, str]) -> Response:
    """Return the page of a form."""
    try:
        return response(site, _page(verb.form(site, given)))
    except HoldallError as error:
        return response(site, failed(error))


def performed(site: Site, verb: Verb, sent: Mapping[str, str]) -> Response:
    """Perform a change and return what leads to the page that shows it; or the form again, with what was typed."""
    try:
        form = verb.form(site, sent)
        try:
            verb.perform(site, sent)
        except HoldallError as error:
            return _refused(site, verb.form(site, sent), sent, error)
    except HoldallError as error:  # what was to be changed is not there
        return response(site, failed(error))
    if form.page in ("run", "experiment"):
        _look_again(site)
    return RedirectResponse(site.link(form.page, dict(form.arguments)), 303)


def _look_again(site: Site) -> None:
    """Have tables show the change at once; of a store that takes long to be listed, a moment later."""

    def refresh() -> None:
        with suppress(HoldallError):  # the change is made, and the index is brought up to date by itself
            site.index.refresh()

    site.known.forget()
    looking = threading.Thread(target=refresh, name="holdall-change", daemon=True)
    looking.start()
    looking.join(_MOMENT)


def _refused(site: Site, form: Form, sent: Mapping[str, str], error: HoldallError) -> Response:
    """Return the form with what was typed, and what went wrong; where an alias is now is not what was sent."""
    kept = {name: text for name, text in sent.items() if name != "expected"}
    fields = [replace(field, value=kept.get(field.name, field.value)) for field in form.fields]
    page = _page(replace(form, fields=fields), f"{error}" + (f"\n{error.hint}" if error.hint else ""))
    return response(site, replace(page, status=status_of(error)))


def _page(form: Form, said: str = "") -> Page:
    return Page("change.html", form.title, {"form": form, "wrong": said})


def _said(site: Site, status: int, text: str) -> Response:
    return response(site, Page("error.html", "Error", {"said": text, "hint": None}, status))
