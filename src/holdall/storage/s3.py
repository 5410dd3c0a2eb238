"""S3, and what speaks it, one request per verb.

Through one of two lanes (`s3_client.py`), which differ in the client and in
nothing else. Each verb is one request, and says what it wants:

    get        GetObject
    get_range  GetObject, Range: bytes=a-b, or bytes=-n for a suffix
    put        PutObject, If-None-Match: *
    list       ListObjectsV2, max-keys: what is still wanted
    delete     DeleteObject
    delete_many  DeleteObjects, 1,000 keys each; one by one where the server does not know that

Answers are hostile: a body is measured against what was asked and announced,
and what does not look like S3 at all (a proxy's page has no ETag) is not
believed. Content-Encoding is never set, and never undone.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from holdall.errors import (
    AccessDeniedError,
    BucketNotFoundError,
    BucketUnreachableError,
    HoldallError,
    ObjectNotFoundError,
    ObjectTooShortError,
    StorageError,
    TransientStorageError,
)
from holdall.storage.bucket import Bytes, ObjectInfo, check_range, check_size
from holdall.storage.canary import ConditionMonitor
from holdall.storage.deleting import batches, raise_refused, try_delete
from holdall.storage.s3_boto import BotoClient
from holdall.storage.s3_client import Answer, S3Client
from holdall.storage.s3_errors import is_page, meaning, refusal
from holdall.storage.s3_fs import S3fsClient

if TYPE_CHECKING:
    from holdall.storage.links import Links

T = TypeVar("T")
LANES: dict[str, type[S3Client]] = {lane.name: lane for lane in (BotoClient, S3fsClient)}
# Measured end to end (benchmarks/lanes.py, 2026-11-21): 1 GiB goes up 1.33 and comes down 1.36 times as
# fast as by the other, which copies every body: an upload peaks at some 300 MiB here and at 767 there. And
# it is the one that mocks of botocore can answer.
DEFAULT_LANE = "boto3"
PAGE = 1000
Page = tuple[list[ObjectInfo], str | None]  # keys, and where the next page begins
_NOT_S3 = "the answer is not one of an S3 server"


class S3Bucket:
    """Objects below `s3://bucket/prefix`; safe between threads, picklable, usable after fork.

    Args:
        url: `s3://bucket` or `s3://bucket/prefix`; the bucket may be an access point's ARN.
        options: In the names of s3fs: key, secret, token, endpoint_url, profile, anon,
            client_kwargs, config_kwargs, requester_pays, s3_additional_kwargs, use_ssl.
            What is not given is found by botocore as everywhere. And `lane`: boto3 or s3fs.

    Raises:
        ValueError: An unknown option, or lane.
    """

    shared = True  # by every process that opens it

    def __init__(self, url: str, options: Mapping[str, object] | None = None) -> None:
        self.url = url.rstrip("/")
        self.bucket, self.prefix = split_place(self.url.removeprefix("s3://"))
        self.client = _client(self.url, dict(options or {}))
        self.monitor = ConditionMonitor(self.url)
        self._in_bulk = True  # until the server says that it cannot

    def __repr__(self) -> str:
        return f"S3Bucket({self.url!r})"

    def get(self, key: str, *, limit: int | None = None) -> bytes:
        """Read all bytes of an object, if it is not too long. Cost: one request."""
        return bytes(self._read(key, None, limit)[0])

    def get_range(self, key: str, start: int, stop: int | None = None) -> Bytes:
        """Read some bytes of an object. Cost: one request."""
        check_range(start, stop)
        if stop is None:
            return self._suffix(key, -start)
        try:
            found, size = self._read(key, f"bytes={start}-{stop - 1}", stop - start)
        except ObjectTooShortError as error:
            raise ObjectTooShortError(self.url, key, f"the object ends before byte {stop}: {error.reason}") from error
        if len(found) != stop - start:
            if size is not None and size < stop and len(found) == size - start:
                raise ObjectTooShortError(self.url, key, f"the object ends at byte {size}, before {stop}")
            raise TransientStorageError(self.url, key, f"{len(found)} bytes came for {start}-{stop}")
        return found

    def put(self, key: str, data: Bytes) -> None:
        """Create an object, only if there is none at this key. Cost: one request, as `ConditionMonitor.put` says."""
        self.monitor.put(self._create, self._undo, key, data)

    def list(self, prefix: str = "", *, limit: int | None = None) -> Iterator[ObjectInfo]:
        """List what is there, in ascending order. Cost: one request per 1,000 keys.

        Directory buckets (`--x-s3`) list in no order, so there all keys of the
        prefix are fetched and sorted, whatever the limit.
        """
        if self.bucket.endswith(("--x-s3", "--xa-s3")):
            return _Unordered(self, prefix, limit)
        return _Pages(self, self._key(prefix), limit)

    def delete(self, key: str) -> None:
        """Remove an object; one that is not there is no error. Cost: one request."""
        name = {"Bucket": self.bucket, "Key": self._key(key)}
        try:
            answer = self._run(key, lambda: self.client.call("DeleteObject", name), verb="delete")
        except ObjectNotFoundError:
            return
        if is_page(answer):
            raise BucketUnreachableError(self.url, key, _NOT_S3)

    def delete_many(self, keys: Sequence[str]) -> None:
        """Remove many objects; each key's own answer is read. Cost: one request per 1,000 keys."""
        refused: dict[str, StorageError] = {}
        for some in batches(keys):
            refused |= self._delete_bulk(some) if self._in_bulk else {}
            if not self._in_bulk:
                refused |= {key: error for key in some if (error := try_delete(self, key))}
        raise_refused(self.url, refused)

    @property
    def keeps_versions(self) -> bool:
        """Return whether the server has answered a creation with a version: what is deleted then stays, hidden."""
        return self.monitor.versioned

    def links(self, persist: Callable[[Callable[[], Any]], Any]) -> Links:
        """Return what makes links to its objects."""
        from holdall.storage.s3_links import S3Links  # few programs share anything

        return S3Links(self, persist)

    def _delete_bulk(self, keys: Sequence[str]) -> dict[str, StorageError]:
        """Return what was refused; nothing, and remember it, if the server does not know this request."""
        names = {self._key(key): key for key in keys}
        wanted = {"Objects": [{"Key": name} for name in names], "Quiet": False}
        name = {"Bucket": self.bucket, "Delete": wanted}
        try:
            answer = self._run(keys[0], lambda: self.client.call("DeleteObjects", name), verb="delete", of_bucket=True)
        except StorageError as error:
            if type(error) is not StorageError:
                raise
            self._in_bulk = False
            return {}
        if is_page(answer):
            raise BucketUnreachableError(self.url, keys[0], _NOT_S3)
        told = {str(each.get("Key")): each for each in answer.get("Errors", ())}
        gone = {str(each.get("Key")) for each in answer.get("Deleted", ())}
        gone |= {key for key, each in told.items() if each.get("Code") == "NoSuchKey"}
        silent = {"Code": "InternalError", "Message": "the server said nothing of this key"}
        return {key: refusal(self.url, key, told.get(at, silent)) for at, key in names.items() if at not in gone}

    def page(self, prefix: str, count: int, token: str | None) -> Page:
        """List one page of whole keys; return also where the next one begins, if there is one."""
        name: dict[str, object] = {"Bucket": self.bucket, "Prefix": prefix, "MaxKeys": count}
        if token:
            name["ContinuationToken"] = token
        place = prefix.removeprefix(self.prefix)
        answer = self._run(place, lambda: self.client.call("ListObjectsV2", name), verb="list")
        more = answer.get("IsTruncated")
        if more is None or (more and not answer.get("NextContinuationToken")):
            raise BucketUnreachableError(self.url, prefix, _NOT_S3)
        found = [self._info(item) for item in answer.get("Contents", ())]
        # The prefix's own "folder" object, which consoles create, has no key here.
        return [info for info in found if info.key], answer["NextContinuationToken"] if more else None

    def level_above(self) -> tuple[str, ...]:
        """Return what is beside the prefix, of its first thousand names. Cost: one request; none for a whole bucket."""
        above, slash, _ = self.prefix.rstrip("/").rpartition("/")
        if not self.prefix:
            return ()
        name = {"Bucket": self.bucket, "Prefix": above + slash, "Delimiter": "/", "MaxKeys": PAGE}
        answer = self._run("", lambda: self.client.call("ListObjectsV2", name), verb="list")
        folders = [found["Prefix"] for found in answer.get("CommonPrefixes", ())]
        keys = [found["Key"] for found in answer.get("Contents", ())]
        return tuple(found[len(above + slash) :] for found in (*folders, *keys))

    def _create(self, key: str, data: Bytes) -> str:
        """Create an object; return its version id, where the server keeps versions."""
        name = {"Bucket": self.bucket, "Key": self._key(key), "IfNoneMatch": "*", "Body": data}
        answer = self._run(key, lambda: self.client.call("PutObject", name), verb="put")
        if not answer.get("ETag"):
            raise BucketUnreachableError(self.url, key, _NOT_S3)
        return str(answer.get("VersionId") or "")

    def _undo(self, key: str, version: str) -> None:
        name = {"Bucket": self.bucket, "Key": self._key(key), "VersionId": version}
        self._run(key, lambda: self.client.call("DeleteObject", name), verb="delete")

    def _key(self, key: str) -> str:
        return self.prefix + key

    def _info(self, item: Mapping[str, Any]) -> ObjectInfo:
        when = item.get("LastModified")
        modified = int(when.timestamp() * 1000) if when is not None else None
        return ObjectInfo(item["Key"][len(self.prefix) :], int(item["Size"]), modified)

    def _suffix(self, key: str, length: int) -> Bytes:
        try:
            found, size = self._read(key, f"bytes=-{length}", length)
        except ObjectTooShortError:
            # Nothing has no last byte; some servers say so of a suffix longer than the object, too.
            found = self.get(key)
            size = len(found)
            if size > length:
                raise
        if len(found) != length and len(found) != size:
            raise TransientStorageError(self.url, key, f"{len(found)} bytes came for the last {length}")
        return found

    def _read(self, key: str, span: str | None, most: int | None = None) -> tuple[Bytes, int | None]:
        """Read a body as long as announced, and the size of the whole object where it was told."""
        name = {"Bucket": self.bucket, "Key": self._key(key), **({"Range": span} if span else {})}
        try:
            answer, found = self._run(
                key,
                lambda: self.client.get_object(name, lambda answer: self._announced(key, answer, span, most)),
                verb="get",
            )
        except AccessDeniedError as error:
            if error.action and not self._is_listed(key):
                raise ObjectNotFoundError(self.url, key, f"no listing has it, and {error.reason}") from error
            raise
        if answer["ContentLength"] != len(found):
            reason = f"{len(found)} bytes came, {answer['ContentLength']} were announced"
            raise TransientStorageError(self.url, key, reason)
        if span is None:
            return found, len(found)
        status = answer["ResponseMetadata"]["HTTPStatusCode"]
        whole = status == 200 and not answer.get("ContentRange")
        if whole and span.startswith("bytes=-") and len(found) <= int(span.removeprefix("bytes=-")):
            return found, len(found)  # all of it is the suffix; some servers then say so
        if status != 206:
            raise TransientStorageError(self.url, key, f"HTTP {status} for {span}: the range was ignored")
        return found, self._check_span(key, span, answer.get("ContentRange") or "", len(found))

    def _is_listed(self, key: str) -> bool:
        """Return whether an object that may not be read is there, or nobody may know.

        AWS refuses to say that one is missing, with the answer of one that is forbidden, to who may list keys only
        below a prefix: its policy's condition on prefixes is not met by a request that reads.

        Cost: one request.
        """
        try:
            found, _ = self.page(self._key(key), 1, None)
        except StorageError:
            return True
        return any(info.key == key for info in found)

    def _announced(self, key: str, answer: Answer, span: str | None, most: int | None) -> int:
        """Return how long a body will be: no buffer is made for one that was not asked for."""
        length = answer.get("ContentLength")
        if not answer.get("ETag") or length is None:
            raise BucketUnreachableError(self.url, key, _NOT_S3)
        if span is None:
            check_size(self.url, key, length, most)
        elif most is not None and length > most:
            raise TransientStorageError(self.url, key, f"{length} bytes were announced, where {most} were asked for")
        return int(length)

    def _check_span(self, key: str, span: str, told: str, length: int) -> int | None:
        """Return the object's size, from an answer's Content-Range that begins where it was asked to."""
        place, _, whole = told.removeprefix("bytes ").partition("/")
        first = span.removeprefix("bytes=").partition("-")[0]
        size = int(whole) if whole.isdigit() else None
        begin, _, end = place.partition("-")
        right = begin.isdigit() and end.isdigit() and int(end) - int(begin) + 1 == length
        if not right or (first and begin != first) or (not first and size and int(end) != size - 1):
            raise TransientStorageError(self.url, key, f"{told or 'no range'} came for {span}")
        return size

    def _run(self, key: str, send: Callable[[], T], *, verb: str, of_bucket: bool = False) -> T:
        before = sys.exception()
        try:
            return send()
        except HoldallError:
            raise
        except Exception as error:
            found = meaning(self.url, key, error, verb=verb, before=before)
            if isinstance(found, ObjectNotFoundError) and (of_bucket or verb in ("put", "list")):
                # What is not found is then not an object.
                found = BucketNotFoundError(self.url, key, found.reason)
            raise found from error


