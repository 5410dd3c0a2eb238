"""The models of a store: logged into its runs, saved to folders, and read (see `loading.reader`)."""

from __future__ import annotations

import os
import tempfile
import uuid
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cached_property
from itertools import count
from pathlib import Path
from typing import Any

from holdall.errors import DestinationError
from holdall.format.document import Json
from holdall.modeling.files.copying import copy_local
from holdall.modeling.flavor_registry import flavor_named, flavor_of
from holdall.modeling.loading.loader import read_model
from holdall.modeling.loading.model_folder import Fetched, local_folder
from holdall.modeling.loading.reader import Locate, ModelReader
from holdall.modeling.model import FILE, Model, parse_model
from holdall.modeling.model_info import ModelInfo
from holdall.modeling.records.begun import BegunModels
from holdall.modeling.records.logged import LoggedModel, logged_models
from holdall.modeling.records.records import ModelRecords
from holdall.modeling.revising import Change
from holdall.modeling.saving.committing import commit_model, new_record, utc_text
from holdall.modeling.saving.keywords import split_kwargs
from holdall.modeling.saving.pathless import leave_out_paths
from holdall.modeling.saving.provenance import model_facts
from holdall.modeling.saving.saver import save_files, size
from holdall.modeling.vouching import ModelSigner
from holdall.runs.artifacts import Artifacts
from holdall.runs.disclosure import names_paths
from holdall.runs.run import Run
from holdall.trees.location import Location


