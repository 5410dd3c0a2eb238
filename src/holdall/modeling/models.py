"""The models of a store: logged into its runs, and loaded from them.

A model is a folder of ordinary artifacts, committed at once, and the entry that
commits it counts it (see `logged`). So a model is READY from the first moment
that it can be seen, and there is no other moment.

Its number stands inside of the MLmodel file, and so in its digest: when a rival
writer of the run took the number first, that file is made anew with the next
one. All other files are in the bucket by then and are not sent again.
"""

from __future__ import annotations

import os
import tempfile
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from holdall.errors import ArtifactExistsError, ArtifactNotFoundError, DestinationError, InvalidURIError
from holdall.format.document import Json
from holdall.format.manifest import manifest_digest, manifest_text
from holdall.format.tree import Entry, Kind
from holdall.modeling.files.copying import copy_local
from holdall.modeling.files.places import check_names, within
from holdall.modeling.flavor_registry import flavor_named, flavor_of
from holdall.modeling.loading.inspecting import Inspection, inspect_files
from holdall.modeling.loading.loader import (
    code_run_by,
    effective_config,
    load_native,
    load_predictor,
    native_flavor,
    predicting_flavor,
    read_model,
)
from holdall.modeling.loading.model_folder import Fetched, local_folder
from holdall.modeling.loading.pyfunc import PyFuncModel
from holdall.modeling.loading.trust import Trust, folder_digest
from holdall.modeling.model import FILE, MAX_FILE, Model, ModelInfo, config_of, parse_model
from holdall.modeling.records.logged import LoggedModel, logged_models, next_number
from holdall.modeling.records.records import ModelRecords
from holdall.modeling.registering import Registering
from holdall.modeling.saving.exporting import refuse_taken, write_out
from holdall.modeling.saving.provenance import model_facts
from holdall.modeling.saving.saver import parted, save_files
from holdall.runs.arguments import named_values
from holdall.runs.artifacts import Artifacts, parse_uri
from holdall.runs.metrics import param_op, tag_op
from holdall.runs.reading import RunReader, join_path
from holdall.runs.run import Run
from holdall.trees.location import Location
from holdall.trees.source import bytes_item, local_items
from holdall.trees.view import View


class _TakenError(Exception):
    """A rival has the number. Its argument is the next one that is free."""


