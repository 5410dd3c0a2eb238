"""Two models are compared tensor by tensor: the differences are those of numpy, and what is the same is not read."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from tests.support import tensor_files as made
from tests.support.depth import examples
from tests.support.stores import entropy, tiny_store

from holdall.chunks.pool import Pool
from holdall.errors import ArtifactNotFoundError, ContentError
from holdall.storage.memory import MemoryBucket
from holdall.storage.wrappers import RequestCounter, TraceBucket
from holdall.store import Store, TensorChange, TensorDifference, ValueDifference
from holdall.tensors.dtypes import DTYPES, values
from holdall.tensors.measuring import Measure

WRITERS: dict[str, Callable[[Any], bytes]] = {
    "model.safetensors": made.safetensors,
    "arrays.npz": made.npz,
    "small.npz": made.compressed_npz,
    "model.onnx": made.onnx_file,
    "typed.onnx": made.typed_onnx_file,
    "model.pt": lambda arrays: made.torch_file({name: torch.from_numpy(each) for name, each in arrays.items()}),
    "old.pt": lambda arrays: made.legacy_file({name: torch.from_numpy(each) for name, each in arrays.items()}),
}


@pytest.fixture
def store() -> Store:
    """A store with small chunks."""
    return tiny_store(MemoryBucket())


def diff(store: Store, a: bytes, b: bytes, name: str, other: str = "", *, read: bool = True) -> TensorDifference:
    """How the tensors of two files with some bytes differ."""
    run = store.runs.start()
    run.log_bytes(a, f"a/{name}")
    run.log_bytes(b, f"b/{other or name}")
    return store.artifacts.diff_tensors(f"runs:/{run.id}/a/{name}", f"runs:/{run.id}/b/{other or name}", values=read)


def by_name(found: TensorDifference) -> dict[str, TensorChange]:
    return {one.name: one for one in found}


def expected(a: Any, b: Any) -> tuple[int, float, float, float]:
    """What numpy says: how many numbers differ, and max, mean and norm of the difference."""
    wide = "c16" if a.dtype.kind == "c" else "longdouble"  # which holds every int64
    apart = np.abs(a.astype(wide) - b.astype(wide)).astype("f8").ravel()
    return int((a != b).sum()), float(apart.max()), float(apart.mean()), float(np.linalg.norm(apart))


def changed(seed: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Arrays of two checkpoints: some the same, some wholly changed, some in one place."""
    source = np.random.default_rng(seed)
    a: dict[str, Any] = {
        "same": source.standard_normal((40, 50), dtype="f4"),
        "whole": source.standard_normal((30, 70)),
        "place": source.standard_normal(5000, dtype="f4"),
        "ints": source.integers(-(2**62), 2**62, 300),
        "bytes": source.integers(0, 255, 900, dtype="u1"),
        "on": source.random(100) > 0.5,
        "half": source.standard_normal(300).astype("f2"),
        "one": np.array(1.5),
        "none": np.zeros((0, 3), "f4"),
    }
    b = {name: each.copy() for name, each in a.items()}
    b["whole"] += 0.01
    b["place"][2500] += 3
    b["ints"][7] += 100
    b["bytes"][3] ^= 255
    b["on"][5] ^= True
    b["half"] *= 2
    b["one"] += 1
    return a, b


@pytest.mark.parametrize("name", WRITERS)
def test_differences_are_those_that_numpy_computes(store: Store, name: str) -> None:
    """Whatever format the two are in; most changed first, and what is the same last."""
    a, b = changed(1)
    found = diff(store, WRITERS[name](a), WRITERS[name](b), name)
    kinds = {one.name: one.change for one in found}
    assert kinds == {key: "same" if key in ("same", "none") else "changed" for key in a}
    for one in found:
        if one.change == "changed":
            assert one.values
            said = (one.values.changed, one.values.max, one.values.mean, one.values.norm)
            assert said == pytest.approx(expected(a[one.name], b[one.name]), rel=1e-12)
            assert one.values.count == a[one.name].size
    relative = [one.values.relative for one in found if one.values]
    assert relative == sorted(relative, reverse=True)  # type: ignore[type-var]
    assert [one.change for one in found][-2:] == ["same", "same"]


