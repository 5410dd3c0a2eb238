"""Public keys that tell whether their owner signed something, from files and texts of PEM and OpenSSH.

Two kinds: Ed25519, the usual one; and ECDSA on a curve of NIST (P-256 with SHA-256, P-384 with SHA-384, P-521 with
SHA-512), which other tools and key services know. All of it is done by the package `cryptography`, loaded when it is
first needed. A public key is called by its fingerprint, the SHA-256 of its DER SubjectPublicKeyInfo.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from holdall.errors import SigningKeyError
from holdall.format.signature import MAX_KEY, fingerprint
from holdall.libraries import library

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    _Public: TypeAlias = Ed25519PublicKey | EllipticCurvePublicKey

PEM: Final = "-----BEGIN "
_HASHES: Final = {"secp256r1": "SHA256", "secp384r1": "SHA384", "secp521r1": "SHA512"}
_MOST: Final = 1 << 16  # bytes of a key's file


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A key that tells whether its owner signed something.

    Attributes:
        der: The key as a DER SubjectPublicKeyInfo.
    """

    der: bytes

    @property
    def fingerprint(self) -> str:
        """Return what people call it by: `sha256:` and 64 hex digits."""
        return fingerprint(self.der)

    @property
    def kind(self) -> str:
        """Return `ed25519`, or the name of its curve.

        Raises:
            SigningKeyError: It is no key of a kind that is known here.
        """
        return kind_of(_loaded(self.der))

    def verify(self, signature: bytes, data: bytes) -> bool:
        """Return whether its owner signed these bytes. A key that cannot be read signed nothing.

        Raises:
            MissingLibraryError: The package `cryptography` is not installed.
        """
        exceptions = cryptography("exceptions")
        try:
            key: Any = _loaded(self.der)
            kind = kind_of(key)
            key.verify(signature, data) if kind == "ed25519" else key.verify(signature, data, ecdsa(kind))
        except (exceptions.InvalidSignature, SigningKeyError):
            return False
        return True

    def to_pem(self) -> str:
        """Return the key as PEM, which `openssl` reads. Raises: SigningKeyError: It is no key that is known here."""
        coding = cryptography("hazmat.primitives.serialization")
        text: bytes = _loaded(self.der).public_bytes(coding.Encoding.PEM, coding.PublicFormat.SubjectPublicKeyInfo)
        return text.decode()

    def __repr__(self) -> str:
        return f"<PublicKey {self.fingerprint}>"


def public_keys(given: str | os.PathLike[str]) -> list[PublicKey]:
    """Return the public keys in a file, or in a text: blocks of PEM, or lines of OpenSSH as in `authorized_keys`.

    Raises:
        SigningKeyError: There is none, or one of them is none that is known here.
        MissingLibraryError: The package `cryptography` is not installed.
    """
    text, where = text_of(given)
    if "PRIVATE KEY-----" in text:
        raise SigningKeyError(where, "it holds a private key: name the public one, which is for others")
    coding = cryptography("hazmat.primitives.serialization")
    blocks = [PEM + block for block in text.split(PEM)[1:]]
    lines = [] if blocks else [line for line in map(str.strip, text.splitlines()) if line and line[0] != "#"]
    found = [_read(coding.load_pem_public_key, block, where) for block in blocks]
    found += [_read(coding.load_ssh_public_key, line, where) for line in lines]
    if not found:
        raise SigningKeyError(where, "there is no public key in it")
    return [*dict.fromkeys(found)]


def text_of(given: str | os.PathLike[str]) -> tuple[str, str]:
    """Return the text of a key, of a file or as given, and what to call it in an error, which never shows the text.

    Raises:
        SigningKeyError: There is no such file, or it is too large to be a key's.
    """
    text = os.fspath(given)
    if isinstance(given, str) and ("\n" in text.strip() or PEM in text or text.startswith(("ssh-", "ecdsa-"))):
        return text, "the key that was given"
    try:
        with Path(text).expanduser().open("rb") as file:
            data = file.read(_MOST + 1)
        if len(data) > _MOST:
            raise SigningKeyError(text, "it is too large to be a key")
        return data.decode(), text
    except (OSError, ValueError) as error:
        raise SigningKeyError(text, f"it cannot be read: {error}") from error


def public_of(key: _Public) -> PublicKey:
    """Return the public key that an object of `cryptography` is. Raises: SigningKeyError: It is none known here."""
    kind_of(key)
    coding = cryptography("hazmat.primitives.serialization")
    return PublicKey(key.public_bytes(coding.Encoding.DER, coding.PublicFormat.SubjectPublicKeyInfo))


@lru_cache(maxsize=256)
def _loaded(der: bytes) -> _Public:
    coding, exceptions = cryptography("hazmat.primitives.serialization"), cryptography("exceptions")
    try:
        found: _Public = coding.load_der_public_key(der[: MAX_KEY + 1])
    except (ValueError, exceptions.UnsupportedAlgorithm) as error:
        raise SigningKeyError(fingerprint(der), f"it is no public key: {error}") from error
    kind_of(found)
    return found


def kind_of(key: Any) -> str:
    """Return what kind a public key is. Raises: SigningKeyError: Of none that is known here."""
    if isinstance(key, cryptography("hazmat.primitives.asymmetric.ed25519").Ed25519PublicKey):
        return "ed25519"
    curve = str(getattr(getattr(key, "curve", None), "name", ""))
    if curve not in _HASHES:
        raise SigningKeyError(type(key).__name__, "keys are of Ed25519, or of P-256, P-384 or P-521")
    return curve


def ecdsa(curve: str) -> Any:
    """Return how `cryptography` signs on a curve, with the hash that belongs to it."""
    hashes, curves = cryptography("hazmat.primitives.hashes"), cryptography("hazmat.primitives.asymmetric.ec")
    return curves.ECDSA(getattr(hashes, _HASHES[curve])())


def _read(load: Callable[[bytes], Any], text: str, where: str) -> PublicKey:
    exceptions = cryptography("exceptions")
    try:
        return public_of(load(text.encode()))
    except (ValueError, TypeError, exceptions.UnsupportedAlgorithm) as error:
        raise SigningKeyError(where, f"it holds what is no public key of Ed25519 or a NIST curve: {error}") from error


def cryptography(module: str) -> Any:
    """Return a module of the package. Raises: MissingLibraryError."""
    return library(f"cryptography.{module}", "signing", "cryptography")
