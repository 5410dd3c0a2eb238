"""Event files of TensorBoard are brought by its own package, which is not shown what is hostile."""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import Any

import pytest
from tests.support.stores import tiny_store

from holdall import importing
from holdall.errors import SourceUnreadableError
from holdall.importing.tensorboard import _check_frames
from holdall.storage.memory import MemoryBucket
from holdall.store import Store

BEGAN = 1_600_000_000


@pytest.fixture
def store() -> Store:
    return tiny_store(MemoryBucket())


def event(**said: Any) -> Any:
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary

    value = Summary.Value(**said.pop("value"))
    return Event(summary=Summary(value=[value]), **said)


def write(folder: Path, numbers: list[float]) -> None:
    """Log numbers as both TensorFlows do, after parameters."""
    import numpy as np
    from tensorboard.compat.proto.summary_pb2 import SummaryMetadata
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData
    from tensorboard.summary.writer.event_file_writer import EventFileWriter
    from tensorboard.util import tensor_util

    def plugin(name: str, content: bytes = b"") -> SummaryMetadata:
        return SummaryMetadata(plugin_data=SummaryMetadata.PluginData(plugin_name=name, content=content))

    said = HParamsPluginData()
    said.session_start_info.hparams["rate"].number_value = 0.1
    writer = EventFileWriter(str(folder))
    started = {"tag": "_hparams_/session_start_info", "metadata": plugin("hparams", said.SerializeToString())}
    writer.add_event(event(wall_time=BEGAN, step=0, value=started))
    for n, number in enumerate(numbers):
        tensor = {
            "tag": "acc",
            "tensor": tensor_util.make_tensor_proto(np.float32(number)),
            "metadata": plugin("scalars"),
        }
        writer.add_event(event(wall_time=BEGAN + n, step=n * 10, value={"tag": "loss", "simple_value": number}))
        writer.add_event(event(wall_time=BEGAN + n, step=n * 10, value=tensor))
    writer.close()


@pytest.mark.doors
def test_scalars_are_measurements_with_their_steps_and_times(store: Store, tmp_path: Path) -> None:
    """Of each folder a run; the event files are kept; a training that goes on is gone on with."""
    pytest.importorskip("tensorboard", reason="tensorboard is not installed: see the extra doors")
    write(tmp_path / "logs/train", [1.0, float("nan"), 0.25])
    write(tmp_path / "logs/val", [0.5])
    assert importing.from_tensorboard(store, tmp_path / "logs").perform().outcomes == {"new": 2}
    assert importing.from_tensorboard(store, tmp_path / "logs").perform().outcomes == {"same": 2}
    (found,) = store.runs.search("attributes.run_name = 'train'")
    run = store.runs.get(found.info.run_id)
    for key in ("loss", "acc"):
        told = [(one.step, repr(one.value), one.timestamp) for one in run.history(key)]
        assert told == [(n * 10, text, (BEGAN + n) * 1000) for n, text in enumerate(["1.0", "nan", "0.25"])]
    assert run.data.params == {"rate": "0.1"}
    assert (run.info.start_time, run.info.end_time) == (BEGAN * 1000, (BEGAN + 2) * 1000)
    (file,) = (tmp_path / "logs/train").iterdir()
    assert run.read(file.name) == file.read_bytes()
    data = file.read_bytes()
    os.truncate(file, len(data) - 3)  # as a writer leaves it that is killed
    with file.open("ab") as opened:
        opened.truncate(len(data) - 3)
    assert importing.from_tensorboard(store, tmp_path / "logs").perform().complete


@pytest.mark.doors
def test_a_damaged_file_is_told_and_the_other_runs_are_brought(store: Store, tmp_path: Path) -> None:
    """Whatever byte of it is another."""
    pytest.importorskip("tensorboard", reason="tensorboard is not installed: see the extra doors")
    write(tmp_path / "logs/good", [1.0])
    write(tmp_path / "logs/bad", [1.0])
    (file,) = (tmp_path / "logs/bad").iterdir()
    file.write_bytes(struct.pack("<QI", 1 << 62, 0) + file.read_bytes())
    report = importing.from_tensorboard(store, tmp_path / "logs").perform()
    assert [Path(one.source_id).name for one in report.problems] == ["bad"]
    assert report.outcomes == {"new": 1}


def test_a_frame_that_claims_too_much_is_refused_before_it_is_read(tmp_path: Path) -> None:
    """The length is a stranger's; one beyond the end is a writer's that died."""
    file = tmp_path / "x.tfevents"
    file.write_bytes(struct.pack("<QI", 3, 0) + b"abc" + bytes(4) + struct.pack("<QI", 1 << 40, 0))
    with pytest.raises(SourceUnreadableError, match="byte 19 claims"):
        _check_frames(file)
    file.write_bytes(struct.pack("<QI", 3, 0) + b"abc" + bytes(4) + struct.pack("<QI", 100, 0) + b"ab")
    _check_frames(file)
