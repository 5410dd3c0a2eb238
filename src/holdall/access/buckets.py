"""What is said of a bucket itself: who may come near a store at all, and for how long nothing goes.

A policy of a bucket binds whoever the bucket's account lets in by other policies, administrators of its objects too.
It leaves the bucket's own settings to those who have them: whoever made a mistake in one can mend it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from holdall.access.documents import (
    GIVING_UP,
    VERSION,
    bucket_arn,
    check_place,
    deletable,
    gives_up,
    one_or_many,
    resources,
    statements,
)
from holdall.access.rights import Rights, folder, rights_of
from holdall.errors import InvalidArgumentError

LOCK_MODES: Final = ("GOVERNANCE", "COMPLIANCE")
_MOST_DAYS: Final = 36500
_NONE: Final = {
    "minio": "MinIO's users may do what their own policies say and nothing else: its bucket policies are for anonymous "
    "requests, and a bucket without one refuses these",
    "gcs": "a bucket of Google's denies nothing: see that nobody has roles in the project who is to have none here",
}
_ACTIONS: Final = {"list": "s3:ListBucket", "get": "s3:GetObject", "put": "s3:PutObject", "delete": "s3:DeleteObject"}


def bucket_policy(
    principals: Mapping[str, Sequence[str]],
    *,
    bucket: str,
    prefix: str = "",
    dialect: str = "aws",
    experiments: Sequence[str] = (),
) -> dict[str, Any]:
    """Return a policy of the bucket that lets some principals have their roles, and denies everything else.

    Those who are named may do nothing else in the whole bucket. Others may ask for no object below the prefix.

    Args:
        principals: ARNs of users and roles, by the role that each has in the store.
        bucket: The bucket's name.
        prefix: Where the store is in it.
        dialect: aws or ceph.
        experiments: Ids of the experiments that readers and writers are limited to.

    Raises:
        InvalidArgumentError: As `policy`; nobody is named; or a server whose bucket policies deny nothing.

    Example:
        >>> from holdall.access import bucket_policy
        >>> found = bucket_policy({"reader": ["arn:aws:iam::111122223333:role/ml"]}, bucket="b", prefix="store")
        >>> {statement["Effect"] for statement in found["Statement"]} == {"Allow", "Deny"}
        True
    """
    check_place(bucket, prefix, dialect)
    if dialect in _NONE:
        raise InvalidArgumentError(_NONE[dialect])
    everybody = sorted({arn for some in principals.values() for arn in some})
    if not everybody:
        raise InvalidArgumentError("a policy of a bucket needs somebody who may come in: without one nobody could")
    found: list[dict[str, Any]] = []
    for role, some in principals.items():
        rights = rights_of(role, experiments if role in ("reader", "writer") else ())
        who = {"Principal": {"AWS": one_or_many(list(some))}}
        found += [{**each, **who} for each in statements(rights, bucket, prefix, dialect)]
        found += [{"Effect": "Deny", **who, **each} for each in _nothing_else(rights, bucket, prefix, dialect)]
    if dialect == "aws":
        found += _for_all(everybody, bucket, prefix)
    return {"Version": VERSION, "Statement": found}


def lock(days: int, mode: str = "GOVERNANCE") -> dict[str, Any]:
    """Return the configuration by which a bucket keeps every version of every object for some days.

    The bucket must have been made with Object Lock, which includes versioning. What is deleted meanwhile is hidden, not
    gone, and comes back by deleting the marker.

    Args:
        days: For how many.
        mode: GOVERNANCE, which who has s3:BypassGovernanceRetention can undo, or COMPLIANCE, which nobody can.

    Raises:
        InvalidArgumentError: No such mode, or a number of days that no bucket takes.

    Example:
        >>> from holdall.access import lock
        >>> lock(30)["Rule"]["DefaultRetention"]
        {'Mode': 'GOVERNANCE', 'Days': 30}
    """
    if mode not in LOCK_MODES:
        raise InvalidArgumentError(f"objects are locked in the modes {' and '.join(LOCK_MODES)}, not {mode!r}")
    if not 1 <= days <= _MOST_DAYS:
        raise InvalidArgumentError(f"objects are locked for 1 to {_MOST_DAYS} days, not {days}")
    return {"ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": {"Mode": mode, "Days": days}}}


def _nothing_else(rights: Rights, bucket: str, prefix: str, dialect: str) -> list[dict[str, Any]]:
    """Return what is denied to who has a role: other actions, and other objects."""
    actions = [action for name, action in _ACTIONS.items() if getattr(rights, name)]
    actions += GIVING_UP if gives_up(rights) else ()
    found: list[dict[str, Any]] = [{"NotAction": actions, "Resource": [bucket_arn(bucket), *_objects(bucket)]}]
    allowed = {
        "get": resources(bucket, prefix, rights.get),
        "put": resources(bucket, prefix, rights.put),
        "delete": deletable(rights, bucket, prefix, dialect),
    }
    found += [{"Action": _ACTIONS[name], "NotResource": where} for name, where in allowed.items() if where]
    if patterns := [folder(prefix) + each for each in rights.list if prefix or each != "*"]:
        condition = {"StringNotLike": {"s3:prefix": one_or_many(patterns)}}
        found.append({"Action": _ACTIONS["list"], "Resource": bucket_arn(bucket), "Condition": condition})
    return found


def _for_all(everybody: Sequence[str], bucket: str, prefix: str) -> list[dict[str, Any]]:
    """Return what is denied to all, and to all but these."""
    others = {"ArnNotEquals": {"aws:PrincipalArn": one_or_many(list(everybody))}}
    listing = {"StringLike": {"s3:prefix": f"{folder(prefix)}*"}} if prefix else {}
    below = resources(bucket, prefix, [""])
    deny = {"Effect": "Deny", "Principal": "*"}
    absent, creating = {"Null": {"s3:if-none-match": "true"}}, {"Bool": {"s3:ObjectCreationOperation": "true"}}
    return [
        {**deny, "Action": "s3:PutObject", "Resource": below, "Condition": {**absent, **creating}},
        {**deny, "Action": "s3:*Object*", "Resource": below, "Condition": others},
        {**deny, "Action": "s3:ListBucket*", "Resource": bucket_arn(bucket), "Condition": {**others, **listing}},
    ]


def _objects(bucket: str) -> list[str]:
    found = resources(bucket, "", [""])
    return [found] if isinstance(found, str) else found
