"""One loaded model behind HTTP, as an ASGI application.

    GET  /ping, /health   200, a newline: the model is loaded
    GET  /version         the version of this server
    POST /invocations     see `requests` and `scoring`
    GET  /openapi.json    the above, with the model's signature
    GET  /metrics         see `metrics`

Each answer says in its headers which model gave it: `Holdall-Model-Uri` as it
was asked for, `Holdall-Model-Source` as the run that this meant, and
`Holdall-Manifest-Digest`. Where MLflow's server differs in what it answers,
`tests/surfaces/test_serving_like_mlflow.py` lists it with the reason.

Only this module is asynchronous, and it waits for nothing but the network and
the threads in which the model predicts.
"""

from __future__ import annotations

import asyncio
import json
import time
from functools import partial
from importlib.metadata import version
from typing import Any, Final
from urllib.parse import quote

from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from holdall.servers.threads import Threads
from holdall.store import PyFuncModel
from holdall.surfaces.serving.bodies import Bodies, Held
from holdall.surfaces.serving.metrics import Metrics
from holdall.surfaces.serving.openapi import openapi
from holdall.surfaces.serving.requests import JSON
from holdall.surfaces.serving.scoring import Answer, refused, score
from holdall.surfaces.serving.service import Identity, Limits

PLAIN: Final = "text/plain"
_EXPOSITION: Final = "text/plain; version=0.0.4; charset=utf-8"


def make_app(model: PyFuncModel, identity: Identity, limits: Limits, metrics: Metrics) -> ASGIApp:
    """Return the application.

    Args:
        model: What answers.
        identity: Which model it is.
        limits: What a request may take.
        metrics: Where requests are counted.
    """
    server, here = _Server(model, limits, metrics), version("holdall")
    paths = {
        "/ping": _constant("\n", JSON),
        "/health": _constant("\n", JSON),
        "/version": _constant(here, JSON),  # a text that is called JSON, as MLflow has it
        "/openapi.json": _constant(json.dumps(openapi(model.metadata.signature, identity, here)), JSON),
        "/metrics": server.metrics,
    }
    routes = [Route(path, answer, methods=["GET"]) for path, answer in paths.items()]
    routes.append(Route("/invocations", server.invocations, methods=["POST"]))
    app = Starlette(routes=routes, exception_handlers={HTTPException: _detail})
    app.router.redirect_slashes = False  # it would send whoever asks to the host that their request names
    return _Observed(app, identity, metrics, frozenset((*paths, "/invocations")))


class _Server:
    def __init__(self, model: PyFuncModel, limits: Limits, metrics: Metrics) -> None:
        self._model, self._limits, self._metrics = model, limits, metrics
        self._threads, self._bodies = Threads(limits.threads), Bodies(max(limits.max_bytes, limits.max_memory))

    async def invocations(self, request: Request) -> Response:
        try:
            answer = await asyncio.wait_for(self._answer(request), self._limits.timeout)
        except TimeoutError:
            answer = Answer(504, "Request processing time exceeded limit")
        again = {"Retry-After": "1"} if answer.status == 503 else None
        return Response(answer.body, answer.status, again, media_type=answer.media_type)

    async def metrics(self, _: Request) -> Response:
        text = await asyncio.to_thread(self._metrics.text)  # a turn of its own, for predictions may hold all threads
        return Response(text, headers={"content-type": _EXPOSITION})

    async def _answer(self, request: Request) -> Answer:
        if encoding := request.headers.get("content-encoding", ""):
            return Answer(415, f"Content-Encoding {encoding[:40]!r} is not understood; send the body as it is", PLAIN)
        with self._bodies.held() as held:
            try:
                body = await self._body(request, held)
            except ClientDisconnect:
                return refused(400, "BAD_REQUEST", "the request broke off")
            if isinstance(body, Answer):
                return body
            content_type, most = request.headers.get("content-type", ""), self._limits.max_memory
            return await self._threads.run(partial(score, self._model, body, content_type, most))

    async def _body(self, request: Request, held: Held) -> bytes | Answer:
        """Return the body; one that is too long is read only as far as shows that."""
        most = self._limits.max_bytes
        too_long = refused(413, "REQUEST_TOO_LARGE", f"the body has more than {most} bytes")
        told = request.headers.get("content-length", "")
        if told.isdecimal() and (len(told) > 18 or int(told) > most):
            return too_long
        body = bytearray()
        async for piece in request.stream():
            body += piece
            if len(body) > most:
                return too_long
            if not held.takes(len(piece)):
                return refused(503, "TEMPORARILY_UNAVAILABLE", "the server holds all the requests that it can")
        return bytes(body)


class _Observed:
    """An application whose responses are counted, and have headers that name the model."""

    def __init__(self, app: ASGIApp, identity: Identity, metrics: Metrics, paths: frozenset[str]) -> None:
        self._app, self._metrics, self._paths = app, metrics, paths
        self._signature = {
            "holdall-model-uri": quote(identity.uri, safe=":/@"),  # a header is ASCII, a name need not be
            "holdall-model-source": quote(identity.source, safe=":/@"),
            "holdall-manifest-digest": identity.digest,
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        began, status = time.monotonic(), 500

        async def signed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message).update(self._signature)
            await send(message)

        self._metrics.began()
        try:
            await (_ambiguous if _is_ambiguous(scope) else self._app)(scope, receive, signed)
        finally:
            path = scope["path"] if scope["path"] in self._paths else "other"
            self._metrics.ended(path, status, time.monotonic() - began)


def _is_ambiguous(scope: Scope) -> bool:
    """Return whether a request gives its length twice: a proxy may have seen another request in it."""
    return {b"content-length", b"transfer-encoding"} <= {name for name, _ in scope["headers"]}


async def _ambiguous(scope: Scope, receive: Receive, send: Send) -> None:
    answer = refused(400, "BAD_REQUEST", "the request has both a Content-Length and a Transfer-Encoding")
    response = Response(answer.body, answer.status, {"Connection": "close"}, media_type=answer.media_type)
    await response(scope, receive, send)


def _constant(body: str, media_type: str) -> Any:
    async def answer(_: Request) -> Response:
        return Response(body, media_type=media_type)

    return answer


async def _detail(_: Request, error: Exception) -> Response:
    """Return the response for an unknown path or method, in the words of MLflow's server."""
    assert isinstance(error, HTTPException)
    return JSONResponse({"detail": error.detail}, error.status_code, headers=error.headers)