class Models(ModelRecords, ModelSigner):
    """The models of a store's runs: log them, find their records, read them by address."""

    def __init__(self, location: Location, artifacts: Artifacts, locate: Locate, run_of: Callable[[str], Run]) -> None:
        ModelRecords.__init__(self, location, run_of)
        ModelReader.__init__(self, location, artifacts, locate)
        self._environments: dict[str, Json] = {}  # by the run's id; "" for what is here now

    @cached_property
    def _begun(self) -> BegunModels:
        """Return the models as a tool sees them that logs them step by step."""
        return BegunModels(self._location, self._run_of, FILE, lambda data: tuple(sorted(parse_model(data).flavors)))

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
        **given: Any,
    ) -> ModelInfo:
        """Log a model into a run, as one commit. `Store.log_model` registers it as well.

        Args:
            run: The run.
            model: The framework's object.
            name: Its path in the run.
            flavor: The name of its flavor; found from the object when None.
            params: Parameters of the logged model, by name.
            tags: Tags of the logged model, by name; they can be changed later.
            model_type: A word for the kind of model, for people.
            step: The training step that the model is from.
            given: What every flavor takes (see `SaveOptions`), and the options of its own.

        Raises:
            UnknownFlavorError: No flavor knows the object.
            ArtifactExistsError: The run holds something of this name.
            TypeError, ValueError: An argument that cannot be.

        Cost: as `Run.log_artifacts` of a folder.

        Example:
            >>> store.models.log(run, lambda model_input: model_input, "same", pip_requirements=[]).model_uri
            'models:/m-...-1'
        """
        used = flavor_named(flavor) if flavor else flavor_of(model)
        extras, options = split_kwargs(given, used)
        record = new_record(
            run, name, self._location.clock(), params=params, tags=tags, model_type=model_type, step=step
        )
        with tempfile.TemporaryDirectory(prefix="holdall-") as folder:
            paths = self._may_name_paths(run)
            mlmodel = save_files(used, model, Path(folder), extras, options, self._fetch, paths=paths)
            return commit_model(run, Path(folder), replace(mlmodel, holdall=self._facts(run)), record)

    def save(self, model: Any, path: str | os.PathLike[str], *, flavor: str | None = None, **given: Any) -> Model:
        """Write a model into a local folder, which must not exist or be empty.

        Returns: what its MLmodel file says.

        Raises:
            DestinationError: There is something in the folder.
            UnknownFlavorError, TypeError, ValueError: As `log`.

        Example:
            >>> model = store.models.save(lambda model_input: model_input, "saved", pip_requirements=[])
            >>> sorted(model.flavors)
            ['python_function']
        """
        used, target = flavor_named(flavor) if flavor else flavor_of(model), Path(path)
        if target.exists() and (not target.is_dir() or any(target.iterdir())):
            raise DestinationError(str(target), "there is something here already")
        extras, options = split_kwargs(given, used)
        with tempfile.TemporaryDirectory(prefix="holdall-") as folder:
            mlmodel = replace(
                save_files(used, model, Path(folder), extras, options, self._fetch, paths=self._location.names_paths),
                model_uuid=uuid.UUID(bytes=self._location.entropy(16), version=4).hex,
                utc_time_created=utc_text(self._location.clock()),
                holdall=self._facts(None),
            )
            (Path(folder) / FILE).write_bytes(mlmodel.to_bytes())
            copy_local(Path(folder), target)
        return mlmodel

    def revise(self, uri: str, change: Change) -> ModelInfo:
        """Log a stored model once more, changed, beside itself: what a run holds never changes.

        Args:
            uri: Its address.
            change: Such as `with_signature(...)`.

        Returns:
            The new model, in the same run, called `<name>-2`, or the next number that is free; with the tags and
            parameters of the old one, and its id as the tag `holdall.revised_from`. Metrics stay with the old one.

        Raises: as `load`; what `change` raises.

        Cost: reading the model, and logging it: content that the store has is not sent again.

        Example:
            >>> store.models.revise(logged.model_uri, lambda folder, mlmodel: mlmodel).name
            'double-2'
        """
        fetched = Fetched(uri, self._artifacts.download, None)
        try:
            mlmodel = change(fetched.folder, read_model(fetched.folder))
            run_id, path = self._locate(uri)
            run = self._run_of(run_id)
            record = self._record(run, path, mlmodel)
            (fetched.folder / FILE).unlink()
            if not self._may_name_paths(run):
                leave_out_paths(fetched.folder)
            return commit_model(run, fetched.folder, replace(mlmodel, model_size_bytes=size(fetched.folder)), record)
        finally:
            fetched.drop()

    def info(self, uri: str | os.PathLike[str]) -> ModelInfo:
        """Return what is known of a model. Raises: as `load`. Cost: as `describe`, and reading its run's end.

        Example:
            >>> store.models.info(logged.model_uri).model_id == logged.model_id
            True
        """
        return self._info(uri)[0]

    # --- inside ---

    def _info(self, uri: str | os.PathLike[str]) -> tuple[ModelInfo, int | None]:
        """Return what is known of a model, and the number of the version that its address names."""
        if local_folder(uri) is not None:
            return self.describe(uri).get_model_info(model_uri=str(uri)), None
        run, path = self._look(uri)
        mlmodel = self._describe_in(run, path, uri)
        record = next((each for each in self._logged_by(run) if each.path == path), None)
        version = int(run._promise.version.rpartition("/")[2]) if run._promise else None
        return mlmodel.get_model_info(record, "" if record else str(uri)), version

    def _record(self, run: Run, path: str, mlmodel: Model) -> LoggedModel:
        """Return the record of a revised model: the old one's, under the next name that is free."""
        known = logged_models(run.id, run._seen.data.tags)
        old = next((each for each in known if each.path == path), None)
        old = old or LoggedModel(model_id=mlmodel.model_id or "", source_run_id=run.id, path=path)
        taken = {each.path for each in known} | {path}
        free = next(name for n in count(2) if (name := f"{path}-{n}") not in taken)
        tags = {**old.tags, "holdall.revised_from": old.model_id or path}
        return replace(old, model_id="", path=free, tags=tags, metrics=(), creation_timestamp=self._location.clock())

    def _facts(self, run: Run | None) -> Json:
        """Return what the MLmodel file says of where it was made. Cost: as `_surroundings`."""
        return model_facts(self._location.writer, self._surroundings(run))

    def _may_name_paths(self, run: Run) -> bool:
        """Return whether a model's requirements may name local paths: this writer and what the run kept must allow it.

        Cost: as `_surroundings`.
        """
        return self._location.names_paths and names_paths(self._surroundings(run))

    def _surroundings(self, run: Run | None) -> Json:
        """Return what a run kept of where it ran, or what is here now. Cost: once for each run, reading that."""
        key = run.id if run else ""
        if key not in self._environments:
            look = self._location.environment
            self._environments[key] = run._readable_environment if run else look() if look else {}
        return self._environments[key]
