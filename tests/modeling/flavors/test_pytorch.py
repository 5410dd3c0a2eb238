"""PyTorch keeps the laws of a flavor, in each of its formats; and what is its own."""

from __future__ import annotations

import os
import pickle
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest
import torch
from tests.conformance.flavor import FlavorLaws
from torch import nn

import holdall
import holdall.pytorch
from holdall.chunks.pool import Pool
from holdall.errors import ContentError, SchemaMismatchError, UntrustedModelError
from holdall.modeling.files import torch_files
from holdall.modeling.files.skeleton import dump_skeleton
from holdall.modeling.flavor_registry import flavor_named
from holdall.modeling.loading.loader import code_run_by, read_model
from holdall.modeling.loading.trust import Trust
from holdall.storage.memory import MemoryBucket
from holdall.store import Run, Store

DATA = np.linspace(-1, 1, 15, dtype=np.float32).reshape(5, 3)
STRICT = Trust("listed")


def layers() -> nn.Module:
    """A network of torch.nn's own parts, in the middle of its training."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 8), nn.Dropout(0.5), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 2))


class Tied(nn.Module):  # type: ignore[misc]
    """A class of one's own, whose two layers have the same weights."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(3, 3), nn.Linear(3, 3)
        self.second.weight = self.first.weight
        self.register_buffer("seen", torch.zeros(2), persistent=False)

    def forward(self, x: Any) -> Any:
        return self.second(self.first(x).relu())


class Named(nn.Module):  # type: ignore[misc]
    """Arguments and answers by name."""

    def forward(self, a: Any, b: Any, scale: float = 1.0) -> Any:
        return {"sum": (a + b) * scale}


def answer(model: Any, data: Any) -> Any:
    """What the module itself says, when it is not learning."""
    with torch.no_grad(), torch_files.evaluating(model):
        return model(torch.from_numpy(data)).numpy()


class TestPytorch(FlavorLaws):
    flavor, loader, distribution = "pytorch", "mlflow.pytorch", "torch"
    formats: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "pickle": {},
        "pt2": {"serialization_format": "pt2", "example_inputs": DATA},
        "safetensors": {"serialization_format": "safetensors"},
    }
    runs_code = frozenset({"pickle", "pt2"})
    steady = frozenset({"pickle", "safetensors"})

    def make(self) -> tuple[Any, Any]:
        return layers(), DATA

    def predictions(self, model: Any, data: Any) -> Any:
        return answer(model, data)

    def test_the_manifest_says_who_loads_it(self, store: Store, run: Run, made: Any, format: str) -> None:
        """MLflow, which asks holdall for what it has no format of."""
        self.__dict__["loader"] = "holdall.pytorch" if format == "safetensors" else "mlflow.pytorch"
        super().test_the_manifest_says_who_loads_it(store, run, made, format)
        assert ("holdall==" in run.load_text("model/requirements.txt")) == (format == "safetensors")


class TestScript(FlavorLaws):
    flavor, loader, distribution = "pytorch", "mlflow.pytorch", "torch"
    runs_code = frozenset({"default"})

    def make(self) -> tuple[Any, Any]:
        return torch.jit.script(layers()), DATA

    def predictions(self, model: Any, data: Any) -> Any:
        return answer(model, data)


@pytest.fixture
def bucket() -> MemoryBucket:
    return MemoryBucket()


@pytest.fixture
def store(bucket: MemoryBucket) -> Store:
    return Store._over(bucket, Pool(), trusted=True)


# --- what is stored ---


@pytest.mark.parametrize(("format", "times"), [("pickle", 10), ("safetensors", 3)])
def test_ten_tuned_heads_cost_less_than_a_third_of_the_network(
    store: Store, bucket: MemoryBucket, format: str, times: int
) -> None:
    """All that is in the store after runs that trained the head alone, against one model's weights."""
    torch.manual_seed(0)
    # above 8 MiB, so that its pack has two hints: a lone one may fall on a file that no other model has
    model = nn.Sequential(*(nn.Linear(512, 512) for _ in range(10)), nn.Linear(512, 10))
    weights = sum(each.nbytes for each in model.parameters())
    optimizer = torch.optim.SGD(model[-1].parameters(), 0.1)
    before = stored(bucket)
    for _ in range(times):
        optimizer.zero_grad()
        model(torch.randn(4, 512)).square().sum().backward()
        optimizer.step()
        run = store.runs.start()
        store.models.log(run, model, "model", serialization_format=format)
        run.finish()
    assert weights > 10_000_000
    assert stored(bucket) - before <= 1.3 * weights


