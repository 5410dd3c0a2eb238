"""The models of MLflow's registry, brought with the numbers of their versions.

A number that the source has deleted, or whose files are gone, is given to a
placeholder that is deleted at once: so version 7 is version 7 here, too. A
version is of the run that its files came along with: of the logged model, of
the run that it was registered from, or, where that is gone, of one that is
made to hold its files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final

from holdall.errors import HoldallError, InvalidNameError, ModelNotFoundError
from holdall.importing.bringing import STOPS, Bringer
from holdall.importing.found import FoundRun, fingerprint
from holdall.importing.marks import FROM, IMPORTED, PLACEHOLDER, RUN_ID, VERSION, Mark, mark_of
from holdall.importing.mlflow.folders import folder_at
from holdall.importing.mlflow.runs import KEY
from holdall.importing.mlflow.source import MlflowSource
from holdall.moving import FAILED, MORE, NEW, SAME, Brought, Problem
from holdall.naming.uris import check_name

HOLDING: Final = "Imported models"  # the experiment of runs that hold what no run of the source has
_MODEL_ID: Final = "m-"


@dataclass(frozen=True, slots=True)
class FoundVersion:
    """A version of a registered model.

    Attributes:
        number: Its number.
        model: The source's id of the logged model that it is of; "" if it is of none that is brought.
        run: The run that has its files, which may be one that is made for them; and `path`: where in it.
    """

    number: int
    description: str | None
    tags: Mapping[str, str]
    stage: str
    model: str = ""
    run: FoundRun | None = None
    path: str = ""

    @property
    def facts(self) -> list[Any]:
        """Return what a change of which is brought."""
        return [self.number, self.description, dict(self.tags), self.stage, self.model, self.path]


@dataclass(frozen=True, slots=True)
class FoundRegistered:
    """A registered model. Attributes: name, description, tags; aliases (alias -> number); versions, ascending."""

    name: str
    description: str | None
    tags: Mapping[str, str]
    aliases: Mapping[str, int]
    versions: Sequence[FoundVersion]

    @property
    def state(self) -> str:
        """Return what differs where the source's model has changed."""
        said = [self.description, dict(self.tags), dict(self.aliases)]
        return fingerprint(said, [version.facts for version in self.versions])


@dataclass(slots=True)
class RegistryFinder:
    """Finds the registered models of a source, and the runs that hold their files.

    Attributes:
        runs: The runs that are brought, by the source's id.
        models: The source's ids of the logged models that are brought.
        addresses: Where the source says that the files of each run are.
        holders: Runs to be made for files that no other has.
        problems: What could not be read.
    """

    source: MlflowSource
    runs: Mapping[str, FoundRun]
    models: frozenset[str]
    addresses: Mapping[str, str]
    holders: dict[str, FoundRun] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def read(self) -> list[FoundRegistered]:
        """Return the registered models, as the source's books have them."""
        try:
            every = self.source.registered_models()
        except Exception as error:  # each kind of MLflow has its own
            self.problems.append(Problem("model", self.source.shown, "", f"its registry cannot be read: {error}"))
            return []
        return [self._found(model) for model in every]

    # --- inside ---

    def _found(self, model: Any) -> FoundRegistered:
        versions = []
        try:
            listed = self.source.versions(model.name)
        except Exception as error:
            self.problems.append(Problem("model", model.name, "", f"its versions cannot be read: {error}"))
            listed = []
        for one in listed:
            try:
                versions.append(self._version(one))
            except Exception as error:
                self.problems.append(Problem("version", model.name, str(one.version), f"it cannot be read: {error}"))
        aliases = {alias: int(number) for alias, number in dict(model.aliases or {}).items()}
        ordered = sorted(versions, key=lambda one: one.number)
        return FoundRegistered(model.name, model.description or None, dict(model.tags or {}), aliases, ordered)

    def _version(self, version: Any) -> FoundVersion:
        model, run, path = self._home(version)
        tags = {str(key): str(value) for key, value in dict(version.tags or {}).items()}
        stage = version.current_stage or "None"
        return FoundVersion(int(version.version), version.description or None, tags, stage, model, run, path)

    def _home(self, version: Any) -> tuple[str, FoundRun | None, str]:
        """Return the logged model, or else the run and the path in it, that has the files of a version."""
        id = getattr(version, "model_id", None) or str(version.source or "").removeprefix("models:/")
        if id in self.models:
            return id, None, ""
        place = self.source.place(version)
        if place.removeprefix("models:/") in self.models:
            return place.removeprefix("models:/"), None, ""
        for run_id in filter(None, (version.run_id, *_named_runs(place))):
            top = self.addresses.get(run_id, "").rstrip("/")
            if run_id in self.runs and (path := _below(place, top, run_id)) is not None:
                return "", self.runs[run_id], path
        return "", self._holder(version, place), "model"

    def _holder(self, version: Any, place: str) -> FoundRun:
        key = f"{KEY}{place}"
        if key not in self.holders:
            self.holders[key] = FoundRun(
                key=key,
                source_id=version.run_id or place,
                experiment=HOLDING,
                name=f"{version.name} {version.version}",
                start_time=version.creation_timestamp,
                end_time=version.creation_timestamp,
                folder=_Below(folder_at(self.source, place)),
                state=place,
                only_files=True,
            )
        return self.holders[key]


