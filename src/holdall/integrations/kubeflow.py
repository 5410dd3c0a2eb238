"""Components of Kubeflow Pipelines that log what a step made into a run, and fetch what a step needs.

    from holdall.integrations import kubeflow

    log_artifact, get_artifact = kubeflow.log_artifact(), kubeflow.get_artifact()

    @dsl.pipeline
    def train_and_keep(store: str):
        trained = train()
        log_artifact(store=store, key=dsl.PIPELINE_JOB_ID_PLACEHOLDER, artifact=trained.outputs["model"], to="model")

All steps of one execution share a run by its key, so none has to be given the id of another's. Each function returns a
component for `packages` and a `base_image`; the component's own text is all that runs in the step's container.

kfp reads annotations as values, so this module does not keep them as texts.
"""

from collections.abc import Sequence
from typing import Any, Final

from holdall.libraries import library

_PACKAGES: Final = ("holdall>=0.2",)
_IMAGE: Final = "python:3.11-slim"


def log_artifact(*, packages: Sequence[str] = _PACKAGES, base_image: str = _IMAGE) -> Any:
    """Return a component that logs an input artifact of any kind, a file or a folder, into a run.

    Args:
        packages: What is installed in the step's container; `holdall[gs]` for gs://, say.
        base_image: The container's image.

    Returns:
        A component with the inputs `store`, `key`, `artifact`, `to`, `experiment` and `finish`, whose output is the
        address `runs:/<run id>/<path>` of what was logged.

    Raises:
        MissingLibraryError: The package kfp is not installed.
    """
    dsl = library("kfp.dsl", "components of Kubeflow Pipelines")

    def log_to_holdall(
        store: str,
        key: str,
        artifact: dsl.Input[dsl.Artifact],  # type: ignore[name-defined]  # kfp is imported when it is asked for
        to: str = "",
        experiment: str = "Default",
        finish: bool = False,
    ) -> str:
        """Log an artifact into the run of a key, and end that run if asked to."""
        from pathlib import Path

        import holdall

        run = holdall.open(store).runs.ensure(key, experiment=experiment)
        run.log_artifact(artifact.path, to or None)
        if finish:
            run.finish()
        return "/".join(part for part in ("runs:/" + run.id, to, Path(artifact.path).name) if part)

    return dsl.component(log_to_holdall, packages_to_install=list(packages), base_image=base_image)


def get_artifact(*, packages: Sequence[str] = _PACKAGES, base_image: str = _IMAGE) -> Any:
    """Return a component that fetches an artifact by its address, every byte verified, for the steps behind it.

    Args:
        packages, base_image: As for `log_artifact`.

    Returns:
        A component with the inputs `store` and `uri`, an artifact's address or a model's, and the output `artifact`.

    Raises:
        MissingLibraryError: The package kfp is not installed.
    """
    dsl = library("kfp.dsl", "components of Kubeflow Pipelines")

    def get_from_holdall(
        store: str,
        uri: str,
        artifact: dsl.Output[dsl.Artifact],  # type: ignore[name-defined]  # as above
    ) -> None:
        """Fetch an artifact of a run, or a registered model."""
        import shutil
        import tempfile

        import holdall

        fetched = holdall.open(store).artifacts.download(uri, tempfile.mkdtemp())
        shutil.move(str(fetched), artifact.path)
        artifact.metadata["uri"] = uri

    return dsl.component(get_from_holdall, packages_to_install=list(packages), base_image=base_image)
