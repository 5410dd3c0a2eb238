"""The files that say what a model needs, rewritten where its run keeps no paths of the machine where it was made.

What is installed here is asked for the name and version of what a local path holds; `local_paths` has the rules.
"""

from __future__ import annotations

import importlib.metadata
import json
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from holdall.modeling.model import dump_yaml
from holdall.modeling.saving.local_paths import REMARK, conda_without_local_paths, without_local_paths
from holdall.modeling.saving.requirements import CONDA, CONSTRAINTS, REQUIREMENTS
from holdall.runs.plain_yaml import load_yaml
from holdall.terminal import warn

_BUILT: Final = re.compile(  # what the name of a wheel or of an archive of sources says
    r"(?P<name>[A-Za-z0-9][\w.-]*?)-(?P<version>\d[\w.!]*)(?:\+[\w.]+)?(?:-.*\.whl|\.zip|\.tgz|\.tar\.\w+)"
)
_EXTRAS: Final = re.compile(r"\[[\w.,\s-]*\]$")


def pathless_files(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return files as `environment_files` makes them, in which no local path is named.

    A line that names one names its distribution and version instead; where these are not known, a remark stands in its
    place, and one warning says which lines these were.

    Cost: a look at the installed distributions for each folder that is named.
    """
    made, left = dict(files), list[str]()
    for name in (REQUIREMENTS, CONSTRAINTS):
        if name in files:
            lines = files[name].decode().splitlines()
            kept, gone = without_local_paths(lines, distribution_at)
            made[name] = files[name] if kept == lines else "".join(f"{line}\n" for line in kept).encode()
            left += gone
    env = load_yaml(files[CONDA], CONDA) if CONDA in files else None
    if isinstance(env, dict):
        kept_env, gone = conda_without_local_paths(env, distribution_at)
        remarks = f"{REMARK}\n" * len(gone)
        made[CONDA] = files[CONDA] if kept_env == env else remarks.encode() + dump_yaml(kept_env)
        left += gone
    _warn(list(dict.fromkeys(left)))
    return made


def leave_out_paths(folder: Path) -> None:
    """Rewrite these files of a model's folder as `pathless_files` does. Cost: the same."""
    files = {
        name: (folder / name).read_bytes() for name in (REQUIREMENTS, CONSTRAINTS, CONDA) if (folder / name).is_file()
    }
    for name, data in pathless_files(files).items():
        (folder / name).write_bytes(data)


def distribution_at(name: str, target: str) -> str | None:
    """Return `name==version` of what a local path holds; None if that is not known here.

    Args:
        name: The distribution's name; "" where it is not said.
        target: The path, or its address, as a requirement has it.

    Cost: where neither the name nor the path says it, a look at all installed distributions.
    """
    address, _, fragment = target.strip("\"' ").partition("#")
    path = unquote(urlsplit(address).path) if "file:" in address else _EXTRAS.sub("", address)
    built = _BUILT.fullmatch(path.replace("\\", "/").rpartition("/")[2])
    egg = re.search(r"(?:^|&)egg=([\w.-]+)", fragment)
    known = name or (egg[1] if egg else "") or (built["name"] if built else "")
    if not known:
        return _installed_from(Path(path).resolve())
    version = built["version"] if built else _version(known)
    return f"{known}=={version}" if version else None


# --- inside ---


def _installed_from(folder: Path) -> str | None:
    """Return the distribution that was installed from a local folder, as `name==version`."""
    for found in importlib.metadata.distributions():
        with suppress(ValueError, AttributeError, TypeError):  # what others wrote there
            origin = urlsplit(json.loads(found.read_text("direct_url.json") or "{}").get("url", ""))
            if origin.scheme == "file" and Path(unquote(origin.path)) == folder:
                return f"{found.name}=={found.version.partition('+')[0]}"
    return None


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name).partition("+")[0]
    except importlib.metadata.PackageNotFoundError:
        return None


def _warn(left: Sequence[str]) -> None:
    """Say which lines were left out, if any were."""
    if left:
        shown = ", ".join(map(repr, left[:5])) + (f" and {len(left) - 5} more" if len(left) > 5 else "")
        warn(
            f"left out of the model's requirements, for each names a local path and its run keeps none: {shown}; who "
            "loads the model installs it by other means",
            stacklevel=2,
        )
