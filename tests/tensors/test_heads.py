"""Tensors are listed as the formats' own libraries wrote them, by few requests, and by running nothing."""

from __future__ import annotations

import json
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.support import tensor_files as made
from tests.support.stores import tiny_store

from holdall.errors import ArtifactNotFoundError, ContentError
from holdall.storage.memory import MemoryBucket
from holdall.storage.wrappers import RequestCounter, TraceBucket
from holdall.store import Store, TensorInfo
from holdall.tensors.safetensors import read_header

ARRAYS = {
    "layer.weight": np.arange(12, dtype="f4").reshape(3, 4),
    "layer.bias": np.ones(3, "f8"),
    "ids": np.arange(5),
    "on": np.array([True, False]),
    "one": np.array(3, "f4"),
    "none": np.zeros((0, 4), "i2"),
}
TORCH = {
    "half": torch.ones(2, 3).bfloat16(),
    "tiny": torch.ones(4).to(torch.float8_e5m2),
    "pair": torch.ones(2, dtype=torch.complex64),
    "count": torch.tensor(3),
}
WRITERS: dict[str, Callable[[Any], bytes]] = {
    "model.safetensors": made.safetensors,
    "arrays.npz": made.npz,
    "small.npz": made.compressed_npz,
    "model.onnx": made.onnx_file,
    "typed.onnx": made.typed_onnx_file,
}


def uri(run: Any, path: str = "") -> str:
    return f"runs:/{run.id}/{path}"


@pytest.fixture
def store() -> Store:
    return tiny_store(MemoryBucket())


def heads(store: Store, data: bytes, name: str) -> dict[str, tuple[str, tuple[int, ...], int]]:
    """What is listed of a file with some bytes, by name."""
    run = store.runs.start()
    run.log_bytes(data, name)
    return {one.name: (one.dtype, one.shape, one.nbytes) for one in store.artifacts.tensors(uri(run, name))}


@pytest.mark.parametrize("name", WRITERS)
def test_arrays_are_listed_as_numpy_knows_them(store: Store, name: str) -> None:
    """Names, dtypes, shapes and bytes, whatever format they are in."""
    expected = {key: (str(each.dtype), each.shape, each.nbytes) for key, each in ARRAYS.items()}
    assert heads(store, WRITERS[name](ARRAYS), name) == expected


@pytest.mark.parametrize("write", [made.safetensors, made.torch_file, made.legacy_file])
def test_tensors_are_listed_as_torch_knows_them(store: Store, write: Callable[[Any], bytes]) -> None:
    """With the dtypes that numpy lacks; the file of old has none for eight bits."""
    state = {key: each for key, each in TORCH.items() if write is not made.legacy_file or key != "tiny"}
    name = "model.safetensors" if write is made.safetensors else "model.pt"
    expected = {
        key: (str(each.dtype).removeprefix("torch."), tuple(each.shape), each.nbytes) for key, each in state.items()
    }
    assert heads(store, write(state), name) == expected


def test_nested_checkpoints_have_names_of_keys(store: Store) -> None:
    """The keys on the way are joined by dots; views have their own shapes; what is no tensor is passed over."""
    shared = torch.arange(12.0).reshape(3, 4)
    state = {"model": {"a": shared, "b": shared.t()}, "optimiser": {0: [torch.ones(2), "x"]}, "epoch": 3, "rate": 1e-3}
    found = heads(store, made.torch_file(state), "last.ckpt")
    assert {name: shape for name, (_, shape, _) in found.items()} == {
        "model.a": (3, 4),
        "model.b": (4, 3),
        "optimiser.0.0": (2,),
    }


