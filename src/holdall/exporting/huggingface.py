"""A model as a folder of the Hugging Face Hub: its files where the Hub's libraries look for them, and a card.

What transformers keeps is put at the top, where `from_pretrained` reads it. A
model of scikit-learn gets the `config.json` that skops writes for the Hub. All
else stays where it is. A card that is there stays as it is.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from holdall.errors import DestinationError
from holdall.exporting.model_files import ModelFile, model_files
from holdall.modeling.loading.loader import read_model
from holdall.modeling.loading.model_folder import Fetched
from holdall.modeling.model import FILE, Model, dump_yaml
from holdall.modeling.saving.exporting import refuse_taken
from holdall.store import Store

CARD: Final = "README.md"
_LIBRARIES: Final = {"sklearn": "scikit-learn", "pytorch": "pytorch", "tensorflow": "tf-keras", "python_function": ""}
_ENVIRONMENT: Final = (FILE, "conda.yaml", "python_env.yaml")


def write_folder(store: Store, uri: str, target: Path) -> int:
    """Write a model as such a folder; return how many files. Args, raises: as `model_to_huggingface`."""
    refuse_taken(target)
    fetched = Fetched(uri, store.artifacts.download, None)
    try:
        model, files = read_model(fetched.folder), model_files(fetched.folder)
        placed = _placed(model, files)
        for path, file in placed.items():
            place = target / path
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file.place, place)
        made = dict(_made(model, uri, fetched.folder, placed))
        for path, data in made.items():
            (target / path).write_bytes(data)
    finally:
        fetched.drop()
    return len(placed) + len(made)


def _placed(model: Model, files: Sequence[ModelFile]) -> dict[str, ModelFile]:
    """Return the file at each path of the folder.

    Raises:
        DestinationError: Two files of the model would have one path.
    """
    placed: dict[str, ModelFile] = {}
    for file in files:
        path = _path(file.path) if "transformers" in model.flavors else file.path
        if path is None:
            continue
        if path in placed and placed[path].place.read_bytes() != file.place.read_bytes():
            raise DestinationError(path, f"both {placed[path].path} and {file.path} of the model would be here")
        placed.setdefault(path, file)
    return placed


def _path(path: str) -> str | None:
    """Return where the Hub looks for a file of a model of transformers; None: it has no use for it."""
    if path in _ENVIRONMENT:
        return None  # whose paths are those of the model's own folder
    top, _, below = path.partition("/")
    if top == "components":
        return below.partition("/")[2] or None
    return below if top in ("model", "processor") and below else path


def _made(model: Model, uri: str, folder: Path, placed: dict[str, ModelFile]) -> Iterator[tuple[str, bytes]]:
    """Yield what the Hub wants beside a model's own files, where they do not have it."""
    requirements = folder / "requirements.txt"
    needs = requirements.read_text().split("\n")[:1000] if requirements.is_file() else []
    if CARD not in placed:
        yield CARD, _card(model, uri)
    if "config.json" not in placed and "sklearn" in model.flavors:
        said = model.flavors["sklearn"]
        name = str(said.get("pickled_model", "model.skops"))
        kind = "skops" if name.endswith(".skops") else "pickle"
        environment = [line.strip() for line in needs if line.strip() and not line.startswith(("-", "#"))]
        body = {"sklearn": {"environment": environment, "model": {"file": name}, "model_format": kind}}
        yield "config.json", json.dumps(body, indent=2).encode() + b"\n"


def _card(model: Model, uri: str) -> bytes:
    """Return a card: what the Hub reads at its top, then what is known of the model."""
    flavors = [flavor for flavor in model.flavors if flavor != "python_function"] or list(model.flavors)
    library = _LIBRARIES.get(flavors[0], flavors[0]) if flavors else ""
    task = model.flavors.get("transformers", {}).get("task")
    top: dict[str, Any] = {"library_name": library} if library else {}
    top |= {"pipeline_tag": task} if isinstance(task, str) else {}
    top["tags"] = ["holdall", *flavors]
    facts = {"source": uri, "model id": model.model_id, "run": model.run_id, "made": model.utc_time_created}
    lines = [f"# {_line(model.artifact_path or uri)}", "", "| | |", "|---|---|"]
    lines += [f"| {name} | `{_line(value)}` |" for name, value in facts.items() if value]
    for name, schema in (model.signature.to_dict() if model.signature else {}).items():
        if schema:
            lines += ["", f"## {name.capitalize()}", "", "```json", str(schema).replace("`", "'"), "```"]
    return b"---\n" + dump_yaml(top) + b"---\n\n" + "\n".join(lines).encode() + b"\n"


def _line(value: object) -> str:
    """Return a text that can neither end a line nor a code span of the card."""
    return " ".join(str(value).split()).replace("`", "'").replace("|", "/")
