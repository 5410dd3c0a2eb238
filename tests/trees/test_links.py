"""Links: none leads a reader out, and nothing is ever written below one."""

from __future__ import annotations

import os
import threading
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.support.stores import entropy, tiny_store

from holdall.errors import DestinationError, FormatError, HoldallError, InvalidPathError, UnsupportedFileError
from holdall.format.digest import sha256
from holdall.format.reference import NODE
from holdall.format.sealing import PLAIN
from holdall.format.tree import Entry, Kind, encode_node
from holdall.runs.run import Run
from holdall.storage.memory import MemoryBucket
from holdall.trees import collisions
from holdall.trees.destination import Destination
from holdall.trees.session import Draft
from holdall.trees.snapshot import InlineBlobs
from holdall.trees.source import bytes_item


@pytest.fixture
def run() -> Run:
    """A run that holds a small file and a large one at three depths."""
    run = tiny_store(MemoryBucket()).runs.start()
    files = {"small": b"small", "large": entropy(1)(20_000)}
    run._log_items(
        [bytes_item(f"{folder}{name}", data) for folder in ("", "d/", "d/e/") for name, data in files.items()]
    )
    return run


@pytest.fixture
def outside(tmp_path: Path) -> Iterator[Path]:
    """A folder that stays empty, whatever is fetched beside it."""
    outside = tmp_path / "outside"
    outside.mkdir()
    yield outside
    assert list(outside.iterdir()) == []


def commit(run: Run, *entries: Entry) -> None:
    """Commit what no writer would."""
    inline = InlineBlobs([], PLAIN)
    tree = inline.place(encode_node(0, entries), NODE)
    op = {"op": "commit", "tree": tree.to_json(), "files": 0, "bytes": 0, "new_bytes": 0, "stored_bytes": 0}
    run._writing().append(lambda: Draft([op], inline.blobs))


def empty(path: str) -> Entry:
    """A file without bytes."""
    return Entry(path, Kind.FILE, 0, sha256(b""))


def link(path: str, target: str) -> Entry:
    """A link."""
    return Entry(path, Kind.LINK, target=target)


@pytest.mark.parametrize("target", ["d/../x", "d/..", "../d/../../x", "./d/./../x"])
def test_a_link_that_goes_up_behind_a_name_is_not_logged(run: Run, tmp_path: Path, target: str) -> None:
    """The error names the local link and says what to do; nothing is committed."""
    folder = tmp_path / "folder"
    (folder / "a/b").mkdir(parents=True)
    (folder / "a/b/link").symlink_to(target)
    with pytest.raises(UnsupportedFileError, match="behind a name") as caught:
        run.log_artifacts(folder)
    assert caught.value.path == str(folder / "a/b/link")
    assert len(run.manifest) == 6


@pytest.mark.parametrize("at", ["d", "d/e"])
@pytest.mark.parametrize("where", ["outside", "to/elsewhere", "nowhere", "."])
def test_nothing_is_written_below_a_link_that_was_there(
    run: Run, tmp_path: Path, outside: Path, at: str, where: str
) -> None:
    """Wherever it leads, to a folder inside too: the error names it, and nothing half is left."""
    (tmp_path / "to/elsewhere").mkdir(parents=True)
    place = tmp_path / "to" / at
    place.parent.mkdir(exist_ok=True)
    place.symlink_to(tmp_path / where)
    with pytest.raises(DestinationError, match="nothing is written below a link") as caught:
        run.download(None, tmp_path / "to")
    assert caught.value.path == str(place)
    assert "remove the link" in caught.value.hint
    assert list((tmp_path / "to/elsewhere").iterdir()) == []
    assert list((tmp_path / "to").rglob("*.partial")) == []
    assert place.is_symlink()


@pytest.mark.parametrize("name", ["small", "large", "d/e/small", "d/e/large"])
def test_a_link_gives_way_to_a_file_and_what_it_led_to_stays(run: Run, tmp_path: Path, name: str) -> None:
    """Content is never written through a link, not even at the last name."""
    theirs = tmp_path / "theirs"
    theirs.write_text("theirs")
    (tmp_path / "to/d/e").mkdir(parents=True)
    (tmp_path / "to" / name).symlink_to(theirs)
    run.download(name, tmp_path / "to")
    assert not (tmp_path / "to" / name).is_symlink()
    assert (tmp_path / "to" / name).read_bytes() == run.read(name)
    assert theirs.read_text() == "theirs"


def test_the_destination_itself_may_be_a_link(run: Run, tmp_path: Path) -> None:
    """Its user named it."""
    (tmp_path / "real").mkdir()
    (tmp_path / "to").symlink_to("real")
    run.download(None, tmp_path / "to/into")
    assert (tmp_path / "real/into/d/e/small").read_bytes() == b"small"


