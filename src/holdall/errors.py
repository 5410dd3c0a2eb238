"""Everything that can go wrong, as one tree, grouped by what you would do next.

    HoldallError
    ├── NotFoundError                  ask for something else
    │   ├── StoreNotFoundError         no store at this address
    │   ├── RunNotFoundError           no run with this id
    │   ├── ExperimentNotFoundError    no experiment with this id or name
    │   ├── ArtifactNotFoundError      the run holds no such path
    │   ├── TableNotFoundError         no run holds a table of this name
    │   ├── ModelNotFoundError         no registered model of this name
    │   ├── ModelVersionNotFoundError  the model has no such version, alias or stage
    │   ├── KeySlotNotFoundError       the store has no key slot of this number
    │   ├── GarbageNotFoundError       no such garbage generation, pack or content
    │   └── ShareNotFoundError         no share has this id
    ├── ConflictError                  choose another name
    │   ├── ArtifactExistsError        the path holds other content
    │   ├── PathConflictError          a file where a directory stands, or the reverse
    │   ├── RegisteredPathError        the path is of a registered version
    │   ├── RunHeldError               a version or a tag keeps the run from being purged
    │   ├── GroupConflictError         two ranks of a group, or one twice, have other content
    │   ├── ParamExistsError           the parameter has another value
    │   ├── ExperimentExistsError      there is an experiment of this name
    │   ├── ModelExistsError           there is a registered model of this name
    │   ├── LastKeyError               no other key slot would open the store
    │   ├── AliasMovedError            an alias points elsewhere than whoever moves it knew
    │   └── StoreExistsError           there is a store here already
    ├── RequestError                   ask differently
    │   ├── NoActiveRunError           start a run first
    │   ├── ActiveRunError             end the active run first
    │   ├── RunNotVersionedError       start a run whose paths may change
    │   ├── InvalidArgumentError       (ValueError) arguments that do not go together, or a value that is none of some
    │   ├── InvalidNameError           (ValueError) a key, value or status that cannot be kept
    │   ├── InvalidPathError           (ValueError) a path that no run may hold
    │   ├── InvalidTableError          (ValueError) a table that could not be read again
    │   ├── InvalidURIError            (ValueError) not an address that holdall knows
    │   ├── InvalidFilterError         (ValueError) a filter or order of runs that cannot be read
    │   ├── ContentError               (ValueError) not the kind of file that it was read as
    │   ├── SignatureError             (ValueError) a signature that cannot be
    │   ├── SchemaMismatchError        (ValueError) data that a model's signature does not admit
    │   ├── PayloadError               (ValueError) a request to a served model that cannot be read
    │   │   └── OversizedPayloadError  it would take more memory than the server gives one request
    │   ├── UnknownFlavorError         (TypeError) a model of a framework that no flavor knows
    │   ├── UntrustedModelError        a model that would run code, which the reader does not trust
    │   ├── NotSignedError             nothing is signed by a key that was named, or not any more
    │   ├── SigningKeyError            (ValueError) a key that cannot be read, made or signed with
    │   ├── ReferenceRefusedError      content elsewhere, at an address that the reader does not allow
    │   ├── NotShareableError          what no link can be made to
    │   ├── ModelCodeConflictError     a model whose code has the names of other code that is loaded
    │   └── MissingLibraryError        (ImportError) install what this call needs
    ├── SourceError                    mend the local file
    │   ├── SourceUnreadableError      it cannot be read
    │   ├── UnsupportedFileError       a kind of file that cannot be logged
    │   └── SourceChangedError         it changed while it was read
    ├── DestinationError               mend the local folder
    ├── FileSystemError                (OSError) what a file system of fsspec cannot do; its cause says why
    │   ├── NoSuchFileError            (FileNotFoundError) there is nothing at this path
    │   ├── FileThereError             (FileExistsError) the path holds other content
    │   ├── FileIsDirectoryError       (IsADirectoryError) a directory is where a file was asked for
    │   ├── NoDirectoryError           (NotADirectoryError) a file is where a directory was asked for
    │   └── FileForbiddenError         (PermissionError) what stays as it is, or is not allowed
    ├── ReloadError                    look again, then retry
    │   ├── RunDeletedError            the run was deleted
    │   ├── ExperimentDeletedError     the experiment was deleted
    │   ├── RunEndedError              the run was ended by this process meanwhile
    │   ├── GroupSupersededError       another try of the ranks' job took over
    │   ├── GroupIncompleteError       ranks of a group have not come yet
    │   ├── FencedOffError             content was collected before it was committed
    │   ├── CommitStateUnknownError    a commit may or may not have happened
    │   ├── WorkerLostError            workers of a cluster died over the same piece of work
    │   │   └── WorkerDiedError        a worker process of this process died
    │   └── GenerationDecidedError     a garbage generation deletes packs already, and cannot be undone
    ├── DamageError                    restore from a copy
    │   ├── IntegrityError             bytes are not those that were written
    │   │   ├── IncompleteError        of several things some cannot be read; the others were given
    │   │   └── ReferenceChangedError  content elsewhere is not what was referenced
    │   ├── VersionChangedError        a registered version is not what was registered
    │   ├── FormatError                bytes that no writer of this format makes
    │   ├── GarbageStateError          what is garbage cannot be told, so nothing may be written
    │   ├── LiveContentError           what is still needed cannot be told, so nothing may be deleted
    │   ├── ObjectTooLargeError        an object is larger than any of its kind may be
    │   └── LogGapError                a log entry is missing
    ├── KeyUnavailableError            give a key that the encrypted store takes
    │   └── WrongKeyError              the one that was given opens none of its key slots
    ├── NotEncryptedError              a store in the open, where an encrypted one was asked for
    ├── ShreddedError                  the experiment's own keys were destroyed: nobody can read its runs
    ├── UnsupportedFeatureError        upgrade holdall
    └── StorageError                   wait for the bucket, or mend it
        ├── ObjectNotFoundError        no object at this key
        ├── ObjectTooShortError        it ends before the range that was asked for
        ├── ObjectExistsError          create-only found something there
        ├── UnknownAgeError            the bucket tells no times, so nothing is told by age
        ├── NotDeletedError            of several objects some were not deleted; the others are gone
        ├── TransientStorageError      may work when tried again
        │   └── BucketUnreachableError no answer from there, or not from a bucket
        ├── AccessDeniedError          credentials are missing, wrong or expired
        ├── BucketNotFoundError        the bucket itself is not there
        ├── StorageFullError           no space or quota left
        ├── MissingBackendError        the package for this scheme is not installed
        └── UnsafeBucketError          the bucket cannot keep the promise

An error's facts are its attributes and the arguments of its constructor, so
that it survives pickling between workers; `str(error)` makes the sentence and
`error.hint` says how to mend it, in Python: a traceback ends with it. What to
do at a shell the command line says itself. An error raised in answer to
another one is chained to it, so that no cause is hidden.

`HoldallError` has what MLflow's `MlflowException` has: `error_code`, `message`,
`get_http_status_code()`, `serialize_as_json()`. The codes are MLflow's, so that
scripts that look at them go on working. A bad argument is an error of this tree
where MLflow raises its exception for it, and a ValueError too, as Python has it.
What is only wrong in Python (a text where a list is needed) stays a TypeError.

One long file on purpose: it is a list, and who decides what to catch wants to
see all of it at once.
"""

