"""A small network, really trained: the head on a frozen MiniLM, saved after every epoch.

It learns from which of eight modules of the standard library a docstring
comes: text that every machine has. A checkpoint is what a training job saves:
as safetensors all weights, backbone included; as torch.save the optimizer too.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

from benchmarks.data import kept, real_model
from benchmarks.measured import Clock, measure

EPOCHS = 10
MODULES = ("asyncio", "datetime", "decimal", "email.message", "os", "socket", "statistics", "unittest.mock")


def checkpoints(folder: Path, kind: str, epochs: int = EPOCHS) -> list[Path]:
    """The checkpoints of one training, `kind` being safetensors or pt, made by a process of its own."""

    def make(path: Path) -> None:
        path.mkdir()
        found = measure("benchmarks.training:train", folder=str(path), epochs=epochs)
        print(f"trained: {found.facts['accuracy']:.0%} of {found.facts['texts']} docstrings placed", flush=True)

    return sorted(kept(folder / f"checkpoints-{epochs}" / "epochs", make).glob(f"*.{kind}"))


def train(clock: Clock, *, folder: str, epochs: int) -> dict[str, Any]:
    """Trains and saves; how well it learnt."""
    import torch
    from safetensors.torch import save_file
    from sentence_transformers import SentenceTransformer

    torch.manual_seed(2026)
    texts, labels = zip(*_docstrings(), strict=True)
    backbone = SentenceTransformer(str(real_model().parent), device="cpu")
    features = torch.from_numpy(backbone.encode(list(texts)))
    wanted = torch.tensor(labels)
    head = torch.nn.Sequential(torch.nn.Linear(384, 128), torch.nn.ReLU(), torch.nn.Linear(128, len(MODULES)))
    optimizer = torch.optim.Adam(head.parameters(), lr=1e-3)
    for epoch in range(epochs):
        for batch in torch.randperm(len(texts)).split(32):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(head(features[batch]), wanted[batch]).backward()
            optimizer.step()
        weights = {f"backbone.{name}": value for name, value in backbone.state_dict().items()}
        weights |= {f"head.{name}": value for name, value in head.state_dict().items()}
        save_file(weights, Path(folder, f"epoch-{epoch:02}.safetensors"))
        whole = {"epoch": epoch, "model": weights, "optimizer": optimizer.state_dict()}
        torch.save(whole, Path(folder, f"epoch-{epoch:02}.pt"))
    right = (head(features).argmax(1) == wanted).float().mean().item()
    return {"accuracy": right, "texts": len(texts)}


def _docstrings() -> Iterator[tuple[str, int]]:
    """Texts and the number of the module that each is from."""
    for label, name in enumerate(MODULES):
        module = import_module(name)
        members = [value for value in vars(module).values() if inspect.isclass(value) or inspect.isroutine(value)]
        members += [f for value in members if inspect.isclass(value) for f in vars(value).values()]
        texts = sorted({doc for value in members if (doc := inspect.getdoc(value)) and len(doc) > 40})
        yield from ((text[:400], label) for text in texts[:60])
