"""One artifact: what it is, and a preview of it. A directory is shown by the tab of its run."""

from __future__ import annotations

from typing import Any, Final

from holdall.errors import ArtifactNotFoundError
from holdall.store import RunSnapshot
from holdall.surfaces.web.addresses import Query
from holdall.surfaces.web.artifact_bytes import snapshot_of, version_of
from holdall.surfaces.web.artifact_tree import names_of
from holdall.surfaces.web.page import Page, Pages
from holdall.surfaces.web.previews.sample import Sample
from holdall.surfaces.web.previews.table import preview_of
from holdall.surfaces.web.site import Site

_VERSIONS: Final = 100


def artifact(site: Site, query: Query) -> Page:
    """Draw what is at a path of a run: a preview of a file, where content elsewhere is, or where a link leads."""
    found, path, version = snapshot_of(site, query), query.text("path"), version_of(query)
    part = query.choice("part", ("", "preview"))
    facts = {"id": found.id, "path": path, "wanted": version, "name": path.rpartition("/")[2], "part": part}
    template = "previews/part.html" if part else "artifact.html"
    more = _what_is_there(found, path, version, query)
    return Page(template, str(facts["name"]), {**facts, **more, "info": found.record.info, "names": names_of(path)})


def _what_is_there(found: RunSnapshot, path: str, version: int | None, query: Query) -> dict[str, Any]:
    """Return the facts of what is at a path; what is elsewhere is only read where somebody says so."""
    facts: dict[str, Any] = {"shown": None, "elsewhere": None, "link": None, "size": None, "sha256": "", "versions": []}
    if version is None:
        try:
            there = found.stat(path)
        except ArtifactNotFoundError:
            there = None
        if there is None:
            facts["elsewhere"] = _elsewhere(found, path)
            if not query.flag("read"):
                return facts
        elif there.kind != "file":
            return facts | {"link": there.target or path, "directory": there.kind == "directory"}
    return facts | _file(found, path, version) | {"directory": False}


def _file(found: RunSnapshot, path: str, version: int | None) -> dict[str, Any]:
    with found.open(path, version=version) as file:
        entry = file.raw.entry
        uri = f"runs:/{found.id}/{path}"
        shown = preview_of(Sample(file, path, entry.size, uri))
    versions = list(found.versions(path))[:_VERSIONS] if found.record.info.versioned else []
    return {"shown": shown, "size": entry.size, "sha256": entry.sha256.hex(), "versions": versions}


def _elsewhere(found: RunSnapshot, path: str) -> Any:
    """Return what stands at a path, but is elsewhere. Raises: ArtifactNotFoundError: Nothing does."""
    reference = found._references().at(path)
    if reference is None:
        raise ArtifactNotFoundError(found.id, path)
    return reference.reference


PAGES: Final[Pages] = {"artifact": artifact}
