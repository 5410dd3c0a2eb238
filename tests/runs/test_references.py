"""Content elsewhere: pinned when it is referenced, read as it was or not at all, and only where that is allowed."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from tests.support.servers import Server, remember_models
from tests.support.shell import Shell

import holdall
from holdall.errors import (
    ArtifactExistsError,
    ArtifactNotFoundError,
    DestinationError,
    FormatError,
    IncompleteError,
    InvalidURIError,
    ObjectNotFoundError,
    ReferenceChangedError,
    ReferenceRefusedError,
    UnsupportedFileError,
)
from holdall.format.paths import POINTER as ENDING
from holdall.format.pointers import Pinned, Pointer, encode_pointer
from holdall.settings import read_settings
from holdall.storage.elsewhere.consent import Consent, split_uri
from holdall.storage.elsewhere.remote import RemoteElsewhere
from holdall.storage.elsewhere.s3 import S3Elsewhere
from holdall.storage.schemes import bucket_at
from holdall.store import Run, Store, witnessed

BIG = bytes(range(256)) * 33_000  # 8.4 MB: two parts
CONTENT = {"a/x.bin": b"x" * 100, "a/empty": b"", "a/sub/y": b"yy", "ab": b"beside", "a/sub/": b""}
ALL = {"a/x.bin", "a/empty", "a/sub/y"}


remember_models()


def opened(url: str, references: Any = None) -> Store:
    """A store whose runs do not look where they are: that takes longer than all else here."""
    return Store.open(url, references=references, environment=False)


class Far:
    """A place elsewhere: its address, what it needs, and how to change it."""

    def __init__(
        self,
        url: str,
        put: Callable[[str, bytes], object],
        delete: Callable[[str], object],
        *,
        keeps: bool = False,
        options: dict[str, Any] | None = None,
    ) -> None:
        self.url, self.put, self.delete, self.keeps, self.options = url, put, delete, keeps, options or {}

    def fill(self, content: dict[str, bytes]) -> None:
        for key, data in content.items():
            self.put(key, data)


def _s3(moto: Server, *, versioned: bool) -> Far:
    url = moto.new_bucket()
    name = url.removeprefix("s3://")
    client = S3Elsewhere(url, moto.options).client.botocore_client()
    if versioned:
        client.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})

    def put(key: str, data: bytes) -> None:
        client.put_object(Bucket=name, Key=key, Body=data)

    def delete(key: str) -> None:
        client.delete_object(Bucket=name, Key=key)

    return Far(url, put, delete, keeps=versioned, options=moto.options)


def _folder(tmp_path: Path) -> Far:
    top = tmp_path / "far"

    def put(key: str, data: bytes) -> None:
        if not key.endswith("/"):
            (top / key).parent.mkdir(parents=True, exist_ok=True)
            (top / key).write_bytes(data)

    return Far(top.as_uri(), put, lambda key: (top / key).unlink())


def _memory() -> Far:
    bucket = bucket_at(f"memory://far-{threading.get_native_id()}-{id(object())}")

    def put(key: str, data: bytes) -> None:
        bucket.delete(key)
        bucket.put(key, data)

    return Far(bucket.url, put, bucket.delete)


@pytest.fixture(params=["plain", "versioned", "folder", "memory"])
def far(request: pytest.FixtureRequest, tmp_path: Path) -> Far:
    """Each kind of place, filled."""
    match request.param:
        case "folder":
            found = _folder(tmp_path)
        case "memory":
            found = _memory()
        case kind:
            found = _s3(request.getfixturevalue("moto"), versioned=kind == "versioned")
    found.fill(CONTENT)
    return found


@pytest.fixture
def store(far: Far, tmp_path: Path) -> Store:
    """A store whose reader allows references to lead there."""
    return opened(str(tmp_path / "store"), references={far.url: far.options})


def _written(folder: Path) -> dict[str, bytes]:
    return {str(at.relative_to(folder)): at.read_bytes() for at in sorted(folder.rglob("*")) if at.is_file()}


# --- in every kind of place ------------------------------------------------------------------------


def test_an_object_is_read_through(far: Far, store: Store, tmp_path: Path) -> None:
    """By every verb that reads a file, and in slices."""
    with store.runs.start() as run:
        told = run.log_reference(f"{far.url}/a/x.bin", "data/x")
    assert (told.path, told.files, told.size, told.digest) == ("data/x", 1, 100, None)
    run = store.runs.get(run.id)
    assert run.read("data/x") == b"x" * 100
    assert run.read_ranges("data/x", [(5, 8), (99, 100), (3, 3)]) == [b"xxx", b"x", b""]
    with run.open("data/x") as file:
        file.seek(90)
        assert file.read(20) == b"x" * 10
    assert run.load_text("data/x") == "x" * 100
    assert run.download("data/x", tmp_path / "to").read_bytes() == b"x" * 100
    assert store.artifacts.read(f"runs:/{run.id}/data/x") == b"x" * 100
    assert run.snapshot().read("data/x") == b"x" * 100


def test_a_folder_stands_with_all_its_objects(far: Far, store: Store, tmp_path: Path) -> None:
    """Empty ones too, with or without a slash; what only begins alike is none of them, nor are folders' own objects."""
    with store.runs.start() as run:
        for name, uri in (("one", f"{far.url}/a/"), ("two", f"{far.url}/a")):
            told = run.log_reference(uri, f"data/{name}")
            assert (told.files, told.size, told.uri[-3:]) == (3, 102, "/a/")
    assert run.read("data/one/sub/y") == b"yy"
    assert run.read("data/one/empty") == b""
    run.download("data/two", tmp_path / "to")
    assert _written(tmp_path / "to") == {f"data/two/{key[2:]}": CONTENT[key] for key in ALL}
    run.download("data/one/sub", tmp_path / "sub")
    assert _written(tmp_path / "sub") == {"data/one/sub/y": b"yy"}
    with pytest.raises(ArtifactNotFoundError):
        run.read("data/one/sub")
    with pytest.raises(ArtifactNotFoundError):
        run.read("data/one/nothing")


