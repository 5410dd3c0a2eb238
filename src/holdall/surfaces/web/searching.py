"""Search over everything from one box: what has a text, or the page that an address or id names."""

from __future__ import annotations

from typing import Final

from holdall.store import Match
from holdall.surfaces.web.addresses import Query
from holdall.surfaces.web.page import Body, Page, Pages
from holdall.surfaces.web.site import Site

_KINDS: Final = {
    "run": "Runs",
    "experiment": "Experiments",
    "model": "Models",
    "version": "Versions of models",
    "artifact": "Artifacts",
}


def search(site: Site, query: Query) -> Page | Body:
    """Draw what has a text; of an address, an id or the digest of one file, lead there."""
    text = query.text("q").strip()
    found = site.store.search(text, index=site.index)
    if found.exact and len(found.found) == 1:
        return Body(b"", headers={"location": address_of(site, found.found[0])}, status=303)
    kinds = [(kind, called, [one for one in found.found if one.kind == kind]) for kind, called in _KINDS.items()]
    facts = {
        "q": text,
        "matches": found,
        "kinds": [
            (kind, called, [(one, address_of(site, one)) for one in some]) for kind, called, some in kinds if some
        ],
    }
    return Page("search.html", f"Search: {text[:60]}" if text else "Search", facts)


def address_of(site: Site, found: Match) -> str:
    """Return the address of the page of what was found."""
    match found.kind:
        case "run" | "experiment":
            return site.link(found.kind, {"id": found.id})
        case "model":
            return site.link("model", {"name": found.id})
        case "version":
            return site.link("model_version", {"name": found.id, "version": found.detail})
    return site.link("artifact", {"id": found.id, "path": found.detail})


PAGES: Final[Pages] = {"search": search}
