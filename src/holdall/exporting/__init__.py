"""What a store keeps, as other tools want it: runs of MLflow, images of models, folders.

from holdall import exporting

planned = exporting.to_mlflow(store, "http://mlflow.example:5000")
print(planned)
report = planned.perform()
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from holdall.store import Store

if TYPE_CHECKING:
    from holdall.exporting.mlflow.plan import PlannedExport
    from holdall.exporting.oci import ModelImage

__all__ = ["model_to_huggingface", "model_to_oci", "push_model", "to_mlflow"]


def to_mlflow(
    store: Store, uri: str, *, registry_uri: str | None = None, experiments: Sequence[str] = ()
) -> PlannedExport:
    """Plan to write experiments, runs, logged models and registered models into an MLflow.

    A run there has the tag `holdall.run_id`, by which a second export finds it: what is the same is left alone.

    Args:
        store: Where they are.
        uri: The tracking URI of the MLflow.
        registry_uri: That of its model registry, where it is another.
        experiments: Names of experiments; then only their runs are written, and no registered models. All when empty.

    Raises:
        InvalidURIError: MLflow cannot open the address.
        ExperimentNotFoundError: There is no such experiment.
        MissingLibraryError: MLflow is not installed.

    Cost: a search of all runs; `perform` reads the files of those that are new there.

    Example:
        >>> run.finish()
        >>> holdall.exporting.to_mlflow(store, "http://localhost:5000").runs
        1
    """
    from holdall.exporting.mlflow.plan import PlannedExport

    return PlannedExport(store, uri, registry_uri, experiments)


def model_to_oci(store: Store, uri: str, folder: str | os.PathLike[str], *, tag: str = "latest") -> ModelImage:
    """Write a model as an OCI image layout with ModelPack's media types: `oras`, `skopeo` and registries take it.

    Args:
        store: Where it is.
        uri: Its address.
        folder: What becomes the layout; or one that there is, which gets an image more.
        tag: What its index calls the image; one of this tag is replaced.

    Returns:
        The manifest's digest, which is the same wherever the same model is exported by the same address.

    Raises:
        DestinationError: There is something else in the folder.
        InvalidArgumentError: It is no tag.
        ContentError: What is at the address is no model.

    Cost: as downloading it; each file is hashed once more.

    Example:
        >>> holdall.exporting.model_to_oci(store, logged.model_uri, "image").digest
        'sha256:...'
    """
    from holdall.exporting.oci import write_image

    return write_image(store, uri, Path(folder), tag)


def push_model(store: Store, uri: str, reference: str, *, insecure: bool = False) -> str:
    """Push a model to a registry of OCI images, by the package modelpack-client, and return its manifest's digest.

    Args:
        store: Where it is.
        uri: Its address.
        reference: Where to, such as `ghcr.io/team/fraud:1`. Docker's credentials are used.
        insecure: Whether by HTTP, as a registry on this machine has it.

    Raises:
        MissingLibraryError: modelpack-client is not installed.
        ContentError: What is at the address is no model.

    Example:
        >>> holdall.exporting.push_model(store, "models:/none/1", "localhost:5000/none:1")
        Traceback (most recent call last):
        holdall.errors...
    """
    from holdall.exporting.pushing import push

    return push(store, uri, reference, insecure=insecure)


def model_to_huggingface(store: Store, uri: str, folder: str | os.PathLike[str]) -> int:
    """Write a model as a folder of the Hugging Face Hub, with a card; `hf upload` takes it. Return how many files.

    Args:
        store: Where it is.
        uri: Its address.
        folder: The folder, which must not be there or be empty.

    Raises:
        DestinationError: There is something in the folder.
        ContentError: What is at the address is no model.

    Example:
        >>> count = holdall.exporting.model_to_huggingface(store, logged.model_uri, "hub")
        >>> open("hub/README.md").readline()
        '---\\n'
    """
    from holdall.exporting.huggingface import write_folder

    return write_folder(store, uri, Path(folder))
