"""The models of a store, read: loaded, described, inspected, exported."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

from holdall.errors import ArtifactNotFoundError, InvalidURIError
from holdall.format.manifest import manifest_digest, manifest_text
from holdall.format.tree import Entry, Kind
from holdall.modeling.files.copying import copy_local
from holdall.modeling.files.places import check_names, within
from holdall.modeling.flavor_registry import flavor_named
from holdall.modeling.loading.inspecting import Inspection, inspect_files
from holdall.modeling.loading.loader import (
    brings_code,
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
from holdall.modeling.loading.trust import Trust, Vouch, folder_digest
from holdall.modeling.model import FILE, MAX_FILE, Model, config_of, parse_model
from holdall.modeling.saving.exporting import refuse_taken, write_out, write_signed
from holdall.runs.artifacts import Artifacts
from holdall.runs.reading import RunReader, join_path
from holdall.runs.run import Run
from holdall.runs.signatures import Held, vouched
from holdall.runs.verifying import Key, key_of
from holdall.signing.public_keys import PublicKey
from holdall.trees.addresses import run_uri
from holdall.trees.artifact_reader import ArtifactReader
from holdall.trees.location import Location

Locate: TypeAlias = Callable[[str], tuple[str, str]]  # an address -> the run id and the path that it means


class ModelReader:
    """Read models by address.

    An address is `models:/<name>/<version>`, `models:/<name>@<alias>`, `models:/<model_id>`,
    `runs:/<run_id>/<path>`, a local folder or `file://`.
    """

    def __init__(self, location: Location, artifacts: Artifacts, locate: Locate) -> None:
        self._location, self._artifacts, self._locate = location, artifacts, locate

    def load(
        self,
        uri: str | os.PathLike[str],
        *,
        flavor: str | None = None,
        dst_path: str | None = None,
        trust: Trust | None = None,
        **options: Any,
    ) -> Any:
        """Load a model as its framework's object, read from the store and verified.

        Args:
            uri: Its address.
            flavor: The flavor to load it by; the model's own, before python_function, when None.
            dst_path: A folder to keep its files in; when None they are removed once it is loaded.
            trust: Which models may run code; all of them when None.
            options: Keyword arguments of its flavor's `load`.

        Raises:
            ArtifactNotFoundError, ModelNotFoundError, ModelVersionNotFoundError: There is nothing there.
            ContentError: What is there is no model, or none of this flavor.
            UntrustedModelError: It would run code, and the reader does not trust it.
            MissingLibraryError: Its framework is not installed.
            IntegrityError: Its files are not what was logged.

        Example:
            >>> type(store.models.load(logged.model_uri)).__name__
            'FunctionModel'
        """
        with Fetched(uri, self._artifacts.download, dst_path, self._entries) as fetched:
            mlmodel = read_model(fetched.folder)
            used = flavor_named(flavor) if flavor else native_flavor(mlmodel)
            code, vouch = code_run_by(used, mlmodel), self._vouching(uri)
            (trust or Trust()).admit(fetched.folder, code, own=fetched.own, vouch=vouch)
            native = load_native(fetched.folder, mlmodel, used, options)
        if brings_code(mlmodel):
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
        """Load a model as a python_function.

        Args:
            uri: Its address.
            dst_path: A folder to keep its files in.
            model_config: Values that override those that the model was logged with.
            trust: Which models may run code; all of them when None.

        Raises: as `load`.

        Example:
            >>> store.models.load_pyfunc(logged.model_uri).predict([1.0, 2.5])
            [2.0, 5.0]
        """
        config = config_of(model_config)
        with Fetched(uri, self._artifacts.download, dst_path, self._entries) as fetched:
            mlmodel = read_model(fetched.folder)
            flavor, config = predicting_flavor(mlmodel, str(uri)), effective_config(mlmodel, config)
            code, vouch = code_run_by(flavor, mlmodel), self._vouching(uri)
            (trust or Trust()).admit(fetched.folder, code, own=fetched.own, vouch=vouch)
            native, predictor = load_predictor(fetched.folder, mlmodel, flavor, config)
            loaded = PyFuncModel(native, predictor, mlmodel, fetched.folder, config)
        if brings_code(mlmodel):
            fetched.keep()
        else:
            fetched.keep_for(loaded)
        return loaded

    def describe(self, uri: str | os.PathLike[str]) -> Model:
        """Return what a model's MLmodel file says. Raises: as `load`. Cost: finding and reading that file alone.

        Example:
            >>> sorted(store.models.describe(logged.model_uri).flavors)
            ['python_function']
        """
        local = local_folder(uri)
        if local is not None:
            return read_model(local)
        return self._describe_in(*self._look(uri), uri)

    def digest(self, uri: str | os.PathLike[str]) -> str:
        """Return one digest of all files of a model, the same in a store, fetched or copied.

        It is what `HOLDALL_TRUSTED` lists: `sha256:<hex>` of the manifest of the model's folder.

        Raises:
            ArtifactNotFoundError: There is nothing at this address.

        Cost: listing its files; for a local folder, hashing them.

        Example:
            >>> store.models.digest(logged.model_uri)
            'sha256:...'
        """
        local = local_folder(uri)
        return folder_digest(local) if local is not None else self._digest_at(*self._locate(str(uri)))

    def inspect(self, uri: str | os.PathLike[str], *, most: int | None = None) -> Inspection:
        """Inspect a model without loading it: what it says, what it needs, what its pickles import.

        Args:
            uri: Its address.
            most: How many bytes of pickles are read at most; those beyond that are `unread`. All are read when None.

        Raises: as `load`. Cost: finding it, and reading its MLmodel, requirements and pickles.

        Example:
            >>> store.models.inspect(logged.model_uri).runs_code
            [...]
        """
        local = local_folder(uri)
        if local is not None:
            return inspect_files(
                read_model(local), folder_digest(local), lambda name: within(local, name).open("rb"), most
            )
        run, path = self._look(uri)
        mlmodel, digest = self._describe_in(run, path, uri), self._digest_in(run, path)
        return inspect_files(mlmodel, digest, lambda name: run.open(join_path(path, name)), most)

    def export(self, uri: str | os.PathLike[str], target: str | os.PathLike[str], *, sign: Key | None = None) -> int:
        """Write a model as a folder, or as one file: `.tar`, `.tar.gz`, `.tgz` or `.zip`. MLflow loads it.

        An archive of the same model is the same bytes, wherever and whenever it is made, unless it is signed.

        Args:
            uri: Its address.
            target: What to write, which must not be there.
            sign: A key of P-256, P-384 or P-521, or its file, that signs the files: a `model.sig` among them, which
                the package model-signing verifies.

        Returns:
            How many files.

        Raises:
            SigningKeyError: There is no such key, or it is of another kind.
            DestinationError: There is something at the target.
            ContentError: What is at the address is no model.
            Others: as `load`.

        Example:
            >>> store.models.export(logged.model_uri, "double.tar.gz") > 0
            True
        """
        refuse_taken(Path(target))
        key, fetched = None if sign is None else key_of(sign), Fetched(uri, self._artifacts.download, None)
        try:
            read_model(fetched.folder)
            if key:
                return write_signed(fetched.folder, Path(target), key)
            return write_out(fetched.folder, Path(target))
        finally:
            fetched.drop()

    # --- inside ---

    def _look(self, uri: str | os.PathLike[str]) -> tuple[Run, str]:
        """Return the run of a stored model, whose log is looked at once for all that is read of it, and its path."""
        run, path = self._artifacts._run(str(uri).rstrip("/"))
        return run._at_one_look(), path

    def _vouching(self, uri: str | os.PathLike[str]) -> Vouch | None:
        """Return what tells who signed the files of a stored model; None for a local one."""
        if local_folder(uri) is not None:
            return None

        def vouch(digest: str, keys: Sequence[PublicKey]) -> str | None:
            run, path = self._look(uri)
            view = run._view()
            return vouched(view.state.tags, Held.of(run.id, view), path, digest, keys)

        return vouch

    def _describe_in(self, run: RunReader, path: str, uri: str | os.PathLike[str] = "") -> Model:
        """Do as `describe`, of a path of a run, by the look that its handle takes; errors name it by its address."""
        name = join_path(path, FILE)
        return _parsed(run.open(name), f"{str(uri).rstrip('/')}/{FILE}" if uri else run_uri(run.id, name))

    def _digest_in(self, run: RunReader, path: str) -> str:
        """Do as `digest`, of a path of a run, by the look that its handle takes."""
        return manifest_digest(manifest_text(_entries_below(run, path)))

    def _entries(self, uri: str) -> list[Entry]:
        return self._entries_at(*self._locate(uri))

    def _entries_at(self, run_id: str, path: str) -> list[Entry]:
        return _entries_below(RunReader(self._location, run_id), path)

    def _digest_at(self, run_id: str, path: str) -> str:
        return self._digest_in(RunReader(self._location, run_id), path)

    def _fetch(self, uri: str, target: Path) -> None:
        """Copy the file or folder at an address to a place of a model's folder."""
        local = local_folder(uri)
        if local is not None and "://" in uri and not uri.startswith("file:"):
            raise InvalidURIError(uri, "only local files, file://, runs:/ and models:/ can be kept with a model")
        if local is not None:
            copy_local(local, target)
            return
        with tempfile.TemporaryDirectory(prefix="holdall-") as folder:
            copy_local(self._artifacts.download(uri, folder), target)


def _parsed(file: ArtifactReader, where: str) -> Model:
    with file:
        return check_names(parse_model(file.read(MAX_FILE + 1), where), where)


def _entries_below(run: RunReader, path: str) -> list[Entry]:
    """Return a stored model's entries, by paths below its folder; empty directories are not fetched, nor here."""
    entries = list(run.entries(path or None))
    if not entries:
        raise ArtifactNotFoundError(run.id, path)
    return [replace(each, path=_below(path, each.path)) for each in entries if each.kind is not Kind.DIRECTORY]


def _below(folder: str, path: str) -> str:
    return path.removeprefix(folder).lstrip("/")
