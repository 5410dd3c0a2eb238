"""`links="follow"`: what links lead to is logged in their place."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest
from tests.support.stores import tiny_store

from holdall.errors import InvalidArgumentError, SourceUnreadableError, UnsupportedFileError
from holdall.format.tree import Kind
from holdall.runs.run import Run
from holdall.storage.memory import MemoryBucket


@pytest.fixture
def run() -> Run:
    return tiny_store(MemoryBucket()).runs.start()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """As in a Hugging Face cache: a snapshot of links, beside the blobs that they lead to."""
    blobs, snapshot = tmp_path / "blobs", tmp_path / "snapshots/abc"
    blobs.mkdir()
    (blobs / "1").write_bytes(b"weights")
    (blobs / "2").write_bytes(b"{}")
    (blobs / "2").chmod(0o755)
    (snapshot / "nested").mkdir(parents=True)
    (snapshot / "model.bin").symlink_to("../../blobs/1")
    (snapshot / "nested/config.json").symlink_to("../../../blobs/2")
    return snapshot


def test_files_behind_links_are_logged_as_files(run: Run, folder: Path) -> None:
    """Their bytes and modes are those that the links lead to, out of the folder too."""
    entries = run.log_artifacts(folder, links="follow")
    assert [(one.path, one.kind, one.executable) for one in entries] == [
        ("model.bin", Kind.FILE, False),
        ("nested/config.json", Kind.FILE, True),
    ]
    assert run.read("model.bin") == b"weights"


def test_without_it_a_link_that_leads_out_is_refused(run: Run, folder: Path) -> None:
    """And the error says how to log what it leads to."""
    with pytest.raises(UnsupportedFileError, match="links='follow'"):
        run.log_artifacts(folder)


def test_a_link_inside_the_folder_is_followed_too(run: Run, tmp_path: Path) -> None:
    """None stays a link: each name has its own content."""
    (tmp_path / "a").write_text("a")
    (tmp_path / "b").symlink_to("a")
    run.log_artifacts(tmp_path, links="follow")
    assert {entry.path: entry.kind for entry in run.entries()} == {"a": Kind.FILE, "b": Kind.FILE}


def test_folders_behind_links_are_logged_with_all_that_they_hold(run: Run, tmp_path: Path) -> None:
    """Twice, where two links lead to one folder; an empty one stays an empty folder."""
    (tmp_path / "there/deep").mkdir(parents=True)
    (tmp_path / "there/deep/x").write_text("x")
    (tmp_path / "empty").mkdir()
    (tmp_path / "top").mkdir()
    for name in ("one", "two"):
        (tmp_path / "top" / name).symlink_to(tmp_path / "there")
    (tmp_path / "top/none").symlink_to("../empty")
    run.log_artifact(tmp_path / "top", links="follow")
    assert {entry.path for entry in run.entries()} == {"top/none", "top/one/deep/x", "top/two/deep/x"}


@pytest.mark.parametrize("target", [".", "..", "../..", "self"])
def test_a_link_that_leads_back_is_refused(run: Run, tmp_path: Path, target: str) -> None:
    """To a folder that it is in, at any height, or to itself: nothing is walked without end, and nothing is logged."""
    top = tmp_path / "top"
    (top / "in").mkdir(parents=True)
    (top / "in/self").symlink_to(target)
    with pytest.raises((UnsupportedFileError, SourceUnreadableError)) as caught:
        run.log_artifacts(top, links="follow")
    assert "top/in/self" in caught.value.path
    assert run.manifest == {}


def test_two_links_that_lead_into_each_other_are_refused(run: Run, tmp_path: Path) -> None:
    """A circle of two folders ends as one of one does."""
    for name, other in (("a", "b"), ("b", "a")):
        (tmp_path / "top" / name).mkdir(parents=True)
        (tmp_path / "top" / name / "to").symlink_to(f"../{other}")
    with pytest.raises(UnsupportedFileError, match="back to a folder"):
        run.log_artifacts(tmp_path / "top", links="follow")


def test_a_link_that_leads_nowhere_is_named(run: Run, tmp_path: Path) -> None:
    """Nothing is dropped in silence."""
    (tmp_path / "broken").symlink_to("gone")
    with pytest.raises(SourceUnreadableError, match="broken"):
        run.log_artifacts(tmp_path, links="follow")


@pytest.mark.parametrize("kind", ["pipe", "socket", "device"])
def test_a_link_to_a_special_file_is_not_followed(
    run: Run, tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reading a pipe would wait for ever, a device never end."""
    monkeypatch.chdir(tmp_path)  # a socket's address is short
    special = Path("/dev/zero") if kind == "device" else tmp_path / kind
    if kind == "pipe":
        os.mkfifo(special)
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(kind)
    (tmp_path / "top").mkdir()
    (tmp_path / "top/link").symlink_to(special)
    with pytest.raises(UnsupportedFileError, match=kind):
        run.log_artifacts(tmp_path / "top", links="follow")


def test_another_word_is_refused(run: Run, tmp_path: Path) -> None:
    """The error says which there are."""
    with pytest.raises(InvalidArgumentError, match="'keep' or 'follow'"):
        run.log_artifacts(tmp_path, links="yes")  # type: ignore[arg-type]
