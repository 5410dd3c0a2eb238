"""Addresses lead where they say, and mistakes are named."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from tests.conformance.bucket import BucketSuite

from holdall.errors import (
    HoldallError,
    InvalidURIError,
    ObjectExistsError,
    ObjectNotFoundError,
    UnsafeBucketError,
)
from holdall.storage.local import LocalBucket
from holdall.storage.remote import RemoteBucket
from holdall.storage.s3 import S3Bucket
from holdall.storage.schemes import bucket_at
from holdall.storage.wrappers import LimitBucket, RetryBucket


def adapter(url: str, **options: object) -> object:
    outer = bucket_at(url, options)
    assert isinstance(outer, RetryBucket)
    assert isinstance(outer.inner, LimitBucket)
    return outer.inner.inner


def test_a_path_is_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Plain, relative, with ~, and as a file URL; a colon in it means nothing."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    wanted = str(tmp_path / "a b")
    for url in (wanted, "a b", "./a b/", "~/a b", f"file://{tmp_path}/a%20b", f"file://localhost{tmp_path}/a%20b/"):
        found = adapter(url)
        assert isinstance(found, LocalBucket)
        assert found.url == wanted
    assert bucket_at("x:y").url == str(tmp_path / "x:y")


def test_a_memory_bucket_is_shared_by_name() -> None:
    """Within a process, the same name is the same bucket."""
    bucket_at("memory://shared").put("k", b"v")
    assert bucket_at("memory://shared/").get("k") == b"v"
    with pytest.raises(ObjectNotFoundError):
        bucket_at("memory://other").get("k")


@pytest.mark.parametrize(
    ("url", "bucket", "prefix"),
    [
        ("s3://b", "b", ""),
        ("s3://b/", "b", ""),
        ("S3://b/p", "b", "p/"),
        ("s3://b/p/q//", "b", "p/q/"),
        (
            "s3://arn:aws:s3:us-east-1:123456789012:accesspoint/ap/p",
            "arn:aws:s3:us-east-1:123456789012:accesspoint/ap",
            "p/",
        ),
        (
            "s3://arn:aws:s3:us-east-1:123456789012:accesspoint:ap/p",
            "arn:aws:s3:us-east-1:123456789012:accesspoint:ap",
            "p/",
        ),
    ],
)
def test_an_s3_address_is_a_bucket_and_a_prefix(url: str, bucket: str, prefix: str) -> None:
    """Slashes at the end do not matter."""
    found = adapter(url)
    assert isinstance(found, S3Bucket)
    assert (found.bucket, found.prefix) == (bucket, prefix)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("", "empty"),
        ("  ", "empty"),
        ("s3:/b/p", "two slashes"),
        ("s3://", "bucket's name"),
        ("s3:///p", "bucket's name"),
        ("s3://b/../c", "no empty"),
        ("s3://b//p", "no empty"),
        ("s3://b/p?region=eu", r"\? and #"),
        ("s4://b", "did you mean s3://"),
        ("s3a://b", "did you mean s3://"),
        ("gss://b", "did you mean gs://"),
        ("fil:///x", "did you mean file://"),
        ("memmory://x", "did you mean memory://"),
        ("https://s3.amazonaws.com/b", "endpoint_url"),
        ("ftp://host/x", "unsafe_single_writer"),
        ("file://host/x", "three slashes"),
        ("file://", "three slashes|path belongs"),
    ],
)
def test_a_bad_address_says_what_is_wrong(url: str, says: str) -> None:
    """With a suggestion where there is one."""
    with pytest.raises(InvalidURIError, match=says):
        bucket_at(url)


@pytest.mark.parametrize("url", ["s3://KEYID:SECRET@bucket/p", "s4://KEYID:SECRET@bucket/p"])
def test_credentials_in_an_address_are_refused_and_not_repeated(url: str) -> None:
    """Addresses end up in logs."""
    with pytest.raises(InvalidURIError) as caught:
        bucket_at(url)
    assert "SECRET" not in str(caught.value) + repr(caught.value)


def test_unknown_options_are_named() -> None:
    """A misspelt option must not be ignored: it may be the one that encrypts."""
    with pytest.raises(ValueError, match="did you mean 'endpoint_url'"):
        bucket_at("s3://b", {"endpoint_ulr": "http://x"})
    with pytest.raises(ValueError, match="ContentEncoding"):
        bucket_at("s3://b", {"s3_additional_kwargs": {"ContentEncoding": "gzip"}})
    with pytest.raises(ValueError, match="takes no options"):
        bucket_at("memory://x", {"key": "k"})
    bucket_at("s3://b", {"default_block_size": 5, "unsafe_single_writer": False})


def test_secrets_show_nowhere() -> None:
    """Neither in the address nor in the repr of a handle."""
    bucket = bucket_at("s3://b/p", {"key": "KEYID", "secret": "SECRET", "token": "TOKEN"})
    shown = f"{bucket!r} {bucket} {bucket.url}"
    assert not any(word in shown for word in ("KEYID", "SECRET", "TOKEN"))
    assert bucket.url == "s3://b/p"


@pytest.mark.parametrize(("url", "extra"), [("gs://b/p", "gs"), ("az://b/p", "az"), ("abfs://b/p", "az")])
def test_a_missing_package_is_named(url: str, extra: str) -> None:
    """With the command that installs it; in a process of its own, where neither package can be imported."""
    code = (
        "import sys; sys.modules.update(gcsfs=None, adlfs=None)\n"
        "from holdall.errors import MissingBackendError; from holdall.storage.schemes import bucket_at\n"
        f"try: bucket_at({url!r}).get('k')\n"
        "except MissingBackendError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert f"pip install 'holdall[{extra}]'" in done.stdout, done.stderr


def test_a_scheme_that_cannot_create_exclusively_is_refused() -> None:
    """Unless there is only one writer, and the caller says so."""
    with pytest.raises(UnsafeBucketError, match="only if it is absent"):
        RemoteBucket("memory://x")
    with pytest.raises(InvalidURIError, match="unsafe_single_writer"):
        bucket_at("sftp://host/x")


class TestRemoteSingleWriter(BucketSuite):
    """The generic path of fsspec keeps the laws, but for the races that it cannot win."""

    backend = "fsspec-single-writer"
    shared = False

    @pytest.fixture
    def fresh_bucket_url(self, tmp_path: Path) -> str:
        return f"local://{tmp_path}/bucket"

    def open_bucket(self, url: str) -> RetryBucket:
        options: dict[str, object] = {"auto_mkdir": True}
        return RetryBucket(LimitBucket(RemoteBucket(url, options, unsafe_single_writer=True)), deadline=5)

    # Check-then-write has several winners; that is why it needs a promise.
    test_sixteen_racers_have_exactly_one_winner = None  # type: ignore[assignment]


def test_check_then_write_refuses_what_it_sees(tmp_path: Path) -> None:
    """Even the unsafe way does not overwrite on purpose."""
    bucket = bucket_at(f"local://{tmp_path}", {"unsafe_single_writer": True, "auto_mkdir": True})
    bucket.put("k", b"v")
    with pytest.raises(ObjectExistsError):
        bucket.put("k", b"w")
    assert bucket.get("k") == b"v"


def test_opening_a_handle_imports_no_client() -> None:
    """s3fs costs most of a second; only the first request pays it."""
    code = (
        "import sys; from holdall.storage.schemes import bucket_at; bucket_at('s3://b'); bucket_at('gs://b');"
        "bad = {'s3fs', 'fsspec', 'botocore', 'aiohttp', 'gcsfs', 'numpy'} & set(sys.modules); assert not bad, bad"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2] / "src")


def test_every_error_of_an_address_is_holdalls_own() -> None:
    """`except HoldallError` is enough."""
    with pytest.raises(HoldallError):
        bucket_at("nonsense://x")
