"""What a path of the file system means.

    runs/<run id>/<path>                   a run's file or directory
    models/<name>@<alias>/<path>           a registered model's version, by an alias,
    models/<name>/<version>/<path>         its number, its stage, or `latest`
    models/m-<run id>-<n>/<path>           a logged model, by its id

What stands before `<path>` is a root: all below it is of one run. The places above
roots are directories that list what is there. Paths are taken as they are: `%20` is
no blank, and a backslash is a backslash. Only texts: nothing is looked up here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

RUNS, MODELS = "runs", "models"
_WHICH: Final = re.compile(r"[0-9]{1,15}|(?i:latest|none|staging|production|archived)")
_LOGGED: Final = re.compile(r"m-[0-9a-f]{32}-[0-9]{1,15}")
_ALIAS: Final = re.compile(r".+@[A-Za-z0-9_-]{1,255}", re.DOTALL)
FORMS: Final = "runs/<run id>/<path>, models/<name>@<alias>/<path> or models/<name>/<version>/<path>"


@dataclass(frozen=True, slots=True)
class Place:
    """What a path names.

    Attributes:
        root: The beginning that names a run or a model; "" above all roots, and for what is no address.
        path: What follows that.
        listing: Above all roots, the directory: "", "runs", "models" or "models/<name>"; None elsewhere.
    """

    root: str = ""
    path: str = ""
    listing: str | None = None

    @property
    def uri(self) -> str:
        """Return the root as an address of artifacts, `runs:/...` or `models:/...`."""
        kind, _, name = self.root.partition("/")
        return f"{kind}:/{name}"

    @property
    def run_id(self) -> str | None:
        """Return the id of the run that may be written to here; None for others."""
        return self.root.partition("/")[2] if self.root.startswith(f"{RUNS}/") else None


def parse_place(path: str) -> Place:
    """Return what a path without protocol names."""
    kind, *names = path.split("/") if path else [""]
    if kind == RUNS and names:
        return _below(path, 2)
    if kind == MODELS and names:
        which = names[1] if len(names) > 1 else ""
        if _WHICH.fullmatch(which):
            return _below(path, 3)
        if _LOGGED.fullmatch(names[0]) or _ALIAS.fullmatch(names[0]):
            return _below(path, 2)
        return Place(listing=path) if len(names) == 1 else Place()
    return Place(listing=path) if path in ("", RUNS, MODELS) else Place()


def _below(path: str, depth: int) -> Place:
    parts = path.split("/", depth)
    return Place("/".join(parts[:depth]), parts[depth] if len(parts) > depth else "")
