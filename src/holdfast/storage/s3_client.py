"""One s3fs client per process, set up as a store needs it.

    attempts     one; retrying belongs to `wrappers.RetryBucket`
    connections  64, where s3fs has 10
    listings     never cached
    checksums    AWS's own only at AWS: trailing CRCs break many other servers

Endpoints, profiles, regions and tokens are found by botocore where its users
expect them; nothing here reads the environment. A client belongs to the
process that opened it: its event loop does not survive a fork, so a child opens
its own and leaves its parent's alone, sockets included.
"""

from __future__ import annotations

import asyncio
import difflib
import os
import threading
import weakref
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any, TypeVar
from urllib.parse import urlsplit

from holdfast.errors import MissingBackendError, TransientStorageError, UnsafeBucketError

T = TypeVar("T")

OPTIONS = {
    "anon",
    "client_kwargs",
    "config_kwargs",
    "endpoint_url",
    "key",
    "password",
    "profile",
    "requester_pays",
    "s3_additional_kwargs",
    "secret",
    "token",
    "use_ssl",
    "username",
}
# They shape how s3fs opens files, which a bucket never does.
_WITHOUT_MEANING = {
    "asynchronous",
    "cache_regions",
    "default_block_size",
    "default_cache_type",
    "default_fill_cache",
    "fixed_upload_size",
    "listings_expiry_time",
    "max_concurrency",
    "max_paths",
    "skip_instance_cache",
    "use_listings_cache",
}
# What a bucket says in each request itself, or must never say.
_OURS = {
    "Body",
    "Bucket",
    "ContentEncoding",
    "ContinuationToken",
    "Delimiter",
    "EncodingType",
    "IfMatch",
    "IfModifiedSince",
    "IfNoneMatch",
    "IfUnmodifiedSince",
    "Key",
    "MaxKeys",
    "PartNumber",
    "Prefix",
    "Range",
    "StartAfter",
    "VersionId",
}
_CHECKSUMS = ("request_checksum_calculation", "response_checksum_validation")
_AWS = (".amazonaws.com", ".amazonaws.com.cn", ".api.aws")
CONNECT_TIMEOUT, READ_TIMEOUT = 10.0, 60.0
SLOWEST = 16 * 1024  # bytes per second; below that a connection counts as stalled


class S3Client:
    """Runs coroutines over an s3fs filesystem that belongs to the current process."""

    def __init__(self, url: str, options: Mapping[str, object]) -> None:
        self.url = url
        self.options = _checked(options)
        self._forget()

    def _forget(self) -> None:
        self._systems: dict[int, Any] = {}
        self._locks: dict[int, threading.Lock] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {"url": self.url, "options": self.options}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._forget()

    def run(self, ask: Callable[[Any], Awaitable[T]]) -> T:
        """Run a coroutine over the filesystem in fsspec's thread, and wait for it."""
        from fsspec.asyn import get_loop, sync

        system = self._system()
        found: T | None = sync(get_loop(), ask, system)
        if found is None:  # a cancelled coroutine comes back as None, which must not look like success
            raise TransientStorageError(self.url, "", "the request was cancelled")
        return found

    def patience(self, size: int) -> float:
        """Seconds after which a transfer of so many bytes counts as stalled."""
        config = self._config()
        return float(config["connect_timeout"]) + float(config["read_timeout"]) + size / SLOWEST

    def _system(self) -> Any:
        pid = os.getpid()
        # A lock by process: another thread may hold the parent's while it forks.
        with self._locks.setdefault(pid, threading.Lock()):
            if pid not in self._systems:
                # The parent's stays in the dict: closing it here would close its sockets.
                self._systems[pid] = self._open()
            return self._systems[pid]

    def _config(self) -> dict[str, Any]:
        given = self.options.get("config_kwargs") or {}
        return {
            "retries": {"total_max_attempts": 1},
            "max_pool_connections": 64,
            "connect_timeout": CONNECT_TIMEOUT,
            "read_timeout": READ_TIMEOUT,
            **given,
        }

    def _open(self) -> Any:
        try:
            from aiobotocore.session import AioSession
            from fsspec.asyn import get_loop, sync
            from s3fs import S3FileSystem
        except ImportError as error:
            raise MissingBackendError(self.url, "", "s3:// needs a package: pip install s3fs") from error
        session = AioSession(
            profile=self.options.get("profile"), session_vars={name: _undecided(name) for name in _CHECKSUMS}
        )
        config = {"http_session_cls": _one_attempt(), **self._config()}
        own = {"session": session, "config_kwargs": config, "asynchronous": True}
        no_caches = {"skip_instance_cache": True, "use_listings_cache": False}
        given = {name: value for name, value in self.options.items() if name != "profile"}
        system = S3FileSystem(**{**given, **own, **no_caches})
        system.retries = 1
        sync(get_loop(), _connect, system, session)
        if "IfNoneMatch" not in _parameters(system._s3, "PutObject"):
            # s3fs drops parameters that botocore does not know: every put would overwrite.
            raise UnsafeBucketError(self.url, "", "the installed botocore is too old for If-None-Match")
        weakref.finalize(system, _close, os.getpid(), get_loop(), system._s3)
        _open_systems[id(system)] = system
        return system


