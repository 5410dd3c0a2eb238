"""What a copy is going to do, or did: values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

NEW, MORE, SAME, RESTORED, DELETED, SKIPPED, CONFLICT, DAMAGED = (
    "new",
    "more",
    "same",
    "restored",
    "deleted",
    "skipped",
    "conflict",
    "damaged",
)
CHANGES: Final = (NEW, MORE, RESTORED, DELETED)


@dataclass(frozen=True, slots=True)
class RunCopy:
    """What becomes of one run.

    Attributes:
        run_id: Which.
        outcome: `new`: the destination has not seen it. `more`: it has an earlier state of it. `same`: it has all of
            it. `restored`: it is deleted there and no longer here. `deleted`: it was deleted or purged here since it
            was copied. `skipped`: there is nothing to copy, or not any more. `conflict`: the run in the destination
            is another, or has gone on by itself. `damaged`: it cannot be read here.
        detail: Why, where that needs to be said.
        files, bytes: What the destination's run lacks.
        new_bytes: Of these, what its packs lacked, decoded; as far as it was copied.
        stored_bytes: What was sent for the run, as encoded.
    """

    run_id: str
    outcome: str
    detail: str = ""
    files: int = 0
    bytes: int = 0
    new_bytes: int = 0
    stored_bytes: int = 0

    @property
    def failed(self) -> bool:
        """Return whether something that should be in the destination is not."""
        return self.outcome in (CONFLICT, DAMAGED)


@dataclass(frozen=True, slots=True)
class ModelCopy:
    """What becomes of one registered model, or of a version of it that is promoted.

    Attributes:
        name: Its name.
        outcome: As of a run.
        detail: Why, where that needs to be said.
        versions: How many versions the destination gets.
        version: The number that a promoted version has there; None where a whole model is copied.
        moved: Aliases that were set, moved or removed there.
    """

    name: str
    outcome: str
    detail: str = ""
    versions: int = 0
    version: int | None = None
    moved: tuple[str, ...] = ()

    @property
    def failed(self) -> bool:
        """Return whether something that should be in the destination is not."""
        return self.outcome in (CONFLICT, DAMAGED)


@dataclass(frozen=True, slots=True)
class CopyReport:
    """What a copy did, or would do.

    Attributes:
        source, destination: Addresses.
        runs: What becomes of each run.
        models: What becomes of each registered model.
        objects, sent, sent_bytes: Of a copy without a key: how many objects the store has, and what was sent of them,
            or would be.
        problems: Objects that were not sent, and why; what follows one of a log was not sent either.
        unseen: What was not looked at, as no key of the encrypted store was given; else empty.
    """

    source: str
    destination: str
    runs: tuple[RunCopy, ...] = ()
    models: tuple[ModelCopy, ...] = ()
    objects: int = 0
    sent: int = 0
    sent_bytes: int = 0
    problems: Mapping[str, str] = field(default_factory=dict)
    unseen: str = ""

    @property
    def complete(self) -> bool:
        """Return whether the destination has all that was asked for."""
        failed = [*filter(_failed, self.runs), *filter(_failed, self.models)]
        return not failed and not self.problems


def _failed(one: RunCopy | ModelCopy) -> bool:
    return one.failed
