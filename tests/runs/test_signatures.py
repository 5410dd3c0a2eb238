"""Signatures of runs: of what is there, by who has the key, and of nothing else."""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from tests.support.stores import tiny_store

from holdall.chunks.pool import Pool
from holdall.errors import (
    ArtifactNotFoundError,
    IntegrityError,
    NotSignedError,
    RunNotFoundError,
    SigningKeyError,
    StorageError,
)
from holdall.format.signature import PREFIX, parse_signature
from holdall.runs.signatures import SignatureInfo
from holdall.signing.keys import SigningKey
from holdall.signing.public_keys import PublicKey
from holdall.storage.bucket import Bucket
from holdall.storage.memory import MemoryBucket
from holdall.storage.wrappers import TraceBucket
from holdall.store import Run, Store

ANNA, EVE = SigningKey.generate(), SigningKey.generate("p256")


@pytest.fixture
def bucket() -> MemoryBucket:
    return MemoryBucket()


@pytest.fixture
def store(bucket: Bucket) -> Store:
    return tiny_store(bucket)


@pytest.fixture
def run(store: Store) -> Run:
    """A run with a small file, a large one, two that share content, and an empty one."""
    run = store.runs.start()
    run.log_text("small", "a.txt")
    run.log_bytes(random.Random(1).randbytes(100_000), "deep/large.bin")
    run.log_text("small", "deep/again.txt")
    run.log_bytes(b"", "deep/empty")
    return run


def tag_in(run: Run) -> tuple[str, str]:
    [found] = [(key, text) for key, text in run.state.tags.items() if key.startswith(PREFIX)]
    return found


@pytest.mark.parametrize("key", [ANNA, EVE], ids=["ed25519", "p256"])
def test_what_is_signed_is_verified(run: Run, key: SigningKey) -> None:
    """By any handle, before the run ends and after; the answer names the key, the time and the store."""
    made = run.sign(key)
    run.finish()
    found = run.verify(signed_by=key.public)
    assert found.signatures == [made]
    assert (made.key, made.problem, made.of) == (key.public.fingerprint, "", "run")
    assert made.store == run._location.descriptor.store
    assert (found.files, found.digest) == (4, run.manifest_digest)


def test_one_of_the_keys_is_enough_and_no_other_will_do(run: Run) -> None:
    """Whoever else signed it."""
    run.sign(ANNA)
    [found] = run.verify(signed_by=[EVE.public, ANNA.public]).signatures
    assert found.key == ANNA.public.fingerprint
    with pytest.raises(NotSignedError, match="no signature by any of them"):
        run.verify(signed_by=EVE.public)
    run.sign(EVE)
    assert len(run.verify().signatures) == 2
    assert run.verify(signed_by=EVE.public).signatures[0].key == EVE.public.fingerprint


def test_a_run_that_has_more_is_not_what_was_signed(run: Run) -> None:
    """A signature is of all that it held; signed again it is valid again, and the tag is the same."""
    run.sign(ANNA)
    before = tag_in(run)[0]
    run.log_text("more", "b.txt")
    with pytest.raises(NotSignedError, match="what is there now is sha256:"):
        run.verify(signed_by=ANNA.public)
    assert run.verify().signatures[0].problem
    run.sign(ANNA)
    assert tag_in(run)[0] == before
    assert run.verify(signed_by=ANNA.public)


def test_parameters_and_tags_are_not_signed(run: Run) -> None:
    """What is signed is what the run holds, and that is said."""
    run.sign(ANNA)
    run.log_param("rate", 1)
    run.set_tags({"a": "b"})
    assert run.verify(signed_by=ANNA.public)


TAMPERED: dict[str, Callable[[str], str]] = {
    "time": lambda text: text.replace('"time":17', '"time":18'),
    "digest": lambda text: json.dumps(json.loads(text) | {"digest": "sha256:" + "0" * 64}),
    "store": lambda text: json.dumps(json.loads(text) | {"store": "f" * 32}),
    "run": lambda text: json.dumps(json.loads(text) | {"run": "f" * 32}),
    "signature": lambda text: json.dumps(json.loads(text) | {"signature": "AAAA"}),
    "nothing": lambda text: "{}",
}


