"""Steps of Kubeflow Pipelines log into one run, compiled and run by its SDK.

kfp reads annotations as values, so this module does not keep them as texts.
"""

from pathlib import Path
from typing import Any

import pytest

import holdall
from holdall.integrations import kubeflow

kfp = pytest.importorskip("kfp", reason="doors: kfp is not installed")
pytestmark = pytest.mark.doors


@pytest.fixture
def pipeline() -> Any:
    """Two steps that keep what a third one made, and one that fetches it."""
    from kfp import dsl

    log_artifact, get_artifact = kubeflow.log_artifact(packages=[]), kubeflow.get_artifact(packages=[])

    @dsl.component(base_image="python:3.11")  # type: ignore[untyped-decorator]  # kfp's have no types
    def train(model: dsl.Output[dsl.Model]) -> None:
        from pathlib import Path

        Path(model.path).write_text("weights")

    @dsl.pipeline  # type: ignore[untyped-decorator]
    def train_and_keep(store: str) -> None:
        trained = train()
        kept = log_artifact(store=store, key="execution-7", artifact=trained.outputs["model"], to="model")
        get_artifact(store=store, uri=kept.output)
        log_artifact(store=store, key="execution-7", artifact=trained.outputs["model"], to="again", finish=True)

    return train_and_keep


def test_a_pipeline_is_compiled(pipeline: Any, tmp_path: Path) -> None:
    """The component's text and what it installs are in the document."""
    kfp.compiler.Compiler().compile(pipeline, str(tmp_path / "pipeline.yaml"))
    text = (tmp_path / "pipeline.yaml").read_text()
    assert "log_to_holdall" in text
    assert "holdall.open(store).runs.ensure(key, experiment=experiment)" in text.replace("\\\n          \\", "")


def test_steps_of_one_execution_share_a_run(pipeline: Any, tmp_path: Path) -> None:
    """Each step is a process; the run has what all of them logged, and is ended by the one that was asked to."""
    from kfp import local

    local.init(runner=local.SubprocessRunner(use_venv=False), pipeline_root=str(tmp_path / "outputs"))
    done = pipeline(store=str(tmp_path / "store"))
    assert done is not None
    store = holdall.open(str(tmp_path / "store"))
    (run,) = store.runs.search()
    assert run.info.run_id == store.runs.id_of("execution-7")
    assert run.info.status == "FINISHED"
    assert sorted(store.runs.get(run.info.run_id).manifest) == ["again/model", "model/model"]
