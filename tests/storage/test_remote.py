"""Other backends of fsspec: what is asked of them, and what their errors mean."""

from __future__ import annotations

import functools
import logging
import pickle
from types import SimpleNamespace
from typing import Any

import fsspec
import pytest

from holdall.errors import (
    AccessDeniedError,
    BucketUnreachableError,
    MissingBackendError,
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


class ClientConnectorDNSError(Exception):
    """As aiohttp has it."""


class ServiceRequestError(Exception):
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
        (ClientConnectorDNSError("no such host"), BucketUnreachableError),
        (ServiceRequestError("no such host"), BucketUnreachableError),
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


@pytest.mark.parametrize("error", [HttpError(403), OSError("Forbidden: https://storage.googleapis.com/b/k")])
def test_a_refusal_of_googles_names_the_permission(fake: Fake, error: Exception) -> None:
    """And whose policy has it."""
    fake.error = error
    with pytest.raises(AccessDeniedError, match=r"storage\.objects\.get was refused") as caught:
        RemoteBucket("gs://b").get("gc/0/condemn")
    assert caught.value.action == "storage.objects.get"
    assert caught.value.hint.startswith("a reader's policy has it")


def test_credentials_that_fail_with_not_found_are_denied(fake: Fake) -> None:
    """A metadata server without a token answers 404: that is not about the object."""
    denied = FileNotFoundError("DefaultCredentialsError: metadata answered 404")
    fake.error = denied
    with pytest.raises(AccessDeniedError):
        RemoteBucket("gs://b").get("k")


@pytest.mark.parametrize(
    ("scheme", "login"), [("gs", "gcloud auth"), ("gcs", "gcloud auth"), ("az", "AZURE_"), ("abfs", "AZURE_")]
)
def test_who_is_not_logged_in_reads_one_line_and_how_to(fake: Fake, scheme: str, login: str) -> None:
    """Nothing of AWS, and not the table of all that a library tried."""
    fake.error = ClientAuthenticationError(
        "failed to retrieve a token\nAttempted credentials:\n\tOne: no\n" + "x" * 9000
    )
    with pytest.raises(AccessDeniedError) as caught:
        RemoteBucket(f"{scheme}://b").get("k")
    assert str(caught.value) == f"{scheme}://b/k: ClientAuthenticationError: failed to retrieve a token"
    assert login in str(caught.value.hint)
    assert "AWS" not in str(caught.value.hint)
    fake.error = RuntimeError("x" * 9000)
    with pytest.raises(StorageError) as other:
        RemoteBucket(f"{scheme}://b").get("k")
    assert len(str(other.value)) < 400


def test_an_account_that_cannot_be_opened_is_no_missing_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """adlfs says so with a ValueError, as fsspec does of a scheme that it does not know."""

    def refuse(*_: object, **__: object) -> None:
        raise ValueError("must provide a connection_string or account_name with credentials!!")

    monkeypatch.setattr(fsspec, "filesystem", refuse)
    with pytest.raises(AccessDeniedError, match="with credentials") as caught:
        RemoteBucket("az://b").get("k")
    assert "AZURE_STORAGE_ACCOUNT_NAME" in str(caught.value.hint)
    monkeypatch.undo()
    with pytest.raises(MissingBackendError):
        RemoteBucket("nosuch://b", unsafe_single_writer=True).get("k")


def test_libraries_log_no_traceback_of_what_they_raise(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unless somebody asked for it."""
    monkeypatch.setattr(fsspec, "filesystem", lambda *_, **__: Fake())
    quiet, asked = logging.getLogger("gcsfs"), logging.getLogger("azure.identity")
    monkeypatch.setattr(quiet, "level", logging.NOTSET)
    monkeypatch.setattr(asked, "level", logging.DEBUG)
    with pytest.raises(ObjectNotFoundError):
        RemoteBucket("gs://b").get("k")
    assert (quiet.level, asked.level) == (logging.CRITICAL, logging.DEBUG)


def test_requests_are_sent_once_and_retried_by_us(monkeypatch: pytest.MonkeyPatch) -> None:
    """gcsfs wraps its request in six attempts, Azure's client has a policy of its own."""

    class Gcs(Fake):
        __module__ = "gcsfs.core"
        sent = 0

        @functools.wraps(lambda self: setattr(self, "sent", self.sent + 1))
        def _request(self) -> None:
            raise AssertionError("six attempts")

        def cat_file(self, path: str, start: int | None = None, end: int | None = None) -> bytes:
            self._request()  # type: ignore[call-arg]  # mypy takes a wrapped method for a function
            raise ConnectionResetError

    class Azure(Fake):
        def __init__(self) -> None:
            super().__init__()
            self.service_client = SimpleNamespace(
                _config=SimpleNamespace(retry_policy=SimpleNamespace(total_retries=3))
            )

    google, azure = Gcs(), Azure()
    monkeypatch.setattr(fsspec, "filesystem", lambda scheme, **_: google if scheme == "gs" else azure)
    with pytest.raises(BucketUnreachableError):
        RemoteBucket("gs://b").get("k")
    assert google.sent == 1
    with pytest.raises(ObjectNotFoundError):
        RemoteBucket("az://b").get("k")
    assert azure.service_client._config.retry_policy.total_retries == 0


def test_a_handle_travels_without_its_client(fake: Fake) -> None:
    """Address and options are all its state."""
    bucket = RemoteBucket("gs://b/p/", {"token": "SECRET"})
    bucket.put("k", b"v")
    copy = pickle.loads(pickle.dumps(bucket))
    assert (copy.url, copy.get("k")) == ("gs://b/p", b"v")
    assert "SECRET" not in repr(bucket)
