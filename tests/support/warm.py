"""Python that has imported already: a command in a new process costs 30 ms instead of half a second.

    command = [*warm.python(), "-m", "holdall", "run", "list"]

A warm process waits on a socket. What `as_python.py` is called with, it hands over:
arguments, folder, environment, and its three standard streams themselves, terminals
too. The warm process forks; the child does what `python ARGUMENTS...` does and
ends as Python ends. Only its imports are older than the command. So is what the
interpreter reads once at its start (the locale, `PYTHON...` variables): one warm
process each for environments that differ there. Signals are passed on, and who is
killed takes its command with it. Tests of imports and of the start take a cold one.
"""

from __future__ import annotations

import atexit
import gc
import io
import os
import runpy
import select
import signal
import socket
import sys
import threading
from array import array
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

_STREAMS = ("stdin", "stdout", "stderr")


def serve(path: str, modules: list[str]) -> list[str]:
    """Import the modules, then answer; returns in the children alone, with what to run."""
    for name in modules:
        __import__(name)
    sys.modules.pop("holdall.__main__", None)  # which `-m holdall` runs anew
    here = socket.socket(socket.AF_UNIX)
    here.bind(path)
    here.listen(64)
    gc.collect()
    gc.freeze()  # a collection in a child would copy every page
    print(path, flush=True)
    while True:
        asked, _ = here.accept()
        if os.fork() == 0:
            here.close()
            return _answer(asked)
        asked.close()
        _reap()


def _reap() -> None:
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _answer(asked: socket.socket) -> list[str]:
    """Run what was asked in a child of this child, and tell how it ended."""
    payload, streams = _receive(asked)
    child = os.fork()
    if child == 0:
        asked.close()
        return _become(payload, streams)
    for stream in streams:
        os.close(stream)
    asked.sendall(f"{child}\n".encode())
    ready, _, _ = select.select([asked.fileno(), os.pidfd_open(child)], [], [])
    if asked.fileno() in ready:  # whoever asked was killed
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    with suppress(OSError):
        asked.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())
    os._exit(0)


def _receive(asked: socket.socket) -> tuple[list[bytes], list[int]]:
    head, found, _, _ = asked.recvmsg(8, socket.CMSG_SPACE(3 * array("i").itemsize))
    streams = array("i")
    for _, _, data in found:
        streams.frombytes(data)
    length, payload = int.from_bytes(head, "little"), b""
    while len(payload) < length:
        payload += asked.recv(1 << 20)
    return payload.split(b"\0"), list(streams)


def _become(payload: list[bytes], streams: list[int]) -> list[str]:
    folder, count, rest = payload[0], int(payload[1]), payload[2:]
    os.chdir(folder)
    os.environb.clear()
    os.environb.update(dict(pair.split(b"=", 1) for pair in rest[count:] if b"=" in pair))
    for number, (stream, name) in enumerate(zip(streams, _STREAMS, strict=True)):
        os.dup2(stream, number)
        os.close(stream)
        old = getattr(sys, name)
        new = io.TextIOWrapper(
            open(number, "wb" if number else "rb", closefd=False),  # noqa: SIM115  (it stays open)
            encoding=old.encoding,
            errors=old.errors,
            line_buffering=number == 2 or os.isatty(number),
        )
        setattr(sys, name, new)
        setattr(sys, f"__{name}__", new)
    return [os.fsdecode(word) for word in rest[:count]]


def run(words: list[str]) -> None:
    """Do what `python` does with these arguments."""
    if words[0] == "-m":
        sys.argv = words[1:]
        sys.path.insert(0, str(Path.cwd()))
        runpy.run_module(words[1], run_name="__main__", alter_sys=True)
    elif words[0] == "-c":
        sys.argv = ["-c", *words[2:]]
        sys.path.insert(0, "")
        exec(compile(words[1], "<string>", "exec"), sys.modules["__main__"].__dict__)
    else:
        sys.argv = words
        sys.path.insert(0, str(Path(words[0]).resolve().parent))
        runpy.run_path(words[0], run_name="__main__")


def end(work: Callable[[], None]) -> None:
    """Work, and end as Python does, but for one thing: what was imported is not taken apart, which takes longest."""
    code = 0
    try:
        work()
    except SystemExit as error:
        if error.code is not None and not isinstance(error.code, int):
            print(error.code, file=sys.stderr)
        code = error.code if isinstance(error.code, int) else int(error.code is not None)
    except BaseException as error:
        sys.excepthook(type(error), error, error.__traceback__)
        code = -signal.SIGINT if isinstance(error, KeyboardInterrupt) else 1
    threading._shutdown()  # type: ignore[attr-defined]  # waits for threads, as at every end
    atexit._run_exitfuncs()
    try:
        sys.stdout.flush()
    except (OSError, ValueError) as error:
        print(f"Exception ignored in {sys.stdout!r}: {error!r}", file=sys.stderr)
        code = 120
    sys.stderr.flush()
    if code == -signal.SIGINT:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    os._exit(code)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)
    words = serve(sys.argv[1], sys.argv[2:])
    end(lambda: run(words))
