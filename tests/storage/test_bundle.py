"""A bundle is a store in an uncompressed ZIP: read by offsets, made whole or not at all, and never believed."""

from __future__ import annotations

import os
import pickle
import struct
import zipfile
from collections.abc import Callable
from copy import copy
from pathlib import Path

import pytest

from holdall.errors import (
    DestinationError,
    FormatError,
    ObjectExistsError,
    ObjectNotFoundError,
    ObjectTooLargeError,
    ObjectTooShortError,
    StorageError,
)
from holdall.storage import zip_directory
from holdall.storage.bundle import BundleBucket, BundleWriter, is_bundle
from holdall.storage.memory import MemoryBucket
from holdall.storage.schemes import bucket_at
from holdall.storage.zip_directory import read_directory

OBJECTS = {"holdall.json": b"{}\n", "packs/0a/x": bytes(range(256)) * 40, "packs/0b/y": b"y", "runs/é": b"", "z": b"zz"}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A bundle of the objects above."""
    made = tmp_path / "made.zip"
    with BundleWriter(made) as bucket:
        for key, data in OBJECTS.items():
            bucket.put(key, data)
        bucket.finish()
    return made


def answers(ask: Callable[[], object]) -> object:
    """What is returned, or the kind of what is raised."""
    try:
        return ask()
    except StorageError as error:
        return type(error)


def test_it_answers_as_any_bucket_does(path: Path) -> None:
    """Every reading verb gives what a bucket in memory gives of the same objects, errors too; also while it is made."""
    memory = MemoryBucket(objects=dict(OBJECTS))
    with BundleWriter(path.with_name("other.zip")) as writer:
        for key, data in OBJECTS.items():
            writer.put(key, data)
        for bucket in (BundleBucket(path), writer, pickle.loads(pickle.dumps(BundleBucket(path)))):
            for key in [*OBJECTS, "nothing"]:
                assert answers(lambda: bucket.get(key)) == answers(lambda: memory.get(key))  # noqa: B023
                for start, stop in [
                    (0, 1),
                    (0, 2),
                    (100, 300),
                    (-1, None),
                    (-9_000, None),
                    (10_239, 10_240),
                    (5, 99_999),
                ]:
                    ours = answers(lambda: bytes(bucket.get_range(key, start, stop)))  # noqa: B023
                    assert ours == answers(lambda: memory.get_range(key, start, stop)), (key, start, stop)  # noqa: B023
            for prefix in ("", "packs/", "packs/0a/x", "q", "z"):
                for limit in (None, 0, 1, 2):
                    ours = [(info.key, info.size) for info in bucket.list(prefix, limit=limit)]
                    assert ours == [(info.key, info.size) for info in memory.list(prefix, limit=limit)]
            with pytest.raises(ObjectTooLargeError):
                bucket.get("packs/0a/x", limit=10)


def test_other_tools_read_it(path: Path) -> None:
    """Python's zipfile finds every object whole, stored as it is, and its checksums right."""
    with zipfile.ZipFile(path) as found:
        assert found.testzip() is None
        assert {info.filename: found.read(info) for info in found.infolist()} == OBJECTS
        assert {info.compress_type for info in found.infolist()} == {zipfile.ZIP_STORED}


def test_a_bundle_is_not_written_to(path: Path) -> None:
    """Who tries to write into one is told how to go on; it stays as it is."""
    before, bucket = path.read_bytes(), BundleBucket(path)
    attempts: list[Callable[[], object]] = [
        lambda: bucket.put("new", b""),
        lambda: bucket.delete("z"),
        lambda: bucket.delete_many(["z"]),
    ]
    for attempt in attempts:
        with pytest.raises(StorageError, match="bundle read"):
            attempt()
    assert path.read_bytes() == before


def test_an_address_that_ends_in_zip_is_a_bundle_unless_it_is_a_folder(path: Path, tmp_path: Path) -> None:
    """A path, a file:// address and upper case are known; a folder of such a name stays a folder."""
    assert bucket_at(str(path)).get("z") == b"zz"
    assert bucket_at(f"file://{path}").get("z") == b"zz"
    (tmp_path / "folder.zip").mkdir()
    assert not is_bundle(tmp_path / "folder.zip")
    assert is_bundle(tmp_path / "FILE.ZIP")
    assert list(bucket_at(str(tmp_path / "missing.zip")).list()) == []
    with pytest.raises(ObjectNotFoundError, match="no such file"):
        bucket_at(str(tmp_path / "missing.zip")).get("holdall.json")


def test_a_bundle_is_made_whole_or_not_at_all(tmp_path: Path) -> None:
    """If it fails, nothing is left, not even beside it; what is there is not replaced, also if it came meanwhile."""
    made = tmp_path / "made.zip"

    def fail() -> None:
        with BundleWriter(made) as bucket:
            bucket.put("a", b"a")
            assert not made.exists()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert list(tmp_path.iterdir()) == []
    made.write_bytes(b"mine")
    with pytest.raises(DestinationError, match="there already"):
        BundleWriter(made)
    made.unlink()
    with BundleWriter(made) as bucket:
        bucket.put("a", b"a")
        made.write_bytes(b"mine")
        with pytest.raises(DestinationError):
            bucket.finish()
    assert made.read_bytes() == b"mine"
    assert [file.name for file in tmp_path.iterdir()] == ["made.zip"]
    with pytest.raises(DestinationError):
        BundleWriter(tmp_path / "nowhere/made.zip")


