"""Fuzz every parser for a while, guided by coverage; by hand.

    python3 -m venv /tmp/fuzz && /tmp/fuzz/bin/pip install atheris -e .[mlflow] hypothesis pytest
    /tmp/fuzz/bin/python -m tests.fuzz.atheris_run [SECONDS FOR EACH] [NAME ...]

atheris needs a CPython that it has a wheel for (3.11). Each target runs in a
process of its own, beginning from its seeds; a table of inputs and findings is
printed at the end, and a finding's bytes are left in the working folder.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path


def main(seconds: int, names: list[str]) -> int:
    """Run all targets one after another; how many had a finding."""
    from tests.fuzz.targets import TARGETS

    found = 0
    for name in names or list(TARGETS):
        with tempfile.TemporaryDirectory() as corpus:
            for i, seed in enumerate(TARGETS[name].seeds):
                (Path(corpus) / str(i)).write_bytes(seed)
            limits = [f"-max_total_time={seconds}", "-rss_limit_mb=2048", "-timeout=10", "-max_len=8192"]
            command = [sys.executable, "-m", "tests.fuzz.atheris_run", "--one", name, *limits, corpus]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        runs = re.findall(r"#(\d+)", done.stderr)
        bad = done.returncode != 0
        found += bad
        print(f"{name:20} {max(map(int, runs), default=0):>10} inputs  {'FINDING' if bad else 'none'}", flush=True)
        if bad:
            print("\n".join(done.stderr.splitlines()[-25:]), flush=True)
    return found


def one(name: str, arguments: list[str]) -> None:
    """Fuzz one target, in this process, for ever or as the arguments say."""
    import atheris  # installed by hand

    with atheris.instrument_imports(include=["holdall"]):
        from tests.fuzz.targets import TARGETS
    atheris.Setup([name, *arguments], TARGETS[name].try_on)
    atheris.Fuzz()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        one(sys.argv[2], sys.argv[3:])
    else:
        sys.exit(main(int((sys.argv[1:] or ["10"])[0]), sys.argv[2:]) != 0)
