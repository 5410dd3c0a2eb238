"""Paths: what a run may hold, where a link may lead, and in which order they stand."""

from __future__ import annotations

import re
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.format.strategies import paths

from holdall.errors import InvalidPathError
from holdall.format import paths as rules
from holdall.format.paths import ancestors, check_link, check_path, resolve, sort_key


@pytest.mark.parametrize(
    "path",
    ["a", "a/b", "...", ".a", "a.", "a b", "a\nb", "\r", "-", "漢字", "e\u0301", "é", "a" * 1024, "é" * 512, "COM1"],
)
def test_odd_paths_are_paths(path: str) -> None:
    """Any names of valid UTF-8 are kept as they are, up to 1,024 bytes."""
    assert check_path(path) == path


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("", "empty"),
        ("/", "absolute"),
        ("/etc/passwd", "absolute"),
        ("a/", "a name in it is empty"),
        ("a//b", "a name in it is empty"),
        (".", "a name in it is empty, '.'"),
        ("a/./b", "a name in it is empty, '.'"),
        ("..", "'..'"),
        ("a/../../b", "'..'"),
        ("a\0b", "NUL"),
        ("a\\b", "backslash"),
        ("C:\\a", "backslash"),
        ("\ud800", "not valid UTF-8"),
        ("a" * 1025, "1025 bytes"),
        ("é" * 513, "1026 bytes"),
    ],
)
def test_what_could_escape_is_no_path(path: str, reason: str) -> None:
    """Absolute, relative to above, ambiguous or too long: an InvalidPathError that says why."""
    with pytest.raises(InvalidPathError, match=reason.replace(".", r"\.")):
        check_path(path)


@pytest.mark.parametrize(
    ("path", "target", "where"),
    [
        ("a", "b", "b"),
        ("a/b", "c", "a/c"),
        ("a/b", "../c", "c"),
        ("a/b", "..", ""),
        ("a/b/c", "../../d/./e", "d/e"),
        ("a/b/c", "./.././../d", "d"),
        ("a", "b//c/", "b/c"),
        ("a", ".", ""),
        ("a", "..", None),
        ("a/b", "../../c", None),
        ("a/b", "../a/../../c", None),
    ],
)
def test_a_link_is_resolved_by_its_letters(path: str, target: str, where: str | None) -> None:
    """From the link's folder, `..` going up and `.` nowhere; above the root is outside."""
    assert resolve(path, target) == where
    if where is None:
        with pytest.raises(InvalidPathError, match="lies outside"):
            check_link(path, target)
    else:
        assert check_link(path, target) == target


@pytest.mark.parametrize(
    "target", ["b/..", "b/../c", "b//../c", "b/./../c", "../b/../c", "b/c/../..", "b/../", ".b/.."]
)
def test_a_target_goes_up_only_at_its_beginning(target: str) -> None:
    """Behind a name `..` leads up from where that name leads, which letters cannot tell."""
    assert resolve("a/b/c", target) is not None
    with pytest.raises(InvalidPathError, match="behind a name"):
        check_link("a/b/c", target)


@pytest.mark.parametrize("target", ["", "/", "/etc/passwd", "a\0", "a\\b", "b" * 1025, "\udcff"])
def test_a_target_obeys_the_bytes_of_paths(target: str) -> None:
    """A link's target is relative, of 1 to 1,024 bytes, without NUL and backslash."""
    with pytest.raises(InvalidPathError, match="link to"):
        check_link("a/b", target)


@given(paths, st.lists(st.sampled_from(["..", ".", "", "a", "b"]), min_size=1, max_size=8).map("/".join))
def test_a_link_never_leads_out(path: str, target: str) -> None:
    """What `check_link` lets pass resolves inside the run, each step of the way."""
    try:
        check_link(path, target)
    except InvalidPathError:
        return
    depth = path.count("/")
    for name in target.split("/"):
        depth += -1 if name == ".." else name not in ("", ".")
        assert depth >= 0


@given(
    st.dictionaries(
        paths_of := st.lists(st.sampled_from("abc"), min_size=1, max_size=3).map("/".join),
        st.lists(st.sampled_from(["..", ".", "a", "b", "c"]), min_size=1, max_size=5).map("/".join),
        max_size=5,
    ),
    paths_of,
)
def test_no_chain_of_links_leads_out(links: dict[str, str], begin: str) -> None:
    """Followed as a disk follows them, name by name and link by link, admitted links never leave the root."""
    admitted = {path: target for path, target in links.items() if not any(up in links for up in ancestors(path))}
    for path, target in list(admitted.items()):
        with suppress(InvalidPathError):
            check_link(path, target)
            continue
        del admitted[path]
    at: list[str] = []
    left = begin.split("/")
    for _ in range(200):
        if not left:
            return
        name = left.pop(0)
        if name == "..":
            assert at, "it left the root"
            at.pop()
        elif name not in ("", "."):
            at.append(name)
            if further := admitted.get("/".join(at)):
                at.pop()
                left = further.split("/") + left


@given(paths, paths, paths)
def test_a_directory_is_followed_by_all_it_holds(a: str, b: str, below: str) -> None:
    """No path stands between a directory and what is in it."""
    inside = f"{a}/{below}"
    assert sort_key(a) < sort_key(inside)
    if sort_key(a) < sort_key(b) < sort_key(inside):
        assert b.startswith(a + "/")


@given(paths, paths)
def test_paths_are_ordered_by_their_names(a: str, b: str) -> None:
    """The order of trees is that of lists of names, compared by their bytes."""
    as_names = [[name.encode() for name in path.split("/")] for path in (a, b)]
    assert (sort_key(a) < sort_key(b)) == (as_names[0] < as_names[1])


@given(paths)
def test_ancestors_are_the_directories_above(path: str) -> None:
    """Outermost first, each the folder of the next."""
    above = ancestors(path)
    assert len(above) == path.count("/")
    assert all(path.startswith(folder + "/") for folder in above)
    assert above == sorted(above, key=len)


@given(st.text())
def test_any_text_is_a_path_or_is_refused(text: str) -> None:
    """`check_path` raises nothing but InvalidPathError."""
    with suppress(InvalidPathError):
        assert check_path(text) == text


@given(st.text(st.sampled_from("aZ9_-./\\\0é\ud800 "), max_size=12))
def test_what_is_let_pass_at_a_glance_would_pass_a_long_look(path: str) -> None:
    """The short way for usual names says of none what the rules would not."""

    def verdict() -> str | None:
        try:
            return check_path(path)
        except InvalidPathError:
            return None

    at_a_glance = verdict()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rules, "_USUAL", re.compile("(?!)"))
        assert verdict() == at_a_glance