from __future__ import annotations

import errno
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import ClassVar, Final, Self

from holdall.error_codes import name_of as _name_of

_SHOWN: Final = 5  # of what is missing, in the text of an error
_SAID: Final = 2_000  # characters that one quotes at most, and so many more to say that there were more
_MORE: Final = 40
_LATEST: Final = 2**47  # ms since 1970, which a date can be made of


def _cut(text: str) -> str:
    """What is said of bytes that anybody may have written, no longer than anybody reads."""
    return text if len(text) <= _SAID + _MORE else f"{text[:_SAID]}... ({len(text)} characters)"


# MLflow's statuses of the codes that are used here; all others are 500
_STATUS: Final = {
    "BAD_REQUEST": 400,
    "INVALID_PARAMETER_VALUE": 400,
    "RESOURCE_ALREADY_EXISTS": 400,
    "PERMISSION_DENIED": 403,
    "RESOURCE_DOES_NOT_EXIST": 404,
    "ABORTED": 409,
    "RESOURCE_CONFLICT": 409,
    "RESOURCE_EXHAUSTED": 429,
    "NOT_IMPLEMENTED": 501,
    "TEMPORARILY_UNAVAILABLE": 503,
}


class HoldallError(Exception):
    """The root: `except HoldallError` catches all that holdall raises on purpose."""

    hint: str = ""
    shell_hint: str = ""  # of a case that knows more than its kind: what to do at a shell, where that is said otherwise
    error_code: str = "INTERNAL_ERROR"

    def __init__(self, *facts: object, error_code: object = None) -> None:
        """Make an error of its facts; scripts that raise `MlflowException("text", error_code=...)` give its code."""
        super().__init__(*facts)
        if error_code is not None:
            self.error_code = _name_of(error_code)

    @classmethod
    def invalid_parameter_value(cls, message: str) -> HoldallError:
        """Return an error with the code INVALID_PARAMETER_VALUE, as MLflow's exception makes one."""
        return HoldallError(message, error_code="INVALID_PARAMETER_VALUE")

    @property
    def message(self) -> str:
        """What went wrong: `str(error)`."""
        return str(self)

    def get_http_status_code(self) -> int:
        """Return the HTTP status that a server of MLflow answers with for this error's code."""
        return _STATUS.get(self.error_code, 500)

    def serialize_as_json(self) -> str:
        """Return the error's code and message as a JSON text, as a server of MLflow sends it."""
        return json.dumps({"error_code": self.error_code, "message": self.message})

    # A traceback ends with an error's notes. A hint can be set after the error is made, so its note is made when read.

    @property
    def __notes__(self) -> list[str]:
        """The lines below the error in a traceback: the hint, and what `add_note` added."""
        added: list[str] = self.__dict__.get("_notes", [])
        return [f"hint: {self.hint}", *added] if self.hint else added

    @__notes__.setter
    def __notes__(self, notes: list[str]) -> None:
        if added := [note for note in notes if note != f"hint: {self.hint}"]:
            self.__dict__["_notes"] = added
        else:
            self.__dict__.pop("_notes", None)

    def add_note(self, note: str, /) -> None:
        """Add a line to the error's traceback, below the hint."""
        self.__dict__.setdefault("_notes", []).append(note)


# --- ask for something else ---------------------------------------------------


class NotFoundError(HoldallError, LookupError):
    """What was asked for does not exist."""

    error_code = "RESOURCE_DOES_NOT_EXIST"


class StoreNotFoundError(NotFoundError):
    """There is no store at this address. Attributes: url."""

    hint = "check the address, or create a store there with holdall.open(url).maintenance.create()"

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.url = url

    def __str__(self) -> str:
        return f"there is no holdall store at {self.url}"


class RunNotFoundError(NotFoundError):
    """The store holds no run with this id. Attributes: run_id, url, purged (whether it held one, which was purged)."""

    hint = "list the runs with holdall.search_runs(search_all_experiments=True)"

    def __init__(self, run_id: str, url: str, purged: bool = False) -> None:
        super().__init__(run_id, url, purged)
        self.run_id, self.url, self.purged = run_id, url, purged

    def __str__(self) -> str:
        return f"no run {self.run_id!r} in {self.url}"


class ExperimentNotFoundError(NotFoundError):
    """The store holds no experiment with this id or name. Attributes: experiment, url."""

    hint = "list them with holdall.search_experiments(), or make it with holdall.create_experiment(name)"

    def __init__(self, experiment: str, url: str) -> None:
        super().__init__(experiment, url)
        self.experiment, self.url = experiment, url

    def __str__(self) -> str:
        return f"no experiment {self.experiment!r} in {self.url}"


class ArtifactNotFoundError(NotFoundError):
    """The run holds nothing at this path. Attributes: run_id, path."""

    hint = "list what the run holds with holdall.artifacts.list_artifacts(run_id=...)"

    def __init__(self, run_id: str, path: str) -> None:
        super().__init__(run_id, path)
        self.run_id, self.path = run_id, path

    def __str__(self) -> str:
        return f"run {self.run_id} holds no artifact at {self.path!r}"


class TableNotFoundError(NotFoundError):
    """None of the runs that were looked at holds a table of this name. Attributes: path."""

    hint = "name the runs with run_ids; holdall.artifacts.list_artifacts(run_id=...) shows what a run holds"

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.path = path

    def __str__(self) -> str:
        return f"no run was found that holds a table {self.path!r}"


class ModelNotFoundError(NotFoundError):
    """The store has no registered model of this name. Attributes: name, url, near (a name like it, or "")."""

    hint = "make it with holdall.register_model(uri, name), or find its name with holdall.registry.search_models()"

    def __init__(self, name: str, url: str, near: str = "") -> None:
        super().__init__(name, url, near)
        self.name, self.url, self.near = name, url, near

    def __str__(self) -> str:
        meant = f"; did you mean {self.near!r}?" if self.near else ""
        return f"no registered model {self.name!r} in {self.url}{meant}"


class ModelVersionNotFoundError(NotFoundError):
    """A registered model has no such version, alias or stage.

    Attributes: name, wanted (such as "version 9" or "alias 'champion'"), known (what there is instead).
    """

    hint = "see what it has with holdall.registry.get_model(name)"

    def __init__(self, name: str, wanted: str, known: str) -> None:
        super().__init__(name, wanted, known)
        self.name, self.wanted, self.known = name, wanted, known

    def __str__(self) -> str:
        return f"model {self.name!r} has no {self.wanted}; {self.known}"


