"""transformers keeps the laws of a flavor, on models of a few kilobytes that are made on the spot.

Marked `transformers`: CI does not install it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest
from tests.conformance.flavor import FlavorLaws

import holdall
import holdall.transformers
from holdall.errors import ContentError, UntrustedModelError
from holdall.modeling.loading.trust import Trust
from holdall.store import Run, Store

pytestmark = pytest.mark.transformers
transformers = pytest.importorskip("transformers", reason="transformers is not installed: see the marker")
torch = pytest.importorskip("torch")

TEXTS = ["a good film", "bad day", "a day"]
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "good", "bad", "film", "day"]
SIZES = {"vocab_size": len(WORDS), "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
CLASSES = {
    "text-classification": "BertForSequenceClassification",
    "token-classification": "BertForTokenClassification",
    "fill-mask": "BertForMaskedLM",
    "feature-extraction": "BertModel",
    "text-generation": "GPT2LMHeadModel",
}


@lru_cache(maxsize=1)
def tokenizer() -> Any:
    """Ten words."""
    from tokenizers import Tokenizer, models, pre_tokenizers

    made = Tokenizer(models.WordLevel({word: n for n, word in enumerate(WORDS)}, unk_token="[UNK]"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    marks = {f"{word[1:-1].lower()}_token": word for word in WORDS[:5]}
    return transformers.PreTrainedTokenizerFast(tokenizer_object=made, **marks)


@lru_cache
def model(task: str) -> Any:
    """A model that never learnt anything."""
    torch.manual_seed(0)
    if task == "text-generation":
        config = transformers.GPT2Config(
            vocab_size=len(WORDS), n_embd=16, n_layer=1, n_head=2, n_positions=32, bos_token_id=2, eos_token_id=3
        )
    else:
        config = transformers.BertConfig(**SIZES, intermediate_size=16, max_position_embeddings=32)
    return getattr(transformers, CLASSES[task])(config).eval()


def pipeline(task: str = "text-classification") -> Any:
    return transformers.pipeline(task, model=model(task), tokenizer=tokenizer())


class TestTransformers(FlavorLaws):
    flavor, loader, distribution = "transformers", "mlflow.transformers", "transformers"
    steady = frozenset({"default"})
    formats: ClassVar[Mapping[str, Mapping[str, Any]]] = {"default": {}}

    def make(self) -> tuple[Any, Any]:
        return pipeline(), TEXTS

    def predictions(self, model: Any, data: Any) -> Any:
        return pd.DataFrame(model(data))


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with a store, and an active run."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", str(tmp_path / "mlruns"))
    holdall.set_store("store")
    holdall.start_run()
    yield tmp_path
    holdall.end_run()


def asked(task: str) -> Any:
    return [f"{text} [MASK]" for text in TEXTS] if task == "fill-mask" else TEXTS


def same(one: Any, other: Any) -> bool:
    return one.equals(other) if isinstance(one, pd.DataFrame) else np.array_equal(one, other)


@pytest.mark.parametrize("task", sorted(set(CLASSES) - {"feature-extraction"}))
@pytest.mark.parametrize("writer", ["ours", "MLflow's"])
def test_each_task_predicts_as_it_does_in_mlflow(here: Path, task: str, writer: str) -> None:
    """On a list, a single text and a table; from MLflow's folder and from ours; with its signature and without."""
    theirs = pytest.importorskip("mlflow.transformers")
    config = {"max_new_tokens": 3, "do_sample": False} if task == "text-generation" else {}
    options = {"pip_requirements": ["torch"], "model_config": config}
    (holdall.transformers if writer == "ours" else theirs).save_model(pipeline(task), "made", **options)
    ours, reference = holdall.pyfunc.load_model("made"), pytest.importorskip("mlflow.pyfunc").load_model("made")
    given = asked(task)
    for data in (given, given[0], pd.DataFrame({"text": given})):
        assert same(ours.predict(data), reference.predict(data)), data


