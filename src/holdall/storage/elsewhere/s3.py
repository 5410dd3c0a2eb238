"""Objects of an S3 bucket, by version where it keeps versions, else by ETag, which the server compares.

stat   GetObject, of the first byte: that tells size, ETag and version, and needs no right but to read
list   ListObjectsV2; ListObjectVersions where the first object has a version
read   GetObject, Range, versionId or If-Match
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from typing import Any

from holdall.errors import (
    AccessDeniedError,
    BucketUnreachableError,
    ObjectExistsError,
    ObjectNotFoundError,
    ObjectTooShortError,
    ReferenceChangedError,
    TransientStorageError,
)
from holdall.storage.bucket import Bytes
from holdall.storage.elsewhere.seen import Seen, check_same
from holdall.storage.s3 import S3Bucket
from holdall.storage.s3_boto import BotoClient
from holdall.storage.s3_listing import read_listings_whole

_log = logging.getLogger("holdall")
_NO_VERSION = ("", "null", "None")  # of a bucket that keeps none, or did not when this object came


class S3Elsewhere(S3Bucket):
    """The objects of a bucket, `s3://bucket`; options as for a store's."""

    def __init__(self, url: str, options: Mapping[str, Any]) -> None:
        given = {name: value for name, value in options.items() if name != "lane"}
        super().__init__(url, given)
        self.client = _WholeListings(self.url, given)

    def stat(self, key: str) -> Seen:
        """Return an object as it is now. Raises: ObjectNotFoundError."""
        try:
            answer, _ = self._object(key, {"Range": "bytes=0-0"}, 1)
        except ObjectTooShortError:  # nothing has no first byte
            answer, _ = self._object(key, {}, 0)
        told = str(answer.get("ContentRange") or "").rpartition("/")[2]
        size = int(told) if told.isdigit() else int(answer["ContentLength"])
        return _seen(key, size, answer)

    # A store's bucket lists keys and sizes; here a listing says what an object is told by.
    def list(self, prefix: str = "") -> Iterator[Seen]:  # type: ignore[override]
        """Yield all objects whose keys begin so, page after page. Cost: a request for each thousand, and one."""
        pages = self._pages("ListObjectsV2", prefix, ("Contents",), {"ContinuationToken": "NextContinuationToken"})
        first = next(pages, None)
        if first is None:
            return
        if self.stat(first["Key"]).version:
            try:
                yield from self._versions(prefix)
                return
            except AccessDeniedError as error:
                _log.warning(
                    "the versions of %s may not be listed, so objects are told by their ETags: %s", prefix, error
                )
        yield _listed(first)
        yield from map(_listed, pages)

    def read(self, seen: Seen, start: int, stop: int) -> Bytes:
        if stop <= start:
            return self._nothing(seen)
        span = f"bytes={start}-{stop - 1}"
        pin = {"VersionId": seen.version} if seen.version else {"IfMatch": seen.etag} if seen.etag else {}
        where = f"{self.url}/{seen.key}"
        try:
            answer, found = self._object(seen.key, {"Range": span, **pin}, stop - start)
        except (ObjectNotFoundError, ObjectTooShortError) as error:
            raise ReferenceChangedError(where, f"it is gone, or shorter: {error.reason}") from error
        except ObjectExistsError as error:  # what 412 means to who creates
            raise ReferenceChangedError(where, f"its ETag is not {seen.etag!r} any more") from error
        size = self._check_span(seen.key, span, str(answer.get("ContentRange") or ""), len(found))
        check_same(self.url, seen, _seen(seen.key, seen.size if size is None else size, answer))
        if len(found) != stop - start:
            raise TransientStorageError(self.url, seen.key, f"{len(found)} bytes came for {start}-{stop}")
        return found

    def _nothing(self, seen: Seen) -> bytes:
        try:
            check_same(self.url, seen, self.stat(seen.key))
        except ObjectNotFoundError as error:
            raise ReferenceChangedError(f"{self.url}/{seen.key}", "it is gone") from error
        return b""

    def _object(self, key: str, more: Mapping[str, Any], most: int) -> tuple[Mapping[str, Any], Bytes]:
        """Send GetObject, whose body may have at most so many bytes."""
        name = {"Bucket": self.bucket, "Key": self._key(key), **more}
        span = more.get("Range")
        answer, found = self._run(
            key,
            lambda: self.client.get_object(name, lambda answer: self._announced(key, answer, span, most)),
            verb="get",
        )
        if answer["ContentLength"] != len(found):
            reason = f"{len(found)} bytes came, {answer['ContentLength']} were announced"
            raise TransientStorageError(self.url, key, reason)
        return answer, found

    def _versions(self, prefix: str) -> Iterator[Seen]:
        tokens = {"KeyMarker": "NextKeyMarker", "VersionIdMarker": "NextVersionIdMarker"}
        for item in self._pages("ListObjectVersions", prefix, ("Versions",), tokens):
            if item.get("IsLatest"):
                yield _listed(item)

    def _pages(
        self, operation: str, prefix: str, fields: tuple[str, ...], tokens: Mapping[str, str]
    ) -> Iterator[Mapping[str, Any]]:
        """Yield what all pages of a listing have, and raise rather than end before the last."""
        given: dict[str, Any] = {}
        while True:
            name = {"Bucket": self.bucket, "Prefix": self._key(prefix), **given}
            answer = self._run(prefix, lambda name=name: self.client.call(operation, name), verb="list")  # type: ignore[misc]
            for field in fields:
                yield from answer.get(field) or ()
            more = answer.get("IsTruncated")
            following = {at: answer[told] for at, told in tokens.items() if answer.get(told)}
            if more is None or (more and (not following or following == given)):
                raise BucketUnreachableError(self.url, prefix, "the listing does not say how it goes on")
            if not more:
                return
            given = following


class _WholeListings(BotoClient):
    """A client whose listings tell of ETags, which a store's has no use for."""

    def _open(self) -> Any:
        client = super()._open()
        read_listings_whole(client)
        return client


def _listed(item: Mapping[str, Any]) -> Seen:
    return _seen(item["Key"], int(item["Size"]), item)


def _seen(key: str, size: int, told: Mapping[str, Any]) -> Seen:
    version, when = str(told.get("VersionId") or ""), told.get("LastModified")
    modified = int(when.timestamp() * 1000) if when is not None else None
    return Seen(key, size, str(told["ETag"]), None if version in _NO_VERSION else version, modified)
