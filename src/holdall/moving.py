"""What was brought from another tool, or to one: values, and the file of problems."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from holdall.display import Facts, Shown
from holdall.sizes import format_size

AN_MLFLOW = (
    "an MLflow is a folder such as ./mlruns, a database such as sqlite:///mlflow.db, or a server's http://host:5000"
)
DATABASES = ("sqlite", "mysql", "postgresql", "mssql")  # the schemes of those that MLflow works on
NEW, MORE, SAME, FAILED = "new", "more", "same", "failed"


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that the source has, or should have, and the destination has not.

    Attributes:
        what: Of what: "run", "file", "parameter", "tag", "metric", "input", "model", "version", "experiment".
        source_id: What the source calls the run, the model or the experiment that it is of.
        path: The file, the name or the version; "" where it is all of it.
        why: The reason.
    """

    what: str
    source_id: str
    path: str
    why: str

    def __str__(self) -> str:
        return (
            f"{self.what} {self.path or self.source_id}" + f" of {self.source_id}" * bool(self.path) + f": {self.why}"
        )


@dataclass(frozen=True, slots=True)
class Brought:
    """What became of one run or registered model.

    Attributes:
        what: "run" or "model".
        source_id: What the source calls it.
        id: The run's id at the destination; of a model its name.
        name: For people.
        outcome: "new", "more": the source has more than was brought before; "same", "failed": nothing could be brought.
        files, bytes: What it has at the source.
        stored_bytes: What was sent for it, as encoded.
        points, versions: How many measurements and versions are new.
    """

    what: str
    source_id: str
    id: str
    name: str = ""
    outcome: str = SAME
    files: int = 0
    bytes: int = 0
    stored_bytes: int = 0
    points: int = 0
    versions: int = 0


@dataclass(frozen=True, slots=True, repr=False)
class MoveReport(Shown):
    """What an import or an export did.

    Attributes:
        source, destination: Addresses, without credentials.
        brought: What became of each run and registered model.
        problems: What is missing.
    """

    source: str
    destination: str
    brought: Sequence[Brought] = ()
    problems: Sequence[Problem] = field(default_factory=tuple)

    @property
    def complete(self) -> bool:
        """Return whether the destination has all that the source has."""
        return not self.problems

    @property
    def outcomes(self) -> dict[str, int]:
        """Return how many runs and models ended how."""
        return dict(Counter(one.outcome for one in self.brought))

    @property
    def bytes(self) -> int:
        """Return the bytes of the files at the source."""
        return sum(one.bytes for one in self.brought)

    @property
    def stored_bytes(self) -> int:
        """Return the bytes that were sent for them."""
        return sum(one.stored_bytes for one in self.brought)

    def write_problems(self, path: Path) -> None:
        """Write the problems, one JSON object a line; no file where there are none."""
        path.unlink(missing_ok=True)
        if self.problems:
            lines = [json.dumps(asdict(one), ensure_ascii=True) for one in self.problems]
            path.write_text("\n".join(lines) + "\n")

    def _shown(self) -> Facts:
        return {
            "source": self.source,
            "destination": self.destination,
            **self.outcomes,
            "problems": len(self.problems) or None,
            "bytes": format_size(self.bytes),
            "stored": format_size(self.stored_bytes),
        }


def shown_address(uri: str) -> str:
    """Return an address without user, password and query, which may hold secrets."""
    parts = urlsplit(uri)
    user, at, _ = parts.netloc.rpartition("@")
    return uri.partition("?")[0].replace(f"//{user}@", "//", 1) if at or parts.query else uri


def pages(page: Callable[[str | None], Any]) -> Iterator[Any]:
    """Yield what is on all pages of a search of MLflow's, each found by the token of the page before."""
    token: str | None = None
    while True:
        found = page(token)
        yield from found
        token = getattr(found, "token", None)
        if not token:
            return
