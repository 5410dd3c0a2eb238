"""What runs and experiments of one store are called in another, if either is encrypted.

An experiment's id is made of its name, by a key in an encrypted store, and a run's id begins with its experiment's. So
a copy under other keys has other ids: those of its experiments as the destination makes them, and of runs the same
digits behind the first eight. Ids in tags and URIs follow. Between stores that are not encrypted all stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from holdall.copying.marks import COPIED
from holdall.errors import DamageError, StoreNotFoundError, UnsupportedFeatureError
from holdall.format.document import Json
from holdall.format.layout import EXPERIMENTS, experiment_log
from holdall.format.names import PLAIN_NAMES, Names
from holdall.format.sealing import PLAIN, Sealing
from holdall.runs.experiment import ExperimentFold
from holdall.trees.heads import list_heads
from holdall.trees.location import Location
from holdall.trees.log import Log

_OURS: Final = 8  # digits of an experiment's id that its runs' ids begin with
_ID: Final = re.compile(r"(?<![0-9a-f])[0-9a-f]{32}(?![0-9a-f])")


@dataclass(frozen=True, slots=True)
class Renaming:
    """Ids of the source as the destination has them. Attributes: experiments (ids there, by ids here)."""

    experiments: Mapping[str, str] = field(default_factory=dict)

    @property
    def runs(self) -> dict[str, str]:
        """Return what runs' ids begin with there, by what they begin with here."""
        return {here[:_OURS]: there[:_OURS] for here, there in self.experiments.items()}

    def experiment(self, id: str) -> str:
        """Return the id of an experiment there."""
        return self.experiments.get(id, id)

    def run(self, id: str) -> str:
        """Return the id of a run there."""
        return self.runs.get(id[:_OURS], id[:_OURS]) + id[_OURS:]

    def text(self, text: str) -> str:
        """Return a text in which ids of runs are those of there."""
        return _ID.sub(lambda found: self.run(found[0]), text) if self.experiments else text

    def tags(self, tags: Mapping[str, str]) -> dict[str, str]:
        """Return tags in which ids of runs are those of there; but for what a copy says of itself."""
        return {key: value if key == COPIED else self.text(value) for key, value in tags.items()}

    def op(self, op: Json) -> Json:
        """Return an operation of a registered model, in which ids of runs are those of there."""
        return {name: self.text(value) if isinstance(value, str) else value for name, value in op.items()}


SAME_IDS: Final = Renaming()


def renaming_between(source: Location, target: Location) -> Renaming:
    """Return what ids become.

    Cost: none between stores that are not encrypted; else a listing, and a GET for each experiment's entries.
    """
    sealing, names = _of_target(target)
    if not (source.sealing.sealed or sealing.sealed):
        return SAME_IDS
    found = {}
    for log in list_heads(source.bucket, EXPERIMENTS):
        id = log.removeprefix(EXPERIMENTS)
        there = Log(source, experiment_log(id), ExperimentFold)
        with suppress(DamageError, UnsupportedFeatureError):  # `copy_experiment` says that it cannot be read
            if there.follow() is not None and source.names.experiment_id(there.state.name) == id:
                found[id] = names.experiment_id(there.state.name)
    return Renaming(found)


def _of_target(target: Location) -> tuple[Sealing, Names]:
    """Return what the destination is like; what a dry run would make is not encrypted."""
    try:
        return target.sealing, target.names
    except StoreNotFoundError:
        return PLAIN, PLAIN_NAMES
