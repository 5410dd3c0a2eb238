"""One model: a version of a registered one, or what a run logged. All that is known of it, without loading it."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from holdall.errors import HoldallError
from holdall.sizes import format_size
from holdall.store import Difference, Inspection, ModelCard, ModelVersion, beside
from holdall.surfaces.web.addresses import Query
from holdall.surfaces.web.models import uri_of, versions_of
from holdall.surfaces.web.page import Page, Pages
from holdall.surfaces.web.site import Site

_FILES: Final = 500
_FIELDS: Final = 500  # of a signature,
_IMPORTS: Final = 300  # of a pickle,
_TEXT: Final = 64 << 10  # bytes of a small file that is shown,
_PICKLES: Final = 256 << 20  # and of pickles that are read when somebody asks
_ENVIRONMENT: Final = ("requirements.txt", "python_env.yaml", "conda.yaml")


@dataclass(frozen=True, slots=True)
class Spec:
    """A line of a signature."""

    name: str
    type: str
    shape: str
    note: str


@dataclass(frozen=True, slots=True)
class Text:
    """A small file of a model that is shown. Attributes: path, text, whether it is cut."""

    path: str
    text: str
    cut: bool


def model_version(site: Site, query: Query) -> Page:
    """Draw a version of a registered model."""
    name, number = query.text("name"), query.text("version")
    with beside(lambda: versions_of(site, name)) as versions:
        card = site.store.model_card(f"models:/{name}/{number}")
        others = [version for version in versions() if version.version != number]
    title = f"{name} {card.version.version}" if card.version else name
    return Page("model_version.html", title, _facts(site, query, card, others))


def logged_model(site: Site, query: Query) -> Page:
    """Draw a model that a run logged."""
    card = site.store.model_card(f"runs:/{query.text('id')}/{query.text('path')}".rstrip("/"))
    return Page("model_version.html", card.path or card.run.info.run_name, _facts(site, query, card, []))


def _facts(site: Site, query: Query, card: ModelCard, others: Sequence[ModelVersion]) -> dict[str, Any]:
    before = next((v for v in others if card.version and int(v.version) < int(card.version.version)), None)
    inspection, failed = _inspection(site, card) if query.flag("inspect") else (None, "")
    change = _difference(site, before, card) if before else None
    return {
        "card": card,
        "files": card.files[:_FILES],
        "more_files": max(len(card.files) - _FILES, 0),
        "before": before,
        "change": change,
        "shared": shares(change),
        "others": [(version.version, uri_of(version)) for version in others[:100]],
        "signature": signature_of(card),
        "flavors": flavors_of(card),
        "texts": [text for name in _ENVIRONMENT if (text := _text(site, card, name))],
        "example": _example(site, card),
        "inspection": inspection,
        "imports": _IMPORTS,
        "failed": failed,
        "limit": _PICKLES,
        "trained": trained_with(card.environment),
        **code_for(card.uri),
    }


def code_for(uri: str) -> dict[str, str]:
    """Return what people type to use a model: Python, commands, and how a deployment is recorded."""
    quoted = shlex.quote(uri)
    python = f"import holdall\n\nmodel = holdall.pyfunc.load_model({json.dumps(uri, ensure_ascii=False)})\n"
    return {
        "python": f"{python}print(model.predict(data))",
        "commands": f"holdall artifact get {quoted} --to model\nholdall model serve {quoted}",
        "deployed": f"holdall model deployed {quoted} --where PLACE",
    }


def trained_with(environment: Mapping[str, Any]) -> str:
    """Return the Python and the commit that a run recorded, as far as it did."""
    found = []
    for group, name, word in (("python", "version", "Python"), ("repository", "commit", "commit")):
        about = environment.get(group)
        if isinstance(about, Mapping) and isinstance(text := about.get(name), str):
            found.append(f"{word} {text[:40]}")
    return ", ".join(found)


def shares(change: Difference | None) -> dict[str, str]:
    """Return of each file what is said beside it: the same as in the version before, or how much of it is there."""
    if change is None:
        return {}
    told = {one.path: "the same" for one in change.same}
    for one in change.changed:
        share = f", {format_size(one.shared_bytes)} shared" if one.shared_bytes else ""
        told[one.path] = f"changed{share}"
    return told


def _difference(site: Site, before: ModelVersion, card: ModelCard) -> Difference | None:
    """Return what differs from the version before; None where that cannot be told any more."""
    try:
        return site.store.artifacts.diff(uri_of(before), card.artifact_uri)
    except HoldallError:
        return None


def _inspection(site: Site, card: ModelCard) -> tuple[Inspection | None, str]:
    try:
        return site.store.models.inspect(card.artifact_uri, most=_PICKLES), ""
    except HoldallError as error:
        return None, str(error)


def signature_of(card: ModelCard) -> list[tuple[str, list[Spec]]]:
    """Return what goes in, comes out and can be set, as lines of tables."""
    signature = card.model.signature if card.model else None
    if signature is None:
        return []
    parts = [("Inputs", signature.inputs), ("Outputs", signature.outputs)]
    found = [
        (title, [_spec(one, i) for i, one in enumerate(list(schema)[:_FIELDS])]) for title, schema in parts if schema
    ]
    if signature.params:
        found.append(("Parameters", [_param(one) for one in list(signature.params)[:_FIELDS]]))
    return found


def _spec(one: Any, place: int) -> Spec:
    shape = getattr(one, "shape", None)
    name = f"#{place}" if one.name is None else str(one.name)
    kind = one.type if isinstance(one.type, str) else repr(one.type)
    return Spec(name, kind, "" if shape is None else _shape(shape), "" if one.required else "optional")


def _param(one: Any) -> Spec:
    default = json.dumps(one.default, default=str)[:200]
    return Spec(one.name, repr(one.dtype), "" if one.shape is None else _shape(one.shape), f"default {default}")


def _shape(shape: Sequence[int]) -> str:
    return "(" + ", ".join("any" if length == -1 else str(length) for length in shape) + ")"


def flavors_of(card: ModelCard) -> list[tuple[str, list[tuple[str, str]]]]:
    """Return the flavors, and what each says of itself."""
    flavors = card.model.flavors if card.model else {}
    return [(name, [(str(k), _said(v)) for k, v in about.items()]) for name, about in flavors.items()]


def _said(value: Any) -> str:
    return (value if isinstance(value, str) else json.dumps(value, default=str))[:300]


def _text(site: Site, card: ModelCard, path: str) -> Text | None:
    """Return the beginning of a file of a model as text; None where it has none, or it is no text."""
    found = next((one for one in card.files if one["path"] == path and one["kind"] == "file"), None)
    if found is None:
        return None
    uri = "/".join(part for part in (card.artifact_uri, path) if part)
    try:
        with site.store.artifacts.open(uri) as file:
            data = file.read(_TEXT)
        return Text(path, data.decode(), cut=found["bytes"] > len(data))
    except (HoldallError, UnicodeDecodeError):
        return None


def _example(site: Site, card: ModelCard) -> Text | None:
    about = (card.model.saved_input_example_info if card.model else None) or {}
    path = about.get("artifact_path")
    return _text(site, card, path) if isinstance(path, str) else None


PAGES: Final[Pages] = {"model_version": model_version, "logged_model": logged_model}
