"""What strangers named reaches a terminal as escapes, and a pipe as the bytes it is."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from tests.support.scored import write_model

import holdall
from holdall import errors
from holdall.store import Store
from holdall.surfaces.cli.hints import PYTHON, hint_of
from holdall.terminal import printable

SRC = Path(holdall.__file__).parent
CLI = SRC / "surfaces" / "cli"
HOSTILE = "a\x1b[31m\x9b2J\x1b]8;;http:x\x07l\x1b]52;c;eA==\x07\u202egnp\u2066\x7fé😀\u2028"
MODEL = "é😀 %s"  # a registered name is printable
ALIAS = "champion"
STEERING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\u2028\u2029]")
Python: TypeAlias = Callable[..., list[str]]
LOCALES = [
    {"LC_ALL": "C"},
    {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    {"PYTHONIOENCODING": "latin-1"},
    {},
]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A store in which every name and text is hostile."""
    folder = tmp_path_factory.mktemp("hostile")
    (folder / "src").mkdir()
    (folder / "src" / HOSTILE).write_text(f"one\n{HOSTILE}\n")
    (folder / "src" / "two\nlines").write_text("2")
    made = Store.open(str(folder / "store"))
    ids = []
    for n in range(2):
        run = made.runs.start(experiment=HOSTILE, name=HOSTILE)
        run.log_artifacts(folder / "src", "d")
        run.log_text(f"{n}{HOSTILE}\n", "text")
        run.log_params({"p": f"{HOSTILE}{n}"})
        run.set_tags({"t": f"{HOSTILE}\n{n}"})
        run.finish()
        ids.append(run.id)
        model = write_model(folder / f"m{n}", "text")
        training = made.runs.start(experiment=HOSTILE)
        training.log_artifacts(model, f"m/{HOSTILE}")
        training.finish()
        version = made.registry.register(f"runs:/{training.id}/m/{HOSTILE}", MODEL)
        made.registry.set_alias(MODEL, ALIAS, version.version)
    return {"url": made.url, "a": ids[0], "b": ids[1], "folder": str(folder)}


COMMANDS = [
    "run list",
    "run show {a}",
    "run compare {a} {b}",
    "run manifest {a}",
    "run search attributes.status='FINISHED'",
    "run delete nothing",
    "experiment list",
    "artifact list runs:/{a}",
    "artifact list -r runs:/{a}",
    "artifact list runs:/{a}/{hostile}",
    "artifact cat runs:/{a}/text",
    "artifact cat runs:/{a}/{hostile}",
    "artifact get runs:/{a} -d {folder}/out",
    "artifact get runs:/{a}/d/{hostile} -d {folder}/{hostile}",
    "artifact diff runs:/{a} runs:/{b}",
    "artifact diff --text runs:/{a} runs:/{b}",
    "artifact diff --tensors runs:/{a} runs:/{b}",
    "artifact log {hostile}",
    "artifact log -e {hostile} {folder}/src",
    "model list",
    "model list {hostile}",
    "model show {hostile}",
    "model show models:/{hostile}/1",
    "model register runs:/{a}/d {hostile}",
    "model inspect {hostile}",
    "model get models:/{hostile}@x",
    "model alias {hostile} {hostile} 1",
    "model predict -m {hostile}",
    "model show {model}",
    "model show models:/{model}/1",
    "model inspect models:/{model}/1",
    "model get models:/{model}/1 -d {folder}/got",
    "model export models:/{model}/1 {folder}/{hostile}-exported",
    "model export {hostile} {folder}/x",
    "model alias {model} {alias}",
    "model alias {model} {alias} 1",
    "model rollback {model} {alias}",
    "model rollback {hostile} {hostile}",
    "model deployed models:/{model}/1 {hostile}",
    "model deployed {hostile} {hostile}",
    "model tag {model} {hostile} {hostile}",
    "model tag {hostile} {hostile} --delete",
    "model delete {model} {hostile} --yes",
    "model delete {hostile} --all --yes",
    "model delete {model} 1",
    "run tag {a} {hostile} {hostile}",
    "model serve -m {hostile}",
    "model serve -m models:/{model}/9",
    "model predict -m models:/{model}/1",
    "run restore {hostile}",
    "run delete {hostile}",
    "run delete -y {b}",
    "run restore {b}",
    "demo {hostile}",
    "store repair {hostile}",
    "store check",
    "store stats",
    "store du",
    "store doctor",
    "store init {hostile}://x",
    "guide {hostile}",
    "guide command-line",
    "{hostile}",
    "run {hostile}",
    "-o {hostile} run list",
    "--{hostile}",
    "--debug run show {hostile}",
    "run show {hostile}",
]


def words(command: str, store: dict[str, str], python: list[str], hostile: str = HOSTILE) -> list[str]:
    filled = [word.format(**store, hostile=hostile, model=MODEL, alias=ALIAS) for word in command.split(" ")]
    return [*python, "-m", "holdall", "--store", store["url"], *filled]