@pytest.mark.parametrize("name", TAMPERED)
def test_a_changed_signature_proves_nothing(run: Run, name: str) -> None:
    """Whatever is changed in its tag: it counts for no key, and is shown with what is wrong."""
    run.sign(ANNA)
    key, text = tag_in(run)
    assert TAMPERED[name](text) != text
    run.set_tags({key: TAMPERED[name](text)})
    with pytest.raises(NotSignedError):
        run.verify(signed_by=ANNA.public)
    assert [bool(each.problem) for each in run.verify().signatures] == [True]


def test_another_key_cannot_pass_for_one_that_is_known(run: Run) -> None:
    """A tag that names Anna's key, with what Eve signed."""
    run.sign(EVE)
    key, text = tag_in(run)
    forged = replace(parse_signature(key, text), key=ANNA.public.der)
    run.set_tags({key: None, forged.tag: forged.to_text()})
    with pytest.raises(NotSignedError, match="not by the key that it names"):
        run.verify(signed_by=ANNA.public)


def test_a_signature_is_of_one_run(store: Store) -> None:
    """The same files in another run are not what was signed: the tag copied there proves nothing."""
    first, second = store.runs.start(), store.runs.start()
    for run in (first, second):
        run.log_text("same", "a.txt")
    first.sign(ANNA)
    second.set_tags(dict([tag_in(first)]))
    with pytest.raises(NotSignedError, match="it is of another run"):
        second.verify(signed_by=ANNA.public)


def test_a_signature_that_was_taken_back_is_gone(run: Run) -> None:
    """Who may write may remove a tag: then nothing says that it was signed."""
    run.sign(ANNA)
    run.set_tags({tag_in(run)[0]: None})
    assert run.verify().signatures == []


def test_what_is_verified_was_read(run: Run, bucket: MemoryBucket) -> None:
    """A pack whose bytes are others is found, though its listing says what was signed; each pack is asked for."""
    run.sign(ANNA)
    run.finish()
    asked: list[str] = []
    tracing = tiny_store(TraceBucket(bucket, lambda request: asked.append(request.key)), create=False)
    tracing.runs.get(run.id).verify(signed_by=ANNA.public)
    packs = [info.key for info in bucket.list("packs/")]
    assert packs
    assert set(packs) <= set(asked)
    for pack in packs:
        data = bytearray(bucket.get(pack))
        data[9] ^= 1
        bucket.delete(pack)
        bucket.put(pack, bytes(data))
    with pytest.raises(IntegrityError):
        tiny_store(bucket, create=False).runs.get(run.id).verify(signed_by=ANNA.public)


def test_a_part_is_verified_by_a_signature_of_the_whole(run: Run) -> None:
    """Only the part is read; the signature is of all that the run lists."""
    run.sign(ANNA)
    found = run.verify("deep", signed_by=ANNA.public)
    assert (found.files, found.artifact) == (3, f"runs:/{run.id}/deep")
    with pytest.raises(ArtifactNotFoundError):
        run.verify("nowhere")


def test_many_sign_at_once_and_each_signs_what_is_there(store: Store, run: Run) -> None:
    """Beside one who logs: of the entries that lost a race none was signed as it was drafted."""
    keys = [SigningKey.generate() for _ in range(3)]
    made: list[SignatureInfo] = []
    threads = [threading.Thread(target=lambda key=key: made.append(store.runs.get(run.id).sign(key))) for key in keys]
    for each in threads:
        each.start()
    for n in range(5):
        run.log_text(str(n), f"{n}.txt")
    for each in threads:
        each.join()
    run.sign(ANNA)
    valid = {each.key for each in run.verify().signatures if not each.problem}
    assert len(made) == 3
    assert ANNA.public.fingerprint in valid


