"""The pages' server attacked: kinds of requests that must not get through, and what an answer tells nobody."""

from __future__ import annotations

import asyncio
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, suppress

import pytest
from starlette.responses import Response as Answer
from tests.support.asgi import Response, ask
from tests.support.browser import served
from tests.support.pages import new_store

from holdall.surfaces.web.answering import Desk
from holdall.surfaces.web.app import make_app
from holdall.surfaces.web.security import HEADERS, Rules
from holdall.surfaces.web.server import rules_for
from holdall.surfaces.web.site import Site
from holdall.surfaces.web.static_files import static_files

RULES = Rules(frozenset({"localhost", "127.0.0.1", "::1"}))
SECRET = Rules(frozenset({"localhost"}), token="s3cret", cookie="c")


@pytest.fixture(scope="module")
def site() -> Site:
    store = new_store(environment=False, workers=0)
    with store.runs.start(name="first\r\nset-cookie: a=b"):
        pass
    return Site(store)


def asked(site: Site, path: str = "/", *, rules: Rules = RULES, method: str = "GET", **headers: str) -> Response:
    given = {name.replace("_", "-"): value for name, value in ({"host": "localhost"} | headers).items()}
    return asyncio.run(ask(make_app(site, rules), method, path, headers=given))


# --- who is asked ---


@pytest.mark.parametrize(
    ("host", "known"),
    [
        ("localhost", True),
        ("LocalHost:5050", True),
        ("127.0.0.1:1", True),
        ("[::1]:5050", True),
        ("localhost.", False),
        ("localhost.evil.example", False),
        ("evil.example", False),
        ("evil.example:5050", False),
        ("localhost:5050@evil.example", False),
        ("localhost,evil.example", False),
        ("localhost evil.example", False),
        ("localhost/evil", False),
        ("localhost:port", False),
        ("[::1", False),
        ("127.1", False),
        ("2130706433", False),
        ("0.0.0.0", False),
        ("", False),
    ],
)
def test_hosts(site: Site, host: str, *, known: bool) -> None:
    """Only by the names that it has: another one may point here without our leave (DNS rebinding)."""
    assert (asked(site, host=host).status == 200) is known


def test_everywhere_means_every_number_and_no_other_name(site: Site) -> None:
    """An address in numbers is nobody's name; and beyond this machine there is a token."""
    rules = rules_for("0.0.0.0", 1, allow_changes=False, allowed_hosts=())
    assert rules.token
    assert asked(site, host="192.0.2.7:5050", rules=rules).status == 401
    assert asked(site, host="evil.example", rules=rules).status == 421
    assert asked(site, host=socket.gethostname(), rules=rules).status == 401


@pytest.mark.parametrize(
    ("host", "changes", "allowed", "locked"),
    [
        ("127.0.0.1", False, (), False),
        ("::1", False, (), False),
        ("127.0.0.1", True, (), True),
        ("127.0.0.1", False, ("runs.example",), True),
        ("192.0.2.7", False, (), True),
        ("::", False, (), True),
    ],
)
def test_tokens(host: str, allowed: tuple[str, ...], *, changes: bool, locked: bool) -> None:
    """Only reading, from here alone, is free."""
    assert bool(rules_for(host, 1, allow_changes=changes, allowed_hosts=allowed).token) is locked


# --- who asks ---


@pytest.mark.parametrize(
    ("cookie", "status"),
    [
        ("c=s3cret", 200),
        ("a={json: [1]}; c=s3cret", 200),
        ("c=tossed; c=s3cret", 200),
        ("c=s3cret; c=tossed", 200),
        ("c=s3cre", 401),
        ("c=", 401),
        ("c", 401),
        ("C=s3cret", 401),
        ("cc=s3cret", 401),
        ("", 401),
    ],
)
def test_cookies(site: Site, cookie: str, status: int) -> None:
    """Whatever other servers of this host set beside it."""
    assert asked(site, rules=SECRET, cookie=cookie).status == status