@pytest.mark.parametrize("name", WRITERS)
def test_a_model_does_not_differ_from_itself(store: Store, name: str) -> None:
    """And that is known without reading a number."""
    data = WRITERS[name](changed(2)[0])
    found = diff(store, data, data, name, read=False)
    assert not found
    assert found.counts["same"] == len(found) == 9
    assert found.shared_bytes == len(data)


@pytest.mark.parametrize("name", ["arrays.npz", "small.npz", "model.onnx", "typed.onnx", "model.pt", "old.pt"])
def test_formats_are_compared_with_one_another(store: Store, name: str) -> None:
    """By the names of tensors."""
    a, b = changed(3)
    found = by_name(diff(store, made.safetensors(a), WRITERS[name](b), "model.safetensors", name))
    assert {key: one.change for key, one in found.items()} == {
        key: "same" if key in ("same", "none") else "changed" for key in a
    }
    place = found["place"].values
    assert place
    assert place.changed == 1


NUMBERS = [
    *("float16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
    *("bool", "complex64", "complex128"),
]


@given(st.data())
@settings(max_examples=examples(120), deadline=None)
def test_any_numbers_are_measured_as_numpy_does(data: st.DataObject) -> None:
    """Of each dtype, with NaN and infinities, in one piece or several; two dtypes by what both stand for."""
    first = data.draw(st.sampled_from(NUMBERS))
    second = data.draw(st.sampled_from([first, first, *NUMBERS[:11]])) if not first.startswith("c") else first
    size = data.draw(st.integers(1, 30))
    a, b = (data.draw(hnp.arrays(kind, size)) for kind in (first, second))
    if data.draw(st.booleans()) and first == second:
        b = np.where(data.draw(hnp.arrays(bool, size)), a, b)
    measure = Measure(DTYPES[first], DTYPES[second])
    cut = data.draw(st.integers(0, size))
    for part in (slice(0, cut), slice(cut, size)):
        measure.add(a[part].view("u1"), b[part].view("u1"))
    said = measure.result
    fine = np.isfinite(a) & np.isfinite(b)
    assert (said.nonfinite_a, said.nonfinite_b) == ((~np.isfinite(a)).sum(), (~np.isfinite(b)).sum())
    if first == second:
        rows = (a.view("u1").reshape(size, -1) != b.view("u1").reshape(size, -1)).any(axis=1)
        assert said.changed == rows.sum()
    if not fine.any():
        assert said.max is said.mean is said.norm is said.relative is None
        return
    exact = [abs(complex(x) - complex(y)) if first.startswith("c") else _apart(x, y) for x, y in zip(a[fine], b[fine])]  # noqa: B905
    assert (said.max, said.mean, said.norm) == pytest.approx(
        (max(exact), _mean(exact), math.hypot(*exact)), rel=1e-6, abs=1e-300
    )


def _apart(x: Any, y: Any) -> float:
    x, y = x.item(), y.item()
    try:
        return float(abs(x - y))
    except OverflowError:
        return math.inf


def _mean(numbers: list[float]) -> float:
    try:
        return math.fsum(numbers) / len(numbers)
    except OverflowError:
        return math.inf


TORCH_ONLY = ["bfloat16", "float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz", "float8_e5m2fnuz", "float8_e8m0fnu"]


@pytest.mark.parametrize("name", TORCH_ONLY)
def test_floats_that_numpy_lacks_have_the_values_that_torch_gives_them(name: str) -> None:
    """All 256 of eight bits, all 65,536 of sixteen: each is converted exactly."""
    bits = np.arange(256, dtype="u1") if "8" in name.split("_")[0] else np.arange(1 << 16, dtype="<u2")
    theirs = torch.from_numpy(bits.view("u1").copy()).view(getattr(torch, name)).to(torch.float64).numpy()
    np.testing.assert_array_equal(values(DTYPES[name], bits.view("u1")).astype("f8"), theirs)


def test_halved_precision_is_a_change_of_dtype_with_its_values(store: Store) -> None:
    """A model kept as bfloat16 is compared with itself as float32, number by number."""
    full = torch.randn(50, 60, generator=torch.Generator().manual_seed(1))
    half = full.bfloat16()
    (one,) = diff(store, made.safetensors({"w": full}), made.safetensors({"w": half}), "model.safetensors")
    assert (one.change, one.dtype, one.shape) == ("changed", "float32 -> bfloat16", "[50, 60]")
    assert one.values
    assert one.values.max == float((full.double() - half.double()).abs().max())
    assert one.values.changed == int((full != half.float()).sum())


def test_shapes_that_differ_are_not_measured(store: Store) -> None:
    """It is said what they were and are."""
    a, b = (made.safetensors({"w": np.zeros(shape, "f4")}) for shape in ((2, 3), (3, 3)))
    (one,) = diff(store, a, b, "model.safetensors")
    assert (one.change, one.shape, one.values) == ("changed", "[2, 3] -> [3, 3]", None)


def test_what_is_added_removed_or_renamed_is_told(store: Store) -> None:
    """Large or small; what has the bytes of a removed one under another name was renamed; each stands for one."""
    source = np.random.default_rng(5)
    large, small = source.standard_normal(150_000), source.standard_normal(3)
    a = {"x.large": large, "x.small": small, "x.twin": small, "gone": source.standard_normal(4), "stays": small}
    b = {"y.large": large, "y.small": small, "stays": small, "new": source.standard_normal(4)}
    for write, name in ((made.safetensors, "m.safetensors"), (WRITERS["model.pt"], "m.pt"), (made.npz, "m.npz")):
        found = diff(store, write(a), write(b), name)
        told = {(one.change, one.a and one.a.name, one.b and one.b.name) for one in found}
        assert told == {
            ("renamed", "x.large", "y.large"),
            ("renamed", "x.small", "y.small"),
            ("removed", "x.twin", None),
            ("removed", "gone", None),
            ("added", None, "new"),
            ("same", "stays", "stays"),
        }
    assert "> y.large  float64  [150000]  was x.large" in str(found)


def test_layouts_do_not_matter(store: Store) -> None:
    """Transposed, in columns, big-endian, a slice, or repeated: the numbers are compared, where they stand."""
    base = torch.arange(20.0).reshape(4, 5)
    a = {"t": base.t(), "s": base[:, 1:3], "e": base[0].expand(3, 5), "c": base}
    rows = {name: each.contiguous() for name, each in a.items()}
    assert diff(store, made.torch_file(a), made.torch_file(rows), "m.pt").counts["same"] == 4
    rows["t"][1, 2] += 1
    found = by_name(diff(store, made.torch_file(a), made.torch_file(rows), "m.pt"))
    assert {name for name, one in found.items() if one.change == "changed"} == {"t"}
    assert found["t"].values == ValueDifference(1, 20, 1.0, 1 / 20, 1.0, 1 / float(base.double().norm()))
    one = np.arange(12.0).reshape(3, 4)
    mixed = {"f": np.asfortranarray(one), "b": one.astype(">f8"), "c": one}
    assert diff(store, made.npz(mixed), made.npz(dict.fromkeys(mixed, one)), "m.npz").counts["same"] == 3


def test_what_has_no_numbers_is_compared_as_bytes(store: Store) -> None:
    """Texts, dates, records and quantised tensors; Python objects are not read at all, and that is said."""
    a = {
        "text": np.array(["ab", "c"]),
        "record": np.zeros(3, [("x", "f4"), ("y", "i8")]),
        "object": np.array([{}], dtype=object),
    }
    b = a | {"text": np.array(["ab", "d"]), "record": np.ones(3, a["record"].dtype)}
    found = by_name(diff(store, made.npz(a), made.npz(b), "m.npz"))
    assert found["text"].values == ValueDifference(1, 2)
    assert found["record"].values == ValueDifference(3, 3)
    assert {found[name].note for name in ("text", "record")} == {"compared as bytes"}
    assert (found["object"].change, found["object"].values) == ("unread", None)
    assert "pickled Python objects" in found["object"].note
    p, q = ({"q": torch.quantize_per_tensor(torch.tensor([1.0, x]), 0.1, 0, torch.qint8)} for x in (2.0, 3.0))
    (one,) = diff(store, made.torch_file(p), made.torch_file(q), "m.pt")
    assert (one.dtype, one.note, one.values) == ("qint8", "compared as bytes", ValueDifference(1, 2))


def test_what_is_not_finite_is_counted_and_left_out(store: Store) -> None:
    """NaN is the same as itself; the largest difference is that of what is finite in both."""
    a = {"w": np.array([np.nan, np.inf, 1.0, 2.0]), "n": np.full(3, np.nan)}
    b = {"w": np.array([np.nan, 1.0, np.nan, 2.5]), "n": np.full(3, np.nan)}
    found = by_name(diff(store, made.safetensors(a), made.safetensors(b), "m.safetensors"))
    assert found["w"].values == ValueDifference(3, 4, 0.5, 0.5, 0.5, 0.25, 2, 2)
    assert found["n"].change == "same"


def test_shards_are_compared_by_the_names_of_tensors(store: Store) -> None:
    """A folder of two files and one of three; the same name in one and the same file comes first."""
    a, b = changed(7)
    names = list(a)
    run = store.runs.start()
    for side, arrays, cuts in (("a", a, [0, 4, 9]), ("b", b, [0, 2, 5, 9])):
        for n, (start, stop) in enumerate(pairwise(cuts)):
            some = {name: arrays[name] for name in names[start:stop]}
            run.log_bytes(made.safetensors(some), f"{side}/model-{n}.safetensors")
        run.log_bytes(made.safetensors({"same": arrays["one"]}), f"{side}/other.safetensors")
    found = store.artifacts.diff_tensors(f"runs:/{run.id}/a", f"runs:/{run.id}/b")
    assert found.counts == {"changed": 8, "unread": 0, "added": 0, "removed": 0, "renamed": 0, "same": 2}
    twice = [(one.a.file, one.b.file, one.change) for one in found if one.name == "same" and one.a and one.b]
    assert sorted(twice) == [
        ("model-0.safetensors", "model-0.safetensors", "same"),
        ("other.safetensors", "other.safetensors", "changed"),
    ]


def test_of_what_is_the_same_nothing_is_read() -> None:
    """One tensor of forty differs: its bytes are read, and the chunks around it; the bucket gives no more."""
    bucket, counter = MemoryBucket(), RequestCounter()
    source = np.random.default_rng(3)
    a = {f"layers.{n:02}": source.standard_normal(100_000, dtype="f4") for n in range(40)}
    b = a | {"layers.20": a["layers.20"] + 1}
    run = Store._over(bucket, Pool()).runs.start()
    run.log_bytes(made.safetensors(a), "a.safetensors")
    run.log_bytes(made.safetensors(b), "b.safetensors")
    run.finish()
    uris = [f"runs:/{run.id}/{side}.safetensors" for side in "ab"]
    store = Store._over(TraceBucket(bucket, counter), Pool())
    found = store.artifacts.diff_tensors(*uris)
    tensor, chunk = 400_000, 256 << 10
    assert found.counts["changed"] == 1
    assert found.counts["same"] == 39
    assert found.read_bytes <= 2 * tensor + 4 * chunk + 2 * (128 << 10)
    assert sum(counter.bytes.values()) <= 2 * (tensor + 8 * chunk)
    assert found.shared_bytes >= 38 * tensor
    unread = Store._over(bucket, Pool()).artifacts.diff_tensors(*uris, values=False)
    assert unread.read_bytes <= 2 * (128 << 10)
    assert 1 <= unread.counts["unread"] <= 3
    assert by_name(unread)["layers.20"].change == "unread"


def test_a_large_tensor_is_compared_in_pieces() -> None:
    """Nothing that is held at once grows with the tensor: parts are read that are no larger than 16 MiB together."""
    a = np.zeros(6 << 20, "f4")
    b = a.copy()
    b[::1000] = 1
    store = Store._over(MemoryBucket(), Pool())
    run = store.runs.start()
    for side, each in (("a", a), ("b", b)):
        run.log_bytes(made.safetensors({"w": each}), f"{side}.safetensors")
    (one,) = store.artifacts.diff_tensors(f"runs:/{run.id}/a.safetensors", f"runs:/{run.id}/b.safetensors")
    assert one.values
    assert one.values.changed == len(b[::1000])


def test_it_is_shown_as_text_html_and_json(store: Store) -> None:
    """Names are anybody's: what steers a terminal is shown as an escape, what is HTML is escaped."""
    a, b = (
        {"\x1b[2J<b>": np.array([1.0]), "x": np.array([0.0])},
        {"\x1b[2J<b>": np.array([2.0]), "x": np.array([1.0])},
    )
    found = diff(store, made.npz(a), made.npz(b), "m.npz")
    assert "\x1b" not in str(found)
    assert "1 of 1 changed  max 1, mean 1, norm 1  relative 1" in str(found)
    assert str(found).splitlines()[-1].startswith("2 changed; ")
    assert "&lt;b&gt;" in found._repr_html_()
    assert "<b>" not in found._repr_html_()
    told = json.loads(json.dumps(found.to_dictionary(), allow_nan=False))
    assert told["counts"]["changed"] == 2
    assert [one["values"]["relative"] for one in told["changes"]] == [None, 1.0]


def test_what_cannot_be_compared_is_an_error(store: Store) -> None:
    """Nothing there, no tensors in a file that is named; in a folder what is damaged is named beside the others."""
    run = store.runs.start()
    run.log_bytes(b"text", "a/readme.txt")
    run.log_bytes(made.npz({"w": np.zeros(1)}), "a/m.npz")
    run.log_bytes(b"PK", "a/bad.npz")
    good = f"runs:/{run.id}/a"
    with pytest.raises(ArtifactNotFoundError):
        store.artifacts.diff_tensors(good, f"runs:/{run.id}/missing")
    with pytest.raises(ContentError, match="another ending"):
        store.artifacts.diff_tensors(f"{good}/readme.txt", good)
    found = store.artifacts.diff_tensors(good, good)
    assert set(found.unreadable) == {"a", "b"}
    assert "! a: bad.npz: " in str(found)


@pytest.mark.parametrize("size", [900_000, 100])
def test_a_compressed_array_that_is_not_as_it_says_is_refused(store: Store, size: int) -> None:
    """Its directory says how long it is; what inflates to more, or less, or to nothing that is whole, is an error."""
    import struct

    real = made.compressed_npz({"w": np.zeros(100_000)})
    at = real.rfind(b"PK\1\2")
    lying = real[: at + 24] + struct.pack("<I", size) + real[at + 28 :]
    with pytest.raises(ContentError):
        diff(store, lying, made.npz({"w": np.ones(100_000)}), "a.npz", "b.npz")


def test_random_bytes_are_numbers_too(store: Store, tmp_path: Path) -> None:
    """External data of ONNX is compared where it lies."""
    arrays = [{"w": np.frombuffer(entropy(n)(80_000), "f4")} for n in (1, 1, 2)]
    run = store.runs.start()
    for n, each in enumerate(arrays):
        made.onnx_folder(each, tmp_path / str(n))
        run.log_artifacts(tmp_path / str(n), str(n))
    uris = [f"runs:/{run.id}/{n}" for n in range(3)]
    assert not store.artifacts.diff_tensors(*uris[:2])
    (one,) = store.artifacts.diff_tensors(*uris[1:])
    assert one.values
    assert one.values.changed == 20_000
