"""A static site of an experiment, a run or a store: the same pages, with links between files.

    scope --> pages that links lead to, drawn one after another --> a plan: files and bytes --> a folder

What needs a server is left out: filters, choices, comparison, changes. Links to it, and to what is out of scope or
too much, lead to a page that says so. Names of files are made here of digests and checked ids, never of what users
named. Artifacts are shown as their pages show them; of their bytes only small pictures are taken, so that nothing
that was logged is published as a page.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final

from holdall.errors import HoldallError
from holdall.store import Store
from holdall.surfaces.web.addresses import Query, address_of
from holdall.surfaces.web.answering import failed
from holdall.surfaces.web.page import Body, Draw, Page
from holdall.surfaces.web.rendering import render
from holdall.surfaces.web.site import Site
from holdall.surfaces.web.static_files import static_files

LEFT_OUT: Final = "left-out.html"
RUNS: Final = 500  # newest, of an experiment or a store
_PAGES: Final = 10_000
_BYTES: Final = 256 << 20  # of all files
_PICTURE: Final = 1 << 20
_PICTURES: Final = ("png", "jpg", "jpeg", "gif", "webp")
_EMPTY: Final = bytes.fromhex(
    "47494638396101000100800000000000ffffff21f90401000000002c00000000010001000002024401003b"
)  # a GIF of one pixel
_WITH: Final[Mapping[str, set[str]]] = {  # the pages there are, and what of their addresses may vary
    "runs": {"offset"},
    "experiments": {"offset"},
    "experiment": {"id", "offset"},
    "run": {"id", "tab", "path", "after"},
    "artifact": {"id", "path"},
    "raw": {"id", "path"},
    "series": {"run", "key"},
    "logged_model": {"id", "path"},
    "models": {"page"},
    "model": {"name"},
    "model_version": {"name", "version"},
    "help": set(),
}
_OF_THE_STORE: Final = {"runs", "experiments", "models", "model", "model_version"}


@dataclass(frozen=True, slots=True)
class Scope:
    """What is exported.

    Attributes:
        start: The name and arguments of the first page.
        runs: Ids of runs.
        experiments: Ids of experiments.
        whole: Whether it is the store.
        more: How many runs there are beside.
    """

    start: tuple[str, dict[str, Any]]
    runs: frozenset[str]
    experiments: frozenset[str]
    whole: bool = False
    more: int = 0


def scope_of(store: Store, experiment: str | None, run: str | None) -> Scope:
    """Return what an experiment of a name, a run of an id, or the store has. Raises: NotFoundError."""
    if run:
        found = store.runs.get(run)
        return Scope(("run", {"id": found.id}), frozenset([found.id]), frozenset())
    chosen = None
    if experiment:
        named = store.experiments.named(experiment)
        chosen = [named.experiment_id if named else store.experiments.get(experiment).experiment_id]
    with store.runs.index() as index:
        index.refresh()  # a copy that is kept is of all runs, not of those that are known at once
        page = index.page(None, chosen, limit=RUNS)
    runs, more = frozenset(one.run_id for one in page.records), page.total - len(page.records)
    if chosen:
        return Scope(("experiment", {"id": chosen[0]}), runs, frozenset(chosen), more=more)
    every = frozenset(one.experiment_id for one in store.experiments.search())
    return Scope(("runs", {}), runs, every, whole=True, more=more)


@dataclass(slots=True)
class Export:
    """Files of a static site, and what was left out of it.

    Attributes:
        files: The content of each, by its name below the folder.
        left_out: Sentences.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)

    @property
    def size(self) -> int:
        """The bytes of all files."""
        return sum(map(len, self.files.values()))


def export_of(store: Store, scope: Scope, pages: Mapping[str, Draw]) -> Export:
    """Draw the pages of a static site. `pages`: the functions that draw them, by name. Cost: that of its pages."""
    return _Drawing(store, scope, pages).all()