def on_a_terminal(command: list[str], env: dict[str, str], folder: Path) -> str:
    """All that a command writes to a terminal, read as UTF-8."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs, env=env, cwd=folder)
    os.close(theirs)
    told = b""
    try:
        while piece := os.read(ours, 1 << 16):
            told += piece
    except OSError:  # the other end is closed
        pass
    os.close(ours)
    process.wait()
    return told.decode("utf-8", "replace").replace("\r\n", "\n")


def environment(**more: str) -> dict[str, str]:
    return os.environ | {"PAGER": "cat", "TERM": "xterm", "HOLDALL_TRUST": "any"} | more


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.every(2)
def test_nothing_steers_a_terminal(store: dict[str, str], python: Python, command: str) -> None:
    """Results and errors of every command alike; nothing is a traceback."""
    told = on_a_terminal(words(command, store, python()), environment(), Path(store["folder"]))
    assert STEERING.sub("#", told) == told
    assert command.startswith("--debug") or "Traceback" not in told


@pytest.mark.parametrize("locale", LOCALES, ids=str)
@pytest.mark.parametrize(
    "command", ["run show {a}", "run manifest {a}", "artifact diff --text runs:/{a} runs:/{b}", "guide models"]
)
def test_no_encoding_is_an_error(
    store: dict[str, str], python: Python, command: str, locale: dict[str, str], tmp_path: Path
) -> None:
    """On a terminal and in a pipe, whatever the locale can say."""
    typed, env = words(command, store, python(**locale)), environment(**locale)
    assert "Traceback" not in on_a_terminal(typed, env, tmp_path)
    done = subprocess.run(typed, capture_output=True, env=env)
    assert done.returncode in (0, 1)
    assert b"Traceback" not in done.stderr
    done.stdout.decode("utf-8")


@pytest.mark.parametrize("locale", LOCALES, ids=str)
def test_a_manifest_in_a_pipe_is_exact(
    store: dict[str, str], python: Python, locale: dict[str, str], tmp_path: Path
) -> None:
    """`sha256sum -c` finds every file by its name."""
    env = environment(**locale)
    manifest = words("run manifest {a}", store, python(**locale))
    sums = subprocess.run(manifest, capture_output=True, env=env, check=True).stdout
    fetched = words("artifact get runs:/{a} -d", store, python())
    subprocess.run([*fetched, str(tmp_path)], check=True, capture_output=True)
    checked = subprocess.run(["sha256sum", "-c", "--strict"], input=sums, cwd=tmp_path, capture_output=True)
    assert checked.returncode == 0, checked.stderr
    assert HOSTILE.encode() in sums


def test_a_file_in_a_pipe_is_exact_and_a_name_that_is_no_text_is_kept(store: dict[str, str], python: Python) -> None:
    """`artifact cat` writes what was logged; a printed path is the path."""
    done = subprocess.run(words("artifact cat runs:/{a}/text", store, python()), capture_output=True, check=True)
    assert done.stdout == f"0{HOSTILE}\n".encode()
    to = os.path.join(os.fsencode(store["folder"]), b"no-\xff-text")
    command: list[str | bytes] = [*words("artifact get runs:/{a}/text -d", store, python()), to]
    assert subprocess.run(command, capture_output=True, check=True).stdout == to + b"/text\n"


def test_errors_are_escaped_in_a_pipe_too(store: dict[str, str], python: Python) -> None:
    """What they say ends at a terminal sooner or later; a newline in a name makes no hint of its own."""
    command = words("artifact get runs:/{a}/{hostile}", store, python(), "x\nhint: \x1b[31mrm -rf")
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode != 0
    assert "\x1b" not in done.stderr
    assert "\nhint: rm" not in done.stderr


def test_a_reader_that_has_seen_enough_is_no_error(store: dict[str, str], python: Python) -> None:
    """`| head` ends the program without a word."""
    for command in ("run manifest {a}", "run show --json {a}", "guide models", "artifact cat runs:/{a}/text"):
        reading, writing = os.pipe()
        os.close(reading)
        process = subprocess.Popen(words(command, store, python()), stdout=writing, stderr=subprocess.PIPE)
        os.close(writing)
        assert process.communicate()[1] == b""
        assert process.returncode == 1


def test_warnings_and_logs_are_escaped(tmp_path: Path) -> None:
    """Those of the library too, in a program of the user's."""
    script = (
        "import logging, holdall.store\n"
        "log = logging.getLogger('holdall')\n"
        "log.warning('%s', 'a\\x1b[31m\\nb')\n"
        "try:\n    raise ValueError('\\x1b[31m')\nexcept ValueError:\n    log.exception('x')\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "\x1b" not in done.stderr
    assert done.stderr.startswith("a\\x1b[31m\\nb\n")


def test_what_python_warns_of_is_escaped(tmp_path: Path) -> None:
    """In a program of the user's, which shows warnings as Python does."""
    script = (
        "import warnings\nfrom holdall.modeling.saving.privacy import warn_of_private\n"
        "from holdall.terminal import warn\n"
        "warn('a\\x1b[31m\\nb')\nwarn_of_private(['x\\u202ey'])\n"
        "from holdall.storage.credentials import warn_if_pickled\nwarn_if_pickled('s3://\\x1b[2J', {'\\x1bkey': 'x'})\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert STEERING.sub("#", done.stderr) == done.stderr
    assert "UserWarning: a\\x1b[31m\\nb" in done.stderr


def test_every_warning_is_escaped() -> None:
    """None is given past the one place that does it."""
    found = {
        str(path.relative_to(SRC)) for path in SRC.rglob("*.py") if re.search(r"warnings\.warn\(", path.read_text())
    }
    assert found == {"terminal.py"}


@pytest.mark.parametrize("logging", LOCALES, ids=str)
@pytest.mark.parametrize("fetching", LOCALES, ids=str)
def test_names_are_bytes_whatever_the_locale_is(
    tmp_path: Path, python: Python, logging: dict[str, str], fetching: dict[str, str]
) -> None:
    """What is logged under one locale is fetched under another, links and folders too."""
    names = ["é", "日本/😀.txt", "plain"]
    for name in names:
        (tmp_path / "src" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "src" / name).write_text(name)
    (tmp_path / "src" / "lien-é").symlink_to("日本/😀.txt")
    command = ["-m", "holdall", "--store", str(tmp_path / "store"), "artifact"]
    log = [*python(**logging), *command, "log", "-e", "e", "src"]
    logged = subprocess.run(log, cwd=tmp_path, capture_output=True, env=environment(**logging), check=True)
    fetch = [*python(**fetching), *command, "get", logged.stdout.decode().strip(), "-d", str(tmp_path / "out")]
    subprocess.run(fetch, check=True, capture_output=True, env=environment(**fetching))
    assert {name: (tmp_path / "out" / "src" / name).read_text() for name in names} == {name: name for name in names}
    assert os.readlink(os.fsencode(tmp_path / "out" / "src" / "lien-é")) == "日本/😀.txt".encode()


def test_a_shell_completes_no_name_that_steers_it(tmp_path: Path, python: Python) -> None:
    """Names that have no escapes are offered; a newline in one would make two."""
    made = Store.open(str(tmp_path / "store"))
    for name in ("plain é", HOSTILE, "two\nplain,lines", "three\x1b[2J"):
        made.runs.start(experiment=name).finish()
    words = f"holdall --store {made.url} run list -e "
    env = environment(_HOLDALL_COMPLETE="bash_complete", COMP_WORDS=words, COMP_CWORD="6")
    script = "import sys; sys.argv[0] = 'holdall'; from holdall.__main__ import main; main()"
    done = subprocess.run([*python(), "-c", script], capture_output=True, env=env)
    assert done.stdout.decode().splitlines() == ["plain,plain é"]


def test_everything_goes_through_the_writer() -> None:
    """No command writes by itself."""
    bare = re.compile(
        r"click\.(echo|secho|confirm|prompt|echo_via_pager)\(|(?<![\w.])print\(|sys\.stdout\.(write|buffer)"
    )
    found = {path.name for path in CLI.glob("*.py") if bare.search(path.read_text())}
    assert found <= {"writer.py"}


@pytest.mark.parametrize("text", ["plain", "é", "a\nb", HOSTILE, "\ud800"])
def test_printable_shows_and_loses_nothing(text: str) -> None:
    """What is shown is printable, and says which characters it was."""
    assert printable(text).isprintable()
    assert not STEERING.search(printable(text))


# --- hints ---


def _made(kind: type[errors.HoldallError]) -> errors.HoldallError:
    import inspect

    count = len(inspect.signature(kind).parameters) if inspect.isfunction(kind.__init__) else 0
    return kind(*("x" for _ in range(count)))


KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.HoldallError)]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_a_hint_at_a_shell_is_no_python(kind: type[errors.HoldallError]) -> None:
    """Whatever a hint tells to do can be done there."""
    hint = hint_of(_made(kind))
    assert not PYTHON.search(hint), hint


