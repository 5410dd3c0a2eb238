"""A model leaves as an OCI image or as a folder of the Hub, with the bytes that the store has."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from tests.support.mlruns import digests
from tests.support.registry import serving
from tests.support.shell import Shell
from tests.support.stores import tiny_store

import holdall
from holdall import exporting
from holdall.errors import ContentError, DestinationError, InvalidArgumentError
from holdall.exporting.oci import _index
from holdall.storage.memory import MemoryBucket
from holdall.store import Store
from holdall.trees.source import bytes_item

FILES = {
    "MLmodel": b"flavors:\n  sklearn: {pickled_model: model.skops}\nutc_time_created: '2026-01-02 03:04:05.000000'\n",
    "model.skops": bytes(range(256)) * 30,
    "requirements.txt": b"scikit-learn==1.9\n",
    "code/own.py": b"x = 1\n",
    "README.txt": b"read me\n",
    "run.sh": b"#!/bin/sh\n",
}


def logged(store: Store, files: dict[str, bytes], path: str = "forest") -> str:
    """The address of a folder that was logged as a model's."""
    run = store.runs.start()
    run._log_items([bytes_item(f"{path}/{name}", data) for name, data in files.items()])
    run.finish()
    return f"runs:/{run.id}/{path}"


@pytest.fixture
def store() -> Store:
    return tiny_store(MemoryBucket())


def manifest(layout: Path, tag: str) -> Any:
    """The manifest of a tag; every blob on the way is called by its SHA-256."""
    index = json.loads((layout / "index.json").read_text())
    (found,) = [one for one in index["manifests"] if one["annotations"]["org.opencontainers.image.ref.name"] == tag]
    data = (layout / "blobs/sha256" / found["digest"].removeprefix("sha256:")).read_bytes()
    assert found["digest"] == f"sha256:{hashlib.sha256(data).hexdigest()}"
    assert found["size"] == len(data)
    return json.loads(data)


def test_each_file_is_a_layer_called_by_its_digest(store: Store, tmp_path: Path) -> None:
    """The digests are those of the store; the media types say what is weights, configuration, code and text."""
    uri = logged(store, FILES)
    image = exporting.model_to_oci(store, uri, tmp_path / "image", tag="v1")
    said = manifest(tmp_path / "image", "v1")
    layers = {one["annotations"]["org.cncf.model.filepath"]: one for one in said["layers"]}
    entries = {entry.path.removeprefix("forest/"): entry for entry in store.artifacts._run(uri)[0].entries("forest")}
    assert {path: one["digest"] for path, one in layers.items()} == {
        path: f"sha256:{entry.sha256.hex()}" for path, entry in entries.items()
    }
    assert {path: one["mediaType"].split(".model.")[1] for path, one in layers.items()} == {
        "MLmodel": "weight.config.v1.raw",
        "model.skops": "weight.v1.raw",
        "requirements.txt": "weight.config.v1.raw",
        "code/own.py": "code.v1.raw",
        "README.txt": "doc.v1.raw",
        "run.sh": "weight.v1.raw",
    }
    names = {file.name for file in (tmp_path / "image/blobs/sha256").iterdir()}
    assert names == set(digests(tmp_path / "image/blobs").values())
    config = json.loads((tmp_path / "image/blobs" / said["config"]["digest"].replace(":", "/")).read_text())
    assert config["modelfs"]["diffIds"] == [one["digest"] for one in said["layers"]]
    assert config["descriptor"] == {"name": "forest", "createdAt": "2026-01-02T03:04:05Z"}
    assert (image.files, image.bytes) == (len(FILES), sum(map(len, FILES.values())))


def test_the_same_model_makes_the_same_image(store: Store, tmp_path: Path) -> None:
    """To the byte, elsewhere and later, and again at the same place."""
    uri = logged(store, FILES)
    one = exporting.model_to_oci(store, uri, tmp_path / "one")
    assert exporting.model_to_oci(store, uri, tmp_path / "two") == one
    assert exporting.model_to_oci(store, uri, tmp_path / "one") == one
    assert digests(tmp_path / "one") == digests(tmp_path / "two")


