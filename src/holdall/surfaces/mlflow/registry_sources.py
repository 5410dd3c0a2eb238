"""Where in this store the files of a version are, of which MLflow says a source.

    models:/<name>/<version>              where that version's files are
    models:/<model id>                    where the logged model's files are, as the tracking store says
    runs:/<run id>/<path>                 there
    .../artifacts/...                     there, if it is an address in this store (`roots.py`)

MLflow takes any text for a source, of what is elsewhere too, and registers prompts, which have no files. A version here
is files that stay. So for those a file is written that says the source, or is the prompt, in a run of the model.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Final, NamedTuple
from urllib.parse import urlparse

import mlflow
from mlflow.exceptions import MlflowException
from mlflow.prompt.constants import IS_PROMPT_TAG_KEY, PROMPT_TEXT_TAG_KEY
from mlflow.store.artifact.utils.models import _parse_model_uri

from holdall.errors import HoldallError, InvalidPathError, InvalidURIError, NotFoundError
from holdall.store import Store
from holdall.surfaces.mlflow.addresses import PREFIX
from holdall.surfaces.mlflow.errors import refused
from holdall.surfaces.mlflow.finding import find_store, parse_address
from holdall.surfaces.mlflow.registry_records import said_of
from holdall.surfaces.mlflow.roots import root_of
from holdall.surfaces.mlflow.runs_of_roots import RootRun

EXPERIMENT: Final = "mlflow:registry"
_PROXY: Final = "mlflow-artifacts:"


class Placed(NamedTuple):
    """A source, looked up.

    Attributes:
        location: The address that MLflow downloads the files from, if they are not here.
        run_id: The run that made the model; None if nobody said.
        model_id: The logged model's id.
        files: Where they are here, as `runs:/<run_id>/<path>`, if anything is there; None if it is no address of this
            store.
        elsewhere: Where a version that is the source says that its files are, beside the file that names it here.
    """

    location: str | None
    run_id: str | None
    model_id: str | None
    files: str | None
    elsewhere: str | None = None


def place(store: Store, tracking_uri: str | None, source: str, run_id: str | None, model_id: str | None) -> Placed:
    """Look up what MLflow names as a version's source.

    Raises:
        MlflowException: A version or a logged model that is the source is not there.
    """
    location: str | None = source
    found: str | None = None
    elsewhere: str | None = None
    if source.startswith("models:/"):
        try:
            parsed = _parse_model_uri(source)
            if parsed.model_id is None:
                version = store.registry.version_at(source)
                found, said = version.artifact_uri, said_of(version)
                location = elsewhere = said.location if said else None
            else:
                model_id = parsed.model_id
                logged = mlflow.MlflowClient(tracking_uri).get_logged_model(parsed.model_id)
                location, run_id = logged.artifact_location, run_id or logged.source_run_id
        except (MlflowException, HoldallError) as error:
            told = f"Unable to fetch model from model URI source artifact location '{source}'. Error: {error}"
            raise refused(told, getattr(error, "error_code", "INTERNAL_ERROR")) from error
    elif model_id and not run_id:
        run_id = mlflow.MlflowClient(tracking_uri).get_logged_model(model_id).source_run_id
    files = found or (in_store(store, location) if location else None)
    return Placed(location, run_id, model_id, files, elsewhere)


def in_store(store: Store, location: str) -> str | None:
    """Return the `runs:/<run_id>/<path>` of an address of this store, whether or not anything is there."""
    try:
        return location if location.startswith("runs:/") else _address_here(store, location)
    except (NotFoundError, InvalidURIError, InvalidPathError):
        return None


def _address_here(store: Store, location: str) -> str | None:
    """Return what an address of MLflow's artifact repository means here; None if it is of another store."""
    if location.startswith(_PROXY):  # of a server whose artifacts are in this store, if anything is there
        names = tuple(filter(None, urlparse(location).path.split("/")))
    elif location.startswith(PREFIX):
        found, names = find_store(parse_address(location))
        if found.url != store.url:
            return None
    else:
        return None
    root, path = root_of(names)
    run_id = root.native or RootRun(store, root).read(lambda run: run.info.run_id)  # registering reads it anyway
    return f"runs:/{run_id}/{path}".rstrip("/")


def note(store: Store, name: str, source: str, tags: Mapping[str, str]) -> str:
    """Write down a source that is not in this store, or a prompt; return its address. Cost: two entries of a run."""
    prompt = tags.get(IS_PROMPT_TAG_KEY) == "true"
    text, file = (tags.get(PROMPT_TEXT_TAG_KEY, ""), "prompt.txt") if prompt else (source, "source.txt")
    run = store.runs.ensure(f"mlflow:registry:{name}", experiment=EXPERIMENT, name=name)
    folder = uuid.uuid4().hex
    run.log_text(text, f"{folder}/{file}")
    run.finish()
    return f"runs:/{run.id}/{folder}"
