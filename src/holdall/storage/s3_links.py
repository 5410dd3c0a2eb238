"""Presigned links of S3, and uploads in parts of objects that are made while they are read.

All other objects are one PutObject each. A share is outside of the store's own
objects, may have any size up to 5 TiB, and of a ZIP file nobody holds the whole:
so it is an upload by parts, which nobody sees before it is completed, and whose
completion says `If-None-Match: *` like every other creation.

By boto3's own client, whichever lane the store has. Links have a client of their
own, for signature version 4, where botocore would still sign some with version 2;
at AWS it asks for something first, by which it learns the bucket's region, which
is in the signature.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime
from typing import Any, Final

from holdall.errors import AccessDeniedError, ObjectExistsError, StorageError, TransientStorageError
from holdall.storage.bucket import Bytes
from holdall.storage.links import BLOCK, Link, disposition
from holdall.storage.s3_boto import BotoClient
from holdall.storage.s3_client import is_aws

_PARTS: Final = 9_000  # of 10,000 that an upload may have
_AHEAD: Final = 3  # parts that are sent at once
_CHECKSUMS: Final = ("CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256")
_CREATING: Final = ("CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload")
_MAX_UNFINISHED: Final = 1000


class S3Links:
    """Links to the objects of a bucket of S3.

    Args:
        bucket: The `S3Bucket`, which makes this.
        persist: Sends a request again until it works.
    """

    def __init__(self, bucket: Any, persist: Callable[[Callable[[], Any]], Any]) -> None:
        self._bucket, self._persist = bucket, persist
        self._options = bucket.client.options
        mine = bucket.client if isinstance(bucket.client, BotoClient) else None
        self._client = mine or BotoClient(bucket.url, self._options)

    def upload(self, key: str, blocks: Iterable[Bytes], most: int) -> None:
        """Create an object of blocks, as `Links.upload`."""
        size = max(BLOCK, -(-most // _PARTS))
        parts = _in_parts(blocks, size)
        first, second = next(parts, b""), next(parts, None)
        if second is None:
            with suppress(ObjectExistsError):  # an earlier try, whose answer was lost: the key is random
                self._persist(lambda: self._bucket.put(key, first))
            return
        name = {"Bucket": self._bucket.bucket, "Key": self._bucket.prefix + key}
        upload = str(self._ask(key, "CreateMultipartUpload", name)["UploadId"])
        named = {**name, "UploadId": upload}
        try:
            self._send_all(key, named, [first, second], parts)
        except BaseException:
            with suppress(StorageError):
                self._ask(key, "AbortMultipartUpload", named)
            raise

    def sign(self, key: str, seconds: int, name: str, kind: str) -> Link:
        """Return a link to an object, as `Links.sign`."""
        if self._options.get("anon"):
            raise AccessDeniedError(self._bucket.url, key, "a link is signed by credentials, and anon=True has none")
        given = {
            "Bucket": self._bucket.bucket,
            "Key": self._bucket.prefix + key,
            "ResponseContentDisposition": disposition(name),
            "ResponseContentType": kind,
            **({"RequestPayer": "requester"} if self._options.get("requester_pays") else {}),
        }
        client = self._signer()
        signed = self._bucket._run(
            key, lambda: client.generate_presigned_url("get_object", Params=given, ExpiresIn=seconds), verb="get"
        )
        return Link(str(signed), *_end_of(client))

    def unfinished(self, prefix: str) -> list[str]:
        """Return the keys whose upload was begun and not ended, as `Links.unfinished`; a thousand at most."""
        return sorted({key for key, _ in self._unfinished(prefix)})

    def abort(self, keys: Iterable[str]) -> None:
        """Give up uploads of some keys, as `Links.abort`."""
        wanted = set(keys)
        for key, upload in self._unfinished("shares/") if wanted else ():
            if key in wanted:
                name = {"Bucket": self._bucket.bucket, "Key": self._bucket.prefix + key, "UploadId": upload}
                self._ask(key, "AbortMultipartUpload", name)

    # --- inside ---

    def _signer(self) -> Any:
        config = {"signature_version": "s3v4", **(self._options.get("config_kwargs") or {})}
        signer = BotoClient(self._bucket.url, {**self._options, "config_kwargs": config})
        client = signer.botocore_client()
        if is_aws(client):
            name = {"Bucket": self._bucket.bucket, "Prefix": self._bucket.prefix, "MaxKeys": 1}
            self._persist(lambda: self._bucket._run("", lambda: signer.call("ListObjectsV2", name), verb="list"))
        return client

    def _send_all(self, key: str, named: dict[str, Any], first: list[bytes], rest: Iterator[bytes]) -> None:
        done: list[dict[str, Any]] = []
        total = 0
        sending: list[Future[dict[str, Any]]] = []
        with ThreadPoolExecutor(_AHEAD, "holdall-share") as threads:
            for number, part in enumerate(_chained(first, rest), 1):
                if len(sending) >= _AHEAD:
                    done.append(sending.pop(0).result())
                total += len(part)
                sending.append(threads.submit(self._send_part, key, named, number, part))
            done += [each.result() for each in sending]
        self._complete(key, named, done, total)

    def _send_part(self, key: str, named: dict[str, Any], number: int, data: bytes) -> dict[str, Any]:
        answer = self._ask(key, "UploadPart", {**named, "PartNumber": number, "Body": data})
        told = {f"Checksum{name}": answer[f"Checksum{name}"] for name in _CHECKSUMS if f"Checksum{name}" in answer}
        return {"PartNumber": number, "ETag": answer["ETag"], **told}

    def _complete(self, key: str, named: dict[str, Any], parts: list[dict[str, Any]], total: int) -> None:
        try:
            whole = {**named, "MultipartUpload": {"Parts": parts}, "IfNoneMatch": "*"}
            self._ask(key, "CompleteMultipartUpload", whole)
        except StorageError:  # the answer to an earlier try may be lost: then there is no such upload any more
            there = self._persist(lambda: list(self._bucket.list(key, limit=1)))
            if [(info.key, info.size) for info in there] != [(key, total)]:
                raise

    def _ask(self, key: str, operation: str, arguments: dict[str, Any]) -> Any:
        verb = "put" if operation in _CREATING else "multipart"
        return self._persist(lambda: self._bucket._run(key, lambda: self._client.call(operation, arguments), verb=verb))

    def _unfinished(self, prefix: str) -> list[tuple[str, str]]:
        name = {
            "Bucket": self._bucket.bucket,
            "Prefix": self._bucket.prefix + prefix,
            "MaxUploads": _MAX_UNFINISHED,
        }
        try:
            answer = self._ask(prefix, "ListMultipartUploads", name)
        except TransientStorageError:
            raise
        except StorageError:  # it is not allowed, or not known to the server: a collection goes on without
            return []
        cut = len(self._bucket.prefix)
        return [(str(each["Key"])[cut:], str(each["UploadId"])) for each in answer.get("Uploads") or ()]


def _in_parts(blocks: Iterable[Bytes], size: int) -> Iterator[bytes]:
    """Yield the same bytes in parts of one size, but for the last: some servers want them so."""
    held = bytearray()
    for block in blocks:
        held += block
        while len(held) >= size:
            yield bytes(memoryview(held)[:size])
            del held[:size]
    if held:
        yield bytes(held)


def _chained(first: list[bytes], rest: Iterator[bytes]) -> Iterator[bytes]:
    while first:
        yield first.pop(0)  # nobody else holds it then
    yield from rest


def _end_of(client: Any) -> tuple[bool, int | None]:
    """Return whether a client's credentials end by themselves, and when they do."""
    credentials = client._request_signer._credentials
    if credentials is None or not credentials.get_frozen_credentials().token:
        return False, None
    end = getattr(credentials, "_expiry_time", None)
    return True, int(end.timestamp() * 1000) if isinstance(end, datetime) else None
