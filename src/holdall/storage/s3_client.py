"""What the lanes to S3 have in common: everything but the client.

    boto3    botocore's client, in the caller's thread            s3_boto.py
    s3fs     s3fs's client, in the one event loop of fsspec       s3_fs.py

A lane sends one request per call and says what came back. What to ask, and
whether to believe the answer, is `s3.py`; so both lanes take the same options,
keep the same promises and pass the same tests.

    attempts     one; retrying belongs to `wrappers.RetryBucket`
    connections  64, where botocore and s3fs have 10
    checksums    AWS's own only at AWS: trailing CRCs break many other servers

Endpoints, profiles, regions and tokens are found by botocore where its users
expect them; nothing here reads the environment. A client belongs to the
process that opened it: a child opens its own and leaves its parent's alone,
sockets included.
"""

from __future__ import annotations

import difflib
import hashlib
import re
from base64 import b64encode
from collections.abc import Callable, Mapping
from typing import Any, ClassVar
from urllib.parse import urlsplit

from holdall.errors import StorageError, UnsafeBucketError
from holdall.storage.bucket import Bytes
from holdall.storage.credentials import warn_if_pickled
from holdall.workers.per_process import PerProcess

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
_IGNORED = {
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
_RESERVED = {
    "Body",
    "Bucket",
    "ContentEncoding",
    "ContentLength",
    "ContentMD5",
    "ContinuationToken",
    "Delete",
    "Delimiter",
    "EncodingType",
    "IfMatch",
    "IfMatchLastModifiedTime",
    "IfMatchSize",
    "IfModifiedSince",
    "IfNoneMatch",
    "IfUnmodifiedSince",
    "Key",
    "MaxKeys",
    "PartNumber",
    "Prefix",
    "Range",
    "StartAfter",
    "ResponseContentEncoding",
    "VersionId",
    "WriteOffsetBytes",
}
_OF_ONE_BODY = re.compile(r"Checksum(?!Algorithm|Mode)")  # a digest that cannot be right of another object
_CHECKSUMS = ("request_checksum_calculation", "response_checksum_validation")
_AWS = (".amazonaws.com", ".amazonaws.com.cn", ".api.aws")
CONNECT_TIMEOUT, READ_TIMEOUT = 10.0, 60.0
METHODS = {
    "DeleteObject": "delete_object",
    "DeleteObjects": "delete_objects",
    "GetObject": "get_object",
    "ListObjectVersions": "list_object_versions",
    "ListObjectsV2": "list_objects_v2",
    "PutObject": "put_object",
}
# Of shares alone (`s3_links.py`): what a store is made of is one PutObject each.
BY_PARTS = {
    "AbortMultipartUpload": "abort_multipart_upload",
    "CompleteMultipartUpload": "complete_multipart_upload",
    "CreateMultipartUpload": "create_multipart_upload",
    "ListMultipartUploads": "list_multipart_uploads",
    "UploadPart": "upload_part",
}

Answer = Mapping[str, Any]  # as botocore parsed it
BodyLength = Callable[[Answer], int]  # how long a body will be, or an error if that is not what was asked for


class S3Client:
    """One way to send requests; safe between threads, picklable, usable after fork.

    A lane opens a client with `_open`, asks with `call` and reads with `get_object`.
    Both raise what its libraries raise, for `s3_errors` to tell what it means.
    """

    name: ClassVar[str]

    def __init__(self, url: str, options: Mapping[str, object]) -> None:
        self.url = url
        self.options = check_options(options)
        self._clients: PerProcess[Any] = PerProcess()

    def call(self, operation: str, arguments: Mapping[str, Any]) -> Answer:
        """Send a request whose answer is small.

        Args:
            operation: One of `METHODS`.
            arguments: As botocore takes them; `Body` may be any bytes-like.
        """
        raise NotImplementedError

    def get_object(self, arguments: Mapping[str, Any], body_length: BodyLength) -> tuple[Answer, Bytes]:
        """Send GetObject; return the answer and its body, of which nothing is read before `body_length` accepts it."""
        raise NotImplementedError

    def botocore_client(self) -> Any:
        """Return this process's client, in botocore's shape: it shows how it is set up."""
        raise NotImplementedError

    def _open(self) -> Any:
        raise NotImplementedError

    def _client_of_this_process(self) -> Any:
        return self._clients.get(self._open)

    def __getstate__(self) -> dict[str, Any]:
        warn_if_pickled(self.url, self.options)
        return self.__dict__

    def _config(self) -> dict[str, Any]:
        given = self.options.get("config_kwargs") or {}
        return {
            "retries": {"total_max_attempts": 1},
            "max_pool_connections": 64,
            "connect_timeout": CONNECT_TIMEOUT,
            "read_timeout": READ_TIMEOUT,
            **given,
        }

    def _check_conditions(self, client: Any) -> None:
        if "IfNoneMatch" not in parameters(client, "PutObject"):
            # A client drops or refuses parameters that it does not know: no put would be exclusive.
            raise UnsafeBucketError(self.url, "", "the installed botocore is too old for If-None-Match")
        known = {name for operation in METHODS for name in parameters(client, operation)}
        for name in sorted(set(self.options.get("s3_additional_kwargs") or {}) - known):
            near = difflib.get_close_matches(name, known, n=1)
            guess = f"; did you mean {near[0]!r}?" if near else ""
            raise StorageError(self.url, "", f"s3_additional_kwargs: no request has a parameter {name!r}{guess}")


def check_options(options: Mapping[str, object]) -> dict[str, Any]:
    """Return the options that mean something.

    Raises:
        ValueError: One is unknown, or sets what a bucket sets itself.
    """
    found = {name: value for name, value in options.items() if name not in _IGNORED}
    known = OPTIONS | {"lane"}
    for name in sorted(set(found) - OPTIONS):
        near = difflib.get_close_matches(name, known, n=1)
        guess = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(sorted(known))}"
        raise ValueError(f"an s3:// bucket has no option {name!r}; {guess}")
    more = found.get("s3_additional_kwargs") or {}
    if not isinstance(more, Mapping):
        raise ValueError("s3_additional_kwargs must be a mapping")
    if refused := sorted(name for name in more if name in _RESERVED or _OF_ONE_BODY.match(str(name))):
        raise ValueError(f"s3_additional_kwargs must not set {', '.join(refused)}")
    for one, other in (("key", "username"), ("secret", "password")):
        if found.get(one) and found.get(other):
            raise ValueError(f"{one!r} and {other!r} are two names of one option; give one of them")
    return found