def test_what_a_second_run_holds_is_not_written_below_the_first_ones_links(tmp_path: Path) -> None:
    """One folder, two fetches: the first leaves a link, and the second has files there."""
    store = tiny_store(MemoryBucket())
    one, two = store.runs.start(), store.runs.start()
    commit(one, link("a/b/c", "../.."), empty("d/x"), link("z", "d"))
    two.log_bytes(b"evil", "z/evil.txt")
    one.download(None, tmp_path)
    with pytest.raises(DestinationError, match="below a link") as caught:
        two.download(None, tmp_path)
    assert caught.value.path == str(tmp_path / "z")
    assert [path.name for path in (tmp_path / "d").iterdir()] == ["x"]


@pytest.mark.parametrize("target", ["a/b/c/../outside", "b/..", "/etc", "../x", "..", "x\\y", "x\0"])
def test_a_hostile_link_is_refused_by_its_path(tmp_path: Path, target: str) -> None:
    """However the run is read, the error is of damage and names the path; nothing is written."""
    run = tiny_store(MemoryBucket()).runs.start()
    commit(run, link("evil", target))
    verbs: list[Callable[[], object]] = [
        partial(run.download, None, tmp_path / "to"),
        partial(run.read, "evil"),
        lambda: run.manifest,
    ]
    for verb in verbs:
        with pytest.raises(FormatError, match="'evil'"):
            verb()
    assert not (tmp_path / "to").exists()


@pytest.mark.parametrize("standing", [link("z", "d"), empty("z")])
@pytest.mark.parametrize("below", [empty("z/evil"), link("z/evil", "x"), Entry("z/evil", Kind.DIRECTORY)])
def test_two_commits_do_not_put_a_path_below_a_link(tmp_path: Path, standing: Entry, below: Entry) -> None:
    """In one node the parser refuses it; in two commits, whoever walks them."""
    run = tiny_store(MemoryBucket()).runs.start()
    commit(run, below)
    commit(run, standing)
    verbs: list[Callable[[], object]] = [
        partial(run.download, None, tmp_path / "to"),
        lambda: run.manifest_text,
        partial(list, run.entries()),
    ]
    for verb in verbs:
        with pytest.raises(FormatError, match="'z/evil' was committed below 'z'"):
            verb()
    assert not (tmp_path / "to").exists()


def test_entries_that_were_never_in_one_tree_are_not_written_below_links_either(tmp_path: Path, outside: Path) -> None:
    """`fetch` takes entries from its caller; the disk is asked, not they."""
    run = tiny_store(MemoryBucket()).runs.start()
    for entries in ([link("z", "d"), empty("z/evil")], [empty("z/evil"), link("z", "d")]):
        with pytest.raises(DestinationError):
            run._fetch_selected(entries, tmp_path / "to")
    (tmp_path / "to2").mkdir()
    (tmp_path / "to2/z").symlink_to(outside)
    with pytest.raises(DestinationError, match="below a link"):
        run._fetch_selected([empty("z/evil")], tmp_path / "to2")