async def _connect(system: Any, session: Any) -> bool:
    """Create the client; again where its endpoint turns out not to be AWS's."""
    silent = [name for name in _CHECKSUMS if session.get_config_variable(name) is None]
    for name in silent:
        session.set_config_variable(name, "when_supported")
    client = await system.set_session()
    if (urlsplit(client.meta.endpoint_url).hostname or "").endswith(_AWS):
        return True
    for name in silent:
        session.set_config_variable(name, "when_required")
    client = await system.set_session(refresh=True)
    # botocore answers a redirect with a search for the region; a server that
    # redirects that as well, such as one that wants https, makes it search for ever.
    client.meta.events.register("before-call.s3.HeadBucket", _no_search)
    return True


def _no_search(**_: object) -> None:
    from botocore.exceptions import ClientError

    raise ClientError({"Error": {}, "ResponseMetadata": {"HTTPHeaders": {}}}, "HeadBucket")


def _undecided(name: str) -> tuple[str, str, None, None]:
    """A botocore setting with no default, so that what the user chose can be told from silence."""
    return (name, f"AWS_{name.upper()}", None, None)


def _parameters(client: Any, operation: str) -> Any:
    return client.meta.service_model.operation_model(operation).input_shape.members


def _one_attempt() -> type:
    """An HTTP session without aiohttp's own second attempt on a connection that was closed."""
    from aiobotocore.httpsession import AIOHTTPSession

    class OneAttempt(AIOHTTPSession):  # type: ignore[misc]
        async def _get_session(self, proxy_url: str | None) -> Any:
            session = await super()._get_session(proxy_url)
            session._retry_connection = False
            return session

    return OneAttempt


# By id: s3fs calls two filesystems equal that were opened alike.
_open_systems: weakref.WeakValueDictionary[int, Any] = weakref.WeakValueDictionary()


def _abandon() -> None:
    """In a new child: what the parent opened must not be closed here, nor complained about.

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


def _checked(options: Mapping[str, object]) -> dict[str, Any]:
    found = {name: value for name, value in options.items() if name not in _WITHOUT_MEANING}
    for name in sorted(set(found) - OPTIONS):
        near = difflib.get_close_matches(name, OPTIONS, n=1)
        guess = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(sorted(OPTIONS))}"
        raise ValueError(f"an s3:// bucket has no option {name!r}; {guess}")
    more = found.get("s3_additional_kwargs") or {}
    if not isinstance(more, Mapping):
        raise ValueError("s3_additional_kwargs must be a mapping")
    if refused := sorted(_OURS & set(more)):
        raise ValueError(f"s3_additional_kwargs must not set {', '.join(refused)}")
    return found
