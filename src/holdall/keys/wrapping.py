"""How a root is wrapped into a slot of each kind, and taken out of it again.

Each key that wraps is made for one slot, of a salt or a key pair that is drawn for it, and wraps one thing.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping

from holdall.errors import InvalidArgumentError
from holdall.format.roots import derive, seal, unseal
from holdall.format.slots import ByPassphrase, ByRecipient, Slot
from holdall.keys.identities import public_key, x25519
from holdall.libraries import library

MOST_PASSPHRASE = 4096  # bytes


def passphrase_key(passphrase: str, by: ByPassphrase) -> bytes:
    """Return the key that a passphrase makes. Cost: 128 * r * 2^log_n bytes, and 0.3 s of a processor by default.

    Raises:
        InvalidArgumentError: The passphrase is empty, or longer than anybody's.
    """
    text = unicodedata.normalize("NFC", passphrase).encode("utf-8", "surrogatepass")
    if not 0 < len(text) <= MOST_PASSPHRASE:
        raise InvalidArgumentError(f"a passphrase has 1 to {MOST_PASSPHRASE} bytes, not {len(text)}")
    scrypt = library("cryptography.hazmat.primitives.kdf.scrypt", "an encrypted store", "cryptography").Scrypt
    key: bytes = scrypt(salt=by.salt, length=32, n=1 << by.log_n, r=by.r, p=by.p).derive(text)
    return key


def recipient_key(private: bytes, public: bytes, by: ByRecipient) -> bytes | None:
    """Return the key that one's private and the other's public key make; None for a public key that nobody has."""
    module = x25519()
    try:
        peer = module.X25519PublicKey.from_public_bytes(public)
        shared: bytes = module.X25519PrivateKey.from_private_bytes(private).exchange(peer)
    except ValueError:
        return None
    return derive(shared, "holdall slot recipient", by.ephemeral + by.recipient)


def wrap_by_passphrase(slot: Slot, by: ByPassphrase, passphrase: str, root: bytes) -> bytes:
    """Return a root, wrapped by a passphrase."""
    return seal(passphrase_key(passphrase, by), root, slot.about())


def unwrap_by_passphrase(slot: Slot, by: ByPassphrase, passphrase: str) -> bytes | None:
    """Return the root in a slot; None where the passphrase is another, or something of the slot was changed."""
    return unseal(passphrase_key(passphrase, by), slot.wrapped, slot.about())


def wrap_for_recipient(slot: Slot, by: ByRecipient, ephemeral: bytes, root: bytes) -> bytes:
    """Return a root, wrapped for a public key. Raises: InvalidArgumentError: it is no public key of anybody."""
    key = recipient_key(ephemeral, by.recipient, by)
    if key is None:
        raise InvalidArgumentError("the public key is one that nobody can have the identity of")
    return seal(key, root, slot.about())


def unwrap_by_identity(slot: Slot, by: ByRecipient, identity: bytes) -> bytes | None:
    """Return the root in a slot; None where it is another's, or something of the slot was changed."""
    if public_key(identity) != by.recipient:
        return None
    key = recipient_key(identity, by.ephemeral, by)
    return None if key is None else unseal(key, slot.wrapped, slot.about())


def kms_context(slot: Slot) -> Mapping[str, str]:
    """Return what AWS KMS binds a wrapped root to: text that stands in AWS's own log, too."""
    return {
        "holdall:store": slot.store,
        "holdall:slot": str(slot.number),
        "holdall:epoch": str(slot.epoch),
    }