def test_what_changed_is_an_error_and_never_other_bytes(far: Far, store: Store, tmp_path: Path) -> None:
    """Same size or not; a bucket that keeps versions gives what was there."""
    with store.runs.start() as run:
        run.log_reference(f"{far.url}/a/x.bin", "x")
        run.log_reference(f"{far.url}/a/", "a")
    far.put("a/x.bin", b"z" * 100)
    far.put("a/sub/y", b"longer")
    if far.keeps:
        assert (run.read("x"), run.read("a/sub/y")) == (b"x" * 100, b"yy")
        assert store.maintenance.check_references() == []
        return
    for path in ("x", "a/x.bin", "a/sub/y"):
        for read in (run.read, lambda at: run.read_ranges(at, [(0, 1)]), lambda at: run.download(at, tmp_path / "to")):
            with pytest.raises(ReferenceChangedError) as error:
                read(path)
            assert error.value.path == path
    with pytest.raises(IncompleteError, match=r"a/sub/y.*\n?.*a/x.bin"):
        run.download("a", tmp_path / "all")
    assert _written(tmp_path / "all") == {"a/empty": b""}
    assert not _written(tmp_path / "to")


def test_what_is_gone_is_named(far: Far, store: Store) -> None:
    """By reading, and by the check; not what a versioned bucket hides."""
    with store.runs.start() as run:
        run.log_reference(f"{far.url}/a/", "a")
    assert store.maintenance.check_references() == []
    far.delete("a/sub/y")
    if far.keeps:
        assert run.read("a/sub/y") == b"yy"
        return
    with pytest.raises(ReferenceChangedError):
        run.read("a/sub/y")
    (problem,) = store.maintenance.check_references()
    assert (problem.artifact, problem.what) == (f"runs:/{run.id}/a/sub/y", "changed")
    assert problem.uri.endswith("/a/sub/y")