@pytest.mark.parametrize("format", ["pickle", "safetensors"])
def test_the_same_module_again_is_one_entry(store: Store, bucket: MemoryBucket, run: Run, format: str) -> None:
    """Below 4 KiB, and nothing else."""
    model = nn.Sequential(nn.Linear(256, 512), nn.Linear(512, 2))
    store.models.log(run, model, "first", serialization_format=format)
    before = {info.key for info in bucket.list()}
    store.models.log(run, model, "second", serialization_format=format)
    new = [info for info in bucket.list() if info.key not in before]
    assert len(new) == 1
    assert new[0].size < 4096


def stored(bucket: MemoryBucket) -> int:
    return sum(info.size for info in bucket.list())


# --- what logging does to a model ---


@pytest.mark.parametrize("format", ["pickle", "pt2", "safetensors"])
def test_logging_teaches_a_module_nothing(store: Store, run: Run, format: str) -> None:
    """It goes on training as before: modes, statistics, devices; even where some of its parts are frozen."""
    model: Any = layers().train()
    model[2].eval()
    modes = [part.training for part in model.modules()]
    before = {name: each.clone() for name, each in model.state_dict().items()}
    options: dict[str, Any] = {"example_inputs": DATA} if format == "pt2" else {}
    store.models.log(
        run, model, "m", serialization_format=format, input_example=DATA, model_config={"device": "cpu"}, **options
    )
    assert [part.training for part in model.modules()] == modes
    assert all(torch.equal(each, before[name]) for name, each in model.state_dict().items())


def test_a_signature_is_enforced(store: Store, run: Run) -> None:
    """Arrays of another dtype or shape are refused; tensors are arrays to it."""
    loaded = store.models.load_pyfunc(store.models.log(run, layers(), "m", input_example=DATA).model_uri)
    for wrong in (DATA.astype(np.float64), DATA[:, :2]):
        with pytest.raises(SchemaMismatchError):
            loaded.predict(wrong)
    assert np.array_equal(loaded.predict(torch.from_numpy(DATA)), loaded.predict(DATA))


@pytest.mark.parametrize("serialization_format", ["onnx", "pt3"])
def test_a_format_that_cannot_be_is_refused(store: Store, run: Run, serialization_format: str) -> None:
    """The error lists those that can; nothing is logged."""
    with pytest.raises(ValueError, match="is none of pickle, pt2, safetensors"):
        store.models.log(run, layers(), "m", serialization_format=serialization_format)
    assert run.manifest == {}


def test_a_graph_needs_an_example_and_a_script_is_none(store: Store, run: Run) -> None:
    """Each error says what to do."""
    with pytest.raises(ValueError, match="needs example_inputs"):
        store.models.log(run, layers(), "m", serialization_format="pt2")
    with pytest.raises(ValueError, match="leave serialization_format"):
        store.models.log(run, torch.jit.script(layers()), "m", serialization_format="safetensors")


# --- predictions ---


def test_a_table_gives_a_table(store: Store, run: Run) -> None:
    """With the same index; a single column of answers too."""
    model = layers()
    loaded = store.models.load_pyfunc(store.models.log(run, model, "m").model_uri)
    given = pd.DataFrame(DATA.astype(np.float64), index=list("vwxyz"))
    got = loaded.predict(given)
    assert list(got.index) == list("vwxyz")
    assert np.array_equal(got.to_numpy(), answer(model, DATA))


def test_names_and_parameters_reach_the_module(store: Store, run: Run) -> None:
    """Arrays by the names of its arguments, parameters as keywords; a device is none of them."""
    loaded = store.models.load_pyfunc(store.models.log(run, Named(), "m").model_uri)
    got = loaded._predictor.predict({"a": DATA, "b": DATA[::-1]}, {"scale": 2.0})
    assert np.array_equal(got["sum"], (DATA + DATA[::-1]) * 2)
    with pytest.raises(ValueError, match="model_config"):
        loaded._predictor.predict({"a": DATA, "b": DATA}, {"device": "cuda"})
    with pytest.raises(TypeError, match="not a list"):
        loaded.predict([[1.0, 2.0, 3.0]])


def test_numbers_that_numpy_lacks_are_made_wider(store: Store, run: Run) -> None:
    """bfloat16 comes back as float32."""
    loaded = store.models.load_pyfunc(store.models.log(run, nn.Linear(3, 2).bfloat16(), "m").model_uri)
    assert loaded.predict(torch.from_numpy(DATA).bfloat16()).dtype == np.float32