@pytest.mark.parametrize("verb", ["mkdir", "open", "replace"])
def test_a_folder_that_becomes_a_link_at_any_moment_leads_nowhere(
    run: Run, tmp_path: Path, outside: Path, verb: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before each call in turn, a rival puts a link to elsewhere in the place of a folder."""
    honest = getattr(os, verb)

    for n in range(40):
        to, calls = tmp_path / f"to{n}", Counter[str]()

        def swap(*args: Any, to: Path = to, calls: Counter[str] = calls, n: int = n, **kwargs: Any) -> Any:
            calls[verb] += 1
            if calls[verb] == n and (to / "d").is_dir():
                (to / "d").rename(tmp_path / f"moved{n}")
                (to / "d").symlink_to(outside)
            return honest(*args, **kwargs)

        monkeypatch.setattr(os, verb, swap)
        with suppress(DestinationError):
            run.download(None, to)
        monkeypatch.setattr(os, verb, honest)
        assert list(outside.iterdir()) == []
        if calls[verb] < n:
            return
    raise AssertionError("it never ended")


def test_a_race_of_folders_and_links_leads_nowhere(run: Run, tmp_path: Path, outside: Path) -> None:
    """The same with a thread that swaps as fast as it can."""
    to, done = tmp_path / "to", threading.Event()
    (to / "d/e").mkdir(parents=True)

    def swap() -> None:
        while not done.is_set():
            with suppress(OSError):
                (to / "d").rename(to / "kept")
                (to / "d").symlink_to(outside)
                (to / "d").unlink()
                (to / "kept").rename(to / "d")

    rival = threading.Thread(target=swap)
    rival.start()
    try:
        for _ in range(150):
            with suppress(HoldallError):
                run.download(None, to)
    finally:
        done.set()
        rival.join()
    assert list(outside.iterdir()) == []


@contextmanager
def counted(*names: str) -> Iterator[Counter[str]]:
    """How often functions of `os` are called."""
    calls = Counter[str]()

    def counting(name: str, verb: Callable[..., object], *args: object, **kwargs: object) -> object:
        calls[name] += 1
        return verb(*args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        for name in names:
            patch.setattr(os, name, partial(counting, name, getattr(os, name)))
        yield calls


def test_many_small_files_cost_what_they_would_cost_by_their_paths(tmp_path: Path) -> None:
    """2,000 files in 40 folders: one file is an open and a rename, one folder a mkdir and an open, seldom more."""
    run = tiny_store(MemoryBucket()).runs.start()
    run._log_items([bytes_item(f"d/{n % 40}/{n}", b"%d" % n) for n in range(2000)])
    with counted("open", "mkdir", "replace", "stat", "unlink") as calls:
        run.download(None, tmp_path / "to")
    assert calls["replace"] == 2000
    assert calls["open"] <= 2000 + 2 * 42
    assert calls["mkdir"] <= 42
    assert calls["stat"] + calls["unlink"] <= 10


def test_few_folders_are_open_at_once(tmp_path: Path) -> None:
    """However many there are, and however deep: a process may open 256 files on some systems."""
    run = tiny_store(MemoryBucket()).runs.start()
    run._log_items([bytes_item("/".join("abc" * 100), b"deep"), *(bytes_item(f"{n}/x", b"wide") for n in range(300))])
    before = len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").exists() else 0
    most = before
    honest = os.replace

    def look(*args: Any, **kwargs: Any) -> None:
        nonlocal most
        most = max(most, len(os.listdir("/proc/self/fd")) if before else 0)
        honest(*args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "replace", look)
        run.download(None, tmp_path / "to")
    assert most - before <= 80
    assert (tmp_path / "to" / "/".join("abc" * 100)).read_bytes() == b"deep"
    assert before in (0, len(os.listdir("/proc/self/fd")))


@pytest.mark.parametrize("size", [b"small", bytes(300_000)])
@pytest.mark.parametrize("name", ["n" * 255, "é" * 127, "漢" * 85, "n" * 254 + "é"[:0], "d/" + "😀" * 63, "x" * 201])
def test_names_may_be_as_long_as_the_disk_takes(tmp_path: Path, name: str, size: bytes) -> None:
    """Up to 255 bytes, in whatever letters: what stands beside it meanwhile has a shorter one."""
    run = tiny_store(MemoryBucket()).runs.start()
    run._log_items([bytes_item(name, size), bytes_item("other/" + name, b"small")])
    run.download(None, tmp_path)
    assert (tmp_path / name).read_bytes() == size
    assert list(tmp_path.rglob("*.partial")) == []


@pytest.mark.parametrize(
    "path", ["/".join("n" * 203 for _ in range(5)) + "/abcd", "/".join("x" * 512), "é/" * 341 + "x"]
)
def test_paths_may_be_as_long_as_the_format_takes(tmp_path: Path, path: str) -> None:
    """Up to 1,024 bytes, logged from a folder and fetched again, links too."""
    assert len(path.encode()) in (1023, 1024)
    run = tiny_store(MemoryBucket()).runs.start()
    run.log_bytes(b"far", path)
    run.download(None, tmp_path / "to")
    assert (tmp_path / "to" / path).read_bytes() == b"far"
    again = tiny_store(MemoryBucket()).runs.start()
    again.log_artifacts(tmp_path / "to")
    assert again.manifest == run.manifest


def test_a_name_that_no_disk_takes_is_named(tmp_path: Path) -> None:
    """It can be logged from memory and read; fetched it cannot be, which the error explains."""
    run = tiny_store(MemoryBucket()).runs.start()
    run.log_bytes(b"x", "n" * 256)
    assert run.read("n" * 256) == b"x"
    with pytest.raises(DestinationError, match="longer than this disk takes"):
        run.download(None, tmp_path)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("A", "a", True),
        ("d/A/x", "d/a/y", True),
        ("caf\u00e9", "cafe\u0301", True),
        ("d\u00e9/x", "de\u0301/x", True),
        ("\u00c9", "e\u0301", True),
        ("stra\u00dfe", "strasse", False),
        ("a/b", "a\uff0fb", False),
        ("a", "b", False),
    ],
)
def test_paths_that_are_one_on_this_disk_are_refused(
    tmp_path: Path, one: str, other: str, same: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk is asked; here it folds case and accents, as those of macOS do. Nothing is written before."""
    run = tiny_store(MemoryBucket()).runs.start()
    run._log_items([bytes_item(one, b"one"), bytes_item(other, b"other")])
    run.download(None, tmp_path / "distinguishing")
    assert (tmp_path / "distinguishing" / one).read_bytes() == b"one"
    assert (tmp_path / "distinguishing" / other).read_bytes() == b"other"

    def folds(_: Destination, a: str, b: str) -> bool:
        normal = unicodedata.normalize
        return normal("NFD", a.lower()) == normal("NFD", b.lower())

    monkeypatch.setattr(collisions, "_are_one", folds)
    if not same:
        run.download(None, tmp_path / "folding")
        return
    with pytest.raises(InvalidPathError, match="on this disk it is the same as"):
        run.download(None, tmp_path / "folding")
    assert list((tmp_path / "folding").iterdir()) == []


def test_a_disk_is_asked_by_making_one_name_and_looking_for_the_other(tmp_path: Path) -> None:
    """And nothing of the question stays."""
    with Destination(tmp_path) as below:
        assert not collisions._are_one(below, "a", "A")
        assert collisions._are_one(below, "a", "a")
    assert list(tmp_path.iterdir()) == []
