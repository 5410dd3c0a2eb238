"""A script whose threads and children log into its run, each in its own way; `test_processes` starts it.

    python -m tests.support.family URL OPTIONS FOLDER

Every file has 200,000 bytes that its name determines, and so needs a pack of its own.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import sys
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import holdall
from holdall.store import Run

PATIENCE = 100  # seconds
FILES = [
    "parent/before",
    *(f"threads/{n}" for n in range(8)),
    *(f"forked/{way}" for way in ("fluent", "handle", "by id")),
    *(f"spawned/{way}" for way in ("by id", "handle", "active")),
    "exiting/fluent",
    "parent/after",
]


def content(path: str) -> bytes:
    return random.Random(path).randbytes(200_000)


def forked(folder: Path, run: Any, run_id: str) -> None:
    """A forked child has all that its parent has: the store, the active run, and handles."""
    holdall.log_artifact(folder / "forked/fluent", "forked")
    run.log_artifact(folder / "forked/handle", "forked")
    holdall.log_artifact(folder / "forked/by id", "forked", run_id=run_id)


def spawned(folder: Path, place: tuple[str, dict[str, Any]], run: Run, active: Any) -> None:
    """A spawned child has what it is given."""
    holdall.set_store(place[0], **place[1])
    holdall.log_artifact(folder / "spawned/by id", "spawned", run_id=run.id)
    run.log_artifact(folder / "spawned/handle", "spawned")
    active.log_artifact(folder / "spawned/active", "spawned")


def join(process: Any) -> None:
    process.join(PATIENCE)
    hangs = process.is_alive()
    process.kill()
    if hangs or process.exitcode:
        sys.exit(f"{process.name} {'hangs' if hangs else f'exited with {process.exitcode}'}")


def main(url: str, options: dict[str, Any], folder: Path) -> None:
    store = holdall.set_store(url, **options)
    with holdall.start_run() as run:
        print(run.id, flush=True)
        holdall.log_artifact(folder / "parent/before", "parent")
        with ThreadPoolExecutor(8) as threads:
            jobs: list[Future[Any]]
            jobs = [threads.submit(holdall.log_artifact, folder / f"threads/{n}", "threads") for n in range(4)]
            handle = store.runs.get(run.id)
            jobs += [threads.submit(handle.log_artifact, folder / f"threads/{n}", "threads") for n in range(4, 8)]
            if (pid := os.fork()) == 0:
                holdall.log_artifact(folder / "exiting/fluent", "exiting")
                sys.exit(0)  # leaves the with block, in the child
            assert os.waitpid(pid, 0)[1] == 0
            fork, spawn = multiprocessing.get_context("fork"), multiprocessing.get_context("spawn")
            children: list[Any] = [
                fork.Process(target=forked, args=(folder, handle, run.id), name="forked"),
                spawn.Process(target=spawned, args=(folder, (url, options), handle, run), name="spawned"),
            ]
            for child in children:
                child.start()
            for child in children:
                join(child)
            for job in jobs:
                job.result(PATIENCE)
        assert holdall.active_run() is run
        assert run.state.status == "RUNNING"
        holdall.log_artifact(folder / "parent/after", "parent")


if __name__ == "__main__":
    main(sys.argv[1], json.loads(sys.argv[2]), Path(sys.argv[3]))
