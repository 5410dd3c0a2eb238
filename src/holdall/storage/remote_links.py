"""Signed links of Google's and Microsoft's storage, as gcsfs and adlfs make them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from typing import Any, Final

from holdall.errors import StorageError
from holdall.storage.bucket import Bytes
from holdall.storage.links import BLOCK, Link, disposition

# how each says what the answer's heads are to be
_HEADS: Final = {"gs": ("response_disposition", "response_type"), "az": ("content_disposition", "content_type")}
_SAME: Final = {"gcs": "gs", "abfs": "az"}
_MORE: Final[dict[str, dict[str, str]]] = {"gs": {"version": "v4"}, "az": {}}


def has_links(scheme: str) -> bool:
    """Return whether the file system of a scheme signs links."""
    return _SAME.get(scheme, scheme) in _HEADS


class RemoteLinks:
    """Links to the objects of a bucket behind fsspec, a `RemoteBucket`, which makes this."""

    def __init__(self, bucket: Any, persist: Callable[[Callable[[], Any]], Any]) -> None:
        self._bucket, self._persist = bucket, persist
        scheme = bucket.url.partition("://")[0]
        self._scheme = _SAME.get(scheme, scheme)

    def upload(self, key: str, blocks: Iterable[Bytes], most: int) -> None:  # noqa: ARG002  # only S3 needs to know it
        """Create an object of blocks, as `Links.upload`; an upload that fails is not tried again."""
        ask = partial(self._bucket._ask, key)
        file = ask(lambda: self._bucket._fs.open(self._bucket._base + key, "wb", block_size=BLOCK))
        try:
            for block in blocks:  # what reading them raises is not the bucket's
                ask(partial(file.write, block))
        except BaseException:
            getattr(file, "discard", lambda: None)()
            with suppress(AttributeError):  # of a file that was only in memory
                file.closed = True  # closing it would keep what was written so far
            with suppress(StorageError):  # where a file is there as soon as it is begun
                self._bucket.delete(key)
            raise
        ask(file.close)

    def sign(self, key: str, seconds: int, name: str, kind: str) -> Link:
        """Return a link to an object, as `Links.sign`."""
        heads = dict(zip(_HEADS[self._scheme], (disposition(name), kind), strict=True))
        more = {**heads, **_MORE[self._scheme]}
        path = self._bucket._base + key
        return Link(str(self._bucket._ask(key, lambda: self._bucket._fs.sign(path, expiration=seconds, **more))))

    def unfinished(self, prefix: str) -> list[str]:  # noqa: ARG002
        """Return none: these servers forget an upload that nobody ends, after a week."""
        return []

    def abort(self, keys: Iterable[str]) -> None:
        """Do nothing, as there is nothing to give up."""
