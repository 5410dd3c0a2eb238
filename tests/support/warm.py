"""Python that has imported already: a command in a new process costs 30 ms instead of half a second.

    command = [*warm.python(), "-m", "holdall", "run", "list"]

A warm process waits on a socket. What `as_python.py` is called with, it hands over:
arguments, folder, environment, and its three standard streams themselves, terminals
too. The warm process forks; the child does what `python ARGUMENTS...` does and
ends as Python ends. Only its imports are older than the command. So is what the
interpreter reads once at its start (the locale, `PYTHON...` variables): one warm
process each for environments that differ there. Tests of imports, of signals and of
the start itself take a cold one.
"""

from __future__ import annotations

import io
import os
import runpy
import signal
import socket
import sys
from array import array
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
    print(path, flush=True)
    while True:
        asked, _ = here.accept()
        if os.fork() == 0:
            here.close()
            return _answer(asked)
        asked.close()
        _reap()


def _reap() -> None:
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return


def _answer(asked: socket.socket) -> list[str]:
    """Run what was asked in a child of this child, and tell how it ended."""
    payload, streams = _receive(asked)
    child = os.fork()
    if child == 0:
        asked.close()
        return _become(payload, streams)
    for stream in streams:
        os.close(stream)
    _, status = os.waitpid(child, 0)
    asked.sendall(str(os.waitstatus_to_exitcode(status)).encode())
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
        sys.argv, sys.path[0] = words[1:], str(Path.cwd())
        runpy.run_module(words[1], run_name="__main__", alter_sys=True)
    elif words[0] == "-c":
        sys.argv, sys.path[0] = ["-c", *words[2:]], ""
        exec(compile(words[1], "<string>", "exec"), sys.modules["__main__"].__dict__)
    else:
        sys.argv, sys.path[0] = words, str(Path(words[0]).resolve().parent)
        runpy.run_path(words[0], run_name="__main__")


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)
    run(serve(sys.argv[1], sys.argv[2:]))
