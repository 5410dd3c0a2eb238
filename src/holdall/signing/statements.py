"""A `model.sig` of OpenSSF model signing: a statement about a folder's files, signed, in a bundle of sigstore.

    bundle      JSON: what kind of key signed, and the envelope
    envelope    DSSE: the statement in base64, and signatures of its bytes and type together
    statement   in-toto: the files by name and digest, how they were hashed, and which were left out

The specifications are public: model signing's README, in-toto's Statement v1, DSSE v1 and sigstore's bundle 0.3. Keys
are those of `keys`; certificates and sigstore's transparency log, which need its servers, are not known here. A bundle
comes from strangers: it is bounded before it is parsed, and no name in it is opened: files that are there are held
against it. What was left out when it was signed is unsigned, whatever the statement calls it.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

from holdall.errors import FormatError, InvalidPathError, SigningKeyError
from holdall.format.digest import sha256
from holdall.format.document import Json, parse_object
from holdall.format.paths import check_path
from holdall.signing.keys import SigningKey
from holdall.signing.public_keys import PublicKey

FILE: Final = "model.sig"
MAX_BUNDLE: Final = 16 << 20  # of some 60,000 files; parsed, it may take twenty times that
ALONE: Final = "."  # the name of a file that was signed by itself, without a folder
DIGEST_SIZES: Final = {"sha256": 32, "blake2b": 64, "blake3": 32}

_BUNDLE: Final = "application/vnd.dev.sigstore.bundle.v0.3+json"
_STATEMENT, _PREDICATE = "https://in-toto.io/Statement/v1", "https://model_signing/signature/v1.0"
_PAYLOAD: Final = "application/vnd.in-toto+json"
_MOST_SIGNATURES: Final = 16
_CURVES: Final = ("secp256r1", "secp384r1", "secp521r1")  # that the package model-signing knows


@dataclass(frozen=True, slots=True)
class Resource:
    """A file, or a part of one, that was signed. Attributes: path; digest; start and stop, in bytes (None: all)."""

    path: str
    digest: bytes
    start: int = 0
    stop: int | None = None


@dataclass(frozen=True, slots=True)
class Bundle:
    """A `model.sig` as it was read; whether it is right only a key tells.

    Attributes:
        algorithm: What files were hashed with: `sha256`, `blake2b` or `blake3`.
        resources: What was signed.
        payload: The statement's bytes.
        signatures: Of it.
    """

    algorithm: str
    resources: tuple[Resource, ...]
    payload: bytes
    signatures: tuple[bytes, ...]

    def signer(self, keys: Collection[PublicKey]) -> PublicKey | None:
        """Return the key that signed it, of those given; None if none of them did."""
        signed = _authenticated(self.payload)
        return next((key for key in keys if any(key.verify(each, signed) for each in self.signatures)), None)


def sign_files(name: str, files: Mapping[str, bytes], key: SigningKey, *, links: bool = False) -> bytes:
    """Return a `model.sig` of files, as the package model-signing verifies it.

    Args:
        name: What to call the model.
        files: The SHA-256 of each file, by its path in the folder.
        key: What signs; of a NIST curve.
        links: Whether some of them are links to others.

    Raises:
        SigningKeyError: The key is of another kind, or does not sign.
    """
    if (kind := key.public.kind) not in _CURVES:
        reason = "model.sig takes keys of P-256, P-384 or P-521, as `holdall signing-key new --kind p256` makes one"
        raise SigningKeyError(f"{key.public.fingerprint} ({kind})", reason)
    payload = json.dumps(_statement(name, files, links), indent=2).encode()
    signature = key.sign(_authenticated(payload))
    envelope = {"payload": _base64(payload), "payloadType": _PAYLOAD}
    envelope["signatures"] = [{"sig": _base64(signature), "keyid": ""}]  # type: ignore[assignment]
    hint = sha256(key.public.to_pem().encode()).hex()
    material = {"publicKey": {"hint": hint}, "tlogEntries": []}
    bundle = {"mediaType": _BUNDLE, "verificationMaterial": material, "dsseEnvelope": envelope}
    return json.dumps(bundle, separators=(",", ":")).encode()


def _statement(name: str, files: Mapping[str, bytes], links: bool) -> Json:
    ordered = sorted(files.items(), key=lambda one: one[0].split("/"))
    resources = [{"name": path, "algorithm": "sha256", "digest": found.hex()} for path, found in ordered]
    serialization = {"method": "files", "hash_type": "sha256", "allow_symlinks": links, "ignore_paths": [FILE]}
    return {
        "_type": _STATEMENT,
        "subject": [{"name": name, "digest": {"sha256": sha256(b"".join(found for _, found in ordered)).hex()}}],
        "predicateType": _PREDICATE,
        "predicate": {"serialization": serialization, "resources": resources},
    }


def parse_bundle(data: bytes, what: str = FILE) -> Bundle:
    """Return what a `model.sig` says.

    Raises:
        FormatError: It is none, or one that is not known here, such as one signed by a certificate.
    """
    if len(data) > MAX_BUNDLE:
        raise FormatError(what, f"it has more than {MAX_BUNDLE >> 20} MiB")
    body = parse_object(data, what, "it")
    if "publicKey" not in _object(body, "verificationMaterial", what):
        raise FormatError(what, "it was signed by a certificate or through sigstore; only keys are verified here")
    envelope = _object(body, "dsseEnvelope", what)
    if envelope.get("payloadType") != _PAYLOAD:
        raise FormatError(what, f"it is of {str(envelope.get('payloadType'))[:80]!r}, not of {_PAYLOAD}")
    payload, signatures = _bytes(envelope, "payload", what), _list(envelope, "signatures", what)
    if not 0 < len(signatures) <= _MOST_SIGNATURES:
        raise FormatError(what, f"it has 1 to {_MOST_SIGNATURES} signatures, not {len(signatures)}")
    algorithm, resources = _resources(parse_object(payload, what, "its statement"), what)
    return Bundle(algorithm, resources, payload, tuple(_bytes(each, "sig", what) for each in signatures))


def _resources(statement: Json, what: str) -> tuple[str, tuple[Resource, ...]]:
    if (statement.get("_type"), statement.get("predicateType")) != (_STATEMENT, _PREDICATE):
        raise FormatError(what, f"its statement is none of {_PREDICATE}")
    predicate = _object(statement, "predicate", what)
    how = _object(predicate, "serialization", what)
    algorithm, method = how.get("hash_type"), how.get("method")
    if not isinstance(algorithm, str) or algorithm not in DIGEST_SIZES or method not in ("files", "shards"):
        raise FormatError(what, f"it hashes {str(method)[:40]!r} by {str(algorithm)[:40]!r}, which is not known here")
    found = [_resource(each, algorithm, method == "shards", what) for each in _list(predicate, "resources", what)]
    if len({(each.path, each.start) for each in found}) != len(found):
        raise FormatError(what, "it names a file twice")
    return algorithm, tuple(found)


def _resource(given: Json, algorithm: str, shards: bool, what: str) -> Resource:
    name, used = given.get("name"), str(given.get("algorithm"))
    try:
        digest = bytes.fromhex(str(given.get("digest")))
        path, *span = str(name).rsplit(":", 2) if shards else [str(name)]
        if path != ALONE:
            check_path(path)
        start, stop = map(int, span) if shards else (0, None)
    except (ValueError, InvalidPathError) as error:
        raise FormatError(what, f"it names no file by {str(name)[:80]!r}: {error}") from error
    fits = used.startswith(f"{algorithm}-sharded-") if shards else used == algorithm
    if not isinstance(name, str) or not fits or len(digest) != DIGEST_SIZES[algorithm]:
        raise FormatError(what, f"it has no {algorithm} of {str(name)[:80]!r}")
    return Resource(path, digest, start, stop)


def _authenticated(payload: bytes) -> bytes:
    """Return what DSSE signs: the payload with its type and both lengths."""
    kind = _PAYLOAD.encode()
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)


def _object(body: Mapping[str, Any], name: str, what: str) -> Json:
    found = body.get(name)
    if not isinstance(found, dict):
        raise FormatError(what, f"it has no {name}")
    return found


def _list(body: Mapping[str, Any], name: str, what: str) -> list[Json]:
    found = body.get(name)
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        raise FormatError(what, f"its {name} is no list of objects")
    return found


def _bytes(body: Mapping[str, Any], name: str, what: str) -> bytes:
    try:
        return base64.b64decode(str(body.get(name)), validate=True)
    except (binascii.Error, ValueError) as error:
        raise FormatError(what, f"its {name} is not base64") from error


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
