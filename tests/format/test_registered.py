"""Logs of models and names: written and read back, and folded whatever they say."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from holdall.errors import FormatError
from holdall.format.entry import LogEntry, encode_entry, parse_entry
from holdall.format.layout import name_log
from holdall.format.ops import STAGES
from holdall.format.registered import Holder, Registered

MODEL = "models/" + "cd" * 16
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
words = st.sampled_from(["a", "b"])
numbers = st.integers(1, 4)
VERSION: dict[str, Any] = {
    "op": "version",
    "source": "models:/a/1",
    "run": "ab" * 16,
    "path": "",
    "digest": "sha256:" + "0" * 64,
    "pin": "p",
    "user": None,
    "run_link": "there",
    "model_id": None,
}


def op(name: str, /, **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({"op": st.just(name), **fields})


ops = st.one_of(
    numbers.map(lambda number: {**VERSION, "version": number}),
    op("drop", version=numbers),
    op("alias", alias=words, version=st.none() | numbers),
    op("stage", version=numbers, stage=st.sampled_from(STAGES)),
    op("describe", version=st.none() | numbers, text=st.none() | texts),
    op("version_tag", version=numbers, key=words, value=st.none() | texts),
    op("tag", key=words, value=st.none() | texts),
    op("name", name=texts),
    op("x-later", anything=texts),
)


def entry(log: str, n: int, *said: dict[str, Any]) -> LogEntry:
    """Entry n, once written and read back."""
    draft = LogEntry(log, n, "c" * 32, "d" * 64 if n else None, 1000 + n, "test", None, said)
    return parse_entry(encode_entry(draft), log, n)


@given(st.lists(st.lists(ops, max_size=4), max_size=8))
def test_a_model_is_whole_whatever_its_log_says(said: list[list[dict[str, Any]]]) -> None:
    """Each entry is taken in or is damage; numbers ascend without a gap, and an alias points at what is there."""
    model, given_out = Registered(), 0
    model.apply(entry(MODEL, 0, {"op": "create", "name": "first"}))
    for n, some in enumerate(said, 1):
        try:
            model.apply(entry(MODEL, n, *some))
        except FormatError:
            return
        given_out += sum(one["op"] == "version" for one in some)
        assert model.last == given_out >= len(model.versions)
        assert list(model.versions) == sorted(model.versions)
        assert set(model.aliases.values()) <= model.versions.keys()
        assert model.updated == 1000 + n


@given(st.lists(st.tuples(st.integers(0, 5), words), max_size=6))
def test_a_claim_stands_until_another_name_is_given(later: list[tuple[int, str]]) -> None:
    """A claim of `a` that was made at an entry stands if each name given after it is `a`."""
    model = Registered()
    model.apply(entry(MODEL, 0, {"op": "create", "name": "a"}))
    names = ["a"]
    for n, (_, name) in enumerate(later, 1):
        model.apply(entry(MODEL, n, {"op": "name", "name": name}))
        names.append(name)
    for at in range(len(names)):
        assert model.upholds("a", at) == (set(names[at + 1 :]) <= {"a"})
    model.apply(entry(MODEL, len(names), {"op": "tombstone"}))
    assert not any(model.upholds("a", at) for at in range(len(names) + 2))


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=90))
def test_the_last_claim_counts(name: str) -> None:
    """Until it is released by its own holder."""
    held, log = Holder(), name_log(name)
    held.apply(entry(log, 0, {"op": "create", "name": name}, {"op": "claim", "id": "1", "at": 0}))
    held.apply(entry(log, 1, {"op": "claim", "id": "2", "at": 7}))
    held.apply(entry(log, 2, {"op": "release", "id": "1"}))
    assert (held.name, held.id, held.at) == (name, "2", 7)
    held.apply(entry(log, 3, {"op": "release", "id": "2"}))
    assert held.id is None
