"""The registry: the versions of its models, beside all that `writing` and `reading` can do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from holdall.chunks.beside import beside
from holdall.errors import InvalidNameError, InvalidURIError, ModelExistsError, ModelNotFoundError, NotFoundError
from holdall.format.document import Json
from holdall.format.registered import Registered, Version
from holdall.naming.pins import pin, unpin
from holdall.naming.reading import id_of, known_version
from holdall.naming.record import ModelVersion, version_record
from holdall.naming.sources import Source, place_digest, read_digest
from holdall.naming.uris import MODELS, check_name, check_stage, check_version, parse_model_uri
from holdall.naming.writing import RegistryWriter, described, description_op, registry_tag_op, tag_ops
from holdall.runs.record import USER
from holdall.trees.model_log import ModelLog

_ACTIVE = ("Staging", "Production")  # the stages that versions are archived from


class Registry(RegistryWriter):
    """The registered models of a store.

    Every change is one entry of one log, so that readers see all of it or nothing. Unless
    a docstring says otherwise, it costs two listings, a GET for each entry that is new
    here, and a PUT, and raises `ModelNotFoundError` and `ModelVersionNotFoundError`.
    """

    def register(
        self, uri: str, name: str, *, tags: Mapping[str, Any] | None = None, description: str | None = None
    ) -> ModelVersion:
        """Register what is at an address as the next version of a model, which is created if there is none.

        Raises and cost: as `create_version`, and as `create_model` where there is none.

        Example:
            >>> store.registry.register(f"runs:/{run.id}/model", "churn").version
            '1'
        """
        source, id = self._looked_at(uri, check_name(name))  # no model is made for what is not there
        return self._register(name, id, source, [*tag_ops(tags), *described(None, description)])

    def create_version(
        self,
        name: str,
        source: str,
        *,
        tags: Mapping[str, Any] | None = None,
        description: str | None = None,
        run_link: str | None = None,
        model_id: str | None = None,
        files: str | None = None,
    ) -> ModelVersion:
        """Register what is at an address as the next version of a model.

        Args:
            name: The model.
            source: `runs:/<run_id>/<path>`, `models:/<model_id>`, or another version's `models:/...`.
            tags: What to say about the version.
            description: A short description.
            run_link: An address of the run elsewhere.
            model_id: The id of the model that the run logged, where `source` does not say it.
            files: Where in this store the files are, as one of these addresses, if `source` is an address as another
                tool writes it; then that is kept as it was said.

        Raises:
            ModelNotFoundError: No model is called so.
            ArtifactNotFoundError: There is nothing at the source.
            InvalidURIError: It is not in this store, so that nothing could keep it.

        Cost: beside the listings, reading the run's tree, a PUT in the run's log and one in the model's.

        Example:
            >>> model = store.registry.create_model("churn")
            >>> store.registry.create_version("churn", f"runs:/{run.id}/model").version
            '1'
        """
        found = self._source(files or source, run_link=run_link, model_id=model_id)
        found = replace(found, uri=source)
        return self._add(self._find(name), name, found, [*tag_ops(tags), *described(None, description)])

    def copy_version(self, uri: str, name: str) -> ModelVersion:
        """Register a version of one model as the next version of another, which is created if there is none.

        Its tags and description come along; its files are not copied. Raises and cost: as `register`.

        Example:
            >>> store.registry.copy_version("models:/fraud/2", "fraud-live").version
            '1'
        """
        if not uri.startswith(MODELS) or parse_model_uri(uri).model_id:
            raise InvalidURIError(uri, "only a version of a registered model is copied, such as models:/<name>/1")
        found = self.version_at(uri)
        source = self._source(f"{MODELS}{found.name}/{found.version}", run_link=found.run_link, model_id=found.model_id)
        id = self._names.holder(check_name(name))
        return self._register(name, id, source, [*tag_ops(found.tags), *described(None, found.description)])

    def describe_version(self, name: str, version: str | int, description: str | None) -> ModelVersion:
        """Set the description of a version; None removes it.

        Example:
            >>> store.registry.describe_version("fraud", 1, "the first").description
            'the first'
        """
        return self._change_version(name, version, lambda _, n: [description_op(n, description)])

    def set_version_tag(self, name: str, version: str | int, key: str, value: Any) -> None:
        """Set a tag of a version to `str(value)`; None removes it.

        Example:
            >>> store.registry.set_version_tag("fraud", 2, "checked", "yes")
            >>> store.registry.get_version("fraud", 2).tags
            {'checked': 'yes'}
        """
        op = registry_tag_op(key, value)
        self._change_version(name, version, lambda _, n: [_of_version(op, n)])

    def set_stage(
        self, name: str, version: str | int, stage: str, *, archive_existing_versions: bool = False
    ) -> ModelVersion:
        """Move a version to a stage.

        Args:
            name: The model.
            version: The version's number.
            stage: "None", "Staging", "Production" or "Archived", in any case.
            archive_existing_versions: Move those that are in the stage to "Archived", in the same entry.

        Example:
            >>> store.registry.set_stage("fraud", 2, "Production").current_stage
            'Production'
        """
        stage = check_stage(stage)
        if archive_existing_versions and stage not in _ACTIVE:
            raise InvalidNameError("stage", stage, f"versions are archived from {' and '.join(_ACTIVE)} alone")

        def build(model: Registered, n: int) -> list[Json]:
            old = [v.number for v in model.versions.values() if v.stage == stage and v.number != n]
            archived = [{"op": "stage", "version": v, "stage": "Archived"} for v in old if archive_existing_versions]
            return [*archived, {"op": "stage", "version": n, "stage": stage}]

        return self._change_version(name, version, build)

    def delete_version(self, name: str, version: str | int) -> None:
        """Delete a version and the aliases that point at it. Its number is not given again; its files stay in its run.

        Cost: beside the listings, a PUT in the model's log, and as much as to read the run's end and one in the run's.

        Example:
            >>> store.registry.delete_version("fraud", 1)
            >>> [found.version for found in store.registry.search_versions("name = 'fraud'")]
            ['2']
        """
        number = check_version(version)
        dropped: list[Version] = []

        def build(model: Registered) -> list[Json]:
            dropped[:] = [known_version(model, number)]
            return [{"op": "drop", "version": number}]

        self._change(name, build)
        self._unpin(dropped[0])

    # --- inside ---

    def _source(self, uri: str, *, run_link: str | None = None, model_id: str | None = None) -> Source:
        """Resolve an address and read the digest of what is there."""
        place = self._place(uri)
        meant = parse_model_uri(uri).model_id if uri.startswith(MODELS) else None
        return Source(uri, place, *read_digest(self._location, place), run_link, model_id or meant)

    def _looked_at(self, uri: str, name: str) -> tuple[Source, str | None]:
        """Return what is at an address, and the id of the model that has a name: looked at side by side."""
        self._location.require_store()
        with beside(lambda: self._names.holder(name, likely=True)) as holder:
            source = self._location.ready_to_write_while(lambda: self._source(uri))
            return source, holder()

    def _register(self, name: str, id: str | None, source: Source, said: Sequence[Json]) -> ModelVersion:
        """Add a version to the model that has this name, even if others create, rename or delete it meanwhile."""
        while True:
            if id is None:
                with suppress(ModelExistsError, ModelNotFoundError):  # a rival was quicker: then there is one
                    return self._begin(name, source, said)
            else:
                with suppress(ModelNotFoundError):  # a rival took it away again
                    return self._add(self._log(id), name, source, said)
            id = self._names.holder(name)

    def _begin(self, name: str, source: Source, said: Sequence[Json]) -> ModelVersion:
        """Create a model that has this version: its log, then its name beside the pin, then the version.

        Raises:
            ModelExistsError: Another model is called so now.
        """
        log = self._new_log([{"op": "create", "name": name}])
        with beside(lambda: self._names.claim(name, id_of(log), 0, look=False)) as claimed:
            source, kept = self._pinned(log, name, source)
            try:
                claimed()
            except ModelExistsError:
                log.append(lambda: [{"op": "tombstone"}])
                unpin(self._location, source.place.run_id, kept)
                raise
        return self._write(log, name, source, said, kept)

    def _add(self, log: ModelLog, name: str, source: Source, said: Sequence[Json]) -> ModelVersion:
        """Pin the source's run, then write the version: content is never needed before it is kept."""
        source, kept = self._pinned(log, name, source)
        return self._write(log, name, source, said, kept)

    def _pinned(self, log: ModelLog, name: str, source: Source) -> tuple[Source, str]:
        """Pin the source's run for a model. Returns: the source as it is since then, and the pin."""
        known, run_id = source.view.next, source.place.run_id
        kept = f"{log.log}/{self._location.entropy(8).hex()}"
        run = pin(self._location, run_id, kept, f"{MODELS}{name}", source.place.path, source.view)
        if run.next != known + 1:  # something else was written before the pin, perhaps below its path
            source = replace(source, digest=place_digest(self._location, source.place))
        return source, kept

    def _write(self, log: ModelLog, name: str, source: Source, said: Sequence[Json], kept: str) -> ModelVersion:
        """Write the version that a pin was set for."""
        facts = source.facts() | {"pin": kept, "user": source.view.state.tags.get(USER)}

        def build() -> list[Json]:
            self._still(log, name)
            number = log.state.last + 1
            return [{"op": "version", "version": number, **facts}, *(_of_version(op, number) for op in said)]

        try:
            entry = log.append(build)
        except NotFoundError:  # the model was deleted meanwhile
            unpin(self._location, source.place.run_id, kept)
            raise
        with log.lock:
            return version_record(log.state, known_version(log.state, entry.ops[0]["version"] if entry else 0))


def _of_version(op: Json, number: int) -> Json:
    """Return an operation on a model as the same operation on one of its versions."""
    return {**op, "op": "version_tag" if op["op"] == "tag" else op["op"], "version": number}