def test_images_share_blobs_and_a_tag_can_move(store: Store, tmp_path: Path) -> None:
    """A layout takes another image; only what that has alone is added."""
    first, second = logged(store, FILES), logged(store, FILES | {"code/own.py": b"x = 2\n"})
    exporting.model_to_oci(store, first, tmp_path / "image", tag="a")
    before = set(digests(tmp_path / "image/blobs"))
    exporting.model_to_oci(store, second, tmp_path / "image", tag="b")
    assert len(set(digests(tmp_path / "image/blobs")) - before) == 3  # a file, a configuration, a manifest
    exporting.model_to_oci(store, second, tmp_path / "image", tag="a")
    assert manifest(tmp_path / "image", "a") == manifest(tmp_path / "image", "b")


@pytest.mark.parametrize("there", ["file", "other.json", "index.json"])
def test_a_folder_with_something_else_is_refused(store: Store, tmp_path: Path, there: str) -> None:
    """Nothing is written into what is no image layout, or into one that cannot be read."""
    target = tmp_path / "image"
    if there == "file":
        target.write_text("x")
    else:
        target.mkdir()
        (target / there).write_text('{"manifests": 7}')
        (target / "oci-layout").write_text("{}") if there == "index.json" else None
    before = digests(tmp_path)
    with pytest.raises(DestinationError, match="image"):
        exporting.model_to_oci(store, logged(store, FILES), target)
    assert digests(tmp_path) == before


@pytest.mark.parametrize("tag", ["", "-x", "a/b", "a b", "x" * 129])
def test_what_is_no_tag_is_refused(store: Store, tmp_path: Path, tag: str) -> None:
    """Before anything is fetched."""
    with pytest.raises(InvalidArgumentError, match="tag"):
        exporting.model_to_oci(store, "models:/none/1", tmp_path / "image", tag=tag)


def test_what_is_no_model_is_no_image(store: Store, tmp_path: Path) -> None:
    """It has no MLmodel file."""
    for export in (exporting.model_to_oci, exporting.model_to_huggingface):
        with pytest.raises(ContentError, match="MLmodel"):
            export(store, logged(store, {"x": b"x"}), tmp_path / "image")


@pytest.mark.doors
def test_modelpack_reads_what_was_exported_and_what_was_pushed(store: Store, tmp_path: Path) -> None:
    """Its client pulls the image out of a registry, checks every digest and its schema, and has the same files."""
    package = pytest.importorskip("modelpack_client", reason="modelpack-client is not installed: see the extra doors")
    uri = logged(store, FILES)
    exporting.model_to_oci(store, uri, tmp_path / "image", tag="v1")
    with serving() as registry:
        registry.load(tmp_path / "image")
        client = package.ModelPackClient(insecure=True)
        pulled = client.pull(f"{registry.address}/team/forest:v1", tmp_path / "pulled")
        assert pulled.config["descriptor"]["name"] == "forest"
        digest = exporting.push_model(store, uri, f"{registry.address}/team/forest:v2", insecure=True)
        assert digest in registry.manifests
        client.pull(f"{registry.address}/team/forest:v2", tmp_path / "pushed")
    expected = {path: hashlib.sha256(data).hexdigest() for path, data in FILES.items()}
    assert digests(tmp_path / "pulled") == digests(tmp_path / "pushed") == expected


def test_a_model_of_scikit_learn_is_a_folder_of_the_hub(store: Store, tmp_path: Path) -> None:
    """Its files stay as they are; a card and skops' configuration come along."""
    count = exporting.model_to_huggingface(store, logged(store, FILES), tmp_path / "hub")
    made = digests(tmp_path / "hub")
    assert count == len(made) == len(FILES) + 2
    assert {path: made[path] for path in FILES} == {p: hashlib.sha256(data).hexdigest() for p, data in FILES.items()}
    card = (tmp_path / "hub/README.md").read_text()
    assert card.startswith("---\nlibrary_name: scikit-learn\ntags:\n- holdall\n- sklearn\n---\n")
    config = json.loads((tmp_path / "hub/config.json").read_text())
    assert config["sklearn"] == {
        "environment": ["scikit-learn==1.9"],
        "model": {"file": "model.skops"},
        "model_format": "skops",
    }


