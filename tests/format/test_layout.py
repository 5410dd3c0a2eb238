"""Keys: one table says which there are; all others are foreign."""

from __future__ import annotations

import hashlib
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.format.strategies import hexes, packs

from holdall.errors import FormatError
from holdall.format import layout
from holdall.format.layout import Key, PackName, ShareName, escape, log_key, parse_key

HEX = "0123456789abcdef"
numbers = st.integers(0, 2**64 - 1)
experiments = st.text(HEX, min_size=16, max_size=16)
logs = st.one_of(
    hexes.map(layout.run_log),
    experiments.map(layout.experiment_log),
    st.builds("models/m-{}-{}".format, hexes, st.integers(0, 10**9)),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=90).map(lambda name: f"names/{escape(name)}"),
)


@given(logs, numbers)
def test_a_log_key_says_its_log_and_number(log: str, n: int) -> None:
    """`parse_key` takes back what `log_key` gives, for each kind of log."""
    key = layout.log_key(log, n)
    assert parse_key(key) == Key("log", log, n)
    assert len(key.encode()) <= layout.MAX_KEY


@given(logs, numbers, numbers)
def test_later_entries_sort_first(log: str, a: int, b: int) -> None:
    """The first key of a log's listing is its newest entry."""
    assert (layout.log_key(log, a) < layout.log_key(log, b)) == (a > b)


@given(packs)
def test_a_pack_key_says_its_pack(name: PackName) -> None:
    """A pack is named by its session and number, in the folder of the session's first two digits."""
    parsed = parse_key(name.key)
    assert parsed
    assert (parsed.kind, parsed.pack) == ("pack", name)
    assert PackName.parse(str(name), "pack") == name
    assert name.key.split("/")[1] == str(name)[:2]


@given(st.integers(0, 2**53 - 1), st.sampled_from(["condemn", "done"]), st.binary(min_size=32, max_size=32))
def test_generations_and_hints_say_what_they_are(number: int, word: str, chunk: bytes) -> None:
    """`parse_key` takes back what `generation_key` and `hint_key` give."""
    generation, hint = parse_key(layout.generation_key(number, word)), parse_key(layout.hint_key(chunk))
    assert generation
    assert hint
    assert (generation.kind, generation.number) == (word, number)
    assert (hint.kind, hint.chunk) == ("hint", chunk.hex())


@pytest.mark.parametrize(
    "key",
    [
        "",
        "Holdall.json",
        "holdall.json\n",
        "canary/",
        "packs/ab/" + "cd" * 16 + "-00000000",
        "packs/00/" + "00" * 16 + "-00000000",
        "packs/ab/" + "ab" * 16 + "-0",
        "packs/AB/" + "AB" * 16 + "-00000000",
        "runs/" + "ab" * 15 + "/log/" + "0" * 16,
        "runs/" + "ab" * 16 + "/log/" + "0" * 15,
        "runs/" + "ab" * 16 + "/log/" + "G" * 16,
        "experiments/Default/log/" + "0" * 16,
        "models/m-" + "ab" * 16 + "-01/log/" + "0" * 16,
        "names/.hidden/log/" + "0" * 16,
        "names/a b/log/" + "0" * 16,
        "names/%2f/log/" + "0" * 16,
        "names//log/" + "0" * 16,
        "names/" + "%20" * 67 + "/log/" + "0" * 16,
        "names/" + "a" * 201 + "/log/" + "0" * 16,
        "names/~" + "a" * 63 + "/log/" + "0" * 16,
        "hints/" + "a" * 63,
        "gc/" + "0" * 16 + "/other",
        "gc/damaged/" + "0" * 32 + "-00000000",
        "probe/" + "a" * 32 + "/UPPER",
        "probe/" + "a" * 32 + "/" + "a" * 33,
        "\u0660" * 16,
    ],
)
def test_other_keys_are_foreign(key: str) -> None:
    """A key of no shape in the table is nobody's, however close it comes."""
    assert parse_key(key) is None


