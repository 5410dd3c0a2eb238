"""Every example in the README and the guide is run, and prints what is shown.

    ```python     run in one interpreter per page, in order, in a fresh folder with a fresh store
    ```text       what the python block before it printed
                  a first line `# needs keras` has it run in deep tests only, where that is installed
    ```console    `$ command` is run by bash in that folder; the lines below are what it wrote, errors included

In what is shown, `...` stands for anything. `RUN_ID` is the run that was started last, `OTHER_ID` the one before it. A
command that fails must show what it says.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from urllib.request import Request, urlopen

import pytest
from tests.support.depth import DEEP
from tests.support.servers import Server

from holdall.__main__ import program
from holdall.store import Store

ROOT = Path(__file__).parent.parent
GUIDE = ROOT / "src/holdall/guide"
PAGES = {page.stem: page for page in sorted(GUIDE.glob("*.md"))}
_MARK = "\x01"

_INTERPRETER = """
import contextlib, io, json, sys, traceback
scope, reply = {"__name__": "__main__"}, sys.stdout
for line in sys.stdin:
    printed, error = io.StringIO(), ""
    with contextlib.redirect_stdout(printed):
        try:
            exec(compile(json.loads(line), "<example>", "exec"), scope)
        except BaseException:
            error = traceback.format_exc()
    reply.write(json.dumps([printed.getvalue(), error]) + chr(10))
    reply.flush()
