"""One process that serves the pages, until a signal ends it."""

from __future__ import annotations

import secrets
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from types import FrameType
from typing import Any, Final

import uvicorn

from holdall.errors import HoldallError, KeyUnavailableError
from holdall.servers.connection import bounded
from holdall.servers.listening import listen
from holdall.store import Store
from holdall.surfaces.web.app import make_app
from holdall.surfaces.web.security import LOOPBACK, Rules
from holdall.surfaces.web.site import Site

_AT_ONCE: Final = 400  # connections; a browser keeps six
_HEAD: Final = 10.0  # seconds until the head of a request has come, or a part of an answer was taken
_EVERYWHERE: Final = ("0.0.0.0", "::")
_GRACE: Final = 5  # seconds for requests that are answered at the end


def serve(
    opener: Callable[[], Store],
    *,
    host: str,
    port: int,
    allow_changes: bool,
    allowed_hosts: Sequence[str],
    always_token: bool,
    say: Callable[[str], Any],
) -> int:
    """Serve until a signal ends this process. Args, raises: as `serve_ui`."""
    listening = listen(host, port)
    with listening:
        port = listening.getsockname()[1]
        locked = allow_changes or always_token
        rules = rules_for(host, port, allow_changes=locked, allowed_hosts=allowed_hosts)
        name = socket.gethostname() if host in _EVERYWHERE else f"[{host}]" if ":" in host else host
        told = f"listening on http://{name}:{port}/" + (f"?token={rules.token}" if rules.token else "")
        app = make_app(Site(_opened(opener), changes=allow_changes), rules)
        server = _Server(configuration(app), lambda: say(told))
        with suppress(KeyboardInterrupt):
            server.run(sockets=[listening])
    return 0


def _opened(opener: Callable[[], Store]) -> Store:
    """Return the store. That a key is missing is said here, where one can be asked for; all else the pages say."""
    store = opener()
    try:
        store.id  # noqa: B018  # which finds the keys of an encrypted store
    except KeyUnavailableError:
        raise
    except HoldallError:
        pass
    return store


class _Server(uvicorn.Server):
    """A server that tells when it listens, and ends well by any signal from then on."""

    def __init__(self, config: uvicorn.Config, tell: Callable[[], Any]) -> None:
        super().__init__(config)
        self._tell = tell

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, and tell so."""
        await super().startup(sockets)
        self._tell()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """End; the signal is not raised once more afterwards, as it has been heeded."""
        super().handle_exit(sig, frame)
        self._captured_signals.clear()


def rules_for(host: str, port: int, *, allow_changes: bool, allowed_hosts: Sequence[str]) -> Rules:
    """Return who may ask a server that listens there."""
    everywhere = host in _EVERYWHERE
    own = LOOPBACK if host in LOOPBACK else {*LOOPBACK, socket.gethostname() if everywhere else host}
    free = host in LOOPBACK and not (allow_changes or allowed_hosts)  # another name: others come by it
    token = None if free else secrets.token_urlsafe(32)
    return Rules(frozenset(map(str.lower, {*own, *allowed_hosts})), token, f"holdall-ui-{port}", numbers=everywhere)


def configuration(app: Any) -> uvicorn.Config:
    """Return how uvicorn serves an application: quiet, and bounded."""
    return uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        server_header=False,
        lifespan="off",
        ws="none",
        http=bounded(_HEAD, _AT_ONCE),
        proxy_headers=False,  # nothing here depends on who asked
        timeout_graceful_shutdown=_GRACE,
    )
