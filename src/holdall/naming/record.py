"""What is known of registered models, as values with MLflow's field names.

They are snapshots; nothing here asks the bucket.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from holdall.display import Facts, Named, Shown, moment, own
from holdall.format.registered import Registered, Version
from holdall.trees.addresses import run_uri


@dataclass(frozen=True, slots=True, repr=False)
class ModelVersion(Shown, Named):
    """One version of a registered model. Times are ms since 1970 UTC.

    Attributes:
        version: Its number, as text: "1", "2", ...
        current_stage: "None", "Staging", "Production" or "Archived".
        aliases: Those that point at it, sorted.
        source: What was registered: `runs:/<run_id>/<path>` or `models:/...`.
        run_id, path: Where its files are; "" is the run's root.
        digest: `sha256:` of the manifest of its files, with paths from its own root on.
        user_id: Whose run it is.
        status: Always "READY": a version that can be seen is there.
    """

    name: str
    version: str
    creation_timestamp: int
    last_updated_timestamp: int
    description: str | None
    user_id: str | None
    current_stage: str
    source: str
    run_id: str
    path: str
    digest: str
    tags: dict[str, str] = field(default_factory=dict)
    aliases: list[str] = field(default_factory=list)
    run_link: str | None = None
    model_id: str | None = None
    status: str = "READY"
    status_message: str | None = None

    @property
    def artifact_uri(self) -> str:
        """Return the address of its files: `runs:/<run_id>/<path>`."""
        return run_uri(self.run_id, self.path)

    def _shown(self) -> Facts:
        return {
            "name": self.name,
            "version": self.version,
            "aliases": self.aliases,
            "current_stage": None if self.current_stage == "None" else self.current_stage,
            "source": self.source,
            "run_id": self.run_id,
            "creation_timestamp": moment(self.creation_timestamp),
            "user_id": self.user_id,
            "description": self.description,
            "tags": own(self.tags),
        }


@dataclass(frozen=True, slots=True, repr=False)
class RegisteredModel(Shown, Named):
    """A registered model. Times are ms since 1970 UTC.

    Attributes:
        id: 32 hex digits, which stay when the name moves.
        latest_versions: The highest version in each stage that has any.
        aliases: Alias -> version.
    """

    id: str
    name: str
    creation_timestamp: int
    last_updated_timestamp: int
    description: str | None
    latest_versions: list[ModelVersion] = field(default_factory=list)
    tags: dict[str, str] = field(default_factory=dict)
    aliases: dict[str, str] = field(default_factory=dict)

    def _shown(self) -> Facts:
        return {
            "name": self.name,
            "latest_versions": [one.version for one in self.latest_versions],
            "aliases": self.aliases,
            "creation_timestamp": moment(self.creation_timestamp),
            "description": self.description,
            "tags": own(self.tags),
        }


@dataclass(frozen=True, slots=True)
class AliasMove:
    """An alias was pointed at a version, or removed where it is None. `timestamp` in ms since 1970 UTC."""

    alias: str
    version: str | None
    timestamp: int


def version_record(model: Registered, version: Version) -> ModelVersion:
    """Return what a model's log says of one version."""
    return ModelVersion(
        name=model.name,
        version=str(version.number),
        creation_timestamp=version.created,
        last_updated_timestamp=version.updated,
        description=version.description,
        user_id=version.user,
        current_stage=version.stage,
        source=version.source,
        run_id=version.run,
        path=version.path,
        digest=version.digest,
        tags=dict(version.tags),
        aliases=sorted(model.pointing.get(version.number, ())),
        run_link=version.run_link,
        model_id=version.model_id,
    )


def model_record(id: str, model: Registered) -> RegisteredModel:
    """Return what a model's log says of the model."""
    newest = {version.stage: version for version in model.versions.values()}
    return RegisteredModel(
        id=id,
        name=model.name,
        creation_timestamp=model.created,
        last_updated_timestamp=model.updated,
        description=model.description,
        latest_versions=[version_record(model, version) for version in newest.values()],
        tags=dict(model.tags),
        aliases={alias: str(number) for alias, number in sorted(model.aliases.items())},
    )