def test_features_are_those_of_all_texts(store: Store, run: Run) -> None:
    """Arrays of tokens and sizes, as the pipeline itself has them."""
    native = pipeline("feature-extraction")
    loaded = store.models.load_pyfunc(store.models.log(run, native, "m").model_uri)
    assert np.array_equal(loaded.predict(TEXTS[0]), native(TEXTS[0])[0])
    for data in (TEXTS, pd.DataFrame({"text": TEXTS})):
        got = loaded.predict(data)
        assert [each.shape for each in got] == [(3, 16), (2, 16), (2, 16)]
        assert all(np.array_equal(each, said[0]) for each, said in zip(got, native(TEXTS), strict=True))


def test_parts_come_back_as_parts(store: Store, run: Run) -> None:
    """A model and a tokenizer, its task found from its class; on request without a pipeline; and a model alone."""
    parts = {"model": model("fill-mask"), "tokenizer": tokenizer()}
    info = store.models.log(run, parts, "parts", flavor="transformers")
    assert info.flavors["transformers"]["task"] == "fill-mask"
    found = store.models.load(info.model_uri, return_type="components")
    assert sorted(found) == ["model", "task", "tokenizer"]
    assert found["tokenizer"]("a film")["input_ids"] == tokenizer()("a film")["input_ids"]
    assert type(store.models.load(info.model_uri)).__name__ == "FillMaskPipeline"
    alone = store.models.log(run, model("fill-mask"), "alone")
    assert set(alone.flavors) == {"transformers"}
    weights = store.models.load(alone.model_uri).state_dict()
    assert all(torch.equal(each, weights[name]) for name, each in parts["model"].state_dict().items())


def test_weights_are_safetensors_and_keep_their_dtype(store: Store, run: Run) -> None:
    """Of the model, or the one that is asked for."""
    half = transformers.BertModel(transformers.BertConfig(**SIZES, intermediate_size=16)).bfloat16()
    uri = store.models.log(run, half, "m").model_uri
    assert "m/model/model.safetensors" in run.manifest
    assert store.models.load(uri, trust=Trust("listed")).dtype == torch.bfloat16
    assert store.models.load(uri, torch_dtype="float32").dtype == torch.float32


@pytest.mark.parametrize("other", ["MineForSequenceClassification", "RagRetriever", "pipeline"])
def test_classes_of_ones_own_are_refused_at_both_ends(store: Store, run: Run, tmp_path: Path, other: str) -> None:
    """They are code; the error says where it belongs. A folder that asks for some, or for no model, runs none."""

    bert: Any = transformers.BertModel

    class Mine(bert):  # type: ignore[misc]
        pass

    with pytest.raises(ValueError, match="log it as a PythonModel"):
        store.models.log(run, Mine(transformers.BertConfig(**SIZES, intermediate_size=16)), "m")
    store.models.save(pipeline(), tmp_path / "model")
    manifest = tmp_path / "model/MLmodel"
    manifest.write_text(manifest.read_text().replace("BertForSequenceClassification", other))
    config = tmp_path / "model/model/config.json"
    said = json.loads(config.read_text()) | {"auto_map": {"AutoModel": "mine.Mine"}}
    config.write_text(json.dumps(said))
    (tmp_path / "model/model/mine.py").write_text(f"open({str(tmp_path / 'pwned')!r}, 'w')")
    with pytest.raises(ContentError, match=f"its model is a {other}"):
        store.models.load(tmp_path / "model")
    assert not (tmp_path / "pwned").exists()


@pytest.mark.parametrize(
    "given", [{"save_pretrained": False}, {"prompt_template": "{prompt}"}, {"base_model_path": "there"}]
)
def test_what_would_leave_something_out_is_refused(here: Path, given: dict[str, Any]) -> None:
    """By name, before anything is written."""
    with pytest.raises(ValueError, match=next(iter(given))):
        holdall.transformers.save_model(pipeline(), "made", **given)
    assert not Path("made").exists()


