"""A refusal names the action that is missing, and whose policy has it; of what is missing it is none."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator

import pytest
from tests.support.http import Answer, Recorder, error, recorder

from holdall.errors import AccessDeniedError, NotDeletedError, ObjectNotFoundError
from holdall.storage.s3 import LANES, S3Bucket

Verb = Callable[[S3Bucket], object]
RUN = "runs/0000000000000000ffffffffffffffff/log/ffffffffffffffff"
VERBS: dict[str, tuple[str, str, Verb]] = {
    "get": ("s3:GetObject", "a reader's", lambda bucket: bucket.get(RUN)),
    "get_range": ("s3:GetObject", "a reader's", lambda bucket: bucket.get_range(RUN, 0, 1)),
    "put a run": ("s3:PutObject", "a writer's", lambda bucket: bucket.put(RUN, b"")),
    "put a generation": ("s3:PutObject", "a collector's", lambda bucket: bucket.put("gc/0/condemn", b"")),
    "put a store": ("s3:PutObject", "an owner's", lambda bucket: bucket.put("holdall.json", b"")),
    "list": ("s3:ListBucket", "a reader's", lambda bucket: list(bucket.list("runs/"))),
    "delete a pack": ("s3:DeleteObject", "a collector's", lambda bucket: bucket.delete("packs/00/0")),
    "delete a name": ("s3:DeleteObject", "an owner's", lambda bucket: bucket.delete("names/a/log/0")),
    "delete many": ("s3:DeleteObject", "a collector's", lambda bucket: bucket.delete_many(["packs/00/0"])),
}
_LISTED = "<ListBucketResult><IsTruncated>false</IsTruncated>{}</ListBucketResult>"
_ONE = "<Contents><Key>p/{}</Key><Size>1</Size><ETag>e</ETag></Contents>"


@pytest.fixture(params=LANES)
def refusing(request: pytest.FixtureRequest) -> Iterator[tuple[Recorder, S3Bucket]]:
    """A server that refuses everything, and a bucket there."""
    with recorder() as server:
        server.reply = lambda _: error(403, "AccessDenied")
        options = {"endpoint_url": server.url, "key": "k", "secret": "s", "lane": request.param}
        yield server, S3Bucket("s3://b/p", options)


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.every(4)
def test_the_action_and_a_role_are_named(refusing: tuple[Recorder, S3Bucket], verb: str) -> None:
    """For every verb, listing too, and also in another process."""
    action, role, ask = VERBS[verb]
    with pytest.raises(AccessDeniedError) as caught:
        ask(refusing[1])
    assert caught.value.action == pickle.loads(pickle.dumps(caught.value)).action == action
    assert f"{action} was refused: HTTP 403" in str(caught.value)
    assert caught.value.hint.startswith(f"{role} policy has it")
    assert f"`holdall store policy {role.split()[1][:-2]}`" in caught.value.hint


def test_of_many_deletions_each_refusal_names_it(refusing: tuple[Recorder, S3Bucket]) -> None:
    """The answer of a bulk deletion is one for each key."""
    server, bucket = refusing
    told = "<Error><Key>p/{}</Key><Code>AccessDenied</Code><Message>{}</Message></Error>"
    some = told.format("packs/00/0", "no") + told.format("packs/00/1", "object protected by object lock")
    server.reply = lambda _: Answer(200, f"<DeleteResult>{some}</DeleteResult>".encode())
    with pytest.raises(NotDeletedError, match="s3:DeleteObject was refused") as caught:
        bucket.delete_many(["packs/00/0", "packs/00/1"])
    hints = [why.hint for why in caught.value.failed.values()]
    assert "a collector's policy" in hints[0]
    assert "Object Lock" in hints[1]


def test_what_is_missing_is_no_refusal(refusing: tuple[Recorder, S3Bucket]) -> None:
    """AWS answers 403 for a missing object to who may list only below a prefix; one listing more tells them apart."""
    server, bucket = refusing

    def listed(body: str) -> Callable[..., Answer]:
        whole = Answer(200, _LISTED.format(body).encode(), {"Content-Type": "application/xml"})
        return lambda asked: whole if "list-type" in asked.path else error(403, "AccessDenied")

    server.reply = listed("")
    with pytest.raises(ObjectNotFoundError, match="no listing has it"):
        bucket.get(RUN)
    server.reply = listed(_ONE.format(RUN + "0"))
    with pytest.raises(ObjectNotFoundError):
        bucket.get_range(RUN, -5)
    server.reply = listed(_ONE.format(RUN))
    with pytest.raises(AccessDeniedError):
        bucket.get(RUN)
