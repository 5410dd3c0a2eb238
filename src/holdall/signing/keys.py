"""Key pairs that sign, and public keys that tell whether one did.

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
from typing import TYPE_CHECKING, Any, Final, NoReturn, Self, TypeAlias

from holdall.errors import SigningKeyError
from holdall.format.signature import MAX_KEY, MAX_SIGNATURE, fingerprint
from holdall.libraries import library

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey, EllipticCurvePublicKey
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

    _Private: TypeAlias = Ed25519PrivateKey | EllipticCurvePrivateKey
    _Public: TypeAlias = Ed25519PublicKey | EllipticCurvePublicKey

KINDS: Final = {"ed25519": None, "p256": "SECP256R1"}  # that are made here, and the curves
_HASHES: Final = {"secp256r1": "SHA256", "secp384r1": "SHA384", "secp521r1": "SHA512"}
_MOST: Final = 1 << 16  # bytes of a key's file
_PEM: Final = "-----BEGIN "


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
        return _kind(_loaded(self.der))

    def verify(self, signature: bytes, data: bytes) -> bool:
        """Return whether its owner signed these bytes. A key that cannot be read signed nothing.

        Raises:
            MissingLibraryError: The package `cryptography` is not installed.
        """
        exceptions = _cryptography("exceptions")
        try:
            key: Any = _loaded(self.der)
            kind = _kind(key)
            key.verify(signature, data) if kind == "ed25519" else key.verify(signature, data, _ecdsa(kind))
        except (exceptions.InvalidSignature, SigningKeyError):
            return False
        return True

    def to_pem(self) -> str:
        """Return the key as PEM, which `openssl` reads. Raises: SigningKeyError: It is no key that is known here."""
        coding = _cryptography("hazmat.primitives.serialization")
        text: bytes = _loaded(self.der).public_bytes(coding.Encoding.PEM, coding.PublicFormat.SubjectPublicKeyInfo)
        return text.decode()

    def __repr__(self) -> str:
        return f"<PublicKey {self.fingerprint}>"


class SigningKey:
    """A key that signs.

    Attributes:
        public: The key by which others see that it did.
    """

    def __init__(self, public: PublicKey, sign: Callable[[bytes], bytes]) -> None:
        self.public, self._sign = public, sign

    def __repr__(self) -> str:
        return f"<SigningKey {self.public.fingerprint}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a signing key stays in its process: load it where it is needed")

    @classmethod
    def load(cls, key: str | os.PathLike[str], passphrase: str | bytes | None = None) -> Self:
        """Return the key in a file of PEM or OpenSSH, or in a text of that kind.

        Args:
            key: Its path, or the text itself.
            passphrase: What the file is encrypted by.

        Raises:
            SigningKeyError: There is no such key, its passphrase is another, or it is of no kind known here.
            MissingLibraryError: The package `cryptography` is not installed.

        Example:
            >>> key = holdall.SigningKey.generate()
            >>> key.save("anna.pem")
            >>> holdall.SigningKey.load("anna.pem").public == key.public
            True
        """
        text, where = text_of(key)
        return cls._of(_private(text, _as_bytes(passphrase), where))

    @classmethod
    def generate(cls, kind: str = "ed25519") -> Self:
        """Return a new key pair: `ed25519`, or `p256`, which OpenSSF's tool verifies too.

        Raises:
            SigningKeyError: There is no such kind.

        Example:
            >>> holdall.SigningKey.generate("p256").public.kind
            'secp256r1'
        """
        if kind not in KINDS:
            raise SigningKeyError(repr(kind), f"the kinds of keys are {', '.join(KINDS)}")
        if (curve := KINDS[kind]) is None:
            return cls._of(_cryptography("hazmat.primitives.asymmetric.ed25519").Ed25519PrivateKey.generate())
        curves = _cryptography("hazmat.primitives.asymmetric.ec")
        return cls._of(curves.generate_private_key(getattr(curves, curve)()))

    @classmethod
    def _of(cls, private: _Private) -> Self:
        """Return the key of an object of `cryptography`."""
        found = cls(_public(private.public_key()), _signer(private))
        found._private = private
        return found

    _private: _Private | None = None  # where this process holds it

    def sign(self, data: bytes) -> bytes:
        """Return the signature of some bytes, which was verified: a key that is not the public one's signs nothing.

        Raises:
            SigningKeyError: It is not by this key, or there is none.
        """
        found = self._sign(data)
        if not 0 < len(found) <= MAX_SIGNATURE or not self.public.verify(found, data):
            raise SigningKeyError(self.public.fingerprint, "what came back is no signature by this key")
        return found

    def save(self, path: str | os.PathLike[str], passphrase: str | bytes | None = None) -> None:
        """Write the key to a file of PEM that only you may read, and the public one beside it, as `<path>.pub`.

        Args:
            path: The file, which must not be there; nothing is replaced.
            passphrase: What to encrypt it by; it is not encrypted when None.

        Raises:
            SigningKeyError: It is held elsewhere, or one of both files is there.

        Example:
            >>> holdall.SigningKey.generate().save("anna.pem", passphrase="correct horse")
        """
        coding, file = _cryptography("hazmat.primitives.serialization"), os.fspath(path)
        if self._private is None:
            raise SigningKeyError(self.public.fingerprint, "it is held elsewhere, and cannot be written to a file")
        word = _as_bytes(passphrase)
        sealed = coding.BestAvailableEncryption(word) if word else coding.NoEncryption()
        text = self._private.private_bytes(coding.Encoding.PEM, coding.PrivateFormat.PKCS8, sealed)
        for place in (file, f"{file}.pub"):
            if os.path.lexists(place):  # before either is written
                raise SigningKeyError(place, "there is a file here, and keys replace nothing")
        _create(file, text, 0o600)
        _create(f"{file}.pub", self.public.to_pem().encode(), 0o644)


def public_keys(given: str | os.PathLike[str]) -> list[PublicKey]:
    """Return the public keys in a file, or in a text: blocks of PEM, or lines of OpenSSH as in `authorized_keys`.

    Raises:
        SigningKeyError: There is none, or one of them is none that is known here.
        MissingLibraryError: The package `cryptography` is not installed.
    """
    text, where = text_of(given)
    if "PRIVATE KEY-----" in text:
        raise SigningKeyError(where, "it holds a private key: name the public one, which is for others")
    coding = _cryptography("hazmat.primitives.serialization")
    blocks = [_PEM + block for block in text.split(_PEM)[1:]]
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
    if isinstance(given, str) and ("\n" in text.strip() or text.startswith((_PEM, "ssh-", "ecdsa-"))):
        return text, "the key that was given"
    try:
        with Path(text).expanduser().open("rb") as file:
            data = file.read(_MOST + 1)
        if len(data) > _MOST:
            raise SigningKeyError(text, "it is too large to be a key")
        return data.decode(), text
    except (OSError, ValueError) as error:
        raise SigningKeyError(text, f"it cannot be read: {error}") from error


def _create(path: str, data: bytes, mode: int) -> None:
    try:
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:  # noqa: PTH123
            file.write(data)
    except OSError as error:
        raise SigningKeyError(path, f"it cannot be written: {error}") from error


def _read(load: Callable[[bytes], Any], text: str, where: str) -> PublicKey:
    exceptions = _cryptography("exceptions")
    try:
        return _public(load(text.encode()))
    except (ValueError, TypeError, exceptions.UnsupportedAlgorithm) as error:
        raise SigningKeyError(where, f"it holds what is no public key of Ed25519 or a NIST curve: {error}") from error


def _private(text: str, passphrase: bytes | None, where: str) -> _Private:
    coding, exceptions = _cryptography("hazmat.primitives.serialization"), _cryptography("exceptions")
    load = coding.load_ssh_private_key if "OPENSSH PRIVATE KEY" in text else coding.load_pem_private_key
    try:
        try:
            found: _Private = load(text.encode(), passphrase or None)
        except TypeError:  # a passphrase that the key does not need is none too many
            if not passphrase:
                raise
            found = load(text.encode(), None)
        _kind(found.public_key())
    except (ValueError, TypeError, AttributeError, exceptions.UnsupportedAlgorithm) as error:
        raise SigningKeyError(where, f"it is no private key that signs here: {error}") from error
    return found


def _signer(private: Any) -> Callable[[bytes], bytes]:
    kind = _kind(private.public_key())
    return private.sign if kind == "ed25519" else lambda data: private.sign(data, _ecdsa(kind))


def _public(key: _Public) -> PublicKey:
    _kind(key)
    coding = _cryptography("hazmat.primitives.serialization")
    return PublicKey(key.public_bytes(coding.Encoding.DER, coding.PublicFormat.SubjectPublicKeyInfo))


@lru_cache(maxsize=256)
def _loaded(der: bytes) -> _Public:
    coding, exceptions = _cryptography("hazmat.primitives.serialization"), _cryptography("exceptions")
    try:
        found: _Public = coding.load_der_public_key(der[: MAX_KEY + 1])
    except (ValueError, exceptions.UnsupportedAlgorithm) as error:
        raise SigningKeyError(fingerprint(der), f"it is no public key: {error}") from error
    _kind(found)
    return found


def _kind(key: Any) -> str:
    """Return what kind a public key is. Raises: SigningKeyError: Of none that is known here."""
    if isinstance(key, _cryptography("hazmat.primitives.asymmetric.ed25519").Ed25519PublicKey):
        return "ed25519"
    curve = str(getattr(getattr(key, "curve", None), "name", ""))
    if curve not in _HASHES:
        raise SigningKeyError(type(key).__name__, "keys are of Ed25519, or of P-256, P-384 or P-521")
    return curve


def _ecdsa(curve: str) -> Any:
    hashes, curves = _cryptography("hazmat.primitives.hashes"), _cryptography("hazmat.primitives.asymmetric.ec")
    return curves.ECDSA(getattr(hashes, _HASHES[curve])())


def _as_bytes(passphrase: str | bytes | None) -> bytes | None:
    return passphrase.encode() if isinstance(passphrase, str) else passphrase


def _cryptography(module: str) -> Any:
    return library(f"cryptography.{module}", "signing", "cryptography")
