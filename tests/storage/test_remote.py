"""Other backends of fsspec: what is asked of them, and what their errors mean."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

from holdall.errors import (
    AccessDeniedError,
    BucketUnreachableError,
    ObjectExistsError,
    ObjectNotFoundError,
    ObjectTooShortError,
    StorageError,
    TransientStorageError,
)
from holdall.storage.remote import RemoteBucket


class Fake:
    """What gcsfs and adlfs have in common, as far as a bucket uses it."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.error: Exception | None = None

    def pipe_file(self, path: str, data: bytes, mode: str = "overwrite") -> None:
        assert mode == "create"
        if path in self.objects:
            raise FileExistsError(path)
        self.objects[path] = data

    def cat_file(self, path: str, start: int | None = None, end: int | None = None) -> bytes:
        if self.error is not None:
            raise self.error
        if path not in self.objects:
            raise FileNotFoundError(path)
        return self.objects[path][start:end]

    def info(self, path: str) -> dict[str, Any]:
        return {"size": len(self.cat_file(path))}

    def invalidate_cache(self) -> None:
        return

    def find(self, path: str, **_: object) -> dict[str, dict[str, Any]]:
        names = [name for name in self.objects if name.startswith(path)]
        return {name: {"type": "file", "size": len(self.objects[name])} for name in reversed(names)}

    def rm_file(self, path: str) -> None:
        if self.objects.pop(path, None) is None:
            raise FileNotFoundError(path)


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Fake:
    found = Fake()
    monkeypatch.setattr(RemoteBucket, "_open", lambda self: found)
    return found


@pytest.mark.parametrize("scheme", ["gs", "gcs", "az", "abfs"])
def test_a_put_is_conditional(fake: Fake, scheme: str) -> None:
    """`mode="create"` goes to the backends that were found to honour it."""
    bucket = RemoteBucket(f"{scheme}://b/p")
    bucket.put("k", b"v")
    assert fake.objects == {"b/p/k": b"v"}
    with pytest.raises(ObjectExistsError):
        bucket.put("k", b"w")
    assert bucket.get("k") == b"v"
    bucket.delete("k")
    bucket.delete("k")


def test_listings_are_sorted_here(fake: Fake) -> None:
    """Whatever order they come in, and below the prefix alone."""
    bucket = RemoteBucket("gs://b/p")
    for key in ("a/2", "a-1", "b", "a/1"):
        bucket.put(key, b"12")
    assert [(info.key, info.size) for info in bucket.list("a")] == [("a-1", 2), ("a/1", 2), ("a/2", 2)]
    assert [info.key for info in bucket.list("", limit=1)] == ["a-1"]


def test_short_answers_are_not_passed_on(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    """Length is checked here, as everywhere: an object that ends too early is told from an answer that does."""
    fake.objects["b/k"] = b"abc"
    bucket = RemoteBucket("gs://b")
    assert bucket.get_range("k", 1, 3) == b"bc"
    assert bucket.get_range("k", -9) == b"abc"
    with pytest.raises(ObjectTooShortError, match="ends at byte 3, before 5"):
        bucket.get_range("k", 0, 5)
    monkeypatch.setattr(fake, "info", lambda path: {"size": 9})
    with pytest.raises(TransientStorageError, match="3 bytes came"):
        bucket.get_range("k", 0, 5)


class HttpError(Exception):
    """As gcsfs has it."""

    def __init__(self, code: int) -> None:
        super().__init__(f"refused, {code}")
        self.code = code


class ClientAuthenticationError(Exception):
    """As Azure has it."""


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (FileNotFoundError("k"), ObjectNotFoundError),
        (HttpError(404), ObjectNotFoundError),
        (HttpError(403), AccessDeniedError),
        (HttpError(401), AccessDeniedError),
        (OSError("Forbidden: k"), AccessDeniedError),
        (PermissionError("k"), AccessDeniedError),
        (ClientAuthenticationError("expired"), AccessDeniedError),
        (HttpError(429), TransientStorageError),
        (HttpError(503), TransientStorageError),
        (TimeoutError(), BucketUnreachableError),
        (ConnectionResetError(), BucketUnreachableError),
        (HttpError(400), StorageError),
        (HttpError(416), ObjectTooShortError),
        (RuntimeError("odd"), StorageError),
    ],
)
def test_errors_are_told_apart(fake: Fake, error: Exception, kind: type[StorageError]) -> None:
    """By status where there is one, and always with their cause."""
    fake.error = error
    with pytest.raises(StorageError) as caught:
        RemoteBucket("gs://b").get("k")
    assert type(caught.value) is kind
    assert caught.value.__cause__ is error


def test_credentials_that_fail_with_not_found_are_denied(fake: Fake) -> None:
    """A metadata server without a token answers 404: that is not about the object."""
    denied = FileNotFoundError("DefaultCredentialsError: metadata answered 404")
    fake.error = denied
    with pytest.raises(AccessDeniedError):
        RemoteBucket("gs://b").get("k")


def test_a_handle_travels_without_its_client(fake: Fake) -> None:
    """Address and options are all its state."""
    bucket = RemoteBucket("gs://b/p/", {"token": "SECRET"})
    bucket.put("k", b"v")
    copy = pickle.loads(pickle.dumps(bucket))
    assert (copy.url, copy.get("k")) == ("gs://b/p", b"v")
    assert "SECRET" not in repr(bucket)
