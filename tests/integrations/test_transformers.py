"""The Trainer of transformers logs into a run, and rotates its checkpoints meanwhile."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import holdall
from holdall.store import Store

pytestmark = pytest.mark.transformers
transformers = pytest.importorskip("transformers", reason="transformers is not installed")
torch = pytest.importorskip("torch", reason="PyTorch is not installed")
pytest.importorskip("accelerate", reason="Accelerate, which the Trainer needs, is not installed")


def train(folder: Path, steps: int, *callbacks: Any, resume: bool | None = None, **settings: Any) -> Any:
    """A tiny model is trained for some steps, saved at every second one; two checkpoints are kept."""
    torch.manual_seed(0)
    sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8}
    model = transformers.BertForSequenceClassification(
        transformers.BertConfig(vocab_size=20, max_position_embeddings=8, **sizes)
    )
    rows = [{"input_ids": torch.randint(0, 20, (4,)), "labels": torch.tensor(n % 2)} for n in range(8)]
    saved: dict[str, Any] = {"save_steps": 2, "save_total_limit": 2}
    args = transformers.TrainingArguments(
        str(folder),
        max_steps=steps,
        logging_steps=1,
        per_device_train_batch_size=2,
        report_to=[],
        use_cpu=True,
        disable_tqdm=True,
        **(saved | settings),
    )
    trainer = transformers.Trainer(model, args, train_dataset=rows, callbacks=list(callbacks))
    trainer.train(resume_from_checkpoint=resume)
    return trainer


def checkpoints(run: Any) -> list[str]:
    return sorted({path.split("/")[1] for path in run.manifest if path.startswith("checkpoints/")})


def steps(run: Any, key: str = "loss") -> list[int]:
    return [point.step for point in holdall.get_metric_history(run.id, key)]


def losing_nothing(callback: Any) -> Any:
    assert callback.failures == []
    return callback.run


@pytest.mark.parametrize("uploads", ["background", "now"])
def test_a_training_is_a_run(here: Store, tmp_path: Path, uploads: Any) -> None:
    """Settings, measurements with steps, the checkpoints that the trainer keeps, and the model."""
    from holdall.integrations.transformers import HoldallCallback

    callback = HoldallCallback(uploads=uploads)
    trainer = train(tmp_path / "out", 5, callback)
    run = losing_nothing(callback)
    record = run.record
    assert (record.info.status, holdall.active_run()) == ("FINISHED", None)
    assert (record.data.params["max_steps"], record.data.params["hidden_size"]) == ("5", "8")
    assert steps(run) == [1, 2, 3, 4, 5]
    assert checkpoints(run) == sorted(folder.name for folder in (tmp_path / "out").iterdir()) != []
    assert "train_runtime" in record.data.metrics
    saved = json.loads(run.read("checkpoints/checkpoint-4/trainer_state.json"))
    assert saved["global_step"] == 4
    model = holdall.transformers.load_model(f"runs:/{run.id}/model")
    assert torch.equal(model.classifier.weight, trainer.model.classifier.weight)


def test_a_checkpoint_knows_its_run(here: Store, tmp_path: Path) -> None:
    """So a training that is resumed goes on with it, and what the trainer deletes of the first part goes as well."""
    from holdall.integrations.transformers import HoldallCallback

    first, second = HoldallCallback(), HoldallCallback()
    train(tmp_path / "out", 4, first)
    train(tmp_path / "out", 8, second, resume=True)
    run = losing_nothing(second)
    assert run.id == losing_nothing(first).id
    assert steps(run) == [1, 2, 3, 4, 5, 6, 7, 8]
    assert checkpoints(run) == ["checkpoint-6", "checkpoint-8"]
    assert {"model/MLmodel", "model-8/MLmodel"} <= set(run.manifest)


def test_a_checkpoint_of_another_store_or_of_none_is_gone_on_with(here: Store, tmp_path: Path) -> None:
    """By a new run; also where the checkpoint was written without this callback."""
    from holdall.integrations.transformers import HoldallCallback

    train(tmp_path / "without", 2)
    callback = HoldallCallback()
    train(tmp_path / "without", 4, callback, resume=True)
    assert steps(losing_nothing(callback)) == [3, 4]
    holdall.set_store("memory://elsewhere")
    again = HoldallCallback()
    train(tmp_path / "without", 6, again, resume=True)
    assert steps(losing_nothing(again)) == [5, 6]
    assert again.run
    assert callback.run
    assert again.run.id != callback.run.id


def test_the_active_run_keeps_all_checkpoints(here: Store, tmp_path: Path) -> None:
    """Its paths do not change, so nothing is taken out of it; and it is not ended."""
    from holdall.integrations.transformers import HoldallCallback

    with holdall.start_run() as run:
        callback = HoldallCallback(log_model=False)
        train(tmp_path / "out", 6, callback)
        assert losing_nothing(callback).id == run.id
        assert run.info.status == "RUNNING"
    assert checkpoints(run) == ["checkpoint-2", "checkpoint-4", "checkpoint-6"]
    assert "model/MLmodel" not in run.manifest


def test_only_the_worlds_first_process_logs(here: Store, tmp_path: Path) -> None:
    """The others start no run; with several, a checkpoint is read one step later, when all have written it."""
    from holdall.integrations.transformers import HoldallCallback

    class State:
        is_world_process_zero, global_step, stateful_callbacks = False, 1, dict[str, Any]()

    class Arguments:
        world_size, output_dir, run_name = 2, str(tmp_path), None

    other = HoldallCallback()
    other.on_train_begin(Arguments, State, None)
    other.on_log(Arguments, State, None, {"loss": 1.0})
    other.on_save(Arguments, State, None)
    other.on_train_end(Arguments, State, None)
    assert (other.run, holdall.search_runs(output_format="list")) == (None, [])
    first, state = HoldallCallback(log_model=False), State()
    state.is_world_process_zero = True
    first.on_train_begin(Arguments, state, None)
    (tmp_path / "checkpoint-1").mkdir()
    first.on_save(Arguments, state, None)
    (tmp_path / "checkpoint-1/rng_state_1.pth").write_bytes(b"of the other process, late")
    first.on_step_end(Arguments, state, None)
    first.on_train_end(Arguments, state, None)
    assert list(losing_nothing(first).manifest) == ["checkpoints/checkpoint-1/rng_state_1.pth"]


def test_a_model_that_the_flavor_does_not_take_is_logged_as_files(here: Store, tmp_path: Path) -> None:
    """As a class of the script's own, which no reader could load without its code."""
    from holdall.integrations.transformers import _log_model

    Own = type("Own", (transformers.BertForSequenceClassification,), {})  # noqa: N806  # it is a class
    sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8}
    run = here.runs.start()
    _log_model(run, Own(transformers.BertConfig(vocab_size=20, **sizes)), None, 1)
    assert {"model/config.json", "model/model.safetensors"} <= set(run.manifest)