class Models(ModelRecords):
    """The models of a store's runs, by address.

    An address is `models:/<name>/<version>`, `models:/<name>@<alias>`, `models:/<model_id>` or
    `runs:/<run_id>/<path>`; for loading also a local folder or `file://`.
    """

    def __init__(
        self, location: Location, artifacts: Artifacts, registry: Registering, run_of: Callable[[str], Run]
    ) -> None:
        super().__init__(location, run_of)
        self._artifacts, self._registry = artifacts, registry
        self._environments: dict[str, Json] = {}  # by the run's id; "" for what is here now

    def log(
        self,
        run: Run,
        model: Any,
        name: str,
        *,
        flavor: str | None = None,
        params: Mapping[str, Any] | None = None,
        tags: Mapping[str, Any] | None = None,
        model_type: str | None = None,
        step: int = 0,
        registered_model_name: str | None = None,
        **given: Any,
    ) -> ModelInfo:
        """Log a model into a run, as one commit.

        Args:
            run: The run.
            model: The framework's object.
            name: Its path in the run.
            flavor: Which framework's it is; found from the object when None.
            params: What to say of the model: names and values.
            tags: The same, for words that may change.
            model_type: What kind of model it is, for people.
            step: Where in the training it belongs.
            registered_model_name: Make it the next version of this registered model as well.
            given: What stands beside it (see `Beside`), and the options of its flavor.

        Raises:
            UnknownFlavorError: No flavor knows the object.
            ArtifactExistsError: The run holds something of this name.
            TypeError, ValueError: An argument that cannot be.

        Cost: as `Run.log_artifacts` of a folder; with a name to register, `Registry.register` as well.
        """
        said = LoggedModel(
            model_id="",
            source_run_id=run.id,
            path=join_path(name, ""),
            creation_timestamp=self._location.clock(),
            model_type=model_type,
            step=int(step),
            params=_texts("parameters", params, param_op),
            tags=_texts("tags", tags, tag_op),
        )
        if registered_model_name is not None:
            self._registry.check_name(registered_model_name)  # before anything is logged
        _refuse_known(run, said.path)
        kept = flavor_named(flavor) if flavor else flavor_of(model)
        beside, options = parted(given)
        with tempfile.TemporaryDirectory(prefix="holdall-") as folder:
            drawn = save_files(kept, model, Path(folder), beside, options, self._fetch)
            drawn = replace(drawn, holdall=self._facts(run))
            info = _commit(run, Path(folder), drawn, replace(said, flavors=tuple(sorted(drawn.flavors))))
        if registered_model_name is not None:
            version = self._registry.register(info.model_uri, registered_model_name)
            info = replace(info, registered_model_version=int(version.version))
        return info

    def save(self, model: Any, path: str | os.PathLike[str], *, flavor: str | None = None, **given: Any) -> Model:
        """Write a model into a local folder, which must not be there or be empty.

        Returns: what its MLmodel file says.

        Raises:
            DestinationError: There is something in the folder.
            UnknownFlavorError, TypeError, ValueError: As `log`.
        """
        kept, target = flavor_named(flavor) if flavor else flavor_of(model), Path(path)
        if target.exists() and (not target.is_dir() or any(target.iterdir())):
            raise DestinationError(str(target), "there is something here already")
        beside, options = parted(given)
        with tempfile.TemporaryDirectory(prefix="holdall-") as folder:
            drawn = save_files(kept, model, Path(folder), beside, options, self._fetch)
            made = replace(
                drawn,
                model_uuid=uuid.UUID(bytes=self._location.entropy(16), version=4).hex,
                utc_time_created=_written(self._location.clock()),
                holdall=self._facts(None),
            )
            (Path(folder) / FILE).write_bytes(made.to_yaml())
            copy_local(Path(folder), target)
        return made

    def load(
        self,
        uri: str | os.PathLike[str],
        *,
        flavor: str | None = None,
        dst_path: str | None = None,
        trust: Trust | None = None,
        **options: Any,
    ) -> Any:
        """A model as its framework's object, read from the store and verified.

        Args:
            uri: Where it is.
            flavor: The flavor to load it by; the one that it has beside python_function when None.
            dst_path: A folder to keep its files in; else they are gone when it is loaded.
            trust: Whose models may run code; everybody's when None.
            options: Of its flavor.

        Raises:
            ArtifactNotFoundError, ModelNotFoundError, ModelVersionNotFoundError: There is nothing there.
            ContentError: What is there is no model, or none of this flavor.
            UntrustedModelError: It would run code, and the reader does not trust it.
            MissingLibraryError: Its framework is not installed.
            IntegrityError: Its files are not what was logged.
        """
        fetched = Fetched(uri, self._artifacts.download, dst_path, self._entries)
        try:
            model = read_model(fetched.folder)
            kept = flavor_named(flavor) if flavor else native_flavor(model)
            files = code_run_by(kept, model)
            (trust or Trust()).admit(fetched.folder, files, own=fetched.own)
            native = load_native(fetched.folder, model, kept, options)
        except BaseException:
            fetched.drop()
            raise
        if _brings_code(model):
            fetched.keep()
        else:
            fetched.drop()
        return native

    def load_pyfunc(
        self,
        uri: str | os.PathLike[str],
        *,
        dst_path: str | None = None,
        model_config: str | os.PathLike[str] | Mapping[str, Any] | None = None,
        trust: Trust | None = None,
    ) -> PyFuncModel:
        """A model as a python_function. Args, raises: as `load`; `model_config` goes before what it was logged with."""
        config = config_of(model_config)
        fetched = Fetched(uri, self._artifacts.download, dst_path, self._entries)
        try:
            model = read_model(fetched.folder)
            flavor, config = predicting_flavor(model, str(uri)), effective_config(model, config)
            (trust or Trust()).admit(fetched.folder, code_run_by(flavor, model), own=fetched.own)
            native, predictor = load_predictor(fetched.folder, model, flavor, config)
            loaded = PyFuncModel(native, predictor, model, fetched.folder, config)
        except BaseException:
            fetched.drop()
            raise
        if _brings_code(model):
            fetched.keep()
        else:
            fetched.keep_for(loaded)
        return loaded

    def describe(self, uri: str | os.PathLike[str]) -> Model:
        """What the MLmodel file of a model says. Raises: as `load`. Cost: finding and reading that file alone."""
        local = local_folder(uri)
        if local is not None:
            return read_model(local)
        where = f"{str(uri).rstrip('/')}/{FILE}"
        with self._artifacts.open(where) as file:
            return check_names(parse_model(file.read(MAX_FILE + 1), where), where)

    def digest(self, uri: str | os.PathLike[str]) -> str:
        """One name for all files of a model, the same in a store, fetched or copied: what `HOLDALL_TRUSTED` lists.

        Returns:
            `sha256:<hex>` of the manifest of its folder.

        Raises:
            ArtifactNotFoundError: There is nothing at this address.

        Cost: listing what is there; for a local folder, hashing it.
        """
        local = local_folder(uri)
        if local is not None:
            return folder_digest(local)
        return manifest_digest(manifest_text(self._entries(str(uri))))

    def inspect(self, uri: str | os.PathLike[str]) -> Inspection:
        """Look at a model without loading it: what it says, what it needs, what its pickles import.

        Raises: as `load`. Cost: finding it, and reading its MLmodel, requirements and pickles.
        """
        local, model = local_folder(uri), self.describe(uri)
        if local is not None:
            return inspect_files(model, self.digest(uri), lambda name: within(local, name).open("rb"))
        top = self._registry.resolve(str(uri)).rstrip("/")
        return inspect_files(model, self.digest(top), lambda name: self._artifacts.open(f"{top}/{name}"))

    def export(self, uri: str | os.PathLike[str], target: str | os.PathLike[str]) -> int:
        """Write a model as a folder, or as one file: `.tar`, `.tar.gz`, `.tgz` or `.zip`. MLflow loads it.

        An archive of the same model is the same bytes, wherever and whenever it is made.

        Returns:
            How many files.

        Raises:
            DestinationError: There is something at the target.
            ContentError: What is at the address is no model.
            Others: as `load`.
        """
        refuse_taken(Path(target))
        fetched = Fetched(uri, self._artifacts.download, None)
        try:
            read_model(fetched.folder)
            return write_out(fetched.folder, Path(target))
        finally:
            fetched.drop()

    # --- inside ---

    def _entries(self, uri: str) -> list[Entry]:
        """What a stored model has, by paths below its folder; without empty directories, which get lost on the way."""
        run_id, path = parse_uri(self._registry.resolve(uri))
        entries = list(RunReader(self._location, run_id).entries(path or None))
        if not entries:
            raise ArtifactNotFoundError(run_id, path)
        return [replace(each, path=_below(path, each.path)) for each in entries if each.kind is not Kind.DIRECTORY]

    def _facts(self, run: Run | None) -> Json:
        """What the MLmodel file says of where it was made. Cost: once for each run, reading its environment."""
        key = run.id if run else ""
        if key not in self._environments:
            look = self._location.environment
            self._environments[key] = run.readable_environment if run else look() if look else {}
        return model_facts(self._location.writer, self._environments[key])

    def _fetch(self, uri: str, target: Path) -> None:
        """Bring what an address means to a place of the model's folder."""
        local = local_folder(uri)
        if local is not None and "://" in uri and not uri.startswith("file:"):
            raise InvalidURIError(uri, "only local files, file://, runs:/ and models:/ are kept beside a model")
        if local is not None:
            copy_local(local, target)
            return
        with tempfile.TemporaryDirectory(prefix="holdall-") as folder:
            copy_local(self._artifacts.download(uri, folder), target)


