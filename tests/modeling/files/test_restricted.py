"""A pickle that is read as data changes nothing that was there before, whatever is in it and wherever it is refused."""

from __future__ import annotations

import contextlib
import copy
import os
import pickle
import pickletools
import struct
from collections import OrderedDict
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.depth import examples
from torch import nn

from holdall.modeling.files.restricted import MAX_BYTES, load_restricted
from holdall.modeling.files.skeleton import dump_skeleton
from holdall.modeling.files.torch_files import _buildable

RELU, BUILDABLE = torch.nn.functional.relu, _buildable(torch)


def restored(*name: Any) -> Any:
    return torch.ones(2) if name == ("w",) else nn.Parameter(torch.ones(2))


def load(data: bytes) -> Any:
    return load_restricted(data, restored, BUILDABLE)


def shared() -> list[Any]:
    """What a pickle could reach and change: the functions, classes and dtypes that it may name."""
    kinds = [nn.Module, nn.Linear, nn.Sequential, OrderedDict, torch.Size, torch.device, torch.float32]
    of_relu = [RELU.__defaults__, RELU.__kwdefaults__, dict(RELU.__dict__), RELU.__code__, RELU.__name__, RELU.__doc__]
    return [*of_relu, *(copy.copy(dict(vars(kind))) if hasattr(kind, "__dict__") else kind for kind in kinds)]


def name(module: str, what: str) -> bytes:
    return text(module) + text(what) + pickle.STACK_GLOBAL


def text(said: str) -> bytes:
    data = said.encode()
    return pickle.BINUNICODE + struct.pack("<I", len(data)) + data


F_RELU = name("torch.nn.functional", "relu")
LINEAR = name("torch.nn.modules.linear", "Linear")
TENSOR = pickle.MARK + text("w") + pickle.TUPLE + pickle.BINPERSID
STATE = pickle.EMPTY_DICT + text("__defaults__") + pickle.MARK + pickle.NEWTRUE + pickle.TUPLE + pickle.SETITEM
SLOTS = pickle.NONE + STATE + pickle.TUPLE2
ITEM = text("x") + pickle.NEWTRUE

