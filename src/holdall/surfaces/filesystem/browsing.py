"""A store as a file system of fsspec: what is there, and how long what was seen counts."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from typing import Any, Final

from fsspec import AbstractFileSystem
from fsspec.config import apply_config
from fsspec.utils import tokenize

from holdall.errors import ArtifactNotFoundError, NoSuchFileError
from holdall.store import ArtifactInfo
from holdall.surfaces.filesystem.addresses import FORMS, MODELS, RUNS, Place, parse_place
from holdall.surfaces.filesystem.listing import Info, Tree, described, directory, tree_of
from holdall.surfaces.filesystem.translating import as_os_errors, no_such_place
from holdall.surfaces.filesystem.views import Seen, Views, default_store, views_of, whole_address

EXPIRY: Final = 60.0  # seconds after which a root is looked at anew
_OF_FSSPEC: Final = ("use_listings_cache", "max_paths", "asynchronous", "loop", "auto_mkdir", "block_size")


class _OfOneStore(type(AbstractFileSystem)):  # type: ignore[misc]  # fsspec has no types
    """Says which store an instance is of before fsspec looks for one that is there already."""

    def __call__(cls, *args: Any, **options: Any) -> Any:
        options = apply_config(cls, {"store": args[0], **options} if args else options)
        options["store"] = whole_address(options.get("store") or default_store())
        if "unlock" in options:  # fsspec tells instances apart by the texts of their options, and this has no secret
            options["skip_instance_cache"] = True
        return super().__call__(**options)


class BrowsableFileSystem(AbstractFileSystem, metaclass=_OfOneStore):  # type: ignore[misc]  # fsspec has no types
    """The files of a store's runs and models, to be listed.

    Args:
        store: The store's address, as for `holdall.open`; when None, that of the store in use: the one that was set,
            or else the one that `HOLDALL_STORE` names.
        listings_expiry_time: Seconds after which a run or model is looked at anew; None: never, until
            `invalidate_cache` or `refresh=True`.
        options: What the storage library takes, as for `holdall.open`.
    """

    protocol = "holdall"
    root_marker = ""

    def __init__(
        self, store: str | None = None, *, listings_expiry_time: float | None = EXPIRY, **options: Any
    ) -> None:
        super().__init__(**options)
        self._store, self._expiry = store or default_store(), listings_expiry_time
        self._options = {name: value for name, value in options.items() if name not in _OF_FSSPEC}

    @property
    def _views(self) -> Views:
        return views_of(self._store, self._options)

    @property
    def fsid(self) -> str:
        """Return what tells this store from others."""
        return f"holdall+{self._views.store.url}"

    @classmethod
    def _strip_protocol(cls, path: Any) -> Any:
        found = super()._strip_protocol(path)
        return found.strip("/") if isinstance(found, str) else found

    def invalidate_cache(self, path: str | None = None) -> None:
        """Look anew at the run or model that a path is of, or at all, when they are next used. Cost: none."""
        super().invalidate_cache(path)
        self._views.forget(parse_place(self._strip_protocol(path)).root if path else None)

    # --- what is there ---

    def info(self, path: str, *, refresh: bool = False, **_: Any) -> Info:
        """Return what is at a path: `name`, `size`, `type`, `created` (of its run), and of a file its `sha256`.

        A link to a file is that file, with `islink`; one that leads to none is of type "link".

        Raises:
            FileNotFoundError: There is nothing.

        Cost: none where the run was looked at and the tree read so far; else as `Run.snapshot` and `RunSnapshot.stat`.
        """
        path = self._strip_protocol(path)
        place = parse_place(path)
        with as_os_errors(path):
            if place.listing is not None:
                return self._above(path)
            seen, found = self._stat(path, place, refresh=refresh)
            return described(path, found, created_of(seen))

    def ls(self, path: str, detail: bool = True, *, refresh: bool = False, **_: Any) -> list[Any]:
        """Return what is directly in a directory, sorted; of a file, itself. Raises, cost: as `info`."""
        path = self._strip_protocol(path)
        place = parse_place(path)
        with as_os_errors(path):
            if place.listing is not None:
                found = self._children_above(path)
            else:
                tree = self._tree(path, place, refresh=refresh)
                found = [tree.itself] if tree.itself else list(tree.within(1, directories=True).values())
        return found if detail else [each["name"] for each in found]

    def find(
        self,
        path: str,
        maxdepth: int | None = None,
        withdirs: bool = False,
        detail: bool = False,
        *,
        refresh: bool = False,
        **kwargs: Any,
    ) -> Any:
        """Return all files below a path, sorted, and perhaps directories; the tree is read once for it."""
        if maxdepth is not None and maxdepth < 1:
            raise ValueError("maxdepth must be at least 1")
        path = self._strip_protocol(path)
        place = parse_place(path)
        if not place.root:
            return super().find(path, maxdepth=maxdepth, withdirs=withdirs, detail=detail, **kwargs)
        try:
            tree = self._tree(path, place, refresh=refresh)
        except FileNotFoundError:
            return {} if detail else []
        found = {path: tree.itself} if tree.itself else tree.within(maxdepth, directories=withdirs)
        if withdirs and not tree.itself:
            found = {path: directory(path), **found}
        return found if detail else list(found)

    def walk(self, path: str, *args: Any, refresh: bool = False, **kwargs: Any) -> Iterator[Any]:
        """Walk a directory as `os.walk` does. Args: as fsspec's `walk`."""
        if refresh:
            self.invalidate_cache(path)
        yield from super().walk(path, *args, **kwargs)

    def du(
        self, path: str, total: bool = True, maxdepth: int | None = None, withdirs: bool = False, **kwargs: Any
    ) -> Any:
        """Return the bytes of all files below a path, or with `total=False` of each."""
        found = self.find(path, maxdepth=maxdepth, withdirs=withdirs, detail=True, **kwargs)
        sizes = {name: info["size"] for name, info in found.items()}
        return sum(sizes.values()) if total else sizes

    def exists(self, path: str, **kwargs: Any) -> bool:
        """Return whether there is anything at a path. Raises: what is wrong, where that cannot be told."""
        try:
            self.info(path, **kwargs)
        except (FileNotFoundError, NotADirectoryError):
            return False
        return True

    def isfile(self, path: str) -> bool:
        """Return whether there is a file at a path. Raises: as `exists`."""
        return self._type(path) == "file"

    def isdir(self, path: str) -> bool:
        """Return whether there is a directory at a path. Raises: as `exists`."""
        return self._type(path) == "directory"

    def ukey(self, path: str) -> str:
        """Return the SHA-256 of a file, in hex; of what is none, another text that changes with it."""
        info = self.info(path)
        return str(info.get("sha256") or tokenize(info))

    checksum = ukey

    def created(self, path: str) -> datetime.datetime | None:
        """Return when the run began that holds a path."""
        found: datetime.datetime | None = self.info(path)["created"]
        return found

    modified = created

    # --- inside ---

    def _type(self, path: str) -> str | None:
        try:
            return str(self.info(path)["type"])
        except (FileNotFoundError, NotADirectoryError):
            return None

    def _seen(self, path: str, place: Place, *, refresh: bool = False) -> Seen:
        if not place.root:
            raise no_such_place(path, FORMS)
        return self._views.look(place) if refresh else self._views.of(place, self._expiry)

    def _stat(self, path: str, place: Place, *, refresh: bool = False) -> tuple[Seen, ArtifactInfo]:
        """Return what is at a path, and by which look; look again for what may have come since."""
        seen = self._seen(path, place, refresh=refresh)
        try:
            return seen, seen.run.stat(seen.inside(place.path))
        except ArtifactNotFoundError:
            again = self._views.look_again(place, seen)
            if again is None and not self._views.was_made(path):
                raise
        seen = again or seen
        try:
            return seen, seen.run.stat(seen.inside(place.path))
        except ArtifactNotFoundError:
            if not self._views.was_made(path):
                raise
            return seen, ArtifactInfo(seen.run.id, seen.inside(place.path), "directory")

    def _tree(self, path: str, place: Place, *, refresh: bool = False) -> Tree:
        with as_os_errors(path):
            seen = self._seen(path, place, refresh=refresh)
            inside = seen.inside(place.path)
            tree = tree_of(path, inside, seen.run.walk(inside or None), created_of(seen))
            if not tree.there and place.path:
                seen, found = self._stat(path, place)  # raises, if it is not there
                inside = seen.inside(place.path)
                tree = tree_of(path, inside, seen.run.walk(inside or None), created_of(seen))
                if found.kind != "directory" and not tree.there:
                    raise NoSuchFileError(path, f"{path!r} is gone")
            return tree

    def _above(self, path: str) -> Info:
        if path.count("/") and path not in [each["name"] for each in self._children_above(MODELS)]:
            raise NoSuchFileError(path, f"no registered model is called {path.partition('/')[2]!r}")
        return directory(path)

    def _children_above(self, path: str) -> list[Info]:
        """Return what is above all roots, or in the directory of a model's versions."""
        store = self._views.store
        if not path:
            return [directory(MODELS), directory(RUNS)]
        if path == RUNS:
            return [directory(f"{RUNS}/{id}") for id in sorted(store.maintenance.run_ids())]
        if path == MODELS:
            return [directory(f"{MODELS}/{model.name}") for model in store.registry.search_models()]
        name = path.partition("/")[2]
        store.registry.get_model(name)
        found = store.registry.search_versions(None if "'" in name else f"name = '{name}'")
        numbers = sorted(int(version.version) for version in found if version.name == name)
        return [directory(f"{path}/{number}") for number in numbers]


def created_of(seen: Seen) -> datetime.datetime:
    return datetime.datetime.fromtimestamp((seen.run.info.start_time or 0) / 1000, datetime.UTC)
