"""Key pairs that sign: made, loaded from files, written to files. Public keys, and their kinds: `public_keys.py`."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, NoReturn, Self, TypeAlias

from holdall.errors import SigningKeyError
from holdall.format.signature import MAX_SIGNATURE
from holdall.signing.public_keys import PublicKey, cryptography, ecdsa, kind_of, public_of, text_of

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    _Private: TypeAlias = Ed25519PrivateKey | EllipticCurvePrivateKey

KINDS: Final = {"ed25519": None, "p256": "SECP256R1"}  # that are made here, and the curves


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
            return cls._of(cryptography("hazmat.primitives.asymmetric.ed25519").Ed25519PrivateKey.generate())
        curves = cryptography("hazmat.primitives.asymmetric.ec")
        return cls._of(curves.generate_private_key(getattr(curves, curve)()))

    @classmethod
    def _of(cls, private: _Private) -> Self:
        """Return the key of an object of `cryptography`."""
        found = cls(public_of(private.public_key()), _signer(private))
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
        coding, file = cryptography("hazmat.primitives.serialization"), os.fspath(path)
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


def _create(path: str, data: bytes, mode: int) -> None:
    try:
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:  # noqa: PTH123
            file.write(data)
    except OSError as error:
        raise SigningKeyError(path, f"it cannot be written: {error}") from error


def _private(text: str, passphrase: bytes | None, where: str) -> _Private:
    coding, exceptions = cryptography("hazmat.primitives.serialization"), cryptography("exceptions")
    load = coding.load_ssh_private_key if "OPENSSH PRIVATE KEY" in text else coding.load_pem_private_key
    try:
        try:
            found: _Private = load(text.encode(), passphrase or None)
        except TypeError:  # a passphrase that the key does not need is none too many
            if not passphrase:
                raise
            found = load(text.encode(), None)
        kind_of(found.public_key())
    except (ValueError, TypeError, AttributeError, exceptions.UnsupportedAlgorithm) as error:
        raise SigningKeyError(where, f"it is no private key that signs here: {error}") from error
    return found


def _signer(private: Any) -> Callable[[bytes], bytes]:
    kind = kind_of(private.public_key())
    return private.sign if kind == "ed25519" else lambda data: private.sign(data, ecdsa(kind))


def _as_bytes(passphrase: str | bytes | None) -> bytes | None:
    return passphrase.encode() if isinstance(passphrase, str) else passphrase
