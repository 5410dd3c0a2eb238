"""`holdall ui` as a program: it says where it listens, answers, and ends when it is told to."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.support.depth import thinned

from holdall.store import Store


@contextmanager
def started(*arguments: str, store: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The program, and the address that it printed."""
    command = [sys.executable, "-m", "holdall", "--store", store, "ui", "--port", "0", *arguments]
    environment = {**os.environ, "HOLDALL_CACHE": "off", "HOLDALL_WORKERS": "0"}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
    ) as program:
        try:
            assert program.stdout
            line = program.stdout.readline()
            found = re.search(r"http://\S+", line)
            assert found, line + program.stdout.read()
            yield program, found[0]
        finally:
            program.kill()


def asked(url: str, cookie: str = "") -> tuple[int, str]:
    request = urllib.request.Request(url, headers={"cookie": cookie} if cookie else {})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


@pytest.mark.parametrize("ending", thinned([signal.SIGTERM, signal.SIGINT], 2))
def test_it_serves_until_a_signal(tmp_path: Path, ending: signal.Signals) -> None:
    """The line with the address comes when it listens; both signals end it well."""
    store = Store.open(str(tmp_path / "store"), workers=0)
    with store.runs.start(name="the first one"):
        pass
    with started(store=str(tmp_path / "store")) as (program, url):
        status, shown = asked(url)
        assert (status, "the first one" in shown) == (200, True)
        program.send_signal(ending)
        assert program.wait(60) == 0


def test_a_store_that_is_missing_is_a_page(tmp_path: Path) -> None:
    """It starts without asking the bucket, and says then what is missing and how to mend it; nothing is made."""
    with started("--token", store=str(tmp_path / "nothing")) as (_, url):
        assert asked(url.partition("?")[0])[0] == 401
        token = url.rpartition("=")[2]
        port = url.partition("?")[0].rstrip("/").rpartition(":")[2]
        status, shown = asked(url.partition("?")[0], f"holdall-ui-{port}={token}")
        assert (status, "holdall store" in shown) == (404, True)
        assert 'class="hint"' in shown
    assert not (tmp_path / "nothing").exists()


def test_a_port_that_is_taken_is_a_clear_error(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        command = [sys.executable, "-m", "holdall", "--store", str(tmp_path), "ui", "--port", str(port)]
        found = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert found.returncode
    assert f"127.0.0.1:{port}" in found.stderr
    assert "Traceback" not in found.stderr
