"""The tags by which a store knows what was imported into it.

    imported.run_id      what the source calls the run, for people and searches
    imported.from        the source's address, without credentials
    imported.experiment  of an experiment: {"from", "id", "name"}, what the source called it when it was brought first
    imported.model_id    what the source calls a logged model
    holdall.imported     {"time", "state", "missing", "deleted"}: all of `state` is here, but for so many problems

The last one is written in the entry that ends the run's import, so that it is
never there before what it stands for.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from holdall.runs.reserved_tags import parsed

RUN_ID: Final = "imported.run_id"
PARENT_ID: Final = "imported.parent_run_id"
FROM: Final = "imported.from"
EXPERIMENT: Final = "imported.experiment"
MODEL_ID: Final = "imported.model_id"
VERSION: Final = "imported.version"
PLACEHOLDER: Final = "imported.placeholder"
IMPORTED: Final = "holdall.imported"


@dataclass(frozen=True, slots=True)
class Mark:
    """What was brought last. Attributes: state (its fingerprint); missing (problems); deleted (as the source said)."""

    state: str
    missing: int = 0
    deleted: bool = False

    def text(self, time: int) -> str:
        """Return the value of the tag."""
        body = {"time": time, "state": self.state, "missing": self.missing, "deleted": self.deleted}
        return json.dumps(body, separators=(",", ":"))


def mark_of(tags: Mapping[str, str]) -> Mark | None:
    """Return what a tag says was brought; None where it says nothing."""
    body = parsed(tags.get(IMPORTED, ""))
    if body is None or not isinstance(body.get("state"), str) or type(body.get("missing")) is not int:
        return None
    return Mark(body["state"], body["missing"], body.get("deleted") is True)


def experiment_text(source: str, id: str, name: str) -> str:
    """Return the value of an experiment's tag."""
    return json.dumps({"from": source, "id": id, "name": name}, separators=(",", ":"))


def first_name(tags: Mapping[str, str], source: str, id: str) -> str | None:
    """Return the name by which this experiment of this source was brought first; None if a tag says nothing of it."""
    try:
        body = json.loads(tags.get(EXPERIMENT, ""))
    except (ValueError, RecursionError):
        return None
    same = isinstance(body, dict) and body.get("from") == source and body.get("id") == id
    return body["name"] if same and isinstance(body.get("name"), str) and body["name"] else None