"""


@dataclass(frozen=True)
class Block:
    """A fenced block. Attributes: line (of its first line, from 1)."""

    language: str
    body: str
    line: int


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page, in order."""
    text = page.read_text()
    found = re.finditer(r"^```([^\n]*)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    return [Block(match[1], match[2], text[: match.start()].count("\n") + 2) for match in found]


class Reader:
    """Someone who follows a page in a folder, to the letter."""

    def __init__(self, folder: Path, more: dict[str, str], python: list[str]) -> None:
        self.folder = folder
        programs = folder.with_name(f"{folder.name}-programs")
        programs.mkdir(exist_ok=True)
        (programs / "holdall").write_text(f'#!/bin/sh\nexec {shlex.join(python)} -m holdall "$@"\n')
        (programs / "holdall").chmod(0o755)
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("HOLDALL_", "AWS_"))}
        path = os.pathsep.join([str(programs), str(Path(sys.executable).parent), os.environ["PATH"]])
        self.env = kept | {"PATH": path, "HOLDALL_CACHE": "off", "HOME": str(folder), "TZ": "UTC"} | more
        self._python = subprocess.Popen(
            [*python, "-c", _INTERPRETER],
            cwd=folder,
            env=self.env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def close(self) -> None:
        self._python.communicate()

    def follow(self, page: Path) -> None:
        printed = ""
        for block in blocks(page):
            where = f"{page.name}:{block.line}"
            if needed := re.match(r"# needs (\w+)\n", block.body):
                if DEEP and find_spec(needed[1]):
                    self._run(block.body, where)
            elif block.language == "python":
                printed = self._run(block.body, where)
            elif block.language == "text":
                agree(printed, block.body, where)
            elif block.language == "console":
                self._type(block, where)

    def _run(self, code: str, where: str) -> str:
        assert self._python.stdin
        assert self._python.stdout
        self._python.stdin.write(json.dumps(code) + "\n")
        self._python.stdin.flush()
        printed, error = json.loads(self._python.stdout.readline())
        assert not error, f"{where}\n{error}"
        return str(printed)

    def _type(self, block: Block, where: str) -> None:
        """Run the commands of a block, one after the other, in one shell."""
        status = 0
        for typed in re.split(r"^\$ ", block.body, flags=re.MULTILINE)[1:]:
            command, _, shown = typed.partition("\n")
            script = f"(exit {status})\n{self._named(command)}"
            done = subprocess.run(
                ["bash", "-c", script],
                cwd=self.folder,
                env=self.env,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            status = done.returncode
            assert shown or not status, f"{where}: {command}\n{done.stdout}"
            if shown:
                agree(done.stdout, self._named(shown), f"{where}: {command}")

    def _named(self, text: str) -> str:
        """With the ids of the last two runs in the places that stand for them."""
        if "RUN_ID" in text or "OTHER_ID" in text:
            records = Store.open(str(self.folder / "holdall-store")).runs.search(stage=None, limit=2)
            for word, record in zip(("RUN_ID", "OTHER_ID"), records, strict=False):
                text = text.replace(word, record.info.run_id)
        return text


def agree(found: str, shown: str, where: str) -> None:
    """Whether what was written is what is shown, where `...` is anything and columns are as wide as they like."""
    pattern = ".*?".join(re.escape(part) for part in _plain(shown).split("..."))
    assert re.fullmatch(pattern, _plain(found), re.DOTALL), f"{where}\n--- shown\n{shown}\n--- written\n{found}"


def _plain(text: str) -> str:
    return "\n".join(re.sub(" +", " ", line.rstrip()) for line in text.strip("\n").splitlines())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A fresh folder with what the README's example logs."""
    (tmp_path / "config.yaml").write_text("rate: 0.1\n")
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints/last.bin").write_bytes(bytes(100_000))
    return tmp_path


@pytest.fixture
def follow_page(tmp_path: Path, python: Callable[..., list[str]]) -> Callable[..., None]:
    """Follow a page in the test's folder, in a Python that has imported what takes long."""
    warm = python("sklearn.ensemble", "sklearn.datasets")
    return lambda page, **more: _follow_page(page, tmp_path, more, warm)


def _follow_page(page: Path, folder: Path, more: dict[str, str], python: list[str]) -> None:
    reader = Reader(folder, more, python)
    try:
        reader.follow(page)
    finally:
        reader.close()


@pytest.mark.parametrize("subject", [subject for subject in PAGES if subject != "s3"])
@pytest.mark.every(2)
def test_every_example_of_a_page_does_what_it_shows(subject: str, follow_page: Callable[..., None]) -> None:
    """Run from top to bottom in an empty folder, a page's examples print what stands under them."""
    follow_page(PAGES[subject])


def test_the_pages_on_s3_hold_on_a_server(moto: Server, follow_page: Callable[..., None]) -> None:
    """The same for S3, with the AWS variables that its page speaks of."""
    with urlopen(Request(f"{moto.url}/my-bucket", method="PUT"), timeout=60):
        pass
    keys = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}
    follow_page(PAGES["s3"], AWS_ENDPOINT_URL=moto.url, AWS_EC2_METADATA_DISABLED="true", **keys)


def test_the_readmes_examples_run(folder: Path, follow_page: Callable[..., None]) -> None:
    """The README's too; its two installing commands are what CI runs."""
    follow_page(ROOT / "README.md")
    assert (folder / "elsewhere/model/last.bin").read_bytes() == bytes(100_000)


ELSEWHERE = {"testing": "tests/integrations/test_pytest_plugin.py", "pipelines": "tests/integrations/test_airflow.py"}


def test_nothing_in_the_guide_goes_untried() -> None:
    """Each block is run or compared, or its commands are there; and each console block begins with a command.

    `py` are the files of an example that a test of its own runs. `sh` and `yaml` need servers that are not here.
    """
    there = [verb.removeprefix("holdall ") for verb in _verbs()]
    for page in PAGES.values():
        before = ""
        for block in blocks(page):
            where = f"{page.name}:{block.line}"
            assert block.language in ("python", "text", "console", "py", "sh", "yaml"), where
            assert block.language != "py" or page.stem in ELSEWHERE, where
            if block.language in ("sh", "yaml"):
                called = re.findall(r"(?:^|\(| )holdall (?:-\S+ \S+ )*([a-z].*)", block.body, re.MULTILINE)
                assert all(line.startswith(tuple(there)) for line in called), where
            assert block.language != "text" or before == "python", f"{page.name}:{block.line}"
            assert block.language != "console" or block.body.startswith("$ "), f"{page.name}:{block.line}"
            before = block.language
        assert page.read_text().count("```") == 2 * len(blocks(page))


def test_a_wrong_example_is_noticed(tmp_path: Path, follow_page: Callable[..., None]) -> None:
    """Other output, a python error, and a command that fails in silence are each told."""
    for body in (
        "```python\nprint(1)\n```\n\n```text\n2\n```\n",
        "```python\n1 / 0\n```\n",
        "```console\n$ holdall run shw\n```\n",
        "```console\n$ echo one\ntwo\n```\n",
    ):
        page = tmp_path / "page.md"
        page.write_text(body)
        with pytest.raises(AssertionError):
            follow_page(page)


def test_the_guide_is_shipped_and_shown(tmp_path: Path) -> None:
    """`holdall guide` lists every page with its title, and prints each as it is."""
    from click.testing import CliRunner

    listed = CliRunner().invoke(program, ["guide"]).output.splitlines()
    assert sorted(line.split()[0] for line in listed) == sorted(PAGES)
    assert listed[0].startswith("start ")
    for subject, page in PAGES.items():
        assert CliRunner().invoke(program, ["guide", subject]).output.rstrip() == page.read_text().rstrip()
        assert page.read_text().startswith("# ")


def test_the_guide_has_one_order() -> None:
    """That of `holdall guide`, of the README and of the site: a new page has its place in each."""
    from holdall.surfaces.cli.guide import pages

    assert re.findall(r"\(src/holdall/guide/([a-z0-9-]+)\.md\)", (ROOT / "README.md").read_text())[: len(PAGES)] == [
        *pages()
    ]
    assert re.findall(r"^guide/([a-z0-9-]+)$", (ROOT / "docs/index.md").read_text(), re.M) == [*pages()]


def _verbs() -> Iterator[str]:
    for name, command in program.commands.items():
        below = getattr(command, "commands", None)
        yield from (f"holdall {name} {verb}" for verb in below) if below else [f"holdall {name}"]


def test_the_guide_names_every_command_and_every_setting() -> None:
    """What there is stands in the guide, and what stands in the guide is there."""
    from holdall import settings

    text = PAGES["command-line"].read_text()
    assert [verb for verb in _verbs() if f"`{verb}`" not in text] == []
    there = set(re.findall(r"HOLDALL_[A-Z_]+", settings.__doc__ or ""))
    told = {name for page in PAGES.values() for name in re.findall(r"\bHOLDALL_[A-Z_]+", page.read_text())}
    assert told == there


def test_the_readme_is_one_screen_and_leads_to_the_guide() -> None:
    """One line of it names the guide, and few lines stand before the map."""
    text = (ROOT / "README.md").read_text()
    assert text.count("holdall guide") == 1
    assert len(text.partition("## The map")[0].splitlines()) <= 90


OUR_WORDS = (
    *("alias", "artifact", "checkpoint", "chunk", "commit", "condemned", "damaged", "digest", "experiment", "flavor"),
    *("footer", "hint", "lane", "log", "manifest", "pack", "part", "recipe", "registered model", "run", "session"),
    *("signature", "store", "tree", "trust", "version"),
    *("role", "root key", "key slot", "recipient", "identity", "rekey", "sealed", "shred", "signing key", "share"),
)


def test_a_word_that_the_guide_uses_is_explained() -> None:
    """The page of terms has a row for each word that a reader may not know, in its first column."""
    rows = [line.split("|")[1] for line in PAGES["terms"].read_text().splitlines() if line.startswith("| ")]
    assert [word for word in OUR_WORDS if not any(re.search(rf"\b{word}\b", row) for row in rows)] == []


def test_the_guide_speaks_in_plain_sentences() -> None:
    """Turns of phrase that once made riddles of sentences stay out of it, and each page says what it is for."""
    riddles = re.compile(r"\bwhoever\b|\bby lot\b|what stands there|is told of|behind your back", re.IGNORECASE)
    for page in (*PAGES.values(), ROOT / "README.md", ROOT / "CONTRIBUTING.md"):
        assert riddles.findall(page.read_text()) == [], page.name
        lines = page.read_text().splitlines()
        assert lines[0].startswith("# "), page.name
        assert lines[2][:1].isalpha(), f"{page.name} begins with {lines[2]!r}"
