"""The command line, in this process, in a folder of its own."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from holdall.__main__ import program


class Shell:
    """Runs `holdall` in a folder, on a store there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, *words: str, code: int = 0, input: str | None = None) -> str:
        """What the command wrote, errors included, if its exit code is this."""
        return str(self.run(*words, code=code, input=input).output)

    def run(self, *words: str, code: int = 0, input: str | None = None) -> Any:
        """How the command ended: `stdout`, `stderr`."""
        before = Path.cwd()
        os.chdir(self.folder)
        try:
            env = {"HOLDALL_STORE": "./store", "HOLDALL_CACHE": "off"}
            done = CliRunner().invoke(program, words, prog_name="holdall", env=env, input=input)
        finally:
            os.chdir(before)
        if done.exception and not isinstance(done.exception, SystemExit):
            raise done.exception
        assert done.exit_code == code, done.output
        return done

    def json(self, *words: str, code: int = 0) -> Any:
        """The document that the command wrote, and nothing else."""
        return json.loads(self.run(*words, "--json", code=code).stdout)

    def log(self, *words: str) -> str:
        """Log something into a new run; its id."""
        return str(self.json("artifact", "log", *words)["run_id"])
