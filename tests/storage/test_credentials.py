"""Credentials that were given to a store go where its pickle goes, and that is said."""

from __future__ import annotations

import pickle
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest

from holdall.store import Store

SECRET: list[tuple[str, dict[str, Any], str]] = [
    ("s3://b/p", {"key": "AK", "secret": "SK"}, "key, secret"),
    ("s3://b/p", {"token": "T", "lane": "s3fs"}, "token"),
    ("s3://b/p", {"client_kwargs": {"aws_secret_access_key": "SK"}}, "client_kwargs.aws_secret_access_key"),
    ("s3://b/p", {"s3_additional_kwargs": {"SSECustomerKey": "K"}}, "s3_additional_kwargs.SSECustomerKey"),
    ("az://c/p", {"account_key": "K"}, "account_key"),
    ("az://c/p", {"connection_string": "K"}, "connection_string"),
    ("az://c/p", {"sas_token": "K"}, "sas_token"),
]
OPEN: list[dict[str, Any]] = [
    {},
    {"anon": True},
    {"profile": "p", "endpoint_url": "http://h"},
    {"requester_pays": True},
]


@pytest.mark.parametrize(("url", "options", "names"), SECRET)
def test_a_pickle_with_credentials_is_told(url: str, options: dict[str, Any], names: str) -> None:
    """Which options, and what to do instead; never the values."""
    with pytest.warns(UserWarning, match=f"{names} in clear") as told:
        pickle.dumps(Store.open(url, options))
    assert "profile=" in str(told[0].message)


@pytest.mark.parametrize("options", OPEN)
def test_a_pickle_without_credentials_is_no_news(options: dict[str, Any]) -> None:
    """What botocore finds for itself is found again where it is unpickled."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        assert pickle.loads(pickle.dumps(Store.open("s3://b/p", options))).url == "s3://b/p"


SPAWNED = """
import multiprocessing, sys
from holdall.store import Store
def main(store):
    sys.exit(0 if store.url == "s3://b/p" else 1)
if __name__ == "__main__":
    child = multiprocessing.get_context("spawn").Process(target=main, args=(Store.open("s3://b/p", {"secret": "SK"}),))
    child.start(); child.join(); sys.exit(child.exitcode)
"""


def test_a_process_that_is_started_gets_them_without_a_word(tmp_path: Path) -> None:
    """They go through memory, and stay on the machine."""
    (tmp_path / "main.py").write_text(SPAWNED)
    done = subprocess.run([sys.executable, "-W", "error", "main.py"], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
