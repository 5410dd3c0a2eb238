"""What a signature is of, as the bytes that are signed, and the tag that keeps it. SPEC.md, "Signatures".

    holdall signature 1
    store 0123...
    run 0123...
    of files "model"
    digest sha256:0123...
    time 1750000000000
    key sha256:0123...

No key is used here, and no bytes are signed: these are the rules alone.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from holdall.errors import FormatError, InvalidPathError
from holdall.format import digest
from holdall.format.document import count_of, parse_object
from holdall.format.paths import check_path

PREFIX: Final = "holdall.signature."
RUN, FILES = "run", "files"  # what is signed: all that a run holds, or the files at or below a path of it
MAX_TEXT: Final = 8_000  # characters of a tag's value
MAX_KEY, MAX_SIGNATURE = 512, 256  # bytes, decoded
_FIRST_LINE: Final = "holdall signature 1"


@dataclass(frozen=True, slots=True)
class Statement:
    """What a signer says.

    Attributes:
        store: The id of the store that it was said in.
        run: The run's id.
        of: `RUN` or `FILES`.
        path: Of the files; "" for all of the run's.
        digest: `sha256:` of the run's manifest, or of that of the files and links at or below the path.
        time: Milliseconds since 1970 UTC, by the signer's clock.
    """

    store: str
    run: str
    of: str
    path: str
    digest: str
    time: int

    def to_bytes(self, key: bytes) -> bytes:
        """Return the bytes that are signed by a key, which is given as a DER SubjectPublicKeyInfo."""
        subject = RUN if self.of == RUN else f"{FILES} {json.dumps(self.path, ensure_ascii=False)}"
        said = [("store", self.store), ("run", self.run), ("of", subject), ("digest", self.digest)]
        lines = [*said, ("time", str(self.time)), ("key", fingerprint(key))]
        return "".join(f"{line}\n" for line in (_FIRST_LINE, *(f"{name} {text}" for name, text in lines))).encode()


@dataclass(frozen=True, slots=True)
class Signature:
    """A signature as a run's tag keeps it; whether it is right only a key tells.

    Attributes:
        statement: What was signed.
        key: The public key, as a DER SubjectPublicKeyInfo.
        signature: Of the statement's bytes.
    """

    statement: Statement
    key: bytes
    signature: bytes

    @property
    def tag(self) -> str:
        """The key of the tag: of one key and subject the latest signature is kept."""
        return tag_of(self.key, self.statement.of, self.statement.path)

    def to_text(self) -> str:
        """Return the tag's value."""
        said = self.statement
        body = {"time": said.time, "store": said.store, "run": said.run, "of": said.of, "path": said.path}
        body |= {"digest": said.digest, "key": _base64(self.key), "signature": _base64(self.signature)}
        return json.dumps(body, separators=(",", ":"))


def fingerprint(key: bytes) -> str:
    """Return what people call a key by: `sha256:` of its DER SubjectPublicKeyInfo."""
    return digest.show(digest.SHA256, digest.sha256(key))


def tag_of(key: bytes, of: str, path: str) -> str:
    """Return the key of the tag that keeps a signature."""
    about = json.dumps([fingerprint(key), of, path])
    return PREFIX + hashlib.sha256(about.encode()).hexdigest()[:16]


def is_signature_tag(key: str) -> bool:
    """Return whether a tag is one that keeps a signature, or should."""
    return key.startswith(PREFIX)


def parse_signature(tag: str, text: str) -> Signature:
    """Return the signature that a tag keeps.

    Raises:
        FormatError: It keeps none, or that of another key or subject than its name says.
    """
    what = f"tag {tag}"
    if len(text) > MAX_TEXT:
        raise FormatError(what, f"a signature has at most {MAX_TEXT} characters")
    body = parse_object(text.encode(errors="replace"), what, "its value")
    said = _statement(body, what)
    found = Signature(said, _bytes(body, "key", MAX_KEY, what), _bytes(body, "signature", MAX_SIGNATURE, what))
    if found.tag != tag:
        raise FormatError(what, "it is named after another key or subject than it has")
    return found


def _statement(body: Mapping[str, object], what: str) -> Statement:
    of, path = body.get("of"), body.get("path")
    if of not in (RUN, FILES) or not isinstance(path, str) or (of == RUN and path):
        raise FormatError(what, "it says neither that it is of a run nor of which files")
    try:
        checked = check_path(path) if path else ""
    except InvalidPathError as error:
        raise FormatError(what, str(error)) from error
    store, run = (digest.parse_hex(body.get(name), 16, what).hex() for name in ("store", "run"))
    digest.parse(digest.SHA256, body.get("digest"), what)
    return Statement(store, run, str(of), checked, str(body["digest"]), count_of(body, "time", what))


def _bytes(body: Mapping[str, object], name: str, most: int, what: str) -> bytes:
    """Return a field of base64."""
    text = body.get(name)
    try:
        found = base64.b64decode(text, validate=True) if isinstance(text, str) and len(text) <= 2 * most else b""
    except (binascii.Error, ValueError):
        found = b""
    if not 0 < len(found) <= most or _base64(found) != text:
        raise FormatError(what, f"its {name} is not base64 of 1 to {most} bytes")
    return found


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
