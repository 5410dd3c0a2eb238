"""Signatures of what runs hold: made as tags of theirs, read from them, and held against what is there.

Rules without I/O but for the listing of a run's paths. Whether bytes are what the listing says is `verifying`'s to
find out. Anyone who may write can set and remove tags, so only a key that the reader knows makes a signature count.
SPEC.md, "Signatures".
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Final

from holdall.display import Facts, Named, Shown
from holdall.errors import ArtifactNotFoundError, FormatError, MissingLibraryError, VersionChangedError
from holdall.format.document import Json
from holdall.format.manifest import digest_below, manifest_digest, manifest_text
from holdall.format.signature import FILES, RUN, Signature, Statement, is_signature_tag, parse_signature
from holdall.format.tree import Entry, Kind
from holdall.runs.promise import Promise
from holdall.signing.keys import SigningKey
from holdall.signing.public_keys import PublicKey
from holdall.trees.addresses import run_uri
from holdall.trees.view import View

VALID: Final = ""  # a problem that is none


@dataclass(frozen=True, slots=True, repr=False)
class SignatureInfo(Shown, Named):
    """A signature of a run, or of files of it, as it was found; of one that is right `problem` is empty.

    Attributes:
        artifact: What is signed, `runs:/<run id>/<path>`; without a path the whole run.
        of: "run", or "files" for what is at or below the path.
        key: The fingerprint of the key, `sha256:<hex>`: whose it is you must know from elsewhere.
        time: When it was signed, in ms since 1970 UTC, as the signer's clock said; None in a local folder.
        digest: Of the manifest that was signed.
        store: The id of the store that it was signed in; a copy of the run in another store keeps it; None in a folder.
        problem: Why it proves nothing of what is there now; empty where it does.
    """

    artifact: str
    of: str
    key: str
    time: int | None
    digest: str
    store: str | None
    problem: str = ""

    def _shown(self) -> Facts:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Held:
    """What a run holds now, by the digests that signatures are of. Attributes: run_id; entries, of all its paths."""

    run_id: str
    entries: Collection[Entry]
    _digests: dict[tuple[str, str], str] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def of(cls, run_id: str, view: View) -> Held:
        """List a run. Raises: IncompleteError: Some of it cannot be read, so nothing can be said of it."""
        return cls(run_id, list(view.paths.walk()))

    def digest(self, of: str, path: str = "") -> str:
        """Return the digest of the run's manifest, or that of the files and links at or below a path."""
        if (known := self._digests.get((of, path))) is None:  # many may have signed the same
            whole = of == RUN
            known = manifest_digest(manifest_text(self.entries)) if whole else digest_below(self.below(path), path)
            self._digests[of, path] = known
        return known

    def below(self, path: str) -> list[Entry]:
        """Return what is at or below a path."""
        return [each for each in self.entries if not path or f"{each.path}/".startswith(f"{path}/")]


def signature_op(key: SigningKey, held: Held, of: str, path: str, store: str, time: int) -> Json:
    """Return the operation that says of a run, or of files of it, that a key's owner answers for them.

    Raises:
        ArtifactNotFoundError: There are no files.
        SigningKeyError: The key does not sign.
    """
    if of == FILES and not any(each.kind is not Kind.DIRECTORY for each in held.below(path)):
        raise ArtifactNotFoundError(held.run_id, path)
    said = Statement(store, held.run_id, of, path, held.digest(of, path), time)
    made = Signature(said, key.public.der, key.sign(said.to_bytes(key.public.der)))
    return {"op": "tag", "key": made.tag, "value": made.to_text()}


def refuse_changed(promise: Promise | None, held: Held) -> None:
    """Refuse to sign what a registered version's address names, if it is not what was registered.

    Raises:
        VersionChangedError: It is not.
    """
    if promise and (found := held.digest(FILES, promise.path)) != promise.digest:
        raise VersionChangedError(promise.version, run_uri(held.run_id, promise.path), promise.digest, found)


def signatures_in(tags: Mapping[str, str]) -> Iterator[Signature | FormatError]:
    """Yield what each tag keeps that should keep a signature, or why it keeps none."""
    for tag in sorted(filter(is_signature_tag, tags)):
        try:
            yield parse_signature(tag, tags[tag])
        except FormatError as error:
            yield error


def problem_of(signature: Signature, held: Held) -> str:
    """Return why a signature says nothing of what a run holds now; `VALID` where it does."""
    said = signature.statement
    if said.run != held.run_id:
        return f"it is of another run, {said.run}"
    try:
        right = PublicKey(signature.key).verify(signature.signature, said.to_bytes(signature.key))
    except MissingLibraryError as error:
        return f"it cannot be verified here: {error}"
    if not right:
        return "it is not by the key that it names, or something in it was changed"
    if said.digest != (found := held.digest(said.of, said.path)):
        return f"it is of {said.digest}, and what is there now is {found}"
    return VALID


def infos_of(
    tags: Mapping[str, str], held: Held, path: str | None = None, keys: Collection[PublicKey] | None = None
) -> list[SignatureInfo]:
    """Return the signatures that a run's tags keep, the oldest first.

    Args:
        tags: The run's.
        held: What it holds.
        path: Only those that say something of all that is at or below this path: of the run, or of just this; all of
            them when None.
        keys: Only those by one of these keys; of any when None.
    """
    known = None if keys is None else {key.der for key in keys}
    found = [_info(kept, held) for kept in signatures_in(tags) if _meant(kept, path, known)]
    return sorted(found, key=lambda each: each.time or 0)


def vouched(tags: Mapping[str, str], held: Held, path: str, digest: str, keys: Iterable[PublicKey]) -> str | None:
    """Return the fingerprint of a key that signed files: just those of a digest, at a path of a run; None if none did.

    Args:
        tags: Of the run.
        held: What it holds, as it says.
        path: Where the files were.
        digest: Of the manifest of the files that are here, as they were read.
        keys: Those that count.
    """
    if held.digest(FILES, path) != digest:
        return None
    valid = (info for info in infos_of(tags, held, path, list(keys)) if info.problem == VALID)
    return next((info.key for info in valid), None)


def unreadable(run_id: str, problem: str) -> SignatureInfo:
    """Return what stands for signatures of a run that cannot be told."""
    return SignatureInfo(run_uri(run_id), "", "", None, "", None, problem)


def _meant(kept: Signature | FormatError, path: str | None, known: Collection[bytes] | None) -> bool:
    if isinstance(kept, FormatError):
        return not path and known is None
    if known is not None and kept.key not in known:
        return False
    return path is None or kept.statement.of == RUN or kept.statement.path == path


def _info(kept: Signature | FormatError, held: Held) -> SignatureInfo:
    if isinstance(kept, FormatError):
        return unreadable(held.run_id, str(kept))
    said, key = kept.statement, PublicKey(kept.key)
    artifact = run_uri(held.run_id, said.path)
    return SignatureInfo(artifact, said.of, key.fingerprint, said.time, said.digest, said.store, problem_of(kept, held))
