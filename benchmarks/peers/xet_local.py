"""Xet, the engine behind Hugging Face's storage, writing into a folder.

`hf_xet` takes `local://` for an address, so its cutting, hashing, compression
and deduplication run without a server. It computes each file's SHA-256, as
ours does. Its caches are kept within a round, for the second upload to find.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from benchmarks.data import size_of
from benchmarks.measured import Clock, Taken, measure


@dataclass
class Xet:
    """A local store of Xet. Attributes: scratch, the folder for it and for downloads."""

    scratch: Path
    held: dict[Path, dict[str, tuple[str, int]]] = field(default_factory=dict)

    def log(self, *paths: Path) -> Taken:
        """Uploads, one after the other; a folder's files in one call."""
        taken = self._measure("log", paths=[str(path) for path in paths])
        self.held.update({Path(path): found for path, found in taken.facts["held"].items()})
        return replace(taken, facts={})  # thousands of hashes

    def fetch(self, path: Path) -> Taken:
        """A download of what was uploaded."""
        into = self.scratch / "fetched" / path.name
        return self._measure("fetch", held=self.held[path], source=str(path), into=str(into))

    def log_versions(self, paths: list[Path]) -> list[int]:
        """Uploads of one process, one after the other; the bytes that are stored after each."""
        taken = self._measure("log_versions", paths=[str(path) for path in paths])
        return [int(size) for size in taken.facts["stored"]]

    def stored(self) -> Taken:
        """Xorbs and shards; not its caches, locks and tag files."""
        return Taken(0, bytes=_stored(f"local://{self.scratch}/store"))

    def _measure(self, act: str, **arguments: Any) -> Taken:
        env = {"HF_HOME": str(self.scratch / "home"), "HF_XET_LOG_LEVEL": "error"}
        return measure(f"{__name__}:{act}", env=env, store=f"local://{self.scratch}/store", **arguments)


def log(clock: Clock, *, store: str, paths: list[str]) -> dict[str, Any]:
    """What is needed to have it back is its hash and size."""
    _warm_up(store)
    held: dict[str, dict[str, tuple[str, int]]] = {}
    for path in paths:
        names = _names(Path(path))
        with clock:
            found = _upload([str(Path(path).parent / name) for name in names], store)
        held[path] = {name: (info.hash, info.file_size) for name, info in zip(names, found, strict=True)}
    return {"held": held}


def log_versions(clock: Clock, *, store: str, paths: list[str]) -> dict[str, Any]:
    """What is stored after each."""
    stored = []
    for path in map(Path, paths):
        with clock:
            _upload([str(path.parent / name) for name in _names(path)], store)
        stored.append(_stored(store))
    return {"stored": stored}


def fetch(clock: Clock, *, store: str, held: dict[str, tuple[str, int]], source: str, into: str) -> None:
    """All files in one call."""
    import hf_xet

    _warm_up(store)
    top = Path(into).parent
    with clock:
        wanted = [hf_xet.PyXetDownloadInfo(str(top / name), *about) for name, about in held.items()]
        hf_xet.download_files(wanted, store, None, None, None)
    clock.compare(Path(source), Path(into))


def _names(path: Path) -> list[str]:
    """The files, by their path from the folder that the whole lies in."""
    files = [path] if path.is_file() else sorted(f for f in path.rglob("*") if f.is_file())
    return [str(file.relative_to(path.parent)) for file in files]


def _stored(store: str) -> int:
    kept = Path(store.removeprefix("local://"), "xet", "xorbs")
    return size_of(kept / "xorbs") + size_of(kept / "shards")


def _upload(paths: list[str], store: str) -> Any:
    import hf_xet

    return hf_xet.upload_files(paths, store, None, None, None, None)


def _warm_up(store: str) -> None:
    """Its threads start with the first call."""
    beside = Path(f"{store.removeprefix('local://')}-warm")
    beside.mkdir(parents=True, exist_ok=True)
    (beside / "warm.txt").write_text("warm " * 50_000)
    _upload([str(beside / "warm.txt")], f"local://{beside}")
