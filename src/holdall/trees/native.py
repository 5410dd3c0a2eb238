"""Names on a local disk are bytes, and a run's are UTF-8, in any locale.

Python makes text of a disk's bytes by the locale's encoding, which is ASCII in
some containers. A name goes through its bytes, so it is the same on the disk
wherever it was written; where the locale is UTF-8 nothing changes.
"""

from __future__ import annotations

import os


def native(name: str) -> str:
    """Return a run's name as Python's functions of the disk take it."""
    return os.fsdecode(name.encode(errors="surrogateescape"))


def named(local: str) -> str:
    """Return a disk's name as a run has it; what is no UTF-8 has lone surrogates."""
    return os.fsencode(local).decode(errors="surrogateescape")
