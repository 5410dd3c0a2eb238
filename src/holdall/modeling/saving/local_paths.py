"""Requirements that name no folder of the machine where a model was made.

    mine @ file:///home/anna/mine       mine==1.0                      the version that is installed
    ./dist/mine-1.0-py3-none-any.whl    mine==1.0                      what the file's name says
    -e /home/anna/other                 # left out: a local path       neither is known

They are rewritten so where the model's run keeps no paths (`holdall guide runs`). What a distribution at a local path
is called and which version it has is asked of the caller: nothing here looks at this machine.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, TypeAlias

REMARK: Final = "# left out: a local path"
Known: TypeAlias = Callable[[str, str], str | None]
"""Returns `name==version` of a distribution, by its name, or "" where none is said, and its local path."""

_LINE: Final = re.compile(
    r"(?P<head>.+?)\s*(?P<marker>(?:(?<=\s);|;\s).*?)?(?P<options>\s--?[a-z].*)?", re.DOTALL | re.IGNORECASE
)
_NAMED: Final = re.compile(r"(?P<name>[A-Za-z0-9][\w.-]*)\s*(?P<extras>\[[^]]*\])?\s*@\s*(?P<target>.+)", re.DOTALL)
_OPTION: Final = re.compile(r"(?P<option>-[a-z]|--[a-z-]+)(?:\s*=\s*|\s*)(?P<target>.+)", re.DOTALL)
_NEXT: Final = re.compile(r"\s(?=--?[a-z])", re.IGNORECASE)
_INSTALLS: Final = ("-e", "--editable")
_ONLY_PLACES: Final = (  # whose values are paths if they have no scheme
    *_INSTALLS,
    *("-f", "--find-links", "-i", "--index-url", "--extra-index-url", "-r", "--requirement", "-c", "--constraint"),
)
_OWN: Final = ("constraints.txt", "requirements.txt")  # of the model itself
_SCHEME: Final = re.compile(r"(?:[a-z][\w.-]*\+)?(?P<scheme>[a-z][\w.-]+):(?=/)", re.IGNORECASE)  # not that of C:/
_ARCHIVE: Final = re.compile(r"\.(?:whl|zip|conda|tar|tgz|tar\.\w{1,4})(?:\[[^]]*\])?(?:#.*)?", re.IGNORECASE)
_EXTRAS: Final = re.compile(r"(?<=.)\[[\w.,\s-]*\]$")
_PATH_INSIDE: Final = re.compile(r"(?:file:|(?<![\w/:.}])(?:~[\w.-]*|\.{0,2})/|(?<!\w)[a-z]:[\\/]|\\\\)", re.IGNORECASE)
_CONDA_FILE: Final = re.compile(r"(?:.*[/\\])?(?P<name>[\w.-]+)-(?P<version>[\w.!+]+)-\w+\.(?:conda|tar\.bz2)(?:#.*)?")


def is_local_path(text: str, *, only_places: bool = False) -> bool:
    """Return whether a text names a file or folder of this machine; nothing is looked at.

    Args:
        text: What a requirement, a channel or an option's value says.
        only_places: Whether it is an address or a path for certain, so that `mine` is a folder.
    """
    text = text.strip("\"' ")
    if text.startswith("${") or text in _OWN:
        return False  # what a variable holds is not said
    if text.lower().startswith("file:") or "+file:" in text[:12].lower():
        return True
    if _SCHEME.match(text):
        return False
    return only_places or text[:1] in (".", "~") or "/" in text or "\\" in text or _ends_as_archive(text)


def without_local_paths(lines: Iterable[str], known: Known) -> tuple[list[str], list[str]]:
    """Return requirements as pip has them in which no local path is named, and the lines that lost something by it.

    In the place of a line that was left out stands `REMARK`, options that name a path are taken off their line, and a
    line that now says what another says already is dropped.
    """
    given = list(lines)
    made = {line: _pathless(line, known) for line in given}
    kept = [made[line] for n, line in enumerate(given) if made[line] in (line, REMARK) or made[line] not in given[:n]]
    return kept, [line for line in given if made[line] == REMARK != line or _has_lost(line, made[line])]


def conda_without_local_paths(env: Mapping[str, Any], known: Known) -> tuple[dict[str, Any], list[str]]:
    """Return an environment of conda in which no local path is named, and what was left out of it for that."""
    left: list[str] = []
    made: dict[str, Any] = {}
    for key, value in env.items():
        match key, value:
            case "prefix", _:
                left.append(f"prefix: {value}")
            case "channels", list():
                left += (local := [str(each) for each in value if _is_local_channel(str(each))])
                made[key] = [each for each in value if str(each) not in local]
            case "variables", Mapping():
                left += (named := [str(name) for name, each in value.items() if _PATH_INSIDE.search(str(each))])
                made[key] = {name: each for name, each in value.items() if str(name) not in named}
            case "dependencies", list():
                made[key] = [found for each in value if (found := _of_conda(each, known, left)) is not None]
            case _:
                made[key] = value
    return made, left


# --- inside ---


def _pathless(line: str, known: Known) -> str:
    """Return one line without local paths, or `REMARK`."""
    parts = _LINE.fullmatch(line.strip())
    if parts is None or line.lstrip().startswith("#"):
        return line
    option = _OPTION.fullmatch(parts["head"])
    named = None if option else _NAMED.fullmatch(parts["head"])
    target = (option or named or {"target": parts["head"]})["target"]
    if is_local_path(target, only_places=option is not None and option["option"] in _ONLY_PLACES):
        extras = named["extras"] or "" if named else "".join(_EXTRAS.findall(target))
        if option and option["option"] not in _INSTALLS:
            return REMARK
        return _as_distribution(known(named["name"] if named else "", target), extras, parts["marker"])
    given = _NEXT.split(parts["options"] or "")[1:]
    if any(map(_names_path, given)):
        kept = [each for each in given if not _names_path(each)]
        return " ".join([f"{parts['head']}{_after(parts['marker'])}", *kept])
    return line


def _has_lost(line: str, kept: str) -> bool:
    """Return whether options were taken off a line; one that became a name and a version has lost nothing."""
    return kept != line and line.lstrip().startswith(kept.partition(" ")[0])


def _names_path(option: str) -> bool:
    found = _OPTION.fullmatch(option)
    target = found["target"] if found else option
    only_places = found is not None and found["option"] in _ONLY_PLACES
    return bool(_PATH_INSIDE.search(option)) or is_local_path(target, only_places=only_places)


def _as_distribution(found: str | None, extras: str, marker: str | None) -> str:
    if not found:
        return REMARK
    name, _, version = found.partition("==")
    return f"{name}{extras}=={version}{_after(marker)}"


def _after(marker: str | None) -> str:
    return f" {marker.strip()}" if marker else ""


def _ends_as_archive(text: str) -> bool:
    found = _ARCHIVE.search(text)
    return found is not None and found.end() == len(text)


def _is_local_channel(channel: str) -> bool:
    """Return whether a channel is a folder: `pytorch/label/nightly` is one of conda's own server."""
    return is_local_path(channel) and (channel[:1] in (".", "~", "/") or "\\" in channel or "file:" in channel.lower())


def _of_conda(each: Any, known: Known, left: list[str]) -> Any:
    """Return one dependency without local paths, None for one that is left out; notes in `left` what was."""
    if isinstance(each, Mapping):
        kept, gone = without_local_paths(map(str, each.get("pip") or []), known)
        left += gone
        return {**each, "pip": [line for line in kept if line != REMARK]}
    channel, _, package = str(each).rpartition("::")
    if not is_local_path(package):
        return package if _is_local_channel(channel) else each
    if found := _CONDA_FILE.fullmatch(package):
        return f"{found['name']}={found['version']}"
    left.append(str(each))
    return None