@pytest.mark.parametrize("path", ["/", "/store", "//evil.example/x", "/\\evil.example", "/static/app.css"])
def test_the_token_leaves_the_address(site: Site, path: str) -> None:
    """Who brings it is led to the same page here without it; the cookie is for this server alone, and no script's."""
    found = asked(site, f"{path}?a=1&token=s3cret", rules=SECRET)
    assert found.status == 303
    assert "token" not in found.headers["location"]
    assert found.headers["location"].startswith("/")
    assert not found.headers["location"].startswith(("//", "/\\"))
    assert {"httponly", "samesite=strict", "path=/"} <= {
        part.strip().lower() for part in found.headers["set-cookie"].split(";")
    }
    assert asked(site, f"{path}?token=s3cret", rules=SECRET, cookie="c=s3cret").status == 303


@pytest.mark.parametrize("path", ["/", '/"><script>x</script>', "//evil.example/x", "/\\evil.example"])
def test_who_is_led_by_another_site_is_led_on_from_here(site: Site, path: str) -> None:
    """The cookie is not sent with what another site leads to, redirects too; so a page of this server goes on."""
    found = asked(
        site, f"{path}?a=1&token=s3cret", rules=SECRET, sec_fetch_site="cross-site", sec_fetch_mode="navigate"
    )
    assert found.status == 200
    assert "s3cret" in found.headers["set-cookie"]
    page = found.body.decode()
    assert "token" not in page
    assert "<script" not in page
    assert re.search(r'content="0; url=/[^/\\"][^"]*"|content="0; url=/\?[^"]*"', page)


@pytest.mark.parametrize("token", ["", "wrong", "s3cret%00", "S3CRET", "%ff", "s3cret&token=wrong"])
def test_no_other_token_is_one(site: Site, token: str) -> None:
    found = asked(site, f"/?token={token}", rules=SECRET)
    assert found.status == (303 if token.startswith("s3cret&") else 401)
    assert "s3cret" not in str(found.headers).replace("c=s3cret", "") + found.body.decode()


@pytest.mark.parametrize(
    ("where", "mode", "dest", "status"),
    [
        ("none", "navigate", "document", 200),
        ("same-origin", "cors", "empty", 200),
        ("cross-site", "navigate", "document", 200),
        ("cross-site", "no-cors", "image", 403),
        ("cross-site", "no-cors", "script", 403),
        ("cross-site", "navigate", "iframe", 403),
        ("same-site", "cors", "empty", 403),
    ],
)
def test_pages_of_others_lead_here_and_load_nothing(site: Site, where: str, mode: str, dest: str, status: int) -> None:
    """Not even to have the store read for their visitor."""
    found = asked(site, sec_fetch_site=where, sec_fetch_mode=mode, sec_fetch_dest=dest)
    assert found.status == status


# --- what is asked ---


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/", 403),
        ("PUT", "/store", 403),
        ("DELETE", "/runs/0", 403),
        ("TRACE", "/", 403),
        ("OPTIONS", "/", 403),
        ("HEAD", "/", 200),
        ("GET", "/static/../app.py", 404),
        ("GET", "/static/%2e%2e/app.py", 404),
        ("GET", "/static//etc/passwd", 404),
        ("GET", "/static/", 404),
        ("GET", "/static/vendor", 404),
        ("GET", "/static/..\\app.py", 404),
        ("GET", "http://localhost/", 404),
        ("GET", "/store/", 404),
        ("GET", "/?" + "a" * 20_000, 400),
        ("GET", "/?" + "a=&" * 600, 400),
        ("GET", "/?filter=%00%ff", 400),
    ],
)
def test_requests(site: Site, method: str, path: str, status: int) -> None:
    """What is no page, or no way to ask for one, gets an answer with all headers and without a trace of our code."""
    found = asked(site, path, method=method)
    assert found.status == status
    assert {name: found.headers.get(name) for name in HEADERS} == dict(HEADERS)
    assert b"Traceback" not in found.body


