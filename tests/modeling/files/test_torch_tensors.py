"""What tensors say is what comes back, in every format, or they are refused: whatever views and dtypes they are."""

from __future__ import annotations

import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from holdall.chunks.pool import Pool
from holdall.modeling.files import torch_files
from holdall.modeling.files.torch_tensors import compact
from holdall.modeling.signatures import duck_types
from holdall.storage.memory import MemoryBucket
from holdall.store import Store

COMPLEX = torch.complex(torch.arange(6.0), torch.arange(6.0) + 1)
LARGE = torch.arange(1_000_000, dtype=torch.float32)
DTYPES = [
    "bool", "uint8", "int8", "int16", "int32", "int64", "uint16", "uint32", "uint64", "float16", "bfloat16", "float32",
    "float64", "complex32", "complex64", "complex128", "float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz",
    "float8_e5m2fnuz", "float8_e8m0fnu",
]  # fmt: skip
VIEWS: dict[str, Any] = {
    "conjugate": COMPLEX.conj(),
    "conjugate of two dimensions": COMPLEX.reshape(2, 3).mH,
    "negative": torch._neg_view(torch.arange(3.0)),
    "negative of a conjugate": COMPLEX.conj().imag,
    "conjugate and negative": torch._neg_view(COMPLEX.conj()),
    "part of a conjugate": COMPLEX.conj()[2:4],
    "transposed": torch.arange(6.0).reshape(2, 3).t(),
    "expanded": torch.ones(1).expand(4),
    "part": LARGE[10:13],
    "every other": LARGE[::250_000],
    "channels last": torch.rand(1, 2, 3, 4).to(memory_format=torch.channels_last),
    "no elements": torch.empty(0, 3),
    "no dimensions": torch.tensor(3.5),
    "another dtype": torch.arange(4, dtype=torch.float32).view(torch.int32),
    "real of complex": torch.view_as_real(COMPLEX),
    "learning": torch.ones(3, requires_grad=True),
    "result": torch.ones(3, requires_grad=True) * 2,
    "parameter": nn.Parameter(torch.ones(3)),
    "not a number": torch.tensor([float("nan"), float("inf"), -0.0]),
    **{name: (torch.arange(3, dtype=torch.float32) + 1).to(getattr(torch, name)) for name in DTYPES},
}
OTHERS: dict[str, Any] = {
    "sparse": torch.eye(3).to_sparse(),
    "sparse rows": torch.eye(3).to_sparse_csr(),
    "sparse conjugate": COMPLEX.reshape(2, 3).conj().resolve_conj().to_sparse(),
    "quantised": torch.quantize_per_tensor(torch.ones(3), 0.1, 0, torch.qint8),
    "quantised by channel": torch.quantize_per_channel(torch.ones(2, 2), torch.ones(2), torch.zeros(2), 0, torch.qint8),
    "nested": torch.nested.nested_tensor([torch.ones(2), torch.ones(3)]),
}
EMPTY = {"meta": torch.ones(3, device="meta"), "meta parameter": nn.Parameter(torch.ones(3, device="meta"))}


def values(tensor: Any) -> Any:
    """Bit for bit, as far as values go."""
    if tensor.layout is not torch.strided:
        return tensor.to_dense().tolist()
    if tensor.is_nested:
        return [each.tolist() for each in tensor.unbind()]
    if tensor.is_quantized:
        return tensor.dequantize().tolist(), tensor.int_repr().tolist()
    settled = tensor.detach().resolve_conj().resolve_neg().contiguous()
    return settled.dtype, tuple(settled.shape), settled.reshape(-1).view(torch.uint8).tolist()


@pytest.mark.parametrize("name", [*VIEWS, *OTHERS])
@pytest.mark.parametrize("options", [{}, {"pickle_protocol": 3}], ids=["safetensors", "torch"])
def test_a_state_dict_comes_back(name: str, options: dict[str, Any], tmp_path: Path) -> None:
    """Alone, and beside another; the file is as small as what is in it."""
    given = {**VIEWS, **OTHERS}[name]
    before = values(given)
    torch_files.save_state_dict({"w": given, "other": torch.ones(2)}, tmp_path, **options)
    back = torch_files.load_state_dict(tmp_path)
    assert values(back["w"]) == before == values(given)
    assert back["other"].tolist() == [1, 1]
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) < 10_000


@pytest.mark.parametrize("name", EMPTY)
@pytest.mark.parametrize("options", [{}, {"pickle_protocol": 3}], ids=["safetensors", "torch"])
def test_a_state_dict_without_weights_is_refused(name: str, options: dict[str, Any], tmp_path: Path) -> None:
    """It would be READY, and empty; also where it stands deep in an optimizer's."""
    for state in ({"w": EMPTY[name]}, {"state": {0: [{"m": EMPTY[name]}]}}):
        with pytest.raises(ValueError, match="load the weights first"):
            torch_files.save_state_dict(state, tmp_path, **options)
        assert list(tmp_path.iterdir()) == []


class Odd(torch.Tensor):  # type: ignore[misc]
    """A class of one's own."""


