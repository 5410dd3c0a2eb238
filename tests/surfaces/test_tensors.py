"""One tensor of a checkpoint in the bucket, read without the rest: counted at the server."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load, save_file
from tests.support.logs import AccessLog
from tests.support.servers import Server
from tests.support.worker import Place

from holdall.format.layout import PACKS
from holdall.store import ArtifactReader, Store

NAMES = [f"layers.{n}.weight" for n in range(20)]
SHAPE = (512, 512)
MIB = 1 << 20
CHUNK = 256 << 10  # the longest


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """20 tensors of 1 MiB, written by the format's own library."""
    source = np.random.default_rng(1)
    path = tmp_path / "model.safetensors"
    save_file({name: source.standard_normal(SHAPE, dtype=np.float32) for name in NAMES}, path)
    return path


def tensors(file: ArtifactReader, names: Sequence[str]) -> dict[str, Any]:
    """Some tensors, by a checkpoint of only these, which the library reads."""
    begin = 8 + int.from_bytes(file.read(8), "little")
    header = json.loads(file.read(begin - 8))
    ranges = [header[name]["data_offsets"] for name in names]
    found = file.read_ranges((begin + first, begin + last) for first, last in ranges)
    at, kept = 0, {}
    for name, part in zip(names, found, strict=True):
        kept[name] = header[name] | {"data_offsets": [at, at := at + len(part)]}
    head = json.dumps(kept).encode()
    return dict(load(len(head).to_bytes(8, "little") + head + b"".join(found)))


@pytest.mark.parametrize("names", [NAMES[7:8], [NAMES[17], NAMES[2]], NAMES])
def test_tensors_come_without_the_rest(moto: Server, checkpoint: Path, names: list[str]) -> None:
    """A request for the header, and one or two for each tensor that stands alone; a chunk more at each end of these."""
    place = Place(f"{moto.new_bucket()}/store", moto.options)
    run = place.store().runs.start()
    run.log_artifact(checkpoint)
    run.finish()
    log = AccessLog(moto, place.url)
    with place.store().artifacts.open(f"runs:/{run.id}/{checkpoint.name}") as file:
        before = [one for one in log.news() if one.method == "GET"]
        found = tensors(file, names)
    asked = log.news()
    with safe_open(checkpoint, "np") as whole:
        for name in names:
            np.testing.assert_array_equal(found[name], whole.get_tensor(name))
    stretches = min(len(names), 2)
    assert len(before) <= 5  # descriptor, listing, the log's last entry, tree, recipe
    assert {one.method for one in asked} == {"GET"}
    assert all(one.key.startswith(PACKS) for one in asked)
    assert len(asked) <= 1 + 2 * stretches
    assert sum(one.sent for one in asked) <= len(names) * MIB + (2 + 2 * stretches) * CHUNK


def test_the_librarys_own_reader_takes_no_file_object(tmp_path: Path, checkpoint: Path) -> None:
    """Why the header is read by hand: when this fails, the guide can be shorter."""
    run = Store.open(str(tmp_path / "store")).runs.start()
    run.log_artifact(checkpoint)
    with run.open(checkpoint.name) as file, pytest.raises(TypeError):
        safe_open(file, "np")
