"""Lightning's trainer logs into a run, whose checkpoints are those that Lightning keeps."""

from __future__ import annotations

import os
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

import holdall
from holdall.store import Run, Store

pytestmark = pytest.mark.doors
NAME = os.environ.get("HOLDALL_TEST_LIGHTNING", "lightning.pytorch")  # its other name: pytorch_lightning
pytest.importorskip(NAME.partition(".")[0], reason="Lightning is not installed")
torch = pytest.importorskip("torch", reason="PyTorch is not installed")
L: Any = import_module(NAME)
ModelCheckpoint: Any = import_module(f"{NAME}.callbacks").ModelCheckpoint


class Line(L.LightningModule):  # type: ignore[misc]  # it has no types here
    """Its loss falls with each epoch."""

    def __init__(self, width: int = 1) -> None:
        super().__init__()
        self.save_hyperparameters()
        torch.manual_seed(0)
        self.line = torch.nn.Linear(2, width)

    def training_step(self, rows: Any, at: int) -> Any:
        if getattr(self, "broken", False):
            raise ValueError("on purpose")
        return self._loss("train_loss", rows)

    def validation_step(self, rows: Any, at: int) -> None:
        self._loss("val_loss", rows)

    def _tested(self, rows: Any, at: int) -> None:
        self._loss("test_loss", rows)

    test_step = _tested  # which is no test of ours

    def _loss(self, name: str, rows: Any) -> Any:
        loss = self.line(rows).pow(2).mean()
        self.log(name, loss)
        return loss

    def configure_optimizers(self) -> Any:
        return torch.optim.SGD(self.parameters(), 0.05)


def trainer(folder: Path, logger: Any, *callbacks: Any, epochs: int = 4, **settings: Any) -> Any:
    return L.Trainer(
        default_root_dir=str(folder),
        max_epochs=epochs,
        logger=logger,
        callbacks=list(callbacks),
        log_every_n_steps=1,
        accelerator="cpu",
        enable_progress_bar=False,
        enable_model_summary=False,
        **settings,
    )


def data() -> Any:
    return torch.utils.data.DataLoader(torch.ones(4, 2), batch_size=2)


def best(mode: str = "min", **settings: Any) -> Any:
    return ModelCheckpoint(**{"monitor": "val_loss", "mode": mode, "save_top_k": 2, "save_last": True, **settings})


def held(run: Run) -> list[str]:
    return [path.removeprefix("checkpoints/") for path in run.manifest]


@pytest.mark.parametrize("uploads", ["background", "now"])
def test_a_run_has_the_checkpoints_that_lightning_keeps(here: Store, tmp_path: Path, uploads: Any) -> None:
    """Also `last.ckpt` as it is at the end; with hyperparameters, measurements and the name of the best one."""
    from holdall.integrations.lightning import HoldallLogger

    logger, checkpoint = HoldallLogger(name="line", uploads=uploads), best()
    fit = trainer(tmp_path, logger, checkpoint)
    fit.fit(Line(), data(), data())
    run = here.runs.get(holdall.search_runs(output_format="list")[0].info.run_id)
    assert logger.failures == []
    assert (run.record.info.status, run.record.info.run_name, holdall.active_run()) == ("FINISHED", "line", None)
    kept = Path(checkpoint.dirpath)
    assert held(run) == sorted(os.listdir(kept))
    for name in held(run):
        assert run.read(f"checkpoints/{name}") == (kept / name).read_bytes()
    assert len(run.versions("checkpoints/last.ckpt")) == 1
    record = run.record
    assert record.data.params == {"width": "1"}
    assert record.data.tags["best_checkpoint"] == f"checkpoints/{Path(checkpoint.best_model_path).name}"
    assert [point.step for point in holdall.get_metric_history(run.id, "train_loss")] == list(range(8))
    fit.test(Line(), data(), verbose=False)
    assert "test_loss" in run.record.data.metrics
    assert (run.record.info.status, len(holdall.search_runs(output_format="list"))) == ("FINISHED", 1)