class KeySlotNotFoundError(NotFoundError):
    """An encrypted store has no key slot of this number. Attributes: number, url."""

    hint = "list them with holdall.open(url).maintenance.keys.list()"

    def __init__(self, number: int, url: str) -> None:
        super().__init__(number, url)
        self.number, self.url = number, url

    def __str__(self) -> str:
        return f"there is no key slot {self.number} in {self.url}"


class GarbageNotFoundError(NotFoundError):
    """There is no such garbage generation, pack or content in the store. Attributes: what, store."""

    hint = "holdall.open(url).maintenance.gc(dry_run=True) shows the generations, check() all packs"

    def __init__(self, what: str, store: str) -> None:
        super().__init__(what, store)
        self.what, self.store = what, store

    def __str__(self) -> str:
        return f"there is no {self.what} in {self.store}"


class ShareNotFoundError(NotFoundError):
    """There is no share with this id, or several ids begin so. Attributes: id, store."""

    hint = "holdall.open(url).shares.list() shows all there are; give 8 digits or more of an id"
    shell_hint = "`holdall share list` shows all there are; give 8 digits or more of an id"

    def __init__(self, id: str, store: str) -> None:
        super().__init__(id, store)
        self.id, self.store = id, store

    def __str__(self) -> str:
        return f"no share, or more than one, has the id {_cut(self.id)} in {self.store}"


# --- choose another name --------------------------------------------------------


class ConflictError(HoldallError):
    """What you want to write stands in the way of what is there."""

    error_code = "RESOURCE_CONFLICT"


class ArtifactExistsError(ConflictError):
    """A path of a run holds other content already.

    Attributes: run_id, path, stored (what is there), offered (what was refused):
    `sha256:<hex>` for files, `link to <target>`, `directory`.
    """

    error_code = "RESOURCE_ALREADY_EXISTS"
    hint = (
        "log it under another path, or start a new run: what a run holds never changes, unless it was started with "
        "paths='versioned' and this is logged with on_conflict='replace'"
    )

    def __init__(self, run_id: str, path: str, stored: str, offered: str) -> None:
        super().__init__(run_id, path, stored, offered)
        self.run_id, self.path, self.stored, self.offered = run_id, path, stored, offered

    def __str__(self) -> str:
        return (
            f"run {self.run_id} already holds other content at {self.path!r}: "
            f"{self.stored} is stored, {self.offered} was offered"
        )


class PathConflictError(ConflictError):
    """A file stands where a directory is needed, or the reverse.

    Attributes: run_id, path (offered), standing (the path in its way).
    """

    hint = "one path cannot be a file and a directory: log it under another path"

    def __init__(self, run_id: str, path: str, standing: str) -> None:
        super().__init__(run_id, path, standing)
        self.run_id, self.path, self.standing = run_id, path, standing

    def __str__(self) -> str:
        return (
            f"cannot log {self.path!r} into run {self.run_id}: {self.standing!r} is there, "
            "and one of the two would have to be a file and a directory at once"
        )


class RegisteredPathError(ConflictError):
    """A path is at or below one that is registered as a version of a model: that stays as it is.

    Attributes: run_id, path (offered), by (the model that keeps it).
    """

    hint = "log it under another path or into a new run, and register that as the next version"

    def __init__(self, run_id: str, path: str, by: str) -> None:
        super().__init__(run_id, path, by)
        self.run_id, self.path, self.by = run_id, path, by

    def __str__(self) -> str:
        return f"run {self.run_id} takes nothing at {self.path!r}: a version of {self.by} is registered there"


class RunHeldError(ConflictError):
    """Something keeps a run from being purged. Attributes: run_id, by (what does, in words)."""

    error_code = "INVALID_STATE"
    hint = (
        "delete those versions with holdall.Client().delete_model_version(name, version), or the tag with "
        "holdall.Client().delete_tag(run_id, key); then nothing relies on what the run holds"
    )

    def __init__(self, run_id: str, by: str) -> None:
        super().__init__(run_id, by)
        self.run_id, self.by = run_id, by

    def __str__(self) -> str:
        return f"run {self.run_id} cannot be purged: it is held by {self.by}"


class GroupConflictError(ConflictError):
    """What a rank has for a group is other than what is there. Attributes: run_id, group, rank, detail (what)."""

    hint = (
        "each rank logs under paths of its own, and the same when it comes again; a job that begins again and makes "
        "other content passes a greater attempt to run.group(...)"
    )

    def __init__(self, run_id: str, group: str, rank: int, detail: str) -> None:
        super().__init__(run_id, group, rank, detail)
        self.run_id, self.group, self.rank, self.detail = run_id, group, rank, detail

    def __str__(self) -> str:
        return f"rank {self.rank} of group {self.group!r} of run {self.run_id}: {self.detail}"


class ParamExistsError(ConflictError):
    """A parameter of a run has another value already. Attributes: run_id, key, stored, offered."""

    error_code = "INVALID_PARAMETER_VALUE"
    hint = "a parameter is logged once; log what changes as a metric or a tag"

    def __init__(self, run_id: str, key: str, stored: str, offered: str) -> None:
        super().__init__(run_id, key, stored, offered)
        self.run_id, self.key, self.stored, self.offered = run_id, key, stored, offered

    def __str__(self) -> str:
        return f"run {self.run_id} has parameter {self.key!r} = {self.stored!r}; {self.offered!r} was offered"


class ExperimentExistsError(ConflictError):
    """There is an experiment of this name already. Attributes: name, deleted."""

    error_code = "RESOURCE_ALREADY_EXISTS"
    hint = "use holdall.set_experiment(name), which makes it only if there is none"

    def __init__(self, name: str, deleted: bool) -> None:
        super().__init__(name, deleted)
        self.name, self.deleted = name, deleted
        if deleted is True:
            self.hint = "take its deletion back with holdall.Client().restore_experiment(id), or choose another name"

    def __str__(self) -> str:
        return f"there is an experiment {self.name!r} already" + (", deleted but not gone" if self.deleted else "")


class ModelExistsError(ConflictError):
    """There is a registered model of this name already. Attributes: name."""

    error_code = "RESOURCE_ALREADY_EXISTS"
    hint = "add a version to it with holdall.register_model(uri, name), or choose another name"

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name

    def __str__(self) -> str:
        return f"there is a registered model {self.name!r} already"


class LastKeyError(ConflictError):
    """A key slot is the last that opens the store: without it nothing there could be read. Attributes: number, url."""

    hint = "add another key first; or, if the store is to become unreadable, revoke with force=True"

    def __init__(self, number: int, url: str) -> None:
        super().__init__(number, url)
        self.number, self.url = number, url

    def __str__(self) -> str:
        return f"key slot {self.number} is the last that opens {self.url}"


