"""Others' scripts that are shipped with the pages: which they are, and that they are the published ones."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import tarfile
from typing import Any
from urllib.request import urlopen

import pytest
from tests.support.depth import DEEP

from holdall.surfaces.web.app import STATIC

VENDOR = STATIC / "vendor"
LOCK: list[dict[str, Any]] = json.loads((VENDOR / "lock.json").read_text())


def test_what_is_shipped_is_what_the_lock_says() -> None:
    """Each file is the bytes of the named version of its package, and each package's licence is among them."""
    locked = {name: about["sha256"] for package in LOCK for name, about in package["files"].items()}
    there = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in VENDOR.iterdir()}
    there.pop("lock.json")
    assert there == locked
    assert all(any("LICENSE" in name for name in package["files"]) for package in LOCK)


@pytest.mark.skipif(not DEEP, reason="it downloads the packages from npm's registry")
@pytest.mark.parametrize("package", LOCK, ids=lambda package: package["package"])
def test_the_lock_says_what_is_published(package: dict[str, Any]) -> None:
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
            assert member.read() == (VENDOR / file).read_bytes()
