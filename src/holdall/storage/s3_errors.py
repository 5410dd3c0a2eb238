"""What an S3 server's refusal means to a store.

s3fs turns errors into others by rules of its own: a 412 becomes a
FileExistsError on AWS and an OSError(22) elsewhere, an expired token now one
and then another. So nothing here looks at what it made of an error, only at
the answer that is still to be found along the chain of causes: first its error
code, then its HTTP status, then what kind of failure of the wire it was.

    answered   code or status -> kind of StorageError, named with code and request id
    unanswered timeouts, resets, half bodies: transient; no credentials: access denied
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any

from holdall.access.refusals import S3_ACTIONS, advice
from holdall.errors import (
    AccessDeniedError,
    BucketNotFoundError,
    BucketUnreachableError,
    ObjectExistsError,
    ObjectNotFoundError,
    ObjectTooShortError,
    StorageError,
    StorageFullError,
    TransientStorageError,
    UnsafeBucketError,
)
from holdall.storage.causes import causes

_BY_CODE: dict[str, type[StorageError]] = {
    "NoSuchKey": ObjectNotFoundError,
    "NoSuchBucket": BucketNotFoundError,
    "InvalidObjectState": StorageError,
    **dict.fromkeys(
        (
            "AccessDenied",
            "AccountProblem",
            "AllAccessDisabled",
            "ExpiredToken",
            "ExpiredTokenException",
            "InvalidAccessKeyId",
            "InvalidClientTokenId",
            "InvalidSecurity",
            "InvalidToken",
            "NotSignedUp",
            "RequestExpired",
            "RequestTimeTooSkewed",
            "SignatureDoesNotMatch",
            "TokenRefreshRequired",
            "UnrecognizedClientException",
        ),
        AccessDeniedError,
    ),
    **dict.fromkeys(
        (
            "BadDigest",  # of what was sent: the bytes changed on the way
            "ConcurrentModification",
            "ConditionalRequestConflict",
            "IncompleteBody",
            "InternalError",
            "OperationAborted",
            "RequestTimeout",
            "ServiceUnavailable",
            "SlowDown",
            "SlowDownRead",
            "SlowDownWrite",
            "Throttling",
            "TooManyRequests",
            "XAmzContentSHA256Mismatch",
        ),
        TransientStorageError,
    ),
    **dict.fromkeys(
        (
            "InsufficientStorage",
            "QuotaExceeded",
            "QuotaExceededException",
            "XMinioAdminBucketQuotaExceeded",
            "XMinioBucketQuotaExceeded",
            "XMinioStorageFull",
        ),
        StorageFullError,
    ),
}
_BY_STATUS: dict[int, type[StorageError]] = {
    401: AccessDeniedError,
    403: AccessDeniedError,
    408: TransientStorageError,
    412: ObjectExistsError,
    416: ObjectTooShortError,  # ranges are asked for by first and last byte, or as a suffix
    425: TransientStorageError,
    429: TransientStorageError,
    505: StorageError,
    507: StorageFullError,
}
_EXPIRED = "the credentials have expired: renew them (aws sso login, a new AWS_SESSION_TOKEN) and run it again"
_UNKNOWN_KEY = "this server does not know the access key: check AWS_ACCESS_KEY_ID, AWS_PROFILE and the endpoint"
_ADVICE = {
    **dict.fromkeys(("ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired", "RequestExpired"), _EXPIRED),
    **dict.fromkeys(("InvalidAccessKeyId", "InvalidClientTokenId", "UnrecognizedClientException"), _UNKNOWN_KEY),
    "InvalidObjectState": "the object was archived: restore it, and let no lifecycle rule archive the store's prefix",
    "checksum": (
        "a bucket with an Object Lock takes objects with checksums only: pass the option "
        'ChecksumAlgorithm, as in s3_additional_kwargs={"ChecksumAlgorithm": "SHA256"}'
    ),
    "locked": "an Object Lock keeps it until its retention ends; what is left costs space and harms nothing",
    "KMS": "the credentials may not use the bucket's KMS key: they need kms:GenerateDataKey and kms:Decrypt for it",
    "RequestTimeTooSkewed": "this machine's clock is wrong: set it (NTP) and run it again",
    "SSE": "the object is encrypted with a key of its writer's: pass the same SSECustomerKey in s3_additional_kwargs",
    "SignatureDoesNotMatch": "the secret key is wrong, or a proxy changes requests: check AWS_SECRET_ACCESS_KEY",
}
# Of credentials that the server knows: a policy lacks an action.
_REFUSED = ("AccessDenied", "403", "Forbidden")
_LOCKED = re.compile("object.?lock|WORM|retention", re.IGNORECASE)
_OTHERWISE = (
    "if it does, the bucket's own policy may demand more, as of encryption or an ACL (option s3_additional_kwargs)"
)
_REGION = {
    "AuthorizationHeaderMalformed",
    "IllegalLocationConstraintException",
    "PermanentRedirect",
    "TemporaryRedirect",
}
_REDIRECTS = (301, 307, 308)
# By name, because importing botocore costs half a second and tests of this need none.
_NO_CREDENTIALS = {
    "CredentialRetrievalError",
    "InvalidConfigError",
    "NoAuthTokenError",
    "NoCredentialsError",
    "PartialCredentialsError",
    "ProfileNotFound",
    "SSOError",
    "SSOTokenLoadError",
    "TokenRetrievalError",
}
# Of OpenSSL: both sides would say the same again.
_TLS = ("CERTIFICATE_VERIFY_FAILED", "WRONG_VERSION_NUMBER", "HTTP_REQUEST", "UNSUPPORTED_PROTOCOL", "_ALERT_")
# A server had begun to answer.
_ANSWERED = {"ClientPayloadError", "FlexibleChecksumError", "IncompleteRead", "IncompleteReadError"}
_PASSING = {
    *_ANSWERED,
    "ClientError",  # aiohttp's; botocore's was answered and is dealt with before
    "ConnectionError",
    "FSTimeoutError",
    "HTTPClientError",
    "ResponseParserError",
    "TimeoutError",
}


def meaning(url: str, key: str, error: BaseException, *, verb: str, before: BaseException | None) -> StorageError:
    """Return the `StorageError` that an error of a request stands for; the caller chains it.

    Args:
        url: The bucket.
        key: The object.
        error: What the request raised.
        verb: What was asked.
        before: What was being handled when the request began; its answers are not this request's.
    """
    found = answer(error, before)
    if found is None:
        return _unanswered(url, key, error, before)
    status, code = _status(found), str(found.get("Error", {}).get("Code", ""))
    reason = describe(found)
    if code in _REGION or status in _REDIRECTS:
        moved = StorageError(url, key, f"the bucket is in another region, or at another endpoint: {reason}")
        moved.hint = "set AWS_REGION (or client_kwargs={'region_name': ...}) to the bucket's, or mend endpoint_url"
        return moved
    if status == 501 and verb == "put":
        why = "the server cannot create an object only if it is absent"
        return UnsafeBucketError(url, key, f"{why}: {reason}")
    kind = _BY_CODE.get(code) or _BY_STATUS.get(status)
    if kind is None and code == str(status) and _cut(found):
        return BucketUnreachableError(url, key, f"the answer is cut: {reason}")
    if kind is None:
        kind = TransientStorageError if status >= 500 and status != 501 else StorageError
    if kind is TransientStorageError:
        return TransientStorageError(url, key, reason, retry_after(found))
    if is_page(found):
        return _of_a_page(kind, url, key, reason)
    return _advised(kind(url, key, _with_action(kind, verb, code, reason)), code, reason, verb)


def refusal(url: str, key: str, told: Mapping[str, Any]) -> StorageError:
    """Return the error that one key's answer in a bulk deletion stands for."""
    code = str(told.get("Code", ""))
    reason = f"{code}: {str(told.get('Message', '')).strip()[:300] or 'no message'}"
    kind = _BY_CODE.get(code, StorageError)
    return _advised(kind(url, key, _with_action(kind, "delete", code, reason)), code, reason, "delete")


