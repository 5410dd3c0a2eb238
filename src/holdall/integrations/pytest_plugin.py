"""Fixtures for the tests of code that logs: a store of its own for each test, in a folder or on S3.

    def test_training(holdall_store):
        train.main()
        assert holdall_store.runs.search()[0].data.metrics["loss"] < 0.5

pytest loads this module in every run of everybody who has holdall. So nothing is imported here but pytest, and nothing
is done before a test asks for a fixture. The store is what `HOLDALL_STORE` names as well, so a script in a process of
its own logs there too. After the test it is closed, and everything is as it was before.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from holdall.store import Store

_NAMED = ("RUN_ID", "RUN_NAME", "EXPERIMENT", "EXPERIMENT_NAME")  # of a run that the tests themselves may be part of
_UNSET = (
    *(f"{tool}_{name}" for tool in ("HOLDALL", "MLFLOW") for name in _NAMED),
    *("HOLDALL_CREATE", "HOLDALL_S3_LANE"),
    # Keys of the user's own stores: none of theirs is opened, and nobody is asked for a passphrase or to touch a token.
    *(f"HOLDALL_{name}" for name in ("PASSPHRASE", "PASSPHRASE_COMMAND", "IDENTITY", "KMS", "ENCRYPTED")),
)
_SET = {"HOLDALL_CACHE": "off", "HOLDALL_WORKERS": "0"}  # nothing on the user's disk, and no process that stays
_AWS_UNSET = tuple(
    f"AWS_{name}"
    for name in (
        *("CA_BUNDLE", "CONTAINER_CREDENTIALS_FULL_URI", "CONTAINER_CREDENTIALS_RELATIVE_URI", "DEFAULT_PROFILE"),
        *("ENDPOINT_URL_S3", "IGNORE_CONFIGURED_ENDPOINT_URLS", "PROFILE", "ROLE_ARN", "SECURITY_TOKEN"),
        *("SESSION_TOKEN", "WEB_IDENTITY_TOKEN_FILE"),
    )
)
_AWS_SET = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_REGION": "us-east-1",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
    "NO_PROXY": "127.0.0.1",
    "no_proxy": "127.0.0.1",
}


@pytest.fixture
def holdall_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A store in a temporary folder, which is the current one, for this process and for those that it starts."""
    with _current(str(tmp_path_factory.mktemp("holdall") / "store"), {}) as store:
        yield store


@pytest.fixture
def holdall_s3(_holdall_s3_server: str) -> Iterator[Store]:
    """A store in an empty bucket of an S3 server of these tests, which is the current one; AWS itself is out of reach.

    boto3, s3fs and every other tool of AWS talk to that server too, with credentials that are good nowhere else.
    """
    _ask("PUT", f"{_holdall_s3_server}/holdall-tests")
    try:
        with _current("s3://holdall-tests/store", {**_AWS_SET, "AWS_ENDPOINT_URL": _holdall_s3_server}) as store:
            yield store
    finally:
        _ask("POST", f"{_holdall_s3_server}/moto-api/reset")


@pytest.fixture(scope="session")
def _holdall_s3_server() -> Iterator[str]:
    """The URL of an S3 server (moto behind a lock) in a process of its own; with xdist each worker has one."""
    from subprocess import PIPE, Popen
    from tempfile import TemporaryFile

    command = [sys.executable, "-P", "-m", "holdall.demo.server", "--until-eof"]
    with TemporaryFile("w+") as errors:
        with _environment(_AWS_SET, _AWS_UNSET):  # a profile that is not there would hinder moto, too
            server = Popen(command, stdin=PIPE, stdout=PIPE, stderr=errors, text=True)
        with server:
            assert server.stdin is not None
            assert server.stdout is not None
            if not (url := server.stdout.readline().strip()):
                errors.seek(0)
                said = (errors.read().splitlines() or ["it did not start"])[-1]
                pytest.fail(f"holdall_s3 needs a server: pip install 'holdall[demo]' ({said})", pytrace=False)
            yield url
            server.stdin.close()  # then it ends, as it does where this process is killed


@contextmanager
def _current(url: str, environment: dict[str, str]) -> Iterator[Store]:
    """A store that is the current one within the block, with these variables in the environment."""
    from holdall.surfaces.fluent.isolation import apart

    unset = (*_UNSET, *(_AWS_UNSET if environment else ()))
    with _environment({**_SET, **environment, "HOLDALL_STORE": url}, unset), apart(url) as store:
        yield store


@contextmanager
def _environment(variables: dict[str, str], unset: tuple[str, ...]) -> Iterator[None]:
    """Set and unset variables within the block."""
    with pytest.MonkeyPatch.context() as patch:
        for name in unset:
            patch.delenv(name, raising=False)
        for name, value in variables.items():
            patch.setenv(name, value)
        yield


def _ask(method: str, url: str) -> None:
    """Send a request to the tests' own server, past every proxy."""
    from urllib.request import ProxyHandler, Request, build_opener

    request = Request(url, method=method, headers={"Content-Length": "0"})
    with build_opener(ProxyHandler({})).open(request, timeout=60):
        pass