@pytest.mark.parametrize("value", [torch.ones(2).as_subclass(Odd), object(), nn.UninitializedParameter(), lambda: 1])
def test_a_state_dict_that_needs_code_is_refused(value: Any, tmp_path: Path) -> None:
    """For it is read without any."""
    with pytest.raises(ValueError, match="could not be loaded again"):
        torch_files.save_state_dict({"w": value}, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_weights_that_are_tied_stay_so_and_their_views_are_their_own(tmp_path: Path) -> None:
    """A conjugate of a weight beside it is two weights; the same weight twice is one."""
    torch_files.save_state_dict({"w": COMPLEX, "c": COMPLEX.conj()}, tmp_path / "a")
    back = torch_files.load_state_dict(tmp_path / "a")
    assert values(back["w"]) == values(COMPLEX)
    assert values(back["c"]) == values(COMPLEX.conj())
    tied = torch.ones(3)
    torch_files.save_state_dict({"w": tied, "also": tied, "turned": tied[None].t()}, tmp_path / "b")
    back = torch_files.load_state_dict(tmp_path / "b")
    assert back["w"].data_ptr() == back["also"].data_ptr() == back["turned"].data_ptr()


def test_parts_of_a_large_storage_do_not_bring_it_along(tmp_path: Path) -> None:
    """Several of them neither, nor in what an optimizer has; what was given stays as it was."""
    state: OrderedDict[str, Any] = OrderedDict(a=LARGE[:3], b=[{"c": LARGE[5:7]}, (LARGE[9:10],)])
    small = compact(torch, state)
    assert type(small) is OrderedDict
    assert small["b"][1][0].untyped_storage().nbytes() == 4
    assert state["a"].untyped_storage().nbytes() == 4_000_000
    torch_files.save_state_dict(state, tmp_path)
    assert (tmp_path / "state_dict.pth").stat().st_size < 10_000
    assert torch_files.load_state_dict(tmp_path)["b"][0]["c"].tolist() == [5, 6]


class Scaled(nn.Module):  # type: ignore[misc]
    """Weights and a buffer of any kind."""

    def __init__(self, weights: Any, *, alone: bool) -> None:
        super().__init__()
        floats = weights.is_floating_point() or weights.is_complex()
        self.weights = nn.Parameter(weights.detach(), requires_grad=floats)
        if not alone:
            self.register_buffer("seen", weights.detach())
            self.plain = weights.detach()

    def forward(self, x: Any) -> Any:
        return x * self.weights


@pytest.fixture
def store() -> Store:
    return Store._over(MemoryBucket(), Pool(), trusted=True)


@pytest.mark.parametrize(
    ("format", "name"),
    [
        (format, name)
        for format in ("pickle", "safetensors", "pt2")
        for name in VIEWS
        if format != "pt2" or name not in DTYPES
    ],
)
@pytest.mark.every(4)
def test_a_module_comes_back(store: Store, name: str, format: str) -> None:
    """Its parameters, buffers and plain tensors; or it is refused, by name."""
    given = VIEWS[name]
    model, run = Scaled(given, alone=format == "safetensors"), store.runs.start()
    before = {key: values(each) for key, each in model.state_dict().items()}
    options: dict[str, Any] = {"example_inputs": torch.ones(1, dtype=torch.float32)} if format == "pt2" else {}
    refusing = {"pt2": given.is_conj() or given.is_neg(), "safetensors": name in ("complex32", "complex128")}
    try:
        uri = store.models.log(run, model, "m", serialization_format=format, **options).model_uri
    except Exception as error:
        if not (format == "pt2" or refusing.get(format)):
            raise
        if refusing[format]:
            assert isinstance(error, ValueError)  # noqa: PT017  # what else pt2 refuses, torch has no kernels for
        return
    assert not refusing.get(format)
    loaded = store.models.load(uri)
    assert {key: values(each) for key, each in loaded.state_dict().items() if key in before} == before
    if format == "pickle":
        assert values(loaded.plain) == values(given)


@pytest.mark.parametrize("format", ["pickle", "safetensors", "pt2"])
def test_a_module_without_weights_is_refused(store: Store, format: str) -> None:
    """Registered or not, of torch or in a model of Python's own; nothing is logged."""
    run, hidden = store.runs.start(), nn.Linear(2, 2)
    hidden.plain = torch.ones(2, device="meta")
    for model in (nn.Linear(2, 2, device="meta"), hidden):
        if format == "pt2" and model is hidden:
            continue  # the graph does not have it
        with pytest.raises(ValueError, match="load the weights first"):
            store.models.log(run, model, "m", serialization_format=format, example_inputs=torch.ones(1, 2))
    with pytest.raises(ValueError, match="load the weights first"):
        store.models.log(run, lambda data: (data, hidden)[0], "m", flavor="python_function")
    assert run.manifest == {}


@pytest.mark.parametrize("name", ["conjugate", "negative", "conjugate and negative"])
def test_answers_that_are_views_are_arrays(name: str) -> None:
    """numpy gets what they say."""
    assert np.array_equal(duck_types.plain(VIEWS[name]), VIEWS[name].resolve_conj().resolve_neg().numpy())


def test_a_state_dict_is_a_zip_that_torch_reads_by_itself(tmp_path: Path) -> None:
    """Also in the format of old."""
    torch_files.save_state_dict({"a": 1, "w": torch.ones(2)}, tmp_path, _use_new_zipfile_serialization=False)
    assert not zipfile.is_zipfile(tmp_path / "state_dict.pth")
    assert torch_files.load_state_dict(tmp_path)["w"].tolist() == [1, 1]
