"""A model, pushed to a registry of OCI images by modelpack-client, which knows credentials and protocols."""

from __future__ import annotations

from typing import Final

from holdall.exporting.model_files import kind_of, model_files
from holdall.exporting.oci import called
from holdall.libraries import library
from holdall.modeling.loading.loader import read_model
from holdall.modeling.loading.model_folder import Fetched
from holdall.store import Store

_PURPOSE: Final = "pushing a model to a registry"


def push(store: Store, uri: str, reference: str, *, insecure: bool) -> str:
    """Push a model, and return its manifest's digest. Args, raises: as `holdall.exporting.push_model`."""
    package = library("modelpack_client", _PURPOSE, "modelpack-client")
    fetched = Fetched(uri, store.artifacts.download, None)
    try:
        model = read_model(fetched.folder)
        layers = [
            package.ModelLayer(
                file.place,
                media_type=f"application/vnd.cncf.model.{kind_of(file.path)}.v1.raw",
                artifact_path=file.path,
            )
            for file in model_files(fetched.folder)
        ]
        name, version = called(uri, model)
        config = package.ModelPackConfig(descriptor=package.ModelDescriptor(name=name, version=version or None))
        done = package.ModelPackClient(insecure=insecure).push(reference, layers=layers, config=config)
    finally:
        fetched.drop()
    return str(done.digest)
