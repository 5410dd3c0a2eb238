"""Progress is seen by people and logs, and by nobody else."""

from __future__ import annotations

import gc
import io
import logging
import os
import pickle
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeAlias

import pytest
from tests.support.watched import Screen, in_a_pipe, on_a_terminal

from holdall.chunks.observer import SILENT
from holdall.progress import observer_for, watch
from holdall.progress.renderers import Bar, describe, lines
from holdall.progress.watch import Progress, Snapshot
from holdall.settings import read_settings

BAR = re.compile(
    r"(log|fetch): +\d+%\|.*\| [\d.]+k?/(391|195)k "
    r"\[\d\d:\d\d<(\d\d:\d\d|\?), +([\d.]+k|\?)iB/s(, saved [\d.]+ (Ki)?B)?\]"
)


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


class Clock:
    """Seconds, as the test says."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


class Notes:
    """A renderer that writes down what it is shown, and who shows it."""

    def __init__(self) -> None:
        self.shown: list[Snapshot] = []
        self.outcomes: list[str] = []
        self.forgotten = 0

    def show(self, seen: Snapshot) -> None:
        self.shown.append(seen)

    def end(self, seen: Snapshot, outcome: str, /) -> None:
        self.shown.append(seen)
        self.outcomes.append(outcome)

    def forget(self) -> None:
        self.forgotten += 1


def unwatched(picture: watch.MakeRenderer) -> tuple[Progress, Clock]:
    """Progress that looks when it is told to, by a clock that stands."""
    clock = Clock()
    return Progress(picture, elsewhere=lines, clock=clock, start=lambda _: None), clock


# --- terminals and pipes ---

SHOWN = [("auto", "one"), ("bar", "fetch"), ("auto", "two"), ("auto", "failing")]
QUIET = [("auto", "quick"), ("off", "one"), ("log", "one")]
MODES = ["auto", "bar", "log", "off"]
OnTerminal: TypeAlias = Callable[[str, str], tuple[int, Screen]]
InPipe: TypeAlias = Callable[[str, str], "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def threads() -> Iterator[ThreadPoolExecutor]:
    """Each script waits for seconds, so all run at once."""
    with ThreadPoolExecutor(16) as pool:
        yield pool


@pytest.fixture(scope="module")
def terminal(python: Callable[[], list[str]], threads: ThreadPoolExecutor) -> OnTerminal:
    """What each script shows on a terminal; the quick one has the machine to itself."""
    quick = {QUIET[0]: on_a_terminal(python(), *QUIET[0])}
    begun = {each: threads.submit(on_a_terminal, python(), *each) for each in [*SHOWN, *QUIET[1:]]}
    return lambda mode, what: quick.get((mode, what)) or begun[mode, what].result()


@pytest.fixture(scope="module")
def pipe(terminal: OnTerminal, python: Callable[[], list[str]], threads: ThreadPoolExecutor) -> InPipe:
    """What each writes into pipes."""
    wanted = [*((mode, "one") for mode in MODES), ("auto", "logging")]
    begun = {each: threads.submit(in_a_pipe, python(), *each) for each in wanted}
    return lambda mode, what: begun[mode, what].result()


@pytest.mark.parametrize(("mode", "what"), SHOWN)
def test_a_terminal_shows_a_bar_and_is_clean_afterwards(
    terminal: OnTerminal, pipe: InPipe, mode: str, what: str
) -> None:
    """Bytes, rate, what was saved and time left are seen; each line holds one whole bar, and nothing stays."""
    code, screen = terminal(mode, what)
    seen = [line for line in screen.seen if line]
    assert code == 0
    assert [line for line in seen if not BAR.fullmatch(line)] == []
    assert any(re.search(r"\[00:\d\d<00:\d\d, +[\d.]+kiB/s, saved ", line) for line in seen)
    assert [line.strip() for line in screen.lines] == [""] * len(screen.lines)
    if what != "failing":
        assert any(line.startswith(("log: 100%", "fetch: 100%")) for line in seen)
    if what in ("one", "two"):
        assert any("saved 19" in line for line in seen), "the half that the store had"
    if what == "two":
        assert {line.partition("k [")[0][-3:] for line in seen} == {"195", "391"}


@pytest.mark.parametrize(("mode", "what"), QUIET)
def test_a_terminal_shows_nothing_of_what_is_quick_or_off(terminal: OnTerminal, mode: str, what: str) -> None:
    """Not a byte is written for a transfer of less than a second, nor for any where no bar is wanted."""
    code, screen = terminal(mode, what)
    assert (code, screen.lines, screen.seen) == (0, [""], set())


@pytest.mark.parametrize("mode", MODES)
def test_a_pipe_gets_nothing(pipe: InPipe, mode: str) -> None:
    """Where no logging is configured, a long transfer writes nothing into pipes."""
    done = pipe(mode, "one")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_log_gets_a_line_at_the_end(pipe: InPipe) -> None:
    """Where logging takes INFO, a pipe gets a line of the log and nothing else."""
    done = pipe("auto", "logging")
    line = r"INFO holdall: log done: 390\.6 KiB in 0:\d\d, [\d.]+ KiB/s, saved 19\d\.\d KiB\n"
    assert (done.returncode, done.stdout) == (0, "")
    assert re.fullmatch(line, done.stderr)


# --- lines, by a clock that stands ---


def test_lines_come_each_ten_seconds(caplog: pytest.LogCaptureFixture) -> None:
    """One each ten seconds with the rate since the last one, though nothing moves, and one at the end."""
    caplog.set_level(logging.INFO, "holdall")
    progress, clock = unwatched(lines)
    with progress.begin("log", 4_000_000) as transfer:
        for second in range(31):
            clock.now = 100.0 + second
            transfer.add(100_000 if second < 20 else 0, 50_000 if second < 10 else 0)
            progress.look()
    assert caplog.messages == [
        "log: 1.0 MiB of 3.8 MiB (27 %), 107.4 KiB/s, saved 488.3 KiB, 0:26 left",
        "log: 1.9 MiB of 3.8 MiB (50 %), 87.9 KiB/s, saved 488.3 KiB, 0:22 left",
        "log: 1.9 MiB of 3.8 MiB (50 %), 0 B/s, saved 488.3 KiB",
        "log done: 1.9 MiB in 0:30, 65.1 KiB/s, saved 488.3 KiB",
    ]


def test_a_failure_is_said_in_the_last_line(caplog: pytest.LogCaptureFixture) -> None:
    """The last line of a transfer that fails names the error."""
    caplog.set_level(logging.INFO, "holdall")
    progress, clock = unwatched(lines)
    with pytest.raises(OSError, match="dead"), progress.begin("fetch", 10) as transfer:
        transfer.add(5)
        clock.now += 3700
        raise OSError("the line is dead")
    assert caplog.messages == ["fetch failed (OSError): 5 B in 1:01:40, 0 B/s, saved 0 B"]


@pytest.mark.parametrize("total", [None, 5_000])
def test_a_total_may_be_unknown_or_wrong(total: int | None) -> None:
    """A stream that does not know its length, and one that is longer than it said, are shown all the same."""
    stream, seen = Terminal(), Snapshot("log", total, 10_000, 0, 12.0)
    bar = Bar(stream)
    bar.show(seen)
    bar.end(seen, "done")
    assert "log: 9.77kiB [00:12, 833iB/s, saved 0 B]" in stream.getvalue()
    assert describe(seen, 1000.0).startswith("9.8 KiB")


def test_what_nobody_would_see_is_not_looked_at(caplog: pytest.LogCaptureFixture) -> None:
    """If the log takes no INFO, no transfer is begun and no thread started."""
    caplog.set_level(logging.WARNING, "holdall")
    before = threading.active_count()
    assert observer_for("log", None).begin("log", 1) is SILENT
    assert threading.active_count() == before


_IN_A_NOTEBOOK = """
import sys, types, warnings
warnings.simplefilter("error")
kernel = types.SimpleNamespace(config={"IPKernelApp": {}})
sys.modules["IPython"] = types.SimpleNamespace(get_ipython=lambda: kernel, display=None)
sys.modules["ipywidgets"] = None
from holdall.progress.renderers import Bar
from holdall.progress.watch import Snapshot
bar = Bar(sys.stdout)
bar.show(Snapshot("log", 10, 5, 0, 2.0))
bar.end(Snapshot("log", 10, 10, 0, 3.0), "done")
"""


def test_a_notebook_without_widgets_gets_a_line_and_no_warning() -> None:
    """In a kernel where ipywidgets is missing, tqdm.auto warns of that; here a bar of text is drawn."""
    done = subprocess.run([sys.executable, "-c", _IN_A_NOTEBOOK], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert "log:  50%" in done.stdout


# --- what can go wrong ---


def test_what_is_quick_is_not_shown() -> None:
    """Nothing is drawn before a transfer is a second old, nor if it ends by then."""
    notes = Notes()
    progress, clock = unwatched(lambda: notes)
    with progress.begin("log", 1) as transfer:
        clock.now += 0.9
        progress.look()
        transfer.add(1)
    assert (notes.shown, notes.outcomes) == ([], [])


@pytest.mark.parametrize("verb", ["write", "flush"])
def test_a_terminal_that_fails_breaks_nothing(verb: str) -> None:
    """An error of the stream ends the drawing; the next bar, on a terminal that works, is drawn, by any thread."""

    class Torn(Terminal):
        def fail(self, *_: object) -> int:
            raise UnicodeEncodeError("ascii", "█", 0, 1, "no such letter")

    torn = Torn()
    setattr(torn, verb, torn.fail)
    for stream in (torn, Terminal()):
        progress, clock = unwatched(lambda stream=stream: Bar(stream))  # type: ignore[misc]
        transfer = progress.begin("log", 10)
        clock.now += 5
        for step in (progress.look, lambda t=transfer: t.add(3), progress.look):
            thread = threading.Thread(target=step, daemon=True)
            thread.start()
            thread.join(10)
            assert not thread.is_alive(), "a lock is held for ever"
        transfer.__exit__(None, None, None)
    assert "3.00/10.0" in stream.getvalue()


def test_a_closed_terminal_is_none() -> None:
    """A stream that is closed, or missing, or odd, is no place for a bar."""
    closed = Terminal()
    closed.close()
    gone = io.StringIO()
    gone.close()
    for stream in (gone, None, object(), io.StringIO()):
        assert observer_for("bar", stream) is SILENT  # type: ignore[arg-type]
    progress, clock = unwatched(lambda: Bar(closed))
    with progress.begin("log", 10):
        clock.now += 5
        progress.look()


def test_a_forked_child_draws_nothing_of_its_parents() -> None:
    """In a child nothing is drawn for what the parent began, whatever the child does; the parent goes on."""
    told, tell = os.pipe()

    class Voice(Notes):
        def show(self, seen: Snapshot) -> None:
            os.write(tell, b"parent " if os.getpid() == parent else b"child ")

        def end(self, seen: Snapshot, _outcome: str, /) -> None:
            self.show(seen)

    parent = os.getpid()
    progress, clock = unwatched(Voice)
    transfer = progress.begin("log", 10)
    clock.now += 5
    progress.look()
    with progress._changed:  # as if another thread were drawing
        child = os.fork()
        if child == 0:
            progress.look()
            transfer.__exit__(None, None, None)
            with progress.begin("log", 1):
                clock.now += 5
                progress.look()
            watch._close_all()
            os._exit(7)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    transfer.__exit__(None, None, None)
    os.close(tell)
    assert os.read(told, 100).split() == [b"parent", b"parent"]
    os.close(told)


def test_a_bar_that_is_forgotten_leaves_the_terminal_alone() -> None:
    """A child that collects its parent's bar does not clear the parent's line."""
    stream = Terminal()
    bar = Bar(stream)
    bar.show(Snapshot("log", 10, 5, 0, 2.0))
    drawn = stream.getvalue()
    bar.forget()
    del bar
    gc.collect()
    assert stream.getvalue() == drawn


def test_another_process_gets_lines_or_nothing() -> None:
    """An observer travels to other processes; there it draws no bar."""
    auto, bar = (pickle.loads(pickle.dumps(observer_for(mode, Terminal()))) for mode in ("auto", "bar"))
    assert auto._renderer is lines
    assert bar.begin("log", 1) is SILENT
    assert isinstance(pickle.loads(pickle.dumps(SILENT)), type(SILENT))


def test_the_thread_ends_some_time_after_the_transfers(monkeypatch: pytest.MonkeyPatch) -> None:
    """One thread looks at all transfers, and ends when there have been none for a while."""
    monkeypatch.setattr(watch, "_LOOK", 0.001)
    notes, threads = Notes(), []

    def start(work: object) -> None:
        threads.append(threading.Thread(target=work))  # type: ignore[arg-type]
        threads[-1].start()

    progress = Progress(lambda: notes, elsewhere=lines, start=start)
    with progress.begin("log", 1), progress.begin("fetch", 1):
        assert len(threads) == 1
    threads[0].join(10)
    assert not threads[0].is_alive()
    with progress.begin("log", 1):
        assert len(threads) == 2
    threads[1].join(10)


def test_counts_of_many_threads_add_up() -> None:
    """Eight threads that add at once lose nothing."""
    notes = Notes()
    progress, clock = unwatched(lambda: notes)
    with progress.begin("log", None) as transfer:

        def add() -> None:
            for _ in range(5000):
                transfer.add(2, 1)

        adding = [threading.Thread(target=add) for _ in range(8)]
        for thread in adding:
            thread.start()
        for thread in adding:
            thread.join()
        clock.now += 5
    assert [(seen.done, seen.saved) for seen in notes.shown] == [(80_000, 40_000)]


# --- settings ---


def test_the_environment_chooses() -> None:
    """`HOLDALL_PROGRESS` is one of four words; a terminal that cannot redraw a line gets none drawn."""
    assert read_settings({}).progress == "auto"
    assert read_settings({"TERM": "dumb"}).progress == "log"
    assert read_settings({"TERM": "dumb", "HOLDALL_PROGRESS": "Bar"}).progress == "bar"
    with pytest.raises(ValueError, match="HOLDALL_PROGRESS='loud' is none of auto, bar, log, off"):
        read_settings({"HOLDALL_PROGRESS": "loud"})


def test_off_is_off() -> None:
    """With `off`, even on a terminal, nobody is told of anything."""
    assert observer_for(read_settings({"HOLDALL_PROGRESS": "off"}).progress, Terminal()) is SILENT