def test_a_case_that_knows_more_than_its_kind_is_heard() -> None:
    """A hint set on one error stands before its class's, unless it is Python."""
    error: Any = errors.ModelNotFoundError("m", "url")
    error.hint = "look there"
    assert hint_of(error) == "look there"
    error.hint = "call holdall.look()"
    assert "holdall model list" in hint_of(error)


def test_a_model_that_fails_is_an_error_line(tmp_path: Path, python: Python) -> None:
    """`holdall model predict` says what it raised; where, only if asked."""
    from tests.support.scored import write_model

    for name, said in (("failing", "error: ZeroDivisionError: secret"), ("exiting", "the model ended its program")):
        folder = write_model(tmp_path / name, name)
        begun = [*python(), "-m", "holdall"]
        rest = ["model", "predict", "-m", str(folder)]
        env = environment(PYTHONPATH=str(Path(__file__).parents[2]))
        done = subprocess.run([*begun, *rest], input=b'{"inputs": 1}', capture_output=True, env=env)
        assert done.returncode == 1
        assert said.encode() in done.stderr
        assert b"Traceback" not in done.stderr
        asked = [*begun, "--debug", *rest]
        assert b"Traceback" in subprocess.run(asked, input=b'{"inputs": 1}', capture_output=True, env=env).stderr
