"""Files of skops: estimators kept without code.

skops refuses to build what is neither on its own list nor on the reader's. What is
known to be harmless beyond its list is a flavor's to say. The same estimator
gives the same bytes; see `skops_archive`.
"""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from holdall.errors import ContentError
from holdall.libraries import library
from holdall.modeling.files.skops_archive import steady


def dump_skops(model: Any, file: Path, *, harmless: re.Pattern[str], listed: Sequence[str] = ()) -> list[str]:
    """Write an estimator.

    Args:
        model: The estimator.
        file: Where to.
        harmless: The types, by their full names, that hold numbers and run nothing.
        listed: Those that its maker vouches for.

    Returns:
        The types that the reader must admit, sorted: those that skops does not know, and those listed.

    Raises:
        ValueError: It has types that are neither harmless nor listed; nothing was written.
        MissingLibraryError: skops is not installed.

    Cost: the model's bytes twice in memory.
    """
    skops = library("skops.io", "keeping a model without code", "skops")
    data = skops.dumps(model)
    unknown = skops.get_untrusted_types(data=data)
    if refused := [each for each in unknown if not harmless.fullmatch(each) and each not in listed]:
        raise ValueError(
            f"skops does not know whether these types are safe: {', '.join(refused)}; if you do, list them in "
            "skops_trusted_types, or use another serialization_format"
        )
    file.write_bytes(steady(data))
    return sorted({*unknown, *listed})


def load_skops(
    file: Path,
    listed: Sequence[str] | None,
    *,
    before: Callable[[Any], None] | None = None,
    after: Callable[[Any], None] | None = None,
) -> Any:
    """Return what a file of skops builds, with the types that its MLmodel file lists: `trust` was asked about them.

    Args:
        file: Where it is.
        listed: These types.
        before: Looks at the schema of what will be built, and raises for what must not be.
        after: Looks at what was built, before it predicts.

    Raises:
        ContentError: It is none, or has other types, or needs what is not installed here.
        MissingLibraryError: skops is not installed.
    """
    skops = library("skops.io", "loading a model of skops", "skops")
    try:
        if before:
            with zipfile.ZipFile(file) as archive:
                before(json.loads(archive.read("schema.json")))
        built = skops.load(file, trusted=[str(each) for each in listed or ()])
        if after:
            after(built)
        return built
    except Exception as error:  # skops raises whatever building an object raises
        raise ContentError(str(file), "a skops model that can be loaded here", f"{error}") from error


def all_harmless(listed: Sequence[str] | None, harmless: re.Pattern[str]) -> bool:
    """Whether no type that a model lists can run code."""
    return all(harmless.fullmatch(str(each)) for each in listed or ())
