"""Who may ask, and what a browser may do with an answer.

    host     only names that this server is known by: a page of another site that has its own name
             point here (DNS rebinding) is refused
    token    beyond loopback, and where changes are allowed, a secret from the address that was printed at
             the start; a cookie holds it from then on, which the browser sends to pages of this server alone
    origin   what changes something must come from a page of this server; and pages of others may lead here, but
             not have something of here loaded as a part of theirs
    headers  no script, style, picture or request but of this server; no frame around it; no guess at types

Other users of this machine can reach its loopback, so only reading is without a token there; `--token` ends that.

**Why a form needs no value of its own against forgery.** To change something takes the cookie *and* an `Origin` that
names the very host and port that were asked. A browser sets `Origin` on each POST, no page can set it, and pages of
other sites, of other ports and of sandboxes (`null`) have another one; who is no browser needs the token. The cookie
is `SameSite=Strict` as well, but that is not relied on: ports of one host are one site. So a value in the form would
only be known to those who may ask for the form. `Referrer-Policy` is `same-origin`, as with `no-referrer` browsers send
`Origin: null` with the forms of these very pages.

**What cookies cannot do**: they know no ports. A server on another port of the same host gets this one's cookie from
the browsers that ask it, and may set one of the same name; so any cookie of that name counts that has the
secret, and who shares a host with people that they do not trust needs a host name of its own.

**What is accepted.** Who may ask at all (without a token other users of this machine, with one all who have it) may
    take memory   400 connections may each have a block of 1 MiB of a download on its way, and one that is read slowly
                  keeps it as long as 64 kB are taken in ten seconds
    take time     24 pages are drawn at once and 72 more wait; one that has begun goes on, though its reader is told
                  after 30 seconds that it takes long. Downloads have threads of their own, scripts and sheets none, so
                  a bucket that does not answer stops neither these nor the answer that says so
    have it read  pages that read much (values of tensors, pickles, `read=1` of what is elsewhere) are a GET: a page of
                  another site can lead a visitor to one, whose browser then reads what that page cannot see
and a browser that sends no `Sec-Fetch` headers, as to a host that is neither this machine nor asked by HTTPS, opens a
sandboxed document by itself too: shut in all the same, though it can then lead its own window elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from html import escape
from ipaddress import ip_address
from secrets import compare_digest
from typing import Final
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

POLICY: Final = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "media-src 'self'",
        "connect-src 'self'",
        "frame-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    ]
)
POLICY_OF_FILES: Final = POLICY.removesuffix("; frame-ancestors 'none'")
"""The same for pages that are files, which say it themselves; what frames them they cannot say."""
HEADERS: Final[Mapping[str, str]] = {
    "content-security-policy": POLICY,
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
    "cache-control": "no-store",
}
LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})
_TOKEN: Final = "token"  # of the query
_ELSEWHERE: Final = ("cross-site", "same-site")  # what a browser says where a page of others leads here


@dataclass(frozen=True, slots=True)
class Rules:
    """Who may ask.

    Attributes:
        hosts: Names, without a port, under which this server may be asked.
        token: The secret that has to be known; None where reading is free.
        cookie: The name of the cookie that holds it: one for each port, as cookies know no ports.
        numbers: Whether any address in numbers may be asked as well: no other site's name can stand for one.
    """

    hosts: frozenset[str]
    token: str | None = None
    cookie: str = "holdall-ui"
    numbers: bool = False


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
        if len(headers.getlist("host")) != 1 or not _is_known(host, rules):
            return _said(421, f"This server is not known as {host[:100]!r}; --allow-host NAME lets it be.")
        if _is_part_elsewhere(headers):
            return _said(403, "A page of another site may lead here, but not have this as a part of it.")
        if rules.token is not None:
            if admitted := self._admitted(scope):
                return admitted
            if not _known(headers, rules):
                return _said(401, "Open the address that `holdall ui` printed: it has the token.")
        if scope["method"] not in ("GET", "HEAD") and not _is_own(headers, host):
            return _said(403, "A change must come from a page of this server.")
        return None

    def _admitted(self, scope: Scope) -> Response | None:
        """Return the answer that gives whoever brings the token a cookie, and sends them on without it.

        Who comes from a page of another site, as from a terminal in a browser, is sent on by a page of this server:
        with a redirect the other site would still lead, and the browser would not send the cookie.
        """
        pairs = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        given = next((value for key, value in pairs if key == _TOKEN), "")
        if scope["method"] != "GET" or not _same(given, self._rules.token or ""):
            return None
        rest = urlencode([(key, value) for key, value in pairs if key != _TOKEN])
        path = "/" + scope["path"].lstrip("/\\")  # never the address of another host
        onward = f"{path}?{rest}" if rest else path
        if Headers(scope=scope).get("sec-fetch-site", "none") in _ELSEWHERE:
            page = (
                f'<!doctype html><meta http-equiv="refresh" content="0; url={escape(quote(onward, safe="/?&=%+~"))}">'
            )
            answer: Response = HTMLResponse(page)
        else:
            answer = RedirectResponse(onward, 303)
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


def _is_known(host: str, rules: Rules) -> bool:
    name = name_of(host)
    if rules.numbers:
        with suppress(ValueError):
            return bool(ip_address(name))
    return name in rules.hosts


def _known(headers: Headers, rules: Rules) -> bool:
    """Return whether a cookie of the name has the secret; beside it there may be any that no parser understands."""
    pairs = (pair.strip().partition("=") for line in headers.getlist("cookie") for pair in line.split(";"))
    return any(_same(value, rules.token or "") for name, _, value in pairs if name == rules.cookie)


def _is_part_elsewhere(headers: Headers) -> bool:
    """Return whether a browser says that a page of another site wants this as a picture, a script or a frame."""
    elsewhere = headers.get("sec-fetch-site", "none") in _ELSEWHERE
    leads = headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest", "document") == "document"
    return elsewhere and not leads


def _same(given: str, wanted: str) -> bool:
    return bool(wanted) and compare_digest(given.encode("utf-8", "replace"), wanted.encode())


def _is_own(headers: Headers, host: str) -> bool:
    """Return whether a browser says that a page of this server asks."""
    origins = headers.getlist("origin")
    own = [f"{scheme}://{host.lower()}" for scheme in ("http", "https")]  # the latter where a proxy is in between
    said = headers.get("sec-fetch-site", "same-origin")
    return len(origins) == 1 and origins[0].lower() in own and said == "same-origin"


def _said(status: int, text: str) -> Response:
    return PlainTextResponse(text + "\n", status)
