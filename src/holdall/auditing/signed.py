"""Which key signed something by an entry, and whether it did.

A signature is of what the run holds, or of some of its files, not of the entry that brings it. Whoever may write can
put one there that was made for another run or store: so it counts as right only for the run and store that it names.
"""

from __future__ import annotations

from collections.abc import Sequence

from holdall.errors import FormatError, MissingLibraryError
from holdall.format.document import Json
from holdall.format.signature import Signature, fingerprint, is_signature_tag, parse_signature
from holdall.signing.public_keys import PublicKey

Signed = tuple[str | None, bool | None]
NOBODY: Signed = (None, None)


def signature_in(ops: Sequence[Json], store: str, run: str) -> Signed:
    """Return the fingerprint of the key that signed by these operations, and whether the signature is right.

    Of several, one that is not right comes first. None tells that it was not tried: `cryptography` is not installed.
    """
    tags = [(op["key"], op["value"]) for op in ops if op["op"] == "tag" and is_signature_tag(op["key"])]
    told = [_signed(key, value, store, run) for key, value in tags if value is not None]
    return next((each for each in told if not each[1]), told[0] if told else NOBODY)


def _signed(tag: str, text: str, store: str, run: str) -> Signed:
    try:
        found = parse_signature(tag, text)
    except FormatError:
        return "", False
    return fingerprint(found.key), _is_right(found, store, run)


def _is_right(found: Signature, store: str, run: str) -> bool | None:
    if (found.statement.store, found.statement.run) != (store, run):
        return False
    try:
        return PublicKey(found.key).verify(found.signature, found.statement.to_bytes(found.key))
    except MissingLibraryError:
        return None
