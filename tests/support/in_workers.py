"""What tests let worker processes do: it is imported there, so it imports little."""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
import threading
import time
from pathlib import Path
from typing import Any, NoReturn

from holdall.workers import process
from holdall.workers.crew import Crew


class UnreadableError(Exception):
    """One that pickling cannot rebuild, since its constructor wants two arguments."""

    def __init__(self, one: str, two: str) -> None:
        super().__init__(f"{one} and {two}")


def fail(error: Exception, cause: Exception) -> NoReturn:
    """Raise an error in answer to another."""
    raise error from cause


def fail_unreadably() -> NoReturn:
    """Raise an error that cannot travel."""
    raise UnreadableError("this", "that")


def return_a_lock() -> object:
    """Return what cannot travel."""
    return threading.Lock()


def count_to(number: int) -> int:
    """Tell each number, from a thread of its own, then return the last."""
    for value in range(number):
        teller = threading.Thread(target=process.notify, args=(value,))
        teller.start()
        teller.join()
    return number


def tell_until_cancelled() -> NoReturn:
    """Tell something, again and again."""
    while True:
        process.notify("on and on")
        time.sleep(0.01)


def claimed(crew: Crew) -> int:
    """How many workers a crew gives."""
    with crew.claim(2) as workers:
        return len(workers)


def keep(name: str, value: Any, released: Path) -> None:
    """Keep something for this claim and for all, and write a file when the claim ends."""
    process.kept()[name] = value
    process.cached()[name] = value
    process.at_release(lambda: released.write_text("first, and last in the file", "utf-8"))
    process.at_release(lambda: fail(KeyError("the last comes first"), KeyError("and may fail")))


def find(name: str) -> tuple[Any, Any]:
    """What was kept under a name: in this claim, and in all."""
    return process.kept().get(name), process.cached().get(name)


def log(text: str) -> None:
    """Say something in holdall's log, loudly and in a low voice."""
    logging.getLogger("holdall").warning("said there: %s", text)
    logging.getLogger("holdall.part").debug("whispered")


def surroundings(name: str) -> tuple[str | None, str]:
    """A variable of the environment, and the working directory."""
    return os.environ.get(name), str(Path.cwd())


def environment() -> bytes:
    """All of it, as Python has it and as the system started this process with it."""
    return repr(dict(os.environb)).encode()


def write_to_all_streams() -> bool:
    """Print, and read: neither may disturb what travels."""
    print("x" * 1000, flush=True)
    return sys.stdin.read() == ""


def never_end() -> NoReturn:
    """Hold on, whatever is asked, and say so each time that it has begun to."""
    while True:
        try:
            process.notify("begun")
            time.sleep(60)
        except KeyboardInterrupt:
            continue


def clean_up(where: Path) -> None:
    """Wait for a socket that nothing comes to, and write a file when that is given up."""
    one, _other = socket.socketpair()
    try:
        where.with_suffix(".begun").touch()
        one.recv(1)
    finally:
        where.write_text("cleaned up")


def url_of(packed: bytes) -> str:
    """Open a bucket that came here, and tell where it is."""
    from holdall.storage.travelling import unpack_bucket  # for this alone: it imports much

    return unpack_bucket(packed).url


def interrupt() -> int:
    """Get a terminal's SIGINT, which a worker does not heed."""
    os.kill(os.getpid(), signal.SIGINT)
    return os.getpid()


def imported() -> list[str]:
    """Which modules are there."""
    return sorted(sys.modules)


def write_nonsense(length: int) -> None:
    """Write into the pipe that answers go through, as a library with a wrong descriptor would."""
    here = process._of_this_process()
    os.write(here.answers._descriptor, length.to_bytes(8, "little"))
    time.sleep(60)
