"""How many cores and bytes are to be had: by what the system and the container say, whatever stands there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from holdall.workers.cores import EACH, MEMORY, MOST, default_memory, default_workers, memory_limit, usable_cores

V2, V1 = "0::/{group}\n", "5:cpuset:/\n4:cpu,cpuacct:/{group}\n3:memory:/{group}\n"


@pytest.fixture(autouse=True)
def many_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with 64 cores."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(64)))


def system(root: Path, files: dict[str, str | bytes]) -> Path:
    """A root folder with these files."""
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return root


def v2(text: str, group: str = "", mine: str | None = None) -> dict[str, str | bytes]:
    """Quotas of version 2: of a group, and of the root."""
    files: dict[str, str | bytes] = {"proc/self/cgroup": V2.format(group=mine if mine is not None else group)}
    return files | {f"sys/fs/cgroup/{group}/cpu.max": text}


def v1(quota: str, period: str = "100000\n", group: str = "", folder: str = "cpu") -> dict[str, str | bytes]:
    """Quotas of version 1."""
    at = f"sys/fs/cgroup/{folder}/{group}"
    return {
        "proc/self/cgroup": V1.format(group=group),
        f"{at}/cpu.cfs_quota_us": quota,
        f"{at}/cpu.cfs_period_us": period,
    }


@pytest.mark.parametrize(
    ("files", "cores"),
    [
        ({}, 64),
        (v2("max 100000\n"), 64),
        (v2("200000 100000\n"), 2),
        (v2("250000 100000\n"), 2),
        (v2("50000 100000\n"), 1),
        (v2("99900000 100000\n"), 64),
        (v2("400000 100000\n", "a.slice/b.scope"), 4),
        (v2("400000 100000\n", "a.slice", mine="a.slice/b.scope"), 4),
        (v2("400000 100000\n") | v2("300000 100000\n", "a/b"), 3),
        (v2("300000 100000\n") | v2("400000 100000\n", "a/b"), 3),
        (v2("400000 100000\n", mine="../../docker/0123"), 4),
        (v1("400000\n"), 4),
        (v1("-1\n"), 64),
        (v1("400000\n", folder="cpu,cpuacct"), 4),
        (v1("150000\n", "50000\n", group="docker/0123"), 3),
    ],
)
def test_a_containers_quota_counts(files: dict[str, str | bytes], cores: int, tmp_path: Path) -> None:
    """Of this process's group and of each above it the smallest, rounded down to whole cores; at least one."""
    assert usable_cores(system(tmp_path, files)) == cores


@pytest.mark.parametrize(
    "text", ["", "max", "-1 0", "0 0", "1 0", "1e3 10", "\u0663 \u0661", "9" * 5000 + " 1", "\0\xff", "7"]
)
@pytest.mark.parametrize("name", ["cpu.max", "memory.max"])
def test_what_cannot_be_understood_says_nothing(text: str, name: str, tmp_path: Path) -> None:
    """Other words, other digits, numbers beyond any machine's, and quotas of no time."""
    root = system(tmp_path, {"proc/self/cgroup": "::::\n0\n0::/../..\n", f"sys/fs/cgroup/{name}": text})
    assert usable_cores(root) == 64
    assert memory_limit(root) in (None, 7)


def test_what_cannot_be_read_says_nothing(tmp_path: Path) -> None:
    """A folder in a file's place, bytes that are no text, a file without an end."""
    root = system(tmp_path, {"proc/self/cgroup": b"\xff\xfe\0" * 9, "sys/fs/cgroup/memory.max/x": "1"})
    (root / "sys/fs/cgroup/cpu.max").symlink_to("/dev/zero")
    assert usable_cores(root) == 64
    assert memory_limit(root) is None


def test_affinity_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that is kept to three cores has three, and a machine without such calls what it has."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {1, 5, 7})
    assert usable_cores(tmp_path) == 3
    assert usable_cores(system(tmp_path, v2("200000 100000"))) == 2
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert usable_cores(tmp_path) == 1


@pytest.mark.parametrize(
    ("files", "limit"),
    [
        ({"sys/fs/cgroup/memory.max": "max\n"}, None),
        ({"sys/fs/cgroup/memory.max": "1073741824\n"}, 1 << 30),
        ({"sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n"}, None),
        ({"sys/fs/cgroup/memory/memory.limit_in_bytes": "1073741824\n"}, 1 << 30),
        ({"proc/self/cgroup": V1.format(group="g"), "sys/fs/cgroup/memory/g/memory.limit_in_bytes": "512"}, 512),
    ],
)
def test_a_containers_memory_counts(files: dict[str, str | bytes], limit: int | None, tmp_path: Path) -> None:
    """In both versions; where there is no limit, there is none."""
    assert memory_limit(system(tmp_path, files)) == limit


@pytest.mark.parametrize(("cores", "workers"), [(1, 0), (2, 0), (3, 0), (4, 4), (16, 16), (192, MOST)])
def test_there_is_a_worker_for_each_core(cores: int, workers: int) -> None:
    """But none where they are few, and not more than a bucket or a disk could serve."""
    assert default_workers(cores) == workers


@pytest.mark.parametrize(
    ("workers", "limit", "memory"),
    [
        (0, None, MEMORY),
        (4, None, 5 * EACH),
        (3, None, MEMORY),
        (16, None, 17 * EACH),
        (16, 1 << 40, 17 * EACH),
        (16, 2 << 30, 512 << 20),
        (0, 512 << 20, 128 << 20),
        (16, 10 << 20, EACH),
    ],
)
def test_memory_grows_with_the_workers(workers: int, limit: int | None, memory: int) -> None:
    """But never beyond a quarter of what the container has, nor below what works."""
    assert default_memory(workers, limit) == memory
