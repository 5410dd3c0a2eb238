"""The keys that an experiment has of its own, wrapped by the store's root: without that object nobody opens its runs.

    keys/experiments/<id>            32 random bytes, wrapped
    keys/experiments/<id>-shredded   the mark that they were destroyed; it is created before they go, and stays
    experiments/<id>/keys            the mark that it has keys of its own; it is created before its log

What seals is derived from those bytes and from the root of an epoch together, so a store that gets a new root seals
such an experiment by new keys too, and nothing is wrapped again. SPEC.md, "Keys".
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from holdall.errors import FormatError
from holdall.format.digest import parse_hex
from holdall.format.document import Json, count_of, encode_document, parse_document
from holdall.format.layout import MAX_TIME
from holdall.format.roots import KEY, SEALED, Root, check_store, derive, seal, unseal

MAX_OWN: Final = 16 << 10  # bytes of each of the documents
_SALT: Final = 16


@dataclass(frozen=True, slots=True)
class OwnKey:
    """An experiment's key, wrapped.

    Attributes: store, experiment (ids in hex), epoch (of the root that wraps it), salt, wrapped.
    """

    store: str
    experiment: str
    epoch: int
    salt: bytes
    wrapped: bytes = field(repr=False)


def wrap_own(key: bytes, root: Root, store: str, experiment: str, salt: bytes) -> OwnKey:
    """Return the 32 bytes of an experiment's key, wrapped by a root. The salt is random: no key ever wraps two."""
    about = _about(store, experiment, root.epoch)
    return OwnKey(store, experiment, root.epoch, salt, seal(derive(root.key, about, salt), key, about))


def unwrap_own(own: OwnKey, root: Root) -> bytes | None:
    """Return the key that is wrapped; None where this root did not, or something of it was changed."""
    about = _about(own.store, own.experiment, own.epoch)
    return unseal(derive(root.key, about, own.salt), own.wrapped, about)


def own_root(key: bytes, root: Root, store: str, experiment: str) -> bytes:
    """Return what the keys of an experiment's domain are derived from in the epoch of a root, as a root itself is."""
    return derive(root.key, f"holdall experiment root\n{store}\n{experiment}\n{root.epoch}", key)


def encode_own(own: OwnKey) -> bytes:
    """Return the document that holds an experiment's key."""
    return encode_document(
        {
            "store": own.store,
            "experiment": own.experiment,
            "epoch": own.epoch,
            "salt": own.salt.hex(),
            "wrapped": own.wrapped.hex(),
        }
    )


def parse_own(data: bytes, experiment: str, store: str) -> OwnKey:
    """Return the wrapped key that a document holds. Raises: FormatError, IntegrityError: it is none, or another's."""
    what = f"keys of experiment {experiment}"
    body = _body(data, experiment, store, what)
    salt, wrapped = parse_hex(body.get("salt"), _SALT, what), parse_hex(body.get("wrapped"), SEALED, what)
    return OwnKey(store, experiment, count_of(body, "epoch", what), salt, wrapped)


def encode_mark(store: str, experiment: str, time: int) -> bytes:
    """Return the document that says since when an experiment has keys of its own."""
    return encode_document({"store": store, "experiment": experiment, "time": time})


def encode_shredded(root: Root, store: str, experiment: str, time: int) -> bytes:
    """Return the document that says when they were destroyed, proven by a root: only who has one may say so."""
    proof = _proof(root, store, experiment, time)
    return encode_document(
        {"store": store, "experiment": experiment, "time": time, "epoch": root.epoch, "proof": proof}
    )


def parse_shredded(data: bytes, experiment: str, store: str, roots: Sequence[Root]) -> int | None:
    """Return when keys were destroyed, in ms since 1970 UTC; None where nobody with a root said so.

    Raises: FormatError, IntegrityError: it is no such document, or another's.
    """
    what = f"mark of experiment {experiment}"
    body = _body(data, experiment, store, what)
    time, epoch = count_of(body, "time", what), count_of(body, "epoch", what)
    proof = parse_hex(body.get("proof"), KEY, what).hex()
    root = next((root for root in roots if root.epoch == epoch), None)
    if root is None or time >= MAX_TIME:
        return None
    return time if hmac.compare_digest(_proof(root, store, experiment, time), proof) else None


def _proof(root: Root, store: str, experiment: str, time: int) -> str:
    return derive(root.key, f"holdall shredded proof\n{store}\n{experiment}\n{root.epoch}\n{time}").hex()


def _body(data: bytes, experiment: str, store: str, what: str) -> Json:
    if len(data) > MAX_OWN:
        raise FormatError(what, f"a document of {len(data)} bytes cannot be")
    body, _ = parse_document(data, what)
    check_store(body, store, what)
    if body.get("experiment") != experiment:
        raise FormatError(what, "it is of another experiment")
    return body


def _about(store: str, experiment: str, epoch: int) -> str:
    return f"holdall experiment keys\n{store}\n{experiment}\n{epoch}"