def test_every_shape_has_a_key() -> None:
    """Each row of the table is recognised by its kind."""
    pack = "ab" * 16 + "-00000001"
    keys = {
        "descriptor": "holdall.json",
        "canary": "canary",
        "pack": f"packs/ab/{pack}",
        "log": f"runs/{'ab' * 16}/log/{'f' * 16}",
        "hint": f"hints/{'ab' * 32}",
        "condemn": f"gc/{'f' * 16}/condemn",
        "verdict": f"gc/{'f' * 16}/verdict",
        "done": f"gc/{'f' * 16}/done",
        "damaged": f"gc/damaged/{pack}",
        "catalog": f"catalog/{'0' * 16}/log/{'f' * 16}",
        "reserved": f"catalog/{'ab' * 8}/tail/{'ab' * 8}-{'ab' * 16}-{'ab' * 8}",
        "slot": "keys/slots/0000000a",
        "revoked": "keys/slots/0000000a-revoked",
        "root": "keys/roots/00000001",
        "keys": f"keys/experiments/{'ab' * 8}",
        "shredded": f"keys/experiments/{'ab' * 8}-shredded",
        "own": f"experiments/{'ab' * 8}/keys",
        "share": f"shares/{'00' * 8}-{'ab' * 16}/{'cd' * 16}/report.txt",
        "probe": f"probe/{'ab' * 16}/race-0",
    }
    assert keys.keys() == layout.SHAPES.keys()
    assert {kind: parsed.kind for kind, key in keys.items() if (parsed := parse_key(key))} == {k: k for k in keys}


@given(st.text(max_size=600))
def test_any_string_is_a_key_or_foreign(key: str) -> None:
    """`parse_key` raises nothing, and what it takes for a log's is made again from its parts."""
    for text in (key, f"names/{key}/log/{'0' * 16}", f"runs/{key}/log/{'f' * 16}"):
        found = parse_key(text)
        assert found is None or found.kind != "log" or log_key(found.log, found.number) == text


@pytest.mark.parametrize(
    ("name", "escaped"),
    [
        ("model", "model"),
        ("a.b-c_D9", "a.b-c_D9"),
        (".hidden", "%2Ehidden"),
        ("..", "%2E."),
        ("a b/c", "a%20b%2Fc"),
        ("ü", "%C3%BC"),
        ("100%", "100%25"),
        ("~", "%7E"),
        ("a" * 200, "a" * 200),
    ],
)
def test_names_are_escaped_byte_by_byte(name: str, escaped: str) -> None:
    """All but letters, digits, `_`, `-` and a `.` that is not first become `%XX`."""
    assert escape(name) == escaped


@given(st.text(st.characters(exclude_categories=["Cs"])), st.text(st.characters(exclude_categories=["Cs"])))
def test_two_names_never_share_a_key(a: str, b: str) -> None:
    """Escaping is injective, and fits into 200 bytes."""
    assert (escape(a) == escape(b)) == (a == b)
    assert len(escape(a)) <= 200


@pytest.mark.parametrize("name", ["a" * 201, "ü" * 34, ""])
def test_a_long_or_empty_name_is_hashed(name: str) -> None:
    """What does not fit into 200 bytes becomes `~` and its SHA-256."""
    assert escape(name) == "~" + hashlib.sha256(name.encode()).hexdigest()


@given(st.none() | st.integers() | st.text() | st.text(HEX + "-", min_size=41, max_size=41))
def test_what_is_no_packs_name_is_damage(text: object) -> None:
    """`PackName.parse` gives a name that shows as the text, or a FormatError."""
    with suppress(FormatError):
        assert str(PackName.parse(text, "it")) == text


def test_an_experiments_runs_share_a_prefix() -> None:
    """A run's id begins with 8 digits of its experiment's, which is computed from the name."""
    owner = layout.experiment_id("Default")
    assert owner == "21b111cbfe6e8fca"
    run = layout.run_id(owner, bytes(12))
    assert run == "21b111cb" + "0" * 24
    assert layout.is_run_id(run)
    assert not layout.is_run_id(run + "\n")


@pytest.mark.parametrize(
    ("began", "digits"), [(0, "03" + "f" * 10), (1, "03" + "f" * 9 + "e"), (2**48, "0" * 12), (-5, "03" + "f" * 10)]
)
def test_a_runs_id_tells_when_it_began(began: int, digits: str) -> None:
    """Twelve digits count the milliseconds down, and twelve are random; a clock that is far out gives an id too."""
    owner = layout.experiment_id("Default")
    run = layout.timed_run_id(owner, began, bytes(6))
    assert run == f"21b111cb{digits}{'0' * 12}"
    assert layout.is_run_id(run)


@given(st.integers(0, 2**53 - 1), hexes, hexes, st.text(st.characters(exclude_categories=["Cs"]), max_size=300))
def test_the_key_of_a_share_says_when_it_ends(expires: int, id: str, run: str, name: str) -> None:
    """`parse_key` takes back what `ShareName.key` gives, and a listing shows first what ends first."""
    made = ShareName(expires, id, run, escape(name))
    assert parse_key(made.key) == Key("share", share=made)
    assert len(made.key) <= layout.MAX_KEY
    assert made.key < made._replace(expires=expires + 1, id="0" * 32).key
