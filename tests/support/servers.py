"""Real S3 servers, started by whoever needs one first, shared by all workers of a session.

A lock file in the session's shared folder makes the first worker start the
server; the others find its URL written down. The controller stops them all.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
SESSION = "HOLDALL_TESTS_SESSION"  # the controller's process, for its workers to find
_ROOMS = ("holdall.maintenance.store", "holdall.modeling.models", "holdall.naming.deployments")  # loaded when used
_WARM = ("holdall.__main__", "numpy", "pandas", "yaml", "holdall.store", *_ROOMS)
KEYS: dict[str, object] = {"key": "test", "secret": "test"}


@dataclass(frozen=True, slots=True)
class Server:
    """A server that answers.

    Attributes:
        url: Its endpoint.
        log: Its access log (moto: one line of JSON per request), or its output.
    """

    url: str
    log: Path

    @property
    def options(self) -> dict[str, object]:
        """What `bucket_at` needs to reach it."""
        return {"endpoint_url": self.url, **KEYS}

    def new_bucket(self) -> str:
        """Create a bucket of a new name; its address."""
        name = f"bucket-{uuid.uuid4().hex}"
        request = urllib.request.Request(f"{self.url}/{name}", method="PUT", headers={"Content-Length": "0"})
        with urllib.request.urlopen(request, timeout=60):
            return f"s3://{name}"

    def requests(self) -> list[dict[str, object]]:
        """What moto was asked so far."""
        return [json.loads(line) for line in self.log.read_text().splitlines()]


def shared(folder: Path, name: str, start: Callable[[Path], tuple[Server, int]]) -> Server:
    """The session's one server of this name, started if it is not running yet."""
    folder.mkdir(exist_ok=True)
    note = folder / f"{name}.json"
    with (folder / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not note.exists():
            server, pid = start(folder)
            note.write_text(json.dumps({"url": server.url, "log": str(server.log), "pid": pid}))
        found = json.loads(note.read_text())
    return Server(found["url"], Path(found["log"]))


def remember_models() -> None:
    """Let botocore parse each of its files of JSON once a process: a client reads 3 MB of them, for 0.2 s."""
    from botocore.loaders import JSONFileLoader

    if JSONFileLoader._load_file is not _load_once:
        _parse.append(JSONFileLoader()._load_file)
        JSONFileLoader._load_file = _load_once


_parse: list[Callable[..., object]] = []  # botocore's own way, of one loader: each session has another


@cache
def _load(path: str, opener: Callable[..., object]) -> object:
    return _parse[0](path, opener)


def _load_once(_: object, path: str, opener: Callable[..., object]) -> object:
    """Whatever loader asks: a memory that knew loaders apart would keep 10 MB of each client for good."""
    return _load(path, opener)


def stop_all(folder: Path) -> None:
    """Stop what `shared` started, all at once; for the controller, at the end."""
    stop(*(json.loads(note.read_text())["pid"] for note in folder.glob("*.json")))


def stop(*pids: int) -> None:
    """End process groups that we started; harder, those that do not listen."""
    for kind in (signal.SIGTERM, signal.SIGKILL):
        for pid in pids:
            with suppress(ProcessLookupError):
                os.killpg(pid, kind)
        end = time.monotonic() + 5.0
        while any(_runs(pid) for pid in pids) and time.monotonic() < end:
            time.sleep(0.05)


def _runs(pid: int) -> bool:
    """Whether a process still does something: one that a worker started stays as a zombie, which no one waits for."""
    with suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def start_moto(folder: Path) -> tuple[Server, int]:
    """The serialised moto server in a process of its own, with its access log."""
    log = folder / "moto.log"
    log.touch()
    command = [sys.executable, "-m", "holdall.demo.server", "--port", "0", "--log", str(log)]
    path = os.pathsep.join(filter(None, [str(ROOT / "src"), os.environ.get("PYTHONPATH")]))
    process = subprocess.Popen(
        [*guarded(), *command],
        stdout=subprocess.PIPE,
        stderr=(folder / "moto.err").open("w"),
        text=True,
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": path},
    )
    assert process.stdout is not None
    url = process.stdout.readline().strip()
    if not url:
        raise RuntimeError(f"moto did not start: {(folder / 'moto.err').read_text()}")
    return Server(url, log), process.pid


def start_localstack(folder: Path) -> tuple[Server, int]:
    """LocalStack by the project's own script, which installs it where it is missing."""
    port, log = free_port(), folder / "localstack.out"
    env = {
        **os.environ,
        "GATEWAY_LISTEN": f"127.0.0.1:{port}",
        "LOCALSTACK_STATE": str(folder / "localstack"),
    }
    with log.open("w") as output:
        script = str(ROOT / "localstack" / "run.sh")
        subprocess.run([script, "--install"], stdout=output, stderr=output, env=env, check=True)
        process = subprocess.Popen(
            [*guarded(), script],
            stdout=output,
            stderr=output,
            env=env,
            start_new_session=True,
            stdin=subprocess.DEVNULL,
        )
    url = f"http://127.0.0.1:{port}"
    wait_until(lambda: _answers(f"{url}/_localstack/health"), process, log, seconds=120)
    return Server(url, log), process.pid


def start_warm(folder: Path, *, name: str, modules: Sequence[str], env: dict[str, str]) -> tuple[Server, int]:
    """A Python that has imported what the command line needs, started in this environment; its URL is a socket."""
    place, log = folder / f"{name}.socket", folder / f"{name}.out"
    command = [sys.executable, "-P", str(ROOT / "tests/support/warm.py"), str(place), *_WARM, *modules]
    with log.open("w") as output:
        process = subprocess.Popen(
            [*guarded(), *command], stdout=output, stderr=output, start_new_session=True, env=os.environ | env
        )
    wait_until(lambda: log.read_text().strip() == str(place), process, log, seconds=60)
    return Server(str(place), log), process.pid


def as_python(warm: Server) -> list[str]:
    """The beginning of a command that a warm Python runs."""
    return [sys.executable, "-I", "-S", str(ROOT / "tests/support/as_python.py"), warm.url]


@contextmanager
def rclone_server(folder: Path) -> Iterator[Server]:
    """`rclone serve s3`, which takes If-None-Match and ignores it."""
    port, log = free_port(), folder / "rclone.out"
    (folder / "data").mkdir()
    program = Path(sys.executable).with_name("rclone")
    with log.open("w") as output:
        command = [str(program), "serve", "s3", str(folder / "data"), "--addr", f"127.0.0.1:{port}"]
        command += ["--auth-key", "test,test", "--config", os.devnull]
        process = subprocess.Popen([*guarded(), *command], stdout=output, stderr=output, start_new_session=True)
    try:
        wait_until(lambda: _listens(port), process, log, seconds=30)
        yield Server(f"http://127.0.0.1:{port}", log)
    finally:
        stop(process.pid)


def guarded() -> list[str]:
    """The beginning of a command that ends with the session, also when that is killed."""
    owner = os.environ.get(SESSION, str(os.getpid()))
    return [sys.executable, str(ROOT / "tests" / "support" / "guard.py"), owner]


def free_port() -> int:
    """A port that nobody listens on at the moment."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def wait_until(ready: Callable[[], bool], process: subprocess.Popen[bytes], log: Path, *, seconds: float) -> None:
    """Wait for a server; its output is the error if it ends or takes too long."""
    end = time.monotonic() + seconds
    while not ready():
        if process.poll() is not None or time.monotonic() > end:
            stop(process.pid)
            raise RuntimeError(f"the server did not start: {log.read_text()[-3000:]}")
        time.sleep(0.1)


def _answers(url: str) -> bool:
    with suppress(OSError), urllib.request.urlopen(url, timeout=5) as answer:
        return bool(answer.status == 200)
    return False


def _listens(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False
