"""Manifests: text that `sha256sum -c` accepts, whatever the paths are called."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from tests.format.strategies import trees

from holdall.format.manifest import manifest_digest, manifest_text
from holdall.format.tree import Entry, Kind

ODD = (
    "plain.txt",
    "two  spaces",
    " leading and trailing ",
    "new\nline",
    "carriage\rreturn",
    "both\r\n",
    "#comment",
    "-dash",
    "*star",
    "tab\tand bell\a",
    "quote'\"`$(x)",
    "ünïcödé/漢字 🚢",
    "e\u0301",
    "é",
    "deep/er/and/deeper",
    "SHA256 (x) = y",
)


def files(names: tuple[str, ...]) -> list[Entry]:
    """A file for each name, that holds the name."""
    return [Entry(name, size=len(name.encode()), sha256=hashlib.sha256(name.encode()).digest()) for name in names]


def sha256sum(folder: Path, manifest: str) -> subprocess.CompletedProcess[bytes]:
    """What the program of that name says of a manifest."""
    command = ["sha256sum", "--check", "--strict"]
    return subprocess.run(command, cwd=folder, input=manifest.encode(), capture_output=True, check=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with all the odd files."""
    for name in ODD:
        place = tmp_path / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(name.encode())
    return tmp_path


def test_sha256sum_accepts_a_manifest(folder: Path) -> None:
    """Every odd file is found and right; links and directories are comments to it."""
    others = [Entry("a link\n", Kind.LINK, target="new\nline"), Entry("void\r", Kind.DIRECTORY)]
    done = sha256sum(folder, manifest_text([*files(ODD), *others]))
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count(b": OK\n") == len(ODD)


@pytest.mark.parametrize("name", ODD)
def test_sha256sum_refuses_a_changed_file(folder: Path, name: str) -> None:
    """Whatever a file is called, another content of it is found."""
    (folder / name).write_bytes(b"another")
    done = sha256sum(folder, manifest_text(files(ODD)))
    assert (done.returncode, done.stdout.count(b": FAILED\n")) == (1, 1)


def test_a_manifest_is_written_as_the_law_says() -> None:
    """One line each, sorted by the bytes of the path, escapes marked by a backslash."""
    entries = [
        Entry("b", Kind.LINK, target="x\ny"),
        Entry("a\nb", sha256=bytes(32)),
        Entry("a/c", sha256=bytes(32), executable=True),
        Entry("a-b", Kind.DIRECTORY),
    ]
    zeros = "00" * 32
    expected = f'\\{zeros}  a\\nb\n# directory "a-b"\n{zeros}  a/c\n# link "b" -> "x\\ny"\n'
    assert manifest_text(entries) == expected
    assert manifest_digest(expected) == "sha256:" + hashlib.sha256(expected.encode()).hexdigest()
    assert manifest_text([]) == ""


@given(trees)
def test_a_manifest_does_not_depend_on_the_order(rows: list[Entry]) -> None:
    """Nor on executable bits; there is one line for each entry, and none breaks."""
    text = manifest_text(rows)
    assert text == manifest_text(rows[::-1])
    assert text.count("\n") == len(rows)
    assert "\r" not in text
