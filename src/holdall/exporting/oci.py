"""A model as an image of the OCI, by the media types of ModelPack.

    oci-layout                     {"imageLayoutVersion": "1.0.0"}
    index.json                     the images of this folder, each with its tag
    blobs/sha256/<digest>          manifests, configurations, and the model's files, as they are

Each file is a layer of its own and no archive: so its blob is called by the
SHA-256 that the store knows it by, models that share weights share blobs, and
the same model makes the same manifest wherever it is exported. Registries take
such a folder from the usual tools: `oras cp --from-oci-layout`, `skopeo copy`.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from holdall.errors import DestinationError, IntegrityError, InvalidArgumentError
from holdall.exporting.model_files import ModelFile, kind_of, model_files
from holdall.modeling.loading.loader import read_model
from holdall.modeling.loading.model_folder import Fetched
from holdall.modeling.model import Model
from holdall.store import Store

MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
ARTIFACT: Final = "application/vnd.cncf.model.manifest.v1+json"
CONFIG: Final = "application/vnd.cncf.model.config.v1+json"
_LAYER: Final = "application/vnd.cncf.model.{}.v1.raw"
_INDEX: Final = "application/vnd.oci.image.index.v1+json"
_REF: Final = "org.opencontainers.image.ref.name"
_TITLE: Final = "org.opencontainers.image.title"
_PATH: Final = "org.cncf.model.filepath"
_METADATA: Final = "org.cncf.model.file.metadata+json"
_MOST: Final = 4 << 20  # bytes of an index that another program wrote


@dataclass(frozen=True, slots=True)
class ModelImage:
    """An image that was written.

    Attributes:
        digest: `sha256:` of its manifest.
        tag: What the folder's index calls it.
        files, bytes: How many files the model has, and their sizes.
    """

    digest: str
    tag: str
    files: int
    bytes: int


def write_image(store: Store, uri: str, folder: Path, tag: str) -> ModelImage:
    """Write a model into an image layout. Args, raises: as `holdall.exporting.model_to_oci`."""
    if not tag or tag.startswith((".", "-")) or not all(c.isalnum() or c in "._-" for c in tag) or len(tag) > 128:
        raise InvalidArgumentError(f"{tag!r} is no tag of an image: letters, digits, . _ and -")
    index = _index(folder)
    fetched = Fetched(uri, store.artifacts.download, None)
    try:
        model = read_model(fetched.folder)
        files = model_files(fetched.folder)
        blobs = folder / "blobs" / "sha256"
        blobs.mkdir(parents=True, exist_ok=True)
        layers = [_layer(file, blobs) for file in files]
    finally:
        fetched.drop()
    config = _put(_json(_config(model, uri, layers)), blobs, CONFIG)
    manifest = _manifest(config, layers)
    described = _put(_json(manifest), blobs, MANIFEST) | {"artifactType": ARTIFACT, "annotations": {_REF: tag}}
    others = [one for one in index if (one.get("annotations") or {}).get(_REF) != tag]
    _replace(folder / "oci-layout", _json({"imageLayoutVersion": "1.0.0"}))
    said = {"schemaVersion": 2, "mediaType": _INDEX, "manifests": [*others, described]}
    _replace(folder / "index.json", _json(said))  # last: what it names is there
    return ModelImage(described["digest"], tag, len(files), sum(file.size for file in files))


def _index(folder: Path) -> list[dict[str, Any]]:
    """Return the images that a folder has. Raises: DestinationError: It is neither empty nor an image layout."""
    if not os.path.lexists(folder) or (folder.is_dir() and not any(folder.iterdir())):
        return []
    try:
        if not (folder / "oci-layout").is_file():
            raise ValueError("it is not empty, and no image layout")
        with (folder / "index.json").open("rb") as file:
            found = json.loads(file.read(_MOST))["manifests"]
        if not isinstance(found, list) or not all(map(_is_described, found)):
            raise ValueError("its index.json lists no manifests")
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise DestinationError(str(folder), f"no image layout can be added to: {error}") from error
    return found


def _is_described(one: object) -> bool:
    return isinstance(one, dict) and isinstance(one.get("annotations") or {}, dict)


def _layer(file: ModelFile, blobs: Path) -> dict[str, Any]:
    """Copy a file to its blob, hashed as it is read, and return what describes it."""
    hasher = hashlib.sha256()
    partial = blobs / f".{os.getpid()}.partial"
    with file.place.open("rb") as source, partial.open("wb") as target:
        while block := source.read(1 << 20):
            hasher.update(block)
            target.write(block)
    size = partial.stat().st_size
    if size != file.size:
        partial.unlink()
        raise IntegrityError(str(file.place), f"it has {size} bytes, and had {file.size}")
    partial.replace(blobs / hasher.hexdigest())
    annotations = {_PATH: file.path, _TITLE: file.path}
    if file.executable:
        said = {"name": file.path.rpartition("/")[2], "mode": 0o755, "uid": 0, "gid": 0, "size": size}
        annotations[_METADATA] = _json({**said, "mtime": "1970-01-01T00:00:00Z", "typeflag": 0}).decode()
    return {
        "mediaType": _LAYER.format(kind_of(file.path)),
        "digest": f"sha256:{hasher.hexdigest()}",
        "size": size,
        "annotations": annotations,
    }


def _config(model: Model, uri: str, layers: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return what ModelPack says of a model."""
    name, version = called(uri, model)
    descriptor: dict[str, Any] = {"name": name, **({"version": version} if version else {})}
    if model.utc_time_created:
        with suppress(ValueError):  # it is whatever the file says
            descriptor["createdAt"] = datetime.fromisoformat(model.utc_time_created).isoformat() + "Z"
    if model.model_id:
        descriptor["revision"] = model.model_id
    flavors = [flavor for flavor in model.flavors if flavor != "python_function"] or ["python_function"]
    return {
        "descriptor": descriptor,
        "config": {"format": flavors[0]},
        "modelfs": {"type": "layers", "diffIds": [layer["digest"] for layer in layers]},
    }


def called(uri: str, model: Model) -> tuple[str, str]:
    """Return a model's name and version, out of the address that names it."""
    if uri.startswith("models:/") and not uri.startswith("models:/m-"):
        name, _, version = uri.removeprefix("models:/").partition("/")
        alone, _, alias = name.partition("@")
        return alone, version or alias
    return (model.artifact_path or uri.rstrip("/").rpartition("/")[2] or "model").rpartition("/")[2], ""


def _manifest(config: dict[str, Any], layers: Sequence[dict[str, Any]]) -> dict[str, Any]:
    return {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "artifactType": ARTIFACT,
        "config": config,
        "layers": list(layers),
    }


def _put(data: bytes, blobs: Path, media_type: str) -> dict[str, Any]:
    """Write a document as a blob, and return what describes it."""
    digest = hashlib.sha256(data).hexdigest()
    _replace(blobs / digest, data)
    return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(data)}


def _replace(place: Path, data: bytes) -> None:
    partial = place.with_name(f".{place.name}.{os.getpid()}.partial")
    partial.write_bytes(data)
    partial.replace(place)


def _json(said: Any) -> bytes:
    return json.dumps(said, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