@dataclass(frozen=True, slots=True)
class _Below:
    """A folder's files, in a folder `model`."""

    inner: Any

    def files(self) -> Any:
        """Return the files."""
        return [replace(file, path=f"model/{file.path}") for file in self.inner.files()]

    def fetch(self, file: Any, into: Any) -> Any:
        """Return one of them."""
        return self.inner.fetch(replace(file, path=file.path.removeprefix("model/")), into)


class RegistryBringer:
    """Brings registered models into a store whose runs are there already.

    Args:
        bringer: What brought the runs.
    """

    def __init__(self, bringer: Bringer) -> None:
        self._bringer, self._registry = bringer, bringer.store.registry
        self._placeholder: str | None = None

    def bring(self, model: FoundRegistered) -> Brought:
        """Bring a model to what the source has of it. Raises: StorageError."""
        before = len(self._bringer.problems)
        try:
            check_name(model.name)
            there = self._there(model.name)
            mark = mark_of(there.tags) if there else None
            if mark and mark.state == model.state and not mark.missing:
                return Brought("model", model.name, model.name, model.name, SAME)
            count = self._write(model, new=there is None)
        except STOPS:
            raise
        except HoldallError as error:
            self._bringer.tell(Problem("model", model.name, "", str(error)))
            return Brought("model", model.name, model.name, model.name, FAILED)
        missing = len(self._bringer.problems) - before
        now = Mark(model.state, missing)
        if mark != now:
            self._registry.set_model_tag(model.name, IMPORTED, now.text(self._bringer.store._location.clock()))
        outcome = NEW if there is None else SAME if mark == now and not count else MORE
        return Brought("model", model.name, model.name, model.name, outcome, versions=count)

    # --- inside ---

    def _there(self, name: str) -> Any:
        try:
            return self._registry.get_model(name)
        except ModelNotFoundError:
            return None

    def _write(self, model: FoundRegistered, *, new: bool) -> int:
        """Write what is missing of a model; return how many versions that was."""
        if new:
            self._registry.create_model(model.name, description=model.description)
        state = self._registry._find(model.name).state
        self._say(model, state)
        count = 0
        wanted = {version.number: version for version in model.versions}
        for number in range(1, max(wanted, default=0) + 1):
            version = wanted.get(number)
            if number > state.last:
                count += self._add(model, number, version)
            elif number in state.versions:
                self._keep(model, number, version, state.versions[number])
            elif version:
                why = self._bringer.lost.get(version.run.key) if version.run else None
                self._problem(model, str(number), why or "its number was given up before its files were there")
        for alias, number in model.aliases.items():
            state = self._registry._find(model.name).state
            if number in state.versions and state.aliases.get(alias) != number:
                self._registry.set_alias(model.name, alias, number)
            elif number not in state.versions:
                self._problem(model, f"@{alias}", f"it points at version {number}, which is not there")
        return count

    def _say(self, model: FoundRegistered, state: Any) -> None:
        if (state.description or None) != model.description:
            self._registry.describe_model(model.name, model.description)
        for key, value in {**model.tags, FROM: self._bringer.source}.items():
            if state.tags.get(key) != value:
                self._try(model, key, partial(self._registry.set_model_tag, model.name, key, value))

    def _add(self, model: FoundRegistered, number: int, version: FoundVersion | None) -> int:
        """Give a number to a version; to a placeholder where there is none, or its files are not there."""
        uri = self._address(model, version) if version else None
        if version is None or uri is None:
            self._skip(model.name, number)
            return 0
        tags = {**version.tags, VERSION: f"{model.name}/{number}"}
        try:
            made = self._registry.create_version(model.name, uri, tags=tags, description=version.description)
        except STOPS:
            raise
        except HoldallError as error:
            self._problem(model, str(number), str(error))
            self._skip(model.name, number)
            return 0
        if made.version != str(number):
            self._problem(model, str(number), f"others registered meanwhile, and it became version {made.version}")
        if version.stage != "None":
            self._registry.set_stage(model.name, made.version, version.stage)
        return 1

    def _keep(self, model: FoundRegistered, number: int, version: FoundVersion | None, there: Any) -> None:
        """See that a version that is there is the source's, and says what that says now."""
        if PLACEHOLDER in there.tags:
            self._registry.delete_version(model.name, number)  # an earlier import ended between the two
            return
        if version is None:
            return
        if there.tags.get(VERSION) != f"{model.name}/{number}":
            self._problem(model, str(number), "the store has another version of this number")
            return
        if (there.description or None) != version.description:
            self._registry.describe_version(model.name, number, version.description)
        if there.stage != version.stage:
            self._registry.set_stage(model.name, number, version.stage)
        for key, value in version.tags.items():
            if there.tags.get(key) != value:
                self._try(model, key, partial(self._registry.set_version_tag, model.name, number, key, value))

    def _address(self, model: FoundRegistered, version: FoundVersion) -> str | None:
        """Return where the files of a version are in the store; None, and a problem, if they are not."""
        if version.model:
            id = self._bringer.model_ids.get(version.model)
            if id is None:
                self._problem(model, str(version.number), f"its files are those of model {version.model}: not there")
            return f"models:/{id}" if id else None
        assert version.run, "a version has one or the other"
        if why := self._bringer.lost.get(version.run.key):
            self._problem(model, str(version.number), why)
            return None
        id = self._bringer.run_id(version.run)
        return f"runs:/{id}/{version.path}".rstrip("/")

    def _skip(self, name: str, number: int) -> None:
        """Use up a number: of a version that the source does not have, or has lost."""
        if self._placeholder is None:
            run = self._bringer.store.runs.ensure(
                f"{KEY}placeholder", experiment=HOLDING, name="placeholder", tags={RUN_ID: "placeholder"}
            )
            if run.info.status == "RUNNING":
                run.log_text("A number of a version that was not there when it was imported.\n", "placeholder.txt")
                run.finish()
            self._placeholder = f"runs:/{run.id}/placeholder.txt"
        made = self._registry.create_version(name, self._placeholder, tags={PLACEHOLDER: str(number)})
        self._registry.delete_version(name, made.version)

    def _try(self, model: FoundRegistered, key: str, do: Callable[[], None]) -> None:
        try:
            do()
        except InvalidNameError as error:
            self._problem(model, key, str(error))

    def _problem(self, model: FoundRegistered, path: str, why: str) -> None:
        self._bringer.tell(Problem("version" if path.isdigit() else "model", model.name, path, why))


def _named_runs(place: str) -> Iterator[str]:
    """Yield the id of the run that an address is of, where it says one."""
    if place.startswith("runs:/"):
        yield place.removeprefix("runs:/").partition("/")[0]


def _below(place: str, top: str, run_id: str) -> str | None:
    """Return the path of an address in a run's files, if it is there."""
    for begin in (f"runs:/{run_id}", top):
        if begin and (place == begin or place.startswith(f"{begin}/")):
            return place[len(begin) :].strip("/")
    return None
