"""Each verb as each role, against a bucket that enforces the role's policy: what the guide's table says of it is so."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.access.table import PAGE, ROLES, kind_of, row_of, shown, tried
from tests.access.verbs import LIMITED, SEALED, VERBS, built, noise, world
from tests.support.enforcing import ACTIONS, Ask, allowed
from tests.support.pages import asked
from tests.surfaces.test_reading_writes_nothing import READS, WRITES

from holdall.access import bucket_policy, policy, rights_of, roles_that_may
from holdall.errors import AccessDeniedError, HoldallError, NotDeletedError, StorageError
from holdall.surfaces.web.site import Site

# There are no catalogs and no shares; who makes such a store makes slots as well.
NOT_SEALED = ("maintenance.catalog", "maintenance.create", "shares.create")
ROOMS = {"runs": "Runs", "run": "Run", "experiments": "Experiments", "models": "Models", "registry": "Registry"}
ROOMS |= {"deployments": "Deployments", "maintenance": "Maintenance", "shares": "Shares"}


def test_every_verb_that_writes_is_tried() -> None:
    """A new one has to be put into the table, which then says what it needs."""
    named = {tuple(name.split(",")[0].split(".")) for name in VERBS if not name.startswith("keys.")}
    writing = {(room, verb) for room, kind in ROOMS.items() for verb in WRITES[kind]}
    assert writing - named == set()
    read = {(room, verb) for room, kind in [*ROOMS.items(), ("artifacts", "Artifacts")] for verb in READS[kind]}
    assert named - writing - read == set()
    assert set(shown()) == set(VERBS)


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.every(8)
def test_a_verb_asks_for_what_the_guide_says_and_each_role_may_what_it_says(verb: str) -> None:
    """Recorded as it is sent. All that a role may, works; all else is refused."""
    assert row_of(verb) == shown()[verb], f"python -m tests.access.table writes {PAGE.name} anew"


@pytest.mark.parametrize("verb", [verb for verb in shown() if "no" in shown()[verb].outcomes])
@pytest.mark.every(8)
def test_what_is_refused_names_the_action_and_a_role_that_has_it(verb: str) -> None:
    """For every verb and role: what is missing, and the least role whose policy has it."""
    for (role, limited), outcome in zip(ROLES, shown()[verb].outcomes, strict=True):
        if outcome == "no":
            found = tried(verb, role, limited=limited)
            assert found.error is not None
            for error in _refusals(found.error):
                verbs = [asks for asks, key in found.refused if key == error.key and ACTIONS[asks] == error.action]
                assert verbs, error
                assert f"{error.action} was refused" in error.reason
                assert f"`holdall store policy {roles_that_may(verbs[0], error.key)[0]}`" in error.hint
                assert limited or role not in roles_that_may(verbs[0], error.key)


def _refusals(error: StorageError) -> list[AccessDeniedError]:
    if isinstance(error, NotDeletedError):
        return [why for why in error.failed.values() if isinstance(why, AccessDeniedError)]
    assert isinstance(error, AccessDeniedError)
    return [error]


@pytest.mark.parametrize("role", ["writer", "collector"])
def test_a_policy_has_nothing_that_no_verb_needs(role: str) -> None:
    """Each beginning of keys that a role may create or delete at is one that some verb of its asks for."""
    number = [name for name, _ in ROLES].index(role)
    needed: dict[str, set[str]] = {"create": set(), "delete": set()}
    for row in shown().values():
        if row.outcomes[number] == "yes":
            for part in row.asks.split("; "):
                needed.setdefault(part.split()[0], set()).update(part.split()[1:])
    rights = rights_of(role)
    assert set(rights.put) <= needed["create"]
    assert set(rights.delete) <= needed["delete"]


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.every(12)
def test_on_google_each_role_may_the_same(verb: str) -> None:
    """Its bindings give what the policies of S3 give, but for who deletes, who may create there too."""
    for role, limited in ROLES:
        wanted = shown()[verb].outcomes[ROLES.index((role, limited))]
        found = tried(verb, role, limited=limited, dialect="gcs").outcome
        creates_as_well = (verb, role) == ("shares.create", "collector")  # it deletes shares
        assert found.rstrip("*") == ("yes" if creates_as_well else wanted.rstrip("*")), role


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb not in (*NOT_SEALED, *SEALED)])
@pytest.mark.every(12)
def test_in_an_encrypted_store_each_role_may_the_same(verb: str) -> None:
    """Everybody gets the key slots; what is sealed lies at the same kinds of keys."""
    for (role, limited), wanted in zip(ROLES, shown()[verb].outcomes, strict=True):
        assert tried(verb, role, limited=limited, sealed=True).outcome.rstrip("*") == wanted.rstrip("*"), role


def test_who_has_one_experiment_opens_no_other_with_own_keys(tmp_path: Path) -> None:
    """Its writer writes there and reads it; to who has another one it stays closed, though the store's key is known."""
    with world("writer", tmp_path, limited=True, sealed=True, experiment="own") as here:
        with here.store.runs.start(experiment="own") as run:
            run.log_bytes(noise("secret"), "secret.bin")
        assert here.store.runs.get(run.id).read("secret.bin") == noise("secret")
        objects = here.bucket.inner.objects
    with world("reader", tmp_path, limited=True, sealed=True) as other:
        other.bucket.inner.objects |= objects
        with pytest.raises(AccessDeniedError):
            other.store.runs.get(run.id).read("secret.bin")
        other.bucket.document = policy("reader", bucket="b", prefix="p")  # all logs and packs, but no keys of the other
        other.bucket.document["Statement"].append(
            {"Effect": "Deny", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/p/keys/experiments/*"}
        )
        with pytest.raises(HoldallError):
            other.store.runs.get(run.id).read("secret.bin")


def test_who_reads_opens_a_store_without_the_canary(tmp_path: Path) -> None:
    """Neither a reader nor who reads one experiment asks to create anything."""
    for limited in (False, True):
        with world("reader", tmp_path / str(limited), limited=limited) as here:
            here.run.download(None, here.to)
            assert {verb for verb, _ in here.bucket.asked} <= {"get", "list"}


def test_a_reader_looks_at_pages(tmp_path: Path) -> None:
    """Of `holdall ui`, which asks for nothing that a reader may not."""
    with world("reader", tmp_path) as here:
        site = Site(here.store)
        for path in ("/", "/experiments", f"/runs/{here.ids['old']}", "/models", "/store", "/search"):
            assert asked(site, path).status == 200, path
    assert not here.bucket.refused


def test_who_reads_one_experiment_sees_no_other(tmp_path: Path) -> None:
    """No log of another, no list of experiments, no name of a model, and no name of a pack that it does not know."""
    with world("reader", tmp_path, limited=True) as here:
        may = {kind_of(key) for key in here.bucket.inner.objects if here.bucket.may("get", key)}
        assert may == {"holdall.json", "experiments/", "runs/", "packs/"}
        for prefix in ("", "packs/", "packs/00/", "runs/", "experiments/", "hints/", "gc/", "catalog/"):
            assert not here.bucket.may("list", prefix), prefix
        (pack, *_) = [key for key in here.bucket.inner.objects if key.startswith("packs/")]
        assert here.bucket.may("list", pack)  # of one that it knows, whether it is there
        assert not here.bucket.may("get", "keys/experiments/" + "f" * 16)  # of another that has its own
        assert here.bucket.may("get", f"keys/experiments/{here.experiment}")
        assert not here.bucket.may("get", "runs/ffffffff" + "0" * 24 + "/log/" + "f" * 16)


@pytest.mark.parametrize("role", ["reader", "writer", "collector", "owner"])
def test_nobody_overwrites(role: str) -> None:
    """A PutObject without If-None-Match is refused on AWS, to all keys that there are."""
    document = policy(role, bucket="b", prefix="p")
    for key in built()[0]:
        assert not allowed(document, Ask("s3:PutObject", f"arn:aws:s3:::b/p/{key}"))


def test_no_role_reaches_a_neighbour_of_the_prefix() -> None:
    """What is beside the store in its bucket, or in another."""
    for role in ("reader", "writer", "collector", "owner"):
        document = policy(role, bucket="b", prefix="p")
        for arn in ("arn:aws:s3:::b/pp/x", "arn:aws:s3:::b/x", "arn:aws:s3:::bb/p/runs/x"):
            for action in ("s3:GetObject", "s3:DeleteObject"):
                assert not allowed(document, Ask(action, arn))
        assert not allowed(document, Ask("s3:ListBucket", "arn:aws:s3:::b", {"s3:prefix": "pp/"}))
        assert not allowed(document, Ask("s3:ListBucket", "arn:aws:s3:::b"))


ME, OTHER = "arn:aws:iam::1:role/me", "arn:aws:iam::1:role/other"


@pytest.mark.parametrize("role", LIMITED)
def test_a_buckets_policy_leaves_a_role_its_work_and_takes_the_rest(role: str) -> None:
    """Beside an administrator's rights, which let everybody do everything."""
    everything = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
    found = bucket_policy({role: [ME]}, bucket="b", prefix="p")
    document = {"Statement": [everything, *found["Statement"]]}
    own = policy(role, bucket="b", prefix="p")
    actions = {"s3:GetObject": {}, "s3:PutObject": {"s3:if-none-match": "*"}, "s3:DeleteObject": {}}
    for key in built()[0]:
        for action, context in actions.items():
            ask = Ask(action, f"arn:aws:s3:::b/p/{key}", context, ME)
            assert allowed(document, ask) == allowed(own, ask), (action, key)
            assert not allowed(document, Ask(action, ask.resource, context, OTHER))
        assert not allowed(document, Ask("s3:PutObject", f"arn:aws:s3:::b/p/{key}", {}, ME))
        assert not allowed(document, Ask("s3:DeleteObjectVersion", f"arn:aws:s3:::b/p/{key}", {}, ME))
    assert allowed(document, Ask("s3:ListBucket", "arn:aws:s3:::b", {"s3:prefix": "p/runs/"}, ME))
    assert not allowed(document, Ask("s3:ListBucket", "arn:aws:s3:::b", {"s3:prefix": "p/runs/"}, OTHER))
    assert not allowed(document, Ask("s3:PutBucketPolicy", "arn:aws:s3:::b", {}, ME))
    assert allowed(document, Ask("s3:PutBucketPolicy", "arn:aws:s3:::b", {}, OTHER))  # who made it can mend it
    assert allowed(document, Ask("s3:GetObject", "arn:aws:s3:::b/elsewhere", {}, OTHER))