class AliasMovedError(ConflictError):
    """An alias points elsewhere than whoever moves it was shown. Attributes: name, alias, expected, found."""

    error_code = "RESOURCE_CONFLICT"
    hint = "look where it points now, and decide again"

    def __init__(self, name: str, alias: str, expected: str, found: str) -> None:
        super().__init__(name, alias, expected, found)
        self.name, self.alias, self.expected, self.found = name, alias, expected, found

    def __str__(self) -> str:
        was, now = (f"version {at}" if at else "no version" for at in (self.expected, self.found))
        return f"alias {self.alias!r} of model {self.name!r} was to be at {was}, but is at {now}; nothing changed"


class StoreExistsError(ConflictError):
    """There is a store at this address already. Attributes: url."""

    error_code = "RESOURCE_ALREADY_EXISTS"
    hint = "use it as it is, or choose another prefix"

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.url = url

    def __str__(self) -> str:
        return f"there is a holdall store at {self.url} already"


# --- ask differently ------------------------------------------------------------


class RequestError(HoldallError):
    """The call cannot be carried out as it was made."""

    error_code = "INVALID_PARAMETER_VALUE"


class NoActiveRunError(RequestError):
    """A verb needs a run, and none is active."""

    error_code = "INVALID_STATE"
    hint = (
        "wrap the call in `with holdall.start_run():`, or pass run_id=...; "
        "HOLDALL_AUTO_RUN=1 starts a run by itself, as MLflow does"
    )

    def __str__(self) -> str:
        return "there is no active run to log to"


class ActiveRunError(RequestError):
    """A run is active already. Attributes: run_id."""

    error_code = "INVALID_STATE"
    hint = "end it with holdall.end_run(), or start the other one inside it with nested=True"

    def __init__(self, run_id: str) -> None:
        super().__init__(run_id)
        self.run_id = run_id

    def __str__(self) -> str:
        return f"run {self.run_id} is active already"


class RunNotVersionedError(RequestError):
    """A path of a run was to be replaced, removed or trimmed, and the run's paths never change.

    Attributes: run_id.
    """

    error_code = "INVALID_PARAMETER_VALUE"
    hint = (
        "what a run holds never changes, unless it was started so: holdall.start_run(paths='versioned') or "
        "store.runs.start(paths='versioned'); a run that is there stays as it was started"
    )

    def __init__(self, run_id: str) -> None:
        super().__init__(run_id)
        self.run_id = run_id

    def __str__(self) -> str:
        return f"run {self.run_id} is not versioned: nothing in it can be replaced, removed or trimmed"


class InvalidArgumentError(RequestError, ValueError):
    """Arguments that do not go together, or a value that is not among the possible ones. Attributes: reason."""

    hint = "the documentation of what was called says which arguments it takes, and which of them together"

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return self.reason


class InvalidNameError(RequestError, ValueError):
    """A key, value or status that cannot be kept. Attributes: what, value, reason."""

    hint = "keys have up to 250 characters, values of parameters up to 6,000, those of tags up to 8,000"

    def __init__(self, what: str, value: str, reason: str) -> None:
        super().__init__(what, value, reason)
        self.what, self.value, self.reason = what, value, reason

    def __str__(self) -> str:
        return f"{self.what} {self.value!r}: {self.reason}"


class InvalidPathError(RequestError, ValueError):
    """A path that no run may hold. Attributes: path, reason."""

    hint = "paths are relative, with / between names, such as 'plots/loss.png'"

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(path, reason)
        self.path, self.reason = path, reason

    def __str__(self) -> str:
        return f"{self.path!r} cannot be an artifact path: {self.reason}"


class InvalidTableError(RequestError, ValueError):
    """A table that could not be read again; nothing of it was logged. Attributes: reason."""

    hint = "make such cells and labels text, of which no two are the same; a table holds what JSON or Parquet holds"

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return f"this table cannot be logged: {self.reason}"


class InvalidURIError(RequestError, ValueError):
    """An address that holdall does not understand. Attributes: uri, reason."""

    hint = "an artifact is runs:/<run_id>/<path>; a store is a folder, file://, s3://, gs:// or az://"

    def __init__(self, uri: str, reason: str) -> None:
        super().__init__(uri, reason)
        self.uri, self.reason = uri, reason

    def advised(self, hint: str) -> Self:
        """Return the error with another hint: what an address is depends on the tool that it is for."""
        self.hint = hint
        return self

    def __str__(self) -> str:
        return f"{self.uri!r}: {self.reason}"


class InvalidFilterError(RequestError, ValueError):
    """A filter or order of runs that cannot be read.

    Attributes: text, position (of the mistake, counted from 0), reason.
    """

    hint = "a filter is like \"metrics.acc >= 0.9 AND params.model LIKE 'resnet%'\", an order like 'metrics.acc DESC'"

    def __init__(self, text: str, position: int, reason: str) -> None:
        super().__init__(text, position, reason)
        self.text, self.position, self.reason = text, position, reason

    def __str__(self) -> str:
        return f"{self.reason} (at position {self.position} of {self.text!r})"


class ContentError(RequestError, ValueError):
    """An artifact is not the kind of file that it was read as. Attributes: path, wanted, reason."""

    error_code = "BAD_REQUEST"
    hint = "it is as it was logged; read it as what it is, or download it"

    def __init__(self, path: str, wanted: str, reason: str) -> None:
        super().__init__(path, wanted, reason)
        self.path, self.wanted, self.reason = path, wanted, reason

    def __str__(self) -> str:
        return f"{self.path!r} is not {self.wanted}: {self.reason}"


class SignatureError(RequestError, ValueError):
    """A schema or signature that cannot be. Attributes: what, reason."""

    hint = "let holdall.infer_signature(model_input, model_output) make it from data that the model really takes"

    def __init__(self, what: str, reason: str) -> None:
        super().__init__(what, reason)
        self.what, self.reason = what, reason

    def __str__(self) -> str:
        return f"{self.what}: {self.reason}"


class SchemaMismatchError(RequestError, ValueError):
    """Data that the signature of a model does not admit. Attributes: column (or place in it), came, expected."""

    hint = (
        "give the model what its signature says, or log it with a signature inferred from data like this; "
        "whole numbers that may be missing are `double` there, for pandas makes floats of them"
    )

    def __init__(self, column: str, came: str, expected: str) -> None:
        super().__init__(column, came, expected)
        self.column, self.came, self.expected = column, came, expected

    def __str__(self) -> str:
        return f"{self.column or 'the input'}: expected {self.expected}, but {self.came} came"


class PayloadError(RequestError, ValueError):
    """A request to a served model that cannot be read as data. Attributes: reason."""

    hint = "send what /openapi.json of the server describes"

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return self.reason


