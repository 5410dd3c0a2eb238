"""The registry, read: models, versions, aliases with their history, addresses.

Every verb looks at the logs as they are now. Entries that this process has
seen are not fetched again, so a look at a known model costs two listings.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, Final

from holdall.display import Listing
from holdall.errors import ModelNotFoundError, ModelVersionNotFoundError
from holdall.format.layout import parse_model_id
from holdall.format.registered import Registered, Version
from holdall.naming.names import Names
from holdall.naming.record import AliasMove, ModelVersion, RegisteredModel, model_record, version_record
from holdall.naming.search import MODEL_VERSION, REGISTERED_MODEL, chosen_models, chosen_versions, names_meant
from holdall.naming.sources import Place, logged_model
from holdall.naming.uris import LATEST, MODELS, ModelURI, check_stage, check_version, parse_model_uri
from holdall.runs.arguments import listed
from holdall.runs.artifacts import parse_uri
from holdall.runs.promise import Located, Promise
from holdall.trees.location import Location
from holdall.trees.model_log import ModelLog

_MOST_NAMES: Final = 16  # that are looked up one by one rather than in a listing of all


class RegistryReader:
    """The registered models of a store, to be read."""

    def __init__(self, location: Location) -> None:
        self._location = location
        self._names = Names(location, self._log)
        self._logs: dict[tuple[int, str], ModelLog] = {}  # by process: a lock does not survive a fork

    def __getstate__(self) -> dict[str, Any]:
        return {"location": self._location}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["location"])  # type: ignore[misc]  # it is its one fact

    # --- models ---

    def get_model(self, name: str) -> RegisteredModel:
        """Return a registered model.

        Raises:
            ModelNotFoundError: None is called so; a name that is like it is suggested.

        Example:
            >>> store.registry.get_model("fraud").aliases
            {'champion': '2'}
        """
        log = self._find(name)
        with log.lock:
            return model_record(id_of(log), log.state)

    def search_models(
        self, filter: str | None = None, *, order_by: Sequence[str] | None = None, limit: int | None = None
    ) -> list[RegisteredModel]:
        """Return the models that match a filter, such as `name LIKE 'fraud%' AND tags.team = 'a'`.

        Args:
            filter: The conditions; None matches all.
            order_by: The sort keys, such as `["last_updated_timestamp DESC"]`; by name when None.
            limit: How many to return at most.

        Raises:
            InvalidFilterError: The filter or a sort key is invalid; the error says where.

        Cost: two listings, and two GETs or three for each model that this process has not seen; where the filter says
            which name it is (`=` or `IN`), as `get_model`.

        Example:
            >>> [model.name for model in store.registry.search_models("name LIKE 'fraud%'")]
            ['fraud']
        """
        models = self._all_models(names_meant(filter, REGISTERED_MODEL))
        return Listing(chosen_models(models, filter, order_by)[:limit])

    # --- versions ---

    def get_version(self, name: str, version: str | int) -> ModelVersion:
        """Return one version of a model, by its number.

        Raises:
            ModelNotFoundError: No model is called so.
            ModelVersionNotFoundError: It has no such version; the error says which there are.

        Example:
            >>> store.registry.get_version("fraud", 2).aliases
            ['champion']
        """
        number, log = check_version(version), self._find(name)
        with log.lock:
            return version_record(log.state, known_version(log.state, number))

    def get_version_by_alias(self, name: str, alias: str) -> ModelVersion:
        """Return the version that an alias points at. Raises: as `get_version`.

        Example:
            >>> store.registry.get_version_by_alias("fraud", "champion").version
            '2'
        """
        return self._version(ModelURI(name, alias=alias))

    def latest_versions(self, name: str, stages: Sequence[str] | None = None) -> list[ModelVersion]:
        """Return the highest version in each of these stages, or in every stage if None. Raises: as `get_model`.

        Example:
            >>> [found.version for found in store.registry.latest_versions("fraud")]
            ['2']
        """
        given = listed("stages", stages, "['Production']")
        wanted = None if stages is None else set(map(check_stage, given))
        latest = self.get_model(name).latest_versions
        return [version for version in latest if wanted is None or version.current_stage in wanted]

    def search_versions(
        self, filter: str | None = None, *, order_by: Sequence[str] | None = None, limit: int | None = None
    ) -> list[ModelVersion]:
        """Return the versions that match a filter, such as `name = 'fraud' AND run_id = '...' AND tags.ok = 'yes'`.

        Args:
            filter: The conditions; None matches all.
            order_by: The sort keys, such as `["version_number DESC"]`; the latest change first when None.
            limit: How many to return at most.

        Raises and cost: as `search_models`.

        Example:
            >>> [found.version for found in store.registry.search_versions("name = 'fraud'")]
            ['2', '1']
        """
        found: list[ModelVersion] = []
        for _, log in self._every(names_meant(filter, MODEL_VERSION)):
            with log.lock:
                found += [version_record(log.state, version) for version in log.state.versions.values()]
        return Listing(chosen_versions(found, filter, order_by)[:limit])

    def alias_history(self, name: str, alias: str | None = None) -> list[AliasMove]:
        """Return every move of an alias, of all of them when None, the first one first. Raises: as `get_model`.

        It is empty if the alias never existed.

        Cost: as `get_model`, and where this process does not know it yet a GET for each entry of the model's log.

        Example:
            >>> [move.version for move in store.registry.alias_history("fraud", "champion")]
            ['2']
        """
        log = self._find(name)
        with log.lock:
            log.follow_whole()
            moves = [move for move in log.state.moves if alias in (None, move.alias)]
        return [AliasMove(m.alias, None if m.version is None else str(m.version), m.time) for m in moves]

    # --- addresses ---

    def resolve(self, uri: str) -> str:
        """Return the `runs:/<run_id>/<path>` that an address means.

        Args:
            uri: `models:/<name>/<version>`, `.../latest`, `.../<stage>`, `models:/<name>@<alias>`,
                `models:/<model_id>`, each perhaps with a path behind it; or `runs:/...` itself.

        Raises:
            InvalidURIError: It is no such address.
            ModelNotFoundError: No model is called so.
            ModelVersionNotFoundError: The model has no such version, alias or stage.

        Cost: none for `runs:/`; two listings and what is new for a name; for a model's id, reading its run's tree.

        Example:
            >>> store.registry.resolve("models:/fraud@champion")
            'runs:/.../model'
        """
        return self._place(uri).uri if uri.startswith(MODELS) else uri

    def locate(self, uri: str) -> tuple[str, str, Promise | None]:
        """Return the run, the path and the promise of an address. Raises, cost: as `resolve`.

        Example:
            >>> run_id, path, promise = store.registry.locate("models:/fraud/1")
            >>> path
            'model'
        """
        return self._located(uri)[:3]

    def version_at(self, uri: str) -> ModelVersion:
        """Return the version that `models:/<name>/...` or `models:/<name>@<alias>` means. Raises: as `resolve`.

        Example:
            >>> store.registry.version_at("models:/fraud/latest").version
            '2'
        """
        return self._version(parse_model_uri(uri))

    # --- inside ---

    def _place(self, uri: str) -> Place:
        """Return the run and the path that an address means."""
        return self._place_and_version(uri)[0]

    def _located(self, uri: str) -> Located:
        """Do as `locate`; with the run, where that was read to find the place."""
        if uri.startswith(MODELS) and (meant := parse_model_uri(uri)).model_id:
            place, view = logged_model(self._location, *(parse_model_id(meant.model_id) or ("", 0)))
            return Located(place.run_id, place.below(meant.path).path, None, view)
        place, version = self._place_and_version(uri)
        if version is None:
            return Located(place.run_id, place.path)
        promise = Promise(f"{MODELS}{version.name}/{version.version}", version.path, version.digest)
        return Located(place.run_id, place.path, promise)

    def _place_and_version(self, uri: str) -> tuple[Place, ModelVersion | None]:
        """Return the run and the path that an address means, and the version that it names, if it names one."""
        if not uri.startswith(MODELS):
            return Place(*parse_uri(uri)), None
        meant = parse_model_uri(uri)
        if meant.model_id:
            run_id, n = parse_model_id(meant.model_id) or ("", 0)
            return logged_model(self._location, run_id, n)[0].below(meant.path), None
        version = self._version(meant)
        return Place(version.run_id, version.path).below(meant.path), version

    def _version(self, meant: ModelURI) -> ModelVersion:
        log = self._find(meant.name)
        with log.lock:
            return version_record(log.state, _chosen(log.state, meant))

    def _all_models(self, names: Sequence[str] | None = None) -> list[RegisteredModel]:
        found = []
        for id, log in self._every(names):
            with log.lock:
                found.append(model_record(id, log.state))
        return found

    def _every(self, names: Sequence[str] | None = None) -> list[tuple[str, ModelLog]]:
        """Return the ids and logs of all models, or of those that have one of these names."""
        self._location.require_store()
        return self._names.all() if names is None or len(names) > _MOST_NAMES else self._names.some(names)

    def _find(self, name: str) -> ModelLog:
        """Return the log of the model that has this name, as it is now."""
        id = self._names.holder(str(name), likely=True)
        if id is None:
            raise ModelNotFoundError(str(name), self._location.bucket.url, self._names.like(str(name)))
        return self._log(id)

    def _log(self, id: str) -> ModelLog:
        """Return the log of a model by its id; always the same object, or known entries would be fetched again."""
        return self._logs.setdefault((os.getpid(), id), ModelLog(self._location, id))


def known_version(model: Registered, number: int) -> Version:
    """Return a version by its number.

    Raises:
        ModelVersionNotFoundError: There is none.
    """
    found = model.versions.get(number)
    if found is None:
        there = ", ".join(map(str, model.versions))
        raise ModelVersionNotFoundError(
            model.name, f"version {number}", f"there are {there}" if there else "it has none"
        )
    return found


def _chosen(model: Registered, meant: ModelURI) -> Version:
    if meant.version is not None:
        return known_version(model, meant.version)
    if meant.alias is not None:
        if meant.alias not in model.aliases:
            there = ", ".join(sorted(model.aliases))
            known = f"there are {there}" if there else "it has no alias"
            raise ModelVersionNotFoundError(model.name, f"alias {meant.alias!r}", known)
        return model.versions[model.aliases[meant.alias]]
    found = [v for v in model.versions.values() if meant.stage in (LATEST, v.stage)]
    if not found:
        stages = ", ".join(f"{v.number} in {v.stage}" for v in model.versions.values())
        raise ModelVersionNotFoundError(
            model.name, f"version in {meant.stage}", f"there are {stages}" if stages else "it has none"
        )
    return found[-1]


def id_of(log: ModelLog) -> str:
    """Return the id of the model that has this log."""
    return log.log.rpartition("/")[2]
