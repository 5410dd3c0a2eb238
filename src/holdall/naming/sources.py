"""Where the files of a version are: a run, a path in it, and their digest."""

from __future__ import annotations

import re
from dataclasses import dataclass

from holdall.errors import ArtifactNotFoundError
from holdall.format.document import Json
from holdall.format.manifest import digest_below
from holdall.modeling.records.logged import logged_model as recorded
from holdall.runs.reading import RunReader, join_path
from holdall.trees.addresses import run_uri
from holdall.trees.location import Location
from holdall.trees.view import View

_MODEL_ID = re.compile(rb"^model_id: *['\"]?(m-[0-9a-f]{32}-[0-9]+)['\"]? *$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Place:
    """A path of a run; "" for its root."""

    run_id: str
    path: str

    @property
    def uri(self) -> str:
        """Return its address."""
        return run_uri(self.run_id, self.path)

    def below(self, path: str) -> Place:
        """Return a path below this one."""
        return Place(self.run_id, join_path(self.path, path))


@dataclass(frozen=True, slots=True)
class Source:
    """What is registered: an address as it was said, and what it means.

    Attributes:
        digest: `sha256:` of the manifest of what is there.
        view: The run as it was read for that.
        run_link: An address of the run elsewhere.
        model_id: The id of the model that the run logged there.
    """

    uri: str
    place: Place
    digest: str
    view: View
    run_link: str | None = None
    model_id: str | None = None

    def facts(self) -> Json:
        """Return the fields that an operation of a model's log says it with."""
        where = {"source": self.uri, "run": self.place.run_id, "path": self.place.path, "digest": self.digest}
        return {**where, "run_link": self.run_link, "model_id": self.model_id}


def place_digest(location: Location, place: Place) -> str:
    """Return the digest of what is at a place. Raises and cost: as `read_digest`."""
    return read_digest(location, place)[0]


def read_digest(location: Location, place: Place) -> tuple[str, View]:
    """Return the digest of the manifest of what is at a place, and the run as it was read for that.

    Raises:
        RunNotFoundError: There is no such run.
        ArtifactNotFoundError: The run holds nothing there.

    Cost: reading the run's end, and its tree as far as the path goes.
    """
    reader = RunReader(location, place.run_id)
    view, entries = reader._reading(lambda view: (view, list(view.paths.walk(place.path))))
    if not entries:
        raise ArtifactNotFoundError(place.run_id, place.path)
    return digest_below(entries, place.path), view


def logged_model(location: Location, run_id: str, n: int) -> tuple[Place, View]:
    """Return where the n-th model that a run logged is, the directory whose `MLmodel` has that id, and the run.

    Raises:
        RunNotFoundError: There is no such run.
        ArtifactNotFoundError: It holds no such model.

    Cost: reading the run's end, whose tags say where its models are; for a folder that was put there as files,
    reading the tree and each `MLmodel` until the one is found.
    """
    run, wanted = RunReader(location, run_id)._at_one_look(), f"m-{run_id}-{n}"
    if known := recorded(run_id, n, run.state.tags):
        return Place(run_id, known.path), run._view()
    for entry in list(run.entries()):
        folder, _, name = entry.path.rpartition("/")
        if name == "MLmodel" and wanted.encode() in _MODEL_ID.findall(run.read(entry.path)):
            return Place(run_id, folder), run._view()
    raise ArtifactNotFoundError(run_id, f"the MLmodel of {wanted}")
