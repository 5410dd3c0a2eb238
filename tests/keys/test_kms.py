"""Slots of AWS KMS, against moto's: a key that never leaves there wraps the root."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace

import boto3
import pytest
from moto import mock_aws

from holdall.errors import KeyUnavailableError, WrongKeyError
from holdall.format.layout import slot_key
from holdall.format.roots import root_proof
from holdall.format.slots import ByKms, Slot, encode_slot
from holdall.keys.kms import unwrap_by_kms
from holdall.keys.making import Maker, NewSlot, new_root
from holdall.keys.unlock import Unlock
from holdall.keys.unlocking import find_roots
from holdall.storage.memory import MemoryBucket

STORE = "01" * 16


@pytest.fixture
def arn(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A key of AWS KMS in a region that is not the default one."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_KMS"):
        monkeypatch.delenv(name, raising=False)
    with mock_aws():
        yield boto3.client("kms", region_name="eu-central-1").create_key()["KeyMetadata"]["Arn"]


def made(bucket: MemoryBucket, arn: str) -> tuple[Slot, str]:
    root = new_root(os.urandom)
    slot = Maker(bucket, STORE, os.urandom, lambda: 0).add(NewSlot(kms=arn), root)
    return slot, root_proof(root, STORE)


def test_a_key_of_kms_opens_its_slot(arn: str) -> None:
    """Nothing else has to be given; and where AWS is not to be asked, nobody is."""
    bucket = MemoryBucket()
    slot, proof = made(bucket, arn)
    assert slot.by == ByKms(arn)
    assert root_proof(find_roots(bucket, STORE, Unlock(), proof)[-1], STORE) == proof
    with pytest.raises(KeyUnavailableError, match="1 for a key of AWS KMS"):
        find_roots(bucket, STORE, Unlock(kms=False), proof)


def test_a_slot_of_kms_is_bound_to_its_place(arn: str) -> None:
    """What AWS wrapped for one slot opens as no other one: the store, the number and the epoch are its context."""
    bucket = MemoryBucket()
    slot, proof = made(bucket, arn)
    for moved in (replace(slot, number=1), replace(slot, epoch=1), replace(slot, store="02" * 16)):
        other = MemoryBucket()
        other.put(slot_key(moved.number), encode_slot(moved))
        with pytest.raises(WrongKeyError, match="InvalidCiphertext"):
            find_roots(other, moved.store, Unlock(), proof)


def test_a_refusal_of_aws_is_told(arn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With its own reason: no such profile here, no such key there."""
    bucket = MemoryBucket()
    _, proof = made(bucket, arn)
    with pytest.raises(KeyUnavailableError, match="AWS KMS did not encrypt"):
        made(bucket, arn.replace(arn[-36:], "0" * 36))
    monkeypatch.setenv("AWS_PROFILE", "nowhere")
    with pytest.raises(KeyUnavailableError, match=r"AWS KMS did not decrypt .* profile"):
        find_roots(bucket, STORE, Unlock(), proof)


@pytest.mark.parametrize(
    "key",
    ["http://evil.example", "arn:aws:kms:evil.example/:123456789012:key/x", "arn:aws:s3:eu-west-1:123456789012:key/x"],
)
def test_a_slot_sends_nobody_elsewhere(key: str) -> None:
    """Whoever writes a slot chooses no server: what is no ARN of a key is not asked for."""
    with pytest.raises(KeyUnavailableError, match="is no ARN of a key"):
        unwrap_by_kms("memory://x", key, {}, b"x")
