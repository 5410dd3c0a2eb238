"""One measurement, in a process of its own.

    measure("benchmarks.peers.ours:log", url=..., path=...)         -> Taken
    echo '{"url": ...}' | python -m benchmarks.measured benchmarks.peers.ours:log        the same, by hand

What is measured is a function that takes a `Clock` and its arguments, and lets
the clock run over what its user waits for and nothing else:

    def log(clock, *, url, path):
        client = ...                 imports, and one byte sent elsewhere: not measured
        with clock:
            client.log(path)         measured
        clock.compare(...)           not measured

A fresh process each time, so that no peer inherits the other's warm caches,
threads or heap, and so that its peak memory is its own. Before the clock starts,
dirty pages are written back: nobody pays for what the one before left behind.
Reads come from a warm page cache, for everybody. What the whole process took is
kept too, from fork to exit, imports and warming up included: a bound of what a
short script feels. Writing back and comparing are no part of that either.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

from benchmarks.data import put_away, same

ROOT = Path(__file__).parent.parent
PATIENCE = 900  # seconds; a measurement that hangs is a failure, not a wait


class PeerFailedError(Exception):
    """A side could not do its work; its own words say why."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What one measurement took.

    Attributes:
        seconds: What the user waited for.
        whole: The whole process: interpreter, imports and warming up included.
        cpu: Seconds of processor time within `seconds`.
        memory: Bytes resident at the process's peak.
        bytes: What is stored now, where that was asked.
        requests: How many the bucket was asked, where that was counted.
        facts: What the function returned: ids, counts.
    """

    seconds: float
    whole: float = 0.0
    cpu: float = 0.0
    memory: int = 0
    bytes: int = 0
    requests: int = 0
    facts: Mapping[str, Any] = field(default_factory=dict)


class Clock:
    """Adds up what is spent within its `with` blocks, and apart from it what is spent for the measurement's sake."""

    def __init__(self) -> None:
        self.seconds = self.cpu = self.aside = 0.0

    def __enter__(self) -> None:
        with self._aside():
            os.sync()
        self._cpu, self._start = time.process_time(), time.perf_counter()

    def __exit__(self, *_: object) -> None:
        self.seconds += time.perf_counter() - self._start
        self.cpu += time.process_time() - self._cpu

    def compare(self, source: Path, copy: Path) -> None:
        """Hold what came back against what was logged, and put it away before anybody writes it to the disk.

        Raises:
            ValueError: They differ.
        """
        with self._aside():
            if not same(source, copy):
                raise ValueError(f"{copy} is not what was logged")
            put_away(copy)

    @contextmanager
    def _aside(self) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self.aside += time.perf_counter() - start


def measure(act: str, *, env: Mapping[str, str] | None = None, **arguments: Any) -> Taken:
    """Run `module:function` in a process of its own.

    Raises:
        PeerFailedError: It ended with an error, or not at all.
    """
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report.json")
        command = [sys.executable, "-m", "benchmarks.measured", act, str(report)]
        whole = _run(command, {**os.environ, **(env or {})}, act, said=json.dumps(arguments))
        found = json.loads(report.read_text())
        return Taken(whole=whole - found.pop("aside"), **found)


def measure_program(command: list[str], *, env: Mapping[str, str], cwd: Path | None = None) -> Taken:
    """Run a program that is no Python: all of it counts."""
    os.sync()
    seconds = _run(command, {**os.environ, **env}, command[0], cwd)
    return Taken(seconds, whole=seconds)


def peak_memory() -> int:
    """Bytes resident at this process's peak.

    Linux's own figure where there is one: `ru_maxrss` is inherited from the parent across exec.
    """
    status = Path("/proc/self/status")
    if status.exists():
        lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
        return int(lines["VmHWM"].split()[0]) << 10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _run(command: list[str], env: Mapping[str, str], name: str, cwd: Path | None = None, said: str = "") -> float:
    start = time.perf_counter()
    try:
        done = subprocess.run(
            command, cwd=cwd or ROOT, env=env, input=said, capture_output=True, text=True, timeout=PATIENCE
        )
    except subprocess.TimeoutExpired as error:
        raise PeerFailedError(f"{name}: not done after {PATIENCE} s") from error
    except OSError as error:
        raise PeerFailedError(f"{name}: {error}") from error
    if done.returncode:
        last = (done.stderr.strip() or done.stdout.strip() or "no word").splitlines()[-1]
        raise PeerFailedError(f"{name}: {last}")
    return time.perf_counter() - start


def main() -> None:
    """The other end of `measure`."""
    (module, _, function), report = sys.argv[1].partition(":"), sys.argv[2:]
    clock, arguments = Clock(), json.load(sys.stdin)  # there may be more of them than fits a command line
    facts = getattr(import_module(module), function)(clock, **arguments) or {}
    found: dict[str, Any] = {"seconds": clock.seconds, "cpu": clock.cpu, "aside": clock.aside}
    found |= {"memory": peak_memory(), "requests": facts.pop("requests", 0), "facts": facts}
    if report:
        Path(report[0]).write_text(json.dumps(found))
    else:
        print(json.dumps(found))


if __name__ == "__main__":
    from benchmarks import measured  # this file runs as __main__; its functions know the classes by their proper name

    measured.main()
