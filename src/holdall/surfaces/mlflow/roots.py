"""Which run of a store holds what MLflow's artifact repository keeps at a path below the store's address.

    <prefix>/<32 hex>/artifacts/...             what an MLflow run logged
    <prefix>/models/m-<32 hex>/artifacts/...    a logged model
    <prefix>/traces/tr-.../artifacts/...        a trace
    <experiment>/<run>/artifacts/...            a run that was logged to this store itself: see `addresses.py`
    anything else                               files of one run for all of these

Each such root is one run, named by the root (`store.runs.ensure`), in an experiment that is called after the prefix. A
run that was purged is never written to again, so what is logged to its root afterwards is another run's: the root's
next generation.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final
from urllib.parse import unquote

from holdall.errors import InvalidPathError
from holdall.surfaces.mlflow.addresses import native_root

EXPERIMENT: Final = "mlflow:"  # and the prefix
ROOT_TAG: Final = "holdall.mlflow.root"
_OWNER: Final = re.compile(r"[0-9a-f]{32}|m-[0-9a-f]{32}|tr-[0-9A-Za-z_-]{1,128}")
_KINDS: Final = ("models", "traces")  # folders that MLflow makes in an experiment's
_OTHERS: Final = "."  # the key of the run that has what is in no root
_DECODINGS: Final = 4  # of a path that was encoded again and again, so that somebody overlooks what is in it


@dataclass(frozen=True, slots=True)
class Root:
    """One artifact root within a store.

    Attributes:
        names: The folders on the way to it, from the store's address on.
        native: The id of the run, where the root is of one that was logged to this store itself.
    """

    names: tuple[str, ...] = ()
    native: str | None = None

    @property
    def path(self) -> str:
        """Return where it is, from the store's address on; "" for what is in no root."""
        return "/".join(self.names)

    @property
    def experiment(self) -> str:
        """Return the name of the experiment that its run is in."""
        above = self.names[:-2]
        return EXPERIMENT + "/".join(above[:-1] if above and above[-1] in _KINDS else above)

    @property
    def name(self) -> str:
        """Return what its run is called."""
        return self.names[-2] if self.names else "in no run"

    def key(self, generation: int) -> str:
        """Return what names its run; of a later generation, after the one before it was purged."""
        return f"{self.path or _OTHERS}{f'#{generation}' if generation else ''}"


def depth_of_owner(names: Sequence[str]) -> int | None:
    """Return how many folders lie above the first that a root of MLflow's is called after; None if there is none."""
    pairs = pairwise(names)
    return next((at for at, (name, below) in enumerate(pairs) if below == "artifacts" and _OWNER.fullmatch(name)), None)


def root_of(names: Sequence[str]) -> tuple[Root, str]:
    """Return the root that a path below a store's address is in, and the path in its run."""
    depth = depth_of_owner(names)
    if depth is None:
        return Root(), "/".join(names)
    found = native_root("/".join(("", *names)))
    native = found.run_id if found and not found.base else None
    return Root(tuple(names[: depth + 2]), native), "/".join(names[depth + 2 :])


def names_of(path: str | None) -> tuple[str, ...]:
    """Return the names of a path that MLflow asks for; none for the root, which is also `.` or empty.

    Raises:
        InvalidPathError: It leaves the root, or would once a server or a disk decodes it.
    """
    text = "" if path is None else str(path)
    if text in ("", "."):
        return ()
    form = text.removesuffix("/")
    for _ in range(_DECODINGS):
        if reason := _fault(form):
            raise InvalidPathError(text, reason)
        form, before = unquote(form), form
        if form == before:
            break
    else:
        raise InvalidPathError(text, "it is encoded more often than anybody does")
    return tuple(text.removesuffix("/").split("/"))


def _fault(form: str) -> str:
    """Return what is wrong with a path, or ""."""
    if form.startswith("/") or re.match(r"[A-Za-z]:[/\\]", form):
        return "it is absolute"
    if "\\" in form or "\0" in form:
        return "it holds a backslash or a NUL"
    return "a name in it is empty, '.' or '..'" if {"", ".", ".."} & set(form.split("/")) else ""