def test_a_run_is_signed_as_it_ends(store: Store) -> None:
    """In the entry that ends it, with what others logged meanwhile: no request more than without."""
    asked: list[str] = []
    bucket = TraceBucket(MemoryBucket(), lambda request: asked.append(request.verb))
    counted = tiny_store(bucket)
    counts = []
    for sign in (None, ANNA):
        run = counted.runs.start(sign=sign)
        run.log_text("x", "a.txt")
        other = tiny_store(bucket.inner, create=False, seed=7).runs.get(run.id)
        other.log_text("y", "b.txt")
        asked.clear()
        run.finish()
        counts.append(sorted(asked))
    assert counts[0] == counts[1]
    assert run.verify(signed_by=ANNA.public).files == 2


def test_a_purged_run_is_not_signed(store: Store, run: Run) -> None:
    """It is not there any more."""
    run.sign(ANNA)
    other = store.runs.get(run.id)
    run.finish()
    other.delete()
    store.maintenance.purge(run.id)
    with pytest.raises(RunNotFoundError):
        tiny_store(store._location.bucket, create=False).runs.get(run.id).sign(ANNA)


def test_a_key_that_fails_lets_the_run_end(store: Store) -> None:
    """It ends as it would, unsigned, and the error says so."""

    def fails(_: bytes) -> bytes:
        raise SigningKeyError("token", "it was pulled out")

    run = store.runs.start(sign=SigningKey(ANNA.public, fails))
    run.log_text("x", "a.txt")
    with pytest.raises(SigningKeyError, match="pulled out"):
        run.finish()
    assert run.info.status == "FINISHED"
    assert run.verify().signatures == []


def test_a_wrong_key_starts_nothing(store: Store, tmp_path: Path) -> None:
    """Neither a new run, nor one that is resumed."""
    run = store.runs.start()
    run.finish()
    with pytest.raises(SigningKeyError, match="cannot be read"):
        store.runs.start(sign=tmp_path / "none")
    with pytest.raises(SigningKeyError, match="cannot be read"):
        store.runs.resume(run.id, sign="none")
    assert len(store.runs.search()) == 1
    assert run.info.status == "FINISHED"


def test_a_copy_keeps_its_signatures(run: Run, store: Store) -> None:
    """It keeps the run's id; the signature says in which store it was made."""
    run.sign(ANNA)
    run.finish()
    other = Store._over(MemoryBucket(), Pool(), trusted=True)
    store.maintenance.copy_to(other)
    found = other.runs.get(run.id).verify(signed_by=ANNA.public)
    assert found.signatures[0].store == store._location.descriptor.store != other._location.descriptor.store


def test_a_checkpoint_and_a_collection_keep_a_signature(store: Store, run: Run) -> None:
    """It is a tag like others: entries fold it, and a collector of any version passes over it."""
    run.sign(ANNA)
    for n in range(200):
        run.log_metrics({"loss": 1.0}, step=n)
        run.flush()
    run.finish()
    store.maintenance.gc()
    assert run.verify(signed_by=ANNA.public)


def test_check_tells_of_every_signature(store: Store, run: Run) -> None:
    """Who signed what, what is no longer so, and with keys who else did; unsigned runs are not read."""
    store.runs.start().finish()
    assert store.maintenance.check_signatures() == []
    made = run.sign(ANNA)
    assert store.maintenance.check_signatures() == [made]
    assert [each.problem for each in store.maintenance.check_signatures(keys=EVE.public)] == [
        "its key is none of those that were named"
    ]
    run.log_text("more", "b.txt")
    [found] = store.maintenance.check_signatures(keys=[ANNA.public])
    assert "what is there now" in found.problem
    run.set_tags({f"{PREFIX}{'0' * 16}": "nonsense"})
    run.flush()
    assert sorted(bool(each.problem) for each in store.maintenance.check_signatures([run.id])) == [True, True]


def test_a_public_key_of_nothing_signed_nothing() -> None:
    """However it is malformed."""
    for der in (b"", b"x", ANNA.public.der[:-1], bytes(44)):
        assert not PublicKey(der).verify(ANNA.sign(b"x"), b"x")
    assert issubclass(SigningKeyError, ValueError)
    assert not issubclass(SigningKeyError, StorageError)
