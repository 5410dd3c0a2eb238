"""Others' scripts that are shipped with the pages, or test them: that they are the published ones."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from tests.support.depth import DEEP

from holdall.surfaces.web.app import STATIC

FOLDERS = (STATIC / "vendor", Path(__file__).parents[2] / "support" / "axe")
LOCKS: list[list[dict[str, Any]]] = [json.loads((folder / "lock.json").read_text()) for folder in FOLDERS]


@pytest.mark.parametrize(("folder", "lock"), zip(FOLDERS, LOCKS, strict=True), ids=["pages", "tests"])
def test_what_is_shipped_is_what_the_lock_says(folder: Path, lock: list[dict[str, Any]]) -> None:
    """Each file is the bytes of the named version of its package, and each package's licence is among them."""
    locked = {name: about["sha256"] for package in lock for name, about in package["files"].items()}
    there = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}
    there.pop("lock.json")
    assert there == locked
    assert all(any("LICENSE" in name for name in package["files"]) for package in lock)


@pytest.mark.skipif(not DEEP, reason="it downloads the packages from npm's registry")
@pytest.mark.parametrize(
    ("folder", "package"),
    [(folder, package) for folder, lock in zip(FOLDERS, LOCKS, strict=True) for package in lock],
    ids=[package["package"] for lock in LOCKS for package in lock],
)
def test_the_lock_says_what_is_published(folder: Path, package: dict[str, Any]) -> None:
    """The registry's own digest of the package is the lock's, and the package's files are those that are shipped."""
    name, version = package["package"], package["version"]
    with urlopen(f"https://registry.npmjs.org/{name}/-/{name}-{version}.tgz", timeout=60) as answer:
        body = answer.read()
    digest = base64.b64encode(hashlib.sha512(body).digest()).decode()
    assert package["integrity"] == f"sha512-{digest}"
    with tarfile.open(fileobj=io.BytesIO(body)) as archive:
        for file, about in package["files"].items():
            member = archive.extractfile(f"package/{about['from']}")
            assert member is not None
            assert member.read() == (folder / file).read_bytes()