class OversizedPayloadError(PayloadError):
    """A request that would take more memory than the server gives to one. Attributes: reason."""

    error_code = "RESOURCE_EXHAUSTED"
    hint = "send fewer rows at once, or start the server with a larger --max-memory"


class UnknownFlavorError(RequestError, TypeError):
    """A model, or a kind of model, that no flavor knows. Attributes: what, known (the names of those there are)."""

    hint = "wrap it in a holdall.pyfunc.PythonModel, or install a package that brings a flavor for it"

    def __init__(self, what: str, known: str) -> None:
        super().__init__(what, known)
        self.what, self.known = what, known

    def __str__(self) -> str:
        return f"no flavor is known for {self.what}; known are {self.known}"


class UntrustedModelError(RequestError):
    """Loading a model would run code that came with it, and the reader's policy does not admit that.

    Attributes: policy, files (that can run code), digest (of the model's files, to be listed), reason (or "").
    """

    error_code = "PERMISSION_DENIED"
    hint = (
        "look what is in it with holdall.open().models.inspect(uri); if you trust it, "
        "put its digest into HOLDALL_TRUSTED, or loosen HOLDALL_TRUST"
    )

    def __init__(self, policy: str, files: str, digest: str, reason: str = "") -> None:
        super().__init__(policy, files, digest, reason)
        self.policy, self.files, self.digest, self.reason = policy, files, digest, reason

    def __str__(self) -> str:
        said = f"HOLDALL_TRUST={self.policy} does not admit model {self.digest}, whose {self.files} can run any code"
        return f"{said}: {_cut(self.reason)}" if self.reason else said


class NotSignedError(RequestError):
    """What was to be signed by certain keys is not, or is not what they signed. Attributes: what, reason."""

    error_code = "PERMISSION_DENIED"
    hint = "look what signatures there are with run.verify() or holdall.open().models.verify(uri), without signed_by"

    def __init__(self, what: str, reason: str) -> None:
        super().__init__(what, reason)
        self.what, self.reason = what, reason

    def __str__(self) -> str:
        return f"{self.what} is not signed by a key that was named: {self.reason}"


class SigningKeyError(RequestError, ValueError):
    """A key cannot be read, made or used. Attributes: key (its file or fingerprint, never the key), reason."""

    error_code = "INVALID_PARAMETER_VALUE"
    hint = "holdall.SigningKey.generate().save(path) makes one; HOLDALL_SIGNING_KEY names it"

    def __init__(self, key: str, reason: str) -> None:
        super().__init__(key, reason)
        self.key, self.reason = key, reason

    def __str__(self) -> str:
        return _cut(f"signing key {self.key}: {self.reason}")


class ReferenceRefusedError(RequestError):
    """Content elsewhere is at an address that this reader does not allow to be asked. Attributes: uri."""

    error_code = "PERMISSION_DENIED"
    hint = (
        "a reference leads where its writer says, so files and servers are not asked unasked: allow the beginning of "
        "the address by HOLDALL_REFERENCES, or holdall.open(url, references=['file:///data/'])"
    )

    def __init__(self, uri: str) -> None:
        super().__init__(uri)
        self.uri = uri

    def __str__(self) -> str:
        return f"not read: {_cut(self.uri)}, where this reader allows no references to lead"


class NotShareableError(RequestError):
    """No link can be made to what was asked for. Attributes: uri, reason."""

    error_code = "NOT_IMPLEMENTED"
    hint = "download it, and hand the file over in another way"

    def __init__(self, uri: str, reason: str) -> None:
        super().__init__(uri, reason)
        self.uri, self.reason = uri, reason

    def __str__(self) -> str:
        return f"{_cut(self.uri)} cannot be shared by a link: {self.reason}"


class ModelCodeConflictError(RequestError):
    """A model brings a module whose name has another one in this process. Attributes: module, folder, other."""

    error_code = "INVALID_STATE"
    hint = "load it in a process of its own, or log one of the two with its module under another name"

    def __init__(self, module: str, folder: str, other: str) -> None:
        super().__init__(module, folder, other)
        self.module, self.folder, self.other = module, folder, other

    def __str__(self) -> str:
        return f"the model's module {self.module} (in {self.folder}) is not the one that is loaded, {self.other}"


class MissingLibraryError(RequestError, ImportError):
    """A library that this call needs cannot be imported. Attributes: package, purpose, reason."""

    error_code = "INVALID_STATE"

    # package -> the extra of holdall that brings it, in a version that works
    _EXTRAS: ClassVar[dict[str, str]] = {
        **dict.fromkeys(("pandas", "pyarrow"), "tables"),
        **dict.fromkeys(("matplotlib", "plotly"), "figures"),
        "pillow": "images",
        **dict.fromkeys(("scikit-learn", "skops"), "sklearn"),
        "cloudpickle": "pyfunc",
        "kaleido": "pictures",
        "picklescan": "inspect",
        "psutil": "system",
        **dict.fromkeys(("torch", "safetensors"), "pytorch"),
        **{name: name for name in ("xgboost", "lightgbm", "keras", "tensorflow", "transformers")},
        "cryptography": "crypto",
        **dict.fromkeys(("onnx", "onnxruntime"), "onnx"),
        "ray": "ray",
        **dict.fromkeys(("dask", "distributed"), "dask"),
        **dict.fromkeys(("starlette", "uvicorn", "prometheus-client"), "serving"),
    }

    def __init__(self, package: str, purpose: str, reason: str) -> None:
        super().__init__(package, purpose, reason)
        self.package, self.purpose, self.reason = package, purpose, reason
        extra = self._EXTRAS.get(package)
        self.hint = f"pip install 'holdall[{extra}]'" if extra else f"pip install '{package}'"

    def __str__(self) -> str:
        return f"{self.purpose} needs {self.package} ({self.hint}): {self.reason}"


# --- mend the local file --------------------------------------------------------


class SourceError(HoldallError):
    """A local file could not be logged. Attributes: path, reason."""

    error_code = "INVALID_PARAMETER_VALUE"

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(path, reason)
        self.path, self.reason = path, reason

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


class SourceUnreadableError(SourceError):
    """A local file or folder cannot be read. Attributes: path, reason."""

    hint = "nothing was committed; mend the file and log again: what was uploaded is reused"


class UnsupportedFileError(SourceError):
    """A kind of file, or a name, that cannot be logged. Attributes: path, reason."""

    hint = "nothing was committed; remove or rename it, or log the other files one by one"


class SourceChangedError(SourceError):
    """A local file changed while it was read. Attributes: path, reason."""

    hint = "nothing was committed; log it again when its writer has finished"


# --- mend the local folder ------------------------------------------------------


class DestinationError(HoldallError):
    """A local folder does not take what is written into it. Attributes: path, reason."""

    error_code = "INVALID_PARAMETER_VALUE"
    hint = "mend that place or choose another one, and do it again; no file there is half written"

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(path, reason)
        self.path, self.reason = path, reason

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


