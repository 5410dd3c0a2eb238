"""A client that names its runs: MLflow's `MlflowClient`, for a store."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from holdall.errors import InvalidURIError
from holdall.missing_names import explain_attribute
from holdall.surfaces.fluent.active import current_store, open
from holdall.surfaces.fluent.address import checked_address
from holdall.surfaces.fluent.client.artifacts import ArtifactClient
from holdall.surfaces.fluent.client.experiments import ExperimentClient
from holdall.surfaces.fluent.client.models import LoggedModelClient
from holdall.surfaces.fluent.client.registry import RegistryClient
from holdall.surfaces.fluent.client.runs import RunClient


class Client(ExperimentClient, RunClient, ArtifactClient, RegistryClient, LoggedModelClient):
    """Verbs on experiments and runs by their ids, and on registered models; nothing here is active.

    Arguments come in MLflow's order. What `synchronous=False` logs is logged in the background, as by the verbs.

    Args:
        tracking_uri: A store's address; when None, the store that verbs without a handle use.
        registry_uri: The same, or None: a store keeps its registry.
        storage_options: What the storage library takes, as for `holdall.open`.

    Raises:
        InvalidURIError: An address is that of a server or of a database, or the two are not one.
    """

    def __init__(
        self,
        tracking_uri: str | os.PathLike[str] | None = None,
        registry_uri: str | os.PathLike[str] | None = None,
        **storage_options: Any,
    ) -> None:
        if registry_uri not in (None, tracking_uri):
            raise InvalidURIError(str(registry_uri), "a store keeps its own registry: give no other address for it")
        shared = tracking_uri is None and not storage_options
        address = None if tracking_uri is None else checked_address(tracking_uri)
        self.store = current_store() if shared else open(address, **storage_options)

    @property
    def tracking_uri(self) -> str:
        """The address of the store, without credentials."""
        return self.store.url

    def __repr__(self) -> str:
        return f"<Client of {self.store.url}>"

    if not TYPE_CHECKING:  # a type checker is to find a misspelt verb

        def __getattr__(self, name: str) -> Any:
            raise AttributeError(explain_attribute("Client", name, dir(type(self))), name=name)


MlflowClient = Client