# --- devices ---


@pytest.fixture
def gpu_tags() -> Iterator[None]:
    """Whatever is saved says that it was on a GPU, as torch itself would say it."""
    registry = torch.serialization._package_registry
    before = list(registry)
    torch.serialization.register_package(0, lambda _: "cuda:0", lambda *_: None)
    yield
    registry[:] = before


@pytest.mark.skipif(torch.accelerator.is_available(), reason="there is an accelerator to load it on")
def test_what_was_on_a_gpu_is_loaded_without_one(
    store: Store, run: Run, gpu_tags: None, request: pytest.FixtureRequest
) -> None:
    """Where torch alone refuses."""
    model = layers()
    store.models.log(run, model, "m")
    path = store.artifacts.download(f"runs:/{run.id}/m/data/model.pth", str(request.getfixturevalue("tmp_path")))
    with pytest.raises(RuntimeError, match="CUDA"):
        torch.load(path, weights_only=False)
    loaded = store.models.load(f"runs:/{run.id}/m")
    assert {each.device.type for each in loaded.parameters()} == {"cpu"}
    assert np.array_equal(answer(loaded, DATA), answer(model, DATA))


@pytest.mark.parametrize("format", ["pickle", "safetensors"])
def test_a_model_is_put_where_its_reader_says(store: Store, run: Run, format: str) -> None:
    """By `device`, by `map_location`, or by `model_config`; torch's own device without memory shows it anywhere."""
    uri = store.models.log(run, nn.Linear(3, 2), "m", serialization_format=format).model_uri
    assert store.models.load(uri, device="meta").weight.is_meta
    assert store.models.load(uri, map_location="meta").weight.is_meta
    predictor: Any = store.models.load_pyfunc(uri, model_config={"device": "meta"})._predictor
    assert predictor._model.weight.is_meta


# --- weights apart ---


def test_torchs_own_parts_run_no_code(store: Store, run: Run) -> None:
    """Layers of every common kind load under the strictest policy, as they were."""
    encoder = nn.TransformerEncoder(
        nn.TransformerEncoderLayer(4, 2, 8, batch_first=True), 2, enable_nested_tensor=False
    )
    model = nn.ModuleDict(
        {
            "text": nn.Sequential(nn.Embedding(7, 4), encoder, nn.LayerNorm(4)),
            "image": nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.GELU(), nn.Flatten()),
            "series": nn.LSTM(3, 5, 2),
            "scales": nn.ParameterDict({"scale": nn.Parameter(torch.ones(2), requires_grad=False)}),
        }
    )
    info = store.models.log(run, model, "m", serialization_format="safetensors")
    assert info.flavors["pytorch"]["rebuilt_by"] == "torch.nn"
    loaded = store.models.load(info.model_uri, trust=STRICT)
    assert str(loaded) == str(model)
    assert all(torch.equal(each, loaded.state_dict()[name]) for name, each in model.state_dict().items())
    assert not loaded["scales"]["scale"].requires_grad
    words = torch.tensor([[1, 2, 3]])
    assert torch.equal(loaded["text"](words), model["text"].eval()(words))


def test_classes_of_ones_own_need_trust_but_their_weights_do_not(store: Store, run: Run) -> None:
    """The skeleton names the class; the weights go into a module of the reader's."""
    model = Tied()
    uri = store.models.log(run, model, "m", serialization_format="safetensors").model_uri
    with pytest.raises(UntrustedModelError, match=r"data/module\.pkl"):
        store.models.load(uri, trust=STRICT)
    loaded = store.models.load(uri, trust=Trust("same-store"))
    assert loaded.second.weight is loaded.first.weight
    assert loaded.seen.tolist() == [0, 0]
    assert np.array_equal(answer(loaded, DATA), answer(model, DATA))
    mine = Tied()
    mine.load_state_dict(torch_files.load_state_dict(store.artifacts.download(f"runs:/{run.id}/m")))
    assert np.array_equal(answer(mine, DATA), answer(model, DATA))


class Sneaky:
    """Runs a command when a pickle of it is read."""

    def __reduce__(self) -> Any:
        return os.system, ("echo pwned > pwned.txt",)


