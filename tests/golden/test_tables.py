"""The tables of SPEC.md say what the code does: operations, fields, keys, limits."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import holdall
from holdall.format import codec, document, entry, layout, model_checkpoint, ops, pack, reference, tree
from holdall.format.damage import DamageRecord, encode_damage
from holdall.format.document import parse_document
from holdall.format.entry import LogEntry, encode_entry
from holdall.format.layout import PackName
from holdall.format.model_checkpoint import state_to_json
from holdall.format.paths import MAX_PATH, MAX_VERSIONED_PATH
from holdall.format.records import MOST_CONDEMNED, Descriptor, encode_descriptor
from holdall.format.registered import Registered
from holdall.format.state import State
from holdall.runs.environment import capture

SPEC = Path(holdall.__file__).with_name("format").joinpath("SPEC.md").read_text()
LOGS = {"R": layout.RUNS, "E": layout.EXPERIMENTS, "M": layout.MODELS, "N": layout.NAMES}


def rows(section: str, header: str) -> list[list[str]]:
    """The cells of the table with this header in a section."""
    _, _, text = SPEC.partition(f"\n## {section}\n")
    _, _, table = text.partition(f"\n| {header} ")
    lines = table.partition("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


def named(cell: str) -> list[str]:
    """What a cell names in backticks."""
    return re.findall(r"`([^`]+)`", cell)


def test_every_operation_is_in_the_table_with_the_logs_that_it_belongs_to() -> None:
    """Column "in" is what a parser accepts."""
    found = {op: set(logs.split()) for names, logs, *_ in rows("Logs", "op") for op in named(names)}
    for letter, folder in LOGS.items():
        assert {op for op, logs in found.items() if letter in logs} == ops._BELONG[folder], folder


@pytest.mark.parametrize("section", ["Logs", "Registered models"])
def test_every_field_of_an_operation_is_told(section: str) -> None:
    """What a parser asks for is named, in the column of fields or in the meaning."""
    told = {op: set(named(" ".join(rest))) for names, *rest in rows(section, "op") for op in named(names)}
    wanted = ops._OPS if section == "Logs" else ops.MODEL_OPS
    for op, fields in wanted.items():
        assert {*fields, *ops._OPTIONAL.get(op, ())} <= told[op], op


def test_every_field_of_a_checkpoint_is_told() -> None:
    """No more, and no fewer."""
    told = {field for names, *_ in rows("State and checkpoints", "field") for field in named(names)}
    assert told == {*State().to_json(), "pinned", "facts", "versions", "series", "extremes"}
    assert "`again_bytes`, absent where it is 0" in SPEC


def test_every_field_of_a_models_checkpoint_is_told() -> None:
    """No more, and no fewer."""
    for first, fields in (
        ("field of `checkpoint`", {"at", "state", "since"}),
        ("field of its `state`", {*state_to_json(Registered())}),
    ):
        told = {field for names, *_ in rows("Registered models", first) for field in named(names)}
        assert told == fields
    assert fields == model_checkpoint._STATE.keys()


def test_every_field_of_the_other_documents_is_told() -> None:
    """Those of the descriptor, a log's entry, a record of damage."""
    record = encode_damage(DamageRecord(PackName(b"s" * 16, 0), 1, "x", "y"))
    first = encode_entry(LogEntry(f"names/{'a'}", 0, "c" * 32, None, 1, "x", None, ({"op": "create", "name": "a"},)))
    for section, written, more in (
        ("Descriptor and canary", encode_descriptor(Descriptor("0" * 32, 1)), set()),
        ("Garbage", record, set()),
        ("Logs", first, {"blobs", "state", "checkpoint"}),
    ):
        told = {field for names, *_ in rows(section, "field") for field in named(names)}
        assert told == parse_document(written, section)[0].keys() | more, section


def test_every_field_of_the_environment_is_told(tmp_path: Path) -> None:
    """What is captured has the fields of the table, and their fields."""
    found = capture(argv=["x"], cwd=tmp_path)
    told = {
        name: (names, meaning) for names, meaning in rows("Tags and the environment", "field") for name in named(names)
    }
    assert told.keys() == found.keys()
    for name in ("python", "platform", "host", "process"):
        assert found[name].keys() <= set(named(told[name][1])), name


def test_the_limits_are_the_codes() -> None:
    """Every number of the table, from the constants that hold them."""
    mib = 1 << 20
    blobs = [
        reference._MOST[kind] // mib
        for kind in (reference.CHUNK, reference.NODE, reference.JSON_BLOB, reference.RECIPE)
    ]
    said = {
        "key, path, link target": f"{layout.MAX_KEY}, {MAX_PATH:,}, {MAX_PATH:,} bytes; a path of a versioned run "
        f"{MAX_VERSIONED_PATH:,}",
        "packs of a garbage generation": f"{MOST_CONDEMNED:,}",
        "decoded chunk, node, JSON blob, recipe": ", ".join(f"{most} MiB" for most in blobs),
        "decoded recipe or JSON blob of more than 1 MiB": f"{reference.MAX_RATIO} times what is stored",
        "pack, its blobs": f"{pack.MAX_PACK >> 30} GiB, {pack.MAX_ROWS:,}",
        "log entry or other document; its nesting; digits of an integer": (
            f"{document.MAX_DOCUMENT // mib} MiB; {document.MAX_DEPTH}; 4,300"
        ),
        "inline blobs of an entry, decoded": f"{entry.MAX_INLINE // mib} MiB together",
        "levels of a tree": f"{tree.MAX_LEVEL + 1}",
    }
    told = {row[0]: row[1] for row in rows("Limits", "what")}
    assert {what: told[what] for what in said} == said
    assert entry.MAX_ENTRY == document.MAX_DOCUMENT
    assert f"stored <= raw + {codec.SLACK}" in SPEC


def test_every_shape_of_a_key_is_told() -> None:
    """A key that is made of each row's pattern is one of the store's, and all sorts of object have one."""
    found = set()
    for names, _ in rows("Objects and keys", "key"):
        for shape in named(names):
            key = re.sub(r"h\{(\d+)\}", lambda n: "ab" * (int(n[1]) // 2), shape)
            key = key.replace("MODEL", f"m-{'ab' * 16}-1").replace("NAME", "a%20b").replace("WORD", "race-0")
            for numbered in ("gc/", layout.CATALOG):  # numbers of generations and catalogs are counts
                key = key.replace("0{16}", "0" * 16).replace(f"{numbered}{'ab' * 8}", f"{numbered}{'f' * 16}")
            key = key.replace(f"{layout.SHARES}{'ab' * 8}", f"{layout.SHARES}{'0' * 16}")  # when it ends, a time
            parsed = layout.parse_key(key)
            assert parsed, shape
            found.add(parsed.kind)
    assert found == layout.SHAPES.keys()


def test_every_tag_that_runs_are_given_is_told() -> None:
    """Of MLflow's names and of ours."""
    folder = Path(holdall.__file__).parent / "runs"
    written = {
        tag
        for path in folder.glob("*.py")
        for tag in re.findall(r'"((?:mlflow|holdall)\.[a-zA-Z.]+)"', path.read_text())
    }
    assert len(written) > 10
    assert {tag for tag in written if f"`{tag}`" not in SPEC} == set()
