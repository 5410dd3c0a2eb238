"""All that is known of one model, at one look: a version, what a run logged, or any folder that is a model."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from holdall.display import Facts, Shown
from holdall.errors import ArtifactNotFoundError, ContentError
from holdall.modeling.model import Model
from holdall.modeling.records.logged import LoggedModel
from holdall.naming.deployments import Deployment
from holdall.naming.record import ModelVersion
from holdall.runs.contents import contents
from holdall.runs.reads import ReadArtifact
from holdall.runs.record import RunRecord

if TYPE_CHECKING:
    from holdall.modeling.models import Models
    from holdall.naming.deployments import Deployments
    from holdall.naming.registry import Registry
    from holdall.runs.runs import Runs
    from holdall.runs.signatures import SignatureInfo


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ModelCard(Shown):
    """What is known of a model.

    Attributes:
        uri: As it was asked for.
        artifact_uri: Where its files are: `runs:/<run_id>/<path>`.
        path: The path of that.
        version: The version, where the address is one's.
        logged: What its run says of it, where that logged it as a model.
        model: What its MLmodel file says; None for what is no model, which may be registered as well.
        unread: Why its MLmodel file could not be understood; "" where it was.
        run: The run that has it.
        environment: What ran where, as that run recorded it.
        reads: What that run read of other runs.
        digest: `sha256:` of the manifest of its files.
        files: What it holds, as plain values, by `path` (below the model): its `kind`, of files `bytes` and `sha256`.
        deployments: Where it is or was deployed, the oldest first.
        signatures: Those of its files, and of the run that has them; anybody may have made them, so the key counts.
    """

    uri: str
    artifact_uri: str
    path: str
    version: ModelVersion | None
    logged: LoggedModel | None
    model: Model | None
    unread: str = ""
    run: RunRecord
    environment: Mapping[str, Any] = field(default_factory=dict)
    reads: tuple[ReadArtifact, ...] = ()
    digest: str
    files: tuple[dict[str, Any], ...] = ()
    deployments: tuple[Deployment, ...] = ()
    signatures: tuple[SignatureInfo, ...] = ()

    @property
    def size(self) -> int:
        """Return the bytes of all its files."""
        return sum(one.get("bytes", 0) for one in self.files)

    def _shown(self) -> Facts:
        return {
            "uri": self.uri,
            "artifact_uri": self.artifact_uri,
            "digest": self.digest,
            "flavors": list(self.model.flavors) if self.model else [],
            "files": len(self.files),
            "size": self.size,
        }


def look_at(uri: str, runs: Runs, models: Models, registry: Registry, deployments: Deployments) -> ModelCard:
    """Look at a model. Raises, cost: as `Store.model_card`."""
    place, version = registry._place_and_version(uri)
    run = runs.get(place.run_id)._at_one_look()
    held = contents(run, place.path, deep=True)
    if not held:
        raise ArtifactNotFoundError(place.run_id, place.path)
    model, unread = None, ""
    with suppress(ArtifactNotFoundError):  # files that are no model may be registered as well
        try:
            model = models._describe_in(run, place.path)
        except ContentError as error:
            unread = str(error)
    return ModelCard(
        uri=uri,
        artifact_uri=place.uri,
        path=place.path,
        version=version,
        logged=next((one for one in models._logged_by(run) if one.path == place.path), None),
        model=model,
        unread=unread,
        run=run.record,
        environment=run._readable_environment,
        reads=tuple(run.reads),
        digest=models._digest_in(run, place.path),
        files=tuple({**one, "path": _below(one["path"], place.path)} for one in held),
        deployments=tuple(deployments._in(run, place.path)),
        signatures=tuple(run._signatures(place.path)),
    )


def _below(path: str, folder: str) -> str:
    return path.removeprefix(folder).lstrip("/") or path
