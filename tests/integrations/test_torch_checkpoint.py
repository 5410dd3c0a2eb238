"""torch.distributed.checkpoint through a run: what is saved is loaded, by ranges and by any number of ranks."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import textwrap
import threading
import uuid
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed
import torch.distributed.checkpoint as dcp
from tests.support.depth import DEEP
from torch.distributed.checkpoint.metadata import MetadataIndex

import holdall
from holdall.chunks.pool import Pool
from holdall.errors import ContentError, InvalidArgumentError
from holdall.integrations.torch_checkpoint import HoldallReader, HoldallWriter
from holdall.storage.memory import MemoryBucket
from holdall.storage.wrappers import RequestCounter, TraceBucket
from holdall.store import Run, Store
from holdall.surfaces.fluent.active import unset_store

DTYPES = "float64 float32 float16 bfloat16 complex64 int64 int32 int16 int8 uint8 bool float8_e4m3fn"


@pytest.fixture(autouse=True)
def alone() -> Iterator[None]:
    """One process is all ranks, and torch says so."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@pytest.fixture
def run() -> Run:
    return Store.open(f"memory://{uuid.uuid4()}").runs.start(paths="versioned")


def like(state: Any) -> Any:
    """The same shape with nothing in it."""
    if isinstance(state, dict):
        return {key: like(value) for key, value in state.items()}
    return torch.zeros_like(state) if isinstance(state, torch.Tensor) else type(state)()


def loaded(run: Run, state: Any, path: str = "", **more: Any) -> Any:
    found = like(state)
    dcp.load(found, storage_reader=HoldallReader(run, path, **more))
    return found


def test_every_type_of_tensor_comes_back(run: Run) -> None:
    """Also those without a dimension or without a number, views, and what is no tensor."""
    state: dict[str, Any] = {name: torch.arange(24).reshape(4, 6).to(getattr(torch, name)) for name in DTYPES.split()}
    state |= {"one": torch.tensor(3.5), "none": torch.empty(0, 3), "turned": torch.arange(6.0).reshape(2, 3).T}
    state |= {"nested": {"part": torch.arange(100)[::7]}, "step": 3, "name": "first"}
    dcp.save(state, storage_writer=HoldallWriter(run, "checkpoints/1"))
    assert set(run.manifest) == {"checkpoints/1/rank-0.bin", "checkpoints/1/checkpoint.json"}
    found = loaded(run, state, "checkpoints/1")
    assert (found["step"], found["name"]) == (3, "first")
    assert torch.equal(found["nested"]["part"], state["nested"]["part"])
    for name, tensor in state.items():
        if isinstance(tensor, torch.Tensor):
            assert found[name].dtype == tensor.dtype
            assert torch.equal(found[name].to(torch.complex128), tensor.to(torch.complex128)), name


def test_the_id_of_a_checkpoint_is_its_path(run: Run) -> None:
    """Where torch is given one; saved again, the same changes nothing, and something else is refused or replaces."""
    state = {"weights": torch.ones(3)}
    writer = HoldallWriter(run)
    for step in (1, 2, 2):
        dcp.save(state, storage_writer=writer, checkpoint_id=f"steps/{step}")
    assert len(run.manifest) == 4
    with pytest.raises(dcp.CheckpointException, match="committed"):
        dcp.save({"weights": torch.zeros(3)}, storage_writer=writer, checkpoint_id="steps/2")
    again = HoldallWriter(run, "steps/2", attempt=1, on_conflict="replace")
    dcp.save({"weights": torch.zeros(3)}, storage_writer=again)
    found = like(state)
    dcp.load(found, storage_reader=HoldallReader(run), checkpoint_id="steps/2")
    assert torch.equal(found["weights"], torch.zeros(3))


def test_a_runs_id_is_one_of_the_store_in_use() -> None:
    """Which was set, and opened by what was given there; not of another that the environment names."""
    key = "AGE-SECRET-KEY-1GPQ5YS6YG4RYWJZFFF95CN2WFAG9Z5JN2324V46CT9D9KHZATE0S5FAZ64"
    url, unlock = f"memory://{uuid.uuid4()}", holdall.Unlock(identities=(key,))
    holdall.open(url, unlock=unlock).maintenance.create(encrypt=True)
    try:
        run = holdall.set_store(url, unlock=unlock).runs.start()
        state = {"weights": torch.ones(4)}
        dcp.save(state, storage_writer=HoldallWriter(run.id, "1"))
        found = {"weights": torch.zeros(4)}
        dcp.load(found, storage_reader=HoldallReader(run.id, "1"))
    finally:
        unset_store()
    assert torch.equal(found["weights"], state["weights"])


