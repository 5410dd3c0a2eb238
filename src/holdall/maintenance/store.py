"""Looking after a store: make one, try its bucket, check, repair and measure it, and free its space."""

from __future__ import annotations

from itertools import islice

from holdall.errors import InvalidArgumentError, NotEncryptedError
from holdall.maintenance.auditing import AuditVerbs
from holdall.maintenance.catalog import CatalogVerbs
from holdall.maintenance.copies import CopyVerbs
from holdall.maintenance.credentials import CredentialVerbs
from holdall.maintenance.encrypting import create_encrypted
from holdall.maintenance.explaining import ExplainVerbs
from holdall.maintenance.garbage import GarbageVerbs
from holdall.maintenance.health import HealthVerbs
from holdall.maintenance.keys import KeySlots
from holdall.maintenance.references import ReferenceVerbs
from holdall.maintenance.retention import RetentionVerbs
from holdall.maintenance.signatures import SignatureVerbs
from holdall.maintenance.space import SpaceVerbs
from holdall.runs.index import run_ids
from holdall.storage.probe import Report, probe
from holdall.storage.wrappers import with_shorter_deadline
from holdall.trees.location import Location

_DOCTORS_PATIENCE = 10.0  # seconds that one request may take, retries included,
_DOCTORS_TIME = 60.0  # and that all may


class Maintenance(
    HealthVerbs,
    ReferenceVerbs,
    SignatureVerbs,
    SpaceVerbs,
    GarbageVerbs,
    ExplainVerbs,
    RetentionVerbs,
    CopyVerbs,
    CatalogVerbs,
    CredentialVerbs,
    AuditVerbs,
):
    """Looking after a store: make it, try its bucket, check and measure it."""

    def __init__(self, location: Location) -> None:
        self._location = location

    def create(
        self, *, encrypt: bool = False, recipient: str | None = None, kms: str | None = None, label: str = ""
    ) -> Report:
        """Make a store here, if the bucket can keep one.

        An encrypted store is made by who opens it with `unlock`: its first key is what `recipient` or `kms` names, or
        else the passphrase of `unlock`, or its first identity. **Without a key nobody can ever read it**: add a second
        one with `keys.add`, and keep that elsewhere.

        Args:
            encrypt: Whether content, names and all that is logged are encrypted before they leave this machine. It
                cannot be changed afterwards. What stays visible: `holdall guide encryption`.
            recipient: Of an encrypted store: the public key, or the file of one, whose identity opens it.
            kms: Of an encrypted store: the key in AWS KMS that opens it.
            label: Of an encrypted store: whose its first key is; no secret.

        Returns:
            What the bucket was found to do.

        Raises:
            StoreExistsError: There is one already.
            UnsafeBucketError: The bucket cannot keep the promise.
            InvalidArgumentError: A store is to be encrypted, and `unlock` was not given, or is no key for it.
            NotEncryptedError: It is not to be encrypted, and `unlock` takes encrypted stores alone.
            KeyUnavailableError: AWS KMS refuses.
            MissingLibraryError: The package cryptography is not installed.

        Example:
            >>> store = holdall.open("memory://made")
            >>> store.maintenance.create().safe_for_writing
            True
        """
        if encrypt:
            report = create_encrypted(self._location, recipient, kms, label)
        elif recipient or kms or label:
            raise InvalidArgumentError("recipient, kms and label are of an encrypted store: encrypt=True makes one")
        elif self._location.unlock is not None and self._location.unlock.required:
            raise NotEncryptedError(self._location.bucket.url)
        else:
            report = self._location.create()
        self._location.ready_to_write()
        return report

    @property
    def keys(self) -> KeySlots:
        """Who may open the store, if it is encrypted: key slots are listed, added and revoked.

        Example:
            >>> [slot.kind for slot in sealed.maintenance.keys.list()]
            ['passphrase']
        """
        return KeySlots(self._location)

    def doctor(self) -> Report:
        """Try what the bucket can do, at length; writes only below `probe/`, and removes it again.

        Example:
            >>> store.maintenance.doctor().safe_for_writing
            True
        """
        patient = with_shorter_deadline(self._location.bucket, _DOCTORS_PATIENCE, whole=_DOCTORS_TIME)
        return probe(patient, token=self._location.entropy(16).hex())

    def run_ids(self, beginning: str = "", *, limit: int | None = None) -> list[str]:
        """The ids of runs that begin so, deleted ones too, at most so many; not those that were purged.

        Cost: a listing of these runs' logs, and a GET for each that lacks its first entry.

        Example:
            >>> store.maintenance.run_ids(run.id[:12]) == [run.id]
            True
        """
        return self._location.beside_descriptor(lambda: list(islice(run_ids(self._location, beginning), limit)))
