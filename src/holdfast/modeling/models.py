"""The models of a store: logged into its runs, and loaded from them.

A model is a folder of ordinary artifacts, committed at once. The same log
entry counts it: the tag `holdfast.model.<n>` of the run says in JSON where the
run's n-th model is and what was said of it. Whoever reads the tag can read the
model, so a model is READY from the first moment that it can be seen.

n stands inside of the MLmodel file, and so in its digest: when a rival writer
of the run took the number first, the file is made anew with the next one.
"""

from __future__ import annotations

import json
import os
import tempfile
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from holdfast.errors import DestinationError
from holdfast.format.document import Json
from holdfast.format.state import State
from holdfast.modeling.finding import flavor_named, flavor_of
from holdfast.modeling.loading import load_native, load_predictor, native_flavor, read_model
from holdfast.modeling.model import FILE, Model, ModelInfo
from holdfast.modeling.pyfunc import PyFuncModel, wrapped
from holdfast.modeling.saving import parted, save_files
from holdfast.runs.artifacts import Artifacts
from holdfast.runs.metrics import param_op, tag_op
from holdfast.runs.reading import join_path
from holdfast.runs.run import Run
from holdfast.trees.location import Location
from holdfast.trees.source import bytes_item, local_items

TAG: Final = "holdfast.model."


class _Taken(Exception):
    """A rival has the number. Attributes: the next one that is free."""


class Models:
    """The models of a store's runs, by address.

    An address is `models:/<name>/<version>`, `models:/<name>@<alias>`, `models:/<model_id>` or
    `runs:/<run_id>/<path>`; for loading also a local folder or `file://`.
    """

    def __init__(self, location: Location, artifacts: Artifacts, register: Callable[..., Any]) -> None:
        self._location, self._artifacts, self._register = location, artifacts, register

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
        kept = flavor_named(flavor) if flavor else flavor_of(model)
        said: Json = {"name": name, "model_type": model_type, "step": step, "params": _texts(params, param_op)}
        said |= {"tags": _texts(tags, tag_op)}
        beside, options = parted(given)
        with tempfile.TemporaryDirectory(prefix="holdfast-") as folder:
            drawn = save_files(kept, model, Path(folder), beside, options)
            info = self._commit(run, name, Path(folder), drawn, said)
        if registered_model_name is not None:
            version = self._register(info.model_uri, registered_model_name)
            info = replace(info, registered_model_version=int(version.version))
        return info

    def save(self, model: Any, path: str | os.PathLike[str], *, flavor: str | None = None, **given: Any) -> Model:
        """Write a model into a local folder, which must not be there or be empty.

        Raises:
            DestinationError: There is something in the folder.
            UnknownFlavorError, TypeError, ValueError: As `log`.
        """
        kept = flavor_named(flavor) if flavor else flavor_of(model)
        folder = Path(path)
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise DestinationError(str(folder), "there is something here already")
        folder.mkdir(parents=True, exist_ok=True)
        beside, options = parted(given)
        drawn = save_files(kept, model, folder, beside, options)
        made = replace(drawn, model_uuid=uuid.uuid4().hex, utc_time_created=_written(self._location.clock()))
        (folder / FILE).write_bytes(made.to_yaml())
        return made

    def load(
        self, uri: str, *, flavor: str | None = None, dst_path: str | os.PathLike[str] | None = None, **options: Any
    ) -> Any:
        """A model as its framework's object.

        Args:
            uri: Where it is.
            flavor: The flavor to load it by; the one that it has beside python_function when None.
            dst_path: A folder to keep its files in; else they are gone when it is loaded.
            options: Of its flavor.
        """
        with self._fetched(uri, dst_path) as folder:
            model = read_model(folder)
            return load_native(folder, model, flavor_named(flavor) if flavor else native_flavor(model), options)

    def load_pyfunc(
        self,
        uri: str,
        *,
        dst_path: str | os.PathLike[str] | None = None,
        model_config: Mapping[str, Any] | None = None,
    ) -> PyFuncModel:
        """A model as a python_function."""
        with self._fetched(uri, dst_path) as folder:
            model = read_model(folder)
            native, predictor = load_predictor(folder, model, model_config or {})
            return wrapped(model, native, predictor, model_config or {})

    # --- inside ---

    @contextmanager
    def _fetched(self, uri: str, dst_path: str | os.PathLike[str] | None) -> Iterator[Path]:
        local = _local(uri)
        if local is not None:
            yield local
        elif dst_path is not None:
            yield self._artifacts.download(uri, dst_path)
        else:
            with tempfile.TemporaryDirectory(prefix="holdfast-") as folder:
                yield self._artifacts.download(uri, folder)

    def _commit(self, run: Run, name: str, folder: Path, drawn: Model, said: Json) -> ModelInfo:
        """Put the folder into the run, under the next number that is free."""
        items = local_items(folder, join_path(name, ""))
        time = self._location.clock()
        n = _next_number(run.seen.data.tags)
        while True:
            id = f"m-{run.id}-{n}"
            model = replace(
                drawn,
                artifact_path=name,
                run_id=run.id,
                model_id=id,
                model_uuid=id,
                utc_time_created=_written(time),
            )
            record = {"path": name, "time": time, "flavors": sorted(model.flavors), **said}
            try:
                run.log_items([*items, bytes_item(join_path(name, FILE), model.to_yaml())], also=_counted(n, record))
                return _info(model, said, time)
            except _Taken as taken:
                (n,) = taken.args


def _counted(n: int, record: Json) -> Callable[[State], Sequence[Json]]:
    def also(state: State) -> Sequence[Json]:
        if f"{TAG}{n}" in state.tags or n != (free := _next_number(state.tags)):
            raise _Taken(_next_number(state.tags))
        return [{"op": "tag", "key": f"{TAG}{free}", "value": json.dumps(record, separators=(",", ":"))}]

    return also


def _next_number(tags: Mapping[str, str]) -> int:
    numbers = [int(tail) for key in tags if key.startswith(TAG) and (tail := key[len(TAG) :]).isdigit()]
    return max(numbers, default=0) + 1


def _info(model: Model, said: Json, time: int) -> ModelInfo:
    name, id = str(model.artifact_path), str(model.model_id)
    return ModelInfo(
        artifact_path=name,
        model_uri=f"models:/{id}",
        model_id=id,
        model_uuid=id,
        name=name,
        run_id=str(model.run_id),
        flavors=model.flavors,
        creation_timestamp=time,
        utc_time_created=str(model.utc_time_created),
        signature=model.signature,
        saved_input_example_info=model.saved_input_example_info,
        metadata=model.metadata,
        params=said["params"],
        tags=said["tags"],
        model_type=said["model_type"],
        step=said["step"],
    )


def _texts(given: Mapping[str, Any] | None, op: Callable[[str, Any], Json]) -> dict[str, str]:
    """Names and values, held against the same rules as a run's."""
    return {key: op(key, value)["value"] for key, value in (given or {}).items()}


def _written(time: int) -> str:
    """A time as MLmodel files have it: UTC, without saying so."""
    return datetime.fromtimestamp(time / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")


def _local(uri: str) -> Path | None:
    """The folder that an address means, if it is one of this machine."""
    if uri.startswith("file:"):
        return Path(uri.removeprefix("file://").removeprefix("file:"))
    return None if uri.startswith(("runs:", "models:")) else Path(uri)