def test_while_it_is_made_an_object_is_created_once(tmp_path: Path) -> None:
    """The writer keeps a bucket's promise: of two puts of one key the second is refused; nothing is deleted."""
    with BundleWriter(tmp_path / "made.zip") as bucket:
        bucket.put("a", b"a")
        with pytest.raises(ObjectExistsError):
            bucket.put("a", b"b")
        assert bucket.get("a") == b"a"
        attempts: list[Callable[[], object]] = [lambda: bucket.delete("a"), lambda: bucket.delete_many(["a"])]
        for attempt in attempts:
            with pytest.raises(StorageError, match="nothing is deleted"):
                attempt()
        with pytest.raises(ObjectTooShortError):
            bucket.get_range("a", 0, 5)


# --- what comes from anybody


def test_every_truncation_is_named(path: Path) -> None:
    """However much of its end is missing, it is said of the file that it is cut off; no object comes half."""
    whole = path.read_bytes()
    cut = path.with_name("cut.zip")
    for length in [*range(0, len(whole), 97), len(whole) - 1]:
        cut.write_bytes(whole[:length])
        with pytest.raises(FormatError, match=r"cut\.zip"):
            BundleBucket(cut).get("z")


def test_no_flipped_bit_of_the_directory_does_more_than_be_refused_or_read_as_other_bytes(path: Path) -> None:
    """Whatever byte behind the objects is changed: a FormatError, or answers that stay within the file."""
    whole = path.read_bytes()
    directory = whole.index(b"PK\1\2")
    broken = path.with_name("broken.zip")
    for at in range(directory, len(whole)):
        broken.write_bytes(whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :])
        bucket = BundleBucket(broken)
        try:
            for info in bucket.list():
                assert info.size <= len(whole)
                assert len(bucket.get(info.key)) == info.size
        except (FormatError, StorageError):
            continue


def zipped(path: Path, name: str, data: bytes, method: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", method) as made:
        made.writestr(zipfile.ZipInfo(name) if method == zipfile.ZIP_STORED else name, data)
    return path


@pytest.mark.parametrize("name", ["../out", "/etc/passwd", "a//b", "a/./b", "a\\b", "c:x", "a\nb", "x" * 600])
def test_names_that_lead_elsewhere_are_refused(name: str, tmp_path: Path) -> None:
    """A member is named as an object may be, or the file is none of ours."""
    made = tmp_path / "bad.zip"
    with zipfile.ZipFile(made, "w") as bad:
        info = zipfile.ZipInfo("placeholder")
        info.filename = name
        bad.writestr(info, b"x")
    with pytest.raises(FormatError, match="not the name of an object"):
        BundleBucket(made).get("x")


def test_what_would_have_to_be_unpacked_is_refused(tmp_path: Path) -> None:
    """A compressed member, a bomb or not, is refused by name before a byte of it is read."""
    made = zipped(tmp_path / "bomb.zip", "packs/bomb", bytes(1 << 24), zipfile.ZIP_DEFLATED)
    with pytest.raises(FormatError, match=r"packs/bomb.*compressed"):
        BundleBucket(made).get("packs/bomb")


def test_members_that_share_bytes_are_refused(tmp_path: Path) -> None:
    """A small file cannot say that it holds a thousand times its own length, by rows that lead to the same bytes."""
    path = tmp_path / "overlapping.zip"
    with zipfile.ZipFile(path, "w") as made:
        made.writestr("a", b"x" * 1000)
    assert BundleBucket(path).get("a") == b"x" * 1000
    with zipfile.ZipFile(path, "a") as made:
        for number in range(5):
            again = copy(made.getinfo("a"))
            again.filename = f"again {number}"
            made.filelist.append(again)
        made._didModify = True  # type: ignore[attr-defined]  # so that the directory is written anew
    with pytest.raises(FormatError, match="where another member"):
        BundleBucket(path).get("a")


def test_two_members_of_one_name_are_refused(tmp_path: Path) -> None:
    """One key is one object."""
    made = tmp_path / "twice.zip"
    with zipfile.ZipFile(made, "w") as bad:
        bad.writestr("a", b"1")
        with pytest.warns(UserWarning, match="Duplicate"):
            bad.writestr("a", b"2")
    with pytest.raises(FormatError, match="two members"):
        BundleBucket(made).get("a")


@pytest.mark.parametrize("count", [zip_directory.MAX_MEMBERS + 1, 60_000])
def test_a_directory_that_cannot_be_is_refused_before_it_is_read(count: int) -> None:
    """How many members there are is checked against the directory's length, and that against the file's."""
    wide = struct.pack("<4sQ2H2I4Q", b"PK\6\6", 44, 45, 45, 0, 0, count, count, 46, 0)
    end = (
        wide
        + struct.pack("<4sIQI", b"PK\6\7", 0, 0, 1)
        + struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, 46, 0, 0)
    )
    asked: list[int] = []

    def read(start: int, length: int) -> bytes:
        asked.append(length)
        return end[start : start + length]

    with pytest.raises(FormatError, match="cannot be"):
        read_directory(read, len(end), "bundle x")
    assert max(asked) <= 1 << 17


def test_members_beyond_four_gigabytes_are_found(tmp_path: Path) -> None:
    """Where offsets do not fit 32 bits they are read from the zip64 fields; the file is sparse."""
    made = tmp_path / "huge.zip"
    with zipfile.ZipFile(made, "w", allowZip64=True) as big:
        big.writestr("first", b"1")
        big.fp.seek(5 << 30)  # type: ignore[union-attr]
        big.start_dir = 5 << 30
        big.writestr("last", b"behind")
    assert made.stat().st_size > 5 << 30
    assert os.stat(made).st_blocks * 512 < 1 << 20
    bucket = BundleBucket(made)
    assert (bucket.get("first"), bucket.get("last")) == (b"1", b"behind")
    assert bytes(bucket.get_range("last", 2, 6)) == b"hind"
