"""Runs a server for as long as the session that wanted it: `guard.py PID COMMAND...`.

A session that is killed stops nothing; without this its servers would stay.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time


def alive(pid: int) -> bool:
    """Whether a process exists."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def main() -> int:
    """Run the command until it ends or the process does."""
    owner, command = int(sys.argv[1]), sys.argv[2:]
    process = subprocess.Popen(command)
    while process.poll() is None:
        if not alive(owner):
            process.kill()
        time.sleep(0.5)
    return process.returncode


if __name__ == "__main__":
    sys.exit(main())
