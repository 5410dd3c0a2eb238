"""What to do about an error, in the words of the command line.

`error.hint` is for who reads it in Python. Here stands the same for a person at
a shell, wherever it is said otherwise there.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from holdall import errors

# What nobody can type at a shell: our own calls, and names of Python's arguments.
PYTHON: Final = re.compile(
    r"\bholdall\.[A-Za-z_]+(?!\.json)|\w\(\w*[,)]|\(name\)|storage_options|\w+=\.\.\.|\bnested=|\{'"
)

_HINTS: Final[Mapping[type[Exception], str]] = {
    errors.StoreNotFoundError: "check the address, or create a store there with `holdall store init URL`",
    errors.RunNotFoundError: "list the runs with `holdall run list`",
    errors.ArtifactNotFoundError: "list what the run holds with `holdall artifact list runs:/RUN_ID`",
    errors.ExperimentNotFoundError: "list them with `holdall experiment list --all`",
    errors.TableNotFoundError: "`holdall artifact list runs:/RUN_ID` shows what a run holds",
    errors.ModelNotFoundError: (
        "list them with `holdall model list`, or make it with `holdall model register runs:/RUN_ID/PATH NAME`"
    ),
    errors.ModelVersionNotFoundError: "`holdall model show NAME` shows what it has",
    errors.GarbageNotFoundError: "`holdall gc --dry-run` shows the generations, `holdall store check` all packs",
    errors.KeySlotNotFoundError: "list them with `holdall store key list`",
    errors.LastKeyError: (
        "add another key first with `holdall store key add`; or, if the store is to become unreadable, add --force"
    ),
    errors.KeyUnavailableError: (
        "set HOLDALL_PASSPHRASE, HOLDALL_PASSPHRASE_COMMAND or HOLDALL_IDENTITY (the file of a key); whoever has a key "
        "can add yours with `holdall store key add`"
    ),
    errors.WrongKeyError: (
        "check which store this is and whose key it takes with `holdall store key list`; whoever has a key can add "
        "yours with `holdall store key add`"
    ),
    errors.NotEncryptedError: (
        "check the address; if it is right, find out who put another store there. `holdall store init --encrypt URL` "
        "makes an encrypted one; HOLDALL_ENCRYPTED=any allows both"
    ),
    errors.InvalidArgumentError: "--help says what the command takes, `holdall guide command-line` which variables",
    errors.ExperimentExistsError: "use it as it is, or choose another name; `holdall experiment list --all` shows it",
    errors.ModelExistsError: "`holdall model register URI NAME` adds a version to it; or choose another name",
    errors.NoActiveRunError: "name the run with --run",
    errors.ActiveRunError: "end the other run first",
    errors.ArtifactExistsError: (
        "log it under another path, or into a new run; a run that was begun with `holdall artifact log --versioned` "
        "takes it with --replace"
    ),
    errors.RunNotVersionedError: (
        "what a run holds never changes, unless it was begun so: `holdall artifact log PATH --versioned` begins one"
    ),
    errors.SignatureError: "log the model again, with an example of the data that it really takes",
    errors.SchemaMismatchError: "give the model what its signature says; `holdall model inspect URI` shows it",
    errors.PayloadError: "give the model what its signature says; `holdall model inspect URI` shows it",
    errors.OversizedPayloadError: "give fewer rows at once, or start the server with a larger --max-memory",
    errors.UnknownFlavorError: "install the package that brings a flavor for it",
    errors.RunDeletedError: "take the deletion back with `holdall run restore RUN_ID`",
    errors.RunHeldError: (
        "delete the versions with `holdall model delete NAME VERSION`, or the tag with `holdall run tag RUN_ID KEY "
        "--delete`; then nothing relies on what the run holds"
    ),
    errors.ExperimentDeletedError: "choose another experiment with -e; `holdall experiment list --all` shows this one",
    errors.WorkerDiedError: (
        "run it again: another worker takes its place; if memory ran out, lower HOLDALL_WORKERS or HOLDALL_MEMORY first"
    ),
    errors.WorkerLostError: (
        "see whether workers have enough memory, and run it again: what was written is kept; or use --engine threads"
    ),
    errors.UntrustedModelError: (
        "look what is in it with `holdall model inspect URI`; if you trust it, "
        "put its digest into HOLDALL_TRUSTED, or loosen HOLDALL_TRUST; with HOLDALL_TRUST=signed, HOLDALL_TRUSTED_KEYS "
        "names the public keys whose owners' models may run code, and `holdall model sign` signs one"
    ),
    errors.NotSignedError: (
        "`holdall run verify RUN_ID` or `holdall model verify URI` shows what signatures there are; `holdall run sign` "
        "and `holdall model sign` make one of what is there now"
    ),
    errors.SigningKeyError: (
        "`holdall signing-key new FILE` makes a key; --key or HOLDALL_SIGNING_KEY names the private one, --signed-by "
        "and HOLDALL_TRUSTED_KEYS public ones"
    ),
    errors.ReferenceRefusedError: (
        "a reference leads where its writer says; if you want it read, put the beginning of the address into "
        "HOLDALL_REFERENCES, such as HOLDALL_REFERENCES='s3:// file:///data/'"
    ),
    errors.ReferenceChangedError: (
        "put back what was there, or reference what is there now at another path or in another run; "
        "`holdall store check --references` finds all that changed"
    ),
    errors.DamageError: (
        "`holdall store check --record` says what is touched and keeps new runs away from it; restore those objects "
        "from a copy, or log the files again in a new run and then run `holdall store repair`"
    ),
    errors.IncompleteError: (
        "what is whole can be read, and the run can be logged on and ended; restore the objects that are named "
        "from a copy, or log the files again. `holdall store check` finds all that is touched"
    ),
    errors.GarbageStateError: (
        "nothing was committed, and reading goes on; see that no collector is running, then remove the object named "
        "above: nothing but `gc/` itself refers to it. `holdall store check` shows whether a pack was deleted already"
    ),
    errors.LiveContentError: (
        "`holdall store check` finds all that is damaged; restore the objects that are named from a copy, repair the "
        "runs from one, or purge a run that nobody needs, and collect again"
    ),
    errors.UnknownAgeError: (
        "ages count by the bucket's own clock only: give none (--delay 0 --quarantine 0), or keep the store in a "
        "bucket whose listings tell when an object was created"
    ),
    errors.StorageError: "see the cause; `holdall store doctor URL` tries what the bucket can do",
    errors.UnsafeBucketError: (
        "use a server that honours `If-None-Match: *` on PutObject: AWS S3, MinIO, R2, SeaweedFS, LocalStack, and Ceph "
        "16.2 in buckets without versioning; `holdall store doctor URL` shows what this one does"
    ),
    errors.AccessDeniedError: (
        "check AWS_PROFILE, AWS_ACCESS_KEY_ID and AWS_SESSION_TOKEN (expired?), and the bucket's policy; a policy that "
        'demands encryption or an ACL wants -o \'s3_additional_kwargs={"ServerSideEncryption": "aws:kms"}\''
    ),
}


def hint_of(error: BaseException) -> str:
    """Return how to mend an error from a shell, or ""."""
    if shell := str(getattr(error, "shell_hint", "")):
        return shell
    own = str(getattr(error, "hint", "") or "")
    if "hint" in vars(error) and not PYTHON.search(own):  # this very case's, which says more than its kind's
        return own
    for kind in type(error).__mro__:
        if kind in _HINTS:
            return _HINTS[kind]
        if "hint" in vars(kind) and not PYTHON.search(vars(kind)["hint"]):
            return str(vars(kind)["hint"])
    return own
