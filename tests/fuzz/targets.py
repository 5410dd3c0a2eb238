"""Every parser of what others wrote, as a function of bytes that may raise the tree's errors and no others.

`TARGETS` is one table: Hypothesis draws from it in CI (`test_parsers.py`), and
atheris by hand (`atheris_run.py`). Documents are signed after they were changed,
so that what is behind the signature is reached.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Final

import numpy as np
from tests.support.tensor_files import CountedFile, npy, npz

from holdall.errors import HoldallError
from holdall.format import digest
from holdall.format.codec import Decoder
from holdall.format.damage import parse_damage
from holdall.format.document import parse_document, parse_object
from holdall.format.entry import parse_entry
from holdall.format.layout import PackName, parse_key, parse_model_id
from holdall.format.numbers import Sniffer
from holdall.format.pack import parse_footer, parse_pack
from holdall.format.paths import check_link, check_path
from holdall.format.recipe import parse_recipe
from holdall.format.records import parse_descriptor, parse_generation, parse_hint
from holdall.format.reference import ref_from_json
from holdall.format.registered import Holder, Registered
from holdall.format.signature import Signature, Statement, parse_signature
from holdall.format.state import State, parse_checkpoint
from holdall.format.tree import parse_node
from holdall.modeling.model import parse_model
from holdall.modeling.records.logged import logged_models
from holdall.naming.uris import parse_model_uri
from holdall.runs.artifacts import parse_uri
from holdall.runs.inputs import inputs_of
from holdall.runs.plain_yaml import load_yaml
from holdall.runs.reserved_tags import remarks
from holdall.runs.search import parse_filter, parse_order_by
from holdall.signing.public_keys import public_keys
from holdall.signing.statements import parse_bundle
from holdall.tensors.npy import read_npy, read_npz
from holdall.tensors.onnx import read_onnx
from holdall.tensors.safetensors import read_header
from holdall.tensors.stored import Header, RangedFile
from holdall.tensors.torch_file import read_torch

GOLDEN: Final = Path(__file__).parents[1] / "golden" / "v1"
NUMBERS: Final = Path(__file__).parents[1] / "format" / "fixtures" / "numbers"
TENSORS: Final = Path(__file__).parents[1] / "tensors" / "fixtures"
PACK: Final = PackName(b"s" * 16, 0)


@dataclass(frozen=True, slots=True)
class Target:
    """A parser.

    Attributes:
        parse: What reads the bytes.
        seeds: Bytes that it reads, to begin from.
        signed: Whether they are a document's first line, to be signed before they are read.
    """

    parse: Callable[[bytes], object]
    seeds: list[bytes] = field(default_factory=list)
    signed: bool = False

    def try_on(self, data: bytes) -> bool:
        """Whether it parses; whatever but an error of the tree is a finding, and is raised."""
        if self.signed:
            first = data.replace(b"\n", b" ")
            data = b'%s\n{"sha256":"%s"}\n' % (first, digest.sha256(first).hex().encode())
        try:
            self.parse(data)
        except HoldallError as error:
            assert str(error), "an error that says nothing"  # noqa: PT017  # whether there is one is the answer
            return False
        return True


def _text(parse: Callable[[str], object]) -> Callable[[bytes], object]:
    return lambda data: parse(data.decode(errors="surrogateescape"))


def _golden(pattern: str, most: int = 12) -> list[bytes]:
    return [path.read_bytes() for path in islice(sorted(GOLDEN.glob(pattern)), most)]


def _firsts(pattern: str, most: int = 12) -> list[bytes]:
    return [data.split(b"\n")[0] for data in _golden(pattern, most)]


def _entry_of(log: str, fold: Callable[[], State | Registered | Holder]) -> Callable[[bytes], object]:
    """Reads an entry as the one that it says it is, of this kind of log, and folds it."""

    def parse(data: bytes) -> None:
        body, _ = parse_document(data, log)
        n = body.get("n")
        named = str(body.get("log"))
        entry = parse_entry(data, named if named.startswith(log) else log, n if type(n) is int else 1)
        if entry.state is not None:
            parse_checkpoint(entry.state, None, log)
        fold().apply(entry)

    return parse


def _tags(data: bytes) -> None:
    tags = {key: value for key, value in parse_object(data, "it", "it").items() if isinstance(value, str)}
    logged_models("0" * 32, tags)
    remarks(tags, "model.1.tag")
    inputs_of(tags)


def _sniff(data: bytes) -> None:
    sniffer = Sniffer()
    for at in range(0, max(len(data), 1), 4096):
        sniffer.feed(at, memoryview(data)[at : at + 4096])


def _decode(data: bytes) -> None:
    if len(data) > 4:
        Decoder().decode(data[0] % 4, data[4:], int.from_bytes(data[1:4]))


def _head(read: Callable[[RangedFile, Callable[[str], RangedFile]], Header]) -> Callable[[bytes], object]:
    """Reads the tensors of a file, and of what is named beside it the same file."""

    def parse(data: bytes) -> None:
        file = CountedFile(data)
        for tensor in read(file, lambda _: file).tensors:
            assert tensor.nbytes >= 0
            assert tensor.info.shape is not None

    return parse


def _seeds(ending: str) -> list[bytes]:
    return [path.read_bytes() for folder in (TENSORS, NUMBERS) for path in sorted(folder.glob(f"*.{ending}"))]


_ARRAYS: Final = {
    "a": np.arange(6.0).reshape(2, 3),
    "b": np.asfortranarray(np.ones((2, 3), ">i2")),
    "c": np.zeros(2, [("x", "f4"), ("y", "i8")]),
}
_STATES: Final = [
    json.dumps(body["state"]).encode()
    for first in _firsts("*/runs/*/log/*", 200)
    if (body := json.loads(first)).get("state")
]
_REF: Final = {"id": "blake3:" + "0" * 64, "codec": 1, "raw": 9, "stored": 9, "entry": 3, "blob": 0}
_PACKS: Final = _golden("*/packs/*/*", 6)
_NODES: Final = [
    Decoder().decode(blob["codec"], base64.b64decode(blob["data"]), blob["raw"])
    for first in _firsts("*/runs/*/log/*", 200)
    for blob in json.loads(first).get("blobs", [])
    if blob["kind"] == 2
]
_MODEL: Final = (
    b"flavors:\n  python_function:\n    loader_module: x\nmodel_id: &a m-1\nmetadata: {k: [*a, 1.5, 2020-01-01]}\n"
)

BUNDLES: Final = Path(__file__).parents[1] / "signing" / "bundles"
_SIGNED: Final = Signature(Statement("0" * 32, "1" * 32, "files", "m", "sha256:" + "2" * 64, 1), b"key", b"signature")
TARGETS: Final[dict[str, Target]] = {
    "document": Target(lambda data: parse_document(data, "it"), _golden("*/holdall.json")),
    "json": Target(lambda data: parse_object(data, "it", "it"), _STATES),
    "descriptor": Target(parse_descriptor, _firsts("*/holdall.json"), signed=True),
    "hint": Target(lambda data: parse_hint(data, bytes(32)), _firsts("*/hints/*"), signed=True),
    "generation": Target(lambda data: parse_generation(data, 0, "condemn"), _firsts("*/gc/*/*"), signed=True),
    "damage": Target(lambda data: parse_damage(data, PACK), [b'{"pack":"x","time":1,"blobs":[]}'], signed=True),
    "run entry": Target(_entry_of("runs/", State), _firsts("*/runs/*/log/*", 40), signed=True),
    "experiment entry": Target(_entry_of("experiments/", State), _firsts("*/experiments/*/log/*"), signed=True),
    "model entry": Target(_entry_of("models/", Registered), _firsts("*/models/*/log/*"), signed=True),
    "name entry": Target(_entry_of("names/", Holder), _firsts("*/names/*/log/*"), signed=True),
    "state": Target(lambda data: parse_checkpoint(parse_object(data, "it", "it"), None, "it"), _STATES),
    "reference": Target(lambda data: ref_from_json(parse_object(data, "it", "it"), "it"), [json.dumps(_REF).encode()]),
    "node": Target(lambda data: parse_node(data, 7), _NODES[:20]),
    "recipe": Target(parse_recipe, [(GOLDEN.parent / "rejected" / "recipe-trailing.bin").read_bytes()[:-1]]),
    "footer": Target(lambda data: parse_footer(data, "pack"), [pack[-4096:] for pack in _PACKS]),
    "pack": Target(lambda data: parse_pack(data, "pack"), _PACKS[:3]),
    "blob": Target(_decode, [b"\1\0\0\xc8" + (GOLDEN.parent / "rejected" / "blob-zstd-trailing.bin").read_bytes()[2:]]),
    "numbers": Target(_sniff, [path.read_bytes()[:20_000] for path in sorted(NUMBERS.glob("*.[!p]*"))]),
    "safetensors": Target(_head(read_header), _seeds("safetensors")),
    "torch": Target(_head(read_torch), _seeds("pt")),
    "npz": Target(_head(read_npz), [npz(_ARRAYS), npz(_ARRAYS, compressed=True)]),
    "npy": Target(_head(read_npy), list(map(npy, _ARRAYS.values()))),
    "onnx": Target(_head(read_onnx), _seeds("onnx")),
    "key": Target(_text(parse_key), [b"names/a/log/fffffffffffffffe", b"packs/00/" + b"0" * 32 + b"-00000000"]),
    "model id": Target(_text(parse_model_id), [b"m-" + b"0" * 32 + b"-1"]),
    "path": Target(_text(check_path), [b"a/b.c"]),
    "link": Target(_text(lambda text: check_link("a/b", text)), [b"../c"]),
    "artifact address": Target(_text(parse_uri), [b"runs:/" + b"0" * 32 + b"/a/b"]),
    "model address": Target(_text(parse_model_uri), [b"models:/a/1", b"models:/a@b", b"models:/a/latest"]),
    "signature": Target(_text(lambda text: parse_signature(_SIGNED.tag, text)), [_SIGNED.to_text().encode()]),
    "model.sig": Target(parse_bundle, [path.read_bytes() for path in sorted(BUNDLES.glob("*.sig"))]),
    "public key": Target(
        _text(lambda text: public_keys(f"# text\n{text}\n#")),
        [path.read_bytes() for path in sorted(BUNDLES.glob("*.pub"))],
    ),
    "tags": Target(_tags, [b'{"holdall.model.1":"{\\"path\\":\\"m\\"}","holdall.model.1.tag.00":"{\\"time\\":1}"}']),
    "filter": Target(_text(parse_filter), [
        b"start_time > 1",b"metrics.a >= 0.9 AND params.`b c` LIKE 'x%' and tags.c IN ('1', \"2\")"]),
    "order": Target(_text(lambda text: parse_order_by([text])), [b"metrics.`a` DESC", b"start_time"]),
    "MLmodel": Target(parse_model, [_MODEL]),
    "YAML": Target(lambda data: load_yaml(data, "it"), [_MODEL, b"a: &a [1, !!binary aGk=]\nb: {<<: *c, d: 1:2}\n"]),
}  # fmt: skip
