"""A role's rights as a document, in the language of the server that is to hold them.

    aws     IAM's language; creating needs If-None-Match, by the condition key s3:if-none-match
    minio   the same without that condition, whose key MinIO refuses (its package `policy/condition`, 2025)
    ceph    the same without it: Ceph's gateway has no such key (its page "Bucket Policies", 20.2)
    gcs     bindings of Google's IAM, with conditions on names (`gcs.py`)

Documents are as short as can be: what a session of AWS's STS is limited by has 2,048 characters.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from holdall.access.gcs import bindings
from holdall.access.rights import WHOLE, Rights, folder, rights_of
from holdall.errors import InvalidArgumentError

DIALECTS: Final = ("aws", "minio", "ceph", "gcs")
VERSION: Final = "2012-10-17"
IF_ABSENT: Final = {"Null": {"s3:if-none-match": "false"}}
# Of an upload in parts only its end creates an object, and says If-None-Match: its other requests are told by this key.
IN_PARTS: Final = {"Bool": {"s3:ObjectCreationOperation": "false"}}
SHARES: Final = ("shares/",)  # the only objects that are sent in parts
GIVING_UP: Final = ("s3:AbortMultipartUpload", "s3:ListBucketMultipartUploads")
_WILD: Final = '*?$"\\'


def policy(
    role: str, *, bucket: str, prefix: str = "", dialect: str = "aws", experiments: Sequence[str] = ()
) -> dict[str, Any]:
    """Return the policy that lets a role do its work in a store, and nothing else.

    Args:
        role: reader, writer, collector or owner.
        bucket: The bucket's name, or an access point's ARN.
        prefix: Where the store is in it.
        dialect: The server's: aws, minio, ceph or gcs.
        experiments: Ids of the experiments that a reader or writer is limited to; all when there are none.

    Returns:
        A document for JSON: an identity policy, or bindings of Google's IAM. `caveats` says what it cannot prevent.

    Raises:
        InvalidArgumentError: No such role or dialect, a role that cannot be limited, or a prefix with characters
            that a policy would read as wildcards.

    Example:
        >>> from holdall.access import policy
        >>> policy("reader", bucket="b", prefix="store")["Statement"][1]["Resource"]
        'arn:aws:s3:::b/store/*'
    """
    rights = rights_of(role, experiments)
    check_place(bucket, prefix, dialect)
    if dialect == "gcs":
        return bindings(rights, bucket, prefix)
    return {"Version": VERSION, "Statement": statements(rights, bucket, prefix, dialect)}


def statements(rights: Rights, bucket: str, prefix: str, dialect: str) -> list[dict[str, Any]]:
    """Return what is allowed, a statement for each action."""
    listing: dict[str, Any] = {"Action": "s3:ListBucket", "Resource": bucket_arn(bucket)}
    if patterns := [folder(prefix) + each for each in rights.list if prefix or each != "*"]:
        listing["Condition"] = {"StringLike": {"s3:prefix": one_or_many(patterns)}}
    condition = {"Condition": IF_ABSENT} if dialect == "aws" else {}
    some: list[dict[str, Any]] = [
        listing,
        {"Action": "s3:GetObject", "Resource": resources(bucket, prefix, rights.get)},
        {"Action": "s3:PutObject", "Resource": resources(bucket, prefix, rights.put), **condition},
        {"Action": "s3:DeleteObject", "Resource": deletable(rights, bucket, prefix, dialect)},
    ]
    shares = resources(bucket, prefix, SHARES)
    if dialect == "aws" and "" in rights.put:
        some.append({"Action": "s3:PutObject", "Resource": shares, "Condition": IN_PARTS})
    if gives_up(rights):
        some.append({"Action": list(GIVING_UP), "Resource": [bucket_arn(bucket), shares]})
    return [{"Effect": "Allow", **each} for each in some if each["Resource"]]


def gives_up(rights: Rights) -> bool:
    """Return whether who has these rights deletes shares, and so what was sent of one that never became whole."""
    return any(each in ("", *SHARES) for each in rights.delete)


def deletable(rights: Rights, bucket: str, prefix: str, dialect: str) -> str | list[str]:
    """Return what may be deleted. For many at once Ceph asks for the bucket too, and for each key as well (16.2)."""
    found = resources(bucket, prefix, rights.delete)
    if dialect == "ceph" and found:
        return [*([found] if isinstance(found, str) else found), bucket_arn(bucket)]
    return found


def resources(bucket: str, prefix: str, keys: Sequence[str]) -> str | list[str]:
    """Return the ARNs of all objects whose keys begin so; one that is a whole key ends as it does."""
    base = bucket_arn(bucket) + ("/object/" if bucket.startswith("arn:") else "/") + folder(prefix)
    return one_or_many([base + key + ("" if key in WHOLE else "*") for key in keys])


def bucket_arn(bucket: str) -> str:
    """Return the ARN of a bucket; an access point's is its name already."""
    return bucket if bucket.startswith("arn:") else f"arn:aws:s3:::{bucket}"


def one_or_many(found: list[str]) -> str | list[str]:
    """Return the only one of a list, or the list."""
    return found[0] if len(found) == 1 else found


def check_place(bucket: str, prefix: str, dialect: str) -> None:
    """Refuse what no document can say exactly. Raises: InvalidArgumentError."""
    if dialect not in DIALECTS:
        raise InvalidArgumentError(f"there are policies for {', '.join(DIALECTS)}, not for {dialect!r}")
    if not bucket:
        raise InvalidArgumentError("a policy needs the name of a bucket")
    if wild := [sign for sign in _WILD if sign in bucket + prefix]:
        raise InvalidArgumentError(f"a policy would read {wild[0]!r} in {bucket}/{prefix} as a wildcard")
