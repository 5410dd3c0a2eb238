"""The benchmarks run: the harness, a question at tiny size, and what is drawn from its answer. No time is judged."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib import import_module
from itertools import islice, pairwise
from pathlib import Path

import pytest
from benchmarks import cpu, dedup, pages, scale, space
from benchmarks.all import QUESTIONS
from benchmarks.answer import Answer, text_of, verdict
from benchmarks.data import random_file, same, small_files, weights_file
from benchmarks.measured import PeerFailedError, Taken, measure
from benchmarks.peers.on_disk import Copies, holdall_in, on_disk
from benchmarks.plot import draw
from benchmarks.rounds import Options, Question, Work, answer
from benchmarks.spent import ROOT, Side, spent
from benchmarks.table import write_table
from benchmarks.versions import KINDS, VERSIONS
from tests.support.depth import DEEP


@pytest.fixture
def options(tmp_path: Path) -> Options:
    """Two rounds with tiny sizes."""
    return Options(rounds=2, size=300_000, files=5, scratch=tmp_path / "scratch", data=tmp_path / "data")


@contextmanager
def ask(options: Options) -> Iterator[Question]:
    """Ours against copies, and against a peer that cannot start."""
    noise, small = random_file(options.data, options.size), small_files(options.data, options.files)

    @contextmanager
    def broken(scratch: Path) -> Iterator[None]:
        raise PeerFailedError("it is not installed")
        yield

    yield Question(
        text="Does it run?",
        works=(
            Work("log", lambda side: side.log(noise), floors={"copies": 0.0, "broken": 1.0}),
            Work("log again", lambda side: side.log(noise), of="memory", ceiling=1 << 40),
            Work("fetch", lambda side: side.fetch(noise)),
            Work("stored", lambda side: side.kept(noise), of="bytes", once=True),
            Work("a folder", lambda side: side.log(small)),
        ),
        sides={"holdall": on_disk(holdall_in), "copies": on_disk(Copies), "broken": broken},
    )


@pytest.mark.deep  # it measures two tools; what it counts and draws is asked by the tests below
@pytest.mark.long
def test_a_question_is_answered_from_measurements_to_the_picture(options: Options, tmp_path: Path) -> None:
    """Every side's every round is kept, failures are told, and the table and the picture come from the file alone."""
    found = answer("smoke", ask, options, tell=lambda text: None)
    log, again, fetch, stored, folder = found.rows
    assert [len(row.taken["holdall"]) for row in found.rows] == [2, 2, 2, 1, 2]
    assert [len(row.taken["copies"]) for row in (log, again, fetch, stored)] == [2, 2, 2, 1]
    assert log.taken["broken"] == folder.taken["copies"] == []
    assert found.failures[0] == "broken: it is not installed"
    assert found.failures[1].startswith("copies, a folder: ")
    assert len(found.failures) == 2
    assert all(taken.whole > taken.seconds > 0 < taken.memory for taken in log.taken["holdall"])
    assert stored.values("copies") == [options.size]
    assert options.size < stored.values("holdall")[0] < options.size + 20_000
    assert verdict(log, "copies") == "yes"
    assert not any((options.scratch / "smoke").rglob("*"))

    (tmp_path / "answers").mkdir()
    (tmp_path / "answers" / "smoke.json").write_text(found.to_json())
    assert Answer.read(tmp_path / "answers" / "smoke.json") == found
    assert "broken: it is not installed" in text_of(found)
    write_table(tmp_path / "answers", tmp_path / "README.md")
    write_table(tmp_path / "answers", tmp_path / "README.md")
    assert (tmp_path / "README.md").read_text().count("| log again |") == 1
    assert draw(tmp_path / "answers").stat().st_size > 1000


def test_the_data_is_the_same_every_time(tmp_path: Path) -> None:
    """Two folders get the same bytes, and what is there already is not made again."""
    for kind in ("fp32", "bf16"):
        one, other = (weights_file(tmp_path / name, 100_000, kind) for name in ("a", "b"))
        assert same(one, other)
        assert 100_000 < one.stat().st_size < 100_200
    one, other = (small_files(tmp_path / name, 12) for name in ("a", "b"))
    assert same(one, other)
    (other / "part-1" / "00001.bin").write_bytes(b"changed")
    assert not same(one, small_files(tmp_path / "b", 12))


def test_what_goes_wrong_in_a_measured_process_is_told() -> None:
    """The last line that the process said is the error."""
    with pytest.raises(PeerFailedError, match="No module named 'no_such_thing'"):
        measure("benchmarks.imports:load", name="no_such_thing")


def test_ratios_are_of_medians() -> None:
    """One slow round changes nothing."""
    from benchmarks.answer import Row

    row = Row("log", "seconds", {"peer": 2.0}, None, {"ours": [], "peer": []})
    assert row.ratio("peer") is None
    row.taken["ours"] += [Taken(1.0), Taken(50.0), Taken(1.5)]
    row.taken["peer"] += [Taken(3.0), Taken(3.0), Taken(90.0)]
    assert row.ratio("peer") == 2.0
    assert verdict(row, "peer") == "yes"
    assert verdict(replace(row, floors={"peer": 2.5}), "peer") == "no"


@pytest.mark.parametrize("name", QUESTIONS)
def test_every_question_can_be_asked(name: str) -> None:
    """Its file imports without its peers, and says what it asks."""
    question = import_module(f"benchmarks.{name}")
    assert question.__doc__
    assert callable(question.ask)