def test_the_face_logs_and_loads(here: Path) -> None:
    """With a signature, parameters of a call, and by the flavor's own words."""
    info = holdall.transformers.log_model(
        pipeline(), name="m", input_example=(TEXTS, {"top_k": 1}), registered_model_name="films", model_card="# A film"
    )
    assert info.registered_model_version == 1
    loaded = holdall.pyfunc.load_model("models:/films/1")
    assert len(loaded.predict(TEXTS[:2], {"top_k": 1})) == 2
    assert holdall.transformers.load_model(info.model_uri, return_type="components")["task"] == "text-classification"
    with pytest.raises(ValueError, match="return_type"):
        holdall.transformers.load_model(info.model_uri, return_type="model")


@pytest.mark.parametrize("said", [{"_attn_implementation": "somebody/attention"}, {"attn_implementation": "a/b"}])
def test_kernels_are_not_fetched(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: dict[str, Any]
) -> None:
    """A configuration that names some is refused before transformers sees it, in each part of a model."""
    from transformers.integrations import hub_kernels

    monkeypatch.setattr(hub_kernels, "get_kernel", lambda *_, **__: pytest.fail("it was fetched"))
    store.models.save(pipeline(), tmp_path / "model")
    for file in ("model/config.json", "components/tokenizer/tokenizer_config.json"):
        config = tmp_path / "model" / file
        before = config.read_text()
        config.write_text(json.dumps(json.loads(before) | said))
        for load in (store.models.load, store.models.load_pyfunc):
            with pytest.raises(ContentError, match="is fetched and imported"):
                load(tmp_path / "model", trust=Trust("listed"))
        config.write_text(before)
    assert store.models.load(tmp_path / "model", trust=Trust("listed")) is not None


@pytest.mark.parametrize("given", [{"custom_generate": "a/b"}, {"trust_remote_code": True}, {"assistant_model": "a/b"}])
def test_what_a_pipeline_is_called_with_fetches_nothing(store: Store, run: Run, given: dict[str, Any]) -> None:
    """Neither by the MLmodel file's configuration nor by a request's parameters."""
    uri = store.models.log(run, pipeline("text-generation"), "m", model_config=given).model_uri
    for loaded, params in (
        (store.models.load_pyfunc(uri), None),
        (store.models.load_pyfunc(uri, model_config={}), given),
    ):
        with pytest.raises(ValueError, match="cannot fetch code"):
            loaded._predictor.predict(TEXTS, params)


def test_a_model_that_was_fetched_with_code_is_its_own_now(store: Store, run: Run) -> None:
    """Its class is transformers' own, so what names the code of its repository goes."""
    made = transformers.BertModel(transformers.BertConfig(**SIZES, intermediate_size=16))
    made.config.auto_map = {"AutoModel": "somebody/repo--mine.Mine"}
    uri = store.models.log(run, made, "m").model_uri
    assert not hasattr(store.models.load(uri, trust=Trust("listed")).config, "auto_map")


def test_a_quantized_model_needs_trust(store: Store, tmp_path: Path) -> None:
    """A quantizer is code, and may be fetched; where the MLmodel file does not say so there is none."""
    store.models.save(pipeline(), tmp_path / "model")
    config, manifest = tmp_path / "model/model/config.json", tmp_path / "model/MLmodel"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"quantization_config": {"quant_method": "hqq"}}))
    with pytest.raises(ContentError, match="quantization_config"):
        store.models.load(tmp_path / "model", trust=Trust("listed"))
    manifest.write_text(
        manifest.read_text().replace("model_binary: model", "model_binary: model\n    quantized_by: hqq")
    )
    with pytest.raises(UntrustedModelError, match=r"config\.json"):
        store.models.load(tmp_path / "model", trust=Trust("listed"))


@pytest.mark.parametrize("name", ["load", "nn", "torch.load", "__builtins__", "no_such"])
def test_a_dtype_is_a_dtype(store: Store, tmp_path: Path, name: str) -> None:
    """Whatever else torch has of that name."""
    store.models.save(pipeline(), tmp_path / "model")
    manifest = tmp_path / "model/MLmodel"
    manifest.write_text(manifest.read_text().replace("torch_dtype: torch.float32", f"torch_dtype: {name}"))
    with pytest.raises(ContentError, match="dtype of torch"):
        store.models.load(tmp_path / "model")