class _Drawing:
    """The pages of an export as they are drawn: each link asks for one more."""

    def __init__(self, store: Store, scope: Scope, pages: Mapping[str, Draw]) -> None:
        self._scope, self._pages = scope, pages
        self._names: dict[str, str] = {}  # of files, by address
        self._waiting: deque[tuple[str, str, dict[str, Any]]] = deque()
        self._export = Export()
        self._site = Site(store, link=self.link, static=True)
        self._size = 0

    def all(self) -> Export:
        """Draw all there are."""
        self._names[address_of(*self._scope.start)] = "index.html"
        self._waiting.append(("index.html", *self._scope.start))
        self._put(LEFT_OUT, self._told())
        self._site.index.refresh()
        while self._waiting:
            name, page, arguments = self._waiting.popleft()
            self._put(name, self._drawn(page, arguments))
        for name, file in static_files().items():
            self._put(f"static/{name}", file.content)
        self._site.index.close()
        if self._scope.more:
            self._export.left_out.append(f"{self._scope.more} older runs, as more than {RUNS} are too many")
        return self._export

    def link(self, name: str, arguments: dict[str, Any]) -> str:
        """Return the file that a page is in, which will be drawn; of one that is left out the page that says so."""
        if name == "static":
            return f"static/{arguments['file']}"
        said = {key: value for key, value in arguments.items() if value not in (None, "", False, (), [])}
        if name == "runs" and set(said) == {"experiment"}:
            name, said = "experiment", {"id": _one(said["experiment"])}
        if name in ("runs", "experiments") and not said and not self._scope.whole:
            return "index.html"
        if not self._has(name, said):
            return LEFT_OUT
        address = address_of(name, said)
        if address not in self._names:
            if len(self._names) >= _PAGES or self._size >= _BYTES:
                return LEFT_OUT
            self._names[address] = file = _file_of(name, said, address)
            self._waiting.append((file, name, said))
        return self._names[address]

    def _has(self, name: str, said: Mapping[str, Any]) -> bool:
        scope = self._scope
        if name not in self._pages or name not in _WITH or not set(said) <= _WITH[name]:
            return False
        if name in _OF_THE_STORE:
            return scope.whole
        if name == "experiment":
            return said["id"] in scope.experiments
        if name == "raw":
            return said["id"] in scope.runs and _ending(said) in _PICTURES
        runs = said.get("run", said.get("id", []))
        return name == "help" or set([runs] if isinstance(runs, str) else runs) <= scope.runs

    def _drawn(self, name: str, arguments: Mapping[str, Any]) -> bytes:
        path = {key: str(value) for key, value in arguments.items() if key == "id"}
        pairs = [(k, str(one)) for k, v in arguments.items() if k not in path for one in (v if _is_list(v) else [v])]
        try:
            found = self._pages[name](self._site, Query(path, pairs))
        except HoldallError as error:
            self._export.left_out.append(f"{address_of(name, arguments)}: {error}")
            found = failed(error)
        if isinstance(found, Page):
            return render(self._site, found).encode()
        return found.content if name != "raw" else self._picture(found, arguments)

    def _picture(self, found: Body, arguments: Mapping[str, Any]) -> bytes:
        """Return a small picture; an empty one instead of what is large, or none."""
        content = bytearray(found.content)
        for block in found.blocks or ():
            content += block
            if len(content) > _PICTURE:
                break
        if found.status == 200 and len(content) <= _PICTURE and found.media_type.startswith("image/"):
            return bytes(content)
        self._export.left_out.append(f"the picture {arguments['path']!r}, as it has more than 1 MiB or is none")
        return _EMPTY

    def _told(self) -> bytes:
        said = "This page is not in this copy: it needs a server, belongs to something else, or was too much."
        return render(self._site, Page("error.html", "Not in this copy", {"said": said, "hint": None})).encode()

    def _put(self, name: str, content: bytes) -> None:
        self._export.files[name] = content
        self._size += len(content)


def _file_of(name: str, said: Mapping[str, Any], address: str) -> str:
    """Return the name of a page's file: nothing in it comes from what users named."""
    if name == "help" or (set(said) == {"id"} and name in ("run", "experiment")):
        return f"{name}-{said['id']}.html" if said else f"{name}.html"
    ending = "json" if name == "series" else _ending(said) if name == "raw" else "html"
    return f"{name.replace('_', '-')}-{sha256(address.encode()).hexdigest()[:20]}.{ending}"


def _ending(said: Mapping[str, Any]) -> str:
    return str(said.get("path", "")).rpartition(".")[2].lower()


def _is_list(value: Any) -> bool:
    return not isinstance(value, str | int | float)


def _one(value: Any) -> Any:
    return value if isinstance(value, str) else next(iter(value), "")