def test_a_series_takes_what_its_last_three_checkpoints_need(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Within five per cent, once it is compacted; a deleted experiment leaves stubs."""
    monkeypatch.setattr(space, "STEPS", 4)
    alone, ours = (make(tmp_path / make.__name__, 3_000_000, "adapters") for make in (space.Alone, space.Ours))
    for series in (alone, ours):
        series.folder.mkdir()
    needed, logged = alone.logged(), ours.logged()
    kept = ours.kept()
    assert needed < kept < logged
    assert ours.compacted() < 1.05 * needed
    assert ours.emptied() < 0.02 * needed


def test_the_profile_names_the_threads_that_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each of the two files is logged twice, and each time some thread is named."""
    monkeypatch.setattr(cpu, "PLAIN", Options(scratch=tmp_path / "scratch", data=tmp_path / "data"))
    monkeypatch.setattr(sys, "argv", ["cpu", "--threads", "--size", "16M"])
    cpu.main()
    told = capsys.readouterr().out
    assert [told.count(word) for word in ("SHA-256", "fresh: ", "again: ", "by threads:\n    ")] == [2, 2, 2, 4]


@pytest.mark.skipif(not DEEP, reason="it measures each verb twice; the other questions are asked in every run")
def test_what_a_verb_takes_of_processors_is_told_of_two_versions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of each kind three verbs, each of this checkout and of the one that is named, and their ratio."""
    monkeypatch.setattr(cpu, "PLAIN", Options(scratch=tmp_path / "scratch", data=tmp_path / "data"))
    small = ["--size", "300000", "--files", "5", "--rounds", "1", "--kinds", "text", "files"]
    monkeypatch.setattr(sys, "argv", ["cpu", *small, "--against", str(ROOT)])
    cpu.main()
    rows = [line.split() for line in capsys.readouterr().out.splitlines()[2:]]
    assert [row[:2] for row in rows] == [
        [kind, verb] for kind in ("text", "files") for verb in ("fresh", "again", "get")
    ]
    assert all(float(figure) > 0 for row in rows for figure in row[2:])
    assert {len(row) for row in rows} == {5}


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux gives us what has lost its parent")
def test_what_outlives_its_process_is_counted_with_it(tmp_path: Path) -> None:
    """A child that works on after its parent ended is the verb's cost as well."""
    package = tmp_path / "src" / "holdall"
    package.mkdir(parents=True)
    work = "import time\nwhile time.process_time() < 0.5: pass"
    (package / "__init__.py").write_text(
        "import contextlib, subprocess, sys, types\n"
        "set_store = log_text = log_artifact = lambda *_: None\n"
        "artifacts = types.SimpleNamespace(load_text=lambda _: None)\n"
        "start_run = lambda: contextlib.nullcontext(types.SimpleNamespace(id=1))\n"
        f"def log_artifact(_): subprocess.Popen([sys.executable, '-c', {work!r}], stdout=-3)\n"
    )
    assert spent(Side.at("stand-in", tmp_path), "log", url="u", path=str(tmp_path / "none")).seconds >= 0.4


def test_a_verb_that_does_not_end_is_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever measures is told, and goes on."""
    package = tmp_path / "src" / "holdall"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("import time; time.sleep(5)")
    monkeypatch.setattr("benchmarks.spent.PATIENCE", 0.5)
    with pytest.raises(RuntimeError, match="stand-in, log: not done after"):
        spent(Side.at("stand-in", tmp_path), "log", url="u", path=str(tmp_path / "none"))


@pytest.mark.parametrize("kind", KINDS)
def test_versions_of_files_are_the_same_each_time(kind: str) -> None:
    """Eight versions of each kind, each unlike the one before, and the same bytes whenever they are made."""
    make, _ = KINDS[kind]
    first = [sorted(folder.items()) for folder in make(1 << 20)]
    assert len(first) == VERSIONS
    assert all(one != other for one, other in pairwise(first))
    assert [sorted(folder.items()) for folder in islice(make(1 << 20), 2)] == first[:2]


def test_a_chain_of_versions_is_held_against_an_exact_index(tmp_path: Path) -> None:
    """What was stored although it was there is counted: with no look at the run before it is more."""
    kind = "SQLite, a third of its chunks"
    (now, _), (old, _) = (
        dedup.chain_of(kind, dedup.SETS[name], tmp_path / str(n), 4 << 20, peer=False)
        for n, name in enumerate(("as it is", "all as it was in November 2026"))
    )
    assert len(now.stored) == VERSIONS
    assert now.stored == sorted(now.stored)
    assert now.again - now.refused < 0.01 * now.logical
    assert now.stored[-1] < 0.9 * old.stored[-1]
    assert old.again > now.again


@pytest.mark.long
def test_looking_at_many_runs_is_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A row for each verb: of what is remembered only the listing is asked for again, and a page of S3 is read."""
    verbs = ["search, cold", "search, warm", scale.PAGES]
    monkeypatch.setattr(sys, "argv", ["scale", "--runs", "30", "--scratch", str(tmp_path), "--verbs", *verbs])
    scale.main()
    rows = [line.split(" | ") for line in capsys.readouterr().out.splitlines()[2:]]
    assert [(row[1], int(row[3])) for row in rows] == [(verbs[0], 32), (verbs[1], 2), (verbs[2], 1)]


@pytest.mark.long
def test_the_first_page_is_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A row for each step: with a catalog a search asks for few, and a first page for no more than fifty."""
    steps = ["write a catalog, cold", "first page, cold"]
    monkeypatch.setattr(sys, "argv", ["pages", "--runs", "60", "--scratch", str(tmp_path), "--steps", *steps])
    pages.main()
    rows = {row[0].strip("| "): int(row[1]) for row in _cells(capsys.readouterr().out)}
    assert rows[steps[0]] >= 60
    assert rows[steps[1]] <= 50


def _cells(shown: str) -> list[list[str]]:
    return [line.split(" | ") for line in shown.splitlines()[2:]]
