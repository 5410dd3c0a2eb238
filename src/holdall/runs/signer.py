"""Signing what a run holds, and verifying it: the verbs. What they do is in `verifying`, which few runs need."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from holdall.errors import DamageError, RunNotFoundError
from holdall.format.document import Json
from holdall.format.signature import is_signature_tag
from holdall.runs.reading import RunReader
from holdall.runs.writing import RunWriter
from holdall.trees.session import Draft, Session

if TYPE_CHECKING:
    from holdall.runs.signatures import SignatureInfo
    from holdall.runs.verifying import Key, Keys, Verified


class RunVerifier(RunReader):
    """Verifying what a run holds: a part of `Run` and of `RunSnapshot`."""

    def verify(self, path: str | None = None, *, signed_by: Keys | Iterable[Keys] | None = None) -> Verified:
        """Read all that the run holds, verify every digest, and tell who signed it.

        Args:
            path: Only what is at or below this path: a signature of just this counts, or one of the whole run.
            signed_by: Public keys, or files or texts of them: one of them must have signed it.

        Returns:
            What was read, and the signatures. Without `signed_by` anyone may have made them: only that a key is one
            that you know says who it was.

        Raises:
            NotSignedError: None of the keys in `signed_by` signed what is there now.
            IntegrityError, IncompleteError: Something is not what was logged.
            ArtifactNotFoundError: The run holds nothing at the path.
            SigningKeyError: There is no such key.

        What is elsewhere (references) is not read: the files that say where are.

        Cost: reading everything; about one request for each 16 MiB of it.

        Example:
            >>> key = holdall.SigningKey.generate()
            >>> signature = run.sign(key)
            >>> run.verify(signed_by=key.public).files
            2
        """
        from holdall.runs.verifying import keys_of, verified

        keys = None if signed_by is None else keys_of(signed_by)
        return self._reading(lambda view: verified(self.id, view, path or "", keys), content=True)

    def _signatures(self, path: str) -> list[SignatureInfo]:
        """Return the signatures of what is at or below a path, by the look that the handle takes; no content is read.

        Cost: none where the run has none; else its tree.
        """
        view = self._view()
        if not any(map(is_signature_tag, view.state.tags)):
            return []
        from holdall.runs.signatures import Held, infos_of, unreadable

        try:
            return infos_of(view.state.tags, Held.of(self.id, view), path)
        except DamageError as error:  # what is whole of the run is shown all the same
            return [unreadable(self.id, str(error))]


class RunSigner(RunWriter, RunVerifier):
    """Signing what a run holds, and verifying it: a part of `Run`."""

    def sign(self, key: Key) -> SignatureInfo:
        """Sign what the run holds now: its key's owner answers for it, to whoever knows the key.

        The run may go on; what is logged later is not signed, and then the signature is no longer of the whole run.

        Args:
            key: The key, or its file, or its text.

        Returns:
            The signature, which is kept in the run.

        Raises:
            SigningKeyError: There is no such key, or it does not sign.
            RunDeletedError: The run was deleted.
            IncompleteError: Some of the run cannot be read, so nobody can answer for it.
            MissingLibraryError: The package `cryptography` is not installed.

        Cost: reading the run's tree, and one PUT. No content is read.

        Example:
            >>> key = holdall.SigningKey.generate()
            >>> run.sign(key).key == key.public.fingerprint
            True
        """
        return self._sign(key, "run", "")

    # --- inside ---

    def _sign(self, key: Key, of: str, path: str) -> SignatureInfo:
        from holdall.runs.verifying import key_of, signature_of, signing_op

        used, session, store, time = key_of(key), self._writing(), self._store_id, self._location.clock()
        made: list[Json] = []

        def draft() -> Draft:
            made[:] = [signing_op(used, self.id, session.view, of, path, store, time, self._promise)]
            return Draft(made)

        if session.append(draft) is None:
            raise RunNotFoundError(self.id, self._location.bucket.url, True)
        return signature_of(self.id, made[0])

    def _sign_at_end(self, key: Key | None) -> None:
        """Have the entry that ends the run in this process sign it, as it is then. Raises: SigningKeyError."""
        if key is None:
            return
        from holdall.runs.verifying import key_of, signing_op

        used = key_of(key)

        def last_words(session: Session) -> list[Json]:
            time = self._location.clock()
            return [signing_op(used, self.id, session.view, "run", "", self._store_id, time)]

        self._hold.last_words = last_words

    @property
    def _store_id(self) -> str:
        return self._location.descriptor.store


def checked_key(key: Key | None) -> Key | None:
    """Return a key that was loaded from what was given, so that a wrong one begins nothing. Raises: SigningKeyError."""
    if key is None:
        return None
    from holdall.runs.verifying import key_of

    return key_of(key)