@pytest.mark.parametrize("other", ["module.pkl", "model.pth"])
def test_a_skeleton_that_lies_runs_nothing(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, other: str
) -> None:
    """What says that it needs torch.nn alone is read so, whatever is in it or beside it."""
    monkeypatch.chdir(tmp_path)
    store.models.save(layers(), "model", serialization_format="safetensors")
    Path("model/data", other).write_bytes(pickle.dumps(Sneaky()))
    if other == "module.pkl":
        with pytest.raises(ContentError, match="is not among what may be built"):
            store.models.load("model", trust=STRICT)
    else:
        assert store.models.load("model", trust=STRICT) is not None
    assert not Path("pwned.txt").exists()


def test_weights_that_are_views_of_one_another_are_refused(store: Store, run: Run) -> None:
    """As safetensors, which would have them twice; by an error that says what to do."""
    model = nn.Linear(3, 3)
    model.part = nn.Parameter(model.weight.detach()[:2])
    with pytest.raises(ValueError, match="keep the model as pickle"):
        store.models.log(run, model, "m", serialization_format="safetensors")
    assert store.models.load(store.models.log(run, model, "m").model_uri).part.shape == (2, 3)


def test_a_weight_that_is_a_part_of_a_large_storage_is_kept_alone(store: Store, tmp_path: Path) -> None:
    """A pickle would have all of the storage; the module is as it was, and what shares one goes on sharing."""
    large = torch.arange(1_000_000.0)
    model = nn.Linear(3, 2, bias=False)
    model.weight = nn.Parameter(large[:6].view(2, 3))
    store.models.save(model, tmp_path / "alone", pip_requirements=[])
    assert sum(each.stat().st_size for each in (tmp_path / "alone").rglob("*.pth")) < 10_000
    assert model.weight.data_ptr() == large.data_ptr()
    assert torch.equal(store.models.load(tmp_path / "alone").weight, model.weight)
    model.all = large
    store.models.save(model, tmp_path / "shared", pip_requirements=[])
    loaded = store.models.load(tmp_path / "shared")
    loaded.all[0] = 7
    assert loaded.weight[0, 0] == 7


@pytest.mark.parametrize("file", ["model.safetensors", "module.pkl", "model.pth"])
def test_what_is_damaged_is_said_to_be(store: Store, tmp_path: Path, file: str) -> None:
    """A file that is cut short is a ContentError that names the folder, in every format."""
    format = "pickle" if file == "model.pth" else "safetensors"
    store.models.save(layers(), tmp_path / "model", serialization_format=format)
    path = tmp_path / "model/data" / file
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(ContentError, match="data"):
        store.models.load(tmp_path / "model")