REFUSED = {
    "the state of a function": F_RELU + STATE + pickle.BUILD,
    "the slots of a function": F_RELU + SLOTS + pickle.BUILD,
    "the state of a class": LINEAR + STATE + pickle.BUILD,
    "the slots of a class": LINEAR + SLOTS + pickle.BUILD,
    "the state of a dtype": name("torch", "float32") + STATE + pickle.BUILD,
    "the state of weights": TENSOR + STATE + pickle.BUILD,
    "the slots of weights": TENSOR + SLOTS + pickle.BUILD,
    "the state of a dictionary": pickle.EMPTY_DICT + STATE + pickle.BUILD,
    "the state of a text": text("a") + STATE + pickle.BUILD,
    "the slots of a layer": LINEAR + pickle.EMPTY_TUPLE + pickle.NEWOBJ + SLOTS + pickle.BUILD,
    "names that are none": LINEAR + pickle.EMPTY_TUPLE + pickle.NEWOBJ + pickle.EMPTY_DICT + pickle.NONE + pickle.NONE
    + pickle.SETITEM + pickle.BUILD,
    "an item of weights": TENSOR + pickle.BININT1 + b"\0" + pickle.BININT1 + b"\0" + pickle.SETITEM,
    "items of weights": TENSOR + pickle.MARK + pickle.BININT1 + b"\0" + pickle.BININT1 + b"\0" + pickle.SETITEMS,
    "an item of a class": LINEAR + ITEM + pickle.SETITEM,
    "an item of a list": pickle.EMPTY_LIST + ITEM + pickle.SETITEM,
    "what is appended to a class": LINEAR + pickle.NEWTRUE + pickle.APPEND,
    "what is appended to a layer": name("torch.nn.modules.container", "Sequential") + pickle.EMPTY_TUPLE + pickle.NEWOBJ
    + LINEAR + pickle.EMPTY_TUPLE + pickle.NEWOBJ + pickle.APPEND,
    "what is added to weights": TENSOR + pickle.MARK + pickle.NEWTRUE + pickle.ADDITEMS,
    "a layer that is called for": LINEAR + pickle.BININT1 + b"\3" + pickle.TUPLE1 + pickle.REDUCE,
    "a layer with arguments": LINEAR + pickle.BININT1 + b"\3" + pickle.TUPLE1 + pickle.NEWOBJ,
    "a function that is called": F_RELU + TENSOR + pickle.TUPLE1 + pickle.REDUCE,
    "an object of a plain class": name("collections", "OrderedDict") + pickle.EMPTY_TUPLE + pickle.NEWOBJ,
    "a module of the machine": name("os", "system") + text("echo") + pickle.TUPLE1 + pickle.REDUCE,
    "a name of old": b"cos\nsystem\n" + text("echo") + pickle.TUPLE1 + pickle.REDUCE,
    "a dotted name": name("torch.nn.functional", "relu.__globals__"),
    "a module in a module": name("torch", "nn.functional.relu"),
    "an instance of old": pickle.MARK + text("echo") + b"ios\nsystem\n",
    "an object of old": pickle.MARK + LINEAR + pickle.OBJ,
    "an extension": pickle.EXT1 + b"\1",
    "weights without a name": text("w") + pickle.BINPERSID,
    "weights of old": b"Pw\n",
    "a buffer": pickle.NEXT_BUFFER,
    "a number in letters": b"I1\n",
    "an unknown instruction": b"\xff",
    "nothing": b"",
    "a stack that is empty": pickle.POP,
    "a memory that is empty": pickle.BINGET + b"\xfe",
    "a recurrent layer without end": name("torch.nn.modules.rnn", "LSTM") + pickle.EMPTY_TUPLE + pickle.NEWOBJ
    + pickle.EMPTY_DICT + pickle.MARK + text("num_layers") + pickle.BININT + struct.pack("<i", 2**31 - 1)
    + text("_all_weights") + pickle.EMPTY_LIST + pickle.EMPTY_LIST + pickle.NONE + pickle.APPEND + pickle.APPEND
    + text("bidirectional") + pickle.NEWTRUE + pickle.SETITEMS + pickle.BUILD,
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused_has_changed_nothing(case: str) -> None:
    """Functions, classes, dtypes and weights are as they were; and it is one kind of error."""
    before = shared()
    with pytest.raises(pickle.UnpicklingError):
        load(b"\x80\x04" + REFUSED[case] + pickle.STOP)
    assert shared() == before


@pytest.mark.parametrize("case", [case for case in REFUSED if case != "nothing"])
def test_neither_has_what_was_built_before_it_was_refused(case: str) -> None:
    """A fault at the end of an honest pickle is a fault of all of it."""
    model = nn.Sequential(nn.Linear(2, 2))
    honest, _ = dump_skeleton(model, lambda obj: ("w",) if isinstance(obj, torch.Tensor) else None)
    before = shared()
    with pytest.raises(pickle.UnpicklingError):
        load(honest[:-1] + REFUSED[case] + pickle.STOP)
    assert shared() == before


def test_a_pickle_without_end_is_not_read() -> None:
    """Its size is looked at first."""
    with pytest.raises(pickle.UnpicklingError, match="more than"):
        load(b"\0" * (MAX_BYTES + 1))


@given(st.binary(max_size=200) | st.lists(st.sampled_from(
    [op.code.encode("latin-1") for op in pickletools.opcodes] + [F_RELU, LINEAR, STATE, SLOTS, ITEM, TENSOR, b"\0"]
), max_size=30).map(b"".join))  # fmt: skip
@settings(max_examples=examples(150), deadline=None)
def test_no_bytes_change_what_is_shared(data: bytes) -> None:
    """Whatever they are: an object, or the one kind of error."""
    before = shared()
    with contextlib.suppress(pickle.UnpicklingError):
        load(b"\x80\x04" + data + pickle.STOP)
    assert shared() == before


def test_every_layer_of_torch_is_read_as_it_was_written() -> None:
    """Those with functions, devices, sets and dictionaries in them too."""
    models = [
        nn.Sequential(nn.Linear(2, 2), nn.LSTM(2, 3, 2, bidirectional=True), nn.GRU(2, 2), nn.RNNCell(2, 2)),
        nn.TransformerEncoderLayer(4, 2, 8, activation="gelu"),
        nn.TransformerDecoderLayer(4, 2, 8),
        nn.MultiheadAttention(4, 2),
        nn.ModuleDict({"a": nn.ModuleList([nn.Conv2d(1, 2, 3, padding="same"), nn.BatchNorm2d(2)])}),
        nn.ParameterDict({"a": nn.Parameter(torch.ones(2))}),
        nn.ParameterList([nn.Parameter(torch.ones(2))]),
        nn.Embedding(3, 2, padding_idx=0),
        nn.AdaptiveAvgPool2d((None, 3)),
    ]
    for model in models:
        data, _ = dump_skeleton(model, lambda obj: ("p",) if isinstance(obj, torch.Tensor) else None)
        assert str(load(data)) == str(model)


def test_what_builds_itself_runs_no_command(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest of these tricks."""
    monkeypatch.chdir(tmp_path)

    class Sneaky:
        def __reduce__(self) -> Any:
            return os.system, ("echo pwned > pwned.txt",)

    for protocol in range(6):
        with pytest.raises(pickle.UnpicklingError):
            load(pickle.dumps(Sneaky(), protocol=protocol))
    assert not (tmp_path / "pwned.txt").exists()