# --- what a file system of fsspec cannot do -----------------------------------


class FileSystemError(HoldallError, OSError):
    """A store as a file system of fsspec cannot do this. Attributes: path, reason."""

    hint = "its cause, which is chained to it, says how to mend it"
    _number: ClassVar[int] = errno.EIO

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(self._number, reason, path)
        self.path, self.reason = path, reason

    def __reduce__(self) -> tuple[type[FileSystemError], tuple[str, str]]:
        return type(self), (self.path, self.reason)  # OSError would give its own three facts

    def __str__(self) -> str:
        return self.reason


class NoSuchFileError(FileSystemError, FileNotFoundError):
    """There is nothing at this path of a file system. Attributes: path, reason."""

    hint = "fs.ls(...) lists what is there, and fs.invalidate_cache() has it look again"
    error_code = "RESOURCE_DOES_NOT_EXIST"
    _number = errno.ENOENT


class FileThereError(FileSystemError, FileExistsError):
    """The path holds other content, which stays as it is. Attributes: path, reason."""

    hint = "write to another path, or to a run that was started with paths='versioned'"
    error_code = "RESOURCE_ALREADY_EXISTS"
    _number = errno.EEXIST


class FileIsDirectoryError(FileSystemError, IsADirectoryError):
    """A directory is where a file was asked for. Attributes: path, reason."""

    hint = "fs.find(...) lists the files below it"
    _number = errno.EISDIR


class NoDirectoryError(FileSystemError, NotADirectoryError):
    """A file is where a directory was asked for. Attributes: path, reason."""

    hint = "write to another path"
    _number = errno.ENOTDIR


class FileForbiddenError(FileSystemError, PermissionError):
    """What is there stays as it is, or the bucket does not allow it. Attributes: path, reason."""

    hint = "only files of runs are written, and only those of runs with paths='versioned' replaced or removed"
    error_code = "PERMISSION_DENIED"
    _number = errno.EACCES


# --- look again, then retry -----------------------------------------------------


class ReloadError(HoldallError):
    """The store moved on; what was asked may be possible after another look."""

    error_code = "ABORTED"


class RunDeletedError(ReloadError):
    """The run was deleted. Attributes: run_id."""

    error_code = "INVALID_PARAMETER_VALUE"
    hint = "restore it first, or start a new run"

    def __init__(self, run_id: str) -> None:
        super().__init__(run_id)
        self.run_id = run_id

    def __str__(self) -> str:
        return f"run {self.run_id} was deleted"


class ExperimentDeletedError(ReloadError):
    """The experiment was deleted, and takes no runs. Attributes: name, experiment_id."""

    error_code = "INVALID_PARAMETER_VALUE"
    hint = "take the deletion back with holdall.Client().restore_experiment(experiment_id), or choose another name"

    def __init__(self, name: str, experiment_id: str) -> None:
        super().__init__(name, experiment_id)
        self.name, self.experiment_id = name, experiment_id

    def __str__(self) -> str:
        return f"experiment {self.name!r} ({self.experiment_id}) was deleted"


class RunEndedError(ReloadError):
    """This process ended the run while something was still being logged to it. Attributes: run_id."""

    error_code = "INVALID_STATE"
    hint = "wait for what logs in other threads before the run ends, or log it again: that goes on with the run"

    def __init__(self, run_id: str) -> None:
        super().__init__(run_id)
        self.run_id = run_id

    def __str__(self) -> str:
        return f"run {self.run_id} was ended while this was being logged"


class GroupSupersededError(ReloadError):
    """Another try of the job that the ranks of a group are of took over. Attributes: run_id, group, detail."""

    hint = "end this process: what it had for the group is not committed, and another try of its job goes on"

    def __init__(self, run_id: str, group: str, detail: str) -> None:
        super().__init__(run_id, group, detail)
        self.run_id, self.group, self.detail = run_id, group, detail

    def __str__(self) -> str:
        return f"group {self.group!r} of run {self.run_id} is no longer this one: {self.detail}"


class GroupIncompleteError(ReloadError):
    """A group is not committed, as ranks of it have not come. Attributes: run_id, group, missing (their numbers)."""

    hint = "see what became of these ranks; one that comes later completes the group, without the others"

    def __init__(self, run_id: str, group: str, missing: Sequence[int]) -> None:
        super().__init__(run_id, group, missing)
        self.run_id, self.group, self.missing = run_id, group, missing

    def __str__(self) -> str:
        named = ", ".join(map(str, self.missing[:16])) + (", ..." if len(self.missing) > 16 else "")
        return f"group {self.group!r} of run {self.run_id} is not committed: missing are the ranks {named or 'none'}"


class FencedOffError(ReloadError):
    """Content that a commit wanted to reuse was collected as garbage meanwhile, or found to be damaged.

    Attributes: path, pack.
    """

    hint = "nothing was committed; log the file again: it will be uploaded anew"

    def __init__(self, path: str, pack: str) -> None:
        super().__init__(path, pack)
        self.path, self.pack = path, pack

    def __str__(self) -> str:
        return f"{self.path!r} shares content with pack {self.pack}, which is going or damaged and could not be copied"


class CommitStateUnknownError(ReloadError):
    """A commit was sent, and neither its answer nor a look at the log came through.

    Attributes: write_id, key.
    """

    error_code = "TEMPORARILY_UNAVAILABLE"
    hint = "when the bucket answers again, log the same content again: if the commit did happen this writes nothing"

    def __init__(self, write_id: str, key: str) -> None:
        super().__init__(write_id, key)
        self.write_id, self.key = write_id, key

    def __str__(self) -> str:
        return f"the commit {self.write_id} at {self.key} may or may not have happened"


class WorkerLostError(ReloadError):
    """Each worker that was given a piece of work was lost before it answered. Attributes: shard, engine, reason."""

    hint = "see whether workers have enough memory, and run it again: what was written is kept; or use engine='threads'"

    def __init__(self, shard: str, engine: str, reason: str) -> None:
        super().__init__(shard, engine, reason)
        self.shard, self.engine, self.reason = shard, engine, reason

    def __str__(self) -> str:
        return f"every worker of {self.engine} that was given {self.shard} was lost: {self.reason}"


class WorkerDiedError(WorkerLostError):
    """A worker process died before it answered; nothing that was committed is lost. Attributes: pid, reason."""

    hint = (
        "do the same again: another takes its place; if memory ran out, lower HOLDALL_WORKERS or HOLDALL_MEMORY first"
    )

    def __init__(self, pid: int, reason: str) -> None:
        HoldallError.__init__(self, pid, reason)
        self.pid, self.reason = pid, reason
        self.shard, self.engine = "its work", "HOLDALL_WORKERS"

    def __str__(self) -> str:
        return f"worker process {self.pid} died over its work: {self.reason}"


