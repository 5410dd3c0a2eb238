"""Whatever the project tells people to install is its own, or declared: no name is anybody's to take."""

from __future__ import annotations

import inspect
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import holdall
from holdall import errors
from holdall.errors import MissingLibraryError
from holdall.modeling.saving.requirements import environment_files

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
NOT_OURS = {"mlflow", "pip", "setuptools", "wheel"}  # which an environment of MLflow's is made of
_COMMAND = re.compile(r"(?:pip3?|uv pip|pipx|conda|mamba) install (?P<rest>[^\n`|;&#)\"]*)")
_LIBRARY = re.compile(
    r"""(?:library|MissingLibraryError)\(\s*"(?P<module>[\w.]+)"(?:,\s*f?"[^"]*")?(?:,\s*"(?P<package>[^"]+)")?"""
)


def name_of(requirement: str) -> str:
    found = re.match(r"[A-Za-z0-9._-]+", requirement)
    return re.sub(r"[-_.]+", "-", found[0]).lower() if found else requirement


DECLARED = {name_of(one) for some in [PROJECT["dependencies"], *EXTRAS.values()] for one in some}


def texts() -> Iterator[tuple[Path, str]]:
    """All that the project prints or shows."""
    for folder in ("src", "localstack", "benchmarks", ".ci", "tests/support"):
        for path in sorted((ROOT / folder).rglob("*")):
            if ".state" in path.parts:  # a server that was installed there
                continue
            if path.suffix in (".py", ".md", ".sh", ".toml", ".yaml", "") and path.is_file():
                yield path, path.read_text(errors="replace")
    yield ROOT / "README.md", (ROOT / "README.md").read_text()
    yield ROOT / "pyproject.toml", (ROOT / "pyproject.toml").read_text()


def wrong(requirement: str) -> str:
    """What is wrong with telling somebody to install this; "" if nothing is."""
    found = re.fullmatch(
        r"(?P<name>\.|[A-Za-z0-9._-]+)(?:\[(?P<extras>[\w,-]+)\])?(?P<version>[<>=!~].*)?", requirement
    )
    if not found:
        return f"{requirement!r} cannot be read"
    if found["name"] in (".", PROJECT["name"]):
        unknown = set(filter(None, (found["extras"] or "").split(","))) - set(EXTRAS)
        return f"{requirement!r} names extras that are not there: {unknown}" if unknown else ""
    return "" if name_of(found["name"]) in DECLARED else f"{requirement!r} is not declared"


def named(command: str) -> list[str]:
    """The requirements of an install command; what code fills in is looked at elsewhere."""
    words = [word.strip("'") for word in re.findall(r"'[^']*'|[^\s']+", re.split(":(?= )", command)[0])]
    options = {"-r", "--requirement", "-c", "-i", "--index-url", "--target", "-t"}
    kept = [word for n, word in enumerate(words) if not word.startswith("-") and (not n or words[n - 1] not in options)]
    return [word.rstrip(".,:") if word != "." else word for word in kept if "{" not in word and "$" not in word]


def test_every_install_that_is_printed_is_of_a_declared_name() -> None:
    """Documents, hints, errors, scripts: the first words after it, up to prose."""
    said = [(path, found["rest"]) for path, text in texts() for found in _COMMAND.finditer(text)]
    assert len(said) > 10
    for path, rest in said:
        if rest.startswith("the package named above"):
            continue
        names = named(rest)
        assert [wrong(each) for each in names if wrong(each)] == [], (path, rest)


def test_every_library_that_code_asks_for_is_declared() -> None:
    """Its hint names an extra that there is, and one that brings it."""
    asked = {
        (found["package"] or found["module"].partition(".")[0])
        for path, text in texts()
        if path.suffix == ".py"
        for found in _LIBRARY.finditer(text)
    }
    assert {"pandas", "torch", "scikit-learn", "kaleido"} <= asked
    for package in asked | set(MissingLibraryError._EXTRAS):
        hint = MissingLibraryError(package, "x", "y").hint
        (requirement,) = named(hint.removeprefix("pip install "))
        assert wrong(requirement) == ""
        if extra := MissingLibraryError._EXTRAS.get(package):
            assert name_of(package) in _brought(extra), (package, extra)


def _brought(extra: str) -> set[str]:
    found: set[str] = set()
    for one in EXTRAS[extra]:
        inner = re.fullmatch(rf"{PROJECT['name']}\[([\w,-]+)\]", one)
        found |= {name for each in inner[1].split(",") for name in _brought(each)} if inner else {name_of(one)}
    return found


def test_a_models_requirements_are_of_declared_names() -> None:
    """What we write into them by ourselves, for anybody to install."""
    files = environment_files(["numpy", "pandas", "sklearn", "holdall"])
    lines = files["requirements.txt"].decode().splitlines()
    assert {name_of(line) for line in lines} <= DECLARED | NOT_OURS | {PROJECT["name"]}
    assert "holdfast" not in b"".join(files.values()).decode()


@pytest.mark.parametrize("kind", [each for each in vars(errors).values() if inspect.isclass(each)], ids=str)
def test_no_hint_names_what_is_not_declared(kind: type) -> None:
    """Those that are made while the program runs, too."""
    hint = getattr(kind, "hint", "")
    for found in _COMMAND.finditer(hint if isinstance(hint, str) else ""):
        assert found["rest"].startswith("the package") or all(not wrong(each) for each in named(found["rest"]))


def test_what_the_tests_skip_without_is_installed_for_them() -> None:
    """A library that only makes work quicker is no dependency; where all tests run, they run with it too."""
    assert _brought("fast") <= _brought("test")


def test_the_distribution_is_the_import_and_the_command() -> None:
    """One name, which is ours."""
    assert PROJECT["name"] == holdall.__name__
    assert list(PROJECT["scripts"]) == [PROJECT["name"]]