def test_methods_of_own_pages(site: Site) -> None:
    """Even what comes from here changes nothing where there is nothing to change."""
    for method in ("POST", "PUT", "TRACE", "DELETE"):
        assert asked(site, method=method, origin="http://localhost").status == 405


def test_a_fault_of_ours_tells_no_secret(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page that fails says that it did; where and why stands in the log alone."""

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("key=AKIA123")

    monkeypatch.setattr(site.index, "page", broken, raising=False)
    found = asked(site, "/store")
    assert found.status == 500
    assert b"AKIA123" not in found.body


def test_shipped_files_are_kept_and_asked_for_again(site: Site) -> None:
    """A browser has them by their digest; an update of the package is seen at once."""
    assert {"app.css", "app.js", "vendor/htmx.min.js"} <= set(static_files())
    found = asked(site, "/static/app.css")
    assert (found.media_type, found.headers["cache-control"]) == ("text/css", "no-cache")
    again = asked(site, "/static/app.css", if_none_match=found.headers["etag"])
    assert (again.status, again.body) == (304, b"")


# --- how much is asked ---


def test_pages_that_wait_keep_nobody_from_the_others(site: Site) -> None:
    """A page whose store does not answer is given up; more than are drawn at once wait, and more than that are told."""

    async def many() -> tuple[list[int], int, int]:
        desk, go = Desk(site, patience=0.2), threading.Event()

        def slow() -> Answer:
            go.wait(30)
            return Answer()

        found = await asyncio.gather(*(desk.answer(slow) for _ in range(150)))
        static = await ask(make_app(site, RULES), "GET", "/static/app.css", headers={"host": "localhost"})
        go.set()
        desk.patience = 30
        while desk._waiting:
            await asyncio.sleep(0.01)
        after = await desk.answer(slow)
        return [one.status_code for one in found], static.status, after.status_code

    found, static, after = asyncio.run(many())
    assert (found.count(504), found.count(503)) == (96, 54)
    assert (static, after) == (200, 200)


@pytest.fixture(scope="module")
def port(site: Site) -> Iterator[int]:
    with served(site.store) as server:
        yield int(server.url.rpartition(":")[2])


def talk(port: int, sent: bytes) -> bytes:
    """What a real server says to some bytes."""
    with closing(socket.create_connection(("127.0.0.1", port), timeout=20)) as line:
        found = b""
        with suppress(OSError):  # it hangs up on what is too much, before all of it was sent
            line.sendall(sent)
            line.shutdown(socket.SHUT_WR)
            while piece := line.recv(65536):
                found += piece
    return found


@pytest.mark.parametrize(
    ("sent", "answer"),
    [
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n", b" 400 "),
        (b"GET / HTTP/1.1\r\n\r\n", b" 400 "),
        (b"GET http://evil.example/ HTTP/1.1\r\nHost: evil.example\r\n\r\n", b" 421 "),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 200_000 + b"\r\n\r\n", b""),
        (b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
         b" 403 "),
        (b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\nContent-Length: 5\r\n\r\nabcde", b" 400 "),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nX : y\r\n\r\n", b" 400 "),
        (b"GET /\x00 HTTP/1.1\r\nHost: localhost\r\n\r\n", b" 400 "),
        (b"\x16\x03\x01 a TLS greeting\r\n\r\n", b" 400 "),
    ],
)  # fmt: skip
def test_requests_that_are_none(port: int, sent: bytes, answer: bytes) -> None:
    """Two hosts, two lengths, a head without an end: refused once, and nothing of the rest is taken for a request."""
    found = talk(port, sent)
    assert answer in found.split(b"\r\n")[0] + b" "
    assert found.count(b"HTTP/1.1 ") <= 1
    assert b" 200 " not in found


def test_a_slow_head_holds_no_connection(site: Site) -> None:
    """Who sends a byte now and then is cut off: the connection's clock runs until the head is there."""
    from holdall.servers.connection import BoundedConnection
    from holdall.surfaces.web.server import configuration

    http = configuration(make_app(site, RULES)).http
    assert isinstance(http, type)
    assert issubclass(http, BoundedConnection)
    assert http.patience <= 10
