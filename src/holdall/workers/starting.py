"""Starting a worker: a fresh interpreter, never a fork, since the parent may hold CUDA, threads and locks.

The interpreter is told to look at nothing of the parent's start: no `site`, no
script, no folder of its own. It gets the parent's `sys.path` through the pipe,
so that what the parent can import it can: from virtual environments, editable
installs, `PYTHONPATH` and archives, in notebooks and from stdin, where there is
no `__main__` that could be imported. Nothing else is on its command line, and
its environment is the parent's.

Descriptors are those of two pipes and no more, and none is inherited by other
children. A session of its own keeps a terminal's signals away.
"""

from __future__ import annotations

import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import holdall
from holdall.workers.frames import write_all

if TYPE_CHECKING:
    from subprocess import Popen

_BOOT: Final = """
import os, sys
calls, answers = map(int, sys.argv[1:])
def read(size):
    found = b''
    while len(found) < size:
        found += os.read(calls, size - len(found)) or sys.exit()
    return found
sys.path[:] = read(int.from_bytes(read(8), 'little')).decode('utf-8', 'surrogatepass').split(chr(0))
sys.dont_write_bytecode = True if sys.path.pop() else sys.dont_write_bytecode
from holdall.workers.process import main
main(calls, answers)
"""
_INTERPRETER: Final = re.compile(r"(python|pypy)[0-9.]*[a-z0-9_-]*(\.exe)?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Started:
    """A process that was started, with this end of its pipes."""

    process: Popen[bytes]
    calls: int
    answers: int


def can_start() -> bool:
    """Return whether this process knows an interpreter that could be a worker: a frozen or embedded one does not."""
    executable = sys.executable or ""
    return not getattr(sys, "frozen", False) and bool(_INTERPRETER.fullmatch(Path(executable).name))


def _stamp() -> int:
    """Return when the files of holdall were installed; 0 where they are in an archive."""
    try:
        return Path(__file__).stat().st_mtime_ns
    except OSError:
        return 0


_imported: Final = _stamp()


def start() -> Started:
    """Start a process. Raises: OSError, where the system refuses: too many processes or files, no such program."""
    if _stamp() != _imported:  # a worker would import other code than this process has
        raise OSError(f"holdall was installed anew after this process imported it, at {Path(__file__).parent}")
    theirs, calls = os.pipe()
    try:
        answers, theirs_too = os.pipe()
        try:
            process = _spawn(theirs, theirs_too)
        except BaseException:
            os.close(answers)
            raise
        finally:
            os.close(theirs_too)
    except BaseException:
        os.close(calls)
        raise
    finally:
        os.close(theirs)
    return Started(process, calls, answers)


def greet(calls: int) -> None:
    """Tell a process that was started what it can import. Raises: OSError."""
    paths = [os.path.abspath(path) for path in sys.path if isinstance(path, str)]  # noqa: PTH100  # '' is a folder here
    ours = [str(Path(folder).parent) for folder in holdall.__path__]  # an import hook may have found it elsewhere
    quiet = "no bytecode" if sys.dont_write_bytecode else ""
    told = "\0".join([*paths, *(path for path in ours if path not in paths), quiet]).encode("utf-8", "surrogatepass")
    write_all(calls, len(told).to_bytes(8, "little") + told)


def _spawn(calls: int, answers: int) -> Popen[bytes]:
    from subprocess import DEVNULL, Popen

    return Popen(
        [sys.executable, *_flags(), "-c", _BOOT, str(calls), str(answers)],
        stdin=DEVNULL,
        stdout=DEVNULL,
        stderr=None if _is_open(2) else DEVNULL,
        pass_fds=(calls, answers),
        start_new_session=True,
    )


def _flags() -> list[str]:
    """Return the interpreter's flags: no site, nothing unsafe on its path; names of files written as here."""
    utf8 = int(sys.getfilesystemencoding() == "utf-8")
    environment = ["-E"] if sys.flags.ignore_environment else []  # else PYTHONHOME may be what finds the library
    optimized = [f"-{'O' * sys.flags.optimize}"] if sys.flags.optimize else []
    return ["-S", "-s", "-P", *environment, *optimized, "-X", f"utf8={utf8}"]


def _is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True