def test_with_a_digest_what_is_read_is_verified(far: Far, store: Store, tmp_path: Path) -> None:
    """Each object is read once for it, and a pointer that says another one is not believed."""
    if far.keeps:
        pytest.skip("as of any other bucket")
    far.put("a/big", BIG)
    with store.runs.start() as run:
        told = run.log_reference(f"{far.url}/a/big", "big", digest=True)
        run.log_reference(f"{far.url}/a/", "a", digest=True)
    assert told.digest == "sha256:" + hashlib.sha256(BIG).hexdigest()
    assert run.read("big") == BIG
    run.download("a", tmp_path)
    assert (tmp_path / "a/big").read_bytes() == BIG
    assert store.artifacts.info(f"runs:/{run.id}/a/big").sha256 == told.digest.removeprefix("sha256:")
    with store.runs.start() as other:
        forged = run.read("big" + ENDING).replace(told.digest[-8:].encode(), b"00000000")
        other.log_bytes(forged, "big" + ENDING)
    for read in (other.read, lambda at: other.download(at, tmp_path / "forged")):
        with pytest.raises(holdall.errors.IntegrityError, match="SHA-256"):
            read("big")
    assert not _written(tmp_path / "forged")


def test_what_is_not_there_cannot_be_referenced(far: Far, store: Store) -> None:
    """Neither an object nor an empty folder; the run stays as it is."""
    with store.runs.start() as run:
        for uri in (f"{far.url}/nothing", f"{far.url}/nothing/", f"{far.url}/a/x.bi"):
            with pytest.raises(ObjectNotFoundError):
                run.log_reference(uri, "at")
    assert run.manifest == {}


# --- what a run knows of them -----------------------------------------------------------------------


@pytest.fixture
def near(tmp_path: Path) -> Far:
    found = _memory()
    found.fill(CONTENT)
    return found


@pytest.fixture
def local(tmp_path: Path) -> Store:
    return opened(str(tmp_path / "local"))


def test_a_listing_shows_what_stands_there(near: Far, local: Store) -> None:
    """By its own path and size; and a folder's content below it."""
    with local.runs.start() as run:
        run.log_text("own", "data/own.txt")
        run.log_reference(f"{near.url}/a/x.bin", "data/x")
        run.log_reference(f"{near.url}/a/", "data/far")
    listed = [(found.path, found.is_dir, found.file_size) for found in local.artifacts.list(f"runs:/{run.id}/data")]
    assert listed == [("data/far", True, None), ("data/own.txt", False, 3), ("data/x", False, 100)]
    below = [(found.path, found.is_dir, found.file_size) for found in local.artifacts.list(f"runs:/{run.id}/data/far")]
    assert below == [("data/far/empty", False, 0), ("data/far/sub", True, None), ("data/far/x.bin", False, 100)]
    deeper = local.artifacts.list(f"runs:/{run.id}/data/far/sub")
    assert [found.path for found in deeper] == ["data/far/sub/y"]
    assert [(one.path, one.files) for one in run.references()] == [("data/far", 3), ("data/x", 1)]
    kinds = [local.artifacts.info(f"runs:/{run.id}/{at}").kind for at in ("data/x", "data/far", "data/far/sub")]
    assert kinds == ["file", "directory", "directory"]
    with pytest.raises(ArtifactNotFoundError):
        local.artifacts.info(f"runs:/{run.id}/data/far/none")