def test_deletes_may_be_left_out(here: Store, tmp_path: Path) -> None:
    """Then a run has every checkpoint, and all versions of the last one."""
    from holdall.integrations.lightning import HoldallLogger

    run = here.runs.start(paths="versioned")
    logger = HoldallLogger(run, follow_deletes=False)
    trainer(tmp_path, logger, best()).fit(Line(), data(), data())
    assert (logger.failures, run.record.info.status) == ([], "RUNNING")
    assert held(run) == [*(f"epoch={n}-step={2 * n + 2}.ckpt" for n in range(4)), "last.ckpt"]
    assert len(run.versions("checkpoints/last.ckpt")) == 4


def test_an_immutable_run_has_every_checkpoint_under_a_name_of_its_own(here: Store, tmp_path: Path) -> None:
    """The active run, for example: what is rewritten has the step in its name."""
    from holdall.integrations.lightning import HoldallLogger

    with holdall.start_run() as run:
        logger = HoldallLogger()
        trainer(tmp_path, logger, best(save_top_k=1), epochs=2).fit(Line(), data(), data())
        assert run.info.status == "RUNNING"
    assert logger.failures == []
    names = [f"epoch={n}-step={2 * n + 2}.ckpt" for n in range(2)]
    assert held(run) == [*names, "last-step=4.ckpt", "last.ckpt"]


def test_two_callbacks_that_use_one_name_overwrite_nothing(here: Store, tmp_path: Path) -> None:
    """The second one's are below the name of its folder."""
    from holdall.integrations.lightning import HoldallLogger

    logger = HoldallLogger()
    given = {"a": 1, "b": 2}.items()
    writers = [ModelCheckpoint(dirpath=tmp_path / name, filename="x", every_n_epochs=n) for name, n in given]
    trainer(tmp_path, logger, *writers, epochs=2).fit(Line(), data(), data())
    run = here.runs.get(holdall.search_runs(output_format="list")[0].info.run_id)
    assert logger.failures == []
    assert held(run) == ["b/x.ckpt", "x.ckpt"]


def test_a_training_that_fails_has_a_run_that_failed(here: Store, tmp_path: Path) -> None:
    """And its error is the script's own."""
    from holdall.integrations.lightning import HoldallLogger

    model = Line()
    model.broken = True
    with pytest.raises(ValueError, match="on purpose"):
        trainer(tmp_path, HoldallLogger()).fit(model, data(), data())
    assert [run.info.status for run in holdall.search_runs(output_format="list")] == ["FAILED"]


def test_other_processes_log_nothing(here: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """They have no run, and its verbs do nothing."""
    from holdall.integrations import lightning

    monkeypatch.setattr(lightning._rank.rank_zero_only, "rank", 1)
    logger = lightning.HoldallLogger()
    logger.log_metrics({"loss": 1.0}, 1)
    logger.log_hyperparams({"rate": 0.1})
    logger.experiment.log_text("x", "a.txt")
    logger.finalize("success")
    assert (logger.version, holdall.search_runs(output_format="list")) == (None, [])


def test_checkpoints_may_live_in_a_run_alone(here: Store, tmp_path: Path) -> None:
    """Written, gone on with and removed by Lightning, with no file on the disk."""
    from holdall.integrations.lightning import HoldallCheckpointIO

    run = here.runs.start(paths="versioned")
    for epochs, resume in ((2, None), (3, "epoch=1-step=4.ckpt")):
        checkpoint = ModelCheckpoint(dirpath=str(tmp_path / "nowhere"), monitor="val_loss", save_top_k=1)
        fit = trainer(tmp_path, False, checkpoint, epochs=epochs, plugins=[HoldallCheckpointIO(run)])
        fit.fit(Line(), data(), data(), ckpt_path=resume)
    assert (held(run), fit.global_step, (tmp_path / "nowhere").exists()) == (["epoch=2-step=6.ckpt"], 6, False)
