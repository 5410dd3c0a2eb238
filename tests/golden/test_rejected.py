"""Every way to be wrong is refused, by name: the case book in `rejected/`.

One file for each way, committed as bytes; `cases.json` says for each which
parser reads it, which error comes of it, and a part of what that error says.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest
from tests.golden import rejected_builder
from tests.golden.rejected_documents import documents
from tests.golden.rejected_registry import registry
from tests.golden.rejected_tables import tables

from holdall import errors
from holdall.format.codec import decode
from holdall.format.damage import parse_damage
from holdall.format.digest import blob_id
from holdall.format.document import parse_document
from holdall.format.entry import parse_entry
from holdall.format.layout import PackName
from holdall.format.pack import parse_pack
from holdall.format.recipe import parse_recipe
from holdall.format.records import parse_descriptor, parse_generation, parse_hint
from holdall.format.reference import ref_from_json
from holdall.format.registered import Holder, Registered
from holdall.format.state import State, parse_checkpoint
from holdall.format.tree import check_child, parse_node

FOLDER: Final = Path(__file__).parent / "rejected"
CASES: Final[dict[str, dict[str, str]]] = json.loads((FOLDER / "cases.json").read_text())
LOG: Final = "runs/" + "ab" * 16
MODEL: Final = "models/" + "cd" * 16


def _child(row: bytes, node: bytes) -> None:
    """A node, held against a row of the level above, told as its level, first path and fence."""
    level, first, fence = row.decode().split(" ")
    check_child(parse_node(node, None), int(level), first, fence or None)


PARSERS: Final[dict[str, Callable[[bytes], object]]] = {
    "blob": lambda data: decode(data[0], data[2:], data[1] * 10),  # codec; promised bytes in tens; as stored
    "carried": lambda data: parse_node(data, 7),
    "child": lambda data: _child(*data.split(b"\n", 1)),
    "condemn": lambda data: parse_generation(data, 1, "condemn"),
    "damage": lambda data: parse_damage(data, PackName(bytes(range(1, 17)), 3)),
    "descriptor": parse_descriptor,
    "document": lambda data: parse_document(data, "document"),
    "entry": lambda data: parse_entry(data, LOG, 1),
    "experiment": lambda data: parse_entry(data, "experiments/" + "ab" * 8, 1),
    "name": lambda data: parse_entry(data, "names/fraud", 1),
    "first": lambda data: parse_entry(data, LOG, 0),
    "immutable": lambda data: State(experiment="ab" * 8).apply(parse_entry(data, LOG, 1)),
    "holder": lambda data: Holder().apply(parse_entry(data, "names/fraud", 0)),
    "hint": lambda data: parse_hint(data, blob_id(b"hold fast " * 20)),
    "model": lambda data: parse_entry(data, MODEL, 1),
    "node": lambda data: parse_node(data, None),
    "pack": lambda data: parse_pack(data, "pack"),
    "recipe": parse_recipe,
    "registered": lambda data: Registered().apply(parse_entry(data, MODEL, 0)),
    "reference": lambda data: ref_from_json(json.loads(data), "reference"),
    "state": lambda data: parse_checkpoint(json.loads(data), None, "state"),
}


def test_every_file_has_a_case_and_every_case_a_file() -> None:
    """Nothing lies there untried, and nothing is promised that is not there."""
    assert {path.name for path in FOLDER.iterdir()} == {*CASES, "cases.json", "README.md"}
    assert len(CASES) >= 40


def test_the_case_book_tells_of_every_parser() -> None:
    """Its README says how to read the bytes of each, and of no other."""
    table = (FOLDER / "README.md").read_text().partition("| parser | the file's")[2]
    told = [re.findall(r"`(\w+)`", line.split("|")[1]) for line in table.splitlines() if line.startswith("| `")]
    assert sorted(name for names in told for name in names) == sorted(PARSERS)


def test_the_builder_knows_every_case() -> None:
    """What the command would write is what is there."""
    for fill in (documents, tables, registry):
        fill()
    assert rejected_builder._cases.keys() == CASES.keys()


def test_every_parser_refuses_something() -> None:
    """No parser is without a case."""
    assert {case["parser"] for case in CASES.values()} == set(PARSERS)


@pytest.mark.parametrize("name", sorted(CASES))
def test_the_wrong_is_refused_by_name(name: str) -> None:
    """Each file raises exactly the error that its case promises, which says what is wrong."""
    case = CASES[name]
    with pytest.raises(errors.HoldallError) as caught:
        PARSERS[case["parser"]]((FOLDER / name).read_bytes())
    assert type(caught.value) is getattr(errors, case["error"])
    assert case["says"] in str(caught.value)
