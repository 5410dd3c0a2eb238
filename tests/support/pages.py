"""Pages of a store, asked without a network."""

from __future__ import annotations

import asyncio
import secrets
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urlencode

from tests.support.asgi import Response, ask

from holdall.store import Store
from holdall.surfaces.web.app import make_app
from holdall.surfaces.web.security import Rules
from holdall.surfaces.web.site import Site

RULES = Rules(frozenset({"localhost"}))


def new_store(**settings: Any) -> Store:
    """A store of its own in memory: a name that is told would be filled twice where a fixture is made twice."""
    return Store.open(f"memory://{secrets.token_hex(8)}", **settings)


def asked(site: Site, path: str = "/", /, **arguments: object) -> Response:
    """The answer to a GET; arguments that are lists stand in the query once for each element."""
    query = urlencode(arguments, doseq=True)
    return asyncio.run(
        ask(make_app(site, RULES), "GET", f"{path}?{query}" if query else path, headers={"host": "localhost"})
    )


def page_of(site: Site, path: str = "/", /, **arguments: object) -> str:
    """The HTML of a page that is there."""
    found = asked(site, path, **arguments)
    assert found.status == 200, found.body.decode()
    return found.body.decode()


def texts(html: str, tag: str, attribute: str = "", value: str = "") -> list[str]:
    """The text of each element of a kind, or of those that have an attribute with a value."""
    parser = _Texts(tag, attribute, value)
    parser.feed(html)
    return [" ".join(found.split()) for found in parser.found]


class _Texts(HTMLParser):
    def __init__(self, tag: str, attribute: str, value: str) -> None:
        super().__init__()
        self._wanted, self._depth, self.found = (tag, attribute, value), 0, list[str]()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        wanted, attribute, value = self._wanted
        if self._depth:
            self._depth += tag == wanted
        elif tag == wanted and (not attribute or value in (dict(attrs).get(attribute) or "").split()):
            self._depth = 1
            self.found.append("")

    def handle_endtag(self, tag: str) -> None:
        self._depth -= bool(self._depth) and tag == self._wanted[0]

    def handle_data(self, data: str) -> None:
        if self._depth:
            self.found[-1] += data
