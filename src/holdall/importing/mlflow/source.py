"""An MLflow to read from: whatever address the installed MLflow can open, and nothing is written to it.

A folder (`./mlruns`) is read by MLflow's own classes for it, which current
versions refuse to open for work, and which would make folders in it. Databases
are asked for all measurements of a run at once, since a client needs a call
for each metric.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from holdall.errors import InvalidURIError, SourceUnreadableError
from holdall.importing.found import Point
from holdall.libraries import library
from holdall.moving import AN_MLFLOW, DATABASES, pages, shown_address

_PURPOSE: Final = "importing from MLflow"
_PAGE: Final = 1_000


class MlflowSource:
    """Reads experiments, runs and models of one MLflow.

    Args:
        uri: Its tracking URI: a folder, a database, or a server.
        registry_uri: That of its model registry, where it is elsewhere.

    Attributes:
        shown: The address, without credentials.
        folder: The folder that it is, if it is one.
        is_local: Whether it is a folder or a database, and so may name files of this machine.

    Raises:
        InvalidURIError: There is no MLflow at the address.
        MissingLibraryError: MLflow, or what it needs for the address, is not installed.
    """

    def __init__(self, uri: str, registry_uri: str | None = None) -> None:
        self.uri, self.registry_uri = uri, registry_uri or uri
        self.shown = shown_address(uri)
        self.folder = _folder(uri)
        scheme = urlsplit(uri).scheme.partition("+")[0]
        self.is_local = self.folder is not None or scheme in DATABASES
        if scheme == "sqlite" and not _sqlite_file(uri).is_file():
            raise InvalidURIError(uri, "there is no such database").advised(AN_MLFLOW)
        self._tracking = _opened(uri, self.registry_uri, _read_only_store)
        self._registry = (
            _opened(self.registry_uri, self.registry_uri, _read_only_registry) if _folder(self.registry_uri) else None
        ) or (self._tracking if self.folder is None else _opened(self.registry_uri, self.registry_uri, None))

    def experiments(self) -> list[Any]:
        """Return all experiments, deleted ones too. Raises: InvalidURIError: They cannot be read."""
        every = self._constant("ALL")

        def page(token: str | None) -> Any:
            return self._tracking.search_experiments(every, max_results=_PAGE, page_token=token)

        try:
            return list(pages(page))
        except Exception as error:  # each kind of MLflow has its own
            raise InvalidURIError(self.shown, f"its experiments cannot be read: {error}").advised(AN_MLFLOW) from error

    def runs(self, experiment_id: str) -> Iterator[Any]:
        """Yield all runs of an experiment, deleted ones too."""
        every = self._constant("ALL")

        def page(token: str | None) -> Any:
            return self._tracking.search_runs([experiment_id], "", every, max_results=_PAGE, page_token=token)

        return pages(page)

    def logged_models(self, experiment_id: str) -> Iterator[Any]:
        """Yield the logged models of an experiment; none from an MLflow before the third."""
        if not hasattr(self._tracking, "search_logged_models"):
            return iter(())

        def page(token: str | None) -> Any:
            return self._tracking.search_logged_models(experiment_ids=[experiment_id], max_results=50, page_token=token)

        return pages(page)

    def registered_models(self) -> list[Any]:
        """Return all registered models."""
        return list(pages(lambda token: self._registry.search_registered_models(max_results=100, page_token=token)))

    def versions(self, name: str) -> list[Any]:
        """Return the versions of a registered model."""
        filter = "name = '" + name.replace("'", "''") + "'"
        found = pages(lambda token: self._registry.search_model_versions(filter, max_results=_PAGE, page_token=token))
        return [one for one in found if one.name == name]

    def place(self, version: Any) -> str:
        """Return where the files of a version are."""
        return str(self._registry.get_model_version_download_uri(version.name, version.version))

    def points(self, run: Any) -> Iterator[Point]:
        """Yield every measurement of a run. Raises: SourceUnreadableError."""
        try:
            for one in self._history(run):
                yield str(one.key), float(one.value), int(one.step), int(one.timestamp)
        except Exception as error:  # each kind of MLflow has its own
            raise SourceUnreadableError(
                f"the measurements of run {run.info.run_id}", f"cannot be read: {error}"
            ) from error

    def repository(self, uri: str) -> Any:
        """Return what reads the files at an address of the source. Raises: SourceUnreadableError."""
        made = library("mlflow.store.artifact.artifact_repository_registry", _PURPOSE, "mlflow")
        try:
            return made.get_artifact_repository(uri, tracking_uri=self.uri, registry_uri=self.registry_uri)
        except Exception as error:
            raise SourceUnreadableError(uri, f"cannot be opened: {error}") from error

    # --- inside ---

    def _constant(self, name: str) -> int:
        value: int = getattr(library("mlflow.entities", _PURPOSE, "mlflow").ViewType, name)
        return value

    def _history(self, run: Any) -> Iterable[Any]:
        if self._database is not None and run.data.metrics:
            return self._database_points(run.info.run_id)
        return (one for key in run.data.metrics for one in self._tracking.get_metric_history(run.info.run_id, key))

    @cached_property
    def _database(self) -> Any:
        """Return MLflow's store of a database; None where the source is none, or the store is another by now."""
        store = getattr(getattr(self._tracking, "_tracking_client", None), "store", None)
        return store if hasattr(store, "ManagedSessionMaker") else None

    def _database_points(self, run_id: str) -> Iterator[Any]:
        tables = library("mlflow.store.tracking.dbmodels.models", _PURPOSE, "mlflow")
        with self._database.ManagedSessionMaker() as session:
            found = session.query(tables.SqlMetric).filter(tables.SqlMetric.run_uuid == run_id)
            yield from [row.to_mlflow_entity() for row in found.yield_per(10_000)]


