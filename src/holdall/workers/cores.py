"""How many cores and how many bytes this process may use, by the system's word: what the defaults are made of.

A container's limits are in no call of Python 3.11. They are small texts below
`/sys/fs/cgroup`, one for the group of this process and one for each group above
it; the smallest counts. A container may show its own group as the root, or
show its path as the host has it, where nothing is mounted; so each part of the
path is looked for, and what is not there says nothing. What cannot be read or
understood says nothing either.

    version 2    cpu.max "200000 100000"                             memory.max "1073741824", "max": no limit
    version 1    cpu.cfs_quota_us "200000", cpu.cfs_period_us; -1    memory.limit_in_bytes; 2**63 or so: none
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

MEMORY: Final = 256 << 20  # bytes that transfers may hold where there are few workers
EACH: Final = 64 << 20  # and for each worker and their parent, where that is more: packs, and what encodes them
FEW: Final = 4  # cores below which one process is fastest
MOST: Final = 32  # workers that are started unasked: beyond that a bucket or a disk is the limit
_ROOT: Final = Path("/")
_LONGEST: Final = 65536  # bytes of such a text that are looked at
_NUMBER: Final = re.compile(r"\d{1,18}")


def default_workers(cores: int | None = None) -> int:
    """Return how many workers there are unasked: one for each core, none where those are few."""
    cores = usable_cores() if cores is None else cores
    return 0 if cores < FEW else min(cores, MOST)


def default_memory(workers: int, limit: int | None = None) -> int:
    """Return how many bytes transfers may hold unasked: it grows with the workers.

    Args:
        workers: How many there may be.
        limit: Bytes that this process and those beside it may use; they get no more than a quarter for this.
    """
    wanted = max(MEMORY, (workers + 1) * EACH)
    return wanted if limit is None else max(EACH, min(wanted, limit // 4))


def usable_cores(root: Path = _ROOT) -> int:
    """Return how many cores this process may keep busy, at least one: by its affinity and its container's quota.

    Args:
        root: Where the system's files are.
    """
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min([allowed, *(int(quota) for quota in _quotas(root))]))


def memory_limit(root: Path = _ROOT) -> int | None:
    """Return how many bytes this process's container may use; None where there is no limit."""
    texts = [*_texts(root, "", "memory.max"), *_texts(root, "memory", "memory.limit_in_bytes")]
    limits = [int(text) for text in texts if _NUMBER.fullmatch(text)]
    return min((limit for limit in limits if 0 < limit < 1 << 50), default=None)


def _quotas(root: Path) -> Iterator[float]:
    """Yield how many cores each group above this process allows."""
    for text in _texts(root, "", "cpu.max"):
        quota, _, period = text.partition(" ")
        yield from _ratio(quota, period)
    for controller in ("cpu", "cpu,cpuacct"):
        quotas = _texts(root, controller, "cpu.cfs_quota_us")
        for quota, period in zip(quotas, _texts(root, controller, "cpu.cfs_period_us"), strict=False):
            yield from _ratio(quota, period)


def _ratio(quota: str, period: str) -> Iterator[float]:
    if _NUMBER.fullmatch(quota) and _NUMBER.fullmatch(period) and int(period):
        yield int(quota) / int(period)


def _texts(root: Path, controller: str, name: str) -> list[str]:
    """Return what the files of a name say, of the group of this process and of those above it."""
    mounted = root / "sys/fs/cgroup" / controller
    return [text for group in _groups(root, controller) if (text := _read(mounted / group / name))]


def _groups(root: Path, controller: str) -> list[str]:
    """Return the groups, as paths below where they are mounted, from the root on. Version 2 has no controller."""
    groups = [""]
    for line in _read(root / "proc/self/cgroup").splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if controllers == controller or (controller and controller in controllers.split(",")):
            for part in path.split("/"):
                if part not in ("", ".", ".."):
                    groups.append(f"{groups[-1]}{part}/")
    return groups


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(_LONGEST).decode("ascii", "replace").strip()
    except (OSError, ValueError):
        return ""