def test_one_writer_saves_two_checkpoints_at_once(run: Run) -> None:
    """As two `dcp.async_save` do that nobody waits for: each has its own content, under its own path."""
    writer = HoldallWriter(run)

    class Slow(dcp.DefaultSavePlanner):  # type: ignore[misc]
        def resolve_data(self, item: Any) -> Any:
            more = {"storage_writer": writer, "checkpoint_id": "2"}
            other = threading.Thread(target=dcp.save, args=[{"weights": torch.ones(3)}], kwargs=more)
            other.start()
            other.join()
            return super().resolve_data(item)

    dcp.save({"weights": torch.zeros(3)}, storage_writer=writer, checkpoint_id="1", planner=Slow())
    found = [loaded(run, {"weights": torch.zeros(3)}, path)["weights"] for path in ("1", "2")]
    assert torch.equal(torch.stack(found), torch.tensor([[0.0] * 3, [1.0] * 3]))
    assert writer._saving == {}


def test_loading_asks_only_for_what_is_needed() -> None:
    """One small tensor of a large checkpoint is a range of its file."""
    bucket = TraceBucket(MemoryBucket(), count := RequestCounter())
    store = Store._over(bucket, Pool())
    run = store.runs.start()
    many = {
        str(n): torch.frombuffer(bytearray(random.Random(n).randbytes(1 << 20)), dtype=torch.uint8) for n in range(8)
    }
    dcp.save(many, storage_writer=HoldallWriter(run))
    run.finish()
    other = Store._over(bucket, Pool()).runs.get(run.id)
    count.clear()
    found = {"3": torch.zeros(1 << 20, dtype=torch.uint8)}
    dcp.load(found, storage_reader=HoldallReader(other))
    assert torch.equal(found["3"], many["3"])
    assert count.bytes["get_range"] + count.bytes["get"] < 2 << 20


def test_rows_of_a_tensor_are_a_range_too(run: Run) -> None:
    """A rank that holds a part of a tensor fetches the rows that it needs, and narrows what they have more."""
    state = {"weights": torch.arange(60).reshape(10, 6)}
    dcp.save(state, storage_writer=HoldallWriter(run))
    reader = HoldallReader(run)
    reader.set_up_storage_reader(reader.read_metadata(), True)

    class Item:
        type = dcp.planner.LoadItemType.TENSOR
        storage_index = MetadataIndex("weights", [0, 0])
        storage_offsets, lengths = torch.Size([3, 2]), torch.Size([4, 3])

    wanted = reader._wanted(Item)
    assert wanted.range == (3 * 6 * 8, 7 * 6 * 8)


