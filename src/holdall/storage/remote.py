"""Buckets that fsspec reaches, other than S3.

fsspec promises nothing about creating an object only if it is absent: its
generic `mode="create"` looks first and writes then, and two writers win. So a
scheme is written to only if its backend was read and found to send a real
condition:

    gs://, gcs://    gcsfs: ifGenerationMatch=0
    az://, abfs://   adlfs: overwrite=False, that is If-None-Match

Any other scheme is refused, unless the caller promises with
`unsafe_single_writer=True` that there is never more than one writer; then this
room looks first and writes then, too. S3 has a room of its own (`s3.py`).
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

from holdall.access.refusals import GCS_ACTIONS, advice
from holdall.errors import (
    AccessDeniedError,
    BucketUnreachableError,
    MissingBackendError,
    ObjectExistsError,
    ObjectNotFoundError,
    ObjectTooShortError,
    StorageError,
    TransientStorageError,
    UnsafeBucketError,
)
from holdall.storage.bucket import Bytes, ObjectInfo, check_range, check_size
from holdall.storage.causes import causes
from holdall.storage.credentials import warn_if_pickled
from holdall.storage.deleting import raise_refused, try_delete
from holdall.workers.per_process import PerProcess

if TYPE_CHECKING:
    from holdall.storage.links import Links

T = TypeVar("T")
CONDITIONAL = {"gs", "gcs", "az", "abfs"}
_EXTRAS = {"gs": "gs", "gcs": "gs", "az": "az", "abfs": "az"}
_TRANSIENT_STATUS = {408, 429, 500, 502, 503, 504}
_TRANSIENT_NAMES = (
    "Timeout",
    "Connection",
    "Connector",
    "ServiceRequestError",
    "ServiceResponseError",
    "TransportError",
    "Disconnected",
    "PayloadError",
    "Incomplete",
    "ProxyError",
)
_SIDE_BY_SIDE = 16  # deletions
_LONGEST = 300  # characters of a reason
_GOOGLE = "log in with `gcloud auth application-default login`, or pass the option token=/path/to/key.json"
_AZURE = (
    "set AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY (or AZURE_STORAGE_CONNECTION_STRING), or pass the "
    "options account_name and account_key; account_name with anon=False takes `az login`'s"
)
_LOGINS = {"gs": _GOOGLE, "gcs": _GOOGLE, "az": _AZURE, "abfs": _AZURE}
_LOUD = ("gcsfs", "azure.core", "azure.identity")  # they log the traceback of each error that they raise
_FORBIDDEN = "Forbidden: "  # what gcsfs says of a 403, without its number
_DENIED_NAMES = ("Credentials", "Authentication", "RefreshError", "Forbidden")


class RemoteBucket:
    """Objects below `scheme://path`, through fsspec; picklable, usable after fork.

    Args:
        url: Where, such as `gs://bucket/prefix`.
        options: Passed to the fsspec filesystem, in its own names.
        unsafe_single_writer: Accept a scheme that cannot create exclusively.
    """

    def __init__(
        self, url: str, options: Mapping[str, object] | None = None, *, unsafe_single_writer: bool = False
    ) -> None:
        self.url = url.rstrip("/")
        self._scheme, _, path = self.url.partition("://")
        self._base = path + "/"
        self._options = dict(options or {})
        self._unsafe = unsafe_single_writer
        if self._scheme not in CONDITIONAL and not unsafe_single_writer:
            reason = f"{self._scheme}:// has no way to create an object only if it is absent"
            raise UnsafeBucketError(self.url, "", reason + " (a single writer may pass unsafe_single_writer=True)")
        self._clients: PerProcess[Any] = PerProcess()

    @property
    def shared(self) -> bool:
        """Return whether every process that opens it sees the same objects: of other schemes nobody knows."""
        return self._scheme in CONDITIONAL

    def __getstate__(self) -> dict[str, Any]:
        warn_if_pickled(self.url, self._options)
        return self.__dict__

    def __repr__(self) -> str:
        return f"RemoteBucket({self.url!r})"

    def get(self, key: str, *, limit: int | None = None) -> bytes:
        """Read all bytes of an object, if it is not too long. Cost: one or two requests, as the backend does it."""
        span = {} if limit is None else {"start": 0, "end": limit + 1}  # a byte more tells that it is too long
        try:
            found = self._ask(key, lambda: self._bytes(self._fs.cat_file(self._base + key, **span)))
        except ObjectTooShortError:
            if limit is None:
                raise
            return b""  # nothing has no first byte, and some servers say so
        check_size(self.url, key, len(found), limit)
        return found

    def get_range(self, key: str, start: int, stop: int | None = None) -> bytes:
        """Read some bytes. Cost: one request; a suffix asks for the size first."""
        check_range(start, stop)
        if stop is None:
            size = self._ask(key, lambda: int(self._fs.info(self._base + key)["size"]))
            start, stop = max(0, size + start), size
        if start == stop:
            return b""
        found = self._ask(key, lambda: self._bytes(self._fs.cat_file(self._base + key, start=start, end=stop)))
        if (
            len(found) < stop - start
            and (size := int(self._ask(key, lambda: self._fs.info(self._base + key)["size"]))) < stop
        ):
            raise ObjectTooShortError(self.url, key, f"the object ends at byte {size}, before {stop}")
        if len(found) != stop - start:
            raise TransientStorageError(self.url, key, f"{len(found)} bytes came for {start}-{stop}")
        return found

    def put(self, key: str, data: Bytes) -> None:
        """Create an object, only if there is none. Cost: one request, or two without a condition."""
        path = self._base + key
        if self._scheme in CONDITIONAL:
            self._ask(key, lambda: self._fs.pipe_file(path, bytes(data), mode="create"), "put")
            return
        if self._ask(key, lambda: self._fs.exists(path)):
            raise ObjectExistsError(self.url, key, "there is an object already")
        self._ask(key, lambda: self._fs.pipe_file(path, bytes(data)), "put")

    def list(self, prefix: str = "", *, limit: int | None = None) -> Iterator[ObjectInfo]:
        """List what is there, sorted here. Cost: all keys of the prefix's folder, whatever the limit."""
        above, slash, _ = prefix.rpartition("/")
        if slash and any(part in ("", ".", "..") for part in above.split("/")):
            return  # some backends would take that for a path, and leave the bucket
        found = self._ask(prefix, lambda: self._find(self._base + above), "list")
        infos = [info for name, facts in found.items() if (info := self._info(name, facts))]
        infos = [info for info in infos if info.key.startswith(prefix)]
        yield from sorted(infos, key=lambda info: info.key.encode())[:limit]

    def delete(self, key: str) -> None:
        """Remove an object; one that is not there is no error. Cost: one request."""
        try:
            self._ask(key, lambda: self._fs.rm_file(self._base + key), "delete")
        except ObjectNotFoundError:
            return

    def delete_many(self, keys: Sequence[str]) -> None:
        """Remove objects, some side by side: fsspec tells nothing of a single key of many. Cost: as each."""
        with ThreadPoolExecutor(_SIDE_BY_SIDE, "holdall-delete") as threads:
            refused = dict(zip(keys, threads.map(lambda key: try_delete(self, key), keys), strict=True))
        raise_refused(self.url, {key: error for key, error in refused.items() if error})

    def links(self, persist: Callable[[Callable[[], Any]], Any]) -> Links | None:
        """Return what makes links to its objects; None if its file system signs none."""
        from holdall.storage.remote_links import RemoteLinks, has_links  # few programs share anything

        return RemoteLinks(self, persist) if has_links(self._scheme) else None

    def level_above(self) -> tuple[str, ...]:
        """Return what is beside the prefix. Cost: one listing; none for a whole bucket."""
        above, slash, _ = self._base.rstrip("/").rpartition("/")
        if not slash:
            return ()
        found = self._ask("", lambda: self._fs.ls(above, detail=False))
        return tuple(str(name).rstrip("/").rpartition("/")[2] for name in found)

    @property
    def _fs(self) -> Any:
        return self._clients.get(self._open)

    def _open(self) -> Any:
        import fsspec

        for name in _LOUD:
            if (log := logging.getLogger(name)).level == logging.NOTSET:  # a user who wants to see it has said so
                log.setLevel(logging.CRITICAL)
        own: dict[str, object] = {"skip_instance_cache": True, "use_listings_cache": False}
        try:
            return _one_attempt(fsspec.filesystem(self._scheme, **{**self._options, **own}))
        except ImportError as error:
            extra = _EXTRAS.get(self._scheme)
            install = f"pip install 'holdall[{extra}]'" if extra else str(error)
            raise MissingBackendError(self.url, "", f"{self._scheme}:// needs a package: {install}") from error
        except ValueError as error:
            if "Protocol not known" in str(error):
                raise MissingBackendError(self.url, "", str(error)) from error
            if "credential" in str(error).lower():
                raise self._denied("", str(error)) from error
            raise

    def _find(self, folder: str) -> dict[str, dict[str, Any]]:
        self._fs.invalidate_cache()
        try:
            found = self._fs.find(folder, withdirs=False, detail=True)
        except FileNotFoundError:
            return {}
        return found if isinstance(found, dict) else {name: {} for name in found}

    def _info(self, name: str, facts: dict[str, Any]) -> ObjectInfo | None:
        _, found, key = name.lstrip("/").partition(self._base.lstrip("/"))
        if not found or facts.get("type", "file") != "file":
            return None
        when = facts.get("mtime") or facts.get("last_modified") or facts.get("LastModified")
        modified = int(when.timestamp() * 1000) if isinstance(when, datetime) else None
        return ObjectInfo(key, int(facts.get("size") or 0), modified)

    @staticmethod
    def _bytes(found: Any) -> bytes:
        return found if isinstance(found, bytes) else bytes(found)

    def _ask(self, key: str, ask: Callable[[], T], verb: str = "get") -> T:
        before = sys.exception()
        try:
            return ask()
        except StorageError:
            raise
        except Exception as error:
            found = self._error(key, error, before)
            if isinstance(found, AccessDeniedError) and (_status(error, before) == 403 or _FORBIDDEN in str(error)):
                found = self._refused(found, verb)
            raise found from error

    def _denied(self, key: str, reason: str) -> AccessDeniedError:
        error = AccessDeniedError(self.url, key, reason)
        error.hint = _LOGINS.get(self._scheme, error.hint)
        return error

    def _refused(self, error: AccessDeniedError, verb: str) -> AccessDeniedError:
        """Return an error that names the action which credentials lack that the server knows."""
        if _LOGINS.get(self._scheme) is not _GOOGLE:
            return error
        action = GCS_ACTIONS[verb]
        refused = AccessDeniedError(self.url, error.key, f"{action} was refused: {error.reason}", action)
        refused.hint = f"{advice(verb, error.key)}; or {error.hint}"
        return refused

    def _error(self, key: str, error: Exception, before: BaseException | None) -> StorageError:
        reason = _in_a_line(error)
        if isinstance(error, FileExistsError):
            return ObjectExistsError(self.url, key, "there is an object already")
        status = _status(error, before)
        denied = status in (401, 403) or isinstance(error, PermissionError)
        # Before "not found": a backend may raise that while it fetches a token.
        if denied or any(word in reason for word in _DENIED_NAMES):
            return self._denied(key, reason)
        if isinstance(error, FileNotFoundError | IsADirectoryError | NotADirectoryError) or status == 404:
            return ObjectNotFoundError(self.url, key, "there is no such object")
        if status == 416:  # ranges are asked for by first and last byte only
            return ObjectTooShortError(self.url, key, f"the object ends before the range: {reason}")
        name = type(error).__name__
        passing = isinstance(error, TimeoutError | ConnectionError) or any(w in name for w in _TRANSIENT_NAMES)
        if status in _TRANSIENT_STATUS:
            return TransientStorageError(self.url, key, reason)
        if passing:
            return BucketUnreachableError(self.url, key, reason)
        return StorageError(self.url, key, reason)


def _in_a_line(error: Exception) -> str:
    """Return the first line of what an error says, without tables of all that was tried, links, tracebacks."""
    first = next(iter(str(error).strip().splitlines()), "").strip()
    return f"{type(error).__name__}: {first[:_LONGEST]}".rstrip(": ")


def _one_attempt(system: Any) -> Any:
    """Make a filesystem send each request once, where by itself it would for minutes; retrying is ours."""
    once = getattr(getattr(type(system), "_request", None), "__wrapped__", None)
    if type(system).__module__.startswith("gcsfs") and once:
        system._request = once.__get__(system)
    policy = getattr(getattr(getattr(system, "service_client", None), "_config", None), "retry_policy", None)
    if policy is not None:
        policy.total_retries = 0
    return system


def _status(error: BaseException, before: BaseException | None) -> int | None:
    """Return the HTTP status that an error or one of its causes carries, in whichever name."""
    for cause in causes(error, before):
        for name in ("status", "status_code", "code"):
            found = getattr(cause, name, None)
            if isinstance(found, int) or (isinstance(found, str) and found.isdigit()):
                return int(found)
    return None
