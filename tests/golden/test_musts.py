"""Every rule of SPEC.md that says "must" is broken somewhere in the tests, and refused.

A rule about one object has a vector in `rejected/`; one about several objects, or about
what a program does, has a test that breaks it in a small store.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]
SPEC: Final = (ROOT / "src/holdall/format/SPEC.md").read_text()
CASES: Final = json.loads((Path(__file__).parent / "rejected" / "cases.json").read_text())
_NO_RULES: Final = (  # reasons, and what binds those who come after this version
    "what few bytes say must not take much to read",
    "One listing must tell a writer",
    "a fence must not meet a number that comes again",
    "An operation of a later version that refers to blobs must be in the public part",
)
_BROKEN: Final = "tests/checking/test_check_goes_on.py::test_what_is_broken_is_named"

# what a rule says -> the vectors, or the tests, that break it
MUSTS: Final[dict[str, list[str]]] = {
    '"zero" fields must be 0': ["recipe-zero.bin", "node-zero.bin", "pack-zero.bin"],
    "a reader that does not know one must refuse": ["descriptor-reader-feature.bin"],
    "a writer that does not know one must refuse": [
        "tests/trees/test_hostile_objects.py::test_a_store_of_a_later_writer_is_read_and_not_written"
    ],
    "the answer must be that": ["tests/storage/test_probe.py::test_a_canary_that_is_created_twice_is_refused"],
    "it must refuse to write": ["tests/storage/test_probe.py::test_a_canary_that_is_created_twice_is_refused"],
    "must be a multiple of `item`": ["blob-planes-phase.bin", "blob-planes-tail.bin"],
    "A reader must check that what it fetched decodes": [
        "tests/trees/test_flipped_bits.py::test_no_flipped_bit_goes_unnoticed"
    ],
    "A reader must check this of": ["child-level.bin", "child-first.bin", "child-fence.bin"],
    "content must stay while any pin stands": [
        "tests/naming/test_versions_stay.py::test_nothing_is_added_below_a_version"
    ],
    "must stop the writer": ["tests/trees/test_hostile_objects.py::test_garbage_at_gc_stops_writers_by_name"],
    "whose proof must be the descriptor's": [
        "tests/keys/test_hostile_slots.py::test_nobody_begins_an_epoch_who_has_not_the_root_before"
    ],
    "any pin stands in must not be purged": [
        _BROKEN,
        "tests/naming/test_races.py::test_a_purged_run_is_not_registered",
    ],
}


def sentences() -> list[str]:
    """The law's text in sentences, one line each."""
    return re.split(r"(?<=[.;|])\s+", re.sub(r"\s+", " ", SPEC))


def test_every_must_is_in_the_table() -> None:
    """A new rule needs a vector or a store that breaks it."""
    said = [text for text in sentences() if re.search(r"\bmust\b", text) and not text.startswith('"Must"')]
    known = (*MUSTS, *_NO_RULES)
    assert [text for text in said if not any(part in text for part in known)] == []


def test_nothing_in_the_table_is_out_of_date() -> None:
    """Each part is what the law says."""
    flat = re.sub(r"\s+", " ", SPEC)
    assert [part for part in MUSTS if part not in flat] == []


@pytest.mark.parametrize("rule", MUSTS)
def test_each_is_broken_somewhere(rule: str) -> None:
    """By a vector of the case book, or by a test that says so."""
    for evidence in MUSTS[rule]:
        file, _, text = evidence.partition("::")
        assert evidence in CASES or (text and text in (ROOT / file).read_text()), evidence


def test_every_section_that_is_named_is_there() -> None:
    """Sections are referred to by name, in the law and in the code, and each name begins a heading."""
    headings = re.findall(r"^(?:## |\*\*)([A-Z][^.*\n]+)", SPEC, re.MULTILINE)
    named = set(re.findall(r'\((?:.*: )?"([A-Z][a-z ]+)"[,)]', SPEC))
    for folder in ("src", "tests"):
        for path in [*(ROOT / folder).rglob("*.py"), *(ROOT / folder).rglob("*.md")]:
            for said in re.findall(r'SPEC\.md\)?,\s((?:"[A-Z][a-z ]+"(?:,\s| and )?)+)', path.read_text()):
                named |= set(re.findall(r'"([^"]+)"', said))
    assert len(named) > 12
    assert [name for name in named if not any(heading.startswith(name) for heading in headings)] == []
