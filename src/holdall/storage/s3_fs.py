"""The lane to S3 through s3fs's client, in fsspec's event loop.

Below s3fs's files: `cat_file` sends a HEAD first and has filled a short answer
with zeros, `open("xb")` overwrites with an empty file, `find` remembers. Only
its way to the client is used. All requests of a process share one event loop,
whatever the number of threads that wait for them.

    listings     never cached
    stalls       a transfer slower than 16 KiB/s is given up
"""

from __future__ import annotations

import asyncio
import os
import threading
import weakref
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from contextvars import ContextVar
from functools import partial
from typing import Any, TypeVar

from holdall.errors import MissingBackendError, StorageError, TransientStorageError
from holdall.storage.s3_client import (
    METHODS,
    Answer,
    BodyLength,
    S3Client,
    add_content_md5,
    disable_expect_continue,
    disable_region_redirects,
    is_aws,
    session_vars,
    set_checksums,
    unset_checksums,
)
from holdall.storage.s3_listing import read_listings_quickly
from holdall.storage.s3_times import read_times_quickly

T = TypeVar("T")
_ANNOUNCED, _SENT = "announced", "sent"
_steps: ContextVar[list[str]] = ContextVar("steps")  # of the request under way
SLOWEST = 16 * 1024  # bytes per second; below that a connection counts as stalled


class S3fsClient(S3Client):
    """Runs coroutines over an s3fs filesystem that belongs to the current process."""

    name = "s3fs"

    def call(self, operation: str, arguments: Mapping[str, Any]) -> Answer:
        """Send a request whose answer is small; a `Body` that is a view is copied."""
        given = dict(arguments)
        if isinstance(body := given.get("Body"), memoryview):
            given["Body"] = bytes(body)
        patience = self._patience(len(body) if body else 0)

        async def send(system: Any) -> Answer:
            sent = system._call_s3(METHODS[operation], **given)
            found: Answer = await asyncio.wait_for(sent, patience)
            return found

        return self._run(send)

    def get_object(self, arguments: Mapping[str, Any], body_length: BodyLength) -> tuple[Answer, bytes]:
        """Send GetObject, and join its body from what the connection gave."""

        async def send(system: Any) -> tuple[Answer, bytes]:
            answer = await asyncio.wait_for(system._call_s3("get_object", **arguments), self._patience(0))
            async with answer.pop("Body") as body:
                patience = self._patience(body_length(answer))
                return answer, await asyncio.wait_for(body.read(), patience)

        return self._run(send)

    def botocore_client(self) -> Any:
        """Return this process's aiobotocore client."""
        return self._client_of_this_process()._s3

    def _run(self, ask: Callable[[Any], Awaitable[T]]) -> T:
        """Run a coroutine over the filesystem in fsspec's thread, and wait for it."""
        try:
            from fsspec.asyn import get_loop, sync
        except ImportError as error:
            raise _missing(self.url) from error
        found: T | None = sync(get_loop(), self._watched(ask), self._client_of_this_process())
        if found is None:  # a cancelled coroutine comes back as None, which must not look like success
            raise TransientStorageError(self.url, "", "the request was cancelled")
        return found

    def _watched(self, ask: Callable[[Any], Awaitable[T]]) -> Callable[[Any], Awaitable[T]]:
        """Tell failures of answers given in the server's place, as by mocks of botocore, from others."""

        async def watched(system: Any) -> T:
            steps: list[str] = []
            _steps.set(steps)
            try:
                return await ask(system)
            except Exception as error:
                if steps[-1:] == [_ANNOUNCED]:
                    reason = "a mock answers, which the lane s3fs does not understand; open the store with lane='boto3'"
                    raise StorageError(self.url, "", reason) from error
                raise

        return watched

    def _patience(self, size: int) -> float:
        """Return the seconds after which a transfer of so many bytes counts as stalled."""
        config = self._config()
        return float(config["connect_timeout"]) + float(config["read_timeout"]) + size / SLOWEST

    def _open(self) -> Any:
        try:
            from aiobotocore.session import AioSession
            from fsspec.asyn import get_loop, sync
            from s3fs import S3FileSystem
        except ImportError as error:
            raise _missing(self.url) from error
        session = AioSession(profile=self.options.get("profile"), session_vars=session_vars())
        read_times_quickly(session)
        config = {"http_session_cls": _one_attempt(), **self._config()}
        own = {"session": session, "config_kwargs": config, "asynchronous": True}
        no_caches = {"skip_instance_cache": True, "use_listings_cache": False}
        given = {name: value for name, value in self.options.items() if name != "profile"}
        system = S3FileSystem(**{**given, **own, **no_caches})
        system.retries = 1
        sync(get_loop(), _connect, system, session)
        self._check_conditions(system._s3)
        disable_expect_continue(system._s3)
        read_listings_quickly(system._s3)
        system._s3.meta.events.register_first("before-send.s3", _announce)
        weakref.finalize(system, _close, os.getpid(), get_loop(), system._s3)
        _open_systems[id(system)] = system
        return system


def _missing(url: str) -> MissingBackendError:
    return MissingBackendError(url, "", "the lane s3fs needs a package: pip install s3fs")


async def _connect(system: Any, session: Any) -> bool:
    """Create the client; again where its endpoint turns out not to be AWS's."""
    names = unset_checksums(session)
    set_checksums(session, names, "when_supported")
    client = await system.set_session()
    if is_aws(client):
        return True
    set_checksums(session, names, "when_required")
    client = await system.set_session(refresh=True)
    disable_region_redirects(client)
    add_content_md5(client)
    return True


def _one_attempt() -> type:
    """Return a class of sessions without aiohttp's second attempt on a closed connection, or redirects."""
    from aiobotocore.httpsession import AIOHTTPSession

    class OneAttempt(AIOHTTPSession):  # type: ignore[misc]
        async def _get_session(self, proxy_url: str | None) -> Any:
            session = await super()._get_session(proxy_url)
            session._retry_connection = False
            if not isinstance(session._request, partial):  # nor is a signed request sent to wherever an answer says
                session._request = partial(session._request, allow_redirects=False)
            return session

        async def send(self, request: Any) -> Any:
            _steps.get([]).append(_SENT)
            return await super().send(request)

    return OneAttempt


def _announce(**_: object) -> None:
    _steps.get([]).append(_ANNOUNCED)


# By id: s3fs calls two filesystems equal that were opened alike.
_open_systems: weakref.WeakValueDictionary[int, Any] = weakref.WeakValueDictionary()


def _abandon() -> None:
    """Forget, in a new child, what the parent opened: it must not be closed here, nor complained about.

    Closing a connection would take it out of the epoll set, which both share.
    """
    for system in list(_open_systems.values()):
        with suppress(AttributeError):
            for session in (system._s3._endpoint.http_session._sessions or {}).values():
                session.connector._closed = True
                session.detach()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_abandon)


def _close(pid: int, loop: asyncio.AbstractEventLoop, client: Any) -> None:
    if os.getpid() != pid or not loop.is_running():
        return
    with suppress(Exception):
        closing = asyncio.run_coroutine_threadsafe(client.close(), loop)
        if getattr(loop, "_thread_id", None) != threading.get_ident():
            closing.result(1)
