"""What each role's policy says, exactly."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.support.enforcing import Ask, allowed
from tests.support.shell import Shell

import holdall
from holdall.access import DIALECTS, ROLES, bucket_policy, caveats, lock, policy, rights_of
from holdall.errors import InvalidArgumentError
from holdall.format.layout import SHAPES, experiment_id

LONGEST = 2048  # characters of a policy that a session of AWS's STS is limited by


def size(document: object) -> int:
    return len(json.dumps(document, separators=(",", ":")))


def test_a_readers_policy_to_the_letter() -> None:
    """Nothing but listing and reading, below the prefix."""
    assert policy("reader", bucket="b", prefix="p/q/")["Statement"] == [
        {
            "Effect": "Allow",
            "Action": "s3:ListBucket",
            "Resource": "arn:aws:s3:::b",
            "Condition": {"StringLike": {"s3:prefix": "p/q/*"}},
        },
        {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/p/q/*"},
    ]


def test_a_whole_bucket_needs_no_condition() -> None:
    """A listing without a prefix is one of all keys, which is what the role may see."""
    listing, reading = policy("reader", bucket="b")["Statement"]
    assert "Condition" not in listing
    assert reading["Resource"] == "arn:aws:s3:::b/*"


@pytest.mark.parametrize("role", ROLES[1:])
def test_on_aws_creating_carries_if_none_match(role: str) -> None:
    """What lets somebody create lets nobody overwrite; of an upload in parts its end does, and no other request."""
    creating = [each for each in policy(role, bucket="b")["Statement"] if each["Action"] == "s3:PutObject"]
    assert creating[0]["Condition"] == {"Null": {"s3:if-none-match": "false"}}
    assert [each["Resource"] for each in creating[1:]] == ["arn:aws:s3:::b/shares/*"] * (role == "owner")


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("whole", [False, True], ids=["own policy", "bucket's policy"])
def test_only_an_owner_sends_a_share_in_parts_and_it_replaces_nothing(role: str, whole: bool) -> None:
    """Its parts carry no If-None-Match; its end does, or is refused."""
    me = "arn:aws:iam::1:role/me"
    document = bucket_policy({role: [me]}, bucket="b", prefix="p") if whole else policy(role, bucket="b", prefix="p")

    def may(action: str, key: str, context: dict[str, str] | None = None) -> bool:
        return allowed(document, Ask(action, f"arn:aws:s3:::b/p/{key}", context or {}, me))

    part = {"s3:ObjectCreationOperation": "false"}
    assert may("s3:PutObject", "shares/x", part) == (role == "owner")
    assert may("s3:PutObject", "shares/x", {"s3:if-none-match": "*"}) == (role == "owner")
    assert not may("s3:PutObject", "shares/x")
    assert not may("s3:PutObject", "packs/x", part)
    assert may("s3:AbortMultipartUpload", "shares/x") == (role in ("collector", "owner"))
    assert not may("s3:AbortMultipartUpload", "packs/x")


@pytest.mark.parametrize("dialect", ["minio", "ceph"])
def test_a_server_that_does_not_know_the_condition_is_told_none_and_the_user_is(dialect: str) -> None:
    """MinIO refuses a policy with a key that it does not know, and Ceph would refuse every upload."""
    assert "if-none-match" not in json.dumps(policy("writer", bucket="b", dialect=dialect))
    assert any("may overwrite" in line for line in caveats("writer", dialect=dialect))


@pytest.mark.parametrize(("role", "ids"), [*((role, ()) for role in ROLES), ("writer", ("0" * 16,))])
def test_a_policy_fits_a_session(role: str, ids: tuple[str, ...]) -> None:
    """With a bucket and a prefix of 56 characters together."""
    assert size(policy(role, bucket="b" * 36, prefix="p" * 20, experiments=ids)) <= LONGEST


def test_google_is_told_conditions_with_at_most_twelve_operators() -> None:
    """Its IAM takes no more in one expression."""
    ids = [f"{n:016x}" for n in range(1 << 60, 1 << 63, 1 << 58)]
    found = policy("writer", bucket="b", prefix="p", dialect="gcs", experiments=ids)["bindings"]
    assert len(found) > 2
    assert all(each["condition"]["expression"].count("||") <= 12 for each in found)
    assert {each["role"] for each in found} == {"roles/storage.objectViewer", "roles/storage.objectCreator"}


@pytest.mark.parametrize("given", [{"prefix": "p*"}, {"prefix": 'p"'}, {"bucket": ""}, {"dialect": "azure"}])
def test_what_a_policy_cannot_say_exactly_is_refused(given: dict[str, str]) -> None:
    """A star in a prefix would open its neighbours."""
    with pytest.raises(InvalidArgumentError):
        policy("reader", **{"bucket": "b", **given})


@pytest.mark.parametrize(("role", "ids"), [("nobody", ()), ("writer", ("x",)), ("writer", ("0" * 15 + "*",))])
def test_a_role_or_id_that_cannot_be_is_refused(role: str, ids: tuple[str, ...]) -> None:
    with pytest.raises(InvalidArgumentError):
        rights_of(role, ids)


@pytest.mark.parametrize("role", ["collector", "owner"])
def test_who_works_on_all_of_a_store_cannot_be_limited(role: str) -> None:
    with pytest.raises(InvalidArgumentError):
        rights_of(role, ["0" * 16])


def test_a_limited_writer_creates_in_its_experiment_and_what_all_share() -> None:
    """Of the others it neither writes nor reads a log."""
    id = experiment_id("vision")
    rights = rights_of("writer", [id])
    assert rights.put == ("canary", f"experiments/{id}/", f"runs/{id[:8]}", "packs/", "hints/", "gc/damaged/")
    assert not {"", "runs/", "experiments/", "models/", "names/", "catalog/", "keys/"} & set(rights.get)
    assert rights.delete == ()


@pytest.mark.parametrize("role", ROLES)
def test_every_right_is_to_keys_that_there_are(role: str) -> None:
    """A prefix that no key of SPEC.md begins with is a slip."""
    tops = {shape.pattern.replace("\\", "").split("/")[0] for shape in SHAPES.values()}
    tops |= {"runs", "experiments", "models", "names", "keys"}
    rights = rights_of(role)
    assert {key.split("/")[0] for key in (*rights.get, *rights.put, *rights.delete) if key} <= tops


@pytest.mark.parametrize("role", ROLES[:3])
def test_only_an_owner_makes_or_deletes_what_a_store_is(role: str) -> None:
    """The descriptor, the keys, and other people's names are out of reach of the others' deletions."""
    rights = rights_of(role)
    kept = ("holdall.json", "canary", "keys/", "experiments/", "models/", "names/", "gc/0000")
    assert not any(key.startswith(begin) for key in kept for begin in rights.delete)
    assert not any(key.startswith(begin) for key in ("holdall.json", "keys/") for begin in rights.put)


def test_a_buckets_policy_denies_the_rest() -> None:
    """To who is named all but the role; to all others every object; to all whatever would overwrite."""
    found = bucket_policy({"reader": ["arn:aws:iam::1:role/r"]}, bucket="b", prefix="p")["Statement"]
    denied = [each for each in found if each["Effect"] == "Deny"]
    assert {"AWS": "arn:aws:iam::1:role/r"} in [each["Principal"] for each in denied]
    assert any(each.get("NotAction") == ["s3:ListBucket", "s3:GetObject"] for each in denied)
    overwriting = {"Null": {"s3:if-none-match": "true"}, "Bool": {"s3:ObjectCreationOperation": "true"}}
    assert any(each.get("Condition") == overwriting for each in denied)
    assert any("ArnNotEquals" in each.get("Condition", {}) for each in denied)


@pytest.mark.parametrize("dialect", ["minio", "gcs"])
def test_a_bucket_that_denies_nothing_says_so(dialect: str) -> None:
    with pytest.raises(InvalidArgumentError):
        bucket_policy({"reader": ["x"]}, bucket="b", dialect=dialect)


def test_a_buckets_policy_for_nobody_is_refused() -> None:
    """It would lock everybody out."""
    with pytest.raises(InvalidArgumentError):
        bucket_policy({"reader": []}, bucket="b")


@pytest.mark.parametrize(("days", "mode"), [(0, "GOVERNANCE"), (36501, "GOVERNANCE"), (1, "governance")])
def test_a_lock_that_no_bucket_takes_is_refused(days: int, mode: str) -> None:
    with pytest.raises(InvalidArgumentError):
        lock(days, mode)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_the_command_prints_a_document_and_says_beside_it_what_is_not_prevented(dialect: str, shell: Shell) -> None:
    """The standard output is JSON and nothing else, so that it can be given to the server's own tool."""
    done = shell.run("--store", "s3://b/p", "store", "policy", "writer", "-e", "vision", "--for", dialect)
    wanted = policy("writer", bucket="b", prefix="p", dialect=dialect, experiments=[experiment_id("vision")])
    assert json.loads(done.stdout) == wanted
    said = done.stderr.splitlines()
    assert said[:-1] == [
        f"not prevented: {line}" for line in caveats("writer", dialect=dialect, experiments=["0" * 16])
    ]
    assert said[-1].startswith("this is of a store that is not encrypted")  # whose ids of experiments are others


