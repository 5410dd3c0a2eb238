"""The documentation site is built without a warning, and has all that it should.

python -m sphinx -W docs docs/_build
"""

from __future__ import annotations

import pickle
import re
import subprocess
import sys
from pathlib import Path

import pytest
from tests.support.depth import DEEP
from tests.test_docstrings import ROOMS, VERBS

import holdall

ROOT = Path(__file__).parent.parent
SITE = ROOT / "docs"
NOTES = [page for page in sorted((ROOT / "src/holdall").rglob("*.md")) if page.parent.name in ("trees", "chunks")]
CONTRIBUTING = ROOT / "CONTRIBUTING.md"
BESIDE_THE_CODE = [ROOT / "README.md", CONTRIBUTING, *sorted((ROOT / "src/holdall").rglob("*.md"))]


@pytest.fixture(scope="module")
def inventory(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """What a strictly built site names of Python, by kind: functions, ...; a deep run writes its pages, too."""
    out = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "-W", "-q", "-b", "html" if DEEP else "dummy"]
    done = subprocess.run([*command, "-d", f"{out}/read", f"{SITE}", f"{out}/site"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    named = pickle.loads((out / "read/environment.pickle").read_bytes()).domaindata["py"]["objects"]
    found: dict[str, set[str]] = {}
    for name, entry in named.items():
        found.setdefault(f"py:{entry.objtype}", set()).add(name)
    return found


def test_every_public_verb_is_in_the_reference(inventory: dict[str, set[str]]) -> None:
    """A verb that has a docstring for `help()` has an entry on the site."""
    there = set().union(*inventory.values())
    ends = {entry.rpartition(".")[0].rpartition(".")[2] + "." + entry.rpartition(".")[2] for entry in there}
    found = {id(verb) for name, verb in VERBS.items() if name in there or _method(name) in ends}
    assert [name for name, verb in VERBS.items() if id(verb) not in found] == []


def _method(name: str) -> str:
    """`Registry.set_alias`, of what users find as `store.registry.set_alias`."""
    at, _, verb = name.rpartition(".")
    return f"{getattr(ROOMS[at], '__qualname__', at)}.{verb}"


def test_every_error_is_in_the_reference(inventory: dict[str, set[str]]) -> None:
    """Who catches one can look it up."""
    errors = {name for name, found in vars(holdall.errors).items() if isinstance(found, type)}
    assert {f"holdall.errors.{name}" for name in errors if name.endswith("Error")} <= inventory["py:exception"]


def test_every_document_beside_the_code_is_a_page() -> None:
    """Of the guide, the format's law, the notes: each is included by one page."""
    included = [page.read_text() for page in SITE.rglob("*.md") if "_build" not in page.parts]
    for document in BESIDE_THE_CODE:
        beside = document.relative_to(ROOT).as_posix()
        assert any(f"{{include}} ../{beside}" in page or f"{{include}} ../../{beside}" in page for page in included), (
            beside
        )


@pytest.mark.parametrize("note", [*NOTES, CONTRIBUTING], ids=lambda note: note.name)
def test_a_note_names_what_is_there(note: Path) -> None:
    """Each file of code and of tests that a note for developers points at exists."""
    named = set(
        re.findall(r"`((?:src|tests|docs|benchmarks|localstack)/[\w/.-]+|[a-z]+/[a-z_/]+\.py)`", note.read_text())
    )
    assert len(named) > 5
    assert [
        name for name in sorted(named) if not any((at / name).exists() for at in (ROOT, ROOT / "src/holdall"))
    ] == []