class GenerationDecidedError(ReloadError):
    """A garbage generation has its verdict and cannot be undone. Attributes: generation, packs (that it deletes)."""

    hint = "what it deletes was referred to by no run then; log the files again if they are still at hand"

    def __init__(self, generation: int, packs: int) -> None:
        super().__init__(generation, packs)
        self.generation, self.packs = generation, packs

    def __str__(self) -> str:
        packs = "1 pack" if self.packs == 1 else f"{self.packs} packs"
        return f"garbage generation {self.generation} deletes {packs} already, and cannot be undone"


# --- restore from a copy --------------------------------------------------------


class DamageError(HoldallError):
    """What the store holds is not what was written."""

    error_code = "DATA_LOSS"
    hint = (
        "holdall.open().maintenance.check(record=True) says what is touched and keeps new runs away from it; restore "
        "those objects from a copy, or log the files again in a new run and then call maintenance.repair()"
    )


class IntegrityError(DamageError):
    """Bytes came back that are not those that were written.

    Attributes: where (the object, with an offset where there is one), detail,
    path (the artifact, or None).
    """

    def __init__(self, where: str, detail: str, path: str | None = None) -> None:
        super().__init__(where, detail, path)
        self.where, self.detail, self.path = where, detail, path

    def __str__(self) -> str:
        of = f" (part of {self.path!r})" if self.path else ""
        return f"{self.where}{of}: {self.detail}"


class IncompleteError(IntegrityError):
    """Of what was asked for, some cannot be read; all the rest was given, listed or written.

    Attributes: where (the log of the run), missing (what cannot be read, each with the reason, a line for each).
    """

    hint = (
        "what is whole can be read, and the run can be logged on and ended; restore the objects that are named "
        "from a copy, or log the files again. holdall.open().maintenance.check() finds all that is touched"
    )

    def __init__(self, where: str, missing: str) -> None:
        lines = missing.split("\n")
        more = f"; and {len(lines) - _SHOWN} more" if len(lines) > _SHOWN else ""
        super().__init__(where, f"not all of it can be read: {'; '.join(lines[:_SHOWN])}{more}")
        self.args = (where, missing)
        self.missing = missing


class ReferenceChangedError(IntegrityError):
    """Content elsewhere is not what was referenced: changed, replaced or gone.

    Attributes: where (its address), detail, path (the artifact that stands for it, or None).
    """

    hint = (
        "put back what was there, or reference what is there now at another path or in another run. "
        "maintenance.check_references() finds all that changed"
    )


class VersionChangedError(DamageError):
    """What a registered version names is not what was registered. Attributes: version, place, registered, found."""

    hint = "something was added below its path, or taken away: see what is there, and register it as a new version"

    def __init__(self, version: str, place: str, registered: str, found: str) -> None:
        super().__init__(version, place, registered, found)
        self.version, self.place, self.registered, self.found = version, place, registered, found

    def __str__(self) -> str:
        return f"{self.version} was registered as {self.registered}, but {self.place} is {self.found} now"


class FormatError(DamageError):
    """Bytes that no writer of this format makes. Attributes: what, detail (cut off, where it repeats much of them)."""

    def __init__(self, what: str, detail: str) -> None:
        what, detail = _cut(what), _cut(detail)
        super().__init__(what, detail)
        self.what, self.detail = what, detail

    def __str__(self) -> str:
        return f"{self.what}: {self.detail}"


class GarbageStateError(DamageError):
    """What a collector wrote cannot be read, so it is unknown which packs are being deleted.

    Attributes: where (the object), detail.
    """

    hint = (
        "nothing was committed, and reading goes on; see that no collector is running, then remove the object named "
        "above: nothing but `gc/` itself refers to it. holdall.open().maintenance.check() shows whether a pack was "
        "deleted already"
    )

    def __init__(self, where: str, detail: str) -> None:
        super().__init__(where, detail)
        self.where, self.detail = where, detail

    def __str__(self) -> str:
        return f"{self.where}: what it condemns cannot be told, so nothing may be written: {self.detail}"


class LiveContentError(DamageError):
    """What runs need cannot be told, so nothing was deleted. Attributes: problems (what cannot be read, by run)."""

    hint = (
        "holdall.open().maintenance.check() finds all that is damaged; restore the objects that are named from a copy, "
        "repair the runs from one, or purge a run that nobody needs, and collect again"
    )

    def __init__(self, problems: Mapping[str, str]) -> None:
        super().__init__(problems)
        self.problems = problems

    def __str__(self) -> str:
        known = isinstance(self.problems, Mapping)
        lines = [f"run {run}: {why}" for run, why in self.problems.items()] if known else [str(self.problems)]
        more = f"; and {len(lines) - _SHOWN} more" if len(lines) > _SHOWN else ""
        return f"what is still needed cannot be told, so nothing was deleted: {'; '.join(lines[:_SHOWN])}{more}"


class ObjectTooLargeError(DamageError):
    """An object is larger than any of its kind may be; it was not read. Attributes: url, key, size, limit (bytes)."""

    def __init__(self, url: str, key: str, size: int, limit: int) -> None:
        super().__init__(url, key, size, limit)
        self.url, self.key, self.size, self.limit = url, key, size, limit

    def __str__(self) -> str:
        return f"{self.url}/{self.key}: it is larger than the {self.limit} bytes that an object of its kind may have"


class LogGapError(DamageError):
    """A log lacks an entry between others. Attributes: log, n."""

    def __init__(self, log: str, n: int) -> None:
        super().__init__(log, n)
        self.log, self.n = log, n

    def __str__(self) -> str:
        return f"{self.log}: entry {self.n} is missing"


# --- give a key -----------------------------------------------------------------


class KeyUnavailableError(HoldallError):
    """Nothing was given that opens an encrypted store. Attributes: url, reason."""

    error_code = "PERMISSION_DENIED"
    hint = (
        "set HOLDALL_PASSPHRASE, HOLDALL_PASSPHRASE_COMMAND or HOLDALL_IDENTITY (the file of a key), or pass "
        "unlock=holdall.Unlock(passphrase=...) to holdall.open; whoever has a key can add yours"
    )

    def __init__(self, url: str, reason: str) -> None:
        reason = _cut(reason)
        super().__init__(url, reason)
        self.url, self.reason = url, reason

    def __str__(self) -> str:
        return f"the store at {self.url} is encrypted, and stays closed: {self.reason}"

    @property
    def asks(self) -> bool:
        """Whether a passphrase may open it, and none was given."""
        return type(self) is KeyUnavailableError and "for a passphrase" in self.reason


class WrongKeyError(KeyUnavailableError):
    """A key was given that opens no key slot of the store. Attributes: url, reason."""

    hint = "check which store this is and whose key it takes; whoever has one of its keys can add yours"