def test_the_command_prints_a_buckets_policy_and_a_lock(shell: Shell) -> None:
    """Several roles in one document, since a bucket has one policy."""
    words = ("--store", "s3://b", "store", "policy", "reader", "--bucket-policy", "arn:aws:iam::1:role/r")
    done = shell.run(*words, "--bucket-policy", "owner=arn:aws:iam::1:role/o")
    wanted = bucket_policy({"reader": ["arn:aws:iam::1:role/r"], "owner": ["arn:aws:iam::1:role/o"]}, bucket="b")
    assert json.loads(done.stdout) == wanted
    assert json.loads(shell.run("store", "policy", "--lock", "7").stdout) == lock(7)


def test_a_folder_has_no_policy(shell: Shell) -> None:
    """Its rights are the file system's."""
    assert "is in no bucket" in shell("store", "policy", "reader", code=2)
    assert "which role" in shell("store", "policy", code=2)


def test_a_stores_verbs_take_names() -> None:
    """The store knows its bucket, its prefix and the ids of its experiments."""
    there = holdall.open("s3://b/p").maintenance
    ids = [experiment_id("vision")]
    assert there.access_policy("writer", experiments=["vision"]) == policy(
        "writer", bucket="b", prefix="p", experiments=ids
    )
    with_key = holdall.open("s3://b/p", unlock=holdall.Unlock(passphrase="of no store that is asked")).maintenance
    assert with_key.access_policy("reader") == policy("reader", bucket="b", prefix="p")
    assert there.bucket_policy({"reader": ["a"]}) == bucket_policy({"reader": ["a"]}, bucket="b", prefix="p")


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path)
