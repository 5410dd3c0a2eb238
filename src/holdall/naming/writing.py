"""The registry's models and aliases, written to.

Every verb is one entry of one log, so that others see all of it or nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

from holdall.errors import (
    AliasMovedError,
    ModelExistsError,
    ModelNotFoundError,
    ModelVersionNotFoundError,
    RunNotFoundError,
)
from holdall.format.document import Json
from holdall.format.registered import Registered, Version
from holdall.naming.pins import unpin
from holdall.naming.reading import RegistryReader, id_of, known_version
from holdall.naming.record import ModelVersion, RegisteredModel, model_record, version_record
from holdall.naming.uris import check_alias, check_name, check_version
from holdall.runs.arguments import named_values
from holdall.runs.metrics import tag_op
from holdall.trees.model_log import ModelLog

_MAX_TAG: Final = 100_000


class RegistryWriter(RegistryReader):
    """The registered models of a store, to be written to as well: all but their versions."""

    # --- models ---

    def create_model(
        self, name: str, *, tags: Mapping[str, Any] | None = None, description: str | None = None
    ) -> RegisteredModel:
        """Create a registered model without versions.

        Raises:
            ModelExistsError: There is one of this name.
            InvalidNameError: None may be called so.

        Cost: a listing, and two PUTs.

        Example:
            >>> store.registry.create_model("churn", tags={"team": "a"}).tags
            {'team': 'a'}
        """
        first = [{"op": "create", "name": check_name(name)}, *tag_ops(tags), *described(None, description)]
        self._location.ready_to_write()
        if self._names.holder(name):
            raise ModelExistsError(name)
        log = self._new_log(first)
        try:
            self._names.claim(name, id_of(log), 0, look=False)
        except ModelExistsError:
            log.append(lambda: [{"op": "tombstone"}])
            raise
        return model_record(id_of(log), log.state)

    def rename_model(self, name: str, new_name: str) -> RegisteredModel:
        """Rename a model; its versions, aliases and history go with it.

        Raises:
            ModelExistsError: Another model has the new name.

        Cost: beside the listings, three PUTs.

        Example:
            >>> store.registry.rename_model("fraud", "scam").name
            'scam'
        """
        log = self._find(name)
        id = id_of(log)
        while check_name(new_name) != name:
            at = log.head.n if log.head else 0
            self._names.claim(new_name, id, at)

            def build(at: int = at) -> list[Json]:
                self._still(log, name)
                return [{"op": "name", "name": new_name}] if log.state.upholds(new_name, at) else []

            if log.append(build):
                self._names.release(name, id)
                break
        return model_record(id, log.state)

    def describe_model(self, name: str, description: str | None) -> RegisteredModel:
        """Set the description of a model; None removes it.

        Example:
            >>> store.registry.describe_model("fraud", "finds fraud").description
            'finds fraud'
        """
        log = self._change(name, lambda _: described(None, description) or [description_op(None, None)])
        return model_record(id_of(log), log.state)

    def delete_model(self, name: str) -> None:
        """Delete a model and its versions for good. Their files stay in their runs, no longer pinned.

        Cost: beside the listings, two PUTs, and as `delete_version` for each version.

        Example:
            >>> store.registry.delete_model("fraud")
            >>> store.registry.search_models()
            []
        """
        log = self._change(name, lambda _: [{"op": "tombstone"}])
        self._names.release(name, id_of(log))
        for version in log.state.versions.values():
            self._unpin(version)

    def set_model_tag(self, name: str, key: str, value: Any) -> None:
        """Set a tag of a model to `str(value)`; None removes it.

        Example:
            >>> store.registry.set_model_tag("fraud", "team", "risk")
            >>> store.registry.get_model("fraud").tags
            {'team': 'risk'}
        """
        op = registry_tag_op(key, value)
        self._change(name, lambda _: [op])

    # --- aliases ---

    def set_alias(self, name: str, alias: str, version: str | int, *, expected: str | int | None = None) -> None:
        """Point an alias at a version, from wherever it pointed.

        Args:
            name: The model.
            alias: The alias.
            version: The version's number.
            expected: The number of the version that it has to point at until then; 0: there is no such alias; None:
                whatever it is. It is compared in the same entry that moves it.

        Raises:
            AliasMovedError: It points elsewhere than was expected; nothing was changed.

        Example:
            >>> store.registry.set_alias("fraud", "challenger", 1)
            >>> store.registry.get_version_by_alias("fraud", "challenger").version
            '1'
        """
        check_alias(alias)

        def build(model: Registered, n: int) -> list[Json]:
            _check_expected(model, alias, expected)
            return [{"op": "alias", "alias": alias, "version": n}]

        self._change_version(name, version, build)

    def delete_alias(self, name: str, alias: str, *, expected: str | int | None = None) -> None:
        """Remove an alias; do nothing if there is none. `expected`, raises: as `set_alias`.

        Example:
            >>> store.registry.delete_alias("fraud", "champion")
            >>> store.registry.get_model("fraud").aliases
            {}
        """
        gone = {"op": "alias", "alias": alias, "version": None}

        def build(model: Registered) -> list[Json]:
            _check_expected(model, alias, expected)
            return [gone] if alias in model.aliases else []

        self._change(name, build)

    def roll_back_alias(self, name: str, alias: str) -> ModelVersion:
        """Point an alias at the version that it pointed at before; again, at the one before that.

        Versions that were deleted are passed over. An alias that was removed comes back.

        Raises:
            ModelVersionNotFoundError: It pointed nowhere else before.

        Cost: as `alias_history`, and a PUT.

        Example:
            >>> store.registry.set_alias("fraud", "champion", 1)
            >>> store.registry.roll_back_alias("fraud", "champion").version
            '2'
        """

        def build(model: Registered) -> list[Json]:
            trail = _trail(model, alias)
            if alias in model.aliases:
                trail.pop()
            if not trail:
                raise ModelVersionNotFoundError(name, f"version that {alias!r} pointed at before", "none is there")
            return [{"op": "alias", "alias": alias, "version": trail[-1]}]

        self._find(name).follow_whole()
        self._change(name, build)
        return self.get_version_by_alias(name, alias)

    # --- inside ---

    def _new_log(self, first: Sequence[Json]) -> ModelLog:
        """Create the log of a new model, which has no name before it claims that. Cost: one PUT."""
        log = self._log(self._location.entropy(16).hex())
        log.append(lambda: first)
        return log

    def _change(self, name: str, build: Callable[[Registered], Sequence[Json]]) -> ModelLog:
        """Append what `build` makes of the current state to the log of the model that has this name."""
        log = self._find(name)

        def ops() -> Sequence[Json]:
            self._still(log, name)
            return build(log.state)

        log.append(ops)
        return log

    def _change_version(
        self, name: str, version: str | int, build: Callable[[Registered, int], Sequence[Json]]
    ) -> ModelVersion:
        """Append what `build` makes of the current state of one version of a model. Returns the version as of then."""
        number = check_version(version)
        log = self._change(name, lambda model: build(model, known_version(model, number).number))
        with log.lock:
            return version_record(log.state, known_version(log.state, number))

    def _still(self, log: ModelLog, name: str) -> None:
        """Raise ModelNotFoundError if a model was deleted or renamed meanwhile."""
        if log.state.ended is not None or log.state.name != name:
            raise ModelNotFoundError(name, self._location.bucket.url)

    def _unpin(self, version: Version) -> None:
        with suppress(RunNotFoundError):
            unpin(self._location, version.run, version.pin)


def _check_expected(model: Registered, alias: str, expected: str | int | None) -> None:
    """Refuse to move an alias that points elsewhere than whoever moves it knows. Raises: AliasMovedError."""
    found = model.aliases.get(alias, 0)
    if expected is not None and (wanted := check_version(expected)) != found:
        raise AliasMovedError(model.name, alias, str(wanted or ""), str(found or ""))


def tag_ops(tags: Mapping[str, Any] | None) -> list[Json]:
    return [registry_tag_op(key, value) for key, value in named_values("tags", tags).items()]


def registry_tag_op(key: str, value: Any) -> Json:
    """Return the operation that sets a tag of a model or version, as long as MLflow's may be: a prompt is one."""
    return tag_op(key, value, limit=_MAX_TAG)


def described(version: int | None, text: str | None) -> list[Json]:
    return [] if text is None else [description_op(version, text)]


def description_op(version: int | None, text: str | None) -> Json:
    return {"op": "describe", "version": version, "text": None if text is None else str(text)}


def _trail(model: Registered, alias: str) -> list[int]:
    """Return the existing versions that an alias was moved on to, in order; moving back takes the last one off."""
    trail: list[int] = []
    for move in model.moves:
        if move.alias != alias or move.version not in model.versions:
            continue
        if trail[-2:-1] == [move.version]:
            trail.pop()
        elif trail[-1:] != [move.version]:
            trail.append(move.version)
    return trail
