"""The configurations of models of transformers, looked at before transformers reads them.

Its classes are its own and its weights run no code; but a configuration can name code
that lies elsewhere: kernels of a hub to fetch and import, a quantizer, another
repository's classes, the base of an adapter, a backbone, files of this machine. So each
file of configuration is held against what it may say, both before a model is logged and
before one is loaded.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, Final

from holdall.errors import ContentError
from holdall.modeling.files.places import named

_IMPLEMENTATIONS: Final = {"eager", "sdpa", "flex_attention", "grouped_mm", "batched_mm", None}
_CODE: Final = ("auto_map", "custom_pipelines", "custom_generate", "trust_remote_code", "use_kernels", "kernel_config")
_STALE: Final = ("special_tokens_map_file",)  # writers of old left where it lay on their disk; nothing reads it
_MAX_BYTES: Final = 32 << 20
# What a pipeline is called with is the MLmodel file's to say, but for these: they fetch code, or read any file.
FETCHING: Final = (
    "custom_generate", "trust_remote_code", "assistant_model", "assistant_tokenizer", "use_auth_token", "token",
)  # fmt: skip


def check_configs(folder: Path, *, quantized: bool = False) -> None:
    """Refuse a model whose configuration names code, or files elsewhere.

    Args:
        folder: Where `save_pretrained` wrote it, or a part of it.
        quantized: Whether a quantizer may be named; the reader was asked for trust then.

    Raises:
        ContentError: It does; which file, and what it says, is named.
    """
    for file in sorted(folder.rglob("*.json")):
        if file.name.startswith("adapter_"):
            raise _refused(file, "it is an adapter to another model")
        if "config" in file.name or file.name.endswith(".index.json"):
            for key, value in _said(_parsed(file)):
                if reason := _fault(key, value, quantized=quantized):
                    raise _refused(file, reason)


def without_code(folder: Path) -> None:
    """Take out of what was just saved where its classes came from: it is made of transformers' own."""
    for file in sorted(folder.rglob("*config*.json")):
        config = _parsed(file)
        if isinstance(config, dict) and "auto_map" in config:
            kept = {key: value for key, value in config.items() if key != "auto_map"}
            file.write_text(json.dumps(kept, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def quantizer_of(folder: Path) -> str | None:
    """Return what a saved model was quantized by; None if it was not."""
    config = _parsed(folder / "config.json") if (folder / "config.json").is_file() else {}
    found = config.get("quantization_config") if isinstance(config, dict) else None
    return str(found.get("quant_method") or "unknown") if isinstance(found, Mapping) else None


def attention_of(folder: Path) -> Any:
    """How a model attends, as its configuration says; said to transformers outright, so that nothing else decides."""
    config = _parsed(folder / "config.json") if (folder / "config.json").is_file() else {}
    known = config if isinstance(config, dict) else {}
    found = known.get("_attn_implementation") or known.get("attn_implementation")
    return found or ("eager" if known.get("output_attentions") else None)


def _refused(file: Path, reason: str) -> ContentError:
    return ContentError(str(file), "made of transformers' own classes and of this folder's files alone", reason)


def _parsed(file: Path) -> Any:
    if file.stat().st_size > _MAX_BYTES:
        raise ContentError(str(file), "a configuration", f"it has more than {_MAX_BYTES} bytes")
    try:
        return json.loads(file.read_bytes())
    except (ValueError, RecursionError) as error:
        raise ContentError(str(file), "a configuration", str(error)) from error


def _said(value: Any) -> Iterator[tuple[str, Any]]:
    """Yield all names and values, however deep they stand."""
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, dict):
            yield from each.items()
        waiting += each.values() if isinstance(each, dict) else each if isinstance(each, list) else ()


def _fault(key: str, value: Any, *, quantized: bool) -> str:
    if not value:
        return ""
    if key in _CODE:
        return f"its {key} names code"
    if "implementation" in key and (other := [each for each in _leaves(value) if each not in _IMPLEMENTATIONS]):
        return f"its {key} is {other[0]!r}, which is fetched and imported"
    if key == "quantization_config" and not quantized:
        return "its quantization_config has code imported, and its MLmodel file does not say so"
    if key in ("backbone", "architecture") and isinstance(value, str) and ("/" in value or ":" in value):
        return f"its {key} {value!r} lies elsewhere"
    if key.endswith(("_class", "_type")) and isinstance(value, str) and ("/" in value or "--" in value):
        return f"its {key} {value!r} is of another repository"
    if key == "weight_map":
        return next((reason for each in _leaves(value) if (reason := _elsewhere(key, each))), "")
    if key.endswith(("_file", "_spm")) or key == "transformers_weights":
        return "" if key in _STALE else _elsewhere(key, value)
    return ""


def _leaves(value: Any) -> list[Any]:
    """Return a value, or those of a dictionary or list."""
    return list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else [value]


def _elsewhere(key: str, value: Any) -> str:
    try:
        stays = isinstance(value, str) and not PurePosixPath(named(value)).is_absolute()
    except ContentError:
        stays = False
    return "" if stays else f"its {key} {value!r} lies elsewhere"