def is_page(found: Mapping[str, Any]) -> bool:
    """Return whether an answer is a page for people, as proxies and login portals give: it says nothing of the bucket.

    A 204 has no body, whatever its headers call it: some say that it is HTML.
    """
    metadata = found.get("ResponseMetadata", {})
    kind = str(metadata.get("HTTPHeaders", {}).get("content-type", ""))
    return metadata.get("HTTPStatusCode") != 204 and "html" in kind.lower()


def _of_a_page(kind: type[StorageError], url: str, key: str, reason: str) -> StorageError:
    """Return an error that advises how to reach the server; credentials were not tried."""
    error = kind(url, key, f"a page for people came, not an answer of S3: {reason}")
    error.hint = BucketUnreachableError.hint
    return error


def _with_action(kind: type[StorageError], verb: str, code: str, reason: str) -> str:
    """Return the reason of an error; of a refusal it begins with the action that was refused."""
    told = kind is AccessDeniedError and code in _REFUSED and verb in S3_ACTIONS
    return f"{S3_ACTIONS[verb]} was refused: {reason}" if told else reason


def _advised(error: StorageError, code: str, reason: str, verb: str) -> StorageError:
    """Return the same error, with advice against this code."""
    word = "KMS" if code.startswith("KMS") or "kms" in reason.lower() else code
    if word not in _ADVICE and ("server side encryption" in reason.lower() or "SSE" in reason):
        word = "SSE"
    if "content-md5" in reason.lower():
        word = "checksum"
    if word in _REFUSED and verb == "delete" and _LOCKED.search(reason):
        word = "locked"
    if word in _REFUSED and isinstance(error, AccessDeniedError) and verb in S3_ACTIONS:
        error.action = S3_ACTIONS[verb]
        error.args = (*error.args[:3], error.action)
        error.hint = f"{advice(verb, error.key)}; {_OTHERWISE}"
    error.hint = _ADVICE.get(word, error.hint)
    return error


