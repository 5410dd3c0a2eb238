"""Key slots: objects that each hold one root key, wrapped so that one secret opens it.

What a slot says is text that both its wrapping and its proof are over, so nothing of it can be changed, and none can
stand for another. The proof is made with the root: who has that can tell a slot that was made by somebody who had it
from one that anybody put there. SPEC.md, "Keys".
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from holdall.errors import FormatError
from holdall.format.digest import parse_hex
from holdall.format.document import Json, count_of, encode_document, parse_document
from holdall.format.roots import MOST_EPOCHS, SEALED, Root, check_store, derive

MAX_SLOT: Final = 64 << 10  # bytes of the document
MOST_LABEL: Final = 200  # characters
MOST_CIPHER: Final = 6144  # bytes that AWS KMS makes of a key, at most
_ADDRESS: Final = 2048  # characters of a key's ARN
MOST_LOG_N, MOST_R, MOST_P = 20, 8, 4  # 1 GiB, and 20 seconds


@dataclass(frozen=True, slots=True)
class ByPassphrase:
    """How a passphrase becomes a key, by scrypt. Attributes: salt (16 bytes), log_n, r, p."""

    salt: bytes
    log_n: int = 17
    r: int = 8
    p: int = 1

    @property
    def work(self) -> int:
        """Return how much work scrypt does, of which memory is a part: 2^20 is what is usual."""
        return (self.r * self.p) << self.log_n

    def facts(self) -> Json:
        """Return its fields in a document."""
        return {"salt": self.salt.hex(), "log_n": self.log_n, "r": self.r, "p": self.p}


@dataclass(frozen=True, slots=True)
class ByRecipient:
    """Whose X25519 key opens it. Attributes: recipient (a public key), ephemeral (the other, made for the slot)."""

    recipient: bytes
    ephemeral: bytes

    def facts(self) -> Json:
        """Return its fields in a document."""
        return {"recipient": self.recipient.hex(), "ephemeral": self.ephemeral.hex()}


@dataclass(frozen=True, slots=True)
class ByKms:
    """Which key of AWS KMS opens it. Attributes: key (its ARN)."""

    key: str

    def facts(self) -> Json:
        """Return its fields in a document."""
        return {"key": self.key}


By: TypeAlias = ByPassphrase | ByRecipient | ByKms
PASSPHRASE, RECIPIENT, KMS = "passphrase", "recipient", "aws-kms"
_KINDS: Final[dict[type[Any], str]] = {ByPassphrase: PASSPHRASE, ByRecipient: RECIPIENT, ByKms: KMS}


@dataclass(frozen=True, slots=True)
class Slot:
    """One key slot.

    Attributes:
        store: The store's id, in hex.
        number: Its own, which no other slot of the store has or had.
        epoch: Which root it holds.
        time: When it was made, by its maker's clock, in ms since 1970 UTC.
        label: Whose it is, for people; no secret.
        by: What opens it; None for a kind that a later version made.
        kind: The name of that.
        wrapped: The root, wrapped.
        proof: 32 bytes that only who has the root can make.
    """

    store: str
    number: int
    epoch: int
    time: int
    label: str
    by: By | None
    kind: str
    wrapped: bytes = b""
    proof: bytes = b""

    def about(self) -> str:
        """Return what the slot says, but for the wrapped key and the proof: text that both are bound to."""
        facts = self.by.facts().values() if self.by else ()
        words = (self.store, self.number, self.epoch, self.time, self.kind, self.label, *facts)
        return "\n".join(["holdall slot", *(str(word) for word in words)])

    def proof_by(self, root: Root) -> bytes:
        """Return the proof that this slot has if somebody made it who had this root."""
        text = self.about().encode() + b"\n" + self.wrapped
        return hmac.digest(derive(root.key, "holdall slot proof"), text, "sha256")

    def proven_by(self, root: Root) -> bool:
        """Return whether somebody made this slot, as it is, who had this root."""
        return self.by is not None and hmac.compare_digest(self.proof, self.proof_by(root))


def kind_of(by: By) -> str:
    """Return the name of a kind of slot."""
    return _KINDS[type(by)]


def check_label(label: str) -> str:
    """Return a label. Raises: ValueError: it is too long, or would break a line."""
    if len(label) > MOST_LABEL or not label.isprintable():
        raise ValueError(f"a label has at most {MOST_LABEL} characters, all printable")
    return label


def encode_slot(slot: Slot) -> bytes:
    """Return the document of a slot, whose kind is known."""
    assert slot.by is not None
    head = {"store": slot.store, "slot": slot.number, "epoch": slot.epoch, "time": slot.time, "kind": slot.kind}
    keys = {"wrapped": slot.wrapped.hex(), "proof": slot.proof.hex()}
    return encode_document(head | {"label": slot.label} | slot.by.facts() | keys)


def parse_slot(data: bytes, number: int, store: str) -> Slot:
    """Return the slot of this number.

    Raises:
        FormatError: No writer makes such a slot; or one that would take too much memory or time to try.
        IntegrityError: It is another store's.
    """
    what = f"key slot {number}"
    if len(data) > MAX_SLOT:
        raise FormatError(what, f"a slot of {len(data)} bytes cannot be")
    body, _ = parse_document(data, what)
    check_store(body, store, what)
    if count_of(body, "slot", what) != number:
        raise FormatError(what, "it is another slot")
    epoch, kind, label = count_of(body, "epoch", what), body.get("kind"), body.get("label")
    if epoch >= MOST_EPOCHS or not isinstance(kind, str) or not 0 < len(kind) <= MOST_LABEL:
        raise FormatError(what, "it does not say what it holds, or what opens it")
    if not isinstance(label, str) or len(label) > MOST_LABEL or not label.isprintable():
        raise FormatError(what, f"its label is no text of at most {MOST_LABEL} printable characters")
    by, wrapped, proof = _parse_by(kind, body, what)
    return Slot(store, number, epoch, count_of(body, "time", what), label, by, kind, wrapped, proof)


def _parse_by(kind: str, body: Json, what: str) -> tuple[By | None, bytes, bytes]:
    by: By
    match kind:
        case "passphrase":
            by, size = _parse_scrypt(body, what), SEALED
        case "recipient":
            by = ByRecipient(*(parse_hex(body.get(name), 32, what) for name in ("recipient", "ephemeral")))
            size = SEALED
        case "aws-kms":
            by, size = ByKms(_parse_key(body, what)), _kms_size(body, what)
        case _:
            return None, b"", b""
    return by, parse_hex(body.get("wrapped"), size, what), parse_hex(body.get("proof"), 32, what)


def _parse_scrypt(body: Json, what: str) -> ByPassphrase:
    log_n, r, p = (count_of(body, name, what) for name in ("log_n", "r", "p"))
    if not (1 <= log_n <= MOST_LOG_N and 1 <= r <= MOST_R and 1 <= p <= MOST_P):
        raise FormatError(what, f"scrypt by log_n={log_n}, r={r}, p={p} is more than anybody is to compute, or nothing")
    return ByPassphrase(parse_hex(body.get("salt"), 16, what), log_n, r, p)


def _parse_key(body: Json, what: str) -> str:
    key = body.get("key")
    if not isinstance(key, str) or not 0 < len(key) <= _ADDRESS or not (key.isascii() and key.isprintable()):
        raise FormatError(what, "it names no key of AWS KMS")
    return key


def _kms_size(body: Json, what: str) -> int:
    wrapped = body.get("wrapped")
    size = len(wrapped) // 2 if isinstance(wrapped, str) else 0
    if not 0 < size <= MOST_CIPHER:
        raise FormatError(what, f"a key wrapped in {size} bytes cannot be")
    return size