class _Pages(Iterator[ObjectInfo]):
    """A listing that asks for a page when one is needed, and for the same again after an error."""

    resumable = True

    def __init__(self, bucket: S3Bucket, prefix: str, limit: int | None) -> None:
        self._bucket, self._prefix, self._left = bucket, prefix, limit
        self._page: Iterator[ObjectInfo] = iter(())
        self._token: str | None = None
        self._ended = False

    def __next__(self) -> ObjectInfo:
        while self._left is None or self._left > 0:
            if (found := next(self._page, None)) is not None:
                self._left = None if self._left is None else self._left - 1
                return found
            if self._ended:
                break
            count = PAGE if self._left is None else min(PAGE, self._left)
            page, token = self._bucket.page(self._prefix, count, self._token)
            self._page, self._token, self._ended = iter(page), token, token is None
        raise StopIteration


class _Unordered(Iterator[ObjectInfo]):
    """A listing of a bucket that lists in no order: fetched whole, then sorted."""

    resumable = True

    def __init__(self, bucket: S3Bucket, prefix: str, limit: int | None) -> None:
        # Such buckets take a prefix only if it ends with a slash.
        whole = bucket.prefix + prefix
        folder, slash, _ = whole.rpartition("/")
        self._pages = _Pages(bucket, folder + slash, None)
        self._prefix, self._limit = prefix, limit
        self._found: list[ObjectInfo] = []
        self._sorted: Iterator[ObjectInfo] | None = None

    def __next__(self) -> ObjectInfo:
        if self._sorted is None:
            for info in self._pages:
                if info.key.startswith(self._prefix):
                    self._found.append(info)
            self._found.sort(key=lambda info: info.key.encode())
            self._sorted = iter(self._found[: self._limit])
        return next(self._sorted)


def _client(url: str, options: dict[str, object]) -> S3Client:
    """Return the client of the lane that was chosen."""
    name = options.pop("lane", None) or DEFAULT_LANE
    if name not in LANES:
        raise ValueError(f"an s3:// bucket has the lanes {' and '.join(LANES)}, not {name!r}")
    return LANES[str(name)](url, options)


def split_place(place: str) -> tuple[str, str]:
    """Return the bucket, and the prefix with its slash; an access point's ARN may hold a slash itself."""
    parts = place.split("/")
    named = 2 if parts[0].startswith("arn:") and parts[0].endswith(":accesspoint") else 1
    prefix = "/".join(parts[named:])
    return "/".join(parts[:named]), prefix + "/" if prefix else ""