def test_a_model_of_transformers_lies_where_from_pretrained_looks(store: Store, tmp_path: Path) -> None:
    """The model's files and its tokenizer's at the top, without MLflow's; a card that is there stays."""
    files = {
        "MLmodel": b"flavors:\n  transformers:\n    task: fill-mask\n",
        "conda.yaml": b"name: x\n",
        "README.md": b"mine\n",
        "model/config.json": b"{}",
        "model/model.safetensors": b"weights",
        "components/tokenizer/tokenizer.json": b"[]",
        "components/tokenizer/config.json": b"{}",
    }
    exporting.model_to_huggingface(store, logged(store, files), tmp_path / "hub")
    names = {"README.md", "config.json", "model.safetensors", "tokenizer.json"}
    assert {path.name for path in (tmp_path / "hub").iterdir()} == names
    assert (tmp_path / "hub/README.md").read_bytes() == b"mine\n"
    other = logged(store, files | {"components/tokenizer/config.json": b'{"a": 1}'})
    with pytest.raises(DestinationError, match="both"):
        exporting.model_to_huggingface(store, other, tmp_path / "other")


def test_a_card_keeps_what_others_wrote_inside_its_lines(store: Store, tmp_path: Path) -> None:
    """A path or a time with line ends, backticks and tags makes no new line, and ends no code."""
    evil = "'x` </code>\\n---\\n# evil'"
    files = {"MLmodel": f'flavors:\n  sklearn: {{}}\nrun_id: "a\\n# evil `b"\nutc_time_created: {evil}\n'.encode()}
    exporting.model_to_huggingface(store, logged(store, files), tmp_path / "hub")
    card = (tmp_path / "hub/README.md").read_text().split("\n---\n", 1)[1]
    assert not [line for line in card.splitlines() if line.startswith(("# evil", "---"))]
    image = exporting.model_to_oci(store, logged(store, files), tmp_path / "image")  # a time that is none is left out
    assert image.files == 1


def test_the_command_exports_images_and_folders(tmp_path: Path) -> None:
    """`--oci` and `--hf` go with a target, `--oci-push` without; two ways at once are none."""
    shell = Shell(tmp_path)
    uri = logged(holdall.Store.open(str(tmp_path / "store")), FILES)
    said = shell.json("model", "export", uri, "--oci", "image", "--tag", "v1")
    assert manifest(tmp_path / "image", "v1")
    assert said["digest"].startswith("sha256:")
    assert said["digest"] in shell("model", "export", uri, "image", "--oci", "--tag", "v1")
    assert shell.json("model", "export", uri, "hub", "--hf")["files"] == len(FILES) + 2
    for wrong in (["x", "--oci", "--hf"], [], ["--oci"], ["x", "--oci-push", "host/x:1"]):
        shell("model", "export", uri, *wrong, code=2)


@pytest.mark.parametrize("annotations", ["x", [1]])
def test_an_index_of_another_program_that_is_none_is_refused(tmp_path: Path, annotations: object) -> None:
    """By an error that names the folder; without annotations, or null for them, an image is kept."""
    (tmp_path / "oci-layout").write_text("{}")
    for each in ({"digest": "sha256:0"}, {"digest": "sha256:0", "annotations": None}):
        (tmp_path / "index.json").write_text(json.dumps({"manifests": [each]}))
        assert _index(tmp_path) == [each]
    (tmp_path / "index.json").write_text(json.dumps({"manifests": [{"annotations": annotations}]}))
    with pytest.raises(DestinationError, match="lists no manifests"):
        _index(tmp_path)
