"""Where models are deployed, as people or deploying scripts recorded it.

A deployment is a remark of the run that has the model's files (`runs/reserved_tags.py`):

    holdall.deployment.<16 hex>    {"time", "path", "where", "uri", "digest", "ended"}

The digits are made of the path and the place. So a script that runs again tells
the same again, and however a model was named when it went out (by an alias, say),
one sees from its files where they went: what is deployed are files.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from holdall.errors import InvalidNameError
from holdall.naming.registry import Registry
from holdall.naming.sources import Place, place_digest
from holdall.naming.uris import MODELS, parse_model_uri
from holdall.runs.reserved_tags import remark, remarks, texts
from holdall.runs.run import Run
from holdall.trees.location import Location

_KIND: Final = "deployment"
_MAX: Final = 1000
_WORDS: Final = ("path", "where", "uri", "digest")


@dataclass(frozen=True, slots=True)
class Deployment:
    """A record that a model is deployed somewhere.

    Attributes:
        where: The place, in its owner's words.
        uri: The model as it was named then; by number where it was named by alias, stage or latest.
        digest: `sha256:` of the manifest of its files.
        timestamp: When it was last told, in ms since 1970 UTC.
        ended: Whether that was its end.
    """

    where: str
    uri: str
    digest: str
    timestamp: int
    ended: bool = False


class Deployments:
    """The deployments of a store's models."""

    def __init__(self, location: Location, registry: Registry, run_of: Callable[[str], Run]) -> None:
        self._location, self._registry, self._run_of = location, registry, run_of

    def record(self, uri: str, where: str, *, ended: bool = False) -> Deployment:
        """Record that what is at an address is deployed somewhere, or no longer is.

        Args:
            uri: `models:/...` or `runs:/<run_id>/<path>`.
            where: The place, such as "https://models.example.com/fraud" or "eu-west, canary".
            ended: Whether it is no longer deployed there.

        Raises:
            InvalidNameError: The place is empty or longer than 1,000 characters.
            ArtifactNotFoundError, ModelNotFoundError, ModelVersionNotFoundError: There is nothing at the address.

        Cost: as `Registry.resolve`, reading the run's tree, and a PUT or two in its log.

        Example:
            >>> store.deployments.record("models:/fraud@champion", "eu-west").uri
            'models:/fraud/2'
        """
        if not 0 < len(where := str(where).strip()) <= _MAX:
            raise InvalidNameError("place of deployment", where[:40], f"it has 1 to {_MAX} characters")
        uri = self._lasting(uri)
        place = self._place(uri)
        found = Deployment(where, uri, place_digest(self._location, place), self._location.clock(), ended)
        body = {"path": place.path, "where": where, "uri": uri, "digest": found.digest, "ended": ended}
        run = self._run_of(place.run_id)
        run.set_tags(remark(_KIND, [place.path, where], {"time": found.timestamp, **body}))
        run.flush()
        return found

    def of(self, uri: str) -> list[Deployment]:
        """Return where the files at an address are or were deployed, the oldest first. Raises: as `record`.

        Cost: as `Registry.resolve`, and reading the run's end.

        Example:
            >>> deployed = store.deployments.record("models:/fraud/2", "eu-west")
            >>> [found.where for found in store.deployments.of("models:/fraud@champion")]
            ['eu-west']
        """
        place = self._place(uri)
        return self._in(self._run_of(place.run_id), place.path)

    @staticmethod
    def told_by(tags: Mapping[str, str], path: str) -> list[Deployment]:
        """Return the deployments that a run's tags tell of, of the files at a path of it. Cost: no request.

        So those of many versions are known from an index of runs (`Runs.index`), without a look at each run.

        Example:
            >>> deployed = store.deployments.record("models:/fraud/2", "eu-west")
            >>> version = store.registry.get_version("fraud", 2)
            >>> tags = store.runs.get(version.run_id).record.data.tags
            >>> [found.where for found in store.deployments.told_by(tags, version.path)]
            ['eu-west']
        """
        bodies = remarks(tags, _KIND)
        return [_deployment(body) for body in bodies if texts(body, *_WORDS) and body["path"] == path]

    def _in(self, run: Run, path: str) -> list[Deployment]:
        """Do as `of`, of a path of a run, by the look that its handle takes."""
        return self.told_by(run.state.tags, path)

    def _place(self, uri: str) -> Place:
        return Place(*self._registry.locate(uri)[:2])

    def _lasting(self, uri: str) -> str:
        """Return the address with the version number that an alias, a stage or `latest` means now."""
        if not uri.startswith(MODELS):
            return uri
        meant = parse_model_uri(uri)
        if meant.model_id:
            return uri
        version = self._registry.version_at(uri)
        return "/".join(part for part in (f"{MODELS}{version.name}/{version.version}", meant.path) if part)


def _deployment(body: dict[str, Any]) -> Deployment:
    return Deployment(body["where"], body["uri"], body["digest"], body["time"], body.get("ended") is True)