class Net(torch.nn.Module):  # type: ignore[misc]  # torch's types are not read
    """A module of somebody's."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.BatchNorm1d(3))
        self.note = torch.zeros(1)


@pytest.mark.parametrize("script", [False, True])
def test_whole_modules_have_the_names_of_a_state_dict(store: Store, tmp_path: Path, script: bool) -> None:
    """Parameters and buffers, of classes that are never imported; of a script module too."""
    net = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.BatchNorm1d(3)) if script else Net()
    if script:
        torch.jit.script(net).save(str(tmp_path / "model.pt"))
        data = (tmp_path / "model.pt").read_bytes()
    else:
        data = made.torch_file(net)
    found = heads(store, data, "model.pt")
    assert {name: shape for name, (_, shape, _) in found.items()} == {
        name: tuple(each.shape) for name, each in net.state_dict().items()
    }


def test_what_has_no_numbers_is_listed_too(store: Store) -> None:
    """Texts, dates, records and Python objects, whose types say what they are; objects have no bytes of their own."""
    arrays = {
        "text": np.array(["ab", "c"]),
        "date": np.array(["2020-01-01"], "M8[D]"),
        "record": np.zeros(3, [("x", "f4"), ("y", "i8")]),
        "object": np.array([{}, None], dtype=object),
        "big": np.arange(3, dtype=">i4"),
    }
    found = heads(store, made.npz(arrays), "a.npz")
    assert found == {
        "text": ("<U2", (2,), 16),
        "date": ("<M8[D]", (1,), 8),
        "record": ("record", (3,), 36),
        "object": ("object", (2,), 0),
        "big": ("int32", (3,), 12),
    }


def test_a_folder_has_the_tensors_of_all_its_files(store: Store, tmp_path: Path) -> None:
    """Each with its file; what other formats have the endings is passed over, what cannot be read is said."""
    made.onnx_folder(ARRAYS, tmp_path / "deep")
    (tmp_path / "a.safetensors").write_bytes(made.safetensors(ARRAYS, {"by": "us"}))
    (tmp_path / "readme.md").write_text("no tensors")
    (tmp_path / "weights.bin").write_bytes(b"something else")
    (tmp_path / "bad.npz").write_bytes(b"PK")
    run = store.runs.start()
    run.log_artifacts(tmp_path, "model")
    found = store.artifacts.tensors(uri(run, "model"))
    assert {(one.file, one.name) for one in found} == {
        (file, name) for file in ("a.safetensors", "deep/model.onnx") for name in ARRAYS
    }
    assert found.metadata["a.safetensors"] == {"by": "us"}
    assert found.metadata["deep/model.onnx"]["producer_name"] == "tests"
    assert list(found.unreadable) == ["bad.npz"]
    assert "TensorInfo" in repr(found)
    assert "<table>" in found._repr_html_()
    (one,) = store.artifacts.tensors(uri(run, "model/a.safetensors"))[2:3]
    assert isinstance(one, TensorInfo)
    assert one.file == ""


def test_an_index_leads_to_its_shards(store: Store) -> None:
    """A checkpoint in several files is one; a shard that is missing is an error, as is one out of the folder."""
    run = store.runs.start()
    halves = [dict(list(ARRAYS.items())[:3]), dict(list(ARRAYS.items())[3:])]
    for n, half in enumerate(halves):
        run.log_bytes(made.safetensors(half), f"m/model-{n}.safetensors")
    index = {name: f"model-{n}.safetensors" for n, half in enumerate(halves) for name in half}
    run.log_dict({"weight_map": index}, "m/model.safetensors.index.json")
    found = store.artifacts.tensors(uri(run, "m/model.safetensors.index.json"))
    assert {one.name for one in found} == set(ARRAYS)
    run.log_dict({"weight_map": {"a": "model-9.safetensors"}}, "m/lost.index.json")
    run.log_dict({"weight_map": {"a": "../x/../../y.safetensors"}}, "m/out.index.json")
    run.log_dict({"weight_map": 3}, "m/none.index.json")
    with pytest.raises(ArtifactNotFoundError):
        store.artifacts.tensors(uri(run, "m/lost.index.json"))
    for name in ("out", "none"):
        with pytest.raises(ContentError, match="index of tensors"):
            store.artifacts.tensors(uri(run, f"m/{name}.index.json"))


def test_onnx_data_is_not_taken_from_out_of_the_folder(store: Store, tmp_path: Path) -> None:
    """A path that leads up, an absolute one, a link and what is not there are refused, with the initialiser's name."""
    import onnx
    from onnx import helper

    def logged(location: str, to: str) -> str:
        tensor = helper.make_tensor("w", 1, [2], bytes(8), raw=True)
        tensor.ClearField("raw_data")
        tensor.data_location = onnx.TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value=location)
        graph = helper.make_graph([], "g", [], [], [tensor])
        run.log_bytes(helper.make_model(graph).SerializeToString(), f"{to}/model.onnx")
        return uri(run, f"{to}/model.onnx")

    run = store.runs.start()
    run.log_bytes(b"12345678", "secret")
    (tmp_path / "linked").mkdir()
    (tmp_path / "secret").write_bytes(b"12345678")
    os.symlink("../secret", tmp_path / "linked" / "data")
    run.log_artifacts(tmp_path)
    for n, location in enumerate(["../secret", "/secret", "a/../../secret", "missing", "", "."]):
        with pytest.raises(ContentError, match="'w'"):
            store.artifacts.tensors(logged(location, f"m{n}"))
    with pytest.raises(ContentError, match="link"):
        store.artifacts.tensors(logged("data", "linked"))
    run.log_bytes(b"12345678", "good/data")
    assert store.artifacts.tensors(logged("data", "good"))[0].nbytes == 8