def answer(error: BaseException, before: BaseException | None) -> Mapping[str, Any] | None:
    """Return the server's answer, as botocore parsed it, wherever in the chain of causes it is."""
    for cause in causes(error, before):
        found = getattr(cause, "response", None)
        if isinstance(found, dict) and "ResponseMetadata" in found:
            return found
    return None


def describe(found: Mapping[str, Any]) -> str:
    """Return an answer in one line: HTTP status, error code, message and request id."""
    error, meta = found.get("Error", {}), found.get("ResponseMetadata", {})
    headers = meta.get("HTTPHeaders", {})
    request = meta.get("RequestId") or headers.get("x-amz-request-id") or "unknown"
    message = str(error.get("Message", "")).strip() or "no message"
    return f"HTTP {_status(found)} {error.get('Code', '')}: {message[:300]} (request id {request})"


def retry_after(found: Mapping[str, Any]) -> float | None:
    """Return the seconds that the server asked to wait; a date counts from the server's own."""
    headers = found.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    asked = str(headers.get("retry-after", "")).strip()
    if not asked:
        return None
    try:
        if asked.replace(".", "", 1).isdigit():
            return float(asked)
        wait = parsedate_to_datetime(asked) - parsedate_to_datetime(str(headers.get("date", "")))
    except (TypeError, ValueError):
        return None
    return max(0.0, wait.total_seconds())


def _unanswered(url: str, key: str, error: BaseException, before: BaseException | None) -> StorageError:
    names = {kind.__name__ for cause in causes(error, before) for kind in type(cause).__mro__}
    reason = f"{type(error).__name__}: {error}".rstrip(": ")
    if names & _NO_CREDENTIALS:
        return AccessDeniedError(url, key, reason)
    if any(word in reason for word in _TLS):
        untrusted = StorageError(url, key, reason)
        untrusted.hint = "name the server's CA with AWS_CA_BUNDLE, and check whether it speaks https or http"
        return untrusted
    if names & _PASSING:
        return (TransientStorageError if names & _ANSWERED else BucketUnreachableError)(url, key, reason)
    return StorageError(url, key, reason)


def _cut(found: Mapping[str, Any]) -> bool:
    """Return whether an error without a code was to be one of S3: a page for people says what it is."""
    return "xml" in found.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("content-type", "xml")


def _status(found: Mapping[str, Any]) -> int:
    return int(found.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
