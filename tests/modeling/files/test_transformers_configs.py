"""A configuration of transformers that names code or files elsewhere is refused, wherever in it that stands."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from holdall.errors import ContentError
from holdall.modeling.files.transformers_configs import attention_of, check_configs, quantizer_of, without_code

KERNEL = "somebody/attention"
REFUSED: list[dict[str, Any]] = [
    {"_attn_implementation": KERNEL},
    {"attn_implementation": KERNEL},
    {"_attn_implementation": f"paged|{KERNEL}"},
    {"_attn_implementation": f"{KERNEL}@main:run"},
    {"_attn_implementation_internal": KERNEL},
    {"_attn_implementation": {"": "sdpa", "text_config": KERNEL}},
    {"_attn_implementation": ["sdpa", KERNEL]},
    {"_attn_implementation": "flash_attention_2"},  # which is fetched where it is not installed
    {"experts_implementation": KERNEL},
    {"_experts_implementation": "sonicmoe"},
    {"auto_map": {"AutoModel": "mine.Mine"}},
    {"auto_map": ["mine.Mine", None]},
    {"custom_pipelines": {"mine": {"impl": "mine.Mine"}}},
    {"custom_generate": KERNEL},
    {"trust_remote_code": True},
    {"use_kernels": True},
    {"quantization_config": {"quant_method": "hqq"}},
    {"backbone": "somebody/backbone"},
    {"backbone": "hf_hub:somebody/backbone"},
    {"architecture": "local-dir:/etc"},
    {"tokenizer_class": "somebody/repo--Tokenizer"},
    {"processor_class": "a/b"},
    {"image_processor_type": "../x"},
    {"vocab_file": "/etc/passwd"},
    {"vocab_file": "../vocab.txt"},
    {"tokenizer_file": "http://host/tokenizer.json"},
    {"merges_file": ["a"]},
    {"source_spm": "/etc/passwd"},
    {"transformers_weights": "../other.safetensors"},
]


def write(folder: Path, said: Any, name: str = "config.json") -> None:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(json.dumps(said))


@pytest.mark.parametrize("said", REFUSED, ids=json.dumps)
@pytest.mark.parametrize("name", [
    "config.json", "config.4.0.0.json", "generation_config.json", "tokenizer_config.json",
    "sub/preprocessor_config.json",
])  # fmt: skip
def test_what_names_code_or_files_elsewhere_is_refused(tmp_path: Path, said: dict[str, Any], name: str) -> None:
    """At the top, in a part of it and in a list; the error says in which file and what."""
    for where in (said, {"text_config": said}, {"parts": [{"a": [said]}]}):
        write(tmp_path, where, name)
        with pytest.raises(ContentError, match=next(iter(said))) as caught:
            check_configs(tmp_path)
        assert name in str(caught.value)


def test_weights_of_other_folders_are_refused(tmp_path: Path) -> None:
    """An index names files beside it."""
    write(tmp_path, {"weight_map": {"a": "model-1.safetensors"}}, "model.safetensors.index.json")
    check_configs(tmp_path)
    for other in ("/etc/passwd", "../x.safetensors", 7, None):
        write(tmp_path, {"weight_map": {"a": "model-1.safetensors", "b": other}}, "model.safetensors.index.json")
        with pytest.raises(ContentError, match="lies elsewhere"):
            check_configs(tmp_path)


def test_an_adapter_is_refused(tmp_path: Path) -> None:
    """What it adapts is not in the folder."""
    write(tmp_path, {"base_model_name_or_path": "somebody/base"}, "adapter_config.json")
    with pytest.raises(ContentError, match="adapter"):
        check_configs(tmp_path)


@pytest.mark.parametrize(
    "text", ["{", "[" * 100_000, '{"a": NaN', "\ud800"], ids=["cut", "deep", "no number", "no text"]
)
def test_what_is_no_configuration_is_said_to_be_none(tmp_path: Path, text: str) -> None:
    """By the one error."""
    (tmp_path / "config.json").write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(ContentError, match="configuration"):
        check_configs(tmp_path)


def test_what_honest_models_say_is_let_through(tmp_path: Path) -> None:
    """Words that are their own, stale paths that nobody reads, and vocabularies, whose words may be anything."""
    write(tmp_path, {
        "_name_or_path": "/home/somebody/model", "model_type": "bert", "architectures": ["BertModel"],
        "backbone": "resnet50",
        "tokenizer_class": "BertTokenizer", "special_tokens_map_file": "/home/x/map.json", "vocab_file": "vocab.txt",
        "_attn_implementation": "sdpa", "auto_map": None, "quantization_config": None, "trust_remote_code": False,
    })  # fmt: skip
    write(tmp_path, {"model": {"vocab": {"auto_map": 1, "backbone": 2, "trust_remote_code": 3}}}, "tokenizer.json")
    check_configs(tmp_path)
    write(tmp_path, {"auto_map": {"AutoModel": "mine.Mine"}}, "tokenizer_config.json")  # the word, saying something
    with pytest.raises(ContentError, match="auto_map"):
        check_configs(tmp_path)


def test_a_quantizer_is_named_to_the_reader(tmp_path: Path) -> None:
    """It may be there where the MLmodel file says so, for then trust was asked for."""
    write(tmp_path, {"quantization_config": {"quant_method": "hqq"}})
    assert quantizer_of(tmp_path) == "hqq"
    check_configs(tmp_path, quantized=True)


def test_where_classes_came_from_is_taken_out(tmp_path: Path) -> None:
    """A model of transformers' own, that was fetched from a repository with code, is none of that code's any more."""
    write(tmp_path, {"auto_map": {"AutoModel": "a/b--mine.Mine"}, "hidden_size": 3})
    without_code(tmp_path)
    check_configs(tmp_path)
    assert json.loads((tmp_path / "config.json").read_text()) == {"hidden_size": 3}


@pytest.mark.parametrize(("said", "attention"), [
    ({}, None), ({"_attn_implementation": "sdpa"}, "sdpa"), ({"attn_implementation": "eager"}, "eager"),
    ({"output_attentions": True}, "eager"),
])  # fmt: skip
def test_how_a_model_attends_is_said_outright(tmp_path: Path, said: dict[str, Any], attention: str | None) -> None:
    """So that no default of transformers fetches kernels."""
    write(tmp_path, said)
    assert attention_of(tmp_path) == attention