def test_a_download_of_all_fetches_what_is_elsewhere_if_asked(
    near: Far, local: Store, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Else it writes what says where, and tells; patterns mean what stands there."""
    with local.runs.start() as run:
        run.log_text("own", "own.txt")
        run.log_reference(f"{near.url}/a/", "far")
    run.download(None, tmp_path / "without")
    assert list(_written(tmp_path / "without")) == [f"far{ENDING}", "own.txt"]
    assert "references=True" in caplog.text
    run.download(None, tmp_path / "with", references=True)
    assert set(_written(tmp_path / "with")) == {"own.txt", "far/x.bin", "far/empty", "far/sub/y"}
    run.download(None, tmp_path / "some", references=True, include="*x*", exclude="own*")
    assert set(_written(tmp_path / "some")) == {"far/x.bin"}
    with pytest.raises(ArtifactNotFoundError):
        run.download(None, tmp_path / "none", references=True, include="*.parquet")
    near.delete("a/sub/y")
    with pytest.raises(ReferenceChangedError):
        run.download(None, tmp_path / "whole", references=True)
    assert set(_written(tmp_path / "whole")) == {"own.txt", "far/x.bin", "far/empty"}


def test_nothing_is_written_below_a_link(near: Far, local: Store, tmp_path: Path) -> None:
    """As of a run's own files: a link in the folder's place leads nothing out."""
    with local.runs.start() as run:
        run.log_reference(f"{near.url}/a/", "far")
    (tmp_path / "out").mkdir()
    (tmp_path / "to").mkdir()
    (tmp_path / "to/far").symlink_to(tmp_path / "out")
    with pytest.raises(DestinationError):
        run.download("far", tmp_path / "to")
    assert not _written(tmp_path / "out")


def test_a_path_is_of_the_run_or_elsewhere_and_never_both(near: Far, local: Store) -> None:
    """Neither may take the other's place, nor anything below it; the same reference again is no change."""
    with local.runs.start() as run:
        run.log_text("own", "own/file")
        for at in ("own", "own/file"):
            with pytest.raises(ArtifactExistsError):
                run.log_reference(f"{near.url}/a/x.bin", at)
        run.log_reference(f"{near.url}/a/", "far")
        n = run.state.files
        run.log_reference(f"{near.url}/a/", "far")
        assert run.state.files == n
        for at in ("far", "far/x.bin", "far/new"):
            with pytest.raises(ArtifactExistsError):
                run.log_text("own", at)
        with pytest.raises(ArtifactExistsError):
            run.log_reference(f"{near.url}/ab", "far/new")
        near.put("a/x.bin", b"other")
        with pytest.raises(ArtifactExistsError):
            run.log_reference(f"{near.url}/a/", "far")
    assert set(run.manifest) == {"own/file", f"far{ENDING}"}


def test_in_a_versioned_run_a_reference_may_be_replaced(near: Far, local: Store) -> None:
    """What it was is an earlier version; it may be deleted by the path that it stands for."""
    with local.runs.start(paths="versioned") as run:
        run.log_reference(f"{near.url}/a/sub/y", "y")
        run.log_reference(f"{near.url}/ab", "y", on_conflict="replace")
        assert run.read("y") == b"beside"
        now, before = run.versions("y")
        assert (now.size, before.size, before.path) == (6, 2, "y")
        assert run.read("y", version=before.version) == b"yy"
        run.delete_artifact("y")
        assert run.manifest == {}
        with pytest.raises(ArtifactNotFoundError):
            run.read("y")
        run.log_text("own", "y")
        assert run.read("y") == b"own"


def test_old_readers_find_a_small_text_and_nothing_else(near: Far, local: Store, tmp_path: Path) -> None:
    """To the manifest, diff, check and du it is a file like any other; a collection takes nothing of it."""
    with local.runs.start() as run:
        run.log_reference(f"{near.url}/a/", "far")
    assert list(run.manifest) == [f"far{ENDING}"]
    assert run.load_text(f"far{ENDING}").startswith('{"holdall_reference":1')
    assert local.maintenance.check().problems == []
    local.maintenance.gc(delay=0)
    assert run.read("far/sub/y") == b"yy"
    copied = opened(str(tmp_path / "copy"))
    local.maintenance.copy_to(copied.url)
    (copy,) = copied.runs.search()
    assert copied.runs.get(copy.info.run_id).read("far/sub/y") == b"yy"
    assert copied.maintenance.check_references() == []


def test_the_manifest_tells_what_was_pinned(near: Far, local: Store) -> None:
    """Another state of the same object makes another digest."""
    digests = set()
    for data in (b"one", b"two!"):
        near.put("ab", data)
        with local.runs.start() as run:
            run.log_reference(f"{near.url}/ab", "x")
        digests.add(run.manifest_digest)
    assert len(digests) == 2


def test_reading_what_is_elsewhere_is_an_edge(near: Far, local: Store) -> None:
    """By the path that stands for it."""
    with local.runs.start() as source:
        source.log_reference(f"{near.url}/a/", "far", digest=True)
    run = local.runs.start()
    used = run.use_artifact(f"runs:/{source.id}/far/sub/y")
    assert used.read() == b"yy"
    assert used.digest == "sha256:" + hashlib.sha256(b"yy").hexdigest()
    folder = run.use_artifact(f"runs:/{source.id}/far")
    assert (folder.is_dir, folder.size, folder.read("x.bin")) == (True, 102, b"x" * 100)
    assert [read.path for read in run.reads] == ["far/sub/y", "far"]


def test_what_verbs_read_elsewhere_is_an_edge_too(near: Far, local: Store, tmp_path: Path) -> None:
    """With the digest of the object where it is known, and of the file that says where for a folder."""
    with local.runs.start() as source:
        source.log_reference(f"{near.url}/ab", "known", digest=True)
        source.log_reference(f"{near.url}/ab", "unknown")
        source.log_reference(f"{near.url}/a/", "far")
    told: list[tuple[str, str | None]] = []
    with witnessed(lambda run, path, digest, store: told.append((path, digest))):
        for path in ("known", "unknown"):
            local.artifacts.read(f"runs:/{source.id}/{path}")
        local.artifacts.download(f"runs:/{source.id}/far", tmp_path)
    known = f"sha256:{hashlib.sha256(b'beside').hexdigest()}"
    pointer = f"sha256:{source.manifest['far' + ENDING]}"
    assert told == [("known", known), ("unknown", None), ("far", pointer)]


# --- hostile references ----------------------------------------------------------------------------


def _planted(store: Store, uri: str, *objects: Pinned) -> Run:
    """A run in which a stranger wrote a reference."""
    with store.runs.start() as run:
        run.log_bytes(encode_pointer(Pointer(uri, objects or (Pinned("", 5),))), "data" + ENDING)
    return run


@pytest.mark.parametrize(
    "uri",
    [
        "file:///etc/passwd",
        "http://169.254.169.254/latest/meta-data/",
        "http://localhost:8080/admin",
        "https://example.com/x",
        "ftp://example.com/x",
        "/etc/passwd",
        "FILE:///etc/passwd",
        "holdall://runs/x",
        "s3a://bucket/x",
    ],
)
def test_what_a_stranger_refers_to_is_not_asked(local: Store, uri: str, tmp_path: Path) -> None:
    """Neither files nor servers, unless the reader allows them; the error says how, and the check names them."""
    objects = (Pinned("x", 5),) if uri.endswith("/") else (Pinned("", 5),)
    run = _planted(local, uri, *objects)
    path = "data/x" if uri.endswith("/") else "data"
    for read in (run.read, run.open, lambda at: run.read_ranges(at, [(0, 1)]), lambda at: run.download(at, tmp_path)):
        with pytest.raises(ReferenceRefusedError, match="not read") as error:
            read(path)
    assert "HOLDALL_REFERENCES" in error.value.hint
    with pytest.raises(ReferenceRefusedError):
        run.download(None, tmp_path / "all", references=True)
    with local.runs.start() as other:
        other.set_tag("holdall.references", "true")
    (problem,) = local.maintenance.check_references([run.id])
    assert (problem.what, problem.uri) == ("refused", uri)


def test_consent_is_by_whole_parts_of_an_address() -> None:
    """What only begins alike is not allowed; the longest beginning gives the options."""
    consent = Consent.of({"s3://data": {"profile": "a"}, "s3://data/secret/": {"profile": "b"}, "file:///srv/": None})
    assert consent.options_for("s3://data/x") == {"profile": "a"}
    assert consent.options_for("s3://data/secret/x") == {"profile": "b"}
    assert consent.options_for("S3://data/x") == {"profile": "a"}
    assert consent.options_for("file:///srv/a%20b") == {}
    for uri in (
        *("s3://data-of-others/x", "s3://datax", "s3://dat", "gs://data/x", "file:///srvx", "file:///etc/passwd"),
        *("file:///srv/../etc/passwd", "file:///srv/%2e%2e/etc/passwd", "file:///srv/x?y", "file:///srv/..\\x"),
        *("file:///srv/..%2f..%2fetc/passwd", "file:///srv/%2e%2e%5cx"),
    ):
        with pytest.raises(ReferenceRefusedError):
            consent.options_for(uri)


def test_no_encoding_leads_out_of_an_allowed_folder_of_a_server() -> None:
    """Servers decode a slash before they look where `..` leads, and some cut what follows a semicolon."""
    consent = Consent.of(["https://host/public/"])
    for rest in ("%2e%2e%2fsecret", "..%2Fsecret", "a/..%2f..%2fsecret", "..%5csecret", "..;/secret", "..%3bx/secret"):
        with pytest.raises(ReferenceRefusedError):
            consent.options_for(f"https://host/public/{rest}")
    assert consent.options_for("https://host/public/a%2fb..c/..d") == {}


@pytest.mark.parametrize("uri", ["gs://b::file:///etc/passwd", "az://b::simplecache/x", "s3://b?endpoint_url=x/y"])
def test_no_bucket_is_called_as_a_chain_of_file_systems(uri: str) -> None:
    """A stranger's address would name a second file system, which nobody allowed."""
    with pytest.raises(InvalidURIError, match="no bucket"):
        split_uri(uri)


def test_the_usual_consent_is_for_object_stores_alone() -> None:
    """And none at all where the list is empty."""
    for uri in ("s3://b/k", "gs://b/k", "gcs://b/k", "az://c/k", "abfs://c/k"):
        assert Consent.of(None).options_for(uri) == {}
        with pytest.raises(ReferenceRefusedError):
            Consent.of([]).options_for(uri)
    for wrong in ("data", "ftp://x", "/srv"):
        with pytest.raises(InvalidURIError):
            Consent.of([wrong])
    with pytest.raises(TypeError):
        Consent.of("s3://data")


def test_consent_by_the_environment() -> None:
    """Nothing said, `auto`, `off`, and beginnings parted by blanks or commas; what is none of these is an error."""
    for text, found in (("", None), ("auto", None), ("off", ()), ("s3://a/, file:///b/", ("s3://a/", "file:///b/"))):
        assert read_settings({"HOLDALL_REFERENCES": text}).references == found
    with pytest.raises(ValueError, match="HOLDALL_REFERENCES"):
        read_settings({"HOLDALL_REFERENCES": "yes"})


def test_a_link_out_of_an_allowed_folder_is_not_followed(tmp_path: Path) -> None:
    """The file that is really read has to be allowed."""
    (tmp_path / "open").mkdir()
    (tmp_path / "secret").write_text("12345")
    (tmp_path / "open/link").symlink_to(tmp_path / "secret")
    (tmp_path / "open/pipe").write_text("")
    store = opened(str(tmp_path / "store"), references=[(tmp_path / "open").as_uri() + "/"])
    status = (tmp_path / "secret").stat()
    pin = Pinned("", 5, f"mtime-{status.st_mtime_ns}")
    run = _planted(store, (tmp_path / "open/link").as_uri(), pin)
    with pytest.raises(ReferenceRefusedError):
        run.read("data")


def test_a_device_is_no_file(tmp_path: Path) -> None:
    """It would give bytes without an end, or make a reader wait."""
    store = opened(str(tmp_path / "store"), references=["file:///dev/"])
    run = _planted(store, "file:///dev/zero", Pinned("", 1 << 50))
    with pytest.raises(ReferenceChangedError):
        run.read("data")
    with store.runs.start() as own, pytest.raises(ObjectNotFoundError):
        own.log_reference("file:///dev/zero")


def test_what_a_pointer_says_of_a_size_takes_no_memory(near: Far, local: Store, tmp_path: Path) -> None:
    """A petabyte that is five bytes is refused before anything is made for it."""
    run = _planted(local, f"{near.url}/ab", Pinned("", 1 << 50))
    for read in (run.read, lambda at: run.read_ranges(at, [(0, 1 << 50)]), lambda at: run.download(at, tmp_path)):
        with pytest.raises(ReferenceChangedError):
            read("data")


def test_a_damaged_pointer_is_damage_and_hides_nothing_else(local: Store) -> None:
    """It is named; listings show it as the file that it is."""
    with local.runs.start() as run:
        run.log_text("not this", "data" + ENDING)
        run.set_tag("holdall.references", "true")
    with pytest.raises(FormatError):
        run.read("data")
    assert [found.path for found in local.artifacts.list(f"runs:/{run.id}")] == ["data" + ENDING]
    (problem,) = local.maintenance.check_references()
    assert problem.what == "damaged"


def test_what_cannot_be_an_address_is_refused_when_it_is_logged(local: Store) -> None:
    """With what is wrong about it."""
    with local.runs.start() as run:
        for uri in ("ftp://x/y", "data/x", "s3://", "file://host/x", "https://user:pw@host/x", "https://host/x?y=1"):
            with pytest.raises((InvalidURIError, ValueError)):
                run.log_reference(uri, "x")


# --- S3, Google's and Azure's, and the web -----------------------------------------------------------


def test_all_pages_of_a_listing_are_read(moto: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a thousand keys each, or fewer; with versions and without. A listing that breaks off is an error."""
    for versioned in (False, True):
        far = _s3(moto, versioned=versioned)
        far.fill({f"many/{n:03}": b"%d" % n for n in range(25)})
        place = S3Elsewhere(far.url, moto.options)
        call = place.client.call
        monkeypatch.setattr(place.client, "call", lambda name, given, call=call: call(name, {**given, "MaxKeys": 7}))
        found = list(place.list("many/"))
        assert [each.key for each in found] == [f"many/{n:03}" for n in range(25)]
        assert all(bool(each.version) is versioned for each in found)

        def broken(name: str, given: Any, call: Any = call) -> Any:
            answer = dict(call(name, {**given, "MaxKeys": 7}))
            return {field: value for field, value in answer.items() if not field.startswith("Next")}

        monkeypatch.setattr(place.client, "call", broken)
        with pytest.raises(holdall.errors.StorageError):
            list(place.list("many/"))


def test_a_whole_bucket_may_be_referenced(moto: Server, tmp_path: Path) -> None:
    """With a slash at its end or without."""
    far = _s3(moto, versioned=False)
    far.fill({"a/x": b"1", "b": b"22"})
    store = opened(str(tmp_path / "store"), references={far.url: far.options})
    with store.runs.start() as run:
        assert [run.log_reference(uri, f"at{n}").size for n, uri in enumerate((far.url, f"{far.url}/"))] == [3, 3]
    assert run.read("at0/a/x") == b"1"


def test_a_key_that_can_be_no_path_is_named(moto: Server, tmp_path: Path) -> None:
    """Nothing of the folder is referenced then: never a part of it."""
    far = _s3(moto, versioned=False)
    far.fill({"a/ok": b"1", "a//twice": b"2"})
    store = opened(str(tmp_path / "store"), references={far.url: far.options})
    with store.runs.start() as run, pytest.raises(UnsupportedFileError, match="twice"):
        run.log_reference(f"{far.url}/a/")


def test_through_fsspec_an_object_is_looked_at_before_and_after(tmp_path: Path) -> None:
    """As of gs:// and az://: what changes while it is read is not believed."""
    import fsspec

    fs = fsspec.filesystem("memory")
    fs.pipe("/room/k", b"12345")
    place = RemoteElsewhere("memory://room", {})
    seen = place.stat("k")
    assert place.read(seen, 1, 3) == b"23"
    assert [each.key for each in place.list("")] == ["k"]
    read = place.get_range

    def change(key: str, start: int, stop: int | None = None) -> bytes:
        found = read(key, start, stop)
        fs.pipe("/room/k", b"1234567")
        return found

    place.get_range = change  # type: ignore[method-assign]
    with pytest.raises(ReferenceChangedError):
        place.read(seen, 1, 3)
    fs.rm("/room/k")
    with pytest.raises(ReferenceChangedError):
        place.read(seen, 1, 3)


class _Page(BaseHTTPRequestHandler):
    """A web server with one file."""

    content, etag = b"0123456789", '"one"'

    def do_GET(self) -> None:
        if self.path == "/odd":
            self.send_response(206)
            self.send_header("Content-Range", "bytes 0-0/\u00b2")
            self.end_headers()
            return
        if self.path == "/moved":
            self.send_response(302)
            self.send_header("Location", "http://169.254.169.254/\x1b[2J")
            self.end_headers()
            return
        if self.path != "/x":
            self.send_error(404)
            return
        if self.headers.get("If-Match") not in (None, self.etag):
            self.send_error(412)
            return
        first, last = (int(each) for each in self.headers["Range"].removeprefix("bytes=").split("-"))
        part = self.content[first : last + 1]
        self.send_response(206)
        self.send_header("ETag", self.etag)
        self.send_header("Content-Range", f"bytes {first}-{first + len(part) - 1}/{len(self.content)}")
        self.send_header("Content-Length", str(len(part)))
        self.end_headers()
        self.wfile.write(part)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def web() -> Iterator[str]:
    _Page.etag = '"one"'
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Page)
    thread = threading.Thread(target=partial(server.serve_forever, 0.05))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_file_of_a_web_server_where_it_is_allowed(web: str, tmp_path: Path) -> None:
    """By its ETag and in ranges; a redirect is not followed, and a folder cannot be listed."""
    store = opened(str(tmp_path), references=[f"{web}/"])
    with store.runs.start() as run:
        run.log_reference(f"{web}/x", digest=True)
        with pytest.raises(ObjectNotFoundError):
            run.log_reference(f"{web}/nothing", "n")
        with pytest.raises(holdall.errors.StorageError, match="which leads to") as told:
            run.log_reference(f"{web}/moved", "m")
        assert "\x1b" not in str(told.value)
        assert run.log_reference(f"{web}/odd", "o").size == 0  # it says no number, and no error of Python's
        with pytest.raises(InvalidURIError):
            run.log_reference(f"{web}/folder/", "f")
    assert run.read("x") == b"0123456789"
    assert run.read_ranges("x", [(2, 4)]) == [b"23"]
    assert store.maintenance.check_references(digest=True) == []
    _Page.etag = '"two"'
    with pytest.raises(ReferenceChangedError):
        run.read("x")
    (problem,) = store.maintenance.check_references()
    assert problem.what == "changed"
    with pytest.raises(ReferenceRefusedError):
        opened(str(tmp_path)).runs.get(run.id).read("x")


def test_an_etag_that_no_header_can_say_is_an_error_of_the_store(web: str, tmp_path: Path) -> None:
    """A stranger's pointer neither adds a header to a request nor breaks its reader off."""
    store = opened(str(tmp_path), references=[f"{web}/"])
    for etag in ('"one"\r\nX-Evil: 1', '"\u20ac"'):
        with pytest.raises(holdall.errors.StorageError, match="cannot be asked for"):
            _planted(store, f"{web}/x", Pinned("", 10, etag)).read("data")


# --- the command line -------------------------------------------------------------------------------


def test_references_at_a_shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Log, list, fetch and check them; drift is exit code 1 and a line that names it."""
    far = _folder(tmp_path)
    far.fill(CONTENT)
    monkeypatch.setenv("HOLDALL_REFERENCES", f"{far.url}/")
    store, shell = opened(str(tmp_path / "store")), Shell(tmp_path)
    with store.runs.start() as run:
        run.log_text("own", "own.txt")
    uri = f"runs:/{run.id}"
    assert (
        shell("artifact", "reference", f"{far.url}/a/", "--run", run.id, "--as", "far").strip().endswith(f"{uri}/far")
    )
    listing = shell("artifact", "list", uri)
    assert f"far/ -> {far.url}/a/" in listing
    assert "x.bin" in shell("artifact", "list", f"{uri}/far")
    assert shell("artifact", "cat", f"{uri}/far/sub/y") == "yy"
    shell("artifact", "get", f"{uri}/far/sub", "-d", "one")
    shell("artifact", "get", uri, "-d", "all", "--references")
    shell("artifact", "get", uri, "-d", "bare")
    assert set(_written(tmp_path / "one")) == {"far/sub/y"}
    assert set(_written(tmp_path / "all")) == {"own.txt", "far/x.bin", "far/empty", "far/sub/y"}
    assert set(_written(tmp_path / "bare")) == {"own.txt", f"far{ENDING}"}
    assert "all references" in shell("store", "check", "--references")
    far.put("a/sub/y", b"zzz")
    assert f"CHANGED    {uri}/far/sub/y" in shell("store", "check", "--references", code=1)