class NotEncryptedError(HoldallError):
    """The store is not encrypted, and only one that is may be used here. Attributes: url."""

    error_code = "PERMISSION_DENIED"
    hint = (
        "check the address; if it is right, find out who put another store there. "
        "maintenance.create(encrypt=True) makes an encrypted one; HOLDALL_ENCRYPTED=any allows both"
    )

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.url = url

    def __str__(self) -> str:
        return f"the store at {self.url} is not encrypted, and only one that is may be used"


class ShreddedError(HoldallError):
    """An experiment's own keys were destroyed on purpose, and with them all that its runs held.

    Attributes: experiment (its id), time (when, in ms since 1970 UTC).
    """

    error_code = "RESOURCE_DOES_NOT_EXIST"
    hint = (
        "nothing in the store opens it again; a copy of the object keys/experiments/<id> from before would, if there "
        "is one. Give what is new another experiment"
    )

    def __init__(self, experiment: str, time: int) -> None:
        super().__init__(experiment, time)
        self.experiment, self.time = experiment, time

    def __str__(self) -> str:
        known = isinstance(self.time, int) and self.time < _LATEST
        when = f" on {datetime.fromtimestamp(self.time / 1000, UTC):%Y-%m-%d %H:%M} UTC" if known else ""
        return f"the keys of experiment {self.experiment} were destroyed{when}: nobody can read its runs"


# --- upgrade --------------------------------------------------------------------


class UnsupportedFeatureError(HoldallError):
    """The store uses something that this version does not know. Attributes: what, name."""

    error_code = "NOT_IMPLEMENTED"
    hint = "upgrade holdall: a newer version wrote this"

    def __init__(self, what: str, name: str) -> None:
        what, name = _cut(what), _cut(name)
        super().__init__(what, name)
        self.what, self.name = what, name

    def __str__(self) -> str:
        return f"{self.what} needs {self.name!r}, which this version of holdall does not know"


# --- wait for the bucket, or mend it --------------------------------------------


class StorageError(HoldallError):
    """The bucket did not do what was asked. Attributes: url, key, reason."""

    doubtful = False  # whether an earlier attempt got no answer, so that it may have been done all the same

    hint = "see the cause; holdall.open(url).maintenance.doctor() tries what the bucket can do"

    def __init__(self, url: str, key: str, reason: str = "") -> None:
        super().__init__(url, key, reason)
        self.url, self.key, self.reason = url, key, reason

    def __str__(self) -> str:
        at = f"{self.url}/{self.key}" if self.key else self.url
        meaning = (type(self).__doc__ or "").partition("Attributes:")[0].strip()
        return f"{at}: {self.reason or meaning}"


class ObjectNotFoundError(StorageError, LookupError):
    """There is no object at this key. Attributes: url, key, reason."""

    error_code = "RESOURCE_DOES_NOT_EXIST"


class ObjectTooShortError(StorageError):
    """The object ends before the range that was asked for does. Attributes: url, key, reason."""


class ObjectExistsError(StorageError):
    """There is an object at this key already. Attributes: url, key, reason."""

    error_code = "RESOURCE_ALREADY_EXISTS"


class UnknownAgeError(StorageError):
    """The bucket's listings tell no times, so what is old cannot be told from what is new. Attributes: url."""

    hint = (
        "ages count by the bucket's own clock only: give none (delay=0, quarantine=0), or keep the store in a bucket "
        "whose listings tell when an object was created"
    )

    def __init__(self, url: str) -> None:
        super().__init__(url, "")
        self.args = (url,)


class NotDeletedError(StorageError):
    """Some of the objects that were to be deleted are there still; all others are gone.

    Attributes: url, key (the first of them), reason, failed (why, by key).
    """

    hint = (
        "the reason says why: credentials that may not delete, or a lock or retention rule of the bucket; what is "
        "left costs space and harms nothing, and the next try deletes it"
    )

    def __init__(self, url: str, key: str, reason: str, failed: Mapping[str, StorageError]) -> None:
        super().__init__(url, key, reason)
        self.args = (url, key, reason, failed)
        self.failed = failed


class TransientStorageError(StorageError):
    """The request failed in a way that may pass.

    Attributes: url, key, reason, retry_after (seconds that the server asked for, or None).
    """

    error_code = "TEMPORARILY_UNAVAILABLE"
    hint = "the bucket was unreachable or busy until the deadline; what was acknowledged is kept, so run it again"

    def __init__(self, url: str, key: str, reason: str = "", retry_after: float | None = None) -> None:
        super().__init__(url, key, reason)
        self.args = (url, key, reason, retry_after)
        self.retry_after = retry_after


class BucketUnreachableError(TransientStorageError):
    """Nothing at the bucket's address answered in its protocol.

    Attributes: url, key, reason, retry_after.
    """

    hint = (
        "check the address, the port and the network: endpoint_url or AWS_ENDPOINT_URL, a proxy, a login page before "
        "the server, https or http; HOLDALL_DEADLINE says for how many seconds a bucket that has answered is waited for"
    )


class AccessDeniedError(StorageError):
    """The bucket refused these credentials.

    Attributes: url, key, reason, action (such as s3:PutObject, where no policy of theirs has it; or "").
    """

    error_code = "PERMISSION_DENIED"
    hint = (
        "check AWS_PROFILE, AWS_ACCESS_KEY_ID and AWS_SESSION_TOKEN (expired?), and the bucket's policy; "
        "a policy that demands encryption or an ACL wants storage_options such as "
        "s3_additional_kwargs={'ServerSideEncryption': 'aws:kms'}"
    )

    def __init__(self, url: str, key: str, reason: str = "", action: str = "") -> None:
        super().__init__(url, key, reason)
        self.args = (url, key, reason, action)
        self.action = action


class BucketNotFoundError(StorageError):
    """The bucket itself does not exist. Attributes: url, key, reason."""

    error_code = "RESOURCE_DOES_NOT_EXIST"
    hint = "create the bucket first, or check its name, the endpoint and the region"


class StorageFullError(StorageError):
    """There is no space or quota left for new objects. Attributes: url, key, reason."""

    error_code = "RESOURCE_EXHAUSTED"
    hint = "free some space and run it again: what was acknowledged is kept"


class MissingBackendError(StorageError):
    """The package that speaks this scheme is not installed. Attributes: url, key, reason."""

    error_code = "INVALID_STATE"
    hint = "pip install the package named above"


class UnsafeBucketError(StorageError):
    """The bucket cannot create an object only if it is absent, so writers would overwrite one another.

    Attributes: url, key, reason.
    """

    error_code = "NOT_IMPLEMENTED"
    hint = (
        "use a server that honours `If-None-Match: *` on PutObject: AWS S3, MinIO, R2, SeaweedFS, LocalStack, and Ceph "
        "16.2 in buckets without versioning; holdall.open(url).maintenance.doctor() shows what this one does"
    )