# --- one commit ---


def _commit(run: Run, folder: Path, drawn: Model, said: LoggedModel) -> ModelInfo:
    """Put the folder into the run, under the next number that is free."""
    items = local_items(folder, said.path)
    n = next_number(run.seen.data.tags)
    while True:
        said = replace(said, model_id=f"m-{run.id}-{n}")
        model = replace(
            drawn,
            artifact_path=said.path,
            run_id=run.id,
            model_id=said.model_id,
            model_uuid=said.model_id,
            utc_time_created=_written(said.creation_timestamp),
        )
        file = bytes_item(join_path(said.path, FILE), model.to_yaml())
        try:
            # Logged twice, a model differs in its MLmodel file alone: that is no reason for a pack.
            run.log_items([*items, file], extra_ops=_counted(n, said), inline_last=True)
        except _TakenError as taken:
            (n,) = taken.args
        else:
            return _info(model, said)


def _counted(n: int, said: LoggedModel) -> Callable[[View], Sequence[Json]]:
    """What the entry says beside its files, unless somebody was there before."""

    def also(view: View) -> Sequence[Json]:
        if n != (free := next_number(view.state.tags)):
            raise _TakenError(free)
        if below := view.paths.below([said.path]):
            raise ArtifactExistsError(said.source_run_id, said.path, f"a directory with {below[said.path]}", "a model")
        key, value = said.to_tag()
        return [{"op": "tag", "key": key, "value": value}]

    return also


def _refuse_known(run: Run, path: str) -> None:
    """Refuse a name that is taken before anything is written, as far as this process knows."""
    for other in logged_models(run.id, run.seen.data.tags):
        if other.path == path:
            raise ArtifactExistsError(run.id, path, f"model {other.model_id}", "another model")


def _info(model: Model, said: LoggedModel) -> ModelInfo:
    return ModelInfo(
        artifact_path=said.path,
        model_uri=said.model_uri,
        model_id=said.model_id,
        model_uuid=said.model_id,
        name=said.name,
        run_id=said.source_run_id,
        flavors=model.flavors,
        creation_timestamp=said.creation_timestamp,
        utc_time_created=str(model.utc_time_created),
        signature=model.signature,
        saved_input_example_info=model.saved_input_example_info,
        metadata=model.metadata,
        params=said.params,
        tags=said.tags,
        model_type=said.model_type,
        step=said.step,
    )


def _texts(what: str, given: Mapping[str, Any] | None, op: Callable[[str, Any], Json]) -> dict[str, str]:
    """Names and values, held against the same rules as a run's."""
    return {key: op(key, value)["value"] for key, value in named_values(what, given).items()}


def _written(time: int) -> str:
    """A time as MLmodel files have it: UTC, without saying so."""
    return datetime.fromtimestamp(time / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")


def _below(folder: str, path: str) -> str:
    return path.removeprefix(folder).lstrip("/")


def _brings_code(model: Model) -> bool:
    return any(said.get("code") or said.get("model_code_path") for said in model.flavors.values())
