"""Signing what a run holds, and verifying it: everything is read, and what is read is held against what was signed.

A signature is made from the listing of the run in the very entry that keeps it: what another logs meanwhile is in it,
or the entry is made anew. What is verified is not the listing's word: each file is read whole and hashed, and the
digest that a signature is of is that of the listing whose every file was found to be so.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TypeAlias

from holdall.checking.content import Content
from holdall.display import Facts, Named, Shown
from holdall.errors import ArtifactNotFoundError, IntegrityError, NotSignedError
from holdall.format import digest
from holdall.format.document import Json
from holdall.format.signature import FILES, RUN, parse_signature
from holdall.format.tree import Entry, Kind
from holdall.runs.promise import Promise
from holdall.runs.signatures import VALID, Held, SignatureInfo, infos_of, refuse_changed, signature_op
from holdall.signing.keys import SigningKey
from holdall.signing.public_keys import PublicKey, public_keys
from holdall.trees.addresses import run_uri
from holdall.trees.blobs import RunBlobReader
from holdall.trees.view import View

Key: TypeAlias = SigningKey | str | os.PathLike[str]
Keys: TypeAlias = PublicKey | str | os.PathLike[str]

_TOGETHER, _BYTES = 256, 16 << 20  # small files that are read together, and bytes of them


@dataclass(frozen=True, slots=True, repr=False)
class Verified(Shown, Named):
    """What was read and found to be as it was logged, and who signed it.

    Attributes:
        artifact: What was read, `runs:/<run id>/<path>`.
        digest: Of its manifest: the run's, or that of the files and links at or below the path.
        files, bytes: How many there are, and their sizes together.
        signatures: Those that say something of it; with `signed_by` only the valid ones by these keys.
    """

    artifact: str
    digest: str
    files: int
    bytes: int
    signatures: Sequence[SignatureInfo]

    def _shown(self) -> Facts:
        return {**asdict(self), "signatures": [f"{each.key}: {each.problem or 'valid'}" for each in self.signatures]}


def signing_op(
    key: SigningKey,
    run_id: str,
    view: View,
    of: str,
    path: str,
    store: str,
    time: int,
    promise: Promise | None = None,
) -> Json:
    """Return the operation by which a key signs what a run holds as of a view, for the entry behind it.

    Raises:
        VersionChangedError: A version promised something else.
        Others: as `signature_op`, and IncompleteError.
    """
    held = Held.of(run_id, view)
    refuse_changed(promise, held)
    return signature_op(key, held, of, path, store, time)


def signature_of(run_id: str, op: Json) -> SignatureInfo:
    """Return the signature that an operation of `signing_op` keeps, which is of what the run holds as it is written."""
    made = parse_signature(op["key"], op["value"])
    said, key = made.statement, PublicKey(made.key)
    where = run_uri(run_id, said.path)
    return SignatureInfo(where, said.of, key.fingerprint, said.time, said.digest, said.store)


def verified(run_id: str, view: View, top: str, keys: Sequence[PublicKey] | None) -> Verified:
    """Read what a run holds at or below a path, and tell who signed it. Raises, cost: as `Run.verify`."""
    held = Held.of(run_id, view)
    entries = held.below(top)
    if top and not entries:
        raise ArtifactNotFoundError(run_id, top)
    artifact, signatures = run_uri(run_id, top), infos_of(view.state.tags, held, top, keys)
    if keys is not None:
        signatures = _counting(artifact, signatures)
    verify_content(view.paths.blobs, run_id, entries)
    files = [each for each in entries if each.kind is Kind.FILE]
    of = FILES if top else RUN
    return Verified(artifact, held.digest(of, top), len(files), sum(each.size for each in files), signatures)


def key_of(given: Key) -> SigningKey:
    """Return the key that was given, or that of a file or text. Raises: SigningKeyError."""
    return given if isinstance(given, SigningKey) else SigningKey.load(given)


def keys_of(given: Keys | Iterable[Keys]) -> list[PublicKey]:
    """Return the public keys that were given, or those of files or texts. Raises: SigningKeyError."""
    several = [given] if isinstance(given, PublicKey | str | os.PathLike) else list(given)
    found = [[each] if isinstance(each, PublicKey) else public_keys(each) for each in several]
    return [key for some in found for key in some]


def verify_content(blobs: RunBlobReader, run_id: str, entries: Iterable[Entry]) -> None:
    """Read the content of files whole, what several share once, and hold it against their SHA-256.

    Raises:
        IntegrityError: It is not what was logged.
    """
    seen = {(each.content, each.size, each.sha256): each for each in entries if each.content}
    for some in _together(seen.values()):
        contents = blobs.read([each.content for each in some if each.content])
        for each, data in zip(some, contents, strict=True):
            if len(data) != each.size or digest.sha256(data) != each.sha256:
                where = run_uri(run_id, each.path)
                raise IntegrityError(where, "its content has another SHA-256 than was logged", each.path)
    for each in seen.values():
        if not each.whole:
            Content(blobs, each, run_uri(run_id, each.path)).verify()


def _together(entries: Iterable[Entry]) -> Iterator[list[Entry]]:
    """Yield files of one chunk, some at a time."""
    some: list[Entry] = []
    for each in entries:
        if each.whole:
            some.append(each)
        if len(some) == _TOGETHER or sum(one.size for one in some) >= _BYTES:
            yield some
            some = []
    if some:
        yield some


def _counting(artifact: str, signatures: Sequence[SignatureInfo]) -> list[SignatureInfo]:
    """Return those that are valid. Raises: NotSignedError: There is none."""
    if valid := [each for each in signatures if each.problem == VALID]:
        return valid
    raise NotSignedError(artifact, signatures[-1].problem if signatures else "there is no signature by any of them")