# --- the face ---


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with a store, and an active run."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", str(tmp_path / "mlruns"))
    monkeypatch.setenv("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "true")
    holdall.set_store("store")
    holdall.start_run()
    yield tmp_path
    holdall.end_run()


def test_the_face_logs_and_loads(here: Path) -> None:
    """As MLflow's documents have it, with the words they use."""
    model = layers()
    info = holdall.pytorch.log_model(model, name="model", input_example=DATA, export_model=True)
    assert info.flavors["pytorch"]["serialization_format"] == "pt2"
    assert np.array_equal(answer_of_graph(holdall.pytorch.load_model(info.model_uri)), answer(model, DATA))
    script = holdall.pytorch.log_model(torch.jit.script(model), name="script", pip_requirements=["torch"])
    assert isinstance(holdall.pytorch.load_model(script.model_uri), torch.jit.ScriptModule)
    found = holdall.log_model(model, "found")
    assert isinstance(holdall.load_model(found.model_uri), nn.Sequential)


def answer_of_graph(model: Any) -> Any:
    with torch.no_grad():
        return model(torch.from_numpy(DATA)).numpy()


def test_the_last_checkpoint_of_a_versioned_run_is_replaced(here: Path) -> None:
    """`log_state_dict` takes what other verbs that log files take; the weights before it can be read."""
    with holdall.start_run(nested=True, paths="versioned") as run:
        for epoch in range(4):
            weights = {"w": torch.full((2,), float(epoch))}
            holdall.pytorch.log_state_dict(weights, "last", on_conflict="replace", keep_last=2)
    _, before = run.versions("last/state_dict.safetensors")
    run.download("last/state_dict.safetensors", here / "before", version=before.version)
    for place, epoch in ((f"runs:/{run.id}/last", 3), (str(here / "before" / "last"), 2)):
        assert holdall.pytorch.load_state_dict(place)["w"].tolist() == [epoch, epoch]


def test_state_dicts_are_kept_without_code(here: Path) -> None:
    """Names and tensors as safetensors; an optimizer's as torch has it; MLflow's are read as well."""
    theirs = pytest.importorskip("mlflow.pytorch")
    model = layers()
    optimizer = torch.optim.Adam(model.parameters())
    holdall.pytorch.log_state_dict(model.state_dict(), "weights")
    holdall.pytorch.log_state_dict(optimizer.state_dict(), "optimizer")
    theirs.save_state_dict(model.state_dict(), "theirs")
    active = holdall.active_run()
    assert active is not None
    run_id = active.info.run_id
    assert [each.path for each in holdall.artifacts.list_artifacts(f"runs:/{run_id}/weights")] == [
        "weights/state_dict.safetensors"
    ]
    for uri in (f"runs:/{run_id}/weights", "theirs"):
        got = holdall.pytorch.load_state_dict(uri)
        assert all(torch.equal(each, got[name]) for name, each in model.state_dict().items())
    assert holdall.pytorch.load_state_dict(f"runs:/{run_id}/optimizer") == optimizer.state_dict()
    with pytest.raises(TypeError, match="Sequential"):
        holdall.pytorch.log_state_dict(model, "model")
    Path("sneaky").mkdir()
    torch.save(Sneaky(), "sneaky/state_dict.pth")
    with pytest.raises(ContentError):
        holdall.pytorch.load_state_dict("sneaky")
    assert not Path("pwned.txt").exists()


# --- MLflow ---


@pytest.mark.parametrize("kind", ["pickle", "pt2", "script"])
def test_what_mlflow_saved_loads(here: Path, kind: str) -> None:
    """As the module and as a python_function, with the same predictions on arrays and tables."""
    theirs = pytest.importorskip("mlflow.pytorch")
    model = layers().eval()
    given = torch.jit.script(model) if kind == "script" else model
    format = "pt2" if kind == "pt2" else "pickle"
    theirs.save_model(given, "made", serialization_format=format, input_example=DATA, pip_requirements=["torch"])
    said = code_run_by(flavor_named("pytorch"), read_model(Path("made")))
    assert [file for file in said if Path("made", file).is_file()] == [
        f"data/model.{'pt2' if kind == 'pt2' else 'pth'}"
    ]
    native = holdall.pytorch.load_model("made")
    assert np.array_equal(answer_of_graph(native), answer(model, DATA))
    ours, reference = holdall.pyfunc.load_model("made"), pytest.importorskip("mlflow.pyfunc").load_model("made")
    assert np.array_equal(ours.predict(DATA), reference.predict(DATA))
    table = pd.DataFrame(DATA)
    pd.testing.assert_frame_equal(ours._predictor.predict(table), reference._model_impl.predict(table))


@pytest.mark.parametrize("kind", ["pickle", "pt2", "script"])
def test_mlflow_loads_the_module_that_we_saved(here: Path, kind: str) -> None:
    """By `mlflow.pytorch.load_model`."""
    theirs = pytest.importorskip("mlflow.pytorch")
    model = layers().eval()
    given = torch.jit.script(model) if kind == "script" else model
    format = "pt2" if kind == "pt2" else None
    holdall.pytorch.save_model(given, "made", serialization_format=format, input_example=DATA)
    assert np.array_equal(answer_of_graph(theirs.load_model("made")), answer(model, DATA))


@pytest.mark.parametrize(
    "value", [{"a": 1}, nn.functional.relu, torch.Size([1])], ids=["dictionary", "function", "size"]
)
def test_a_skeleton_of_no_module_is_said_to_be_none(store: Store, tmp_path: Path, value: Any) -> None:
    """By the one error of files that are not what they were read as."""
    store.models.save(layers(), tmp_path / "model", serialization_format="safetensors")
    (tmp_path / "model/data/module.pkl").write_bytes(pickle.dumps(value, protocol=4))
    with pytest.raises(ContentError, match="PyTorch model"):
        store.models.load(tmp_path / "model", trust=STRICT)


def test_a_module_within_itself_is_said_to_be_none(store: Store, tmp_path: Path) -> None:
    """It would be walked without end."""
    model = nn.Sequential(nn.Linear(2, 2))
    store.models.save(model, tmp_path / "model", serialization_format="safetensors")
    model.append(model)
    skeleton, _ = dump_skeleton(
        model, lambda each: None if not isinstance(each, torch.Tensor) else ("0.bias", True, True)
    )
    (tmp_path / "model/data/module.pkl").write_bytes(skeleton)
    with pytest.raises(ContentError, match="PyTorch model"):
        store.models.load(tmp_path / "model", trust=STRICT)
