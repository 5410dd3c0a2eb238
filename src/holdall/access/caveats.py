"""What a policy cannot prevent, in sentences that stand beside it wherever it is shown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

_OF_ROLES: Final = {
    "reader": ("a reader reads all content, of deleted runs too until they are purged",),
    "writer": (
        "a writer can append to every log that he may write to, in anybody's name: end, delete and purge runs, whose "
        "content the next collection deletes, and move or delete registered models",
        "a writer can stop collections, by an entry that no collector knows",
        "a writer can fill the bucket, and create packs that claim what they do not hold: HOLDALL_VERIFY_SHARED=1",
    ),
    "collector": (
        "a collector can delete the content and the logs of runs: keep old versions in the bucket, or a copy elsewhere",
    ),
    "owner": ("an owner can delete all of the store, keys too: keep old versions in the bucket, or a copy elsewhere",),
}
_OVERWRITE: Final = (
    "{server} has no condition on If-None-Match: who may create an object may overwrite it with another program; "
    "keep old versions in the bucket where `holdall store doctor` says that it is safe with them"
)
_OF_DIALECTS: Final = {
    "minio": _OVERWRITE.format(server="MinIO"),
    "ceph": _OVERWRITE.format(server="Ceph's gateway"),
}


def caveats(role: str, *, dialect: str = "aws", experiments: Sequence[str] = ()) -> list[str]:
    """Return what the policy of a role cannot prevent, a sentence for each.

    Example:
        >>> from holdall.access import caveats
        >>> caveats("reader")
        ['a reader reads all content, of deleted runs too until they are purged']
    """
    creates = role != "reader"
    found = list(_OF_ROLES[role])
    if creates and dialect in _OF_DIALECTS:
        found.append(_OF_DIALECTS[dialect])
    if dialect == "gcs" and role in ("collector", "owner"):
        found.append("who may delete in Google's storage may overwrite as well: keep soft deletion or old versions on")
    if experiments:
        found += _of_experiments(role)
    return found


def _of_experiments(role: str) -> list[str]:
    found = [
        "packs are shared by all experiments: who knows a pack's name, 128 random bits, reads all that it holds",
        "ids of runs begin with 8 hex digits of their experiment's: one experiment in 4,294,967,296 has the same",
        "registered models, their names and the catalog of runs are not in it",
    ]
    if role == "writer":
        found.append("a writer reads the hints and generations of all, which name packs; and may mark any as damaged")
    return found