class Object:
    """What is no tensor and no plain data."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Object)

    __hash__ = None  # type: ignore[assignment]


def test_what_may_run_code_is_loaded_only_by_who_trusts_it(run: Run) -> None:
    """Torch would load any object; a reader says that it may."""
    dcp.save({"kept": Object()}, storage_writer=HoldallWriter(run))
    with pytest.raises(dcp.CheckpointException, match="trust=True"):
        loaded(run, {"kept": Object()})
    assert loaded(run, {"kept": Object()}, trust=True) == {"kept": Object()}


HOSTILE: list[Any] = [
    b"",
    b"[" * 100_000,
    {"holdall": 2},
    {"tensors": {"weights": {"dtype": "nn", "size": [2], "chunks": []}}},
    {"tensors": {"weights": {"dtype": "float32", "size": [-2], "chunks": []}}},
    {"tensors": {"weights": {"dtype": "float32", "size": [2**60], "chunks": []}}},
    {"stored": [["weights", [0], "../rank-0.bin", 0, 8]]},
    {"stored": [["weights", [0], "rank-0.bin", -1, 8]]},
    {"stored": 3},
    {"names": 3},
]


@pytest.mark.parametrize("told", HOSTILE, ids=range(len(HOSTILE)))
def test_an_index_that_is_none_is_refused(run: Run, told: Any) -> None:
    """Before anything of it is used."""
    right = {"holdall": 1, "tensors": {}, "objects": [], "names": None, "stored": []}
    run.log_bytes(told if isinstance(told, bytes) else json.dumps(right | told).encode(), "checkpoint.json")
    with pytest.raises(ContentError, match=r"checkpoint\.json"):
        HoldallReader(run).read_metadata()


def test_an_index_that_tells_other_sizes_than_there_are_is_refused(run: Run) -> None:
    """A tensor is never made of other bytes than its type and shape say."""
    dcp.save({"weights": torch.ones(4)}, storage_writer=HoldallWriter(run))
    index = json.loads(run.read("checkpoint.json"))
    index["tensors"]["weights"] |= {"size": [8], "chunks": [[[0], [8]]]}
    run.log_bytes(json.dumps(index).encode(), "checkpoint.json", on_conflict="replace")
    with pytest.raises(dcp.CheckpointException, match="other bytes"):
        loaded(run, {"weights": torch.ones(8)})


def test_what_cannot_be_one_commit_is_refused(run: Run) -> None:
    """Torch can save without the ranks speaking to each other; then nobody knows when all are there."""
    with pytest.raises(InvalidArgumentError, match="use_collectives"):
        HoldallWriter(run).set_up_storage_writer(True, use_collectives=False)
    with pytest.raises(dcp.CheckpointException, match="dense"):
        dcp.save({"weights": torch.eye(3).to_sparse()}, storage_writer=HoldallWriter(run))
    assert run.manifest == {}


RANKS = """
    import os, sys, traceback, warnings
    import torch, torch._dynamo, torch.distributed as dist  # once, and not in each child
    import torch.distributed.checkpoint as dcp
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.tensor import Replicate, Shard, distribute_tensor
    from holdall.integrations.torch_checkpoint import HoldallReader, HoldallWriter
    from holdall.store import Store

    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    url, run_id, folder, ranks = sys.argv[1:]
    weights = torch.arange(48 * 1000, dtype=torch.float32).reshape(48, 1000)

    def begin(rank, world, name):
        dist.init_process_group("gloo", init_method=f"file://{folder}/{name}", rank=rank, world_size=world)
        return init_device_mesh("cpu", (world,)), Store.open(url).runs.get(run_id)

    def save(rank, world):
        mesh, run = begin(rank, world, "save")
        state = {"weights": distribute_tensor(weights, mesh, [Shard(0)]), "step": 7}
        dcp.save(state, storage_writer=HoldallWriter(run, "7"))
        future = dcp.async_save(state, storage_writer=HoldallWriter(run, "8"))
        future.result()
        if rank == 1:
            HoldallWriter.write_data = lambda *_: sys.exit("this rank fails")
        try:
            dcp.save(state, storage_writer=HoldallWriter(run, "9"))
        except BaseException as error:
            return
        raise AssertionError("a rank failed, and the checkpoint was saved")

    def load(rank, world):
        dist.destroy_process_group()
        mesh, run = begin(rank, world, "load")
        state = {"weights": distribute_tensor(torch.zeros(48, 1000), mesh, [Shard(1)]), "step": 0}
        dcp.load(state, storage_reader=HoldallReader(run, "8"))
        assert state["step"] == 7
        mine = weights.chunk(world, 1)[rank]
        assert torch.equal(state["weights"].to_local(), mine), rank

    children = []
    for rank in range(int(ranks)):
        if not (child := os.fork()):
            code = 1
            try:
                save(rank, int(ranks))
                if rank < 2:
                    load(rank, 2)
                code = 0
            except BaseException:
                traceback.print_exc()
            finally:
                sys.stderr.flush()
                os._exit(code)
        children.append(child)
    codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    assert not any(codes), codes
"""


def test_some_processes_save_and_two_load(tmp_path: Path) -> None:
    """Real processes of gloo: one entry for each checkpoint, none where a rank failed; and another cut is read."""
    ranks = 4 if DEEP else 3
    url = f"file://{tmp_path}/store"
    run = Store.open(url).runs.start()
    script = tmp_path / "ranks.py"
    script.write_text(textwrap.dedent(RANKS))
    command = [sys.executable, str(script), url, run.id, str(tmp_path), str(ranks)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    found = Store.open(url)
    held = set(found.runs.get(run.id).manifest)
    assert held == {
        f"{step}/{name}" for step in (7, 8) for name in ("checkpoint.json", *(f"rank-{n}.bin" for n in range(ranks)))
    }
    assert found.maintenance.check().problems == []