def _opened(uri: str, registry_uri: str, of_folder: Callable[[Path], Any] | None) -> Any:
    folder = _folder(uri)
    if folder is not None and of_folder is not None:
        return of_folder(folder)
    client = library("mlflow", _PURPOSE).MlflowClient
    if urlsplit(uri).scheme.partition("+")[0] in DATABASES:
        library("sqlalchemy", f"{_PURPOSE}'s database", "mlflow")  # which mlflow-skinny does not bring
    try:
        return client(tracking_uri=uri, registry_uri=registry_uri)
    except ImportError:
        raise
    except Exception as error:
        raise InvalidURIError(shown_address(uri), f"MLflow cannot open it: {error}").advised(AN_MLFLOW) from error


def _folder(uri: str) -> Path | None:
    """Return the folder that an address is, if it is one. Raises: InvalidURIError: MLflow has kept nothing there."""
    parts = urlsplit(uri)
    if parts.scheme not in ("", "file"):
        return None
    folder = Path(unquote(parts.path) if parts.scheme else uri)
    if not folder.is_dir():
        raise InvalidURIError(uri, "there is no such folder").advised(AN_MLFLOW)
    if not any(folder.glob("*/meta.yaml")) and not any(folder.glob(".trash/*/meta.yaml")):
        inside = folder / "mlruns"
        hint = f"; did you mean {inside}?" if inside.is_dir() else ""
        raise InvalidURIError(uri, f"no MLflow keeps its runs in this folder{hint}").advised(AN_MLFLOW)
    return folder.absolute()


def _sqlite_file(uri: str) -> Path:
    return Path(unquote(uri.partition(":///")[2].partition("?")[0]))


def _read_only_store(folder: Path) -> Any:
    module = library("mlflow.store.tracking.file_store", _PURPOSE, "mlflow")
    abstract = library("mlflow.store.tracking.abstract_store", _PURPOSE, "mlflow").AbstractStore

    class ReadOnlyStore(module.FileStore):  # type: ignore[misc,name-defined]  # it is loaded when it is needed
        """MLflow's reader of a folder, without its beginning, which refuses and makes folders."""

        def __init__(self) -> None:
            abstract.__init__(self)
            self.root_directory = str(folder)
            self.artifact_root_uri = folder.as_uri()
            self.trash_folder = str(folder / module.FileStore.TRASH_FOLDER_NAME)

        def _get_deleted_experiments(self, full_path: bool = False) -> Any:
            return super()._get_deleted_experiments(full_path) if Path(self.trash_folder).is_dir() else []

    return ReadOnlyStore()


def _read_only_registry(folder: Path) -> Any:
    module = library("mlflow.store.model_registry.file_store", _PURPOSE, "mlflow")
    abstract = library("mlflow.store.model_registry.abstract_store", _PURPOSE, "mlflow").AbstractStore

    class ReadOnlyRegistry(module.FileStore):  # type: ignore[misc,name-defined]
        """MLflow's reader of the models in a folder, likewise."""

        def __init__(self) -> None:
            abstract.__init__(self)
            self.root_directory = str(folder)

        def search_registered_models(self, *args: Any, **kwargs: Any) -> Any:
            return super().search_registered_models(*args, **kwargs) if Path(self.models_directory).is_dir() else []

        def _get_file_model_version_from_dir(self, directory: str) -> Any:
            """Read a version without what MLflow adds from wherever its own tracking URI leads."""
            said = self._read_yaml(directory, module.FileStore.META_DATA_FILE_NAME)
            tags = self._get_model_version_tags_from_dir(directory)
            aliases = self._get_model_version_aliases(directory)
            return module.FileModelVersion.from_dictionary({**said, "tags": tags, "aliases": aliases})

    return ReadOnlyRegistry()
