"""Seconds of processor that one verb takes: of its process, and of all that it starts.

    spent(Side("here", python, sources), "log", url=..., path=...)       -> Spent(seconds, facts)

The verb runs in a fresh process, with the sources of one side in front of its
path. That process says how much it had used when the verb began; what it and its
children have used when the last of them has ended, less that, is what the verb
took. Children that outlive their parent are waited for as well, by
a process between: where Linux lets it, they become its own. User's and system's seconds count alike: they do not depend
on who else runs, but for the caches.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
PATIENCE = 3600  # seconds; a verb that hangs, or leaves behind what does, is a failure
_SUBREAPER = 36  # of prctl(2)
_QUIET = {"HOLDALL_PROGRESS": "off", "HOLDALL_CACHE": "off"}


@dataclass(frozen=True, slots=True)
class Side:
    """One of the versions that are compared.

    Attributes:
        name: What the reader sees.
        python: Its interpreter.
        sources: The folder that its package is in; None: it is installed there.
    """

    name: str
    python: str = sys.executable
    sources: Path | None = ROOT / "src"

    @classmethod
    def at(cls, name: str, place: Path) -> Side:
        """Return the version in a checkout, or that which an interpreter finds installed."""
        return cls(name, sources=place.resolve() / "src") if place.is_dir() else cls(name, str(place), None)


@dataclass(frozen=True, slots=True)
class Spent:
    """What a verb took. Attributes: seconds, of all processors; facts, what it returned."""

    seconds: float
    facts: Any


def spent(side: Side, verb: str, **arguments: Any) -> Spent:
    """Run one of the verbs below in a process of its own.

    Raises:
        RuntimeError: It failed, or does not end.
    """
    path = os.pathsep.join(str(folder) for folder in (side.sources, ROOT) if folder)
    verb_itself = [side.python, "-m", "benchmarks.spent", verb, json.dumps(arguments)]
    command = [sys.executable, "-m", "benchmarks.spent", "watch", json.dumps(verb_itself)]
    env = {**os.environ, **_QUIET, "PYTHONPATH": path}
    try:
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=PATIENCE)
    except subprocess.TimeoutExpired as error:
        raise RuntimeError(f"{side.name}, {verb}: not done after {PATIENCE} s") from error
    if done.returncode:
        raise RuntimeError(f"{side.name}, {verb}: {done.stderr.strip()[-500:]}")
    told, used = map(json.loads, done.stdout.splitlines())
    return Spent(used - told["before"], told["facts"])


def _watch(command: list[str]) -> int:
    """Run a command, wait for whatever it leaves behind, and print what all of it used.

    This takes a process that has no other children, for it waits for all that it has.
    """
    with suppress(OSError, AttributeError):  # only Linux has it
        ctypes.CDLL(None).prctl(_SUBREAPER, 1, 0, 0, 0)
    code = subprocess.run(command).returncode
    with suppress(ChildProcessError):
        while True:
            os.waitpid(-1, 0)
    print(_used(resource.RUSAGE_CHILDREN))
    return code


def _used(who: int) -> float:
    found = resource.getrusage(who)
    return found.ru_utime + found.ru_stime


# --- in the process of the verb ---


def _log(url: str, path: str) -> str:
    import holdall

    with holdall.start_run() as run:
        if Path(path).is_dir():
            holdall.log_artifacts(path)
        else:
            holdall.log_artifact(path)
    return str(run.id)


def _get(url: str, run: str, into: str) -> str:
    import holdall

    return str(holdall.artifacts.download_artifacts(run_id=run, dst_path=into))


def _warm_up(url: str) -> None:
    """Write and read one file in a store beside, which loads what is loaded when it is first needed."""
    import numpy as np

    import holdall

    holdall.set_store(url)
    with holdall.start_run() as run:
        holdall.log_text("warm " * 50_000, "warm.txt")
        holdall.log_text(np.random.default_rng(1).standard_normal(50_000, dtype=np.float32).tobytes().hex(), "hex.txt")
    holdall.artifacts.load_text(f"runs:/{run.id}/warm.txt")


def main() -> None:
    """The other ends of `spent`: who watches, and whom it watches."""
    verb, arguments = sys.argv[1], json.loads(sys.argv[2])
    if verb == "watch":
        sys.exit(_watch(arguments))
    import holdall

    _warm_up(arguments["url"] + "-warm")
    holdall.set_store(arguments["url"])
    before = _used(resource.RUSAGE_SELF) + _used(resource.RUSAGE_CHILDREN)
    facts = _log(**arguments) if verb == "log" else _get(**arguments)
    print(json.dumps({"before": before, "facts": facts}))


if __name__ == "__main__":
    main()