def session_vars() -> dict[str, tuple[str, str, None, None]]:
    """Return the variables of a botocore session, without defaults: what the user chose can be told from silence."""
    return {name: (name, f"AWS_{name.upper()}", None, None) for name in _CHECKSUMS}


def unset_checksums(session: Any) -> list[str]:
    """Return the settings of checksums about which the user said nothing."""
    return [name for name in _CHECKSUMS if session.get_config_variable(name) is None]


def set_checksums(session: Any, names: list[str], choice: str) -> None:
    """Decide those settings: `when_supported` or `when_required`."""
    for name in names:
        session.set_config_variable(name, choice)


def is_aws(client: Any) -> bool:
    """Return whether a client's endpoint is AWS's own."""
    return (urlsplit(client.meta.endpoint_url).hostname or "").endswith(_AWS)


def disable_expect_continue(client: Any) -> None:
    """Send no `Expect: 100-continue`: it costs a round trip, and many seconds where a server ignores it."""
    from botocore.handlers import add_expect_header

    client.meta.events.unregister("before-call.s3", add_expect_header)


def disable_region_redirects(client: Any) -> None:
    """Follow no redirects to other regions, of an endpoint that is not AWS's.

    botocore answers a redirect with a search for the region; a server that
    redirects that as well, such as one that wants https, makes it search for ever.
    """
    client.meta.events.register("before-call.s3.HeadBucket", _no_search)


def add_content_md5(client: Any) -> None:
    """Say the MD5 of a bulk deletion, of an endpoint that is not AWS's: many know no newer checksum, and want one."""
    client.meta.events.register("before-call.s3.DeleteObjects", _say_md5)


def _say_md5(params: Any, **_: object) -> None:
    body = params["body"]
    data = body if isinstance(body, bytes) else body.encode()
    params["headers"]["Content-MD5"] = b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode()


def _no_search(**_: object) -> None:
    from botocore.exceptions import ClientError

    raise ClientError({"Error": {}, "ResponseMetadata": {"HTTPHeaders": {}}}, "HeadBucket")


def parameters(client: Any, operation: str) -> Any:
    """Return the names that an operation's request may have, as this botocore knows it."""
    return client.meta.service_model.operation_model(operation).input_shape.members
