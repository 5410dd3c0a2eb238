"""A bucket whose server enforces a policy, and a small reader of policies, which shares no code with what makes them.

    allowed(document, Ask("s3:PutObject", "arn:aws:s3:::b/p/canary", {"s3:if-none-match": "*"}))
    bucket = EnforcingBucket(inner, document, place="b/p")    refuses as S3 does, and tells what it was asked

Of a missing object AWS says that it is missing only to who may list without a condition on prefixes; the adapter of S3
then lists, which is done here as well.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, ClassVar, Final

from holdall.errors import AccessDeniedError, NotDeletedError, StorageError
from holdall.storage.bucket import Bytes, ObjectInfo
from holdall.storage.memory import MemoryBucket
from holdall.storage.s3_errors import meaning

ACTIONS: Final = {"get": "s3:GetObject", "put": "s3:PutObject", "list": "s3:ListBucket", "delete": "s3:DeleteObject"}
_GOOGLES: Final = {
    "roles/storage.objectViewer": {"get", "list"},
    "roles/storage.objectCreator": {"put"},
    "roles/storage.objectUser": {"get", "put", "list", "delete"},
}


@dataclass(frozen=True)
class Ask:
    """A request as a server of S3 sees it: action, resource, and what conditions look at."""

    action: str
    resource: str
    context: Mapping[str, str] = field(default_factory=dict)
    principal: str = ""


def allowed(document: Mapping[str, Any], ask: Ask) -> bool:
    """Whether some statement allows it, and none denies it."""
    effects = {each["Effect"] for each in document["Statement"] if _concerns(each, ask)}
    return effects == {"Allow"}


def _concerns(statement: Mapping[str, Any], ask: Ask) -> bool:
    who = statement.get("Principal", "*")
    named = who == "*" or ask.principal in _all(who["AWS"])
    return (
        named
        and _matches(statement, "Action", ask.action)
        and _matches(statement, "Resource", ask.resource)
        and all(_holds(operator, wanted, ask) for operator, wanted in statement.get("Condition", {}).items())
    )


def _matches(statement: Mapping[str, Any], element: str, value: str) -> bool:
    if f"Not{element}" in statement:
        return not any(_like(value, pattern) for pattern in _all(statement[f"Not{element}"]))
    return any(_like(value, pattern) for pattern in _all(statement[element]))


def _holds(operator: str, wanted: Mapping[str, Any], ask: Ask) -> bool:
    usual = {"s3:ObjectCreationOperation": "true"} if ask.action == "s3:PutObject" else {}  # but of parts
    context = {"aws:PrincipalArn": ask.principal, **usual, **ask.context}
    for key, values in wanted.items():
        found = context.get(key)
        if operator == "Null":
            met = (found is None) == (values == "true")
        elif operator == "Bool":
            met = found == values
        elif operator == "StringLike":
            met = found is not None and any(_like(found, pattern) for pattern in _all(values))
        elif operator in ("StringNotLike", "ArnNotEquals"):  # which an absent key meets
            met = found is None or not any(_like(found, pattern) for pattern in _all(values))
        else:
            raise AssertionError(f"an operator that nobody here knows: {operator}")
        if not met:
            return False
    return True


def _like(value: str, pattern: str) -> bool:
    return fnmatchcase(value, pattern.replace("[", "[[]"))


def _all(given: Any) -> Sequence[str]:
    return [given] if isinstance(given, str) else given


def google_allows(document: Mapping[str, Any], verb: str, bucket: str, key: str) -> bool:
    """Whether some binding of a policy of Google's gives this; `key` is a prefix of a listing."""
    name = f"projects/_/buckets/{bucket}" + ("" if verb == "list" else f"/objects/{key}")
    prefix = key if verb == "list" else ""
    return any(
        verb in _GOOGLES[each["role"]]
        and any(_term(term, name, prefix) for term in each["condition"]["expression"].split(" || "))
        for each in document["bindings"]
    )


def _term(term: str, name: str, prefix: str) -> bool:
    if found := re.fullmatch(r'resource\.name\.startsWith\((".*")\)', term):
        return name.startswith(json.loads(found[1]))
    if found := re.fullmatch(r'resource\.name == (".*")', term):
        return bool(name == json.loads(found[1]))
    found = re.fullmatch(
        r'api\.getAttribute\("storage\.googleapis\.com/objectListPrefix", ""\)\.startsWith\((".*")\)', term
    )
    assert found, term
    return prefix.startswith(json.loads(found[1]))


class _Refused(Exception):
    """As botocore raises it."""

    response: ClassVar = {
        "Error": {"Code": "AccessDenied", "Message": "Access Denied"},
        "ResponseMetadata": {"HTTPStatusCode": 403, "HTTPHeaders": {}, "RequestId": "R1"},
    }


class EnforcingBucket:
    """A bucket that refuses what a policy does not allow. Attributes: asked and refused, pairs of verb and key."""

    def __init__(self, inner: MemoryBucket, document: Mapping[str, Any] | None, place: str) -> None:
        self.inner, self.document = inner, document
        self.name, _, prefix = place.partition("/")
        self.prefix = prefix + "/" if prefix else ""
        self.asked: set[tuple[str, str]] = set()
        self.refused: set[tuple[str, str]] = set()

    @property
    def url(self) -> str:
        return f"s3://{self.name}/{self.prefix}".rstrip("/")

    def may(self, verb: str, key: str) -> bool:
        """Whether the policy allows it; None allows all."""
        if self.document is None:
            return True
        whole = self.prefix + key
        if "bindings" in self.document:
            return google_allows(self.document, verb, self.name, whole)
        context = {"s3:prefix": whole} if verb == "list" else {"s3:if-none-match": "*"} if verb == "put" else {}
        arn = f"arn:aws:s3:::{self.name}" + ("" if verb == "list" else f"/{whole}")
        return allowed(self.document, Ask(ACTIONS[verb], arn, context))

    def check(self, verb: str, key: str) -> None:
        self.asked.add((verb, key))
        if not self.may(verb, key):
            self.refused.add((verb, key))
            raise self._refusal(verb, key)

    def _refusal(self, verb: str, key: str) -> StorageError:
        return meaning(self.url, key, _Refused(), verb=verb, before=None)

    def _present(self, key: str) -> None:
        """Refuse to say that an object is missing to who may not list its key."""
        if key not in self.inner.objects and not self.may("list", key):
            self.refused.add(("list", key))
            raise self._refusal("get", key)

    def get(self, key: str, *, limit: int | None = None) -> bytes:
        self.check("get", key)
        self._present(key)
        return self.inner.get(key, limit=limit)

    def get_range(self, key: str, start: int, stop: int | None = None) -> Bytes:
        self.check("get", key)
        self._present(key)
        return self.inner.get_range(key, start, stop)

    def put(self, key: str, data: Bytes) -> None:
        self.check("put", key)
        self.inner.put(key, data)

    def list(self, prefix: str = "", *, limit: int | None = None) -> Iterator[ObjectInfo]:
        self.check("list", prefix)
        yield from self.inner.list(prefix, limit=limit)

    def delete(self, key: str) -> None:
        self.check("delete", key)
        self.inner.delete(key)

    def delete_many(self, keys: Sequence[str]) -> None:
        failed: dict[str, StorageError] = {}
        for key in keys:
            try:
                self.delete(key)
            except AccessDeniedError as error:
                failed[key] = error
        if failed:
            first = sorted(failed)[0]
            raise NotDeletedError(self.url, first, f"not deleted: {first}: {failed[first].reason}", failed)