@pytest.mark.parametrize("legacy", [False, True])
def test_a_pickle_that_calls_something_is_refused(store: Store, tmp_path: Path, legacy: bool) -> None:
    """It is named, and has not run."""

    class Evil:
        def __reduce__(self) -> tuple[Any, ...]:
            return os.mkdir, (str(tmp_path / "ran"),)

    data = (made.legacy_file if legacy else made.torch_file)({"w": torch.ones(2), "x": Evil()})
    with pytest.raises(ContentError, match=r"calls posix\.mkdir"):
        heads(store, data, "model.pt")
    assert not (tmp_path / "ran").exists()
    with pytest.raises(ContentError, match="neither a zip archive"):
        heads(store, pickle.dumps({"w": 1}), "other.pt")


@pytest.mark.parametrize("size", [20, 4000])
def test_a_safetensors_file_is_told_by_two_requests(size: int) -> None:
    """Beyond opening it: one where the header is short, and one more where it is long; never the numbers."""
    bucket = MemoryBucket()
    counter = RequestCounter()
    run = Store._over(bucket, tiny_store(MemoryBucket())._location.pool).runs.start()
    arrays = {f"layers.{n}.weight": np.random.default_rng(n).standard_normal(500) for n in range(size)}
    run.log_bytes(made.safetensors(arrays), "model.safetensors")
    run.finish()
    store = Store._over(TraceBucket(bucket, counter), tiny_store(MemoryBucket())._location.pool)
    with store.artifacts.open(uri(run, "model.safetensors")):
        opening = counter.total
    store = Store._over(TraceBucket(bucket, counter), tiny_store(MemoryBucket())._location.pool)
    counter.clear()
    assert len(store.artifacts.tensors(uri(run, "model.safetensors"))) == size
    assert counter.total <= opening + 2 + (size > 1000)


def test_only_heads_are_read() -> None:
    """Of a large file a reader asks for what its header needs."""
    file = made.CountedFile(made.safetensors({"w": np.zeros(1 << 20), "v": np.zeros(1 << 20)}))
    assert len(read_header(file, lambda _: file).tensors) == 2
    assert sum(stop - start for ranges in file.asked for start, stop in ranges) <= 128 << 10


def header(told: Any, data: bytes = bytes(8)) -> bytes:
    text = told if isinstance(told, bytes) else json.dumps(told).encode()
    return len(text).to_bytes(8, "little") + text + data


F32 = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}
DAMAGES: dict[str, bytes] = {
    "nothing": b"",
    "half a length": b"123",
    "a length beyond the file": (1 << 40).to_bytes(8, "little") + b"{}",
    "the largest length": b"\xff" * 8 + b"{}",
    "no JSON": header(b"{'a'}"),
    "a list": header([1]),
    "deep nesting": header(b"[" * 100_000),
    "a million commas": header(b'{"a":[' + b"0," * (1 << 20) + b"0]}"),
    "a name twice": header(b'{"a":%s,"a":%s}' % ((json.dumps(F32).encode(),) * 2)),
    "a name of a megabyte": header({"x" * 1_000_000: F32}),
    "no shape": header({"a": {"dtype": "F32", "data_offsets": [0, 8]}}),
    "a negative size": header({"a": F32 | {"shape": [-2]}}),
    "a size that is no number": header({"a": F32 | {"shape": ["2"]}}),
    "a thousand dimensions": header({"a": F32 | {"shape": [1] * 1000}}),
    "a product beyond all files": header({"a": F32 | {"shape": [1 << 31] * 4}}),
    "an unknown dtype": header({"a": F32 | {"dtype": "F33"}}),
    "offsets that do not fit the shape": header({"a": F32 | {"data_offsets": [0, 4]}}),
    "offsets backwards": header({"a": F32 | {"data_offsets": [8, 0]}}),
    "offsets beyond the file": header({"a": F32 | {"data_offsets": [8, 16]}}),
    "an overlap": header({"a": F32, "b": F32}),
    "a gap": header({"a": F32, "b": F32 | {"data_offsets": [12, 20]}}, bytes(20)),
    "bytes behind the last": header({"a": F32}, bytes(9)),
    "less than it says": header({"a": F32}, bytes(7)),
    "metadata that is no text": header({"__metadata__": {"a": 1}, "a": F32}),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_wrong_header_is_an_error_of_the_tree(damage: str) -> None:
    """It names the file and says what is wrong; as a file in a folder it is said beside the others."""
    file = made.CountedFile(DAMAGES[damage], "m/model.safetensors")
    with pytest.raises(ContentError, match=r"'m/model.safetensors' is not a safetensors file"):
        read_header(file, lambda _: file)
