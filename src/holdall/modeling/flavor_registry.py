"""Which flavors there are, and which of them a model belongs to."""

from __future__ import annotations

import importlib
import logging
import pkgutil
from functools import lru_cache
from importlib.metadata import entry_points
from typing import Final

from holdall.errors import UnknownFlavorError
from holdall.modeling import flavors
from holdall.modeling.flavor import Flavor

GROUP: Final = "holdall.flavors"
_log = logging.getLogger("holdall")


def flavor_named(name: str) -> Flavor:
    """Return a flavor by its name.

    Raises:
        UnknownFlavorError: There is none.
    """
    for flavor in known_flavors():
        if flavor.name == name:
            return flavor
    raise UnknownFlavorError(f"flavor {name!r}", _names())


def flavor_loading(loader: str) -> Flavor | None:
    """Return the flavor that an MLmodel file means by its `loader_module`; None if it is no flavor's."""
    return next((flavor for flavor in known_flavors() if loader in flavor.loaders), None)


def flavor_of(model: object) -> Flavor:
    """Return the flavor that a model belongs to.

    Raises:
        UnknownFlavorError: None of them knows it.
    """
    for kind in type(model).__mro__:
        for flavor in known_flavors():
            if flavor.knows(kind):
                return flavor
    raise UnknownFlavorError(f"a {type(model).__module__}.{type(model).__qualname__}", _names())


@lru_cache(maxsize=1)
def known_flavors() -> tuple[Flavor, ...]:
    """Return ours, and those of other packages; of two with the same name, ours.

    Cost: the first time in a process, a look at all installed packages.
    """
    ours = [
        importlib.import_module(f"{flavors.__name__}.{found.name}").FLAVOR
        for found in pkgutil.iter_modules(flavors.__path__)
        if not found.name.startswith("_")
    ]
    found = {flavor.name: flavor for flavor in (*_strangers(), *ours)}
    return tuple(found[name] for name in sorted(found))


def _strangers() -> list[Flavor]:
    """A package whose flavor cannot be imported takes only itself away."""
    found = []
    for point in entry_points(group=GROUP):
        try:
            found.append(point.load())
        except Exception as error:
            _log.warning("the flavor %r of %s cannot be used: %s", point.name, point.value, error)
    return found


def _names() -> str:
    return ", ".join(flavor.name for flavor in known_flavors())
