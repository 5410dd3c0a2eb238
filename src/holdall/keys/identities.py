"""Keys of people and machines: X25519, in the texts and files of age, so that `age-keygen` makes and reads them.

    age1...                a public key: who has it can be given a store
    AGE-SECRET-KEY-1...    an identity: who has it can open what was given to its public key

A file has one on each line; lines that begin with # are remarks.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from holdall.errors import DestinationError, InvalidArgumentError, SourceUnreadableError
from holdall.keys.bech32 import decode, encode
from holdall.libraries import library

PUBLIC: Final = "age"
SECRET: Final = "age-secret-key-"
_ANY_SECRET: Final = re.compile(f"{SECRET}1[a-z0-9]{{20}}")  # whatever stands around it
_MOST: Final = 256 << 10  # bytes of a file,
_KEYS: Final = 64  # and keys in one
_SIZE: Final = 32


def public_text(public: bytes) -> str:
    """Return a public key as people write it."""
    return encode(PUBLIC, public)


def public_key(identity: bytes) -> bytes:
    """Return the public key of an identity, 32 bytes. Raises: MissingLibraryError."""
    public: bytes = x25519().X25519PrivateKey.from_private_bytes(identity).public_key().public_bytes_raw()
    return public


def read_identities(given: Path | str) -> tuple[bytes, ...]:
    """Return the identities of a file, or those that are given as text itself: a key, or all that its file holds.

    Raises:
        SourceUnreadableError: The file cannot be read.
        InvalidArgumentError: It holds something else; of that nothing is repeated.
    """
    text = str(given).strip()
    if _is_public(text):
        raise InvalidArgumentError(
            f"{text[:100]} is a public key, which opens nothing: name the file of its private one"
        )
    found = _keys_in(text, "the identity that was given") if _is_secret(text) else _lines(Path(text).expanduser())
    return tuple(_parse(SECRET, line, where) for where, line in found)


def read_recipients(given: Path | str) -> tuple[bytes, ...]:
    """Return the public keys that a text is, or those in a file.

    Raises:
        SourceUnreadableError: The file cannot be read.
        InvalidArgumentError: It holds something else; an identity is not repeated.
    """
    text = str(given).strip()
    if _is_secret(text):
        raise InvalidArgumentError(f"this is {_NOT_PUBLIC}")
    if _is_public(text):
        return (_parse(PUBLIC, text, f"recipient {text[:100]!r}"),)
    return tuple(_parse(PUBLIC, line, where) for where, line in _lines(Path(text).expanduser()))


def new_identity(path: str | os.PathLike[str], identity: bytes | None = None) -> str:
    """Write an identity to a new file, which only its owner may read, and return its public key, `age1...`.

    Args:
        path: The file, which must not be there yet.
        identity: 32 random bytes; drawn when None.

    Raises:
        DestinationError: There is something at this path, or nothing can be written there.
        MissingLibraryError: The package cryptography is not installed.

    Example:
        >>> holdall.new_identity("anna.key")
        'age1...'
    """
    identity = os.urandom(_SIZE) if identity is None else identity
    public = public_text(public_key(identity))
    text = f"# public key: {public}\n{encode(SECRET, identity).upper()}\n"
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise DestinationError(os.fspath(path), f"no key was written there: {error.strerror or error}") from error
    return public


def x25519() -> Any:
    """Return the module of X25519. Raises: MissingLibraryError."""
    return library("cryptography.hazmat.primitives.asymmetric.x25519", "an encrypted store", "cryptography")


def _lines(path: Path) -> Iterable[tuple[str, str]]:
    """Return the keys in a file, each with where it stands."""
    try:
        with path.open("rb") as file:
            data = file.read(_MOST + 1)
    except OSError as error:
        failure = SourceUnreadableError(str(path), error.strerror or str(error))
        failure.hint = failure.shell_hint = _A_FILE
        raise failure from error
    return _keys_in(data.decode("utf-8", "replace"), str(path))


def _keys_in(text: str, where: str) -> list[tuple[str, str]]:
    """Return the lines of a text that are no remarks, each with where it stands."""
    found = [(f"line {n} of {where}", line.strip()) for n, line in enumerate(text.splitlines(), 1)]
    found = [(place, line) for place, line in found if line and not line.startswith("#")]
    if not 0 < len(found) <= _KEYS or len(text) > _MOST:
        raise InvalidArgumentError(f"{where} is no file of keys: it has {len(found)} lines of them")
    return found


def _is_public(text: str) -> bool:
    return text.lower().startswith(f"{PUBLIC}1") and not _is_secret(text) and not Path(text).exists()


def _is_secret(text: str) -> bool:
    """Return whether a text is, or holds, an identity, so that it is no path, and never to be shown as one."""
    low = text.lower()
    return low.startswith(f"{SECRET}1") or _ANY_SECRET.search(low) is not None


def _parse(prefix: str, text: str, what: str) -> bytes:
    if prefix == PUBLIC and _is_secret(text):
        raise InvalidArgumentError(f"{what} is {_NOT_PUBLIC}")
    try:
        key = decode(prefix, text)
    except ValueError as error:
        raise InvalidArgumentError(f"{what} is no {_NAMES[prefix]}: {error}") from None
    if len(key) != _SIZE:
        raise InvalidArgumentError(f"{what} is no {_NAMES[prefix]}: it has {len(key)} bytes")
    return key


_A_FILE: Final = "name the file of a key, as `holdall store key new FILE` makes one (HOLDALL_IDENTITY, --recipient)"
_NOT_PUBLIC: Final = "a private key, an identity: give its public one, age1..., which a remark in its file says"
_NAMES: Final = {PUBLIC: "public key (age1...)", SECRET: "identity (AGE-SECRET-KEY-1...)"}
