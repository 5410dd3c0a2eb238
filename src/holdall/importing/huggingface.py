"""A Hugging Face cache: each revision of a model or data set as a run.

    models--org--name/snapshots/<revision>/...     links to ../../blobs/<digest>
    models--org--name/refs/main                    the revision that a branch is at

A blob of Git LFS is called by its SHA-256, so what is damaged in a cache is
told. Revisions share most of their files, and a store keeps each once.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from holdall.errors import InvalidURIError
from holdall.importing.bringing import Bringer
from holdall.importing.folder import existing
from holdall.importing.found import FileSet, FoundExperiment, FoundRun, fingerprint
from holdall.importing.planned import Planned
from holdall.store import Store

_KINDS: Final = {"models": "model", "datasets": "dataset", "spaces": "space"}
_REVISION: Final = re.compile("[0-9a-f]{40}")
_SHA256: Final = re.compile("[0-9a-f]{64}")
_LONGEST: Final = 200  # bytes of a file that names a revision


def plan_cache(store: Store, folder: Path, experiment: str) -> Planned:
    """Return what an import of a cache would bring. Args, raises: as `holdall.importing.from_huggingface_cache`."""
    top = existing(folder)
    top = top / "hub" if (top / "hub").is_dir() else top
    runs = [run for repository in sorted(top.iterdir()) for run in _revisions(repository, experiment)]
    if not runs:
        raise InvalidURIError(
            str(folder),
            "no Hugging Face cache is there: no models--*/snapshots and no datasets--*",
        ).advised("the cache is ~/.cache/huggingface/hub if HF_HOME does not say otherwise")
    return Planned(Bringer(store, str(top)), runs, [FoundExperiment(experiment)])


def _revisions(repository: Path, experiment: str) -> Iterator[FoundRun]:
    kind, *parts = repository.name.split("--")
    if kind not in _KINDS or not parts or not (repository / "snapshots").is_dir():
        return
    name, refs = "/".join(parts), _refs(repository / "refs")
    for place in sorted((repository / "snapshots").iterdir()):
        if place.is_dir() and _REVISION.fullmatch(place.name):
            yield _found(place, f"{_KINDS[kind]}:{name}", name, experiment, refs.get(place.name, ""))


def _found(place: Path, address: str, name: str, experiment: str, refs: str) -> FoundRun:
    files = {str(file.relative_to(place)): file for file in sorted(place.rglob("*")) if not file.is_dir()}
    sums = {
        path: digest for path, file in files.items() if _SHA256.fullmatch(digest := Path(os.path.realpath(file)).name)
    }
    began = int(place.stat().st_mtime * 1000)
    said = {"huggingface.repo": name, "huggingface.type": address.partition(":")[0]}
    return FoundRun(
        key=f"huggingface:{address}@{place.name}",
        source_id=f"{address}@{place.name}",
        experiment=experiment,
        name=f"{name}@{place.name[:8]}",
        start_time=began,
        end_time=began,
        tags={**said, "huggingface.revision": place.name, **({"huggingface.refs": refs} if refs else {})},
        folder=FileSet(files, sums),
        state=fingerprint(refs),
    )


def _refs(folder: Path) -> dict[str, str]:
    """Return the branches and tags that are at each revision."""
    found: dict[str, list[str]] = {}
    for file in sorted(folder.rglob("*")) if folder.is_dir() else ():
        if file.is_file():
            with file.open("rb") as opened:
                revision = opened.read(_LONGEST).decode("ascii", "replace").strip()
            found.setdefault(revision, []).append(str(file.relative_to(folder)))
    return {revision: ", ".join(names) for revision, names in found.items()}
