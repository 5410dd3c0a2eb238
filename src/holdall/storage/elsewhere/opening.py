"""From an address to a place elsewhere, which is asked again while its errors may pass."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, cast

from holdall.errors import InvalidArgumentError
from holdall.storage.bucket import Bucket, Bytes
from holdall.storage.elsewhere.folder import FolderElsewhere
from holdall.storage.elsewhere.memory import MemoryElsewhere
from holdall.storage.elsewhere.seen import Elsewhere, Seen
from holdall.storage.schemes import bucket_at
from holdall.storage.wrappers import DEADLINE, RetryBucket


def open_elsewhere(
    root: str, options: Mapping[str, Any], admit: Callable[[str], object], *, deadline: float = DEADLINE
) -> Elsewhere:
    """Return a place; nothing is asked of it yet.

    Args:
        root: Its root, as `split_uri` returns it.
        options: What its storage library takes, as for a store; `deadline`.
        admit: Is asked whether a local file may be read, once it is known which it really is.
        deadline: Seconds after which a request that fails is not sent again, where no option says so.

    Raises:
        InvalidArgumentError: An option that the scheme does not know.
        MissingBackendError: The package for the scheme is not installed.

    Cost: none.
    """
    given = dict(options)
    seconds = float(given.pop("deadline", None) or deadline)
    return Persistent(_place(root, given, admit), seconds)


def _place(root: str, options: dict[str, Any], admit: Callable[[str], object]) -> Elsewhere:
    scheme = root.partition("://")[0]
    if scheme == "s3":
        from holdall.storage.elsewhere.s3 import S3Elsewhere

        return S3Elsewhere(root, options)
    if scheme in ("gs", "gcs", "az", "abfs"):
        from holdall.storage.elsewhere.remote import RemoteElsewhere

        return RemoteElsewhere(root, options)
    if scheme in ("http", "https"):
        from holdall.storage.elsewhere.web import WebElsewhere

        _refuse(scheme, options.keys() - {"headers"})
        return WebElsewhere(root, options)
    _refuse(scheme, options.keys())
    return FolderElsewhere(admit) if scheme == "file" else MemoryElsewhere(bucket_at(root))


def _refuse(scheme: str, unknown: Any) -> None:
    if unknown:
        raise InvalidArgumentError(f"references of {scheme}:// take no option {', '.join(sorted(unknown))}")


class Persistent:
    """A place whose answers are waited for: what failed in a way that may pass is asked again, until a deadline."""

    def __init__(self, inner: Elsewhere, deadline: float = DEADLINE) -> None:
        self._inner = inner
        self._retry = RetryBucket(cast("Bucket", inner), deadline=deadline)

    @property
    def url(self) -> str:
        """Return the inner place's."""
        return self._inner.url

    def stat(self, key: str) -> Seen:
        """Do as the inner place does, until the deadline."""
        return self._retry.persist(lambda: self._inner.stat(key))

    def list(self, prefix: str) -> Iterator[Seen]:
        """Do as the inner place does; a page that fails is an error, and never the end."""
        return iter(self._retry.persist(lambda: list(self._inner.list(prefix))))

    def read(self, seen: Seen, start: int, stop: int) -> Bytes:
        """Do as the inner place does, until the deadline."""
        return self._retry.persist(lambda: self._inner.read(seen, start, stop))
