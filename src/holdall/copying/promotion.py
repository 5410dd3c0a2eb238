"""One version of a registered model, from one environment's store into the next's.

A promoted version becomes the next version of the model that has its name in
the destination, which is made if there is none: the destination counts for
itself. The same files of the same run are promoted once; again, they keep
their number. The alias that named the version is set there. The version's tag
`holdall.copied` says where it comes from.

Where the destination has a copy of the model under the same id, its numbers are
the source's: then the model is copied as a whole, or not at all.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from holdall.copying.marks import COPIED
from holdall.copying.models import same_version
from holdall.copying.renaming import SAME_IDS, Renaming
from holdall.copying.report import CONFLICT, NEW, SAME, ModelCopy, RunCopy
from holdall.errors import ArtifactNotFoundError, ModelNotFoundError, RunNotFoundError, StoreNotFoundError
from holdall.naming.reading import id_of, known_version
from holdall.naming.record import ModelVersion
from holdall.naming.registry import Registry
from holdall.naming.sources import Place, place_digest
from holdall.naming.uris import MODELS, parse_model_uri
from holdall.trees.addresses import run_uri
from holdall.trees.location import Location


@dataclass(frozen=True, slots=True)
class ReadVersion:
    """A version of the source that is promoted. Attributes: the model's id; the alias that named it, or None."""

    model_id: str
    version: ModelVersion
    alias: str | None


class Promoter:
    """Promotes versions of one store into another, once their runs are there; `keep_aliases`: no alias is set."""

    def __init__(self, source: Location, target: Location, keep_aliases: bool, ids: Renaming = SAME_IDS) -> None:
        self._ids = ids
        self._source, self._target, self._keep_aliases = source, target, keep_aliases
        self._there, self._here = Registry(source), Registry(target)

    def read(self, names: Iterable[str]) -> list[ReadVersion]:
        """Return versions by `NAME/VERSION` or `NAME@ALIAS`, as they are now.

        Raises:
            InvalidURIError: It is no such name.
            ModelNotFoundError, ModelVersionNotFoundError: There is none.
        """
        found = []
        for name in names:
            uri = MODELS + name.removeprefix(MODELS)
            version = self._there.version_at(uri)
            found.append(ReadVersion(id_of(self._there._find(version.name)), version, parse_model_uri(uri).alias))
        return found

    def runs_of(self, versions: Iterable[ReadVersion]) -> list[str]:
        """Return the ids of the runs that versions are of."""
        return [*dict.fromkeys(read.version.run_id for read in versions)]

    def copy(
        self, versions: Sequence[ReadVersion], lost: Mapping[str, RunCopy], *, dry_run: bool = False
    ) -> Iterator[ModelCopy]:
        """Promote versions; `lost` are runs that could not be copied. Cost: as registering each."""
        for read in versions:
            if run := lost.get(read.version.run_id):
                why = f"version {read.version.version} is of run {run.run_id}, which was not copied: {run.detail}"
                yield ModelCopy(read.version.name, CONFLICT, why)
            else:
                yield self._promote(read, dry_run=dry_run)

    def _promote(self, read: ReadVersion, *, dry_run: bool) -> ModelCopy:
        version = read.version
        there = self._known(read)
        if isinstance(there, str):
            return ModelCopy(version.name, CONFLICT, there)
        if dry_run:
            return ModelCopy(version.name, SAME if there else NEW, versions=int(not there), version=there)
        outcome = SAME
        if there is None:
            if why := self._unlike(version):
                return ModelCopy(version.name, CONFLICT, why)
            there, outcome = self._register(read), NEW
        moved = self._point(version.name, read.alias, there)
        return ModelCopy(version.name, outcome, versions=int(outcome == NEW), version=there, moved=moved)

    def _known(self, read: ReadVersion) -> int | str | None:
        """Return the number that a version has in the destination; None if it has none; why it cannot have one."""
        version = read.version
        try:
            log = self._here._find(version.name)
        except (ModelNotFoundError, StoreNotFoundError):
            return None
        if id_of(log) != read.model_id:
            here = known_version(self._there._find(version.name).state, int(version.version))
            wanted = replace(here, run=self._ids.run(here.run))
            with log.lock:
                same = [known.number for known in log.state.versions.values() if same_version(known, wanted)]
            return same[-1] if same else None
        if int(version.version) in log.state.versions:
            return int(version.version)
        return (
            f"the destination has a copy of {version.name!r} whose versions have the source's numbers: copy the model "
            f"as a whole, by --model {version.name}"
        )

    def _unlike(self, version: ModelVersion) -> str:
        """Return why what is in the destination is not what the version promises; "" if it is."""
        try:
            found = place_digest(self._target, Place(self._ids.run(version.run_id), version.path))
        except (RunNotFoundError, ArtifactNotFoundError) as error:
            return f"the destination does not have its run: {error}"
        return "" if found == version.digest else f"it is {version.digest}, and in the destination {found}"

    def _register(self, read: ReadVersion) -> int:
        version = read.version
        said = {"time": self._target.clock(), "store": self._source.descriptor.store, "model": read.model_id}
        said |= {"name": version.name, "version": int(version.version)}
        tags = {key: value for key, value in version.tags.items() if key != COPIED}
        tags[COPIED] = json.dumps(said, separators=(",", ":"))
        uri = run_uri(self._ids.run(version.run_id), version.path)
        made = self._here.register(uri, version.name, tags=tags, description=version.description)
        return int(made.version)

    def _point(self, name: str, alias: str | None, number: int) -> tuple[str, ...]:
        """Point the alias that named a version at it in the destination."""
        if alias is None or self._keep_aliases:
            return ()
        if self._here.get_model(name).aliases.get(alias) == str(number):
            return ()
        self._here.set_alias(name, alias, number)
        return (alias,)
