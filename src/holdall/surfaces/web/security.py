"""Who may ask, and what a browser may do with an answer.

    host     only names that this server is known by: a page of another site that has its own name
             point here (DNS rebinding) is refused
    token    beyond loopback, and where changes are allowed, a secret from the address that was printed at
             the start; a cookie holds it from then on, which the browser sends to pages of this server alone
    origin   what changes something must come from a page of this server
    headers  no script, style, picture or request but of this server; no frame around it; no guess at types

Other users of this machine can reach its loopback, so only reading is without a token there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from secrets import compare_digest
from typing import Final
from urllib.parse import parse_qsl, urlencode, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

POLICY: Final = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "frame-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    ]
)
HEADERS: Final[Mapping[str, str]] = {
    "content-security-policy": POLICY,
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "cache-control": "no-store",
}
LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})
_TOKEN: Final = "token"  # of the query


@dataclass(frozen=True, slots=True)
class Rules:
    """Who may ask.

    Attributes:
        hosts: Names, without a port, under which this server may be asked.
        token: The secret that has to be known; None where reading is free.
        cookie: The name of the cookie that holds it: one for each port, as cookies know no ports.
    """

    hosts: frozenset[str]
    token: str | None = None
    cookie: str = "holdall-ui"


class Guard:
    """An application that is asked only by those who may, and whose answers have the headers."""

    def __init__(self, app: ASGIApp, rules: Rules) -> None:
        self._app, self._rules = app, rules

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or refuse."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)

        async def headed(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        refusal = self._refusal(scope)
        return await (refusal or self._app)(scope, receive, headed)

    def _refusal(self, scope: Scope) -> Response | None:
        headers, rules = Headers(scope=scope), self._rules
        host = headers.get("host", "")
        if name_of(host) not in rules.hosts:
            return _said(421, f"This server is not known as {host[:100]!r}; --allow-host NAME lets it be.")
        if rules.token is not None and not _known(headers.get("cookie", ""), rules):
            return self._admitted(scope) or _said(401, "Open the address that `holdall ui` printed: it has the token.")
        if scope["method"] not in ("GET", "HEAD") and not _is_own(headers, host):
            return _said(403, "A change must come from a page of this server.")
        return None

    def _admitted(self, scope: Scope) -> Response | None:
        """Return the answer that gives whoever brings the token a cookie, and sends them on without it."""
        pairs = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        given = next((value for key, value in pairs if key == _TOKEN), "")
        if scope["method"] != "GET" or not _same(given, self._rules.token or ""):
            return None
        rest = urlencode([(key, value) for key, value in pairs if key != _TOKEN])
        path = "/" + scope["path"].lstrip("/\\")  # never the address of another host
        answer = RedirectResponse(f"{path}?{rest}" if rest else path, 303)
        answer.set_cookie(self._rules.cookie, given, httponly=True, samesite="strict")
        return answer


def name_of(host: str) -> str:
    """Return the name in a Host header, without a port; "" if it is none.

    Example:
        >>> name_of("[::1]:5050"), name_of("Localhost:5050"), name_of("evil@localhost")
        ('::1', 'localhost', '')
    """
    try:
        parts = urlsplit(f"//{host}")
        plain = parts.port is None or parts.port >= 0
    except ValueError:
        return ""
    return (parts.hostname or "") if plain and parts.netloc == host and "@" not in host else ""


def _known(cookies: str, rules: Rules) -> bool:
    try:
        found = SimpleCookie(cookies).get(rules.cookie)
    except CookieError:
        return False
    return found is not None and _same(found.value, rules.token or "")


def _same(given: str, wanted: str) -> bool:
    return bool(wanted) and compare_digest(given.encode(), wanted.encode())


def _is_own(headers: Headers, host: str) -> bool:
    """Return whether a browser says that a page of this server asks."""
    origin = headers.get("origin", "")
    return (
        bool(origin)
        and urlsplit(origin).netloc == host
        and headers.get("sec-fetch-site", "same-origin") == ("same-origin")
    )


def _said(status: int, text: str) -> Response:
    return PlainTextResponse(text + "\n", status)
